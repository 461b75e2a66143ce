//! What is sent as soon as it is stored: by `notify` itself, and by a worker of the same process.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use orderhook::store::{ClaimRequest, Claims, Store, StoreError};
use orderhook::{Dispatcher, MemoryStore, Worker};

use crate::support::{Reply, forward};
use crate::world::{World, key, order, state, supplier, until};

/// Counts the claims that are asked for.
struct Counting {
    inner: MemoryStore,
    claims: Arc<AtomicUsize>,
}

impl Store for Counting {
    async fn claim(&self, request: &ClaimRequest) -> Result<Claims, StoreError> {
        self.claims.fetch_add(1, Ordering::SeqCst);
        self.inner.claim(request).await
    }

    forward!(inner: insert write intervene get list settled count prune changed);
}

/// A dispatcher, and how many claims it has asked for.
fn counted(world: &World) -> (Dispatcher, Arc<AtomicUsize>) {
    let store = Counting {
        inner: world.store.clone(),
        claims: Arc::default(),
    };
    let claims = Arc::clone(&store.claims);
    let builder = world.builder_on(store, Duration::from_secs(5));
    (builder.build().unwrap(), claims)
}

#[tokio::test]
async fn what_notify_answers_is_what_the_store_has() {
    let world = World::new();
    let receiver = world.receiver().await;
    receiver.script_at("/refuses", vec![Reply::Status(503); 9]);
    receiver.script_at("/gone", vec![Reply::Status(410); 9]);
    for (id, paths) in [
        ("north", &["/a", "/b"][..]),
        ("green", &["/refuses", "/b"]),
        ("tools", &["/gone"]),
        ("nowhere", &[]),
    ] {
        let with_paths =
            |builder: orderhook::SupplierBuilder, path: &&str| builder.endpoint(receiver.url(path));
        world.put(paths.iter().fold(supplier(id), with_paths));
    }
    let dispatcher = world.dispatcher();
    for suppliers in [&["north"][..], &["green", "tools", "north", "nowhere"]] {
        let code = format!("A-{}", suppliers.len());
        let report = dispatcher.notify(&order(&code, suppliers)).await.unwrap();
        assert_eq!(report.entries.len(), suppliers.len());
        for entry in report.entries {
            let stored = dispatcher.notification(&entry.notification.key).await;
            assert_eq!(Some(entry.notification), stored.unwrap());
        }
    }
    assert_eq!(
        state(&world.get(&key("green", "A-4")).await),
        "pending",
        "the test has seen more than successes"
    );
    world.agrees().await;
}

#[tokio::test]
async fn notify_asks_for_no_claim_of_what_it_has_just_stored() {
    let world = World::new();
    let receiver = world.receiver().await;
    world.put(supplier("north").endpoint(receiver.url("/a")));
    let (dispatcher, asked) = counted(&world);
    assert!(
        dispatcher
            .notify(&order("A-1", &["north"]))
            .await
            .unwrap()
            .is_notified()
    );
    assert_eq!(asked.load(Ordering::SeqCst), 0);
    world.agrees().await;
}

#[tokio::test]
async fn what_is_stored_beside_an_idle_worker_is_sent_without_another_look_at_the_store() {
    let world = World::new();
    let receiver = world.receiver().await;
    world.put(supplier("north").endpoint(receiver.url("/a")));
    let (dispatcher, asked) = counted(&world);
    let claims = || asked.load(Ordering::SeqCst);
    let worker = Worker::new(&dispatcher).with_poll(Duration::from_secs(3600));
    let counted = worker.clone();
    let running = tokio::spawn(worker.run());
    until("it has looked", async || claims() == 2).await;
    for n in 1..=3 {
        let code = format!("A-{n}");
        let _ = dispatcher.enqueue(&order(&code, &["north"])).await.unwrap();
        until("it is notified", async || {
            state(&world.get(&key("north", &code)).await) == format!("notified {code}")
        })
        .await;
    }
    assert_eq!(claims(), 2, "what was sent came with its insert");
    // A claim that came with an insert is the worker's like one that it has asked for.
    dispatcher.shutdown(Duration::from_secs(10)).await;
    assert_eq!(running.await.unwrap().notified, 3);
    assert_eq!(counted.summary().notified, 3);
    assert_eq!(receiver.count(), 3);
    world.agrees().await;
}
