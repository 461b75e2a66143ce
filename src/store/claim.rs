//! What is asked for by those who want to send, and what is handed out.

use std::time::Duration;

use crate::notification::{Claim, Key};
use crate::value::names::{Source, SupplierId};
use crate::value::time::Timestamp;

/// What a caller who wants to send asks for. Exhaustive on purpose: a new field must break every store at compile time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimRequest {
    /// Only notifications of this installation.
    pub source: Source,
    /// Which of them.
    pub pick: Pick,
    /// The most claims in the answer.
    pub limit: u32,
    /// How long the claims are held.
    pub lease: Duration,
}

impl ClaimRequest {
    /// A request for at most `limit` claims.
    pub fn new(source: Source, pick: Pick, limit: u32, lease: Duration) -> Self {
        ClaimRequest { source, pick, limit, lease }
    }
}

/// Which notifications are claimed. Exhaustive on purpose: a new variant must break every store at compile time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pick {
    /// What is due and has never been handed out, oldest first.
    New,
    /// Everything else that is due: what waited for its next try, was put off, reopened or abandoned; longest due first.
    Due,
    /// What is put off of these suppliers, whether its time has come or not, earliest moment first. Never what waits for
    /// its next try. A store looks at the first [`MOST_SUPPLIERS`](Self::MOST_SUPPLIERS) of them.
    PutOff(Vec<SupplierId>),
    /// These, when they are due or abandoned.
    DueOf(Vec<Key>),
    /// These, also before their next try or the time to which they are put off. Breaks neither a live lease nor the order
    /// of a stream.
    NowOf(Vec<Key>),
}

impl Pick {
    /// How many suppliers a [`PutOff`](Self::PutOff) may name: 64.
    pub const MOST_SUPPLIERS: usize = 64;
}

/// The answer to a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Claims {
    /// The store's time.
    pub now: Timestamp,
    /// What was claimed; its lease began at `now`.
    pub claims: Vec<Claim>,
    /// For [`Pick::New`] and [`Pick::Due`] the earliest moment from which the same request could have more; never later
    /// than that, and in the past when the limit cut it off. `None` when nothing waits, and for the other picks.
    pub next_due: Option<Timestamp>,
    /// Rows that cannot be read. They are set aside as [`unreadable`](crate::StateName::Unreadable); the others go on.
    pub refused: Vec<Refused>,
}

impl Claims {
    /// An answer at this time, without claims.
    pub fn at(now: Timestamp) -> Self {
        Claims { now, claims: Vec::new(), next_due: None, refused: Vec::new() }
    }
}

/// A row that a store cannot read.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refused {
    /// Which row, in words that help to find it.
    pub row: String,
    /// What is wrong with it; never its content.
    pub problem: String,
}

impl Refused {
    /// A row and what is wrong with it.
    pub fn new(row: impl Into<String>, problem: impl Into<String>) -> Self {
        Refused { row: row.into(), problem: problem.into() }
    }
}
