//! A worker that cron starts: one round for what is due, and then the end.

use std::num::{NonZeroU32, NonZeroUsize};
use std::time::{Duration, Instant};

use orderhook::supplier::Activity;
use orderhook::{NotificationState, RetryPolicy, Worker};

use super::support::{Gate, Receiver, Reply};
use super::world::{World, supplier};

/// Far less than a notification is put off for, and more than any of these runs takes.
const SOON: Duration = Duration::from_secs(20);

async fn drained(worker: Worker) -> (u64, u64) {
    let summary = tokio::time::timeout(SOON, worker.drain()).await;
    let summary = summary.expect("it ends").unwrap();
    (summary.notified, summary.failed)
}

#[tokio::test]
async fn each_notification_gets_one_round_and_its_next_try_is_left_for_the_next_run() {
    let policy = RetryPolicy::DEFAULT.with_first_delay(Duration::from_millis(1));
    let world = World::with(|builder| builder.retry(policy));
    let receiver = Receiver::start(&world.ca).await;
    receiver.answer_at("/sick", Reply::Status(500));
    receiver.answer_at("/gone", Reply::Status(410));
    for name in ["well", "sick", "gone"] {
        world.put(supplier(name).endpoint(receiver.url(&format!("/{name}"))));
        world.enqueue_many(name, 50).await;
    }
    assert_eq!(drained(world.worker()).await, (50, 50));
    assert_eq!(receiver.count(), 150);
    // All of them are due again by now.
    tokio::time::sleep(Duration::from_millis(5)).await;
    receiver.answer_at("/sick", Reply::ok());
    assert_eq!(drained(world.worker()).await, (50, 0));
    assert_eq!(drained(world.worker()).await, (0, 0));
    assert_eq!(receiver.count(), 200);
}

#[tokio::test]
async fn what_follows_in_a_stream_has_its_round_in_the_same_run() {
    let world = World::new();
    let receiver = Receiver::start(&world.ca).await;
    world.put(supplier("books").endpoint(receiver.url("/orders")));
    for order in ["A-1", "A-2", "A-3"] {
        for n in 0..20 {
            world.enqueue_next("books", order, n).await;
        }
    }
    assert_eq!(drained(world.worker()).await, (60, 0));
}

#[tokio::test]
async fn what_finds_its_supplier_at_its_limit_has_its_turn_in_the_same_run() {
    let world = World::with(|builder| builder.concurrency(NonZeroUsize::new(16).unwrap()));
    let receiver = Receiver::start(&world.ca).await;
    receiver.answer(Reply::ok().delayed(Duration::from_millis(30)));
    for name in ["books", "seeds", "tools"] {
        let url = receiver.url(&format!("/{name}"));
        let two = NonZeroU32::new(2).unwrap();
        world.put(supplier(name).endpoint(url).max_concurrent(two));
        world.enqueue_many(name, 60).await;
    }
    assert_eq!(drained(world.worker()).await, (180, 0));
    assert_eq!(receiver.count(), 180);
    for name in ["books", "seeds", "tools"] {
        assert!(most_at_once(&receiver, &format!("/{name}")) <= 2, "{name}");
    }
}

/// How many requests at a path were open at the same time.
fn most_at_once(receiver: &Receiver, path: &str) -> usize {
    let received = receiver.received();
    let at = received.iter().filter(|request| request.path() == path);
    let spans: Vec<_> = at
        .filter_map(|request| Some((request.began, request.answered?)))
        .collect();
    let open = |moment: Instant| {
        let open = spans
            .iter()
            .filter(|(from, to)| *from <= moment && moment < *to);
        open.count()
    };
    spans.iter().map(|(from, _)| open(*from)).max().unwrap_or(0)
}

#[tokio::test]
async fn one_slot_is_enough() {
    let world = World::with(|builder| builder.concurrency(NonZeroUsize::MIN));
    let receiver = Receiver::start(&world.ca).await;
    for name in ["books", "seeds"] {
        world.put(supplier(name).endpoint(receiver.url(&format!("/{name}"))));
        world.enqueue_many(name, 40).await;
    }
    assert_eq!(drained(world.worker()).await, (80, 0));
}

#[tokio::test]
async fn an_endpoint_that_hangs_is_left_for_the_next_run_and_holds_up_nothing_but_the_end() {
    let limit = Duration::from_secs(2);
    let world = World::with(|builder| builder.timeout(limit));
    let receiver = Receiver::start(&world.ca).await;
    receiver.answer_at("/hangs", Reply::Hang);
    world.put(supplier("well").endpoint(receiver.url("/well")));
    world.put(supplier("hangs").endpoint(receiver.url("/hangs")));
    let hangs = world.enqueue_many("hangs", 30).await;
    world.enqueue_many("well", 30).await;
    let began = Instant::now();
    assert_eq!(drained(world.worker()).await, (30, 0));
    assert!(began.elapsed() < limit * 3, "{:?}", began.elapsed());
    let at = |path| {
        receiver
            .received()
            .iter()
            .filter(|r| r.path() == path)
            .count()
    };
    assert_eq!(at("/well"), 30);
    assert!(at("/hangs") <= 16, "{}", at("/hangs"));
    for key in hangs {
        assert!(matches!(
            world.state(&key).await,
            NotificationState::Pending { .. }
        ));
    }
}

#[tokio::test]
async fn a_paused_supplier_and_what_others_are_sending_are_left() {
    let world = World::new();
    let receiver = Receiver::start(&world.ca).await;
    let gate = Gate::new();
    receiver.answer(Reply::ok().gated(&gate));
    world.put(supplier("books").endpoint(receiver.url("/orders")));
    world.enqueue("books", "A-1").await;
    let elsewhere = Worker::new(&world.another(|builder| builder));
    let sending = tokio::spawn(async move { elsewhere.tick().await });
    receiver.wait_for(1).await;
    let paused = supplier("paused").endpoint(receiver.url("/orders"));
    world.put(paused.activity(Activity::Paused));
    let waits = world.enqueue("paused", "A-1").await;
    assert_eq!(drained(world.worker()).await, (0, 0));
    assert!(matches!(
        world.state(&waits).await,
        NotificationState::Pending { .. }
    ));
    gate.open();
    sending.await.unwrap().unwrap();
    assert_eq!(receiver.count(), 1);
}

#[tokio::test]
async fn what_is_stored_meanwhile_is_left_for_the_next_run() {
    let world = World::new();
    let receiver = Receiver::start(&world.ca).await;
    let gate = Gate::new();
    receiver.script([Reply::ok().gated(&gate)]);
    world.put(supplier("books").endpoint(receiver.url("/orders")));
    world.enqueue("books", "A-1").await;
    let run = tokio::spawn(drained(world.worker()));
    receiver.wait_for(1).await;
    let late = world.enqueue("books", "A-2").await;
    gate.open();
    assert_eq!(run.await.unwrap(), (1, 0));
    assert!(matches!(
        world.state(&late).await,
        NotificationState::Pending { .. }
    ));
    assert_eq!(drained(world.worker()).await, (1, 0));
}

#[tokio::test]
async fn it_ends_early_at_the_dispatchers_shutdown_with_nothing_under_way() {
    let world = World::new();
    let receiver = Receiver::start(&world.ca).await;
    receiver.answer(Reply::ok().delayed(Duration::from_millis(100)));
    let one = NonZeroU32::MIN;
    world.put(
        supplier("books")
            .endpoint(receiver.url("/orders"))
            .max_concurrent(one),
    );
    world.enqueue_many("books", 100).await;
    let run = tokio::spawn(drained(world.worker()));
    receiver.wait_for(2).await;
    world.dispatcher.shutdown(SOON).await;
    let (notified, failed) = run.await.unwrap();
    assert!(notified < 100 && failed == 0, "{notified}");
    assert_eq!(
        receiver.count() as u64,
        notified,
        "what was begun was finished, and nothing else was begun"
    );
}

#[tokio::test]
async fn a_run_that_is_dropped_begins_nothing_more_and_strands_nothing() {
    let world = World::new();
    let receiver = Receiver::start(&world.ca).await;
    receiver.answer(Reply::ok().delayed(Duration::from_millis(100)));
    let one = NonZeroU32::MIN;
    world.put(
        supplier("books")
            .endpoint(receiver.url("/orders"))
            .max_concurrent(one),
    );
    let keys = world.enqueue_many("books", 100).await;
    let run = tokio::spawn(drained(world.worker()));
    receiver.wait_for(2).await;
    run.abort();
    let _ = run.await;
    // What waited for room in memory goes on as well.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let called = receiver.count();
    assert!(called < 100, "{called}");
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(
        receiver.count() <= called + 1,
        "{} and {called}",
        receiver.count()
    );
    for key in keys {
        assert!(!matches!(
            world.state(&key).await,
            NotificationState::Failed { .. }
        ));
    }
}
