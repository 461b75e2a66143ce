//! Receivers with real TLS that follow a script and record everything, and senders that trust and may dial them.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicUsize, Ordering};

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair,
};
use rustls::ServerConfig;
pub(super) use rustls::pki_types::CertificateDer;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::event::Body;
pub(super) use crate::notification::outcome::Blocked;
use crate::value::secret::Secret;
pub(super) use crate::wire::dns::NoAddress;
use crate::wire::request::{Header, HeaderText};
pub(super) use crate::wire::send::*;
pub(super) use std::net::{IpAddr, SocketAddr};

pub(super) const HOME: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
pub(super) const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

// Certificates.

pub(super) struct Ca(CertifiedIssuer<'static, KeyPair>, CertificateParams);

impl Ca {
    pub(super) fn new() -> Ca {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        static NEXT: AtomicUsize = AtomicUsize::new(1);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        params.distinguished_name.push(
            DnType::CommonName,
            format!("test root {number} of {}", std::process::id()),
        );
        Ca::with(params)
    }

    /// An authority of the same name as this one, with another key.
    pub(super) fn namesake(&self) -> Ca {
        Ca::with(self.1.clone())
    }

    fn with(params: CertificateParams) -> Ca {
        let kept = params.clone();
        Ca(
            CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap(),
            kept,
        )
    }

    pub(super) fn pem(&self) -> Vec<u8> {
        self.0.as_ref().pem().into_bytes()
    }

    pub(super) fn server(
        &self,
        names: &[&str],
        change: impl FnOnce(&mut CertificateParams),
    ) -> ServerConfig {
        let (certificate, key) = self.leaf(names, change);
        serving(vec![certificate.der().clone()], &key)
    }

    pub(super) fn leaf(
        &self,
        names: &[&str],
        change: impl FnOnce(&mut CertificateParams),
    ) -> (Certificate, KeyPair) {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        (params.signed_by(&key, &*self.0).unwrap(), key)
    }

    pub(super) fn good(&self) -> ServerConfig {
        self.server(&["localhost", "hook.test", "127.0.0.1"], |_| ())
    }
}

pub(super) fn serving(chain: Vec<CertificateDer<'static>>, key: &KeyPair) -> ServerConfig {
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap()
}

// Receivers that follow a script and record everything.

#[derive(Clone)]
pub(super) enum Act {
    Say(String),
    /// Says it until nobody listens.
    SayForEver(String),
    /// Waits for another request on the same connection and starts the script again.
    Again,
    /// Waits for another request on the same connection and goes on with the script.
    OnceMore,
    Close,
    Reset,
    Stall,
}

pub(super) fn say(text: impl Into<String>) -> Act {
    Act::Say(text.into())
}

pub(super) struct Receiver {
    pub(super) address: SocketAddr,
    connections: Arc<AtomicUsize>,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Receiver {
    pub(super) async fn start(config: ServerConfig, script: Vec<Act>) -> Receiver {
        let listener = TcpListener::bind((HOME, 0)).await.unwrap();
        Receiver::on(listener, config, script)
    }

    pub(super) fn on(listener: TcpListener, config: ServerConfig, script: Vec<Act>) -> Receiver {
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let receiver = Receiver {
            address: listener.local_addr().unwrap(),
            connections: Arc::default(),
            requests: Arc::default(),
        };
        let (connections, requests) = (
            Arc::clone(&receiver.connections),
            Arc::clone(&receiver.requests),
        );
        tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                connections.fetch_add(1, Ordering::SeqCst);
                // Else what was said before a reset may still be waiting here, and is reset with the rest.
                tcp.set_nodelay(true).unwrap();
                let (acceptor, requests, script) =
                    (acceptor.clone(), Arc::clone(&requests), script.clone());
                tokio::spawn(async move {
                    if let Ok(tls) = acceptor.accept(tcp).await {
                        follow(tls, &requests, &script).await;
                    }
                });
            }
        });
        receiver
    }

    pub(super) fn url(&self) -> String {
        format!("https://localhost:{}/hook?key=planted", self.address.port())
    }

    pub(super) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    pub(super) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

pub(super) async fn follow(
    mut tls: TlsStream<TcpStream>,
    requests: &Mutex<Vec<String>>,
    script: &[Act],
) {
    'request: loop {
        let Some(request) = read_request(&mut tls).await else {
            return;
        };
        requests.lock().unwrap().push(request);
        for act in script {
            match act {
                Act::Say(text) => {
                    if tls.write_all(text.as_bytes()).await.is_err() || tls.flush().await.is_err() {
                        return;
                    }
                }
                Act::SayForEver(text) => while tls.write_all(text.as_bytes()).await.is_ok() {},
                Act::Again => continue 'request,
                Act::OnceMore => {
                    let Some(request) = read_request(&mut tls).await else {
                        return;
                    };
                    requests.lock().unwrap().push(request);
                }
                Act::Close => {
                    let _ = tls.shutdown().await;
                    return;
                }
                Act::Reset => {
                    tls.get_ref().0.set_zero_linger().unwrap();
                    return;
                }
                Act::Stall => std::future::pending().await,
            }
        }
        return;
    }
}

pub(super) async fn read_request(tls: &mut TlsStream<TcpStream>) -> Option<String> {
    let mut seen = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&seen).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "))?
                .parse::<usize>()
                .ok()?;
            if body.len() >= length {
                return Some(text);
            }
        }
        if tls.read_buf(&mut seen).await.ok()? == 0 {
            return None;
        }
    }
}

/// An address whose queue is full: a SYN to it is never answered while the queue is kept.
pub(super) async fn black_hole() -> (SocketAddr, (TcpListener, Vec<TcpStream>)) {
    black_hole_at((HOME, 0).into()).await
}

pub(super) async fn black_hole_at(
    address: SocketAddr,
) -> (SocketAddr, (TcpListener, Vec<TcpStream>)) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(address).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut queue = Vec::new();
    while let Ok(waiting) =
        tokio::time::timeout(Duration::from_millis(200), TcpStream::connect(address)).await
    {
        queue.push(waiting.unwrap());
    }
    (address, (listener, queue))
}

// Senders.

pub(super) fn settings(ca: &Ca, timeout: u64) -> SendSettings {
    SendSettings {
        allowed: vec!["127.0.0.1".parse().unwrap()],
        extra_roots_pem: vec![ca.pem()],
        client_certificate: None,
        timeout: Duration::from_millis(timeout),
    }
}

pub(super) fn sender(ca: &Ca) -> Sender {
    Sender::new(settings(ca, 5_000)).unwrap()
}

/// A resolver that gives these answers one after the other, the last one for ever, and counts how often it is asked.
pub(super) fn answers(given: Vec<Vec<IpAddr>>) -> (Resolver, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let resolver: Resolver = Arc::new(move |_| {
        let turn = count.fetch_add(1, Ordering::SeqCst).min(given.len() - 1);
        let answer = given[turn].clone();
        Box::pin(async move {
            if answer.is_empty() {
                Err(NoAddress)
            } else {
                Ok(answer)
            }
        })
    });
    (resolver, asked)
}

pub(super) fn request(url: &str) -> Request {
    let header = |name: &str, value| Header {
        name: name.to_owned().into(),
        value,
    };
    let plain = |name, value: &str| header(name, HeaderText::Plain(value.to_owned()));
    Request {
        url: Url::parse(url).unwrap(),
        headers: vec![
            plain("content-type", "application/json"),
            header(
                "authorization",
                HeaderText::Secret(Secret::new("Bearer planted")),
            ),
            plain("x-twice", "one"),
            plain("x-twice", "two"),
        ],
        body: Body::new(&br#"{"a":1}"#[..]),
        reply_limit: None,
        rejection_limit: None,
    }
}

/// Nobody cuts this POST short.
pub(super) fn uncut() -> CancellationToken {
    CancellationToken::new()
}

pub(super) async fn post(sender: &Sender, url: &str) -> Reply {
    sender.send(request(url), || true, &uncut()).await.unwrap()
}

/// Waits until the sender has this many idle connections that may be used.
pub(super) async fn kept(sender: &Sender, number: usize) {
    let waiting = async {
        while sender.pool.fit() != number {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), waiting)
        .await
        .expect("connections are kept");
}

/// What a good TLS server that follows this script makes of one POST, and how many requests it got.
pub(super) async fn outcome(script: Vec<Act>, timeout: u64) -> (Reply, usize) {
    let ca = Ca::new();
    let receiver = Receiver::start(ca.good(), script).await;
    let reply = post(
        &Sender::new(settings(&ca, timeout)).unwrap(),
        &receiver.url(),
    )
    .await;
    (reply, receiver.requests().len())
}

pub(super) fn accepted(status: u16) -> Outcome {
    Outcome::Accepted { status }
}

pub(super) fn rejected(status: u16) -> Outcome {
    Outcome::Rejected { status }
}

pub(super) fn not_sent(why: NotSent) -> Outcome {
    Outcome::NotSent { why }
}

pub(super) fn unknown(why: Unknown) -> Outcome {
    Outcome::Unknown { why }
}

pub(super) fn blocked(why: Blocked) -> Outcome {
    Outcome::Blocked { why }
}
