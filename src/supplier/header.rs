//! A header that a supplier wants with every POST.

use crate::value::secret::Secret;

/// A header with a name and a value of the supplier's choice, e.g. a static adapter token. The value is a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CustomHeader {
    name: String,
    value: Secret,
}

impl CustomHeader {
    pub(super) const MAX_COUNT: usize = 32;
    const MAX_NAME: usize = 128;
    const MAX_VALUE: usize = 4096;

    /// What we say ourselves, and what belongs to the connection.
    const RESERVED: [&'static str; 13] = [
        "accept-encoding",
        "connection",
        "date",
        "expect",
        "host",
        "keep-alive",
        "te",
        "traceparent",
        "tracestate",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "user-agent",
    ];
    const RESERVED_PREFIXES: [&'static str; 3] = ["content-", "proxy-", "webhook-"];

    /// Checks both; an error names the part, `name` or `value`, and says what would be right.
    pub(super) fn parse(name: &str, value: Secret) -> Result<Self, (&'static str, &'static str)> {
        let name = name.to_ascii_lowercase();
        let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
        if name.is_empty() || name.len() > Self::MAX_NAME || !name.bytes().all(token) {
            return Err((
                "name",
                "must be a header name: 1 to 128 letters, digits and - _ . (RFC 9110, token)",
            ));
        }
        if Self::RESERVED.contains(&name.as_str())
            || Self::RESERVED_PREFIXES.iter().any(|p| name.starts_with(p))
        {
            return Err((
                "name",
                "is reserved: orderhook or the connection sets this header itself",
            ));
        }
        let text = value.expose();
        if text.is_empty() || text.len() > Self::MAX_VALUE {
            return Err(("value", "must have 1 to 4096 characters"));
        }
        if !text.bytes().all(|b| b == b' ' || b.is_ascii_graphic()) || text.trim() != text {
            return Err(("value", "must be visible ASCII, with spaces only inside"));
        }
        Ok(CustomHeader { name, value })
    }

    /// The name, in lower case.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The value.
    pub fn value(&self) -> &Secret {
        &self.value
    }
}
