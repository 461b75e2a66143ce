//! A notification as it is stored.

use crate::event::{Body, ContentDigest, EventId, Memo};
use crate::value::time::Timestamp;

use super::{Attempt, EndpointStanding, HistoryEntry, Key, Ledger, NotificationState};

/// The duty to tell one supplier one event of one order, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Notification {
    /// The identity: installation, supplier, order and event.
    pub key: Key,
    /// The id that receivers deduplicate on (`webhook-id`). It never changes.
    pub event_id: EventId,
    /// Its place in the stream of its order and supplier; the first is 1.
    pub position: u64,
    /// The state.
    pub state: NotificationState,
    /// The number of times that it was reopened after a failure; each reopening starts a new schedule.
    pub reopened: u32,
    /// The ledger: what is known per endpoint, in stored form; [`endpoints`](Self::endpoints) shows it.
    pub ledger: Ledger,
    /// Every POST that was made or may have been made, oldest first.
    pub attempts: Vec<Attempt>,
    /// The JSON that is sent. `None` in listings, for what is never sent, and when a store has dropped it after the
    /// end.
    pub body: Option<Body>,
    /// The digest of the event's content, by which a conflict is found; `None` when the content is not known, because
    /// the notification was [marked as notified](crate::Dispatcher::mark_notified) before it was stored.
    pub content_digest: Option<ContentDigest>,
    /// A note that is kept with it as long as the row: the fulfilment life cycle keeps its own there.
    pub memo: Option<Memo>,
    /// The W3C trace context of the request that stored it.
    pub traceparent: Option<String>,
    /// The history: what people and programs have decided about it, oldest first. Empty in listings.
    pub history: Vec<HistoryEntry>,
    /// The moment at which it was stored, on the store's timeline.
    pub created_at: Timestamp,
}

impl Notification {
    /// A notification without attempts, ledger, body, memo, trace and history; set these by field.
    pub fn new(
        key: Key,
        event_id: EventId,
        position: u64,
        state: NotificationState,
        created_at: Timestamp,
    ) -> Self {
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
            history: Vec::new(),
            created_at,
        }
    }

    /// The notification as listings have it: without its body, its replies and its history.
    #[must_use]
    pub fn as_listed(mut self) -> Self {
        self.body = None;
        self.history = Vec::new();
        self.without_replies()
    }

    /// The same notification without what suppliers answered.
    #[must_use]
    pub(crate) fn without_replies(mut self) -> Self {
        for attempt in &mut self.attempts {
            attempt.reply = None;
        }
        self
    }

    /// The endpoints and what is known of each, in the order in which the endpoints were first called.
    pub fn endpoints(&self) -> Vec<EndpointStanding> {
        self.ledger.for_schedule(self.reopened).standings()
    }
}
