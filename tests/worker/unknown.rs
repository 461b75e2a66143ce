//! What may have been received: sent again, or held for a person.

use orderhook::notification::{FailureReason, StateName};
use orderhook::supplier::OnUnknown;

use super::support::{Receiver, Reply};
use super::world::{DAY, World, supplier};

#[tokio::test]
async fn what_may_have_been_received_is_sent_again_with_the_same_id_and_bytes() {
    let world = World::new();
    let receiver = Receiver::start(&world.ca).await;
    receiver.script([
        Reply::CloseAfterRequest,
        Reply::Raw(b"SSH-2.0-OpenSSH\r\n".to_vec()),
    ]);
    world.put(supplier("books").endpoint(receiver.url("/orders")));
    let key = world.enqueue("books", "A-1").await;
    world.live_until_settled(&key).await;
    assert!(world.is_notified(&key).await);
    assert_eq!(
        world.outcomes(&key).await,
        ["unknown", "unknown", "accepted"]
    );
    let seen = receiver.received();
    assert!(seen.iter().all(|one| one.body == seen[0].body));
    assert!(
        seen.iter()
            .all(|one| one.header("webhook-id") == Some(key.event_id().as_str()))
    );
}

#[tokio::test]
async fn what_may_have_been_received_is_held_when_the_supplier_wants_that_until_a_person_retries() {
    let world = World::new();
    let receiver = Receiver::start(&world.ca).await;
    receiver.script([Reply::CloseAfterRequest]);
    world.put(
        supplier("books")
            .endpoint(receiver.url("/orders"))
            .on_unknown(OnUnknown::Hold),
    );
    let key = world.enqueue("books", "A-1").await;
    world.tick().await;
    assert_eq!(world.failure(&key).await, Some(FailureReason::HeldUnknown));
    world.store.advance(10 * DAY);
    assert_eq!((world.tick().await, receiver.count()), (0, 1));

    let told = world
        .dispatcher
        .retry(&key, &crate::support::by())
        .await
        .unwrap();
    assert_eq!(told.state.name(), StateName::Notified);
    assert_eq!(world.outcomes(&key).await, ["unknown", "accepted"]);
    assert_eq!(
        receiver.received()[0].header("webhook-id"),
        receiver.received()[1].header("webhook-id")
    );
}

#[tokio::test]
async fn one_endpoint_that_is_held_does_not_stop_the_next() {
    let world = World::new();
    let receiver = Receiver::start(&world.ca).await;
    receiver.script_at("/primary", [Reply::CloseAfterRequest]);
    receiver.script_at("/backup", [Reply::Status(500)]);
    let both = supplier("books")
        .endpoint(receiver.url("/primary"))
        .endpoint(receiver.url("/backup"));
    world.put(both.on_unknown(OnUnknown::Hold));
    let key = world.enqueue("books", "A-1").await;
    world.live_until_settled(&key).await;
    assert_eq!(world.failure(&key).await, Some(FailureReason::HeldUnknown));
    let paths: Vec<_> = receiver
        .received()
        .iter()
        .map(|request| request.path().to_owned())
        .collect();
    assert_eq!(paths, ["/primary", "/backup", "/backup"]);
    // What has accepted is not called again when the person does.
    world
        .dispatcher
        .retry(&key, &crate::support::by())
        .await
        .unwrap();
    assert!(world.is_notified(&key).await);
    assert_eq!(receiver.count(), 4);
    assert_eq!(receiver.received()[3].path(), "/primary");
}

#[tokio::test]
async fn what_was_certainly_not_sent_is_tried_again_also_when_unknown_is_held() {
    let world = World::new();
    let closed = super::support::closed_port();
    world.put(
        supplier("books")
            .endpoint(closed.url("/orders"))
            .on_unknown(OnUnknown::Hold),
    );
    let key = world.enqueue("books", "A-1").await;
    for _ in 0..3 {
        world.tick_when_due(&key).await;
    }
    assert_eq!(world.outcomes(&key).await, ["not_sent"; 3]);
    world.due_in(&key).await;
}
