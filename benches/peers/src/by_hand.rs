//! The rows of the loop by hand: an outbox as people write it with sqlx and reqwest. A table, a transaction for each order,
//! and a loop that reads up to 64 pending rows, POSTs them at once, and writes down the end of each.
//!
//! It has what such a loop needs to lose nothing, and no more: no lease, no order within a supplier, no pause after a failure.

use std::time::Duration;

use futures_util::future::join_all;
use sqlx::SqlitePool;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use tokio::sync::Semaphore;

use super::measured::{IN_FLIGHT, Measured};
use super::orders::body;
use super::through;

const TABLE: &str = "
    CREATE TABLE outbox (
        id INTEGER PRIMARY KEY,
        url TEXT NOT NULL,
        body BLOB NOT NULL,
        state TEXT NOT NULL DEFAULT 'pending',
        attempts INTEGER NOT NULL DEFAULT 0
    );
    CREATE INDEX outbox_pending ON outbox (id) WHERE state = 'pending';";

/// The pause after a look that found nothing.
const PAUSE: Duration = Duration::from_millis(10);

/// A row of the table, as it is sent.
type Pending = (i64, String, Vec<u8>);

/// The base of the URL says over which transport; plain HTTP needs the root certificate for nothing.
pub(crate) async fn measure(base: &str, root: &str, number: usize) -> Measured {
    let folder = tempfile::tempdir().unwrap();
    let options = SqliteConnectOptions::new()
        .filename(folder.path().join("outbox.db"))
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full);
    // One connection: those who write wait for each other anyway, and here they do so in a queue.
    let pool = SqlitePoolOptions::new()
        .max_connections(1)
        .connect_with(options)
        .await
        .unwrap();
    sqlx::raw_sql(TABLE).execute(&pool).await.unwrap();
    let client = reqwest::Client::builder()
        .tls_certs_only([reqwest::Certificate::from_pem(root.as_bytes()).unwrap()])
        .timeout(Duration::from_secs(60))
        .build()
        .unwrap();
    let room = through::room();
    let (delivers, delivered) = (pool.clone(), std::sync::Arc::clone(&room));
    let working = tokio::spawn(async move { deliver(&delivers, &client, &delivered).await });
    let url = format!("{base}/s/0");
    let store = move |body: Vec<u8>| {
        let (pool, url) = (pool.clone(), url.clone());
        async move { enqueue(&pool, &url, &body).await.unwrap() }
    };
    let measured = through::measure(number, room, body, store).await;
    working.abort();
    measured
}

/// In a transaction, for that is where the order itself is written.
async fn enqueue(pool: &SqlitePool, url: &str, body: &[u8]) -> sqlx::Result<()> {
    let mut transaction = pool.begin().await?;
    sqlx::query("INSERT INTO outbox (url, body) VALUES (?, ?)")
        .bind(url)
        .bind(body)
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await
}

/// The loop; adds to `delivered` what has been.
async fn deliver(pool: &SqlitePool, client: &reqwest::Client, delivered: &Semaphore) {
    loop {
        let pending: Vec<Pending> = sqlx::query_as(
            "SELECT id, url, body FROM outbox WHERE state = 'pending' ORDER BY id LIMIT ?",
        )
        .bind(IN_FLIGHT as i64)
        .fetch_all(pool)
        .await
        .unwrap();
        if pending.is_empty() {
            tokio::time::sleep(PAUSE).await;
            continue;
        }
        let each = pending.into_iter().map(async |(id, url, body)| {
            let arrived = post(client, &url, id, body).await.is_ok();
            end(pool, id, arrived).await.unwrap();
            if arrived {
                delivered.add_permits(1);
            }
        });
        join_all(each).await;
    }
}

async fn post(client: &reqwest::Client, url: &str, id: i64, body: Vec<u8>) -> reqwest::Result<()> {
    let reply = client
        .post(url)
        .bearer_auth("tok_5f2a77aa0c3e4b5d")
        .header("content-type", "application/json")
        .header("webhook-id", id)
        .body(body)
        .send()
        .await?
        .error_for_status()?;
    // To its end, so that the connection is used again.
    reply.bytes().await?;
    Ok(())
}

/// What has not arrived stays pending, and is sent again in the next round.
async fn end(pool: &SqlitePool, id: i64, arrived: bool) -> sqlx::Result<()> {
    sqlx::query("UPDATE outbox SET state = ?, attempts = attempts + 1 WHERE id = ?")
        .bind(if arrived { "done" } else { "pending" })
        .bind(id)
        .execute(pool)
        .await?;
    Ok(())
}
