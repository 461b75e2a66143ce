//! The right to send one notification.

use crate::event::{Body, EventId};

use super::key::Key;
use super::ledger::Ledger;

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
