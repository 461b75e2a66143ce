//! Sentence 15: what is listed and counted.

use std::collections::BTreeSet;

use crate::event::{ContentDigest, Memo};
use crate::notification::{FailureReason, Key, StateName};
use crate::store::{Filter, Page, Pick, Then};
use crate::supplier::StreamRule;

use super::Harness;
use super::case::{
    Case, LIVE, Situation, attempt, failed, key, key_for, ledger, mark, notified, pending, reopen,
    shop, step,
};
use super::filters::listed;

/// Holds a store to sentence 15 of the [contract](crate::store::Store#contract).
pub async fn a_listing_is_in_the_order_of_insertion(harness: &impl Harness) {
    let case = Case::open(harness, "sentence 15").await;
    let keys = ["A-5", "A-2", "A-9", "A-1", "A-7", "A-3"].map(key);
    case.add(&keys[..2]).await;
    case.insert(&keys[2..5].iter().map(pending).collect::<Vec<_>>())
        .await;
    case.add(&keys[5..]).await;
    // What happens to them later does not move them.
    let claim = case.hold(&keys[0], LIVE).await;
    case.settle(&claim, Then::Again { after: LIVE }).await;
    case.hold(&keys[3], LIVE).await;
    case.intervene(&keys[1..2], &mark("R")).await;
    case.insert(&[pending(&keys[0])]).await;
    case.same(
        "in the order of insertion",
        listed(&case, &Filter::of(shop()), 100).await,
        keys.to_vec(),
    );
    for limit in [1, 2, 4] {
        let what = format!("in pages of {limit} too");
        case.same(
            &what,
            listed(&case, &Filter::of(shop()), limit).await,
            keys.to_vec(),
        );
    }
}

/// Holds a store to sentence 15 of the [contract](crate::store::Store#contract).
pub async fn a_listing_has_all_but_the_bodies(harness: &impl Harness) {
    let case = Case::open(harness, "sentence 15").await;
    for situation in Situation::ALL {
        case.bring(&key(&format!("{situation:?}")), situation).await;
    }
    let mut new = pending(&key("A-1"));
    new.memo = Memo::new(*b"memo").ok();
    new.content_digest = Some(ContentDigest::of(b"one"));
    new.traceparent = Some("trace".to_owned());
    case.insert(&[new.clone()]).await;
    let claim = case.hold(&new.key, LIVE).await;
    let mut failure = step(&claim, failed(FailureReason::Exhausted, StreamRule::Pass));
    failure.attempts = vec![attempt(0), attempt(1)];
    failure.ledger = ledger(3);
    case.write(failure).await;
    case.intervene(std::slice::from_ref(&new.key), &reopen())
        .await;
    let notifications = case
        .list(&Filter::of(shop()), &Page::first(100))
        .await
        .notifications;
    case.same(
        "all are listed",
        notifications.len(),
        Situation::ALL.len() + 1,
    );
    for seen in notifications {
        let wanted = case.get(&seen.key).await.as_listed();
        case.same("a listing has all but the body", seen, wanted);
    }
}

/// Holds a store to sentence 15 of the [contract](crate::store::Store#contract).
pub async fn the_last_page_says_so(harness: &impl Harness) {
    let case = Case::open(harness, "sentence 15").await;
    let empty = case.list(&Filter::of(shop()), &Page::first(3)).await;
    case.holds(
        "there is nothing after nothing",
        empty.notifications.is_empty() && empty.next.is_none(),
        &empty,
    );
    for n in 0..6 {
        case.add(&[key(&format!("A-{n}"))]).await;
    }
    let first = case.list(&Filter::of(shop()), &Page::first(4)).await;
    case.same("a page has as many as it may", first.notifications.len(), 4);
    let Some(cursor) = first.next else {
        case.fails("there is more", first)
    };
    for limit in [2, 3] {
        let last = case
            .list(&Filter::of(shop()), &Page::after(cursor.clone(), limit))
            .await;
        case.same("the rest is on the last page", last.notifications.len(), 2);
        case.holds(
            "the last page has none after it",
            last.next.is_none(),
            &last,
        );
    }
    let whole = case.list(&Filter::of(shop()), &Page::first(6)).await;
    case.holds("also when it is full", whole.next.is_none(), &whole.next);
}

/// Holds a store to sentence 15 of the [contract](crate::store::Store#contract).
pub async fn paging_neither_skips_nor_repeats_while_others_change(harness: &impl Harness) {
    let mut only_pending = Filter::of(shop());
    only_pending.states = vec![StateName::Pending];
    for filter in [Filter::of(shop()), only_pending] {
        let case = Case::open(harness, "sentence 15").await;
        let keys: Vec<_> = (0..12)
            .map(|n| key_for(&format!("supplier-{}", n % 2), &format!("A-{}", 90 - n)))
            .collect();
        case.add(&keys).await;
        // The even ones are left alone; these have to be seen whatever happens beside them.
        let mut page = Page::first(4);
        let mut seen: Vec<Key> = Vec::new();
        for number in 0..50 {
            let listing = case.list(&filter, &page).await;
            seen.extend(
                listing
                    .notifications
                    .iter()
                    .map(|notification| notification.key.clone()),
            );
            let Some(next) = listing.next else { break };
            page = Page::after(next, 4);
            // Two that were listed and one that is to come leave the filter; a new one enters it.
            let listed = listing
                .notifications
                .iter()
                .rev()
                .map(|notification| &notification.key);
            let odd = |key: &&Key| {
                keys.iter()
                    .position(|known| known == *key)
                    .is_some_and(|n| n % 2 == 1)
            };
            let to_come = keys
                .iter()
                .rev()
                .filter(odd)
                .find(|key| !seen.contains(key));
            for key in listed.filter(odd).take(2).chain(to_come) {
                let claims = case.claim(Pick::NowOf(vec![key.clone()]), LIVE).await;
                for claim in &claims {
                    case.settle(claim, notified("R")).await;
                }
            }
            if number < 3 {
                case.add(&[key_for("supplier-0", &format!("new-{number}"))])
                    .await;
            }
        }
        let distinct: BTreeSet<_> = seen.iter().collect();
        case.same("nothing is repeated", distinct.len(), seen.len());
        let skipped: Vec<_> = keys
            .iter()
            .step_by(2)
            .filter(|key| !distinct.contains(key))
            .collect();
        case.holds("nothing is skipped", skipped.is_empty(), skipped);
        let places = seen
            .iter()
            .filter_map(|key| keys.iter().position(|known| known == key));
        case.holds("the order holds over the pages", places.is_sorted(), &seen);
    }
}
