//! Sentences 12 and 16: one after another, in their places.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::notification::{FailureReason, Key};
use crate::store::{
    Append, ClaimNew, ClaimRequest, Inserted, NewNotification, Pick, Start, Store, Then,
};
use crate::supplier::StreamRule;

use super::Harness;
use super::case::{
    Case, LIVE, SHORT, Situation, by, every_pick, every_pick_of_due, failed, key, key_for, keys_of,
    mark, notified, other_source, pending, reopen, stage, stage_for, step, withdraw,
};

/// Holds a store to sentence 12 of the [contract](crate::store::Store#contract).
pub async fn only_the_oldest_unfinished_of_a_stream_is_claimed(harness: &impl Harness) {
    let case = Case::open(harness, "sentence 12").await;
    // The names are not in the order of the positions.
    let keys = ["c", "a", "b"].map(|occurrence| stage("A-1", occurrence));
    case.insert(&keys.each_ref().map(pending)).await;
    for pick in every_pick(&keys) {
        let claims = case.claim(pick.clone(), LIVE).await;
        case.same(
            &format!("only the first can be claimed ({pick:?})"),
            &keys_of(&claims)[..],
            &keys[..1],
        );
        case.settle(
            &claims[0],
            Then::HandBack {
                after: Duration::ZERO,
            },
        )
        .await;
    }
    for pick in every_pick(&keys[1..]).into_iter().skip(3) {
        let what = format!("not even by name can a later one be claimed ({pick:?})");
        case.same(&what, case.claimed(pick).await, Vec::new());
    }
    let claim = case.hold(&keys[0], LIVE).await;
    for pick in every_pick(&keys) {
        case.same(
            "none while the first is being sent",
            case.claimed(pick).await,
            Vec::new(),
        );
    }
    case.settle(&claim, Then::Again { after: LIVE }).await;
    for pick in [Pick::Due, Pick::DueOf(keys.to_vec())] {
        case.same(
            "none while the first waits for its time",
            case.claimed(pick).await,
            Vec::new(),
        );
    }
    let claims = case.claim(Pick::NowOf(keys.to_vec()), SHORT).await;
    case.same(
        "the first, when asked for now",
        &keys_of(&claims)[..],
        &keys[..1],
    );
    case.lapse().await;
    let claims = case.claim_due(LIVE).await;
    case.same(
        "the first, when it was abandoned",
        &keys_of(&claims)[..],
        &keys[..1],
    );
}

/// Holds a store to sentence 12 of the [contract](crate::store::Store#contract).
pub async fn a_stream_goes_on_when_its_first_is_finished(harness: &impl Harness) {
    let case = Case::open(harness, "sentence 12").await;
    let keys = ["d", "c", "b", "a"].map(|occurrence| stage("A-1", occurrence));
    case.insert(&keys.each_ref().map(pending)).await;
    let first = case.claim_due(LIVE).await;
    case.settle(&first[0], notified("R-1")).await;
    case.same(
        "after a notified one",
        keys_of(&case.claim_due(SHORT).await),
        vec![keys[1].clone()],
    );
    case.lapse().await;
    let withdraw = withdraw("called off");
    case.intervene(&keys[1..2], &withdraw).await;
    case.same(
        "after a withdrawn one",
        case.claim_due(SHORT).await.len(),
        1,
    );
    case.lapse().await;
    case.intervene(&keys[2..3], &mark("by phone")).await;
    case.same(
        "after one that was marked",
        case.claimed_due().await,
        vec![keys[3].clone()],
    );
    let more = stage("A-1", "e");
    let answer = case.insert(&[pending(&more)]).await;
    case.same(
        "it goes on with what comes later",
        answer,
        vec![Inserted::New { position: 5 }],
    );
    case.same(
        "which waits for its turn",
        case.claimed_due().await,
        Vec::new(),
    );
}

/// Holds a store to sentence 12 of the [contract](crate::store::Store#contract).
pub async fn a_withdrawal_in_the_middle_of_a_stream_leaves_its_order(harness: &impl Harness) {
    let case = Case::open(harness, "sentence 12").await;
    let keys = ["c", "b", "a"].map(|occurrence| stage("A-1", occurrence));
    case.insert(&keys.each_ref().map(pending)).await;
    let withdraw = withdraw("called off");
    let done = case.intervene(&keys[1..2], &withdraw).await;
    case.same(
        "one in the middle can be withdrawn",
        &done.changed[..],
        &keys[1..2],
    );
    let claims = case.claim_due(LIVE).await;
    case.same("the first is first", &keys_of(&claims)[..], &keys[..1]);
    case.settle(&claims[0], notified("R-1")).await;
    case.same(
        "the last is next",
        &case.claimed_due().await[..],
        &keys[2..],
    );
}

/// Holds a store to sentence 12 of the [contract](crate::store::Store#contract).
pub async fn a_failure_holds_its_stream_or_lets_it_pass(harness: &impl Harness) {
    for (rule, next) in [(StreamRule::Hold, false), (StreamRule::Pass, true)] {
        let case = Case::open(harness, "sentence 12").await;
        let keys = ["b", "a"].map(|occurrence| stage("A-1", occurrence));
        case.insert(&keys.each_ref().map(pending)).await;
        let claim = case.hold(&keys[0], LIVE).await;
        case.settle(&claim, failed(FailureReason::Exhausted, rule))
            .await;
        for pick in every_pick(&keys) {
            let claims = case.claim(pick.clone(), LIVE).await;
            let wanted = if next { &keys[1..] } else { &[] };
            case.same(
                &format!("a failure that {rule:?} ({pick:?})"),
                &keys_of(&claims)[..],
                wanted,
            );
            for claim in &claims {
                case.settle(
                    claim,
                    Then::HandBack {
                        after: Duration::ZERO,
                    },
                )
                .await;
            }
        }
        let late = stage("A-1", "c");
        case.insert(&[pending(&late)]).await;
        let wanted = if next { &keys[1..] } else { &[] };
        case.same(
            "what comes later stands behind",
            &case.claimed_due().await[..],
            wanted,
        );
    }
}

/// Holds a store to sentence 12 of the [contract](crate::store::Store#contract).
pub async fn what_is_reopened_is_the_oldest_of_its_stream_again(harness: &impl Harness) {
    let case = Case::open(harness, "sentence 12").await;
    let keys = ["c", "b", "a"].map(|occurrence| stage("A-1", occurrence));
    case.insert(&keys.each_ref().map(pending)).await;
    let claim = case.hold(&keys[0], LIVE).await;
    case.settle(&claim, failed(FailureReason::Exhausted, StreamRule::Pass))
        .await;
    let second = case.hold(&keys[1], LIVE).await;
    let done = case.intervene(&keys[..1], &reopen()).await;
    case.same(
        "what was passed can be reopened",
        &done.changed[..],
        &keys[..1],
    );
    // Another holder is sending the second already; that cannot be taken back, and its outcome counts.
    case.settle(
        &second,
        Then::Again {
            after: Duration::ZERO,
        },
    )
    .await;
    for pick in every_pick_of_due(&keys) {
        let claims = case.claim(pick.clone(), LIVE).await;
        case.same(
            &format!("the reopened one comes first ({pick:?})"),
            &keys_of(&claims)[..],
            &keys[..1],
        );
        case.settle(
            &claims[0],
            Then::HandBack {
                after: Duration::ZERO,
            },
        )
        .await;
    }
    let claim = case.hold(&keys[0], LIVE).await;
    case.settle(&claim, notified("R-1")).await;
    let claims = case.claim_due(LIVE).await;
    case.same("then the second", &keys_of(&claims)[..], &keys[1..2]);
    case.settle(&claims[0], notified("R-2")).await;
    case.same("then the third", &case.claimed_due().await[..], &keys[2..]);
}

/// Holds a store to sentence 12 of the [contract](crate::store::Store#contract).
pub async fn what_begins_finished_holds_nothing_back(harness: &impl Harness) {
    let case = Case::open(harness, "sentence 12").await;
    let keys = ["c", "b", "a"].map(|occurrence| stage("A-1", occurrence));
    let not_wanted = NewNotification::new(keys[0].clone(), Start::NotWanted);
    let told = NewNotification::new(
        keys[1].clone(),
        Start::Notified {
            reference: "R".to_owned(),
            by: by(),
        },
    );
    let answers = case.insert(&[not_wanted, told, pending(&keys[2])]).await;
    let wanted = [1, 2, 3]
        .map(|position| Inserted::New { position })
        .to_vec();
    case.same("they have their places", answers, wanted);
    case.same(
        "and hold nothing back",
        &case.claimed_due().await[..],
        &keys[2..],
    );
}

/// Holds a store to sentence 12 of the [contract](crate::store::Store#contract).
pub async fn streams_do_not_wait_for_each_other(harness: &impl Harness) {
    let case = Case::open(harness, "sentence 12").await;
    let held = stage("A-1", "first");
    case.bring(&held, Situation::FailedHolding).await;
    let mut elsewhere = key("A-1");
    elsewhere.source = other_source();
    let keys = [
        key_for("south", "A-1"),
        key("A-2"),
        elsewhere.clone(),
        key("A-1"),
    ];
    // At the second place, so that the first place of another stream is older.
    let mut firsts = [
        stage_for("south", "A-1", "first"),
        stage("A-2", "first"),
        stage("A-1", "first"),
    ];
    firsts[2].source = other_source();
    case.insert(&firsts.map(|first| NewNotification::new(first, Start::NotWanted)))
        .await;
    case.add(&keys).await;
    case.same(
        "another supplier or order is another stream",
        &case.claimed_due().await[..],
        &keys[..2],
    );
    let request = ClaimRequest::new(other_source(), Pick::New, 9, LIVE);
    let claims = case.request(&request).await.claims;
    case.same("so is another source", keys_of(&claims), vec![elsewhere]);
}

/// Holds a store to sentence 16 of the [contract](crate::store::Store#contract).
pub async fn positions_start_at_1_and_have_no_gaps(harness: &impl Harness) {
    let case = Case::open(harness, "sentence 16").await;
    let new = |position| Inserted::New { position };
    let one = |occurrence: &str| pending(&stage("A-1", occurrence));
    let other = |occurrence: &str| pending(&stage_for("south", "A-1", occurrence));
    let answers = case
        .insert(&[
            one("a"),
            other("a"),
            one("b"),
            one("a"),
            pending(&key("A-1")),
        ])
        .await;
    case.same(
        "each stream counts for itself",
        answers,
        vec![new(1), new(1), new(2), Inserted::Existing, new(3)],
    );
    let mut stale = one("x");
    stale.append = Append::At(9);
    case.insert(&[one("y"), stale]).await;
    let answers = case.insert(&[one("c"), other("b")]).await;
    case.same(
        "what was not stored takes no place",
        answers,
        vec![new(4), new(2)],
    );
    for (position, occurrence) in [(1, "a"), (2, "b"), (4, "c")] {
        case.same(
            "a position stays",
            case.get(&stage("A-1", occurrence)).await.position,
            position,
        );
    }
    let withdraw = withdraw("called off");
    let all = [
        stage("A-1", "a"),
        stage("A-1", "b"),
        key("A-1"),
        stage("A-1", "c"),
    ];
    case.intervene(&all, &withdraw).await;
    let answers = case.insert(&[one("d")]).await;
    case.same(
        "it goes on when everything is finished",
        answers,
        vec![new(5)],
    );
    let claim = case.hold(&stage("A-1", "d"), LIVE).await;
    case.same("a claim says the position", claim.position, 5);
}

/// Holds a store to sentence 16 of the [contract](crate::store::Store#contract).
pub async fn a_position_that_is_asked_for_must_be_the_next(harness: &impl Harness) {
    let case = Case::open(harness, "sentence 16").await;
    let at = |occurrence: &str, position| {
        let mut new = pending(&stage("A-1", occurrence));
        new.append = Append::At(position);
        new
    };
    for wrong in [0, 2, 3, i64::MAX as u64] {
        let answers = case.insert(&[at("a", wrong)]).await;
        case.same(
            "the first position is 1",
            answers,
            vec![Inserted::Stale { next: 1 }],
        );
    }
    case.same(
        "the next one is stored",
        case.insert(&[at("a", 1)]).await,
        vec![Inserted::New { position: 1 }],
    );
    for wrong in [0, 1, 3] {
        let answers = case.insert(&[at("b", wrong)]).await;
        case.same(
            "any other is stale",
            answers,
            vec![Inserted::Stale { next: 2 }],
        );
        let found = case.ok(case.store.get(&stage("A-1", "b")).await);
        case.holds("and not stored", found.is_none(), found);
    }
    let answers = case
        .insert(&[at("b", 2), pending(&stage("A-1", "c")), at("d", 4)])
        .await;
    let wanted = [2, 3, 4]
        .map(|position| Inserted::New { position })
        .to_vec();
    case.same("a slice counts on", answers, wanted);
}

/// Holds a store to sentence 16 of the [contract](crate::store::Store#contract).
pub async fn a_present_key_is_found_whatever_position_was_asked_for(harness: &impl Harness) {
    let case = Case::open(harness, "sentence 16").await;
    case.add(&[stage("A-1", "a"), stage("A-1", "b")]).await;
    for position in [0, 1, 2, 3, 9] {
        let mut again = pending(&stage("A-1", "a"));
        again.append = Append::At(position);
        let answers = case
            .insert(&[again.clone(), pending(&key(&format!("B-{position}")))])
            .await;
        let wanted = vec![Inserted::Existing, Inserted::New { position: 1 }];
        case.same("the key is looked at before the position", answers, wanted);
        case.same(
            "and keeps its place",
            case.get(&again.key).await.position,
            1,
        );
    }
}

/// Holds a store to sentence 16 of the [contract](crate::store::Store#contract).
pub async fn concurrent_appends_leave_no_gap_and_no_twin(harness: &impl Harness) {
    let case = Case::open(harness, "sentence 16").await;
    let of = |number: usize| stage("A-1", &number.to_string());
    let answers = case.side_by_side(48, |number, store| {
        let new = pending(&of(number));
        async move { store.insert(&[new], &ClaimNew::NONE).await }
    });
    let mut positions = BTreeSet::new();
    for (number, answer) in answers.await.into_iter().enumerate() {
        let answer = case.ok(answer);
        let [Inserted::New { position }] = answer.answers[..] else {
            case.fails("each of them is new", answer)
        };
        case.holds(
            "no two have one position",
            positions.insert(position),
            position,
        );
        case.same(
            "it is stored at its position",
            case.get(&of(number)).await.position,
            position,
        );
    }
    case.same("there is no gap", positions, (1..=48).collect());
    let mut order: Vec<(u64, Key)> = Vec::new();
    for _ in 0..48 {
        let claims = case.claim_due(LIVE).await;
        case.same("one at a time is claimed", claims.len(), 1);
        order.push((claims[0].position, claims[0].key.clone()));
        case.write(step(&claims[0], notified("R"))).await;
    }
    let in_order = order.iter().map(|(position, _)| *position).eq(1..=48);
    case.holds(
        "they are claimed in the order of their positions",
        in_order,
        order,
    );
}

/// Holds a store to sentence 16 of the [contract](crate::store::Store#contract).
pub async fn of_concurrent_appends_at_one_position_one_is_stored(harness: &impl Harness) {
    let case = Case::open(harness, "sentence 16").await;
    let answers = case.side_by_side(32, |number, store| {
        let mut new = pending(&stage("A-1", &number.to_string()));
        new.append = Append::At(1);
        async move { store.insert(&[new], &ClaimNew::NONE).await }
    });
    let answers: Vec<_> = answers
        .await
        .into_iter()
        .flat_map(|answer| case.ok(answer).answers)
        .collect();
    let count = |wanted: Inserted| answers.iter().filter(|answer| **answer == wanted).count();
    case.holds(
        "one is new",
        count(Inserted::New { position: 1 }) == 1,
        &answers,
    );
    case.holds(
        "the others are stale",
        count(Inserted::Stale { next: 2 }) == 31,
        &answers,
    );
}
