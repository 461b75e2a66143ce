//! A lookup that remembers what another has found.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::supplier::Supplier;
use crate::value::clock::Moment;
use crate::value::names::SupplierId;

use super::{LookupError, Suppliers};

/// The most suppliers that are remembered.
const MOST: usize = 10_000;

/// A lookup that remembers what another lookup has found, for example a table of the application's database.
///
/// A supplier is remembered for `ttl` from the moment at which it was asked for, and forgotten after a reply of 401 or 403
/// and after a failure for its configuration, so that a rotated token is found at the next attempt. Only what was found is
/// remembered: a supplier that is not there, or a lookup that fails, is asked for again each time. At most 10,000 suppliers
/// are remembered.
///
/// As old as the `ttl` can be: the URLs, the token, the headers and the signing keys that an event is sent with, the policies
/// (acceptance, schedule, limits, privacy), whether the supplier is paused, and whether it still exists.
///
/// ```
/// use std::collections::HashMap;
/// use std::time::Duration;
///
/// use orderhook::supplier::Cached;
/// use orderhook::{Supplier, SupplierId, Suppliers};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let north = SupplierId::new("north-books")?;
/// let supplier = Supplier::builder(north.clone()).endpoint("https://hooks.north-books.example/").build()?;
/// let table = HashMap::from([(north.clone(), supplier)]);
///
/// let suppliers = Cached::new(table, Duration::from_secs(30));
/// assert!(suppliers.find(&north).await?.is_some());
/// suppliers.forget(&north); // the application has saved another URL
/// # Ok(())
/// # }
/// ```
pub struct Cached<S> {
    suppliers: S,
    ttl: Duration,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    /// What was found, and when it was asked for.
    found: HashMap<SupplierId, (Moment, Supplier)>,
    /// How often something was forgotten: an answer that was asked for before is not kept.
    forgotten: u64,
}

impl<S: Suppliers> Cached<S> {
    /// Remembers for `ttl` what `suppliers` finds.
    pub fn new(suppliers: S, ttl: Duration) -> Self {
        Cached {
            suppliers,
            ttl,
            kept: Mutex::default(),
        }
    }

    /// Forgets one supplier: the next question is asked anew.
    pub fn forget(&self, id: &SupplierId) {
        let mut kept = self.lock();
        kept.found.remove(id);
        kept.forgotten += 1;
    }

    fn remembered(&self, id: &SupplierId, now: Moment) -> Option<Supplier> {
        let kept = self.lock();
        let (asked, supplier) = kept.found.get(id)?;
        (now.since(*asked) < self.ttl).then(|| supplier.clone())
    }

    fn remember(&self, supplier: &Supplier, asked: Moment, forgotten: u64) {
        let mut kept = self.lock();
        if kept.forgotten != forgotten {
            return;
        }
        if kept.found.len() >= MOST && !kept.found.contains_key(supplier.id()) {
            kept.found.retain(|_, (at, _)| asked.since(*at) < self.ttl);
            if kept.found.len() >= MOST {
                return;
            }
        }
        let id = supplier.id().clone();
        kept.found.insert(id, (asked, supplier.clone()));
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        // Each change is one call of the map: what a panic leaves is whole.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: Suppliers> Suppliers for Cached<S> {
    async fn find(&self, id: &SupplierId) -> Result<Option<Supplier>, LookupError> {
        let asked = Moment::now();
        if let Some(supplier) = self.remembered(id, asked) {
            return Ok(Some(supplier));
        }
        let forgotten = self.lock().forgotten;
        let found = self.suppliers.find(id).await?;
        if let Some(supplier) = found.as_ref().filter(|supplier| supplier.id() == id) {
            self.remember(supplier, asked, forgotten);
        }
        Ok(found)
    }

    async fn find_all(&self, ids: &[SupplierId]) -> Vec<Result<Option<Supplier>, LookupError>> {
        let asked = Moment::now();
        let mut answers: Vec<_> = ids.iter().map(|id| self.remembered(id, asked)).collect();
        let missing = |answers: &[Option<Supplier>]| -> Vec<SupplierId> {
            let pairs = ids.iter().zip(answers);
            pairs
                .filter(|(_, answer)| answer.is_none())
                .map(|(id, _)| id.clone())
                .collect()
        };
        let missing = missing(&answers);
        let forgotten = self.lock().forgotten;
        let mut found = match missing.is_empty() {
            true => Vec::new(),
            false => self.suppliers.find_all(&missing).await,
        };
        let is_whole = found.len() == missing.len();
        for (id, found) in missing.iter().zip(&found) {
            let supplier = found.as_ref().ok().and_then(Option::as_ref);
            if let Some(supplier) = supplier.filter(|supplier| is_whole && supplier.id() == id) {
                self.remember(supplier, asked, forgotten);
            }
        }
        let mut found = found.drain(..);
        let answer = |answer: Option<Supplier>| match answer {
            Some(supplier) => Some(Ok(Some(supplier))),
            // An inner lookup that answers too little is found out by the number of answers.
            None => found.next(),
        };
        answers.drain(..).filter_map(answer).collect()
    }

    fn outdated(&self, id: &SupplierId) {
        self.forget(id);
        self.suppliers.outdated(id);
    }
}

impl<S> std::fmt::Debug for Cached<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cached")
            .field("ttl", &self.ttl)
            .finish_non_exhaustive()
    }
}
