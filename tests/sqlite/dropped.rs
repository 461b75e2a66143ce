//! Callers that go away, and files that do.

use std::time::Duration;

use orderhook::SqliteStore;
use orderhook::notification::StateName;
use orderhook::store::{Action, ClaimNew, Selection, Store, StoreErrorKind, Then};
use sqlx::SqliteConnection;

use crate::support::*;

/// A call that stands in the queue of the thread that writes, behind one that waits for a lock, when it is dropped.
async fn dropped_in_the_queue<T>(store: &SqliteStore, file: &File, call: impl Future<Output = T>) {
    let mut stranger: SqliteConnection = file.stranger().await;
    sqlx::raw_sql("BEGIN IMMEDIATE")
        .execute(&mut stranger)
        .await
        .unwrap();
    let first = tokio::spawn({
        let store = store.clone();
        async move { add(&store, &[&key("west", "first")]).await }
    });
    // The thread takes the first before the other stands in the queue.
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(
        tokio::time::timeout(Duration::from_millis(50), call)
            .await
            .is_err(),
        "it waits for the lock"
    );
    sqlx::raw_sql("COMMIT")
        .execute(&mut stranger)
        .await
        .unwrap();
    first.await.unwrap();
    // Whatever was in the queue is done when a later request is answered.
    add(store, &[&key("west", "last")]).await;
}

#[tokio::test]
async fn what_stands_in_the_queue_is_written_although_its_caller_is_gone() {
    let (store, file) = File::new().store_kept().await;
    let (told, new, withdrawn) = (
        key("north", "told"),
        key("north", "new"),
        key("north", "withdrawn"),
    );
    add(&store, &[&told, &withdrawn]).await;
    let held = store.claim(&due_of(&[&told])).await.unwrap().claims;

    let end = [step(&held[0], notified()).with_attempts(0, vec![attempt("x")])];
    dropped_in_the_queue(&store, &file, store.write(&end)).await;
    let stored = store.get(&told).await.unwrap().unwrap();
    assert_eq!(
        (stored.state.name(), stored.attempts.len()),
        (StateName::Notified, 1)
    );

    dropped_in_the_queue(&store, &file, add(&store, &[&new])).await;
    assert!(store.get(&new).await.unwrap().is_some());

    let withdraw = orderhook::store::Intervention::new(
        Action::Withdraw,
        crate::receivers::because("called off"),
    );
    let selection = Selection::Keys(vec![withdrawn.clone()]);
    dropped_in_the_queue(&store, &file, store.intervene(&selection, &withdraw, 1)).await;
    assert_eq!(
        store.get(&withdrawn).await.unwrap().unwrap().state.name(),
        StateName::Withdrawn
    );
}

#[tokio::test]
async fn a_claim_that_stands_in_the_queue_is_not_made_when_its_caller_is_gone() {
    let (store, file) = File::new().store_kept().await;
    let key = key("north", "A-1");
    add(&store, &[&key]).await;
    dropped_in_the_queue(&store, &file, store.claim(&due_of(&[&key]))).await;
    assert_eq!(
        store.get(&key).await.unwrap().unwrap().state.name(),
        StateName::Pending
    );
}

#[tokio::test]
async fn what_was_put_off_and_claimed_for_a_caller_who_is_gone_keeps_its_ledger() {
    let (store, file) = File::new().store_kept().await;
    let key = key("north", "A-1");
    add(&store, &[&key]).await;
    let held = store.claim(&due_of(&[&key])).await.unwrap().claims;
    let mut back = step(&held[0], Then::HandBack { after: NOW });
    back.ledger = ledger();
    store.write(&[back]).await.unwrap();
    // It is with the thread already when its caller goes away.
    let mut stranger = file.stranger().await;
    sqlx::raw_sql("BEGIN IMMEDIATE")
        .execute(&mut stranger)
        .await
        .unwrap();
    assert!(
        tokio::time::timeout(Duration::from_millis(50), claim_all(&store))
            .await
            .is_err()
    );
    sqlx::raw_sql("COMMIT")
        .execute(&mut stranger)
        .await
        .unwrap();
    let claims = claim_all(&store).await.claims;
    assert_eq!(
        (claims[0].taken_over, &claims[0].ledger),
        (false, &ledger())
    );
}

#[tokio::test]
async fn a_file_that_was_deleted_is_noticed_by_the_next_claim_and_the_next_write() {
    let (store, file) = File::new().store_kept().await;
    add(&store, &[&key("north", "A-1")]).await;
    let held = claim_all(&store).await.claims;
    let away = file.path.with_extension("away");
    std::fs::rename(&file.path, &away).unwrap();
    refuses(&store, &held[0]).await;
    // Put back, it goes on: nothing was written into the wrong file.
    std::fs::rename(&away, &file.path).unwrap();
    assert!(store.write(&[step(&held[0], notified())]).await.is_ok());
}

#[tokio::test]
async fn a_file_that_was_replaced_is_noticed_by_the_next_claim_and_the_next_write() {
    let (store, file) = File::new().store_kept().await;
    add(&store, &[&key("north", "A-1")]).await;
    let held = claim_all(&store).await.claims;
    let other = File::new();
    other.store().await.close().await;
    std::fs::rename(&other.path, &file.path).unwrap();
    refuses(&store, &held[0]).await;
}

async fn refuses(store: &SqliteStore, held: &orderhook::store::Claim) {
    let inserted = store
        .insert(&[pending(&key("north", "A-2"))], &ClaimNew::NONE)
        .await
        .map(drop);
    let claimed = store
        .claim(&due_of(&[&key("north", "A-1")]))
        .await
        .map(drop);
    let written = store.write(&[step(held, notified())]).await.map(drop);
    for refused in [inserted, claimed, written] {
        let error = refused.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Unusable);
        assert!(
            !error.is_transient() && error.to_string().contains("deleted or replaced"),
            "{error}"
        );
    }
}
