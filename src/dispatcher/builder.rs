//! The settings of a dispatcher.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::delivery::at_once::Workers;
use crate::delivery::engine::{Engine, Out, Timing};
use crate::delivery::error::Error;
use crate::delivery::listener::{Listener, News};
use crate::delivery::pace::{PLACES_PER_SLOT, Pace, slots_and_places};
use crate::delivery::traffic::Traffic;
use crate::store::{AnyStore, Store, erase};
use crate::supplier::lookup::{AnySuppliers, Suppliers};
use crate::supplier::retry::RetryPolicy;
use crate::value::names::Source;
use crate::value::network::Network;
use crate::value::secret::Secret;
use crate::wire::descriptors;
use crate::wire::send::{BadSettings, ClientCertificate, SendSettings, Sender};

use super::Dispatcher;

/// The settings of a [`Dispatcher`]; [`build`](Self::build) checks them.
///
/// Defaults: 60 s for one exchange with one endpoint, leases 5 s longer than that, 256 slots for calls, the default
/// [`RetryPolicy`], the platform's root certificates, no client certificate, and no network but the public one.
///
/// ```
/// use std::time::Duration;
/// use orderhook::{Dispatcher, MemoryStore, News, Source, Supplier, SupplierId};
///
/// let suppliers = std::collections::HashMap::<SupplierId, Supplier>::new();
/// let dispatcher = Dispatcher::builder(Source::new("shop")?, MemoryStore::new(), suppliers)
///     .timeout(Duration::from_secs(30))
///     .listener(|news| if let News::Failed { key, reason } = news { eprintln!("{key}: {reason}") })
///     .build()?;
/// assert_eq!(dispatcher.source().as_str(), "shop");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct DispatcherBuilder {
    source: Source,
    store: AnyStore,
    suppliers: AnySuppliers,
    timeout: Duration,
    lease_margin: Duration,
    concurrency: NonZeroUsize,
    retry: RetryPolicy,
    allowed: Vec<Network>,
    roots: Vec<Vec<u8>>,
    client_certificate: Option<ClientCertificate>,
    listener: Listener,
    user_agent: String,
    times_as_fast: u32,
}

impl DispatcherBuilder {
    const CONCURRENCY: NonZeroUsize = NonZeroUsize::new(256).unwrap();

    pub(super) fn new(source: Source, store: impl Store, suppliers: impl Suppliers) -> Self {
        DispatcherBuilder {
            source,
            store: erase(store),
            suppliers: AnySuppliers::new(suppliers),
            timeout: Duration::from_secs(60),
            lease_margin: Duration::from_secs(5),
            concurrency: Self::CONCURRENCY,
            retry: RetryPolicy::DEFAULT,
            allowed: Vec::new(),
            roots: Vec::new(),
            client_certificate: None,
            listener: Listener::nobody(),
            user_agent: concat!("orderhook/", env!("CARGO_PKG_VERSION")).to_owned(),
            times_as_fast: 1,
        }
    }

    /// Sets the limit for one exchange with one endpoint. Default 60 s; 1 ms to 1 h. Connecting, with name resolution and TLS,
    /// may take 10 s of it, or half of it when that is less.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets how much longer than the timeout a lease is. A lease is the time for which a claimed notification is left to its
    /// holder; the margin is what the store may take to answer before another process takes over. Default 5 s; 1 ms to 1 h.
    #[must_use]
    pub fn lease_margin(mut self, margin: Duration) -> Self {
        self.lease_margin = margin;
        self
    }

    /// Sets how many slots for calls there are. Default 256. A call holds a slot for its first 2 s (a quarter of the timeout
    /// if that is less) and then one of 15 places per slot, so that endpoints that hang do not take the slots of those that
    /// answer. `notify`, `retry` and `resume` hold three quarters of both at most.
    ///
    /// # File descriptors
    ///
    /// Each call takes a file descriptor. Slots and places together are at most half of the descriptors that the process
    /// may open, never fewer places than slots; connections that are kept open between calls take a quarter at most, and the
    /// rest is the application's. A limit of 1,024, which is usual, leaves 256 slots and 256 places: when more endpoints
    /// than places stop answering at once, calls at healthy ones wait, too.
    ///
    /// Set this number first: how many calls are under way at once at a peak, without those that hang. Then raise the limit of descriptors to 32 times as
    /// many, which is room for all places: 8,192 for 256 slots (`ulimit -n 8192`, or `LimitNOFILE=8192` in a systemd unit).
    /// [`build`](Self::build) logs a warning when the limit lowers slots or places.
    #[must_use]
    pub fn concurrency(mut self, number: NonZeroUsize) -> Self {
        self.concurrency = number;
        self
    }

    /// Sets the schedule for suppliers without one of their own.
    #[must_use]
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.retry = policy;
        self
    }

    /// Allows a network that is not public, for test systems and partners behind a private line: any port there, and local
    /// names that resolve into it. It is a setting of the operator: no supplier's configuration can allow a network.
    #[must_use]
    pub fn allow_network(mut self, network: Network) -> Self {
        self.allowed.push(network);
        self
    }

    /// Trusts one more root certificate, or several, in PEM; the platform's roots stay trusted.
    #[must_use]
    pub fn root_certificate(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.roots.push(pem.into());
        self
    }

    /// Presents this certificate to servers that ask for one: the chain in PEM, the client's own certificate first, and its
    /// private key in PEM. It is the same for all suppliers. [`Dispatcher::check`] says until when it is valid.
    ///
    /// A server that demands a certificate and does not get one that it accepts is not sent to; the attempt says
    /// [`ClientCertificate`](crate::notification::NotSent::ClientCertificate). To find that out before the order leaves, each new
    /// connection to a server that asks for a certificate waits 0.3 s for a refusal when none is configured.
    #[must_use]
    pub fn client_certificate(
        mut self,
        chain_pem: impl Into<Vec<u8>>,
        key_pem: impl Into<Secret>,
    ) -> Self {
        self.client_certificate = Some(ClientCertificate::Given {
            chain_pem: chain_pem.into(),
            key_pem: key_pem.into(),
        });
        self
    }

    /// Presents the [`client_certificate`](Self::client_certificate) that is in two files, chain and private key. They are read again, at most once a second, when a
    /// connection is made; what was replaced takes effect with the next connection, and no connection is used for longer than
    /// a minute. Files that are not usable leave the last good ones in force, and the log says so.
    #[must_use]
    pub fn client_certificate_files(
        mut self,
        chain: impl Into<PathBuf>,
        key: impl Into<PathBuf>,
    ) -> Self {
        self.client_certificate = Some(ClientCertificate::Files {
            chain: chain.into(),
            key: key.into(),
        });
        self
    }

    /// Sets the header `user-agent` of every POST: 1 to 200 visible ASCII characters. Default `orderhook/` and the version of
    /// this crate.
    #[must_use]
    pub fn user_agent(mut self, user_agent: impl Into<String>) -> Self {
        self.user_agent = user_agent.into();
        self
    }

    /// Sets a listener: it is called after a notification has ended and the end is durable, and when the next try of an endpoint
    /// may be its last. It runs in the task of the delivery: be quick, hand long work on. A panic in it is logged and changes nothing.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use std::collections::HashMap;
    /// # use orderhook::{Dispatcher, Line, MemoryStore, News, PaidOrder, Source, Supplier, SupplierId, Worker};
    /// # let books = SupplierId::new("north-books")?;
    /// # let suppliers = HashMap::from([(books.clone(), Supplier::builder(books.clone()).build()?)]);
    /// let (failed, mut errors) = tokio::sync::mpsc::unbounded_channel();
    /// let dispatcher = Dispatcher::builder(Source::new("shop")?, MemoryStore::new(), suppliers)
    ///     .listener(move |news| {
    ///         if let News::Failed { key, reason } = news {
    ///             // The other end shows it to a person; it is gone only when the program ends.
    ///             let _ = failed.send(format!("{key}: {reason}"));
    ///         }
    ///     })
    ///     .build()?;
    /// # let line = Line::builder(books, "NB-1").name("Tide Tables").unit_price("14.31".parse()?);
    /// # let order = PaidOrder::builder("MKT-1".parse()?).channel("web").currency("EUR".parse()?).line(line)
    /// #     .built_at(std::time::SystemTime::now()).build()?;
    /// # let _ = dispatcher.enqueue(&order).await?;
    /// # Worker::new(&dispatcher).drain().await?;
    /// let error = errors.recv().await;
    /// assert_eq!(error.as_deref(), Some("order.created of order MKT-1 for supplier north-books: no_endpoints"));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn listener(mut self, hear: impl Fn(&News) + Send + Sync + 'static) -> Self {
        self.listener = Listener::new(hear);
        self
    }

    /// Checks the settings and builds the dispatcher. Nothing is sent, looked up or stored yet.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for a time out of its range, a client certificate that cannot be used, or a user agent that is
    /// not 1 to 200 visible ASCII characters,
    /// [`Error::RootCertificate`] for a root certificate that cannot be read.
    pub fn build(mut self) -> Result<Dispatcher, Error> {
        let range = Duration::from_millis(1)..=Duration::from_secs(3600);
        for (setting, value) in [
            ("timeout", self.timeout),
            ("lease_margin", self.lease_margin),
        ] {
            if !range.contains(&value) {
                return Err(Error::InvalidArgument {
                    argument: setting,
                    problem: "must be from 1 ms to 1 h",
                });
            }
        }
        let plain = |b: u8| b.is_ascii_graphic() || b == b' ';
        if !(1..=200).contains(&self.user_agent.trim().len()) || !self.user_agent.bytes().all(plain)
        {
            return Err(Error::InvalidArgument {
                argument: "user_agent",
                problem: "must be 1 to 200 visible ASCII characters",
            });
        }
        let settings = SendSettings {
            allowed: std::mem::take(&mut self.allowed),
            extra_roots_pem: std::mem::take(&mut self.roots),
            client_certificate: self.client_certificate.take(),
            timeout: self.timeout,
        };
        let sender = Sender::new(settings).map_err(|bad| match bad {
            BadSettings::Roots => Error::RootCertificate,
            BadSettings::ClientCertificate(problem) => Error::InvalidArgument {
                argument: "client_certificate",
                problem,
            },
        })?;
        let descriptors = descriptors::limit();
        let (slots, places) = slots_and_places(self.concurrency.get(), Some(descriptors));
        if places < self.concurrency.get().saturating_mul(PLACES_PER_SLOT) {
            tracing::warn!(
                slots,
                places,
                descriptors,
                "the limit of open files lowers how many calls may be silent at the same time: raise it (ulimit -n)"
            );
        }
        Ok(self.build_with(Out::Wire(sender), slots, places))
    }

    fn build_with(self, out: Out, slots: usize, places: usize) -> Dispatcher {
        let pace = Pace::new(self.timeout, self.lease_margin).times_as_fast(self.times_as_fast);
        let engine = Engine {
            source: self.source,
            store: self.store,
            suppliers: self.suppliers,
            out,
            timing: Timing {
                timeout: self.timeout,
                lease_margin: self.lease_margin,
                retry: self.retry,
            },
            listener: self.listener,
            user_agent: self.user_agent,
            traffic: Traffic::new(pace, slots, places),
            tasks: TaskTracker::new(),
            stopping: CancellationToken::new(),
            hand_back: CancellationToken::new(),
            workers: Workers::default(),
        };
        Dispatcher {
            engine: Arc::new(engine),
            traceparent: None,
        }
    }

    /// For tests in simulated time: with simulated endpoints, and this limit of descriptors.
    #[cfg(test)]
    pub(crate) fn build_simulated(
        self,
        endpoints: Arc<dyn crate::delivery::engine::Simulated>,
        descriptors: Option<u64>,
    ) -> Dispatcher {
        let (slots, places) = slots_and_places(self.concurrency.get(), descriptors);
        self.build_with(Out::Simulated(endpoints), slots, places)
    }

    /// Makes the pauses after silence and the delays of what is handed back so many times as short; for tests.
    #[doc(hidden)]
    #[must_use]
    pub fn times_as_fast(mut self, factor: u32) -> Self {
        self.times_as_fast = factor;
        self
    }
}

impl std::fmt::Debug for DispatcherBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DispatcherBuilder")
            .field("source", &self.source)
            .finish_non_exhaustive()
    }
}
