//! Suppliers in a table, a dispatcher that trusts the tests' authority, and events that are told at once.

use std::collections::HashMap;
use std::sync::{Arc, RwLock};
use std::time::Duration;

use orderhook::event::Occurrence;
use orderhook::notification::Attempt;
use orderhook::supplier::LookupError;
use orderhook::{
    Dispatcher, DispatcherBuilder, Event, EventKind, MemoryStore, Notification, OrderCode, Source,
    Supplier, SupplierBuilder, SupplierId, Suppliers,
};
use serde_json::json;

use super::support::Ca;

pub(crate) struct World {
    pub(crate) ca: Ca,
    pub(crate) suppliers: Table,
}

#[derive(Clone, Default)]
pub(crate) struct Table(Arc<RwLock<HashMap<SupplierId, Supplier>>>);

impl Suppliers for Table {
    async fn find(&self, id: &SupplierId) -> Result<Option<Supplier>, LookupError> {
        Ok(self.0.read().unwrap().get(id).cloned())
    }
}

impl World {
    pub(crate) fn new() -> Self {
        World {
            ca: Ca::new(),
            suppliers: Table::default(),
        }
    }

    /// Adds a supplier with this URL.
    pub(crate) fn put(&self, id: &str, url: &str) {
        self.put_more(supplier(id).endpoint(url));
    }

    pub(crate) fn put_more(&self, supplier: SupplierBuilder) {
        let supplier = supplier.build().unwrap();
        self.suppliers
            .0
            .write()
            .unwrap()
            .insert(supplier.id().clone(), supplier);
    }

    pub(crate) fn builder(&self, timeout: Duration) -> DispatcherBuilder {
        builder(&self.ca.pem(), self.suppliers.clone(), timeout)
    }

    pub(crate) fn dispatcher(&self) -> Dispatcher {
        self.builder(Duration::from_secs(8)).build().unwrap()
    }

    pub(crate) fn supplier(&self, id: &str) -> Supplier {
        self.suppliers.0.read().unwrap()[&SupplierId::new(id).unwrap()].clone()
    }
}

pub(crate) fn builder(root: &str, suppliers: Table, timeout: Duration) -> DispatcherBuilder {
    Dispatcher::builder(Source::new("wire").unwrap(), MemoryStore::new(), suppliers)
        .allow_network("127.0.0.0/8".parse().unwrap())
        .root_certificate(root)
        .timeout(timeout)
}

pub(crate) fn supplier(id: &str) -> SupplierBuilder {
    Supplier::builder(SupplierId::new(id).unwrap())
}

pub(crate) fn event() -> Event {
    Event::new(
        EventKind::OrderCreated,
        Occurrence::only(),
        &json!({ "a": 1 }),
    )
    .unwrap()
}

/// Tells the supplier of a new order and returns what is stored then.
pub(crate) async fn tell(dispatcher: &Dispatcher, id: &str, order: &str) -> Notification {
    let (supplier, order) = (SupplierId::new(id).unwrap(), OrderCode::new(order).unwrap());
    let report = dispatcher
        .notify_event(&supplier, &order, event())
        .await
        .unwrap();
    report.entries[0].notification.clone()
}

/// Stores the event for a worker.
pub(crate) async fn enqueue(dispatcher: &Dispatcher, id: &str, order: &str) {
    let (supplier, order) = (SupplierId::new(id).unwrap(), OrderCode::new(order).unwrap());
    let _ = dispatcher
        .enqueue_event(&supplier, &order, event())
        .await
        .unwrap();
}

/// The outcomes of a notification, as texts.
pub(crate) fn outcomes(notification: &Notification) -> Vec<String> {
    notification
        .attempts
        .iter()
        .map(|attempt: &Attempt| attempt.outcome.to_string())
        .collect()
}
