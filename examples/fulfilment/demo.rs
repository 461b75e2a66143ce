//! The demonstration: a prescription order that is delivered after a rejection, an order that is picked up, and a stage that
//! cannot be.

use std::collections::HashMap;
use std::process::ExitCode;
use std::time::Duration;

use orderhook::fulfilment::{Fulfilment, FulfilmentError, Lifecycle, StageEvent};
use orderhook::{
    Dispatcher, MemoryStore, NotificationState, OrderCode, Source, Supplier, SupplierId,
};

use super::support::{Failure, say};

#[path = "../../tests/support/mod.rs"]
mod receivers;

use receivers::{Ca, Receiver};

const DELIVERED: &str = r#"
{"parent_order":"RX-501","flow":"delivery","prescription":true,"stage":"digitization_completed","data":{"item_details":[{"medicine_name":"Examplol 10","quantity":2}]}}
{"parent_order":"RX-501","child_order":"RX-501/a","flow":"delivery","stage":"accept","data":{"chemist_id":"C-7","order_number":"1001"}}
{"parent_order":"RX-501","child_order":"RX-501/a","flow":"delivery","stage":"reject","data":{"reject_reason":"out of stock","is_final_rejection":false}}
{"parent_order":"RX-501","flow":"delivery","stage":"reassign","data":{"rejected_order_id":"RX-501/a","new_order_ids":["RX-501/b"]}}
{"parent_order":"RX-501","child_order":"RX-501/b","flow":"delivery","stage":"accept","data":{"chemist_id":"C-9"}}
{"parent_order":"RX-501","child_order":"RX-501/b","flow":"delivery","stage":"shipped","data":{"tracking_url":"https://track.example/555","total":"431.50"}}
{"parent_order":"RX-501","child_order":"RX-501/b","flow":"delivery","stage":"order_picked_up","data":{"delivery_person_name":"Ravi Example","delivery_person_mobile":"555-0100"}}
{"parent_order":"RX-501","child_order":"RX-501/b","flow":"delivery","stage":"delivered","data":{}}
"#;

const PICKED_UP: &str = r#"
{"parent_order":"PK-77","child_order":"PK-77/a","flow":"pickup","stage":"accept","data":{}}
{"parent_order":"PK-77","child_order":"PK-77/a","flow":"pickup","stage":"shipped","data":{}}
{"parent_order":"PK-77","child_order":"PK-77/a","flow":"pickup","stage":"delivered","data":{}}
"#;

const IMPOSSIBLE: &str = r#"{"parent_order":"PK-77","child_order":"PK-77/a","flow":"pickup","stage":"shipped","data":{"again":"yes"}}"#;
const TOO_EARLY: &str =
    r#"{"parent_order":"PK-78","child_order":"PK-78/a","flow":"pickup","stage":"delivered"}"#;

/// Runs the demonstration; fails if something is not as it should be.
pub(super) async fn run() -> Result<ExitCode, Failure> {
    let ca = Ca::new();
    let receiver = Receiver::start(&ca).await;
    receiver.on_request(|request| {
        let said = request.json();
        let stage = said["transaction_nature"].as_str().unwrap_or_default();
        say(format_args!(
            "  POST {}  {stage} #{}",
            request.path(),
            said["sequence"]
        ));
    });
    let client = SupplierId::new("health-app").map_err(broken)?;
    let supplier = Supplier::builder(client.clone())
        .endpoint(receiver.url("/fulfilment"))
        .build()
        .map_err(broken)?;
    let clients = HashMap::from([(client.clone(), supplier)]);
    let dispatcher = Dispatcher::builder(
        Source::new("demo").map_err(broken)?,
        MemoryStore::new(),
        clients,
    )
    .allow_network("127.0.0.0/8".parse().map_err(broken)?)
    .root_certificate(ca.pem())
    .build()?;
    let fulfilment = Fulfilment::new(&dispatcher);

    heading(
        "a prescription order: digitized, accepted, rejected, re-assigned, accepted by another, delivered",
    );
    walk(&fulfilment, &client, DELIVERED).await?;
    timeline(&dispatcher, &client, "RX-501").await?;
    heading("an order that the patient picks up");
    walk(&fulfilment, &client, PICKED_UP).await?;
    timeline(&dispatcher, &client, "PK-77").await?;

    heading(
        "the same stage offered again is recognised; one that cannot come is refused, and nothing is stored",
    );
    let posts = receiver.count();
    let again = fulfilment.notify(&client, &event(IMPOSSIBLE)?).await?;
    expect(
        again.entries.iter().all(|entry| entry.is_conflict()),
        "a conflict with what was said before",
    )?;
    say(format_args!(
        "  shipped of PK-77/a again, with other data: recognised, conflict, not sent"
    ));
    match fulfilment.notify(&client, &event(TOO_EARLY)?).await {
        Err(FulfilmentError::NotAllowed(refused)) => say(format_args!("  refused: {refused}")),
        _ => expect(false, "a refusal")?,
    }
    expect(receiver.count() == posts, "no further POST")?;
    let stored = dispatcher
        .order(&OrderCode::new("PK-78").map_err(broken)?)
        .await?;
    expect(stored.is_none(), "nothing stored about PK-78")?;
    dispatcher.shutdown(Duration::from_secs(5)).await;
    Ok(ExitCode::SUCCESS)
}

async fn walk(fulfilment: &Fulfilment, client: &SupplierId, lines: &str) -> Result<(), Failure> {
    for line in lines.trim().lines() {
        fulfilment.notify(client, &event(line)?).await?;
    }
    Ok(())
}

async fn timeline(
    dispatcher: &Dispatcher,
    client: &SupplierId,
    parent: &str,
) -> Result<(), Failure> {
    let parent = OrderCode::new(parent).map_err(broken)?;
    let order = dispatcher.order(&parent).await?;
    say(format_args!("  timeline of {parent}"));
    for notification in order.iter().flat_map(|order| &order.notifications) {
        let (position, kind) = (notification.position, &notification.key.kind);
        let (of, state) = (
            notification.key.occurrence.as_str(),
            notification.state.name(),
        );
        say(format_args!(
            "    {position:>2}  {kind:<24} {of:<10} {state}"
        ));
        let settled = matches!(
            notification.state,
            NotificationState::Notified { .. } | NotificationState::Closed { .. }
        );
        expect(settled, "every stage told, or not wanted")?;
    }
    let life: Lifecycle = Fulfilment::new(dispatcher)
        .lifecycle(client, &parent)
        .await?;
    for child in life.children() {
        say(format_args!(
            "  child {}: last stage {}",
            child.id(),
            child.last_stage().map_or("none", |stage| stage.title())
        ));
    }
    Ok(())
}

fn event(line: &str) -> Result<StageEvent, Failure> {
    StageEvent::from_json(line.as_bytes()).map_err(broken)
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
