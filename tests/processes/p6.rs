//! P6: locks of others, and kills while committing.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use orderhook::OrderCode;
use orderhook::notification::StateName;
use orderhook::store::Store;
use sqlx::Connection;
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::child::{Role, process, said};
use crate::support::{Gate, Reply};
use crate::world::*;

/// Longer than a nap, shorter than the ten seconds after which a store gives up.
const SOME_SECONDS: Duration = Duration::from_secs(3);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p6_while_another_process_holds_the_lock_nothing_is_sent_and_afterwards_everything() {
    let world = World::new().await;
    let store = world.store().await;
    let mut stranger = world.stranger().await;
    let lock = stranger.begin_with("BEGIN IMMEDIATE").await.unwrap();
    let waiting = world.order_paid(&order("A-1"), &[]).await.spawn().unwrap();
    tokio::time::sleep(SOME_SECONDS).await;
    assert_eq!(world.receiver.connections(), 0);
    assert_eq!(store.get(&key("A-1")).await.unwrap(), None);
    lock.commit().await.unwrap();
    let ended = Ended::of(waiting).await;
    assert_eq!(
        (ended.status, ended.states()),
        (Some(0), vec!["notified"]),
        "{ended:?}"
    );
    assert_eq!(ended.said, "");
    assert_eq!(world.receiver.count(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p6_a_lock_taken_during_a_post_delays_the_record_and_the_next_endpoint_waits_for_it() {
    let world = World::new().await;
    let store = world.store().await;
    let gate = Gate::new();
    world.receiver.script_at("/1", [Reply::ok().gated(&gate)]);
    let sending = world.order_paid(&order("A-1"), &[]).await.spawn().unwrap();
    world.receiver.wait_for(1).await;
    let mut stranger = world.stranger().await;
    let lock = stranger.begin_with("BEGIN IMMEDIATE").await.unwrap();
    gate.open();
    tokio::time::sleep(SOME_SECONDS).await;
    assert_eq!(store.get(&key("A-1")).await.unwrap().unwrap().attempts, []);
    let released = Instant::now();
    lock.commit().await.unwrap();
    let ended = Ended::of(sending).await;
    assert_eq!(
        (ended.status, ended.states()),
        (Some(0), vec!["notified"]),
        "{ended:?}"
    );
    let stored = store.get(&key("A-1")).await.unwrap().unwrap();
    assert_eq!(record(&stored), ["1 accepted", "2 accepted"]);
    assert_eq!(
        (world.received_at("/1").len(), world.received_at("/2").len()),
        (1, 1)
    );
    // Nothing is sent before what was sent is recorded.
    assert!(world.received_at("/2")[0].began >= released);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p6_a_lock_that_stays_is_exit_status_3_with_a_reason_and_nothing_is_sent_or_stored() {
    let world = World::new().await;
    let store = world.store().await;
    let mut stranger = world.stranger().await;
    let lock = stranger.begin_with("BEGIN IMMEDIATE").await.unwrap();
    let ended = world.run(&order("A-1"), &[]).await;
    assert_eq!((ended.status, ended.lines.len()), (Some(3), 0), "{ended:?}");
    assert!(
        ended.said.contains("locked for more than 10 seconds"),
        "{}",
        ended.said
    );
    lock.commit().await.unwrap();
    assert_eq!(store.get(&key("A-1")).await.unwrap(), None);
    assert_eq!(world.receiver.connections(), 0);
    assert_eq!(world.run(&order("A-1"), &[]).await.status, Some(0));
    assert_eq!(world.receiver.count(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p6_what_was_accepted_before_a_kill_is_there_and_orders_are_whole() {
    const KILLS: u64 = 20;
    let world = World::new().await;
    world.suppliers_with(&[
        (SUPPLIER, &[&world.receiver.url("/1")]),
        ("tool-shed", &[&world.receiver.url("/2")]),
    ]);
    let mut accepted = Vec::new();
    for kill in 0..KILLS {
        let mut child = process(Role::Commit, &world).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let first = loop {
            let line = lines
                .next_line()
                .await
                .unwrap()
                .expect("it goes on until it is killed");
            if let Some(code) = said(&line) {
                break code.to_owned();
            }
        };
        accepted.push(first);
        // Anywhere in a commit: they take a few milliseconds each, and follow one another at once.
        tokio::time::sleep(Duration::from_micros(kill * 1_370)).await;
        child.kill().await.unwrap();
        while let Ok(Some(line)) = lines.next_line().await {
            accepted.extend(said(&line).map(str::to_owned));
        }
    }
    let mut stranger = world.stranger().await;
    let check: (String,) = sqlx::query_as("PRAGMA integrity_check")
        .fetch_one(&mut stranger)
        .await
        .unwrap();
    assert_eq!(check.0, "ok");
    let store = world.store().await;
    let mut stored: HashMap<OrderCode, usize> = HashMap::new();
    for notification in everything(&store).await {
        assert_eq!(notification.state.name(), StateName::Pending);
        *stored.entry(notification.key.order).or_default() += 1;
    }
    assert!(
        stored.values().all(|suppliers| *suppliers == 2),
        "an order is stored for both suppliers or for none"
    );
    for code in &accepted {
        assert!(
            stored.contains_key(&OrderCode::new(code).unwrap()),
            "{code} was accepted"
        );
    }
    println!(
        "{KILLS} kills: {} orders accepted, {} stored",
        accepted.len(),
        stored.len()
    );
    // The file is as good as new.
    let ended = world
        .run(&order_for("A-1", &[SUPPLIER, "tool-shed"]), &[])
        .await;
    assert_eq!(
        (ended.status, ended.states()),
        (Some(0), vec!["notified"; 2]),
        "{ended:?}"
    );
}
