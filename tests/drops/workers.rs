//! Workers, and the end of a dispatcher.

use std::time::Duration;

use orderhook::store::Store;
use orderhook::{OrderCode, Worker};

use crate::support::{Gate, Reply};
use crate::world::{World, calls_of, on_every_store};

on_every_store![
    what_a_dropped_tick_has_claimed_is_delivered,
    what_a_dropped_run_has_claimed_is_delivered,
    what_a_dropped_run_until_idle_has_claimed_is_delivered,
    a_shutdown_that_is_dropped_loses_nothing_and_can_be_repeated,
    a_shutdown_without_grace_that_is_dropped_has_every_call_on_record,
];

/// Stores one order.
async fn enqueue<S: Store + Clone>(world: &World<S>) -> OrderCode {
    let order = world.order();
    let _ = world.dispatcher.enqueue(&order).await.unwrap();
    order.order_code().clone()
}

/// What was claimed is delivered without anybody's help; the rest by whoever comes next.
async fn is_delivered<S: Store + Clone>(world: &World<S>, order: &OrderCode) {
    world.is_quiet().await;
    world.settle().await;
    assert_eq!(world.told_once(order).await.len(), 2);
}

async fn what_a_dropped_tick_has_claimed_is_delivered<S: Store + Clone>(world: World<S>) {
    let worker = Worker::new(&world.dispatcher);
    world
        .at_every_await(async |cut| {
            let order = enqueue(&world).await;
            let tick = world.cut(cut, worker.tick()).await;
            is_delivered(&world, &order).await;
            tick.is_none()
        })
        .await;
}

async fn what_a_dropped_run_has_claimed_is_delivered<S: Store + Clone>(world: World<S>) {
    world
        .at_every_await(async |cut| {
            let order = enqueue(&world).await;
            let mut notified = world.notified.subscribe();
            let done = *notified.borrow() + 2;
            let worker = Worker::new(&world.dispatcher).with_poll(Duration::from_secs(60));
            let run = worker.run_until(async {
                notified
                    .wait_for(|notified| *notified >= done)
                    .await
                    .unwrap();
            });
            let run = world.cut(cut, run).await;
            is_delivered(&world, &order).await;
            run.is_none()
        })
        .await;
}

async fn what_a_dropped_run_until_idle_has_claimed_is_delivered<S: Store + Clone>(world: World<S>) {
    world
        .at_every_await(async |cut| {
            let order = enqueue(&world).await;
            let worker = Worker::new(&world.dispatcher).with_poll(Duration::from_millis(50));
            let idle = world.cut(cut, worker.until_idle()).await;
            is_delivered(&world, &order).await;
            idle.is_none()
        })
        .await;
}

async fn a_shutdown_that_is_dropped_loses_nothing_and_can_be_repeated<S: Store + Clone>(
    world: World<S>,
) {
    crate::cut::at_every_await(async |cut| {
        let (gate, before) = (Gate::new(), world.receiver.count());
        world.receiver.answer(Reply::ok().gated(&gate));
        let order = enqueue(&world).await;
        let dispatcher = world.another();
        let running = tokio::spawn({
            let worker = Worker::new(&dispatcher);
            async move { worker.run().await }
        });
        world.receiver.wait_for(before + 2).await;
        let hour = Duration::from_secs(3600);
        // It waits for the two calls: they are answered while it is looked at for the second time.
        let shutdown = world
            .cut(cut, async {
                tokio::join!(dispatcher.shutdown(hour), async {
                    tokio::task::yield_now().await;
                    world.receiver.answer(Reply::ok());
                    gate.open();
                })
            })
            .await;
        world.receiver.answer(Reply::ok());
        gate.open();
        // Whoever drops a shutdown has begun it, or not at all.
        dispatcher.shutdown(hour).await;
        running.await.unwrap();
        world.settle().await;
        assert_eq!(world.told_once(&order).await.len(), 2);
        shutdown.is_none()
    })
    .await;
}

async fn a_shutdown_without_grace_that_is_dropped_has_every_call_on_record<S: Store + Clone>(
    world: World<S>,
) {
    crate::cut::at_every_await(async |cut| {
        let (gate, before) = (Gate::new(), world.receiver.count());
        world.receiver.answer(Reply::ok().gated(&gate));
        let order = enqueue(&world).await;
        let dispatcher = world.another();
        let running = tokio::spawn({
            let worker = Worker::new(&dispatcher).with_grace(Duration::ZERO);
            async move { worker.run().await }
        });
        world.receiver.wait_for(before + 2).await;
        let shutdown = world.cut(cut, dispatcher.shutdown(Duration::ZERO)).await;
        dispatcher.shutdown(Duration::ZERO).await;
        running.await.unwrap();
        world.receiver.answer(Reply::ok());
        gate.open();
        // At once, and not when a lease has run out.
        world.settle().await;
        let requests = world.receiver.received();
        for stored in world.stored(&order).await {
            let calls: usize = calls_of(&stored, &requests).values().sum();
            assert_eq!(
                calls,
                stored.attempts.len(),
                "{cut:?}: {:?}",
                stored.attempts
            );
            let words: Vec<_> = stored
                .attempts
                .iter()
                .map(|attempt| attempt.outcome.as_str())
                .collect();
            assert!(
                matches!(
                    words[..],
                    ["unknown", "accepted", "accepted"] | ["accepted", "accepted"]
                ),
                "{words:?}"
            );
        }
        shutdown.is_none()
    })
    .await;
}
