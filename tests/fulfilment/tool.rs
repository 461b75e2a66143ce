//! The example program `fulfilment`, as scripts see it: a process, its lines and its exit status.

mod input;
#[cfg(feature = "sqlite")]
mod kept;
mod lines;

use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::{Value, json};

use crate::programs;
use crate::support::{Ca, Receiver};

/// A client with one receiver, and the files that the program is given.
struct Desk {
    receiver: Receiver,
    directory: tempfile::TempDir,
}

/// What a process came to.
#[derive(Debug)]
struct Ran {
    status: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Desk {
    async fn new() -> Self {
        let ca = Ca::new();
        let desk = Desk {
            receiver: Receiver::start(&ca).await,
            directory: tempfile::tempdir().unwrap(),
        };
        std::fs::write(desk.path("ca.pem"), ca.pem()).unwrap();
        desk.clients(
            &json!([{ "id": "clinic", "webhook_urls": [desk.receiver.url("/hook?k=s3cret")] }]),
        );
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The address of the SQLite file.
    fn sqlite(&self) -> String {
        format!("sqlite:{}", self.path("orderhook.db").display())
    }

    /// Writes the clients file.
    fn clients(&self, clients: &Value) {
        std::fs::write(
            self.path("clients.json"),
            json!({ "suppliers": clients }).to_string(),
        )
        .unwrap();
    }

    /// Writes the events file.
    fn events(&self, text: &str) {
        std::fs::write(self.path("events.jsonl"), text).unwrap();
    }

    /// Runs `fulfilment` on the two files with a store and more options.
    async fn run(&self, store: &str, more: &[&str]) -> Ran {
        let (events, clients, ca) = (
            self.path("events.jsonl"),
            self.path("clients.json"),
            self.path("ca.pem"),
        );
        let files = [
            "--events",
            text(&events),
            "--clients",
            text(&clients),
            "--store",
            store,
            "--ca",
            text(&ca),
        ];
        let network = ["--allow-network", "127.0.0.0/8"];
        run("fulfilment", &[&files[..], &network, more].concat()).await
    }

    /// Runs `worker --until-idle` on the same.
    #[cfg(feature = "sqlite")]
    async fn work(&self, store: &str) -> Ran {
        let (clients, ca) = (self.path("clients.json"), self.path("ca.pem"));
        let files = [
            "--suppliers",
            text(&clients),
            "--store",
            store,
            "--ca",
            text(&ca),
        ];
        let more = [
            "--allow-network",
            "127.0.0.0/8",
            "--first-delay-ms",
            "5",
            "--until-idle",
            "--json",
        ];
        run("worker", &[&files[..], &more].concat()).await
    }
}

impl Ran {
    /// The lines of stdout, each of them JSON.
    fn lines(&self) -> Vec<Value> {
        let read = |line| {
            serde_json::from_str(line).unwrap_or_else(|_| panic!("{line} is not JSON: {self:?}"))
        };
        self.stdout.lines().map(read).collect()
    }

    /// In brief: exit status, and of each line the stage with its state or error.
    fn brief(&self) -> (Option<i32>, Vec<String>) {
        let word = |line: &Value, key: &str| line[key].as_str().map(str::to_owned);
        let brief = self.lines().into_iter().map(|line| {
            let stage = word(&line, "event")
                .or(word(&line, "stage"))
                .unwrap_or_default();
            let end = word(&line, "error")
                .or(word(&line, "state"))
                .unwrap_or_else(|| "null".into());
            format!("{stage} {end}")
        });
        (self.status, brief.collect())
    }
}

async fn run(program: &'static str, args: &[&str]) -> Ran {
    let path = tokio::task::spawn_blocking(move || programs::example(program))
        .await
        .unwrap();
    let mut command = tokio::process::Command::new(path);
    command
        .args(args)
        .env_remove("RUST_LOG")
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let limit = std::time::Duration::from_secs(60);
    let output = tokio::time::timeout(limit, command.output())
        .await
        .expect("it comes to an end")
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).expect("output is text");
    Ran {
        status: output.status.code(),
        stdout: text(output.stdout),
        stderr: text(output.stderr),
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Lines of an events file for a child order `A` of a parent order, in the delivery flow.
fn way(parent: &str, stages: &[&str]) -> String {
    let line = |stage: &&str| {
        let line = json!({
            "client": "clinic", "parent_order": parent, "child_order": "A", "flow": "delivery", "stage": stage,
        });
        format!("{line}\n")
    };
    stages.iter().map(line).collect()
}

const ALL: [&str; 4] = ["accept", "shipped", "order_picked_up", "delivered"];
