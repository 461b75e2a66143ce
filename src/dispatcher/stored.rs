//! What is stored, for a caller who asks for it.

use crate::delivery::engine::Engine;
use crate::delivery::error::Error;
use crate::notification::{Key, Notification};
use crate::store::{Cursor, Filter, Listing, Page, StoreError, StoreErrorKind};

impl Engine {
    /// All that a filter selects; for one order, so that it is bounded.
    pub(super) async fn all(&self, filter: &Filter) -> Result<Vec<Notification>, Error> {
        let mut notifications = Vec::new();
        let mut after: Option<Cursor> = None;
        loop {
            let listing = self.page(filter, after.take(), 500).await?;
            notifications.extend(listing.notifications);
            match listing.next {
                Some(cursor) => after = Some(cursor),
                None => return Ok(notifications),
            }
        }
    }

    /// One page, of which every row can be read.
    pub(crate) async fn page(
        &self,
        filter: &Filter,
        after: Option<Cursor>,
        limit: u32,
    ) -> Result<Listing, Error> {
        let page = after.map_or(Page::first(limit), |cursor| Page::after(cursor, limit));
        let listing = self.store.list(filter, &page).await.map_err(Error::Store)?;
        match listing.refused.first() {
            None => Ok(listing),
            Some(refused) => {
                let what = format!("{}: {}", refused.row, refused.problem);
                Err(Error::Store(StoreError::new(StoreErrorKind::Corrupt, what)))
            }
        }
    }

    /// One notification as reports have it: without what suppliers answered, which is for those who ask for it.
    pub(crate) async fn get(&self, key: &Key) -> Result<Notification, Error> {
        let found = self.store.get(key).await.map_err(Error::Store)?;
        let found = found.map(Notification::without_replies);
        found.ok_or_else(|| Error::NotFound {
            key: Box::new(key.clone()),
        })
    }
}
