//! What the calling code is told when it could not be done.

use crate::event::EventError;
use crate::fulfilment::{FoldError, NotAllowed};
use crate::notification::Key;
use crate::store::StoreError;
use crate::supplier::lookup::LookupError;
use crate::value::names::{OrderCode, SupplierId};

/// We could not do what you asked. A failed attempt is not an error: it is data, in the report.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The store could not do it.
    #[error("the store could not do it")]
    Store(#[source] StoreError),
    /// The supplier lookup could not do it. Nothing was stored.
    #[error("supplier {supplier} could not be looked up")]
    Lookup {
        /// Whom it was about.
        supplier: SupplierId,
        /// What is in the way.
        #[source]
        source: LookupError,
    },
    /// The order has a line of a supplier that nobody knows. Nothing was stored.
    #[error("supplier {supplier} is not known, but the order has a line of it")]
    UnknownSupplier {
        /// Who is not known.
        supplier: SupplierId,
    },
    /// The event could not be made. Nothing was stored.
    #[error("the event could not be made")]
    Event(#[source] EventError),
    /// The stage may not come now. Nothing was stored.
    #[error(transparent)]
    NotAllowed(Box<NotAllowed>),
    /// The life of a fulfilment order cannot be read out of its stream; somebody has to look.
    #[error("the life of order {order} cannot be read")]
    LifeUnreadable {
        /// Which order.
        order: OrderCode,
        /// What is in the way.
        #[source]
        source: FoldError,
    },
    /// There is no such notification.
    #[error("there is no {key}")]
    NotFound {
        /// Which one.
        key: Box<Key>,
    },
    /// The supplier was told already, and is not told again.
    #[error("{key}: already notified")]
    AlreadyNotified {
        /// Which one.
        key: Box<Key>,
        /// The external reference that was stored.
        reference: String,
    },
    /// The notification is closed: withdrawn, or never wanted.
    #[error("{key}: closed")]
    Closed {
        /// Which one.
        key: Box<Key>,
    },
    /// Somebody is sending it at the moment.
    #[error("{key}: is being sent at the moment")]
    InFlight {
        /// Which one.
        key: Box<Key>,
    },
    /// The dispatcher is shutting down. Nothing was stored.
    #[error("the dispatcher is shutting down")]
    ShuttingDown,
    /// A root certificate is not one.
    #[error("a root certificate is not a PEM certificate")]
    RootCertificate,
    /// A value that was given is not fit for its purpose.
    #[error("{setting}: {problem}")]
    Setting {
        /// Which one.
        setting: &'static str,
        /// What would be right.
        problem: &'static str,
    },
    /// A delivery ended in a panic; the notification is taken over when its lease has run out.
    #[error("a delivery ended in a panic")]
    Panicked,
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
