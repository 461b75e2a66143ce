//! Which notifications a person means, and what became of them.

use crate::notification::{FailureReason, Key};
use crate::value::names::{Source, SupplierId};

/// Which notifications a person means. Exhaustive on purpose: a new variant must break every store at compile time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// These.
    Keys(Vec<Key>),
    /// What failed for one of these reasons.
    FailedFor {
        /// The installation.
        source: Source,
        /// Of this supplier.
        supplier: SupplierId,
        /// For any of these reasons.
        reasons: Vec<FailureReason>,
    },
}

/// What an intervention did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Intervened {
    /// What was changed.
    pub changed: Vec<Key>,
    /// What was left alone because somebody is sending it.
    pub in_flight: Vec<Key>,
}

impl Intervened {
    /// An answer of both.
    pub fn new(changed: Vec<Key>, in_flight: Vec<Key>) -> Self {
        Intervened { changed, in_flight }
    }
}
