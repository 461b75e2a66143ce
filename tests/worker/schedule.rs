//! When a notification is tried again, and when no more.

use std::time::Duration;

use orderhook::notification::FailureReason;
use orderhook::supplier::Acceptance;
use orderhook::{News, Notification, RetryPolicy};

use super::support::{Receiver, Reply};
use super::world::{DAY, HOUR, World, supplier};

/// What the machine itself may add to a delay.
const REAL_TIME: Duration = Duration::from_secs(5);

/// Asserts that the delays between the attempts are those of the policy.
fn follows(notification: &Notification, policy: &RetryPolicy) {
    for (n, pair) in notification.attempts.windows(2).enumerate() {
        let delay = pair[1].at.since(pair[0].at);
        let failures = u32::try_from(n + 1).unwrap();
        let (least, most) = (
            policy.delay(failures, 0.0),
            policy.delay(failures, 1.0) + REAL_TIME,
        );
        assert!(
            least <= delay && delay <= most,
            "delay {failures} is {delay:?}, not {least:?} to {most:?}"
        );
    }
}

fn lifetime(notification: &Notification) -> Duration {
    let attempts = &notification.attempts;
    attempts[attempts.len() - 1].at.since(attempts[0].at)
}

#[tokio::test]
async fn three_days_of_refusals_follow_the_schedule_to_its_end() {
    let world = World::new();
    let receiver = Receiver::start(&world.ca).await;
    receiver.answer(Reply::Status(500));
    world.put(supplier("books").endpoint(receiver.url("/orders")));
    let key = world.enqueue("books", "A-1").await;

    let failed = world.live_until_settled(&key).await;
    assert_eq!(world.failure(&key).await, Some(FailureReason::Exhausted));
    let tries = failed.attempts.len();
    assert_eq!(receiver.count(), tries);
    // 5 s doubling reaches 12 h after 14 tries and 23 hours; four or so of 12 h are left.
    assert!((17..=20).contains(&tries), "{tries} tries");
    follows(&failed, &RetryPolicy::DEFAULT);
    let last = lifetime(&failed);
    assert!(
        last <= 3 * DAY + REAL_TIME,
        "the last try came after {last:?}"
    );
    assert!(
        last + 12 * HOUR + REAL_TIME > 3 * DAY,
        "given up after {last:?}, with time left for one more"
    );

    let first = &receiver.received()[0];
    for again in receiver.received() {
        assert_eq!(again.body, first.body);
        assert_eq!(again.header("webhook-id"), first.header("webhook-id"));
    }
    world.store.advance(30 * DAY);
    assert_eq!(world.tick().await, 0);
}

#[tokio::test]
async fn nothing_is_sent_before_it_is_due() {
    let world = World::new();
    let receiver = Receiver::start(&world.ca).await;
    receiver.answer(Reply::Status(503));
    world.put(supplier("books").endpoint(receiver.url("/orders")));
    let key = world.enqueue("books", "A-1").await;
    for tries in 1..12 {
        world.tick_when_due(&key).await;
        assert_eq!(receiver.count(), tries);
        let due = world.due_in(&key).await;
        world
            .store
            .advance(due.saturating_sub(Duration::from_secs(2)));
        let tick = world.worker().tick().await.unwrap();
        assert_eq!((tick.claimed, receiver.count()), (0, tries));
        assert!(
            tick.next_due
                .is_some_and(|due| due <= Duration::from_secs(2)),
            "{tick:?}"
        );
    }
}

#[tokio::test]
async fn orders_that_failed_together_are_not_tried_again_together() {
    let world = World::new();
    let receiver = Receiver::start(&world.ca).await;
    receiver.answer(Reply::Status(500));
    world.put(supplier("books").endpoint(receiver.url("/orders")));
    let mut delays = Vec::new();
    for n in 0..40 {
        let key = world.enqueue("books", &format!("A-{n}")).await;
        world.tick().await;
        delays.push(world.due_in(&key).await);
    }
    delays.sort_unstable();
    assert!(
        delays[0] > Duration::from_millis(3500) && delays[39] <= Duration::from_secs(6),
        "{delays:?}"
    );
    assert!(
        delays[39] - delays[0] > Duration::from_millis(800),
        "{delays:?}"
    );
}

#[tokio::test]
async fn a_supplier_may_have_a_schedule_of_its_own() {
    let world = World::with(|builder| builder.retry(RetryPolicy::DEFAULT.with_first_delay(HOUR)));
    let receiver = Receiver::start(&world.ca).await;
    receiver.answer(Reply::Status(500));
    let own = RetryPolicy::DEFAULT
        .with_first_delay(Duration::from_secs(60))
        .with_max_delay(Duration::from_secs(600))
        .with_give_up_after(2 * HOUR);
    world.put(supplier("own").endpoint(receiver.url("/own")).retry(own));
    world.put(supplier("common").endpoint(receiver.url("/common")));
    let (with_own, common) = (
        world.enqueue("own", "A-1").await,
        world.enqueue("common", "A-1").await,
    );

    world.tick().await;
    assert!(world.due_in(&common).await > Duration::from_secs(40 * 60));
    let failed = world.live_until_settled(&with_own).await;
    assert_eq!(
        world.failure(&with_own).await,
        Some(FailureReason::Exhausted)
    );
    follows(&failed, &own);
    assert!(lifetime(&failed) <= 2 * HOUR + REAL_TIME);
    assert!(
        (12..=18).contains(&failed.attempts.len()),
        "{} tries",
        failed.attempts.len()
    );
}

#[tokio::test]
async fn only_the_endpoint_that_has_not_accepted_is_called_again() {
    let world = World::new();
    let receiver = Receiver::start(&world.ca).await;
    receiver.script_at("/backup", [Reply::Status(500), Reply::Status(502)]);
    world.put(
        supplier("books")
            .endpoint(receiver.url("/primary"))
            .endpoint(receiver.url("/backup")),
    );
    let key = world.enqueue("books", "A-1").await;
    let told = world.live_until_settled(&key).await;
    assert!(world.is_notified(&key).await);
    let paths: Vec<_> = receiver
        .received()
        .iter()
        .map(|request| request.path().to_owned())
        .collect();
    assert_eq!(paths, ["/primary", "/backup", "/backup", "/backup"]);
    assert_eq!(told.attempts.len(), 4);
}

#[tokio::test]
async fn a_long_wait_that_the_backup_asks_for_does_not_delay_the_primary() {
    let world = World::new();
    let receiver = Receiver::start(&world.ca).await;
    receiver.script_at("/primary", [Reply::Status(500)]);
    receiver.script_at("/backup", [Reply::retry_after(429, "3600")]);
    world.put(
        supplier("books")
            .endpoint(receiver.url("/primary"))
            .endpoint(receiver.url("/backup")),
    );
    let key = world.enqueue("books", "A-1").await;
    world.tick().await;
    assert!(world.due_in(&key).await <= Duration::from_secs(6));
    world.tick_when_due(&key).await;
    let paths: Vec<_> = receiver
        .received()
        .iter()
        .map(|request| request.path().to_owned())
        .collect();
    assert_eq!(paths, ["/primary", "/backup", "/primary"]);
    let due = world.due_in(&key).await;
    assert!(due > Duration::from_secs(3500) && due <= HOUR, "{due:?}");
    world.tick_when_due(&key).await;
    assert!(world.is_notified(&key).await);
    assert_eq!(receiver.count(), 4);
}

#[tokio::test]
async fn an_endpoint_that_is_gone_is_never_called_again() {
    let world = World::new();
    let receiver = Receiver::start(&world.ca).await;
    receiver.answer_at("/gone", Reply::Status(410));
    world.put(supplier("alone").endpoint(receiver.url("/gone")));
    let alone = world.enqueue("alone", "A-1").await;
    world.tick().await;
    assert_eq!(
        world.failure(&alone).await,
        Some(FailureReason::EndpointGone)
    );

    receiver.script_at("/backup", [Reply::Status(500)]);
    let both = supplier("both")
        .endpoint(receiver.url("/gone"))
        .endpoint(receiver.url("/backup"));
    world.put(both.clone());
    let every = world.enqueue("both", "A-1").await;
    world.live_until_settled(&every).await;
    assert_eq!(
        world.failure(&every).await,
        Some(FailureReason::EndpointGone)
    );
    assert_eq!(
        world.outcomes(&every).await,
        ["rejected", "rejected", "accepted"]
    );

    world.put(both.acceptance(Acceptance::Any));
    let any = world.enqueue("both", "A-2").await;
    world.live_until_settled(&any).await;
    assert!(world.is_notified(&any).await);
    let called = receiver
        .received()
        .iter()
        .filter(|request| request.path() == "/gone")
        .count();
    assert_eq!(called, 3, "once for each notification");
}

#[tokio::test]
async fn a_person_who_retries_begins_a_new_schedule() {
    let world = World::new();
    let receiver = Receiver::start(&world.ca).await;
    receiver.answer(Reply::Status(500));
    let policy = RetryPolicy::DEFAULT.with_give_up_after(Duration::from_secs(60));
    world.put(
        supplier("books")
            .endpoint(receiver.url("/orders"))
            .retry(policy),
    );
    let key = world.enqueue("books", "A-1").await;
    let before = world.live_until_settled(&key).await.attempts.len();
    assert_eq!(world.failure(&key).await, Some(FailureReason::Exhausted));

    world
        .dispatcher
        .retry(&key, &crate::support::by())
        .await
        .unwrap();
    assert!(world.due_in(&key).await <= Duration::from_secs(6));
    world.live_until_settled(&key).await;
    let after = world.notification(&key).await;
    assert_eq!(
        (after.reopened, world.failure(&key).await),
        (1, Some(FailureReason::Exhausted))
    );
    assert!(
        after.attempts.len() >= 2 * before - 1,
        "{before}, then {}",
        after.attempts.len()
    );
}

#[tokio::test]
async fn nobody_is_given_up_without_a_word_before_the_last_try() {
    let world = World::new();
    let receiver = Receiver::start(&world.ca).await;
    receiver.answer(Reply::Status(500));
    let policy = RetryPolicy::DEFAULT.with_give_up_after(Duration::from_secs(75));
    world.put(
        supplier("books")
            .endpoint(receiver.url("/orders"))
            .retry(policy),
    );
    // How a delay is spread decides which try is the last: many orders, many ends.
    for n in 0..60 {
        let key = world.enqueue("books", &format!("A-{n}")).await;
        let failed = world.live_until_settled(&key).await;
        let heard = world.heard.of(&key);
        let [.., News::LastTryAhead { due, .. }, News::Failed { .. }] = heard.as_slice() else {
            panic!("order {n} with {} tries: {heard:?}", failed.attempts.len());
        };
        let last = failed.attempts.last().unwrap().at;
        assert!(
            *due <= last && last.since(*due) < REAL_TIME,
            "announced for {due}, tried {last}"
        );
    }
}

#[tokio::test]
async fn the_last_try_of_an_endpoint_is_announced_once() {
    let world = World::new();
    let receiver = Receiver::start(&world.ca).await;
    receiver.answer(Reply::Status(500));
    // The primary asks for so long a wait that one more try is all it gets; the backup is tried many times before that.
    receiver.answer_at("/primary", Reply::retry_after(503, "36000"));
    let policy = RetryPolicy::DEFAULT
        .with_give_up_after(10 * HOUR + Duration::from_secs(5))
        .with_max_delay(10 * HOUR);
    world.put(
        supplier("books")
            .endpoint(receiver.url("/primary"))
            .endpoint(receiver.url("/backup"))
            .retry(policy),
    );
    let key = world.enqueue("books", "A-1").await;
    for _ in 0..6 {
        world.tick_when_due(&key).await;
    }
    assert_eq!(world.heard.of(&key).len(), 1, "{:?}", world.heard.of(&key));
}
