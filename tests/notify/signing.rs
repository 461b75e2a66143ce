//! Signing keys and their spans of validity: what a supplier gets is signed, or it gets nothing.

use std::time::{Duration, SystemTime};

use orderhook::report::Verdict;
use orderhook::{NotificationState, SigningKey, SupplierBuilder, Timestamp};

use crate::support::Reply;
use crate::world::{World, id, key, only, order, outcomes, state, supplier};

const KEY: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

fn seconds_from_now(seconds: i64) -> Timestamp {
    let now = Timestamp::from(SystemTime::now()).as_micros();
    Timestamp::from_micros(now + seconds * 1_000_000)
}

fn signing_key() -> SigningKey {
    SigningKey::new(KEY).unwrap()
}

#[tokio::test]
async fn nothing_is_sent_when_every_signing_key_is_out_of_its_time_and_resume_sends_it_after_the_repair()
 {
    let world = World::new();
    let receiver = world.receiver().await;
    let north = || supplier("north").endpoint(receiver.url("/a"));
    world.put(north().signing_key(signing_key().valid_until(seconds_from_now(-60))));
    let dispatcher = world.dispatcher();

    let report = dispatcher.notify(&order("A-1", &["north"])).await.unwrap();

    assert_eq!(receiver.connections(), 0, "an unsigned POST never goes out");
    assert_eq!(
        (state(only(&report)), outcomes(only(&report)).len()),
        ("failed config".to_owned(), 0)
    );
    assert_eq!(
        state(only(
            &dispatcher
                .resume(&id("north"), &crate::support::by())
                .await
                .unwrap()
        )),
        "failed config"
    );

    world.put(north().signing_key(signing_key()));
    let resumed = dispatcher
        .resume(&id("north"), &crate::support::by())
        .await
        .unwrap();
    assert_eq!(state(only(&resumed)), "notified A-1");
    assert!(receiver.received()[0].header("webhook-signature").is_some());
    world.agrees().await;
}

#[tokio::test]
async fn a_notification_waits_for_a_signing_key_that_begins_within_the_hour_and_spends_no_try() {
    let world = World::new();
    let receiver = world.receiver().await;
    let north = |key: SigningKey| {
        supplier("north")
            .endpoint(receiver.url("/a"))
            .signing_key(key)
    };
    world.put(north(signing_key().valid_from(seconds_from_now(1800))));
    let dispatcher = world.dispatcher();

    let report = dispatcher.notify(&order("A-1", &["north"])).await.unwrap();

    let NotificationState::Pending { due } = only(&report).state else {
        panic!("{report:?}")
    };
    let wait = due.since(world.store.now());
    assert!(
        wait > Duration::from_secs(1700) && wait <= Duration::from_secs(1800),
        "{wait:?}"
    );
    assert_eq!(
        (receiver.connections(), outcomes(only(&report)).len()),
        (0, 0)
    );

    world.put(north(signing_key()));
    world.store.advance(Duration::from_secs(1800));
    let report = dispatcher.notify(&order("A-1", &["north"])).await.unwrap();
    assert_eq!(outcomes(only(&report)), ["200"]);
    world.agrees().await;
}

#[tokio::test]
async fn a_signing_key_that_begins_later_than_in_an_hour_is_not_waited_for() {
    let world = World::new();
    let receiver = world.receiver().await;
    let next = signing_key().valid_from(seconds_from_now(2 * 3600));
    world.put(
        supplier("north")
            .endpoint(receiver.url("/a"))
            .signing_key(next),
    );
    let report = world
        .dispatcher()
        .notify(&order("A-1", &["north"]))
        .await
        .unwrap();
    assert_eq!(state(only(&report)), "failed config");
    assert_eq!(receiver.connections(), 0);
    world.agrees().await;
}

#[tokio::test]
async fn what_an_endpoint_accepted_stays_when_the_last_signing_key_ends_before_the_next_call() {
    let world = World::new();
    let receiver = world.receiver().await;
    let north = |key: SigningKey| {
        let north = supplier("north")
            .endpoint(receiver.url("/a"))
            .endpoint(receiver.url("/b"));
        north.signing_key(key)
    };
    receiver.script([Reply::Status(200), Reply::Status(500)]);
    world.put(north(signing_key()));
    let dispatcher = world.dispatcher();
    dispatcher.notify(&order("A-1", &["north"])).await.unwrap();

    world.put(north(signing_key().valid_until(seconds_from_now(-1))));
    let retried = dispatcher
        .retry(&key("north", "A-1"), &crate::support::by())
        .await
        .unwrap();
    assert_eq!(state(&retried), "failed config");
    assert_eq!(outcomes(&retried), ["200", "500"]);

    world.put(north(signing_key()));
    assert!(
        dispatcher
            .resume(&id("north"), &crate::support::by())
            .await
            .unwrap()
            .is_notified()
    );
    assert_eq!(
        receiver
            .received()
            .iter()
            .filter(|one| one.path() == "/a")
            .count(),
        1
    );
    world.agrees().await;
}

#[tokio::test]
async fn check_has_a_verdict_of_its_own_for_signing_keys_of_which_none_is_valid() {
    let world = World::new();
    let receiver = world.receiver().await;
    let dispatcher = world.dispatcher();
    let verdict = async |build: &dyn Fn(SupplierBuilder) -> SupplierBuilder| {
        let supplier = build(supplier("north").endpoint(receiver.url("/a")))
            .build()
            .unwrap();
        dispatcher.check(&supplier).await.remove(0).verdict
    };
    let (ended, begins) = (seconds_from_now(-60), seconds_from_now(600));

    assert_eq!(
        verdict(&|north| north.signing_key(signing_key())).await,
        Verdict::Reachable
    );
    let old = signing_key().valid_until(ended);
    let seen = verdict(&|north| north.signing_key(old.clone())).await;
    assert_eq!(seen, Verdict::NoValidSigningKey { next: None });
    assert_eq!(seen.to_string(), "no signing key is valid now");
    let next = signing_key().valid_from(begins);
    let seen = verdict(&|north| north.signing_key(old.clone()).signing_key(next.clone())).await;
    assert_eq!(seen, Verdict::NoValidSigningKey { next: Some(begins) });
    assert_eq!(
        seen.to_string(),
        format!("no signing key is valid now; the next one begins at {begins}")
    );
    assert_eq!(receiver.count(), 0);
}

#[test]
fn a_signing_key_that_ends_before_it_begins_is_refused() {
    let (early, late) = (seconds_from_now(0), seconds_from_now(60));
    for (from, until) in [(late, early), (late, late)] {
        let wrong = signing_key().valid_from(from).valid_until(until);
        let refused = supplier("north")
            .signing_key(signing_key())
            .signing_key(wrong)
            .build()
            .unwrap_err();
        assert_eq!(
            refused.to_string(),
            "supplier north: signing_keys[1].until: must be later than from"
        );
    }
    assert!(
        supplier("north")
            .signing_key(signing_key().valid_from(early).valid_until(late))
            .build()
            .is_ok()
    );
}
