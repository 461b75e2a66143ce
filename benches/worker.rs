//! What one supplier costs another: the latency of a worker's deliveries beside suppliers that hang and beside a long backlog, and
//! what an idle worker uses.
//!
//! `cargo bench --bench worker --features sqlite -- [SECONDS]` prints lines `figure NAME RATIO`, from runs of so many seconds
//! (3). A ratio of 1 means that the others noticed nothing. The control is the run without anything beside it, measured twice: what it
//! is off 1 is the noise of the machine, and no other ratio says more than that.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a bench: a panic is how it reports"
)]

#[path = "../tests/support/mod.rs"]
mod support;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use orderhook::event::{Body, Occurrence};
use orderhook::store::{ClaimNew, NewNotification, Start, Store};
use orderhook::{
    Dispatcher, Event, EventKind, Key, OrderCode, Source, Supplier, SupplierId, Worker,
};

use support::{Ca, Receiver, Reply};

const SUPPLIERS: usize = 200;
const HANGING: usize = 2;
/// Orders a second, over all suppliers.
const RATE: u64 = 200;
const WARM_UP: usize = 50;
const BACKLOG: usize = 100_000;
const IDLE_SUPPLIERS: usize = 10_000;
/// The limit of an exchange: those that hang do so for all of it.
const LIMIT: Duration = Duration::from_secs(2);

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let seconds = std::env::args()
        .filter_map(|word| word.parse().ok())
        .next()
        .unwrap_or(3);
    let for_long = Duration::from_secs(seconds);
    let receivers = Receivers::start();

    // The first one of all pays for what is built and loaded once.
    run(&receivers, Others::Well, Duration::from_secs(1)).await;
    // In turns, each of them first once, so that what else goes on here meets all of them.
    let mut turn = [
        Others::Well,
        Others::Hang,
        Others::DeadWithBacklog,
        Others::WellAgain,
    ];
    let (mut alone, mut control) = (Vec::new(), Vec::new());
    let (mut beside_hanging, mut beside_backlog) = (Vec::new(), Vec::new());
    for _ in 0..turn.len() {
        for others in turn {
            let latencies = run(&receivers, others, for_long).await;
            match others {
                Others::Well => alone.extend(latencies),
                Others::WellAgain => control.extend(latencies),
                Others::Hang => beside_hanging.extend(latencies),
                Others::DeadWithBacklog => beside_backlog.extend(latencies),
            }
        }
        turn.rotate_left(1);
    }
    let (median, p99) = percentiles(&mut alone);
    println!(
        "{} suppliers, all well: median {median:?}, p99 {p99:?} of {} deliveries",
        SUPPLIERS,
        alone.len()
    );
    let beside = [
        ("control", &mut control),
        ("hanging", &mut beside_hanging),
        ("backlog", &mut beside_backlog),
    ];
    for (name, latencies) in beside {
        let (its_median, its_p99) = percentiles(latencies);
        println!(
            "{name}: median {its_median:?}, p99 {its_p99:?} of {} deliveries",
            latencies.len()
        );
        figure(&format!("worker_median_{name}"), its_median, median);
        figure(&format!("worker_p99_{name}"), its_p99, p99);
    }
    idle(for_long).await;
}

/// What the suppliers are like that nobody measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Others {
    Well,
    WellAgain,
    Hang,
    /// One that hangs and that a hundred thousand notifications wait for.
    DeadWithBacklog,
}

/// Receivers with a thread of their own, as they would be other machines.
struct Receivers {
    well: String,
    dead: String,
    ca: String,
    /// When an order arrived.
    arrived: Arc<Mutex<HashMap<String, Instant>>>,
}

impl Receivers {
    fn start() -> Self {
        let arrived: Arc<Mutex<HashMap<String, Instant>>> = Arc::default();
        let (note, (ready, started)) = (Arc::clone(&arrived), std::sync::mpsc::channel());
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let ca = Ca::new();
                let (well, dead) = (Receiver::start(&ca).await, Receiver::start(&ca).await);
                well.on_request(move |request| {
                    let order = request.json()["order"].as_str().unwrap().to_owned();
                    note.lock()
                        .unwrap()
                        .entry(order)
                        .or_insert_with(Instant::now);
                });
                dead.answer(Reply::Hang);
                ready
                    .send((well.url("/orders"), dead.url("/orders"), ca.pem()))
                    .unwrap();
                std::future::pending::<()>().await;
            });
        });
        let (well, dead, ca) = started.recv().unwrap();
        Receivers {
            well,
            dead,
            ca,
            arrived,
        }
    }
}

fn id(n: usize) -> SupplierId {
    SupplierId::new(format!("supplier-{n}")).unwrap()
}

fn key(supplier: usize, order: &str) -> Key {
    Key::order_created(
        Source::new("bench").unwrap(),
        id(supplier),
        OrderCode::new(order).unwrap(),
    )
}

/// From storing an order to its arrival, for the suppliers that are well in every run.
async fn run(receivers: &Receivers, others: Others, for_long: Duration) -> Vec<Duration> {
    let folder = tempfile::tempdir().unwrap();
    let store = orderhook::SqliteStore::open(folder.path().join("bench.db"))
        .await
        .unwrap();
    if others == Others::DeadWithBacklog {
        backlog(&store).await;
    }
    let supplier = |n: usize| {
        let dead = n < HANGING && matches!(others, Others::Hang | Others::DeadWithBacklog);
        let url = if dead {
            &receivers.dead
        } else {
            &receivers.well
        };
        (
            id(n),
            Supplier::builder(id(n))
                .endpoint(url.as_str())
                .build()
                .unwrap(),
        )
    };
    let suppliers: HashMap<_, _> = (0..SUPPLIERS).map(supplier).collect();
    let dispatcher = Dispatcher::builder(Source::new("bench").unwrap(), store, suppliers)
        .allow_network("127.0.0.0/8".parse().unwrap())
        .root_certificate(receivers.ca.as_str())
        .timeout(LIMIT)
        .build()
        .unwrap();
    receivers.arrived.lock().unwrap().clear();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let worker = Worker::new(&dispatcher).with_grace(Duration::ZERO);
    let running = tokio::spawn(async move {
        worker
            .run_until(async {
                let _ = stopped.await;
            })
            .await
    });

    let mut stored = Vec::new();
    let mut ticks = tokio::time::interval(Duration::from_millis(1000 / RATE));
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let (began, mut n) = (Instant::now(), 0);
    while began.elapsed() < for_long {
        ticks.tick().await;
        let (to, order) = (n % SUPPLIERS, format!("{others:?}-{n}"));
        n += 1;
        let content = serde_json::json!({ "order": order, "lines": [{ "sku": "B-1", "name": "Atlas", "quantity": 1 }] });
        let event = Event::new(EventKind::OrderCreated, Occurrence::only(), &content).unwrap();
        let at = Instant::now();
        let _ = dispatcher
            .enqueue_event(&id(to), &OrderCode::new(&order).unwrap(), event)
            .await
            .unwrap();
        // The first orders are for connections.
        if to >= HANGING && n > WARM_UP {
            stored.push((order, at));
        }
    }
    let patience = Instant::now() + Duration::from_secs(30);
    let latencies = loop {
        let latencies: Vec<Duration> = {
            let arrived = receivers.arrived.lock().unwrap();
            stored
                .iter()
                .filter_map(|(order, at)| arrived.get(order).map(|then| then.duration_since(*at)))
                .collect()
        };
        if latencies.len() == stored.len() {
            break latencies;
        }
        assert!(
            Instant::now() < patience,
            "{others:?}: {} of {} have arrived",
            latencies.len(),
            stored.len()
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    let _ = stop.send(());
    running.await.unwrap();
    dispatcher.shutdown(Duration::ZERO).await;
    latencies
}

/// Older than everything else, for a supplier that does not answer.
async fn backlog(store: &impl Store) {
    let body = Body::new(*b"{\"order\": \"old\"}");
    for thousand in 0..BACKLOG / 1000 {
        let row = |n: usize| {
            NewNotification::new(
                key(0, &format!("old-{}", thousand * 1000 + n)),
                Start::pending(body.clone()),
            )
        };
        let rows: Vec<_> = (0..1000).map(row).collect();
        store.insert(&rows, &ClaimNew::NONE).await.unwrap();
    }
}

/// What a worker uses that has nothing to do, beside a hundred thousand finished notifications of ten thousand suppliers.
async fn idle(for_long: Duration) {
    let folder = tempfile::tempdir().unwrap();
    let store = orderhook::SqliteStore::open(folder.path().join("idle.db"))
        .await
        .unwrap();
    for thousand in 0..BACKLOG / 1000 {
        let row = |n: usize| {
            let n = thousand * 1000 + n;
            let start = Start::Notified {
                reference: "R-1".to_owned(),
                by: orderhook::notification::By::new("bench", "told before").unwrap(),
            };
            NewNotification::new(key(n % IDLE_SUPPLIERS, &format!("done-{n}")), start)
        };
        let rows: Vec<_> = (0..1000).map(row).collect();
        store.insert(&rows, &ClaimNew::NONE).await.unwrap();
    }
    let suppliers: HashMap<_, _> = (0..IDLE_SUPPLIERS)
        .map(|n| (id(n), Supplier::builder(id(n)).build().unwrap()))
        .collect();
    let dispatcher = Dispatcher::builder(Source::new("bench").unwrap(), store, suppliers)
        .build()
        .unwrap();
    let worker = Worker::new(&dispatcher);
    // What the filling has left to be done is done first.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let (before, began) = (cpu_seconds(), Instant::now());
    worker
        .run_until(tokio::time::sleep(for_long.max(Duration::from_secs(5))))
        .await;
    let share = (cpu_seconds() - before) / began.elapsed().as_secs_f64();
    println!(
        "idle: {BACKLOG} finished notifications, {IDLE_SUPPLIERS} suppliers, over {:?}",
        began.elapsed()
    );
    println!("figure worker_idle_cpu_seconds_per_second {share:.4}");
}

/// User and system time of this process; Linux only, elsewhere 0.
fn cpu_seconds() -> f64 {
    let Ok(stat) = std::fs::read_to_string("/proc/self/stat") else {
        return 0.0;
    };
    // Behind the name, which may have spaces: utime and stime are the 12th and 13th from there, in hundredths.
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .collect();
    let hundredths = |n: usize| {
        fields
            .get(n)
            .and_then(|field| field.parse::<f64>().ok())
            .unwrap_or(0.0)
    };
    (hundredths(11) + hundredths(12)) / 100.0
}

fn percentiles(latencies: &mut [Duration]) -> (Duration, Duration) {
    latencies.sort_unstable();
    let at = |percent: usize| latencies[(latencies.len() - 1) * percent / 100];
    (at(50), at(99))
}

fn figure(name: &str, took: Duration, alone: Duration) {
    println!(
        "figure {name} {:.2}",
        took.as_secs_f64() / alone.as_secs_f64()
    );
}
