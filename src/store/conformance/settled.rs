//! Sentence 17: what settled, in the order in which it did.

use crate::notification::{FailureReason, Key};
use crate::store::{Cursor, Listing, NewNotification, Page, Start};
use crate::supplier::StreamRule;

use super::Harness;
use super::case::{
    Case, LIVE, by, failed, key, mark, notified, other_source, pending, reopen, withdraw,
};

/// Holds a store to sentence 17 of the [contract](crate::store::Store#contract).
pub async fn what_settled_is_listed_in_the_order_in_which_it_did(harness: &impl Harness) {
    let case = Case::open(harness, "sentence 17").await;
    let nothing = case.settled(&Page::first(10)).await;
    case.same("nothing has settled", nothing, Listing::default());
    let keys = ["A-1", "A-2", "A-3", "A-4", "A-5"].map(key);
    case.add(&keys).await;
    let mut elsewhere = keys[0].clone();
    elsewhere.source = other_source();
    let told = Start::Notified {
        reference: "R-0".to_owned(),
        by: by(),
    };
    case.insert(&[
        NewNotification::new(elsewhere, told.clone()),
        NewNotification::new(key("A-0"), told),
    ])
    .await;
    for (n, then) in [
        (3, notified("R-3")),
        (1, failed(FailureReason::Exhausted, StreamRule::Hold)),
    ] {
        let claim = case.hold(&keys[n], LIVE).await;
        case.settle(&claim, then).await;
    }
    case.hold(&keys[2], LIVE).await;
    case.intervene(&keys[4..], &withdraw("refunded")).await;
    case.intervene(&keys[..1], &mark("R-1")).await;
    let wanted = [
        key("A-0"),
        keys[3].clone(),
        keys[1].clone(),
        keys[0].clone(),
    ];
    let listing = case.settled(&Page::first(10)).await;
    case.same(
        "what is notified or failed, as it became so",
        names(&listing),
        wanted.to_vec(),
    );
    for seen in listing.notifications {
        let wanted = case.get(&seen.key).await.as_listed();
        case.same("all of it but the body", seen, wanted);
    }
    case.same(
        "page by page too",
        all_from(&case, None, 1).await.0,
        wanted.to_vec(),
    );
}

/// Holds a store to sentence 17 of the [contract](crate::store::Store#contract).
pub async fn what_settles_later_comes_after_the_cursor(harness: &impl Harness) {
    let case = Case::open(harness, "sentence 17").await;
    let keys = ["A-1", "A-2", "A-3"].map(key);
    case.insert(&keys.iter().map(pending).collect::<Vec<_>>())
        .await;
    let mut claims = Vec::new();
    for key in &keys {
        claims.push(case.hold(key, LIVE).await);
    }
    case.settle(&claims[2], notified("R")).await;
    let (seen, after) = all_from(&case, None, 2).await;
    case.same("the first that settled", seen, vec![keys[2].clone()]);
    let again = case
        .settled(&Page::after(cursor(&case, after.clone()), 2))
        .await;
    case.same("nothing new", names(&again), Vec::new());
    case.holds("where to go on is kept", again.next == after, &again.next);

    case.settle(&claims[0], failed(FailureReason::Config, StreamRule::Hold))
        .await;
    case.settle(&claims[1], notified("R")).await;
    let page = case.settled(&Page::after(cursor(&case, after), 1)).await;
    case.same(
        "a page ends where it says",
        names(&page),
        vec![keys[0].clone()],
    );
    let (seen, after) = all_from(&case, page.next, 1).await;
    case.same(
        "what settled later, the older row first or not",
        seen,
        vec![keys[1].clone()],
    );

    case.intervene(&keys[..1], &reopen()).await;
    case.same(
        "what was reopened is not settled",
        all_from(&case, None, 10).await.0.len(),
        2,
    );
    let claim = case.hold(&keys[0], LIVE).await;
    case.settle(&claim, notified("R")).await;
    case.same(
        "what settles again comes again",
        all_from(&case, after, 10).await.0,
        vec![keys[0].clone()],
    );
}

fn names(listing: &Listing) -> Vec<Key> {
    listing
        .notifications
        .iter()
        .map(|notification| notification.key.clone())
        .collect()
}

fn cursor<H: Harness>(case: &Case<'_, H>, next: Option<Cursor>) -> Cursor {
    match next {
        Some(cursor) => cursor,
        None => case.fails("something has settled, so there is a place to go on", next),
    }
}

/// Pages until nothing new comes, and where to go on.
async fn all_from<H: Harness>(
    case: &Case<'_, H>,
    mut after: Option<Cursor>,
    limit: u32,
) -> (Vec<Key>, Option<Cursor>) {
    let mut seen = Vec::new();
    loop {
        let page = match &after {
            Some(cursor) => Page::after(cursor.clone(), limit),
            None => Page::first(limit),
        };
        let listing = case.settled(&page).await;
        if listing.notifications.is_empty() {
            return (seen, after);
        }
        seen.extend(names(&listing));
        after = listing.next;
    }
}
