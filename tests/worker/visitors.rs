//! `notify`, `retry` and `resume`: they leave slots to the worker, go by the same rules, and end with a shutdown.

use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::Arc;
use std::time::{Duration, Instant};

use orderhook::{Event, EventKind, FailureReason, Key, Occurrence, OrderCode, State};
use tokio::task::{JoinHandle, JoinSet};

use super::spy::Spy;
use super::support::{Gate, Receiver, Reply};
use super::world::{HOUR, Running, World, supplier, supplier_id};

/// Has an order notified in a handler of its own; whether it is told in the end.
fn notify(world: &World, supplier: &str, order: &str) -> JoinHandle<bool> {
    let (dispatcher, supplier) = (world.dispatcher.clone(), supplier_id(supplier));
    let order = OrderCode::new(order).unwrap();
    tokio::spawn(async move {
        let event = Event::new(EventKind::order_created(), Occurrence::only(), &serde_json::json!({})).unwrap();
        dispatcher.notify_event(&supplier, &order, event).await.is_ok_and(|report| report.is_told())
    })
}

/// Notifies without end, each time a supplier that nobody has called yet and that hangs.
async fn notify_for_ever(world: Arc<World>, dead: Arc<Receiver>, number: usize) {
    for n in 0.. {
        let name = format!("dead-{number}-{n}");
        world.put(supplier(&name).endpoint(dead.url(&format!("/{name}"))));
        // Whoever gives up waiting does not stop the call.
        let _ = tokio::time::timeout(Duration::from_secs(2), notify(&world, &name, &name)).await;
    }
}

async fn longest_delay_beside_hanging_notifies(concurrency: usize) -> (usize, Duration) {
    let slots = NonZeroUsize::new(concurrency).unwrap();
    let world = Arc::new(World::with(|builder| builder.concurrency(slots).timeout(Duration::from_secs(20))));
    let (dead, well) = (Arc::new(Receiver::start(&world.ca).await), Receiver::start(&world.ca).await);
    dead.answer(Reply::Hang);
    world.put(supplier("well").endpoint(well.url("/orders")));
    let mut handlers = JoinSet::new();
    for number in 0..concurrency {
        handlers.spawn(notify_for_ever(Arc::clone(&world), Arc::clone(&dead), number));
    }
    dead.wait_for(1).await;
    let running = Running::start(world.worker());
    let mut longest = Duration::ZERO;
    for n in 0..3 {
        let (stored, key) = (Instant::now(), world.enqueue("well", &format!("W-{n}")).await);
        while !world.is_notified(&key).await && stored.elapsed() < Duration::from_secs(6) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        longest = longest.max(stored.elapsed());
    }
    handlers.shutdown().await;
    running.stop().await;
    (concurrency, longest)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_workers_order_arrives_within_five_seconds_however_many_notifies_hang() {
    let mut all = JoinSet::new();
    for concurrency in [1, 2, 3, 5, 6, 9] {
        all.spawn(longest_delay_beside_hanging_notifies(concurrency));
    }
    let mut longest = all.join_all().await;
    longest.sort();
    assert!(longest.iter().all(|(_, longest)| *longest < Duration::from_secs(5)), "{longest:?}");
}
