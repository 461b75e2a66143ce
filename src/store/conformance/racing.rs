//! Sentences 2 and 3: inserts side by side, and calls that are dropped.

use std::future::{Future, poll_fn};
use std::task::Poll;

use crate::notification::NotificationState;
use crate::store::{ClaimNew, ClaimRequest, Inserted, Pick, Start, Store};

use super::Harness;
use super::case::{Case, LIVE, attempt, body, key, keys_of, notified, pending, shop, step};

/// Holds a store to sentence 3 of the [contract](crate::store::Store#contract).
pub async fn of_concurrent_inserts_of_one_key_one_is_new(harness: &impl Harness) {
    let case = Case::open(harness, "sentence 3").await;
    let key = key("A-1");
    let answers = case.side_by_side(64, |number, store| {
        let mut new = pending(&key);
        new.start = Start::pending(body(&number.to_string()));
        async move { store.insert(&[new], &ClaimNew::NONE).await }
    });
    let answers: Vec<_> = answers
        .await
        .into_iter()
        .flat_map(|answer| case.ok(answer).answers)
        .collect();
    let winners: Vec<_> = answers
        .iter()
        .enumerate()
        .filter(|(_, answer)| **answer == Inserted::New { position: 1 })
        .collect();
    let [(winner, _)] = winners[..] else {
        case.fails("exactly one of 64 is new", answers)
    };
    let others = answers
        .iter()
        .filter(|answer| **answer == Inserted::Existing)
        .count();
    case.same("the others are existing", others, 63);
    case.same(
        "the body of the new one is stored",
        case.get(&key).await.body,
        Some(body(&winner.to_string())),
    );
    case.same("it is there once", case.claimed_due().await, vec![key]);
}

/// Holds a store to sentence 3 of the [contract](crate::store::Store#contract), for slices that name the same keys in
/// another order.
pub async fn of_concurrent_slices_each_key_is_new_in_one(harness: &impl Harness) {
    let case = Case::open(harness, "sentence 3").await;
    let keys: Vec<_> = (0..8).map(|n| key(&format!("A-{n}"))).collect();
    let answers = case.side_by_side(24, |number, store| {
        let mut slice: Vec<_> = keys.iter().map(pending).collect();
        slice.rotate_left(number / 2 % keys.len());
        if number % 2 == 1 {
            slice.reverse();
        }
        async move {
            let answers = store.insert(&slice, &ClaimNew::NONE).await?.answers;
            Ok(slice
                .into_iter()
                .map(|new| new.key)
                .zip(answers)
                .collect::<Vec<_>>())
        }
    });
    let answers: Vec<_> = answers
        .await
        .into_iter()
        .flat_map(|answer| case.ok(answer))
        .collect();
    for key in &keys {
        let new = answers
            .iter()
            .filter(|(of, answer)| of == key && matches!(answer, Inserted::New { .. }))
            .count();
        case.same("each key is new in exactly one slice", new, 1);
    }
    case.same(
        "each is there once",
        case.claimed_due().await.len(),
        keys.len(),
    );
}

/// Holds a store to the last paragraph of the [contract](crate::store::Store#contract): a call that is dropped happened
/// or did not.
pub async fn a_dropped_call_has_happened_or_has_not(harness: &impl Harness) {
    for polls in 1..=3 {
        let case = Case::open(harness, "the last paragraph").await;
        let slice = [
            pending(&key("A-1")),
            pending(&key("A-2")),
            pending(&key("A-3")),
        ];
        drop_after(polls, case.store.insert(&slice, &ClaimNew::NONE)).await;
        let answers = case.insert(&slice).await;
        let new = answers
            .iter()
            .filter(|answer| matches!(answer, Inserted::New { .. }))
            .count();
        case.holds(
            "a dropped insert has stored all of it or nothing",
            new == 0 || new == 3,
            &answers,
        );

        let claim = case.hold(&slice[0].key, LIVE).await;
        let step = step(&claim, notified("R-1")).with_attempts(0, vec![attempt(0)]);
        drop_after(polls, case.store.write(std::slice::from_ref(&step))).await;
        let seen = case.get(&claim.key).await;
        let whole =
            matches!(seen.state, NotificationState::Notified { .. }) == (seen.attempts.len() == 1);
        case.holds(
            "a dropped step is recorded whole or not at all",
            whole,
            &seen,
        );
        case.write(step).await;
        let seen = case.get(&claim.key).await;
        let whole =
            matches!(seen.state, NotificationState::Notified { .. }) && seen.attempts.len() == 1;
        case.holds(
            "a step that is repeated after it was dropped is recorded once",
            whole,
            &seen,
        );
    }
}

/// Holds a store to the last paragraph of the [contract](crate::store::Store#contract): a claim that was dropped holds
/// nothing.
pub async fn a_dropped_claim_strands_nothing(harness: &impl Harness) {
    for polls in 1..=3 {
        let case = Case::open(harness, "the last paragraph").await;
        let keys = [key("A-1"), key("A-2"), key("A-3")];
        case.add(&keys).await;
        let request = ClaimRequest::new(shop(), Pick::New, 9, LIVE);
        if drop_after(polls, case.store.claim(&request))
            .await
            .is_some()
        {
            continue;
        }
        let mut held = case.claim_due(LIVE).await;
        held.sort_by(|one, other| one.key.cmp(&other.key));
        case.same(
            "what a dropped claim was for can be claimed at once",
            &keys_of(&held)[..],
            &keys[..],
        );
        case.holds(
            "no holder was interrupted",
            held.iter().all(|claim| !claim.taken_over),
            &held,
        );
    }
}

pub(super) async fn drop_after<T>(polls: u32, call: impl Future<Output = T>) -> Option<T> {
    let mut call = Box::pin(call);
    for _ in 0..polls {
        match poll_fn(|context| Poll::Ready(call.as_mut().poll(context))).await {
            Poll::Ready(answer) => return Some(answer),
            Poll::Pending => tokio::task::yield_now().await,
        }
    }
    None
}
