//! One order's notifications to one supplier come in order; other orders do not wait for them.

use std::collections::HashMap;
use std::time::Duration;

use orderhook::notification::FailureReason;
use orderhook::{NotificationState, RetryPolicy};

use super::support::{Gate, Receiver, Reply};
use super::world::{DAY, World, supplier};

/// What arrived of each order, in the order of arrival.
fn arrivals(receiver: &Receiver) -> HashMap<String, Vec<usize>> {
    let mut arrivals: HashMap<String, Vec<usize>> = HashMap::new();
    for request in receiver.received() {
        let body = request.json();
        let n = body["n"].as_str().unwrap().parse().unwrap();
        arrivals
            .entry(body["order"].as_str().unwrap().to_owned())
            .or_default()
            .push(n);
    }
    arrivals
}

#[tokio::test]
async fn a_stream_arrives_in_order_through_failures_while_others_overtake_it() {
    let world = World::new();
    let receiver = Receiver::start(&world.ca).await;
    world.put(supplier("books").endpoint(receiver.url("/orders")));
    let mut last = None;
    for n in 0..5 {
        last = Some(world.enqueue_next("books", "A-1", n).await);
    }
    let last = last.unwrap();
    // The first and its next try are refused: four wait behind it.
    receiver.script([Reply::Status(500), Reply::Status(500)]);
    let worker = world.worker();
    worker.tick().await.unwrap();
    let other = world.enqueue_next("books", "B-1", 0).await;
    receiver.script([Reply::ok()]);
    receiver.script([Reply::CloseAfterRequest]);
    for _ in 0..20 {
        world.store.advance(Duration::from_secs(30));
        worker.tick().await.unwrap();
    }
    assert!(world.is_notified(&last).await && world.is_notified(&other).await);
    let mut seen = arrivals(&receiver).remove("A-1").unwrap();
    assert!(seen.is_sorted(), "{seen:?}");
    seen.dedup();
    assert_eq!(seen, [0, 1, 2, 3, 4]);
}

#[tokio::test]
async fn the_next_of_a_stream_is_not_sent_while_the_one_before_is_under_way() {
    let world = World::new();
    let receiver = Receiver::start(&world.ca).await;
    let gate = Gate::new();
    receiver.script([Reply::ok().gated(&gate)]);
    world.put(supplier("books").endpoint(receiver.url("/orders")));
    world.enqueue_next("books", "A-1", 0).await;
    let second = world.enqueue_next("books", "A-1", 1).await;
    let worker = world.worker();
    let ticking = tokio::spawn(async move { worker.tick().await });
    receiver.wait_for(1).await;
    assert_eq!(world.tick().await, 0);
    assert!(matches!(
        world.state(&second).await,
        NotificationState::Pending { .. }
    ));
    gate.open();
    ticking.await.unwrap().unwrap();
    assert_eq!(world.tick().await, 1);
    assert!(world.is_notified(&second).await);
}

#[tokio::test]
async fn a_failed_one_stops_its_stream_and_no_other_until_it_is_withdrawn() {
    let world = World::new();
    let receiver = Receiver::start(&world.ca).await;
    receiver.script([Reply::Status(410)]);
    world.put(supplier("books").endpoint(receiver.url("/orders")));
    let failed = world.enqueue_next("books", "A-1", 0).await;
    let held = world.enqueue_next("books", "A-1", 1).await;
    world.tick().await;
    assert_eq!(
        world.failure(&failed).await,
        Some(FailureReason::EndpointGone)
    );
    let other = world.enqueue_next("books", "B-1", 0).await;
    world.store.advance(10 * DAY);
    world.tick().await;
    assert!(world.is_notified(&other).await);
    assert!(matches!(
        world.state(&held).await,
        NotificationState::Pending { .. }
    ));
    assert_eq!(world.worker().tick().await.unwrap().claimed, 0);

    world
        .dispatcher
        .withdraw(&failed, &crate::support::because("refunded"))
        .await
        .unwrap();
    world.tick().await;
    assert!(world.is_notified(&held).await);
    assert_eq!(receiver.count(), 3);
}

#[tokio::test]
async fn fifty_streams_arrive_in_order_through_a_flapping_receiver() {
    let policy = RetryPolicy::DEFAULT.with_first_delay(Duration::from_millis(5));
    let world = World::with(|builder| builder.retry(policy));
    let receiver = Receiver::start(&world.ca).await;
    // Every third request is refused, every eleventh is lost.
    receiver.script((1..400).map(|n| match n {
        n if n % 11 == 0 => Reply::CloseAfterRequest,
        n if n % 3 == 0 => Reply::Status(503),
        _ => Reply::ok().delayed(Duration::from_millis(1)),
    }));
    let many = std::num::NonZeroU32::new(32).unwrap();
    world.put(
        supplier("books")
            .endpoint(receiver.url("/orders"))
            .max_concurrent(many),
    );
    for n in 0..4 {
        for order in 0..50 {
            world.enqueue_next("books", &format!("A-{order}"), n).await;
        }
    }
    let summary = world.worker().until_idle().await.unwrap();
    assert_eq!((summary.notified, summary.failed), (200, 0));
    let arrivals = arrivals(&receiver);
    assert_eq!(arrivals.len(), 50);
    for (order, mut seen) in arrivals {
        assert!(seen.is_sorted(), "{order}: {seen:?}");
        seen.dedup();
        assert_eq!(seen, [0, 1, 2, 3], "{order}");
    }
    assert!(receiver.max_in_flight() > 1, "orders go on side by side");
}
