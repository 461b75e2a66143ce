//! The demonstration: two real HTTPS receivers on this machine, three suppliers, one order. With the feature `sqlite` the
//! store is a file, and a second process on it shows that nothing is sent again.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use orderhook::notification::By;
use orderhook::{
    Dispatcher, NotificationState, PaidOrder, Report, Source, SupplierId, SuppliersFile,
};
use serde_json::json;

use super::support::output;
use super::support::{Failure, say};

#[path = "../../tests/support/mod.rs"]
mod receivers;

use receivers::{Ca, Received, Receiver};

/// Runs the demonstration; fails if something is not as it should be.
pub(super) async fn run() -> Result<ExitCode, Failure> {
    let order = PaidOrder::from_json(include_bytes!("../paid-order.json")).map_err(broken)?;
    let ca = Ca::new();
    let (first, second) = (Receiver::start(&ca).await, Receiver::start(&ca).await);
    for receiver in [&first, &second] {
        receiver.on_request(show);
    }
    let folder = tempfile::tempdir().map_err(broken)?;
    let folder = folder.path();
    let suppliers = |tool_shed: &[String]| {
        json!({"suppliers": [
            {
                "id": "north-books",
                "webhook_urls": [first.url("/north-books"), second.url("/north-books-backup")],
                "bearer_token": "demo-token",
                "custom_headers": [{"name": "x-adapter-token", "value": "demo"}],
            },
            {"id": "green-grocer", "webhook_urls": [second.url("/green-grocer")]},
            {"id": "tool-shed", "webhook_urls": tool_shed},
        ]})
    };
    write(folder, "order.json", include_str!("../paid-order.json"))?;
    write(folder, "ca.pem", &ca.pem())?;
    write(folder, "suppliers.json", &suppliers(&[]).to_string())?;
    let file = SuppliersFile::open(folder.join("suppliers.json")).map_err(broken)?;
    let dispatcher = dispatcher(folder, file, &ca).await?;

    heading("order paid: every supplier is told, the endpoints of one supplier one after another");
    let report = dispatcher.notify(&order).await?;
    print(&report);
    expect(first.count() == 1 && second.count() == 2, "three POSTs")?;

    heading("called again: nothing is sent");
    print(&dispatcher.notify(&order).await?);
    expect(first.count() == 1 && second.count() == 2, "no further POST")?;

    heading("the missing configuration is repaired in the file, one call resumes the supplier");
    write(
        folder,
        "suppliers.json",
        &suppliers(&[first.url("/tool-shed")]).to_string(),
    )?;
    print(
        &dispatcher
            .resume(
                &SupplierId::new("tool-shed").map_err(broken)?,
                &By::new("operations", "the webhook URL was missing").map_err(broken)?,
            )
            .await?,
    );
    expect(first.count() == 2 && second.count() == 2, "one more POST")?;

    let told = dispatcher.order(order.order_code()).await?;
    let told = told.is_some_and(|order| {
        order
            .notifications
            .iter()
            .all(|n| matches!(n.state, NotificationState::Notified { .. }))
    });
    expect(told, "everybody is told")?;
    dispatcher.shutdown(Duration::from_secs(5)).await;

    second_run(folder).await?;
    expect(
        first.count() == 2 && second.count() == 2,
        "no POST by the second run",
    )?;
    heading("everybody is told, once");
    Ok(ExitCode::SUCCESS)
}

#[cfg(feature = "sqlite")]
async fn dispatcher(
    folder: &Path,
    suppliers: SuppliersFile,
    ca: &Ca,
) -> Result<Dispatcher, Failure> {
    let store = orderhook::SqliteStore::open(folder.join("orders.db"))
        .await
        .map_err(broken)?;
    build(Dispatcher::builder(source()?, store, suppliers), ca)
}

#[cfg(not(feature = "sqlite"))]
async fn dispatcher(_: &Path, suppliers: SuppliersFile, ca: &Ca) -> Result<Dispatcher, Failure> {
    build(
        Dispatcher::builder(source()?, orderhook::MemoryStore::new(), suppliers),
        ca,
    )
}

fn build(builder: orderhook::DispatcherBuilder, ca: &Ca) -> Result<Dispatcher, Failure> {
    let network = "127.0.0.0/8".parse().map_err(broken)?;
    Ok(builder
        .allow_network(network)
        .root_certificate(ca.pem())
        .timeout(Duration::from_secs(5))
        .build()?)
}

fn source() -> Result<Source, Failure> {
    Source::new("demo").map_err(broken)
}

/// This program again, as a tool, in a process of its own on the same file.
#[cfg(feature = "sqlite")]
async fn second_run(folder: &Path) -> Result<(), Failure> {
    heading("a second run, another process on the same file: nothing is sent");
    let program = std::env::current_exe().map_err(broken)?;
    let words = "--order order.json --suppliers suppliers.json --ca ca.pem --store sqlite:orders.db --source demo \
                 --allow-network 127.0.0.0/8";
    say(format_args!("  order_paid {words}"));
    let child = tokio::process::Command::new(program)
        .current_dir(folder)
        .args(words.split_whitespace())
        .output()
        .await;
    let output = child.map_err(broken)?;
    let _ = std::io::Write::write_all(&mut std::io::stdout(), &output.stdout);
    expect(output.status.success(), "exit status 0")
}

#[cfg(not(feature = "sqlite"))]
async fn second_run(_: &Path) -> Result<(), Failure> {
    say(format_args!(
        "\n(with `--features sqlite` the store is a file, and a second process shows that nothing is sent again)"
    ));
    Ok(())
}

fn write(folder: &Path, name: &str, text: &str) -> Result<(), Failure> {
    std::fs::write(folder.join(name), text).map_err(broken)
}

fn show(request: &Received) {
    let token = if request.header("authorization").is_some() {
        ", with bearer token"
    } else {
        ""
    };
    let id = request.header("webhook-id").unwrap_or("-");
    say(format_args!(
        "  POST {} -> 200  {} bytes, webhook-id {id}{token}",
        request.path(),
        request.body.len()
    ));
}

fn print(report: &Report) {
    for entry in &report.entries {
        output::print(&entry.notification, None, false);
    }
}

fn heading(text: &str) {
    say(format_args!("\n== {text}"));
}

fn expect(held: bool, what: &str) -> Result<(), Failure> {
    if held {
        Ok(())
    } else {
        Err(Failure::input("demonstration", format!("expected {what}")))
    }
}

fn broken(error: impl std::fmt::Display) -> Failure {
    Failure::input("demonstration", error)
}
