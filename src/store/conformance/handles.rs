//! Sentence 14 and the one timeline.

use std::time::Duration;

use crate::notification::NotificationState;
use crate::store::{Filter, Inserted, Page, Pick, Then, Written};

use super::Harness;
use super::case::{
    Case, LIVE, SHORT, Situation, attempt, key, keys_of, notified, pending, shop, stage, step,
    withdraw,
};

/// Holds a store to sentence 14 of the [contract](crate::store::Store#contract).
pub async fn two_handles_see_the_same(harness: &impl Harness) {
    let one = Case::open(harness, "sentence 14").await;
    let two = one.beside().await;
    let key = key("A-1");
    one.add(std::slice::from_ref(&key)).await;
    two.same(
        "what one stored the other has",
        two.insert(&[pending(&key)]).await,
        vec![Inserted::Existing],
    );
    let claims = two.claim_due(LIVE).await;
    two.same(
        "what one stored the other claims",
        keys_of(&claims),
        vec![key.clone()],
    );
    one.same(
        "what one holds the other does not claim",
        one.claimed(Pick::NowOf(vec![key.clone()])).await,
        Vec::new(),
    );
    let kept = step(&claims[0], Then::Keep { lease: LIVE }).with_attempts(0, vec![attempt(0)]);
    two.same("its holder writes", two.write(kept).await, Written::Applied);
    let filter = Filter::of(shop());
    one.same("both find it", one.get(&key).await, two.get(&key).await);
    let page = Page::first(9);
    one.same(
        "both list it",
        one.list(&filter, &page).await.notifications,
        two.list(&filter, &page).await.notifications,
    );
    one.same(
        "both count it",
        (one.count(&filter).await, one.count(&filter).await.sending),
        (two.count(&filter).await, 1),
    );
    one.settle(&claims[0], notified("R-1")).await;
    let state = two.get(&key).await.state;
    two.holds(
        "a claim of one is settled through the other",
        matches!(state, NotificationState::Notified { .. }),
        &state,
    );
    two.same(
        "and stale for both then",
        two.write(step(&claims[0], notified("R-2"))).await,
        Written::Stale,
    );
}

/// Holds a store to sentence 14 of the [contract](crate::store::Store#contract).
pub async fn two_handles_share_streams_leases_and_interventions(harness: &impl Harness) {
    let one = Case::open(harness, "sentence 14").await;
    let two = one.beside().await;
    let keys = ["c", "b", "a"].map(|occurrence| stage("A-1", occurrence));
    for (case, key) in [(&one, &keys[0]), (&two, &keys[1]), (&one, &keys[2])] {
        case.add(std::slice::from_ref(key)).await;
    }
    two.same(
        "positions go on over the handles",
        two.get(&keys[2]).await.position,
        3,
    );
    let first = one.hold(&keys[0], SHORT).await;
    two.same(
        "nothing passes what another holds",
        two.claimed(Pick::NowOf(keys[1..].to_vec())).await,
        Vec::new(),
    );
    one.lapse().await;
    let second = two.hold(&keys[0], LIVE).await;
    two.holds(
        "what one abandoned the other takes over",
        second.taken_over,
        &second,
    );
    two.holds(
        "with a token of its own",
        second.token != first.token,
        (&first, &second),
    );
    one.same(
        "whereupon the first is stale",
        one.write(step(&first, notified("R-1"))).await,
        Written::Stale,
    );
    two.settle(&second, notified("R-1")).await;
    let withdraw = withdraw("called off");
    two.intervene(&keys[1..2], &withdraw).await;
    one.same(
        "what one withdrew is closed for the other",
        &one.claimed_due().await[..],
        &keys[2..],
    );
    let listing = one.list(&Filter::of(shop()), &Page::first(2)).await;
    let Some(cursor) = listing.next else {
        one.fails("there is a second page", listing)
    };
    let rest = two
        .list(&Filter::of(shop()), &Page::after(cursor, 2))
        .await
        .notifications;
    let rest: Vec<_> = rest
        .into_iter()
        .map(|notification| notification.key)
        .collect();
    two.same(
        "a listing goes on through another handle",
        &rest[..],
        &keys[2..],
    );
}

/// Holds a store to the last paragraph of the [contract](crate::store::Store#contract): it has one timeline.
pub async fn the_time_of_a_store_is_one_and_never_goes_back(harness: &impl Harness) {
    let one = Case::open(harness, "the last paragraph").await;
    let two = one.beside().await;
    let mut last = one.now().await;
    for n in 0..20 {
        let now = if n % 2 == 0 {
            two.now().await
        } else {
            one.now().await
        };
        one.holds(
            "time does not go back, on whichever handle",
            last <= now,
            (last, now),
        );
        last = now;
    }
    let by = Duration::from_millis(60);
    for (case, other) in [(&one, &two), (&two, &one)] {
        let before = other.now().await;
        case.pass(by).await;
        let after = other.now().await;
        case.holds(
            "time that passes passes for every handle",
            after.since(before) >= by,
            (before, after),
        );
    }
}

/// Holds a store to the last paragraph of the [contract](crate::store::Store#contract): it has one timeline.
pub async fn waits_and_leases_follow_the_time_of_the_store(harness: &impl Harness) {
    let case = Case::open(harness, "the last paragraph").await;
    let (waiting, held) = (key("A-1"), key("A-2"));
    case.add(&[waiting.clone(), held.clone()]).await;
    let claim = case.hold(&waiting, LIVE).await;
    let wait = Duration::from_millis(300);
    case.settle(&claim, Then::Again { after: wait }).await;
    case.hold(&held, wait).await;
    for _ in 0..4 {
        let now = case.now().await;
        for key in [&waiting, &held] {
            let (NotificationState::Pending { due: at } | NotificationState::Sending { until: at }) =
                case.get(key).await.state
            else {
                return;
            };
            let claimed = case.claimed(Pick::DueOf(vec![key.clone()])).await;
            let over = case.now().await;
            // In between, either is right.
            case.holds(
                "not before its time",
                over >= at || claimed.is_empty(),
                (over, at),
            );
            case.holds(
                "from its time on",
                now < at || !claimed.is_empty(),
                (now, at),
            );
        }
        case.lapse().await;
    }
    case.same(
        "both are held now",
        case.claimed(Pick::NowOf(vec![waiting, held])).await,
        Vec::new(),
    );
}

/// Holds a store to sentence 14 of the [contract](crate::store::Store#contract): what is stored is there for a handle
/// that comes later.
pub async fn a_later_handle_has_what_was_there(harness: &impl Harness) {
    let case = Case::open(harness, "sentence 14").await;
    for situation in Situation::ALL {
        case.bring(&key(&format!("{situation:?}")), situation).await;
    }
    let later = case.beside().await;
    for situation in Situation::ALL {
        let key = key(&format!("{situation:?}"));
        later.same(
            &format!("it is there ({situation:?})"),
            later.get(&key).await,
            case.get(&key).await,
        );
    }
    let mut claimed = keys_of(&later.claim_due(LIVE).await);
    claimed.sort();
    later.same(
        "and can be claimed",
        claimed,
        vec![key("Abandoned"), key("Due")],
    );
}
