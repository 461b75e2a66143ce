//! Suppliers, endpoints and orders of a simulation, and what was seen of them.

use std::cell::Cell;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::Instant;

use crate::delivery::engine::Simulated;
use crate::delivery::health::CallEnd;
use crate::delivery::random::{SEED, random};
use crate::delivery::traffic::{Admission, Answer, Ask, Who};
use crate::dispatcher::{Dispatcher, DispatcherBuilder};
use crate::event::Body;
use crate::notification::outcome::{Outcome, Unknown};
use crate::notification::{Key, StateName};
use crate::store::memory::MemoryStore;
use crate::store::{ClaimNew, ClaimRequest, Pick, Store};
use crate::store::{NewNotification, Start};
use crate::supplier::{Acceptance, Supplier};
use crate::value::clock::Moment;
use crate::value::names::{OrderCode, Source, SupplierId};
use crate::wire::request::{HeaderText, Request};
use crate::wire::send::Reply;

use super::super::Worker;

pub(super) const LIMIT: Duration = Duration::from_secs(60);

pub(super) const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// How an endpoint behaves.
#[derive(Clone, Copy, Debug)]
pub(super) enum Manner {
    /// Answers 200 after 0.1 s.
    Well,
    /// Answers 200 after 5 to 10 s.
    Slow,
    /// Answers 503 after 0.1 s.
    Unavailable,
    /// Never answers.
    Hangs,
    /// Never answers between these moments, and answers before and after.
    HangsBetween(Duration, Duration),
    /// The same, with this time for an answer.
    HangsUntil(Duration, Duration),
    /// Answers for two minutes, hangs for two minutes, and so on, from a moment of its own.
    Flaps(Duration),
}

/// One POST that was seen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    pub(super) endpoint: usize,
    pub(super) order: usize,
    /// Since the start of the simulation.
    pub(super) at: Duration,
    pub(super) took: Duration,
}

/// The endpoints of a simulation.
pub(super) struct Endpoints {
    start: Instant,
    by_url: HashMap<String, usize>,
    manners: Vec<Manner>,
    orders: Mutex<HashMap<String, usize>>,
    seen: Mutex<Vec<Seen>>,
}

impl Simulated for Endpoints {
    fn post(&self, request: &Request) -> (Duration, Reply) {
        let at = self.start.elapsed();
        let endpoint = self.by_url[request.url.as_str()];
        let hang = (
            LIMIT,
            Outcome::Unknown {
                why: Unknown::TimedOut,
            },
        );
        let ok = |after: Duration| (after, Outcome::Accepted { status: 200 });
        let quick = Duration::from_millis(100);
        let (took, outcome) = match self.manners[endpoint] {
            Manner::Well => ok(quick),
            Manner::Slow => ok(secs(5) + secs(5).mul_f64(random())),
            Manner::Unavailable => (quick, Outcome::Rejected { status: 503 }),
            Manner::Hangs => hang,
            Manner::HangsBetween(from, until) if at >= from && at < until => hang,
            Manner::HangsBetween(..) => ok(quick),
            Manner::HangsUntil(until, _) if at < until => hang,
            Manner::HangsUntil(_, after) => ok(after),
            Manner::Flaps(phase) if ((at + phase).as_secs() / 120) % 2 == 1 => hang,
            Manner::Flaps(_) => ok(quick),
        };
        let id = request
            .headers
            .iter()
            .find(|header| header.name == "webhook-id")
            .unwrap();
        let HeaderText::Plain(id) = &id.value else {
            panic!("an id is no secret")
        };
        let order = self.orders.lock().unwrap()[id];
        self.seen.lock().unwrap().push(Seen {
            endpoint,
            order,
            at,
            took,
        });
        (took, Reply::of(outcome, took))
    }
}

/// One order for one supplier.
#[derive(Clone, Debug)]
pub(super) struct Order {
    pub(super) supplier: usize,
    pub(super) at: Duration,
    pub(super) key: Key,
}

/// A process, or several, with one store.
pub(super) struct World {
    pub(super) store: MemoryStore,
    pub(super) dispatchers: Vec<Dispatcher>,
    pub(super) endpoints: Arc<Endpoints>,
    pub(super) orders: Vec<Order>,
    suppliers: Vec<Supplier>,
    running: Vec<tokio::task::JoinHandle<()>>,
    seed: u64,
    number: Cell<u64>,
}

/// Suppliers of a simulation, each with the manners of its endpoints.
pub(super) struct Plan {
    pub(super) suppliers: Vec<(Acceptance, Vec<Manner>)>,
    pub(super) concurrency: usize,
    pub(super) processes: usize,
    /// The limit of descriptors; without one there are places enough.
    pub(super) descriptors: Option<u64>,
}

impl Plan {
    /// Suppliers with one endpoint each.
    pub(super) fn of(manners: impl IntoIterator<Item = Manner>) -> Plan {
        let suppliers = manners
            .into_iter()
            .map(|manner| (Acceptance::Every, vec![manner]))
            .collect();
        Plan {
            suppliers,
            concurrency: 256,
            processes: 1,
            descriptors: None,
        }
    }

    /// One supplier with these endpoints.
    pub(super) fn one(acceptance: Acceptance, manners: &[Manner]) -> Plan {
        Plan {
            suppliers: vec![(acceptance, manners.to_vec())],
            concurrency: 256,
            processes: 1,
            descriptors: None,
        }
    }

    pub(super) fn build(self, seed: u64) -> World {
        SEED.with(|current| current.set(seed));
        let (mut by_url, mut all_manners, mut suppliers) = (HashMap::new(), Vec::new(), Vec::new());
        for (number, (acceptance, manners)) in self.suppliers.into_iter().enumerate() {
            let mut builder = Supplier::builder(SupplierId::new(format!("s{number}")).unwrap())
                .acceptance(acceptance);
            for (place, manner) in manners.into_iter().enumerate() {
                let url = format!("https://hooks.example/{number}/{place}");
                builder = builder.endpoint(url.clone());
                by_url.insert(url, all_manners.len());
                all_manners.push(manner);
            }
            suppliers.push(builder.build().unwrap());
        }
        let endpoints = Arc::new(Endpoints {
            start: Instant::now(),
            by_url,
            manners: all_manners,
            orders: Mutex::default(),
            seen: Mutex::default(),
        });
        let store = MemoryStore::new();
        let by_id: HashMap<_, _> = suppliers
            .iter()
            .map(|supplier| (supplier.id().clone(), supplier.clone()))
            .collect();
        let dispatchers = (0..self.processes)
            .map(|_| {
                let builder: DispatcherBuilder =
                    Dispatcher::builder(source(), store.clone(), by_id.clone());
                let concurrency = self.concurrency.try_into().unwrap();
                builder
                    .concurrency(concurrency)
                    .build_simulated(Arc::clone(&endpoints) as _, self.descriptors)
            })
            .collect();
        let (orders, running, number) = (Vec::new(), Vec::new(), Cell::new(seed));
        World {
            store,
            dispatchers,
            endpoints,
            orders,
            suppliers,
            running,
            seed,
            number,
        }
    }
}

fn source() -> Source {
    Source::new("shop").unwrap()
}

impl World {
    /// A worker in each process.
    pub(super) fn work(&mut self) {
        for dispatcher in &self.dispatchers {
            // The hints of the store reach every process here.
            let worker = Worker::new(dispatcher).with_poll(secs(3600));
            self.running.push(tokio::spawn(async move {
                worker.run().await;
            }));
        }
    }

    /// Every process has had an answer of these suppliers' endpoints.
    pub(super) fn is_known(&self, suppliers: impl IntoIterator<Item = usize>) {
        for supplier in suppliers {
            let supplier = &self.suppliers[supplier];
            for (endpoint, dispatcher) in supplier
                .endpoints()
                .iter()
                .flat_map(|endpoint| self.dispatchers.iter().map(move |one| (endpoint, one)))
            {
                let (endpoint, supplier) = (endpoint.id().clone(), supplier.id().clone());
                let ask = Ask {
                    endpoint,
                    supplier,
                    who: Who::Worker,
                    is_new: true,
                };
                match dispatcher
                    .engine
                    .traffic
                    .ask(ask, &mut None, Moment::now(), 0.5)
                {
                    Answer::Now(Admission::Call(pass)) => pass.end(CallEnd::Answered),
                    _ => panic!("nothing is under way yet"),
                }
            }
        }
    }

    /// Stores orders of these suppliers at this moment.
    pub(super) async fn enqueue(&mut self, suppliers: impl IntoIterator<Item = usize>) {
        let at = self.endpoints.start.elapsed();
        let mut new = Vec::new();
        for supplier in suppliers {
            let code = OrderCode::new(format!("A-{}", self.orders.len())).unwrap();
            let key = Key::order_created(source(), self.suppliers[supplier].id().clone(), code);
            self.endpoints
                .orders
                .lock()
                .unwrap()
                .insert(key.event_id().as_str().to_owned(), self.orders.len());
            new.push(NewNotification::new(
                key.clone(),
                Start::pending(Body::new(*b"{}")),
            ));
            self.orders.push(Order { supplier, at, key });
        }
        self.store.insert(&new, &ClaimNew::NONE).await.unwrap();
        for dispatcher in &self.dispatchers {
            dispatcher.engine.workers.ring();
        }
    }

    /// Stores orders at this rate for so long, each of a supplier that is chosen.
    pub(super) async fn orders(
        &mut self,
        per_hour: u64,
        during: Duration,
        choose: impl Fn(u64) -> usize,
    ) {
        let (began, every) = (Instant::now(), secs(3600).div_f64(per_hour as f64));
        let mut number = 0_u32;
        while every * number < during {
            tokio::time::sleep_until(began + every * number).await;
            let supplier = choose(self.next());
            self.enqueue([supplier]).await;
            number += 1;
        }
        tokio::time::sleep_until(began + during).await;
    }

    fn next(&self) -> u64 {
        let next = self.number.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.number.set(next);
        let mixed = (next ^ (next >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (mixed ^ (mixed >> 27)) >> 8
    }

    pub(super) fn since_start(&self) -> Duration {
        self.endpoints.start.elapsed()
    }

    pub(super) fn seen(&self) -> Vec<Seen> {
        self.endpoints.seen.lock().unwrap().clone()
    }

    /// The first POST of each order at this place of its supplier's list.
    fn first_calls(&self, place: usize) -> HashMap<usize, Duration> {
        let mut first = HashMap::new();
        for seen in self.seen() {
            let url = self.suppliers[self.orders[seen.order].supplier]
                .endpoints()
                .get(place);
            let wanted = url.map(|endpoint| self.endpoints.by_url[endpoint.url().as_str()]);
            if wanted == Some(seen.endpoint) {
                first.entry(seen.order).or_insert(seen.at);
            }
        }
        first
    }

    /// How long each order waited for its first POST at this place of the list, sorted; an order without one has waited
    /// until now.
    pub(super) fn delays(&self, place: usize, which: impl Fn(&Order) -> bool) -> Delays {
        let (first, now) = (self.first_calls(place), self.since_start());
        let delay = |(number, order): (usize, &Order)| {
            which(order).then(|| {
                first
                    .get(&number)
                    .copied()
                    .unwrap_or(now)
                    .saturating_sub(order.at)
            })
        };
        let mut delays: Vec<_> = self.orders.iter().enumerate().filter_map(delay).collect();
        delays.sort_unstable();
        Delays {
            delays,
            seed: self.seed,
        }
    }

    pub(super) async fn state(&self, order: usize) -> StateName {
        self.store
            .get(&self.orders[order].key)
            .await
            .unwrap()
            .unwrap()
            .state
            .name()
    }

    /// Ends the workers, and tells how many claims there have been: the tokens of the store are counted.
    pub(super) async fn claims(&mut self) -> usize {
        self.running.drain(..).for_each(|running| running.abort());
        tokio::time::sleep(LIMIT).await;
        self.enqueue([0]).await;
        let request = ClaimRequest::new(source(), Pick::New, 1, LIMIT);
        let claims = self.store.claim(&request).await.unwrap();
        usize::try_from(claims.claims[0].token.number()).unwrap() - 1
    }

    /// The most calls that were open at an endpoint at the same time.
    pub(super) fn most_open(&self, endpoint: usize) -> usize {
        let calls: Vec<_> = self
            .seen()
            .into_iter()
            .filter(|seen| seen.endpoint == endpoint)
            .collect();
        let open_at = |at: Duration| {
            calls
                .iter()
                .filter(|one| one.at <= at && at < one.at + one.took)
                .count()
        };
        calls.iter().map(|one| open_at(one.at)).max().unwrap_or(0)
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.running.iter().for_each(tokio::task::JoinHandle::abort);
    }
}

/// How long orders waited, shortest first.
pub(super) struct Delays {
    delays: Vec<Duration>,
    seed: u64,
}

impl Delays {
    pub(super) fn count(&self) -> usize {
        self.delays.len()
    }

    pub(super) fn longest(&self) -> Duration {
        self.delays.last().copied().unwrap_or_default()
    }

    /// The delay that this share of the orders does not pass.
    pub(super) fn of_share(&self, share: f64) -> Duration {
        let place = (self.delays.len() as f64 * share).ceil() as usize;
        self.delays
            .get(place.saturating_sub(1))
            .copied()
            .unwrap_or_default()
    }

    /// Prints the figure, and fails when the longest delay is over it.
    pub(super) fn within(&self, what: &str, most: Duration) {
        println!(
            "{what}: {} orders, longest {:?}, of 99 % {:?}",
            self.count(),
            self.longest(),
            self.of_share(0.99)
        );
        assert!(self.count() > 0, "{what}: no orders, seed {}", self.seed);
        assert!(
            self.longest() <= most,
            "{what}: {:?} is over {most:?}, seed {}",
            self.longest(),
            self.seed
        );
    }
}
