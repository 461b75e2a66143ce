//! Stages of fulfilment orders.

use orderhook::fulfilment::{ChildId, Flow, Fulfilment, StageEvent, Transition};
use orderhook::store::{Inserted, Store};
use orderhook::{Notification, OrderCode};

use crate::world::{World, id, on_every_store, supplier};

on_every_store![
    a_stage_whose_enqueue_is_dropped_stands_at_its_place_or_is_not_there,
    a_notify_of_a_stage_that_is_dropped_goes_on_to_its_end,
    a_life_cycle_that_is_dropped_while_it_is_read_changes_nothing,
];

/// The first two stages of a new order of a client with one endpoint; the first is stored.
async fn stages<S: Store + Clone>(world: &World<S>) -> (OrderCode, StageEvent) {
    world.put(supplier("clinic").endpoint(world.receiver.url("/clinic")));
    let (order, child) = (world.code(), || ChildId::new("C-1").unwrap());
    let stage = |transition| StageEvent::new(order.clone(), Flow::Delivery, transition);
    let first = stage(Transition::accepted(child()));
    let _ = Fulfilment::new(&world.dispatcher)
        .enqueue(&id("clinic"), &first)
        .await
        .unwrap();
    let second = stage(Transition::shipped(child()));
    (order, second)
}

fn stand_in_their_places(stored: &[Notification]) {
    let mut positions: Vec<_> = stored.iter().map(|stored| stored.position).collect();
    positions.sort_unstable();
    assert!(
        positions.iter().copied().eq(1..=stored.len() as u64),
        "{positions:?}"
    );
}

async fn a_stage_whose_enqueue_is_dropped_stands_at_its_place_or_is_not_there<S: Store + Clone>(
    world: World<S>,
) {
    world
        .at_every_await(async |cut| {
            let (order, second) = stages(&world).await;
            let enqueued = world
                .cut(
                    cut,
                    Fulfilment::new(&world.dispatcher).enqueue(&id("clinic"), &second),
                )
                .await;
            world.settle().await;
            let stored = world.told_once(&order).await;
            stand_in_their_places(&stored);
            assert!(enqueued.is_none() || stored.len() == 2);
            let again = Fulfilment::new(&world.dispatcher)
                .enqueue(&id("clinic"), &second)
                .await
                .unwrap();
            assert_eq!(
                again.stored[0].inserted == Inserted::Existing,
                stored.len() == 2
            );
            world.settle().await;
            let stored = world.told_once(&order).await;
            stand_in_their_places(&stored);
            assert_eq!(stored.len(), 2);
            enqueued.is_none()
        })
        .await;
}

async fn a_notify_of_a_stage_that_is_dropped_goes_on_to_its_end<S: Store + Clone>(world: World<S>) {
    world
        .at_every_await(async |cut| {
            let (order, second) = stages(&world).await;
            world.settle().await;
            let report = world
                .cut(
                    cut,
                    Fulfilment::new(&world.dispatcher).notify(&id("clinic"), &second),
                )
                .await;
            world
                .is_told(&order, if cut.begins() { 2 } else { 1 })
                .await;
            stand_in_their_places(&world.told_once(&order).await);
            report.is_none()
        })
        .await;
}

async fn a_life_cycle_that_is_dropped_while_it_is_read_changes_nothing<S: Store + Clone>(
    world: World<S>,
) {
    let (order, _) = stages(&world).await;
    let (fulfilment, clinic) = (Fulfilment::new(&world.dispatcher), id("clinic"));
    world
        .at_every_await(async |cut| {
            let reading = fulfilment.lifecycle(&clinic, &order);
            world.cut(cut, reading).await.is_none()
        })
        .await;
    assert_eq!(world.stored(&order).await.len(), 1);
    let life = fulfilment.lifecycle(&clinic, &order).await.unwrap();
    assert_eq!(life.events().len(), 1);
}
