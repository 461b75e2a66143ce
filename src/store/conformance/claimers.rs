//! Sentences 4 to 6: what no claimer gets, what each claim has, and claimers side by side.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use crate::event::EventId;
use crate::notification::{FailureReason, Key, NotificationState};
use crate::store::{ClaimRequest, Pick, Store, Then};
use crate::supplier::StreamRule;

use super::Harness;
use super::case::{
    Case, LIVE, SHORT, Situation, attempt, every_pick, failed, key, key_for, keys_of, ledger, mark,
    notified, other_source, pending, reopen, shop, step,
};

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
