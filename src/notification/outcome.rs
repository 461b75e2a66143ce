//! The outcome of one POST to one endpoint: data that is stored and compared, never an error of a call.

use std::fmt;

pub use super::not_sent::NotSent;

/// The outcome of one [`Attempt`](crate::notification::Attempt), that is of one POST to one endpoint.
///
/// The five variants say what a sender can know about the receiver: it has the event, has refused it, cannot have seen
/// it, may have seen it, or was not allowed to be called.
///
#[doc = include_str!("../../docs/outcomes.md")]
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// A 2xx status line arrived. What the body did afterwards does not matter.
    Accepted {
        /// The status, 200 to 299.
        status: u16,
    },
    /// Another final status line arrived: a redirect (never followed), a refusal, a failure of the receiver.
    Rejected {
        /// The status as received, also outside the registered ranges.
        status: u16,
    },
    /// The receiver cannot have seen the event: it is proven that no request was read.
    NotSent {
        /// Why no request was sent.
        why: NotSent,
    },
    /// The event may have been received: it left, or may have left, and no status line came back.
    Unknown {
        /// How the answer was lost.
        why: Unknown,
    },
    /// This crate's own guard refused to dial the endpoint. It counts as a try and follows the schedule, so that a
    /// repair takes effect.
    Blocked {
        /// The objection to an endpoint's address, before anything was sent. Dialled are public addresses on port 443, and what
        /// [`allow_network`](crate::DispatcherBuilder::allow_network) has named: the operator's allow-list.
        why: Blocked,
    },
}

impl Outcome {
    /// Whether the endpoint has accepted.
    pub fn is_accepted(&self) -> bool {
        matches!(self, Outcome::Accepted { .. })
    }

    /// The status line's code, when one arrived.
    pub fn status(&self) -> Option<u16> {
        match self {
            Outcome::Accepted { status } | Outcome::Rejected { status } => Some(*status),
            _ => None,
        }
    }

    /// The variant as one stable word: `accepted`, `rejected`, `not_sent`, `unknown`, `blocked`.
    pub fn as_str(&self) -> &'static str {
        match self {
            Outcome::Accepted { .. } => "accepted",
            Outcome::Rejected { .. } => "rejected",
            Outcome::NotSent { .. } => "not_sent",
            Outcome::Unknown { .. } => "unknown",
            Outcome::Blocked { .. } => "blocked",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Outcome::Accepted { status } => write!(f, "accepted ({status})"),
            Outcome::Rejected { status } => write!(f, "rejected ({status})"),
            Outcome::NotSent { why } => write!(f, "not sent: {why}"),
            Outcome::Unknown { why } => write!(f, "unknown: {why}"),
            Outcome::Blocked { why } => write!(f, "blocked: {why}"),
        }
    }
}

/// The way in which the answer to an event that may have been received was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Unknown {
    /// No status line within the endpoint's limit.
    TimedOut,
    /// The connection ended before a status line.
    ConnectionLost,
    /// The reply is not HTTP/1.1, or its head is too large.
    BadReply,
    /// The sender was shut down after the request may have left, or died or was suspended. In the latter cases the
    /// process that took the notification over records it.
    Interrupted,
}

impl Unknown {
    /// Every value, in the order of declaration.
    pub const ALL: [Unknown; 4] = [
        Unknown::TimedOut,
        Unknown::ConnectionLost,
        Unknown::BadReply,
        Unknown::Interrupted,
    ];

    /// The cause as one stable word, as in `timed_out`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Unknown::TimedOut => "timed_out",
            Unknown::ConnectionLost => "connection_lost",
            Unknown::BadReply => "bad_reply",
            Unknown::Interrupted => "interrupted",
        }
    }
}

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Unknown::TimedOut => "no status line within the limit",
            Unknown::ConnectionLost => "the connection ended before a status line",
            Unknown::BadReply => "the reply was not usable HTTP",
            Unknown::Interrupted => "the sender was interrupted",
        })
    }
}

/// The objection of the guard to an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Blocked {
    /// The host is an address literal outside the operator's allow-list.
    Literal,
    /// The host is a single label or ends in `.localhost`, `.localdomain`, `.local` or `.internal`, and does not
    /// resolve into the operator's allow-list only.
    LocalName,
    /// A port other than 443, outside the operator's allow-list.
    Port,
    /// The name resolves to at least one address that is not public (private, loopback, link-local, ..) and not on the
    /// operator's allow-list.
    Address,
    /// A cloud's metadata address: never dialled, whatever the allow-list says.
    Metadata,
}

impl Blocked {
    /// Every value, in the order of declaration.
    pub const ALL: [Blocked; 5] = [
        Blocked::Literal,
        Blocked::LocalName,
        Blocked::Port,
        Blocked::Address,
        Blocked::Metadata,
    ];

    /// The cause as one stable word, as in `literal`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Blocked::Literal => "literal",
            Blocked::LocalName => "local_name",
            Blocked::Port => "port",
            Blocked::Address => "address",
            Blocked::Metadata => "metadata",
        }
    }
}

impl fmt::Display for Blocked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Blocked::Literal => "the host is an address and no allowed network contains it",
            Blocked::LocalName => {
                "the host is a local name and does not resolve into the allowed networks"
            }
            Blocked::Port => "the port is not 443 and the address is in no allowed network",
            Blocked::Address => "the name resolves to an address that may not be dialled",
            Blocked::Metadata => "the address is a cloud metadata address, which is never dialled",
        })
    }
}
