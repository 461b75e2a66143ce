//! Everything around one case: a folder, a receiver, an order; and the comparison at the end.

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use orderhook::notification::StateName;
use orderhook::store::{ClaimRequest, Pick, Store};
use orderhook::{
    Dispatcher, Error, Key, Notification, NotificationState, OrderCode, PaidOrder, Source,
    SqliteStore, SupplierId, Suppliers, SuppliersFile,
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::case::{Case, Point, Way};
use crate::front::Front;
use crate::programs;
use crate::support::{Ca, Receiver, Reply};
use crate::trap::Trap;

// Longer than anything takes. Nobody waits for the end of a lease: time goes by in the store.
const TIMEOUT: Duration = Duration::from_secs(15);
const LEASE_MARGIN: Duration = Duration::from_secs(15);
pub(crate) const LEASE: Duration = Duration::from_secs(30);
/// How long anything may take before a test gives up.
const PATIENCE: Duration = Duration::from_secs(60);
/// Larger than a handshake and smaller than half of the order that it cuts.
const HALF: u64 = 100_000;

pub(crate) struct Scene {
    pub(crate) case: Case,
    pub(crate) folder: TempDir,
    pub(crate) receiver: Receiver,
    pub(crate) trap: Arc<Trap>,
    pub(crate) order: PaidOrder,
    front: Option<Front>,
    ca: Ca,
}

pub(crate) fn dispatcher(store: impl Store, suppliers: impl Suppliers, ca: &[u8]) -> Dispatcher {
    Dispatcher::builder(source(), store, suppliers)
        .timeout(TIMEOUT)
        .lease_margin(LEASE_MARGIN)
        .allow_network("127.0.0.0/8".parse().unwrap())
        .root_certificate(ca)
        .build()
        .unwrap()
}

fn source() -> Source {
    Source::new("example").unwrap()
}

impl Scene {
    pub(crate) async fn new(case: Case) -> Scene {
        let folder = tempfile::tempdir().unwrap();
        let ca = Ca::new();
        let receiver = Receiver::start(&ca).await;
        let trap = Trap::new(case, folder.path().join("orders.db"));
        let mut front = None;
        match case.point {
            Point::Connected(_) => {
                front = Some(Front::before(receiver.port(), 0, &trap.hold).await)
            }
            Point::HalfSent(_) => {
                front = Some(Front::before(receiver.port(), HALF, &trap.hold).await)
            }
            Point::Unanswered(k) => {
                let path = path(k);
                receiver.script_at(&path, [Reply::ok().gated(&trap.hold.gate)]);
                let (trap, first) = (Arc::clone(&trap), AtomicBool::new(true));
                receiver.on_request(move |request| {
                    if request.path() == path && first.swap(false, Ordering::SeqCst) {
                        trap.hold.reached.notify_one();
                    }
                });
            }
            _ => {}
        }
        let padding = if matches!(case.point, Point::HalfSent(_)) {
            3 * HALF as usize
        } else {
            0
        };
        let json = order(padding).to_string();
        let order = PaidOrder::from_json(json.as_bytes()).unwrap();
        let scene = Scene {
            case,
            folder,
            receiver,
            trap,
            order,
            front,
            ca,
        };
        scene.write("order.json", &json);
        scene.write("ca.pem", &scene.ca.pem());
        scene.write_suppliers(case.endpoints);
        scene
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.folder.path().join(name), text).unwrap();
    }

    /// Puts the first so many endpoints into the suppliers file.
    pub(crate) fn write_suppliers(&self, endpoints: usize) {
        let url = |k| match (&self.front, self.case.point) {
            (Some(front), Point::Connected(held) | Point::HalfSent(held)) if held == k => {
                front.url(&path(k))
            }
            _ => self.receiver.url(&path(k)),
        };
        let urls: Vec<_> = (1..=endpoints).map(url).collect();
        let supplier =
            json!({"id": "north-books", "webhook_urls": urls, "retry": {"first_delay_ms": 1000}});
        self.write(
            "suppliers.json",
            &json!({"suppliers": [supplier]}).to_string(),
        );
    }

    /// Stores the order before its sender comes, in the cases that want it so.
    pub(crate) async fn prepare(&self, store: impl Store) {
        if self.case.is_stored_before() {
            let dispatcher = self.dispatcher(store, self.suppliers());
            let _ = dispatcher.enqueue(&self.order).await.unwrap();
        }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn key(&self) -> Key {
        Key::order_created(
            source(),
            SupplierId::new("north-books").unwrap(),
            OrderCode::new("A-1").unwrap(),
        )
    }

    pub(crate) async fn store(&self) -> SqliteStore {
        SqliteStore::open(self.path().join("orders.db"))
            .await
            .unwrap()
    }

    pub(crate) fn suppliers(&self) -> SuppliersFile {
        SuppliersFile::open(self.path().join("suppliers.json")).unwrap()
    }

    pub(crate) fn dispatcher(&self, store: impl Store, suppliers: impl Suppliers) -> Dispatcher {
        dispatcher(store, suppliers, self.ca.pem().as_bytes())
    }

    /// What was held back on the way never comes.
    pub(crate) fn cut(&self) {
        self.front.iter().for_each(Front::cut);
    }

    /// Waits until the process is dead; it must have been killed.
    pub(crate) async fn bury(&self, child: Child) {
        let output = tokio::time::timeout(PATIENCE, child.wait_with_output()).await;
        let output = output
            .unwrap_or_else(|_| panic!("{}: the process does not die", self.case))
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.signal(), Some(9), "{}: {said}", self.case);
        self.trap.clear().await;
        self.cut();
    }

    /// Waits until the trap is reached.
    pub(crate) async fn reached(&self) {
        let reached = tokio::time::timeout(PATIENCE, self.trap.hold.reached.notified()).await;
        assert!(reached.is_ok(), "{}: the point was not reached", self.case);
    }

    /// What is there right after the death: stored or not as the case says, and nobody was told too early.
    pub(crate) async fn check_death(&self, store: &impl Store) {
        let stored = store.get(&self.key()).await.unwrap();
        if let Some(expected) = self.case.is_stored() {
            assert_eq!(stored.is_some(), expected, "{}", self.case);
        }
        if stored.is_none() {
            assert_eq!(self.receiver.connections(), 0, "{}", self.case);
        }
    }

    /// Has time go by until the lease of whoever died has run out, or what is pending is due.
    pub(crate) async fn free(&self, store: &impl Store) {
        let nothing = ClaimRequest::new(source(), Pick::DueOf(Vec::new()), 1, TIMEOUT);
        while let Some(stored) = store.get(&self.key()).await.unwrap() {
            let (NotificationState::Sending { until } | NotificationState::Pending { due: until }) =
                stored.state
            else {
                return;
            };
            let now = store.claim(&nothing).await.unwrap().now;
            if now >= until {
                return;
            }
            self.trap.advance(until.since(now)).await;
        }
    }

    /// Another process calls for the same order, and once more by hand.
    pub(crate) async fn go_on_in_another_process(&self) {
        let (status, line) = self.order_paid(&[]).await;
        assert_eq!(
            (status, &line["state"]),
            (Some(0), &json!("notified")),
            "{}: {line}",
            self.case
        );
        let sent = self.receiver.count();
        let (status, line) = self.order_paid(&[]).await;
        assert_eq!(
            (status, &line["state"]),
            (Some(0), &json!("notified")),
            "{}: {line}",
            self.case
        );
        let (status, line) = self.order_paid(&["--retry"]).await;
        assert_eq!(
            (status, &line["error"]),
            (Some(2), &json!("already_notified")),
            "{}: {line}",
            self.case
        );
        assert_eq!(
            self.receiver.count(),
            sent,
            "{}: nothing is sent after the end",
            self.case
        );
    }

    /// Somebody else in this process does the same.
    pub(crate) async fn go_on_here(&self, store: impl Store) {
        let dispatcher = self.dispatcher(store, self.suppliers());
        let report = dispatcher.notify(&self.order).await.unwrap();
        assert!(report.is_notified(), "{}: {report:?}", self.case);
        let sent = self.receiver.count();
        assert!(dispatcher.notify(&self.order).await.unwrap().is_notified());
        let retried = dispatcher.retry(&self.key(), &crate::support::by()).await;
        assert!(
            matches!(retried, Err(Error::AlreadyNotified { .. })),
            "{}: {retried:?}",
            self.case
        );
        assert_eq!(
            self.receiver.count(),
            sent,
            "{}: nothing is sent after the end",
            self.case
        );
    }

    /// The example program, to be run on the folder.
    pub(crate) async fn program(&self) -> Command {
        let program = tokio::task::spawn_blocking(programs::order_paid)
            .await
            .unwrap();
        let words = "--order order.json --suppliers suppliers.json --ca ca.pem --store sqlite:orders.db --json \
                     --allow-network 127.0.0.0/8 --timeout-ms 15000 --lease-margin-ms 15000";
        let mut command = Command::new(program);
        command
            .current_dir(self.path())
            .args(words.split_whitespace())
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }

    /// Runs it; its exit status and the line that it prints.
    pub(crate) async fn order_paid(&self, more: &[&str]) -> (Option<i32>, Value) {
        let output = self.program().await.args(more).output();
        let output = tokio::time::timeout(PATIENCE, output)
            .await
            .unwrap()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        let said = String::from_utf8_lossy(&output.stderr);
        let line = serde_json::from_str(text.trim())
            .unwrap_or_else(|_| panic!("{}: {text}{said}", self.case));
        (output.status.code(), line)
    }

    /// Compares what the receiver saw with what the store says, and both with what the case allows. The line of the table.
    pub(crate) async fn compare(&self, store: &impl Store) -> String {
        let case = &self.case;
        let stored = store
            .get(&self.key())
            .await
            .unwrap()
            .expect("nothing is lost");
        assert_eq!(
            stored.state.name(),
            StateName::Notified,
            "{case}: {stored:?}"
        );
        if case.cut_off() > 0 {
            self.receiver.wait_for_incomplete(case.cut_off()).await;
        }
        let received = self.receiver.received();
        let sent: Vec<_> = (1..=case.endpoints)
            .map(|k| {
                received
                    .iter()
                    .filter(|request| request.path() == path(k))
                    .count()
            })
            .collect();
        assert_eq!(sent, case.sent(), "{case}");
        assert_eq!(received.len(), sent.iter().sum::<usize>(), "{case}");
        assert_eq!(self.receiver.incomplete(), case.cut_off(), "{case}");
        for request in &received {
            assert_eq!(
                request.header("webhook-id"),
                Some(stored.event_id.as_str()),
                "{case}"
            );
            assert_eq!(
                Some(&request.body[..]),
                stored.body.as_ref().map(|body| body.as_bytes()),
                "{case}"
            );
        }
        // One after another: in each round the endpoints in their order, the second round from where the first broke off.
        assert_eq!(self.receiver.max_in_flight(), 1, "{case}");
        let order: Vec<_> = received
            .iter()
            .map(|request| request.path().to_owned())
            .collect();
        assert!(order.is_sorted(), "{case}: {order:?}");
        let record = record(&stored);
        assert_eq!(record, case.record(), "{case}");
        self.check_lease(&stored);

        let duplicates = received.len() - case.endpoints;
        let record: Vec<_> = record
            .iter()
            .map(|(k, outcome)| format!("{k} {outcome}"))
            .collect();
        let sent: Vec<_> = sent.iter().map(ToString::to_string).collect();
        let (sent, record) = (sent.join(" "), record.join(", "));
        format!(
            "{case} sent {sent:<6} duplicates {duplicates}  {}  [{record}]",
            stored.state.name()
        )
    }

    /// Nobody took over before the lease had run out.
    fn check_lease(&self, stored: &Notification) {
        let interrupted = stored
            .attempts
            .iter()
            .find(|attempt| attempt.outcome.as_str() == "unknown");
        if let Some(interrupted) = interrupted.filter(|_| self.case.way != Way::Drop) {
            let after = interrupted.at.since(stored.created_at);
            assert!(after >= LEASE, "{}: taken over after {after:?}", self.case);
        }
    }
}

/// Which endpoint, and what it came to.
fn record(stored: &Notification) -> Vec<(usize, &'static str)> {
    let number = |endpoint: &str| {
        endpoint
            .rsplit('/')
            .next()
            .and_then(|last| last.parse().ok())
            .unwrap_or(0)
    };
    stored
        .attempts
        .iter()
        .map(|attempt| (number(&attempt.endpoint), attempt.outcome.as_str()))
        .collect()
}

fn path(k: usize) -> String {
    format!("/{k}")
}

fn order(padding: usize) -> Value {
    json!({
        "order_code": "A-1", "channel": "web", "currency": "EUR", "shipping_charges": "0",
        "address": {"line1": "1 Elm St", "city": "Ulm", "postal_code": "89073", "country": "DE"},
        "built_at": "2026-11-21T10:00:00Z",
        "lines": [{"supplier": "north-books", "sku": "B-1", "name": "Atlas", "quantity": 1, "unit_price": "9.90"}],
        "extra": {"padding": "x".repeat(padding)},
    })
}
