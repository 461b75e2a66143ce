//! Controls of the disk, and the floor: what SQLite through the same driver costs with no rules at all.
#![cfg(feature = "sqlite")]

use std::io::{Seek, Write};

use orderhook::sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use orderhook::sqlx::{self, ConnectOptions};

use super::measured::{IN_FLIGHT, Measured, Watch};
use super::orders::body;
use super::receiver::Address;

/// A page written over and synced, again and again.
pub(crate) async fn fdatasync(_: &Address, number: usize) -> Measured {
    let mut file = tempfile::tempfile().unwrap();
    let page = [7_u8; 4096];
    for _ in 0..64 {
        file.write_all(&page).unwrap();
    }
    file.sync_all().unwrap();
    let watch = Watch::start();
    for n in 0..number {
        file.seek(std::io::SeekFrom::Start(n as u64 % 64 * 4096))
            .unwrap();
        file.write_all(&page).unwrap();
        file.sync_data().unwrap();
    }
    let measured = watch.stop(number, 0);
    Measured {
        arrive: None,
        ..measured
    }
}

/// 64 orders into one table in one commit, and their ends in a second one: what nothing that goes through this driver and
/// commits twice can be below. Nothing is sent.
pub(crate) async fn floor(_: &Address, number: usize) -> Measured {
    let folder = tempfile::tempdir().unwrap();
    let mut connection = SqliteConnectOptions::new()
        .filename(folder.path().join("floor.db"))
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .connect()
        .await
        .unwrap();
    sqlx::raw_sql(
        "CREATE TABLE outbox (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, body BLOB NOT NULL, due INTEGER); \
         CREATE INDEX due ON outbox (due) WHERE due IS NOT NULL",
    )
    .execute(&mut connection)
    .await
    .unwrap();
    let insert = format!(
        "BEGIN IMMEDIATE; {} COMMIT",
        "INSERT INTO outbox (name, body, due) VALUES (?, ?, 1);".repeat(IN_FLIGHT)
    );
    const END: &str = "BEGIN IMMEDIATE; \
        UPDATE outbox SET due = NULL, body = x'' WHERE name IN (SELECT value FROM json_each(?)); COMMIT";
    let rounds = number / IN_FLIGHT;
    let body = body(0);
    let watch = Watch::start();
    for round in 0..rounds {
        let names: Vec<_> = (0..IN_FLIGHT).map(|n| format!("B-{round}-{n}")).collect();
        let mut query = sqlx::query(sqlx::AssertSqlSafe(insert.clone()));
        for name in &names {
            query = query.bind(name.clone()).bind(body.clone());
        }
        query.execute(&mut connection).await.unwrap();
        sqlx::query(END)
            .bind(serde_json::to_string(&names).unwrap())
            .execute(&mut connection)
            .await
            .unwrap();
    }
    let measured = watch.stop(rounds * IN_FLIGHT, 0);
    Measured {
        arrive: None,
        ..measured
    }
}
