//! The process that dies: this test binary, run again. Not a test.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use orderhook::{PaidOrder, SqliteStore, SuppliersFile};
use serde::{Deserialize, Serialize};
use tokio::process::{Child, Command};

use crate::case::{Call, Case};
use crate::scene::dispatcher;
use crate::trap::{Trap, Trapped};

const TASK: &str = "ORDERHOOK_KILL_TASK";

#[derive(Serialize, Deserialize)]
struct Task {
    case: Case,
    folder: PathBuf,
}

/// Starts a process that works in this folder until it dies as the case says, or is killed.
pub(crate) fn start(case: Case, folder: &Path) -> Child {
    let task = Task {
        case,
        folder: folder.to_owned(),
    };
    Command::new(std::env::current_exe().unwrap())
        .args([
            "child::child_process",
            "--exact",
            "--ignored",
            "--nocapture",
            "--test-threads=1",
        ])
        .env(TASK, serde_json::to_string(&task).unwrap())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

#[test]
#[ignore = "the child process of other tests"]
fn child_process() {
    let Ok(task) = std::env::var(TASK) else {
        return;
    };
    let Task { case, folder } = serde_json::from_str(&task).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let file = folder.join("orders.db");
        let trap = Trap::new(case, file.clone());
        let store = Trapped::new(SqliteStore::open(&file).await.unwrap(), &trap);
        let suppliers = Trapped::new(
            SuppliersFile::open(folder.join("suppliers.json")).unwrap(),
            &trap,
        );
        let dispatcher = dispatcher(
            store,
            suppliers,
            &std::fs::read(folder.join("ca.pem")).unwrap(),
        );
        let order =
            PaidOrder::from_json(&std::fs::read(folder.join("order.json")).unwrap()).unwrap();
        match case.call {
            Call::Notify => println!("{:?}", dispatcher.notify(&order).await),
            Call::Enqueue => println!("{:?}", dispatcher.enqueue(&order).await),
        }
    });
    panic!("{case}: the point was not reached");
}
