//! A notification that is to be stored, and what became of it.

use std::time::Duration;

use super::by::By;
use super::key::Key;
use super::ledger::Ledger;
use crate::event::{Body, ContentDigest, EventId, Memo};

/// A notification to be stored. Exhaustive on purpose: a new field must break every store at compile time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewNotification {
    /// The key of the notification; its stream follows from it.
    pub key: Key,
    /// The id that receivers deduplicate on.
    pub event_id: EventId,
    /// The place that it gets in its stream.
    pub append: Append,
    /// The state in which it begins.
    pub start: Start,
    /// The ledger to begin with: it says only which endpoint the first claim calls first. It is opaque to the
    /// store, like the ledger of a [`Step`](crate::store::Step), and empty when nothing is known.
    pub ledger: Ledger,
    /// The digest of the event's content, by which other content under the same key is found; without one there is no
    /// [`Differs`](Inserted::Differs).
    pub content_digest: Option<ContentDigest>,
    /// A note that is kept as long as the row.
    pub memo: Option<Memo>,
    /// The W3C trace context of the request that stores it.
    pub traceparent: Option<String>,
}

impl NewNotification {
    /// A notification at the end of its stream, with the id that follows from its key, and no ledger, digest, memo and
    /// trace.
    pub fn new(key: Key, start: Start) -> Self {
        NewNotification {
            event_id: key.event_id(),
            key,
            append: Append::Next,
            start,
            ledger: Ledger::default(),
            content_digest: None,
            memo: None,
            traceparent: None,
        }
    }
}

/// The position in its stream that a notification gets. Exhaustive on purpose: a new variant must break every store at
/// compile time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Append {
    /// The next one, whatever it is.
    Next,
    /// This position and no other: the event was made in the knowledge of all before it.
    At(u64),
}

/// The state in which a notification begins. Exhaustive on purpose: a new variant must break every store at compile
/// time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Start {
    /// Pending, with the bytes to send.
    Pending {
        /// The bytes to send.
        body: Body,
        /// How long from now it is due. Until then nothing claims it, [`NowOf`](crate::store::Pick::NowOf) neither.
        delay: Duration,
    },
    /// Closed: the supplier has not subscribed to it.
    NotWanted,
    /// Notified: the supplier knows of it from elsewhere, by phone or from the system before this one.
    Notified {
        /// The supplier's own reference for the order, as it was told; the order code where there is none.
        reference: String,
        /// Who says so, and why: the first entry of the history.
        by: By,
    },
}

impl Start {
    /// Whether it may be sent as soon as it is stored.
    pub(crate) fn is_due_at_once(&self) -> bool {
        matches!(self, Start::Pending { delay, .. } if delay.is_zero())
    }

    /// The start of a notification that is pending and due now.
    pub fn pending(body: Body) -> Self {
        Start::Pending {
            body,
            delay: Duration::ZERO,
        }
    }
}

/// The answer for one notification that was to be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Inserted {
    /// It was stored.
    New {
        /// Its position in the stream.
        position: u64,
    },
    /// Its key was there with the same content, or content that cannot be compared. Nothing was changed.
    Existing,
    /// Its key was there with other content. Nothing was changed: the first body wins, always.
    Differs,
    /// The position that was asked for is not the next one.
    Stale {
        /// The position that is next.
        next: u64,
    },
}
