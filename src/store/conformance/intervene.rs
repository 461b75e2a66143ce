//! Sentence 10: what a person decides.

use std::sync::Arc;

use crate::notification::{Closed, FailureReason, Key, NotificationState};
use crate::store::{ClaimRequest, Filter, Intervened, Intervention, Pick, Selection, Store};
use crate::supplier::StreamRule;

use super::Harness;
use super::case::{
    Case, LIVE, Situation, attempt, every_intervention, failed, key, key_for, keys_of, ledger,
    mark, notified, other_source, reopen, shop, step, supplier, withdraw,
};

/// Holds a store to sentence 10 of the [contract](crate::store::Store#contract).
pub async fn what_has_failed_can_be_reopened(harness: &impl Harness) {
    let case = Case::open(harness, "sentence 10").await;
    for rule in [StreamRule::Hold, StreamRule::Pass] {
        let key = key(&format!("{rule:?}"));
        case.add(std::slice::from_ref(&key)).await;
        for reopened in 1..=3 {
            let claim = case.hold(&key, LIVE).await;
            let mut failure = step(&claim, failed(FailureReason::Exhausted, rule));
            failure.attempts = vec![attempt(reopened)];
            failure.ledger = ledger(reopened);
            case.write(failure).await;
            let before = case.get(&key).await;
            let began = case.now().await;
            let done = case.intervene(std::slice::from_ref(&key), &reopen()).await;
            let over = case.now().await;
            case.same(
                "it is reopened",
                done,
                Intervened::new(vec![key.clone()], Vec::new()),
            );
            let seen = case.get(&key).await;
            let NotificationState::Pending { due } = seen.state else {
                case.fails("it is pending again", seen.state)
            };
            case.holds(
                "it is due now",
                began <= due && due <= over,
                (began, due, over),
            );
            case.same("it is counted", seen.reopened, reopened);
            case.same(
                "its attempts stay",
                &seen.attempts,
                &(1..=reopened).map(attempt).collect(),
            );
            case.same("its ledger stays", &seen.ledger, &ledger(reopened));
            case.same("its body stays", &seen.body, &before.body);
        }
        case.same(
            "it can be claimed",
            case.claimed_due().await,
            vec![key.clone()],
        );
    }
}

/// Holds a store to sentence 10 of the [contract](crate::store::Store#contract).
pub async fn nothing_but_a_failure_can_be_reopened(harness: &impl Harness) {
    let case = Case::open(harness, "sentence 10").await;
    for situation in Situation::ALL {
        if matches!(
            situation,
            Situation::FailedHolding | Situation::FailedPassing
        ) {
            continue;
        }
        left_alone(&case, situation, &reopen()).await;
    }
}

/// Holds a store to sentence 10 of the [contract](crate::store::Store#contract).
pub async fn what_is_open_can_be_withdrawn(harness: &impl Harness) {
    let case = Case::open(harness, "sentence 10").await;
    let withdraw = withdraw("called off");
    for situation in OPEN {
        let key = key(&format!("{situation:?}"));
        case.bring(&key, situation).await;
        let before = case.get(&key).await;
        let began = case.now().await;
        let done = case.intervene(std::slice::from_ref(&key), &withdraw).await;
        let over = case.now().await;
        let wanted = Intervened::new(vec![key.clone()], Vec::new());
        case.same(
            &format!("what is open can be withdrawn ({situation:?})"),
            done,
            wanted,
        );
        let seen = case.get(&key).await;
        let NotificationState::Closed { at, why } = seen.state else {
            case.fails("it is closed", seen.state)
        };
        case.same(
            "with the reason",
            why,
            Closed::Withdrawn {
                reason: "called off".to_owned(),
            },
        );
        case.holds("since then", began <= at && at <= over, (began, at, over));
        case.same("its attempts stay", seen.attempts, before.attempts);
        case.same("its counter stays", seen.reopened, before.reopened);
    }
    case.lapse().await;
    case.same(
        "none is claimed any more",
        case.claimed_due().await,
        Vec::new(),
    );
}

/// Holds a store to sentence 10 of the [contract](crate::store::Store#contract).
pub async fn what_is_open_can_be_marked_as_notified(harness: &impl Harness) {
    let case = Case::open(harness, "sentence 10").await;
    let mark = mark("by phone");
    for situation in OPEN {
        let key = key(&format!("{situation:?}"));
        case.bring(&key, situation).await;
        let began = case.now().await;
        let done = case.intervene(std::slice::from_ref(&key), &mark).await;
        let over = case.now().await;
        let wanted = Intervened::new(vec![key.clone()], Vec::new());
        case.same(
            &format!("what is open can be marked ({situation:?})"),
            done,
            wanted,
        );
        let seen = case.get(&key).await;
        let NotificationState::Notified { at, reference } = seen.state else {
            case.fails("it is notified", seen.state)
        };
        case.same("with the reference", &reference[..], "by phone");
        case.holds("since then", began <= at && at <= over, (began, at, over));
    }
    case.lapse().await;
    case.same(
        "none is claimed any more",
        case.claimed_due().await,
        Vec::new(),
    );
}

/// Holds a store to sentence 10 of the [contract](crate::store::Store#contract).
pub async fn what_is_final_stays_as_it_is(harness: &impl Harness) {
    let case = Case::open(harness, "sentence 10").await;
    for intervention in every_intervention() {
        for situation in Situation::FINAL {
            left_alone(&case, situation, &intervention).await;
        }
    }
}

/// Holds a store to sentence 10 of the [contract](crate::store::Store#contract).
pub async fn what_is_under_a_live_lease_is_in_flight(harness: &impl Harness) {
    let case = Case::open(harness, "sentence 10").await;
    for intervention in every_intervention() {
        let key = key(&format!("{intervention:?}"));
        let Some(claim) = case.bring(&key, Situation::Live).await else {
            return;
        };
        let before = case.get(&key).await;
        let done = case
            .intervene(std::slice::from_ref(&key), &intervention)
            .await;
        let wanted = Intervened::new(Vec::new(), vec![key.clone()]);
        case.same(
            &format!("it is reported as in flight ({intervention:?})"),
            done,
            wanted,
        );
        case.same("it is left alone", case.get(&key).await, before);
        case.settle(&claim, notified("R-1")).await;
    }
}

/// Holds a store to sentence 10 of the [contract](crate::store::Store#contract).
pub async fn an_intervention_takes_the_oldest_up_to_its_limit(harness: &impl Harness) {
    let case = Case::open(harness, "sentence 10").await;
    // Neither in the order of their names nor in that of the selection.
    let keys = ["A-3", "A-1", "A-4", "A-2"].map(key);
    for key in &keys {
        case.bring(key, Situation::FailedHolding).await;
    }
    let selected = ["A-4", "A-3", "A-2", "A-1"].map(key).to_vec();
    let some = |selection, intervention, limit| {
        let store = Arc::clone(&case.store);
        async move { store.intervene(&selection, &intervention, limit).await }
    };
    let of_config = Selection::Matching(Filter {
        supplier: Some(supplier("north")),
        reasons: FailureReason::OF_CONFIGURATION.to_vec(),
        ..Filter::of(shop())
    });
    let done = case.ok(some(of_config.clone(), reopen(), 0).await);
    case.same("a limit of 0 changes nothing", done.changed, Vec::new());
    let done = case.ok(some(of_config.clone(), reopen(), 1).await);
    case.same("the oldest first", &done.changed[..], &keys[..1]);
    let done = case.ok(some(of_config, reopen(), 2).await);
    case.same("the next two then", &done.changed[..], &keys[1..3]);
    let withdraw = withdraw("called off");
    let done = case.ok(some(Selection::Keys(selected.clone()), withdraw.clone(), 3).await);
    case.same("of keys, too", &done.changed[..], &keys[..3]);
    let done = case.ok(some(Selection::Keys(selected), withdraw, 3).await);
    case.same(
        "what cannot be changed does not count",
        &done.changed[..],
        &keys[3..],
    );
}

/// Holds a store to sentence 10 of the [contract](crate::store::Store#contract).
pub async fn failures_are_selected_by_source_supplier_and_reason(harness: &impl Harness) {
    let case = Case::open(harness, "sentence 10").await;
    let of =
        |supplier: &str, reason: FailureReason| key_for(supplier, &format!("{supplier} {reason}"));
    for id in ["north", "south"] {
        for reason in FailureReason::ALL {
            let key = of(id, reason);
            case.add(std::slice::from_ref(&key)).await;
            let claim = case.hold(&key, LIVE).await;
            case.settle(&claim, failed(reason, StreamRule::Hold)).await;
        }
    }
    case.bring(&key_for("north", "pending"), Situation::Due)
        .await;
    case.bring(&key_for("north", "notified"), Situation::Notified)
        .await;
    let reopen = |source, id: &str, reasons: &[FailureReason]| {
        let selection = Selection::Matching(Filter {
            supplier: Some(supplier(id)),
            reasons: reasons.to_vec(),
            ..Filter::of(source)
        });
        let store = Arc::clone(&case.store);
        async move { store.intervene(&selection, &reopen(), 1000).await }
    };
    let done = case.ok(reopen(other_source(), "north", &FailureReason::ALL).await);
    case.same("nothing of another source", done, Intervened::default());
    let done = case.ok(reopen(shop(), "east", &FailureReason::ALL).await);
    case.same("nothing of another supplier", done, Intervened::default());
    let done = case.ok(reopen(shop(), "north", &FailureReason::OF_CONFIGURATION).await);
    let wanted: Vec<_> = FailureReason::OF_CONFIGURATION
        .iter()
        .map(|reason| of("north", *reason))
        .collect();
    case.same(
        "what failed for one of the reasons",
        done,
        Intervened::new(wanted.clone(), Vec::new()),
    );
    let done = case.ok(reopen(shop(), "north", &FailureReason::OF_CONFIGURATION).await);
    case.same(
        "what was reopened has not failed",
        done,
        Intervened::default(),
    );
    for reason in FailureReason::ALL {
        let (north, south) = (of("north", reason), of("south", reason));
        let open = matches!(
            case.get(&north).await.state,
            NotificationState::Pending { .. }
        );
        case.same("the others are left alone", open, wanted.contains(&north));
        let state = case.get(&south).await.state;
        case.holds(
            "the other supplier's are left alone",
            matches!(state, NotificationState::Failed { .. }),
            &state,
        );
    }
}

/// Holds a store to sentence 10 of the [contract](crate::store::Store#contract).
pub async fn keys_that_are_absent_or_named_twice_do_no_harm(harness: &impl Harness) {
    let case = Case::open(harness, "sentence 10").await;
    for (n, intervention) in every_intervention().into_iter().enumerate() {
        let (there, held) = (key(&format!("A-{n}")), key(&format!("B-{n}")));
        case.bring(&there, Situation::FailedHolding).await;
        case.bring(&held, Situation::Live).await;
        let other = key(&format!("C-{n}"));
        case.bring(&other, Situation::FailedHolding).await;
        let before = case.get(&other).await;
        let keys = [
            there.clone(),
            key("absent"),
            held.clone(),
            there.clone(),
            held.clone(),
        ];
        let done = case.intervene(&keys, &intervention).await;
        case.same(
            "each is reported once",
            done,
            Intervened::new(vec![there.clone()], vec![held]),
        );
        case.holds(
            "and changed once",
            case.get(&there).await.reopened <= 1,
            case.get(&there).await,
        );
        case.same("no other is changed", case.get(&other).await, before);
    }
    let done = case.intervene(&[], &reopen()).await;
    case.same("no keys mean none", done, Intervened::default());
}

/// Holds a store to sentence 10 of the [contract](crate::store::Store#contract), under concurrency.
pub async fn a_claim_and_a_withdrawal_do_not_both_succeed(harness: &impl Harness) {
    let case = Case::open(harness, "sentence 10").await;
    let keys: Vec<_> = (0..20).map(|n| key(&format!("A-{n}"))).collect();
    case.add(&keys).await;
    enum Did {
        Claimed(Vec<Key>),
        Intervened(Intervened),
    }
    let work = case.side_by_side(2 * keys.len(), |number, store| {
        let one = vec![keys[number / 2].clone()];
        async move {
            if number % 2 == 0 {
                let request = ClaimRequest::new(shop(), Pick::NowOf(one), 1, LIVE);
                return store
                    .claim(&request)
                    .await
                    .map(|claims| Did::Claimed(keys_of(&claims.claims)));
            }
            let withdraw = withdraw("called off");
            store
                .intervene(&Selection::Keys(one), &withdraw, 1)
                .await
                .map(Did::Intervened)
        }
    });
    let (mut claimed, mut withdrawn, mut in_flight) = (Vec::new(), Vec::new(), Vec::new());
    for did in work.await {
        match case.ok(did) {
            Did::Claimed(keys) => claimed.extend(keys),
            Did::Intervened(done) => {
                withdrawn.extend(done.changed);
                in_flight.extend(done.in_flight);
            }
        }
    }
    let both: Vec<_> = claimed
        .iter()
        .filter(|key| withdrawn.contains(key))
        .collect();
    case.holds("what is withdrawn is not sent", both.is_empty(), both);
    case.same(
        "what is sent is reported as in flight",
        in_flight.len(),
        keys.len() - withdrawn.len(),
    );
}

const OPEN: [Situation; 5] = [
    Situation::Due,
    Situation::Waiting,
    Situation::Abandoned,
    Situation::FailedHolding,
    Situation::FailedPassing,
];

/// An intervention changes nothing there; a live lease is reported.
async fn left_alone<H: Harness>(
    case: &Case<'_, H>,
    situation: Situation,
    intervention: &Intervention,
) {
    let key = key(&format!("{situation:?} {intervention:?}"));
    case.bring(&key, situation).await;
    let before = case.get(&key).await;
    let done = case
        .intervene(std::slice::from_ref(&key), intervention)
        .await;
    let in_flight = if situation == Situation::Live {
        vec![key.clone()]
    } else {
        Vec::new()
    };
    let what = format!("{intervention:?} is not for this state ({situation:?})");
    case.same(&what, done, Intervened::new(Vec::new(), in_flight));
    case.same(&what, case.get(&key).await, before);
}
