//! The error of a supplier lookup.

use std::error::Error;

use crate::supplier::ConfigError;

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

    /// The same error with this cause, for one that is [`Unavailable`](Self::Unavailable). One that is
    /// [`Invalid`](Self::Invalid) stays as it is, and `cause` is dropped.
    #[must_use]
    pub fn caused_by(self, cause: impl Error + Send + Sync + 'static) -> Self {
        match self {
            LookupError::Unavailable { what, .. } => LookupError::Unavailable {
                what,
                source: Some(Box::new(cause)),
            },
            invalid @ LookupError::Invalid(_) => invalid,
        }
    }
}
