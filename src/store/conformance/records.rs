//! Sentence 8: what a step records, and that it does so whole.

use std::time::Duration;

use crate::notification::{FailureReason, NotificationState};
use crate::store::{Step, Store, Then, Written};
use crate::supplier::StreamRule;

use super::Harness;
use super::case::{Case, LIVE, attempt, every_then, failed, key, ledger, notified, pending, step};

/// Holds a store to sentence 8 of the [contract](crate::store::Store#contract).
pub async fn a_step_records_attempts_ledger_and_state_together(harness: &impl Harness) {
    let case = Case::open(harness, "sentence 8").await;
    for (n, then) in every_then().into_iter().enumerate() {
        let key = key(&format!("A-{n}"));
        case.add(std::slice::from_ref(&key)).await;
        let claim = case.hold(&key, LIVE).await;
        let unchanged = case.get(&key).await;
        let before = case.now().await;
        let mut whole = tried(step(&claim, then.clone()));
        whole.ledger = ledger(7);
        case.same("it is recorded", case.write(whole).await, Written::Applied);
        let after = case.now().await;
        let seen = case.get(&key).await;
        case.same("its attempts are there", &seen.attempts, &vec![attempt(0)]);
        case.same("its ledger is there", &seen.ledger, &ledger(7));
        case.holds(
            &format!("its state is there ({then:?})"),
            became(&seen.state, &then),
            &seen.state,
        );
        if let NotificationState::Notified { at, .. } | NotificationState::Failed { at, .. } =
            seen.state
        {
            case.holds(
                "an end has its moment",
                before <= at && at <= after,
                (before, at, after),
            );
        }
        case.same(
            "nothing else is changed",
            (&seen.body, seen.position),
            (&unchanged.body, unchanged.position),
        );
    }
}

/// Holds a store to sentence 8 of the [contract](crate::store::Store#contract).
pub async fn a_failure_keeps_its_reason_and_what_it_means_for_its_stream(harness: &impl Harness) {
    let case = Case::open(harness, "sentence 8").await;
    for reason in FailureReason::ALL {
        for rule in [StreamRule::Hold, StreamRule::Pass] {
            let key = key(&format!("{reason} {rule:?}"));
            case.add(std::slice::from_ref(&key)).await;
            let claim = case.hold(&key, LIVE).await;
            case.settle(&claim, failed(reason, rule)).await;
            let state = case.get(&key).await.state;
            let NotificationState::Failed {
                reason: seen_reason,
                stream,
                ..
            } = state
            else {
                case.fails("it has failed", state)
            };
            case.same(
                "reason and rule are as they were written",
                (seen_reason, stream),
                (reason, rule),
            );
        }
    }
}

/// Holds a store to sentence 8 of the [contract](crate::store::Store#contract).
pub async fn what_is_given_back_is_due_after_the_wait_asked_for(harness: &impl Harness) {
    let case = Case::open(harness, "sentence 8").await;
    let key = key("A-1");
    case.add(std::slice::from_ref(&key)).await;
    let century = Duration::from_secs(100 * 366 * 86_400);
    for after in [LIVE, century, Duration::from_micros(1), Duration::ZERO] {
        for then in [Then::Again { after }, Then::HandBack { after }] {
            let claim = case.hold(&key, LIVE).await;
            let began = case.now().await;
            case.settle(&claim, then.clone()).await;
            let over = case.now().await;
            let state = case.get(&key).await.state;
            let NotificationState::Pending { due } = state else {
                case.fails("it is pending again", state)
            };
            let fits = began.after(after) <= due && due <= over.after(after);
            case.holds(
                &format!("it is due then ({then:?})"),
                fits,
                (began, due, over),
            );
        }
    }
    case.same(
        "without a wait it is due at once",
        case.claimed_due().await,
        vec![key],
    );
}

/// Holds a store to sentence 8 of the [contract](crate::store::Store#contract).
pub async fn attempts_are_appended_over_steps_and_claims(harness: &impl Harness) {
    let case = Case::open(harness, "sentence 8").await;
    let key = key("A-1");
    case.add(std::slice::from_ref(&key)).await;
    let mut wanted = Vec::new();
    for _ in 0..3 {
        let claim = case.hold(&key, LIVE).await;
        case.same(
            "a claim says how many there are",
            claim.attempts as usize,
            wanted.len(),
        );
        for then in [
            Then::Keep { lease: LIVE },
            Then::Keep { lease: LIVE },
            Then::Again { after: LIVE },
        ] {
            let first = wanted.len() as u32;
            let tried = vec![attempt(first), attempt(first + 1)];
            wanted.extend(tried.clone());
            let written = case
                .write(step(&claim, then).with_attempts(first, tried))
                .await;
            case.same("it is recorded", written, Written::Applied);
        }
    }
    case.same(
        "all are there, in their order",
        case.get(&key).await.attempts,
        wanted,
    );
}

/// Holds a store to sentence 8 of the [contract](crate::store::Store#contract).
pub async fn a_step_that_is_repeated_is_recorded_once(harness: &impl Harness) {
    let case = Case::open(harness, "sentence 8").await;
    let key = key("A-1");
    case.add(std::slice::from_ref(&key)).await;
    let claim = case.hold(&key, LIVE).await;
    let keep =
        |first, attempts| step(&claim, Then::Keep { lease: LIVE }).with_attempts(first, attempts);
    for _ in 0..3 {
        case.same(
            "the same step is recorded",
            case.write(keep(0, vec![attempt(0)])).await,
            Written::Applied,
        );
        case.same(
            "its attempt is there once",
            case.get(&key).await.attempts,
            vec![attempt(0)],
        );
    }
    case.write(keep(0, vec![attempt(8), attempt(1)])).await;
    let seen = case.get(&key).await.attempts;
    case.same(
        "numbers that are there are left alone, others appended",
        seen,
        vec![attempt(0), attempt(1)],
    );
    let ends = keep(1, vec![attempt(9), attempt(2)]);
    let twice = case.write_all(&[ends.clone(), ends]).await;
    case.same(
        "in one slice too",
        twice,
        vec![Written::Applied, Written::Applied],
    );
    let seen = case.get(&key).await.attempts;
    case.same(
        "each number is there once",
        seen,
        vec![attempt(0), attempt(1), attempt(2)],
    );
}

/// Holds a store to sentence 8 of the [contract](crate::store::Store#contract).
pub async fn the_steps_of_a_slice_are_answered_in_their_place(harness: &impl Harness) {
    let case = Case::open(harness, "sentence 8").await;
    case.same(
        "no step has no answer",
        case.write_all(&[]).await,
        Vec::new(),
    );
    let keys = ["A-1", "A-2", "A-3"].map(key);
    case.insert(&keys.each_ref().map(pending)).await;
    let claims = [
        case.hold(&keys[0], LIVE).await,
        case.hold(&keys[1], LIVE).await,
        case.hold(&keys[2], LIVE).await,
    ];
    case.settle(&claims[1], notified("R-1")).await;
    let slice = [
        step(&claims[2], Then::Keep { lease: LIVE }).with_attempts(0, vec![attempt(0)]),
        step(&claims[1], failed(FailureReason::Config, StreamRule::Hold)),
        step(&claims[0], notified("R-2")),
        step(&claims[2], notified("R-3")).with_attempts(1, vec![attempt(1)]),
        step(&claims[2], Then::Keep { lease: LIVE }).with_attempts(2, vec![attempt(2)]),
    ];
    let (applied, stale) = (Written::Applied, Written::Stale);
    let wanted = vec![applied, stale, applied, applied, stale];
    case.same(
        "one after another, a stale one stops none",
        case.write_all(&slice).await,
        wanted,
    );
    let seen = case.get(&keys[2]).await;
    case.same(
        "only what was not stale is recorded",
        &seen.attempts,
        &vec![attempt(0), attempt(1)],
    );
    for key in &keys {
        let state = case.get(key).await.state;
        case.holds(
            "each is notified",
            matches!(state, NotificationState::Notified { .. }),
            &state,
        );
    }
}

/// Holds a store to sentence 8 of the [contract](crate::store::Store#contract).
pub async fn a_reader_sees_a_step_whole_or_not_at_all(harness: &impl Harness) {
    const STEPS: u32 = 30;
    let case = Case::open(harness, "sentence 8").await;
    let key = key("A-1");
    case.add(std::slice::from_ref(&key)).await;
    let claim = case.hold(&key, LIVE).await;
    let work = case.side_by_side(3, |number, store| {
        let claim = claim.clone();
        async move {
            let mut seen = Vec::new();
            for n in 1..=STEPS {
                tokio::task::yield_now().await;
                if number > 0 {
                    seen.extend(store.get(&claim.key).await?);
                    continue;
                }
                let then = if n < STEPS {
                    Then::Keep { lease: LIVE }
                } else {
                    notified("R-1")
                };
                let mut step = step(&claim, then).with_attempts(n - 1, vec![attempt(n)]);
                step.ledger = ledger(n);
                store.write(&[step]).await?;
            }
            Ok(seen)
        }
    });
    for seen in work.await.into_iter().flat_map(|seen| case.ok(seen)) {
        let steps = seen.attempts.len() as u32;
        let ledger = if steps == 0 {
            claim.ledger.clone()
        } else {
            ledger(steps)
        };
        case.same("attempts and ledger belong together", &seen.ledger, &ledger);
        let ended = matches!(seen.state, NotificationState::Notified { .. });
        case.same("attempts and state belong together", ended, steps == STEPS);
    }
}

/// With an attempt, so that it shows when it is recorded.
pub(super) fn tried(step: Step) -> Step {
    step.with_attempts(0, vec![attempt(0)])
}

pub(super) fn became(state: &NotificationState, then: &Then) -> bool {
    match then {
        Then::Keep { .. } => matches!(state, NotificationState::Sending { .. }),
        Then::Notified { reference: wanted } => {
            matches!(state, NotificationState::Notified { reference, .. } if reference == wanted)
        }
        Then::Again { .. } | Then::HandBack { .. } => {
            matches!(state, NotificationState::Pending { .. })
        }
        Then::Failed {
            reason: wanted,
            stream: rule,
        } => {
            matches!(state, NotificationState::Failed { reason, stream, .. } if reason == wanted && stream == rule)
        }
    }
}
