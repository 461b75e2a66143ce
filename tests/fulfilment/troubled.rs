//! A store in which others are always first, by forwarding to one in which they are not.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use orderhook::MemoryStore;
use orderhook::store::{Append, ClaimNew, Inserted, Insertion, NewNotification, Store, StoreError};

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
    async fn insert(
        &self,
        new: &[NewNotification],
        claim: &ClaimNew,
    ) -> Result<Insertion, StoreError> {
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
            ] if taken.is_ok() => {
                let answers = vec![Inserted::Stale { next: position + 1 }];
                Ok(Insertion::new(self.inner.now(), answers))
            }
            _ => self.inner.insert(new, claim).await,
        }
    }

    crate::support::forward!(inner: claim write intervene get list settled count prune);
}
