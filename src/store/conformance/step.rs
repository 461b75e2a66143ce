//! Sentence 7: the token of a holder, and how long it is good.

use crate::notification::{FailureReason, NotificationState};
use crate::store::{Pick, Step, Store, Then, Token, Written};
use crate::supplier::StreamRule;

use super::Harness;
use super::case::{
    Case, LIVE, SHORT, Situation, attempt, every_then, failed, key, ledger, mark, notified, reopen,
    step, withdraw,
};
use super::records::{became, tried};

/// Holds a store to sentence 7 of the [contract](crate::store::Store#contract).
pub async fn a_newer_claim_makes_a_token_stale(harness: &impl Harness) {
    let case = Case::open(harness, "sentence 7").await;
    let key = key("A-1");
    let Some(old) = case.bring(&key, Situation::Abandoned).await else {
        return;
    };
    let new = case.hold(&key, LIVE).await;
    let before = case.get(&key).await;
    for then in every_then() {
        let written = case.write(tried(step(&old, then.clone()))).await;
        case.same(
            &format!("the token of the older claim is stale ({then:?})"),
            written,
            Written::Stale,
        );
        case.same(
            "a stale step changes nothing",
            &case.get(&key).await,
            &before,
        );
    }
    case.settle(&new, notified("R-1")).await;
}

/// Holds a store to sentence 7 of the [contract](crate::store::Store#contract).
pub async fn an_end_makes_a_token_stale(harness: &impl Harness) {
    let case = Case::open(harness, "sentence 7").await;
    for (n, end) in every_then()
        .into_iter()
        .filter(|then| !matches!(then, Then::Keep { .. }))
        .enumerate()
    {
        let key = key(&format!("A-{n}"));
        case.add(std::slice::from_ref(&key)).await;
        let claim = case.hold(&key, LIVE).await;
        case.settle(&claim, end.clone()).await;
        let before = case.get(&key).await;
        for then in every_then() {
            let written = case.write(tried(step(&claim, then.clone()))).await;
            case.same(
                &format!("after {end:?} the token is stale ({then:?})"),
                written,
                Written::Stale,
            );
            case.same(
                "a stale step changes nothing",
                &case.get(&key).await,
                &before,
            );
        }
    }
}

/// Holds a store to sentence 7 of the [contract](crate::store::Store#contract).
pub async fn an_intervention_makes_a_token_stale(harness: &impl Harness) {
    let case = Case::open(harness, "sentence 7").await;
    let interventions = [withdraw("called off"), mark("by phone")];
    for (n, intervention) in interventions.iter().enumerate() {
        let key = key(&format!("A-{n}"));
        let Some(claim) = case.bring(&key, Situation::Abandoned).await else {
            return;
        };
        case.intervene(std::slice::from_ref(&key), intervention)
            .await;
        let before = case.get(&key).await;
        for then in every_then() {
            let written = case.write(tried(step(&claim, then.clone()))).await;
            case.same(
                &format!("after {intervention:?} the token is stale ({then:?})"),
                written,
                Written::Stale,
            );
            case.same(
                "a stale step changes nothing",
                &case.get(&key).await,
                &before,
            );
        }
    }
    let key = key("A-9");
    case.add(std::slice::from_ref(&key)).await;
    let claim = case.hold(&key, LIVE).await;
    case.settle(&claim, failed(FailureReason::Config, StreamRule::Hold))
        .await;
    case.intervene(std::slice::from_ref(&key), &reopen()).await;
    let written = case.write(step(&claim, notified("R-1"))).await;
    case.same("a reopening brings no token back", written, Written::Stale);
}

/// Holds a store to sentence 7 of the [contract](crate::store::Store#contract).
pub async fn a_late_outcome_is_recorded_when_nobody_took_over(harness: &impl Harness) {
    let case = Case::open(harness, "sentence 7").await;
    for (n, then) in every_then().into_iter().enumerate() {
        let key = key(&format!("A-{n}"));
        let Some(claim) = case.bring(&key, Situation::Abandoned).await else {
            return;
        };
        let written = case.write(tried(step(&claim, then.clone()))).await;
        case.same(
            &format!("its lease alone makes no token stale ({then:?})"),
            written,
            Written::Applied,
        );
        let seen = case.get(&key).await;
        case.same("what was tried is recorded", seen.attempts.len(), 1);
        case.holds(
            "it is as the step says",
            became(&seen.state, &then),
            &seen.state,
        );
    }
}

/// Holds a store to sentence 7 of the [contract](crate::store::Store#contract).
pub async fn a_token_is_good_for_its_own_notification_only(harness: &impl Harness) {
    let case = Case::open(harness, "sentence 7").await;
    let (one, two, free) = (key("A-1"), key("A-2"), key("A-3"));
    case.add(&[one.clone(), two.clone(), free.clone()]).await;
    let of_one = case.hold(&one, LIVE).await;
    case.hold(&two, LIVE).await;
    for other in [&two, &free] {
        let before = case.get(other).await;
        let mut wrong = tried(step(&of_one, notified("R-1")));
        wrong.key = other.clone();
        case.same(
            "the token of another notification is stale",
            case.write(wrong).await,
            Written::Stale,
        );
        case.same(
            "a stale step changes nothing",
            case.get(other).await,
            before,
        );
    }
    case.settle(&of_one, notified("R-1")).await;
}

/// Holds a store to sentence 7 of the [contract](crate::store::Store#contract).
pub async fn a_step_for_an_unknown_key_is_stale(harness: &impl Harness) {
    let case = Case::open(harness, "sentence 7").await;
    let (known, unknown) = (key("A-1"), key("A-2"));
    case.add(std::slice::from_ref(&known)).await;
    let claim = case.hold(&known, LIVE).await;
    for token in [claim.token, Token::new(0), Token::new(i64::MAX)] {
        let nobodys = Step::new(unknown.clone(), token, ledger(1), notified("R-1"));
        case.same(
            "nobody holds what is not there",
            case.write(nobodys).await,
            Written::Stale,
        );
    }
    let found = case.ok(case.store.get(&unknown).await);
    case.holds("nothing is stored by it", found.is_none(), found);
}

/// Holds a store to sentence 7 of the [contract](crate::store::Store#contract).
pub async fn a_claim_that_is_kept_keeps_its_token_and_lives_longer(harness: &impl Harness) {
    let case = Case::open(harness, "sentence 7").await;
    let key = key("A-1");
    case.add(std::slice::from_ref(&key)).await;
    let claim = case.hold(&key, SHORT).await;
    let before = case.now().await;
    case.settle(&claim, Then::Keep { lease: LIVE }).await;
    let after = case.now().await;
    let state = case.get(&key).await.state;
    let NotificationState::Sending { until } = state else {
        case.fails("it is still held", state)
    };
    let fits = before.after(LIVE) <= until && until <= after.after(LIVE);
    case.holds("its lease begins anew", fits, (before, until, after));
    case.lapse().await;
    case.same(
        "nobody takes it over",
        case.claimed(Pick::NowOf(vec![key])).await,
        Vec::new(),
    );
    case.settle(&claim, Then::Keep { lease: LIVE }).await;
    case.settle(&claim, notified("R-1")).await;
}

/// Holds a store to sentence 7 of the [contract](crate::store::Store#contract).
pub async fn a_lease_that_was_kept_runs_out_too(harness: &impl Harness) {
    let case = Case::open(harness, "sentence 7").await;
    let key = key("A-1");
    case.add(std::slice::from_ref(&key)).await;
    let claim = case.hold(&key, LIVE).await;
    case.settle(&claim, Then::Keep { lease: SHORT }).await;
    case.lapse().await;
    let claims = case.claim_due(LIVE).await;
    case.same("it can be taken over", claims.len(), 1);
    case.holds(
        "it is marked as taken over",
        claims[0].taken_over,
        &claims[0],
    );
    case.same(
        "the older token is stale",
        case.write(step(&claim, notified("R-1"))).await,
        Written::Stale,
    );
}

/// Holds a store to sentence 7 of the [contract](crate::store::Store#contract).
pub async fn of_concurrent_ends_with_one_token_one_is_recorded(harness: &impl Harness) {
    let case = Case::open(harness, "sentence 7").await;
    let key = key("A-1");
    case.add(std::slice::from_ref(&key)).await;
    let claim = case.hold(&key, LIVE).await;
    let written = case.side_by_side(24, |number, store| {
        let step = step(&claim, notified(&format!("R-{number}")))
            .with_attempts(0, vec![attempt(number as u32)]);
        async move { store.write(&[step]).await }
    });
    let written: Vec<_> = written
        .await
        .into_iter()
        .flat_map(|written| case.ok(written).answers)
        .collect();
    let winners: Vec<_> = written
        .iter()
        .enumerate()
        .filter(|(_, written)| **written == Written::Applied)
        .collect();
    let [(winner, _)] = winners[..] else {
        case.fails("exactly one end is recorded", written)
    };
    let seen = case.get(&key).await;
    case.same(
        "its attempt is the only one",
        &seen.attempts,
        &vec![attempt(winner as u32)],
    );
    let reference = format!("R-{winner}");
    let fits = matches!(&seen.state, NotificationState::Notified { reference: seen, .. } if *seen == reference);
    case.holds("its reference is the one", fits, &seen.state);
}
