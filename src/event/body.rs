//! The bytes of an event, and the note that a store keeps with it.

use std::fmt;
use std::sync::Arc;

use super::EventError;

/// The bytes of an event: the same for every endpoint, attempt and node. Cloning shares them; `Debug` shows their
/// number.
#[derive(Clone, PartialEq, Eq)]
pub struct Body(Arc<[u8]>);

impl Body {
    /// Creates it from bytes, which are kept as they are.
    pub fn new(bytes: impl Into<Arc<[u8]>>) -> Self {
        Body(bytes.into())
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The bytes, as another owner of the same memory.
    pub fn shared(&self) -> Arc<[u8]> {
        Arc::clone(&self.0)
    }
}

impl AsRef<[u8]> for Body {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Body({} bytes)", self.0.len())
    }
}

/// A note that a store keeps with a notification as long as the row itself: at most 2048 bytes, and no personal data.
/// The feature `fulfilment` works out the life cycle of an order from the memos of its stages; other events need none.
#[derive(Clone, PartialEq, Eq)]
pub struct Memo(Arc<[u8]>);

impl Memo {
    /// The most bytes that a memo has: 2048.
    pub const LIMIT: usize = 2048;

    /// Creates it from bytes, which are kept as they are.
    ///
    /// # Errors
    /// [`EventError::Memo`] when there are more than [`Memo::LIMIT`].
    pub fn new(bytes: impl Into<Arc<[u8]>>) -> Result<Self, EventError> {
        let bytes = bytes.into();
        if bytes.len() > Self::LIMIT {
            return Err(EventError::Memo);
        }
        Ok(Memo(bytes))
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl AsRef<[u8]> for Memo {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Memo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Memo({} bytes)", self.0.len())
    }
}
