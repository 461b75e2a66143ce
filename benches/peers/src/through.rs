//! Orders in and out at once, the same for every row: stored as fast as that goes, by 64 callers, while those before them are
//! delivered.

use std::future::Future;
use std::sync::{Arc, Mutex};

use tokio::sync::Semaphore;

use super::measured::{Measured, Watch, side_by_side};

/// Those that come in wait when so many are on their way, so that neither storing nor sending is measured alone.
const ON_THEIR_WAY: usize = 1_000;

/// Orders of the warm-up have numbers from here on, so that the receiver can tell them from the others.
const WARM_UP: usize = 1_000_000_000;

/// What is free on the way. Storing an order takes a permit for good; whoever sees that one was delivered adds one.
pub(crate) fn room() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(ON_THEIR_WAY))
}

/// Measures so many orders from before the first is stored until the last is delivered and known to be, after a twentieth of
/// them as a warm-up. They are made before the clock runs: reading an order is the application's.
pub(crate) async fn measure<T, F>(
    number: usize,
    room: Arc<Semaphore>,
    make: impl Fn(usize) -> T,
    store: impl Fn(T) -> F + Clone + Send + 'static,
) -> Measured
where
    T: Send + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let warm_up = number / 20;
    let orders = (WARM_UP..WARM_UP + warm_up).map(&make).collect();
    through(&room, orders, store.clone()).await;
    let orders = (0..number).map(&make).collect();
    let watch = Watch::start();
    through(&room, orders, store).await;
    watch.stop(number, warm_up)
}

async fn through<T, F>(
    room: &Arc<Semaphore>,
    orders: Vec<T>,
    store: impl Fn(T) -> F + Clone + Send + 'static,
) where
    T: Send + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let (number, free) = (orders.len(), Arc::clone(room));
    let orders = Arc::new(Mutex::new(orders.into_iter()));
    side_by_side(number, 0, move |_| {
        let (free, orders, store) = (Arc::clone(&free), Arc::clone(&orders), store.clone());
        async move {
            free.acquire().await.unwrap().forget();
            let order = orders.lock().unwrap().next().unwrap();
            store(order).await;
        }
    })
    .await;
    // All of them are back.
    drop(room.acquire_many(ON_THEIR_WAY as u32).await.unwrap());
}
