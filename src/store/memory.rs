//! The store in memory: the reference for the contract, and enough for one process that may forget.

mod change;
mod index;
mod intervene;
mod listing;
mod mark;
mod queues;
mod table;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use crate::notification::{Key, Notification};
use crate::value::names::Source;
use crate::value::time::Timestamp;

use super::{
    ClaimNew, ClaimRequest, Claims, Counted, Filter, Group, Insertion, Intervened, Intervention,
    Listing, NewNotification, Page, Recorded, Selection, Step, Store, StoreError,
};
use table::Table;

/// The store in memory: for tests, and for one process that may forget. Everything in it is lost when the process ends.
/// Cloning clones the handle.
///
/// # Memory
///
/// The last 1,000 notifications that were notified, withdrawn or not wanted are kept whole. Of older ones only a mark
/// is kept, with state, position, reference or reason, digest and memo: at most 300 bytes each with names of 20
/// characters and no memo, whatever the size of the body. The mark is kept as long as the process lives, so that
/// nothing is sent twice: about 300 MB for a million. [`get`](Store::get) answers with it, without body, attempts,
/// history and ledger.
///
/// Its timeline begins at the wall clock and goes on by the monotonic clock; [`advance`](Self::advance) moves all of
/// it, so that a test lives through three days in a millisecond.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
/// use orderhook::store::{ClaimNew, NewNotification, Start, Store};
/// use orderhook::{Key, MemoryStore, OrderCode, Source, SupplierId};
/// use orderhook::event::Body;
///
/// let store = MemoryStore::new();
/// let key = Key::order_created(Source::new("shop")?, SupplierId::new("north-books")?, OrderCode::new("A-1")?);
/// let new = NewNotification::new(key.clone(), Start::pending(Body::new(*b"{}")));
/// store.insert(&[new], &ClaimNew::NONE).await?;
/// store.advance(Duration::from_secs(3 * 86_400));
/// assert!(store.get(&key).await?.is_some());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct MemoryStore {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    table: Mutex<Table>,
    changed: Notify,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        MemoryStore {
            shared: Arc::new(Shared {
                table: Mutex::new(Table::new()),
                changed: Notify::new(),
            }),
        }
    }

    /// Moves the store's time on.
    pub fn advance(&self, by: Duration) {
        self.lock().advance(by);
        self.shared.changed.notify_waiters();
    }

    /// The store's time.
    pub fn now(&self) -> Timestamp {
        self.lock().now()
    }

    /// Changes something, and tells those who wait when there may be something new to claim by that.
    fn change<T>(&self, change: impl FnOnce(&mut Table) -> T) -> T {
        let mut table = self.lock();
        let changed = change(&mut table);
        let has_news = table.take_news();
        drop(table);
        if has_news {
            self.shared.changed.notify_waiters();
        }
        changed
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        // Nothing inside can panic halfway: what is checked is checked before the first change.
        self.shared
            .table
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        MemoryStore::new()
    }
}

impl Store for MemoryStore {
    async fn insert(
        &self,
        new: &[NewNotification],
        claim: &ClaimNew,
    ) -> Result<Insertion, StoreError> {
        Ok(self.change(|table| table.insert(new, claim)))
    }

    async fn claim(&self, request: &ClaimRequest) -> Result<Claims, StoreError> {
        Ok(self.lock().claim(request))
    }

    async fn write(&self, steps: &[Step]) -> Result<Recorded, StoreError> {
        Ok(self.change(|table| table.write(steps)))
    }

    async fn intervene(
        &self,
        selection: &Selection,
        intervention: &Intervention,
        limit: u32,
    ) -> Result<Intervened, StoreError> {
        Ok(self.change(|table| table.intervene(selection, intervention, limit)))
    }

    async fn get(&self, key: &Key) -> Result<Option<Notification>, StoreError> {
        Ok(self.lock().get(key))
    }

    async fn list(&self, filter: &Filter, page: &Page) -> Result<Listing, StoreError> {
        Ok(self.lock().list(filter, page))
    }

    async fn settled(&self, source: &Source, page: &Page) -> Result<Listing, StoreError> {
        Ok(self.lock().settled(source, page))
    }

    async fn count(&self, filter: &Filter, group: Group) -> Result<Vec<Counted>, StoreError> {
        Ok(self.lock().count(filter, group))
    }

    async fn prune(
        &self,
        source: &Source,
        older_than: Duration,
        limit: u32,
    ) -> Result<u32, StoreError> {
        Ok(self.lock().prune(source, older_than, limit))
    }

    async fn changed(&self) {
        self.shared.changed.notified().await;
    }
}
