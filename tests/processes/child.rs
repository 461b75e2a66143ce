//! Processes of this test binary's own, for what the example program does not do. Not a test.

use std::io::BufRead;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use orderhook::store::{ClaimRequest, Pick, Store};
use orderhook::supplier::LookupError;
use orderhook::{
    Dispatcher, PaidOrder, SqliteStore, Supplier, SupplierId, Suppliers, SuppliersFile, Worker,
};
use tokio::process::Command;
use tokio::task::JoinSet;

use crate::world::{self, SUPPLIER, World};

const ROLE: &str = "ORDERHOOK_PROCESSES_ROLE";

/// What a process does.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Role {
    /// For each order code on its standard input, eight tasks notify it; then it says so.
    Race,
    /// Enqueues orders of two suppliers for ever, and says the code of each that is accepted.
    Commit,
    /// Stores the order `A-1`, has a worker deliver it, and stops itself between the claim and the first POST.
    StopBeforeSending,
}

/// The process, to be started. It says what it has to say in lines that begin with `> `.
pub(crate) fn process(role: Role, world: &World) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .current_dir(world.path())
        .args([
            "child::child_process",
            "--exact",
            "--ignored",
            "--nocapture",
            "--test-threads=1",
        ])
        .env(ROLE, format!("{role:?}"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

/// What of a line is the process's own.
pub(crate) fn said(line: &str) -> Option<&str> {
    line.strip_prefix("> ")
}

#[test]
#[ignore = "the child process of other tests"]
fn child_process() {
    let Ok(role) = std::env::var(ROLE) else {
        return;
    };
    // The test runner has begun a line.
    println!();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        match role.as_str() {
            "Race" => race().await,
            "Commit" => commit().await,
            "StopBeforeSending" => stop_before_sending().await,
            other => panic!("no role {other}"),
        }
    });
}

async fn dispatcher(suppliers: impl Suppliers, times: Duration) -> Dispatcher {
    let store = SqliteStore::open("orders.db").await.unwrap();
    world::dispatcher(
        store,
        suppliers,
        &std::fs::read("ca.pem").unwrap(),
        times,
        times,
    )
}

fn suppliers() -> SuppliersFile {
    SuppliersFile::open("suppliers.json").unwrap()
}

fn paid(code: &str, suppliers: &[&str]) -> PaidOrder {
    world::paid(&world::order_for(code, suppliers))
}

async fn race() {
    let dispatcher = dispatcher(suppliers(), Duration::from_secs(20)).await;
    println!("> ready");
    let (send, mut codes) = tokio::sync::mpsc::unbounded_channel();
    std::thread::spawn(move || {
        std::io::stdin()
            .lock()
            .lines()
            .map_while(Result::ok)
            .try_for_each(|code| send.send(code))
    });
    while let Some(code) = codes.recv().await {
        let mut tasks = JoinSet::new();
        for _ in 0..8 {
            let (dispatcher, order) = (dispatcher.clone(), paid(&code, &[SUPPLIER]));
            tasks.spawn(async move { dispatcher.notify(&order).await.unwrap() });
        }
        let reports = tasks.join_all().await;
        assert!(reports.iter().all(|report| report.entries.len() == 1));
        println!("> {code}");
    }
    dispatcher.shutdown(Duration::from_secs(30)).await;
}

async fn commit() {
    let dispatcher = dispatcher(suppliers(), Duration::from_secs(20)).await;
    let mut tasks = JoinSet::new();
    for task in 0..4 {
        let dispatcher = dispatcher.clone();
        tasks.spawn(async move {
            for n in 0.. {
                let code = format!("{}-{task}-{n}", std::process::id());
                let _ = dispatcher
                    .enqueue(&paid(&code, &[SUPPLIER, "tool-shed"]))
                    .await
                    .unwrap();
                println!("> {code}");
            }
        });
    }
    tasks.join_all().await;
}

async fn stop_before_sending() {
    let times = Duration::from_millis(1500);
    let store = SqliteStore::open("orders.db").await.unwrap();
    let stops = StopsAtTheSecond {
        suppliers: suppliers(),
        store: store.clone(),
        first: AtomicBool::new(true),
    };
    let dispatcher = world::dispatcher(
        store,
        stops,
        &std::fs::read("ca.pem").unwrap(),
        times,
        times,
    );
    // A worker claims before it looks the supplier up.
    let enqueued = dispatcher.enqueue(&paid("A-1", &[SUPPLIER])).await.unwrap();
    Worker::new(&dispatcher).tick().await.unwrap();
    let notification = dispatcher
        .notification(&enqueued.stored[0].key)
        .await
        .unwrap()
        .unwrap();
    println!("> {}", notification.state.name());
}

struct StopsAtTheSecond {
    suppliers: SuppliersFile,
    store: SqliteStore,
    first: AtomicBool,
}

impl Suppliers for StopsAtTheSecond {
    async fn find(&self, id: &SupplierId) -> Result<Option<Supplier>, LookupError> {
        if !self.first.swap(false, Ordering::SeqCst) {
            // A step claims what is new and what is due side by side. What this waits for comes after both, so that nobody is
            // stopped with the database locked.
            let nobody = Pick::DueOf(vec![world::key("nobody")]);
            self.store
                .claim(&ClaimRequest::new(
                    world::source(),
                    nobody,
                    1,
                    Duration::from_secs(1),
                ))
                .await
                .unwrap();
            rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::STOP)
                .unwrap();
        }
        self.suppliers.find(id).await
    }
}
