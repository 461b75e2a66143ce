//! Filters, pages, listings and counts.

use std::time::Duration;

use crate::notification::{Notification, StateName};
use crate::value::names::{OrderCode, Source, SupplierId};

use super::Refused;

/// The notifications that are listed or counted. Exhaustive on purpose: a store that overlooks a new field would make a
/// bulk change hit everything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    /// Those of this installation.
    pub source: Source,
    /// Those of this order only, if one is given.
    pub order: Option<OrderCode>,
    /// Those of this supplier only, if one is given.
    pub supplier: Option<SupplierId>,
    /// Those in one of these states; empty means any.
    pub states: Vec<StateName>,
    /// Those that were stored at least so long ago.
    pub older_than: Option<Duration>,
}

impl Filter {
    /// Everything of an installation; narrow it by field.
    pub fn of(source: Source) -> Self {
        Filter {
            source,
            order: None,
            supplier: None,
            states: Vec::new(),
            older_than: None,
        }
    }
}

/// The part of a listing that is asked for. Exhaustive on purpose: a new field must break every store at compile time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Where the page before ended; `None` for the first page.
    pub after: Option<Cursor>,
    /// How many notifications the page has at most.
    pub limit: u32,
}

impl Page {
    /// The first page.
    pub fn first(limit: u32) -> Self {
        Page { after: None, limit }
    }

    /// The page after another one.
    pub fn after(cursor: Cursor, limit: u32) -> Self {
        Page {
            after: Some(cursor),
            limit,
        }
    }
}

/// The end of a page, from which the next one goes on. Its text is for the store alone to read.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Cursor(String);

impl Cursor {
    /// The cursor with this text.
    pub fn new(text: impl Into<String>) -> Self {
        Cursor(text.into())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// One page of notifications.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Listing {
    /// The notifications, without their bodies.
    pub notifications: Vec<Notification>,
    /// Where to go on; `None` when this was the last page of a `list`. A `settled` always says where, to ask again
    /// later.
    pub next: Option<Cursor>,
    /// Rows of this page that cannot be read, which are no notifications of it.
    pub refused: Vec<Refused>,
}

impl Listing {
    /// The page with these, and without refused rows.
    pub fn new(notifications: Vec<Notification>, next: Option<Cursor>) -> Self {
        Listing {
            notifications,
            next,
            refused: Vec::new(),
        }
    }
}

/// The number of notifications in each state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Waiting for their time or their turn.
    pub pending: u64,
    /// Being sent.
    pub sending: u64,
    /// Notified.
    pub notified: u64,
    /// Failed, and waiting for a person.
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

    /// The number of all together.
    pub fn total(&self) -> u64 {
        StateName::ALL.into_iter().map(|state| self.of(state)).sum()
    }
}
