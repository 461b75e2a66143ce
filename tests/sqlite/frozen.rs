//! The stored form of every schema version, as it was written then: files in the field look like this.

use orderhook::event::{ContentDigest, Memo};
use orderhook::notification::{Closed, FailureReason, StateName};
use orderhook::store::{
    Action, ClaimNew, Filter, Inserted, NewNotification, Page, Selection, Start, Store, Then,
    Written,
};
use orderhook::supplier::StreamRule;
use orderhook::{Key, NotificationState, SqliteStore};

use crate::support::*;

const V1: &str = include_str!("../fixtures/sqlite/v1.sql");

const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

async fn names_in_order(store: &SqliteStore) -> Vec<(Key, StateName)> {
    let listing = store
        .list(&Filter::of(source()), &Page::first(100))
        .await
        .unwrap();
    assert_eq!(listing.refused, []);
    listing
        .notifications
        .into_iter()
        .map(|notification| (notification.key, notification.state.name()))
        .collect()
}

#[tokio::test]
async fn a_file_of_version_1_is_read_and_goes_on() {
    let file = File::new();
    file.run(V1).await;
    let store = file.store().await;
    assert_eq!(
        names_in_order(&store).await,
        [
            (key("north", "pending"), StateName::Pending),
            (key("north", "sending"), StateName::Sending),
            (
                later(&key("north", "sending"), "second"),
                StateName::Pending
            ),
            (key("north", "notified"), StateName::Notified),
            (key("south", "failed"), StateName::Failed),
            (key("south", "passed"), StateName::Failed),
            (key("south", "withdrawn"), StateName::Withdrawn),
            (key("west", "not wanted"), StateName::NotWanted),
            (key("west", "told"), StateName::Notified),
        ]
    );
    let pending = store.get(&key("north", "pending")).await.unwrap().unwrap();
    assert_eq!(pending.event_id, key("north", "pending").event_id());
    assert_eq!(
        pending.body.as_ref().map(|body| body.as_bytes()),
        Some(&b"{\"a\":1}"[..])
    );
    assert_eq!(pending.content_digest, Some(ContentDigest::of(b"content")));
    assert_eq!(pending.memo, Some(Memo::new([0, 255, 7]).unwrap()));
    assert_eq!(pending.traceparent.as_deref(), Some(TRACE));
    assert_eq!(pending.ledger, ledger());
    assert_eq!(pending.attempts, [attempt("one"), attempt("two")]);
    assert_eq!((pending.position, pending.reopened), (1, 0));
    let second = store
        .get(&later(&key("north", "sending"), "second"))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(second.position, 2);
    let failed = store.get(&key("south", "failed")).await.unwrap().unwrap();
    assert!(matches!(
        failed.state,
        NotificationState::Failed {
            reason: FailureReason::NoEndpoints,
            stream: StreamRule::Hold,
            ..
        }
    ));
    assert_eq!(failed.reopened, 1);
    let passed = store.get(&key("south", "passed")).await.unwrap().unwrap();
    assert!(matches!(
        passed.state,
        NotificationState::Failed {
            stream: StreamRule::Pass,
            ..
        }
    ));
    let withdrawn = store
        .get(&key("south", "withdrawn"))
        .await
        .unwrap()
        .unwrap();
    assert!(
        matches!(withdrawn.state, NotificationState::Closed { why: Closed::Withdrawn { reason }, .. } if reason == "by phone")
    );
    let told = store.get(&key("west", "told")).await.unwrap().unwrap();
    assert!(
        matches!(told.state, NotificationState::Notified { reference, .. } if reference == "R-0")
    );
    let settled = store
        .settled(&source(), &Page::first(9))
        .await
        .unwrap()
        .notifications;
    let settled: Vec<_> = settled
        .into_iter()
        .map(|notification| notification.key.order.to_string())
        .collect();
    assert_eq!(settled, ["told", "notified", "passed", "failed"]);

    // Whoever was sending then is gone: its lease ran out while the machine was off.
    let claims = store
        .claim(&due_of(&[&key("north", "sending")]))
        .await
        .unwrap()
        .claims;
    assert!(claims[0].taken_over);
    assert!(claims[0].token.number() > 7);
    assert_eq!(
        store
            .write(&[step(&claims[0], notified())])
            .await
            .unwrap()
            .answers,
        [Written::Applied]
    );
    assert_eq!(
        add(&store, &[&key("south", "withdrawn")]).await,
        [Inserted::Existing]
    );
    assert_eq!(
        add(&store, &[&later(&key("west", "told"), "more")]).await,
        [Inserted::New { position: 2 }]
    );
    let reopened = Selection::Keys(vec![key("south", "failed")]);
    assert_eq!(
        store
            .intervene(&reopened, &crate::receivers::decided(Action::Reopen), 1)
            .await
            .unwrap()
            .changed
            .len(),
        1
    );
    let mut claims: Vec<_> = claim_all(&store)
        .await
        .claims
        .into_iter()
        .map(|claim| claim.key)
        .collect();
    claims.sort();
    assert_eq!(
        claims,
        [
            key("north", "pending"),
            later(&key("north", "sending"), "second"),
            key("south", "failed"),
            later(&key("west", "told"), "more")
        ]
    );
}

/// Makes the sample of the newest version: `ORDERHOOK_TEST_FILE=/tmp/sample.db cargo test --features sqlite --test sqlite
/// -- --ignored make_the_sample`, then dump the file as SQL and freeze it.
#[tokio::test]
#[ignore = "a tool for a new schema version"]
async fn make_the_sample() {
    let Ok(path) = std::env::var("ORDERHOOK_TEST_FILE") else {
        return;
    };
    let store = SqliteStore::open(path).await.unwrap();
    let mut first = pending(&key("north", "pending"));
    first.content_digest = Some(ContentDigest::of(b"content"));
    first.memo = Some(Memo::new([0, 255, 7]).unwrap());
    first.traceparent = Some(TRACE.to_owned());
    let sending = key("north", "sending");
    let told = Start::Notified {
        reference: "R-0".to_owned(),
        by: crate::receivers::by(),
    };
    let new = [
        first,
        pending(&sending),
        pending(&later(&sending, "second")),
        pending(&key("north", "notified")),
        pending(&key("south", "failed")),
        pending(&key("south", "passed")),
        pending(&key("south", "withdrawn")),
        NewNotification::new(key("west", "not wanted"), Start::NotWanted),
        NewNotification::new(key("west", "told"), told),
    ];
    store.insert(&new, &ClaimNew::NONE).await.unwrap();
    let failed = |reason, stream| Then::Failed { reason, stream };
    let no_endpoints = failed(FailureReason::NoEndpoints, StreamRule::Hold);
    let claim = store
        .claim(&due_of(&[&key("south", "failed")]))
        .await
        .unwrap()
        .claims;
    store
        .write(&[step(&claim[0], no_endpoints.clone())])
        .await
        .unwrap();
    store
        .intervene(
            &Selection::Keys(vec![key("south", "failed")]),
            &crate::receivers::decided(Action::Reopen),
            1,
        )
        .await
        .unwrap();
    for claim in claim_all(&store).await.claims {
        let mut step = match claim.key.order.as_str() {
            "pending" => step(&claim, Then::Again { after: MINUTE })
                .with_attempts(0, vec![attempt("one"), attempt("two")]),
            "notified" => step(&claim, notified()).with_attempts(0, vec![attempt("one")]),
            "failed" => step(&claim, no_endpoints.clone()),
            "passed" => step(&claim, failed(FailureReason::HeldUnknown, StreamRule::Pass)),
            "withdrawn" => step(&claim, Then::HandBack { after: NOW }),
            _ => continue,
        };
        step.ledger = ledger();
        store.write(&[step]).await.unwrap();
    }
    let withdraw = orderhook::store::Intervention::new(
        Action::Withdraw,
        crate::receivers::because("by phone"),
    );
    store
        .intervene(
            &Selection::Keys(vec![key("south", "withdrawn")]),
            &withdraw,
            1,
        )
        .await
        .unwrap();
    store.close().await;
}
