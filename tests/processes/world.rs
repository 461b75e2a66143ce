//! A folder with a store, a receiver, and the example program as real processes.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use orderhook::store::{ClaimRequest, Filter, Page, Pick, Store};
use orderhook::{
    Dispatcher, Key, Notification, NotificationState, OrderCode, PaidOrder, Source, SqliteStore,
    SupplierId, Suppliers, SuppliersFile,
};
use serde_json::{Value, json};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, SqliteConnection};
use tempfile::TempDir;
use tokio::process::Command;

use crate::programs;
use crate::support::{Ca, Received, Receiver};

pub(crate) const SUPPLIER: &str = "north-books";
/// How long anything may take before a test gives up.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct World {
    folder: TempDir,
    pub(crate) ca: Ca,
    pub(crate) receiver: Receiver,
    pub(crate) timeout: Duration,
    pub(crate) lease_margin: Duration,
}

/// What a process came to.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: Option<i32>,
    pub(crate) lines: Vec<Value>,
    pub(crate) said: String,
}

impl World {
    /// One supplier with two endpoints, `/1` and `/2`, and times that nothing runs into.
    pub(crate) async fn new() -> World {
        let folder = tempfile::tempdir().unwrap();
        let ca = Ca::new();
        let receiver = Receiver::start(&ca).await;
        let long = Duration::from_secs(20);
        let world = World {
            folder,
            ca,
            receiver,
            timeout: long,
            lease_margin: long,
        };
        std::fs::write(world.file("ca.pem"), world.ca.pem()).unwrap();
        world.supplier_with(&[&world.receiver.url("/1"), &world.receiver.url("/2")]);
        world
    }

    /// One whose leases run out while a test waits.
    pub(crate) async fn with_short_leases() -> World {
        let mut world = World::new().await;
        (world.timeout, world.lease_margin) =
            (Duration::from_millis(3000), Duration::from_millis(1500));
        world
    }

    pub(crate) fn supplier_with(&self, urls: &[&str]) {
        self.suppliers_with(&[(SUPPLIER, urls)]);
    }

    pub(crate) fn suppliers_with(&self, suppliers: &[(&str, &[&str])]) {
        let suppliers: Vec<_> = suppliers
            .iter()
            .map(|(id, urls)| json!({"id": id, "webhook_urls": urls}))
            .collect();
        std::fs::write(
            self.file("suppliers.json"),
            json!({"suppliers": suppliers}).to_string(),
        )
        .unwrap();
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.file("orders.db")
    }

    pub(crate) async fn store(&self) -> SqliteStore {
        SqliteStore::open(self.database()).await.unwrap()
    }

    pub(crate) fn dispatcher(&self, store: impl Store) -> Dispatcher {
        let suppliers = SuppliersFile::open(self.file("suppliers.json")).unwrap();
        dispatcher(
            store,
            suppliers,
            self.ca.pem().as_bytes(),
            self.timeout,
            self.lease_margin,
        )
    }

    /// A connection that knows nothing of the store.
    pub(crate) async fn stranger(&self) -> SqliteConnection {
        SqliteConnectOptions::new()
            .filename(self.database())
            .connect()
            .await
            .unwrap()
    }

    /// Has a stranger do something to the file.
    pub(crate) async fn run_sql(&self, sql: &'static str) {
        sqlx::raw_sql(sql)
            .execute(&mut self.stranger().await)
            .await
            .unwrap();
    }

    /// The example program, to be run in the folder on the order with this code.
    pub(crate) async fn order_paid(&self, order: &Value, more: &[&str]) -> Command {
        let program = tokio::task::spawn_blocking(programs::order_paid)
            .await
            .unwrap();
        let name = format!("order-{}.json", order["order_code"].as_str().unwrap());
        // Written once: a process that was started before may be about to read it.
        if !self.file(&name).exists() {
            std::fs::write(self.file(&name), order.to_string()).unwrap();
        }
        let mut command = Command::new(program);
        command.current_dir(self.path()).args([
            "--order",
            &name,
            "--store",
            "sqlite:orders.db",
            "--json",
        ]);
        command.args([
            "--suppliers",
            "suppliers.json",
            "--ca",
            "ca.pem",
            "--allow-network",
            "127.0.0.0/8",
        ]);
        command.args(["--timeout-ms", &self.timeout.as_millis().to_string()]);
        command.args([
            "--lease-margin-ms",
            &self.lease_margin.as_millis().to_string(),
        ]);
        command
            .args(more)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    /// Runs it to its end.
    pub(crate) async fn run(&self, order: &Value, more: &[&str]) -> Ended {
        Ended::of(self.order_paid(order, more).await.spawn().unwrap()).await
    }

    /// What the receiver got at this path.
    pub(crate) fn received_at(&self, path: &str) -> Vec<Received> {
        self.receiver
            .received()
            .into_iter()
            .filter(|request| request.path() == path)
            .collect()
    }
}

impl Ended {
    pub(crate) async fn of(child: tokio::process::Child) -> Ended {
        let output = tokio::time::timeout(PATIENCE, child.wait_with_output())
            .await
            .expect("it ends")
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let lines = text
            .lines()
            .map(|line| serde_json::from_str(line).expect("lines of JSON"))
            .collect();
        let said = String::from_utf8(output.stderr).unwrap();
        Ended {
            status: output.status.code(),
            lines,
            said,
        }
    }

    pub(crate) fn states(&self) -> Vec<&str> {
        self.lines
            .iter()
            .map(|line| line["state"].as_str().unwrap_or("none"))
            .collect()
    }
}

pub(crate) fn dispatcher(
    store: impl Store,
    suppliers: impl Suppliers,
    ca: &[u8],
    timeout: Duration,
    lease_margin: Duration,
) -> Dispatcher {
    Dispatcher::builder(source(), store, suppliers)
        .timeout(timeout)
        .lease_margin(lease_margin)
        .allow_network("127.0.0.0/8".parse().unwrap())
        .root_certificate(ca)
        .build()
        .unwrap()
}

pub(crate) fn source() -> Source {
    Source::new("example").unwrap()
}

pub(crate) fn key(order: &str) -> Key {
    Key::order_created(
        source(),
        SupplierId::new(SUPPLIER).unwrap(),
        OrderCode::new(order).unwrap(),
    )
}

/// An order with a line of each of these suppliers.
pub(crate) fn order_for(code: &str, suppliers: &[&str]) -> Value {
    let line = |supplier| json!({"supplier": supplier, "sku": "B-1", "name": "Atlas", "quantity": 1, "unit_price": "9.90"});
    json!({
        "order_code": code, "channel": "web", "currency": "EUR", "shipping_charges": "0",
        "address": {"line1": "1 Elm St", "city": "Ulm", "postal_code": "89073", "country": "DE"},
        "built_at": "2026-11-21T10:00:00Z",
        "lines": suppliers.iter().map(line).collect::<Vec<_>>(),
    })
}

pub(crate) fn order(code: &str) -> Value {
    order_for(code, &[SUPPLIER])
}

pub(crate) fn paid(order: &Value) -> PaidOrder {
    PaidOrder::from_json(order.to_string().as_bytes()).unwrap()
}

/// Waits until the lease of a notification has run out, on the store's own time.
pub(crate) async fn lease_ends(store: &impl Store, key: &Key) {
    let nothing = ClaimRequest::new(source(), Pick::DueOf(Vec::new()), 1, Duration::ZERO);
    while let Some(NotificationState::Sending { until }) =
        store.get(key).await.unwrap().map(|stored| stored.state)
    {
        let now = store.claim(&nothing).await.unwrap().now;
        if now >= until {
            return;
        }
        tokio::time::sleep(until.since(now)).await;
    }
}

/// The attempts of a notification: the last part of the endpoint, and what it came to.
pub(crate) fn record(stored: &Notification) -> Vec<String> {
    let short = |endpoint: &str| endpoint.rsplit('/').next().unwrap_or_default().to_owned();
    stored
        .attempts
        .iter()
        .map(|attempt| format!("{} {}", short(&attempt.endpoint), attempt.outcome.as_str()))
        .collect()
}

/// Everything that is stored.
pub(crate) async fn everything(store: &impl Store) -> Vec<Notification> {
    let listing = store
        .list(&Filter::of(source()), &Page::first(100_000))
        .await
        .unwrap();
    assert_eq!(listing.refused, []);
    listing.notifications
}
