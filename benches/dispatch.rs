//! What `notify` costs beside a bare loop of the HTTP client: the same bodies to the same receiver in the same run.
//!
//! `cargo bench --bench dispatch --features sqlite -- [ORDERS]` prints lines `figure NAME RATIO`; only the ratios carry over
//! to another machine. More than 1 is slower than the bare loop.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a bench: a panic is how it reports"
)]

#[path = "../tests/support/mod.rs"]
mod support;

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use orderhook::store::Store;
use orderhook::{Dispatcher, MemoryStore, PaidOrder, Source, Supplier, SupplierId};

use support::{Ca, Receiver};

const IN_FLIGHT: usize = 64;

fn main() {
    let orders: usize = std::env::args()
        .filter_map(|word| word.parse().ok())
        .next()
        .unwrap_or(1_000);
    // The receiver has a thread of its own, as it would be another machine's.
    let (ready, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let ca = Ca::new();
            let receiver = Receiver::start(&ca).await;
            ready.send((receiver.url("/orders"), ca.pem())).unwrap();
            std::future::pending::<()>().await;
        });
    });
    let (url, pem) = receiver.recv().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(measure(orders, &url, &pem));
}

async fn measure(orders: usize, url: &str, pem: &str) {
    let bare = bare(orders, url, pem).await;
    println!("bare loop: {:.0} POST/s", rate(orders, bare));

    let memory = dispatch("memory", MemoryStore::new(), orders, IN_FLIGHT, url, pem).await;
    println!("notify on MemoryStore: {:.0}/s", rate(orders, memory));
    figure("dispatch_memory_over_bare", memory, bare);

    #[cfg(feature = "sqlite")]
    {
        let folder = tempfile::tempdir().unwrap();
        let store = orderhook::SqliteStore::open(folder.path().join("many.db"))
            .await
            .unwrap();
        let before = store.commits();
        let sqlite = dispatch("sqlite", store.clone(), orders, IN_FLIGHT, url, pem).await;
        println!(
            "notify on SqliteStore, 64 at once: {:.0}/s",
            rate(orders, sqlite)
        );
        figure("dispatch_sqlite_over_bare", sqlite, bare);
        println!(
            "figure commits_per_notification_64_at_once {:.3}",
            (store.commits() - before) as f64 / orders as f64
        );

        let store = orderhook::SqliteStore::open(folder.path().join("one.db"))
            .await
            .unwrap();
        let few = orders.div_ceil(10);
        let before = store.commits();
        let one = dispatch("one", store.clone(), few, 1, url, pem).await;
        println!(
            "notify on SqliteStore, one at a time: {:.0}/s",
            rate(few, one)
        );
        println!(
            "figure commits_per_notification_one_at_once {:.3}",
            (store.commits() - before) as f64 / few as f64
        );
    }
}

fn rate(orders: usize, took: Duration) -> f64 {
    orders as f64 / took.as_secs_f64()
}

fn figure(name: &str, took: Duration, bare: Duration) {
    println!(
        "figure {name} {:.2}",
        took.as_secs_f64() / bare.as_secs_f64()
    );
}

/// The HTTP client alone, with its bytes ready.
async fn bare(orders: usize, url: &str, pem: &str) -> Duration {
    let root = reqwest::Certificate::from_pem(pem.as_bytes()).unwrap();
    let client = reqwest::Client::builder()
        .tls_certs_merge([root])
        .pool_max_idle_per_host(IN_FLIGHT)
        .timeout(Duration::from_secs(60))
        .build()
        .unwrap();
    let body = bytes::Bytes::from(serde_json::to_vec(&order(0)).unwrap());
    let url = url.to_owned();
    run(orders, IN_FLIGHT, move |_| {
        let (client, url, body) = (client.clone(), url.clone(), body.clone());
        async move {
            let post = client
                .post(url)
                .header("content-type", "application/json")
                .body(body);
            assert!(post.send().await.unwrap().status().is_success());
        }
    })
    .await
}

async fn dispatch(
    name: &str,
    store: impl Store,
    orders: usize,
    at_once: usize,
    url: &str,
    pem: &str,
) -> Duration {
    let supplier = Supplier::builder(SupplierId::new("north-books").unwrap())
        .endpoint(url)
        .max_concurrent(NonZeroU32::new(1_000).unwrap())
        .build()
        .unwrap();
    let suppliers = HashMap::from([(supplier.id().clone(), supplier)]);
    let dispatcher = Dispatcher::builder(Source::new(name).unwrap(), store, suppliers)
        .allow_network("127.0.0.0/8".parse().unwrap())
        .root_certificate(pem)
        .build()
        .unwrap();
    // The client is built and the first connection made before the clock runs, as for the bare loop's first POSTs.
    dispatcher.notify(&order(usize::MAX)).await.unwrap();
    run(orders, at_once, move |n| {
        let dispatcher = dispatcher.clone();
        async move { assert!(dispatcher.notify(&order(n)).await.unwrap().is_notified()) }
    })
    .await
}

/// `number` calls, `at_once` of them side by side.
async fn run<F: Future<Output = ()> + Send + 'static>(
    number: usize,
    at_once: usize,
    call: impl Fn(usize) -> F + Clone + Send + 'static,
) -> Duration {
    let began = Instant::now();
    let next = Arc::new(AtomicUsize::new(0));
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..at_once {
        let (next, call) = (Arc::clone(&next), call.clone());
        tasks.spawn(async move {
            loop {
                let n = next.fetch_add(1, Ordering::Relaxed);
                if n >= number {
                    break;
                }
                // The future is made first, so that the closure need not be Sync.
                let calling = call(n);
                calling.await;
            }
        });
    }
    while let Some(task) = tasks.join_next().await {
        task.unwrap();
    }
    began.elapsed()
}

fn order(n: usize) -> PaidOrder {
    let json = format!(
        r#"{{"order_code": "BENCH-{n}", "customer_name": "Mira Example", "email": "mira@example.com", "channel": "web",
            "currency": "EUR", "shipping_charges": "4.90", "built_at": "2026-11-21T10:00:00+01:00",
            "address": {{"line1": "1 Elm Street", "city": "Ulm", "postal_code": "89073", "country": "DE"}},
            "lines": [{{"supplier": "north-books", "sku": "B-1", "name": "Atlas", "quantity": 1, "unit_price": "14.31",
                       "extra": {{"note": "{}"}}}}]}}"#,
        "x".repeat(700)
    );
    PaidOrder::from_json(json.as_bytes()).unwrap()
}
