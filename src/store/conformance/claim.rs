//! Sentence 4: what may be sent, and when.

use std::time::Duration;

use crate::notification::{FailureReason, Key, NotificationState};
use crate::store::{ClaimRequest, NewNotification, Pick, Start, Then};
use crate::supplier::StreamRule;

use super::Harness;
use super::case::{
    Case, LIVE, SHORT, Situation, body, every_pick, every_pick_of_due, failed, key, keys_of,
    reopen, shop, withdraw,
};

/// Holds a store to sentence 4 of the [contract](crate::store::Store#contract).
pub async fn what_is_delayed_is_claimed_by_nobody_before_its_time(harness: &impl Harness) {
    let case = Case::open(harness, "sentence 4").await;
    let keys = [key("A-1"), key("A-2")];
    for (key, delay) in keys.iter().zip([LIVE, SHORT]) {
        let began = case.now().await;
        let start = Start::Pending {
            body: body("{}"),
            delay,
        };
        case.insert(&[NewNotification::new(key.clone(), start)])
            .await;
        let over = case.now().await;
        let NotificationState::Pending { due } = case.get(key).await.state else {
            case.fails("it is pending", key)
        };
        case.holds(
            "it is due after its delay",
            began.after(delay) <= due && due <= over.after(delay),
            due,
        );
        if delay == LIVE {
            for pick in every_pick(&keys) {
                case.same("no claim has it", case.claimed(pick).await, Vec::new());
            }
        }
    }
    case.lapse().await;
    case.same(
        "when its time has come it is new",
        case.claimed(Pick::New).await,
        keys[1..].to_vec(),
    );
    case.same(
        "a person cannot hurry the other one",
        case.claimed(Pick::NowOf(keys.to_vec())).await,
        Vec::new(),
    );
    let done = case.intervene(&keys[..1], &withdraw("called off")).await;
    case.same("but it can be withdrawn", &done.changed[..], &keys[..1]);
}

/// Holds a store to sentence 4 of the [contract](crate::store::Store#contract).
pub async fn a_claim_can_be_bound_to_what_was_due_at_a_moment(harness: &impl Harness) {
    let case = Case::open(harness, "sentence 4").await;
    let keys = [key("A-1"), key("A-2"), key("A-3"), key("A-4")];
    case.add(&keys[..1]).await;
    case.bring(&keys[1], Situation::Waiting).await;
    let claim = case.hold(&keys[1], LIVE).await;
    case.settle(&claim, Then::Again { after: SHORT }).await;
    let moment = case.now().await;
    case.lapse().await;
    case.add(&keys[2..]).await;
    let bound = async |pick| {
        let mut request = ClaimRequest::new(shop(), pick, 9, LIVE);
        request.due_by = Some(moment);
        keys_of(&case.request(&request).await.claims)
    };
    case.same(
        "what was stored before it",
        bound(Pick::New).await,
        keys[..1].to_vec(),
    );
    case.same(
        "and nothing that became due later",
        bound(Pick::Due).await,
        Vec::new(),
    );
    case.same(
        "which is there for others",
        case.claimed_due().await,
        [&keys[2..], &keys[1..2]].concat(),
    );
    let mut later = ClaimRequest::new(shop(), Pick::New, 9, LIVE);
    later.due_by = Some(case.now().await.after(LIVE));
    let delayed = Start::Pending {
        body: body("{}"),
        delay: SHORT,
    };
    case.insert(&[NewNotification::new(key("B-1"), delayed)])
        .await;
    let early = case.request(&later).await.claims;
    case.same(
        "a later bound makes nothing due",
        keys_of(&early),
        Vec::new(),
    );
}

/// Holds a store to sentence 4 of the [contract](crate::store::Store#contract).
pub async fn what_is_due_is_claimed_oldest_first(harness: &impl Harness) {
    let case = Case::open(harness, "sentence 4").await;
    let keys = ["A-1", "A-2", "A-3", "A-4"].map(key);
    // Neither the order of insertion nor that of the names.
    let order_of_due = [&keys[2], &keys[0], &keys[3], &keys[1]].map(Key::clone);
    for pick in every_pick_of_due(&keys) {
        let case = Case::open(harness, "sentence 4").await;
        case.add(&keys).await;
        for (n, key) in order_of_due.iter().enumerate() {
            let claim = case.hold(key, LIVE).await;
            case.settle(
                &claim,
                Then::Again {
                    after: Duration::from_millis(20 * (n as u64 + 1)),
                },
            )
            .await;
        }
        case.lapse().await;
        let first = case
            .request(&ClaimRequest::new(shop(), pick.clone(), 1, LIVE))
            .await
            .claims;
        case.same(
            &format!("the oldest is claimed first ({pick:?})"),
            &keys_of(&first)[..],
            &order_of_due[..1],
        );
        case.same(
            "the others follow, oldest due first",
            &case.claimed(pick).await[..],
            &order_of_due[1..],
        );
    }
    case.same(
        "where there is nothing, nothing is claimed",
        case.claimed_due().await,
        Vec::new(),
    );
}

/// Holds a store to sentence 4 of the [contract](crate::store::Store#contract).
pub async fn what_is_not_due_yet_is_not_claimed(harness: &impl Harness) {
    let case = Case::open(harness, "sentence 4").await;
    let key = key("A-1");
    case.bring(&key, Situation::Waiting).await;
    case.same(
        "it is left alone until it is due",
        case.claimed_due().await,
        Vec::new(),
    );
    case.same(
        "also by its key",
        case.claimed(Pick::DueOf(vec![key.clone()])).await,
        Vec::new(),
    );

    let claim = case.hold(&key, LIVE).await;
    case.settle(&claim, Then::Again { after: SHORT }).await;
    case.lapse().await;
    case.same(
        "it is claimed when it is",
        case.claimed_due().await,
        vec![key],
    );
}

/// Holds a store to sentence 4 of the [contract](crate::store::Store#contract).
pub async fn what_is_not_due_yet_is_claimed_when_asked_for_now(harness: &impl Harness) {
    let case = Case::open(harness, "sentence 4").await;
    let (key, other) = (key("A-1"), key("A-2"));
    case.bring(&key, Situation::Waiting).await;
    case.bring(&other, Situation::Waiting).await;
    let claims = case.claim(Pick::NowOf(vec![key.clone()]), LIVE).await;
    case.same(
        "it is claimed before it is due, and no other is",
        keys_of(&claims),
        vec![key.clone()],
    );
    case.holds("it was not taken over", !claims[0].taken_over, &claims[0]);
    case.same(
        "it is held then",
        case.claimed(Pick::NowOf(vec![key])).await,
        Vec::new(),
    );
}

/// Holds a store to sentence 4 of the [contract](crate::store::Store#contract).
pub async fn what_is_under_a_live_lease_is_not_claimed(harness: &impl Harness) {
    let case = Case::open(harness, "sentence 4").await;
    let key = key("A-1");
    case.bring(&key, Situation::Live).await;
    case.lapse().await;
    for pick in every_pick(std::slice::from_ref(&key)) {
        case.same(
            &format!("a live lease is not broken ({pick:?})"),
            case.claimed(pick).await,
            Vec::new(),
        );
    }
}

/// Holds a store to sentence 4 of the [contract](crate::store::Store#contract).
pub async fn what_was_abandoned_is_taken_over(harness: &impl Harness) {
    let case = Case::open(harness, "sentence 4").await;
    let key = key("A-1");
    let Some(first) = case.bring(&key, Situation::Abandoned).await else {
        return;
    };
    case.holds(
        "the first claim takes nothing over",
        !first.taken_over,
        &first,
    );
    // Its holder has recorded nothing: it may come with what is new or with what is due.
    let claims = case.claim_due(SHORT).await;
    case.same(
        "what was abandoned in its first claim is claimed",
        keys_of(&claims),
        vec![key.clone()],
    );
    case.settle(&claims[0], Then::Keep { lease: SHORT }).await;
    case.lapse().await;
    for pick in every_pick_of_due(std::slice::from_ref(&key)) {
        let claims = case.claim(pick.clone(), SHORT).await;
        case.same(
            &format!("what was abandoned is claimed ({pick:?})"),
            keys_of(&claims),
            vec![key.clone()],
        );
        case.holds(
            "it is marked as taken over",
            claims[0].taken_over,
            &claims[0],
        );
        case.lapse().await;
    }
}

/// Holds a store to sentence 4 of the [contract](crate::store::Store#contract).
pub async fn what_its_holder_gave_back_is_not_taken_over(harness: &impl Harness) {
    let case = Case::open(harness, "sentence 4").await;
    let key = key("A-1");
    case.add(std::slice::from_ref(&key)).await;
    for then in [
        Then::HandBack {
            after: Duration::ZERO,
        },
        Then::Again {
            after: Duration::ZERO,
        },
    ] {
        let claim = case.hold(&key, LIVE).await;
        case.settle(&claim, then.clone()).await;
        let claim = case.hold(&key, SHORT).await;
        case.holds(
            &format!("after {then:?} nobody is interrupted"),
            !claim.taken_over,
            &claim,
        );
        case.lapse().await;
        let claim = case.hold(&key, LIVE).await;
        case.settle(&claim, then).await;
        let claim = case.hold(&key, LIVE).await;
        case.holds(
            "a takeover that was settled is over",
            !claim.taken_over,
            &claim,
        );
        case.settle(
            &claim,
            Then::HandBack {
                after: Duration::ZERO,
            },
        )
        .await;
    }
    let claim = case.hold(&key, LIVE).await;
    case.settle(&claim, failed(FailureReason::Config, StreamRule::Hold))
        .await;
    case.intervene(std::slice::from_ref(&key), &reopen()).await;
    let claim = case.hold(&key, LIVE).await;
    case.holds(
        "after a reopening nobody is interrupted",
        !claim.taken_over,
        &claim,
    );
}
