//! The answers of a dispatcher.

use std::fmt;

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

use crate::event::Difference;
use crate::notification::outcome::{Blocked, NotSent, Outcome};
use crate::notification::shown;
use crate::notification::{Notification, NotificationState, OrderState};
use crate::store::Inserted;
use crate::supplier::signing::NoValidKey;
use crate::value::time::Timestamp;
use crate::wire::send::Reached;

/// The answer of [`Dispatcher::notify`](crate::Dispatcher::notify) and [`resume`](crate::Dispatcher::resume): where
/// each notification stands after the round of calls.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// The entries: one for each notification, in the sequence of the suppliers in the order.
    pub entries: Vec<Entry>,
}

impl Report {
    /// Whether every supplier is notified, now or before, and nothing is in conflict.
    pub fn is_notified(&self) -> bool {
        self.entries.iter().all(|entry| {
            matches!(entry.notification.state, NotificationState::Notified { .. })
                && !entry.is_conflict()
        })
    }

    /// The entry of a supplier, by its id.
    pub fn of(&self, supplier: &str) -> Option<&Entry> {
        self.entries
            .iter()
            .find(|entry| entry.notification.key.supplier.as_str() == supplier)
    }
}

/// One notification of a [`Report`], as the store has it after the round of calls.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Entry {
    /// The notification. Its state says what happens next; its attempts and [endpoints](Notification::endpoints) say
    /// which endpoints have accepted, and what failed and why.
    pub notification: Notification,
    /// Whether it was stored by this call, was there before, or is in conflict.
    pub inserted: Inserted,
    /// The difference from what is stored, for a notification that is in conflict.
    pub difference: Option<Difference>,
}

impl Entry {
    /// Whether the order came with other content than was stored before. The first content stays.
    pub fn is_conflict(&self) -> bool {
        self.inserted == Inserted::Differs
    }
}

/// The notification's members, and `"error"` (`conflict` or null) and `"difference"`.
impl Serialize for Entry {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut shown = serializer.serialize_struct("Entry", 12)?;
        shown::members::<S>(&mut shown, &self.notification)?;
        shown::conflict::<S>(&mut shown, self.inserted, self.difference.as_ref())?;
        shown.end()
    }
}

/// The answer of [`Dispatcher::order`](crate::Dispatcher::order): the state of an order and its notifications.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct OrderReport {
    /// The state of the order, which follows from the states of its notifications.
    pub state: OrderState,
    /// All notifications of the order, without their bodies.
    pub notifications: Vec<Notification>,
}

/// The result of [`Dispatcher::check`](crate::Dispatcher::check) for one endpoint, to which no event was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EndpointCheck {
    /// The endpoint: scheme, host, port and path.
    pub endpoint: String,
    /// The verdict of the check.
    pub verdict: Verdict,
    /// The last moment at which the certificate of the server is valid; `None` when no TLS connection was made.
    pub certificate_until: Option<Timestamp>,
    /// The last moment at which the client certificate is valid that the dispatcher presents, if one is configured.
    pub client_certificate_until: Option<Timestamp>,
}

impl EndpointCheck {
    pub(crate) fn new(
        endpoint: String,
        checked: Result<Reached, Outcome>,
        keys: Result<(), NoValidKey>,
        client_certificate_until: Option<Timestamp>,
    ) -> Self {
        let reached = checked.as_ref().ok();
        let certificate_until = reached.and_then(|reached| reached.certificate_until);
        EndpointCheck {
            endpoint,
            verdict: Verdict::of(checked, keys),
            certificate_until,
            client_certificate_until,
        }
    }
}

/// `{"endpoint", "verdict", "why", "certificate_until", "client_certificate_until"}`: the verdict as a word and as a sentence.
impl Serialize for EndpointCheck {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut shown = serializer.serialize_struct("EndpointCheck", 5)?;
        shown.serialize_field("endpoint", &self.endpoint)?;
        shown.serialize_field("verdict", self.verdict.as_str())?;
        shown.serialize_field("why", &self.verdict.to_string())?;
        shown.serialize_field("certificate_until", &self.certificate_until)?;
        shown.serialize_field("client_certificate_until", &self.client_certificate_until)?;
        shown.end()
    }
}

/// Whether events can be sent to an endpoint, and what is in the way.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// A TLS connection can be made.
    Reachable,
    /// The guard does not allow the endpoint to be dialled.
    Blocked {
        /// What it objects to.
        why: Blocked,
    },
    /// No TLS connection can be made.
    Unreachable {
        /// What is in the way.
        why: NotSent,
    },
    /// A TLS connection can be made, but signing keys are configured and none of them is valid now: nothing is sent.
    NoValidSigningKey {
        /// When the next key begins to be valid, if one does.
        next: Option<Timestamp>,
    },
}

impl Verdict {
    /// The verdict as one stable word: `reachable`, `blocked`, `unreachable`, `no_valid_signing_key`.
    pub fn as_str(&self) -> &'static str {
        match self {
            Verdict::Reachable => "reachable",
            Verdict::Blocked { .. } => "blocked",
            Verdict::Unreachable { .. } => "unreachable",
            Verdict::NoValidSigningKey { .. } => "no_valid_signing_key",
        }
    }

    fn of(checked: Result<Reached, Outcome>, keys: Result<(), NoValidKey>) -> Self {
        match checked {
            Ok(_) => keys.map_or_else(
                |no_key| Verdict::NoValidSigningKey { next: no_key.next },
                |()| Verdict::Reachable,
            ),
            Err(Outcome::Blocked { why }) => Verdict::Blocked { why },
            Err(Outcome::NotSent { why }) => Verdict::Unreachable { why },
            // Nothing is sent, so nothing else can come of it.
            Err(_) => Verdict::Unreachable {
                why: NotSent::Unreachable,
            },
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Verdict::Reachable => f.write_str("reachable"),
            Verdict::Blocked { why } => write!(f, "blocked: {why}"),
            Verdict::Unreachable { why } => write!(f, "unreachable: {why}"),
            Verdict::NoValidSigningKey { next: None } => f.write_str("no signing key is valid now"),
            Verdict::NoValidSigningKey { next: Some(next) } => {
                write!(
                    f,
                    "no signing key is valid now; the next one begins at {next}"
                )
            }
        }
    }
}
