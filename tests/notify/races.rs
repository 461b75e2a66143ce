//! Many at once, and those who lose interest, panic or shut down in the middle.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use orderhook::notification::{OrderState, Unknown};
use orderhook::supplier::LookupError;
use orderhook::{Dispatcher, Error, Outcome, Supplier, SupplierId, Suppliers};
use tokio::task::JoinSet;

use crate::support::{Gate, Received, Reply};
use crate::world::{
    TIMEOUT, World, code, id_of, key, only, order, outcomes, paths, source, state, supplier, until,
};

const TASKS: usize = 64;

async fn race(dispatchers: &[Dispatcher], world: &World) {
    let mut tasks = JoinSet::new();
    for n in 0..TASKS {
        let dispatcher = dispatchers[n % dispatchers.len()].clone();
        tasks.spawn(async move { dispatcher.notify(&order("A-1", &["north", "green"])).await });
    }
    let mut told = 0;
    while let Some(report) = tasks.join_next().await {
        let report = report.unwrap().unwrap();
        assert!(report.entries.iter().all(|entry| !entry.is_conflict()));
        told += usize::from(report.is_notified());
    }
    assert!(told > 0, "whoever delivers waits until it is told");
    let reported = dispatchers[0].order(&code("A-1")).await.unwrap().unwrap();
    assert_eq!(reported.state, OrderState::Notified);
    world.agrees().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_sixty_four_tasks_with_one_order_one_calls_each_endpoint() {
    let world = World::new();
    let receiver = world.receiver().await;
    receiver.answer(Reply::ok().delayed(Duration::from_millis(20)));
    for name in ["north", "green"] {
        let list = supplier(name).endpoint(receiver.url(&format!("/{name}/a")));
        world.put(list.endpoint(receiver.url(&format!("/{name}/b"))));
    }
    let one = [world.dispatcher()];
    race(&one, &world).await;
    let mut called = paths(&world.log);
    called.sort();
    assert_eq!(called, ["/green/a", "/green/b", "/north/a", "/north/b"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_sixty_four_tasks_on_two_nodes_with_one_store_one_calls_each_endpoint() {
    let world = World::new();
    let receiver = world.receiver().await;
    receiver.answer(Reply::ok().delayed(Duration::from_millis(20)));
    for name in ["north", "green"] {
        let list = supplier(name).endpoint(receiver.url(&format!("/{name}/a")));
        world.put(list.endpoint(receiver.url(&format!("/{name}/b"))));
    }
    let two = [world.dispatcher(), world.dispatcher()];
    race(&two, &world).await;
    let mut called = paths(&world.log);
    called.sort();
    assert_eq!(called, ["/green/a", "/green/b", "/north/a", "/north/b"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_who_retry_withdraw_and_mark_at_once_one_wins_and_the_record_says_who() {
    for round in 0..20 {
        let world = World::new();
        let receiver = world.receiver().await;
        world.put(supplier("north").endpoint(receiver.url("/a")));
        let dispatchers = [world.dispatcher(), world.dispatcher()];
        let _ = dispatchers[0]
            .enqueue(&order("A-1", &["north"]))
            .await
            .unwrap();
        let mut tasks = JoinSet::new();
        for n in 0..24 {
            let dispatcher = dispatchers[n % 2].clone();
            tasks.spawn(async move {
                let key = key("north", "A-1");
                let done = match n % 3 {
                    0 => dispatcher
                        .retry(&key, &crate::support::by())
                        .await
                        .map(|now| state(&now) == "notified A-1"),
                    1 => dispatcher
                        .withdraw(&key, &crate::support::because("refunded"))
                        .await
                        .map(|_| true),
                    _ => dispatcher
                        .mark_notified(&key, "phone", &crate::support::by())
                        .await
                        .map(|_| true),
                };
                match done {
                    Ok(won) => (n % 3, won),
                    Err(
                        Error::AlreadyNotified { .. }
                        | Error::Closed { .. }
                        | Error::InFlight { .. },
                    ) => (n % 3, false),
                    Err(error) => panic!("{error:?}"),
                }
            });
        }
        let mut winners = Vec::new();
        while let Some(ended) = tasks.join_next().await {
            let (kind, won) = ended.unwrap();
            winners.extend(won.then_some(kind));
        }
        winners.dedup();
        assert_eq!(winners.len(), 1, "round {round}: {winners:?}");
        let stored = &world.agrees().await[0];
        let expected = [("notified A-1", 1), ("withdrawn", 0), ("notified phone", 0)][winners[0]];
        assert_eq!(
            (state(stored).as_str(), receiver.count()),
            expected,
            "round {round}"
        );
    }
}

#[tokio::test]
async fn dropping_the_future_of_notify_stops_neither_what_is_being_sent_nor_what_waits_for_its_turn()
 {
    let world = World::new();
    let receiver = world.receiver().await;
    let gate = Gate::new();
    receiver.script([Reply::ok().gated(&gate)]);
    for name in ["north", "green"] {
        world.put(
            supplier(name)
                .endpoint(receiver.url("/a"))
                .endpoint(receiver.url("/b")),
        );
    }
    let dispatcher = world
        .builder(TIMEOUT)
        .concurrency(NonZeroUsize::MIN)
        .build()
        .unwrap();

    let handler = tokio::spawn({
        let dispatcher = dispatcher.clone();
        async move { dispatcher.notify(&order("A-1", &["north", "green"])).await }
    });
    receiver.wait_for(1).await;
    handler.abort();
    assert!(handler.await.unwrap_err().is_cancelled());
    gate.open();

    let is_told = async |name| state(&world.get(&key(name, "A-1")).await) == "notified A-1";
    until("both are told", async || {
        is_told("north").await && is_told("green").await
    })
    .await;
    // One slot, which is held for a call and not for a round: the two take turns, and each goes on in its own order.
    for name in ["north", "green"] {
        let event_id = world.get(&key(name, "A-1")).await.event_id;
        let seen = world.log.entries();
        let of_it = seen
            .iter()
            .filter(|request| id_of(request) == event_id.as_str());
        assert_eq!(
            of_it.map(Received::path).collect::<Vec<_>>(),
            ["/a", "/b"],
            "{name}"
        );
    }
    assert!(!world.log.overlaps());
    world.agrees().await;
}

#[tokio::test]
async fn a_shutdown_waits_for_what_is_being_sent_and_takes_nothing_new() {
    let world = World::new();
    let receiver = world.receiver().await;
    let gate = Gate::new();
    receiver.script([Reply::ok().gated(&gate)]);
    world.put(
        supplier("north")
            .endpoint(receiver.url("/a"))
            .endpoint(receiver.url("/b")),
    );
    let dispatcher = world.dispatcher();
    let notified = tokio::spawn({
        let dispatcher = dispatcher.clone();
        async move { dispatcher.notify(&order("A-1", &["north"])).await }
    });
    receiver.wait_for(1).await;

    let shutdown = tokio::spawn({
        let dispatcher = dispatcher.clone();
        async move { dispatcher.shutdown(Duration::from_secs(60)).await }
    });
    until("it takes nothing new", async || {
        matches!(
            dispatcher.enqueue(&order("A-2", &["north"])).await,
            Err(Error::ShuttingDown)
        )
    })
    .await;
    assert!(matches!(
        dispatcher.notify(&order("A-2", &["north"])).await,
        Err(Error::ShuttingDown)
    ));
    assert!(matches!(
        dispatcher
            .retry(&key("north", "A-1"), &crate::support::by())
            .await,
        Err(Error::ShuttingDown)
    ));
    gate.open();

    shutdown.await.unwrap();
    let report = notified.await.unwrap().unwrap();
    assert_eq!(
        (state(only(&report)).as_str(), outcomes(only(&report))),
        ("pending", vec!["200".to_owned()])
    );
    assert_eq!(
        paths(&world.log),
        ["/a"],
        "no POST begins after it, not even the next one of a round"
    );

    // Whoever comes next goes on at once.
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
async fn a_shutdown_whose_grace_is_over_cuts_what_is_being_sent_and_records_it_as_unknown() {
    let world = World::new();
    let receiver = world.receiver().await;
    receiver.script_at("/a", [Reply::Hang]);
    world.put(
        supplier("north")
            .endpoint(receiver.url("/a"))
            .endpoint(receiver.url("/b")),
    );
    let dispatcher = world.dispatcher();
    let notified = tokio::spawn({
        let dispatcher = dispatcher.clone();
        async move { dispatcher.notify(&order("A-1", &["north"])).await }
    });
    receiver.wait_for(1).await;

    let began = Instant::now();
    dispatcher.shutdown(Duration::from_millis(100)).await;
    assert!(began.elapsed() < TIMEOUT / 2, "{:?}", began.elapsed());

    let report = notified.await.unwrap().unwrap();
    let handed_back = &report.of("north").unwrap().notification;
    assert_eq!(state(handed_back), "pending");
    let outcomes_then: Vec<_> = handed_back
        .attempts
        .iter()
        .map(|attempt| attempt.outcome.clone())
        .collect();
    assert_eq!(
        outcomes_then,
        [Outcome::Unknown {
            why: Unknown::Interrupted
        }]
    );
    assert_eq!(paths(&world.log), ["/a"], "the next is not called any more");
    receiver.wait_for_ended(1).await;

    // Another node goes on: at once with what was not called, later with what was cut.
    let next = world.dispatcher();
    let retried = next.notify(&order("A-1", &["north"])).await.unwrap();
    assert_eq!(
        outcomes(&retried.of("north").unwrap().notification),
        ["unknown", "200"]
    );
    world.store.advance(Duration::from_secs(7));
    assert!(
        next.notify(&order("A-1", &["north"]))
            .await
            .unwrap()
            .is_notified()
    );
    assert_eq!(paths(&world.log), ["/a", "/b", "/a"]);
    world.agrees().await;
}

#[tokio::test]
async fn a_shutdown_twice_or_with_nothing_to_do_returns_at_once() {
    let world = World::new();
    let dispatcher = world.dispatcher();
    let began = Instant::now();
    dispatcher.shutdown(Duration::from_secs(60)).await;
    dispatcher.clone().shutdown(Duration::from_secs(60)).await;
    assert!(began.elapsed() < Duration::from_secs(10));
    assert!(world.agrees().await.is_empty());
}

/// A lookup that knows everybody at `url`, and misbehaves when it is asked about `north` for the second time: when it is
/// sent.
struct Treacherous {
    url: String,
    asked: Arc<AtomicUsize>,
    then: Treason,
}

#[derive(Clone, Copy, PartialEq)]
enum Treason {
    Panics,
    Hangs,
}

impl Suppliers for Treacherous {
    async fn find(&self, id: &SupplierId) -> Result<Option<Supplier>, LookupError> {
        if id.as_str() == "north" {
            match (self.then, self.asked.fetch_add(1, Ordering::SeqCst)) {
                // Asked for the order that is stored, for the same order again, and then to send it.
                (Treason::Panics, 2) => panic!("the lookup of the test panics, as it should"),
                (Treason::Hangs, 1) => std::future::pending().await,
                _ => {}
            }
        }
        Ok(Some(
            Supplier::builder(id.clone())
                .endpoint(self.url.as_str())
                .build()?,
        ))
    }
}

/// A dispatcher with such a lookup, and how often that was asked about `north`.
fn betrayed(world: &World, url: String, then: Treason) -> (Dispatcher, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let suppliers = Treacherous {
        url,
        asked: Arc::clone(&asked),
        then,
    };
    let dispatcher = Dispatcher::builder(source(), world.store.clone(), suppliers)
        .timeout(TIMEOUT)
        .lease_margin(Duration::from_secs(1))
        .concurrency(NonZeroUsize::new(2).unwrap())
        .root_certificate(world.ca.pem())
        .allow_network("127.0.0.0/8".parse().unwrap())
        .build()
        .unwrap();
    (dispatcher, asked)
}

#[tokio::test]
async fn a_panic_in_the_lookup_is_an_error_stops_nobody_else_and_keeps_no_slot() {
    let world = World::new();
    let receiver = world.receiver().await;
    let (dispatcher, _) = betrayed(&world, receiver.url("/a"), Treason::Panics);
    let both = order("A-1", &["north", "green"]);
    let _ = dispatcher.enqueue(&both).await.unwrap();

    let error = dispatcher
        .notify(&order("A-1", &["north", "green"]))
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Panicked), "{error:?}");
    assert!(error.is_transient());
    assert_eq!(
        state(&world.get(&key("green", "A-1")).await),
        "notified A-1"
    );
    assert_eq!(
        state(&world.get(&key("north", "A-1")).await),
        "pending",
        "it is claimed after the lookup"
    );

    assert!(
        dispatcher
            .notify(&order("A-1", &["north", "green"]))
            .await
            .unwrap()
            .is_notified()
    );
    assert_eq!(outcomes(&world.get(&key("north", "A-1")).await), ["200"]);
    assert_eq!(receiver.count(), 2);
    dispatcher.shutdown(Duration::from_secs(10)).await;
    world.agrees().await;
}

#[tokio::test]
async fn a_lookup_that_hangs_does_not_hold_up_a_shutdown() {
    let world = World::new();
    let receiver = world.receiver().await;
    let (dispatcher, asked) = betrayed(&world, receiver.url("/a"), Treason::Hangs);
    let _ = dispatcher.enqueue(&order("A-1", &["north"])).await.unwrap();
    let hanging = tokio::spawn({
        let dispatcher = dispatcher.clone();
        async move {
            dispatcher
                .retry(&key("north", "A-1"), &crate::support::by())
                .await
        }
    });
    until("it hangs", async || asked.load(Ordering::SeqCst) == 2).await;
    let before = world.get(&key("north", "A-1")).await;

    let ended = tokio::time::timeout(
        Duration::from_secs(10),
        dispatcher.shutdown(Duration::from_secs(60)),
    )
    .await;

    assert!(ended.is_ok(), "it waits for a lookup that never answers");
    assert_eq!(
        hanging.await.unwrap().unwrap(),
        before,
        "nothing was claimed"
    );
    assert_eq!(state(&before), "pending");
    assert_eq!(receiver.connections(), 0);
    world.agrees().await;
}
