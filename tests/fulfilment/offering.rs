//! What is offered: recognised, in conflict, refused, or taken.

use std::time::Duration;

use orderhook::event::{Difference, Memo, Occurrence, Stage};
use orderhook::fulfilment::{
    Finality, Flow, FoldError, Fulfilment, FulfilmentError, Lifecycle, MemoError, NotAllowed,
    Prescription, Refusal, StageEvent, Transition,
};
use orderhook::notification::StateName;
use orderhook::store::{ClaimNew, Inserted, NewNotification, Start, Store};
use orderhook::supplier::LookupError;
use orderhook::{
    Dispatcher, Error, Event, EventKind, NotificationState, Supplier, SupplierId, Suppliers, Worker,
};

use crate::troubled::Contended;
use crate::world::{
    World, child, client, clinic, code, delivery, enqueue, inserted, on_every_store, only, source,
    stages, way,
};

on_every_store![
    a_stage_offered_twice_is_recognised_and_sent_once,
    a_late_duplicate_is_recognised_after_the_life_has_gone_on,
    the_same_stage_with_other_data_is_a_conflict_and_the_first_stays,
    an_impossible_stage_is_refused_with_what_may_come_and_nothing_is_stored,
    a_stage_that_says_another_flow_or_prescription_than_the_first_is_refused,
    the_life_of_an_order_can_be_read,
    a_client_that_nobody_knows_is_an_error_and_nothing_is_stored,
    after_a_shutdown_nothing_is_stored,
    an_unreadable_memo_stops_its_own_order_and_no_other,
    a_memo_of_another_kind_of_event_is_not_part_of_the_life,
];

fn pickup(parent: &str, event: Transition) -> StageEvent {
    StageEvent::new(code(parent), Flow::Pickup, event)
}

async fn refused(dispatcher: &Dispatcher, event: &StageEvent) -> NotAllowed {
    let enqueued = Fulfilment::new(dispatcher)
        .enqueue(&client(), event)
        .await
        .unwrap_err();
    let notified = Fulfilment::new(dispatcher)
        .notify(&client(), event)
        .await
        .unwrap_err();
    assert!(!enqueued.is_transient());
    match (enqueued, notified) {
        (FulfilmentError::NotAllowed(one), FulfilmentError::NotAllowed(other)) => {
            assert_eq!(one, other);
            *one
        }
        other => panic!("{other:?}"),
    }
}

async fn a_stage_offered_twice_is_recognised_and_sent_once<S: Store + Clone>(world: World<S>) {
    let receiver = world.receiver().await;
    world.put(clinic().endpoint(receiver.url("/")));
    let dispatcher = world.dispatcher();
    let event = delivery("P-1", Transition::accepted(child("A"))).with_reason("x");

    let first = Fulfilment::new(&dispatcher)
        .enqueue(&client(), &event)
        .await
        .unwrap();
    let second = Fulfilment::new(&dispatcher)
        .enqueue(&client(), &event)
        .await
        .unwrap();
    assert_eq!(
        (inserted(&first), inserted(&second)),
        (Inserted::New { position: 1 }, Inserted::Existing)
    );
    assert_eq!(first.stored[0].event_id, second.stored[0].event_id);
    assert!(
        Fulfilment::new(&dispatcher)
            .notify(&client(), &event)
            .await
            .unwrap()
            .is_notified()
    );
    // Another moment is not another event.
    let later = event.with_occurred_at("2026-03-01T09:00:00Z".parse().unwrap());
    let again = Fulfilment::new(&dispatcher)
        .notify(&client(), &later)
        .await
        .unwrap();

    assert!(again.is_notified() && again.entries[0].inserted == Inserted::Existing);
    assert_eq!(receiver.count(), 1);
    assert_eq!(world.agrees().await.len(), 1);
}

async fn a_late_duplicate_is_recognised_after_the_life_has_gone_on<S: Store + Clone>(
    world: World<S>,
) {
    let receiver = world.receiver().await;
    world.put(clinic().endpoint(receiver.url("/")));
    let dispatcher = world.dispatcher();
    let events = way("P-1", "A");
    enqueue(&dispatcher, &events).await;
    Worker::new(&dispatcher).until_idle().await.unwrap();

    for event in events.iter().rev() {
        let again = Fulfilment::new(&dispatcher)
            .notify(&client(), event)
            .await
            .unwrap();
        assert_eq!(again.entries[0].inserted, Inserted::Existing);
    }

    assert_eq!(receiver.count(), 4);
    assert_eq!(world.agrees().await.len(), 4);
}

async fn the_same_stage_with_other_data_is_a_conflict_and_the_first_stays<S: Store + Clone>(
    world: World<S>,
) {
    let receiver = world.receiver().await;
    world.put(clinic().endpoint(receiver.url("/")));
    let dispatcher = world.dispatcher();
    let rejected = |finality, reason| {
        delivery("P-1", Transition::rejected(child("A"), finality)).with_reason(reason)
    };
    let first = rejected(Finality::NotFinal, "out of stock");
    enqueue(&dispatcher, std::slice::from_ref(&first)).await;

    for other in [
        rejected(Finality::NotFinal, "closed today"),
        rejected(Finality::Final, "out of stock"),
        first.clone().with_data("remark", &"left").unwrap(),
        pickup("P-1", first.transition().clone()).with_reason("out of stock"),
    ] {
        let enqueued = Fulfilment::new(&dispatcher)
            .enqueue(&client(), &other)
            .await
            .unwrap();
        assert_eq!(enqueued.conflicts().count(), 1, "{other:?}");
    }
    let report = Fulfilment::new(&dispatcher)
        .notify(&client(), &rejected(Finality::Final, "gone"))
        .await
        .unwrap();
    let places = ["is_final_rejection", "reject_reason"].map(str::to_owned);
    assert_eq!(
        report.entries[0].difference,
        Some(Difference::At(places.to_vec()))
    );
    assert!(report.entries[0].is_conflict() && !report.is_notified());

    Worker::new(&dispatcher).until_idle().await.unwrap();
    let sent = receiver.received();
    assert_eq!(sent.len(), 1);
    assert_eq!(
        (
            &sent[0].json()["reject_reason"],
            &sent[0].json()["is_final_rejection"]
        ),
        (&"out of stock".into(), &false.into())
    );
    let life = Fulfilment::new(&dispatcher)
        .lifecycle(&client(), &code("P-1"))
        .await
        .unwrap();
    assert_eq!(
        life.allowed(Some(&child("A"))),
        [Stage::Reassigned, Stage::Split],
        "still not final"
    );
    world.agrees().await;
}

async fn an_impossible_stage_is_refused_with_what_may_come_and_nothing_is_stored<
    S: Store + Clone,
>(
    world: World<S>,
) {
    let receiver = world.receiver().await;
    world.put(clinic().endpoint(receiver.url("/")));
    let dispatcher = world.dispatcher();

    let too_early = refused(
        &dispatcher,
        &delivery("P-1", Transition::shipped(child("A"))),
    )
    .await;
    assert_eq!(
        (too_early.stage(), too_early.child()),
        (Stage::Shipped, Some(&child("A")))
    );
    assert_eq!(
        too_early.allowed(),
        [Stage::Assigned, Stage::Accepted, Stage::Rejected]
    );
    assert!(
        world.stored().await.is_empty(),
        "not even the beginning of a life"
    );
    assert_eq!(
        Fulfilment::new(&dispatcher)
            .lifecycle(&client(), &code("P-1"))
            .await
            .unwrap(),
        Lifecycle::new()
    );

    enqueue(&dispatcher, &way("P-1", "A")).await;
    enqueue(
        &dispatcher,
        &[delivery(
            "P-1",
            Transition::rejected(child("B"), Finality::NotFinal),
        )],
    )
    .await;
    for (event, allowed) in [
        (
            Transition::rejected(child("A"), Finality::NotFinal),
            vec![Stage::Rejected],
        ),
        (
            Transition::digitization_completed(),
            vec![Stage::Assigned, Stage::Accepted, Stage::Rejected],
        ),
        (
            Transition::accepted(child("B")),
            vec![Stage::Reassigned, Stage::Split],
        ),
        (
            Transition::reassigned(child("B"), [child("A")]).unwrap(),
            vec![Stage::Reassigned, Stage::Split],
        ),
        (
            Transition::delivered(child("C")),
            vec![Stage::Assigned, Stage::Accepted, Stage::Rejected],
        ),
    ] {
        assert_eq!(
            refused(&dispatcher, &delivery("P-1", event))
                .await
                .allowed(),
            allowed
        );
    }

    assert_eq!(world.stored().await.len(), 5);
    Worker::new(&dispatcher).until_idle().await.unwrap();
    assert_eq!(
        stages(&receiver.received()),
        [
            "accept",
            "shipped",
            "order_picked_up",
            "delivered",
            "reject"
        ]
    );
    world.agrees().await;
}

async fn a_stage_that_says_another_flow_or_prescription_than_the_first_is_refused<
    S: Store + Clone,
>(
    world: World<S>,
) {
    world.put(clinic());
    let dispatcher = world.dispatcher();
    let accepted = |parent: &str, id| delivery(parent, Transition::accepted(child(id)));

    enqueue(
        &dispatcher,
        &[accepted("P-1", "A").with_prescription(Prescription::With)],
    )
    .await;
    let other = refused(
        &dispatcher,
        &pickup("P-1", Transition::accepted(child("B"))),
    )
    .await;
    assert_eq!(other.why(), &Refusal::OtherFlow(Flow::Delivery));
    let other = refused(
        &dispatcher,
        &accepted("P-1", "B").with_prescription(Prescription::Without),
    )
    .await;
    assert_eq!(other.why(), &Refusal::OtherPrescription(Prescription::With));
    // Who does not say does not contradict.
    enqueue(
        &dispatcher,
        &[
            accepted("P-1", "B"),
            accepted("P-1", "C").with_prescription(Prescription::With),
        ],
    )
    .await;

    // Who does not say at first has said that there is none.
    enqueue(&dispatcher, &[accepted("P-2", "A")]).await;
    let other = refused(
        &dispatcher,
        &accepted("P-2", "B").with_prescription(Prescription::With),
    )
    .await;
    assert_eq!(
        other.why(),
        &Refusal::OtherPrescription(Prescription::Without)
    );
    assert_eq!(world.agrees().await.len(), 4);
}

async fn the_life_of_an_order_can_be_read<S: Store + Clone>(world: World<S>) {
    world.put(clinic());
    let dispatcher = world.dispatcher();
    assert_eq!(
        Fulfilment::new(&dispatcher)
            .lifecycle(&client(), &code("P-1"))
            .await
            .unwrap(),
        Lifecycle::new()
    );
    let events = [
        delivery("P-1", Transition::digitization_completed()).with_prescription(Prescription::With),
        delivery("P-1", Transition::rejected(child("A"), Finality::NotFinal)),
        delivery(
            "P-1",
            Transition::reassigned(child("A"), [child("B"), child("C")]).unwrap(),
        ),
        delivery("P-1", Transition::accepted(child("C"))),
    ];
    enqueue(&dispatcher, &events).await;

    let life = Fulfilment::new(&dispatcher)
        .lifecycle(&client(), &code("P-1"))
        .await
        .unwrap();
    let expected: Vec<_> = events
        .iter()
        .map(|event| event.transition().clone())
        .collect();
    assert_eq!(life.events(), expected);
    assert_eq!(
        (life.flow(), life.prescription()),
        (Some(Flow::Delivery), Some(Prescription::With))
    );
    let children: Vec<_> = life
        .children()
        .iter()
        .map(|child| (child.id().as_str(), child.last_stage()))
        .collect();
    assert_eq!(
        children,
        [
            ("A", Some(Stage::Reassigned)),
            ("B", None),
            ("C", Some(Stage::Accepted))
        ]
    );
    // Each client has a life of its own of an order of the same name.
    let other = SupplierId::new("another").unwrap();
    assert_eq!(
        Fulfilment::new(&dispatcher)
            .lifecycle(&other, &code("P-1"))
            .await
            .unwrap(),
        Lifecycle::new()
    );
}

async fn a_client_that_nobody_knows_is_an_error_and_nothing_is_stored<S: Store + Clone>(
    world: World<S>,
) {
    let event = delivery("P-1", Transition::accepted(child("A")));
    let unknown = Fulfilment::new(&world.dispatcher())
        .enqueue(&client(), &event)
        .await
        .unwrap_err();
    assert!(
        matches!(
            &unknown,
            FulfilmentError::Dispatch(Error::UnknownSupplier { supplier }) if *supplier == client()
        ),
        "{unknown:?}"
    );
    assert!(!unknown.is_transient());

    struct Away;
    impl Suppliers for Away {
        async fn find(&self, _: &SupplierId) -> Result<Option<Supplier>, LookupError> {
            Err(LookupError::unavailable("the table is locked"))
        }
    }
    let dispatcher = Dispatcher::builder(source(), world.store.clone(), Away)
        .build()
        .unwrap();
    let away = Fulfilment::new(&dispatcher)
        .notify(&client(), &event)
        .await
        .unwrap_err();
    let looked_up = matches!(away, FulfilmentError::Dispatch(Error::Lookup { .. }));
    assert!(looked_up && away.is_transient());
    assert!(world.stored().await.is_empty());
}

async fn after_a_shutdown_nothing_is_stored<S: Store + Clone>(world: World<S>) {
    world.put(clinic());
    let dispatcher = world.dispatcher();
    dispatcher.shutdown(Duration::ZERO).await;
    let event = delivery("P-1", Transition::accepted(child("A")));
    assert!(matches!(
        Fulfilment::new(&dispatcher)
            .enqueue(&client(), &event)
            .await,
        Err(FulfilmentError::Dispatch(Error::ShuttingDown))
    ));
    assert!(matches!(
        Fulfilment::new(&dispatcher).notify(&client(), &event).await,
        Err(FulfilmentError::Dispatch(Error::ShuttingDown))
    ));
    assert!(world.stored().await.is_empty());
}

async fn an_unreadable_memo_stops_its_own_order_and_no_other<S: Store + Clone>(world: World<S>) {
    let receiver = world.receiver().await;
    world.put(clinic().endpoint(receiver.url("/")));
    let dispatcher = world.dispatcher();
    let stored = |order: &'static str, memo: &'static [u8]| {
        let key = Fulfilment::new(&dispatcher).key(
            &client(),
            &delivery(order, Transition::accepted(child("A"))),
        );
        let mut new = NewNotification::new(key, Start::NotWanted);
        new.memo = Some(Memo::new(memo).unwrap());
        new
    };
    let rows = [
        stored("BAD-1", br#"{"v":1,"stage":"accept","child":"A"#),
        stored("BAD-2", br#"{"v":2,"stage":"returned","child":"A"}"#),
        stored("BAD-3", br#"{"v":1,"stage":"shipped","child":"A"}"#),
    ];
    world.store.insert(&rows, &ClaimNew::NONE).await.unwrap();

    for (order, expected) in [
        ("BAD-1", Some(MemoError::Damaged)),
        ("BAD-2", Some(MemoError::Later(2))),
        ("BAD-3", None),
    ] {
        let event = delivery(order, Transition::shipped(child("A")));
        for error in [
            Fulfilment::new(&dispatcher)
                .enqueue(&client(), &event)
                .await
                .unwrap_err(),
            Fulfilment::new(&dispatcher)
                .notify(&client(), &event)
                .await
                .unwrap_err(),
            Fulfilment::new(&dispatcher)
                .lifecycle(&client(), &code(order))
                .await
                .unwrap_err(),
        ] {
            assert!(!error.is_transient());
            let FulfilmentError::Unreadable {
                order: named,
                source,
            } = error
            else {
                panic!("{error:?}")
            };
            assert_eq!(named, code(order));
            match source {
                FoldError::Memo { position: 0, error } => assert_eq!(Some(error), expected),
                FoldError::NotAllowed { position: 0, .. } => assert_eq!(None, expected),
                other => panic!("{other:?}"),
            }
        }
    }
    enqueue(&dispatcher, &way("GOOD", "A")).await;
    Worker::new(&dispatcher).until_idle().await.unwrap();
    assert_eq!(world.stored().await.len(), rows.len() + 4);
    assert_eq!(receiver.count(), 4);
}

async fn a_memo_of_another_kind_of_event_is_not_part_of_the_life<S: Store + Clone>(
    world: World<S>,
) {
    let receiver = world.receiver().await;
    world.put(clinic().endpoint(receiver.url("/")));
    let dispatcher = world.dispatcher();
    let kind = EventKind::own("order.note").unwrap();
    let note = Event::new(
        kind,
        Occurrence::only(),
        &serde_json::json!({ "text": "hello" }),
    )
    .unwrap();
    let note = note.with_memo(Memo::new(*b"ticket 7").unwrap());

    let _ = dispatcher
        .enqueue_event(&client(), &code("P-1"), note)
        .await
        .unwrap();
    enqueue(&dispatcher, &way("P-1", "A")).await;
    Worker::new(&dispatcher).until_idle().await.unwrap();

    assert_eq!(
        Fulfilment::new(&dispatcher)
            .lifecycle(&client(), &code("P-1"))
            .await
            .unwrap()
            .events()
            .len(),
        4
    );
    assert_eq!(receiver.count(), 5);
    world.agrees().await;
}

#[tokio::test]
async fn an_append_looks_again_when_others_were_first() {
    let world = World::in_memory();
    world.put(clinic());
    let dispatcher = world
        .builder_on(Contended::over(world.store.clone(), 20))
        .build()
        .unwrap();
    enqueue(&dispatcher, &way("P-1", "A")).await;
    assert_eq!(world.agrees().await.len(), 4);
}

#[tokio::test]
async fn a_stage_that_could_not_be_stored_because_others_were_always_first_is_a_transient_error() {
    let world = World::in_memory();
    world.put(clinic());
    let dispatcher = world
        .builder_on(Contended::over(world.store.clone(), 100_000))
        .build()
        .unwrap();
    let event = delivery("P-1", Transition::accepted(child("A")));

    let enqueued = Fulfilment::new(&dispatcher)
        .enqueue(&client(), &event)
        .await;
    let notified = Fulfilment::new(&dispatcher).notify(&client(), &event).await;

    let error = enqueued.expect_err("Ok means that it is stored");
    assert!(error.is_transient(), "{error:?}");
    let error = notified.expect_err("nothing was told");
    assert!(error.is_transient(), "{error:?}");
    assert!(world.stored().await.is_empty());
}

#[tokio::test]
async fn a_stage_that_was_told_elsewhere_cannot_be_marked_before_it_is_known_what_it_was() {
    let world = World::in_memory();
    let receiver = world.receiver().await;
    world.put(clinic().endpoint(receiver.url("/")));
    let dispatcher = world.dispatcher();
    let events = way("P-1", "A");
    let key = Fulfilment::new(&dispatcher).key(&client(), &events[0]);

    // Its key alone does not say enough to go on with the life.
    let marked = dispatcher
        .mark_notified(&key, "by phone", &crate::support::by())
        .await;
    assert!(matches!(marked, Err(Error::NotFound { .. })), "{marked:?}");
    assert!(world.stored().await.is_empty());

    enqueue(&dispatcher, &events[..2]).await;
    let marked = dispatcher
        .mark_notified(&key, "by phone", &crate::support::by())
        .await
        .unwrap();
    assert!(
        matches!(&marked.state, NotificationState::Notified { reference, .. } if reference == "by phone")
    );
    Worker::new(&dispatcher).until_idle().await.unwrap();
    assert_eq!(stages(&receiver.received()), ["shipped"]);
    let told = Fulfilment::new(&dispatcher)
        .notify(&client(), &events[0])
        .await
        .unwrap();
    assert_eq!(only(&told).state.name(), StateName::Notified);
}
