//! What a claim costs beside a backlog.
#![cfg(feature = "sqlite")]

use std::time::Duration;

use orderhook::event::Body;
use orderhook::store::{ClaimNew, ClaimRequest, NewNotification, Pick, Start, Store};
use orderhook::{Key, SqliteStore};

use super::measured::{Measured, Watch};
use super::orders::{code, source, supplier_id};
use super::receiver::Address;

/// The suppliers of a backlog.
const SUPPLIERS: usize = 1_000;
const CLAIMS: usize = 100;

/// Stores so many notifications; those that `waits` says are due tomorrow.
pub(crate) async fn fill(store: &impl Store, number: usize, waits: impl Fn(usize) -> bool) {
    let body = Body::new(*b"{}");
    let row = |n: usize| {
        let supplier = if waits(n) { 0 } else { 1 + n % SUPPLIERS };
        let key = Key::order_created(source(), supplier_id(supplier), code(n));
        let delay = Duration::from_secs(if waits(n) { 86_400 } else { 0 });
        let body = body.clone();
        NewNotification::new(key, Start::Pending { body, delay })
    };
    let all: Vec<_> = (0..number).collect();
    for some in all.chunks(1_000) {
        let rows: Vec<_> = some.iter().copied().map(row).collect();
        store.insert(&rows, &ClaimNew::NONE).await.unwrap();
    }
}

/// A hundred claims of 64, of so many that are due.
pub(crate) async fn backlog(_: &Address, number: usize) -> Measured {
    claims(number, |_| false).await
}

/// The same where one supplier owns all but one in a hundred, and waits.
pub(crate) async fn backlog_of_a_dead_one(_: &Address, number: usize) -> Measured {
    claims(number, |n| n % 100 != 0).await
}

async fn claims(number: usize, waits: impl Fn(usize) -> bool) -> Measured {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(folder.path().join("bench.db"))
        .await
        .unwrap();
    fill(&store, number, waits).await;
    let request = ClaimRequest::new(source(), Pick::New, 64, Duration::from_secs(65));
    let mut each = Vec::new();
    let watch = Watch::start();
    for _ in 0..CLAIMS {
        let began = super::machine::now_us();
        let claimed = store.claim(&request).await.unwrap().claims;
        assert_eq!(claimed.len(), 64);
        each.push((super::machine::now_us() - began) as f64);
    }
    each.sort_by(f64::total_cmp);
    let measured = watch.stop(CLAIMS, 0);
    Measured {
        arrive: None,
        ..measured
    }
    .with("median_us", each[CLAIMS / 2])
}
