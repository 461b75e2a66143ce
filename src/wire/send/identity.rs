//! The certificate by which this client names itself, where a server asks for one.

use std::cell::Cell;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustls::SignatureScheme;
use rustls::client::ResolvesClientCert;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use tokio::sync::oneshot;

use super::validity;
use crate::value::secret::Secret;
use crate::value::time::Timestamp;

/// How often files are read again, at most: when a connection is made.
const READ_EVERY: Duration = Duration::from_secs(1);
/// How long a connection waits for that. A file system that hangs leaves what was read last in force.
const READ_LIMIT: Duration = Duration::from_secs(1);
/// More than any chain or key has.
const FILE_BYTES: u64 = 1 << 20;

/// A certificate for this client, as it was configured.
pub(crate) enum ClientCertificate {
    Given { chain_pem: Vec<u8>, key_pem: Secret },
    Files { chain: PathBuf, key: PathBuf },
}

/// A client certificate cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct BadCertificate(pub(crate) &'static str);

pub(super) struct Identity {
    files: Option<(PathBuf, PathBuf)>,
    state: Mutex<Loaded>,
    provider: Arc<CryptoProvider>,
}

struct Loaded {
    in_force: Arc<Presenting>,
    /// What the files had in them when they were looked at last, also if it was not usable.
    seen: Option<Pem>,
    looked: Instant,
    /// A reader that has not come back yet is not joined by a second one.
    reading: bool,
}

/// A chain and its key as they were read.
#[derive(Clone, PartialEq, Eq)]
struct Pem {
    chain: Vec<u8>,
    key: Secret,
}

impl Identity {
    pub(super) fn new(
        configured: Option<ClientCertificate>,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Arc<Identity>, BadCertificate> {
        let (files, seen) = match configured {
            None => (None, None),
            Some(ClientCertificate::Given { chain_pem, key_pem }) => (
                None,
                Some(Pem {
                    chain: chain_pem,
                    key: key_pem,
                }),
            ),
            Some(ClientCertificate::Files { chain, key }) => {
                let pem = read(&chain, &key)?;
                (Some((chain, key)), Some(pem))
            }
        };
        let in_force = match &seen {
            None => Presenting::default(),
            Some(pem) => pem.parse(provider)?,
        };
        let in_force = Arc::new(in_force);
        let loaded = Loaded {
            in_force,
            seen,
            looked: Instant::now(),
            reading: false,
        };
        Ok(Arc::new(Identity {
            files,
            state: Mutex::new(loaded),
            provider: Arc::clone(provider),
        }))
    }

    /// What is presented now. Files that were replaced are taken up; those that are not usable leave the last good ones
    /// in force.
    pub(super) async fn current(self: &Arc<Self>) -> Arc<Presenting> {
        if let Some(read) = self.look_again() {
            let _ = tokio::time::timeout(READ_LIMIT, read).await;
        }
        Arc::clone(&self.state().in_force)
    }

    /// Starts to read the files, off the runtime, if it is time for it.
    fn look_again(self: &Arc<Self>) -> Option<oneshot::Receiver<()>> {
        let (chain, key) = self.files.clone()?;
        let mut state = self.state();
        if state.reading || state.looked.elapsed() < READ_EVERY {
            return None;
        }
        state.looked = Instant::now();
        let (done, wait) = oneshot::channel();
        let identity = Arc::clone(self);
        let work = move || {
            identity.take_up(read(&chain, &key));
            let _ = done.send(());
        };
        state.reading = thread::Builder::new()
            .name("orderhook-identity".to_owned())
            .spawn(work)
            .is_ok();
        Some(wait)
    }

    fn take_up(&self, read: Result<Pem, BadCertificate>) {
        let parsed = match &read {
            Ok(pem) if self.state().seen.as_ref() == Some(pem) => None,
            Ok(pem) => Some(pem.parse(&self.provider)),
            Err(unreadable) => Some(Err(*unreadable)),
        };
        let mut state = self.state();
        state.reading = false;
        match parsed {
            None => return,
            Some(Ok(presenting)) => state.in_force = Arc::new(presenting),
            Some(Err(error)) if read.is_ok() || state.seen.is_some() => {
                tracing::error!(%error, "the client certificate is not usable; the last good one stays in force");
            }
            Some(Err(_)) => {}
        }
        state.seen = read.ok();
    }

    /// Fields are replaced by single assignments, so a poisoned lock means nothing.
    fn state(&self) -> MutexGuard<'_, Loaded> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pem {
    fn parse(&self, provider: &CryptoProvider) -> Result<Presenting, BadCertificate> {
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&self.chain).collect();
        let chain = chain.map_err(|_| BadCertificate("its chain is not PEM"))?;
        let first = chain
            .first()
            .ok_or(BadCertificate("its chain has no certificate"))?;
        let until =
            validity::until(first).ok_or(BadCertificate("its certificate cannot be read"))?;
        let key = PrivateKeyDer::from_pem_slice(self.key.expose().as_bytes())
            .map_err(|_| BadCertificate("its key is not a PEM private key"))?;
        let certified = CertifiedKey::from_der(chain, key, provider).map_err(|_| {
            BadCertificate("its key cannot be used, or is not the key of the certificate")
        })?;
        Ok(Presenting {
            certified: Some(Arc::new(certified)),
            until: Some(until),
        })
    }
}

fn read(chain: &Path, key: &Path) -> Result<Pem, BadCertificate> {
    let chain =
        regular(chain).map_err(|_| BadCertificate("the file of its chain cannot be read"))?;
    let unreadable = BadCertificate("the file of its private key cannot be read");
    let key = String::from_utf8(regular(key).map_err(|_| unreadable)?).map_err(|_| unreadable)?;
    Ok(Pem {
        chain,
        key: Secret::new(key),
    })
}

/// A regular file: a pipe would be waited for.
fn regular(path: &Path) -> io::Result<Vec<u8>> {
    let metadata = fs::metadata(path)?;
    if !metadata.is_file() || metadata.len() > FILE_BYTES {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    fs::read(path)
}

/// One certificate, or none, presented to every server that asks.
#[derive(Default)]
pub(super) struct Presenting {
    certified: Option<Arc<CertifiedKey>>,
    /// The last moment at which the certificate is valid.
    pub(super) until: Option<Timestamp>,
}

/// Whether a server asked for a certificate during a handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    No,
    /// It got one.
    Answered,
    /// There was none to present.
    InVain,
}

tokio::task_local! {
    static ASKED: Cell<Asked>;
}

/// Runs a handshake, and says whether its server asked.
pub(super) async fn watching<T>(handshake: impl Future<Output = T>) -> (T, Asked) {
    ASKED
        .scope(Cell::new(Asked::No), async move {
            (handshake.await, ASKED.with(Cell::get))
        })
        .await
}

impl ResolvesClientCert for Presenting {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        let answer = if self.certified.is_some() {
            Asked::Answered
        } else {
            Asked::InVain
        };
        // Outside `watching` the answer is not wanted.
        let _ = ASKED.try_with(|asked| asked.set(answer));
        self.certified.clone()
    }

    fn has_certs(&self) -> bool {
        self.certified.is_some()
    }
}

impl fmt::Debug for Presenting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Presenting")
            .field("until", &self.until)
            .finish_non_exhaustive()
    }
}
