//! The errors of a store.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

/// The error of a store, for the operator, who repairs it. Its text never has a value out of a row.
#[derive(Clone, Debug)]
pub struct StoreError {
    kind: StoreErrorKind,
    what: String,
    source: Option<Arc<dyn Error + Send + Sync>>,
}

/// The kind of a [`StoreError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StoreErrorKind {
    /// Not reachable, busy, or cut off in the middle: the same call may succeed later.
    Unavailable,
    /// No room: the disk or a quota is full. The same call may succeed once there is.
    Full,
    /// A row cannot be read.
    Corrupt,
    /// The stored form is from a newer version, or not from this library.
    Incompatible,
    /// The store cannot be used: no permission, a wrong setting, or a file that was removed or replaced.
    Unusable,
}

impl StoreError {
    /// An error in words of its own: lower case, no full stop, nothing out of a row.
    pub fn new(kind: StoreErrorKind, what: impl Into<String>) -> Self {
        StoreError {
            kind,
            what: what.into(),
            source: None,
        }
    }

    /// The same error with its cause.
    #[must_use]
    pub fn caused_by(mut self, source: impl Error + Send + Sync + 'static) -> Self {
        self.source = Some(Arc::new(source));
        self
    }

    /// The kind of the error.
    pub fn kind(&self) -> StoreErrorKind {
        self.kind
    }

    /// Whether the same call may succeed later, by itself or when there is room on the disk again.
    pub fn is_transient(&self) -> bool {
        matches!(
            self.kind,
            StoreErrorKind::Unavailable | StoreErrorKind::Full
        )
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl Error for StoreError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source
            .as_deref()
            .map(|source| source as &(dyn Error + 'static))
    }
}
