//! `notify`, `retry` and `resume`: they leave slots to the worker, go by the same rules, and end with a shutdown.

use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::Arc;
use std::time::{Duration, Instant};

use orderhook::notification::FailureReason;
use orderhook::store::{Filter, Page, Store};
use orderhook::{Key, MemoryStore, NotificationState, OrderCode, Worker};
use tokio::task::{JoinHandle, JoinSet};

use super::spy::Spy;
use super::support::{Gate, Receiver, Reply};
use super::world::{Running, World, event, supplier, supplier_id};

/// Has an order notified in a handler of its own; whether it is told in the end.
fn notify(world: &World, supplier: &str, order: &str) -> JoinHandle<bool> {
    let (dispatcher, supplier) = (world.dispatcher.clone(), supplier_id(supplier));
    let order = OrderCode::new(order).unwrap();
    tokio::spawn(async move {
        dispatcher
            .notify_event(&supplier, &order, event())
            .await
            .is_ok_and(|report| report.is_notified())
    })
}

/// Notifies without end, each time a supplier that nobody has called yet and that hangs.
async fn notify_for_ever(world: Arc<World>, dead: Arc<Receiver>, number: usize) {
    for n in 0.. {
        let name = format!("dead-{number}-{n}");
        world.put(supplier(&name).endpoint(dead.url(&format!("/{name}"))));
        // Whoever gives up waiting does not stop the call.
        let _ = tokio::time::timeout(Duration::from_secs(2), notify(&world, &name, &name)).await;
    }
}

async fn longest_delay_beside_hanging_notifies(concurrency: usize) -> (usize, Duration) {
    let slots = NonZeroUsize::new(concurrency).unwrap();
    let world = Arc::new(World::with(|builder| {
        builder.concurrency(slots).timeout(Duration::from_secs(20))
    }));
    let (dead, well) = (
        Arc::new(Receiver::start(&world.ca).await),
        Receiver::start(&world.ca).await,
    );
    dead.answer(Reply::Hang);
    world.put(supplier("well").endpoint(well.url("/orders")));
    let mut handlers = JoinSet::new();
    for number in 0..concurrency {
        handlers.spawn(notify_for_ever(
            Arc::clone(&world),
            Arc::clone(&dead),
            number,
        ));
    }
    dead.wait_for(1).await;
    let running = Running::start(world.worker());
    let mut longest = Duration::ZERO;
    for n in 0..3 {
        let (stored, key) = (
            Instant::now(),
            world.enqueue("well", &format!("W-{n}")).await,
        );
        while !world.is_notified(&key).await && stored.elapsed() < Duration::from_secs(6) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        longest = longest.max(stored.elapsed());
    }
    handlers.shutdown().await;
    running.stop().await;
    (concurrency, longest)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_workers_order_arrives_within_five_seconds_however_many_notifies_hang() {
    let mut all = JoinSet::new();
    for concurrency in [1, 2, 3, 5, 6, 9] {
        all.spawn(longest_delay_beside_hanging_notifies(concurrency));
    }
    let mut longest = all.join_all().await;
    longest.sort();
    assert!(
        longest
            .iter()
            .all(|(_, longest)| *longest < Duration::from_secs(5)),
        "{longest:?}"
    );
}

/// A supplier whose endpoint is silent: a call of the worker's hangs there.
async fn silent(world: &World, receiver: &Receiver, limit: u32) -> Key {
    let limit = NonZeroU32::new(limit).unwrap();
    world.put(
        supplier("books")
            .endpoint(receiver.url("/orders"))
            .max_concurrent(limit),
    );
    receiver.answer(Reply::Hang);
    let key = world.enqueue("books", "hanging").await;
    let worker = world.worker();
    tokio::spawn(async move { worker.tick().await });
    receiver.wait_for(1).await;
    // Two seconds or a quarter of the limit later it is silent: what comes then is left out, and says so at once.
    for n in 0.. {
        assert!(!notify(world, "books", &format!("probe-{n}")).await.unwrap());
        let probe = world
            .notification(&order_key(world, &format!("probe-{n}")))
            .await;
        if matches!(probe.state, NotificationState::Pending { due } if due > world.store.now())
            && probe.endpoints().len() == 1
        {
            break;
        }
    }
    assert_eq!(receiver.count(), 1);
    key
}

fn order_key(world: &World, order: &str) -> Key {
    world
        .dispatcher
        .key(&supplier_id("books"), &OrderCode::new(order).unwrap())
}

#[tokio::test]
async fn a_person_who_retries_calls_a_silent_endpoint_beside_the_open_call_and_never_beyond_the_limit()
 {
    // A claim waits for the margin of its lease, and no longer.
    let margin = Duration::from_millis(500);
    let world = World::with(|builder| {
        builder
            .timeout(Duration::from_secs(4))
            .lease_margin(margin)
            .times_as_fast(10)
    });
    let receiver = Receiver::start(&world.ca).await;
    silent(&world, &receiver, 2).await;
    let retry = |order: &str| {
        let (dispatcher, key) = (world.dispatcher.clone(), order_key(&world, order));
        tokio::spawn(async move { dispatcher.retry(&key, &crate::support::by()).await.unwrap() })
    };
    let by_hand = world.enqueue("books", "by-hand").await;
    let beyond = world.enqueue("books", "beyond").await;
    receiver.script([Reply::Hang]);
    let first = retry("by-hand");
    receiver.wait_for(2).await;
    let second = retry("beyond").await.unwrap();
    assert!(
        matches!(second.state, NotificationState::Pending { .. }) && second.attempts.is_empty(),
        "{second:?}"
    );
    assert_eq!(receiver.count(), 2, "the limit of its supplier is two");
    first.await.unwrap();
    assert_eq!(world.outcomes(&by_hand).await, ["unknown"]);
    // The calls there are over: a person may call once more, and the answer ends the silence.
    receiver.answer(Reply::ok());
    retry("beyond").await.unwrap();
    assert!(world.is_notified(&beyond).await);
    assert_eq!(receiver.max_in_flight(), 2);
}

#[tokio::test]
async fn resume_leaves_a_silent_endpoint_out_and_spends_no_try_on_it() {
    let world = World::with(|builder| builder.timeout(Duration::from_secs(4)));
    let receiver = Receiver::start(&world.ca).await;
    world.put(supplier("books"));
    let failed = world.enqueue("books", "failed").await;
    world.tick().await;
    assert_eq!(
        world.failure(&failed).await,
        Some(FailureReason::NoEndpoints)
    );
    silent(&world, &receiver, 8).await;

    let report = world
        .dispatcher
        .resume(&supplier_id("books"), &crate::support::by())
        .await
        .unwrap();
    assert_eq!(report.entries.len(), 1);
    let resumed = world.notification(&failed).await;
    assert!(
        matches!(resumed.state, NotificationState::Pending { .. }) && resumed.attempts.is_empty(),
        "{resumed:?}"
    );
    assert_eq!(receiver.count(), 1);
}

#[tokio::test]
async fn no_post_begins_after_a_shutdown_however_many_notifies_wait_for_a_slot() {
    let one = NonZeroUsize::MIN;
    let world = World::with(|builder| builder.concurrency(one).timeout(Duration::from_secs(20)));
    let receiver = Receiver::start(&world.ca).await;
    let gate = Gate::new();
    receiver.script([Reply::ok().gated(&gate)]);
    let mut waiting = Vec::new();
    for n in 0..6 {
        let name = format!("books-{n}");
        world.put(supplier(&name).endpoint(receiver.url(&format!("/{n}"))));
        waiting.push(notify(&world, &name, "A-1"));
        receiver.wait_for(1).await;
    }
    let everything = Filter::of(world.dispatcher.source().clone());
    while world
        .store
        .list(&everything, &Page::first(10))
        .await
        .unwrap()
        .notifications
        .len()
        < 6
    {
        tokio::task::yield_now().await;
    }
    let dispatcher = world.dispatcher.clone();
    let shutdown = tokio::spawn(async move { dispatcher.shutdown(Duration::from_secs(30)).await });
    let order = OrderCode::new("B-1").unwrap();
    while world
        .dispatcher
        .prepare_event(&supplier_id("books-0"), &order, event())
        .await
        .is_ok()
    {
        tokio::task::yield_now().await;
    }
    gate.open();
    shutdown.await.unwrap();
    let mut told = 0;
    for handler in waiting {
        told += usize::from(handler.await.unwrap());
    }
    assert_eq!((told, receiver.count()), (1, 1), "told, called");
    // Nothing is lost: whoever comes next tells the rest at once.
    let next = Worker::new(&world.another(|builder| builder));
    assert_eq!(next.until_idle().await.unwrap().notified, 5);
}

#[tokio::test]
async fn resume_reopens_thousands_each_once_however_soon_they_fail_again_and_keeps_a_thousand() {
    const FAILED: usize = 3000;
    let store = MemoryStore::new();
    let spy = Spy::new(&store);
    let world = World::on(store, spy.clone(), |builder| builder);
    world.put(supplier("books"));
    let keys = world.enqueue_many("books", FAILED).await;
    world.worker().until_idle().await.unwrap();
    for key in &keys {
        assert_eq!(world.failure(key).await, Some(FailureReason::NoEndpoints));
    }
    spy.fail_what_is_reopened();
    let report = world
        .dispatcher
        .resume(&supplier_id("books"), &crate::support::by())
        .await
        .unwrap();

    // A hundred at a time, none of which is remembered but for the first thousand, which are tried and reported.
    assert_eq!(spy.reopened(), (FAILED, 100));
    for key in &keys {
        assert_eq!(world.notification(key).await.reopened, 1);
    }
    let reported: Vec<_> = report
        .entries
        .iter()
        .map(|entry| entry.notification.key.clone())
        .collect();
    assert_eq!(reported, keys[..1000]);
    assert!(
        report
            .entries
            .iter()
            .all(|entry| entry.notification.body.is_none()),
        "a thousand bodies are not held"
    );
}
