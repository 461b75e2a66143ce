//! What callers are told when a commit fails halfway. The fault is injected after the commit: the driver says that it has
//! failed, and the file has it.

use std::time::Duration;

use sqlx::{Connection, Error, SqliteConnection};

use crate::event::Body;
use crate::notification::{Key, StateName};
use crate::store::{
    ClaimNew, ClaimRequest, Inserted, NewNotification, Pick, Start, Step, Store, StoreError,
    StoreErrorKind, Then, Written,
};
use crate::value::names::{OrderCode, Source, SupplierId};

use crate::store::sqlite::SqliteStore;

const LEASE: Duration = Duration::from_secs(60);

fn key(order: &str) -> Key {
    let (source, supplier) = (
        Source::new("shop").unwrap(),
        SupplierId::new("north").unwrap(),
    );
    Key::order_created(source, supplier, OrderCode::new(order).unwrap())
}

fn pending(order: &str) -> [NewNotification; 1] {
    [NewNotification::new(
        key(order),
        Start::pending(Body::new(*b"{}")),
    )]
}

fn claim(pick: Pick) -> ClaimRequest {
    ClaimRequest::new(Source::new("shop").unwrap(), pick, 9, LEASE)
}

/// So many commits go well, and then one is said to have failed.
fn fail_after(store: &SqliteStore, commits: usize) {
    let mut faults = store.inner.shared.commit_faults.lock().unwrap();
    faults.extend((0..commits).map(|_| None));
    faults.push_back(Some(Error::Io(std::io::Error::other("injected"))));
}

fn is_unclear(error: &StoreError) -> bool {
    error.kind() == StoreErrorKind::Unavailable
        && error.is_transient()
        && error.to_string().contains("not known")
}

/// Calls that share a commit: they wait behind another one that waits for a lock.
async fn together<T>(
    store: &SqliteStore,
    path: &std::path::Path,
    calls: impl Future<Output = T>,
) -> T {
    let mut stranger = SqliteConnection::connect(&format!("sqlite://{}", path.display()))
        .await
        .unwrap();
    sqlx::raw_sql("BEGIN IMMEDIATE")
        .execute(&mut stranger)
        .await
        .unwrap();
    let first = tokio::spawn({
        let store = store.clone();
        async move { store.insert(&pending("first"), &ClaimNew::NONE).await }
    });
    // It stands in the channel, and then the thread has taken it: it waits for the lock.
    let tries = store
        .inner
        .shared
        .tries
        .load(std::sync::atomic::Ordering::Relaxed);
    while store
        .inner
        .shared
        .tries
        .load(std::sync::atomic::Ordering::Relaxed)
        == tries
    {
        tokio::task::yield_now().await;
    }
    let unlock = async {
        while store.inner.writer.waiting() < 2 {
            tokio::task::yield_now().await;
        }
        sqlx::raw_sql("COMMIT")
            .execute(&mut stranger)
            .await
            .unwrap();
    };
    let (answers, ()) = tokio::join!(calls, unlock);
    first.await.unwrap().unwrap();
    answers
}

#[tokio::test]
async fn what_shared_an_unclear_commit_is_told_so_and_not_run_again() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("orderhook.db");
    let store = SqliteStore::open(&path).await.unwrap();
    store
        .insert(&pending("told"), &ClaimNew::NONE)
        .await
        .unwrap();
    let held = store
        .claim(&claim(Pick::New))
        .await
        .unwrap()
        .claims
        .remove(0);
    let end = Step::new(
        held.key,
        held.token,
        held.ledger,
        Then::Notified {
            reference: "R-1".to_owned(),
        },
    );

    fail_after(&store, 1);
    let (new, no_claim) = (pending("new"), ClaimNew::NONE);
    let steps = [end.clone()];
    let (inserted, written) = together(&store, &path, async {
        tokio::join!(store.insert(&new, &no_claim), store.write(&steps))
    })
    .await;
    assert!(is_unclear(inserted.as_ref().unwrap_err()), "{inserted:?}");
    assert!(is_unclear(written.as_ref().unwrap_err()), "{written:?}");

    // The record decides: both have happened, and the repetition says so.
    assert_eq!(
        store.get(&key("told")).await.unwrap().unwrap().state.name(),
        StateName::Notified
    );
    assert_eq!(
        store.insert(&new, &ClaimNew::NONE).await.unwrap().answers,
        [Inserted::Existing]
    );
    assert_eq!(store.write(&steps).await.unwrap().answers, [Written::Stale]);
}

#[tokio::test]
async fn a_claim_of_an_unclear_commit_is_not_given_and_strands_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(directory.path().join("orderhook.db"))
        .await
        .unwrap();
    store
        .insert(&pending("A-1"), &ClaimNew::NONE)
        .await
        .unwrap();
    fail_after(&store, 0);
    let error = store.claim(&claim(Pick::New)).await.unwrap_err();
    assert!(is_unclear(&error), "{error}");
    // At once, though its lease would have a minute left; and no holder was interrupted.
    let claims = store.claim(&claim(Pick::New)).await.unwrap().claims;
    assert_eq!(claims.len(), 1);
    assert!(!claims[0].taken_over);
}

#[tokio::test]
async fn a_takeover_of_an_unclear_commit_stays_a_takeover() {
    let directory = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(directory.path().join("orderhook.db"))
        .await
        .unwrap();
    store
        .insert(&pending("A-1"), &ClaimNew::NONE)
        .await
        .unwrap();
    let mut abandon = claim(Pick::New);
    abandon.lease = Duration::ZERO;
    assert_eq!(store.claim(&abandon).await.unwrap().claims.len(), 1);
    fail_after(&store, 0);
    assert!(is_unclear(
        &store
            .claim(&claim(Pick::NowOf(vec![key("A-1")])))
            .await
            .unwrap_err()
    ));
    let claims = store
        .claim(&claim(Pick::NowOf(vec![key("A-1")])))
        .await
        .unwrap()
        .claims;
    assert!(claims[0].taken_over);
}
