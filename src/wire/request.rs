//! What goes over the wire for one attempt. Pure: supplier, endpoint, event and time in, headers and body out.

use std::borrow::Cow;
use std::fmt;

use serde_json::value::RawValue;
use url::{Position, Url};

use crate::event::{Body, EventId, EventKind};
use crate::supplier::signing::{NoValidKey, signatures};
use crate::supplier::{Endpoint, Supplier};
use crate::value::json;
use crate::value::secret::Secret;
use crate::value::time::Timestamp;
use crate::value::visible::is_visible;
use crate::wire::kept_reply;

/// Bytes of a 2xx reply that are read for a reference.
pub(crate) const REPLY_LIMIT: usize = 64 * 1024;

/// How many headers a request has at most, without those of its supplier.
const HEADERS: usize = 9;

/// One POST, ready to be sent.
#[derive(Clone)]
pub(crate) struct Request {
    pub(crate) url: Url,
    pub(crate) headers: Vec<Header>,
    pub(crate) body: Body,
    /// How much of a 2xx reply is wanted.
    pub(crate) reply_limit: Option<usize>,
    /// How much of any other reply is wanted.
    pub(crate) rejection_limit: Option<usize>,
}

impl fmt::Debug for Request {
    /// Without the query, which may have a key in it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Request {
            url,
            headers,
            body,
            reply_limit,
            rejection_limit,
        } = self;
        f.debug_struct("Request")
            .field("endpoint", &&url[Position::BeforeHost..Position::AfterPath])
            .field("headers", headers)
            .field("body", body)
            .field("reply_limit", reply_limit)
            .field("rejection_limit", rejection_limit)
            .finish()
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Header {
    pub(crate) name: Cow<'static, str>,
    pub(crate) value: HeaderText,
}

/// The value of a header: what may be seen, and what may not.
#[derive(Clone, Debug)]
pub(crate) enum HeaderText {
    Fixed(&'static str),
    Plain(String),
    Secret(Secret),
}

/// What of a notification is needed for a request.
pub(crate) struct Telling<'a> {
    pub(crate) event_id: &'a EventId,
    pub(crate) kind: &'a EventKind,
    pub(crate) body: &'a Body,
    pub(crate) user_agent: &'a str,
    pub(crate) traceparent: Option<&'a str>,
}

/// The request of one attempt; `at` is the node's wall clock.
///
/// It is an error, and never an unsigned request, when the supplier has signing keys and none of them is valid.
pub(crate) fn request(
    supplier: &Supplier,
    endpoint: &Endpoint,
    telling: &Telling<'_>,
    at: Timestamp,
) -> Result<Request, NoValidKey> {
    let mut headers = Vec::with_capacity(HEADERS + supplier.custom_headers().len());
    headers.extend([
        fixed("content-type", "application/json"),
        // A reply is read for a reference: it has to come in a form that needs no decoding.
        fixed("accept-encoding", "identity"),
        plain("user-agent", telling.user_agent),
        plain("webhook-id", telling.event_id.as_str()),
        plain("webhook-event", telling.kind.as_str()),
        plain(
            "webhook-timestamp",
            at.as_micros().div_euclid(1_000_000).to_string(),
        ),
    ]);
    if let Some(signature) = signatures(
        supplier.signing_keys(),
        telling.event_id.as_str(),
        at,
        telling.body.as_bytes(),
    )? {
        headers.push(plain("webhook-signature", signature));
    }
    if let Some(traceparent) = telling.traceparent {
        headers.push(plain("traceparent", traceparent));
    }
    if let Some(token) = supplier.bearer_token() {
        headers.push(secret(
            "authorization",
            Secret::new(format!("Bearer {}", token.expose())),
        ));
    }
    headers.extend(supplier.custom_headers().iter().map(|header| Header {
        name: Cow::Owned(header.name().to_owned()),
        value: HeaderText::Secret(header.value().clone()),
    }));
    Ok(Request {
        url: endpoint.url().clone(),
        headers,
        body: telling.body.clone(),
        reply_limit: supplier.reference_pointer().map(|_| REPLY_LIMIT),
        rejection_limit: kept_reply::limit(supplier),
    })
}

/// The supplier's own reference out of the body of a 2xx reply. When the body has none that can be used, the log says why.
pub(crate) fn reference(supplier: &Supplier, reply: Option<&[u8]>) -> Option<String> {
    let pointer = supplier.reference_pointer()?;
    let warn = |why| tracing::warn!(supplier = %supplier.id(), pointer, why, "the reply has no reference that can be used");
    find_reference(pointer, reply?)
        .inspect_err(|why| warn(*why))
        .ok()
}

/// The text or the number, digit by digit, that a pointer leads to: 1 to 200 characters, all of them visible.
fn find_reference(pointer: &str, reply: &[u8]) -> Result<String, &'static str> {
    // Not strict: what a supplier answers is not ours to judge.
    let reply = reply.strip_prefix(b"\xef\xbb\xbf").unwrap_or(reply);
    let raw: &RawValue = serde_json::from_slice(reply).map_err(|_| "the reply is not JSON")?;
    let raw = json::pointed(raw, pointer).ok_or("there is nothing at the pointer")?;
    let text = match (json::number(raw), json::string(raw)) {
        (Some(digits), _) => digits.to_owned(),
        (None, Some(text)) => text.trim().to_owned(),
        (None, None) => return Err("it is neither a text nor a number"),
    };
    match text.chars().count() {
        0 => Err("it is empty"),
        201.. => Err("it has more than 200 characters"),
        _ if !text.chars().all(is_visible) => Err("it has characters that cannot be seen"),
        _ => Ok(text),
    }
}

fn fixed(name: &'static str, value: &'static str) -> Header {
    Header {
        name: Cow::Borrowed(name),
        value: HeaderText::Fixed(value),
    }
}

fn plain(name: &'static str, value: impl Into<String>) -> Header {
    Header {
        name: Cow::Borrowed(name),
        value: HeaderText::Plain(value.into()),
    }
}

fn secret(name: &'static str, value: Secret) -> Header {
    Header {
        name: Cow::Borrowed(name),
        value: HeaderText::Secret(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::names::SupplierId;

    fn pointing(pointer: &str) -> Supplier {
        let builder =
            Supplier::builder(SupplierId::new("a").unwrap()).endpoint("https://a.example/");
        builder.reference_pointer(pointer).build().unwrap()
    }

    #[test]
    fn a_reference_has_the_digits_that_were_written() {
        let found = |reply: &str| reference(&pointing("/id"), Some(reply.as_bytes()));
        for digits in ["123456789012345678901234567890", "1.50", "-0", "1e400"] {
            assert_eq!(
                found(&format!("{{\"id\": {digits}}}")).as_deref(),
                Some(digits)
            );
        }
        assert_eq!(
            found("\u{feff}{\"id\": 7}").as_deref(),
            Some("7"),
            "after a byte order mark"
        );
    }

    #[test]
    fn why_there_is_no_reference_can_be_told() {
        let why = |reply: &[u8]| find_reference("/id", reply).unwrap_err();
        assert_eq!(why(b"<html>"), "the reply is not JSON");
        assert_eq!(why(b"{}"), "there is nothing at the pointer");
        assert_eq!(why(br#"{"id": {}}"#), "it is neither a text nor a number");
        assert_eq!(why(br#"{"id": " "}"#), "it is empty");
        assert_eq!(
            why("{\"id\": \"a\u{202e}b\"}".as_bytes()),
            "it has characters that cannot be seen"
        );
    }

    #[test]
    fn a_reference_is_a_short_visible_text_or_a_number() {
        let found = |reply: &str| reference(&pointing("/data/id"), Some(reply.as_bytes()));
        assert_eq!(
            found(r#"{"data":{"id":"NB-17"}}"#).as_deref(),
            Some("NB-17")
        );
        assert_eq!(found(r#"{"data":{"id":17}}"#).as_deref(), Some("17"));
        let long = format!(r#"{{"data":{{"id":"{}"}}}}"#, "x".repeat(201));
        for none in [
            r#"{"data":{"id":""}}"#,
            r#"{"data":{"id":"a\nb"}}"#,
            "{\"data\":{\"id\":\"a\u{200b}b\"}}",
            r#"{"data":{"id":{}}}"#,
            "{}",
            "",
            &long,
        ] {
            assert_eq!(found(none), None, "{none}");
        }
    }

    #[test]
    fn debug_of_a_request_shows_neither_query_nor_token_nor_header_value_nor_body() {
        let supplier = Supplier::builder(SupplierId::new("a").unwrap())
            .endpoint("https://a.example/hook?key=s3cr3t-query")
            .bearer_token("s3cr3t-token")
            .custom_header("x-key", "s3cr3t-key")
            .build()
            .unwrap();
        let (event_id, body) = (
            EventId::from_stored("msg_1").unwrap(),
            Body::new(*b"s3cr3t-body"),
        );
        let telling = Telling {
            event_id: &event_id,
            kind: &EventKind::OrderCreated,
            body: &body,
            user_agent: "orderhook",
            traceparent: None,
        };
        let request = request(
            &supplier,
            &supplier.endpoints()[0],
            &telling,
            Timestamp::from_micros(0),
        )
        .unwrap();
        assert!(!format!("{request:?}").contains("s3cr3t"));
    }
}
