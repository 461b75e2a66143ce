//! An order that comes again: the same, or with other content.

use std::time::Duration;

use orderhook::event::Difference;
use orderhook::order::{Privacy, Rule};
use orderhook::report::Enqueued;
use orderhook::store::Inserted;
use serde_json::json;

use crate::support::Reply;
use crate::world::{World, document, id, key, only, order, order_from, state, supplier};

/// Where the conflicts are, one text for each.
fn places(enqueued: &Enqueued) -> Vec<String> {
    let differences = enqueued
        .conflicts()
        .map(|stored| stored.difference.as_ref().unwrap());
    differences.map(Difference::to_string).collect()
}

#[tokio::test]
async fn other_content_under_the_same_code_is_a_conflict_for_whom_it_concerns_and_changes_nothing()
{
    let world = World::new();
    let receiver = world.receiver().await;
    receiver.script_at("/north", [Reply::Status(500)]);
    for name in ["north", "green", "tools"] {
        world.put(supplier(name).endpoint(receiver.url(&format!("/{name}"))));
    }
    let dispatcher = world.dispatcher();
    dispatcher
        .notify(&order("A-1", &["north", "green"]))
        .await
        .unwrap();

    // The line of one supplier is changed, one stays, and a third supplier comes in.
    let mut other = document("A-1", &["north", "green", "tools"]);
    other["lines"][0]["quantity"] = json!(3);
    let other = order_from(other);
    let enqueued = dispatcher.enqueue(&other).await.unwrap();
    let conflicts: Vec<_> = enqueued
        .conflicts()
        .map(|stored| stored.key.supplier.clone())
        .collect();
    assert_eq!(conflicts, [id("north")]);
    assert_eq!(places(&enqueued), ["items[0].quantity"]);
    let report = dispatcher.notify(&other).await.unwrap();

    assert!(!report.is_notified());
    assert_eq!(report.of("north").unwrap().inserted, Inserted::Differs);
    assert!(
        report.of("north").unwrap().is_conflict() && !report.of("green").unwrap().is_conflict()
    );
    assert_eq!(
        state(&report.of("green").unwrap().notification),
        "notified A-1"
    );
    assert_eq!(
        state(&report.of("tools").unwrap().notification),
        "notified A-1"
    );

    // What is sent in the end is what came first.
    let retried = dispatcher
        .retry(&key("north", "A-1"), &crate::support::by())
        .await
        .unwrap();
    assert_eq!(state(&retried), "notified A-1");
    let sent: Vec<_> = receiver
        .received()
        .into_iter()
        .filter(|request| request.path() == "/north")
        .collect();
    assert_eq!(sent.len(), 2);
    assert!(
        sent.iter()
            .all(|request| request.json()["items"][0]["quantity"] == 2)
    );
    world.agrees().await;
}

#[tokio::test]
async fn an_order_that_was_built_anew_or_shown_differently_is_the_same_order() {
    let world = World::new();
    let receiver = world.receiver().await;
    receiver.script([Reply::Status(500)]);
    world.put(supplier("north").endpoint(receiver.url("/a")));
    let dispatcher = world.dispatcher();
    let mut document = document("A-1", &["north"]);
    dispatcher
        .notify(&order_from(document.clone()))
        .await
        .unwrap();

    document["built_at"] = json!("2026-03-02T00:00:00Z");
    let stricter = Privacy::new().with_email(Rule::Omit);
    world.put(
        supplier("north")
            .endpoint(receiver.url("/a"))
            .privacy(stricter),
    );
    let report = dispatcher.notify(&order_from(document)).await.unwrap();
    assert!(!report.entries[0].is_conflict());
    dispatcher
        .retry(&key("north", "A-1"), &crate::support::by())
        .await
        .unwrap();

    let bodies: Vec<_> = receiver
        .received()
        .into_iter()
        .map(|request| request.body)
        .collect();
    assert_eq!(bodies.len(), 2);
    assert_eq!(bodies[0], bodies[1], "the first body wins");
    world.agrees().await;
}

#[tokio::test]
async fn what_differs_for_nobody_but_one_supplier_is_a_conflict_for_that_one_only() {
    let world = World::new();
    let receiver = world.receiver().await;
    for name in ["north", "green"] {
        world.put(supplier(name).endpoint(receiver.url(&format!("/{name}"))));
    }
    let dispatcher = world.dispatcher();
    dispatcher
        .notify(&order("A-1", &["north", "green"]))
        .await
        .unwrap();
    let mut moved = document("A-1", &["north", "green"]);
    moved["address"]["line1"] = json!("another lane");
    let report = dispatcher.notify(&order_from(moved)).await.unwrap();
    assert!(
        report
            .entries
            .iter()
            .all(orderhook::report::Entry::is_conflict),
        "the address is part of what both were told"
    );

    let report = dispatcher.notify(&order("A-1", &["green"])).await.unwrap();
    assert!(
        !report.entries[0].is_conflict(),
        "a line of another supplier is not part of it"
    );
    assert_eq!(state(only(&report)), "notified A-1");
    assert_eq!(receiver.count(), 2);
    world.agrees().await;
}

#[tokio::test]
async fn a_conflict_in_what_a_supplier_may_not_see_is_named_as_that() {
    let world = World::new();
    let receiver = world.receiver().await;
    let private = Privacy::new().with_email(Rule::Omit);
    world.put(
        supplier("north")
            .endpoint(receiver.url("/a"))
            .privacy(private),
    );
    world.put(supplier("green").endpoint(receiver.url("/b")));
    let dispatcher = world.dispatcher();
    let mut document = document("A-1", &["north", "green"]);
    let _ = dispatcher
        .enqueue(&order_from(document.clone()))
        .await
        .unwrap();
    document["email"] = json!("someone.else@mail.example");
    document["built_at"] = json!("2026-03-02T00:00:00Z");
    let enqueued = dispatcher
        .enqueue(&order_from(document.clone()))
        .await
        .unwrap();
    assert_eq!(
        places(&enqueued),
        ["something that the supplier may not see", "email"]
    );

    document["address"]["line1"] = json!("another lane");
    document["extra"] = json!({"gift": true});
    let report = dispatcher.notify(&order_from(document)).await.unwrap();
    let difference = |of| {
        report
            .of(of)
            .unwrap()
            .difference
            .as_ref()
            .unwrap()
            .to_string()
    };
    assert_eq!(difference("north"), "address.line1, extra");
    assert_eq!(difference("green"), "email, address.line1, extra");
    world.agrees().await;
}

#[tokio::test]
async fn a_conflict_with_what_was_pruned_is_one_although_nobody_knows_where_it_is() {
    let world = World::new();
    let receiver = world.receiver().await;
    world.put(supplier("north").endpoint(receiver.url("/a")));
    let dispatcher = world.dispatcher();
    let mut document = document("A-1", &["north"]);
    dispatcher
        .notify(&order_from(document.clone()))
        .await
        .unwrap();
    assert_eq!(dispatcher.prune(Duration::ZERO, 10).await.unwrap(), 1);
    document["lines"][0]["quantity"] = json!(3);
    let again = dispatcher.enqueue(&order_from(document)).await.unwrap();
    let difference = again.conflicts().map(|stored| stored.difference.clone());
    assert_eq!(difference.collect::<Vec<_>>(), [Some(Difference::Unknown)]);
}
