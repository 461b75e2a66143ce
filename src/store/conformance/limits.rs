//! Sentence 13, and when to ask again.

use std::time::Duration;

use crate::notification::{Key, NotificationState};
use crate::store::{ClaimRequest, Pick, Then};
use crate::value::time::Timestamp;

use super::Harness;
use super::case::{
    Case, LIVE, Situation, every_pick, key, key_for, keys_of, notified, other_source, pending,
    shop, stage,
};

/// Holds a store to sentence 13 of the [contract](crate::store::Store#contract).
pub async fn a_claim_has_no_more_than_its_limit(harness: &impl Harness) {
    for pick in 0..5 {
        let case = Case::open(harness, "sentence 13").await;
        let keys: Vec<_> = (0..7)
            .map(|n| key_for(&format!("supplier-{}", n % 2), &format!("A-{n}")))
            .collect();
        case.add(&keys).await;
        let pick = every_pick(&keys)[pick].clone();
        // What is put off is due as well, so that each of the other picks has it but the one of what is new.
        if !matches!(pick, Pick::New) {
            for claim in case.claim(Pick::New, LIVE).await {
                case.settle(
                    &claim,
                    Then::HandBack {
                        after: Duration::ZERO,
                    },
                )
                .await;
                case.pass(Duration::from_millis(1)).await;
            }
        }
        let mut seen = Vec::new();
        for (limit, wanted) in [(0, 0), (1, 1), (4, 4), (u32::MAX, 2), (9, 0)] {
            let claims = case
                .request(&ClaimRequest::new(shop(), pick.clone(), limit, LIVE))
                .await
                .claims;
            case.same(
                &format!("at most {limit} of what is left ({pick:?})"),
                claims.len(),
                wanted,
            );
            seen.extend(keys_of(&claims));
        }
        case.same("all in the end, oldest first", seen, keys);
    }
}

/// Holds a store to sentence 13 of the [contract](crate::store::Store#contract).
pub async fn held_streams_keep_nobody_else_out(harness: &impl Harness) {
    let case = Case::open(harness, "sentence 13").await;
    case.bring(&stage("A-1", "failed"), Situation::FailedHolding)
        .await;
    case.bring(&stage("A-2", "waiting"), Situation::Waiting)
        .await;
    case.bring(&stage("A-3", "live"), Situation::Live).await;
    let behind = |order: &str| {
        (0..20)
            .map(|n| pending(&stage(order, &n.to_string())))
            .collect::<Vec<_>>()
    };
    case.insert(&[behind("A-1"), behind("A-2"), behind("A-3")].concat())
        .await;
    let free = key("A-4");
    case.add(std::slice::from_ref(&free)).await;
    let claims = case
        .request(&ClaimRequest::new(shop(), Pick::New, 1, LIVE))
        .await
        .claims;
    case.same(
        "what is held takes no place in the answer",
        keys_of(&claims),
        vec![free],
    );
}

/// Holds a store to what [`Claims::next_due`](crate::store::Claims::next_due) says.
pub async fn the_next_due_time_is_never_too_late(harness: &impl Harness) {
    let case = Case::open(harness, "the words of `Claims::next_due`").await;
    let in_time = |what: &str, next: Option<Timestamp>, due: Timestamp| {
        case.holds(what, next.is_some_and(|next| next <= due), (next, due));
    };
    let far = key_for("north", "far");
    case.bring(&far, Situation::Waiting).await;
    let far_due = due(&case, &far).await;
    in_time("what waits for its time", next_due(&case).await, far_due);

    let near = key_for("south", "near");
    case.add(std::slice::from_ref(&near)).await;
    let claim = case.hold(&near, LIVE).await;
    case.settle(&claim, Then::Again { after: LIVE / 2 }).await;
    let near_due = due(&case, &near).await;
    in_time(
        "the first of several suppliers",
        next_due(&case).await,
        near_due,
    );

    let held = key_for("east", "held");
    case.add(std::slice::from_ref(&held)).await;
    case.hold(&held, LIVE / 4).await;
    let until = due(&case, &held).await;
    in_time(
        "what can be taken over when its lease runs out",
        next_due(&case).await,
        until,
    );
    let claim = case.hold(&key_for("south", "near"), LIVE).await;
    case.settle(&claim, Then::Again { after: LIVE / 8 }).await;
    in_time(
        "what was made due earlier",
        next_due(&case).await,
        due(&case, &near).await,
    );

    let ready = [key_for("west", "one"), key_for("west", "two")];
    case.add(&ready).await;
    let second_due = due(&case, &ready[1]).await;
    let claims = case
        .request(&ClaimRequest::new(shop(), Pick::New, 1, LIVE))
        .await;
    case.same("one is claimed", &keys_of(&claims.claims)[..], &ready[..1]);
    in_time("what the limit left out", claims.next_due, second_due);
    let claims = case
        .request(&ClaimRequest::new(shop(), Pick::New, 1, LIVE))
        .await;
    case.same(
        "the other is claimed",
        &keys_of(&claims.claims)[..],
        &ready[1..],
    );
    in_time(
        "what waits beside what was claimed",
        next_due(&case).await,
        due(&case, &near).await,
    );
}

/// Holds a store to what [`Claims::next_due`](crate::store::Claims::next_due) says.
pub async fn the_next_due_time_knows_what_a_stream_sets_free(harness: &impl Harness) {
    let case = Case::open(harness, "the words of `Claims::next_due`").await;
    let (first, second) = (stage("A-1", "first"), stage("A-1", "second"));
    case.bring(&first, Situation::Waiting).await;
    case.add(std::slice::from_ref(&second)).await;
    let head = due(&case, &first).await;
    let next = next_due(&case).await;
    case.holds(
        "the first of a stream counts",
        next.is_some_and(|next| next <= head),
        (next, head),
    );
    let claim = case.hold(&first, LIVE).await;
    case.settle(&claim, notified("R-1")).await;
    let claim = case.hold(&second, LIVE).await;
    case.settle(&claim, Then::Again { after: LIVE }).await;
    let head = due(&case, &second).await;
    let next = next_due(&case).await;
    case.holds(
        "then the second",
        next.is_some_and(|next| next <= head),
        (next, head),
    );
}

/// Holds a store to what [`Claims::next_due`](crate::store::Claims::next_due) says.
pub async fn there_is_no_next_due_time_where_nothing_waits(harness: &impl Harness) {
    let case = Case::open(harness, "the words of `Claims::next_due`").await;
    case.same("in an empty store", next_due(&case).await, None);
    let mut elsewhere = key("A-1");
    elsewhere.source = other_source();
    case.add(std::slice::from_ref(&elsewhere)).await;
    for (n, situation) in [Situation::FailedHolding, Situation::FailedPassing]
        .into_iter()
        .enumerate()
    {
        case.bring(&key(&format!("B-{n}")), situation).await;
    }
    for situation in Situation::FINAL {
        case.bring(&key(&format!("{situation:?}")), situation).await;
    }
    case.same(
        "for what is failed, final or elsewhere",
        next_due(&case).await,
        None,
    );
}

/// What two claims say whose own claims are not needed, one of what is new and one of what is due.
async fn next_due<H: Harness>(case: &Case<'_, H>) -> Option<Timestamp> {
    let new = case
        .request(&ClaimRequest::new(shop(), Pick::New, 9, LIVE))
        .await
        .next_due;
    let due = case
        .request(&ClaimRequest::new(shop(), Pick::Due, 9, LIVE))
        .await
        .next_due;
    [new, due].into_iter().flatten().min()
}

/// When it can be claimed.
async fn due<H: Harness>(case: &Case<'_, H>, key: &Key) -> Timestamp {
    match case.get(key).await.state {
        NotificationState::Pending { due: at } | NotificationState::Sending { until: at } => at,
        state => case.fails("it is pending or being sent", state),
    }
}
