//! Sentences 4, 5, 6 and 9: who may send what.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use crate::event::EventId;
use crate::notification::{FailureReason, Key, NotificationState};
use crate::store::{ClaimRequest, NewNotification, Pick, Start, Store, Then};
use crate::supplier::StreamRule;

use super::Harness;
use super::case::{
    Case, LIVE, SHORT, Situation, attempt, body, every_pick, every_pick_of_due, failed, key,
    key_for, keys_of, ledger, mark, notified, other_source, pending, reopen, shop, step, withdraw,
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

/// Holds a store to sentence 4 of the [contract](crate::store::Store#contract).
pub async fn what_has_failed_is_not_claimed(harness: &impl Harness) {
    let case = Case::open(harness, "sentence 4").await;
    let keys = [key("A-1"), key("A-2")];
    case.bring(&keys[0], Situation::FailedHolding).await;
    case.bring(&keys[1], Situation::FailedPassing).await;
    case.lapse().await;
    for pick in every_pick(&keys) {
        case.same(
            &format!("what has failed waits for a person ({pick:?})"),
            case.claimed(pick).await,
            Vec::new(),
        );
    }
}

/// Holds a store to sentence 4 of the [contract](crate::store::Store#contract).
pub async fn what_is_of_another_source_is_not_claimed(harness: &impl Harness) {
    let case = Case::open(harness, "sentence 4").await;
    let mine = key("A-1");
    let theirs = Key::order_created(other_source(), mine.supplier.clone(), mine.order.clone());
    case.add(&[theirs.clone(), mine.clone()]).await;
    let both = [theirs.clone(), mine.clone()];
    for pick in every_pick(&both) {
        let claims = case.claim(pick.clone(), LIVE).await;
        case.same(
            &format!("a claim is for one source ({pick:?})"),
            keys_of(&claims),
            vec![mine.clone()],
        );
        case.settle(
            &claims[0],
            Then::HandBack {
                after: Duration::ZERO,
            },
        )
        .await;
    }
    let claims = case
        .request(&ClaimRequest::new(other_source(), Pick::New, 10, LIVE))
        .await
        .claims;
    case.same(
        "the other source has its own",
        keys_of(&claims),
        vec![theirs],
    );
}

/// Holds a store to sentence 4 of the [contract](crate::store::Store#contract).
pub async fn a_claim_of_certain_keys_has_no_others(harness: &impl Harness) {
    let case = Case::open(harness, "sentence 4").await;
    let (wanted, other, absent) = (key("A-1"), key("A-2"), key("A-3"));
    case.add(&[other, wanted.clone()]).await;
    let keys = vec![wanted.clone(), absent, wanted.clone()];
    for pick in [Pick::DueOf(keys.clone()), Pick::NowOf(keys)] {
        let claims = case.claim(pick.clone(), LIVE).await;
        case.same(
            &format!("only what was named, and once ({pick:?})"),
            keys_of(&claims),
            vec![wanted.clone()],
        );
        case.settle(
            &claims[0],
            Then::HandBack {
                after: Duration::ZERO,
            },
        )
        .await;
    }
    for pick in [Pick::DueOf(Vec::new()), Pick::NowOf(Vec::new())] {
        case.same(
            "of no keys nothing is claimed",
            case.claimed(pick).await,
            Vec::new(),
        );
    }
}

/// Holds a store to sentence 4 of the [contract](crate::store::Store#contract).
pub async fn a_claim_has_all_that_its_holder_needs(harness: &impl Harness) {
    let case = Case::open(harness, "sentence 4").await;
    let mut new = pending(&key("A-1"));
    new.event_id = EventId::from_stored("msg_of_its_own").expect("an id");
    new.traceparent = Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned());
    case.insert(&[pending(&key("A-0")), new.clone()]).await;
    let claim = case.hold(&new.key, LIVE).await;
    case.same("the event id", &claim.event_id, &new.event_id);
    case.same("the position", claim.position, 1);
    case.same(
        "the body",
        Some(claim.body.clone()),
        case.get(&new.key).await.body,
    );
    case.same("the trace", &claim.traceparent, &new.traceparent);
    case.same("how often it was reopened", claim.reopened, 0);
    case.same("how many attempts there are", claim.attempts, 0);

    let mut failure = step(&claim, failed(FailureReason::Exhausted, StreamRule::Hold));
    failure.attempts = vec![attempt(0), attempt(1)];
    failure.ledger = ledger(2);
    case.write(failure).await;
    case.intervene(std::slice::from_ref(&new.key), &reopen())
        .await;
    let claim = case.hold(&new.key, LIVE).await;
    case.same("how often it was reopened", claim.reopened, 1);
    case.same("how many attempts there are", claim.attempts, 2);
    case.same("the ledger", &claim.ledger, &ledger(2));
}

/// Holds a store to sentence 4 of the [contract](crate::store::Store#contract): a lease begins at
/// [`Claims::now`](crate::store::Claims::now).
pub async fn the_lease_of_a_claim_begins_at_its_time(harness: &impl Harness) {
    let case = Case::open(harness, "sentence 4").await;
    let key = key("A-1");
    case.add(std::slice::from_ref(&key)).await;
    let before = case.now().await;
    let claims = case
        .request(&ClaimRequest::new(shop(), Pick::New, 1, LIVE))
        .await;
    let after = case.now().await;
    case.holds(
        "the time of a claim is the store's",
        before <= claims.now && claims.now <= after,
        claims.now,
    );
    let wanted = NotificationState::Sending {
        until: claims.now.after(LIVE),
    };
    case.same(
        "its lease is as long as was asked for",
        case.get(&key).await.state,
        wanted,
    );
}

/// Holds a store to sentence 5 of the [contract](crate::store::Store#contract).
pub async fn of_concurrent_claimers_each_notification_goes_to_one(harness: &impl Harness) {
    let case = Case::open(harness, "sentence 5").await;
    let keys: Vec<_> = (0..60)
        .map(|n| key_for(&format!("supplier-{}", n % 3), &format!("A-{n}")))
        .collect();
    case.insert(&keys.iter().map(pending).collect::<Vec<_>>())
        .await;
    let answers = case.side_by_side(12, |_, store| async move {
        let request = ClaimRequest::new(shop(), Pick::New, 4, LIVE);
        let mut held = Vec::new();
        // As many claims as there are notifications are more than any worker needs.
        for _ in 0..60 {
            let claims = store.claim(&request).await?.claims;
            if claims.is_empty() {
                break;
            }
            held.extend(claims);
        }
        Ok(held)
    });
    let mut held: Vec<_> = answers
        .await
        .into_iter()
        .flat_map(|held| case.ok(held))
        .collect();
    // A store may pass over what another is about to claim, so that one claimer finds nothing although something is left.
    held.extend(case.claim_due(LIVE).await);
    let mut times = BTreeMap::<Key, u32>::new();
    for claim in &held {
        *times.entry(claim.key.clone()).or_default() += 1;
    }
    let twice: Vec<_> = times.iter().filter(|(_, times)| **times > 1).collect();
    case.holds("nothing goes to two", twice.is_empty(), twice);
    case.same("everything goes to one", times.len(), keys.len());
}

/// Holds a store to sentence 5 of the [contract](crate::store::Store#contract).
pub async fn of_concurrent_claimers_of_one_key_one_has_it(harness: &impl Harness) {
    let case = Case::open(harness, "sentence 5").await;
    for situation in [Situation::Due, Situation::Waiting, Situation::Abandoned] {
        let key = key(&format!("{situation:?}"));
        case.bring(&key, situation).await;
        let request = ClaimRequest::new(shop(), Pick::NowOf(vec![key]), 1, LIVE);
        let answers = case.side_by_side(32, |_, store| {
            let request = request.clone();
            async move { store.claim(&request).await }
        });
        let claims: Vec<_> = answers
            .await
            .into_iter()
            .flat_map(|claims| case.ok(claims).claims)
            .collect();
        case.same(
            &format!("one of 32 has it ({situation:?})"),
            claims.len(),
            1,
        );
    }
}

/// Holds a store to sentence 6 of the [contract](crate::store::Store#contract).
pub async fn every_claim_has_a_token_that_none_had_before(harness: &impl Harness) {
    let case = Case::open(harness, "sentence 6").await;
    let keys = [key("A-1"), key("A-2"), key_for("south", "A-1")];
    case.add(&keys).await;
    let mut tokens = HashSet::new();
    for round in 0..9 {
        let claims = case
            .claim(
                Pick::NowOf(keys.to_vec()),
                if round % 3 == 0 { SHORT } else { LIVE },
            )
            .await;
        case.same(
            "every one of them is claimed again",
            claims.len(),
            keys.len(),
        );
        for claim in &claims {
            case.holds(
                "a token is new at every claim",
                tokens.insert(claim.token),
                claim,
            );
        }
        match round % 3 {
            0 => case.lapse().await,
            1 => {
                let back = claims
                    .iter()
                    .map(|claim| step(claim, Then::HandBack { after: LIVE }));
                case.write_all(&back.collect::<Vec<_>>()).await;
            }
            _ => {
                let end = failed(FailureReason::Config, StreamRule::Hold);
                case.write_all(
                    &claims
                        .iter()
                        .map(|claim| step(claim, end.clone()))
                        .collect::<Vec<_>>(),
                )
                .await;
                case.intervene(&keys, &reopen()).await;
            }
        }
    }
}

/// Holds a store to sentence 9 of the [contract](crate::store::Store#contract).
pub async fn what_is_final_is_never_claimed(harness: &impl Harness) {
    let case = Case::open(harness, "sentence 9").await;
    let mut keys = Vec::new();
    for situation in Situation::FINAL {
        let key = key(&format!("{situation:?}"));
        case.bring(&key, situation).await;
        keys.push(key);
    }
    let (marked, late) = (key("marked"), key("late"));
    case.add(std::slice::from_ref(&marked)).await;
    case.intervene(std::slice::from_ref(&marked), &mark("R"))
        .await;
    if let Some(claim) = case.bring(&late, Situation::Abandoned).await {
        case.settle(&claim, notified("R")).await;
    }
    keys.extend([marked, late]);
    case.lapse().await;
    for pick in every_pick(&keys) {
        case.same(
            &format!("what is notified or closed stays so ({pick:?})"),
            case.claimed(pick).await,
            Vec::new(),
        );
    }
}
