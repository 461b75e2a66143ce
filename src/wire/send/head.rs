//! The head of the request, and what is read of the head of the reply.

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
    headers: &[Header],
    body: Outgoing,
) -> Option<(Host, hyper::Request<Outgoing>)> {
    let "https" = url.scheme() else { return None };
    let host = (url.host_str()?.to_owned(), url.port_or_known_default()?);
    let mut post = hyper::Request::new(body);
    *post.method_mut() = Method::POST;
    *post.uri_mut() = url[Position::BeforePath..Position::AfterQuery]
        .parse()
        .ok()?;
    let named = match url.port() {
        Some(port) => format!("{}:{port}", host.0),
        None => host.0.clone(),
    };
    post.headers_mut()
        .insert(header::HOST, HeaderValue::from_str(&named).ok()?);
    for header in headers {
        let name = HeaderName::from_bytes(header.name.as_bytes()).ok()?;
        let value = match &header.value {
            HeaderText::Plain(text) => HeaderValue::from_str(text).ok()?,
            HeaderText::Secret(secret) => sensitive(secret)?,
        };
        post.headers_mut().append(name, value);
    }
    post.headers_mut()
        .entry(header::ACCEPT)
        .or_insert(HeaderValue::from_static("*/*"));
    Some((host, post))
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
