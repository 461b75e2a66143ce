//! The request for claims, and its answer.

use std::time::Duration;

use serde::Serialize;

use crate::notification::{Claim, Key};
use crate::value::names::{Source, SupplierId};
use crate::value::time::Timestamp;

/// A request for claims. Exhaustive on purpose: a new field must break every store at compile time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimRequest {
    /// The installation whose notifications are claimed.
    pub source: Source,
    /// The notifications of it that are selected.
    pub pick: Pick,
    /// The most claims that the answer has.
    pub limit: u32,
    /// The length of the lease of each claim.
    pub lease: Duration,
    /// A moment of the store's timeline: what has become due after it is left alone. It narrows [`Pick::New`] and
    /// [`Pick::Due`], the other picks ignore it. `None` is no bound.
    pub due_by: Option<Timestamp>,
}

impl ClaimRequest {
    /// A request for at most `limit` claims of anything that is due.
    pub fn new(source: Source, pick: Pick, limit: u32, lease: Duration) -> Self {
        ClaimRequest {
            source,
            pick,
            limit,
            lease,
            due_by: None,
        }
    }
}

/// The notifications that are claimed. Exhaustive on purpose: a new variant must break every store at compile time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pick {
    /// What is due and no holder has recorded anything of yet, oldest first: new orders.
    New,
    /// Everything else that is due: what waited for its next try, was put off, reopened or abandoned; longest due
    /// first.
    Due,
    /// What is put off of these suppliers, whether its time has come or not, earliest moment first; never what waits
    /// for its next try. A worker asks for it when a supplier or an endpoint can be called again. A store looks at the
    /// first [`MOST_SUPPLIERS`](Self::MOST_SUPPLIERS) of the suppliers.
    PutOff(Vec<SupplierId>),
    /// The notifications of these keys that are due or abandoned.
    DueOf(Vec<Key>),
    /// The notifications of these keys, also before their next try or the time to which they are put off, but not before
    /// the [delay](crate::store::Start::Pending::delay) of a new one is over. It breaks neither a live lease nor the order
    /// of a stream.
    NowOf(Vec<Key>),
}

impl Pick {
    /// The most suppliers that a [`PutOff`](Self::PutOff) may name: 64.
    pub const MOST_SUPPLIERS: usize = 64;
}

/// The answer to a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Claims {
    /// The store's time when the claims were given.
    pub now: Timestamp,
    /// The claims; their leases began at `now`.
    pub claims: Vec<Claim>,
    /// For [`Pick::New`] and [`Pick::Due`] the earliest moment from which the same request could have more; never later
    /// than that, and in the past when the limit cut it off. `None` when nothing waits, and for the other picks.
    pub next_due: Option<Timestamp>,
    /// Rows that could not be read and were set aside as [`Unreadable`](crate::NotificationState::Unreadable).
    pub refused: Vec<Refused>,
}

impl Claims {
    /// An answer at this time, without claims.
    pub fn at(now: Timestamp) -> Self {
        Claims {
            now,
            claims: Vec::new(),
            next_due: None,
            refused: Vec::new(),
        }
    }
}

/// A row that a store cannot read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Refused {
    /// The row, in words that help to find it.
    pub row: String,
    /// The problem of the row; never its content.
    pub problem: String,
}

impl Refused {
    /// A refused row with these two texts.
    pub fn new(row: impl Into<String>, problem: impl Into<String>) -> Self {
        Refused {
            row: row.into(),
            problem: problem.into(),
        }
    }
}
