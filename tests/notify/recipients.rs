//! The suppliers of an order: looked up before a transaction, together, and anew when they may have changed.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use orderhook::supplier::{Cached, LookupError};
use orderhook::{
    Dispatcher, Error, MemoryStore, NotificationState, Supplier, SupplierId, Suppliers,
};

use crate::support::Reply;
use crate::world::{World, id, order, source, supplier};

#[tokio::test]
async fn the_rows_of_an_order_are_the_same_whether_its_suppliers_were_looked_up_before_or_with_it()
{
    let world = World::new();
    world.put(
        supplier("north")
            .endpoint("https://north.example/")
            .bearer_token("s3cr3t"),
    );
    world.put(supplier("green").endpoint("https://green.example/"));
    let dispatcher = world.dispatcher();
    let order = order("A-1", &["north", "green"]);

    let recipients = dispatcher
        .suppliers_of([&id("green"), &id("north"), &id("stranger")])
        .await
        .unwrap();
    let prepared = dispatcher.prepare_with(&order, &recipients).unwrap();

    assert_eq!(prepared, dispatcher.prepare(&order).await.unwrap());
    assert_eq!(prepared.rows().len(), 2);
    assert!(!recipients.contains(&id("stranger")));
    let shown = format!("{recipients:?}");
    assert_eq!(
        shown,
        r#"Recipients([SupplierId("green"), SupplierId("north")])"#
    );
}

#[tokio::test]
async fn a_supplier_that_was_not_looked_up_before_and_suppliers_of_another_dispatcher_are_errors() {
    let world = World::new();
    world.put(supplier("north").endpoint("https://north.example/"));
    world.put(supplier("green").endpoint("https://green.example/"));
    let (dispatcher, other) = (world.dispatcher(), world.dispatcher());
    let order = order("A-1", &["north", "green"]);

    let north = dispatcher.suppliers_of([&id("north")]).await.unwrap();
    let missing = dispatcher.prepare_with(&order, &north).unwrap_err();
    assert!(matches!(missing, Error::UnknownSupplier { supplier } if supplier == id("green")));

    let both = other
        .suppliers_of([&id("north"), &id("green")])
        .await
        .unwrap();
    let foreign = dispatcher
        .prepare_with(&order, &both)
        .unwrap_err()
        .to_string();
    assert_eq!(
        foreign,
        "recipients: must have been looked up by the same dispatcher"
    );

    dispatcher.shutdown(Duration::ZERO).await;
    assert!(matches!(
        dispatcher.prepare_with(&order, &north),
        Err(Error::ShuttingDown)
    ));
}

/// Answers each question after 20 ms.
struct Slow(AtomicUsize);

impl Suppliers for Slow {
    async fn find(&self, id: &SupplierId) -> Result<Option<Supplier>, LookupError> {
        self.0.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(20)).await;
        Ok(Some(supplier(id.as_str()).build()?))
    }
}

#[tokio::test(start_paused = true)]
async fn the_suppliers_of_an_order_are_looked_up_side_by_side() {
    let slow = Arc::new(Slow(AtomicUsize::new(0)));
    let dispatcher = Dispatcher::builder(source(), MemoryStore::new(), Arc::clone(&slow))
        .build()
        .unwrap();
    let names: Vec<_> = (0..10).map(|n| n.to_string()).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let begun = tokio::time::Instant::now();
    let enqueued = dispatcher.enqueue(&order("A-1", &names)).await.unwrap();
    assert_eq!(
        (enqueued.stored.len(), slow.0.load(Ordering::Relaxed)),
        (10, 10)
    );
    assert_eq!(
        begun.elapsed(),
        Duration::from_millis(40),
        "eight, and then two"
    );
}

/// A table in which the token of the one supplier can be changed.
struct Table(Mutex<(String, String)>);

impl Suppliers for Table {
    async fn find(&self, id: &SupplierId) -> Result<Option<Supplier>, LookupError> {
        let (url, token) = self.0.lock().unwrap().clone();
        Ok(Some(
            supplier(id.as_str())
                .endpoint(url)
                .bearer_token(token)
                .build()?,
        ))
    }
}

#[tokio::test]
async fn a_token_that_was_rotated_is_looked_up_anew_after_a_401_although_the_lookup_is_cached() {
    let world = World::new();
    let receiver = world.receiver().await;
    receiver.script([Reply::Status(401), Reply::ok()]);
    let table = Arc::new(Table(Mutex::new((receiver.url("/in"), "old".to_owned()))));
    let cached = Cached::new(Arc::clone(&table), Duration::from_secs(3_600));
    let dispatcher = Dispatcher::builder(source(), world.store.clone(), cached)
        .allow_network("127.0.0.0/8".parse().unwrap())
        .root_certificate(world.ca.pem())
        .user_agent("bookfair/7")
        .build()
        .unwrap();
    let _ = dispatcher.enqueue(&order("A-1", &["north"])).await.unwrap();
    table.0.lock().unwrap().1 = "new".to_owned();

    let refused = dispatcher.notify(&order("A-1", &["north"])).await.unwrap();
    assert!(matches!(
        refused.entries[0].notification.state,
        NotificationState::Pending { .. }
    ));
    let told = dispatcher
        .retry(&refused.entries[0].notification.key, &crate::support::by())
        .await
        .unwrap();

    assert!(matches!(told.state, NotificationState::Notified { .. }));
    let received = receiver.received();
    let sent: Vec<_> = received
        .iter()
        .map(|one| one.header("authorization").unwrap())
        .collect();
    assert_eq!(sent, ["Bearer old", "Bearer new"]);
    assert!(
        received
            .iter()
            .all(|one| one.header("user-agent") == Some("bookfair/7"))
    );
}

#[test]
fn a_user_agent_that_is_no_header_value_is_refused() {
    for wrong in ["", " ", "a\nb", "ü", &"x".repeat(201)] {
        let builder = Dispatcher::builder(
            source(),
            MemoryStore::new(),
            std::collections::HashMap::new(),
        );
        let error = builder.user_agent(wrong).build().unwrap_err().to_string();
        assert_eq!(
            error,
            "user_agent: must be 1 to 200 visible ASCII characters"
        );
    }
}
