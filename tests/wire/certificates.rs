//! Certificates of servers that are refused, and for what reason.
//!
//! `tests/fixtures/tls` has what this library's own tools refuse to make: a certificate that a root with an RSA key of 1024
//! bits has signed, and one that was signed with SHA-1. Each has a leaf key of its own and is valid until 2126.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::demanded_certificate::answering;
use super::support::Ca;
use super::world::{World, outcomes, tell};

fn serving(chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> Arc<ServerConfig> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap();
    Arc::new(
        config
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap(),
    )
}

/// What is said of an order to a server with this certificate, where this root is trusted.
async fn told(config: Arc<ServerConfig>, root: Option<Vec<u8>>) -> String {
    let world = World::new();
    let server = answering(config).await;
    world.put("a", &server.url("/in"));
    let mut builder = world.builder(Duration::from_secs(8));
    if let Some(root) = root {
        builder = builder.root_certificate(root);
    }
    let dispatcher = builder.build().unwrap();
    let outcome = outcomes(&tell(&dispatcher, "a", "A-1").await)[0].clone();
    let verdict = dispatcher.check(&world.supplier("a")).await[0]
        .verdict
        .to_string();
    assert_eq!(
        verdict.strip_prefix("unreachable: "),
        outcome.strip_prefix("not sent: "),
        "{outcome}"
    );
    outcome
}

#[tokio::test]
async fn a_self_signed_certificate_of_an_authority_is_called_that() {
    let (chain, key) = Ca::self_signed_authority();
    let outcome = told(serving(chain, key), None).await;
    assert!(
        outcome.starts_with("not sent: ") && outcome.contains("certificate authority"),
        "{outcome}"
    );
}

#[tokio::test]
async fn a_key_or_a_signature_that_is_too_weak_is_called_that() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tls");
    for name in ["rsa1024", "sha1"] {
        let file = |part: &str| std::fs::read(folder.join(format!("{name}-{part}"))).unwrap();
        let chain = vec![CertificateDer::from_pem_slice(&file("leaf.pem")).unwrap()];
        let key = PrivateKeyDer::from_pem_slice(&file("leaf.key")).unwrap();
        let outcome = told(serving(chain, key), Some(file("root.pem"))).await;
        assert!(
            outcome.starts_with("not sent: ") && outcome.contains("too weak"),
            "{name}: {outcome}"
        );
    }
}
