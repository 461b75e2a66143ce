//! The head of the request, and what is read of the head of the reply.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, StatusCode};
use url::{Position, Url};

use crate::value::secret::Secret;
use crate::wire::request::{Header, HeaderText};
use crate::wire::retry_after;

use super::departure::Outgoing;
use super::pool::Host;

/// The request as HTTP/1.1 has it, and the host that it goes to; `None` for a URL that is not https.
pub(super) fn encoded(
    url: &Url,
    headers: Vec<Header>,
    body: Outgoing,
) -> Option<(Host, hyper::Request<Outgoing>)> {
    let "https" = url.scheme() else { return None };
    let name = url.host_str()?;
    let mut post = hyper::Request::new(body);
    *post.method_mut() = Method::POST;
    *post.uri_mut() = url[Position::BeforePath..Position::AfterQuery]
        .parse()
        .ok()?;
    // Host and accept are not among them.
    let mut map = HeaderMap::with_capacity(headers.len() + 2);
    let named = match url.port() {
        Some(port) => HeaderValue::try_from(format!("{name}:{port}")),
        None => HeaderValue::from_str(name),
    };
    map.insert(header::HOST, named.ok()?);
    for Header { name, value } in headers {
        let name = match name {
            Cow::Borrowed(ours) => HeaderName::from_static(ours),
            Cow::Owned(theirs) => HeaderName::try_from(theirs).ok()?,
        };
        let value = match value {
            HeaderText::Fixed(text) => HeaderValue::from_static(text),
            HeaderText::Plain(text) => HeaderValue::try_from(text).ok()?,
            HeaderText::Secret(secret) => sensitive(&secret)?,
        };
        map.append(name, value);
    }
    map.entry(header::ACCEPT)
        .or_insert(HeaderValue::from_static("*/*"));
    *post.headers_mut() = map;
    Some(((Arc::from(name), url.port_or_known_default()?), post))
}

fn sensitive(secret: &Secret) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(secret.expose()).ok()?;
    value.set_sensitive(true);
    Some(value)
}

pub(super) fn asked_to_wait(status: StatusCode, headers: &HeaderMap) -> Option<Duration> {
    if !matches!(
        status,
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE
    ) {
        return None;
    }
    let values: Vec<&str> = headers
        .get_all(header::RETRY_AFTER)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .collect();
    retry_after::parse(
        &values,
        headers
            .get(header::DATE)
            .and_then(|value| value.to_str().ok()),
    )
}
