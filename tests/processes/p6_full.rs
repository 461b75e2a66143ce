//! P6: no room left, by a limit of SQLite and on a small disk.

use std::path::{Path, PathBuf};
use std::process::Command;

use orderhook::notification::StateName;
use orderhook::store::{Store, StoreErrorKind};
use orderhook::{Error, SqliteStore};
use serde_json::{Value, json};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};

use crate::world::*;

/// An order that takes room.
fn large(code: &str) -> Value {
    let mut order = order(code);
    order["extra"] = json!({"padding": "x".repeat(30_000)});
    order
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p6_when_the_file_may_not_grow_nothing_is_sent_that_is_not_recorded() {
    let world = World::new().await;
    let options = SqliteConnectOptions::new()
        .filename(world.database())
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        // Inherited by the connection that writes.
        .pragma("max_page_count", "80");
    let pool = SqlitePoolOptions::new()
        .max_connections(1)
        .connect_with(options)
        .await
        .unwrap();
    let dispatcher = world.dispatcher(SqliteStore::in_pool(pool).await.unwrap());
    let mut told = 0;
    let error = loop {
        match dispatcher.notify(&paid(&large(&format!("A-{told}")))).await {
            Ok(report) => assert!(report.is_notified(), "{report:?}"),
            Err(error) => break error,
        }
        told += 1;
        assert!(told < 100, "the limit holds");
    };
    assert!(
        matches!(&error, Error::Store(error) if error.kind() == StoreErrorKind::Full),
        "{error:?}"
    );
    // Two for each that was told, none for the one that could not be stored.
    assert!(told > 0);
    assert_eq!(world.receiver.count(), 2 * told);
    let code = format!("A-{told}");
    assert_eq!(dispatcher.notification(&key(&code)).await.unwrap(), None);

    let roomy = world.dispatcher(world.store().await);
    assert!(
        roomy
            .notify(&paid(&large(&code)))
            .await
            .unwrap()
            .is_notified()
    );
    assert_eq!(world.receiver.count(), 2 * told + 2);
}

/// A small disk in memory; unmounted when dropped.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// `Err` with the reason when this process may not mount.
    fn mount(folder: &Path, kilobytes: u32) -> Result<SmallDisk, String> {
        let disk = SmallDisk(folder.join("disk"));
        std::fs::create_dir(&disk.0).unwrap();
        let size = format!("size={kilobytes}k");
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &size, "tmpfs"])
            .arg(&disk.0)
            .output();
        match mount {
            Ok(output) if output.status.success() => Ok(disk),
            Ok(output) => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }

    fn grow(&self, kilobytes: u32) {
        let size = format!("remount,size={kilobytes}k");
        assert!(
            Command::new("mount")
                .args(["-o", &size])
                .arg(&self.0)
                .status()
                .unwrap()
                .success()
        );
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).output();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p6_a_full_disk_is_exit_status_3_nothing_is_sent_and_with_room_all_that_was_accepted_is_told()
 {
    let world = World::new().await;
    let disk = match SmallDisk::mount(world.path(), 700) {
        Ok(disk) => disk,
        Err(reason) => {
            return println!("ignored: a tmpfs cannot be mounted here, which takes root: {reason}");
        }
    };
    let store = format!("sqlite:{}/orders.db", disk.0.display());
    let on_disk = ["--store", store.as_str()];
    let enqueue = ["--store", store.as_str(), "--enqueue-only"];
    let mut accepted = Vec::new();
    let full = loop {
        let order = large(&format!("A-{}", accepted.len()));
        let ended = world.run(&order, &enqueue).await;
        if ended.status != Some(0) {
            break (order, ended);
        }
        assert_eq!(ended.states(), ["pending"]);
        accepted.push(order);
        assert!(accepted.len() < 100, "the disk is small");
    };
    let (refused, ended) = full;
    assert_eq!(ended.status, Some(3), "{ended:?}");
    assert!(ended.said.contains("full"), "{}", ended.said);
    // No byte is left for anything: what is stored is neither lost nor sent without a record.
    let filler = std::fs::File::create(disk.0.join("filler")).unwrap();
    fill(filler);
    assert!(accepted.len() > 2);
    let in_a_hurry = [
        "--store",
        store.as_str(),
        "--timeout-ms",
        "2000",
        "--lease-margin-ms",
        "500",
    ];
    let ended = world.run(&accepted[0], &in_a_hurry).await;
    // The file's own log may still have room that it used before: for no record, for some, or for all.
    let sent = world.receiver.count();
    let unrecorded = match (ended.status, sent) {
        (Some(3), 0) => 0,
        // What came of the last call could not be recorded: the one that may be repeated.
        (Some(3), 1 | 2) => 1,
        (Some(0), 2) => 0,
        _ => panic!("{sent} sent: {ended:?}"),
    };

    disk.grow(8_000);
    for order in accepted.iter().chain([&refused]) {
        let mut ended = world.run(order, &on_disk).await;
        while ended.states() == ["sending"] {
            ended = world.run(order, &on_disk).await;
        }
        assert_eq!(
            (ended.status, ended.states()),
            (Some(0), vec!["notified"]),
            "{ended:?}"
        );
    }
    assert_eq!(
        world.receiver.count(),
        2 * (accepted.len() + 1) + unrecorded
    );
    let store = SqliteStore::open(disk.0.join("orders.db")).await.unwrap();
    let stored = everything(&store).await;
    assert_eq!(stored.len(), accepted.len() + 1);
    assert!(
        stored
            .iter()
            .all(|notification| notification.state.name() == StateName::Notified)
    );
    assert!(store.get(&key("A-0")).await.unwrap().is_some());
    println!(
        "a disk of 700 kB: {} orders accepted, then full; all told after it has grown",
        accepted.len()
    );
    store.close().await;
}

fn fill(mut file: std::fs::File) {
    use std::io::Write;
    while file.write(&[0; 512]).is_ok_and(|written| written > 0) {}
}
