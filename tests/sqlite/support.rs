//! A file, a store in it, and short words for what tests say often.

use std::path::PathBuf;
use std::time::Duration;

use orderhook::event::Body;
use orderhook::notification::{Attempt, Ledger, NotSent};
use orderhook::store::{
    Claim, ClaimNew, ClaimRequest, Claims, Inserted, NewNotification, Pick, Start, Step, Store,
    Then,
};
use orderhook::supplier::EndpointId;
use orderhook::{Key, OrderCode, Outcome, Source, SqliteStore, SupplierId, Timestamp};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, SqliteConnection};

pub(crate) const MINUTE: Duration = Duration::from_secs(60);
pub(crate) const NOW: Duration = Duration::ZERO;

pub(crate) struct File {
    _directory: tempfile::TempDir,
    pub(crate) path: PathBuf,
}

impl File {
    pub(crate) fn new() -> File {
        let directory = tempfile::tempdir().unwrap();
        File {
            path: directory.path().join("orderhook.db"),
            _directory: directory,
        }
    }

    pub(crate) async fn store(&self) -> SqliteStore {
        SqliteStore::open(&self.path).await.unwrap()
    }

    /// A connection that knows nothing of the store.
    pub(crate) async fn stranger(&self) -> SqliteConnection {
        SqliteConnectOptions::new()
            .filename(&self.path)
            .create_if_missing(true)
            .connect()
            .await
            .unwrap()
    }

    /// Has a stranger do something to the file.
    pub(crate) async fn run(&self, sql: &'static str) {
        sqlx::raw_sql(sql)
            .execute(&mut self.stranger().await)
            .await
            .unwrap();
    }
}

pub(crate) fn source() -> Source {
    Source::new("shop").unwrap()
}

pub(crate) fn key(supplier: &str, order: &str) -> Key {
    Key::order_created(
        source(),
        SupplierId::new(supplier).unwrap(),
        OrderCode::new(order).unwrap(),
    )
}

/// Another event in the stream of the key.
pub(crate) fn later(key: &Key, occurrence: &str) -> Key {
    let mut key = key.clone();
    key.occurrence = orderhook::event::Occurrence::new(occurrence).unwrap();
    key
}

pub(crate) fn pending(key: &Key) -> NewNotification {
    NewNotification::new(key.clone(), Start::pending(Body::new(*b"{\"a\":1}")))
}

pub(crate) async fn add(store: &SqliteStore, keys: &[&Key]) -> Vec<Inserted> {
    let new: Vec<_> = keys.iter().map(|key| pending(key)).collect();
    store.insert(&new, &ClaimNew::NONE).await.unwrap().answers
}

pub(crate) fn of(pick: Pick, limit: u32) -> ClaimRequest {
    ClaimRequest::new(source(), pick, limit, MINUTE)
}

pub(crate) fn due_of(keys: &[&Key]) -> ClaimRequest {
    ClaimRequest::new(
        source(),
        Pick::DueOf(keys.iter().map(|key| (*key).clone()).collect()),
        100,
        MINUTE,
    )
}

/// What is new, and then what is due, as one answer.
pub(crate) async fn claim(store: &SqliteStore, limit: u32) -> Claims {
    claim_for(store, limit, MINUTE).await
}

pub(crate) async fn claim_for(store: &SqliteStore, limit: u32, lease: Duration) -> Claims {
    let mut both = store
        .claim(&ClaimRequest::new(source(), Pick::New, limit, lease))
        .await
        .unwrap();
    let left = limit - both.claims.len() as u32;
    let due = store
        .claim(&ClaimRequest::new(source(), Pick::Due, left, lease))
        .await
        .unwrap();
    both.claims.extend(due.claims);
    both.refused.extend(due.refused);
    both.next_due = [both.next_due, due.next_due].into_iter().flatten().min();
    both
}

pub(crate) async fn claim_all(store: &SqliteStore) -> Claims {
    claim(store, 1000).await
}

pub(crate) fn orders(claims: &Claims) -> Vec<String> {
    claims
        .claims
        .iter()
        .map(|claim| format!("{} {}", claim.key.supplier, claim.key.order))
        .collect()
}

pub(crate) fn step(claim: &Claim, then: Then) -> Step {
    Step::new(claim.key.clone(), claim.token, claim.ledger.clone(), then)
}

pub(crate) fn notified() -> Then {
    Then::Notified {
        reference: "R-1".to_owned(),
    }
}

pub(crate) fn attempt(path: &str) -> Attempt {
    Attempt::new(
        format!("https://a.example/{path}"),
        EndpointId::from_stored("0011"),
        Outcome::NotSent {
            why: NotSent::Refused,
        },
        Timestamp::from_micros(1_772_359_200_250_000),
        Duration::from_millis(12),
    )
}

pub(crate) fn ledger() -> Ledger {
    let json = br#"{"schedule":0,"endpoints":[{"id":"0011","shown":"https://a.example/","standing":{"open":{"tries":1,
        "first_at":"2026-03-01T10:00:00Z","not_before":"2026-03-01T10:00:05Z","interrupted":0}}}]}"#;
    Ledger::decode(json).unwrap()
}

impl File {
    /// A store, and the file that goes with it.
    pub(crate) async fn store_kept(self) -> (SqliteStore, File) {
        (self.store().await, self)
    }
}
