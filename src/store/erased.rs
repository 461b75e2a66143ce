//! Any store as one type, so that what users keep in their application state has no type parameters. The only place
//! that knows `DynStore`: in scope elsewhere it would make calls on a concrete store ambiguous.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use crate::names::Source;
use crate::notification::{Key, Notification};

use super::{
    ClaimRequest, Claims, Counts, Filter, Inserted, Intervened, Intervention, Listing, NewNotification, Page,
    Selection, Step, Store, StoreError, Written,
};

type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

trait DynStore: Send + Sync {
    fn insert<'a>(&'a self, new: &'a [NewNotification]) -> Boxed<'a, Result<Vec<Inserted>, StoreError>>;
    fn claim<'a>(&'a self, request: &'a ClaimRequest) -> Boxed<'a, Result<Claims, StoreError>>;
    fn write<'a>(&'a self, steps: &'a [Step]) -> Boxed<'a, Result<Vec<Written>, StoreError>>;
    fn intervene<'a>(
        &'a self,
        selection: &'a Selection,
        intervention: &'a Intervention,
        limit: u32,
    ) -> Boxed<'a, Result<Intervened, StoreError>>;
    fn get<'a>(&'a self, key: &'a Key) -> Boxed<'a, Result<Option<Notification>, StoreError>>;
    fn list<'a>(&'a self, filter: &'a Filter, page: &'a Page) -> Boxed<'a, Result<Listing, StoreError>>;
    fn settled<'a>(&'a self, source: &'a Source, page: &'a Page) -> Boxed<'a, Result<Listing, StoreError>>;
    fn count<'a>(&'a self, filter: &'a Filter) -> Boxed<'a, Result<Counts, StoreError>>;
    fn changed(&self) -> Boxed<'_, ()>;
}

impl<S: Store> DynStore for S {
    fn insert<'a>(&'a self, new: &'a [NewNotification]) -> Boxed<'a, Result<Vec<Inserted>, StoreError>> {
        Box::pin(Store::insert(self, new))
    }

    fn claim<'a>(&'a self, request: &'a ClaimRequest) -> Boxed<'a, Result<Claims, StoreError>> {
        Box::pin(Store::claim(self, request))
    }

    fn write<'a>(&'a self, steps: &'a [Step]) -> Boxed<'a, Result<Vec<Written>, StoreError>> {
        Box::pin(Store::write(self, steps))
    }

    fn intervene<'a>(
        &'a self,
        selection: &'a Selection,
        intervention: &'a Intervention,
        limit: u32,
    ) -> Boxed<'a, Result<Intervened, StoreError>> {
        Box::pin(Store::intervene(self, selection, intervention, limit))
    }

    fn get<'a>(&'a self, key: &'a Key) -> Boxed<'a, Result<Option<Notification>, StoreError>> {
        Box::pin(Store::get(self, key))
    }

    fn list<'a>(&'a self, filter: &'a Filter, page: &'a Page) -> Boxed<'a, Result<Listing, StoreError>> {
        Box::pin(Store::list(self, filter, page))
    }

    fn settled<'a>(&'a self, source: &'a Source, page: &'a Page) -> Boxed<'a, Result<Listing, StoreError>> {
        Box::pin(Store::settled(self, source, page))
    }

    fn count<'a>(&'a self, filter: &'a Filter) -> Boxed<'a, Result<Counts, StoreError>> {
        Box::pin(Store::count(self, filter))
    }

    fn changed(&self) -> Boxed<'_, ()> {
        Box::pin(Store::changed(self))
    }
}

/// Any store.
#[derive(Clone)]
pub(crate) struct AnyStore(Arc<dyn DynStore>);

pub(crate) fn erase(store: impl Store) -> AnyStore {
    AnyStore(Arc::new(store))
}

impl AnyStore {
    pub(crate) async fn insert(&self, new: &[NewNotification]) -> Result<Vec<Inserted>, StoreError> {
        self.0.insert(new).await
    }

    pub(crate) async fn claim(&self, request: &ClaimRequest) -> Result<Claims, StoreError> {
        self.0.claim(request).await
    }

    pub(crate) async fn write(&self, steps: &[Step]) -> Result<Vec<Written>, StoreError> {
        self.0.write(steps).await
    }

    pub(crate) async fn intervene(
        &self,
        selection: &Selection,
        intervention: &Intervention,
        limit: u32,
    ) -> Result<Intervened, StoreError> {
        self.0.intervene(selection, intervention, limit).await
    }

    pub(crate) async fn get(&self, key: &Key) -> Result<Option<Notification>, StoreError> {
        self.0.get(key).await
    }

    pub(crate) async fn list(&self, filter: &Filter, page: &Page) -> Result<Listing, StoreError> {
        self.0.list(filter, page).await
    }

    pub(crate) async fn settled(&self, source: &Source, page: &Page) -> Result<Listing, StoreError> {
        self.0.settled(source, page).await
    }

    pub(crate) async fn count(&self, filter: &Filter) -> Result<Counts, StoreError> {
        self.0.count(filter).await
    }

    pub(crate) async fn changed(&self) {
        self.0.changed().await
    }
}
