//! What only reads.

use orderhook::store::{Filter, Page, Store};

use crate::world::{World, id, on_every_store, source};

on_every_store![
    reads_that_are_dropped_change_nothing_and_keep_nobody_from_reading,
    a_check_that_is_dropped_sends_nothing
];

async fn reads_that_are_dropped_change_nothing_and_keep_nobody_from_reading<S: Store + Clone>(
    world: World<S>,
) {
    let order = world.order();
    world.dispatcher.notify(&order).await.unwrap();
    let (dispatcher, code) = (&world.dispatcher, order.order_code());
    let key = dispatcher.key(&id("books"), code);
    let (filter, page) = (Filter::of(source()), Page::first(1));
    let before = world.stored(code).await;
    let sent = world.receiver.count();

    // Many more than can read at once.
    for _ in 0..5 {
        world
            .at_every_await(async |cut| {
                world
                    .cut(cut, dispatcher.notification(&key))
                    .await
                    .is_none()
            })
            .await;
    }
    world
        .at_every_await(async |cut| world.cut(cut, dispatcher.order(code)).await.is_none())
        .await;
    world
        .at_every_await(async |cut| {
            world
                .cut(cut, dispatcher.list(&filter, &page))
                .await
                .is_none()
        })
        .await;
    world
        .at_every_await(async |cut| world.cut(cut, dispatcher.count(&filter)).await.is_none())
        .await;
    world
        .at_every_await(async |cut| {
            world
                .cut(cut, dispatcher.settled_since(&page))
                .await
                .is_none()
        })
        .await;
    assert_eq!(world.stored(code).await, before);
    assert!(
        world.receiver.count() > sent,
        "what looks after the room has sent something"
    );
}

async fn a_check_that_is_dropped_sends_nothing<S: Store + Clone>(world: World<S>) {
    let supplier = world.told("books").build().unwrap();
    let sent = world.receiver.count();
    let mut drops = 0;
    crate::cut::at_every_await(async |cut| {
        let checked = world.cut(cut, world.dispatcher.check(&supplier)).await;
        drops += usize::from(checked.is_none());
        checked.is_none()
    })
    .await;
    assert!(drops > 2, "a handshake waits more than once");
    assert_eq!(world.receiver.count(), sent);
    world.has_all_its_room().await;
}
