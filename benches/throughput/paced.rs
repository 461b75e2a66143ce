//! Deliveries at a pace: what one order costs in time, and many suppliers in processor time.

use std::sync::Arc;
use std::time::Duration;

use orderhook::store::Store;
use orderhook::{MemoryStore, News, Worker};
use tokio::sync::Notify;
use tokio::time::MissedTickBehavior;

use super::machine::now_us;
use super::measured::{IN_FLIGHT, Measured, Watch};
use super::orders::{builder, order, suppliers};
use super::receiver::Address;

/// From before `enqueue` to the arrival at the receiver, one caller at a time, beside a worker of the same process.
async fn latency(to: &Address, store: impl Store, number: usize) -> Measured {
    let (told, arrived) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let heard = Arc::clone(&told);
    let suppliers = suppliers(to, 1, 0, IN_FLIGHT as u32);
    let dispatcher = builder(to, store, suppliers)
        .listener(move |news| {
            if matches!(news, News::Notified { .. }) {
                heard.notify_one();
            }
        })
        .build()
        .unwrap();
    drop(arrived);
    let running = tokio::spawn(Worker::new(&dispatcher).run());
    let warm_up = number / 20;
    let orders: Vec<_> = (0..number + warm_up).map(|n| order(n, 0)).collect();
    let mut began = Vec::new();
    let mut watch = Watch::start();
    for (n, order) in orders.iter().enumerate() {
        if n == warm_up {
            watch = Watch::start();
        }
        let at = now_us();
        let _ = dispatcher.enqueue(order).await.unwrap();
        if n >= warm_up {
            began.push((n, at));
        }
        told.notified().await;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let measured = watch.stop(number, warm_up);
    running.abort();
    Measured { began, ..measured }
}

pub(crate) async fn latency_memory(to: &Address, number: usize) -> Measured {
    latency(to, MemoryStore::new(), number).await
}

#[cfg(feature = "sqlite")]
pub(crate) async fn latency_sqlite(to: &Address, number: usize) -> Measured {
    let folder = tempfile::tempdir().unwrap();
    let store = orderhook::SqliteStore::open(folder.path().join("bench.db"));
    latency(to, store.await.unwrap(), number).await
}

#[cfg(feature = "sqlite")]
const SUPPLIERS: usize = 1_000;
#[cfg(feature = "sqlite")]
pub(crate) const A_SECOND: usize = 500;

/// 500 orders a second over a thousand suppliers, some of which hang.
#[cfg(feature = "sqlite")]
async fn offered(to: &Address, number: usize, hanging: usize) -> Measured {
    let folder = tempfile::tempdir().unwrap();
    let store = orderhook::SqliteStore::open(folder.path().join("bench.db"))
        .await
        .unwrap();
    let suppliers = suppliers(to, SUPPLIERS, hanging, 8);
    let dispatcher = builder(to, store, suppliers).build().unwrap();
    let running = tokio::spawn(Worker::new(&dispatcher).run());
    let orders: Vec<_> = (0..number).map(|n| order(n, n % SUPPLIERS)).collect();
    let mut ticks = tokio::time::interval(Duration::from_millis(1_000) / A_SECOND as u32);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let (began, watch) = (now_us(), Watch::start());
    for order in orders {
        ticks.tick().await;
        // Each handler is its own: one that waits for the disk keeps no other from coming in.
        let dispatcher = dispatcher.clone();
        tokio::spawn(async move {
            let _ = dispatcher.enqueue(&order).await.unwrap();
        });
    }
    if hanging == 0 {
        // What is left is on its way.
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let measured = watch.stop(number, 0);
    running.abort();
    let arrive = measured.arrive.filter(|_| hanging == 0);
    Measured { arrive, ..measured }
        .with("began_us", began as f64)
        .with("healthy", (SUPPLIERS - hanging) as f64 / SUPPLIERS as f64)
}

#[cfg(feature = "sqlite")]
pub(crate) async fn sqlite_spread(to: &Address, number: usize) -> Measured {
    offered(to, number, 0).await
}

#[cfg(feature = "sqlite")]
pub(crate) async fn healthy_1pct(to: &Address, number: usize) -> Measured {
    offered(to, number, SUPPLIERS / 100).await
}

#[cfg(feature = "sqlite")]
pub(crate) async fn healthy_5pct(to: &Address, number: usize) -> Measured {
    offered(to, number, SUPPLIERS / 20).await
}
