//! One HTTPS URL of a supplier.

use std::fmt;
use std::sync::Arc;

use serde::Deserialize;
use sha2::{Digest, Sha256};
use url::Url;

use crate::event::hex;
use crate::value::text::text;

/// One HTTPS URL of a supplier, with a valid form. Whether it may be dialled is checked when it is called, see
/// [`Blocked`](crate::notification::Blocked).
///
/// The whole URL is its identity, the query included. So another token in the query (`?token=..`) makes another
/// endpoint: a notification that is still pending is sent to the new endpoint also when the old one has accepted it.
/// Put tokens that are rotated into [`bearer_token`](crate::SupplierBuilder::bearer_token) or a [custom
/// header](crate::SupplierBuilder::custom_header).
///
/// `Debug` and [`shown`](Self::shown) have scheme, host, port and path; never the query, which may hold a token.
#[derive(Clone, PartialEq, Eq)]
pub struct Endpoint {
    url: Url,
    id: EndpointId,
    shown: String,
}

impl Endpoint {
    const MAX_LENGTH: usize = 2048;

    /// Reads a URL; says what would be right.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        if text.len() > Self::MAX_LENGTH {
            return Err("must have at most 2048 characters");
        }
        // The URL standard drops these silently; here they are a slip of the person who pasted it.
        if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err("must not contain white space or control characters");
        }
        let rest = text
            .get(..8)
            .filter(|scheme| scheme.eq_ignore_ascii_case("https://"))
            .map(|_| &text[8..]);
        let Some(rest) = rest else {
            return Err("must begin with https://");
        };
        let authority = rest.split(['/', '\\', '?', '#']).next().unwrap_or_default();
        if authority.is_empty() || authority.starts_with(':') {
            return Err("must name a host");
        }
        if authority.contains('@') {
            return Err(
                "must not contain a user name or password; use bearer_token or custom_headers",
            );
        }
        let url = Url::parse(text).map_err(|_| "must be a valid URL")?;
        if url.fragment().is_some() {
            return Err("must not contain a fragment (#)");
        }
        if url.port() == Some(0) {
            return Err("must not have port 0");
        }
        match url.host_str() {
            None | Some("") => return Err("must name a host"),
            Some(host) if host.ends_with('.') => {
                return Err("must not have a host that ends with a dot");
            }
            Some(host) if host.len() > 253 => {
                return Err("must not have a host of more than 253 characters");
            }
            Some(_) => {}
        }
        if let Some(url::Host::Domain(name)) = url.host()
            && !name.split('.').all(can_be_a_label)
        {
            return Err(
                "must name a host whose parts are 1 to 63 letters, digits and hyphens, with no hyphen at either end",
            );
        }
        let shown = format!("{}{}", url.origin().ascii_serialization(), url.path());
        let id = EndpointId(Arc::from(hex(&Sha256::digest(url.as_str())[..16])));
        Ok(Endpoint { url, id, shown })
    }

    /// The URL with everything, the query included.
    pub(crate) fn url(&self) -> &Url {
        &self.url
    }

    /// The identity of the endpoint: the digest of the parsed URL.
    pub fn id(&self) -> &EndpointId {
        &self.id
    }

    /// The endpoint as it may be shown: scheme, host, port unless it is 443, and path.
    pub fn shown(&self) -> &str {
        &self.shown
    }
}

/// Whether this can be a part of a host name (RFC 1123). An underscore is not a letter there, and is in use all the
/// same.
fn can_be_a_label(label: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    (1..=63).contains(&label.len())
        && label.bytes().all(plain)
        && !label.starts_with('-')
        && !label.ends_with('-')
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Endpoint").field(&self.shown).finish()
    }
}

/// The identity of an endpoint: 32 hexadecimal digits of SHA-256 over its parsed URL.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize)]
#[serde(from = "String")]
pub struct EndpointId(Arc<str>);

impl EndpointId {
    /// An id as a store kept it.
    pub fn from_stored(text: &str) -> Self {
        EndpointId(Arc::from(text))
    }
}

text! { EndpointId }

impl From<String> for EndpointId {
    fn from(text: String) -> Self {
        EndpointId::from_stored(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_fit_to_be_called_is_refused_with_what_would_be_right() {
        for (url, problem) in [
            ("", "must begin with https://"),
            ("http://a.example/", "must begin with https://"),
            ("ftp://a.example/", "must begin with https://"),
            ("https:a.example", "must begin with https://"),
            ("https://", "must name a host"),
            ("https:///path", "must name a host"),
            ("https://:8443/", "must name a host"),
            (
                "https://user:pw@a.example/",
                "must not contain a user name or password; use bearer_token or custom_headers",
            ),
            (
                "https://@a.example/",
                "must not contain a user name or password; use bearer_token or custom_headers",
            ),
            ("https://a.example/#", "must not contain a fragment (#)"),
            ("https://a.example:0/", "must not have port 0"),
            (
                "https://a.example./",
                "must not have a host that ends with a dot",
            ),
            ("https://a.example:99999/", "must be a valid URL"),
            (
                " https://a.example/",
                "must not contain white space or control characters",
            ),
            (
                "https://a.exa\nmple/",
                "must not contain white space or control characters",
            ),
        ] {
            assert_eq!(Endpoint::parse(url).map(|_| ()), Err(problem), "{url}");
        }
    }

    #[test]
    fn a_name_that_cannot_be_a_host_is_refused() {
        let long = "a".repeat(64);
        let longest = format!("{0}.{0}.{0}.{0}", "a".repeat(63));
        let labels = "must name a host whose parts are 1 to 63 letters, digits and hyphens, with no hyphen at either end";
        for host in [
            "-a.example",
            "a-.example",
            "a..b",
            ".a",
            "a.-",
            "a!b.example",
            "*.example",
            &long,
        ] {
            assert_eq!(
                Endpoint::parse(&format!("https://{host}/")).map(|_| ()),
                Err(labels),
                "{host}"
            );
        }
        let total = "must not have a host of more than 253 characters";
        assert_eq!(
            Endpoint::parse(&format!("https://{longest}/")).map(|_| ()),
            Err(total)
        );
        for host in [
            "a--b.example",
            "xn--bcher-kva.example",
            "a_b.example",
            "127.0.0.1",
            "[::1]",
            "7.example",
            &long[1..],
        ] {
            assert!(
                Endpoint::parse(&format!("https://{host}/")).is_ok(),
                "{host}"
            );
        }
    }

    #[test]
    fn spellings_of_one_url_are_one_endpoint() {
        let id = |url| Endpoint::parse(url).unwrap().id;
        assert_eq!(id("https://A.example:443"), id("HTTPS://a.example/"));
        assert_ne!(id("https://a.example/?a"), id("https://a.example/?b"));
    }

    #[test]
    fn neither_debug_nor_the_shown_form_has_the_query() {
        let endpoint = Endpoint::parse("https://a.example:8443/in?token=t0p").unwrap();
        assert_eq!(endpoint.shown(), "https://a.example:8443/in");
        assert!(!format!("{endpoint:?}").contains("t0p"));
    }
}
