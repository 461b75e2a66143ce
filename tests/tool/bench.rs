//! A folder with an order, suppliers and a root, and the tool beside it.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{Ca, Finished, Program, Receiver};

/// What one run of the tool needs.
pub(crate) struct Bench {
    pub(crate) ca: Ca,
    folder: TempDir,
    store: String,
}

impl Bench {
    /// With a store that forgets when the tool ends.
    pub(crate) fn in_memory() -> Self {
        Bench::on("memory:")
    }

    /// With a store that lasts from run to run. `None` when none is compiled in.
    pub(crate) fn lasting() -> Option<Self> {
        cfg!(feature = "sqlite").then(|| Bench::on("sqlite:orders.db"))
    }

    /// With this store; relative paths are in the folder of the bench.
    pub(crate) fn on(store: &str) -> Self {
        let bench = Bench {
            ca: Ca::new(),
            folder: tempfile::tempdir().unwrap(),
            store: store.to_owned(),
        };
        bench.write("ca.pem", &bench.ca.pem());
        bench
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.folder().join(name), text).unwrap();
    }

    /// Writes an order with a line for each of these suppliers.
    pub(crate) fn order(&self, suppliers: &[&str]) {
        self.write("order.json", &order(suppliers).to_string());
    }

    /// Writes the suppliers: id and URLs of each.
    pub(crate) fn suppliers(&self, suppliers: &[(&str, &[String])]) {
        let suppliers: Vec<_> = suppliers
            .iter()
            .map(|(id, urls)| json!({"id": id, "webhook_urls": urls}))
            .collect();
        self.write(
            "suppliers.json",
            &json!({"suppliers": suppliers}).to_string(),
        );
    }

    /// One supplier at one receiver, and an order for it.
    pub(crate) fn north_at(&self, receiver: &Receiver) {
        self.order(&["north"]);
        self.suppliers(&[("north", &[receiver.url("/in")])]);
    }

    /// Runs the tool with everything that a run needs, and these arguments.
    pub(crate) async fn run(&self, more: &[&str]) -> Finished {
        self.run_with(&self.arguments(more)).await
    }

    /// The same while nobody reads what it prints.
    pub(crate) async fn unread(&self, more: &[&str]) -> Finished {
        self.tool().unread().run(&self.arguments(more)).await
    }

    fn tool(&self) -> Program {
        Program::example("order_paid", self.folder())
    }

    pub(crate) fn arguments<'a>(&'a self, more: &[&'a str]) -> Vec<&'a str> {
        let mut arguments = vec![
            "--order",
            "order.json",
            "--suppliers",
            "suppliers.json",
            "--store",
            &self.store,
        ];
        arguments.extend([
            "--ca",
            "ca.pem",
            "--allow-network",
            "127.0.0.0/8",
            "--timeout-ms",
            "10000",
        ]);
        arguments.extend(more);
        arguments
    }

    /// Runs the tool with these arguments and nothing else.
    pub(crate) async fn run_with(&self, arguments: &[&str]) -> Finished {
        self.tool().run(arguments).await
    }

    /// Runs with `--json`, checks the form of every line, and gives back the exit status and the lines.
    pub(crate) async fn json(&self, more: &[&str]) -> (i32, Vec<Value>) {
        let finished = self.run(&[more, &["--json"]].concat()).await;
        assert_eq!(finished.stderr, "", "{finished:?}");
        let lines = finished.json_lines();
        lines.iter().for_each(assert_form);
        (finished.status.expect("it ended by itself"), lines)
    }
}

pub(crate) fn order(suppliers: &[&str]) -> Value {
    let line = |id: &&str| json!({"supplier": id, "sku": "S-1", "name": "Thing", "quantity": 1, "unit_price": "10.00"});
    json!({
        "order_code": "A-1", "channel": "web", "currency": "EUR", "shipping_charges": "0.00",
        "address": {"line1": "1 Elm Street", "city": "Ulm", "postal_code": "89073", "country": "DE"},
        "built_at": "2026-03-01T10:15:30+05:30", "lines": suppliers.iter().map(line).collect::<Vec<_>>(),
    })
}

/// The keys that scripts rely on, and what may be under them.
fn assert_form(line: &Value) {
    let text = |key: &str| {
        line[key]
            .as_str()
            .unwrap_or_else(|| panic!("{key} is no text: {line}"))
    };
    let one_of = |key: &str, words: &[&str]| {
        let value = &line[key];
        assert!(
            value.is_null() || value.as_str().is_some_and(|word| words.contains(&word)),
            "{key}: {line}"
        );
    };
    for key in ["order_code", "supplier", "event"] {
        assert!(!text(key).is_empty());
    }
    assert!(text("id").starts_with("msg_"), "{line}");
    one_of(
        "state",
        &[
            "pending",
            "sending",
            "notified",
            "failed",
            "withdrawn",
            "not_wanted",
        ],
    );
    let reasons = [
        "no_endpoints",
        "supplier_removed",
        "exhausted",
        "endpoint_gone",
        "held_unknown",
        "config",
    ];
    one_of("reason", &reasons);
    one_of("error", &["already_notified", "conflict"]);
    let is = |state: &str| line["state"] == state;
    assert_eq!(
        is("pending"),
        line["due"].is_string(),
        "due of a pending one and of no other: {line}"
    );
    assert_eq!(is("notified"), line["reference"].is_string(), "{line}");
    assert_eq!(is("failed"), line["reason"].is_string(), "{line}");
    if let Some(due) = line["due"].as_str() {
        assert_time(due);
    }
    for attempt in line["attempts"]
        .as_array()
        .unwrap_or_else(|| panic!("attempts is no list: {line}"))
    {
        let endpoint = attempt["endpoint"].as_str().expect("an endpoint");
        assert!(
            endpoint.starts_with("https://") && !endpoint.contains('?'),
            "{endpoint}"
        );
        let outcome = attempt["outcome"].as_str().expect("an outcome");
        assert!(
            ["accepted", "rejected", "not_sent", "unknown", "blocked"].contains(&outcome),
            "{outcome}"
        );
        assert_eq!(
            attempt["status"].is_u64(),
            ["accepted", "rejected"].contains(&outcome),
            "{attempt}"
        );
        assert!(attempt["ms"].is_u64(), "{attempt}");
        assert_time(attempt["at"].as_str().expect("a time"));
    }
}

fn assert_time(text: &str) {
    assert!(
        text.parse::<orderhook::value::OffsetTimestamp>().is_ok(),
        "{text} is not RFC 3339"
    );
}
