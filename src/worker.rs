//! Delivers in the background what is due.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, OwnedSemaphorePermit};
use tokio_util::sync::CancellationToken;

use crate::deliver::{Admission, Calling, Delivered, Held};
use crate::dispatcher::{Dispatcher, Inner};
use crate::error::Error;
use crate::lanes::Lanes;
use crate::store::{Claim, ClaimRequest, Pick, Then};
use crate::supplier::Supplier;

/// Delivers what is due: from a background task ([`run_until`](Self::run_until)), from cron
/// ([`until_idle`](Self::until_idle)), or step by step ([`tick`](Self::tick)).
///
/// Any number of workers in any number of processes may share a store. One worker sends at most 256 notifications at the same
/// time (the dispatcher's [`concurrency`](crate::DispatcherBuilder::concurrency)), and at most 8 of one supplier unless the
/// supplier says otherwise; one that hangs gets a single slot, and all that hang together get half of them.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use orderhook::{Dispatcher, MemoryStore, Source, Supplier, SupplierId, Worker};
///
/// let suppliers = std::collections::HashMap::<SupplierId, Supplier>::new();
/// let dispatcher = Dispatcher::builder(Source::new("shop")?, MemoryStore::new(), suppliers).build()?;
/// let summary = Worker::new(&dispatcher).until_idle().await?;
/// assert_eq!((summary.notified, summary.failed), (0, 0));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Worker {
    inner: Arc<Inner>,
    shared: Arc<Shared>,
    grace: Duration,
    poll: Duration,
}

struct Shared {
    lanes: Arc<Lanes>,
    /// Rung when a delivery is over.
    done: Notify,
    notified: AtomicU64,
    failed: AtomicU64,
    hand_back: CancellationToken,
}

/// What a worker has done since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Summary {
    /// Suppliers told.
    pub notified: u64,
    /// Notifications that failed.
    pub failed: u64,
}

/// What one step did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tick {
    /// How many notifications were claimed and delivered, or handed back.
    pub claimed: usize,
    /// How long from the claim until the next one is due; `None` when nothing waits for its time.
    pub next_due: Option<Duration>,
}

/// The most notifications in one claim.
const BATCH: usize = 64;

/// After an error of the store.
const AFTER_ERROR: Duration = Duration::from_secs(1);

impl Worker {
    /// A worker for what the dispatcher's store holds.
    pub fn new(dispatcher: &Dispatcher) -> Self {
        let inner = Arc::clone(&dispatcher.inner);
        let shared = Shared {
            lanes: Arc::new(Lanes::new(inner.concurrency)),
            done: Notify::new(),
            notified: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            hand_back: inner.courier.hand_back.child_token(),
        };
        Worker { inner, shared: Arc::new(shared), grace: Duration::from_secs(10), poll: Duration::from_secs(1) }
    }

    /// How long [`run_until`](Self::run_until) waits at its end for what is being sent, before the rest is handed back.
    /// Default 10 s.
    #[must_use]
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// How often the store is looked at when nothing rings: the net for what other processes store. Default 1 s.
    #[must_use]
    pub fn poll(mut self, every: Duration) -> Self {
        self.poll = every.max(Duration::from_millis(1));
        self
    }

    /// What has been done since the worker was made.
    pub fn summary(&self) -> Summary {
        Summary {
            notified: self.shared.notified.load(Ordering::Relaxed),
            failed: self.shared.failed.load(Ordering::Relaxed),
        }
    }

    /// One step: claims once what is due, delivers it, and waits until all of it is done.
    ///
    /// # Errors
    /// [`Error::Store`] when nothing could be claimed.
    pub async fn tick(&self) -> Result<Tick, Error> {
        let started = self.start_due().await?;
        self.drained().await;
        Ok(started.tick)
    }

    /// Delivers until `shutdown` resolves; then claims nothing new, waits for what is being sent, and after the grace period
    /// hands back the rest. Errors of the store are logged and waited out.
    ///
    /// Dropping this future stops the claiming and lets what is being sent go on.
    pub async fn run_until(&self, shutdown: impl Future<Output = ()>) -> Summary {
        let mut shutdown = pin!(shutdown);
        loop {
            let rest = match self.start_due().await {
                Ok(started) if started.may_be_more => Duration::ZERO,
                Ok(started) => self.rest(&started.tick),
                Err(error) => {
                    tracing::error!(%error, source = ?std::error::Error::source(&error).map(ToString::to_string), "nothing could be claimed");
                    AFTER_ERROR
                }
            };
            tokio::select! {
                biased;
                () = &mut shutdown => break,
                () = self.inner.stopping.cancelled() => break,
                () = self.wake(rest) => {}
            }
        }
        if tokio::time::timeout(self.grace, self.drained()).await.is_err() {
            self.shared.hand_back.cancel();
            self.drained().await;
        }
        self.summary()
    }

    /// Delivers until nothing is pending or being sent any more, waiting for what is not due yet; what has failed, and what
    /// is held behind it, is left.
    ///
    /// # Errors
    /// [`Error::Store`] when nothing can be claimed and waiting does not help.
    pub async fn until_idle(&self) -> Result<Summary, Error> {
        loop {
            let rest = match self.start_due().await {
                Ok(started) if started.may_be_more => Duration::ZERO,
                Ok(started) => {
                    let nothing_left = started.tick.next_due.is_none() && started.tick.claimed == 0;
                    let resting = self.shared.lanes.rests_until(Instant::now()).is_some();
                    if nothing_left && !resting && !started.was_busy {
                        return Ok(self.summary());
                    }
                    self.rest(&started.tick)
                }
                Err(error) if error.is_transient() => AFTER_ERROR,
                Err(error) => return Err(error),
            };
            tokio::select! {
                () = self.inner.stopping.cancelled() => return Ok(self.summary()),
                () = self.wake(rest) => {}
            }
        }
    }

    /// Claims once what is due, as much as there are slots, and starts to deliver it.
    async fn start_due(&self) -> Result<Started, Error> {
        let was_busy = self.shared.lanes.in_flight() > 0;
        let mut slots = self.free_slots();
        if slots.is_empty() {
            return Ok(Started { tick: Tick { claimed: 0, next_due: None }, may_be_more: false, was_busy: true });
        }
        let mut request = ClaimRequest::new(
            self.inner.source.clone(),
            Pick::Due,
            slots.len() as u32,
            self.inner.courier.timing.lease(),
        );
        request.per_supplier = Supplier::MAX_CONCURRENT.get();
        request.room = self.shared.lanes.room(Instant::now());
        let (asked, claims) = self.inner.claim(&request).await?;
        let told = Instant::now();
        let claimed = claims.claims.len();
        for claim in claims.claims {
            self.shared.lanes.enter(&claim.key.supplier, told);
            let held = Held {
                claim,
                calling: Calling::WhatIsDue,
                now: claims.now,
                told,
                asked,
                hand_back: self.shared.hand_back.clone(),
                admission: Admission::Lanes(Arc::clone(&self.shared.lanes)),
            };
            self.start(held, slots.pop());
        }
        let next_due = claims.next_due.map(|due| due.since(claims.now));
        Ok(Started { tick: Tick { claimed, next_due }, may_be_more: claimed > 0 && slots.is_empty(), was_busy })
    }

    fn start(&self, held: Held, slot: Option<OwnedSemaphorePermit>) {
        let (inner, shared) = (Arc::clone(&self.inner), Arc::clone(&self.shared));
        let claim: &Claim = &held.claim;
        // Leaves its lane also when the delivery panics.
        let stay = Stay { shared: Arc::clone(&self.shared), supplier: claim.key.supplier.clone() };
        self.inner.tasks.spawn(async move {
            match inner.courier.deliver(held).await {
                Ok(Delivered::Settled(Then::Notified { .. })) => {
                    shared.notified.fetch_add(1, Ordering::Relaxed);
                }
                Ok(Delivered::Settled(Then::Failed { .. })) => {
                    shared.failed.fetch_add(1, Ordering::Relaxed);
                }
                Ok(_) => {}
                Err(error) => tracing::error!(%error, "the record could not be written; the lease has to run out"),
            }
            drop(slot);
            drop(stay);
        });
    }

    fn free_slots(&self) -> Vec<OwnedSemaphorePermit> {
        (0..BATCH).map_while(|_| Arc::clone(&self.inner.slots).try_acquire_owned().ok()).collect()
    }

    /// How long there is nothing to do, unless somebody rings.
    fn rest(&self, tick: &Tick) -> Duration {
        tick.next_due.map_or(self.poll, |due| due.min(self.poll))
    }

    /// Somebody rings, a delivery is over, or the time is up.
    async fn wake(&self, rest: Duration) {
        tokio::select! {
            () = self.inner.bell.notified() => {}
            () = self.inner.courier.store.changed() => {}
            () = self.shared.done.notified() => {}
            () = tokio::time::sleep(rest) => {}
        }
    }

    /// Nothing of ours is under way.
    async fn drained(&self) {
        while self.shared.lanes.in_flight() > 0 {
            self.shared.done.notified().await;
        }
    }
}

impl std::fmt::Debug for Worker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Worker").field("summary", &self.summary()).finish_non_exhaustive()
    }
}

struct Started {
    tick: Tick,
    /// Every slot was used: there may be more that is due.
    may_be_more: bool,
    /// Something was under way before.
    was_busy: bool,
}

/// One notification's stay in its supplier's lane.
struct Stay {
    shared: Arc<Shared>,
    supplier: crate::names::SupplierId,
}

impl Drop for Stay {
    fn drop(&mut self) {
        self.shared.lanes.leave(&self.supplier, Instant::now());
        self.shared.done.notify_one();
    }
}
