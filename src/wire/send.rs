//! One POST to one endpoint, and what it came to. Only this file and its folder name the HTTP and TLS libraries.
//!
//! Whatever happens is an [`Outcome`]. Where it cannot be proven that nothing was sent, it is `Unknown`; what each error of
//! the client proves stands in `proof`.

use std::fmt;
use std::future::poll_fn;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::Response;
use hyper::body::Incoming;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::notification::outcome::{NotSent, Outcome, Unknown};
use crate::value::clock::Moment;
use crate::value::network::Network;
use crate::value::time::Timestamp;
use crate::wire::descriptors;
use crate::wire::dns;
use crate::wire::guard::Guard;
use crate::wire::request::Request;

use connect::{Connector, Purpose, Resolver};
use connection::{Broken, Connection};
use departure::{Departure, Outgoing};
use head::{asked_to_wait, encoded};
use identity::Identity;
use pool::{Host, Pool};

pub(crate) use identity::ClientCertificate;

mod connect;
mod connection;
mod departure;
mod head;
mod identity;
mod pool;
mod proof;
mod validity;

/// The longest that connecting may take: name resolution, TCP and TLS together. Never more than half of the whole limit, so
/// that "nothing left" can be distinguished from "unknown".
const CONNECT_LIMIT: Duration = Duration::from_secs(10);

/// How long a wanted reply body may take after its head.
const READ_LIMIT: Duration = Duration::from_secs(2);

/// How many turns of the runtime a reply waits for the rest of a body that has arrived: the connection's own task has to
/// hand it over.
const TURNS: usize = 4;

/// What a sender is built from.
pub(crate) struct SendSettings {
    /// Networks that may be dialled although they are not public, or not on port 443.
    pub allowed: Vec<Network>,
    /// Root certificates to trust beside the platform's, each text with at least one.
    pub extra_roots_pem: Vec<Vec<u8>>,
    /// What this client presents to servers that ask for a certificate.
    pub client_certificate: Option<ClientCertificate>,
    /// The limit of one POST, from before the name is resolved to the end of the reply.
    pub timeout: Duration,
}

/// Why a sender could not be built.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadSettings {
    /// A given root is not PEM, or has no certificate in it, or one that is broken.
    #[error("an extra root is not a PEM certificate")]
    Roots,
    /// The client certificate cannot be used, for this reason.
    #[error("{0}")]
    ClientCertificate(&'static str),
}

/// What came of a POST.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Reply {
    pub outcome: Outcome,
    /// The wait that a 429 or 503 asked for, unclamped.
    pub retry_after: Option<Duration>,
    /// The body of a 2xx, if it was wanted and came whole, within its limits.
    pub body: Option<Vec<u8>>,
    /// The beginning of the body of any other reply, if it was wanted and something came.
    pub rejection: Option<Vec<u8>>,
    /// From the start of connecting to the status line, or to the failure.
    pub took: Duration,
}

impl Reply {
    /// A reply that is none: no status line came.
    pub(crate) fn of(outcome: Outcome, took: Duration) -> Reply {
        Reply {
            outcome,
            retry_after: None,
            body: None,
            rejection: None,
            took,
        }
    }
}

impl fmt::Debug for Reply {
    /// Says that there is a body, not what is in it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Reply {
            outcome,
            retry_after,
            body,
            rejection,
            took,
        } = self;
        let body = body.as_ref().or(rejection.as_ref()).map(Vec::len);
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
    connector: Connector,
    pool: Arc<Pool>,
    timeout: Duration,
}

/// What a check found at an endpoint that can be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reached {
    /// The last moment at which the server's certificate is valid, if it can be read.
    pub(crate) certificate_until: Option<Timestamp>,
}

impl Sender {
    /// A sender that resolves names by the system. Needs no root certificates yet.
    pub(crate) fn new(settings: SendSettings) -> Result<Sender, BadSettings> {
        Sender::with_resolver(
            settings,
            Arc::new(|name| Box::pin(async move { dns::lookup(&name).await })),
        )
    }

    fn with_resolver(settings: SendSettings, resolver: Resolver) -> Result<Sender, BadSettings> {
        let mut roots = Vec::new();
        for pem in &settings.extra_roots_pem {
            roots.extend(certificates(pem).ok_or(BadSettings::Roots)?);
        }
        // The application's own, if it has set one.
        let provider = CryptoProvider::get_default().cloned();
        let provider =
            provider.unwrap_or_else(|| Arc::new(rustls::crypto::aws_lc_rs::default_provider()));
        let identity = Identity::new(settings.client_certificate, &provider)
            .map_err(|problem| BadSettings::ClientCertificate(problem.0))?;
        let connector = Connector {
            guard: Guard::new(settings.allowed),
            resolver,
            limit: CONNECT_LIMIT.min(settings.timeout / 2),
            roots,
            identity,
            provider,
            trust: Mutex::default(),
        };
        let pool = Pool::new(descriptors::for_idle_connections(), pool::LIFE);
        Ok(Sender {
            connector,
            pool,
            timeout: settings.timeout,
        })
    }

    /// The last moment at which the client certificate is valid that is presented now.
    pub(crate) async fn client_certificate_until(&self) -> Option<Timestamp> {
        self.connector.identity.current().await.until
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
        let Request {
            url,
            headers,
            body,
            reply_limit,
            rejection_limit,
        } = request;
        // Never made here, but a store may hand one back. Its head would leave alone, and unseen by the departure.
        if body.as_bytes().is_empty() {
            return Some(Reply::of(UNSENDABLE, Duration::ZERO));
        }
        // Judged before anything is asked or made; a kept connection is judged like a new one.
        if let Err(why) = self.connector.guard.judge_url(&url) {
            return Some(Reply::of(Outcome::Blocked { why }, Duration::ZERO));
        }
        // The lease is checked below, and for the length of the limit: later than that nothing may leave.
        let departure = Departure::before(Moment::now() + self.timeout);
        let body = Outgoing::new(Bytes::from_owner(body.shared()), &departure);
        let Some((host, post)) = encoded(&url, headers, body) else {
            return Some(Reply::of(UNSENDABLE, Duration::ZERO));
        };
        if !may_send() {
            return None;
        }
        let started = Instant::now();
        let deadline = tokio::time::Instant::from_std(started) + self.timeout;
        let exchanged = tokio::select! {
            biased;
            exchanged = tokio::time::timeout_at(deadline, self.exchange(&url, &host, post)) => exchanged,
            () = cut.cancelled() => {
                let outcome = if departure.call_off() { CALLED_OFF } else { INTERRUPTED };
                return Some(Reply::of(outcome, started.elapsed()));
            }
        };
        let took = started.elapsed();
        let (connection, response) = match exchanged {
            Ok(Ok(exchanged)) => exchanged,
            Ok(Err(Outcome::Unknown { .. })) if departure.call_off() => {
                return Some(Reply::of(TOO_LATE, took));
            }
            Ok(Err(outcome)) => return Some(Reply::of(outcome, took)),
            Err(_) if departure.call_off() => return Some(Reply::of(TOO_LATE, took)),
            Err(_) => return Some(Reply::of(TIMED_OUT, took)),
        };
        let (head, mut body) = response.into_parts();
        let (status, retry_after) = (
            head.status.as_u16(),
            asked_to_wait(head.status, &head.headers),
        );
        let until = deadline.min(tokio::time::Instant::now() + READ_LIMIT);
        if !head.status.is_success() {
            let rejection = beginning(&mut body, rejection_limit, until, cut).await;
            self.recover(host, connection, body).await;
            return Some(Reply {
                outcome: Outcome::Rejected { status },
                retry_after,
                body: None,
                rejection,
                took,
            });
        }
        // From here on nothing can undo the acceptance.
        let wanted = whole(&mut body, reply_limit, until, cut).await;
        if wanted.is_some() || reply_limit.is_none() {
            self.recover(host, connection, body).await;
        }
        Some(Reply {
            outcome: Outcome::Accepted { status },
            retry_after,
            body: wanted,
            rejection: None,
            took,
        })
    }

    /// Goes as far as a POST would go without sending anything: guard, name resolution, TCP and the whole TLS handshake. The
    /// outcome of a failure is `Blocked` or `NotSent`.
    pub(crate) async fn check_url(&self, url: &Url) -> Result<Reached, Outcome> {
        let tls = self.connector.connect(url, Purpose::Check).await?;
        let (_, session) = tls.get_ref();
        let certificate = session.peer_certificates().and_then(|chain| chain.first());
        Ok(Reached {
            certificate_until: certificate.and_then(|certificate| validity::until(certificate)),
        })
    }

    /// Over a kept connection if there is one, else over a new one. A connection that turns out to be closed before it has
    /// taken the request is no attempt.
    async fn exchange(
        &self,
        url: &Url,
        host: &Host,
        mut post: hyper::Request<Outgoing>,
    ) -> Result<(Connection, Response<Incoming>), Outcome> {
        while let Some(mut kept) = self.pool.take(host) {
            match kept.post(post).await {
                Ok(response) => return Ok((kept, response)),
                Err(Broken::Before { unsent, .. }) => post = *unsent,
                Err(broken) => {
                    self.pool.doubt(host);
                    return Err(proof::of_exchange(&broken));
                }
            }
        }
        // Boxed: most exchanges have a connection, and need not carry what making one takes.
        let mut new = Box::pin(self.connect(url)).await?;
        let response = new
            .post(post)
            .await
            .map_err(|broken| proof::of_exchange(&broken))?;
        Ok((new, response))
    }

    async fn connect(&self, url: &Url) -> Result<Connection, Outcome> {
        let stream = match self.connector.connect(url, Purpose::Post).await {
            Err(Outcome::NotSent {
                why: NotSent::NoDescriptor,
            }) => {
                tracing::warn!(
                    "this process has no file descriptor left; idle connections are closed"
                );
                self.pool.clear();
                self.connector.connect(url, Purpose::Post).await?
            }
            connected => connected?,
        };
        Connection::over(stream).await.map_err(|_| UNSENDABLE)
    }

    /// Makes a connection ready for the next exchange. What of its reply is there already is read now, so that an exchange
    /// that begins at once finds it; the rest in a task of its own: neither the reply nor a shutdown waits for a peer.
    async fn recover(&self, host: Host, connection: Connection, body: Incoming) {
        let Some(place) = self.pool.place() else {
            return;
        };
        let mut recovering = Box::pin(async move {
            if let Some(connection) = connection.recover(body).await {
                place.keep(host, connection);
            }
        });
        for _ in 0..TURNS {
            if poll_fn(|context| Poll::Ready(recovering.as_mut().poll(context).is_ready())).await {
                return;
            }
            tokio::task::yield_now().await;
        }
        tokio::spawn(recovering);
    }
}

/// The body of an acceptance, if it is wanted and comes whole in time.
async fn whole(
    body: &mut Incoming,
    limit: Option<usize>,
    until: tokio::time::Instant,
    cut: &CancellationToken,
) -> Option<Vec<u8>> {
    tokio::select! {
        biased;
        read = tokio::time::timeout_at(until, connection::read(body, limit?)) => read.ok().flatten(),
        () = cut.cancelled() => None,
    }
}

/// The beginning of the body of a rejection, if it is wanted: as much as comes in time.
async fn beginning(
    body: &mut Incoming,
    limit: Option<usize>,
    until: tokio::time::Instant,
    cut: &CancellationToken,
) -> Option<Vec<u8>> {
    let mut beginning = Vec::new();
    tokio::select! {
        biased;
        _ = tokio::time::timeout_at(until, connection::read_start(body, limit?, &mut beginning)) => {}
        () = cut.cancelled() => {}
    }
    Some(beginning)
}

/// The client refused to take the request. Configuration has been parsed, so this is not expected of anything.
const UNSENDABLE: Outcome = Outcome::NotSent {
    why: NotSent::Unreachable,
};
const CALLED_OFF: Outcome = Outcome::NotSent {
    why: NotSent::Interrupted,
};
const INTERRUPTED: Outcome = Outcome::Unknown {
    why: Unknown::Interrupted,
};
const TOO_LATE: Outcome = Outcome::NotSent {
    why: NotSent::ConnectTimeout,
};
const TIMED_OUT: Outcome = Outcome::Unknown {
    why: Unknown::TimedOut,
};

fn certificates(pem: &[u8]) -> Option<Vec<CertificateDer<'static>>> {
    let mut found = Vec::new();
    for der in CertificateDer::pem_slice_iter(pem) {
        let der = der.ok()?;
        // Now rather than when it is first needed, where it could not be distinguished from a machine without roots.
        rustls::RootCertStore::empty().add(der.clone()).ok()?;
        found.push(der);
    }
    (!found.is_empty()).then_some(found)
}

#[cfg(test)]
mod tests;
