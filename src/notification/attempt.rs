//! One POST to one endpoint, as it is remembered.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::notification::outcome::{Blocked, NotSent, Outcome, Unknown};
use crate::supplier::EndpointId;
use crate::value::time::Timestamp;

/// One POST to one endpoint that was made or may have been made. It is never changed once it is stored.
///
/// Serialises to one small JSON object, which is a good form for a store.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "Form", try_from = "Form")]
#[non_exhaustive]
pub struct Attempt {
    /// Scheme, host, port and path of the endpoint; never the query.
    pub endpoint: String,
    /// The endpoint's identity.
    pub endpoint_id: EndpointId,
    /// The outcome.
    pub outcome: Outcome,
    /// When it began, on the store's timeline; for one that was interrupted, when the interruption was noticed.
    pub at: Timestamp,
    /// How long it took, to the millisecond.
    pub took: Duration,
    /// The beginning of a reply that was not 2xx, where the supplier's configuration asks for it (`keep_reply`). What the
    /// request kept secret and what it said of people is `***` in it, and invisible characters are escaped. `None` in
    /// listings.
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

/// The stored form. Flat by hand: serde's `flatten` and `tag` lose numbers when another crate in the build switches on
/// serde_json's `arbitrary_precision`.
#[derive(Serialize, Deserialize)]
struct Form {
    endpoint: String,
    endpoint_id: EndpointId,
    outcome: Class,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    not_sent: Option<NotSent>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    unknown: Option<Unknown>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    blocked: Option<Blocked>,
    at: Timestamp,
    ms: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reply: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Class {
    Accepted,
    Rejected,
    NotSent,
    Unknown,
    Blocked,
}

impl From<Attempt> for Form {
    fn from(attempt: Attempt) -> Form {
        let mut form = Form {
            endpoint: attempt.endpoint,
            endpoint_id: attempt.endpoint_id,
            outcome: Class::Unknown,
            status: attempt.outcome.status(),
            not_sent: None,
            unknown: None,
            blocked: None,
            at: attempt.at,
            ms: millis(attempt.took),
            reply: attempt.reply,
        };
        form.outcome = match attempt.outcome {
            Outcome::Accepted { .. } => Class::Accepted,
            Outcome::Rejected { .. } => Class::Rejected,
            Outcome::NotSent { why } => {
                form.not_sent = Some(why);
                Class::NotSent
            }
            Outcome::Unknown { why } => {
                form.unknown = Some(why);
                Class::Unknown
            }
            Outcome::Blocked { why } => {
                form.blocked = Some(why);
                Class::Blocked
            }
        };
        form
    }
}

impl TryFrom<Form> for Attempt {
    type Error = &'static str;

    fn try_from(form: Form) -> Result<Self, Self::Error> {
        let outcome = match (
            form.outcome,
            form.status,
            form.not_sent,
            form.unknown,
            form.blocked,
        ) {
            (Class::Accepted, Some(status), None, None, None) => Outcome::Accepted { status },
            (Class::Rejected, Some(status), None, None, None) => Outcome::Rejected { status },
            (Class::NotSent, None, Some(why), None, None) => Outcome::NotSent { why },
            (Class::Unknown, None, None, Some(why), None) => Outcome::Unknown { why },
            (Class::Blocked, None, None, None, Some(why)) => Outcome::Blocked { why },
            _ => return Err("the parts of the outcome do not fit together"),
        };
        Ok(Attempt::new(
            form.endpoint,
            form.endpoint_id,
            outcome,
            form.at,
            Duration::from_millis(form.ms),
        )
        .with_reply(form.reply))
    }
}

fn millis(took: Duration) -> u64 {
    u64::try_from(took.as_millis()).unwrap_or(u64::MAX)
}
