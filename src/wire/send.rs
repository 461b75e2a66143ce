//! One POST to one endpoint, and what it came to. The only file that names the HTTP client.
//!
//! Whatever happens is an [`Outcome`]. Where it cannot be proven that nothing was sent, it is `Unknown`.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{DATE, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::{Body, Certificate, Client, ClientBuilder, Method, Response, StatusCode};
use rustls::CertificateError;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::notification::outcome::{Blocked, NotSent, Outcome, Unknown};
use crate::wire::dns::{self, NoAddress};
use crate::wire::guard::{Guard, Network, Port, Reach, Target};
use crate::wire::request::{Header, HeaderText, Request};
use crate::wire::retry_after;

use departure::{Departure, Outgoing};
use handshake::{HandshakeDone, HandshakeOnly};

mod departure;
mod handshake;

/// The longest that connecting may take: name resolution, TCP and TLS together. Never more than half of the whole limit, so
/// that "nothing left" can be told from "unknown".
const CONNECT_LIMIT: Duration = Duration::from_secs(10);

/// Below the five seconds after which common servers close an idle connection: reusing one that is being closed costs an
/// `Unknown`.
const IDLE_LIMIT: Duration = Duration::from_secs(4);
/// More than a supplier gets at once by default: what finishes together is kept for the next burst.
const IDLE_PER_HOST: usize = 64;

/// How long a wanted reply body may take after its head.
const READ_LIMIT: Duration = Duration::from_secs(2);

/// How much of an unwanted reply body is read, and for how long, so that the connection can be used again.
const DRAIN_BYTES: usize = 64 * 1024;
const DRAIN_LIMIT: Duration = Duration::from_millis(200);

/// What a sender is built from.
pub(crate) struct SendSettings {
    /// Networks that may be dialled although they are not public, or not on port 443.
    pub allowed: Vec<Network>,
    /// Root certificates to trust beside the platform's, each text with at least one.
    pub extra_roots_pem: Vec<Vec<u8>>,
    /// The limit of one POST, from before the name is resolved to the end of the reply.
    pub timeout: Duration,
}

/// A given root is not PEM, or has no certificate in it, or one that is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an extra root is not a PEM certificate")]
pub(crate) struct BadRoots;

/// What came of a POST.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Reply {
    pub outcome: Outcome,
    /// The wait that a 429 or 503 asked for, unclamped.
    pub retry_after: Option<Duration>,
    /// The body of a 2xx, if it was wanted and came whole, within its limits.
    pub body: Option<Vec<u8>>,
    /// From the start of connecting to the status line, or to the failure.
    pub took: Duration,
}

impl Reply {
    /// A reply that is none: no status line came.
    pub(crate) fn of(outcome: Outcome, took: Duration) -> Reply {
        Reply { outcome, retry_after: None, body: None, took }
    }
}

impl fmt::Debug for Reply {
    /// Says that there is a body, not what is in it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Reply { outcome, retry_after, body, took } = self;
        let body = body.as_ref().map(Vec::len);
        f.debug_struct("Reply")
            .field("outcome", outcome)
            .field("retry_after", retry_after)
            .field("body_bytes", &body)
            .field("took", took)
            .finish()
    }
}

/// Sends POSTs under the guard's policy. Keeps connections, so there is one for many endpoints.
pub(crate) struct Sender {
    guard: Arc<Guard>,
    resolver: Resolver,
    roots: Vec<Certificate>,
    timeout: Duration,
    /// Two clients, because the resolver's hook is told the name and not the port.
    public: Mutex<Option<Client>>,
    listed: Mutex<Option<Client>>,
}

impl Sender {
    /// A sender that resolves names by the system. Needs no root certificates yet.
    pub(crate) fn new(settings: SendSettings) -> Result<Sender, BadRoots> {
        Sender::with_resolver(settings, Arc::new(|name| Box::pin(async move { dns::lookup(&name).await })))
    }

    fn with_resolver(settings: SendSettings, resolver: Resolver) -> Result<Sender, BadRoots> {
        let mut roots = Vec::new();
        for pem in &settings.extra_roots_pem {
            roots.extend(certificates(pem)?);
        }
        let guard = Arc::new(Guard::new(settings.allowed));
        let (public, listed) = Default::default();
        Ok(Sender { guard, resolver, roots, timeout: settings.timeout, public, listed })
    }

    /// Makes one POST. `may_send` is asked once, after everything here that waits on others, right before the request is
    /// handed over; on `false` nothing is sent and there is no reply. Connecting comes after it and counts against the limit.
    ///
    /// When `cut` is cancelled the reply comes at once, with what is known by then: not sent, if nothing has left; the
    /// status, if it has arrived; else unknown.
    pub(crate) async fn send(
        &self,
        request: Request,
        may_send: impl FnOnce() -> bool,
        cut: &CancellationToken,
    ) -> Option<Reply> {
        let Request { url, headers, body, reply_limit } = request;
        let client = match self.judge(&url).and_then(|port| self.client(port)) {
            Ok(client) => client,
            Err(outcome) => return Some(Reply::of(outcome, Duration::ZERO)),
        };
        let mut post = reqwest::Request::new(Method::POST, url);
        for header in &headers {
            let Some((name, value)) = encoded(header) else {
                return Some(Reply::of(UNSENDABLE, Duration::ZERO));
            };
            post.headers_mut().append(name, value);
        }
        let departure = Departure::default();
        *post.body_mut() = Some(Body::wrap(Outgoing::new(Bytes::from_owner(body.shared()), &departure)));
        if !may_send() {
            return None;
        }
        let started = Instant::now();
        let executed = tokio::select! {
            biased;
            executed = client.execute(post) => executed,
            () = cut.cancelled() => {
                let outcome = if departure.call_off() { CALLED_OFF } else { INTERRUPTED };
                return Some(Reply::of(outcome, started.elapsed()));
            }
        };
        let took = started.elapsed();
        let response = match executed {
            Ok(response) => response,
            Err(error) => return Some(Reply::of(classify(&error), took)),
        };
        let (code, accepted) = (response.status().as_u16(), response.status().is_success());
        let retry_after = asked_to_wait(&response);
        if !accepted {
            drain(response);
            return Some(Reply { outcome: Outcome::Rejected { status: code }, retry_after, body: None, took });
        }
        // From here on nothing can undo the acceptance.
        let body = match reply_limit {
            Some(limit) => tokio::select! {
                biased;
                body = tokio::time::timeout(READ_LIMIT, read(response, limit)) => body.ok().flatten(),
                () = cut.cancelled() => None,
            },
            None => {
                drain(response);
                None
            }
        };
        Some(Reply { outcome: Outcome::Accepted { status: code }, retry_after, body, took })
    }

    /// Goes as far as a POST would go without sending anything: guard, name resolution, TCP and the whole TLS handshake. The
    /// outcome of a failure is `Blocked` or `NotSent`.
    pub(crate) async fn check_url(&self, url: &Url) -> Result<(), Outcome> {
        let port = self.judge(url)?;
        let client = self.builder(port).connector_layer(HandshakeOnly).build().map_err(|_| NO_ROOTS)?;
        match client.execute(reqwest::Request::new(Method::GET, url.clone())).await {
            Err(error) if find::<HandshakeDone>(&error).is_some() => Ok(()),
            Err(error) => Err(classify(&error)),
            // Cannot be: this client's connector never hands over a connection.
            Ok(_) => Ok(()),
        }
    }

    /// Which of the two clients a URL takes.
    fn judge(&self, url: &Url) -> Result<Port, Outcome> {
        match self.guard.judge_url(url) {
            Ok(Target::Name { reach: Reach::Public }) => Ok(Port::Https),
            // A literal never reaches the resolver's hook: it has been judged now.
            Ok(Target::Name { reach: Reach::Listed(_) } | Target::Literal(_) | Target::Loopback(_)) => Ok(Port::Other),
            Err(why) => Err(Outcome::Blocked { why }),
        }
    }

    /// Built when it is first needed. A failure is not kept: the next attempt looks for the machine's roots again.
    fn client(&self, port: Port) -> Result<Client, Outcome> {
        let cell = match port {
            Port::Https => &self.public,
            Port::Other => &self.listed,
        };
        // Written by one assignment, so a poisoned lock means nothing.
        let mut cell = cell.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = &*cell {
            return Ok(client.clone());
        }
        let built = self.builder(port).build().map_err(|_| NO_ROOTS)?;
        Ok(cell.insert(built).clone())
    }

    /// Every default that could send something elsewhere, twice, or in another form is switched off by name: features are
    /// additive, so anybody else in the binary may have compiled it in.
    fn builder(&self, port: Port) -> ClientBuilder {
        let hook = Hook { guard: Arc::clone(&self.guard), port, resolver: Arc::clone(&self.resolver) };
        Client::builder()
            .tls_backend_rustls()
            .tls_version_min(reqwest::tls::Version::TLS_1_2)
            .tls_certs_merge(self.roots.iter().cloned())
            .https_only(true)
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .no_gzip()
            .no_brotli()
            .no_zstd()
            .no_deflate()
            .no_hickory_dns()
            .dns_resolver(hook)
            .connect_timeout(CONNECT_LIMIT.min(self.timeout / 2))
            .timeout(self.timeout)
            .pool_max_idle_per_host(IDLE_PER_HOST)
            .pool_idle_timeout(IDLE_LIMIT)
    }
}

/// The one way in which building a client can fail: the given roots have been read before, and without them the platform
/// must have some.
const NO_ROOTS: Outcome = Outcome::NotSent { why: NotSent::NoTrustRoots };

/// The client refused to take the request. Configuration has been parsed, so this is not expected of anything.
const UNSENDABLE: Outcome = Outcome::NotSent { why: NotSent::Unreachable };

const CALLED_OFF: Outcome = Outcome::NotSent { why: NotSent::Interrupted };
const INTERRUPTED: Outcome = Outcome::Unknown { why: Unknown::Interrupted };

fn certificates(pem: &[u8]) -> Result<Vec<Certificate>, BadRoots> {
    let mut found = Vec::new();
    for der in CertificateDer::pem_slice_iter(pem) {
        let der = der.map_err(|_| BadRoots)?;
        found.push(Certificate::from_der(&der).map_err(|_| BadRoots)?);
        // Now rather than when the client is built, where it could not be told from a machine without roots.
        rustls::RootCertStore::empty().add(der).map_err(|_| BadRoots)?;
    }
    if found.is_empty() { Err(BadRoots) } else { Ok(found) }
}

fn encoded(header: &Header) -> Option<(HeaderName, HeaderValue)> {
    let name = HeaderName::from_bytes(header.name.as_bytes()).ok()?;
    let value = match &header.value {
        HeaderText::Plain(text) => HeaderValue::from_str(text).ok()?,
        HeaderText::Secret(secret) => {
            let mut value = HeaderValue::from_str(secret.expose()).ok()?;
            value.set_sensitive(true);
            value
        }
    };
    Some((name, value))
}

fn asked_to_wait(response: &Response) -> Option<Duration> {
    if !matches!(response.status(), StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
        return None;
    }
    let headers = response.headers();
    let values: Vec<&str> = headers.get_all(RETRY_AFTER).iter().filter_map(|value| value.to_str().ok()).collect();
    retry_after::parse(&values, headers.get(DATE).and_then(|value| value.to_str().ok()))
}

/// The body if it comes whole and is no longer than `limit`.
async fn read(mut response: Response, limit: usize) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.ok()? {
        if chunk.len() > limit - body.len() {
            return None;
        }
        body.extend_from_slice(&chunk);
    }
    Some(body)
}

/// Reads on for a little, so that the connection can be used again; what takes longer is dropped with its connection. In a
/// task of its own: neither the reply nor a shutdown waits for it.
fn drain(mut response: Response) {
    if response.content_length() == Some(0) {
        return;
    }
    let rest = async move {
        let mut left = DRAIN_BYTES;
        while let Ok(Some(chunk)) = response.chunk().await {
            match left.checked_sub(chunk.len()) {
                Some(less) => left = less,
                None => break,
            }
        }
    };
    // Whether it was drained in time does not matter.
    tokio::spawn(tokio::time::timeout(DRAIN_LIMIT, rest));
}

// Name resolution under the guard.

type Looking = Pin<Box<dyn Future<Output = Result<Vec<IpAddr>, NoAddress>> + Send>>;
type Resolver = Arc<dyn Fn(String) -> Looking + Send + Sync>;

/// Resolves once and hands over vetted addresses only, so there is no gap between the check and the dialling.
struct Hook {
    guard: Arc<Guard>,
    port: Port,
    resolver: Resolver,
}

impl Resolve for Hook {
    fn resolve(&self, name: Name) -> Resolving {
        let name = name.as_str().to_owned();
        let (guard, port, resolver) = (Arc::clone(&self.guard), self.port, Arc::clone(&self.resolver));
        Box::pin(async move {
            let answers = match guard.judge_name(&name, port).map_err(Refusal)? {
                Target::Loopback(addresses) => addresses,
                // No name is one, but it would be vetted.
                Target::Literal(address) => vec![address],
                Target::Name { reach } => {
                    let answers = resolver(name).await?;
                    guard.judge_answers(reach, &answers).map_err(Refusal)?;
                    answers
                }
            };
            // Port 0 stands for the port of the URL.
            Ok(Box::new(answers.into_iter().map(|ip| SocketAddr::new(ip, 0))) as Addrs)
        })
    }
}

/// The guard's refusal, on its way through the client's errors.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Refusal(Blocked);

// What an error of the client proves.

fn classify(error: &reqwest::Error) -> Outcome {
    if let Some(Refusal(why)) = find(error) {
        return Outcome::Blocked { why: *why };
    }
    if error.is_builder() {
        return UNSENDABLE;
    }
    if error.is_connect() {
        return Outcome::NotSent { why: not_connected(error) };
    }
    if error.is_timeout() {
        return Outcome::Unknown { why: Unknown::TimedOut };
    }
    if let Some(h2) = find::<h2::Error>(error) {
        // RFC 9113, section 8.7: the one code that guarantees that nothing was processed. It must have come from the peer.
        if h2.is_remote() && h2.is_reset() && h2.reason() == Some(h2::Reason::REFUSED_STREAM) {
            return Outcome::NotSent { why: NotSent::StreamRefused };
        }
        let why = if h2.is_library() { Unknown::BadReply } else { Unknown::ConnectionLost };
        return Outcome::Unknown { why };
    }
    let bad = find::<hyper::Error>(error).is_some_and(hyper::Error::is_parse);
    Outcome::Unknown { why: if bad { Unknown::BadReply } else { Unknown::ConnectionLost } }
}

fn not_connected(error: &reqwest::Error) -> NotSent {
    if error.is_dns() {
        return NotSent::Dns;
    }
    if let Some(tls) = find::<rustls::Error>(error) {
        return match tls {
            rustls::Error::InvalidCertificate(objection) => certificate(objection),
            _ => NotSent::Tls,
        };
    }
    if error.is_timeout() {
        return NotSent::ConnectTimeout;
    }
    // The TLS connector wraps what went wrong below it once more; the TCP connector does not.
    let wrapped = chain(error)
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|outer| outer.get_ref().is_some_and(|inner| inner.is::<io::Error>()));
    match find::<io::Error>(error).map(io::Error::kind) {
        _ if wrapped => NotSent::Tls,
        Some(io::ErrorKind::ConnectionRefused) => NotSent::Refused,
        _ => NotSent::Unreachable,
    }
}

fn certificate(objection: &CertificateError) -> NotSent {
    match objection {
        CertificateError::Expired
        | CertificateError::ExpiredContext { .. }
        | CertificateError::NotValidYet
        | CertificateError::NotValidYetContext { .. } => NotSent::CertificateExpired,
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => NotSent::CertificateName,
        _ => NotSent::CertificateUntrusted,
    }
}

fn find<E: StdError + 'static>(error: &reqwest::Error) -> Option<&E> {
    chain(error).find_map(|cause| cause.downcast_ref())
}

fn chain(error: &reqwest::Error) -> impl Iterator<Item = &(dyn StdError + 'static)> {
    let first: &(dyn StdError + 'static) = error;
    std::iter::successors(Some(first), cause)
}

/// `source()` of an `io::Error` skips the very error that it carries, so this looks inside.
fn cause<'a>(error: &&'a (dyn StdError + 'static)) -> Option<&'a (dyn StdError + 'static)> {
    // Not by auto-deref: a reference to an error is an error as well.
    let error: &'a (dyn StdError + 'static) = *error;
    match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(inside) => Some(inside),
        None => error.source(),
    }
}

#[cfg(test)]
mod tests;
