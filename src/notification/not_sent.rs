//! Why nothing was sent, with what an admin needs to know to repair it.

use std::fmt;

use crate::value::time::Timestamp;

/// The cause of a POST that was not sent. Each is something that either the operator of the sender or the admin of
/// the receiver can repair.
///
/// What the server's certificate and its alerts say is the server's own word: names are cut to visible ASCII, and there are
/// at most [10](Self::MOST_NAMES).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
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
    /// The receiver's certificate has expired.
    #[non_exhaustive]
    CertificateExpired {
        /// The last moment at which it was valid, if that is known.
        until: Option<Timestamp>,
    },
    /// The receiver's certificate is not valid yet.
    #[non_exhaustive]
    CertificateNotYetValid {
        /// The first moment at which it is valid, if that is known.
        from: Option<Timestamp>,
    },
    /// The receiver's certificate is for another name.
    #[non_exhaustive]
    CertificateName {
        /// The names that it is for, as far as they are known.
        names: Vec<String>,
    },
    /// The receiver's certificate was not issued by a trusted root.
    CertificateUntrusted,
    /// The receiver's certificate is one of a certificate authority, for example a self-signed one that was made
    /// without saying what it is for. The receiver needs a certificate for a server.
    CertificateIsCa,
    /// A signature of the receiver's certificate cannot be verified: it was made by another authority of the same name
    /// as one that is trusted, or the key or the algorithm behind it is too weak (RSA below 2048 bits, SHA-1).
    CertificateSignature,
    /// The server demands a client certificate and got none, or refused the one that it got.
    #[non_exhaustive]
    ClientCertificate {
        /// The alert that the server sent, by its name in TLS (RFC 8446, section 6), as in `certificate_expired`.
        alert: Option<String>,
    },
    /// The server does not speak HTTP/1.1 over TLS, for example because it has HTTP/2 only.
    NoHttp1,
    /// No TLS with this server: an old version, plain HTTP on the port, a broken handshake.
    #[non_exhaustive]
    Tls {
        /// The alert that the server sent, by its name in TLS (RFC 8446, section 6), as in `protocol_version`.
        alert: Option<String>,
    },
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

impl NotSent {
    /// The most names of a certificate that are kept: 10.
    pub const MOST_NAMES: usize = 10;

    /// Every cause, without its details: for a store that is tested.
    #[cfg(any(test, feature = "conformance"))]
    pub(crate) fn every() -> [NotSent; 17] {
        [
            NotSent::Dns,
            NotSent::Refused,
            NotSent::Unreachable,
            NotSent::ConnectTimeout,
            NotSent::CertificateExpired { until: None },
            NotSent::CertificateNotYetValid { from: None },
            NotSent::CertificateName { names: Vec::new() },
            NotSent::CertificateUntrusted,
            NotSent::CertificateIsCa,
            NotSent::CertificateSignature,
            NotSent::ClientCertificate { alert: None },
            NotSent::NoHttp1,
            NotSent::Tls { alert: None },
            NotSent::NoDescriptor,
            NotSent::NoTrustRoots,
            NotSent::Interrupted,
            NotSent::StreamRefused,
        ]
    }

    /// The cause as one stable word, as in `connect_timeout`.
    pub const fn as_str(&self) -> &'static str {
        match self {
            NotSent::Dns => "dns",
            NotSent::Refused => "refused",
            NotSent::Unreachable => "unreachable",
            NotSent::ConnectTimeout => "connect_timeout",
            NotSent::CertificateExpired { .. } => "certificate_expired",
            NotSent::CertificateNotYetValid { .. } => "certificate_not_yet_valid",
            NotSent::CertificateName { .. } => "certificate_name",
            NotSent::CertificateUntrusted => "certificate_untrusted",
            NotSent::CertificateIsCa => "certificate_is_ca",
            NotSent::CertificateSignature => "certificate_signature",
            NotSent::ClientCertificate { .. } => "client_certificate",
            NotSent::NoHttp1 => "no_http1",
            NotSent::Tls { .. } => "tls",
            NotSent::NoDescriptor => "no_descriptor",
            NotSent::NoTrustRoots => "no_trust_roots",
            NotSent::Interrupted => "interrupted",
            NotSent::StreamRefused => "stream_refused",
        }
    }
}

impl fmt::Display for NotSent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = match self {
            NotSent::CertificateExpired { until: Some(until) } => {
                return write!(f, "the certificate has expired: it was valid until {until}");
            }
            NotSent::CertificateNotYetValid { from: Some(from) } => {
                return write!(f, "the certificate is not valid before {from}");
            }
            NotSent::CertificateName { names } if !names.is_empty() => {
                return write!(
                    f,
                    "the certificate is for another name: {}",
                    names.join(", ")
                );
            }
            NotSent::ClientCertificate { alert: Some(alert) } => {
                return write!(
                    f,
                    "the server demands a client certificate that it accepts ({alert})"
                );
            }
            NotSent::Tls { alert: Some(alert) } => {
                return write!(
                    f,
                    "no TLS handshake with this server, which answered {alert}"
                );
            }
            NotSent::Dns => "the name could not be resolved",
            NotSent::Refused => "the connection was refused",
            NotSent::Unreachable => "no connection could be made",
            NotSent::ConnectTimeout => "no connection within the connect limit",
            // Older attempts do not tell the two apart.
            NotSent::CertificateExpired { until: None } => {
                "the certificate has expired or is not valid yet"
            }
            NotSent::CertificateNotYetValid { from: None } => "the certificate is not valid yet",
            NotSent::CertificateName { .. } => "the certificate is for another name",
            NotSent::CertificateUntrusted => "the certificate is not issued by a trusted root",
            NotSent::CertificateIsCa => {
                "the certificate is one of a certificate authority, not of a server"
            }
            NotSent::CertificateSignature => {
                "a signature of the certificate cannot be verified: its key or algorithm is too weak, or it was made by \
                 another authority of the same name"
            }
            NotSent::ClientCertificate { alert: None } => {
                "the server demands a client certificate that it accepts"
            }
            NotSent::NoHttp1 => {
                "the server does not speak HTTP/1.1, which is needed: it may have HTTP/2 only"
            }
            NotSent::Tls { alert: None } => "no TLS handshake with this server",
            NotSent::NoDescriptor => {
                "this process has no file descriptor left: raise its limit of open files"
            }
            NotSent::NoTrustRoots => {
                "this machine has no trusted root certificates: install its CA bundle or configure a root"
            }
            NotSent::Interrupted => "the sender was shut down before a connection was made",
            NotSent::StreamRefused => "the server refused the stream before processing it",
        };
        f.write_str(plain)
    }
}
