//! Sentences 1 and 2: what is stored, and what is there already.

use crate::event::{ContentDigest, EventId, Memo};
use crate::notification::{Closed, Ledger, NotificationState};
use crate::store::{Append, Inserted, NewNotification, Pick, Start, Store};

use super::Harness;
use super::case::{Case, LIVE, Situation, body, by, key, notified, pending};

/// Holds a store to sentence 1 of the [contract](crate::store::Store#contract).
pub async fn an_absent_key_becomes_pending_and_due_now(harness: &impl Harness) {
    let case = Case::open(harness, "sentence 1").await;
    let key = key("A-1");
    case.same(
        "an absent key is not found",
        case.ok(case.store.get(&key).await),
        None,
    );
    let before = case.now().await;
    let answers = case.insert(&[pending(&key)]).await;
    let after = case.now().await;
    case.same(
        "an absent key is new, and first in its stream",
        answers,
        vec![Inserted::New { position: 1 }],
    );

    let stored = case.get(&key).await;
    let NotificationState::Pending { due } = stored.state else {
        case.fails("it is pending", stored.state)
    };
    case.holds(
        "it is due from the moment of its insertion",
        before <= due && due <= after,
        (before, due, after),
    );
    let created_at = stored.created_at;
    case.holds(
        "it was stored then",
        before <= created_at && created_at <= after,
        (before, created_at, after),
    );
    case.same("it keeps its key", &stored.key, &key);
    case.same("it keeps its event id", &stored.event_id, &key.event_id());
    case.same("it has a position", stored.position, 1);
    case.same("it was never reopened", stored.reopened, 0);
    case.same("its ledger is empty", &stored.ledger, &Ledger::default());
    case.same("it has no attempts", &stored.attempts, &Vec::new());
    case.holds(
        "it has no digest, memo and trace",
        stored.content_digest.is_none(),
        stored.content_digest,
    );
    case.holds("it has no memo", stored.memo.is_none(), &stored.memo);
    case.holds(
        "it has no trace",
        stored.traceparent.is_none(),
        &stored.traceparent,
    );
    case.same(
        "it can be claimed at once",
        case.claimed_due().await,
        vec![key],
    );
}

/// Holds a store to sentence 1 of the [contract](crate::store::Store#contract).
pub async fn what_nobody_wants_begins_closed(harness: &impl Harness) {
    let case = Case::open(harness, "sentence 1").await;
    let key = key("A-1");
    let answers = case
        .insert(&[NewNotification::new(key.clone(), Start::NotWanted)])
        .await;
    case.same("it is new", answers, vec![Inserted::New { position: 1 }]);
    let stored = case.get(&key).await;
    case.holds(
        "what is not wanted is closed",
        matches!(
            stored.state,
            NotificationState::Closed {
                why: Closed::NotWanted,
                ..
            }
        ),
        &stored.state,
    );
    case.same("it has no body", stored.body, None);
}

/// Holds a store to sentence 1 of the [contract](crate::store::Store#contract).
pub async fn what_was_told_elsewhere_begins_notified(harness: &impl Harness) {
    let case = Case::open(harness, "sentence 1").await;
    let key = key("A-1");
    let start = Start::Notified {
        reference: "by phone".to_owned(),
        by: by(),
    };
    let answers = case
        .insert(&[NewNotification::new(key.clone(), start)])
        .await;
    case.same("it is new", answers, vec![Inserted::New { position: 1 }]);
    let stored = case.get(&key).await;
    case.holds(
        "it is notified, with its reference",
        matches!(&stored.state, NotificationState::Notified { reference, .. } if reference == "by phone"),
        &stored.state,
    );
}

/// Holds a store to sentence 1 of the [contract](crate::store::Store#contract): one answer each, in their order.
pub async fn each_that_is_to_be_stored_is_answered_in_its_place(harness: &impl Harness) {
    let case = Case::open(harness, "sentence 1").await;
    case.same(
        "nothing to be stored has no answer",
        case.insert(&[]).await,
        Vec::new(),
    );
    let (first, second, third) = (key("A-1"), key("A-2"), key("A-3"));
    let known = |key, text: &str| {
        let mut new = pending(key);
        new.content_digest = Some(ContentDigest::of(text.as_bytes()));
        new
    };
    case.insert(&[known(&second, "two"), known(&third, "three")])
        .await;
    let answers = case
        .insert(&[
            known(&third, "other"),
            known(&first, "one"),
            known(&second, "two"),
        ])
        .await;
    let wanted = vec![
        Inserted::Differs,
        Inserted::New { position: 1 },
        Inserted::Existing,
    ];
    case.same(
        "the answers are in the order of what was to be stored",
        answers,
        wanted,
    );
}

/// Holds a store to sentence 2 of the [contract](crate::store::Store#contract).
pub async fn a_present_key_changes_nothing(harness: &impl Harness) {
    let case = Case::open(harness, "sentence 2").await;
    for situation in Situation::ALL {
        let key = key(&format!("{situation:?}"));
        case.bring(&key, situation).await;
        let before = case.get(&key).await;
        let mut again = pending(&key);
        again.event_id = EventId::from_stored("msg_other").expect("an id");
        again.start = Start::pending(body("other bytes"));
        again.content_digest = Some(ContentDigest::of(b"other content"));
        again.memo = Some(Memo::new(*b"other memo").expect("a memo"));
        again.traceparent = Some("other trace".to_owned());
        for start in [
            again.start.clone(),
            Start::NotWanted,
            Start::Notified {
                reference: "other".to_owned(),
                by: by(),
            },
        ] {
            again.start = start;
            let answers = case.insert(&[again.clone()]).await;
            case.same(
                &format!("a present key is existing ({situation:?})"),
                answers,
                vec![Inserted::Existing],
            );
        }
        let after = case.get(&key).await;
        case.same(
            &format!("a present key changes nothing ({situation:?})"),
            after,
            before,
        );
    }
}

/// Holds a store to sentence 2 of the [contract](crate::store::Store#contract).
pub async fn a_present_key_leaves_the_claim_alone(harness: &impl Harness) {
    let case = Case::open(harness, "sentence 2").await;
    let key = key("A-1");
    let Some(claim) = case.bring(&key, Situation::Live).await else {
        return;
    };
    case.insert(&[pending(&key)]).await;
    case.same(
        "it is still held",
        case.claimed(Pick::NowOf(vec![key])).await,
        Vec::new(),
    );
    case.settle(&claim, notified("R-1")).await;
}

/// Holds a store to sentence 2 of the [contract](crate::store::Store#contract).
pub async fn other_content_under_a_present_key_differs(harness: &impl Harness) {
    let case = Case::open(harness, "sentence 2").await;
    let key = key("A-1");
    let mut new = pending(&key);
    new.content_digest = Some(ContentDigest::of(b"one"));
    case.insert(&[new.clone()]).await;
    case.same(
        "the same content is existing",
        case.insert(&[new.clone()]).await,
        vec![Inserted::Existing],
    );

    let before = case.get(&key).await;
    let mut other = new.clone();
    other.content_digest = Some(ContentDigest::of(b"another"));
    other.start = Start::pending(body("other bytes"));
    for _ in 0..2 {
        case.same(
            "other content differs",
            case.insert(&[other.clone()]).await,
            vec![Inserted::Differs],
        );
    }
    case.same("what differs changes nothing", case.get(&key).await, before);

    let claim = case.hold(&key, LIVE).await;
    case.settle(&claim, notified("R-1")).await;
    case.same(
        "other content differs ever after",
        case.insert(&[other]).await,
        vec![Inserted::Differs],
    );
}

/// Holds a store to sentence 2 of the [contract](crate::store::Store#contract).
pub async fn contents_that_cannot_be_compared_do_not_differ(harness: &impl Harness) {
    let case = Case::open(harness, "sentence 2").await;
    let mut older = ContentDigest::of(b"one").to_bytes();
    older[0] = older[0].wrapping_add(1);
    let older = ContentDigest::from_bytes(&older);
    let digest = |text: &str| Some(ContentDigest::of(text.as_bytes()));
    let pairs = [
        (None, None),
        (None, digest("one")),
        (digest("one"), None),
        (digest("two"), older),
        (older, digest("two")),
    ];
    for (n, (stored, again)) in pairs.into_iter().enumerate() {
        let mut new = pending(&key(&format!("A-{n}")));
        new.content_digest = stored;
        case.insert(&[new.clone()]).await;
        new.content_digest = again;
        let what = format!(
            "digests of which one is unknown, or of two versions, do not differ: {stored:?}, {again:?}"
        );
        case.same(
            &what,
            case.insert(&[new.clone()]).await,
            vec![Inserted::Existing],
        );
        case.same(
            "the first digest stays",
            case.get(&new.key).await.content_digest,
            stored,
        );
    }
}

/// Holds a store to sentence 2 of the [contract](crate::store::Store#contract).
pub async fn a_slice_is_stored_whole_or_not_at_all(harness: &impl Harness) {
    let case = Case::open(harness, "sentence 2").await;
    let (there, first, last) = (key("A-1"), key("A-2"), key("A-4"));
    case.add(std::slice::from_ref(&there)).await;
    let mut stale = pending(&key("A-3"));
    stale.append = Append::At(2);
    let slice = [
        pending(&first),
        pending(&there),
        stale.clone(),
        pending(&last),
    ];
    let answers = case.insert(&slice).await;
    let wanted = vec![
        Inserted::New { position: 1 },
        Inserted::Existing,
        Inserted::Stale { next: 1 },
        Inserted::New { position: 1 },
    ];
    case.same(
        "beside a stale one the others answer what they would have",
        answers,
        wanted,
    );
    for key in [&first, &stale.key, &last] {
        let found = case.ok(case.store.get(key).await);
        case.holds(
            "nothing of a slice with a stale one is stored",
            found.is_none(),
            found,
        );
    }
    case.same(
        "nothing of it can be claimed",
        case.claimed_due().await,
        vec![there],
    );
    let answers = case.insert(&[pending(&first), pending(&last)]).await;
    let wanted = vec![Inserted::New { position: 1 }, Inserted::New { position: 1 }];
    case.same("without it the others are stored", answers, wanted);
}

/// Holds a store to sentence 2 of the [contract](crate::store::Store#contract).
pub async fn a_key_that_stands_twice_in_a_slice_is_new_once(harness: &impl Harness) {
    let case = Case::open(harness, "sentence 2").await;
    let key = key("A-1");
    let with = |text: &str, append| {
        let mut new = pending(&key);
        new.start = Start::pending(body(text));
        new.content_digest = Some(ContentDigest::of(text.as_bytes()));
        new.append = append;
        new
    };
    let slice = [
        with("one", Append::Next),
        with("one", Append::Next),
        with("two", Append::Next),
        with("one", Append::At(9)),
    ];
    let wanted = vec![
        Inserted::New { position: 1 },
        Inserted::Existing,
        Inserted::Differs,
        Inserted::Existing,
    ];
    case.same(
        "a key that stands there again is present",
        case.insert(&slice).await,
        wanted,
    );
    case.same(
        "the first body is stored",
        case.get(&key).await.body,
        Some(body("one")),
    );
    case.same("it is there once", case.claimed_due().await, vec![key]);
}
