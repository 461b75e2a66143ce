//! What a client wants to be told, and what becomes of the rest.

use orderhook::event::Stage;
use orderhook::fulfilment::{Finality, Flow, Fulfilment, FulfilmentError, StageEvent, Transition};
use orderhook::notification::StateName;
use orderhook::store::{Inserted, Store};
use orderhook::supplier::{Rejections, Stages, Subscription};
use orderhook::{Error, Supplier, Worker};
use serde_json::json;

use crate::world::{
    CLIENT, World, child, client, clinic, code, delivery, enqueue, inserted, lines, on_every_store,
    only, sequences, stages, way,
};

on_every_store![
    digitization_completed_and_order_assigned_are_off_unless_asked_for,
    with_final_rejections_only_the_others_are_recorded_and_not_sent,
    every_rejection_of_a_pickup_order_counts_as_final,
    a_client_that_wants_nothing_has_whole_lives_and_no_request,
    a_changed_subscription_holds_for_what_is_offered_later,
    a_subscription_of_the_clients_file_is_kept,
];

const PRESCRIPTION: &str = r#"
{"parent_order":"P-1","flow":"delivery","prescription":true,"stage":"digitization_completed"}
{"parent_order":"P-1","child_order":"A","flow":"delivery","stage":"order_assigned"}
{"parent_order":"P-1","child_order":"A","flow":"delivery","stage":"accept"}
{"parent_order":"P-1","child_order":"B","flow":"delivery","stage":"order_assigned"}
{"parent_order":"P-1","child_order":"A","flow":"delivery","stage":"shipped"}
"#;

async fn digitization_completed_and_order_assigned_are_off_unless_asked_for<S: Store + Clone>(
    world: World<S>,
) {
    let receiver = world.receiver().await;
    world.put(clinic().endpoint(receiver.url("/")));
    let dispatcher = world.dispatcher();
    let events = lines(PRESCRIPTION);

    let digitized = Fulfilment::new(&dispatcher)
        .notify(&client(), &events[0])
        .await
        .unwrap();
    assert_eq!(only(&digitized).state.name(), StateName::NotWanted);
    assert!(only(&digitized).body.is_none() && only(&digitized).attempts.is_empty());
    enqueue(&dispatcher, &events[1..]).await;
    Worker::new(&dispatcher).until_idle().await.unwrap();

    assert_eq!(stages(&receiver.received()), ["accept", "shipped"]);
    assert_eq!(
        sequences(&receiver.received()),
        [3, 5],
        "what is not wanted has a number, too"
    );
    assert_eq!(
        world.timeline().await,
        [
            "P-1 #1 digitization_completed: not_wanted",
            "P-1 #2 order_assigned A: not_wanted",
            "P-1 #3 accept A: notified",
            "P-1 #4 order_assigned B: not_wanted",
            "P-1 #5 shipped A: notified",
        ]
    );
    // What was not sent counts for what may come.
    let life = Fulfilment::new(&dispatcher)
        .lifecycle(&client(), &code("P-1"))
        .await
        .unwrap();
    assert_eq!(life.events().len(), 5);
    assert_eq!(life.last_stage(&child("B")), Some(Stage::Assigned));
    let again = delivery("P-1", Transition::digitization_rejected());
    assert!(matches!(
        Fulfilment::new(&dispatcher)
            .enqueue(&client(), &again)
            .await,
        Err(FulfilmentError::NotAllowed(_))
    ));
    world.agrees().await;
}

async fn with_final_rejections_only_the_others_are_recorded_and_not_sent<S: Store + Clone>(
    world: World<S>,
) {
    let receiver = world.receiver().await;
    world.put(
        clinic()
            .endpoint(receiver.url("/"))
            .subscription(Subscription::new(Stages::default(), Rejections::Final)),
    );
    let dispatcher = world.dispatcher();
    let rejected = |id, finality| delivery("P-1", Transition::rejected(child(id), finality));

    enqueue(&dispatcher, &[rejected("A", Finality::NotFinal)]).await;
    enqueue(
        &dispatcher,
        &[delivery(
            "P-1",
            Transition::reassigned(child("A"), [child("B")]).unwrap(),
        )],
    )
    .await;
    enqueue(&dispatcher, &[rejected("B", Finality::Final)]).await;
    Worker::new(&dispatcher).until_idle().await.unwrap();

    assert_eq!(
        world.timeline().await,
        [
            "P-1 #1 reject A: not_wanted",
            "P-1 #2 reassign A: notified",
            "P-1 #3 reject B: notified"
        ]
    );
    let requests = receiver.received();
    assert_eq!(
        (stages(&requests), sequences(&requests)),
        (vec!["reassign".into(), "reject".into()], vec![2, 3])
    );
    assert_eq!(requests[1].json()["is_final_rejection"], true);
    world.agrees().await;
}

async fn every_rejection_of_a_pickup_order_counts_as_final<S: Store + Clone>(world: World<S>) {
    let receiver = world.receiver().await;
    world.put(
        clinic()
            .endpoint(receiver.url("/"))
            .subscription(Subscription::new(Stages::default(), Rejections::Final)),
    );
    let dispatcher = world.dispatcher();

    let rejected = Transition::rejected(child("A"), Finality::NotFinal);
    let event = StageEvent::new(code("P-1"), Flow::Pickup, rejected);
    assert!(
        Fulfilment::new(&dispatcher)
            .notify(&client(), &event)
            .await
            .unwrap()
            .is_notified()
    );

    assert_eq!(stages(&receiver.received()), ["reject"]);
    let life = Fulfilment::new(&dispatcher)
        .lifecycle(&client(), &code("P-1"))
        .await
        .unwrap();
    assert_eq!(life.allowed(Some(&child("A"))), []);
    world.agrees().await;
}

async fn a_client_that_wants_nothing_has_whole_lives_and_no_request<S: Store + Clone>(
    world: World<S>,
) {
    let receiver = world.receiver().await;
    let nothing = Subscription::new(Stages::from_iter([]), Rejections::All);
    world.put(clinic().endpoint(receiver.url("/")).subscription(nothing));
    let dispatcher = world.dispatcher();
    let events = way("P-1", "A");

    enqueue(&dispatcher, &events).await;
    Worker::new(&dispatcher).until_idle().await.unwrap();

    assert_eq!(receiver.connections(), 0);
    let life = Fulfilment::new(&dispatcher)
        .lifecycle(&client(), &code("P-1"))
        .await
        .unwrap();
    assert_eq!(life.last_stage(&child("A")), Some(Stage::Delivered));
    let order = dispatcher.order(&code("P-1")).await.unwrap().unwrap();
    assert_eq!(
        order.state,
        orderhook::notification::OrderState::Notified,
        "nothing is left to be done"
    );
    let key = Fulfilment::new(&dispatcher).key(&client(), &events[0]);
    assert!(matches!(
        dispatcher.retry(&key, &crate::support::by()).await,
        Err(Error::Closed { .. })
    ));
    world.agrees().await;
}

async fn a_changed_subscription_holds_for_what_is_offered_later<S: Store + Clone>(world: World<S>) {
    let receiver = world.receiver().await;
    let of = |stages: &[Stage]| {
        let subscription = Subscription::new(stages.iter().copied().collect(), Rejections::All);
        clinic()
            .endpoint(receiver.url("/"))
            .subscription(subscription)
    };
    let dispatcher = world.dispatcher();
    let events = way("P-1", "A");

    world.put(of(&[Stage::Shipped]));
    enqueue(&dispatcher, &events[..2]).await;
    // Both have been decided: the one stays unwanted, the other stays owed.
    world.put(of(&[Stage::Accepted, Stage::PickedUp]));
    enqueue(&dispatcher, &events[2..]).await;
    let again = Fulfilment::new(&dispatcher)
        .enqueue(&client(), &events[0])
        .await
        .unwrap();
    assert_eq!(inserted(&again), Inserted::Existing);
    Worker::new(&dispatcher).until_idle().await.unwrap();

    assert_eq!(stages(&receiver.received()), ["shipped", "order_picked_up"]);
    assert_eq!(sequences(&receiver.received()), [2, 3]);
    world.agrees().await;
}

async fn a_subscription_of_the_clients_file_is_kept<S: Store + Clone>(world: World<S>) {
    let receiver = world.receiver().await;
    let client_of_file: Supplier = serde_json::from_value(json!({
        "id": CLIENT, "webhook_urls": [receiver.url("/")], "stages": ["order_assigned", "reject"], "rejections": "final",
    }))
    .unwrap();
    world
        .table
        .write()
        .unwrap()
        .insert(client(), client_of_file);
    let dispatcher = world.dispatcher();

    enqueue(
        &dispatcher,
        &[delivery("P-1", Transition::assigned(child("A")))],
    )
    .await;
    enqueue(
        &dispatcher,
        &[delivery(
            "P-1",
            Transition::rejected(child("A"), Finality::NotFinal),
        )],
    )
    .await;
    enqueue(
        &dispatcher,
        &[delivery("P-1", Transition::accepted(child("B")))],
    )
    .await;
    Worker::new(&dispatcher).until_idle().await.unwrap();

    assert_eq!(
        world.timeline().await,
        [
            "P-1 #1 order_assigned A: notified",
            "P-1 #2 reject A: not_wanted",
            "P-1 #3 accept B: not_wanted"
        ]
    );
    world.agrees().await;
}
