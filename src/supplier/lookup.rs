//! The lookup of suppliers, which is asked when an order is stored and again when it is sent.

mod file;
mod reader;
mod version;

use std::collections::{BTreeMap, HashMap};
use std::error::Error;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, RwLock};

use crate::supplier::{ConfigError, Supplier};
use crate::value::names::SupplierId;

pub use file::SuppliersFile;

/// The source of the suppliers' configurations: a table of the marketplace, a map, a file.
///
/// It is asked when a notification is stored (does the supplier exist, what may it see) and each time it is sent
/// (endpoints, secrets, policy). So a repaired URL or a rotated token takes effect at the next attempt.
///
/// ```
/// use orderhook::{Supplier, SupplierId, Suppliers};
/// use orderhook::supplier::LookupError;
///
/// struct OneForAll;
///
/// impl Suppliers for OneForAll {
///     async fn find(&self, id: &SupplierId) -> Result<Option<Supplier>, LookupError> {
///         let url = format!("https://hooks.example/{id}");
///         Ok(Some(Supplier::builder(id.clone()).endpoint(url).build()?))
///     }
/// }
/// ```
pub trait Suppliers: Send + Sync + 'static {
    /// The supplier's configuration as it is now; `None` when there is no such supplier.
    ///
    /// # Errors
    /// [`LookupError::Unavailable`] when the configuration cannot be read now: nothing is stored, or the notification
    /// is put off without a try. No answer within the limit of an exchange (60 s), and a panic, count as that.
    /// [`LookupError::Invalid`] when the supplier exists and its configuration cannot be used: when storing, nothing is
    /// stored for any supplier of the order, because it is not known what this one may see; when sending, the
    /// notification fails for [`config`](crate::notification::FailureReason::Config).
    fn find(
        &self,
        id: &SupplierId,
    ) -> impl Future<Output = Result<Option<Supplier>, LookupError>> + Send;
}

/// Why a supplier could not be looked up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LookupError {
    /// The lookup failed, for example because its database cannot be reached. The operator repairs this; the same
    /// question may be answered later.
    #[error("the supplier lookup is not available: {what}")]
    Unavailable {
        /// What is in the way, without secrets.
        what: String,
        /// The cause.
        #[source]
        source: Option<Box<dyn Error + Send + Sync>>,
    },
    /// The supplier's configuration cannot be used. The marketplace's admin repairs this.
    #[error(transparent)]
    Invalid(#[from] ConfigError),
}

impl LookupError {
    /// An error of [`Unavailable`](Self::Unavailable), in words without secrets.
    pub fn unavailable(what: impl Into<String>) -> Self {
        LookupError::Unavailable {
            what: what.into(),
            source: None,
        }
    }

    /// An error of [`Unavailable`](Self::Unavailable) with its cause.
    pub fn unavailable_because(
        what: impl Into<String>,
        source: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        LookupError::Unavailable {
            what: what.into(),
            source: Some(source.into()),
        }
    }
}

impl Suppliers for HashMap<SupplierId, Supplier> {
    async fn find(&self, id: &SupplierId) -> Result<Option<Supplier>, LookupError> {
        Ok(self.get(id).cloned())
    }
}

impl Suppliers for BTreeMap<SupplierId, Supplier> {
    async fn find(&self, id: &SupplierId) -> Result<Option<Supplier>, LookupError> {
        Ok(self.get(id).cloned())
    }
}

/// A map that the application changes while it runs.
impl Suppliers for RwLock<HashMap<SupplierId, Supplier>> {
    async fn find(&self, id: &SupplierId) -> Result<Option<Supplier>, LookupError> {
        // A panic of a writer leaves a map that is whole: it is changed by single calls.
        Ok(self
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .get(id)
            .cloned())
    }
}

impl<S: Suppliers> Suppliers for Arc<S> {
    async fn find(&self, id: &SupplierId) -> Result<Option<Supplier>, LookupError> {
        S::find(self, id).await
    }
}

type Found<'a> = Pin<Box<dyn Future<Output = Result<Option<Supplier>, LookupError>> + Send + 'a>>;

trait DynSuppliers: Send + Sync {
    fn find_boxed<'a>(&'a self, id: &'a SupplierId) -> Found<'a>;
}

impl<S: Suppliers> DynSuppliers for S {
    fn find_boxed<'a>(&'a self, id: &'a SupplierId) -> Found<'a> {
        Box::pin(self.find(id))
    }
}

/// Any lookup.
#[derive(Clone)]
pub(crate) struct AnySuppliers(Arc<dyn DynSuppliers>);

impl AnySuppliers {
    pub(crate) fn new(suppliers: impl Suppliers) -> Self {
        AnySuppliers(Arc::new(suppliers))
    }

    pub(crate) async fn find(&self, id: &SupplierId) -> Result<Option<Supplier>, LookupError> {
        match self.0.find_boxed(id).await? {
            // Told with it, one supplier would get another's orders.
            Some(other) if other.id() != id => {
                let problem = "is that of another supplier; the lookup must answer for the id that it is asked";
                Err(LookupError::Invalid(ConfigError::new(
                    Some(id.clone()),
                    "id",
                    problem,
                )))
            }
            found => Ok(found),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_lookup_that_answers_with_another_supplier_is_refused() {
        let (north, south) = (
            SupplierId::new("north").unwrap(),
            SupplierId::new("south").unwrap(),
        );
        let other = Supplier::builder(south)
            .endpoint("https://south.example/")
            .build()
            .unwrap();
        let suppliers = AnySuppliers::new(HashMap::from([(north.clone(), other)]));
        let error = suppliers.find(&north).await.unwrap_err().to_string();
        assert!(
            error.starts_with("supplier north: id: is that of another supplier"),
            "{error}"
        );
    }
}
