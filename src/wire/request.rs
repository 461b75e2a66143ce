//! What goes over the wire for one attempt. Pure: supplier, endpoint, event and time in, headers and body out.

use url::Url;

use crate::event::{Body, EventId};
use crate::supplier::signing::{NoValidKey, signatures};
use crate::supplier::{Endpoint, Supplier};
use crate::value::secret::Secret;
use crate::value::time::Timestamp;

/// Bytes of a 2xx reply that are read for a reference.
pub(crate) const REPLY_LIMIT: usize = 64 * 1024;

/// One POST, ready to be sent.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) url: Url,
    pub(crate) headers: Vec<Header>,
    pub(crate) body: Body,
    /// How much of a 2xx reply is wanted.
    pub(crate) reply_limit: Option<usize>,
}

#[derive(Clone, Debug)]
pub(crate) struct Header {
    pub(crate) name: String,
    pub(crate) value: HeaderText,
}

/// The value of a header: what may be seen, and what may not.
#[derive(Clone, Debug)]
pub(crate) enum HeaderText {
    Plain(String),
    Secret(Secret),
}

/// What of a notification is needed for a request.
pub(crate) struct Telling<'a> {
    pub(crate) event_id: &'a EventId,
    pub(crate) body: &'a Body,
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
    let mut headers = vec![
        plain("content-type", "application/json"),
        plain("user-agent", concat!("orderhook/", env!("CARGO_PKG_VERSION"))),
        plain("webhook-id", telling.event_id.as_str()),
        plain("webhook-timestamp", at.as_micros().div_euclid(1_000_000).to_string()),
    ];
    if let Some(signature) = signatures(supplier.signing_keys(), telling.event_id.as_str(), at, telling.body)? {
        headers.push(plain("webhook-signature", signature));
    }
    if let Some(traceparent) = telling.traceparent {
        headers.push(plain("traceparent", traceparent));
    }
    if let Some(token) = supplier.bearer_token() {
        headers.push(secret("authorization", Secret::new(format!("Bearer {}", token.expose()))));
    }
    headers.extend(supplier.custom_headers().iter().map(|header| secret(header.name(), header.value().clone())));
    Ok(Request {
        url: endpoint.url().clone(),
        headers,
        body: telling.body.clone(),
        reply_limit: supplier.reference_pointer().map(|_| REPLY_LIMIT),
    })
}

/// The supplier's own reference out of the body of a 2xx reply: a text or a number, at most 200 visible characters.
pub(crate) fn reference(supplier: &Supplier, reply: Option<&[u8]>) -> Option<String> {
    let reply: serde_json::Value = serde_json::from_slice(reply?).ok()?;
    let text = match reply.pointer(supplier.reference_pointer()?)? {
        serde_json::Value::String(text) => text.trim().to_owned(),
        serde_json::Value::Number(number) => number.to_string(),
        _ => return None,
    };
    let visible = !text.chars().any(char::is_control);
    (!text.is_empty() && visible && text.chars().count() <= 200).then_some(text)
}

fn plain(name: &str, value: impl Into<String>) -> Header {
    Header { name: name.to_owned(), value: HeaderText::Plain(value.into()) }
}

fn secret(name: &str, value: Secret) -> Header {
    Header { name: name.to_owned(), value: HeaderText::Secret(value) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::names::SupplierId;

    fn pointing(pointer: &str) -> Supplier {
        let builder = Supplier::builder(SupplierId::new("a").unwrap()).endpoint("https://a.example/");
        builder.reference_pointer(pointer).build().unwrap()
    }

    #[test]
    fn a_reference_is_a_short_visible_text_or_a_number() {
        let found = |reply: &str| reference(&pointing("/data/id"), Some(reply.as_bytes()));
        assert_eq!(found(r#"{"data":{"id":"NB-17"}}"#).as_deref(), Some("NB-17"));
        assert_eq!(found(r#"{"data":{"id":17}}"#).as_deref(), Some("17"));
        let long = format!(r#"{{"data":{{"id":"{}"}}}}"#, "x".repeat(201));
        for none in [r#"{"data":{"id":""}}"#, r#"{"data":{"id":"a\nb"}}"#, r#"{"data":{"id":{}}}"#, "{}", "", &long] {
            assert_eq!(found(none), None, "{none}");
        }
    }

    #[test]
    fn debug_of_a_request_shows_neither_token_nor_header_value_nor_body() {
        let supplier = Supplier::builder(SupplierId::new("a").unwrap())
            .endpoint("https://a.example/")
            .bearer_token("s3cr3t-token")
            .custom_header("x-key", "s3cr3t-key")
            .build()
            .unwrap();
        let (event_id, body) = (EventId::from_stored("msg_1").unwrap(), Body::new(*b"s3cr3t-body"));
        let telling = Telling { event_id: &event_id, body: &body, traceparent: None };
        let request = request(&supplier, &supplier.endpoints()[0], &telling, Timestamp::from_micros(0)).unwrap();
        assert!(!format!("{request:?}").contains("s3cr3t"));
    }
}
