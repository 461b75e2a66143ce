//! Deliveries as fast as they go: `notify`, and `enqueue` with a worker, in both stores.

use std::sync::Arc;

use orderhook::store::Store;
use orderhook::{Dispatcher, MemoryStore, News, PaidOrder, Worker};
use tokio::sync::Semaphore;

use super::measured::{IN_FLIGHT, Measured, Watch, side_by_side};
use super::orders::{builder, order, order_with_notes, suppliers};
use super::receiver::Address;

/// Orders of the warm-up have numbers from here on.
const WARM_UP: usize = 1_000_000_000;

pub(crate) async fn memory_notify(to: &Address, number: usize) -> Measured {
    notify(to, MemoryStore::new(), number).await
}

pub(crate) async fn memory_worker(to: &Address, number: usize) -> Measured {
    let dispatcher = dispatcher(to, MemoryStore::new());
    warm_up(&dispatcher, number / 20).await;
    let orders = orders(number);
    let watch = Watch::start();
    enqueue_all(&dispatcher, orders).await;
    let enqueued = Watch::start();
    Worker::new(&dispatcher).until_idle().await.unwrap();
    let drained = enqueued.stop(number, 0).cpu_us_each();
    watch
        .stop(number, number / 20 + 1)
        .with("worker_us", drained)
}

pub(crate) async fn many_memory_one(to: &Address, number: usize) -> Measured {
    drain(to, MemoryStore::new(), number, 1).await
}

pub(crate) async fn many_memory_all(to: &Address, number: usize) -> Measured {
    drain(to, MemoryStore::new(), number, number).await
}

#[cfg(feature = "sqlite")]
mod sqlite {
    use orderhook::SqliteStore;

    use super::*;

    async fn open(folder: &tempfile::TempDir) -> SqliteStore {
        SqliteStore::open(folder.path().join("bench.db"))
            .await
            .unwrap()
    }

    /// Orders come in as fast as they are stored, and go out at the same time; so that neither is measured alone, those that
    /// come in wait when a thousand are on their way.
    pub(crate) async fn sqlite_through(to: &Address, number: usize) -> Measured {
        let folder = tempfile::tempdir().unwrap();
        let store = open(&folder).await;
        let room = Arc::new(Semaphore::new(1_000));
        let done = Arc::clone(&room);
        let suppliers = suppliers(to, 1, 0, IN_FLIGHT as u32);
        let dispatcher = builder(to, store.clone(), suppliers)
            .listener(move |news| {
                if matches!(news, News::Notified { .. }) {
                    done.add_permits(1);
                }
            })
            .build()
            .unwrap();
        let running = tokio::spawn(Worker::new(&dispatcher).run());
        let through = async |orders: Vec<PaidOrder>| {
            enqueue_each(&dispatcher, orders, Arc::clone(&room)).await;
            // All of them are back.
            drop(room.acquire_many(1_000).await.unwrap());
        };
        through((0..number / 20).map(|n| order(WARM_UP + n, 0)).collect()).await;
        let orders = orders(number);
        let (watch, commits) = (Watch::start(), store.commits());
        through(orders).await;
        let measured = watch.stop(number, number / 20).with(
            "commits",
            (store.commits() - commits) as f64 / number as f64,
        );
        running.abort();
        measured
    }

    pub(crate) async fn sqlite_drain(to: &Address, number: usize) -> Measured {
        let folder = tempfile::tempdir().unwrap();
        drain(to, open(&folder).await, number, 1).await
    }

    pub(crate) async fn many_sqlite_one(to: &Address, number: usize) -> Measured {
        sqlite_drain(to, number).await
    }

    pub(crate) async fn many_sqlite_all(to: &Address, number: usize) -> Measured {
        let folder = tempfile::tempdir().unwrap();
        drain(to, open(&folder).await, number, number).await
    }

    pub(crate) async fn sqlite_notify64(to: &Address, number: usize) -> Measured {
        let folder = tempfile::tempdir().unwrap();
        let store = open(&folder).await;
        notify(to, store.clone(), number).await.with(
            "commits",
            store.commits() as f64 / (number + number / 20) as f64,
        )
    }

    pub(crate) async fn sqlite_notify1(to: &Address, number: usize) -> Measured {
        let folder = tempfile::tempdir().unwrap();
        let store = open(&folder).await;
        let dispatcher = dispatcher(to, store.clone());
        let notify = async |orders: Vec<PaidOrder>| {
            for order in orders {
                assert!(dispatcher.notify(&order).await.unwrap().is_notified());
            }
        };
        notify((0..number / 20).map(|n| order(WARM_UP + n, 0)).collect()).await;
        let orders = orders(number);
        let (watch, commits) = (Watch::start(), store.commits());
        notify(orders).await;
        watch.stop(number, number / 20).with(
            "commits",
            (store.commits() - commits) as f64 / number as f64,
        )
    }
}
#[cfg(feature = "sqlite")]
pub(crate) use sqlite::*;

fn dispatcher(to: &Address, store: impl Store) -> Dispatcher {
    let suppliers = suppliers(to, 1, 0, IN_FLIGHT as u32);
    builder(to, store, suppliers).build().unwrap()
}

/// Orders are made before the clock runs: reading them is the application's.
fn orders(number: usize) -> Vec<PaidOrder> {
    (0..number).map(|n| order(n, 0)).collect()
}

/// The orders of the other rows, which are then not sent: what is to be taken off a count of instructions.
pub(crate) async fn orders_alone(_: &Address, number: usize) -> Measured {
    let watch = Watch::start();
    let made = orders(number).len() + orders(number / 20).len();
    let measured = watch.stop(made, 0);
    Measured {
        arrive: None,
        ..measured
    }
}

async fn warm_up(dispatcher: &Dispatcher, number: usize) {
    let dispatcher = dispatcher.clone();
    // One alone, to an endpoint of which nothing is known: the first connection takes longest.
    let first = order(2 * WARM_UP, 0);
    assert!(dispatcher.notify(&first).await.unwrap().is_notified());
    side_by_side(number, WARM_UP, move |n| {
        let dispatcher = dispatcher.clone();
        async move { assert!(dispatcher.notify(&order(n, 0)).await.unwrap().is_notified()) }
    })
    .await;
}

/// Bodies of about sixteen thousand bytes, and of a quarter of a million.
pub(crate) async fn memory_body_16k(to: &Address, number: usize) -> Measured {
    let orders = (0..number).map(|n| order_with_notes(n, 0, 3_200));
    notify_these(to, MemoryStore::new(), orders.collect()).await
}

pub(crate) async fn memory_body_256k(to: &Address, number: usize) -> Measured {
    let orders = (0..number).map(|n| order_with_notes(n, 0, 51_200));
    notify_these(to, MemoryStore::new(), orders.collect()).await
}

async fn notify(to: &Address, store: impl Store, number: usize) -> Measured {
    notify_these(to, store, orders(number)).await
}

async fn notify_these(to: &Address, store: impl Store, orders: Vec<PaidOrder>) -> Measured {
    let (number, orders) = (orders.len(), Arc::new(orders));
    let dispatcher = dispatcher(to, store);
    warm_up(&dispatcher, number / 20).await;
    let watch = Watch::start();
    side_by_side(number, 0, move |n| {
        let (dispatcher, orders) = (dispatcher.clone(), Arc::clone(&orders));
        async move { assert!(dispatcher.notify(&orders[n]).await.unwrap().is_notified()) }
    })
    .await;
    watch.stop(number, number / 20 + 1)
}

async fn enqueue_all(dispatcher: &Dispatcher, orders: Vec<PaidOrder>) {
    let room = Arc::new(Semaphore::new(orders.len()));
    enqueue_each(dispatcher, orders, room).await;
}

/// Each takes a permit for good.
async fn enqueue_each(dispatcher: &Dispatcher, orders: Vec<PaidOrder>, room: Arc<Semaphore>) {
    let (number, orders) = (orders.len(), Arc::new(orders));
    let dispatcher = dispatcher.clone();
    side_by_side(number, 0, move |n| {
        let (dispatcher, orders, room) =
            (dispatcher.clone(), Arc::clone(&orders), Arc::clone(&room));
        async move {
            room.acquire().await.unwrap().forget();
            let enqueued = dispatcher.enqueue(&orders[n]).await.unwrap();
            assert_eq!(enqueued.stored.len(), 1);
        }
    })
    .await;
}

/// A worker alone with a backlog, of so many suppliers in turn.
async fn drain(to: &Address, store: impl Store, number: usize, of: usize) -> Measured {
    let configured = suppliers(to, of, 0, IN_FLIGHT as u32);
    let dispatcher = builder(to, store, configured).build().unwrap();
    let warm_up = number / 20;
    let all: Vec<_> = (0..number).map(|n| order(n, n % of)).collect();
    // The connections are there, and something is known of the first suppliers.
    for n in 0..warm_up {
        let order = order(WARM_UP + n, n % of);
        assert!(dispatcher.notify(&order).await.unwrap().is_notified());
    }
    enqueue_all(&dispatcher, all).await;
    let watch = Watch::start();
    Worker::new(&dispatcher).until_idle().await.unwrap();
    watch.stop(number, warm_up)
}
