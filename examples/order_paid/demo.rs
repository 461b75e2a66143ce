//! The demonstration: two real HTTPS receivers on this machine, three suppliers, one order.

use std::collections::HashMap;
use std::process::ExitCode;
use std::sync::{Arc, RwLock};
use std::time::Duration;

use orderhook::{Dispatcher, MemoryStore, PaidOrder, Report, Source, State, Supplier, SupplierId};

use super::support::Failure;
use super::support::output;

#[path = "../../tests/support/mod.rs"]
mod receivers;

use receivers::{Ca, Received, Receiver};

type Table = Arc<RwLock<HashMap<SupplierId, Supplier>>>;

/// Runs the demonstration; fails if something is not as it should be.
pub(super) async fn run() -> Result<ExitCode, Failure> {
    let order = PaidOrder::from_json(include_bytes!("../paid-order.json")).map_err(broken)?;
    let ca = Ca::new();
    let (first, second) = (Receiver::start(&ca).await, Receiver::start(&ca).await);
    for receiver in [&first, &second] {
        receiver.on_request(show);
    }

    let table: Table = Arc::default();
    put(
        &table,
        Supplier::builder(id("north-books")?)
            .endpoint(first.url("/north-books"))
            .endpoint(second.url("/north-books-backup"))
            .bearer_token("demo-token")
            .custom_header("x-adapter", "demo"),
    )?;
    put(&table, Supplier::builder(id("green-grocer")?).endpoint(second.url("/green-grocer")))?;
    put(&table, Supplier::builder(id("tool-shed")?))?;

    let network = "127.0.0.0/8".parse().map_err(broken)?;
    let dispatcher = Dispatcher::builder(Source::new("demo").map_err(broken)?, MemoryStore::new(), Arc::clone(&table))
        .allow_network(network)
        .root_certificate(ca.pem())
        .timeout(Duration::from_secs(5))
        .build()?;

    heading("order paid: every supplier is told, the endpoints of one supplier one after another");
    let report = dispatcher.notify(&order).await?;
    print(&report);
    expect(first.count() == 1 && second.count() == 2, "three POSTs")?;

    heading("called again: nothing is sent");
    print(&dispatcher.notify(&order).await?);
    expect(first.count() == 1 && second.count() == 2, "no further POST")?;

    heading("the missing configuration is repaired, one call resumes the supplier");
    put(&table, Supplier::builder(id("tool-shed")?).endpoint(first.url("/tool-shed")))?;
    print(&dispatcher.resume(&id("tool-shed")?).await?);
    expect(first.count() == 2 && second.count() == 2, "one more POST")?;

    let told = dispatcher.order(order.order_code()).await?;
    let told = told.is_some_and(|order| order.notifications.iter().all(|n| matches!(n.state, State::Notified { .. })));
    expect(told, "everybody is told")?;
    heading("everybody is told");
    dispatcher.shutdown(Duration::from_secs(5)).await;
    Ok(ExitCode::SUCCESS)
}

fn show(request: &Received) {
    let token = if request.header("authorization").is_some() { ", with bearer token" } else { "" };
    let id = request.header("webhook-id").unwrap_or("-");
    println!("  POST {} -> 200  {} bytes, webhook-id {id}{token}", request.path(), request.body.len());
}

fn print(report: &Report) {
    for entry in &report.entries {
        output::print(&entry.notification, None, false);
    }
}

fn heading(text: &str) {
    println!("\n== {text}");
}

fn id(text: &str) -> Result<SupplierId, Failure> {
    SupplierId::new(text).map_err(broken)
}

fn put(table: &Table, supplier: orderhook::SupplierBuilder) -> Result<(), Failure> {
    let supplier = supplier.build().map_err(broken)?;
    let mut table = table.write().map_err(broken)?;
    table.insert(supplier.id().clone(), supplier);
    Ok(())
}

fn expect(held: bool, what: &str) -> Result<(), Failure> {
    if held { Ok(()) } else { Err(Failure::input("demonstration", format!("expected {what}"))) }
}

fn broken(error: impl std::fmt::Display) -> Failure {
    Failure::input("demonstration", error)
}
