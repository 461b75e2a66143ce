//! How a worker ends: nothing new, what is under way is finished or handed back, nothing is lost.

use std::time::Duration;

use orderhook::{NotificationState, Worker};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::spy::Spy;
use super::support::{Gate, Receiver, Reply};
use super::world::{HOUR, Trouble, World, supplier};

fn run(worker: Worker) -> (oneshot::Sender<()>, JoinHandle<orderhook::report::Summary>) {
    let (stop, stopped) = oneshot::channel::<()>();
    let task = tokio::spawn(async move {
        worker
            .run_until(async {
                let _ = stopped.await;
            })
            .await
    });
    (stop, task)
}

#[tokio::test]
async fn a_shutdown_waits_for_what_is_being_sent_and_claims_nothing_more() {
    let world = World::new();
    let receiver = Receiver::start(&world.ca).await;
    let gate = Gate::new();
    receiver.answer(Reply::ok().gated(&gate));
    world.put(supplier("books").endpoint(receiver.url("/orders")));
    let first = world.enqueue_next("books", "A-1", 0).await;
    let second = world.enqueue_next("books", "A-1", 1).await;
    let (stop, task) = run(world.worker().with_grace(HOUR));
    receiver.wait_for(1).await;
    stop.send(()).unwrap();
    world.enqueue("books", "B-1").await;
    gate.open();
    assert_eq!(task.await.unwrap().notified, 1);
    assert!(world.is_notified(&first).await);
    assert!(matches!(
        world.state(&second).await,
        NotificationState::Pending { .. }
    ));
    assert_eq!(receiver.count(), 1);
}

#[tokio::test]
async fn what_is_not_finished_in_the_grace_period_is_handed_back_as_unknown_and_sent_later() {
    let world = World::new();
    let receiver = Receiver::start(&world.ca).await;
    receiver.script([Reply::ok(), Reply::Hang, Reply::Hang, Reply::Hang]);
    world.put(supplier("books").endpoint(receiver.url("/orders")));
    // One that answers: of an endpoint that nobody has heard of only one call is open.
    world.enqueue("books", "first").await;
    world.tick().await;
    let mut keys = Vec::new();
    for n in 0..3 {
        keys.push(world.enqueue("books", &format!("A-{n}")).await);
    }
    let (stop, task) = run(world.worker().with_grace(Duration::ZERO));
    receiver.wait_for(4).await;
    stop.send(()).unwrap();
    assert_eq!(task.await.unwrap().notified, 0);
    for key in &keys {
        let notification = world.notification(key).await;
        assert!(
            matches!(notification.state, NotificationState::Pending { .. }),
            "{:?}",
            notification.state
        );
        assert_eq!(world.outcomes(key).await, ["unknown"]);
    }
    assert_eq!(receiver.count(), 4);

    receiver.answer(Reply::ok());
    for key in &keys {
        world.live_until_settled(key).await;
        assert!(world.is_notified(key).await);
    }
}

#[tokio::test]
async fn a_worker_that_is_told_to_stop_before_it_begins_claims_nothing() {
    let world = World::new();
    let receiver = Receiver::start(&world.ca).await;
    world.put(supplier("books").endpoint(receiver.url("/orders")));
    let key = world.enqueue("books", "A-1").await;
    world.worker().run_until(std::future::ready(())).await;
    assert_eq!(receiver.count(), 0);
    assert!(matches!(
        world.state(&key).await,
        NotificationState::Pending { .. }
    ));
}

#[tokio::test]
async fn what_was_claimed_while_the_shutdown_came_is_not_left_claimed() {
    let store = orderhook::MemoryStore::new();
    let spy = Spy::new(&store);
    let world = World::on(store, spy.clone(), |builder| builder);
    let receiver = Receiver::start(&world.ca).await;
    world.put(supplier("books").endpoint(receiver.url("/orders")));
    let key = world.enqueue("books", "A-1").await;
    let gate = Gate::new();
    spy.hold_claims(&gate);
    let (stop, task) = run(world.worker());
    while spy.claims() == 0 {
        tokio::task::yield_now().await;
    }
    stop.send(()).unwrap();
    tokio::task::yield_now().await;
    gate.open();
    task.await.unwrap();
    assert!(
        !matches!(world.state(&key).await, NotificationState::Sending { .. }),
        "it would wait for its lease"
    );
}

#[tokio::test]
async fn a_worker_may_run_again_after_it_has_handed_back() {
    let world = World::new();
    let receiver = Receiver::start(&world.ca).await;
    receiver.script([Reply::Hang]);
    world.put(supplier("books").endpoint(receiver.url("/orders")));
    let key = world.enqueue("books", "A-1").await;
    let worker = world.worker().with_grace(Duration::ZERO);
    let (stop, task) = run(worker.clone());
    receiver.wait_for(1).await;
    stop.send(()).unwrap();
    task.await.unwrap();
    world.store.advance(HOUR);
    let tick = tokio::time::timeout(Duration::from_secs(10), worker.tick()).await;
    tick.expect("it goes on").unwrap();
    assert!(world.is_notified(&key).await);
}

#[tokio::test]
async fn a_lookup_that_never_answers_does_not_stop_a_shutdown() {
    let world = World::new();
    let receiver = Receiver::start(&world.ca).await;
    world.put(supplier("books").endpoint(receiver.url("/orders")));
    let key = world.enqueue("books", "A-1").await;
    world.lookup.trouble(Trouble::Silent(Gate::new()));
    let (stop, task) = run(world.worker().with_grace(Duration::ZERO));
    while !matches!(world.state(&key).await, NotificationState::Sending { .. }) {
        tokio::task::yield_now().await;
    }
    stop.send(()).unwrap();
    tokio::time::timeout(Duration::from_secs(10), task)
        .await
        .expect("it ends")
        .unwrap();
    assert_eq!(
        world.due_in(&key).await,
        Duration::ZERO,
        "it says nothing of the supplier: whoever comes next tries at once"
    );
    assert!(world.notification(&key).await.attempts.is_empty());
}

#[tokio::test]
async fn the_dispatchers_shutdown_ends_its_workers_too() {
    let world = World::new();
    let receiver = Receiver::start(&world.ca).await;
    let gate = Gate::new();
    receiver.answer(Reply::ok().gated(&gate));
    world.put(supplier("books").endpoint(receiver.url("/orders")));
    let key = world.enqueue("books", "A-1").await;
    let worker = world.worker().with_poll(HOUR).with_grace(HOUR);
    let running = tokio::spawn(worker.run());
    receiver.wait_for(1).await;
    let dispatcher = world.dispatcher.clone();
    let shutdown = tokio::spawn(async move { dispatcher.shutdown(HOUR).await });
    gate.open();
    shutdown.await.unwrap();
    assert_eq!(running.await.unwrap().notified, 1);
    assert!(world.is_notified(&key).await);
}

#[tokio::test]
async fn until_idle_ends_early_at_the_dispatchers_shutdown_with_nothing_under_way() {
    let world = World::new();
    let receiver = Receiver::start(&world.ca).await;
    let gate = Gate::new();
    receiver.script([Reply::ok().gated(&gate), Reply::Status(500)]);
    world.put(supplier("books").endpoint(receiver.url("/orders")));
    let key = world.enqueue("books", "A-1").await;
    let worker = world.worker().with_poll(HOUR);
    let idle = tokio::spawn(async move { worker.until_idle().await });
    receiver.wait_for(1).await;
    let dispatcher = world.dispatcher.clone();
    let shutdown = tokio::spawn(async move { dispatcher.shutdown(HOUR).await });
    tokio::task::yield_now().await;
    gate.open();
    assert_eq!(idle.await.unwrap().unwrap().notified, 1);
    assert!(world.is_notified(&key).await);
    shutdown.await.unwrap();
}
