//! A claim costs what it hands out.

use std::time::{Duration, Instant};

use orderhook::SqliteStore;
use orderhook::store::{Pick, Store};

use crate::support::*;

/// A store with so many notifications that wait until tomorrow for their next try, of so many suppliers.
async fn waiting_for_tomorrow(suppliers: i64) -> (SqliteStore, File) {
    let (store, file) = File::new().store_kept().await;
    add(&store, &[&key("a", "first")]).await;
    let rows = "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 10000) \
        INSERT INTO orderhook_notifications (source, supplier, order_code, kind, occurrence, event_id, position, state, \
            unfinished, due_at, ready_at, reopened, created_at, ledger) \
        SELECT 'shop', 'supplier-' || (n % ?1), 'A-' || n, 'order.created', '', 'msg_' || n, 1, 'pending', 1, \
            due.at, due.at, 0, 1, x'7b7d' FROM n, (SELECT last_seen + 86400000000 AS at FROM orderhook_meta) due";
    sqlx::query(rows)
        .bind(suppliers)
        .execute(&mut file.stranger().await)
        .await
        .unwrap();
    (store, file)
}

#[tokio::test]
async fn a_claim_is_no_slower_for_ten_thousand_suppliers_that_wait() {
    let stores = [
        waiting_for_tomorrow(1).await,
        waiting_for_tomorrow(10_000).await,
    ];
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..40 {
        for ((store, _), times) in stores.iter().zip(&mut times) {
            let began = Instant::now();
            assert_eq!(store.claim(&of(Pick::Due, 64)).await.unwrap().claims, []);
            times.push(began.elapsed());
        }
    }
    // The quickest of forty: the others tell how busy the machine was.
    let [one, many] = times.map(|times| times.into_iter().min().unwrap_or(Duration::MAX));
    println!("{one:?} for one supplier, {many:?} for ten thousand");
    assert!(
        many < one * 3,
        "{one:?} for one supplier, {many:?} for ten thousand"
    );
}
