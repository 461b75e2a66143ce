//! Several callers, handles and processes on one file.

use std::collections::HashSet;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use orderhook::SqliteStore;
use orderhook::notification::StateName;
use orderhook::store::{ClaimNew, Filter, Inserted, Page, Store, StoreErrorKind, Written};
use tokio::task::JoinSet;

use crate::support::*;

#[tokio::test]
async fn writes_that_wait_share_a_commit() {
    let (store, _file) = File::new().store_kept().await;
    let commits = store.commits();
    for n in 0..10 {
        add(&store, &[&key("north", &format!("one-{n}"))]).await;
    }
    assert_eq!(store.commits() - commits, 10);

    let commits = store.commits();
    let mut tasks = JoinSet::new();
    for n in 0..64 {
        let store = store.clone();
        tasks.spawn(async move {
            let key = key("north", &format!("many-{n}"));
            add(&store, &[&key]).await;
            let claims = store.claim(&due_of(&[&key])).await.unwrap().claims;
            store
                .write(&[step(&claims[0], notified())])
                .await
                .unwrap()
                .answers
        });
    }
    let written = tasks.join_all().await;
    assert!(written.iter().all(|written| *written == [Written::Applied]));
    let commits = store.commits() - commits;
    println!("{commits} commits for 64 notifications at once, three writes each");
    assert!(commits <= 64, "{commits}");
}

#[tokio::test]
async fn a_claim_that_finds_nothing_commits_nothing() {
    let (store, _file) = File::new().store_kept().await;
    let commits = store.commits();
    assert_eq!(claim_all(&store).await.claims, []);
    assert_eq!(store.commits(), commits);
}

#[tokio::test]
async fn two_handles_see_the_same_and_a_clone_is_the_same_handle() {
    let (store, file) = File::new().store_kept().await;
    let other = file.store().await;
    let key = key("north", "1");
    assert_eq!(add(&store, &[&key]).await, [Inserted::New { position: 1 }]);
    assert_eq!(add(&other, &[&key]).await, [Inserted::Existing]);
    let claim = claim_all(&other).await.claims.remove(0);
    assert_eq!(claim_all(&store.clone()).await.claims, []);
    assert_eq!(
        store
            .write(&[step(&claim, notified())])
            .await
            .unwrap()
            .answers,
        [Written::Applied]
    );
    assert_eq!(
        other.get(&key).await.unwrap().unwrap().state.name(),
        StateName::Notified
    );
}

#[tokio::test]
async fn callers_that_go_away_spoil_nothing() {
    let (store, _file) = File::new().store_kept().await;
    let keys: Vec<_> = (0..50).map(|n| key("north", &format!("{n}"))).collect();
    for (n, key) in keys.iter().enumerate() {
        let dropped =
            tokio::time::timeout(Duration::from_micros(40 * n as u64), add(&store, &[key])).await;
        let _ = tokio::time::timeout(Duration::from_micros(40 * n as u64), claim_all(&store)).await;
        if dropped.is_ok() {
            assert!(store.get(key).await.unwrap().is_some());
        }
    }
    add(&store, &keys.iter().collect::<Vec<_>>()).await;
    assert_eq!(
        crate::receivers::counts(&store, &Filter::of(source()))
            .await
            .total(),
        50
    );
}

#[tokio::test]
async fn a_claim_that_nobody_waits_for_is_handed_back() {
    let (store, file) = File::new().store_kept().await;
    add(&store, &[&key("north", "1")]).await;
    // A lock that keeps the writer from answering until the caller is gone.
    let mut stranger = file.stranger().await;
    sqlx::raw_sql("BEGIN IMMEDIATE")
        .execute(&mut stranger)
        .await
        .unwrap();
    let gone = tokio::time::timeout(Duration::from_millis(50), claim_all(&store)).await;
    assert!(gone.is_err());
    sqlx::raw_sql("COMMIT")
        .execute(&mut stranger)
        .await
        .unwrap();
    let claims = claim_all(&store).await.claims;
    assert_eq!(claims.len(), 1);
    assert!(!claims[0].taken_over);
}

#[test]
fn a_store_outlives_the_runtime_in_which_it_was_opened() {
    let runtime = || {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap()
    };
    let file = File::new();
    let first = runtime();
    let store = first.block_on(file.store());
    first.block_on(add(&store, &[&key("north", "1")]));
    drop(first);
    let second = runtime();
    assert_eq!(
        second.block_on(add(&store, &[&key("north", "1")])),
        [Inserted::Existing]
    );
    assert_eq!(second.block_on(claim_all(&store)).claims.len(), 1);
}

#[tokio::test]
async fn a_closed_store_says_so_and_has_written_what_waited() {
    let (store, file) = File::new().store_kept().await;
    let other = store.clone();
    let inserting = tokio::spawn({
        let store = store.clone();
        async move { add(&store, &[&key("north", "1")]).await }
    });
    inserting.await.unwrap();
    store.close().await;
    let error = other
        .insert(&[pending(&key("north", "2"))], &ClaimNew::NONE)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable);
    assert_eq!(
        other.get(&key("north", "1")).await.unwrap_err().kind(),
        StoreErrorKind::Unavailable
    );
    assert!(
        file.store()
            .await
            .get(&key("north", "1"))
            .await
            .unwrap()
            .is_some()
    );
    // The last connection has put everything into the file itself.
    assert!(
        std::fs::metadata(file.path.with_extension("db-wal")).map_or(0, |wal| wal.len())
            < 1_000_000
    );
}

#[tokio::test]
async fn a_lock_of_somebody_else_is_waited_for() {
    let (store, file) = File::new().store_kept().await;
    let mut stranger = file.stranger().await;
    sqlx::raw_sql("BEGIN IMMEDIATE")
        .execute(&mut stranger)
        .await
        .unwrap();
    let began = Instant::now();
    let inserting = tokio::spawn({
        let store = store.clone();
        async move { add(&store, &[&key("north", "1")]).await }
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    // Reading goes on meanwhile.
    assert_eq!(store.get(&key("north", "1")).await.unwrap(), None);
    sqlx::raw_sql("COMMIT")
        .execute(&mut stranger)
        .await
        .unwrap();
    assert_eq!(inserting.await.unwrap(), [Inserted::New { position: 1 }]);
    assert!(began.elapsed() >= Duration::from_millis(300));
}

#[tokio::test]
async fn a_lock_that_lasts_is_an_error_that_says_so_and_nothing_is_stored() {
    let (store, file) = File::new().store_kept().await;
    let mut stranger = file.stranger().await;
    sqlx::raw_sql("BEGIN IMMEDIATE")
        .execute(&mut stranger)
        .await
        .unwrap();
    let error = store
        .insert(&[pending(&key("north", "1"))], &ClaimNew::NONE)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable);
    assert!(error.is_transient());
    sqlx::raw_sql("COMMIT")
        .execute(&mut stranger)
        .await
        .unwrap();
    assert_eq!(store.get(&key("north", "1")).await.unwrap(), None);
    add(&store, &[&key("north", "1")]).await;
}

#[test]
fn processes_that_create_and_write_one_file_have_one_winner_for_each_notification() {
    const ORDERS: usize = 40;
    let file = File::new();
    let children: Vec<_> = (0..6).map(|_| child("race", &file)).collect();
    let mut new = Vec::new();
    let mut told = Vec::new();
    for child in children {
        let output = child.wait_with_output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{text}");
        new.extend(said(&text, "new ").map(str::to_owned));
        told.extend(said(&text, "told ").map(str::to_owned));
    }
    for words in [new, told] {
        assert_eq!(words.len(), ORDERS);
        assert_eq!(words.iter().collect::<HashSet<_>>().len(), ORDERS);
    }
}

#[test]
fn what_was_answered_before_a_kill_is_there_afterwards() {
    let file = File::new();
    let mut answered = Vec::new();
    for round in 0..6 {
        let mut child = child("commit", &file);
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let enough = 5 + 20 * round;
        let mut heard = 0;
        while heard < enough {
            let line = lines.next().unwrap().unwrap();
            if let Some(order) = line.strip_prefix("new ") {
                answered.push(order.to_owned());
                heard += 1;
            }
        }
        child.kill().unwrap();
        child.wait().unwrap();
        // What it still said before it died counts, too.
        answered.extend(
            lines
                .map_while(Result::ok)
                .filter_map(|line| line.strip_prefix("new ").map(str::to_owned)),
        );
    }
    runtime().block_on(async {
        let store = file.store().await;
        let mut stranger = file.stranger().await;
        let check: (String,) = sqlx::query_as("PRAGMA integrity_check")
            .fetch_one(&mut stranger)
            .await
            .unwrap();
        assert_eq!(check.0, "ok");
        for order in answered {
            let stored = store.get(&key("north", &order)).await.unwrap().unwrap();
            assert_eq!(stored.attempts.len(), 1, "{order}");
        }
        let listing = store
            .list(&Filter::of(source()), &Page::first(10_000))
            .await
            .unwrap();
        for notification in listing.notifications {
            // A step is there as a whole or not at all.
            assert_eq!(
                notification.state.name() == StateName::Notified,
                !notification.attempts.is_empty()
            );
        }
    });
}

#[cfg(target_os = "linux")]
#[test]
fn two_hundred_reads_that_were_dropped_are_no_more_than_four_at_work() {
    let file = File::new();
    let output = child("count", &file).wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}");
    let most: usize = said(&text, "most ").next().unwrap().parse().unwrap();
    // Four that read, one that writes, and some that are just being opened or closed: not two hundred.
    assert!(most <= 12, "{most} threads of SQLite");
}

/// Not a test: what a child process of the tests above does.
#[test]
#[ignore = "a child process of other tests"]
fn child_process() {
    let (Ok(role), Ok(path)) = (
        std::env::var("ORDERHOOK_TEST_ROLE"),
        std::env::var("ORDERHOOK_TEST_FILE"),
    ) else {
        return;
    };
    // The test runner has begun the line.
    println!();
    runtime().block_on(async {
        let store = SqliteStore::open(path).await.unwrap();
        match role.as_str() {
            "race" => race(&store).await,
            "commit" => commit(&store).await,
            "count" => count(&store).await,
            other => panic!("no role {other}"),
        }
    });
}

async fn race(store: &SqliteStore) {
    let mut tasks = JoinSet::new();
    for _ in 0..4 {
        let store = store.clone();
        tasks.spawn(async move {
            for n in 0..40 {
                let key = key("north", &format!("{n}"));
                if add(&store, &[&key]).await == [Inserted::New { position: 1 }] {
                    println!("new {n}");
                }
                for claim in store.claim(&due_of(&[&key])).await.unwrap().claims {
                    assert_eq!(
                        store
                            .write(&[step(&claim, notified())])
                            .await
                            .unwrap()
                            .answers,
                        [Written::Applied]
                    );
                    println!("told {n}");
                }
            }
        });
    }
    tasks.join_all().await;
}

async fn commit(store: &SqliteStore) {
    let mut tasks = JoinSet::new();
    for task in 0..4 {
        let store = store.clone();
        tasks.spawn(async move {
            for n in 0.. {
                let order = format!("{}-{task}-{n}", std::process::id());
                let key = key("north", &order);
                add(&store, &[&key]).await;
                let claims = store.claim(&due_of(&[&key])).await.unwrap().claims;
                let end = step(&claims[0], notified()).with_attempts(0, vec![attempt("x")]);
                assert_eq!(
                    store.write(&[end]).await.unwrap().answers,
                    [Written::Applied]
                );
                println!("new {order}");
            }
        });
    }
    tasks.join_all().await;
}

/// Drops 200 counts of a large table, and says how many threads of SQLite there were at most.
async fn count(store: &SqliteStore) {
    let rows: Vec<_> = (0..20_000)
        .map(|n| pending(&key("north", &format!("{n}"))))
        .collect();
    store.insert(&rows, &ClaimNew::NONE).await.unwrap();
    let mut most = 0;
    for _ in 0..200 {
        let counted = tokio::time::timeout(
            Duration::from_micros(300),
            store.count(&Filter::of(source()), orderhook::store::Group::State),
        )
        .await;
        drop(counted);
        let threads = std::fs::read_dir("/proc/self/task").unwrap().flatten();
        let names =
            threads.filter_map(|thread| std::fs::read_to_string(thread.path().join("comm")).ok());
        most = most.max(
            names
                .filter(|name| name.starts_with("orderhook-sqlit"))
                .count(),
        );
    }
    println!("most {most}");
    // And reading goes on.
    assert_eq!(
        crate::receivers::counts(store, &Filter::of(source()))
            .await
            .total(),
        20_000
    );
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
}

fn child(role: &str, file: &File) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args([
            "sharing::child_process",
            "--exact",
            "--ignored",
            "--nocapture",
            "--test-threads=1",
        ])
        .env("ORDERHOOK_TEST_ROLE", role)
        .env("ORDERHOOK_TEST_FILE", &file.path)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

fn said<'a>(text: &'a str, word: &'a str) -> impl Iterator<Item = &'a str> {
    text.lines().filter_map(move |line| line.strip_prefix(word))
}
