//! Sentences 4 and 13: what is new, what is due, and what is put off.

use std::time::Duration;

use crate::notification::{FailureReason, Key, NotificationState};
use crate::store::{ClaimRequest, Pick, Then};
use crate::supplier::StreamRule;

use super::Harness;
use super::case::{
    Case, LIVE, SHORT, attempt, failed, key, key_for, keys_of, ledger, notified, pending, reopen,
    shop, stage, step,
};

/// Holds a store to sentence 13 of the [contract](crate::store::Store#contract).
pub async fn what_is_new_is_claimed_in_the_order_in_which_it_was_stored(harness: &impl Harness) {
    let case = Case::open(harness, "sentence 13").await;
    // Neither in the order of their names nor supplier by supplier.
    let keys = [
        key_for("south", "A-3"),
        key_for("north", "A-1"),
        key_for("south", "A-2"),
        key_for("east", "A-9"),
    ];
    case.add(&keys).await;
    case.same(
        "what is new is not among what waited",
        case.claimed(Pick::Due).await,
        Vec::new(),
    );
    let suppliers = keys.iter().map(|key| key.supplier.clone()).collect();
    case.same(
        "and not put off",
        case.claimed(Pick::PutOff(suppliers)).await,
        Vec::new(),
    );
    let first = case
        .request(&ClaimRequest::new(shop(), Pick::New, 2, LIVE))
        .await
        .claims;
    case.same("the oldest come first", &keys_of(&first)[..], &keys[..2]);
    case.same(
        "then the others",
        &case.claimed(Pick::New).await[..],
        &keys[2..],
    );
}

/// Holds a store to sentence 13 of the [contract](crate::store::Store#contract).
pub async fn what_a_holder_gave_back_is_never_new_again(harness: &impl Harness) {
    let case = Case::open(harness, "sentence 13").await;
    for then in [
        Then::HandBack {
            after: Duration::ZERO,
        },
        Then::Again {
            after: Duration::ZERO,
        },
    ] {
        let key = key(&format!("{then:?}"));
        case.add(std::slice::from_ref(&key)).await;
        let claim = case.claim(Pick::New, LIVE).await.remove(0);
        case.settle(&claim, then.clone()).await;
        case.same(
            &format!("it is not new any more ({then:?})"),
            case.claimed(Pick::New).await,
            Vec::new(),
        );
        case.same(
            &format!("it is due ({then:?})"),
            case.claimed(Pick::Due).await,
            vec![key],
        );
    }
    let key = key("A-1");
    case.add(std::slice::from_ref(&key)).await;
    let claim = case.hold(&key, LIVE).await;
    case.settle(&claim, failed(FailureReason::Config, StreamRule::Hold))
        .await;
    case.intervene(std::slice::from_ref(&key), &reopen()).await;
    case.same(
        "what is reopened is not new",
        case.claimed(Pick::New).await,
        Vec::new(),
    );
    case.same("it is due", case.claimed(Pick::Due).await, vec![key]);
}

/// Holds a store to sentence 13 of the [contract](crate::store::Store#contract).
pub async fn what_comes_to_the_front_of_its_stream_is_new(harness: &impl Harness) {
    let case = Case::open(harness, "sentence 13").await;
    let keys = [stage("A-1", "first"), stage("A-1", "second")];
    case.insert(&keys.each_ref().map(pending)).await;
    let first = case.claim(Pick::New, LIVE).await;
    case.same("the first is new", &keys_of(&first)[..], &keys[..1]);
    case.settle(
        &first[0],
        Then::HandBack {
            after: Duration::ZERO,
        },
    )
    .await;
    case.same(
        "the second waits behind it",
        case.claimed(Pick::New).await,
        Vec::new(),
    );
    let first = case.claim(Pick::Due, LIVE).await;
    case.settle(&first[0], notified("R-1")).await;
    case.same(
        "then the second is new",
        &case.claimed(Pick::New).await[..],
        &keys[1..],
    );
}

/// Holds a store to sentence 13 of the [contract](crate::store::Store#contract).
pub async fn what_is_put_off_is_due_when_its_time_has_come(harness: &impl Harness) {
    let case = Case::open(harness, "sentence 13").await;
    let key = key("A-1");
    case.add(std::slice::from_ref(&key)).await;
    let claim = case.hold(&key, LIVE).await;
    case.settle(&claim, Then::HandBack { after: LIVE }).await;
    case.same(
        "before its time it is not due",
        case.claimed(Pick::Due).await,
        Vec::new(),
    );
    case.same(
        "nor by its key",
        case.claimed(Pick::DueOf(vec![key.clone()])).await,
        Vec::new(),
    );
    let next = case
        .request(&ClaimRequest::new(shop(), Pick::Due, 9, LIVE))
        .await
        .next_due;
    let NotificationState::Pending { due } = case.get(&key).await.state else {
        case.fails("it is pending", &key)
    };
    case.holds(
        "its time is the next one",
        next.is_some_and(|next| next <= due),
        (next, due),
    );
    let claim = case.hold(&key, LIVE).await;
    case.settle(&claim, Then::HandBack { after: SHORT }).await;
    case.lapse().await;
    case.same(
        "at its time it is due",
        case.claimed(Pick::Due).await,
        vec![key],
    );
}

/// Holds a store to sentence 13 of the [contract](crate::store::Store#contract).
pub async fn what_is_put_off_is_claimed_by_supplier_before_its_time(harness: &impl Harness) {
    let case = Case::open(harness, "sentence 13").await;
    let put_off = |suppliers: &[&str]| {
        let id = |id: &&str| key_for(id, "A").supplier;
        Pick::PutOff(suppliers.iter().map(id).collect())
    };
    let keys = [
        key_for("north", "A-1"),
        key_for("south", "A-2"),
        key_for("north", "A-3"),
        key_for("east", "A-4"),
    ];
    case.add(&keys).await;
    let claims = case.claim(Pick::New, LIVE).await;
    // The earliest moment is not the oldest notification.
    for (claim, after) in claims.iter().zip([LIVE * 3, LIVE, LIVE * 2, LIVE]) {
        case.settle(claim, Then::HandBack { after }).await;
    }
    case.same(
        "of no supplier nothing is claimed",
        case.claimed(put_off(&[])).await,
        Vec::new(),
    );
    case.same(
        "of another supplier nothing is claimed",
        case.claimed(put_off(&["west"])).await,
        Vec::new(),
    );
    let suppliers = put_off(&["south", "north", "south"]);
    let claims = case
        .request(&ClaimRequest::new(shop(), suppliers.clone(), 2, LIVE))
        .await;
    case.same(
        "the earliest moments come first",
        keys_of(&claims.claims),
        vec![keys[1].clone(), keys[2].clone()],
    );
    case.same(
        "there is no next time for what is put off",
        claims.next_due,
        None,
    );
    case.same(
        "then what is left of these suppliers",
        case.claimed(suppliers.clone()).await,
        vec![keys[0].clone()],
    );
    case.same(
        "what is held is not put off",
        case.claimed(suppliers).await,
        Vec::new(),
    );
}

/// Holds a store to sentence 13 of the [contract](crate::store::Store#contract).
pub async fn what_waits_for_its_next_try_is_not_put_off(harness: &impl Harness) {
    let case = Case::open(harness, "sentence 13").await;
    let key = key("A-1");
    let put_off = Pick::PutOff(vec![key.supplier.clone()]);
    case.add(std::slice::from_ref(&key)).await;
    case.same(
        "what is new is not put off",
        case.claimed(put_off.clone()).await,
        Vec::new(),
    );
    let claim = case.hold(&key, LIVE).await;
    case.settle(&claim, Then::HandBack { after: LIVE }).await;
    let claim = case.claim(put_off.clone(), LIVE).await.remove(0);
    case.settle(&claim, Then::Again { after: LIVE }).await;
    case.same(
        "what waits for its next try is left alone",
        case.claimed(put_off.clone()).await,
        Vec::new(),
    );
    let claim = case.hold(&key, SHORT).await;
    case.lapse().await;
    case.same(
        "what was abandoned is not put off",
        case.claimed(put_off.clone()).await,
        Vec::new(),
    );
    case.settle(&claim, Then::HandBack { after: LIVE }).await;
    case.same(
        "what its holder put off late is",
        case.claimed(put_off.clone()).await,
        vec![key.clone()],
    );
}

/// Holds a store to sentence 8 of the [contract](crate::store::Store#contract).
pub async fn what_is_put_off_keeps_its_attempts_and_ledger(harness: &impl Harness) {
    let case = Case::open(harness, "sentence 8").await;
    let key = key("A-1");
    case.add(std::slice::from_ref(&key)).await;
    let claim = case.hold(&key, LIVE).await;
    let mut back = step(&claim, Then::HandBack { after: LIVE }).with_attempts(0, vec![attempt(0)]);
    back.ledger = ledger(3);
    case.write(back).await;
    let claims = case
        .claim(Pick::PutOff(vec![key.supplier.clone()]), LIVE)
        .await;
    case.same("it is put off", keys_of(&claims), vec![key.clone()]);
    case.same("its claim counts the attempt", claims[0].attempts, 1);
    case.same("its claim has the ledger", &claims[0].ledger, &ledger(3));
    case.same(
        "the attempt is there",
        case.get(&key).await.attempts,
        vec![attempt(0)],
    );
}

/// Holds a store to the words of [`Claims::next_due`](crate::store::Claims::next_due).
pub async fn there_is_no_next_due_time_for_what_was_named(harness: &impl Harness) {
    let case = Case::open(harness, "the words of `Claims::next_due`").await;
    let keys: [Key; 2] = [key("A-1"), key("A-2")];
    case.add(&keys).await;
    for pick in [Pick::DueOf(keys.to_vec()), Pick::NowOf(keys.to_vec())] {
        let claims = case
            .request(&ClaimRequest::new(shop(), pick.clone(), 1, LIVE))
            .await;
        case.same(
            &format!("one is left out ({pick:?})"),
            claims.claims.len(),
            1,
        );
        case.same(
            &format!("the caller knows what it asked for ({pick:?})"),
            claims.next_due,
            None,
        );
        case.settle(
            &claims.claims[0],
            Then::HandBack {
                after: Duration::ZERO,
            },
        )
        .await;
    }
}
