//! The duty to tell one supplier one event of one order: its key, its states, its attempts, its ledger, and the pure
//! function that says what comes next.

mod attempt;
mod claim;
mod decide;
mod insert;
mod intervention;
mod key;
mod ledger;
pub(crate) mod outcome;
mod state;
mod step;
pub mod transition;

use crate::event::{Body, ContentDigest, EventId, Memo};
use crate::value::time::Timestamp;

pub use attempt::Attempt;
pub use claim::{Claim, Token};
pub(crate) use decide::{Decision, decide, expected, stream_rule};
pub use insert::{Append, Inserted, NewNotification, Start};
pub use intervention::Intervention;
pub use key::{Key, Stream};
pub use ledger::{EndpointStanding, GaveUp, Ledger, LedgerError, Standing};
pub(crate) use ledger::{Named, Round, Tried};
pub use state::{Closed, FailureReason, OrderState, State, StateName, StreamRule, UnknownName};
pub use step::{Step, Then, Written};

/// A notification as a store knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Notification {
    /// Which notification it is.
    pub key: Key,
    /// The id that receivers deduplicate on; given when it was stored, the same ever after.
    pub event_id: EventId,
    /// Its place in the stream of its order and supplier; the first is 1.
    pub position: u64,
    /// Where it stands.
    pub state: State,
    /// How often a failed one was reopened; each time starts a new schedule.
    pub reopened: u32,
    /// What is known per endpoint.
    pub ledger: Ledger,
    /// Every POST that was made, or may have been made; oldest first.
    pub attempts: Vec<Attempt>,
    /// The JSON that is sent. `None` where none is wanted, in listings, and when it was erased.
    pub body: Option<Body>,
    /// The content in brief; `None` when it is not known (marked as told from elsewhere).
    pub content_digest: Option<ContentDigest>,
    /// The note kept beside it.
    pub memo: Option<Memo>,
    /// W3C trace context of the request that stored it.
    pub traceparent: Option<String>,
    /// When it was stored, on the store's timeline.
    pub created_at: Timestamp,
}

impl Notification {
    /// A notification without attempts, ledger, body, memo and trace; set these by field.
    pub fn new(key: Key, event_id: EventId, position: u64, state: State, created_at: Timestamp) -> Self {
        Notification {
            key,
            event_id,
            position,
            state,
            reopened: 0,
            ledger: Ledger::default(),
            attempts: Vec::new(),
            body: None,
            content_digest: None,
            memo: None,
            traceparent: None,
            created_at,
        }
    }

    /// What is known per endpoint, in the order in which the endpoints were first called.
    pub fn endpoints(&self) -> Vec<EndpointStanding> {
        self.ledger.for_schedule(self.reopened).standings()
    }
}
