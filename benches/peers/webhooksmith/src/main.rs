//! The row of webhooksmith 0.2.1 with its SQLite engine. The program of `benches/peers` builds and starts it:
//! `peer-webhooksmith NUMBER URL BODY` sends so many orders to that URL and prints what was measured, as JSON. The body is the
//! one of order 0; the others get their own number in it.
//!
//! How it is set up:
//!
//! - Its builder for SQLite has two options, the file and plain HTTP. Batch, pause and connections are fixed: 50 events a look,
//!   sent one after another; half a second of waiting after a look that found nothing; one connection. (`batch_size`,
//!   `poll_interval` and `max_connections` exist for PostgreSQL only.) The orders keep it busy, so that the wait costs next to
//!   nothing here.
//! - One `run` is one worker. Several of them on one file are no faster way: its look reads the due rows and marks them in
//!   statements of their own, so that two workers would send the same orders twice.
//! - It switches WAL on itself. `synchronous` it leaves at the default of SQLite, which is FULL; it is set here all the same and
//!   read back, so that its commits are as durable as those of the other rows.
//! - It takes no header of ours: where the others send a bearer token it sends a signature, which cannot be switched off.
//! - It trusts public certificate authorities only, so it sends over plain HTTP. The program also measures the loop by hand that
//!   way.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a bench: a panic is how it reports"
)]

#[path = "../../../throughput/machine.rs"]
#[allow(dead_code, reason = "shared with a bench that needs more of it")]
mod machine;
#[path = "../../../throughput/measured.rs"]
#[allow(dead_code, reason = "shared with a bench that needs more of it")]
mod measured;
#[path = "../../src/through.rs"]
mod through;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, SqliteConnection};
use tokio::sync::Semaphore;
use webhooksmith::SqliteEngine;

use measured::Measured;

/// What SQLite calls `synchronous` FULL.
const FULL: i64 = 2;

/// How often it is seen what was delivered.
const LOOK: Duration = Duration::from_millis(20);

fn main() {
    machine::pin(0);
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [number, url, body] = &words[..] else {
        panic!("needed: how many orders, the URL, the body of one")
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let measured = runtime.block_on(measure(number.parse().unwrap(), url, body));
    println!("{}", serde_json::to_string(&measured).unwrap());
}

async fn measure(number: usize, url: &str, body: &str) -> Measured {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("peer.db");
    let engine = open(&file).await;
    let endpoint = engine
        .register(url, "a signing secret of the bench")
        .await
        .unwrap();
    let (engine, room) = (Arc::new(engine), through::room());
    let works = Arc::clone(&engine);
    let working = tokio::spawn(async move { works.run().await });
    let seeing = tokio::spawn(see(reader(&file).await, Arc::clone(&room)));

    let body: Value = serde_json::from_str(body).unwrap();
    let make = |n: usize| {
        let mut body = body.clone();
        body["order_code"] = format!("B-{n}").into();
        body
    };
    let sends = Arc::clone(&engine);
    let store = move |body: Value| {
        let engine = Arc::clone(&sends);
        async move {
            let sent = engine.send("order.created", body, endpoint.id).await;
            sent.unwrap();
        }
    };
    let measured = through::measure(number, room, make, store).await;

    let delivered = engine.queue_stats().await.unwrap().delivered;
    assert_eq!(Some(delivered as usize), measured.arrive, "delivered");
    working.abort();
    seeing.abort();
    measured
}

async fn open(file: &Path) -> SqliteEngine {
    let engine = SqliteEngine::builder()
        .database_url(format!("sqlite:{}?mode=rwc", file.display()))
        .allow_insecure_urls()
        .build()
        .await
        .unwrap();
    engine.migrate().await.unwrap();
    // Its pool has one connection, so this is the one that everything goes through.
    sqlx::query("PRAGMA synchronous = FULL")
        .execute(engine.pool())
        .await
        .unwrap();
    let journal = sqlx::query_scalar::<_, String>("PRAGMA journal_mode")
        .fetch_one(engine.pool())
        .await
        .unwrap();
    let synchronous = sqlx::query_scalar::<_, i64>("PRAGMA synchronous")
        .fetch_one(engine.pool())
        .await
        .unwrap();
    assert_eq!((journal.as_str(), synchronous), ("wal", FULL));
    engine
}

/// A connection of our own, so that looking does not wait in the queue for the engine's, nor the engine for us.
async fn reader(file: &Path) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(file).read_only(true);
    options.connect().await.unwrap()
}

/// Gives room for what was delivered. The engine has no callback, but it writes down each attempt in the transaction that
/// ends a delivery; the last row number of that table is found without reading it.
async fn see(mut reader: SqliteConnection, room: Arc<Semaphore>) {
    let mut seen = 0;
    loop {
        let attempts: i64 =
            sqlx::query_scalar("SELECT coalesce(max(rowid), 0) FROM webhook_delivery_attempts")
                .fetch_one(&mut reader)
                .await
                .unwrap();
        room.add_permits((attempts - seen) as usize);
        seen = attempts;
        tokio::time::sleep(LOOK).await;
    }
}
