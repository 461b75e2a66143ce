//! Notifies suppliers of paid orders by HTTPS webhooks: durably, in order, once.
//!
//! ```
//! use orderhook::{Dispatcher, MemoryStore, PaidOrder, Source, Supplier, SupplierId};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let supplier = Supplier::builder(SupplierId::new("north-books")?)
//!     .endpoint("https://hooks.north-books.example/orders")
//!     .bearer_token("tok_5f2a")
//!     .build()?;
//! let suppliers = std::collections::HashMap::from([(supplier.id().clone(), supplier)]);
//!
//! let dispatcher = Dispatcher::builder(Source::new("shop")?, MemoryStore::new(), suppliers).build()?;
//! # let json = r#"{"order_code": "A-1", "channel": "web", "currency": "EUR", "shipping_charges": "0", "address": {"line1": "1 Elm St", "city": "Ulm", "postal_code": "1", "country": "DE"}, "built_at": "2026-11-21T10:00:00Z", "lines": [{"supplier": "north-books", "sku": "B-1", "name": "Atlas", "quantity": 1, "unit_price": "9.90"}]}"#;
//! let order = PaidOrder::from_json(json.as_bytes())?;
//! let enqueued = dispatcher.enqueue(&order).await?; // one durable write, nothing is sent yet
//! assert_eq!(enqueued.stored.len(), 1);
//! # if false {
//! orderhook::Worker::new(&dispatcher).until_idle().await?; // in a program: `run_until`, in a task of its own
//! # }
//! # Ok(())
//! # }
//! ```
//!
//! # The nouns
//!
//! A [`PaidOrder`] has lines of several suppliers. A [`Supplier`] has [`Endpoint`](supplier::Endpoint)s, in order. An
//! [`Event`] is what a supplier receives, encoded once. A [`Notification`] is the duty to tell ONE supplier ONE event of ONE
//! order: it is what is stored, tried again, and done once. An [`Attempt`](notification::Attempt) is one POST and has an
//! [`Outcome`]. The [`Ledger`](notification::Ledger) of a notification says per endpoint whether it has accepted. A
//! [`Claim`](store::Claim) is the right to send one notification for a while, fenced by a token. An application stores orders
//! through a [`Dispatcher`]; a [`Worker`] delivers what is due, in rounds: a *round* calls, in order, each endpoint of one
//! notification that has not accepted and may be called, once; a [`Store`](store::Store) keeps it all.
//!
//! # What is promised
//!
//! - **Accepted means durable.** When [`enqueue`](Dispatcher::enqueue) returns `Ok` on a durable store, each
//!   notification ends as notified, as a visible failure, or closed by a person. Nothing is dropped for load or limits.
//! - **Notified once.** After `Notified` is recorded nothing is sent again; a retry by hand gets
//!   [`Error::AlreadyNotified`].
//! - **A slow or dead endpoint delays nothing else**: no other supplier, and not the other endpoints of its own
//!   supplier. A new order is tried at once, however many old ones wait for another try.
//!   [`Worker`](Worker#who-is-called-when) has the rules, and [`concurrency`](DispatcherBuilder::concurrency) the
//!   limits.
//! - **One after another.** The endpoints of a supplier are called in order, never side by side; a failing one does not
//!   stop the next. One that has accepted is not called again: its acceptance is durable before the next one is called.
//! - **The same bytes** and the same `webhook-id` for every endpoint, attempt and node. Numbers keep the digits with
//!   which they were written.
//! - **One sender at a time**, fenced: a holder that was overtaken changes nothing.
//! - **In order.** The notifications of one order to one supplier are sent in the order in which they were stored.
//! - **Never unsigned** once a supplier has signing keys, and never to an address that is not public,
//!   unless [`allow_network`](DispatcherBuilder::allow_network) has named its network.
//! - **No secret and no personal datum** in a log, an error, a `Debug` or a listing.
//!
//! # What is not promised
//!
//! Exactly-once over HTTP, which no sender can give. A POST is repeated in two cases: its sender died, was suspended or
//! lost its store between sending and recording; or its outcome is [`Unknown`](Outcome::Unknown) and the policy is to
//! resend. Always with the same id and bytes, and the record shows it. A supplier's primary and backup both get the
//! order, by design. Receivers deduplicate on `webhook-id`.
//!
//! # Features
//!
//! None is on by default; each only adds.
//!
//! - `sqlite`: [`SqliteStore`], one file on disk, durable, for the processes of one machine. SQLite is bundled and
//!   built with a C compiler.
//! - `fulfilment`: the module of that name, with the ten [`Stage`](event::Stage)s that a pharmacy portal tells its clients of,
//!   their life cycle, and a handle that sends them strictly in order.
//! - `conformance`: the suite that tests the contract of [`Store`](store::Store), for stores of your own.
//!
//! # Where things are
//!
//! What an application meets first is in the root. The parts of events are in [`event`], those of orders in [`order`], the
//! settings of suppliers in [`supplier`], what is stored in [`notification`], what calls report in [`report`], the storage
//! contract in [`store`], and small values in [`value`].

#![cfg_attr(docsrs, feature(doc_cfg))]
// Here and not in Cargo.toml: they hold for the library, and not for the tests beside it.
#![warn(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod delivery;
mod dispatcher;
pub mod event;
#[cfg(feature = "fulfilment")]
pub mod fulfilment;
pub mod notification;
pub mod order;
pub mod store;
pub mod supplier;
pub mod value;
mod wire;

/// What calls of a [`Dispatcher`] and a [`Worker`] report.
pub mod report {
    pub use crate::delivery::report::{EndpointCheck, Entry, OrderReport, Verdict};
    pub use crate::dispatcher::recipients::Recipients;
    pub use crate::dispatcher::worker::{Summary, Tick};
    pub use crate::notification::prepared::{Enqueued, Prepared, Stored};
}

pub use delivery::error::Error;
pub use delivery::listener::News;
pub use delivery::report::Report;
pub use dispatcher::worker::Worker;
pub use dispatcher::{Dispatcher, DispatcherBuilder};
pub use event::encoded::Event;
pub use event::kind::EventKind;
pub use notification::key::Key;
pub use notification::outcome::Outcome;
pub use notification::state::NotificationState;
pub use notification::stored::Notification;
pub use order::address::Address;
pub use order::line::Line;
pub use order::paid::PaidOrder;
pub use store::memory::MemoryStore;
#[cfg(feature = "sqlite")]
pub use store::sqlite::SqliteStore;
pub use supplier::builder::SupplierBuilder;
pub use supplier::config::Supplier;
pub use supplier::lookup::{Suppliers, SuppliersFile};
pub use supplier::retry::RetryPolicy;
pub use supplier::signing::SigningKey;
pub use value::money::{Currency, Money};
pub use value::names::{OrderCode, Source, SupplierId};
pub use value::secret::Secret;
pub use value::time::Timestamp;

/// The database driver of the SQL stores, in the version whose types they take: sqlx 0.9. A new version of sqlx is a new
/// 0.x of this crate.
#[cfg(feature = "sqlite")]
pub use sqlx;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
