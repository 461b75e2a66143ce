//! The lookup of suppliers, which is asked when an order is stored and again when it is sent.

mod cached;
mod erased;
mod error;
mod file;
mod reader;
mod together;
mod version;

use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::sync::{Arc, RwLock};

use crate::supplier::Supplier;
use crate::value::names::SupplierId;

pub use cached::Cached;
pub(crate) use erased::AnySuppliers;
pub use error::LookupError;
pub use file::SuppliersFile;

/// The source of the suppliers' configurations: a table of the marketplace, a map, a file.
///
/// It is asked when a notification is stored (does the supplier exist, what may it see) and each time it is sent
/// (endpoints, secrets, policy). So a repaired URL or a rotated token takes effect at the next attempt. A first POST that begins
/// together with the insert goes by the one answer.
///
/// `HashMap`, `BTreeMap`, `RwLock<HashMap>`, an `Arc` of any, and [`SuppliersFile`](crate::SuppliersFile) are such sources;
/// for a table of your own, write one. `None` means that there is no such supplier. A configuration that cannot be used is an
/// error by `?`; when the table cannot be asked at the moment, say so with [`LookupError::unavailable`]: notifications then
/// wait.
///
/// ```
/// use orderhook::{Supplier, SupplierId, Suppliers};
/// use orderhook::supplier::LookupError;
///
/// struct Webhooks {
///     pool: Pool,
/// }
///
/// impl Suppliers for Webhooks {
///     async fn find(&self, id: &SupplierId) -> Result<Option<Supplier>, LookupError> {
///         let row = self.pool.row_of(id.as_str()).await;
///         let row = row.map_err(|error| LookupError::unavailable("the table of webhooks is away").caused_by(error))?;
///         let Some(Row { url, token }) = row else { return Ok(None) };
///         Ok(Some(Supplier::builder(id.clone()).endpoint(url).bearer_token(token).build()?))
///     }
/// }
///
/// # struct Pool;
/// # struct Row { url: String, token: String }
/// # impl Pool {
/// #     async fn row_of(&self, id: &str) -> Result<Option<Row>, std::io::Error> {
/// #         let row = || Row { url: "https://hooks.north-books.example/".to_owned(), token: "tok_5f2a".to_owned() };
/// #         Ok((id == "north-books").then(row))
/// #     }
/// # }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let suppliers = Webhooks { pool: Pool };
/// let found = suppliers.find(&SupplierId::new("north-books")?).await?;
/// assert_eq!(found.map(|supplier| supplier.endpoints().len()), Some(1));
/// assert_eq!(suppliers.find(&SupplierId::new("stranger")?).await?, None);
/// # Ok(())
/// # }
/// ```
pub trait Suppliers: Send + Sync + 'static {
    /// The supplier's configuration as it is now; `None` when there is no such supplier.
    ///
    /// # Errors
    /// [`LookupError::Unavailable`] when the configuration cannot be read now: nothing is stored, or the notification
    /// is put off without a try. No answer within the dispatcher's
    /// [`timeout`](crate::DispatcherBuilder::timeout) (60 s), and a panic, count as that.
    /// [`LookupError::Invalid`] when the supplier exists and its configuration cannot be used: when storing, nothing is
    /// stored for any supplier of the order, because it is not known what this one may see; when sending, the
    /// notification fails for [`config`](crate::notification::FailureReason::Config).
    fn find(
        &self,
        id: &SupplierId,
    ) -> impl Future<Output = Result<Option<Supplier>, LookupError>> + Send;

    /// The configurations of several suppliers: one answer for each id, in their order. An order is stored after one such
    /// call for all of its suppliers.
    ///
    /// The default asks [`find`](Self::find) for each, at most 8 side by side. Override it where one statement can read them
    /// all.
    fn find_all(
        &self,
        ids: &[SupplierId],
    ) -> impl Future<Output = Vec<Result<Option<Supplier>, LookupError>>> + Send {
        together::at_most(8, ids.iter().map(|id| self.find(id)))
    }

    /// A hint that the configuration of a supplier may be outdated: an endpoint has answered 401 or 403, or a notification
    /// has failed for its configuration. A lookup that remembers answers, such as [`Cached`], forgets this one; the default
    /// does nothing.
    fn outdated(&self, id: &SupplierId) {
        let _ = id;
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

    async fn find_all(&self, ids: &[SupplierId]) -> Vec<Result<Option<Supplier>, LookupError>> {
        S::find_all(self, ids).await
    }

    fn outdated(&self, id: &SupplierId) {
        S::outdated(self, id);
    }
}

#[cfg(test)]
mod tests;
