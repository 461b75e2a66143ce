//! When a worker looks again, and what wakes it earlier.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;

use crate::delivery::at_once::AtOnce;
use crate::delivery::engine::Engine;
use crate::delivery::error::Error;
use crate::delivery::traffic::Work;
use crate::value::clock::Moment;

use super::Worker;
use super::look::{Claiming, Looked, Next, UnderWay, start_held};

/// The least time between two claims when what is due could not be claimed.
const LEAST: Duration = Duration::from_millis(5);

/// How long a worker waits after the store could not be asked.
const AFTER_ERROR: Duration = Duration::from_secs(1);

/// A run of a worker: when it claims again, and what tells it to do so earlier.
pub(super) struct Run {
    pub(super) claim: Claim,
    /// The store is not asked before this moment: it could not answer.
    not_before: Moment,
    /// Calls that end, slots that become free, endpoints that answer.
    changes: tokio::sync::watch::Receiver<u64>,
    /// Passes the store's hints on to the bell, and hears each of them.
    hints: JoinHandle<()>,
    engine: Arc<Engine>,
    pub(super) under_way: Arc<UnderWay>,
    /// Its number among the workers of this process.
    number: u64,
    _work: Work,
}

/// When what is due is claimed again.
#[derive(Clone, Copy)]
pub(super) enum Claim {
    WhenFree,
    At(Moment),
}

impl Run {
    pub(super) fn begin(worker: &Worker) -> Run {
        let engine = Arc::clone(&worker.engine);
        let hints = tokio::spawn(async move {
            loop {
                engine.store.changed().await;
                engine.workers.ring();
            }
        });
        let traffic = &worker.engine.traffic;
        let now = Moment::now();
        let under_way = UnderWay::new(&worker.engine);
        let (shared, of_run) = (Arc::clone(&worker.shared), Arc::clone(&under_way));
        // What an insert has claimed is delivered like what this run has claimed itself.
        let start = move |engine: &Arc<Engine>, at_once: AtOnce| {
            let held = at_once.held(of_run.hand_back.clone());
            start_held(engine, held, &shared, &of_run, None);
        };
        Run {
            number: worker.engine.workers.enter(Arc::new(start)),
            claim: Claim::At(now),
            not_before: now,
            changes: traffic.changes(),
            hints,
            engine: Arc::clone(&worker.engine),
            under_way,
            _work: traffic.work(),
        }
    }

    /// Claims no more; answers what is under way.
    pub(super) fn end(self) -> Arc<UnderWay> {
        Arc::clone(&self.under_way)
    }

    /// Waits until there may be something to do, and looks.
    pub(super) async fn next_look(&mut self, worker: &Worker) -> Result<Option<Looked>, Error> {
        self.wait(worker).await;
        self.look(worker).await
    }

    /// Waits until there may be something to do.
    pub(super) async fn wait(&mut self, worker: &Worker) {
        let now = Moment::now();
        let poll = now + worker.poll;
        let at = match self.claim {
            Claim::WhenFree => poll,
            Claim::At(moment) => moment.min(poll),
        };
        let look_at = worker
            .engine
            .traffic
            .next_moment()
            .map_or(at, |moment| moment.min(at))
            .max(self.not_before);
        tokio::select! {
            biased;
            () = worker.engine.workers.rung() => self.claim = Claim::At(now),
            // The sender lives as long as the dispatcher.
            _ = self.changes.changed() => {}
            () = tokio::time::sleep(look_at.since(now)) => {}
        }
    }

    /// Looks, if there is something to look for.
    pub(super) async fn look(&mut self, worker: &Worker) -> Result<Option<Looked>, Error> {
        self.changes.mark_unchanged();
        let now = Moment::now();
        if now < self.not_before {
            return Ok(None);
        }
        let claiming = match self.claim {
            Claim::WhenFree => Claiming::All,
            Claim::At(moment) if moment <= now => Claiming::All,
            Claim::At(_) if worker.engine.traffic.has_old_work(now) => Claiming::PutOffOnly,
            Claim::At(_) => return Ok(None),
        };
        let rings = worker.engine.workers.rings();
        let looked = worker.look(claiming, &self.under_way).await;
        if looked.is_err() {
            // The slots that were kept for it are free again, which would be a reason to look at once. What could not be
            // claimed is looked for then, whether anything else wakes the worker or not.
            self.not_before = Moment::now() + AFTER_ERROR;
            self.claim = Claim::At(self.not_before);
        }
        if claiming == Claiming::All {
            let now = Moment::now();
            match &looked {
                Ok(looked) if matches!(looked.next, Next::In(_)) => {
                    worker.engine.workers.are_caught_up(rings);
                }
                _ => worker.engine.workers.are_behind(),
            }
            self.claim = match &looked {
                Ok(Looked {
                    next: Next::WhenFree | Next::NotAsked,
                    ..
                }) => Claim::WhenFree,
                // The moment is fixed here, and not when the wait begins: what else happens would put it off for ever.
                Ok(Looked {
                    next: Next::In(next),
                    ..
                }) => Claim::At(
                    now + next.map_or(worker.poll, |next| next.max(LEAST).min(worker.poll)),
                ),
                Err(_) => self.claim,
            };
        }
        looked.map(Some)
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        self.hints.abort();
        // It may have heard the bell, or kept what is due for itself, and claims nothing any more: others look.
        self.engine.workers.leave(self.number);
        self.engine.workers.ring();
    }
}
