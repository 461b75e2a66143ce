//! Notifications inside a transaction of the application.

use orderhook::SqliteStore;
use orderhook::event::{Body, ContentDigest, Difference};
use orderhook::report::{Enqueued, Prepared};
use orderhook::store::{Inserted, NewNotification, Start, Store, StoreErrorKind};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Connection, SqlitePool};

use crate::support::*;

fn options(file: &File) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(&file.path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
}

async fn pool_with(options: SqliteConnectOptions) -> SqlitePool {
    let pool = SqlitePoolOptions::new()
        .max_connections(1)
        .connect_with(options)
        .await
        .unwrap();
    sqlx::raw_sql("CREATE TABLE orders (code TEXT PRIMARY KEY)")
        .execute(&pool)
        .await
        .unwrap();
    pool
}

fn answers(enqueued: &Enqueued) -> Vec<Inserted> {
    enqueued
        .stored
        .iter()
        .map(|stored| stored.inserted)
        .collect()
}

#[tokio::test]
async fn a_commit_of_the_application_is_a_commit_of_the_notification() {
    let file = File::new();
    // A pool of one, which the transaction has: the store waits for nobody.
    let pool = pool_with(options(&file)).await;
    let store = SqliteStore::in_pool(pool.clone()).await.unwrap();
    let key = key("north", "A-1");
    let mut transaction = pool.begin().await.unwrap();
    sqlx::query("INSERT INTO orders VALUES ('A-1')")
        .execute(&mut *transaction)
        .await
        .unwrap();
    let told = NewNotification::new(
        later(&key, "told"),
        Start::Notified {
            reference: "R".to_owned(),
            by: crate::receivers::by(),
        },
    );
    let rows = vec![pending(&key), told, pending(&key)];
    let enqueued = store
        .insert_in(&mut transaction, &Prepared::new(rows))
        .await
        .unwrap();
    assert_eq!(
        answers(&enqueued),
        [
            Inserted::New { position: 1 },
            Inserted::New { position: 2 },
            Inserted::Existing
        ]
    );
    assert_eq!(store.get(&key).await.unwrap(), None);
    transaction.commit().await.unwrap();
    assert!(store.get(&key).await.unwrap().is_some());
    assert_eq!(orders(&claim_all(&store).await), ["north A-1"]);
    assert_eq!(add(&store, &[&key]).await, [Inserted::Existing]);
}

#[tokio::test]
async fn a_conflict_inside_a_transaction_is_named_with_its_places() {
    let file = File::new();
    let pool = pool_with(options(&file)).await;
    let store = SqliteStore::in_pool(pool.clone()).await.unwrap();
    let key = key("north", "A-1");
    let row = |text: &str| {
        let body = Body::new(text.as_bytes());
        let mut row = NewNotification::new(key.clone(), Start::pending(body));
        row.content_digest = Some(ContentDigest::of(text.as_bytes()));
        Prepared::new(vec![row])
    };
    let mut transaction = pool.begin().await.unwrap();
    let first = row(r#"{"items": [{"sku": "a", "quantity": 1}]}"#);
    let _ = store.insert_in(&mut transaction, &first).await.unwrap();
    let other = row(r#"{"items": [{"sku": "a", "quantity": 2}]}"#);
    // Of a row of its own transaction as well, which no one else can see yet.
    for _ in 0..2 {
        let enqueued = store.insert_in(&mut transaction, &other).await.unwrap();
        let places = Difference::At(vec!["items[0].quantity".to_owned()]);
        assert_eq!(enqueued.stored[0].difference, Some(places));
        assert_eq!(answers(&enqueued), [Inserted::Differs]);
        transaction.commit().await.unwrap();
        transaction = pool.begin().await.unwrap();
    }
}

#[tokio::test]
async fn a_rollback_of_the_application_leaves_nothing() {
    let file = File::new();
    let pool = pool_with(options(&file)).await;
    let store = SqliteStore::in_pool(pool.clone()).await.unwrap();
    let key = key("north", "A-1");
    let mut transaction = pool.begin().await.unwrap();
    let prepared = Prepared::new(vec![pending(&key)]);
    let enqueued = store.insert_in(&mut transaction, &prepared).await.unwrap();
    assert_eq!(answers(&enqueued), [Inserted::New { position: 1 }]);
    drop(transaction);
    assert_eq!(store.get(&key).await.unwrap(), None);
    assert_eq!(claim_all(&store).await.claims, []);
    assert_eq!(add(&store, &[&key]).await, [Inserted::New { position: 1 }]);
}

#[tokio::test]
async fn a_pool_that_could_lose_a_commit_is_refused() {
    for (options, word) in [
        (
            options(&File::new()).journal_mode(SqliteJournalMode::Delete),
            "WAL",
        ),
        (
            options(&File::new()).synchronous(SqliteSynchronous::Normal),
            "synchronous=FULL",
        ),
        (options(&File::new()).in_memory(true), "in memory"),
    ] {
        let directory = options.get_filename().parent().unwrap();
        std::fs::create_dir_all(directory).unwrap();
        let directory = directory.to_owned();
        let error = SqliteStore::in_pool(pool_with(options).await)
            .await
            .unwrap_err();
        std::fs::remove_dir_all(directory).unwrap();
        assert_eq!(error.kind(), StoreErrorKind::Unusable);
        assert!(error.to_string().contains(word), "{error}");
        assert_eq!(error.to_string().contains("Wal"), word == "WAL", "{error}");
    }
    let file = File::new();
    let extra = pool_with(options(&file).synchronous(SqliteSynchronous::Extra)).await;
    assert!(SqliteStore::in_pool(extra).await.is_ok());
}

#[tokio::test]
async fn a_transaction_of_another_file_or_without_full_sync_is_refused() {
    let (file, other) = (File::new(), File::new());
    let store = file.store().await;
    let rows = Prepared::new(vec![pending(&key("north", "A-1"))]);
    let with_tables = pool_with(options(&other)).await;
    let without_tables = pool_with(options(&File::new()).in_memory(true)).await;
    SqliteStore::in_pool(with_tables.clone()).await.unwrap();
    let normal = pool_with(options(&file).synchronous(SqliteSynchronous::Normal)).await;
    for (pool, word) in [
        (with_tables, "another"),
        (without_tables, "another"),
        (normal, "synchronous=FULL"),
    ] {
        let mut transaction = pool.begin().await.unwrap();
        let error = store.insert_in(&mut transaction, &rows).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Unusable);
        assert!(error.to_string().contains(word), "{error}");
    }
}

#[tokio::test]
async fn a_connection_that_is_in_no_transaction_of_sqlx_is_refused_with_advice() {
    let file = File::new();
    let pool = pool_with(options(&file)).await;
    let store = SqliteStore::in_pool(pool.clone()).await.unwrap();
    let rows = Prepared::new(vec![pending(&key("north", "A-1"))]);
    let mut connection = pool.acquire().await.unwrap();
    for begun in ["", "BEGIN IMMEDIATE"] {
        sqlx::raw_sql(begun)
            .execute(&mut *connection)
            .await
            .unwrap();
        let error = store.insert_in(&mut connection, &rows).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Unusable);
        assert!(
            error.to_string().contains("begin one with `begin`"),
            "{error}"
        );
    }
    // The transaction that sqlx does not know of is untouched.
    sqlx::raw_sql("INSERT INTO orders VALUES ('A-1'); COMMIT")
        .execute(&mut *connection)
        .await
        .unwrap();
    drop(connection);
    assert_eq!(store.get(&key("north", "A-1")).await.unwrap(), None);
}

#[tokio::test]
async fn a_savepoint_of_the_application_takes_back_what_was_stored_in_it_and_nothing_else() {
    let file = File::new();
    let pool = pool_with(options(&file)).await;
    let store = SqliteStore::in_pool(pool.clone()).await.unwrap();
    let rows = |order: &str| Prepared::new(vec![pending(&key("north", order))]);
    let mut transaction = pool.begin().await.unwrap();
    let mut savepoint = transaction.begin().await.unwrap();
    let _ = store
        .insert_in(&mut savepoint, &rows("kept"))
        .await
        .unwrap();
    savepoint.commit().await.unwrap();
    let mut savepoint = transaction.begin().await.unwrap();
    let _ = store
        .insert_in(&mut savepoint, &rows("taken back"))
        .await
        .unwrap();
    savepoint.rollback().await.unwrap();
    transaction.commit().await.unwrap();
    assert!(store.get(&key("north", "kept")).await.unwrap().is_some());
    assert_eq!(store.get(&key("north", "taken back")).await.unwrap(), None);
}

#[tokio::test]
async fn an_insert_that_is_dropped_halfway_is_whole_or_not_there() {
    let file = File::new();
    let pool = pool_with(options(&file)).await;
    let store = SqliteStore::in_pool(pool.clone()).await.unwrap();
    let mut whole = 0;
    for n in 0..60 {
        let order = key("north", &format!("{n}"));
        let row = |m: u32| pending(&later(&order, &format!("{m}")));
        let rows = Prepared::new((0..20).map(row).collect());
        let mut transaction = pool.begin().await.unwrap();
        let inserting = store.insert_in(&mut transaction, &rows);
        let _ = tokio::time::timeout(std::time::Duration::from_micros(60 * n), inserting).await;
        transaction.commit().await.unwrap();
        let mut filter = orderhook::store::Filter::of(source());
        filter.order = Some(order.order);
        let there = crate::receivers::counts(&store, &filter).await.total();
        assert!(there == 0 || there == 20, "{there}");
        whole += u64::from(there == 20);
    }
    println!("{whole} of 60 were stored");
}

#[tokio::test]
async fn a_pool_that_makes_statistics_on_closing_makes_none_through_the_store() {
    let file = File::new();
    let pool = pool_with(options(&file).optimize_on_close(true, None)).await;
    let store = SqliteStore::in_pool(pool).await.unwrap();
    for n in 0..30 {
        add(&store, &[&key("north", &format!("{n}"))]).await;
        claim_all(&store).await;
    }
    store.close().await;
    let statistics =
        "SELECT count(*) FROM sqlite_schema WHERE name LIKE 'sqlite\\_stat%' ESCAPE '\\'";
    let tables: (i64,) = sqlx::query_as(statistics)
        .fetch_one(&mut file.stranger().await)
        .await
        .unwrap();
    assert_eq!(tables.0, 0);
}

#[tokio::test]
async fn debug_shows_no_option_of_the_pool() {
    let file = File::new();
    let store = SqliteStore::in_pool(pool_with(options(&file).pragma("key", "'planted'")).await)
        .await
        .unwrap();
    assert!(!format!("{store:?}").contains("planted"));
}
