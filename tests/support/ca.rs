//! A certificate authority of the test's own.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CertifiedIssuer, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose, date_time_ymd,
};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

/// The names of a receiver's certificate unless a test asks for others.
pub const LOOPBACK_NAMES: &[&str] = &["localhost", "127.0.0.1", "::1"];

/// A certificate authority that lives as long as the test. A second one is an unknown authority to the clients of the first.
pub struct Ca {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Ca {
    /// Makes a new root.
    pub fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        // Each has a name of its own: a client reports another root of the same name as a bad signature, not as unknown.
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        params
            .distinguished_name
            .push(DnType::CommonName, format!("orderhook test root {number}"));
        let key = KeyPair::generate().expect("a key pair");
        Self {
            issuer: CertifiedIssuer::self_signed(params, key).expect("a root certificate"),
        }
    }

    /// The root certificate, as PEM.
    pub fn pem(&self) -> String {
        let root: &Certificate = self.issuer.as_ref();
        root.pem()
    }

    /// TLS with a good certificate for these names ([`LOOPBACK_NAMES`] is the usual list); HTTP/1.1 only.
    pub fn server_config(&self, names: &[&str]) -> Arc<ServerConfig> {
        self.issue(&leaf(names))
    }

    /// The same with a certificate that ran out in 2001.
    pub fn expired(&self) -> Arc<ServerConfig> {
        let mut params = leaf(LOOPBACK_NAMES);
        params.not_before = date_time_ymd(2000, 1, 1);
        params.not_after = date_time_ymd(2001, 1, 1);
        self.issue(&params)
    }

    /// The same with a certificate for `elsewhere.example`.
    pub fn wrong_name(&self) -> Arc<ServerConfig> {
        self.issue(&leaf(&["elsewhere.example"]))
    }

    /// The same with the right names and dates, signed by nobody but itself.
    pub fn self_signed() -> Arc<ServerConfig> {
        let key = KeyPair::generate().expect("a key pair");
        let certificate = leaf(LOOPBACK_NAMES)
            .self_signed(&key)
            .expect("a certificate");
        config(certificate.der().clone(), &key)
    }

    /// A good certificate for these names, and its key, for a server with a configuration of its own.
    pub fn server_certificate(
        &self,
        names: &[&str],
    ) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        let key = KeyPair::generate().expect("a key pair");
        let certificate = leaf(names)
            .signed_by(&key, &self.issuer)
            .expect("a certificate");
        (
            vec![certificate.der().clone()],
            PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der())),
        )
    }

    /// A certificate for a client, valid until May 2040, and its key, as PEM.
    pub fn client(&self, name: &str) -> (String, String) {
        let key = KeyPair::generate().expect("a key pair");
        let mut params = leaf(&[name]);
        params.not_after = date_time_ymd(2040, 5, 6);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        (certificate.pem(), key.serialize_pem())
    }

    /// A self-signed certificate that says of itself that it is an authority, as `openssl req -x509` makes it, and its key.
    pub fn self_signed_authority() -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        let key = KeyPair::generate().expect("a key pair");
        let mut params = leaf(LOOPBACK_NAMES);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).expect("a certificate");
        (
            vec![certificate.der().clone()],
            PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der())),
        )
    }

    fn issue(&self, params: &CertificateParams) -> Arc<ServerConfig> {
        let key = KeyPair::generate().expect("a key pair");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        config(certificate.der().clone(), &key)
    }
}

impl Default for Ca {
    fn default() -> Self {
        Self::new()
    }
}

fn leaf(names: &[&str]) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).expect("names that fit into a certificate");
    params
        .distinguished_name
        .push(DnType::CommonName, "orderhook test receiver");
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params
}

fn config(certificate: CertificateDer<'static>, key: &KeyPair) -> Arc<ServerConfig> {
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    // Named, so that no test depends on which default provider the process has installed.
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider speaks TLS 1.2 and 1.3")
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .expect("a certificate with its own key");
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Arc::new(config)
}
