//! What is to be stored, and what became of it.

use super::key::Key;
use super::ledger::Ledger;
use crate::event::{Body, ContentDigest, EventId, Memo};

/// A notification to be stored. Exhaustive on purpose: a new field must break every store at compile time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewNotification {
    /// Which notification it is; its stream follows from it.
    pub key: Key,
    /// The id that receivers deduplicate on.
    pub event_id: EventId,
    /// Its place in the stream.
    pub append: Append,
    /// Where it begins.
    pub start: Start,
    /// What is known at the beginning: which endpoint the first claim calls first. Opaque to the store, like the ledger of a
    /// [`Step`](super::Step), and empty when nothing is known.
    pub ledger: Ledger,
    /// The content in brief; without one nothing is found to differ.
    pub content_digest: Option<ContentDigest>,
    /// A note to be kept as long as the row.
    pub memo: Option<Memo>,
    /// W3C trace context of the request that stores it.
    pub traceparent: Option<String>,
}

impl NewNotification {
    /// A notification at the end of its stream, with the id that follows from its key, and no ledger, digest, memo and trace.
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

/// Where in its stream a notification goes. Exhaustive on purpose: a new variant must break every store at compile time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Append {
    /// At the end, wherever that is.
    Next,
    /// At this position and no other: the event was made in the knowledge of all before it.
    At(u64),
}

/// Where a notification begins. Exhaustive on purpose: a new variant must break every store at compile time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Start {
    /// Pending, due now, with the bytes to send.
    Pending(Body),
    /// Closed: the supplier has not subscribed to it.
    NotWanted,
    /// Notified: the supplier was told elsewhere, by phone or by the system before this one.
    Notified {
        /// The external reference.
        reference: String,
    },
}

/// What became of one notification that was to be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Inserted {
    /// It was stored.
    New {
        /// The place that it has in its stream.
        position: u64,
    },
    /// Its key was there with the same content, or content that cannot be compared. Nothing was changed.
    Existing,
    /// Its key was there with other content. Nothing was changed: the first body wins, always.
    Differs,
    /// The position that was asked for is not the next one.
    Stale {
        /// The one that is.
        next: u64,
    },
}
