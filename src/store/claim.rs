//! The right to send: what is asked for, and what is handed out.

use std::time::Duration;

use crate::event::{Body, EventId};
use crate::notification::{Key, Ledger};
use crate::value::names::{Source, SupplierId};
use crate::value::time::Timestamp;

/// What somebody who wants to send asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClaimRequest {
    /// Only notifications of this installation.
    pub source: Source,
    /// Which of them.
    pub pick: Pick,
    /// The most claims in the answer.
    pub limit: u32,
    /// The most claims of one supplier in the answer.
    pub per_supplier: u32,
    /// Suppliers for which another number holds; 0 leaves a supplier out.
    pub room: Vec<(SupplierId, u32)>,
    /// How long the claims are held.
    pub lease: Duration,
}

impl ClaimRequest {
    /// A request without limits per supplier.
    pub fn new(source: Source, pick: Pick, limit: u32, lease: Duration) -> Self {
        ClaimRequest { source, pick, limit, per_supplier: u32::MAX, room: Vec::new(), lease }
    }

    /// The most claims that this supplier may have in the answer.
    pub fn room_for(&self, supplier: &SupplierId) -> u32 {
        self.room.iter().find(|(id, _)| id == supplier).map_or(self.per_supplier, |(_, room)| *room)
    }
}

/// Which notifications are claimed. Exhaustive on purpose: a new variant must break every store at compile time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pick {
    /// Whatever is due or abandoned.
    Due,
    /// These, when they are due or abandoned.
    DueOf(Vec<Key>),
    /// These, also before they are due. Breaks neither a live lease nor the order of a stream.
    NowOf(Vec<Key>),
}

/// The answer to a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Claims {
    /// The store's time.
    pub now: Timestamp,
    /// What was claimed; its lease began at `now`.
    pub claims: Vec<Claim>,
    /// When the next notification becomes due that this request could not have; reckoned over the suppliers that had
    /// room. Never later than that; it may be earlier, or in the past when there was more than the limits allow.
    pub next_due: Option<Timestamp>,
    /// Rows that cannot be read. They are left alone; the others go on.
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

/// The right to send one notification for a while.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Claim {
    /// Which notification.
    pub key: Key,
    /// What fences every write of this holder.
    pub token: Token,
    /// The id that receivers deduplicate on.
    pub event_id: EventId,
    /// Its place in the stream.
    pub position: u64,
    /// The bytes to send.
    pub body: Body,
    /// What is known per endpoint.
    pub ledger: Ledger,
    /// How often it was reopened.
    pub reopened: u32,
    /// How many attempts are recorded.
    pub attempts: u32,
    /// Whether another holder's lease had run out: what was in flight then is unknown.
    pub taken_over: bool,
    /// W3C trace context of the request that stored it.
    pub traceparent: Option<String>,
}

impl Claim {
    /// A first claim, with an empty ledger and no trace; set the rest by field.
    pub fn new(key: Key, token: Token, event_id: EventId, position: u64, body: Body) -> Self {
        Claim {
            key,
            token,
            event_id,
            position,
            body,
            ledger: Ledger::default(),
            reopened: 0,
            attempts: 0,
            taken_over: false,
            traceparent: None,
        }
    }
}

/// A fencing token: new at every claim of a notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Token(i64);

impl Token {
    /// A token of this number.
    pub fn new(number: i64) -> Self {
        Token(number)
    }

    /// Its number.
    pub fn number(self) -> i64 {
        self.0
    }
}
