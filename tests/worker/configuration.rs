//! The configuration that counts is the one at the attempt.

use std::time::{Duration, Instant};

use orderhook::NotificationState;
use orderhook::notification::{FailureReason, StateName};
use orderhook::supplier::Activity;

use super::support::{Receiver, Reply};
use super::world::{DAY, Running, Trouble, World, supplier, supplier_id};

#[tokio::test]
async fn a_repaired_url_and_a_rotated_token_count_at_the_next_attempt() {
    let world = World::new();
    let receiver = Receiver::start(&world.ca).await;
    receiver.answer_at("/old", Reply::Status(404));
    world.put(
        supplier("books")
            .endpoint(receiver.url("/old"))
            .bearer_token("first"),
    );
    let key = world.enqueue("books", "A-1").await;
    world.tick().await;
    world.put(
        supplier("books")
            .endpoint(receiver.url("/new"))
            .bearer_token("second"),
    );
    world.tick_when_due(&key).await;

    assert!(world.is_notified(&key).await);
    let seen = receiver.received();
    let seen: Vec<_> = seen
        .iter()
        .map(|one| (one.path(), one.header("authorization").unwrap()))
        .collect();
    assert_eq!(seen, [("/old", "Bearer first"), ("/new", "Bearer second")]);
}

#[tokio::test]
async fn an_endpoint_that_is_taken_off_the_list_is_not_waited_for() {
    let world = World::new();
    let receiver = Receiver::start(&world.ca).await;
    receiver.answer_at("/dead", Reply::Status(500));
    world.put(
        supplier("books")
            .endpoint(receiver.url("/good"))
            .endpoint(receiver.url("/dead")),
    );
    let key = world.enqueue("books", "A-1").await;
    world.tick().await;
    world.put(supplier("books").endpoint(receiver.url("/good")));
    world.tick_when_due(&key).await;
    assert!(world.is_notified(&key).await);
    assert_eq!(
        receiver.count(),
        2,
        "the good one had accepted, nobody is called for the end"
    );
}

#[tokio::test]
async fn an_endpoint_that_is_added_is_called_at_once_in_the_next_round() {
    let world = World::new();
    let receiver = Receiver::start(&world.ca).await;
    receiver.script_at("/first", [Reply::Status(500)]);
    world.put(supplier("books").endpoint(receiver.url("/first")));
    let key = world.enqueue("books", "A-1").await;
    world.tick().await;
    world.put(
        supplier("books")
            .endpoint(receiver.url("/first"))
            .endpoint(receiver.url("/added")),
    );
    world.tick_when_due(&key).await;
    assert!(world.is_notified(&key).await);
    let paths: Vec<_> = receiver
        .received()
        .iter()
        .map(|request| request.path().to_owned())
        .collect();
    assert_eq!(paths, ["/first", "/first", "/added"]);
}

#[tokio::test]
async fn a_lookup_that_fails_costs_no_try() {
    let world = World::new();
    let receiver = Receiver::start(&world.ca).await;
    receiver.script([Reply::Status(500)]);
    world.put(supplier("books").endpoint(receiver.url("/orders")));
    let key = world.enqueue("books", "A-1").await;
    world.lookup.trouble(Trouble::Down);
    for _ in 0..50 {
        world.tick_when_due(&key).await;
        // A minute, spread by a fifth: so long others leave it alone; this process looks again every 5 s.
        let due = world.due_in(&key).await;
        assert!(
            due > Duration::from_secs(45) && due <= Duration::from_secs(72),
            "{due:?}"
        );
    }
    assert!(world.notification(&key).await.attempts.is_empty());
    // Four days later the schedule begins with its first try.
    world.store.advance(4 * DAY);
    world.lookup.trouble(Trouble::None);
    world.tick_when_due(&key).await;
    assert!(world.due_in(&key).await <= Duration::from_secs(6));
    world.lookup.trouble(Trouble::Down);
    world.tick_when_due(&key).await;
    assert_eq!(receiver.count(), 1);
    world.lookup.trouble(Trouble::None);
    world.tick_when_due(&key).await;
    assert!(world.is_notified(&key).await);
    assert_eq!(world.outcomes(&key).await, ["rejected", "accepted"]);
}

#[tokio::test]
async fn a_removed_supplier_is_a_visible_failure_until_it_is_back() {
    let world = World::new();
    let receiver = Receiver::start(&world.ca).await;
    receiver.script([Reply::Status(500)]);
    world.put(supplier("books").endpoint(receiver.url("/orders")));
    let key = world.enqueue("books", "A-1").await;
    world.tick().await;
    world.remove("books");
    world.tick_when_due(&key).await;
    assert_eq!(
        world.failure(&key).await,
        Some(FailureReason::SupplierRemoved)
    );
    assert_eq!(receiver.count(), 1);
    world.put(supplier("books").endpoint(receiver.url("/orders")));
    world
        .dispatcher
        .resume(&supplier_id("books"), &crate::support::by())
        .await
        .unwrap();
    assert!(world.is_notified(&key).await);
}

#[tokio::test]
async fn an_unusable_configuration_fails_and_one_call_resumes() {
    let world = World::new();
    let receiver = Receiver::start(&world.ca).await;
    world.put(supplier("books").endpoint(receiver.url("/orders")));
    let first = world.enqueue("books", "A-1").await;
    world.lookup.trouble(Trouble::Invalid);
    world.tick().await;
    assert_eq!(world.failure(&first).await, Some(FailureReason::Config));
    world.lookup.trouble(Trouble::None);

    world.put(supplier("books"));
    let second = world.enqueue("books", "A-2").await;
    world.tick().await;
    assert_eq!(
        world.failure(&second).await,
        Some(FailureReason::NoEndpoints)
    );

    world.put(supplier("books").endpoint(receiver.url("/orders")));
    assert_eq!(
        world
            .dispatcher
            .resume(&supplier_id("books"), &crate::support::by())
            .await
            .unwrap()
            .entries
            .len(),
        2
    );
    assert!(world.is_notified(&first).await && world.is_notified(&second).await);
}

#[tokio::test]
async fn nothing_is_tried_while_a_supplier_is_paused_and_everything_afterwards() {
    let world = World::new();
    let receiver = Receiver::start(&world.ca).await;
    receiver.script([Reply::Status(500)]);
    let active = supplier("books").endpoint(receiver.url("/orders"));
    world.put(active.clone());
    let tried = world.enqueue("books", "A-1").await;
    world.tick().await;
    world.put(active.clone().activity(Activity::Paused));
    let untried = world.enqueue("books", "A-2").await;
    for _ in 0..50 {
        world.store.advance(DAY);
        world.tick().await;
    }
    assert_eq!(receiver.count(), 1);
    assert_eq!(
        (
            world.outcomes(&tried).await.len(),
            world.outcomes(&untried).await.len()
        ),
        (1, 0)
    );
    assert!(matches!(
        world.state(&tried).await,
        NotificationState::Pending { .. }
    ));

    world.put(active);
    for key in [&tried, &untried] {
        world.live_until_settled(key).await;
        assert!(world.is_notified(key).await);
    }
    assert_eq!(receiver.count(), 3);
}

#[tokio::test]
async fn a_paused_supplier_and_one_that_cannot_be_looked_up_delay_nobody() {
    let world = World::new();
    let receiver = Receiver::start(&world.ca).await;
    world.put(
        supplier("paused")
            .endpoint(receiver.url("/paused"))
            .activity(Activity::Paused),
    );
    world.put(supplier("books").endpoint(receiver.url("/orders")));
    for n in 0..200 {
        world.enqueue("paused", &format!("P-{n}")).await;
    }
    let key = world.enqueue("books", "A-1").await;
    // The same worker learns that the first one rests.
    let worker = world.worker();
    for _ in 0..3 {
        worker.tick().await.unwrap();
    }
    assert!(world.is_notified(&key).await);
    assert_eq!(receiver.count(), 1);
}

/// What waits for a supplier that is paused, or cannot be looked up, is sent when that is over; nobody moves the clock of the
/// store, by which it is due in 6 s at the earliest.
async fn a_worker_notices_that_it_is_over(activity: Activity, trouble: Trouble) {
    let world = World::with(|builder| builder.times_as_fast(10));
    let receiver = Receiver::start(&world.ca).await;
    let active = supplier("books").endpoint(receiver.url("/orders"));
    world.put(active.clone().activity(activity));
    let keys = world.enqueue_many("books", 20).await;
    world.lookup.trouble(trouble);
    let running = Running::start(world.worker());
    for key in &keys {
        while !matches!(world.state(key).await, NotificationState::Pending { due } if due > world.store.now())
        {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    world.put(active);
    world.lookup.trouble(Trouble::None);
    // It looks every half second, for the pause is ten times as short as by default.
    let over = Instant::now();
    for key in &keys {
        while !world.is_notified(key).await {
            assert!(
                over.elapsed() < Duration::from_secs(3),
                "{:?}",
                world.notification(key).await
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(world.outcomes(key).await, ["accepted"]);
    }
    running.stop().await;
}

#[tokio::test]
async fn a_running_worker_notices_that_a_pause_is_over() {
    a_worker_notices_that_it_is_over(Activity::Paused, Trouble::None).await;
}

#[tokio::test]
async fn a_running_worker_notices_that_a_supplier_can_be_looked_up_again() {
    a_worker_notices_that_it_is_over(Activity::Active, Trouble::Down).await;
}

#[tokio::test]
async fn a_lookup_that_panics_is_one_that_failed_and_its_order_is_sent_when_it_is_repaired() {
    let world = World::new();
    let receiver = Receiver::start(&world.ca).await;
    world.put(supplier("books").endpoint(receiver.url("/orders")));
    let key = world.enqueue("books", "A-1").await;
    world.lookup.trouble(Trouble::Panics);
    world.tick().await;
    assert_eq!(
        world.notification(&key).await.state.name(),
        StateName::Pending,
        "handed back, not left for its lease"
    );
    world.lookup.trouble(Trouble::None);
    world.store.advance(DAY);
    world.tick().await;
    assert!(world.is_notified(&key).await);
    assert_eq!(
        world.outcomes(&key).await,
        ["accepted"],
        "nothing is said to have been interrupted"
    );
}
