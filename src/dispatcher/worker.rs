//! Delivers in the background what is due.

use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio_util::sync::CancellationToken;

use crate::delivery::deliver::{Admission, Calling, Delivered, Held};
use crate::delivery::error::Error;
use crate::delivery::lanes::{Lanes, Room};
use crate::dispatcher::{Dispatcher, Inner};
use crate::store::{Claim, ClaimRequest, Pick, Then};
use crate::value::clock::Moment;

/// Delivers what is due: from a background task ([`run_until`](Self::run_until)), from cron
/// ([`until_idle`](Self::until_idle)), or step by step ([`tick`](Self::tick)).
///
/// Any number of workers in any number of processes may share a store. One worker sends at most 256 notifications at the same
/// time (the dispatcher's [`concurrency`](crate::DispatcherBuilder::concurrency)), and at most 8 of one supplier unless the
/// supplier says otherwise. One that hangs gets a single slot, and so does one that has not answered yet; all that hang together
/// get half of the slots, with those that have not answered three quarters. The last quarter goes to suppliers that nothing is
/// under way for.
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
    /// How many deliveries are over.
    done: watch::Sender<u64>,
    notified: AtomicU64,
    failed: AtomicU64,
    /// Cancelled, and replaced, when the grace of a run is over.
    hand_back: Mutex<CancellationToken>,
}

impl Shared {
    fn hand_back(&self) -> MutexGuard<'_, CancellationToken> {
        // A token, whatever happened to whoever held the lock.
        self.hand_back.lock().unwrap_or_else(PoisonError::into_inner)
    }
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

impl Worker {
    /// A worker for what the dispatcher's store holds.
    pub fn new(dispatcher: &Dispatcher) -> Self {
        let inner = Arc::clone(&dispatcher.inner);
        let shared = Shared {
            lanes: Arc::new(Lanes::new(inner.concurrency)),
            done: watch::Sender::new(0),
            notified: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            hand_back: Mutex::new(inner.courier.hand_back.child_token()),
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
        let mut done = self.shared.done.subscribe();
        let mut rest = Rest::NONE;
        loop {
            tokio::select! {
                biased;
                () = &mut shutdown => break,
                () = self.inner.stopping.cancelled() => break,
                () = self.wake(rest, &mut done) => {}
            }
            rest = match self.start_due().await {
                Ok(started) => self.rest(&started),
                Err(error) => {
                    tracing::error!(%error, source = ?std::error::Error::source(&error).map(ToString::to_string), "nothing could be claimed");
                    Rest::AFTER_ERROR
                }
            };
        }
        if tokio::time::timeout(self.grace, self.drained()).await.is_err() {
            let next = self.inner.courier.hand_back.child_token();
            let this = std::mem::replace(&mut *self.shared.hand_back(), next);
            this.cancel();
            self.drained().await;
        }
        self.summary()
    }

    /// Delivers until nothing is pending or being sent any more, waiting for what is not due yet; what has failed, and what
    /// is held behind it, is left. What is for a paused supplier is waited for. Ends early when the dispatcher is shut down,
    /// with nothing under way.
    ///
    /// # Errors
    /// [`Error::Store`] when nothing can be claimed and waiting does not help.
    pub async fn until_idle(&self) -> Result<Summary, Error> {
        let mut done = self.shared.done.subscribe();
        let mut rest = Rest::NONE;
        loop {
            tokio::select! {
                biased;
                () = self.inner.stopping.cancelled() => break,
                () = self.wake(rest, &mut done) => {}
            }
            rest = match self.start_due().await {
                Ok(started) => {
                    let nothing_left = started.tick.next_due.is_none() && started.tick.claimed == 0;
                    let resting = self.shared.lanes.rests_until(Moment::now()).is_some();
                    if nothing_left && !resting && !started.was_busy {
                        return Ok(self.summary());
                    }
                    self.rest(&started)
                }
                Err(error) if error.is_transient() => {
                    tracing::warn!(%error, source = ?std::error::Error::source(&error).map(ToString::to_string), "nothing could be claimed");
                    Rest::AFTER_ERROR
                }
                Err(error) => return Err(error),
            };
        }
        self.drained().await;
        Ok(self.summary())
    }

    /// Claims once what is due, as much as there are slots, and starts to deliver it.
    async fn start_due(&self) -> Result<Started, Error> {
        // A shutdown waits for what is claimed here: it is tracked before the tracker can be found empty.
        let _tracked = self.inner.tasks.token();
        let was_busy = self.shared.lanes.in_flight() > 0;
        let mut slots = self.free_slots();
        let free = self.inner.slots.available_permits() + slots.len();
        let rooms = self.shared.lanes.rooms(free, Moment::now());
        if self.inner.stopping.is_cancelled() || rooms.iter().all(|room| room.in_all.min(slots.len()) == 0) {
            let tick = Tick { claimed: 0, next_due: None };
            return Ok(Started { tick, next: Next::WithASlot, was_busy: true });
        }
        let mut tick = Tick { claimed: 0, next_due: None };
        let mut next = Next::WhenDue;
        let mut left = rooms.iter().map(|room| room.in_all).max().unwrap_or(0);
        for room in rooms {
            let asked_for = room.in_all.min(left).min(slots.len());
            if asked_for == 0 {
                continue;
            }
            let (claimed, next_due) = self.start_in(room, asked_for, &mut slots).await?;
            tick.claimed += claimed;
            left -= claimed.min(left);
            tick.next_due = [tick.next_due, next_due].into_iter().flatten().min();
            if claimed == asked_for {
                next = Next::AtOnce;
            }
        }
        Ok(Started { tick, next, was_busy })
    }

    /// One claim, started; how many there were, and how long until the next is due.
    async fn start_in(
        &self,
        room: Room,
        asked_for: usize,
        slots: &mut Vec<OwnedSemaphorePermit>,
    ) -> Result<(usize, Option<Duration>), Error> {
        let lease = self.inner.courier.timing.lease();
        let source = self.inner.source.clone();
        let _ = room;
        let new = ClaimRequest::new(source.clone(), Pick::New, asked_for as u32, lease);
        let (asked, mut claims) = self.inner.claim(&new).await?;
        let left = asked_for.saturating_sub(claims.claims.len());
        if left > 0 {
            let (_, due) = self.inner.claim(&ClaimRequest::new(source, Pick::Due, left as u32, lease)).await?;
            claims.claims.extend(due.claims);
            claims.next_due = [claims.next_due, due.next_due].into_iter().flatten().min();
        }
        let told = Moment::now();
        let claimed = claims.claims.len();
        let hand_back = self.shared.hand_back().clone();
        for claim in claims.claims {
            self.shared.lanes.enter(&claim.key.supplier, told);
            let held = Held {
                claim,
                calling: Calling::WhatIsDue,
                now: claims.now,
                told,
                asked,
                hand_back: hand_back.clone(),
                admission: Admission::Lanes(Arc::clone(&self.shared.lanes)),
            };
            self.start(held, slots.pop());
        }
        Ok((claimed, claims.next_due.map(|due| due.since(claims.now))))
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
                Err(error) => {
                    let source = std::error::Error::source(&error).map(ToString::to_string);
                    tracing::error!(%error, ?source, "the record could not be written; the lease has to run out");
                }
            }
            drop(slot);
            drop(stay);
        });
    }

    fn free_slots(&self) -> Vec<OwnedSemaphorePermit> {
        (0..BATCH).map_while(|_| Arc::clone(&self.inner.slots).try_acquire_owned().ok()).collect()
    }

    /// How long there is nothing to do, unless somebody rings.
    fn rest(&self, started: &Started) -> Rest {
        match started.next {
            Next::AtOnce => Rest::NONE,
            Next::WhenDue => {
                let due = started.tick.next_due.map_or(self.poll, |due| due.max(Rest::LEAST));
                Rest { at_most: due.min(self.poll), for_slot: false }
            }
            Next::WithASlot => Rest { at_most: self.poll, for_slot: true },
        }
    }

    /// Somebody rings, a delivery is over, a slot is free that was waited for, or the time is up.
    async fn wake(&self, rest: Rest, done: &mut watch::Receiver<u64>) {
        if rest.at_most.is_zero() {
            return;
        }
        tokio::select! {
            () = self.inner.bell.notified() => {}
            () = self.inner.courier.store.changed() => {}
            // The sender lives as long as the worker.
            _ = done.changed() => {}
            _ = self.inner.slots.acquire(), if rest.for_slot => {}
            () = tokio::time::sleep(rest.at_most) => {}
        }
    }

    /// Nothing of ours is under way.
    async fn drained(&self) {
        let mut done = self.shared.done.subscribe();
        // The sender lives as long as the worker.
        let _ = done.wait_for(|_| self.shared.lanes.in_flight() == 0).await;
    }
}

impl std::fmt::Debug for Worker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Worker").field("summary", &self.summary()).finish_non_exhaustive()
    }
}

struct Started {
    tick: Tick,
    next: Next,
    /// Something was under way before.
    was_busy: bool,
}

/// When it is worth looking again.
#[derive(Clone, Copy)]
enum Next {
    /// All that was asked for was there: there may be more.
    AtOnce,
    WhenDue,
    /// There was no slot to ask for anything.
    WithASlot,
}

/// How long a worker waits if nobody rings.
#[derive(Clone, Copy)]
struct Rest {
    at_most: Duration,
    /// A free slot ends it.
    for_slot: bool,
}

impl Rest {
    const NONE: Rest = Rest { at_most: Duration::ZERO, for_slot: false };
    /// What is due and could not be had is not asked for all the time.
    const LEAST: Duration = Duration::from_millis(5);
    const AFTER_ERROR: Rest = Rest { at_most: Duration::from_secs(1), for_slot: false };
}

/// One notification's stay in its supplier's lane.
struct Stay {
    shared: Arc<Shared>,
    supplier: crate::value::names::SupplierId,
}

impl Drop for Stay {
    fn drop(&mut self) {
        self.shared.lanes.leave(&self.supplier, Moment::now());
        self.shared.done.send_modify(|number| *number += 1);
    }
}
