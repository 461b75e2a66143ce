//! The worker in the background and from cron: it wakes when there is something to do, and ends when there is nothing.

use std::num::NonZeroUsize;
use std::time::Duration;

use orderhook::{NotificationState, RetryPolicy, Worker};
use tokio::sync::oneshot;

use super::support::{Gate, Receiver, Reply};
use super::world::{HOUR, World, supplier};

/// Runs a worker that never looks by itself while `during` goes on.
async fn while_running(worker: Worker, during: impl Future<Output = ()>) {
    let (stop, stopped) = oneshot::channel::<()>();
    let worker = worker.with_poll(HOUR);
    let run = tokio::spawn(async move {
        worker
            .run_until(async {
                let _ = stopped.await;
            })
            .await
    });
    during.await;
    let _ = stop.send(());
    run.await.unwrap();
}

#[tokio::test]
async fn an_enqueue_in_the_same_process_wakes_the_worker_at_once() {
    let world = World::new();
    let receiver = Receiver::start(&world.ca).await;
    world.put(supplier("books").endpoint(receiver.url("/orders")));
    while_running(world.worker(), async {
        for n in 1..20 {
            world.enqueue("books", &format!("A-{n}")).await;
            receiver.wait_for_ended(n).await;
        }
    })
    .await;
}

#[tokio::test]
async fn the_worker_wakes_when_the_next_try_is_due() {
    let policy = RetryPolicy::DEFAULT.with_first_delay(Duration::from_millis(20));
    let world = World::with(|builder| builder.retry(policy));
    let receiver = Receiver::start(&world.ca).await;
    receiver.script([Reply::Status(500), Reply::Status(500), Reply::Status(500)]);
    world.put(supplier("books").endpoint(receiver.url("/orders")));
    while_running(world.worker(), async {
        world.enqueue("books", "A-1").await;
        receiver.wait_for_ended(4).await;
    })
    .await;
}

#[tokio::test]
async fn the_next_of_a_stream_follows_at_once() {
    let world = World::new();
    let receiver = Receiver::start(&world.ca).await;
    world.put(supplier("books").endpoint(receiver.url("/orders")));
    while_running(world.worker(), async {
        for n in 0..30 {
            world.enqueue_next("books", "A-1", n).await;
        }
        receiver.wait_for_ended(30).await;
    })
    .await;
}

#[tokio::test]
async fn a_worker_goes_on_at_once_when_a_waiting_call_has_given_its_slot_back() {
    let world = World::with(|builder| builder.concurrency(NonZeroUsize::MIN));
    let receiver = Receiver::start(&world.ca).await;
    let gate = Gate::new();
    receiver.script([Reply::ok().gated(&gate)]);
    world.put(supplier("books").endpoint(receiver.url("/orders")));
    let waited_for = world.enqueue("books", "A-1").await;
    let dispatcher = world.dispatcher.clone();
    let waiting =
        tokio::spawn(async move { dispatcher.retry(&waited_for, &crate::support::by()).await });
    receiver.wait_for(1).await;
    while_running(world.worker(), async {
        world.enqueue("books", "A-2").await;
        gate.open();
        receiver.wait_for_ended(2).await;
    })
    .await;
    waiting.await.unwrap().unwrap();
}

#[tokio::test]
async fn what_others_store_is_found_by_looking() {
    let world = World::new();
    let receiver = Receiver::start(&world.ca).await;
    world.put(supplier("books").endpoint(receiver.url("/orders")));
    let elsewhere = world.another(|builder| builder);
    let worker = Worker::new(&elsewhere).with_poll(Duration::from_millis(10));
    let (stop, stopped) = oneshot::channel::<()>();
    let run = tokio::spawn(async move {
        worker
            .run_until(async {
                let _ = stopped.await;
            })
            .await
    });
    world.enqueue("books", "A-1").await;
    receiver.wait_for_ended(1).await;
    let _ = stop.send(());
    assert_eq!(run.await.unwrap().notified, 1);
}

#[tokio::test]
async fn until_idle_waits_for_later_tries_and_leaves_what_failed_and_what_is_held() {
    let policy = RetryPolicy::DEFAULT.with_first_delay(Duration::from_millis(10));
    let world = World::with(|builder| builder.retry(policy));
    let receiver = Receiver::start(&world.ca).await;
    receiver.script_at(
        "/flaky",
        [Reply::Status(500), Reply::Status(500), Reply::Status(500)],
    );
    receiver.answer_at("/gone", Reply::Status(410));
    world.put(supplier("flaky").endpoint(receiver.url("/flaky")));
    world.put(supplier("gone").endpoint(receiver.url("/gone")));
    let flaky = world.enqueue("flaky", "A-1").await;
    world.enqueue_next("gone", "A-1", 0).await;
    let held = world.enqueue_next("gone", "A-1", 1).await;
    let summary = world.worker().until_idle().await.unwrap();
    assert_eq!((summary.notified, summary.failed), (1, 1));
    assert!(world.is_notified(&flaky).await);
    assert!(matches!(
        world.state(&held).await,
        NotificationState::Pending { .. }
    ));
    let again = world.worker().until_idle().await.unwrap();
    assert_eq!((again.notified, again.failed), (0, 0));
}

#[tokio::test]
async fn until_idle_waits_for_what_another_worker_is_sending() {
    let world = World::new();
    let receiver = Receiver::start(&world.ca).await;
    let gate = Gate::new();
    receiver.answer(Reply::ok().gated(&gate));
    world.put(supplier("books").endpoint(receiver.url("/orders")));
    let key = world.enqueue("books", "A-1").await;
    let elsewhere = Worker::new(&world.another(|builder| builder));
    let sending = tokio::spawn(async move { elsewhere.tick().await });
    receiver.wait_for(1).await;
    let idle = Worker::new(&world.dispatcher).with_poll(Duration::from_millis(5));
    let idle = tokio::spawn(async move { idle.until_idle().await });
    gate.open();
    idle.await.unwrap().unwrap();
    assert!(world.is_notified(&key).await);
    sending.await.unwrap().unwrap();
}

#[tokio::test]
async fn two_handles_of_one_worker_both_learn_that_everything_is_done() {
    for _ in 0..20 {
        let world = World::new();
        let receiver = Receiver::start(&world.ca).await;
        let gate = Gate::new();
        receiver.answer(Reply::ok().gated(&gate));
        world.put(supplier("books").endpoint(receiver.url("/orders")));
        world.enqueue("books", "A-1").await;
        let worker = world.worker();
        let ticks: Vec<_> = (0..3)
            .map(|_| {
                let worker = worker.clone();
                tokio::spawn(async move { worker.tick().await })
            })
            .collect();
        receiver.wait_for(1).await;
        gate.open();
        for tick in ticks {
            let done = tokio::time::timeout(Duration::from_secs(10), tick).await;
            done.expect("a tick that waits for ever").unwrap().unwrap();
        }
    }
}
