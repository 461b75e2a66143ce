//! The worker, which delivers in the background what is due.

mod drain;
mod look;
mod run;

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::delivery::engine::Engine;
use crate::delivery::error::Error;
use crate::delivery::random::random;
use crate::delivery::traffic::Beside;
use crate::dispatcher::Dispatcher;
use crate::value::clock::Moment;

use look::{Claiming, Look, Looked, Next, Shared, UnderWay};
use run::Run;

/// Delivers the notifications that are due: in a background task ([`run`](Self::run), [`run_until`](Self::run_until)), from
/// cron ([`drain`](Self::drain)), or in tests until nothing is left ([`until_idle`](Self::until_idle)) or step by step
/// ([`tick`](Self::tick)). A clone shares the [`summary`](Self::summary).
///
/// Any number of workers in any number of processes may share a store; each notification is delivered by one of them at a
/// time. Workers of one dispatcher share its slots, so more than one of them in a process is of no use.
///
/// # Who is called when
///
/// The numbers here are those of the default settings: a [`timeout`](crate::DispatcherBuilder::timeout) of a minute, 256 slots
/// ([`concurrency`](crate::DispatcherBuilder::concurrency)), 8 calls at once of one supplier
/// ([`max_concurrent`](crate::SupplierBuilder::max_concurrent)).
///
/// A new order is called at once at every endpoint of its supplier that answers, whatever the others do. An endpoint that has
/// not answered for 2 s is *silent*: its call goes on for the full minute, but no longer takes one of the slots. Until it
/// answers it gets one call at a time, with a pause after each that ran into the limit (5 s, doubling, at most a minute);
/// meanwhile rounds leave it out, which counts as no failed try of its [schedule](crate::RetryPolicy), and call the others.
/// The first answer, whatever its status, ends that: what was put off is sent, as much at a time as the supplier allows,
/// every second call going to new orders.
///
/// Silent calls have 15 places per slot (3,840), half of them for endpoints that are known to be silent. A quarter of the
/// slots is kept for workers that call endpoints which have answered before: no single endpoint, no `notify`, `retry` or
/// `resume`, and no first call of an endpoint gets that quarter. With
/// [`Acceptance::First`](crate::supplier::Acceptance::First) a silent endpoint is skipped; once that has lasted for ten of
/// its pauses, the next order calls it again first, and waits for that as long as the timeout at most.
///
/// A notification that cannot be sent now, because its endpoints are silent or its supplier is paused, at its limit or
/// cannot be looked up, is *put off*: it stays pending, no try is spent, and it is sent when the obstacle is gone, or looked
/// at again after as long as that has lasted, a minute at least and an hour at most. An endpoint that has been silent for
/// [`give_up_after`](crate::RetryPolicy::with_give_up_after) (72 h) is given up and the notification fails.
///
/// Each process knows its own calls only: it finds out for itself which endpoints are silent, and when they answer again.
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
    engine: Arc<Engine>,
    shared: Arc<Shared>,
    grace: Duration,
    poll: Duration,
}

/// The numbers of what a worker has done since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Summary {
    /// The number of notifications that ended as notified.
    pub notified: u64,
    /// The number of notifications that failed.
    pub failed: u64,
}

/// The result of one [`tick`](Worker::tick) of a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tick {
    /// The number of notifications that were claimed, and then delivered or handed back.
    pub claimed: usize,
    /// The time from the claim until the next notification is due; `None` when none waits for its time.
    pub next_due: Option<Duration>,
}

impl Worker {
    /// Creates a worker for the notifications of a dispatcher's store and source.
    pub fn new(dispatcher: &Dispatcher) -> Self {
        let engine = Arc::clone(&dispatcher.engine);
        Worker {
            engine,
            shared: Arc::default(),
            grace: Duration::from_secs(10),
            poll: Duration::from_secs(1),
        }
    }

    /// Sets how long [`run_until`](Self::run_until) waits for what is being sent, when the future that it was given has ended
    /// it, before the rest is handed back. Default 10 s.
    #[must_use]
    pub fn with_grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// Sets how often the worker looks at the store without a hint that there is something new, and so how long it may take
    /// until it finds what another process has stored. Default 1 s, at least 1 ms.
    #[must_use]
    pub fn with_poll(mut self, every: Duration) -> Self {
        self.poll = every.max(Duration::from_millis(1));
        self
    }

    /// How much has been done since the worker was made.
    pub fn summary(&self) -> Summary {
        Summary {
            notified: self.shared.notified.load(Ordering::Relaxed),
            failed: self.shared.failed.load(Ordering::Relaxed),
        }
    }

    /// Does one step: claims what is due, as much as there are slots, delivers it, and waits until all of it is done.
    ///
    /// Dropping this future stops the waiting: what was claimed is delivered all the same.
    ///
    /// # Errors
    /// [`Error::Store`] when nothing could be claimed.
    pub async fn tick(&self) -> Result<Tick, Error> {
        // It does not look again: nothing is left to it that others wait for.
        let under_way = UnderWay::new(&self.engine);
        let looked = self.look(Claiming::All, &under_way).await?;
        under_way.drained().await;
        let next_due = match looked.next {
            Next::WhenFree | Next::NotAsked => Some(Duration::ZERO),
            Next::In(next_due) => next_due,
        };
        Ok(Tick {
            claimed: looked.claimed,
            next_due,
        })
    }

    /// Delivers until the dispatcher is [shut down](Dispatcher::shutdown), whose grace period counts for what is being sent
    /// then. Errors of the store are logged, and the worker tries again after a second.
    ///
    /// Dropping this future stops the claiming and lets what is being sent go on.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use std::time::Duration;
    /// # use orderhook::{Dispatcher, MemoryStore, Source, Supplier, SupplierId, Worker};
    /// # let suppliers = std::collections::HashMap::<SupplierId, Supplier>::new();
    /// # let dispatcher = Dispatcher::builder(Source::new("shop")?, MemoryStore::new(), suppliers).build()?;
    /// let running = tokio::spawn(Worker::new(&dispatcher).run());
    /// // ... the application serves its requests ...
    /// dispatcher.shutdown(Duration::from_secs(10)).await;
    /// assert_eq!(running.await?.failed, 0);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn run(self) -> Summary {
        self.run_until(std::future::pending()).await
    }

    /// Delivers until `shutdown` resolves; then claims nothing more, waits for what is being sent, and after the [grace
    /// period](Self::with_grace) cuts the POSTs that are left, as [`Dispatcher::shutdown`] does, and hands back the rest. It
    /// ends as [`run`](Self::run) does when the dispatcher is shut down first.
    ///
    /// Dropping this future stops the claiming and lets what is being sent go on.
    pub async fn run_until(self, shutdown: impl Future<Output = ()>) -> Summary {
        let mut shutdown = pin!(shutdown);
        let mut run = Run::begin(&self);
        let grace = loop {
            tokio::select! {
                biased;
                () = &mut shutdown => break Some(self.grace),
                // The shutdown of the dispatcher has a grace period of its own, and hands back the rest itself.
                () = self.engine.stopping.cancelled() => break None,
                looked = run.next_look(&self) => if let Err(error) = looked {
                    log(&error);
                }
            }
        };
        let under_way = run.end();
        if let Some(grace) = grace
            && tokio::time::timeout(grace, under_way.drained())
                .await
                .is_err()
        {
            under_way.hand_back.cancel();
        }
        under_way.drained().await;
        self.summary()
    }

    /// Delivers until nothing is pending or being sent any more. It waits for what is not due yet and for what is put off; what
    /// has failed or cannot be read, and what is held behind it in its stream, is left. **It is meant for tests**: with an
    /// endpoint that does not answer it takes as long as its schedule, 72 h by default, so a program that cron starts uses
    /// [`drain`](Self::drain). When the dispatcher is shut down it ends early, with nothing under way.
    ///
    /// # Errors
    /// [`Error::Store`] when nothing can be claimed and the error is not transient.
    pub async fn until_idle(&self) -> Result<Summary, Error> {
        let mut run = Run::begin(self);
        loop {
            tokio::select! {
                biased;
                () = self.engine.stopping.cancelled() => break,
                () = run.wait(self) => {}
            }
            let was_busy = run.under_way.is_busy();
            match run.look(self).await {
                Ok(Some(looked))
                    if !was_busy && looked.claimed == 0 && looked.next == Next::In(None) =>
                {
                    break;
                }
                Ok(_) => {}
                Err(error) if error.is_transient() => log(&error),
                Err(error) => return Err(error),
            }
        }
        run.end().drained().await;
        Ok(self.summary())
    }

    /// Looks once, in a task of its own: a future that is dropped strands nothing that was claimed.
    async fn look(&self, claiming: Claiming, under_way: &Arc<UnderWay>) -> Result<Looked, Error> {
        let beside = match claiming {
            Claiming::All => Beside::WhatIsDue,
            Claiming::PutOffOnly => Beside::Nothing,
        };
        let old = self
            .engine
            .traffic
            .old_work(Moment::now(), beside, random());
        let dropped = CancellationToken::new();
        let _dropped = dropped.clone().drop_guard();
        let look = Look {
            engine: Arc::clone(&self.engine),
            shared: Arc::clone(&self.shared),
            under_way: Arc::clone(under_way),
            due_by: None,
            later: None,
            dropped,
        };
        self.engine.run(look.look(old, claiming)).await
    }
}

fn log(error: &Error) {
    let source = std::error::Error::source(error).map(ToString::to_string);
    tracing::error!(%error, ?source, "nothing could be claimed");
}

impl std::fmt::Debug for Worker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Worker")
            .field("summary", &self.summary())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
