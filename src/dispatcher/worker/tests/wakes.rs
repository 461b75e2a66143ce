//! What could be sent is not left until its time has come, and a worker neither ends early nor waits for another one.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::delivery::engine::Simulated;
use crate::dispatcher::Dispatcher;
use crate::event::Body;
use crate::notification::By;
use crate::notification::outcome::Outcome;
use crate::notification::{Key, Ledger, Notification, StateName};
use crate::store::memory::MemoryStore;
use crate::store::{
    ClaimNew, ClaimRequest, Claims, Filter, Group, Insertion, Intervened, Listing, Page, Pick,
    Recorded, Selection, Store, StoreError,
};
use crate::store::{Intervention, NewNotification, Start, Step, Then};
use crate::supplier::{Acceptance, Activity, Supplier, SupplierBuilder};
use crate::value::clock::Moment;
use crate::value::names::{OrderCode, Source, SupplierId};
use crate::wire::request::Request;
use crate::wire::send::Reply;

use super::super::Worker;
use super::super::run::{Claim, Run};
use super::world::{LIMIT, Manner, Plan, secs};

/// Endpoints that all answer this status after this time.
struct Answering(u16, Duration);

impl Simulated for Answering {
    fn post(&self, _: &Request) -> (Duration, Reply) {
        let outcome = match self.0 {
            200..300 => Outcome::Accepted { status: self.0 },
            status => Outcome::Rejected { status },
        };
        (self.1, Reply::of(outcome, self.1))
    }
}

/// A store that takes a second to record what is handed back, and to answer a claim.
struct Slow(MemoryStore);

impl Store for Slow {
    async fn insert(
        &self,
        new: &[NewNotification],
        claim: &ClaimNew,
    ) -> Result<Insertion, StoreError> {
        self.0.insert(new, claim).await
    }

    async fn claim(&self, request: &ClaimRequest) -> Result<Claims, StoreError> {
        let claimed = self.0.claim(request).await;
        tokio::time::sleep(secs(1)).await;
        claimed
    }

    async fn write(&self, steps: &[Step]) -> Result<Recorded, StoreError> {
        if steps
            .iter()
            .any(|step| matches!(step.then, Then::HandBack { .. }))
        {
            tokio::time::sleep(secs(1)).await;
        }
        self.0.write(steps).await
    }

    async fn intervene(
        &self,
        selection: &Selection,
        intervention: &Intervention,
        limit: u32,
    ) -> Result<Intervened, StoreError> {
        self.0.intervene(selection, intervention, limit).await
    }

    async fn get(&self, key: &Key) -> Result<Option<Notification>, StoreError> {
        self.0.get(key).await
    }

    async fn list(&self, filter: &Filter, page: &Page) -> Result<Listing, StoreError> {
        self.0.list(filter, page).await
    }

    async fn settled(&self, source: &Source, page: &Page) -> Result<Listing, StoreError> {
        self.0.settled(source, page).await
    }

    async fn count(
        &self,
        filter: &Filter,
        group: Group,
    ) -> Result<Vec<crate::store::Counted>, StoreError> {
        self.0.count(filter, group).await
    }

    async fn prune(
        &self,
        source: &Source,
        older_than: Duration,
        limit: u32,
    ) -> Result<u32, StoreError> {
        self.0.prune(source, older_than, limit).await
    }
}

fn supplier(name: &str) -> SupplierBuilder {
    Supplier::builder(SupplierId::new(name).unwrap())
        .endpoint(format!("https://hooks.example/{name}"))
}

fn dispatcher(
    store: impl Store,
    suppliers: impl IntoIterator<Item = SupplierBuilder>,
    all: Answering,
) -> Dispatcher {
    let by_id: HashMap<_, _> = suppliers
        .into_iter()
        .map(|builder| builder.build().unwrap())
        .map(|supplier| (supplier.id().clone(), supplier))
        .collect();
    Dispatcher::builder(Source::new("shop").unwrap(), store, by_id)
        .build_simulated(Arc::new(all), None)
}

async fn enqueue(store: &MemoryStore, name: &str, order: &str) -> Key {
    let supplier = supplier(name).build().unwrap();
    let order = OrderCode::new(order).unwrap();
    let key = Key::order_created(Source::new("shop").unwrap(), supplier.id().clone(), order);
    let mut new = NewNotification::new(key.clone(), Start::pending(Body::new(*b"{}")));
    new.ledger = Ledger::expecting(supplier.endpoints().first());
    store.insert(&[new], &ClaimNew::NONE).await.unwrap();
    key
}

async fn state(store: &MemoryStore, key: &Key) -> StateName {
    store.get(key).await.unwrap().unwrap().state.name()
}

#[tokio::test(start_paused = true)]
async fn what_left_an_endpoint_out_and_called_another_while_it_answered_is_sent_there_soon() {
    let manners = [
        Manner::HangsBetween(Duration::ZERO, secs(100)),
        Manner::Slow,
    ];
    let mut world = Plan::one(Acceptance::Every, &manners).build(21);
    world.work();
    world.enqueue([0]).await;
    tokio::time::sleep(secs(120)).await;
    world.orders(1800, secs(30), |_| 0).await;
    tokio::time::sleep(secs(600)).await;
    world
        .delays(0, |order| order.at > secs(60))
        .within("an endpoint that answers again", secs(60));
}

#[tokio::test(start_paused = true)]
async fn a_last_order_that_found_its_supplier_at_its_limit_has_the_room_that_became_free_meanwhile()
{
    let store = MemoryStore::new();
    let one = supplier("books").max_concurrent(std::num::NonZeroU32::MIN);
    let dispatcher = dispatcher(
        Slow(store.clone()),
        [one],
        Answering(200, Duration::from_millis(100)),
    );
    // One is called, one waits for room, and two are handed back.
    for order in ["A-1", "A-2", "A-3", "A-4"] {
        enqueue(&store, "books", order).await;
    }
    let began = Instant::now();
    let summary = Worker::new(&dispatcher).until_idle().await.unwrap();
    assert_eq!(summary.notified, 4);
    assert!(began.elapsed() < secs(20), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_look_at_what_is_put_off_that_finds_nothing_does_not_end_a_worker_that_waits_for_something_else()
 {
    let store = MemoryStore::new();
    let suppliers = [
        supplier("paused").activity(Activity::Paused),
        supplier("busy"),
    ];
    let dispatcher = dispatcher(
        store.clone(),
        suppliers,
        Answering(503, Duration::from_millis(100)),
    );
    let put_off = enqueue(&store, "paused", "A-1").await;
    let tried = enqueue(&store, "busy", "A-1").await;
    let worker = Worker::new(&dispatcher).with_poll(secs(3600));
    let waiting = tokio::spawn(async move { worker.until_idle().await });
    // It has been tried until the next try is further away than the next look at the paused supplier.
    tokio::time::sleep(secs(102)).await;
    dispatcher
        .withdraw(&put_off, &By::new("maria", "called off").unwrap())
        .await
        .unwrap();
    tokio::time::sleep(secs(10)).await;
    assert_eq!(state(&store, &tried).await, StateName::Pending);
    assert!(!waiting.is_finished(), "it waits for the next try");
    waiting.abort();
}

#[tokio::test(start_paused = true)]
async fn a_worker_asks_the_store_again_after_its_poll_whatever_else_goes_on_and_however_late_the_next_one_is_due()
 {
    let store = MemoryStore::new();
    let dispatcher = dispatcher(
        store.clone(),
        [supplier("paused").activity(Activity::Paused)],
        Answering(200, Duration::from_millis(100)),
    );
    enqueue(&store, "paused", "A-1").await;
    let worker = Worker::new(&dispatcher);
    worker.tick().await.unwrap();
    let mut run = Run::begin(&worker);
    run.look(&worker).await.unwrap();
    let Claim::At(next) = run.claim else {
        panic!("slots are free")
    };
    assert!(
        next <= Moment::now() + worker.poll,
        "{:?}",
        next.since(Moment::now())
    );
}

#[tokio::test(start_paused = true)]
async fn a_clone_of_a_worker_that_ends_neither_waits_for_the_calls_of_another_nor_cuts_them() {
    let store = MemoryStore::new();
    let dispatcher = dispatcher(store.clone(), [supplier("slow")], Answering(503, secs(30)));
    let key = enqueue(&store, "slow", "A-1").await;
    let worker = Worker::new(&dispatcher).with_grace(secs(1));
    let other = worker.clone();
    let run = tokio::spawn(other.run());
    while state(&store, &key).await != StateName::Sending {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let began = Instant::now();
    worker.run_until(async {}).await;
    assert!(began.elapsed() < secs(1), "{:?}", began.elapsed());
    tokio::time::sleep(secs(31)).await;
    assert_eq!(store.get(&key).await.unwrap().unwrap().attempts.len(), 1);
    assert!(!run.is_finished());
    run.abort();
}

#[tokio::test(start_paused = true)]
async fn what_is_taken_over_while_a_shutdown_begins_is_handed_back_with_the_interruption_on_record()
{
    let store = MemoryStore::new();
    let dispatcher = dispatcher(
        Slow(store.clone()),
        [supplier("books")],
        Answering(200, Duration::ZERO),
    );
    let key = enqueue(&store, "books", "A-1").await;
    assert_eq!(
        dispatcher
            .engine
            .claim(Pick::New, 1, None)
            .await
            .unwrap()
            .claims
            .len(),
        1
    );
    store.advance(LIMIT + secs(6));
    let worker = Worker::new(&dispatcher);
    let ticking = tokio::spawn(async move { worker.tick().await });
    while state(&store, &key).await != StateName::Sending || lease_is_over(&store, &key).await {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    dispatcher.shutdown(secs(10)).await;
    ticking.await.unwrap().unwrap();
    let notification = store.get(&key).await.unwrap().unwrap();
    let outcomes: Vec<_> = notification
        .attempts
        .iter()
        .map(|attempt| attempt.outcome.as_str())
        .collect();
    assert_eq!(
        (notification.state.name(), outcomes),
        (StateName::Pending, vec!["unknown"])
    );
}

/// Whether somebody who held it is gone and nobody has taken over.
async fn lease_is_over(store: &MemoryStore, key: &Key) -> bool {
    let until = store
        .get(key)
        .await
        .unwrap()
        .unwrap()
        .state
        .claimable_from();
    until.is_some_and(|until| until <= store.now())
}

#[tokio::test(start_paused = true)]
async fn new_orders_of_others_do_not_wait_until_all_that_was_put_off_is_sent() {
    for concurrency in [1, 2, 4, 8] {
        let mut plan = Plan::of([
            Manner::HangsBetween(Duration::ZERO, secs(100)),
            Manner::Well,
        ]);
        plan.concurrency = NonZeroUsize::new(concurrency).unwrap().get();
        let mut world = plan.build(22);
        world.is_known([1]);
        world.work();
        world.enqueue([0; 600]).await;
        tokio::time::sleep(secs(120)).await;
        world.orders(3600, secs(60), |_| 1).await;
        tokio::time::sleep(secs(120)).await;
        let what = format!("new orders beside a backlog, {concurrency} slots");
        world
            .delays(0, |order| order.supplier == 1)
            .within(&what, secs(1));
        assert_eq!(world.state(0).await, StateName::Notified);
    }
}
