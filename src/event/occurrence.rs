//! Which one of several events of a kind an event is.

use std::sync::Arc;

use crate::value::text::text;
use crate::value::visible::is_visible;

use super::EventError;

/// Which one of several events of a kind about the same order and supplier: empty for `order.created`, the child order
/// for most fulfilment stages, or the caller's own text. At most 200 characters, all of them visible.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Occurrence(Arc<str>);

impl Occurrence {
    /// The occurrence of an event that is the only one of its kind.
    pub fn only() -> Self {
        Occurrence(Arc::from(""))
    }

    /// The occurrence of one of several events, which this text distinguishes.
    ///
    /// # Errors
    /// [`EventError::Occurrence`] for more than 200 characters, or one that cannot be seen.
    pub fn new(text: &str) -> Result<Self, EventError> {
        match text.chars().all(is_visible) {
            true => Self::from_stored(text),
            false => Err(EventError::Occurrence),
        }
    }

    /// An occurrence as a store kept it, perhaps from a time when it could have invisible characters. For stores only.
    ///
    /// # Errors
    /// [`EventError::Occurrence`] for more than 200 characters or a control character.
    pub fn from_stored(text: &str) -> Result<Self, EventError> {
        if text.chars().count() > 200 || text.chars().any(char::is_control) {
            return Err(EventError::Occurrence);
        }
        Ok(Occurrence(Arc::from(text)))
    }
}

text! { Occurrence }
