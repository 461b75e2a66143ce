//! Signs what is sent, by Standard Webhooks: HMAC-SHA256 over `id.timestamp.body`.

use std::fmt;
use std::time::Duration;

use base64::Engine;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use hmac::{Hmac, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::value::invalid::InvalidValue;
use crate::value::time::Timestamp;

/// A signing key of Standard Webhooks: `whsec_` and base64 of 24 to 64 random bytes, valid for a span of time so that
/// two keys can overlap while a receiver changes over.
#[derive(Clone, PartialEq, Eq)]
pub struct SigningKey {
    secret: Zeroizing<Vec<u8>>,
    from: Option<Timestamp>,
    until: Option<Timestamp>,
}

const PROBLEM: &str = "a signing key is whsec_ and base64 of 24 to 64 bytes";

/// Keys are also handed out without the padding at the end.
const PADDED_OR_NOT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

impl SigningKey {
    /// Reads a key; the prefix `whsec_` and the padding (`=`) at the end may be left out.
    ///
    /// # Errors
    /// [`InvalidValue`] when it is not base64 of 24 to 64 bytes.
    pub fn new(text: &str) -> Result<Self, InvalidValue> {
        let encoded = text.strip_prefix("whsec_").unwrap_or(text);
        let secret = Zeroizing::new(
            PADDED_OR_NOT
                .decode(encoded)
                .map_err(|_| InvalidValue::new(PROBLEM))?,
        );
        if !(24..=64).contains(&secret.len()) {
            return Err(InvalidValue::new(PROBLEM));
        }
        Ok(SigningKey {
            secret,
            from: None,
            until: None,
        })
    }

    /// The same key, not valid before this moment.
    #[must_use]
    pub fn valid_from(mut self, from: Timestamp) -> Self {
        self.from = Some(from);
        self
    }

    /// The same key, not valid from this moment on.
    #[must_use]
    pub fn valid_until(mut self, until: Timestamp) -> Self {
        self.until = Some(until);
        self
    }

    /// Whether there is a moment at which the key is in use.
    pub(super) fn is_ever_valid(&self) -> bool {
        self.from
            .zip(self.until)
            .is_none_or(|(from, until)| from < until)
    }

    /// Whether the key is in use at this moment.
    pub fn is_valid_at(&self, moment: Timestamp) -> bool {
        self.from.is_none_or(|from| from <= moment) && self.until.is_none_or(|until| moment < until)
    }

    fn sign(&self, id: &str, timestamp: i64, body: &[u8]) -> String {
        // Invariant of HMAC (RFC 2104): a key of any length is accepted.
        #[allow(clippy::expect_used, reason = "HMAC takes keys of any length")]
        let mut mac =
            Hmac::<Sha256>::new_from_slice(&self.secret).expect("HMAC takes keys of any length");
        mac.update(format!("{id}.{timestamp}.").as_bytes());
        mac.update(body);
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey")
            .field("from", &self.from)
            .field("until", &self.until)
            .finish_non_exhaustive()
    }
}

/// Signing keys are configured and none of them is valid at the moment of a POST, which therefore must not go out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("none of the signing keys is valid now{}", .next.map_or(String::new(), |next| format!("; the next one begins at {next}")))]
pub(crate) struct NoValidKey {
    /// When the next key begins to be valid, if one does.
    pub(crate) next: Option<Timestamp>,
    /// How long that takes, when it takes an hour at most: a notification waits for it and does not fail.
    pub(crate) wait: Option<Duration>,
}

/// The longest time for which a notification waits for a signing key that is not valid yet.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);

/// Whether events can be signed at this moment: all is well without any key, and with one that is valid.
pub(crate) fn check_keys(keys: &[SigningKey], at: Timestamp) -> Result<(), NoValidKey> {
    if keys.is_empty() || keys.iter().any(|key| key.is_valid_at(at)) {
        return Ok(());
    }
    let next = keys
        .iter()
        .filter_map(|key| key.from)
        .filter(|from| *from > at)
        .min();
    let wait = next
        .map(|next| next.since(at))
        .filter(|wait| *wait <= LONGEST_WAIT);
    Err(NoValidKey { next, wait })
}

/// The value of `webhook-signature`: one signature for each key in use, separated by spaces. `None` when no key is
/// configured; an error when keys are configured and none of them is valid.
pub(crate) fn signatures(
    keys: &[SigningKey],
    id: &str,
    at: Timestamp,
    body: &[u8],
) -> Result<Option<String>, NoValidKey> {
    check_keys(keys, at)?;
    let seconds = at.as_micros().div_euclid(1_000_000);
    let signed: Vec<_> = keys
        .iter()
        .filter(|key| key.is_valid_at(at))
        .map(|key| key.sign(id, seconds, body))
        .collect();
    Ok((!signed.is_empty()).then(|| signed.join(" ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    #[test]
    fn the_published_library_verifies_what_is_signed() {
        let body = br#"{"order_code":"MKT-1"}"#;
        let at = Timestamp::from(std::time::SystemTime::now());
        let signature = signatures(&[SigningKey::new(KEY).unwrap()], "msg_1", at, body)
            .unwrap()
            .unwrap();
        let mut headers = http::HeaderMap::new();
        headers.insert("webhook-id", "msg_1".parse().unwrap());
        headers.insert(
            "webhook-timestamp",
            (at.as_micros() / 1_000_000).to_string().parse().unwrap(),
        );
        headers.insert("webhook-signature", signature.parse().unwrap());
        let oracle = standardwebhooks::Webhook::new(KEY).unwrap();
        oracle.verify(body, &headers).unwrap();
        assert!(oracle.verify(b"{}", &headers).is_err());
    }

    #[test]
    fn keys_overlap_while_a_receiver_changes_over() {
        let hour = |n: i64| Timestamp::from_micros(n * 3_600_000_000);
        let keys = [
            SigningKey::new(KEY).unwrap().valid_until(hour(20)),
            SigningKey::new(KEY).unwrap().valid_from(hour(10)),
        ];
        let number = |at| {
            signatures(&keys, "msg_1", at, b"{}")
                .unwrap()
                .map_or(0, |text| text.split(' ').count())
        };
        assert_eq!(
            [number(hour(1)), number(hour(15)), number(hour(20))],
            [1, 2, 1]
        );
    }

    #[test]
    fn keys_of_which_none_is_valid_are_an_error_that_says_when_the_next_one_begins() {
        let minute = |n: i64| Timestamp::from_micros(n * 60_000_000);
        let key = || SigningKey::new(KEY).unwrap();
        let keys = [
            key().valid_until(minute(10)),
            key().valid_from(minute(200)),
            key().valid_from(minute(150)),
        ];
        let refused = |keys: &[SigningKey], at| signatures(keys, "msg_1", at, b"{}").unwrap_err();

        assert_eq!(
            refused(&keys, minute(20)),
            NoValidKey {
                next: Some(minute(150)),
                wait: None
            }
        );
        let wait = Duration::from_secs(3600);
        assert_eq!(
            refused(&keys, minute(90)),
            NoValidKey {
                next: Some(minute(150)),
                wait: Some(wait)
            }
        );
        assert!(
            signatures(&keys, "msg_1", minute(150), b"{}")
                .unwrap()
                .is_some()
        );
        assert_eq!(
            refused(&keys[..1], minute(10)),
            NoValidKey {
                next: None,
                wait: None
            }
        );
        assert_eq!(
            refused(&keys[..1], minute(10)).to_string(),
            "none of the signing keys is valid now"
        );
        assert_eq!(
            refused(&keys, minute(20)).to_string(),
            "none of the signing keys is valid now; the next one begins at 1970-01-01T02:30:00Z"
        );
        assert_eq!(signatures(&[], "msg_1", minute(1), b"{}"), Ok(None));
    }

    #[test]
    fn a_key_without_its_padding_is_the_same_key() {
        for padded in [
            "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
            "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHg==",
        ] {
            let key = SigningKey::new(padded).unwrap();
            assert_eq!(SigningKey::new(padded.trim_end_matches('=')), Ok(key));
        }
        assert!(SigningKey::new("whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8==").is_err());
    }

    #[test]
    fn a_short_key_is_refused_and_debug_shows_none_of_it() {
        assert_eq!(
            SigningKey::new("whsec_c2hvcnQ="),
            Err(InvalidValue::new(PROBLEM))
        );
        assert!(!format!("{:?}", SigningKey::new(KEY)).contains("MfKQ"));
    }
}
