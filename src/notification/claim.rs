//! The right to send one notification.

use crate::event::{Body, EventId};

use super::key::Key;
use super::ledger::Ledger;

/// The right to send one notification for a while, with all that is needed to send it.
///
/// It holds until its lease runs out, which the holder extends with [`Then::Keep`](crate::store::Then::Keep). After
/// that another worker may claim the notification; the [`Token`] then keeps this holder from changing anything.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Claim {
    /// The key of the notification.
    pub key: Key,
    /// The token that every write of this holder carries; writes with a token that was replaced change nothing.
    pub token: Token,
    /// The id that receivers deduplicate on.
    pub event_id: EventId,
    /// The place of the notification in its stream.
    pub position: u64,
    /// The bytes to send.
    pub body: Body,
    /// The ledger: what is known per endpoint.
    pub ledger: Ledger,
    /// The number of times that the notification was reopened.
    pub reopened: u32,
    /// The number of attempts that are recorded.
    pub attempts: u32,
    /// Whether the notification was abandoned by another holder, whose last POST may have been received.
    pub taken_over: bool,
    /// The W3C trace context of the request that stored it.
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

/// The number that tells the claims of a notification apart (a fencing token): every claim has one that no claim had
/// before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Token(i64);

impl Token {
    /// The token with this number.
    pub fn new(number: i64) -> Self {
        Token(number)
    }

    /// The number of the token.
    pub fn number(self) -> i64 {
        self.0
    }
}
