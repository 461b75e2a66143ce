#![doc = "orderhook"]

mod deliver;
mod dispatcher;
mod dns;
mod error;
mod event;
mod fields;
mod guard;
mod money;
mod names;
mod notification;
mod order;
mod outcome;
mod request;
mod retry;
mod retry_after;
mod secret;
mod send;
mod signature;
pub mod store;
mod supplier;
mod suppliers;
mod time;

pub use dispatcher::{
    Dispatcher, DispatcherBuilder, EndpointCheck, Enqueued, Entry, OrderReport, Report, Stored, Verdict,
};
pub use error::Error;
pub use event::{Body, ContentDigest, Event, EventError, EventId, EventKind, Memo, Occurrence};
pub use guard::{Network, NetworkError};
pub use money::{Currency, Money, MoneyError};
pub use names::{NameError, OrderCode, Source, SupplierId};
pub use notification::{
    Attempt, Closed, EndpointStanding, FailureReason, GaveUp, Key, Ledger, LedgerError, Notification, OrderState,
    Standing, State, StateName, Stream, StreamRule, UnknownName,
};
pub use order::{Address, Item, Line, OrderCreated, OrderError, PaidOrder, Privacy, Rule};
pub use outcome::{Blocked, NotSent, Outcome, Unknown};
pub use retry::RetryPolicy;
pub use secret::Secret;
pub use signature::{SigningKey, SigningKeyError};
pub use store::MemoryStore;
#[cfg(feature = "sqlite")]
pub use store::SqliteStore;
pub use supplier::{
    Acceptance, Activity, ConfigError, CustomHeader, Endpoint, EndpointId, OnUnknown, Supplier, SupplierBuilder,
};
pub use suppliers::{LookupError, Suppliers, SuppliersFile};
pub use time::{OffsetTimestamp, Timestamp, TimestampError};
