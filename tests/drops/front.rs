//! What stores an order, and what also waits for its suppliers.

use orderhook::event::Occurrence;
use orderhook::store::Store;
use orderhook::{Event, EventKind};

use crate::world::{World, id, on_every_store};

on_every_store![
    an_order_whose_enqueue_is_dropped_is_stored_for_all_its_suppliers_or_for_none,
    an_event_whose_enqueue_is_dropped_is_stored_and_told_or_not_there,
    an_order_whose_preparation_is_dropped_is_not_stored,
    a_notify_that_is_dropped_goes_on_to_its_end,
    a_notify_of_one_event_that_is_dropped_goes_on_to_its_end,
];

async fn an_order_whose_enqueue_is_dropped_is_stored_for_all_its_suppliers_or_for_none<
    S: Store + Clone,
>(
    world: World<S>,
) {
    world
        .at_every_await(async |cut| {
            let order = world.order();
            let answer = world.cut(cut, world.dispatcher.enqueue(&order)).await;
            world.settle().await;
            let stored = world.told_once(order.order_code()).await;
            assert!(matches!(stored.len(), 0 | 2), "{cut:?}: {stored:?}");
            assert!(answer.is_none() || stored.len() == 2);
            // The caller repeats what it has no answer to.
            let _ = world.dispatcher.enqueue(&order).await.unwrap();
            world.settle().await;
            assert_eq!(world.told_once(order.order_code()).await.len(), 2);
            answer.is_none()
        })
        .await;
}

async fn an_event_whose_enqueue_is_dropped_is_stored_and_told_or_not_there<S: Store + Clone>(
    world: World<S>,
) {
    world
        .at_every_await(async |cut| {
            let order = world.code();
            let answer = world
                .cut(
                    cut,
                    world
                        .dispatcher
                        .enqueue_event(&id("books"), &order, event()),
                )
                .await;
            world.settle().await;
            assert!(answer.is_none() || world.stored(&order).await.len() == 1);
            let _ = world
                .dispatcher
                .enqueue_event(&id("books"), &order, event())
                .await
                .unwrap();
            world.settle().await;
            assert_eq!(world.told_once(&order).await.len(), 1);
            answer.is_none()
        })
        .await;
}

async fn an_order_whose_preparation_is_dropped_is_not_stored<S: Store + Clone>(world: World<S>) {
    world
        .at_every_await(async |cut| {
            let order = world.order();
            let prepared = world.cut(cut, world.dispatcher.prepare(&order)).await;
            assert_eq!(world.stored(order.order_code()).await, []);
            prepared.is_none()
        })
        .await;
    world
        .at_every_await(async |cut| {
            let order = world.code();
            let prepared = world
                .cut(
                    cut,
                    world
                        .dispatcher
                        .prepare_event(&id("books"), &order, event()),
                )
                .await;
            assert_eq!(world.stored(&order).await, []);
            prepared.is_none()
        })
        .await;
}

async fn a_notify_that_is_dropped_goes_on_to_its_end<S: Store + Clone>(world: World<S>) {
    world
        .at_every_await(async |cut| {
            let order = world.order();
            let report = world.cut(cut, world.dispatcher.notify(&order)).await;
            match cut.begins() {
                true => world.is_told(order.order_code(), 2).await,
                false => assert_eq!(world.stored(order.order_code()).await, []),
            }
            let again = world.dispatcher.notify(&order).await.unwrap();
            assert!(again.is_notified(), "{again:?}");
            assert_eq!(world.told_once(order.order_code()).await.len(), 2);
            report.is_none()
        })
        .await;
}

async fn a_notify_of_one_event_that_is_dropped_goes_on_to_its_end<S: Store + Clone>(
    world: World<S>,
) {
    world
        .at_every_await(async |cut| {
            let order = world.code();
            let report = world
                .cut(
                    cut,
                    world.dispatcher.notify_event(&id("books"), &order, event()),
                )
                .await;
            match cut.begins() {
                true => world.is_told(&order, 1).await,
                false => assert_eq!(world.stored(&order).await, []),
            }
            world.told_once(&order).await;
            report.is_none()
        })
        .await;
}

fn event() -> Event {
    let kind = EventKind::own("order.changed").unwrap();
    Event::new(kind, Occurrence::only(), &serde_json::json!({ "a": 1 })).unwrap()
}
