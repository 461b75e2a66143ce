//! Measurements, to be read and not to be judged by a machine:
//! `cargo test --release --features sqlite --test sqlite -- --ignored --nocapture measure`.

use std::time::Instant;

use orderhook::SqliteStore;
use orderhook::store::{Pick, Store, Written};
use tokio::task::JoinSet;

use crate::support::*;

async fn round_trip(store: &SqliteStore, order: String) {
    let key = key("north", &order);
    add(store, &[&key]).await;
    let claims = store.claim(&due_of(&[&key])).await.unwrap().claims;
    let end = step(&claims[0], notified()).with_attempts(0, vec![attempt("x")]);
    assert_eq!(store.write(&[end]).await.unwrap(), [Written::Applied]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn measure_notifications_per_second() {
    for at_once in [1, 8, 64, 256] {
        let (store, _file) = File::new().store_kept().await;
        let each = 2_000 / at_once;
        let (began, commits) = (Instant::now(), store.commits());
        let mut tasks = JoinSet::new();
        for task in 0..at_once {
            let store = store.clone();
            tasks.spawn(async move {
                for n in 0..each {
                    round_trip(&store, format!("{task}-{n}")).await;
                }
            });
        }
        tasks.join_all().await;
        let (seconds, number) = (began.elapsed().as_secs_f64(), f64::from(each * at_once));
        println!(
            "{at_once:4} at once: {:6.0} notifications/s, {:.3} commits each",
            number / seconds,
            (store.commits() - commits) as f64 / number
        );
    }
}

#[tokio::test]
#[ignore = "a measurement"]
async fn measure_claims_over_a_backlog() {
    for backlog in [0, 10_000, 1_000_000_i64] {
        let (store, file) = File::new().store_kept().await;
        add(&store, &[&key("dead", "first"), &key("alive", "first")]).await;
        let mut stranger = file.stranger().await;
        // Half of it due for a supplier that is dead, half of it held back in streams of ten.
        sqlx::query(
            "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < ?1) \
             INSERT INTO orderhook_notifications (source, supplier, order_code, kind, occurrence, event_id, position, \
                 state, unfinished, due_at, ready_at, reopened, created_at, ledger) \
             SELECT 'shop', iif(n % 2, 'dead', 'held'), iif(n % 2, n, n / 20), 'order.created', \
                 iif(n % 2, '', n), 'msg_' || n, iif(n % 2, 1, n / 2 % 10 + 1), \
                 'pending', 1, 1000 + n, iif(n % 2, 1000 + n, NULL), 0, 1000, x'7b7d' FROM n WHERE ?1 > 0",
        )
        .bind(backlog)
        .execute(&mut stranger)
        .await
        .unwrap();
        let request = of(Pick::New, 16);
        for n in 0..20 {
            add(&store, &[&key("alive", &format!("warm {n}"))]).await;
            store.claim(&request).await.unwrap();
        }
        let began = Instant::now();
        for n in 0..200 {
            add(&store, &[&key("alive", &format!("{n}"))]).await;
            assert_eq!(store.claim(&request).await.unwrap().claims.len(), 1);
        }
        println!(
            "backlog {backlog:8}: {:6.0} us for an insert and a claim",
            began.elapsed().as_micros() as f64 / 200.0
        );
    }
}
