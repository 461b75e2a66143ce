//! A store in which others are always first, by forwarding to one in which they are not.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use orderhook::store::{
    Append, ClaimRequest, Claims, Filter, Group, Inserted, Intervened, Intervention, Listing,
    NewNotification, Page, Selection, Step, Store, StoreError, Written,
};
use orderhook::{Key, MemoryStore, Notification, Source};

/// So many appends find their position taken.
#[derive(Clone)]
pub(crate) struct Contended {
    inner: MemoryStore,
    left: Arc<AtomicUsize>,
}

impl Contended {
    pub(crate) fn over(inner: MemoryStore, times: usize) -> Self {
        Contended {
            inner,
            left: Arc::new(AtomicUsize::new(times)),
        }
    }
}

impl Store for Contended {
    async fn insert(&self, new: &[NewNotification]) -> Result<Vec<Inserted>, StoreError> {
        let taken = self
            .left
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
                left.checked_sub(1)
            });
        match new {
            [
                NewNotification {
                    append: Append::At(position),
                    ..
                },
            ] if taken.is_ok() => Ok(vec![Inserted::Stale { next: position + 1 }]),
            _ => self.inner.insert(new).await,
        }
    }

    async fn claim(&self, request: &ClaimRequest) -> Result<Claims, StoreError> {
        self.inner.claim(request).await
    }

    async fn write(&self, steps: &[Step]) -> Result<Vec<Written>, StoreError> {
        self.inner.write(steps).await
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
}
