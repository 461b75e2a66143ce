//! An attempt as a store keeps it, in the forms of all versions.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::notification::outcome::{Blocked, NotSent, Outcome, Unknown};
use crate::supplier::EndpointId;
use crate::value::time::Timestamp;

use super::{Attempt, millis};

/// The stored form. Flat by hand: serde's `flatten` and `tag` lose numbers when another crate in the build switches on
/// serde_json's `arbitrary_precision`. What is not known is left out, so that an older program reads it as well.
#[derive(Serialize, Deserialize)]
struct Form {
    endpoint: String,
    endpoint_id: EndpointId,
    outcome: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    not_sent: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    unknown: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    blocked: Option<String>,
    at: Timestamp,
    ms: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reply: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    until: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    from: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    names: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    alert: Option<String>,
}

pub(super) fn encode(attempt: &Attempt) -> String {
    let mut form = Form {
        endpoint: attempt.endpoint.clone(),
        endpoint_id: attempt.endpoint_id.clone(),
        outcome: attempt.outcome.as_str().to_owned(),
        status: attempt.outcome.status(),
        not_sent: None,
        unknown: None,
        blocked: None,
        at: attempt.at,
        ms: millis(attempt.took),
        reply: attempt.reply.clone(),
        until: None,
        from: None,
        names: Vec::new(),
        alert: None,
    };
    match &attempt.outcome {
        Outcome::Accepted { .. } | Outcome::Rejected { .. } => {}
        Outcome::NotSent { why } => form.set_not_sent(why),
        Outcome::Unknown { why } => form.unknown = Some(why.as_str().to_owned()),
        Outcome::Blocked { why } => form.blocked = Some(why.as_str().to_owned()),
    }
    // Texts and numbers in a derived struct: there is nothing in it that JSON could refuse.
    serde_json::to_string(&form).unwrap_or_default()
}

/// `None` for a text that is no attempt, or whose parts do not fit together.
pub(super) fn decode(text: &str) -> Option<Attempt> {
    let form: Form = serde_json::from_str(text).ok()?;
    let details = [&form.not_sent, &form.unknown, &form.blocked];
    let number = details.into_iter().flatten().count() + usize::from(form.status.is_some());
    let outcome = match form.outcome.as_str() {
        _ if number != 1 => return None,
        "accepted" => Outcome::Accepted {
            status: form.status?,
        },
        "rejected" => Outcome::Rejected {
            status: form.status?,
        },
        "not_sent" => Outcome::NotSent {
            why: form.not_sent()?,
        },
        "unknown" => Outcome::Unknown {
            why: named(&Unknown::ALL, Unknown::as_str, form.unknown.as_deref()?)?,
        },
        "blocked" => Outcome::Blocked {
            why: named(&Blocked::ALL, Blocked::as_str, form.blocked.as_deref()?)?,
        },
        _ => return None,
    };
    let took = Duration::from_millis(form.ms);
    let attempt = Attempt::new(form.endpoint, form.endpoint_id, outcome, form.at, took);
    Some(attempt.with_reply(form.reply))
}

impl Form {
    fn set_not_sent(&mut self, why: &NotSent) {
        self.not_sent = Some(why.as_str().to_owned());
        match why {
            NotSent::CertificateExpired { until } => self.until = *until,
            NotSent::CertificateNotYetValid { from } => {
                // By the word that stood for both in older versions.
                let known = NotSent::CertificateExpired { until: None };
                self.not_sent = from
                    .map(|_| known.as_str().to_owned())
                    .or(self.not_sent.take());
                self.from = *from;
            }
            NotSent::CertificateName { names } => self.names.clone_from(names),
            NotSent::ClientCertificate { alert } | NotSent::Tls { alert } => {
                self.alert.clone_from(alert);
            }
            NotSent::Dns
            | NotSent::Refused
            | NotSent::Unreachable
            | NotSent::ConnectTimeout
            | NotSent::CertificateUntrusted
            | NotSent::CertificateIsCa
            | NotSent::CertificateSignature
            | NotSent::NoHttp1
            | NotSent::NoDescriptor
            | NotSent::NoTrustRoots
            | NotSent::Interrupted
            | NotSent::StreamRefused => {}
        }
    }

    fn not_sent(&self) -> Option<NotSent> {
        Some(match self.not_sent.as_deref()? {
            "dns" => NotSent::Dns,
            "refused" => NotSent::Refused,
            "unreachable" => NotSent::Unreachable,
            "connect_timeout" => NotSent::ConnectTimeout,
            "certificate_expired" if self.from.is_some() => {
                NotSent::CertificateNotYetValid { from: self.from }
            }
            "certificate_expired" => NotSent::CertificateExpired { until: self.until },
            "certificate_not_yet_valid" => NotSent::CertificateNotYetValid { from: self.from },
            "certificate_name" => NotSent::CertificateName {
                names: self.names.clone(),
            },
            "certificate_untrusted" => NotSent::CertificateUntrusted,
            "certificate_is_ca" => NotSent::CertificateIsCa,
            "certificate_signature" => NotSent::CertificateSignature,
            "client_certificate" => NotSent::ClientCertificate {
                alert: self.alert.clone(),
            },
            "no_http1" => NotSent::NoHttp1,
            "tls" => NotSent::Tls {
                alert: self.alert.clone(),
            },
            "no_descriptor" => NotSent::NoDescriptor,
            "no_trust_roots" => NotSent::NoTrustRoots,
            "interrupted" => NotSent::Interrupted,
            "stream_refused" => NotSent::StreamRefused,
            _ => return None,
        })
    }
}

fn named<T: Copy>(all: &[T], as_str: fn(T) -> &'static str, word: &str) -> Option<T> {
    all.iter().copied().find(|value| as_str(*value) == word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(outcome: Outcome) -> Attempt {
        Attempt::new(
            "https://a.example/in".to_owned(),
            EndpointId::from_stored("ab"),
            outcome,
            Timestamp::from_micros(1),
            Duration::from_millis(5),
        )
    }

    #[test]
    fn every_cause_comes_back_with_its_details() {
        let moment = Some(Timestamp::from_micros(1_772_359_200_000_000));
        let alert = Some("handshake_failure".to_owned());
        let detailed = [
            NotSent::CertificateExpired { until: moment },
            NotSent::CertificateNotYetValid { from: moment },
            NotSent::CertificateName {
                names: vec!["a.example".to_owned(), "b.example".to_owned()],
            },
            NotSent::ClientCertificate {
                alert: alert.clone(),
            },
            NotSent::Tls { alert },
        ];
        for why in NotSent::every().into_iter().chain(detailed) {
            let attempt = attempt(Outcome::NotSent { why });
            assert_eq!(Attempt::decode(&attempt.encode()), Ok(attempt));
        }
    }

    #[test]
    fn what_older_versions_have_stored_is_read() {
        for (stored, outcome) in [
            (
                r#""outcome":"accepted","status":204"#,
                Outcome::Accepted { status: 204 },
            ),
            (
                r#""outcome":"not_sent","not_sent":"certificate_expired""#,
                Outcome::NotSent {
                    why: NotSent::CertificateExpired { until: None },
                },
            ),
            (
                r#""outcome":"not_sent","not_sent":"tls""#,
                Outcome::NotSent {
                    why: NotSent::Tls { alert: None },
                },
            ),
            (
                r#""outcome":"unknown","unknown":"timed_out""#,
                Outcome::Unknown {
                    why: Unknown::TimedOut,
                },
            ),
            (
                r#""outcome":"blocked","blocked":"local_name""#,
                Outcome::Blocked {
                    why: Blocked::LocalName,
                },
            ),
        ] {
            let text = format!(
                r#"{{"endpoint":"https://a.example/in","endpoint_id":"ab",{stored},"at":"1970-01-01T00:00:00.000001Z","ms":5}}"#
            );
            assert_eq!(Attempt::decode(&text), Ok(attempt(outcome)), "{text}");
            assert_eq!(
                Attempt::decode(&text).unwrap().encode(),
                text,
                "and is written as before"
            );
        }
    }

    #[test]
    fn parts_that_do_not_fit_together_are_no_attempt() {
        for wrong in [
            r#""outcome":"accepted""#,
            r#""outcome":"accepted","status":200,"unknown":"timed_out""#,
            r#""outcome":"unknown","not_sent":"dns""#,
            r#""outcome":"not_sent","not_sent":"something""#,
            r#""outcome":"lost","status":200"#,
        ] {
            let text = format!(
                r#"{{"endpoint":"a","endpoint_id":"ab",{wrong},"at":"1970-01-01T00:00:00Z","ms":5}}"#
            );
            assert!(Attempt::decode(&text).is_err(), "{text}");
        }
    }
}
