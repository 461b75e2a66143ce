//! The notifications that a person decides about, and what became of them.

use crate::notification::{FailureReason, Key};
use crate::value::names::{Source, SupplierId};

/// The notifications that a person decides about. Exhaustive on purpose: a new variant must break every store at
/// compile time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// Those of these keys.
    Keys(Vec<Key>),
    /// Those of a supplier that failed for one of these reasons.
    FailedFor {
        /// The installation.
        source: Source,
        /// The supplier.
        supplier: SupplierId,
        /// The reasons.
        reasons: Vec<FailureReason>,
    },
}

/// What an intervention did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Intervened {
    /// The notifications that were changed.
    pub changed: Vec<Key>,
    /// The notifications that were left alone because they are being sent under a live lease.
    pub in_flight: Vec<Key>,
}

impl Intervened {
    /// The answer with these keys.
    pub fn new(changed: Vec<Key>, in_flight: Vec<Key>) -> Self {
        Intervened { changed, in_flight }
    }
}
