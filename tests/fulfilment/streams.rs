//! One order after the other's stages: strictly in order through failures, retries and people's decisions.

use std::num::NonZeroU32;
use std::time::Duration;

use orderhook::event::Occurrence;
use orderhook::event::Stage;
use orderhook::fulfilment::Fulfilment;
use orderhook::notification::{OrderState, StateName};
use orderhook::store::Store;
use orderhook::supplier::StreamRule;
use orderhook::{Error, Event, EventKind, RetryPolicy, Worker};

use crate::support::{Gate, Reply};
use crate::world::{
    World, child, client, clinic, code, enqueue, on_every_store, only, sequences, stages, way,
};

on_every_store![
    a_stage_waits_for_the_one_before_it_through_failures_and_retries,
    a_stage_that_is_offered_while_another_is_owed_waits_for_its_turn,
    a_stage_that_failed_for_good_holds_its_stream_until_it_is_accepted,
    a_stage_that_failed_for_good_lets_its_stream_pass_with_a_mark_if_the_client_says_so,
    only_stages_pass_what_else_failed_holds,
    a_withdrawn_stage_frees_its_stream_and_stays_in_the_life,
    a_410_for_one_stage_holds_the_later_ones,
    stages_without_an_endpoint_go_out_in_order_after_the_repair,
    orders_go_side_by_side,
];

/// Nothing is tried twice.
fn once() -> RetryPolicy {
    RetryPolicy::DEFAULT.with_give_up_after(Duration::ZERO)
}

/// Tried again at once, as good as.
fn soon() -> RetryPolicy {
    RetryPolicy::DEFAULT
        .with_first_delay(Duration::from_millis(5))
        .with_max_delay(Duration::from_millis(20))
}

async fn a_stage_waits_for_the_one_before_it_through_failures_and_retries<S: Store + Clone>(
    world: World<S>,
) {
    let receiver = world.receiver().await;
    world.put(clinic().endpoint(receiver.url("/")).retry(soon()));
    receiver.script([
        Reply::Status(503),
        Reply::CloseAfterRequest,
        Reply::ok(),
        Reply::Status(500),
        Reply::ok(),
    ]);
    let dispatcher = world.dispatcher();

    enqueue(&dispatcher, &way("P-1", "A")).await;
    let summary = Worker::new(&dispatcher).until_idle().await.unwrap();

    assert_eq!((summary.notified, summary.failed), (4, 0));
    assert_eq!(sequences(&receiver.received()), [1, 1, 1, 2, 2, 3, 4]);
    world.agrees().await;
}

async fn a_stage_that_is_offered_while_another_is_owed_waits_for_its_turn<S: Store + Clone>(
    world: World<S>,
) {
    let receiver = world.receiver().await;
    world.put(clinic().endpoint(receiver.url("/")));
    receiver.script([Reply::Status(503)]);
    let dispatcher = world.dispatcher();
    let events = way("P-1", "A");

    assert!(
        !Fulfilment::new(&dispatcher)
            .notify(&client(), &events[0])
            .await
            .unwrap()
            .is_notified()
    );
    let second = Fulfilment::new(&dispatcher)
        .notify(&client(), &events[1])
        .await
        .unwrap();
    assert_eq!(only(&second).state.name(), StateName::Pending);
    // Not by hand either.
    assert_eq!(
        dispatcher
            .retry(&only(&second).key, &crate::support::by())
            .await
            .unwrap()
            .state
            .name(),
        StateName::Pending
    );
    assert_eq!(receiver.count(), 1);

    dispatcher
        .retry(
            &Fulfilment::new(&dispatcher).key(&client(), &events[0]),
            &crate::support::by(),
        )
        .await
        .unwrap();
    assert!(
        Fulfilment::new(&dispatcher)
            .notify(&client(), &events[1])
            .await
            .unwrap()
            .is_notified()
    );
    assert_eq!(sequences(&receiver.received()), [1, 1, 2]);
    world.agrees().await;
}

async fn a_stage_that_failed_for_good_holds_its_stream_until_it_is_accepted<S: Store + Clone>(
    world: World<S>,
) {
    let receiver = world.receiver().await;
    world.put(clinic().endpoint(receiver.url("/")).retry(once()));
    receiver.script([Reply::ok(), Reply::Status(500)]);
    let dispatcher = world.dispatcher();
    let events = way("P-1", "A");

    enqueue(&dispatcher, &events).await;
    let summary = Worker::new(&dispatcher).until_idle().await.unwrap();

    assert_eq!((summary.notified, summary.failed), (1, 1));
    assert_eq!(
        world.timeline().await,
        [
            "P-1 #1 accept A: notified",
            "P-1 #2 shipped A: failed exhausted Hold",
            "P-1 #3 order_picked_up A: pending",
            "P-1 #4 delivered A: pending",
        ]
    );
    assert_eq!(
        dispatcher.order(&code("P-1")).await.unwrap().unwrap().state,
        OrderState::Error
    );

    dispatcher
        .retry(
            &Fulfilment::new(&dispatcher).key(&client(), &events[1]),
            &crate::support::by(),
        )
        .await
        .unwrap();
    Worker::new(&dispatcher).until_idle().await.unwrap();
    assert_eq!(sequences(&receiver.received()), [1, 2, 2, 3, 4]);
    assert_eq!(
        dispatcher.order(&code("P-1")).await.unwrap().unwrap().state,
        OrderState::Notified
    );
    world.agrees().await;
}

async fn a_stage_that_failed_for_good_lets_its_stream_pass_with_a_mark_if_the_client_says_so<
    S: Store + Clone,
>(
    world: World<S>,
) {
    let receiver = world.receiver().await;
    world.put(
        clinic()
            .endpoint(receiver.url("/"))
            .retry(once())
            .stages_that_fail(StreamRule::Pass),
    );
    receiver.script([Reply::ok(), Reply::Status(500)]);
    let dispatcher = world.dispatcher();

    enqueue(&dispatcher, &way("P-1", "A")).await;
    Worker::new(&dispatcher).until_idle().await.unwrap();

    assert_eq!(sequences(&receiver.received()), [1, 2, 3, 4]);
    assert_eq!(
        world.timeline().await,
        [
            "P-1 #1 accept A: notified",
            "P-1 #2 shipped A: failed exhausted Pass",
            "P-1 #3 order_picked_up A: notified",
            "P-1 #4 delivered A: notified",
        ]
    );
    assert_eq!(
        dispatcher.order(&code("P-1")).await.unwrap().unwrap().state,
        OrderState::Error,
        "it stays visible"
    );
    let life = Fulfilment::new(&dispatcher)
        .lifecycle(&client(), &code("P-1"))
        .await
        .unwrap();
    assert_eq!(life.events().len(), 4, "it happened, told or not");
    world.agrees().await;
}

async fn only_stages_pass_what_else_failed_holds<S: Store + Clone>(world: World<S>) {
    let receiver = world.receiver().await;
    world.put(
        clinic()
            .endpoint(receiver.url("/"))
            .retry(once())
            .stages_that_fail(StreamRule::Pass),
    );
    receiver.script([Reply::Status(500)]);
    let dispatcher = world.dispatcher();
    let kind = EventKind::own("order.price_changed").unwrap();
    let event = Event::new(
        kind,
        Occurrence::only(),
        &serde_json::json!({"sequence": 1}),
    )
    .unwrap();

    let _ = dispatcher
        .enqueue_event(&client(), &code("P-1"), event)
        .await
        .unwrap();
    enqueue(&dispatcher, &way("P-1", "A")[..1]).await;
    Worker::new(&dispatcher).until_idle().await.unwrap();

    assert_eq!(
        world.timeline().await,
        [
            "P-1 #1 order.price_changed: failed exhausted Hold",
            "P-1 #2 accept A: pending"
        ]
    );
    assert_eq!(receiver.count(), 1);
    world.agrees().await;
}

async fn a_withdrawn_stage_frees_its_stream_and_stays_in_the_life<S: Store + Clone>(
    world: World<S>,
) {
    let receiver = world.receiver().await;
    world.put(clinic().endpoint(receiver.url("/")).retry(once()));
    receiver.script([Reply::ok(), Reply::Status(400)]);
    let dispatcher = world.dispatcher();
    let events = way("P-1", "A");
    enqueue(&dispatcher, &events[..3]).await;
    Worker::new(&dispatcher).until_idle().await.unwrap();
    assert_eq!(receiver.count(), 2);

    let withdrawn = dispatcher
        .withdraw(
            &Fulfilment::new(&dispatcher).key(&client(), &events[1]),
            &crate::support::because("told by phone"),
        )
        .await
        .unwrap();
    assert_eq!(withdrawn.state.name(), StateName::Withdrawn);
    Worker::new(&dispatcher).until_idle().await.unwrap();
    enqueue(&dispatcher, &events[3..]).await;
    Worker::new(&dispatcher).until_idle().await.unwrap();

    assert_eq!(sequences(&receiver.received()), [1, 2, 3, 4]);
    let life = Fulfilment::new(&dispatcher)
        .lifecycle(&client(), &code("P-1"))
        .await
        .unwrap();
    assert_eq!(life.last_stage(&child("A")), Some(Stage::Delivered));
    assert!(matches!(
        Fulfilment::new(&dispatcher)
            .notify(&client(), &events[1])
            .await
            .map(|report| only(&report).state.name()),
        Ok(StateName::Withdrawn)
    ));
    assert!(matches!(
        dispatcher
            .retry(&withdrawn.key, &crate::support::by())
            .await,
        Err(Error::Closed { .. })
    ));
    assert_eq!(receiver.count(), 4);
    world.agrees().await;
}

async fn a_410_for_one_stage_holds_the_later_ones<S: Store + Clone>(world: World<S>) {
    let receiver = world.receiver().await;
    world.put(clinic().endpoint(receiver.url("/")));
    receiver.script([Reply::Status(410)]);
    let dispatcher = world.dispatcher();

    enqueue(&dispatcher, &way("P-1", "A")[..2]).await;
    Worker::new(&dispatcher).until_idle().await.unwrap();

    assert_eq!(
        world.timeline().await,
        [
            "P-1 #1 accept A: failed endpoint_gone Hold",
            "P-1 #2 shipped A: pending"
        ]
    );
    assert_eq!(receiver.count(), 1);
    world.agrees().await;
}

async fn stages_without_an_endpoint_go_out_in_order_after_the_repair<S: Store + Clone>(
    world: World<S>,
) {
    let receiver = world.receiver().await;
    world.put(clinic());
    let dispatcher = world.dispatcher();
    for order in ["P-1", "P-2"] {
        enqueue(&dispatcher, &way(order, "A")[..3]).await;
    }
    let summary = Worker::new(&dispatcher).until_idle().await.unwrap();
    assert_eq!(
        (summary.notified, summary.failed),
        (0, 2),
        "the first of each order; the others wait behind it"
    );

    world.put(clinic().endpoint(receiver.url("/")));
    let resumed = dispatcher
        .resume(&client(), &crate::support::by())
        .await
        .unwrap();
    assert!(
        resumed.is_notified() && resumed.entries.len() == 2,
        "{resumed:?}"
    );
    Worker::new(&dispatcher).until_idle().await.unwrap();

    assert_eq!(receiver.count(), 6);
    world.agrees().await;
}

async fn orders_go_side_by_side<S: Store + Clone>(world: World<S>) {
    let receiver = world.receiver().await;
    let many = NonZeroU32::new(16).unwrap();
    world.put(clinic().endpoint(receiver.url("/")).max_concurrent(many));
    let gate = Gate::new();
    receiver.script([Reply::ok(), Reply::ok().gated(&gate)]);
    let dispatcher = world.dispatcher();
    // Of an endpoint that nobody has heard of only one call is open: it answers before the rest begins.
    assert!(
        Fulfilment::new(&dispatcher)
            .notify(&client(), &way("P-00", "A")[0])
            .await
            .unwrap()
            .is_notified()
    );

    // The first order hangs in its first stage; ten others are told from beginning to end.
    let hanging = dispatcher.clone();
    let first = tokio::spawn(async move {
        Fulfilment::new(&hanging)
            .notify(&client(), &way("P-0", "A")[0])
            .await
    });
    receiver.wait_for(2).await;
    for n in 1..=10 {
        enqueue(&dispatcher, &way(&format!("P-{n}"), "A")).await;
    }
    enqueue(&dispatcher, &way("P-0", "A")[1..2]).await;
    let worker = Worker::new(&dispatcher);
    let working = tokio::spawn(async move { worker.until_idle().await.unwrap() });
    receiver.wait_for_ended(41).await;
    assert_eq!(
        receiver.count(),
        42,
        "one hangs, and what is behind it has not been sent"
    );
    gate.open();

    assert!(first.await.unwrap().unwrap().is_notified());
    working.await.unwrap();
    Worker::new(&dispatcher).until_idle().await.unwrap();
    assert_eq!(receiver.count(), 43);
    let stored = world.agrees().await;
    assert!(
        stored
            .iter()
            .all(|notification| notification.state.name() == StateName::Notified)
    );
}

#[tokio::test]
async fn after_three_days_of_failures_a_stage_has_failed_and_the_rest_still_waits() {
    let world = World::in_memory();
    let receiver = world.receiver().await;
    world.put(clinic().endpoint(receiver.url("/")));
    receiver.answer(Reply::Status(503));
    let dispatcher = world.dispatcher();
    let events = way("P-1", "A");
    enqueue(&dispatcher, &events).await;

    let began = world.store.now();
    world.live_on(&Worker::new(&dispatcher)).await;

    let days = world.store.now().since(began).as_secs() / 86_400;
    assert!((2..=3).contains(&days), "{days}");
    let first = dispatcher
        .notification(&Fulfilment::new(&dispatcher).key(&client(), &events[0]))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(first.attempts.len(), receiver.count());
    assert!((15..25).contains(&receiver.count()), "{}", receiver.count());
    assert!(
        sequences(&receiver.received())
            .iter()
            .all(|sequence| *sequence == 1)
    );
    assert_eq!(
        world.timeline().await[0],
        "P-1 #1 accept A: failed exhausted Hold"
    );

    receiver.answer(Reply::ok());
    dispatcher
        .retry(&first.key, &crate::support::by())
        .await
        .unwrap();
    world.live_on(&Worker::new(&dispatcher)).await;
    assert_eq!(
        stages(&receiver.received()).split_off(first.attempts.len() + 1),
        ["shipped", "order_picked_up", "delivered"]
    );
    world.agrees().await;
}

#[tokio::test]
async fn forty_orders_through_a_receiver_that_fails_every_third_call_are_each_in_order() {
    let world = World::in_memory();
    let receiver = world.receiver().await;
    world.put(clinic().endpoint(receiver.url("/")));
    let failures = [
        Reply::Status(500),
        Reply::CloseAfterRequest,
        Reply::retry_after(503, "120"),
    ];
    receiver.script((0..600).map(|n| {
        if n % 3 == 2 {
            failures[n / 3 % failures.len()].clone()
        } else {
            Reply::ok()
        }
    }));
    let dispatcher = world.dispatcher();

    for step in 0..4 {
        for n in 0..40 {
            enqueue(&dispatcher, &way(&format!("P-{n}"), "A")[step..=step]).await;
        }
        // Some of it is told while the rest is still being offered.
        Worker::new(&dispatcher).tick().await.unwrap();
    }
    world.live_on(&Worker::new(&dispatcher)).await;

    let stored = world.agrees().await;
    assert_eq!(stored.len(), 160);
    assert!(
        stored
            .iter()
            .all(|notification| notification.state.name() == StateName::Notified)
    );
    println!("160 stages of 40 orders in {} requests", receiver.count());
}
