//! When a client with several endpoints counts as told of a stage.

use orderhook::PaidOrder;
use orderhook::fulfilment::{Fulfilment, Transition};
use orderhook::notification::StateName;
use orderhook::store::Store;
use orderhook::supplier::Acceptance;
use serde_json::json;

use crate::support::Reply;
use crate::world::{
    CLIENT, World, child, client, clinic, code, delivery, enqueue, on_every_store, only, way,
};

on_every_store![
    by_default_every_endpoint_is_called_once_a_round_and_one_acceptance_suffices,
    a_stage_that_nobody_accepts_waits,
    an_order_created_of_the_same_client_needs_every_endpoint,
    a_client_that_says_every_or_first_is_taken_at_its_word,
];

async fn by_default_every_endpoint_is_called_once_a_round_and_one_acceptance_suffices<
    S: Store + Clone,
>(
    world: World<S>,
) {
    let receiver = world.receiver().await;
    world.put(
        clinic()
            .endpoint(receiver.url("/a"))
            .endpoint(receiver.url("/b")),
    );
    let dispatcher = world.dispatcher();
    // Both accept; the second refuses; the first refuses.
    receiver.script_at("/a", [Reply::ok(), Reply::ok(), Reply::Status(500)]);
    receiver.script_at("/b", [Reply::ok(), Reply::Status(500), Reply::ok()]);

    for event in &way("P-1", "A")[..3] {
        let report = Fulfilment::new(&dispatcher)
            .notify(&client(), event)
            .await
            .unwrap();
        assert!(report.is_notified(), "{report:?}");
        assert_eq!(only(&report).attempts.len(), 2);
        assert!(
            Fulfilment::new(&dispatcher)
                .notify(&client(), event)
                .await
                .unwrap()
                .is_notified()
        );
    }

    assert_eq!(
        world.paths(),
        ["/a", "/b", "/a", "/b", "/a", "/b"],
        "in list order, and nobody twice"
    );
    world.agrees().await;
}

async fn a_stage_that_nobody_accepts_waits<S: Store + Clone>(world: World<S>) {
    let receiver = world.receiver().await;
    world.put(
        clinic()
            .endpoint(receiver.url("/a"))
            .endpoint(receiver.url("/b")),
    );
    receiver.script([Reply::Status(500), Reply::Status(503)]);
    let dispatcher = world.dispatcher();
    let event = delivery("P-1", Transition::accepted(child("A")));

    let report = Fulfilment::new(&dispatcher)
        .notify(&client(), &event)
        .await
        .unwrap();
    assert_eq!(only(&report).state.name(), StateName::Pending);
    let retried = dispatcher
        .retry(&only(&report).key, &crate::support::by())
        .await
        .unwrap();

    assert_eq!(retried.state.name(), StateName::Notified);
    assert_eq!(world.paths(), ["/a", "/b", "/a", "/b"]);
    world.agrees().await;
}

async fn an_order_created_of_the_same_client_needs_every_endpoint<S: Store + Clone>(
    world: World<S>,
) {
    let receiver = world.receiver().await;
    world.put(
        clinic()
            .endpoint(receiver.url("/a"))
            .endpoint(receiver.url("/b")),
    );
    receiver.answer_at("/b", Reply::Status(500));
    let dispatcher = world.dispatcher();
    let order = json!({
        "order_code": "MKT-1", "channel": "web", "currency": "INR", "shipping_charges": "0",
        "address": { "line1": "12 Invented Lane", "city": "Pune", "postal_code": "411001", "country": "IN" },
        "built_at": "2026-03-01T10:15:30+05:30",
        "lines": [{ "supplier": CLIENT, "sku": "E-10", "name": "Examplol 10", "quantity": 1, "unit_price": "12.50" }],
    });
    let order = PaidOrder::from_json(order.to_string().as_bytes()).unwrap();

    let created = dispatcher.notify(&order).await.unwrap();
    let stage = Fulfilment::new(&dispatcher)
        .notify(&client(), &way("P-1", "A")[0])
        .await
        .unwrap();

    assert_eq!(
        only(&created).state.name(),
        StateName::Pending,
        "one of two is not enough"
    );
    assert!(stage.is_notified(), "one of two is enough");
    assert_eq!(
        dispatcher
            .order(&code("MKT-1"))
            .await
            .unwrap()
            .unwrap()
            .state,
        orderhook::notification::OrderState::InProgress
    );
    world.agrees().await;
}

async fn a_client_that_says_every_or_first_is_taken_at_its_word<S: Store + Clone>(world: World<S>) {
    let receiver = world.receiver().await;
    receiver.answer_at("/b", Reply::Status(500));
    let list = || {
        clinic()
            .endpoint(receiver.url("/a"))
            .endpoint(receiver.url("/b"))
    };
    let dispatcher = world.dispatcher();
    let events = way("P-1", "A");

    world.put(list().acceptance(Acceptance::First));
    assert!(
        Fulfilment::new(&dispatcher)
            .notify(&client(), &events[0])
            .await
            .unwrap()
            .is_notified()
    );
    world.put(list().acceptance(Acceptance::Every));
    assert!(
        !Fulfilment::new(&dispatcher)
            .notify(&client(), &events[1])
            .await
            .unwrap()
            .is_notified()
    );
    // Judged on the policy as it is then: it has been met meanwhile, without another call.
    world.put(list());
    enqueue(&dispatcher, &events[2..3]).await;
    dispatcher
        .retry(
            &Fulfilment::new(&dispatcher).key(&client(), &events[1]),
            &crate::support::by(),
        )
        .await
        .unwrap();

    assert_eq!(world.paths()[..3], ["/a", "/a", "/b"]);
    assert_eq!(
        world.timeline().await,
        [
            "P-1 #1 accept A: notified",
            "P-1 #2 shipped A: notified",
            "P-1 #3 order_picked_up A: pending"
        ]
    );
    world.agrees().await;
}
