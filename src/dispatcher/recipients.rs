//! The suppliers of an order, looked up before its transaction begins.

use std::fmt;
use std::sync::{Arc, Weak};

use crate::delivery::engine::Engine;
use crate::delivery::error::Error;
use crate::supplier::Supplier;
use crate::value::hashed::FastMap;
use crate::value::names::SupplierId;

/// The suppliers that [`Dispatcher::suppliers_of`](crate::Dispatcher::suppliers_of) has looked up, for
/// [`prepare_with`](crate::Dispatcher::prepare_with). It holds their secrets: `Debug` shows their ids, and it is not
/// serialised.
#[derive(Clone)]
pub struct Recipients {
    engine: Weak<Engine>,
    found: FastMap<SupplierId, Supplier>,
}

impl Recipients {
    pub(super) fn new(engine: &Arc<Engine>, found: FastMap<SupplierId, Supplier>) -> Self {
        Recipients {
            engine: Arc::downgrade(engine),
            found,
        }
    }

    /// Whether the supplier is among them.
    pub fn contains(&self, id: &SupplierId) -> bool {
        self.found.contains_key(id)
    }

    pub(super) fn are_of(&self, engine: &Arc<Engine>) -> bool {
        std::ptr::eq(self.engine.as_ptr(), Arc::as_ptr(engine))
    }

    pub(super) fn found(&self) -> &FastMap<SupplierId, Supplier> {
        &self.found
    }

    pub(super) fn into_found(self) -> FastMap<SupplierId, Supplier> {
        self.found
    }

    pub(super) fn supplier(&self, id: &SupplierId) -> Result<&Supplier, Error> {
        self.found.get(id).ok_or_else(|| Error::UnknownSupplier {
            supplier: id.clone(),
        })
    }
}

impl fmt::Debug for Recipients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut ids: Vec<_> = self.found.keys().collect();
        ids.sort();
        f.debug_tuple("Recipients").field(&ids).finish()
    }
}
