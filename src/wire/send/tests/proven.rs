//! What an alert proves, and what it does not.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use rustls::pki_types::PrivateKeyDer;
use rustls::server::WebPkiClientVerifier;
use rustls::{AlertDescription, RootCertStore, ServerConfig};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::support::*;
use crate::value::secret::Secret;
use crate::wire::send::*;

/// Answers one request, and the next one with an alert, as the TLS library reports it.
struct Alerting {
    alert: AlertDescription,
    asked: usize,
    answered: bool,
    reader: Option<Waker>,
}

impl AsyncRead for Alerting {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.asked {
            1 if !self.answered => {
                self.answered = true;
                into.put_slice(OK.as_bytes());
                Poll::Ready(Ok(()))
            }
            0 | 1 => {
                self.reader = Some(context.waker().clone());
                Poll::Pending
            }
            _ => Poll::Ready(Err(io::Error::new(
                io::ErrorKind::InvalidData,
                rustls::Error::AlertReceived(self.alert),
            ))),
        }
    }
}

impl AsyncWrite for Alerting {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if bytes.starts_with(b"POST ") {
            self.asked += 1;
            if let Some(reader) = self.reader.take() {
                reader.wake();
            }
        }
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

fn one_post() -> hyper::Request<Outgoing> {
    let departure = Departure::before(Moment::now() + READ_LIMIT);
    let body = Outgoing::new(Bytes::from_static(b"{}"), &departure);
    encoded(&Url::parse("https://hook.test/").unwrap(), Vec::new(), body)
        .unwrap()
        .1
}

#[tokio::test]
async fn an_alert_on_a_connection_that_has_served_a_request_proves_nothing() {
    for alert in [
        AlertDescription::CertificateRevoked,
        AlertDescription::CertificateExpired,
        AlertDescription::AccessDenied,
        AlertDescription::HandshakeFailure,
    ] {
        let stream = Alerting {
            alert,
            asked: 0,
            answered: false,
            reader: None,
        };
        let mut connection = Connection::over(stream).await.unwrap();
        let response = connection.post(one_post()).await.ok().unwrap();
        let mut connection = connection.recover(response.into_body()).await.unwrap();
        let broken = connection.post(one_post()).await.err().unwrap();
        assert_eq!(
            proof::of_exchange(&broken),
            unknown(Unknown::ConnectionLost),
            "{alert:?}"
        );
    }
}

#[tokio::test]
async fn a_refusal_of_the_client_certificate_that_is_there_before_the_request_leaves_is_named() {
    let (ca, clients) = (Ca::new(), Ca::new());
    let mut roots = RootCertStore::empty();
    roots
        .add(certificates(&clients.pem()).unwrap().remove(0))
        .unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
            .build()
            .unwrap();
    let (certificate, key) = ca.leaf(&["localhost"], |_| ());
    let config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        )
        .unwrap();
    let listener = TcpListener::bind((HOME, 0)).await.unwrap();
    let url = Url::parse(&format!(
        "https://localhost:{}/",
        listener.local_addr().unwrap().port()
    ))
    .unwrap();
    let refusing = tokio::spawn(async move {
        TlsAcceptor::from(Arc::new(config))
            .accept(listener.accept().await.unwrap().0)
            .await
            .is_err()
    });
    let (stranger, key) = ca.leaf(&["stranger"], |_| ());
    let (chain_pem, key_pem) = (
        stranger.pem().into_bytes(),
        Secret::new(key.serialize_pem()),
    );
    let certificate = ClientCertificate::Given { chain_pem, key_pem };
    let settings = SendSettings {
        client_certificate: Some(certificate),
        ..settings(&ca, 5_000)
    };
    let sender = Sender::new(settings).unwrap();
    let mut connection = sender.connect(&url).await.ok().unwrap();
    assert!(refusing.await.unwrap());
    let broken = connection.post(one_post()).await.err().unwrap();
    assert_eq!(
        proof::of_exchange(&broken),
        not_sent(NotSent::ClientCertificate {
            alert: Some("unknown_ca".to_owned())
        })
    );
}
