//! A program of schema version 1 that still has the file open while this one migrates it. It knows nothing of what version
//! 2 has added, and goes on with its own statements.

use orderhook::notification::StateName;
use orderhook::store::{Action, Pick, Selection, Store, Then, Written};
use orderhook::{Key, SqliteStore};
use sqlx::{AssertSqlSafe, Connection, Row, SqliteConnection};

use crate::support::*;

const SCHEMA: &str = include_str!("../../src/store/sqlite/v1.sql");
const STATEMENTS: &str = include_str!("../fixtures/sqlite/v1_statements.sql");

/// The older program: its connection, and its statements with values written into them.
struct Older(SqliteConnection);

impl Older {
    /// A file that it has made, and this program's store on it.
    async fn with_store() -> (Older, SqliteStore, File) {
        let file = File::new();
        let mut connection = file.stranger().await;
        let setup = "PRAGMA journal_mode = WAL; CREATE TABLE orderhook_migrations (version INTEGER NOT NULL PRIMARY KEY, \
            library TEXT NOT NULL, applied_at INTEGER NOT NULL) STRICT; \
            INSERT INTO orderhook_migrations VALUES (1, '0.1.0', 0)";
        sqlx::raw_sql(setup).execute(&mut connection).await.unwrap();
        sqlx::raw_sql(SCHEMA)
            .execute(&mut connection)
            .await
            .unwrap();
        let mut older = Older(connection);
        // It has prepared its statements before the file is migrated.
        older.insert(&key("west", "before"), 5).await;
        let store = file.store().await;
        (older, store, file)
    }

    async fn run(&mut self, name: &str, values: &[&str]) -> Vec<sqlx::sqlite::SqliteRow> {
        let begin = STATEMENTS.find(&format!("-- {name}\n")).unwrap();
        let text = &STATEMENTS[begin..];
        let text = &text[text.find('\n').unwrap()..text.find("\n\n").unwrap_or(text.len())];
        // From the last number down, so that ?1 is not found in ?12.
        let fill =
            |sql: String, (n, value): (usize, &&str)| sql.replace(&format!("?{}", n + 1), value);
        let text = values.iter().enumerate().rev().fold(text.to_owned(), fill);
        let mut transaction = self.0.begin().await.unwrap();
        let rows = sqlx::raw_sql(AssertSqlSafe(text))
            .fetch_all(&mut *transaction)
            .await
            .unwrap();
        transaction.commit().await.unwrap();
        rows
    }

    async fn number(&mut self, sql: &'static str) -> i64 {
        sqlx::query(sql)
            .fetch_one(&mut self.0)
            .await
            .unwrap()
            .get(0)
    }

    async fn insert(&mut self, key: &Key, now: i64) {
        let [source, order, supplier, kind, occurrence] = names(key);
        let now = now.to_string();
        let state = [
            "'pending'",
            "1",
            &now,
            "NULL",
            "NULL",
            "NULL",
            "NULL",
            "NULL",
        ];
        let rest = ["'msg_1'", "1", "NULL", "NULL", "NULL", &now, "x'7b7d'"];
        let names = [&*source, &*order, &*supplier, &*kind, &*occurrence];
        self.run("add", &[&names[..], &state, &rest].concat()).await;
    }

    /// What it would claim: the front of a supplier.
    async fn front(&mut self, supplier: &str) -> Vec<i64> {
        let supplier = format!("'{supplier}'");
        let now = i64::MAX.to_string();
        self.run("front", &["'shop'", &supplier, &now, "9"])
            .await
            .iter()
            .map(|row| row.get(1))
            .collect()
    }

    /// Claims this row, for an hour; its token.
    async fn claim(&mut self, id: i64) -> i64 {
        let token = self
            .number("SELECT last_token + 1 FROM orderhook_meta")
            .await;
        let until = self
            .number("SELECT last_seen + 3600000000 FROM orderhook_meta")
            .await;
        self.run("hand out", &[&format!("'[[{id},{token},{until}]]'")])
            .await;
        self.run(
            "counters",
            &[&token.to_string(), "last_settled", "last_seen"],
        )
        .await;
        token
    }

    /// Writes the end of a round: pending again, so long from now, or notified.
    async fn write(&mut self, key: &Key, token: i64, state: &str, after: i64) -> usize {
        let [source, order, supplier, kind, occurrence] = names(key);
        let now = self.number("SELECT last_seen FROM orderhook_meta").await;
        let (due, settled) = match state {
            "pending" => ((now + after).to_string(), "NULL".to_owned()),
            _ => ("NULL".to_owned(), now.to_string()),
        };
        let (unfinished, reference) = if state == "pending" {
            ("1", "NULL")
        } else {
            ("0", "'R-1'")
        };
        let state = format!("'{state}'");
        let token = token.to_string();
        let names = [&*source, &*order, &*supplier, &*kind, &*occurrence];
        let step = [token.as_str(), "'[]'", "0", "x'7b7d'", "0"];
        let columns = [
            state.as_str(),
            unfinished,
            &due,
            reference,
            "NULL",
            "NULL",
            &settled,
            "NULL",
        ];
        self.run(
            "change",
            &[&names[..], &step, &columns, &["0", "77"]].concat(),
        )
        .await
        .len()
    }
}

fn names(key: &Key) -> [String; 5] {
    let names = [
        key.source.as_str(),
        key.order.as_str(),
        key.supplier.as_str(),
        key.kind.as_str(),
        "",
    ];
    names.map(|name| format!("'{name}'"))
}

async fn of_new(store: &SqliteStore) -> Vec<String> {
    orders(&store.claim(&of(Pick::New, 9)).await.unwrap())
}

async fn of_due(store: &SqliteStore) -> Vec<String> {
    orders(&store.claim(&of(Pick::Due, 9)).await.unwrap())
}

async fn put_off(store: &SqliteStore) -> Vec<String> {
    let suppliers = ["north", "west"].map(|id| id.parse().unwrap());
    orders(
        &store
            .claim(&of(Pick::PutOff(suppliers.to_vec()), 9))
            .await
            .unwrap(),
    )
}

#[tokio::test]
async fn what_an_older_program_stores_is_new() {
    let (mut older, store, _file) = Older::with_store().await;
    older.insert(&key("north", "A-1"), 7).await;
    assert_eq!(put_off(&store).await, [""; 0]);
    assert_eq!(of_due(&store).await, [""; 0]);
    assert_eq!(of_new(&store).await, ["west before", "north A-1"]);
}

#[tokio::test]
async fn what_an_older_program_holds_is_left_alone_and_what_it_gives_back_is_due() {
    let (mut older, store, _file) = Older::with_store().await;
    // The store's time, which an older program reads there.
    claim(&store, 0).await;
    add(&store, &[&key("north", "A-1")]).await;
    for _ in 0..2 {
        let front = older.front("north").await;
        assert_eq!(front.len(), 1);
        let token = older.claim(front[0]).await;
        assert_eq!(of_due(&store).await, [""; 0]);
        assert_eq!(put_off(&store).await, [""; 0]);
        assert_eq!(
            store
                .claim(&due_of(&[&key("north", "A-1")]))
                .await
                .unwrap()
                .claims,
            []
        );
        assert_eq!(
            older.write(&key("north", "A-1"), token, "pending", 0).await,
            1
        );
    }
    assert_eq!(of_new(&store).await, ["west before"]);
    assert_eq!(put_off(&store).await, [""; 0]);
    assert_eq!(of_due(&store).await, ["north A-1"]);
}

#[tokio::test]
async fn what_was_put_off_and_then_tried_by_an_older_program_waits_for_its_next_try() {
    let (mut older, store, _file) = Older::with_store().await;
    let key = key("north", "A-1");
    add(&store, &[&key]).await;
    let held = store.claim(&due_of(&[&key])).await.unwrap().claims;
    store
        .write(&[step(&held[0], Then::HandBack { after: NOW })])
        .await
        .unwrap();
    let front = older.front("north").await;
    let token = older.claim(front[0]).await;
    assert_eq!(put_off(&store).await, [""; 0], "an older program holds it");
    older.write(&key, token, "pending", 3_600_000_000).await;
    assert_eq!(put_off(&store).await, [""; 0], "it waits for its next try");
    assert_eq!(of_due(&store).await, [""; 0]);
    assert_eq!(
        orders(&store.claim(&of(Pick::NowOf(vec![key]), 1)).await.unwrap()),
        ["north A-1"]
    );
}

#[tokio::test]
async fn tokens_of_both_programs_fence_each_other() {
    let (mut older, store, _file) = Older::with_store().await;
    let key = key("north", "A-1");
    add(&store, &[&key]).await;
    let held = claim_for(&store, 9, NOW).await.claims;
    let mine = held.iter().find(|claim| claim.key == key).unwrap();
    let front = older.front("north").await;
    let theirs = older.claim(front[0]).await;
    assert_ne!(mine.token.number(), theirs);
    assert_eq!(
        store
            .write(&[step(mine, notified())])
            .await
            .unwrap()
            .answers,
        [Written::Stale]
    );
    assert_eq!(older.write(&key, theirs, "notified", 0).await, 1);
    assert_eq!(older.write(&key, theirs, "pending", 0).await, 0);
    assert_eq!(
        store.get(&key).await.unwrap().unwrap().state.name(),
        StateName::Notified
    );
}

#[tokio::test]
async fn what_was_set_aside_is_nothing_that_an_older_program_claims() {
    let (mut older, store, file) = Older::with_store().await;
    let key = key("north", "A-1");
    add(&store, &[&key]).await;
    file.run("UPDATE orderhook_notifications SET ledger = x'00' WHERE order_code = 'A-1'")
        .await;
    assert_eq!(claim_all(&store).await.refused.len(), 1);
    assert_eq!(older.front("north").await, [0_i64; 0]);
    let withdraw =
        orderhook::store::Intervention::new(Action::Withdraw, crate::receivers::because("damaged"));
    let done = store
        .intervene(&Selection::Keys(vec![key.clone()]), &withdraw, 1)
        .await
        .unwrap();
    assert_eq!(done.changed, [key]);
}
