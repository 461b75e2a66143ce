//! What reads of an SQLite file leave behind when they are dropped.
#![cfg(target_os = "linux")]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use orderhook::SqliteStore;
use orderhook::store::{ClaimNew, Filter, Store};
use sqlx::ConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;
use tokio::task::JoinSet;

use crate::cut::drop_at;
use crate::stores::{key, pending};
use crate::world::source;

/// Four that read and the one that writes, and twice as many again: a count that is dropped while its connection is opened or
/// closed leaves that to its end, which is soon. Without the bound there were 39.
const CONNECTIONS: usize = 3 * (4 + 1);

/// How many connections of this process have the file open.
fn connections(path: &Path) -> usize {
    let path = path.canonicalize().unwrap();
    let descriptors = std::fs::read_dir("/proc/self/fd").unwrap();
    // One that was closed meanwhile has no link any more.
    descriptors
        .flatten()
        .filter(|entry| std::fs::read_link(entry.path()).is_ok_and(|file| file == path))
        .count()
}

/// Makes one stored row many, of as many orders.
async fn multiply(path: &Path, number: u32) {
    let mut stranger = SqliteConnectOptions::new()
        .filename(path)
        .connect()
        .await
        .unwrap();
    let table = "SELECT group_concat(name) FROM pragma_table_info('orderhook_notifications') WHERE name <> 'id'";
    let (columns,): (String,) = sqlx::query_as(table)
        .fetch_one(&mut stranger)
        .await
        .unwrap();
    let values = columns
        .replace("order_code", "order_code || '-' || x")
        .replace("event_id", "event_id || '-' || x");
    let copy = format!(
        "WITH RECURSIVE numbers(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM numbers WHERE x < {number}) \
         INSERT INTO orderhook_notifications ({columns}) SELECT {values} FROM numbers, orderhook_notifications"
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(copy))
        .execute(&mut stranger)
        .await
        .unwrap();
}

#[tokio::test]
async fn two_hundred_dropped_counts_do_not_become_as_many_that_read_at_the_same_time() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("orderhook.db");
    let store = SqliteStore::open(&path).await.unwrap();
    // So many that a count takes far longer than it takes to open a connection.
    store
        .insert(&[pending(&key("A-1", 0))], &ClaimNew::NONE)
        .await
        .unwrap();
    multiply(&path, 40_000).await;
    let mut filter = Filter::of(source());
    filter.older_than = Some(Duration::from_secs(1));
    store
        .count(&filter, orderhook::store::Group::State)
        .await
        .unwrap();

    // How often a count waits that opens a connection first: the last time for its answer.
    let mut waits = 0;
    while drop_at(waits, store.count(&filter, orderhook::store::Group::State))
        .await
        .is_none()
    {
        waits += 1;
    }

    let is_over = Arc::new(AtomicBool::new(false));
    let watch = std::thread::spawn({
        let (path, is_over) = (path.clone(), Arc::clone(&is_over));
        move || {
            let mut most = 0;
            while !is_over.load(Ordering::Relaxed) {
                // The lower of two readings: one alone may count what opens and closes while it reads.
                most = most.max(connections(&path).min(connections(&path)));
            }
            most
        }
    });
    let mut counts = JoinSet::new();
    for n in 0..200 {
        let (store, filter) = (store.clone(), filter.clone());
        // While it waits for its turn, while a connection is opened, and while the rows are counted.
        let most = 1 + n % waits;
        counts.spawn(async move {
            drop_at(most, store.count(&filter, orderhook::store::Group::State))
                .await
                .is_none()
        });
    }
    let dropped = counts
        .join_all()
        .await
        .into_iter()
        .filter(|dropped| *dropped)
        .count();
    is_over.store(true, Ordering::Relaxed);
    let most = watch.join().unwrap();
    assert!(most <= CONNECTIONS, "{most} connections at the same time");
    assert!(dropped >= 50, "only {dropped} were dropped");
    // And nobody has to wait for more than those that are under way.
    assert!(
        tokio::time::timeout(
            Duration::from_secs(10),
            store.count(&filter, orderhook::store::Group::State)
        )
        .await
        .is_ok()
    );
    store.close().await;
}
