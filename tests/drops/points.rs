//! Points that the work passes, wherever it is done: a test stops it at the n-th of them.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use orderhook::store::{
    ClaimNew, ClaimRequest, Claims, Filter, Group, Insertion, Intervened, Intervention, Listing,
    NewNotification, Page, Recorded, Selection, Step, Store, StoreError,
};
use orderhook::supplier::LookupError;
use orderhook::{Key, Notification, Source, Supplier, SupplierId, Suppliers};
use tokio::sync::Notify;

use crate::support::Gate;

/// Counts the points. Clones count together.
#[derive(Clone, Default)]
pub(crate) struct Points(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    reached: Notify,
}

#[derive(Default)]
struct State {
    passed: usize,
    stop: Option<(usize, Gate)>,
}

impl Points {
    /// Whoever comes to the n-th point from now on waits there until the gate is open.
    pub(crate) fn stop_at(&self, n: usize) -> Gate {
        let gate = Gate::new();
        *self.state() = State {
            passed: 0,
            stop: Some((n, gate.clone())),
        };
        gate
    }

    /// Nobody is stopped any more.
    pub(crate) fn clear(&self) {
        self.state().stop = None;
    }

    /// Waits until the point of [`stop_at`](Self::stop_at) is reached.
    pub(crate) async fn reached(&self) {
        self.0.reached.notified().await;
    }

    /// Counts without an await: an event that cannot be held up.
    pub(crate) fn touch(&self) -> Option<Gate> {
        let mut state = self.state();
        state.passed += 1;
        let gate = state
            .stop
            .as_ref()
            .filter(|(n, _)| *n == state.passed)
            .map(|(_, gate)| gate.clone());
        if gate.is_some() {
            self.0.reached.notify_one();
        }
        gate
    }

    /// One point: always an await.
    pub(crate) async fn pass(&self) {
        match self.touch() {
            Some(gate) => gate.opened().await,
            None => tokio::task::yield_now().await,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap()
    }
}

/// A store with a point before and after each call.
#[derive(Clone)]
pub(crate) struct Pointed<S> {
    pub(crate) inner: S,
    pub(crate) points: Points,
}

impl<S> Pointed<S> {
    async fn between<T>(&self, call: impl Future<Output = T>) -> T {
        self.points.pass().await;
        let answer = call.await;
        self.points.pass().await;
        answer
    }
}

impl<S: Store> Store for Pointed<S> {
    async fn insert(
        &self,
        new: &[NewNotification],
        claim: &ClaimNew,
    ) -> Result<Insertion, StoreError> {
        self.between(self.inner.insert(new, claim)).await
    }

    async fn claim(&self, request: &ClaimRequest) -> Result<Claims, StoreError> {
        self.between(self.inner.claim(request)).await
    }

    async fn write(&self, steps: &[Step]) -> Result<Recorded, StoreError> {
        self.between(self.inner.write(steps)).await
    }

    async fn intervene(
        &self,
        selection: &Selection,
        intervention: &Intervention,
        limit: u32,
    ) -> Result<Intervened, StoreError> {
        self.between(self.inner.intervene(selection, intervention, limit))
            .await
    }

    async fn get(&self, key: &Key) -> Result<Option<Notification>, StoreError> {
        self.between(self.inner.get(key)).await
    }

    async fn list(&self, filter: &Filter, page: &Page) -> Result<Listing, StoreError> {
        self.between(self.inner.list(filter, page)).await
    }

    async fn settled(&self, source: &Source, page: &Page) -> Result<Listing, StoreError> {
        self.between(self.inner.settled(source, page)).await
    }

    async fn count(
        &self,
        filter: &Filter,
        group: Group,
    ) -> Result<Vec<orderhook::store::Counted>, StoreError> {
        self.between(self.inner.count(filter, group)).await
    }

    async fn prune(
        &self,
        source: &Source,
        older_than: Duration,
        limit: u32,
    ) -> Result<u32, StoreError> {
        self.between(self.inner.prune(source, older_than, limit))
            .await
    }

    async fn changed(&self) {
        self.inner.changed().await;
    }
}

/// A supplier lookup with a point before and after each answer.
pub(crate) struct PointedSuppliers<L> {
    pub(crate) inner: L,
    pub(crate) points: Points,
}

impl<L: Suppliers> Suppliers for PointedSuppliers<L> {
    async fn find(&self, id: &SupplierId) -> Result<Option<Supplier>, LookupError> {
        self.points.pass().await;
        let found = self.inner.find(id).await;
        self.points.pass().await;
        found
    }
}
