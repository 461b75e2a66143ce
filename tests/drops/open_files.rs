//! What reads of an SQLite file leave behind when they are dropped.
#![cfg(target_os = "linux")]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use orderhook::SqliteStore;
use orderhook::store::{Filter, NewNotification, Start, Store};
use tokio::task::JoinSet;

use crate::cut::drop_at;
use crate::stores::key;
use crate::world::source;

/// Connections that read at most, and the one that writes.
const CONNECTIONS: usize = 4 + 1;

/// How many connections of this process have the file open.
fn connections(path: &Path) -> usize {
    let path = path.canonicalize().unwrap();
    let descriptors = std::fs::read_dir("/proc/self/fd").unwrap();
    // One that was closed meanwhile has no link any more.
    descriptors.flatten().filter(|entry| std::fs::read_link(entry.path()).is_ok_and(|file| file == path)).count()
}

#[tokio::test]
async fn of_two_hundred_dropped_counts_no_more_than_four_are_under_way_at_the_same_time() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("orderhook.db");
    let store = SqliteStore::open(&path).await.unwrap();
    // So many that a count takes far longer than it takes to drop one.
    for batch in 0..20 {
        let new = |n: usize| {
            NewNotification::new(key(&format!("A-{batch}-{n}"), 0), Start::Notified { reference: "R".to_owned() })
        };
        store.insert(&(0..500).map(new).collect::<Vec<_>>()).await.unwrap();
    }
    let mut filter = Filter::of(source());
    filter.older_than = Some(Duration::from_secs(1));
    store.count(&filter).await.unwrap();

    // How often a count waits that opens a connection first: the last time for its answer.
    let mut waits = 0;
    while drop_at(waits, store.count(&filter)).await.is_none() {
        waits += 1;
    }

    let is_over = Arc::new(AtomicBool::new(false));
    let watch = std::thread::spawn({
        let (path, is_over) = (path.clone(), Arc::clone(&is_over));
        move || {
            let mut most = 0;
            while !is_over.load(Ordering::Relaxed) {
                most = most.max(connections(&path));
            }
            most
        }
    });
    let mut counts = JoinSet::new();
    for n in 0..200 {
        let (store, filter) = (store.clone(), filter.clone());
        // While it waits for its turn, while a connection is opened, and mostly while the rows are counted.
        let most = if n % 4 == 0 { n % waits } else { waits - 1 };
        counts.spawn(async move { drop_at(most, store.count(&filter)).await.is_none() });
    }
    let dropped = counts.join_all().await.into_iter().filter(|dropped| *dropped).count();
    is_over.store(true, Ordering::Relaxed);
    let most = watch.join().unwrap();
    assert!(most <= CONNECTIONS, "{most} connections at the same time");
    assert!(dropped >= 50, "only {dropped} were dropped");
    // And nobody has to wait for more than those that are under way.
    assert!(tokio::time::timeout(Duration::from_secs(10), store.count(&filter)).await.is_ok());
    store.close().await;
}
