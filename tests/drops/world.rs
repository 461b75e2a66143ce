//! What the tests share: a dispatcher whose store and suppliers have points, a receiver, and the comparison of the two.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, RwLock};
use std::time::Duration;

use orderhook::store::{Filter, Page, Store};
use orderhook::{
    Dispatcher, DispatcherBuilder, MemoryStore, Notification, NotificationState, OrderCode,
    PaidOrder, RetryPolicy, Source, Supplier, SupplierBuilder, SupplierId, Worker,
};
use serde_json::json;
use tokio::sync::watch;

use crate::cut::{Cut, at_every_await};
use crate::points::{Pointed, PointedSuppliers, Points};
use crate::support::{Ca, Gate, Received, Receiver, Reply};

/// Long: a busy machine must not turn an answer into a timeout, and no lease may run out unless a test wants that.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(30);

/// How long the work may take that goes on after a drop: far less than a lease, so that what is stranded is seen.
const PATIENCE: Duration = Duration::from_secs(15);

/// As many slots as there are deliveries that the two suppliers allow.
const SLOTS: NonZeroUsize = NonZeroUsize::new(4).unwrap();
const ROOM: NonZeroU32 = NonZeroU32::new(2).unwrap();

/// Writes each test for the store in memory and, with the feature, for an SQLite file.
macro_rules! on_every_store {
    ($($test:ident),+ $(,)?) => {
        mod memory {
            $(#[tokio::test]
            async fn $test() {
                super::$test(crate::world::World::in_memory().await).await;
            })+
        }
        #[cfg(feature = "sqlite")]
        mod sqlite {
            $(#[tokio::test]
            async fn $test() {
                super::$test(crate::world::World::on_disk().await).await;
            })+
        }
    };
}
pub(crate) use on_every_store;

pub(crate) type Table = Arc<RwLock<HashMap<SupplierId, Supplier>>>;

/// Two suppliers, `books` and `tools`, with two endpoints each that accept everything.
pub(crate) struct World<S> {
    pub(crate) ca: Ca,
    pub(crate) store: S,
    pub(crate) table: Table,
    pub(crate) points: Points,
    pub(crate) receiver: Arc<Receiver>,
    pub(crate) dispatcher: Dispatcher,
    /// How many notifications of the dispatcher are notified.
    pub(crate) notified: watch::Sender<usize>,
    orders: AtomicUsize,
    _directory: Option<tempfile::TempDir>,
}

impl World<MemoryStore> {
    pub(crate) async fn in_memory() -> Self {
        Self::on(MemoryStore::new(), None).await
    }
}

#[cfg(feature = "sqlite")]
impl World<orderhook::SqliteStore> {
    pub(crate) async fn on_disk() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = orderhook::SqliteStore::open(directory.path().join("orderhook.db"))
            .await
            .unwrap();
        Self::on(store, Some(directory)).await
    }
}

impl<S: Store + Clone> World<S> {
    async fn on(store: S, directory: Option<tempfile::TempDir>) -> Self {
        let ca = Ca::new();
        let receiver = Arc::new(Receiver::start(&ca).await);
        let world = Self::with(store, ca, receiver, directory);
        // The endpoints answer: what nobody has called yet gets one call at a time.
        let order = world.order();
        let _ = world.dispatcher.enqueue(&order).await.unwrap();
        world.settle().await;
        world
    }

    pub(crate) fn with(
        store: S,
        ca: Ca,
        receiver: Arc<Receiver>,
        directory: Option<tempfile::TempDir>,
    ) -> Self {
        let (table, points, notified) =
            (Table::default(), Points::default(), watch::Sender::new(0));
        let arrived = points.clone();
        receiver.on_request(move |_| drop(arrived.touch()));
        let dispatcher = builder(&ca, &store, &table, &points, &notified)
            .build()
            .unwrap();
        let orders = AtomicUsize::new(0);
        let world = World {
            ca,
            store,
            table,
            points,
            receiver,
            dispatcher,
            notified,
            orders,
            _directory: directory,
        };
        for id in ["books", "tools"] {
            world.put(world.told(id));
        }
        world
    }

    /// Another dispatcher on the same store, as after a restart.
    pub(crate) fn another(&self) -> Dispatcher {
        builder(
            &self.ca,
            &self.store,
            &self.table,
            &self.points,
            &self.notified,
        )
        .build()
        .unwrap()
    }

    /// A supplier with two endpoints.
    pub(crate) fn told(&self, id: &str) -> SupplierBuilder {
        let url = |n: u32| self.receiver.url(&format!("/{id}/{n}"));
        // What a shutdown has cut short is tried again at once, as good as.
        let soon = RetryPolicy::DEFAULT.with_first_delay(Duration::from_millis(5));
        supplier(id)
            .endpoint(url(1))
            .endpoint(url(2))
            .max_concurrent(ROOM)
            .retry(soon)
    }

    pub(crate) fn put(&self, supplier: SupplierBuilder) {
        let supplier = supplier.build().unwrap();
        self.table
            .write()
            .unwrap()
            .insert(supplier.id().clone(), supplier);
    }

    /// The code of an order that there was not before.
    pub(crate) fn code(&self) -> OrderCode {
        OrderCode::new(format!("A-{}", self.orders.fetch_add(1, Ordering::Relaxed))).unwrap()
    }

    /// A new order of both suppliers.
    pub(crate) fn order(&self) -> PaidOrder {
        let line = |id: &str| json!({ "supplier": id, "sku": id, "name": id, "quantity": 1, "unit_price": "2.50" });
        let document = json!({
            "order_code": self.code().as_str(), "channel": "web", "currency": "INR", "shipping_charges": "0",
            "address": { "line1": "1 Elm St", "city": "Pune", "postal_code": "411001", "country": "IN" },
            "built_at": "2026-03-01T10:15:30+05:30", "lines": [line("books"), line("tools")],
        });
        PaidOrder::from_json(document.to_string().as_bytes()).unwrap()
    }

    pub(crate) async fn cut<T>(&self, cut: Cut, future: impl Future<Output = T>) -> Option<T> {
        cut.of(&self.points, future).await
    }

    /// Repeats the trial with a drop at each await; afterwards everything is possible that was possible before.
    pub(crate) async fn at_every_await(&self, mut trial: impl AsyncFnMut(Cut) -> bool) {
        at_every_await(async |cut| {
            let dropped = trial(cut).await;
            self.is_whole().await;
            dropped
        })
        .await;
        self.has_all_its_room().await;
    }

    /// Delivers all that can be delivered, and shows that nothing is stranded: no lease has to run out for it.
    pub(crate) async fn settle(&self) {
        self.settle_by(&self.dispatcher).await;
    }

    pub(crate) async fn settle_by(&self, dispatcher: &Dispatcher) {
        let worker = Worker::new(dispatcher).with_poll(Duration::from_millis(20));
        let Ok(summary) = tokio::time::timeout(PATIENCE, worker.until_idle()).await else {
            panic!("it does not become idle: {:?}", self.unfinished().await);
        };
        summary.unwrap();
    }

    /// Waits until nothing is being sent any more, without a worker.
    pub(crate) async fn is_quiet(&self) {
        self.until("nothing is being sent", async || {
            crate::support::counts(&self.store, &Filter::of(source()))
                .await
                .sending
                == 0
        })
        .await;
    }

    /// Waits until all of the order is notified, without a worker.
    pub(crate) async fn is_told(&self, order: &OrderCode, number: usize) {
        self.until(
            &format!("{number} notifications of {order} are notified"),
            async || {
                let stored = self.stored(order).await;
                stored.len() == number
                    && stored
                        .iter()
                        .all(|stored| matches!(stored.state, NotificationState::Notified { .. }))
            },
        )
        .await;
    }

    async fn until(&self, what: &str, mut holds: impl AsyncFnMut() -> bool) {
        let give_up = tokio::time::Instant::now() + PATIENCE;
        while !holds().await {
            let late = tokio::time::Instant::now() > give_up;
            assert!(
                !late,
                "waited {PATIENCE:?} until {what}: {:?}",
                self.unfinished().await
            );
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    async fn unfinished(&self) -> Vec<String> {
        let listing = self
            .store
            .list(&Filter::of(source()), &Page::first(10_000))
            .await
            .unwrap();
        let unfinished = listing
            .notifications
            .iter()
            .filter(|stored| !matches!(stored.state, NotificationState::Notified { .. }));
        unfinished
            .map(|stored| format!("{} {:?} {:?}", stored.key, stored.state, stored.attempts))
            .collect()
    }

    /// What is stored of an order.
    pub(crate) async fn stored(&self, order: &OrderCode) -> Vec<Notification> {
        let mut filter = Filter::of(source());
        filter.order = Some(order.clone());
        let listing = self.store.list(&filter, &Page::first(100)).await.unwrap();
        assert!(
            listing.next.is_none() && listing.refused.is_empty(),
            "{listing:?}"
        );
        let mut stored = Vec::new();
        for listed in listing.notifications {
            stored.push(
                self.store
                    .get(&listed.key)
                    .await
                    .unwrap()
                    .expect("it was listed"),
            );
        }
        stored
    }

    /// What is stored of an order, compared with what was received of it. A drop allows nothing that would not have happened
    /// without it: every endpoint is called once, and every attempt is on record with its answer.
    pub(crate) async fn told_once(&self, order: &OrderCode) -> Vec<Notification> {
        let stored = self.stored(order).await;
        let requests = self.receiver.received();
        for stored in &stored {
            let calls = calls_of(stored, &requests);
            assert!(
                calls.values().all(|calls| *calls == 1),
                "{}: called twice: {calls:?}",
                stored.key
            );
            let accepted = stored
                .attempts
                .iter()
                .filter(|attempt| attempt.outcome.is_accepted())
                .count();
            assert_eq!(
                (accepted, calls.len()),
                (stored.attempts.len(), accepted),
                "{}: {:?}",
                stored.key,
                stored.attempts
            );
            match &stored.state {
                NotificationState::Notified { reference, .. } if reference == BY_PHONE => {
                    assert_eq!(accepted, 0)
                }
                NotificationState::Notified { .. } => {
                    assert_eq!(accepted, self.endpoints(stored), "{}", stored.key)
                }
                NotificationState::Closed { .. } | NotificationState::Failed { .. } => {
                    assert_eq!(accepted, 0, "{}", stored.key)
                }
                other => panic!("{}: {other:?}", stored.key),
            }
        }
        stored
    }

    fn endpoints(&self, stored: &Notification) -> usize {
        self.table.read().unwrap()[&stored.key.supplier]
            .endpoints()
            .len()
    }

    /// Every request belongs to something that is stored.
    async fn is_whole(&self) {
        let listing = self
            .store
            .list(&Filter::of(source()), &Page::first(10_000))
            .await
            .unwrap();
        assert!(
            listing.next.is_none() && listing.refused.is_empty(),
            "{listing:?}"
        );
        let known: HashSet<_> = listing
            .notifications
            .iter()
            .map(|stored| stored.event_id.as_str())
            .collect();
        for request in self.receiver.received() {
            assert!(
                known.contains(id_of(&request)),
                "{request}: the store knows nothing of it"
            );
        }
    }

    /// All slots, and the whole room at both suppliers, can be used at the same time.
    pub(crate) async fn has_all_its_room(&self) {
        let (gate, before) = (Gate::new(), self.receiver.count());
        self.receiver.answer(Reply::ok().gated(&gate));
        let orders = [self.order(), self.order()];
        for order in &orders {
            let _ = self.dispatcher.enqueue(order).await.unwrap();
        }
        tokio::join!(self.settle(), async {
            self.receiver.wait_for(before + SLOTS.get()).await;
            self.receiver.answer(Reply::ok());
            gate.open();
        });
        for order in &orders {
            assert_eq!(self.told_once(order.order_code()).await.len(), 2);
        }
    }
}

/// The reference of what is marked by hand.
pub(crate) const BY_PHONE: &str = "by phone";

/// How often each endpoint was called for a notification, with its bytes.
pub(crate) fn calls_of(stored: &Notification, requests: &[Received]) -> BTreeMap<String, usize> {
    let mut calls = BTreeMap::new();
    for request in requests
        .iter()
        .filter(|request| id_of(request) == stored.event_id.as_str())
    {
        assert_eq!(
            Some(request.body.as_slice()),
            stored.body.as_ref().map(|body| body.as_bytes()),
            "{request}: other bytes than are stored"
        );
        *calls.entry(request.path().to_owned()).or_default() += 1;
    }
    calls
}

fn id_of(request: &Received) -> &str {
    request
        .header("webhook-id")
        .unwrap_or_else(|| panic!("{request}: has no webhook-id"))
}

fn builder<S: Store + Clone>(
    ca: &Ca,
    store: &S,
    table: &Table,
    points: &Points,
    notified: &watch::Sender<usize>,
) -> DispatcherBuilder {
    let store = Pointed {
        inner: store.clone(),
        points: points.clone(),
    };
    let suppliers = PointedSuppliers {
        inner: Arc::clone(table),
        points: points.clone(),
    };
    let notified = notified.clone();
    Dispatcher::builder(source(), store, suppliers)
        .allow_network("127.0.0.0/8".parse().unwrap())
        .root_certificate(ca.pem())
        .timeout(TIMEOUT)
        .concurrency(SLOTS)
        .listener(move |news| {
            if matches!(news, orderhook::News::Notified { .. }) {
                notified.send_modify(|number| *number += 1);
            }
        })
}

pub(crate) fn source() -> Source {
    Source::new("shop").unwrap()
}

pub(crate) fn id(text: &str) -> SupplierId {
    SupplierId::new(text).unwrap()
}

pub(crate) fn supplier(name: &str) -> SupplierBuilder {
    Supplier::builder(id(name))
}
