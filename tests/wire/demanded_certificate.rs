//! A server that demands a client certificate from a dispatcher that has none.

use std::sync::Arc;
use std::time::Duration;

use orderhook::NotificationState;
use orderhook::report::Verdict;
use orderhook::supplier::OnUnknown;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion};

use super::server::{OK, Server, answer, request};
use super::support::{Ca, LOOPBACK_NAMES};
use super::world::{World, outcomes, supplier, tell};

/// Demands a certificate of this authority.
pub(crate) fn demanding(
    world: &World,
    clients: &Ca,
    version: &'static SupportedProtocolVersion,
) -> Arc<ServerConfig> {
    use rustls::pki_types::{CertificateDer, pem::PemObject};
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(clients.pem().as_bytes()).unwrap())
        .unwrap();
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
            .build()
            .unwrap();
    let (chain, key) = world.ca.server_certificate(LOOPBACK_NAMES);
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[version])
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key)
        .unwrap();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Arc::new(config)
}

/// A server with this configuration that answers each request with 200.
pub(crate) async fn answering(config: Arc<ServerConfig>) -> Server {
    Server::start(config, |mut tls, _| async move {
        while request(&mut tls).await.is_some() && answer(&mut tls, OK).await {}
    })
    .await
}

#[tokio::test]
async fn nothing_is_sent_to_a_server_that_demands_a_client_certificate_and_the_reason_names_it() {
    for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
        let world = World::new();
        let server = answering(demanding(&world, &Ca::new(), version)).await;
        world.put_more(
            supplier("a")
                .endpoint(server.url("/in"))
                .on_unknown(OnUnknown::Hold),
        );
        let dispatcher = world.dispatcher();

        let notification = tell(&dispatcher, "a", "A-1").await;
        let outcomes = outcomes(&notification);
        assert!(
            outcomes[0].starts_with("not sent: ") && outcomes[0].contains("client certificate"),
            "{outcomes:?}"
        );
        assert!(
            matches!(notification.state, NotificationState::Pending { .. }),
            "{:?}",
            notification.state
        );

        let verdict = dispatcher.check(&world.supplier("a")).await[0]
            .verdict
            .to_string();
        assert!(
            verdict.starts_with("unreachable: ") && verdict.contains("client certificate"),
            "{verdict}"
        );
    }
}

/// Asks for a certificate and takes what it gets.
fn asking(world: &World) -> Arc<ServerConfig> {
    use rustls::pki_types::{CertificateDer, pem::PemObject};
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(world.ca.pem().as_bytes()).unwrap())
        .unwrap();
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
    let (chain, key) = world.ca.server_certificate(LOOPBACK_NAMES);
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap();
    let verifier = verifier.allow_unauthenticated().build().unwrap();
    Arc::new(
        config
            .with_client_cert_verifier(verifier)
            .with_single_cert(chain, key)
            .unwrap(),
    )
}

#[tokio::test]
async fn a_server_that_asks_for_a_certificate_and_does_without_is_told_also_when_there_is_little_time()
 {
    let world = World::new();
    let server = answering(asking(&world)).await;
    world.put("a", &server.url("/in"));
    let dispatcher = world.builder(Duration::from_secs(1)).build().unwrap();
    assert_eq!(
        outcomes(&tell(&dispatcher, "a", "A-1").await),
        ["accepted (200)"]
    );
    assert_eq!(
        dispatcher.check(&world.supplier("a")).await[0].verdict,
        Verdict::Reachable
    );
}
