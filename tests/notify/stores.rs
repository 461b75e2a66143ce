//! Stores that misbehave, by forwarding to one that does not.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use orderhook::MemoryStore;
use orderhook::store::{Recorded, Step, Store, StoreError, StoreErrorKind};
use tokio::sync::Semaphore;

/// What goes wrong with a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It is lost.
    Before,
    /// It is done, and the answer is lost.
    After,
}

/// A store whose writes fail as often as a test says, or wait until it lets them go; everything else goes through.
#[derive(Clone)]
pub(crate) struct Troubled {
    inner: MemoryStore,
    plan: Arc<Plan>,
}

struct Plan {
    fault: Mutex<Option<(Fault, StoreErrorKind, usize)>>,
    held: Mutex<Option<Arc<Semaphore>>>,
    writes: AtomicUsize,
}

impl Troubled {
    pub(crate) fn over(inner: MemoryStore) -> Self {
        let plan = Plan {
            fault: Mutex::default(),
            held: Mutex::default(),
            writes: AtomicUsize::new(0),
        };
        Troubled {
            inner,
            plan: Arc::new(plan),
        }
    }

    /// The next so many writes fail.
    pub(crate) fn fail_writes(&self, fault: Fault, kind: StoreErrorKind, times: usize) {
        *self.plan.fault.lock().unwrap() = Some((fault, kind, times));
    }

    /// Writes wait until the semaphore has a permit for each.
    pub(crate) fn hold_writes(&self) -> Arc<Semaphore> {
        let gate = Arc::new(Semaphore::new(0));
        *self.plan.held.lock().unwrap() = Some(Arc::clone(&gate));
        gate
    }

    /// How many calls of `write` there were.
    pub(crate) fn writes(&self) -> usize {
        self.plan.writes.load(Ordering::SeqCst)
    }

    fn next_fault(&self) -> Option<(Fault, StoreError)> {
        let mut planned = self.plan.fault.lock().unwrap();
        let (fault, kind, times) = planned.as_mut()?;
        *times = times.checked_sub(1)?;
        Some((*fault, StoreError::new(*kind, "the test wants it so")))
    }
}

impl Store for Troubled {
    async fn write(&self, steps: &[Step]) -> Result<Recorded, StoreError> {
        self.plan.writes.fetch_add(1, Ordering::SeqCst);
        let held = self.plan.held.lock().unwrap().clone();
        if let Some(gate) = held {
            gate.acquire().await.expect("nobody closes it").forget();
        }
        match self.next_fault() {
            None => self.inner.write(steps).await,
            Some((Fault::Before, error)) => Err(error),
            Some((Fault::After, error)) => {
                self.inner.write(steps).await?;
                Err(error)
            }
        }
    }

    crate::support::forward!(inner: insert claim intervene get list settled count prune changed);
}
