//! What every test of this binary starts from, and the comparison that it ends with.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, RwLock};
use std::time::{Duration, Instant};

use orderhook::store::{Filter, Page, Store};
use orderhook::{
    Dispatcher, DispatcherBuilder, Key, MemoryStore, Notification, NotificationState, OrderCode,
    Outcome, PaidOrder, Report, Source, Supplier, SupplierBuilder, SupplierId,
};
use serde_json::{Value, json};

use crate::support::{Ca, Log, Received, Receiver};

pub(crate) const SOURCE: &str = "tests";

/// The limit of one exchange, where a test does not measure it. Long: a busy machine must not turn an answer into a
/// timeout.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(20);

pub(crate) type Table = Arc<RwLock<HashMap<SupplierId, Supplier>>>;

/// A certificate authority, a table of suppliers, a store, and the log that all receivers write.
pub(crate) struct World {
    pub(crate) ca: Ca,
    pub(crate) log: Log,
    pub(crate) table: Table,
    pub(crate) store: MemoryStore,
}

impl World {
    pub(crate) fn new() -> Self {
        World {
            ca: Ca::new(),
            log: Log::new(),
            table: Table::default(),
            store: MemoryStore::new(),
        }
    }

    /// A receiver that answers 200 until told otherwise.
    pub(crate) async fn receiver(&self) -> Receiver {
        Receiver::start_in(&self.ca, &self.log).await
    }

    /// Adds a supplier, or replaces its configuration.
    pub(crate) fn put(&self, supplier: SupplierBuilder) {
        let supplier = supplier.build().unwrap();
        self.table
            .write()
            .unwrap()
            .insert(supplier.id().clone(), supplier);
    }

    pub(crate) fn remove(&self, id: &str) {
        self.table
            .write()
            .unwrap()
            .remove(id)
            .expect("it was there");
    }

    pub(crate) fn dispatcher(&self) -> Dispatcher {
        self.builder(TIMEOUT).build().unwrap()
    }

    pub(crate) fn builder(&self, timeout: Duration) -> DispatcherBuilder {
        self.builder_on(self.store.clone(), timeout)
    }

    /// A dispatcher on another store than the world's own; the two have to share their rows.
    pub(crate) fn builder_on(&self, store: impl Store, timeout: Duration) -> DispatcherBuilder {
        Dispatcher::builder(source(), store, Arc::clone(&self.table))
            .timeout(timeout)
            .root_certificate(self.ca.pem())
            .allow_network("127.0.0.0/8".parse().unwrap())
    }

    /// Everything in the store, in the order of insertion, with its bodies.
    pub(crate) async fn stored(&self) -> Vec<Notification> {
        let listing = self
            .store
            .list(&Filter::of(source()), &Page::first(1000))
            .await
            .unwrap();
        assert!(
            listing.next.is_none() && listing.refused.is_empty(),
            "{listing:?}"
        );
        let mut stored = Vec::new();
        for listed in listing.notifications {
            assert!(listed.body.is_none(), "a listing has no bodies");
            stored.push(
                self.store
                    .get(&listed.key)
                    .await
                    .unwrap()
                    .expect("it was listed"),
            );
        }
        stored
    }

    pub(crate) async fn get(&self, key: &Key) -> Notification {
        self.store
            .get(key)
            .await
            .unwrap()
            .unwrap_or_else(|| panic!("nothing is stored under {key}"))
    }

    /// Compares everything that the receivers saw with everything that the store says, and gives back the latter.
    ///
    /// What holds in every test: a request belongs to a stored notification, has its bytes and is in its record; the
    /// record has no answer that no receiver gave; requests of one notification do not overlap; an endpoint that has
    /// accepted is not called again.
    ///
    /// # Panics
    /// When the two disagree.
    pub(crate) async fn agrees(&self) -> Vec<Notification> {
        let stored = self.stored().await;
        let seen = self.log.entries();
        let ids: HashSet<&str> = stored
            .iter()
            .map(|notification| notification.event_id.as_str())
            .collect();
        assert_eq!(ids.len(), stored.len(), "an id belongs to one notification");
        for request in &seen {
            assert!(
                ids.contains(id_of(request)),
                "{request}: the store knows nothing of it"
            );
        }
        for notification in &stored {
            let mine: Vec<&Received> = seen
                .iter()
                .filter(|request| id_of(request) == notification.event_id.as_str())
                .collect();
            agree(notification, &mine);
        }
        stored
    }
}

fn agree(notification: &Notification, requests: &[&Received]) {
    let key = &notification.key;
    let body = notification
        .body
        .as_ref()
        .map(|body| body.as_bytes())
        .unwrap_or_default();
    let mut at_endpoint: BTreeMap<String, Vec<&Received>> = BTreeMap::new();
    for request in requests {
        assert_eq!(request.method, "POST", "{key}: {request}");
        assert_eq!(
            request.body, body,
            "{key}: {request}: other bytes than are stored"
        );
        at_endpoint
            .entry(format!("{}{}", request.port, request.path()))
            .or_default()
            .push(request);
    }
    for pair in requests.windows(2) {
        let free = pair[0].answered.or(pair[0]
            .ended
            .and_then(|end| end.checked_sub(Duration::from_millis(500))));
        assert!(
            free.is_some_and(|free| free <= pair[1].began),
            "{key}: {} overlaps {}",
            pair[1],
            pair[0]
        );
    }
    let recorded: HashSet<String> = notification
        .attempts
        .iter()
        .map(|attempt| place(&attempt.endpoint))
        .collect();
    for endpoint in at_endpoint.keys() {
        assert!(
            recorded.contains(endpoint),
            "{key}: {endpoint} was called and the record does not say so"
        );
    }
    for endpoint in &recorded {
        let calls = at_endpoint.get(endpoint).map_or(0, Vec::len);
        let outcomes: Vec<Outcome> = notification
            .attempts
            .iter()
            .filter(|attempt| place(&attempt.endpoint) == *endpoint)
            .map(|attempt| attempt.outcome.clone())
            .collect();
        let answered = outcomes
            .iter()
            .filter(|outcome| outcome.status().is_some())
            .count();
        let unclear = outcomes
            .iter()
            .filter(|outcome| matches!(outcome, Outcome::Unknown { .. }))
            .count();
        assert!(
            (answered..=answered + unclear).contains(&calls),
            "{key}: {endpoint} saw {calls} requests, the record says {outcomes:?}"
        );
        let accepted = outcomes.iter().position(Outcome::is_accepted);
        assert!(
            accepted.is_none_or(|n| n + 1 == outcomes.len()),
            "{key}: {endpoint} was called after it had accepted"
        );
    }
    let times: Vec<_> = notification
        .attempts
        .iter()
        .map(|attempt| attempt.at)
        .collect();
    assert!(
        times.is_sorted(),
        "{key}: the attempts are not in their order"
    );
}

/// Port and path of an endpoint as it is stored.
fn place(endpoint: &str) -> String {
    assert!(!endpoint.contains('?'), "{endpoint}: has a query");
    let rest = endpoint
        .strip_prefix("https://")
        .unwrap_or_else(|| panic!("{endpoint}: not https"));
    let (authority, path) = rest.split_at(rest.find('/').expect("a path"));
    let port = authority.rsplit_once(':').map_or("443", |(_, port)| port);
    format!("{port}{path}")
}

pub(crate) fn id_of(request: &Received) -> &str {
    request
        .header("webhook-id")
        .unwrap_or_else(|| panic!("{request}: has no webhook-id"))
}

pub(crate) fn source() -> Source {
    Source::new(SOURCE).unwrap()
}

pub(crate) fn id(text: &str) -> SupplierId {
    SupplierId::new(text).unwrap()
}

pub(crate) fn code(text: &str) -> OrderCode {
    OrderCode::new(text).unwrap()
}

pub(crate) fn key(supplier: &str, order: &str) -> Key {
    Key::order_created(source(), id(supplier), code(order))
}

pub(crate) fn supplier(name: &str) -> SupplierBuilder {
    Supplier::builder(id(name))
}

/// An order with one line for each of these suppliers, in their order.
pub(crate) fn order(code: &str, suppliers: &[&str]) -> PaidOrder {
    order_from(document(code, suppliers))
}

pub(crate) fn order_from(document: Value) -> PaidOrder {
    PaidOrder::from_json(document.to_string().as_bytes()).unwrap()
}

pub(crate) fn document(code: &str, suppliers: &[&str]) -> Value {
    let lines: Vec<Value> = suppliers
        .iter()
        .map(|supplier| {
            json!({
                "supplier": supplier, "sku": format!("SKU-{supplier}"), "name": format!("A thing of {supplier}"),
                "quantity": 2, "unit_price": "12.50",
            })
        })
        .collect();
    json!({
        "order_code": code, "customer_name": "Asha Rao", "email": "asha@mail.example", "mobile": "+91 98765 40142",
        "channel": "web", "currency": "INR", "shipping_charges": "40.00",
        "address": {
            "name": "Asha Rao", "line1": "12 Invented Lane", "line2": "Flat 4", "city": "Pune",
            "state": "Maharashtra", "postal_code": "411001", "country": "IN", "phone": "+91 98765 40142",
        },
        "built_at": "2026-03-01T10:15:30+05:30",
        "lines": lines,
    })
}

/// The one notification of a report about one supplier.
pub(crate) fn only(report: &Report) -> &Notification {
    assert_eq!(report.entries.len(), 1, "{report:?}");
    &report.entries[0].notification
}

/// The outcomes of a notification in brief: `200`, `503`, `not_sent`, `unknown`, `blocked`.
pub(crate) fn outcomes(notification: &Notification) -> Vec<String> {
    let word = |outcome: &Outcome| {
        outcome
            .status()
            .map_or(outcome.as_str().to_owned(), |status| status.to_string())
    };
    notification
        .attempts
        .iter()
        .map(|attempt| word(&attempt.outcome))
        .collect()
}

/// The state of a notification in brief: `notified NB-1`, `failed exhausted`, `pending`.
pub(crate) fn state(notification: &Notification) -> String {
    let name = notification.state.name();
    match &notification.state {
        NotificationState::Notified { reference, .. } => format!("{name} {reference}"),
        NotificationState::Failed { reason, .. } => format!("{name} {reason}"),
        _ => name.to_string(),
    }
}

/// The paths of these requests, in their order.
pub(crate) fn paths(log: &Log) -> Vec<String> {
    log.entries()
        .iter()
        .map(|request| request.path().to_owned())
        .collect()
}

/// Waits until this holds.
///
/// # Panics
/// After ten seconds.
pub(crate) async fn until<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    let give_up = Instant::now() + Duration::from_secs(10);
    while !holds().await {
        assert!(Instant::now() < give_up, "waited ten seconds until {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
