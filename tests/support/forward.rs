//! The methods of a store that stands in front of another one and changes only some of them.

/// Forwards these methods of `Store` to the store in a field: `forward!(inner: claim get list);`, inside the `impl`.
macro_rules! forward {
    ($inner:ident: $($method:ident)+) => {
        $($crate::support::forward!(@$method $inner);)+
    };
    (@insert $inner:ident) => {
        async fn insert(
            &self,
            new: &[orderhook::store::NewNotification],
            claim: &orderhook::store::ClaimNew,
        ) -> Result<orderhook::store::Insertion, orderhook::store::StoreError> {
            self.$inner.insert(new, claim).await
        }
    };
    (@claim $inner:ident) => {
        async fn claim(
            &self,
            request: &orderhook::store::ClaimRequest,
        ) -> Result<orderhook::store::Claims, orderhook::store::StoreError> {
            self.$inner.claim(request).await
        }
    };
    (@write $inner:ident) => {
        async fn write(
            &self,
            steps: &[orderhook::store::Step],
        ) -> Result<orderhook::store::Recorded, orderhook::store::StoreError> {
            self.$inner.write(steps).await
        }
    };
    (@intervene $inner:ident) => {
        async fn intervene(
            &self,
            selection: &orderhook::store::Selection,
            intervention: &orderhook::store::Intervention,
            limit: u32,
        ) -> Result<orderhook::store::Intervened, orderhook::store::StoreError> {
            self.$inner.intervene(selection, intervention, limit).await
        }
    };
    (@get $inner:ident) => {
        async fn get(
            &self,
            key: &orderhook::Key,
        ) -> Result<Option<orderhook::Notification>, orderhook::store::StoreError> {
            self.$inner.get(key).await
        }
    };
    (@list $inner:ident) => {
        async fn list(
            &self,
            filter: &orderhook::store::Filter,
            page: &orderhook::store::Page,
        ) -> Result<orderhook::store::Listing, orderhook::store::StoreError> {
            self.$inner.list(filter, page).await
        }
    };
    (@settled $inner:ident) => {
        async fn settled(
            &self,
            source: &orderhook::Source,
            page: &orderhook::store::Page,
        ) -> Result<orderhook::store::Listing, orderhook::store::StoreError> {
            self.$inner.settled(source, page).await
        }
    };
    (@count $inner:ident) => {
        async fn count(
            &self,
            filter: &orderhook::store::Filter,
            group: orderhook::store::Group,
        ) -> Result<Vec<orderhook::store::Counted>, orderhook::store::StoreError> {
            self.$inner.count(filter, group).await
        }
    };
    (@prune $inner:ident) => {
        async fn prune(
            &self,
            source: &orderhook::Source,
            older_than: std::time::Duration,
            limit: u32,
        ) -> Result<u32, orderhook::store::StoreError> {
            self.$inner.prune(source, older_than, limit).await
        }
    };
    (@changed $inner:ident) => {
        async fn changed(&self) {
            self.$inner.changed().await;
        }
    };
}

pub(crate) use forward;
