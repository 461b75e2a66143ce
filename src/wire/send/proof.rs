//! What an error of the client proves: `docs/outcomes.md` in code. The only place where an error is read.

use std::error::Error as StdError;
use std::io;

use rustls::pki_types::UnixTime;
use rustls::{AlertDescription as Alert, CertificateError, PeerMisbehaved};

use super::connection::Broken;
use super::identity::Asked;
use crate::notification::outcome::{NotSent, Outcome, Unknown};
use crate::value::time::Timestamp;

/// A name of the domain name system is no longer than this.
const LONGEST_NAME: usize = 253;

/// Why no TCP connection could be made.
pub(super) fn of_dialling(error: &io::Error) -> NotSent {
    match error.kind() {
        _ if is_out_of_descriptors(error) => NotSent::NoDescriptor,
        io::ErrorKind::ConnectionRefused => NotSent::Refused,
        _ => NotSent::Unreachable,
    }
}

/// `WSAEMFILE`.
#[cfg(not(unix))]
const TOO_MANY_SOCKETS: i32 = 10024;

/// Whether this process, or the machine, has no file descriptor left.
fn is_out_of_descriptors(error: &io::Error) -> bool {
    #[cfg(unix)]
    return matches!(
        rustix::io::Errno::from_io_error(error),
        Some(rustix::io::Errno::MFILE | rustix::io::Errno::NFILE)
    );
    #[cfg(not(unix))]
    return matches!(error.raw_os_error(), Some(TOO_MANY_SOCKETS));
}

/// Why there is no TLS with this server.
pub(super) fn of_handshake(error: &io::Error, asked: Asked) -> NotSent {
    match find::<rustls::Error>(error) {
        Some(rustls::Error::InvalidCertificate(objection)) => certificate(objection),
        Some(rustls::Error::AlertReceived(Alert::NoApplicationProtocol))
        | Some(rustls::Error::PeerMisbehaved(
            PeerMisbehaved::SelectedUnofferedApplicationProtocol,
        )) => NotSent::NoHttp1,
        Some(rustls::Error::AlertReceived(alert)) if is_about_our_certificate(*alert) => {
            client_certificate(*alert)
        }
        // Before TLS 1.3 there was no alert of its own for a certificate that is missing.
        Some(rustls::Error::AlertReceived(alert @ Alert::HandshakeFailure))
            if asked == Asked::InVain =>
        {
            client_certificate(*alert)
        }
        Some(rustls::Error::AlertReceived(alert)) => tls(*alert),
        _ => NotSent::Tls { alert: None },
    }
}

/// Why a server ended the connection of a handshake in which it had asked for a certificate.
pub(super) fn of_refusal(error: Option<&io::Error>, asked: Asked) -> NotSent {
    match error.map(|error| of_handshake(error, asked)) {
        Some(NotSent::Tls { alert }) if asked == Asked::InVain => {
            NotSent::ClientCertificate { alert }
        }
        Some(why @ (NotSent::Tls { .. } | NotSent::ClientCertificate { .. })) => why,
        _ => NotSent::ClientCertificate { alert: None },
    }
}

/// What came of an exchange without a status line, on a connection that had been made.
pub(super) fn of_exchange(broken: &Broken) -> Outcome {
    let (error, refused) = match broken {
        Broken::Before { error, .. } => {
            let why = refusal(error).unwrap_or(NotSent::Unreachable);
            return Outcome::NotSent { why };
        }
        Broken::During { error, first: true } => (error, refusal(error)),
        Broken::During {
            error,
            first: false,
        } => (error, None),
    };
    match refused {
        Some(why) => Outcome::NotSent { why },
        None if error.is_parse() => Outcome::Unknown {
            why: Unknown::BadReply,
        },
        None => Outcome::Unknown {
            why: Unknown::ConnectionLost,
        },
    }
}

/// In TLS 1.3 the client has finished before the server has judged it, so the server's alert may come when the first
/// request is on its way. Once a connection has served a request nothing is left to be judged: this client never offers
/// to authenticate later. Then an alert proves nothing.
fn refusal(error: &hyper::Error) -> Option<NotSent> {
    match find::<rustls::Error>(error) {
        Some(rustls::Error::AlertReceived(alert)) if is_about_our_certificate(*alert) => {
            Some(client_certificate(*alert))
        }
        Some(rustls::Error::AlertReceived(alert)) if ends_a_handshake(*alert) => Some(tls(*alert)),
        _ => None,
    }
}

/// Alerts by which a server refuses a client without a certificate that it accepts.
fn is_about_our_certificate(alert: Alert) -> bool {
    matches!(
        alert,
        Alert::CertificateRequired
            | Alert::NoCertificate
            | Alert::BadCertificate
            | Alert::UnsupportedCertificate
            | Alert::CertificateRevoked
            | Alert::CertificateExpired
            | Alert::CertificateUnknown
            | Alert::UnknownCA
            | Alert::AccessDenied
    )
}

/// Alerts that a server sends only while it negotiates.
fn ends_a_handshake(alert: Alert) -> bool {
    matches!(
        alert,
        Alert::HandshakeFailure
            | Alert::DecryptError
            | Alert::ProtocolVersion
            | Alert::InsufficientSecurity
            | Alert::MissingExtension
            | Alert::UnsupportedExtension
            | Alert::UnrecognisedName
            | Alert::NoApplicationProtocol
    )
}

fn certificate(objection: &CertificateError) -> NotSent {
    match objection {
        CertificateError::Expired => NotSent::CertificateExpired { until: None },
        CertificateError::ExpiredContext { not_after, .. } => NotSent::CertificateExpired {
            until: moment(*not_after),
        },
        CertificateError::NotValidYet => NotSent::CertificateNotYetValid { from: None },
        CertificateError::NotValidYetContext { not_before, .. } => {
            NotSent::CertificateNotYetValid {
                from: moment(*not_before),
            }
        }
        CertificateError::NotValidForName => NotSent::CertificateName { names: Vec::new() },
        CertificateError::NotValidForNameContext { presented, .. } => {
            let names = presented.iter().take(NotSent::MOST_NAMES);
            NotSent::CertificateName {
                names: names.map(|name| name_of(name)).collect(),
            }
        }
        CertificateError::BadSignature
        | CertificateError::UnsupportedSignatureAlgorithmContext { .. }
        | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            NotSent::CertificateSignature
        }
        CertificateError::Other(other) => match other.0.downcast_ref::<webpki::Error>() {
            Some(webpki::Error::CaUsedAsEndEntity) => NotSent::CertificateIsCa,
            _ => NotSent::CertificateUntrusted,
        },
        _ => NotSent::CertificateUntrusted,
    }
}

fn moment(time: UnixTime) -> Option<Timestamp> {
    let micros = time.as_secs().checked_mul(1_000_000)?;
    i64::try_from(micros).ok().map(Timestamp::from_micros)
}

/// A name as the TLS library writes it, as in `DnsName("a.example")`, without what is its own. The server chose it.
fn name_of(presented: &str) -> String {
    let inside = presented
        .strip_prefix("DnsName(\"")
        .and_then(|rest| rest.strip_suffix("\")"));
    let name = inside.unwrap_or(presented).chars();
    let visible = name.filter(char::is_ascii_graphic);
    visible.take(LONGEST_NAME).collect()
}

fn client_certificate(alert: Alert) -> NotSent {
    let alert = Some(name_of_alert(alert));
    NotSent::ClientCertificate { alert }
}

fn tls(alert: Alert) -> NotSent {
    let alert = Some(name_of_alert(alert));
    NotSent::Tls { alert }
}

/// The name of an alert in RFC 8446, section 6, or its number.
fn name_of_alert(alert: Alert) -> String {
    let Some(name) = alert.as_str() else {
        return u8::from(alert).to_string();
    };
    match alert {
        Alert::UnknownCA => return "unknown_ca".to_owned(),
        Alert::UnrecognisedName => return "unrecognized_name".to_owned(),
        Alert::UnknownPSKIdentity => return "unknown_psk_identity".to_owned(),
        _ => {}
    }
    let mut snake = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.push(c.to_ascii_lowercase());
    }
    snake
}

fn find<'a, E: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a E> {
    std::iter::successors(Some(error), cause).find_map(|cause| cause.downcast_ref())
}

/// `source()` of an `io::Error` skips the very error that it carries, so this looks inside.
fn cause<'a>(error: &&'a (dyn StdError + 'static)) -> Option<&'a (dyn StdError + 'static)> {
    // Not by auto-deref: a reference to an error is an error as well.
    let error: &'a (dyn StdError + 'static) = *error;
    match error
        .downcast_ref::<io::Error>()
        .and_then(io::Error::get_ref)
    {
        Some(inside) => Some(inside),
        None => error.source(),
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_the_way_of_a_connection_is_told_apart() {
        let of = |errno: rustix::io::Errno| of_dialling(&io::Error::from(errno));
        assert_eq!(of(rustix::io::Errno::MFILE), NotSent::NoDescriptor);
        assert_eq!(of(rustix::io::Errno::NFILE), NotSent::NoDescriptor);
        assert_eq!(of(rustix::io::Errno::CONNREFUSED), NotSent::Refused);
        assert_eq!(of(rustix::io::Errno::NETUNREACH), NotSent::Unreachable);
    }
}
