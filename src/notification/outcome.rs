//! The outcome of one POST to one endpoint: data that is stored and compared, never an error of a call.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The outcome of one [`Attempt`](crate::notification::Attempt), that is of one POST to one endpoint.
///
/// The five variants say what a sender can know about the receiver: it has the event, has refused it, cannot have seen
/// it, may have seen it, or was not allowed to be called.
///
#[doc = include_str!("../../docs/outcomes.md")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
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
        /// What the guard objects to.
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

/// Why nothing was sent. Each is something that one of the two admins can act on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum NotSent {
    /// The name could not be resolved.
    Dns,
    /// The connection was refused: nothing listens there.
    Refused,
    /// No connection for another reason: no route, reset while connecting, an address family that is missing.
    Unreachable,
    /// No connection within the connect limit, name resolution and TLS handshake included.
    ConnectTimeout,
    /// The receiver's certificate has expired or is not valid yet.
    CertificateExpired,
    /// The receiver's certificate is for another name.
    CertificateName,
    /// The receiver's certificate was not issued by a trusted root.
    CertificateUntrusted,
    /// The receiver's certificate is one of a certificate authority, for example a self-signed one that was made
    /// without saying what it is for. The receiver needs a certificate for a server.
    CertificateIsCa,
    /// A signature of the receiver's certificate cannot be verified: it was made by another authority of the same name
    /// as one that is trusted, or the key or the algorithm behind it is too weak (RSA below 2048 bits, SHA-1).
    CertificateSignature,
    /// The server demands a client certificate and got none, or refused the one that it got.
    ClientCertificate,
    /// The server does not speak HTTP/1.1 over TLS, for example because it has HTTP/2 only.
    NoHttp1,
    /// No TLS with this server: an old version, plain HTTP on the port, a broken handshake.
    Tls,
    /// This process has no file descriptor left for another connection: raise its limit of open files.
    NoDescriptor,
    /// This machine has no trusted root certificates: install its CA bundle, or configure a root.
    NoTrustRoots,
    /// The sender was shut down before a connection was made.
    Interrupted,
    /// The server refused the HTTP/2 stream before processing it (RFC 9113, section 8.7). Found in attempts that were
    /// recorded while HTTP/2 was spoken; nothing produces it any more.
    StreamRefused,
}

impl fmt::Display for NotSent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            NotSent::Dns => "the name could not be resolved",
            NotSent::Refused => "the connection was refused",
            NotSent::Unreachable => "no connection could be made",
            NotSent::ConnectTimeout => "no connection within the connect limit",
            NotSent::CertificateExpired => "the certificate has expired or is not valid yet",
            NotSent::CertificateName => "the certificate is for another name",
            NotSent::CertificateUntrusted => "the certificate is not issued by a trusted root",
            NotSent::CertificateIsCa => "the certificate is one of a certificate authority, not of a server",
            NotSent::CertificateSignature => {
                "a signature of the certificate cannot be verified: its key or algorithm is too weak, or it was made by \
                 another authority of the same name"
            }
            NotSent::ClientCertificate => "the server demands a client certificate that it accepts",
            NotSent::NoHttp1 => "the server does not speak HTTP/1.1, which is needed: it may have HTTP/2 only",
            NotSent::Tls => "no TLS handshake with this server",
            NotSent::NoDescriptor => "this process has no file descriptor left: raise its limit of open files",
            NotSent::NoTrustRoots => {
                "this machine has no trusted root certificates: install its CA bundle or configure a root"
            }
            NotSent::Interrupted => "the sender was shut down before a connection was made",
            NotSent::StreamRefused => "the server refused the stream before processing it",
        })
    }
}

/// How the answer to an event that may have been received was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
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

/// What the guard objects to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Blocked {
    /// The host is an address literal outside the operator's allow-list.
    Literal,
    /// The host is a single label or ends in `.localhost`, `.localdomain`, `.local` or `.internal`, and does not
    /// resolve into the operator's allow-list only.
    LocalName,
    /// A port other than 443, outside the operator's allow-list.
    Port,
    /// The name resolves to at least one address that may not be dialled.
    Address,
    /// A cloud's metadata address: never dialled, whatever the allow-list says.
    Metadata,
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
