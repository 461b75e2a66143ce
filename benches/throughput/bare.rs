//! The controls: the HTTP client that applications use, alone, with its bytes ready; and below it the layer that this crate
//! sends with, with no rules at all.

use std::sync::Arc;

use bytes::Bytes;
use hyper::Request;
use hyper::body::{Body, Frame, SizeHint};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::measured::{IN_FLIGHT, Measured, Watch, side_by_side};
use super::orders::body;
use super::receiver::Address;

/// So many POSTs of one client, each to its end.
pub(crate) async fn client(to: &Address, number: usize) -> Measured {
    let root = reqwest::Certificate::from_pem(to.pem.as_bytes()).unwrap();
    let client = reqwest::Client::builder()
        .tls_certs_only([root])
        .pool_max_idle_per_host(IN_FLIGHT)
        .timeout(std::time::Duration::from_secs(60))
        .build()
        .unwrap();
    let url = reqwest::Url::parse(&format!("{}/s/0", to.url)).unwrap();
    let post = move |n: usize| {
        let (client, url, body) = (client.clone(), url.clone(), Bytes::from(with_code(n)));
        async move {
            let post = client
                .post(url)
                .header("content-type", "application/json")
                .header("webhook-id", "msg_0123456789abcdef")
                .header("webhook-timestamp", "1780000000")
                .header("authorization", "Bearer tok_5f2a77aa0c3e4b5d")
                .body(body);
            let response = post.send().await.unwrap();
            assert!(response.status().is_success());
            response.bytes().await.unwrap();
        }
    };
    measure(number, post).await
}

async fn measure<F: Future<Output = ()> + Send + 'static>(
    number: usize,
    post: impl Fn(usize) -> F + Clone + Send + 'static,
) -> Measured {
    side_by_side(number / 20, usize::MAX / 2, post.clone()).await;
    let watch = Watch::start();
    side_by_side(number, 0, post).await;
    watch.stop(number, number / 20)
}

/// The same by the layer below, over as many connections as there are callers.
pub(crate) async fn layer(to: &Address, number: usize) -> Measured {
    let mut roots = rustls::RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(to.pem.as_bytes()).unwrap())
        .unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector = TlsConnector::from(Arc::new(config));
    let connections = Arc::new(std::sync::Mutex::new(Vec::new()));
    let authority = to.url.strip_prefix("https://").unwrap().to_owned();
    for _ in 0..IN_FLIGHT {
        let tcp = TcpStream::connect(&authority).await.unwrap();
        tcp.set_nodelay(true).unwrap();
        let name = "127.0.0.1".try_into().unwrap();
        let tls = connector.connect(name, tcp).await.unwrap();
        let (sender, driver) = http1::handshake(TokioIo::new(tls)).await.unwrap();
        tokio::spawn(driver);
        connections.lock().unwrap().push(sender);
    }
    let post = move |n: usize| {
        let (connections, authority) = (Arc::clone(&connections), authority.clone());
        let bytes = Bytes::from(with_code(n));
        async move {
            let mut connection: http1::SendRequest<Whole> =
                connections.lock().unwrap().pop().unwrap();
            let request = Request::post("/s/0")
                .header("host", authority)
                .header("content-type", "application/json")
                .header("user-agent", "bare")
                .header("webhook-id", "msg_0123456789abcdef")
                .header("webhook-timestamp", "1780000000")
                .header("authorization", "Bearer tok_5f2a77aa0c3e4b5d")
                .body(Whole(bytes))
                .unwrap();
            let response = connection.send_request(request).await.unwrap();
            assert!(response.status().is_success());
            let mut body = response.into_body();
            while std::future::poll_fn(|context| std::pin::Pin::new(&mut body).poll_frame(context))
                .await
                .is_some()
            {}
            connection.ready().await.unwrap();
            connections.lock().unwrap().push(connection);
        }
    };
    measure(number, post).await
}

/// The body of an order with this number in it.
fn with_code(n: usize) -> Vec<u8> {
    thread_local! {
        static BODY: (Vec<u8>, Vec<u8>) = {
            let body = body(0);
            let code = b"\"order_code\":\"B-0\"";
            let at = body.windows(code.len()).position(|bytes| bytes == code).unwrap() + code.len() - 2;
            (body[..at].to_vec(), body[at + 1..].to_vec())
        };
    }
    BODY.with(|(before, after)| {
        let mut body = before.clone();
        body.extend_from_slice(n.to_string().as_bytes());
        body.extend_from_slice(after);
        body
    })
}

struct Whole(Bytes);

impl Body for Whole {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let bytes = std::mem::take(&mut self.0);
        std::task::Poll::Ready((!bytes.is_empty()).then(|| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.len() as u64)
    }
}
