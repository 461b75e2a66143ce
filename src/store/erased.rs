//! Any store as one type, so that what users keep in their application state has no type parameters. The only place
//! that knows `DynStore`: in scope elsewhere it would make calls on a concrete store ambiguous.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use crate::notification::{Key, Notification};
use crate::value::names::Source;

use super::{
    ClaimNew, ClaimRequest, Claims, Counted, Filter, Group, Insertion, Intervened, Intervention,
    Listing, NewNotification, Page, Recorded, Selection, Step, Store, StoreError,
};

type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

trait DynStore: Send + Sync {
    fn insert<'a>(
        &'a self,
        new: &'a [NewNotification],
        claim: &'a ClaimNew,
    ) -> Boxed<'a, Result<Insertion, StoreError>>;
    fn claim<'a>(&'a self, request: &'a ClaimRequest) -> Boxed<'a, Result<Claims, StoreError>>;
    fn write<'a>(&'a self, steps: &'a [Step]) -> Boxed<'a, Result<Recorded, StoreError>>;
    fn intervene<'a>(
        &'a self,
        selection: &'a Selection,
        intervention: &'a Intervention,
        limit: u32,
    ) -> Boxed<'a, Result<Intervened, StoreError>>;
    fn get<'a>(&'a self, key: &'a Key) -> Boxed<'a, Result<Option<Notification>, StoreError>>;
    fn list<'a>(
        &'a self,
        filter: &'a Filter,
        page: &'a Page,
    ) -> Boxed<'a, Result<Listing, StoreError>>;
    fn settled<'a>(
        &'a self,
        source: &'a Source,
        page: &'a Page,
    ) -> Boxed<'a, Result<Listing, StoreError>>;
    fn count<'a>(
        &'a self,
        filter: &'a Filter,
        group: Group,
    ) -> Boxed<'a, Result<Vec<Counted>, StoreError>>;
    fn prune<'a>(
        &'a self,
        source: &'a Source,
        older_than: Duration,
        limit: u32,
    ) -> Boxed<'a, Result<u32, StoreError>>;
    fn changed(&self) -> Boxed<'_, ()>;
}

impl<S: Store> DynStore for S {
    fn insert<'a>(
        &'a self,
        new: &'a [NewNotification],
        claim: &'a ClaimNew,
    ) -> Boxed<'a, Result<Insertion, StoreError>> {
        Box::pin(Store::insert(self, new, claim))
    }

    fn claim<'a>(&'a self, request: &'a ClaimRequest) -> Boxed<'a, Result<Claims, StoreError>> {
        Box::pin(Store::claim(self, request))
    }

    fn write<'a>(&'a self, steps: &'a [Step]) -> Boxed<'a, Result<Recorded, StoreError>> {
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

    fn list<'a>(
        &'a self,
        filter: &'a Filter,
        page: &'a Page,
    ) -> Boxed<'a, Result<Listing, StoreError>> {
        Box::pin(Store::list(self, filter, page))
    }

    fn settled<'a>(
        &'a self,
        source: &'a Source,
        page: &'a Page,
    ) -> Boxed<'a, Result<Listing, StoreError>> {
        Box::pin(Store::settled(self, source, page))
    }

    fn count<'a>(
        &'a self,
        filter: &'a Filter,
        group: Group,
    ) -> Boxed<'a, Result<Vec<Counted>, StoreError>> {
        Box::pin(Store::count(self, filter, group))
    }

    fn prune<'a>(
        &'a self,
        source: &'a Source,
        older_than: Duration,
        limit: u32,
    ) -> Boxed<'a, Result<u32, StoreError>> {
        Box::pin(Store::prune(self, source, older_than, limit))
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
    pub(crate) async fn insert(
        &self,
        new: &[NewNotification],
        claim: &ClaimNew,
    ) -> Result<Insertion, StoreError> {
        self.0.insert(new, claim).await
    }

    pub(crate) async fn claim(&self, request: &ClaimRequest) -> Result<Claims, StoreError> {
        self.0.claim(request).await
    }

    pub(crate) async fn write(&self, steps: &[Step]) -> Result<Recorded, StoreError> {
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

    pub(crate) async fn settled(
        &self,
        source: &Source,
        page: &Page,
    ) -> Result<Listing, StoreError> {
        self.0.settled(source, page).await
    }

    pub(crate) async fn count(
        &self,
        filter: &Filter,
        group: Group,
    ) -> Result<Vec<Counted>, StoreError> {
        self.0.count(filter, group).await
    }

    pub(crate) async fn prune(
        &self,
        source: &Source,
        older_than: Duration,
        limit: u32,
    ) -> Result<u32, StoreError> {
        self.0.prune(source, older_than, limit).await
    }

    pub(crate) async fn changed(&self) {
        self.0.changed().await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use crate::event::Body;
    use crate::notification::{By, Ledger, NotificationState};
    use crate::store::{
        Action, Inserted, Pick, Refused, Start, StoreErrorKind, Then, Token, Written,
    };
    use crate::value::names::{OrderCode, Source, SupplierId};
    use crate::value::time::Timestamp;

    use super::*;

    /// Counts its calls, and answers out of what it was asked.
    #[derive(Clone, Default)]
    struct Echo {
        calls: Arc<[AtomicU32; 10]>,
    }

    impl Echo {
        fn called(&self, method: usize) {
            self.calls[method].fetch_add(1, Ordering::Relaxed);
        }

        fn calls(&self) -> [u32; 10] {
            std::array::from_fn(|method| self.calls[method].load(Ordering::Relaxed))
        }
    }

    impl Store for Echo {
        async fn insert(
            &self,
            new: &[NewNotification],
            claim: &ClaimNew,
        ) -> Result<Insertion, StoreError> {
            self.called(0);
            assert_eq!(claim.lease, Duration::from_secs(3));
            let answers = vec![Inserted::Existing; new.len()];
            Ok(Insertion::new(Timestamp::UNIX_EPOCH, answers))
        }

        async fn claim(&self, request: &ClaimRequest) -> Result<Claims, StoreError> {
            self.called(1);
            Ok(Claims::at(Timestamp::from_micros(i64::from(request.limit))))
        }

        async fn write(&self, steps: &[Step]) -> Result<Recorded, StoreError> {
            self.called(2);
            let answers = vec![Written::Stale; steps.len()];
            Ok(Recorded::new(Timestamp::UNIX_EPOCH, answers))
        }

        async fn intervene(
            &self,
            selection: &Selection,
            intervention: &Intervention,
            limit: u32,
        ) -> Result<Intervened, StoreError> {
            self.called(3);
            assert_eq!((&intervention.action, limit), (&Action::Reopen, 7));
            let Selection::Keys(keys) = selection else {
                panic!("another selection was passed on")
            };
            Ok(Intervened::new(keys.clone(), Vec::new()))
        }

        async fn get(&self, key: &Key) -> Result<Option<Notification>, StoreError> {
            self.called(4);
            let state = NotificationState::Pending {
                due: Timestamp::UNIX_EPOCH,
            };
            Ok(Some(Notification::new(
                key.clone(),
                key.event_id(),
                1,
                state,
                Timestamp::UNIX_EPOCH,
            )))
        }

        async fn list(&self, filter: &Filter, page: &Page) -> Result<Listing, StoreError> {
            self.called(5);
            let mut listing = Listing::default();
            listing
                .refused
                .push(Refused::new(filter.source.as_str(), page.limit.to_string()));
            Ok(listing)
        }

        async fn prune(
            &self,
            _: &Source,
            older_than: Duration,
            limit: u32,
        ) -> Result<u32, StoreError> {
            self.called(9);
            Ok(limit + u32::try_from(older_than.as_secs()).unwrap())
        }

        async fn count(&self, filter: &Filter, group: Group) -> Result<Vec<Counted>, StoreError> {
            self.called(6);
            assert_eq!(group, Group::SupplierAndReason);
            Err(StoreError::new(
                StoreErrorKind::Full,
                filter.source.as_str(),
            ))
        }

        async fn changed(&self) {
            self.called(7);
        }

        async fn settled(&self, source: &Source, page: &Page) -> Result<Listing, StoreError> {
            self.called(8);
            let mut listing = Listing::default();
            listing.refused.push(Refused::new(
                format!("settled {source}"),
                page.limit.to_string(),
            ));
            Ok(listing)
        }
    }

    #[tokio::test]
    async fn every_method_of_a_store_is_passed_on() {
        let source = Source::new("shop").unwrap();
        let key = Key::order_created(
            source.clone(),
            SupplierId::new("north").unwrap(),
            OrderCode::new("A-1").unwrap(),
        );
        let echo = Echo::default();
        let store = erase(echo.clone()).clone();

        let new = NewNotification::new(key.clone(), Start::pending(Body::new(*b"{}")));
        let claim = ClaimNew {
            keys: Vec::new(),
            lease: Duration::from_secs(3),
        };
        let inserted = store.insert(&[new.clone(), new], &claim).await.unwrap();
        assert_eq!(inserted.answers, [Inserted::Existing; 2]);
        let request = ClaimRequest::new(source.clone(), Pick::Due, 5, Duration::from_secs(1));
        assert_eq!(
            store.claim(&request).await.unwrap().now,
            Timestamp::from_micros(5)
        );
        let step = Step::new(
            key.clone(),
            Token::new(1),
            Ledger::default(),
            Then::Keep {
                lease: Duration::ZERO,
            },
        );
        assert_eq!(
            store
                .write(&[step.clone(), step.clone(), step])
                .await
                .unwrap()
                .answers,
            [Written::Stale; 3]
        );
        let selection = Selection::Keys(vec![key.clone()]);
        let by = By::new("maria", "repaired").unwrap();
        let intervened = store
            .intervene(&selection, &Intervention::new(Action::Reopen, by), 7)
            .await
            .unwrap();
        assert_eq!(intervened.changed, std::slice::from_ref(&key));
        assert_eq!(store.get(&key).await.unwrap().unwrap().key, key);
        let filter = Filter::of(source);
        let listing = store.list(&filter, &Page::first(9)).await.unwrap();
        assert_eq!(listing.refused, [Refused::new("shop", "9")]);
        let settled = store
            .settled(&filter.source, &Page::first(3))
            .await
            .unwrap();
        assert_eq!(settled.refused, [Refused::new("settled shop", "3")]);
        let day = Duration::from_secs(86_400);
        assert_eq!(store.prune(&filter.source, day, 3).await.unwrap(), 86_403);
        let error = store
            .count(&filter, Group::SupplierAndReason)
            .await
            .unwrap_err();
        assert_eq!(
            (error.kind(), error.to_string()),
            (StoreErrorKind::Full, "shop".to_owned())
        );
        // The default of the trait would never resolve: this is the store's own.
        tokio::time::timeout(Duration::from_secs(10), store.changed())
            .await
            .unwrap();

        assert_eq!(echo.calls(), [1; 10]);
    }
}
