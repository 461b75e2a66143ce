//! Stores that misbehave, by forwarding to one that does not.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use orderhook::store::{
    ClaimRequest, Claims, Filter, Group, Inserted, Intervened, Intervention, Listing,
    NewNotification, Page, Selection, Step, Store, StoreError, StoreErrorKind, Written,
};
use orderhook::{Key, MemoryStore, Notification, Source};
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
    async fn insert(&self, new: &[NewNotification]) -> Result<Vec<Inserted>, StoreError> {
        self.inner.insert(new).await
    }

    async fn claim(&self, request: &ClaimRequest) -> Result<Claims, StoreError> {
        self.inner.claim(request).await
    }

    async fn write(&self, steps: &[Step]) -> Result<Vec<Written>, StoreError> {
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

    async fn intervene(
        &self,
        selection: &Selection,
        intervention: &Intervention,
        limit: u32,
    ) -> Result<Intervened, StoreError> {
        self.inner.intervene(selection, intervention, limit).await
    }

    async fn get(&self, key: &Key) -> Result<Option<Notification>, StoreError> {
        self.inner.get(key).await
    }

    async fn list(&self, filter: &Filter, page: &Page) -> Result<Listing, StoreError> {
        self.inner.list(filter, page).await
    }

    async fn settled(&self, source: &Source, page: &Page) -> Result<Listing, StoreError> {
        self.inner.settled(source, page).await
    }

    async fn count(
        &self,
        filter: &Filter,
        group: Group,
    ) -> Result<Vec<orderhook::store::Counted>, StoreError> {
        self.inner.count(filter, group).await
    }

    async fn prune(
        &self,
        source: &Source,
        older_than: Duration,
        limit: u32,
    ) -> Result<u32, StoreError> {
        self.inner.prune(source, older_than, limit).await
    }

    async fn changed(&self) {
        self.inner.changed().await;
    }
}
