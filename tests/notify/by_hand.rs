//! What a person or the application does beside `notify`: store only, look, retry, withdraw, mark, say more about an order.

use std::time::Duration;

use orderhook::event::Occurrence;
use orderhook::notification::By;
use orderhook::notification::{OrderState, StateName};
use orderhook::store::Inserted;
use orderhook::{Error, Event, EventKind, Key, Notification, NotificationState};

use crate::support::{Gate, Reply};
use crate::world::{World, code, id, key, only, order, outcomes, paths, source, state, supplier};

#[tokio::test]
async fn enqueue_stores_and_sends_nothing() {
    let world = World::new();
    let receiver = world.receiver().await;
    for name in ["north", "green"] {
        world.put(supplier(name).endpoint(receiver.url(&format!("/{name}"))));
    }
    let (dispatcher, order) = (world.dispatcher(), order("A-1", &["north", "green"]));

    let enqueued = dispatcher.enqueue(&order).await.unwrap();
    assert!(
        enqueued
            .stored
            .iter()
            .all(|stored| stored.inserted == Inserted::New { position: 1 })
    );
    assert_eq!(enqueued.stored[0].event_id, key("north", "A-1").event_id());
    let again = dispatcher.enqueue(&order).await.unwrap();
    assert!(
        again
            .stored
            .iter()
            .all(|stored| stored.inserted == Inserted::Existing)
    );
    let stored = world.agrees().await;
    assert!(
        stored.iter().all(
            |notification| state(notification) == "pending" && notification.attempts.is_empty()
        )
    );
    dispatcher.shutdown(Duration::ZERO).await;
    assert_eq!(receiver.connections(), 0);

    assert!(
        world
            .dispatcher()
            .notify(&order)
            .await
            .unwrap()
            .is_notified()
    );
    assert_eq!(receiver.count(), 2);
    world.agrees().await;
}

#[tokio::test]
async fn an_order_is_in_progress_then_in_error_then_told() {
    let world = World::new();
    let receiver = world.receiver().await;
    world.put(supplier("north").endpoint(receiver.url("/a")));
    world.put(supplier("bare"));
    let dispatcher = world.dispatcher();
    let stands = async || {
        dispatcher
            .order(&code("A-1"))
            .await
            .unwrap()
            .map(|order| order.state)
    };

    assert_eq!(stands().await, None);
    let _ = dispatcher
        .enqueue(&order("A-1", &["north", "bare"]))
        .await
        .unwrap();
    assert_eq!(stands().await, Some(OrderState::InProgress));
    dispatcher
        .notify(&order("A-1", &["north", "bare"]))
        .await
        .unwrap();
    assert_eq!(stands().await, Some(OrderState::Error));
    dispatcher
        .withdraw(&key("bare", "A-1"), &crate::support::because("refunded"))
        .await
        .unwrap();
    assert_eq!(stands().await, Some(OrderState::Notified));

    let report = dispatcher.order(&code("A-1")).await.unwrap().unwrap();
    let names: Vec<_> = report
        .notifications
        .iter()
        .map(|notification| notification.state.name())
        .collect();
    assert_eq!(names, [StateName::Notified, StateName::Withdrawn]);
    assert!(
        report
            .notifications
            .iter()
            .all(|notification| notification.body.is_none())
    );
    world.agrees().await;
}

#[tokio::test]
async fn what_is_told_can_be_neither_retried_nor_withdrawn_nor_marked() {
    let world = World::new();
    let receiver = world.receiver().await;
    receiver.answer(Reply::ok_json(r#"{"id":"NB-17"}"#));
    world.put(
        supplier("north")
            .endpoint(receiver.url("/a"))
            .reference_pointer("/id"),
    );
    let dispatcher = world.dispatcher();
    dispatcher.notify(&order("A-1", &["north"])).await.unwrap();
    let before = world.agrees().await;

    let key = key("north", "A-1");
    for error in [
        dispatcher
            .retry(&key, &crate::support::by())
            .await
            .unwrap_err(),
        dispatcher
            .withdraw(&key, &crate::support::because("refunded"))
            .await
            .unwrap_err(),
        dispatcher
            .mark_notified(&key, "by phone", &crate::support::by())
            .await
            .unwrap_err(),
    ] {
        assert!(
            matches!(&error, Error::AlreadyNotified { reference, .. } if reference == "NB-17"),
            "{error:?}"
        );
        assert!(!error.is_transient());
    }
    assert_eq!(world.agrees().await, before);
    assert_eq!(receiver.count(), 1);
}

#[tokio::test]
async fn what_is_withdrawn_is_never_sent() {
    let world = World::new();
    let receiver = world.receiver().await;
    world.put(supplier("north").endpoint(receiver.url("/a")));
    let (dispatcher, order, key) = (
        world.dispatcher(),
        order("A-1", &["north"]),
        key("north", "A-1"),
    );
    let _ = dispatcher.enqueue(&order).await.unwrap();

    let withdrawn = dispatcher
        .withdraw(&key, &crate::support::because("refunded"))
        .await
        .unwrap();
    assert_eq!(withdrawn.state.name(), StateName::Withdrawn);
    for error in [
        dispatcher
            .retry(&key, &crate::support::by())
            .await
            .unwrap_err(),
        dispatcher
            .withdraw(&key, &crate::support::because("again"))
            .await
            .unwrap_err(),
        dispatcher
            .mark_notified(&key, "by phone", &crate::support::by())
            .await
            .unwrap_err(),
    ] {
        assert!(matches!(error, Error::Closed { .. }), "{error:?}");
    }
    let report = dispatcher.notify(&order).await.unwrap();

    assert_eq!(only(&report).state.name(), StateName::Withdrawn);
    assert_eq!(receiver.connections(), 0);
    world.agrees().await;
}

#[tokio::test]
async fn what_was_never_stored_is_not_found() {
    let world = World::new();
    let dispatcher = world.dispatcher();
    let key = key("north", "A-1");
    for error in [
        dispatcher
            .retry(&key, &crate::support::by())
            .await
            .unwrap_err(),
        dispatcher
            .withdraw(&key, &crate::support::because("x"))
            .await
            .unwrap_err(),
    ] {
        assert!(matches!(error, Error::NotFound { .. }), "{error:?}");
    }
    assert_eq!(dispatcher.notification(&key).await.unwrap(), None);
    assert!(world.agrees().await.is_empty());
}

#[tokio::test]
async fn what_somebody_is_sending_is_left_to_him() {
    let world = World::new();
    let receiver = world.receiver().await;
    let gate = Gate::new();
    receiver.answer(Reply::ok().gated(&gate));
    world.put(supplier("north").endpoint(receiver.url("/a")));
    let (dispatcher, key) = (world.dispatcher(), key("north", "A-1"));
    let sending = tokio::spawn({
        let dispatcher = dispatcher.clone();
        async move { dispatcher.notify(&order("A-1", &["north"])).await }
    });
    receiver.wait_for(1).await;

    for error in [
        dispatcher
            .withdraw(&key, &crate::support::because("refunded"))
            .await
            .unwrap_err(),
        dispatcher
            .mark_notified(&key, "by phone", &crate::support::by())
            .await
            .unwrap_err(),
    ] {
        assert!(matches!(error, Error::InFlight { .. }), "{error:?}");
        assert!(error.is_transient());
    }
    assert_eq!(
        state(&dispatcher.retry(&key, &crate::support::by()).await.unwrap()),
        "sending"
    );
    assert_eq!(
        state(only(
            &dispatcher.notify(&order("A-1", &["north"])).await.unwrap()
        )),
        "sending"
    );
    gate.open();

    assert!(sending.await.unwrap().unwrap().is_notified());
    assert_eq!(receiver.count(), 1);
    world.agrees().await;
}

#[tokio::test]
async fn an_order_marked_before_it_is_known_is_never_sent_and_the_other_suppliers_are_told() {
    let world = World::new();
    let receiver = world.receiver().await;
    for name in ["north", "green"] {
        world.put(supplier(name).endpoint(receiver.url(&format!("/{name}"))));
    }
    let dispatcher = world.dispatcher();
    let marked = dispatcher
        .mark_notified(
            &key("north", "A-1"),
            "from the old system",
            &crate::support::by(),
        )
        .await
        .unwrap();
    assert_eq!(state(&marked), "notified from the old system");

    let report = dispatcher
        .notify(&order("A-1", &["north", "green"]))
        .await
        .unwrap();

    assert!(report.is_notified());
    assert_eq!(
        state(&report.of("north").unwrap().notification),
        "notified from the old system"
    );
    assert_eq!(paths(&world.log), ["/green"]);
    world.agrees().await;
}

#[tokio::test]
async fn a_failed_or_waiting_one_can_be_marked_as_told_by_phone() {
    let world = World::new();
    let receiver = world.receiver().await;
    receiver.answer(Reply::Status(500));
    world.put(supplier("waiting").endpoint(receiver.url("/a")));
    world.put(supplier("failed"));
    let (dispatcher, order) = (world.dispatcher(), order("A-1", &["waiting", "failed"]));
    dispatcher.notify(&order).await.unwrap();

    for name in ["waiting", "failed"] {
        assert_eq!(
            state(
                &dispatcher
                    .mark_notified(&key(name, "A-1"), "phone", &crate::support::by())
                    .await
                    .unwrap()
            ),
            "notified phone"
        );
    }
    world.store.advance(Duration::from_secs(3600));
    assert!(dispatcher.notify(&order).await.unwrap().is_notified());
    assert_eq!(receiver.count(), 1);
    world.agrees().await;
}

fn price(occurrence: &str, price: &str) -> Event {
    let kind = EventKind::own("order.price_changed").unwrap();
    Event::new(
        kind,
        Occurrence::new(occurrence).unwrap(),
        &serde_json::json!({ "price": price }),
    )
    .unwrap()
}

fn price_key(occurrence: &str) -> Key {
    let kind = EventKind::own("order.price_changed").unwrap();
    Key::new(
        source(),
        id("north"),
        code("A-1"),
        kind,
        Occurrence::new(occurrence).unwrap(),
    )
}

#[tokio::test]
async fn two_occurrences_are_two_notifications_and_are_sent_in_their_order() {
    let world = World::new();
    let receiver = world.receiver().await;
    world.put(supplier("north").endpoint(receiver.url("/a")));
    let dispatcher = world.dispatcher();
    let (north, order) = (id("north"), code("A-1"));
    receiver.script([Reply::ok(), Reply::Status(500)]);

    let tell = async |event: Event| {
        dispatcher
            .notify_event(&north, &order, event)
            .await
            .unwrap()
    };
    assert!(
        dispatcher
            .notify(&crate::world::order("A-1", &["north"]))
            .await
            .unwrap()
            .is_notified()
    );
    assert_eq!(outcomes(only(&tell(price("1", "9.90")).await)), ["500"]);
    let second = tell(price("2", "8.80")).await;
    assert_eq!(
        (state(only(&second)), only(&second).position),
        ("pending".to_owned(), 3)
    );
    assert_eq!(receiver.count(), 2, "the second waits for the first");
    assert_eq!(
        outcomes(
            &dispatcher
                .retry(&price_key("2"), &crate::support::by())
                .await
                .unwrap()
        ),
        [""; 0],
        "by hand as well"
    );

    assert_eq!(
        state(
            &dispatcher
                .retry(&price_key("1"), &crate::support::by())
                .await
                .unwrap()
        ),
        "notified A-1"
    );
    assert!(tell(price("2", "8.80")).await.is_notified());
    let conflict = tell(price("1", "7.70")).await;
    assert!(conflict.entries[0].is_conflict());

    let prices: Vec<_> = receiver
        .received()
        .iter()
        .skip(1)
        .map(|one| one.json()["price"].clone())
        .collect();
    assert_eq!(prices, ["9.90", "9.90", "8.80"]);
    world.agrees().await;
}

#[tokio::test]
async fn a_failed_one_holds_its_stream_until_it_is_withdrawn_and_no_other_stream() {
    let world = World::new();
    let receiver = world.receiver().await;
    receiver.script([Reply::Status(410)]);
    world.put(supplier("north").endpoint(receiver.url("/a")));
    let dispatcher = world.dispatcher();
    let tell = async |code_text: &str, event: Event| -> Notification {
        only(
            &dispatcher
                .notify_event(&id("north"), &code(code_text), event)
                .await
                .unwrap(),
        )
        .clone()
    };
    assert_eq!(
        state(&tell("A-1", price("1", "9.90")).await),
        "failed endpoint_gone"
    );
    assert_eq!(state(&tell("A-1", price("2", "8.80")).await), "pending");
    assert_eq!(
        state(&tell("A-2", price("1", "9.90")).await),
        "notified A-2"
    );

    dispatcher
        .withdraw(&price_key("1"), &crate::support::because("wrong price"))
        .await
        .unwrap();
    assert_eq!(
        state(&tell("A-1", price("2", "8.80")).await),
        "notified A-1"
    );
    assert_eq!(receiver.count(), 3);
    world.agrees().await;
}

#[tokio::test]
async fn sixty_four_occurrences_at_once_have_positions_without_gaps_and_are_sent_in_that_order() {
    let world = World::new();
    let receiver = world.receiver().await;
    world.put(supplier("north").endpoint(receiver.url("/a")));
    let dispatcher = world.dispatcher();
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..64 {
        let dispatcher = dispatcher.clone();
        tasks.spawn(async move {
            dispatcher
                .enqueue_event(
                    &id("north"),
                    &code("A-1"),
                    price(&n.to_string(), &n.to_string()),
                )
                .await
        });
    }
    while let Some(enqueued) = tasks.join_next().await {
        let _ = enqueued.unwrap().unwrap();
    }
    let stored = world.stored().await;
    for notification in &stored {
        assert!(matches!(
            dispatcher
                .retry(&notification.key, &crate::support::by())
                .await
                .unwrap()
                .state,
            NotificationState::Notified { .. }
        ));
    }

    let positions: Vec<_> = stored
        .iter()
        .map(|notification| notification.position)
        .collect();
    assert_eq!(positions, (1..=64).collect::<Vec<_>>());
    let expected: Vec<_> = stored
        .iter()
        .map(|notification| notification.event_id.to_string())
        .collect();
    let sent: Vec<_> = receiver
        .received()
        .iter()
        .map(|one| one.header("webhook-id").unwrap().to_owned())
        .collect();
    assert_eq!(sent, expected);
    world.agrees().await;
}

#[tokio::test]
async fn a_reason_or_a_reference_that_nobody_could_read_is_refused_and_changes_nothing() {
    let world = World::new();
    world.put(supplier("north"));
    let dispatcher = world.dispatcher();
    let _ = dispatcher.enqueue(&order("A-1", &["north"])).await.unwrap();
    let key = key("north", "A-1");
    for text in ["", " ", "a\nb", &"x".repeat(201)] {
        let refused = By::new("maria", text).unwrap_err().to_string();
        assert!(refused.starts_with("why: a note must"), "{refused}");
        assert!(matches!(
            dispatcher
                .mark_notified(&key, text, &crate::support::by())
                .await,
            Err(Error::InvalidArgument {
                argument: "reference",
                ..
            })
        ));
    }
    assert_eq!(state(&world.get(&key).await), "pending");
}
