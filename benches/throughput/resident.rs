//! What stays in memory: a call that hangs, a backlog, a notification that has come to its end.

use std::time::Duration;

use orderhook::{MemoryStore, Worker};

use super::machine::{self, resident_bytes};
use super::measured::{Measured, Watch, side_by_side};
use super::orders::{builder, order, suppliers};
use super::receiver::Address;

/// So many calls that hang at once, each at an endpoint of its own; fewer where the process may not open as many descriptors.
pub(crate) async fn hanging(to: &Address, number: usize) -> Measured {
    // Slots and places together get half of the descriptors, and there are as many places as slots at least. First calls have
    // three quarters of the slots.
    let descriptors = machine::allow_descriptors(4 * number as u64 + 1_000) as usize;
    let slots = number.min(descriptors / 4);
    let number = number.min(slots + slots * 3 / 4);
    let suppliers = suppliers(to, number, number, 8);
    let dispatcher = builder(to, MemoryStore::new(), suppliers)
        .concurrency(slots.try_into().unwrap())
        .build()
        .unwrap();
    let running = tokio::spawn(Worker::new(&dispatcher).run());
    tokio::time::sleep(Duration::from_secs(1)).await;
    let (before, watch) = (resident_bytes(), Watch::start());
    for n in 0..number {
        let _ = dispatcher.enqueue(&order(n, n)).await.unwrap();
    }
    // Connecting is what takes long: ten thousand handshakes on one core, on both sides.
    tokio::time::sleep(Duration::from_secs(40)).await;
    let each = (resident_bytes() - before) as f64 / number as f64;
    let measured = watch.stop(number, 0);
    running.abort();
    measured
        .with("bytes_each", each)
        .with("calls", number as f64)
}

/// What is left of so many that have been delivered.
pub(crate) async fn finished(to: &Address, number: usize) -> Measured {
    const WHOLE: usize = 2_000;
    let suppliers = suppliers(to, 1, 0, 64);
    let dispatcher = builder(to, MemoryStore::new(), suppliers).build().unwrap();
    let deliver = async |number, first| {
        let dispatcher = dispatcher.clone();
        side_by_side(number, first, move |n| {
            let dispatcher = dispatcher.clone();
            async move { assert!(dispatcher.notify(&order(n, 0)).await.unwrap().is_notified()) }
        })
        .await;
    };
    // The last thousand are kept whole; they are there before the measurement begins.
    deliver(WHOLE, number).await;
    let (before, watch) = (resident_bytes(), Watch::start());
    deliver(number, 0).await;
    let each = (resident_bytes() - before) as f64 / number as f64;
    watch.stop(number, WHOLE).with("bytes_each", each)
}

/// A worker beside a backlog that is due tomorrow.
#[cfg(feature = "sqlite")]
pub(crate) async fn backlog(to: &Address, number: usize) -> Measured {
    let folder = tempfile::tempdir().unwrap();
    let store = orderhook::SqliteStore::open(folder.path().join("bench.db"))
        .await
        .unwrap();
    super::claims::fill(&store, number, |_| true).await;
    let dispatcher = builder(to, store, suppliers(to, 1, 0, 64)).build().unwrap();
    let running = tokio::spawn(Worker::new(&dispatcher).run());
    let watch = Watch::start();
    for n in 0..1_000 {
        let _ = dispatcher.enqueue(&order(number + n, 0)).await.unwrap();
    }
    tokio::time::sleep(Duration::from_secs(5)).await;
    let measured = watch.stop(1_000, 0).with("bytes", resident_bytes() as f64);
    running.abort();
    measured
}
