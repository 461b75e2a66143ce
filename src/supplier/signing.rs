//! Signs what is sent, by Standard Webhooks: HMAC-SHA256 over `id.timestamp.body`.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::value::time::Timestamp;

/// A signing key of Standard Webhooks: `whsec_` and base64 of 24 to 64 random bytes, valid for a span of time so that two
/// keys can overlap while a receiver changes over.
#[derive(Clone, PartialEq, Eq)]
pub struct SigningKey {
    secret: Zeroizing<Vec<u8>>,
    from: Option<Timestamp>,
    until: Option<Timestamp>,
}

impl SigningKey {
    /// Reads a key; the prefix `whsec_` may be left out.
    ///
    /// # Errors
    /// [`SigningKeyError`] when it is not base64 of 24 to 64 bytes.
    pub fn new(text: &str) -> Result<Self, SigningKeyError> {
        let encoded = text.strip_prefix("whsec_").unwrap_or(text);
        let secret = Zeroizing::new(STANDARD.decode(encoded).map_err(|_| SigningKeyError)?);
        if !(24..=64).contains(&secret.len()) {
            return Err(SigningKeyError);
        }
        Ok(SigningKey { secret, from: None, until: None })
    }

    /// Not used before this moment.
    #[must_use]
    pub fn valid_from(mut self, from: Timestamp) -> Self {
        self.from = Some(from);
        self
    }

    /// Not used from this moment on.
    #[must_use]
    pub fn valid_until(mut self, until: Timestamp) -> Self {
        self.until = Some(until);
        self
    }

    /// Whether the key is in use at this moment.
    pub fn is_valid_at(&self, moment: Timestamp) -> bool {
        self.from.is_none_or(|from| from <= moment) && self.until.is_none_or(|until| moment < until)
    }

    fn sign(&self, id: &str, timestamp: i64, body: &[u8]) -> String {
        // Invariant of HMAC (RFC 2104): a key of any length is accepted.
        #[allow(clippy::expect_used, reason = "HMAC takes keys of any length")]
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.secret).expect("HMAC takes keys of any length");
        mac.update(format!("{id}.{timestamp}.").as_bytes());
        mac.update(body);
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("from", &self.from).field("until", &self.until).finish_non_exhaustive()
    }
}

/// Not a signing key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a signing key is whsec_ and base64 of 24 to 64 bytes")]
pub struct SigningKeyError;

/// The value of `webhook-signature`: one signature for each key in use, separated by spaces. `None` without any.
pub(crate) fn signatures(keys: &[SigningKey], id: &str, at: Timestamp, body: &[u8]) -> Option<String> {
    let seconds = at.as_micros().div_euclid(1_000_000);
    let signed: Vec<_> = keys.iter().filter(|key| key.is_valid_at(at)).map(|key| key.sign(id, seconds, body)).collect();
    (!signed.is_empty()).then(|| signed.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    #[test]
    fn the_published_library_verifies_what_is_signed() {
        let body = br#"{"order_code":"MKT-1"}"#;
        let at = Timestamp::from(std::time::SystemTime::now());
        let signature = signatures(&[SigningKey::new(KEY).unwrap()], "msg_1", at, body).unwrap();
        let mut headers = http::HeaderMap::new();
        headers.insert("webhook-id", "msg_1".parse().unwrap());
        headers.insert("webhook-timestamp", (at.as_micros() / 1_000_000).to_string().parse().unwrap());
        headers.insert("webhook-signature", signature.parse().unwrap());
        let oracle = standardwebhooks::Webhook::new(KEY).unwrap();
        oracle.verify(body, &headers).unwrap();
        assert!(oracle.verify(b"{}", &headers).is_err());
    }

    #[test]
    fn keys_overlap_while_a_receiver_changes_over() {
        let hour = |n: i64| Timestamp::from_micros(n * 3_600_000_000);
        let keys =
            [SigningKey::new(KEY).unwrap().valid_until(hour(20)), SigningKey::new(KEY).unwrap().valid_from(hour(10))];
        let number = |at| signatures(&keys, "msg_1", at, b"{}").map_or(0, |text| text.split(' ').count());
        assert_eq!([number(hour(1)), number(hour(15)), number(hour(20))], [1, 2, 1]);
    }

    #[test]
    fn a_short_key_is_refused_and_debug_shows_none_of_it() {
        assert_eq!(SigningKey::new("whsec_c2hvcnQ="), Err(SigningKeyError));
        assert!(!format!("{:?}", SigningKey::new(KEY)).contains("MfKQ"));
    }
}
