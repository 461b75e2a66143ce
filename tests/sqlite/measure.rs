//! Measurements, to be read and not to be judged by a machine:
//! `cargo test --release --features sqlite --test sqlite -- --ignored --nocapture measure`.

use std::time::Instant;

use orderhook::SqliteStore;
use orderhook::store::{Append, ClaimNew, Filter, Inserted, Page, Pick, Store, Written};
use tokio::task::JoinSet;

use crate::support::*;

async fn round_trip(store: &SqliteStore, order: String) {
    let key = key("north", &order);
    add(store, &[&key]).await;
    let claims = store.claim(&due_of(&[&key])).await.unwrap().claims;
    let end = step(&claims[0], notified()).with_attempts(0, vec![attempt("x")]);
    assert_eq!(
        store.write(&[end]).await.unwrap().answers,
        [Written::Applied]
    );
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

/// What the statistics in a file are of, when 20,000 notifications (or `WAITING`) come to wait in it.
const STATES: [(&str, &str); 5] = [
    ("none", ""),
    ("of an empty file", "ANALYZE"),
    ("of ten rows", "ten"),
    ("of 50,000 finished and 5 pending", "finished"),
    ("of the backlog", "backlog"),
];

#[tokio::test]
#[ignore = "a measurement"]
async fn measure_claims_lists_and_inserts_under_each_state_of_the_statistics() {
    let waiting = std::env::var("WAITING")
        .ok()
        .and_then(|number| number.parse().ok())
        .unwrap_or(20_000_i64);
    let mut files = Vec::new();
    for (_, state) in STATES {
        let (store, file) = File::new().store_kept().await;
        store.close().await;
        let mut stranger = file.stranger().await;
        match state {
            "ten" => put_in(&mut stranger, "few", 10, 5).await,
            "finished" => put_in(&mut stranger, "many", 50_005, 50_000).await,
            _ => {}
        }
        if !matches!(state, "" | "backlog") {
            sqlx::raw_sql("ANALYZE")
                .execute(&mut stranger)
                .await
                .unwrap();
        }
        put_in(&mut stranger, "A", waiting, 0).await;
        if state == "backlog" {
            sqlx::raw_sql("ANALYZE")
                .execute(&mut stranger)
                .await
                .unwrap();
        }
        // All begin with an empty log.
        sqlx::raw_sql("PRAGMA wal_checkpoint(TRUNCATE)")
            .execute(&mut stranger)
            .await
            .unwrap();
        sqlx::Connection::close(stranger).await.unwrap();
        files.push((file.store().await, file));
    }
    // In turns, so that whatever else this machine does meets all of them.
    let mut times: Vec<[Vec<f64>; 4]> = files.iter().map(|_| Default::default()).collect();
    for n in 0..60 {
        for ((store, _), times) in files.iter().zip(&mut times) {
            measure_once(store, n, times).await;
        }
    }
    // Of the quickest tenth: the others tell how busy the machine was.
    let quick = |mut times: Vec<f64>| {
        times.sort_unstable_by(f64::total_cmp);
        times[times.len() / 10]
    };
    let table: Vec<_> = STATES
        .iter()
        .zip(times)
        .map(|((name, _), times)| (*name, times.map(quick)))
        .collect();
    println!(
        "{waiting} waiting, microseconds: claim of 64, claim of a key, listing of an order, insert at a position"
    );
    for (name, times) in &table {
        println!("{name:35} {times:8.0?}");
    }
    for what in 0..4 {
        let times = table.iter().map(|(_, times)| times[what]);
        let (least, most) = times.fold((f64::MAX, 0.0), |(least, most), time| {
            (time.min(least), time.max(most))
        });
        println!("{:.2} times the least", most / least);
    }
}

/// Notifications of as many orders, of which the first so many are finished and the others wait.
async fn put_in(stranger: &mut sqlx::SqliteConnection, name: &str, number: i64, finished: i64) {
    let rows = "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < ?2) \
        INSERT INTO orderhook_notifications (source, supplier, order_code, kind, occurrence, event_id, position, state, \
            unfinished, due_at, ready_at, reopened, created_at, settled_seq, settled_at, reference) \
        SELECT 'shop', 'supplier-' || (n % 100), ?1 || '-' || n, 'order.created', '', 'msg_' || n, 1, \
            iif(n <= ?3, 'notified', 'pending'), n > ?3, iif(n > ?3, n, NULL), iif(n > ?3, n, NULL), 0, n, \
            iif(n <= ?3, n, NULL), iif(n <= ?3, n, NULL), iif(n <= ?3, 'R', NULL) FROM n";
    sqlx::query(rows)
        .bind(name)
        .bind(number)
        .bind(finished)
        .execute(&mut *stranger)
        .await
        .unwrap();
    let bodies = "INSERT OR IGNORE INTO orderhook_bodies SELECT id, x'7b7d' FROM orderhook_notifications \
        WHERE state = 'pending'";
    sqlx::query(bodies).execute(stranger).await.unwrap();
}

async fn measure_once(store: &SqliteStore, n: i64, times: &mut [Vec<f64>; 4]) {
    let key_of = |n: i64| key(&format!("supplier-{}", n % 100), &format!("A-{n}"));
    let mut taken =
        |what: usize, began: Instant| times[what].push(began.elapsed().as_secs_f64() * 1e6);
    let began = Instant::now();
    assert_eq!(
        store.claim(&of(Pick::New, 64)).await.unwrap().claims.len(),
        64
    );
    taken(0, began);
    for m in 0..5 {
        let key = key_of(19_900 - n * 5 - m);
        let began = Instant::now();
        assert_eq!(store.claim(&due_of(&[&key])).await.unwrap().claims.len(), 1);
        taken(1, began);
        let mut filter = Filter::of(source());
        filter.order = Some(key.order.clone());
        let began = Instant::now();
        assert_eq!(
            store
                .list(&filter, &Page::first(500))
                .await
                .unwrap()
                .notifications
                .len(),
            1
        );
        taken(2, began);
        let mut second = pending(&later(&key, "second"));
        second.append = Append::At(2);
        let began = Instant::now();
        assert_eq!(
            store
                .insert(&[second], &ClaimNew::NONE)
                .await
                .unwrap()
                .answers,
            [Inserted::New { position: 2 }]
        );
        taken(3, began);
    }
}
