//! Any lookup, behind one type.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use crate::supplier::{ConfigError, Supplier};
use crate::value::names::SupplierId;

use super::{LookupError, Suppliers};

type Found = Result<Option<Supplier>, LookupError>;
type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

trait DynSuppliers: Send + Sync {
    fn find_boxed<'a>(&'a self, id: &'a SupplierId) -> Boxed<'a, Found>;
    fn find_all_boxed<'a>(&'a self, ids: &'a [SupplierId]) -> Boxed<'a, Vec<Found>>;
    fn outdated_dyn(&self, id: &SupplierId);
}

impl<S: Suppliers> DynSuppliers for S {
    fn find_boxed<'a>(&'a self, id: &'a SupplierId) -> Boxed<'a, Found> {
        Box::pin(self.find(id))
    }

    fn find_all_boxed<'a>(&'a self, ids: &'a [SupplierId]) -> Boxed<'a, Vec<Found>> {
        Box::pin(self.find_all(ids))
    }

    fn outdated_dyn(&self, id: &SupplierId) {
        self.outdated(id);
    }
}

/// Any lookup. What it answers is checked: a notification is never sent by the configuration of another supplier.
#[derive(Clone)]
pub(crate) struct AnySuppliers(Arc<dyn DynSuppliers>);

impl AnySuppliers {
    pub(crate) fn new(suppliers: impl Suppliers) -> Self {
        AnySuppliers(Arc::new(suppliers))
    }

    pub(crate) async fn find(&self, id: &SupplierId) -> Found {
        of_that_supplier(id, self.0.find_boxed(id).await)
    }

    /// One answer for each id.
    pub(crate) async fn find_all(&self, ids: &[SupplierId]) -> Vec<Found> {
        let found = self.0.find_all_boxed(ids).await;
        if found.len() != ids.len() {
            let wrong = || LookupError::unavailable("it did not answer once for each supplier");
            return ids.iter().map(|_| Err(wrong())).collect();
        }
        ids.iter()
            .zip(found)
            .map(|(id, found)| of_that_supplier(id, found))
            .collect()
    }

    pub(crate) fn outdated(&self, id: &SupplierId) {
        self.0.outdated_dyn(id);
    }
}

fn of_that_supplier(id: &SupplierId, found: Found) -> Found {
    match found? {
        // By this one, a supplier would get the orders of another.
        Some(other) if other.id() != id => {
            let problem =
                "is that of another supplier; the lookup must answer for the id that it is asked";
            Err(ConfigError::new(Some(id.clone()), "id", problem).into())
        }
        found => Ok(found),
    }
}
