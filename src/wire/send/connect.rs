//! How a connection is made: guard, name resolution, TCP and TLS, all within one limit. What is dialled is what was judged.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustls::ClientConfig;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls_platform_verifier::Verifier;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::{AbortHandle, JoinSet};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use url::{Host, Url};

use super::identity::{Asked, Identity, Presenting, watching};
use super::proof;
use crate::notification::outcome::{NotSent, Outcome};
use crate::wire::dns::NoAddress;
use crate::wire::guard::{Guard, Reach, Target};

/// How long one address is tried before the next one is tried beside it (RFC 8305, section 5).
const HEAD_START: Duration = Duration::from_millis(250);
/// How many addresses are tried beside each other: each takes a file descriptor. The oldest is given up for a further one.
const BESIDE: usize = 6;

/// How long a server that asked for a certificate, and got none, may take to refuse the connection. In TLS 1.3 it says so
/// after the handshake; an order that is sent meanwhile would be lost, perhaps without a trace of the reason.
const REFUSAL: Duration = Duration::from_millis(300);
/// The same for a check, which has time, also when a certificate was presented.
const REFUSAL_OF_A_CHECK: Duration = Duration::from_secs(1);

pub(super) type Looking = Pin<Box<dyn Future<Output = Result<Vec<IpAddr>, NoAddress>> + Send>>;
pub(super) type Resolver = Arc<dyn Fn(String) -> Looking + Send + Sync>;

/// What a connection is wanted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Post,
    Check,
}

pub(super) struct Connector {
    pub(super) guard: Guard,
    pub(super) resolver: Resolver,
    /// For name resolution, TCP and the TLS handshake together.
    pub(super) limit: Duration,
    pub(super) roots: Vec<CertificateDer<'static>>,
    pub(super) identity: Arc<Identity>,
    pub(super) provider: Arc<CryptoProvider>,
    pub(super) trust: Mutex<Option<Trust>>,
}

/// The TLS configuration, and the client certificate that it presents. Sessions are resumed under one configuration only.
pub(super) struct Trust {
    config: Arc<ClientConfig>,
    presenting: Arc<Presenting>,
}

impl Connector {
    /// A TLS connection to an endpoint. A failure is `Blocked` or `NotSent`.
    pub(super) async fn connect(
        &self,
        url: &Url,
        purpose: Purpose,
    ) -> Result<TlsStream<TcpStream>, Outcome> {
        let target = self
            .guard
            .judge_url(url)
            .map_err(|why| Outcome::Blocked { why })?;
        let connecting = self.reach(url, target, purpose, Instant::now() + self.limit);
        let within = tokio::time::timeout(self.limit, connecting).await;
        match within.unwrap_or(Err(not_sent(NotSent::ConnectTimeout))) {
            // The system's resolver and the reader of roots do not say so.
            Err(Outcome::NotSent {
                why: NotSent::Dns | NotSent::NoTrustRoots,
            }) if no_descriptor_is_left() => Err(not_sent(NotSent::NoDescriptor)),
            connected => connected,
        }
    }

    async fn reach(
        &self,
        url: &Url,
        target: Target,
        purpose: Purpose,
        until: Instant,
    ) -> Result<TlsStream<TcpStream>, Outcome> {
        // `http` on loopback included: without TLS nothing is sent.
        let (Some(host), Some(port), "https") =
            (url.host(), url.port_or_known_default(), url.scheme())
        else {
            return Err(not_sent(NotSent::Unreachable));
        };
        let config = self.config().await?;
        let addresses = match target {
            Target::Literal(address) => vec![address],
            Target::Loopback(addresses) => addresses,
            Target::Name { reach } => self.resolve(&host, reach).await?,
        };
        let tcp = dial(&addresses, port, until)
            .await
            .map_err(|error| not_sent(proof::of_dialling(&error)))?;
        let name = server_name(host).ok_or(not_sent(NotSent::Unreachable))?;
        let (shaken, asked) = watching(TlsConnector::from(config).connect(name, tcp)).await;
        let mut tls = shaken.map_err(|error| not_sent(proof::of_handshake(&error, asked)))?;
        let wait = match (purpose, asked) {
            (_, Asked::No) | (Purpose::Post, Asked::Answered) => return Ok(tls),
            (Purpose::Post, Asked::InVain) => REFUSAL.min(self.limit / 4),
            (Purpose::Check, _) => REFUSAL_OF_A_CHECK.min(self.limit / 2),
        };
        let mut byte = [0];
        match tokio::time::timeout(wait, tls.read(&mut byte)).await {
            // Patience is over: the certificate was optional.
            Err(_) => Ok(tls),
            // An alert, or the end of the connection, before anything was sent.
            Ok(ended) => Err(not_sent(proof::of_refusal(ended.err().as_ref(), asked))),
        }
    }

    async fn resolve(&self, host: &Host<&str>, reach: Reach) -> Result<Vec<IpAddr>, Outcome> {
        let answers = (self.resolver)(host.to_string())
            .await
            .map_err(|NoAddress| not_sent(NotSent::Dns))?;
        self.guard
            .judge_answers(reach, &answers)
            .map_err(|why| Outcome::Blocked { why })?;
        Ok(answers)
    }

    /// Built when it is first needed, and again when the client certificate was replaced. A failure is not kept: the next
    /// attempt looks for the machine's roots again.
    async fn config(&self) -> Result<Arc<ClientConfig>, Outcome> {
        let presenting = self.identity.current().await;
        // Written by one assignment, so a poisoned lock means nothing.
        let mut trust = self.trust.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(trust) = &*trust
            && Arc::ptr_eq(&trust.presenting, &presenting)
        {
            return Ok(Arc::clone(&trust.config));
        }
        let config = self
            .build(&presenting)
            .ok_or(not_sent(NotSent::NoTrustRoots))?;
        let config = Arc::new(config);
        *trust = Some(Trust {
            config: Arc::clone(&config),
            presenting,
        });
        Ok(config)
    }

    /// The given roots have been read before, so this fails only where the platform has none.
    fn build(&self, presenting: &Arc<Presenting>) -> Option<ClientConfig> {
        let provider = Arc::clone(&self.provider);
        let verifier = if self.roots.is_empty() {
            Verifier::new(Arc::clone(&provider)).ok()?
        } else {
            Verifier::new_with_extra_roots(self.roots.iter().cloned(), Arc::clone(&provider))
                .ok()?
        };
        // Of several files with roots some may not have been read.
        if no_descriptor_is_left() {
            return None;
        }
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
            .ok()?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_client_cert_resolver(Arc::clone(presenting) as _);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Some(config)
    }
}

/// The first address that takes a connection. Each has a head start before the next one, and all get their turn before
/// `until`: half of the time is shared out, so that the last one has the other half to itself.
async fn dial(addresses: &[IpAddr], port: u16, until: Instant) -> io::Result<TcpStream> {
    let number = u32::try_from(addresses.len()).unwrap_or(u32::MAX).max(1);
    let head_start = HEAD_START.min(until.saturating_duration_since(Instant::now()) / 2 / number);
    let (mut trying, mut open) = (JoinSet::new(), VecDeque::new());
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    let mut left = addresses.iter();
    loop {
        if let Some(&address) = left.next() {
            open.retain(|attempt: &AbortHandle| !attempt.is_finished());
            if open.len() >= BESIDE
                && let Some(oldest) = open.pop_front()
            {
                oldest.abort();
            }
            open.push_back(trying.spawn(TcpStream::connect(SocketAddr::new(address, port))));
        }
        let mut pause = pin!(tokio::time::sleep(head_start));
        loop {
            tokio::select! {
                biased;
                tried = trying.join_next() => match tried {
                    Some(Ok(Ok(tcp))) => {
                        // A head and a body that are written apart must not wait for each other.
                        tcp.set_nodelay(true)?;
                        return Ok(tcp);
                    }
                    Some(Ok(Err(error))) => {
                        last = error;
                        break;
                    }
                    // Given up above.
                    Some(Err(_)) => {}
                    None => return Err(last),
                },
                () = &mut pause, if left.len() > 0 => break,
            }
        }
    }
}

fn no_descriptor_is_left() -> bool {
    TcpSocket::new_v4().is_err_and(|error| proof::of_dialling(&error) == NotSent::NoDescriptor)
}

fn server_name(host: Host<&str>) -> Option<ServerName<'static>> {
    Some(match host {
        Host::Domain(name) => ServerName::try_from(name.to_owned()).ok()?,
        Host::Ipv4(address) => ServerName::IpAddress(IpAddr::V4(address).into()),
        Host::Ipv6(address) => ServerName::IpAddress(IpAddr::V6(address).into()),
    })
}

fn not_sent(why: NotSent) -> Outcome {
    Outcome::NotSent { why }
}
