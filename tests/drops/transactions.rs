//! The SQLite file under futures that are dropped: transactions of the application, opening, closing, and what waits in the
//! queue of the thread that writes.

use std::path::PathBuf;
use std::time::Duration;

use orderhook::SqliteStore;
use orderhook::store::{ClaimNew, Pick, Store, StoreErrorKind, Written};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, SqliteConnection};

use crate::cut::drop_at;
use crate::stores::{claim_one, key, notified, pending, request, stored};

struct File {
    path: PathBuf,
    _directory: tempfile::TempDir,
}

impl File {
    fn new() -> File {
        let directory = tempfile::tempdir().unwrap();
        File {
            path: directory.path().join("orderhook.db"),
            _directory: directory,
        }
    }

    fn options(&self) -> SqliteConnectOptions {
        let options = SqliteConnectOptions::new()
            .filename(&self.path)
            .create_if_missing(true);
        options
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
    }

    /// Somebody else who has the lock for writing until it is rolled back.
    async fn locked(&self) -> SqliteConnection {
        let mut stranger = self.options().connect().await.unwrap();
        sqlx::raw_sql("BEGIN IMMEDIATE")
            .execute(&mut stranger)
            .await
            .unwrap();
        stranger
    }
}

async fn unlock(mut stranger: SqliteConnection) {
    sqlx::raw_sql("ROLLBACK")
        .execute(&mut stranger)
        .await
        .unwrap();
}

#[tokio::test]
async fn an_insert_in_a_transaction_that_is_dropped_leaves_all_or_nothing_and_a_transaction_that_goes_on()
 {
    let file = File::new();
    let pool = SqlitePoolOptions::new()
        .max_connections(1)
        .connect_with(file.options())
        .await
        .unwrap();
    sqlx::raw_sql("CREATE TABLE orders (code TEXT PRIMARY KEY)")
        .execute(&pool)
        .await
        .unwrap();
    let store = SqliteStore::in_pool(pool.clone()).await.unwrap();
    let mut most = 0;
    loop {
        let order = format!("A-{most}");
        let new: Vec<_> = (0..3).map(|n| pending(&key(&order, n))).collect();
        let prepared = orderhook::report::Prepared::new(new.clone());
        let mut transaction = pool.begin().await.unwrap();
        let answer = drop_at(most, store.insert_in(&mut transaction, &prepared)).await;
        // Whatever became of the insert, the application's own write is done with it.
        let orders = "INSERT INTO orders VALUES (?1)";
        sqlx::query(orders)
            .bind(&order)
            .execute(&mut *transaction)
            .await
            .unwrap();
        transaction.commit().await.unwrap();
        let there = stored(&store, &order).await;
        assert!(
            there == 3 || (there == 0 && answer.is_none()),
            "{there} after {most} awaits"
        );
        // The store itself is not held up.
        store.insert(&new, &ClaimNew::NONE).await.unwrap();
        assert_eq!(stored(&store, &order).await, 3);
        if answer.is_some() {
            break;
        }
        most += 1;
    }
    assert!(
        most > 3,
        "it waits for the savepoint, for each statement, and for the release"
    );
    let (orders,): (i64,) = sqlx::query_as("SELECT count(*) FROM orders")
        .fetch_one(&pool)
        .await
        .unwrap();
    assert_eq!(usize::try_from(orders).unwrap(), most + 1);
}

#[tokio::test]
async fn an_open_that_is_dropped_leaves_a_file_that_can_be_opened() {
    let mut most = 0;
    loop {
        let file = File::new();
        let opened = drop_at(most, SqliteStore::open(&file.path)).await;
        let is_dropped = opened.is_none();
        drop(opened);
        let store =
            tokio::time::timeout(Duration::from_secs(5), SqliteStore::open(&file.path)).await;
        let store = store.expect("nobody has the file locked").unwrap();
        let key = key("A-1", 0);
        store
            .insert(&[pending(&key)], &ClaimNew::NONE)
            .await
            .unwrap();
        claim_one(&store, &key).await;
        if !is_dropped {
            break;
        }
        most += 1;
    }
    assert!(most > 3, "it waits for more than one statement");
}

#[tokio::test]
async fn a_close_that_is_dropped_has_begun_and_loses_nothing() {
    for most in 0..2 {
        let file = File::new();
        let store = SqliteStore::open(&file.path).await.unwrap();
        let key = key("A-1", 0);
        store
            .insert(&[pending(&key)], &ClaimNew::NONE)
            .await
            .unwrap();
        let steps = [notified(&claim_one(&store, &key).await)];
        let stranger = file.locked().await;
        // Waits for the lock, and the close behind it.
        let writer = store.clone();
        let mut writing = Box::pin(writer.write(&steps));
        assert!(drop_at(1, writing.as_mut()).await.is_none());
        assert!(drop_at(most, store.clone().close()).await.is_none());
        unlock(stranger).await;
        let written = writing.as_mut().await.unwrap().answers;
        assert_eq!(written, [Written::Applied]);
        if most == 1 {
            // What comes while the thread still finds it in its queue is written; from then on nothing is.
            let refused = loop {
                match store.insert(&[pending(&key)], &ClaimNew::NONE).await {
                    Ok(_) => tokio::task::yield_now().await,
                    Err(refused) => break refused,
                }
            };
            assert_eq!(refused.kind(), StoreErrorKind::Unavailable);
            // And what reads is not left behind open.
            assert!(
                store.get(&key).await.is_err(),
                "it was closed for writing and not for reading"
            );
        }
        store.close().await;
        let store = SqliteStore::open(&file.path).await.unwrap();
        assert_eq!(
            store.get(&key).await.unwrap().unwrap().attempts,
            steps[0].attempts
        );
    }
}

#[tokio::test]
async fn a_record_that_waits_for_the_lock_is_written_although_its_asker_is_gone() {
    let file = File::new();
    let store = SqliteStore::open(&file.path).await.unwrap();
    let keys = [key("A-1", 0), key("A-2", 0), key("A-3", 0)];
    store
        .insert(&keys.each_ref().map(pending), &ClaimNew::NONE)
        .await
        .unwrap();
    let mut steps = Vec::new();
    for key in &keys {
        steps.push([notified(&claim_one(&store, key).await)]);
    }
    let stranger = file.locked().await;
    // The first is in the hands of the thread, the others wait in its queue.
    for step in &steps {
        assert!(drop_at(1, store.write(step)).await.is_none());
    }
    // A claim of somebody who is gone is not done at all, or given back.
    let claim = request(Pick::Due);
    assert!(drop_at(1, store.claim(&claim)).await.is_none());
    unlock(stranger).await;
    for (key, step) in keys.iter().zip(&steps) {
        assert_eq!(
            store.write(step).await.unwrap().answers,
            [Written::Stale],
            "{key}: it was not recorded before"
        );
        assert_eq!(
            store.get(key).await.unwrap().unwrap().attempts,
            step[0].attempts
        );
    }
}
