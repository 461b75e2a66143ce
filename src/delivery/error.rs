//! The errors of a dispatcher.

use crate::event::EventError;
use crate::notification::Key;
use crate::store::StoreError;
use crate::supplier::lookup::LookupError;
use crate::value::names::SupplierId;

/// The error of a call of a [`Dispatcher`](crate::Dispatcher) that could not be done. A POST that was refused or lost is no error: it
/// is an [`Outcome`](crate::Outcome) in the report.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The store failed.
    #[error("the store failed")]
    Store(#[source] StoreError),
    /// The supplier lookup failed. Nothing was stored.
    #[error("supplier {supplier} could not be looked up")]
    Lookup {
        /// The supplier that could not be looked up.
        supplier: SupplierId,
        /// What is in the way.
        #[source]
        source: LookupError,
    },
    /// The order has a line of a supplier that the lookup does not know. Nothing was stored.
    #[error("supplier {supplier} is not known, but the order has a line of it")]
    UnknownSupplier {
        /// The supplier that is not known.
        supplier: SupplierId,
    },
    /// The event could not be made. Nothing was stored.
    #[error("the event could not be made")]
    Event(#[source] EventError),
    /// There is no such notification.
    #[error("there is no {key}")]
    NotFound {
        /// The key of the notification.
        key: Box<Key>,
    },
    /// The supplier has been notified already, and is not notified again.
    #[error("{key}: already notified")]
    AlreadyNotified {
        /// The key of the notification.
        key: Box<Key>,
        /// The external reference that was stored.
        reference: String,
    },
    /// The notification is closed: withdrawn, or not subscribed to.
    #[error("{key}: closed")]
    Closed {
        /// The key of the notification.
        key: Box<Key>,
    },
    /// A worker or another process is sending the notification at the moment. Try again later.
    #[error("{key}: is being sent at the moment")]
    InFlight {
        /// The key of the notification.
        key: Box<Key>,
    },
    /// The dispatcher has been [shut down](crate::Dispatcher::shutdown). Nothing was stored.
    #[error("the dispatcher is shutting down")]
    ShuttingDown,
    /// A root certificate is not a PEM certificate.
    #[error("a root certificate is not a PEM certificate")]
    RootCertificate,
    /// An argument of the call or a setting of the builder is not valid.
    #[error("{argument}: {problem}")]
    InvalidArgument {
        /// The name of the argument or setting.
        argument: &'static str,
        /// What would be right.
        problem: &'static str,
    },
    /// A delivery ended in a panic; the notification is taken over when its lease has run out.
    #[error("a delivery ended in a panic")]
    Panicked,
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        Error::Store(error)
    }
}

impl Error {
    /// Whether the same call may succeed later without a change of the order or the configuration.
    pub fn is_transient(&self) -> bool {
        match self {
            Error::Store(error) => error.is_transient(),
            Error::Lookup { source, .. } => matches!(source, LookupError::Unavailable { .. }),
            Error::InFlight { .. } | Error::Panicked | Error::ShuttingDown => true,
            _ => false,
        }
    }
}
