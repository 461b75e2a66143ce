//! What is listed and counted, page by page.

use std::time::Duration;

use crate::notification::{Notification, StateName};
use crate::value::names::{OrderCode, Source, SupplierId};

use super::Refused;

/// Which notifications are listed or counted. Exhaustive on purpose: a store that overlooks a new field would make a bulk
/// change hit everything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    /// Of this installation.
    pub source: Source,
    /// Of this order only.
    pub order: Option<OrderCode>,
    /// Of this supplier only.
    pub supplier: Option<SupplierId>,
    /// In one of these states; empty means any.
    pub states: Vec<StateName>,
    /// Stored at least so long ago.
    pub older_than: Option<Duration>,
}

impl Filter {
    /// Everything of an installation; narrow it by field.
    pub fn of(source: Source) -> Self {
        Filter { source, order: None, supplier: None, states: Vec::new(), older_than: None }
    }
}

/// Which part of a listing. Exhaustive on purpose: a new field must break every store at compile time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// After the page that ended here; `None` is the first.
    pub after: Option<Cursor>,
    /// The most notifications on it.
    pub limit: u32,
}

impl Page {
    /// The first page.
    pub fn first(limit: u32) -> Self {
        Page { after: None, limit }
    }

    /// The page after another one.
    pub fn after(cursor: Cursor, limit: u32) -> Self {
        Page { after: Some(cursor), limit }
    }
}

/// Where a page ended. What is in it is the store's own business.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Cursor(String);

impl Cursor {
    /// A cursor of a store's own form.
    pub fn new(text: impl Into<String>) -> Self {
        Cursor(text.into())
    }

    /// The store's own form.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// One page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Listing {
    /// The notifications, without their bodies.
    pub notifications: Vec<Notification>,
    /// Where to go on; `None` when this was the last page of a `list`. A `settled` always says where, to ask again later.
    pub next: Option<Cursor>,
    /// Rows of this page that cannot be read.
    pub refused: Vec<Refused>,
}

impl Listing {
    /// A page of these.
    pub fn new(notifications: Vec<Notification>, next: Option<Cursor>) -> Self {
        Listing { notifications, next, refused: Vec::new() }
    }
}

/// How many there are in each state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Waiting for their time or their turn.
    pub pending: u64,
    /// Held by a sender.
    pub sending: u64,
    /// Told.
    pub notified: u64,
    /// Waiting for a person.
    pub failed: u64,
    /// Withdrawn by a person.
    pub withdrawn: u64,
    /// Not subscribed to.
    pub not_wanted: u64,
    /// Set aside because they cannot be read.
    pub unreadable: u64,
}

impl Counts {
    /// The number for one state.
    pub fn of(&self, state: StateName) -> u64 {
        match state {
            StateName::Pending => self.pending,
            StateName::Sending => self.sending,
            StateName::Notified => self.notified,
            StateName::Failed => self.failed,
            StateName::Withdrawn => self.withdrawn,
            StateName::NotWanted => self.not_wanted,
            StateName::Unreadable => self.unreadable,
        }
    }

    /// Adds to one state.
    pub fn add(&mut self, state: StateName, number: u64) {
        let count = match state {
            StateName::Pending => &mut self.pending,
            StateName::Sending => &mut self.sending,
            StateName::Notified => &mut self.notified,
            StateName::Failed => &mut self.failed,
            StateName::Withdrawn => &mut self.withdrawn,
            StateName::NotWanted => &mut self.not_wanted,
            StateName::Unreadable => &mut self.unreadable,
        };
        *count += number;
    }

    /// All together.
    pub fn total(&self) -> u64 {
        StateName::ALL.into_iter().map(|state| self.of(state)).sum()
    }
}
