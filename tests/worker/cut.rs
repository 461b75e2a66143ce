//! What is known of a POST when the grace of a shutdown ends in the middle of it.

use std::time::Duration;

use orderhook::NotificationState;
use orderhook::supplier::OnUnknown;

use super::support::{Mode, Receiver, Reply};
use super::world::{World, supplier};

#[tokio::test]
async fn a_grace_that_ends_while_a_body_is_read_leaves_the_acceptance_and_no_second_post() {
    // Less than the two seconds that a body is waited for, and far more than its head takes.
    for (pointer, grace) in [
        (Some("/id"), Duration::from_secs(1)),
        (None, Duration::from_millis(120)),
    ] {
        let world = World::new();
        let receiver = Receiver::start(&world.ca).await;
        receiver.script([Reply::StallAfterHead]);
        let mut told = supplier("books")
            .endpoint(receiver.url("/orders"))
            .on_unknown(OnUnknown::Hold);
        if let Some(pointer) = pointer {
            told = told.reference_pointer(pointer);
        }
        world.put(told);
        let key = world.enqueue("books", "A-1").await;
        let worker = world.worker();
        let running = tokio::spawn(worker.run());
        receiver.wait_for(1).await;

        world.dispatcher.shutdown(grace).await;
        running.await.unwrap();

        assert_eq!(
            world.outcomes(&key).await,
            ["accepted"],
            "pointer {pointer:?}"
        );
        match world.state(&key).await {
            NotificationState::Notified { reference, .. } => {
                assert_eq!(reference, "A-1", "the order code is the reference")
            }
            other => panic!("pointer {pointer:?}: {other:?}"),
        }
        assert_eq!(receiver.count(), 1);
    }
}

#[tokio::test]
async fn a_grace_that_ends_before_there_is_a_connection_is_not_sent_and_holds_nothing() {
    let world = World::new();
    let receiver = Receiver::start_as(Mode::AcceptAndStall).await;
    world.put(
        supplier("books")
            .endpoint(receiver.url("/orders"))
            .on_unknown(OnUnknown::Hold),
    );
    let key = world.enqueue("books", "A-1").await;
    let worker = world.worker();
    let running = tokio::spawn(worker.run());
    receiver.wait_for_connections(1).await;

    world.dispatcher.shutdown(Duration::ZERO).await;
    running.await.unwrap();

    assert_eq!(world.outcomes(&key).await, ["not_sent"]);
    assert!(
        matches!(world.state(&key).await, NotificationState::Pending { .. }),
        "{:?}",
        world.state(&key).await
    );
}

#[tokio::test]
async fn a_grace_that_ends_after_the_request_has_left_is_unknown() {
    let world = World::new();
    let receiver = Receiver::start(&world.ca).await;
    receiver.script([Reply::Hang]);
    world.put(supplier("books").endpoint(receiver.url("/orders")));
    let key = world.enqueue("books", "A-1").await;
    let worker = world.worker();
    let running = tokio::spawn(worker.run());
    receiver.wait_for(1).await;

    world.dispatcher.shutdown(Duration::ZERO).await;
    running.await.unwrap();

    assert_eq!(world.outcomes(&key).await, ["unknown"]);
    assert!(matches!(
        world.state(&key).await,
        NotificationState::Pending { .. }
    ));
}
