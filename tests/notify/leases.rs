//! Holders that die, stall or lose their store: what others do then, and what of it is on record.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use orderhook::notification::Unknown;
use orderhook::store::StoreErrorKind;
use orderhook::supplier::{Activity, LookupError, OnUnknown};
use orderhook::{
    Dispatcher, Error, NotificationState, Outcome, RetryPolicy, Supplier, SupplierId, Suppliers,
};
use tokio::runtime::Runtime;

use crate::stores::{Fault, Troubled};
use crate::support::{Gate, Receiver, Reply};
use crate::world::{
    TIMEOUT, World, key, only, order, outcomes, paths, source, state, supplier, until,
};

/// Longer than any lease of a dispatcher of these tests.
const LEASE_GONE: Duration = Duration::from_secs(60);

const OK: Outcome = Outcome::Accepted { status: 200 };
const INTERRUPTED: Outcome = Outcome::Unknown {
    why: Unknown::Interrupted,
};

/// A node that can die: its tasks are on a runtime of their own.
struct Node {
    runtime: Option<Runtime>,
    dispatcher: Dispatcher,
}

impl Node {
    fn new(dispatcher: Dispatcher) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        Node {
            runtime: Some(runtime),
            dispatcher,
        }
    }

    fn notify(&self) {
        let dispatcher = self.dispatcher.clone();
        self.spawn(async move { dispatcher.notify(&order("A-1", &["north"])).await });
    }

    fn retry(&self) {
        let dispatcher = self.dispatcher.clone();
        self.spawn(async move {
            dispatcher
                .retry(&key("north", "A-1"), &crate::support::by())
                .await
        });
    }

    fn spawn<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) {
        self.runtime.as_ref().expect("it is alive").spawn(work);
    }

    /// Dies once this receiver has had so many requests in all, and those are all over.
    async fn die_at(mut self, receiver: &Receiver, requests: usize) {
        receiver.wait_for(requests).await;
        let runtime = self.runtime.take().expect("it is alive");
        tokio::task::spawn_blocking(move || runtime.shutdown_timeout(Duration::from_secs(10)))
            .await
            .unwrap();
        receiver.wait_for_ended(requests).await;
    }
}

/// Half for one exchange, half as the margin: enough for a busy machine to begin with.
const SHORT_LEASE: Duration = Duration::from_secs(2);

fn short_leased(world: &World, store: &Troubled) -> Dispatcher {
    world
        .builder_on(store.clone(), SHORT_LEASE / 2)
        .lease_margin(SHORT_LEASE / 2)
        .build()
        .unwrap()
}

/// Path and outcome of every attempt on record.
async fn record(world: &World) -> Vec<(String, Outcome)> {
    let notification = world.get(&key("north", "A-1")).await;
    let path = |endpoint: &str| endpoint[endpoint.rfind('/').expect("a path")..].to_owned();
    notification
        .attempts
        .iter()
        .map(|attempt| (path(&attempt.endpoint), attempt.outcome.clone()))
        .collect()
}

fn at(path: &str, outcome: Outcome) -> (String, Outcome) {
    (path.to_owned(), outcome)
}

#[tokio::test]
async fn what_a_dead_node_was_sending_is_put_on_record_as_unknown_and_sent_again_the_same() {
    let world = World::new();
    let receiver = world.receiver().await;
    receiver.script([Reply::Hang]);
    world.put(supplier("north").endpoint(receiver.url("/a")));
    let node = Node::new(world.dispatcher());
    node.notify();
    node.die_at(&receiver, 1).await;
    let next = world.dispatcher();
    assert_eq!(
        state(only(&next.notify(&order("A-1", &["north"])).await.unwrap())),
        "sending",
        "its lease holds"
    );

    world.store.advance(LEASE_GONE);
    let report = next.notify(&order("A-1", &["north"])).await.unwrap();

    assert!(report.is_notified());
    assert_eq!(record(&world).await, [at("/a", INTERRUPTED), at("/a", OK)]);
    let seen = receiver.received();
    assert_eq!(seen.len(), 2);
    assert_eq!(
        (&seen[0].body, seen[0].header("webhook-id")),
        (&seen[1].body, seen[1].header("webhook-id"))
    );
    world.agrees().await;
}

#[tokio::test]
async fn the_round_of_a_dead_node_goes_on_where_it_was() {
    let world = World::new();
    let receiver = world.receiver().await;
    receiver.script([Reply::ok(), Reply::Status(500), Reply::Hang]);
    let list = supplier("north")
        .endpoint(receiver.url("/a"))
        .endpoint(receiver.url("/b"));
    world.put(
        list.endpoint(receiver.url("/c"))
            .endpoint(receiver.url("/d")),
    );
    let node = Node::new(world.dispatcher());
    node.notify();
    node.die_at(&receiver, 3).await;

    world.store.advance(LEASE_GONE);
    let next = world.dispatcher();
    let report = next.notify(&order("A-1", &["north"])).await.unwrap();

    assert_eq!(
        state(only(&report)),
        "pending",
        "b is not called twice in a round"
    );
    assert_eq!(paths(&world.log), ["/a", "/b", "/c", "/c", "/d"]);
    let rejected = Outcome::Rejected { status: 500 };
    let expected = [
        at("/a", OK),
        at("/b", rejected),
        at("/c", INTERRUPTED),
        at("/c", OK),
        at("/d", OK),
    ];
    assert_eq!(record(&world).await, expected);
    world.agrees().await;
}

/// The first URL asked for a hundred seconds of quiet, so the next round began with the second; there its node died.
async fn dies_in_a_round_that_began_with_the_second_url(
    on_unknown: OnUnknown,
) -> (World, Receiver) {
    let world = World::new();
    let receiver = world.receiver().await;
    receiver.script([
        Reply::retry_after(503, "100"),
        Reply::Status(500),
        Reply::Hang,
    ]);
    let list = supplier("north")
        .endpoint(receiver.url("/a"))
        .endpoint(receiver.url("/b"));
    world.put(list.on_unknown(on_unknown));
    world
        .dispatcher()
        .notify(&order("A-1", &["north"]))
        .await
        .unwrap();
    world.store.advance(Duration::from_secs(10));
    let node = Node::new(world.dispatcher());
    node.notify();
    node.die_at(&receiver, 3).await;
    // By now the first one is due as well.
    world.store.advance(LEASE_GONE + Duration::from_secs(100));
    (world, receiver)
}

#[tokio::test]
async fn a_round_that_began_with_a_later_url_is_taken_over_there_though_an_earlier_one_is_due_by_now()
 {
    let (world, _receiver) =
        dies_in_a_round_that_began_with_the_second_url(OnUnknown::Resend).await;
    let next = world.dispatcher();
    next.notify(&order("A-1", &["north"])).await.unwrap();
    let report = next.notify(&order("A-1", &["north"])).await.unwrap();

    assert!(report.is_notified());
    assert_eq!(paths(&world.log), ["/a", "/b", "/b", "/b", "/a"]);
    assert_eq!(
        record(&world).await[2..],
        [at("/b", INTERRUPTED), at("/b", OK), at("/a", OK)]
    );
    world.agrees().await;
}

#[tokio::test]
async fn a_later_url_that_may_have_the_event_is_held_and_the_earlier_one_is_not_blamed_for_it() {
    let (world, _receiver) = dies_in_a_round_that_began_with_the_second_url(OnUnknown::Hold).await;
    let next = world.dispatcher();
    next.notify(&order("A-1", &["north"])).await.unwrap();
    let report = next.notify(&order("A-1", &["north"])).await.unwrap();

    assert_eq!(state(only(&report)), "failed held_unknown");
    assert_eq!(paths(&world.log), ["/a", "/b", "/b", "/a"]);
    assert_eq!(
        record(&world).await[2..],
        [at("/b", INTERRUPTED), at("/a", OK)]
    );
    world.agrees().await;
}

#[tokio::test]
async fn a_retry_that_takes_over_says_of_the_right_url_that_it_was_interrupted() {
    let world = World::new();
    let receiver = world.receiver().await;
    receiver.script([Reply::Status(500), Reply::Hang]);
    world.put(
        supplier("north")
            .endpoint(receiver.url("/a"))
            .endpoint(receiver.url("/b")),
    );
    let node = Node::new(world.dispatcher());
    node.notify();
    node.die_at(&receiver, 2).await;

    world.store.advance(LEASE_GONE);
    let retried = world
        .dispatcher()
        .retry(&key("north", "A-1"), &crate::support::by())
        .await
        .unwrap();

    assert_eq!(state(&retried), "notified A-1");
    let record = record(&world).await;
    assert_eq!(
        record[..2],
        [
            at("/a", Outcome::Rejected { status: 500 }),
            at("/b", INTERRUPTED)
        ]
    );
    assert!(
        record[2..].iter().all(|(_, outcome)| *outcome == OK),
        "{record:?}"
    );
    world.agrees().await;
}

#[tokio::test]
async fn a_retry_by_hand_that_dies_long_before_anything_is_due_is_on_record_and_finished() {
    let world = World::new();
    let receiver = world.receiver().await;
    receiver.script([Reply::Status(500), Reply::Hang]);
    let slow = RetryPolicy::DEFAULT.with_first_delay(Duration::from_secs(7200));
    world.put(supplier("north").endpoint(receiver.url("/a")).retry(slow));
    world
        .dispatcher()
        .notify(&order("A-1", &["north"]))
        .await
        .unwrap();
    let node = Node::new(world.dispatcher());
    node.retry();
    node.die_at(&receiver, 2).await;

    world.store.advance(LEASE_GONE);
    let report = world
        .dispatcher()
        .notify(&order("A-1", &["north"]))
        .await
        .unwrap();

    let rejected = Outcome::Rejected { status: 500 };
    assert_eq!(
        record(&world).await,
        [at("/a", rejected), at("/a", INTERRUPTED), at("/a", OK)]
    );
    assert!(report.is_notified());
    world.agrees().await;
}

#[tokio::test]
async fn what_was_interrupted_is_on_record_also_when_its_supplier_is_paused_by_then() {
    let world = World::new();
    let receiver = world.receiver().await;
    receiver.script([Reply::Hang]);
    let north = || supplier("north").endpoint(receiver.url("/a"));
    world.put(north());
    let node = Node::new(world.dispatcher());
    node.notify();
    node.die_at(&receiver, 1).await;

    world.put(north().activity(Activity::Paused));
    world.store.advance(LEASE_GONE);
    let dispatcher = world.dispatcher();
    assert_eq!(
        state(only(
            &dispatcher.notify(&order("A-1", &["north"])).await.unwrap()
        )),
        "pending"
    );
    assert_eq!(record(&world).await, [at("/a", INTERRUPTED)]);

    world.put(north());
    // It is put off for a minute and a fifth at most.
    world.store.advance(Duration::from_secs(72));
    assert!(
        dispatcher
            .notify(&order("A-1", &["north"]))
            .await
            .unwrap()
            .is_notified()
    );
    assert_eq!(record(&world).await, [at("/a", INTERRUPTED), at("/a", OK)]);
    world.agrees().await;
}

/// A lookup that is away when it is asked for the second time, and knows a supplier at one URL else.
struct AwayOnce(AtomicUsize, String);

impl Suppliers for AwayOnce {
    async fn find(&self, id: &SupplierId) -> Result<Option<Supplier>, LookupError> {
        match self.0.fetch_add(1, Ordering::SeqCst) {
            1 => Err(LookupError::unavailable("away")),
            _ => Ok(Some(
                Supplier::builder(id.clone())
                    .endpoint(self.1.as_str())
                    .build()?,
            )),
        }
    }
}

#[tokio::test]
async fn what_was_interrupted_is_on_record_also_when_its_supplier_could_not_be_looked_up_in_between()
 {
    let world = World::new();
    let receiver = world.receiver().await;
    receiver.script([Reply::Hang]);
    world.put(supplier("north").endpoint(receiver.url("/a")));
    let node = Node::new(world.dispatcher());
    node.notify();
    node.die_at(&receiver, 1).await;

    let suppliers = AwayOnce(AtomicUsize::new(0), receiver.url("/a"));
    let dispatcher = Dispatcher::builder(source(), world.store.clone(), suppliers)
        .root_certificate(world.ca.pem())
        .allow_network("127.0.0.0/8".parse().unwrap())
        .build()
        .unwrap();
    for _ in 0..2 {
        world.store.advance(2 * LEASE_GONE);
        dispatcher.notify(&order("A-1", &["north"])).await.unwrap();
    }
    assert_eq!(record(&world).await, [at("/a", INTERRUPTED), at("/a", OK)]);
    world.agrees().await;
}

#[tokio::test]
async fn what_kills_its_sender_twice_in_a_row_follows_the_schedule() {
    let world = World::new();
    let receiver = world.receiver().await;
    receiver.answer(Reply::Hang);
    world.put(supplier("north").endpoint(receiver.url("/a")));
    for deaths in 1..=2 {
        let node = Node::new(world.dispatcher());
        node.notify();
        node.die_at(&receiver, deaths).await;
        world.store.advance(LEASE_GONE);
    }
    let report = world
        .dispatcher()
        .notify(&order("A-1", &["north"]))
        .await
        .unwrap();

    assert_eq!(state(only(&report)), "pending");
    assert_eq!(
        record(&world).await,
        [at("/a", INTERRUPTED), at("/a", INTERRUPTED)]
    );
    assert_eq!(receiver.count(), 2);
    world.agrees().await;
}

#[tokio::test]
async fn what_may_have_been_received_is_held_where_the_supplier_wants_it_so() {
    let world = World::new();
    let receiver = world.receiver().await;
    receiver.script([Reply::Hang]);
    world.put(
        supplier("north")
            .endpoint(receiver.url("/a"))
            .on_unknown(OnUnknown::Hold),
    );
    let node = Node::new(world.dispatcher());
    node.notify();
    node.die_at(&receiver, 1).await;

    world.store.advance(LEASE_GONE);
    let dispatcher = world.dispatcher();
    let report = dispatcher.notify(&order("A-1", &["north"])).await.unwrap();
    assert_eq!(state(only(&report)), "failed held_unknown");
    assert_eq!(receiver.count(), 1);

    assert_eq!(
        state(
            &dispatcher
                .retry(&key("north", "A-1"), &crate::support::by())
                .await
                .unwrap()
        ),
        "notified A-1"
    );
    world.agrees().await;
}

#[tokio::test]
async fn a_holder_that_comes_back_after_its_lease_changes_nothing() {
    let world = World::new();
    let receiver = world.receiver().await;
    world.put(
        supplier("north")
            .endpoint(receiver.url("/a"))
            .endpoint(receiver.url("/b")),
    );
    let store = Troubled::over(world.store.clone());
    let writes = store.hold_writes();
    let stalled = world.builder_on(store.clone(), TIMEOUT).build().unwrap();
    let late = tokio::spawn(async move { stalled.notify(&order("A-1", &["north"])).await });
    // It has called the first URL and cannot write that down.
    until("it wants to write", async || store.writes() == 1).await;

    world.store.advance(LEASE_GONE);
    assert!(
        world
            .dispatcher()
            .notify(&order("A-1", &["north"]))
            .await
            .unwrap()
            .is_notified()
    );
    let before = world.get(&key("north", "A-1")).await;
    writes.add_permits(100);
    let report = late.await.unwrap().unwrap();

    assert!(report.is_notified(), "it reports what the other one did");
    assert_eq!(world.get(&key("north", "A-1")).await, before);
    assert_eq!(
        record(&world).await,
        [at("/a", INTERRUPTED), at("/a", OK), at("/b", OK)]
    );
    assert_eq!(paths(&world.log), ["/a", "/a", "/b"]);
    world.agrees().await;
}

#[tokio::test]
async fn a_holder_that_learns_too_late_that_it_may_go_on_hands_back_instead_of_sending() {
    let world = World::new();
    let receiver = world.receiver().await;
    world.put(
        supplier("north")
            .endpoint(receiver.url("/a"))
            .endpoint(receiver.url("/b")),
    );
    let store = Troubled::over(world.store.clone());
    let writes = store.hold_writes();
    let dispatcher = short_leased(&world, &store);
    let slow = tokio::spawn(async move { dispatcher.notify(&order("A-1", &["north"])).await });
    until("it wants to write", async || store.writes() == 1).await;

    // Longer than the lease that it asks for, which counts from when it asked.
    tokio::time::sleep(SHORT_LEASE + Duration::from_millis(100)).await;
    writes.add_permits(100);
    let report = slow.await.unwrap().unwrap();

    assert_eq!(state(only(&report)), "pending");
    assert_eq!(paths(&world.log), ["/a"]);
    // Not at once again: with such a store that would go round for ever.
    world.store.advance(Duration::from_secs(1));
    assert!(
        world
            .dispatcher()
            .notify(&order("A-1", &["north"]))
            .await
            .unwrap()
            .is_notified()
    );
    assert_eq!(paths(&world.log), ["/a", "/b"]);
    world.agrees().await;
}

#[tokio::test]
async fn when_the_store_fails_after_a_2xx_the_record_is_repeated_and_not_the_post() {
    for fault in [Fault::Before, Fault::After] {
        for kind in [StoreErrorKind::Unavailable, StoreErrorKind::Full] {
            let world = World::new();
            let receiver = world.receiver().await;
            world.put(
                supplier("north")
                    .endpoint(receiver.url("/a"))
                    .endpoint(receiver.url("/b")),
            );
            let store = Troubled::over(world.store.clone());
            store.fail_writes(fault, kind, 3);
            let dispatcher = world.builder_on(store.clone(), TIMEOUT).build().unwrap();

            let report = dispatcher.notify(&order("A-1", &["north"])).await.unwrap();

            assert!(report.is_notified(), "{fault:?} {kind:?}");
            assert_eq!(paths(&world.log), ["/a", "/b"], "{fault:?} {kind:?}");
            assert_eq!(
                outcomes(only(&report)),
                ["200", "200"],
                "{fault:?} {kind:?}"
            );
            assert_eq!(store.writes(), 5);
            world.agrees().await;
        }
    }
}

#[tokio::test]
async fn when_only_the_last_write_is_unclear_the_end_is_recorded_once() {
    for fault in [Fault::Before, Fault::After] {
        let world = World::new();
        let receiver = world.receiver().await;
        world.put(supplier("north").endpoint(receiver.url("/a")));
        let store = Troubled::over(world.store.clone());
        store.fail_writes(fault, StoreErrorKind::Unavailable, 1);
        let dispatcher = world.builder_on(store, TIMEOUT).build().unwrap();

        let report = dispatcher.notify(&order("A-1", &["north"])).await.unwrap();

        assert!(report.is_notified(), "{fault:?}");
        assert_eq!(outcomes(only(&report)), ["200"], "{fault:?}");
        assert_eq!(receiver.count(), 1);
        world.agrees().await;
    }
}

#[tokio::test]
async fn a_store_that_is_gone_for_good_ends_the_call_and_whoever_takes_over_says_so() {
    for (kind, times) in [
        (StoreErrorKind::Unusable, 1),
        (StoreErrorKind::Unavailable, usize::MAX),
    ] {
        let world = World::new();
        let receiver = world.receiver().await;
        world.put(
            supplier("north")
                .endpoint(receiver.url("/a"))
                .endpoint(receiver.url("/b")),
        );
        let store = Troubled::over(world.store.clone());
        store.fail_writes(Fault::Before, kind, times);
        let dispatcher = short_leased(&world, &store);

        let began = Instant::now();
        let error = dispatcher
            .notify(&order("A-1", &["north"]))
            .await
            .unwrap_err();
        assert!(
            matches!(&error, Error::Store(error) if error.kind() == kind),
            "{error:?}"
        );
        assert!(
            began.elapsed() < 5 * SHORT_LEASE,
            "{kind:?}: {:?}",
            began.elapsed()
        );
        assert_eq!(
            paths(&world.log),
            ["/a"],
            "what is not recorded is not followed by another call"
        );
        assert!(matches!(
            world.get(&key("north", "A-1")).await.state,
            NotificationState::Sending { .. }
        ));

        world.store.advance(LEASE_GONE);
        assert!(
            world
                .dispatcher()
                .notify(&order("A-1", &["north"]))
                .await
                .unwrap()
                .is_notified()
        );
        assert_eq!(
            record(&world).await,
            [at("/a", INTERRUPTED), at("/a", OK), at("/b", OK)]
        );
        world.agrees().await;
    }
}

#[tokio::test]
async fn a_store_that_is_gone_does_not_hold_up_a_shutdown_for_longer_than_its_leases() {
    let world = World::new();
    let receiver = world.receiver().await;
    let gate = Gate::new();
    receiver.answer(Reply::ok().gated(&gate));
    world.put(supplier("north").endpoint(receiver.url("/a")));
    let store = Troubled::over(world.store.clone());
    store.fail_writes(Fault::Before, StoreErrorKind::Unavailable, usize::MAX);
    let dispatcher = short_leased(&world, &store);
    let notified = tokio::spawn({
        let dispatcher = dispatcher.clone();
        async move { dispatcher.notify(&order("A-1", &["north"])).await }
    });
    receiver.wait_for(1).await;
    gate.open();
    let began = Instant::now();
    dispatcher.shutdown(Duration::ZERO).await;
    assert!(began.elapsed() < 5 * SHORT_LEASE, "{:?}", began.elapsed());
    assert!(notified.await.unwrap().is_err());

    world.store.advance(LEASE_GONE);
    assert!(
        world
            .dispatcher()
            .notify(&order("A-1", &["north"]))
            .await
            .unwrap()
            .is_notified()
    );
    assert_eq!(record(&world).await, [at("/a", INTERRUPTED), at("/a", OK)]);
    world.agrees().await;
}
