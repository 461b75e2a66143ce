//! The notifications that a person decides about, and what became of them.

use serde::Serialize;

use crate::notification::Key;

use super::Filter;

/// The notifications that a person decides about. Exhaustive on purpose: a new variant must break every store at
/// compile time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// Those of these keys.
    Keys(Vec<Key>),
    /// Those that the filter selects. What the action does not allow is passed over, and does not count towards a limit.
    Matching(Filter),
}

/// The result of an intervention.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Intervened {
    /// The notifications that were changed, or for which only the history was written; oldest first.
    pub changed: Vec<Key>,
    /// The notifications that were left alone because they are being sent under a live lease. Of a filter's the answer has
    /// at most as many as the limit.
    pub in_flight: Vec<Key>,
}

impl Intervened {
    /// The answer with these keys.
    pub fn new(changed: Vec<Key>, in_flight: Vec<Key>) -> Self {
        Intervened { changed, in_flight }
    }
}
