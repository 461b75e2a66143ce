//! One POST to one endpoint, as it is remembered.

use std::fmt;
use std::time::Duration;

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

use crate::notification::outcome::Outcome;
use crate::supplier::EndpointId;
use crate::value::invalid::InvalidValue;
use crate::value::time::Timestamp;

mod stored;

/// One POST to one endpoint that was made or may have been made. It is never changed once it is stored.
///
/// Serialises as `{"endpoint", "outcome", "status", "why", "at", "ms"}`, without the reply; a store keeps what
/// [`encode`](Self::encode) writes.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Attempt {
    /// The endpoint: scheme, host, port and path; never the query.
    pub endpoint: String,
    /// The endpoint's identity.
    pub endpoint_id: EndpointId,
    /// The outcome.
    pub outcome: Outcome,
    /// The moment at which it began, by the store's time ([`Claims::now`](crate::store::Claims::now)); for one that was
    /// interrupted, when the interruption was noticed.
    pub at: Timestamp,
    /// The time that it took, to the millisecond.
    pub took: Duration,
    /// The beginning of a reply that was not 2xx, where the supplier's configuration asks for it, of at most so
    /// many bytes ([`keep_reply`](crate::SupplierBuilder::keep_reply)). What the
    /// request kept secret and what it said of people is `***` in it, and invisible characters are escaped. Only
    /// [`Dispatcher::notification`](crate::Dispatcher::notification) has it; `None` in reports and listings.
    pub reply: Option<String>,
}

impl Attempt {
    /// The attempt with these parts; `took` is cut to the millisecond.
    pub fn new(
        endpoint: String,
        endpoint_id: EndpointId,
        outcome: Outcome,
        at: Timestamp,
        took: Duration,
    ) -> Self {
        // To the millisecond, so that what comes back from a store equals what was written.
        Attempt {
            endpoint,
            endpoint_id,
            outcome,
            at,
            took: Duration::from_millis(millis(took)),
            reply: None,
        }
    }

    /// The text for a store: one small JSON object on one line.
    pub fn encode(&self) -> String {
        stored::encode(self)
    }

    /// The attempt out of the text of [`encode`](Self::encode), also of an older version.
    ///
    /// # Errors
    /// [`InvalidValue`] for a text that is not an attempt; the row is damaged or from a newer version.
    pub fn decode(text: &str) -> Result<Self, InvalidValue> {
        stored::decode(text)
            .ok_or_else(|| InvalidValue::new("an attempt of the notification cannot be read"))
    }

    /// The same attempt with the beginning of its reply.
    #[must_use]
    pub fn with_reply(mut self, reply: Option<String>) -> Self {
        self.reply = reply;
        self
    }
}

impl fmt::Debug for Attempt {
    /// Says that there is a reply, not what is in it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Attempt {
            endpoint,
            endpoint_id,
            outcome,
            at,
            took,
            reply,
        } = self;
        f.debug_struct("Attempt")
            .field("endpoint", endpoint)
            .field("endpoint_id", endpoint_id)
            .field("outcome", outcome)
            .field("at", at)
            .field("took", took)
            .field("reply_bytes", &reply.as_ref().map(String::len))
            .finish()
    }
}

/// An attempt in JSON for people and programs: no reply.
impl Serialize for Attempt {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut shown = serializer.serialize_struct("Attempt", 6)?;
        shown.serialize_field("endpoint", &self.endpoint)?;
        shown.serialize_field("outcome", self.outcome.as_str())?;
        shown.serialize_field("status", &self.outcome.status())?;
        shown.serialize_field("why", &self.outcome.to_string())?;
        shown.serialize_field("at", &self.at)?;
        shown.serialize_field("ms", &millis(self.took))?;
        shown.end()
    }
}

fn millis(took: Duration) -> u64 {
    u64::try_from(took.as_millis()).unwrap_or(u64::MAX)
}
