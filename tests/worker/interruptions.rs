//! A sender dies, and another one takes over.

use std::time::Duration;

use orderhook::notification::{FailureReason, Unknown};
use orderhook::store::{ClaimRequest, Pick, Store};
use orderhook::supplier::{Activity, OnUnknown};
use orderhook::{Key, NotificationState, Outcome, Worker};

use super::support::{Gate, Receiver, Reply};
use super::world::{HOUR, Trouble, World, supplier};

const INTERRUPTED: Outcome = Outcome::Unknown {
    why: Unknown::Interrupted,
};

/// Claims everything of this kind as a holder that is never heard of again, and moves on to when its lease has run out.
async fn abandon(world: &World, pick: Pick) -> usize {
    let lease = Duration::from_secs(60);
    let request = ClaimRequest::new(world.dispatcher.source().clone(), pick, 100, lease);
    let claims = world.store.claim(&request).await.unwrap().claims.len();
    world.store.advance(lease);
    claims
}

/// A process of its own that sends and is killed as soon as its receiver has so many requests.
async fn die_while_sending(world: &World, receiver: &Receiver, requests: usize) {
    let dispatcher = world.another(|builder| builder);
    let process = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let before = receiver.count();
    process.spawn(async move { Worker::new(&dispatcher).tick().await });
    receiver.wait_for(before + requests).await;
    process.shutdown_background();
    receiver.wait_for_ended(before + requests).await;
    world.store.advance(HOUR);
}

async fn interruptions(world: &World, key: &Key) -> usize {
    let attempts = world.notification(key).await.attempts;
    attempts
        .iter()
        .filter(|attempt| attempt.outcome == INTERRUPTED)
        .count()
}

#[tokio::test]
async fn a_takeover_has_written_the_interrupted_attempt_when_it_sends() {
    let world = World::new();
    let receiver = Receiver::start(&world.ca).await;
    let gate = Gate::new();
    receiver.answer(Reply::ok().gated(&gate));
    world.put(supplier("books").endpoint(receiver.url("/orders")));
    let key = world.enqueue("books", "A-1").await;
    assert_eq!(abandon(&world, Pick::New).await, 1);

    let worker = world.worker();
    let ticking = tokio::spawn(async move { worker.tick().await });
    receiver.wait_for(1).await;
    let open = world.notification(&key).await;
    assert_eq!(open.attempts.len(), 1);
    assert_eq!(open.attempts[0].outcome, INTERRUPTED);
    assert!(matches!(open.state, NotificationState::Sending { .. }));
    gate.open();
    ticking.await.unwrap().unwrap();
    assert!(world.is_notified(&key).await);
    assert_eq!(world.outcomes(&key).await, ["unknown", "accepted"]);
}

#[tokio::test]
async fn one_that_dies_while_sending_causes_one_duplicate_and_the_record_shows_it() {
    let world = World::new();
    let receiver = Receiver::start(&world.ca).await;
    receiver.script_at("/backup", [Reply::Hang]);
    world.put(
        supplier("books")
            .endpoint(receiver.url("/primary"))
            .endpoint(receiver.url("/backup")),
    );
    let key = world.enqueue("books", "A-1").await;
    die_while_sending(&world, &receiver, 2).await;
    world.tick().await;
    assert!(world.is_notified(&key).await);
    let paths: Vec<_> = receiver
        .received()
        .iter()
        .map(|request| request.path().to_owned())
        .collect();
    assert_eq!(paths, ["/primary", "/backup", "/backup"]);
    assert_eq!(
        world.outcomes(&key).await,
        ["accepted", "unknown", "accepted"]
    );
    assert_eq!(interruptions(&world, &key).await, 1);
}

#[tokio::test]
async fn a_takeover_goes_on_where_the_round_was_interrupted_and_skips_nobody() {
    let world = World::new();
    let receiver = Receiver::start(&world.ca).await;
    receiver.script_at("/2", [Reply::Hang]);
    world.put((1..=4).fold(supplier("books"), |books, n| {
        books.endpoint(receiver.url(&format!("/{n}")))
    }));
    let key = world.enqueue("books", "A-1").await;
    die_while_sending(&world, &receiver, 2).await;
    world.tick().await;
    assert!(world.is_notified(&key).await);
    let paths: Vec<_> = receiver
        .received()
        .iter()
        .map(|request| request.path().to_owned())
        .collect();
    assert_eq!(paths, ["/1", "/2", "/2", "/3", "/4"]);
}

#[tokio::test]
async fn the_second_interruption_in_a_row_follows_the_schedule() {
    let world = World::new();
    let receiver = Receiver::start(&world.ca).await;
    receiver.script([Reply::Hang, Reply::Hang]);
    world.put(supplier("books").endpoint(receiver.url("/orders")));
    let key = world.enqueue("books", "A-1").await;
    die_while_sending(&world, &receiver, 1).await;
    die_while_sending(&world, &receiver, 1).await;
    assert_eq!(
        interruptions(&world, &key).await,
        1,
        "the first was written by the second"
    );

    world.tick().await;
    assert_eq!(
        (receiver.count(), interruptions(&world, &key).await),
        (2, 2)
    );
    let due = world.due_in(&key).await;
    assert!(
        due > Duration::from_secs(7) && due <= Duration::from_secs(12),
        "{due:?}"
    );
    world.tick_when_due(&key).await;
    assert!(world.is_notified(&key).await);
    assert_eq!(
        world.outcomes(&key).await,
        ["unknown", "unknown", "accepted"]
    );
}

#[tokio::test]
async fn what_was_interrupted_is_held_when_the_supplier_wants_that() {
    let world = World::new();
    let receiver = Receiver::start(&world.ca).await;
    world.put(
        supplier("books")
            .endpoint(receiver.url("/orders"))
            .on_unknown(OnUnknown::Hold),
    );
    let key = world.enqueue("books", "A-1").await;
    assert_eq!(abandon(&world, Pick::New).await, 1);
    world.tick().await;
    assert_eq!(world.failure(&key).await, Some(FailureReason::HeldUnknown));
    assert_eq!(
        (receiver.count(), interruptions(&world, &key).await),
        (0, 1)
    );
    world
        .dispatcher
        .retry(&key, &crate::support::by())
        .await
        .unwrap();
    assert!(world.is_notified(&key).await);
}

#[tokio::test]
async fn a_takeover_after_an_edit_names_who_may_have_been_called_and_calls_who_is_listed_now() {
    for on_unknown in [OnUnknown::Hold, OnUnknown::Resend] {
        let world = World::new();
        let receiver = Receiver::start(&world.ca).await;
        let books = |path: &str| {
            supplier("books")
                .endpoint(receiver.url(path))
                .on_unknown(on_unknown)
        };
        world.put(books("/old"));
        let key = world.enqueue("books", "A-1").await;
        assert_eq!(abandon(&world, Pick::New).await, 1);
        world.put(books("/new"));
        world.tick().await;
        let stored = world.notification(&key).await;
        let named: Vec<_> = stored
            .attempts
            .iter()
            .map(|attempt| attempt.endpoint.as_str())
            .collect();
        assert_eq!(
            named,
            [receiver.url("/old"), receiver.url("/new")],
            "{on_unknown:?}"
        );
        assert_eq!(
            world.outcomes(&key).await,
            ["unknown", "accepted"],
            "{on_unknown:?}"
        );
        assert!(
            world.is_notified(&key).await && receiver.count() == 1,
            "{on_unknown:?}"
        );
    }
}

#[tokio::test]
async fn a_holder_that_begins_with_another_endpoint_than_expected_writes_so_before_it_calls() {
    let world = World::new();
    let receiver = Receiver::start(&world.ca).await;
    let gate = Gate::new();
    receiver.answer(Reply::ok().gated(&gate));
    world.put(supplier("books").endpoint(receiver.url("/old")));
    let key = world.enqueue("books", "A-1").await;
    world.put(supplier("books").endpoint(receiver.url("/new")));
    die_while_sending(&world, &receiver, 1).await;
    gate.open();
    world.put(supplier("books").endpoint(receiver.url("/third")));
    world.tick().await;
    let stored = world.notification(&key).await;
    let named: Vec<_> = stored
        .attempts
        .iter()
        .map(|attempt| attempt.endpoint.as_str())
        .collect();
    assert_eq!(named, [receiver.url("/new"), receiver.url("/third")]);
}

#[tokio::test]
async fn a_pause_does_not_make_anybody_forget_what_was_interrupted() {
    let world = World::new();
    let receiver = Receiver::start(&world.ca).await;
    let active = supplier("books")
        .endpoint(receiver.url("/orders"))
        .on_unknown(OnUnknown::Hold);
    world.put(active.clone().activity(Activity::Paused));
    let key = world.enqueue("books", "A-1").await;
    assert_eq!(abandon(&world, Pick::New).await, 1);
    world.tick().await;
    world.store.advance(HOUR);
    world.put(active);
    world.tick().await;
    assert_eq!(receiver.count(), 0);
    assert_eq!(world.failure(&key).await, Some(FailureReason::HeldUnknown));
    assert_eq!(interruptions(&world, &key).await, 1);
}

#[tokio::test]
async fn a_lookup_that_fails_does_not_make_anybody_forget_what_was_interrupted() {
    let world = World::new();
    let receiver = Receiver::start(&world.ca).await;
    world.put(
        supplier("books")
            .endpoint(receiver.url("/orders"))
            .on_unknown(OnUnknown::Hold),
    );
    let key = world.enqueue("books", "A-1").await;
    assert_eq!(abandon(&world, Pick::New).await, 1);
    world.lookup.trouble(Trouble::Down);
    for _ in 0..3 {
        world.tick().await;
        world.store.advance(HOUR);
    }
    world.lookup.trouble(Trouble::None);
    world.tick().await;
    assert_eq!(receiver.count(), 0);
    assert_eq!(world.failure(&key).await, Some(FailureReason::HeldUnknown));
    assert_eq!(interruptions(&world, &key).await, 1);
}

#[tokio::test]
async fn a_supplier_at_its_limit_does_not_make_anybody_forget_what_was_interrupted() {
    let world = World::new();
    let receiver = Receiver::start(&world.ca).await;
    let one = std::num::NonZeroU32::MIN;
    let limited = supplier("books")
        .endpoint(receiver.url("/orders"))
        .max_concurrent(one);
    world.put(limited.on_unknown(OnUnknown::Hold));
    let mut keys = Vec::new();
    for n in 0..8 {
        keys.push(world.enqueue("books", &format!("A-{n}")).await);
    }
    assert_eq!(abandon(&world, Pick::New).await, 8);
    let worker = world.worker();
    for _ in 0..10 {
        worker.tick().await.unwrap();
    }
    assert_eq!(receiver.count(), 0);
    for key in &keys {
        assert_eq!(world.failure(key).await, Some(FailureReason::HeldUnknown));
    }
}

#[tokio::test]
async fn what_was_interrupted_after_its_last_endpoint_is_told_without_a_post() {
    let world = World::new();
    let receiver = Receiver::start(&world.ca).await;
    receiver.script_at("/backup", [Reply::Status(500)]);
    world.put(
        supplier("books")
            .endpoint(receiver.url("/primary"))
            .endpoint(receiver.url("/backup")),
    );
    let key = world.enqueue("books", "A-1").await;
    world.tick().await;
    world.store.advance(HOUR);
    assert_eq!(abandon(&world, Pick::Due).await, 1);
    // Meanwhile the backup is taken off the list: all that is listed has accepted.
    world.put(supplier("books").endpoint(receiver.url("/primary")));
    world.tick().await;
    assert!(world.is_notified(&key).await);
    assert_eq!(receiver.count(), 2);
    // The record names the one that may have been called, also when it is listed no more.
    let attempts = world.notification(&key).await.attempts;
    let interrupted: Vec<_> = attempts
        .iter()
        .filter(|attempt| attempt.outcome == INTERRUPTED)
        .collect();
    assert_eq!(interrupted.len(), 1);
    assert!(
        interrupted[0].endpoint.ends_with("/backup"),
        "{}",
        interrupted[0].endpoint
    );
}
