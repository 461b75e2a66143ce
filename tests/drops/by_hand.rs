//! What a person decides.

use orderhook::notification::Closed;
use orderhook::store::Store;
use orderhook::{Error, Key, NotificationState, OrderCode};

use crate::world::{BY_PHONE, World, id, on_every_store, supplier};

on_every_store![
    a_retry_of_what_is_pending_that_is_dropped_goes_on_to_its_end,
    a_retry_of_what_has_failed_that_is_dropped_goes_on_to_its_end,
    a_resume_that_is_dropped_goes_on_to_its_end,
    a_withdrawal_that_is_dropped_has_happened_or_the_supplier_is_told,
    a_mark_that_is_dropped_is_there_or_the_supplier_is_told,
    a_mark_of_what_is_not_stored_that_is_dropped_is_there_or_not,
];

/// Stores an order of one supplier and delivers nothing.
async fn enqueue<S: Store + Clone>(world: &World<S>, supplier: &str) -> (OrderCode, Key) {
    let order = world.code();
    let content = serde_json::json!({ "a": 1 });
    let kind = orderhook::EventKind::own("order.changed").unwrap();
    let event =
        orderhook::Event::new(kind, orderhook::event::Occurrence::only(), &content).unwrap();
    let enqueued = world
        .dispatcher
        .enqueue_event(&id(supplier), &order, event)
        .await
        .unwrap();
    (order, enqueued.stored[0].key.clone())
}

async fn a_retry_of_what_is_pending_that_is_dropped_goes_on_to_its_end<S: Store + Clone>(
    world: World<S>,
) {
    world
        .at_every_await(async |cut| {
            let (order, key) = enqueue(&world, "books").await;
            let retried = world
                .cut(cut, world.dispatcher.retry(&key, &crate::support::by()))
                .await;
            if cut.begins() {
                world.is_told(&order, 1).await;
            }
            world.settle().await;
            assert_eq!(world.told_once(&order).await.len(), 1);
            retried.is_none()
        })
        .await;
}

async fn a_retry_of_what_has_failed_that_is_dropped_goes_on_to_its_end<S: Store + Clone>(
    world: World<S>,
) {
    world
        .at_every_await(async |cut| {
            let orders = failed(&world, 1).await;
            let (order, key) = &orders[0];
            let retried = world
                .cut(cut, world.dispatcher.retry(key, &crate::support::by()))
                .await;
            if cut.begins() {
                world.is_told(order, 1).await;
            }
            world.settle().await;
            let stored = world.told_once(order).await;
            assert_eq!(
                matches!(stored[0].state, NotificationState::Notified { .. }),
                cut.begins(),
                "{cut:?}: {stored:?}"
            );
            retried.is_none()
        })
        .await;
}

async fn a_resume_that_is_dropped_goes_on_to_its_end<S: Store + Clone>(world: World<S>) {
    world
        .at_every_await(async |cut| {
            let orders = failed(&world, 3).await;
            let resumed = world
                .cut(
                    cut,
                    world.dispatcher.resume(&id("late"), &crate::support::by()),
                )
                .await;
            for (order, _) in &orders {
                if cut.begins() {
                    world.is_told(order, 1).await;
                }
                world.told_once(order).await;
            }
            if !cut.begins() {
                let report = world
                    .dispatcher
                    .resume(&id("late"), &crate::support::by())
                    .await
                    .unwrap();
                assert!(
                    report.entries.len() == orders.len() && report.is_notified(),
                    "{report:?}"
                );
            }
            resumed.is_none()
        })
        .await;
}

/// Orders that failed while their supplier had no endpoint; now it has two.
async fn failed<S: Store + Clone>(world: &World<S>, number: usize) -> Vec<(OrderCode, Key)> {
    world.put(supplier("late"));
    let mut orders = Vec::new();
    for _ in 0..number {
        orders.push(enqueue(world, "late").await);
    }
    world.settle().await;
    world.put(world.told("late"));
    orders
}

async fn a_withdrawal_that_is_dropped_has_happened_or_the_supplier_is_told<S: Store + Clone>(
    world: World<S>,
) {
    world
        .at_every_await(async |cut| {
            let (order, key) = enqueue(&world, "books").await;
            let withdrawn = world
                .cut(
                    cut,
                    world
                        .dispatcher
                        .withdraw(&key, &crate::support::because("refunded")),
                )
                .await;
            world.settle().await;
            let stored = world.told_once(&order).await;
            let is_withdrawn = matches!(
                stored[0].state,
                NotificationState::Closed {
                    why: Closed::Withdrawn { .. },
                    ..
                }
            );
            assert!(is_withdrawn || withdrawn.is_none(), "{cut:?}: {stored:?}");
            let again = world
                .dispatcher
                .withdraw(&key, &crate::support::because("refunded"))
                .await
                .unwrap_err();
            assert!(
                matches!(again, Error::Closed { .. } | Error::AlreadyNotified { .. }),
                "{again}"
            );
            withdrawn.is_none()
        })
        .await;
}

async fn a_mark_that_is_dropped_is_there_or_the_supplier_is_told<S: Store + Clone>(
    world: World<S>,
) {
    world
        .at_every_await(async |cut| {
            let (order, key) = enqueue(&world, "books").await;
            let marked = world
                .cut(
                    cut,
                    world
                        .dispatcher
                        .mark_notified(&key, BY_PHONE, &crate::support::by()),
                )
                .await;
            world.settle().await;
            let stored = world.told_once(&order).await;
            let NotificationState::Notified { reference, .. } = &stored[0].state else {
                panic!("{cut:?}: {stored:?}")
            };
            assert!(
                reference == BY_PHONE || marked.is_none(),
                "{cut:?}: {stored:?}"
            );
            marked.is_none()
        })
        .await;
}

async fn a_mark_of_what_is_not_stored_that_is_dropped_is_there_or_not<S: Store + Clone>(
    world: World<S>,
) {
    world
        .at_every_await(async |cut| {
            let order = world.code();
            let key = world.dispatcher.key(&id("books"), &order);
            let marked = world
                .cut(
                    cut,
                    world
                        .dispatcher
                        .mark_notified(&key, BY_PHONE, &crate::support::by()),
                )
                .await;
            world.settle().await;
            let stored = world.told_once(&order).await;
            assert!(stored.len() == 1 || marked.is_none(), "{cut:?}");
            marked.is_none()
        })
        .await;
}
