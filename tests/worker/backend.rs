//! The example of a backend, as a process of its own.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use super::support::{Ca, Gate, Receiver, Reply};

/// An example program, which cargo puts beside the folder of the test programs.
fn example(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let path = test
        .parent()
        .and_then(Path::parent)
        .unwrap()
        .join("examples")
        .join(name);
    assert!(
        path.exists(),
        "{} is not there: cargo build --examples, with the features of the test",
        path.display()
    );
    path
}

struct Backend {
    child: Child,
    url: String,
    client: reqwest::Client,
}

impl Backend {
    async fn start(folder: &Path, store: &str) -> Self {
        let mut child = Command::new(example("axum_handler"))
            .args([
                "--port",
                "0",
                "--store",
                store,
                "--allow-network",
                "127.0.0.0/8",
            ])
            .args([
                "--suppliers",
                folder.join("suppliers.json").to_str().unwrap(),
            ])
            .args(["--ca", folder.join("ca.pem").to_str().unwrap()])
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let url = lines
            .next_line()
            .await
            .unwrap()
            .expect("it prints its address");
        Backend {
            child,
            url,
            client: reqwest::Client::new(),
        }
    }

    async fn paid(&self, id: &str, order: &Value) -> u16 {
        let url = format!("{}/orders/{id}/paid", self.url);
        self.client
            .post(url)
            .body(order.to_string())
            .send()
            .await
            .unwrap()
            .status()
            .as_u16()
    }

    async fn order(&self, id: &str) -> (u16, Value) {
        let reply = self
            .client
            .get(format!("{}/orders/{id}", self.url))
            .send()
            .await
            .unwrap();
        (
            reply.status().as_u16(),
            serde_json::from_slice(&reply.bytes().await.unwrap()).unwrap(),
        )
    }

    /// Asks until the order is in this state.
    async fn becomes(&self, id: &str, state: &str) -> Value {
        let asking = async {
            loop {
                let (_, order) = self.order(id).await;
                if order["state"] == state {
                    return order;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let order = tokio::time::timeout(Duration::from_secs(10), asking).await;
        order.unwrap_or_else(|_| panic!("{id} does not become {state}"))
    }

    fn terminate(&self) {
        let kill = format!("kill -TERM {}", self.child.id().unwrap());
        assert!(
            std::process::Command::new("sh")
                .args(["-c", &kill])
                .status()
                .unwrap()
                .success()
        );
    }

    async fn ended(&mut self) -> Option<i32> {
        let ended = tokio::time::timeout(Duration::from_secs(15), self.child.wait()).await;
        ended.expect("it ends").unwrap().code()
    }
}

fn order(code: &str, quantity: u32) -> Value {
    json!({
        "order_code": code, "channel": "web", "currency": "EUR", "shipping_charges": "4.90",
        "address": {"line1": "1 Elm St", "city": "Ulm", "postal_code": "89073", "country": "DE"},
        "built_at": "2026-11-21T10:00:00Z",
        "lines": [{"supplier": "books", "sku": "B-1", "name": "Atlas", "quantity": quantity, "unit_price": "9.90"}],
    })
}

async fn a_paid_order_is_told(folder: &Path, store: &str) {
    let ca = Ca::new();
    let receiver = Receiver::start(&ca).await;
    let gate = Gate::new();
    receiver.script([Reply::ok_json(r#"{"id": "BK-9"}"#).gated(&gate)]);
    let suppliers = json!({"suppliers": [
        {"id": "books", "webhook_urls": [receiver.url("/orders")], "reference_pointer": "/id"}
    ]});
    std::fs::write(folder.join("suppliers.json"), suppliers.to_string()).unwrap();
    std::fs::write(folder.join("ca.pem"), ca.pem()).unwrap();
    let mut backend = Backend::start(folder, store).await;

    // Answered while the supplier has not.
    assert_eq!(backend.paid("A-1", &order("A-1", 1)).await, 202);
    receiver.wait_for(1).await;
    assert_eq!(backend.order("A-1").await.1["state"], "in_progress");
    gate.open();
    let told = backend.becomes("A-1", "told").await;
    assert_eq!(told["notifications"][0]["reference"], "BK-9");
    assert_eq!(receiver.received()[0].json()["order_code"], "A-1");

    assert_eq!(
        backend.paid("A-1", &order("A-1", 1)).await,
        202,
        "once more, nothing is sent"
    );
    assert_eq!(backend.paid("A-1", &order("A-1", 2)).await, 409);
    assert_eq!(backend.paid("A-2", &order("A-1", 1)).await, 400);
    assert_eq!(
        backend.paid("A-2", &json!({"order_code": "A-2"})).await,
        400
    );
    let mut stranger = order("A-3", 1);
    stranger["lines"][0]["supplier"] = "nobody".into();
    assert_eq!(backend.paid("A-3", &stranger).await, 422);
    assert_eq!(backend.order("A-3").await.0, 404);

    // What is under way when the signal comes is finished.
    let last = Gate::new();
    receiver.script([Reply::ok().gated(&last)]);
    assert_eq!(backend.paid("A-4", &order("A-4", 1)).await, 202);
    receiver.wait_for(2).await;
    backend.terminate();
    last.open();
    assert_eq!(backend.ended().await, Some(0));
    assert_eq!(receiver.count(), 2);
    assert!(receiver.received().iter().all(|request| !request.abandoned));
}

#[tokio::test]
async fn a_backend_answers_at_once_tells_the_supplier_and_ends_with_nothing_under_way() {
    let folder = tempfile::tempdir().unwrap();
    a_paid_order_is_told(folder.path(), "memory:").await;
}

#[tokio::test]
async fn a_backend_whose_suppliers_file_has_become_a_pipe_goes_on_with_the_last_good_one_and_ends_when_told_to()
 {
    let (folder, ca) = (tempfile::tempdir().unwrap(), Ca::new());
    let receiver = Receiver::start(&ca).await;
    let suppliers =
        json!({"suppliers": [{"id": "books", "webhook_urls": [receiver.url("/orders")]}]});
    let path = folder.path().join("suppliers.json");
    std::fs::write(&path, suppliers.to_string()).unwrap();
    std::fs::write(folder.path().join("ca.pem"), ca.pem()).unwrap();
    let mut backend = Backend::start(folder.path(), "memory:").await;

    std::fs::remove_file(&path).unwrap();
    assert!(
        std::process::Command::new("mkfifo")
            .arg(&path)
            .status()
            .unwrap()
            .success()
    );
    let paid = tokio::time::timeout(
        Duration::from_secs(20),
        backend.paid("A-1", &order("A-1", 1)),
    )
    .await;
    assert_eq!(paid.expect("the handler answers"), 202);
    backend.becomes("A-1", "told").await;
    backend.terminate();
    assert_eq!(backend.ended().await, Some(0));
}

#[cfg(feature = "sqlite")]
#[tokio::test]
async fn a_backend_on_a_file_still_knows_its_orders_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let store = format!("sqlite:{}", folder.path().join("orders.db").display());
    a_paid_order_is_told(folder.path(), &store).await;
    let mut backend = Backend::start(folder.path(), &store).await;
    for id in ["A-1", "A-4"] {
        assert_eq!(backend.order(id).await.1["state"], "told");
    }
    backend.terminate();
    assert_eq!(backend.ended().await, Some(0));
}
