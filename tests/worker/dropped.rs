//! Whoever waits for a worker or for `notify` may go away at any moment: what was claimed is delivered, or given back.

use std::future::Future;
use std::time::{Duration, Instant};

use orderhook::{Key, MemoryStore, NotificationState, OrderCode};

use super::spy::Spy;
use super::support::{Gate, Receiver, Reply};
use super::world::{HOUR, World, event, supplier, supplier_id};

/// An order that is stored, and a store that keeps its answers to claims until the gate is open.
struct Scene {
    world: World,
    spy: Spy,
    receiver: Receiver,
    key: Key,
    gate: Gate,
}

impl Scene {
    async fn new() -> Scene {
        let store = MemoryStore::new();
        let spy = Spy::new(&store);
        let world = World::on(store, spy.clone(), |builder| builder);
        let receiver = Receiver::start(&world.ca).await;
        world.put(supplier("books").endpoint(receiver.url("/orders")));
        let key = world.enqueue("books", "A-1").await;
        let gate = Gate::new();
        spy.hold_claims(&gate);
        Scene {
            world,
            spy,
            receiver,
            key,
            gate,
        }
    }

    /// Drops the future when the store has handed out the order, and before anybody was told so.
    async fn drop_when_claimed(&self, waiting: impl Future) {
        tokio::select! {
            _ = waiting => panic!("it does not end while the store keeps its answer"),
            () = self.is_claimed() => {}
        }
    }

    async fn is_claimed(&self) {
        while self.spy.claims() == 0
            || !matches!(
                self.world.state(&self.key).await,
                NotificationState::Sending { .. }
            )
        {
            tokio::task::yield_now().await;
        }
    }

    /// Nobody is waiting any more, and the order is told by one POST, long before a lease has run out.
    async fn ends_delivered(self) {
        self.gate.open();
        let opened = Instant::now();
        while !self.world.is_notified(&self.key).await {
            assert!(
                opened.elapsed() < Duration::from_secs(5),
                "it is stranded: {:?}",
                self.world.state(&self.key).await
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(self.world.outcomes(&self.key).await, ["accepted"]);
        assert_eq!(self.receiver.count(), 1);
    }
}

#[tokio::test]
async fn a_step_that_is_dropped_when_the_store_has_answered_strands_nothing() {
    let scene = Scene::new().await;
    let worker = scene.world.worker();
    scene.drop_when_claimed(worker.tick()).await;
    scene.ends_delivered().await;
}

#[tokio::test]
async fn a_run_that_is_dropped_when_the_store_has_answered_strands_nothing() {
    let scene = Scene::new().await;
    let worker = scene.world.worker().with_poll(HOUR);
    scene.drop_when_claimed(worker.run()).await;
    scene.ends_delivered().await;
}

#[tokio::test]
async fn a_run_until_idle_that_is_dropped_when_the_store_has_answered_strands_nothing() {
    let scene = Scene::new().await;
    let worker = scene.world.worker();
    scene.drop_when_claimed(worker.until_idle()).await;
    scene.ends_delivered().await;
}

#[tokio::test]
async fn a_retry_that_is_dropped_when_the_store_has_answered_strands_nothing() {
    let scene = Scene::new().await;
    scene
        .drop_when_claimed(
            scene
                .world
                .dispatcher
                .retry(&scene.key, &crate::support::by()),
        )
        .await;
    scene.ends_delivered().await;
}

#[tokio::test]
async fn a_step_that_is_dropped_while_it_sends_ends_all_the_same() {
    let scene = Scene::new().await;
    scene.gate.open();
    let answer = Gate::new();
    scene.receiver.answer(Reply::ok().gated(&answer));
    let worker = scene.world.worker();
    tokio::select! {
        _ = worker.tick() => panic!("the receiver has not answered"),
        () = scene.receiver.wait_for(1) => {}
    }
    answer.open();
    scene.ends_delivered().await;
}

#[tokio::test]
async fn a_shutdown_waits_for_what_a_dropped_step_has_claimed_and_gives_it_back() {
    let scene = Scene::new().await;
    let worker = scene.world.worker();
    scene.drop_when_claimed(worker.tick()).await;
    let dispatcher = scene.world.dispatcher.clone();
    let shutdown = tokio::spawn(async move { dispatcher.shutdown(HOUR).await });
    let order = OrderCode::new("A-2").unwrap();
    while scene
        .world
        .dispatcher
        .prepare_event(&supplier_id("books"), &order, event())
        .await
        .is_ok()
    {
        tokio::task::yield_now().await;
    }
    scene.gate.open();
    shutdown.await.unwrap();
    assert_eq!(scene.receiver.count(), 0);
    assert_eq!(scene.world.due_in(&scene.key).await, Duration::ZERO);
    assert!(
        scene
            .world
            .notification(&scene.key)
            .await
            .attempts
            .is_empty()
    );
}
