//! The error of a fulfilment handle.

use crate::delivery::error::Error;
use crate::value::names::OrderCode;

use crate::fulfilment::{FoldError, NotAllowed};

/// Why a call of a [`Fulfilment`](crate::fulfilment::Fulfilment) handle could not be done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FulfilmentError {
    /// The stage may not follow what its order has had so far. Nothing was stored.
    #[error(transparent)]
    NotAllowed(Box<NotAllowed>),
    /// The life cycle of the order cannot be read out of its stored notifications, which a person has to look at. Nothing
    /// was stored.
    #[error("the life cycle of order {order} cannot be read")]
    Unreadable {
        /// The parent order.
        order: OrderCode,
        /// What is in the way.
        #[source]
        source: FoldError,
    },
    /// The dispatcher could not do it.
    #[error(transparent)]
    Dispatch(#[from] Error),
}

impl FulfilmentError {
    /// Whether the same call may succeed later without a change of the order or the configuration.
    pub fn is_transient(&self) -> bool {
        match self {
            FulfilmentError::Dispatch(error) => error.is_transient(),
            FulfilmentError::NotAllowed(_) | FulfilmentError::Unreadable { .. } => false,
        }
    }
}
