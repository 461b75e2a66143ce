//! The id of an event.

use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::value::names::{OrderCode, Source, SupplierId};
use crate::value::text::text;

use super::hex::hex;
use super::{EventError, EventKind, Occurrence};

/// The id of an event: what receivers deduplicate on, sent as `webhook-id` (Standard Webhooks).
///
/// `msg_` and 32 hexadecimal digits of SHA-256 over source, supplier, order, kind and occurrence: any node computes the
/// same, and the same event has it at every attempt and endpoint.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EventId(Arc<str>);

impl EventId {
    /// The id that these five names make.
    pub fn derive(
        source: &Source,
        supplier: &SupplierId,
        order: &OrderCode,
        kind: &EventKind,
        occurrence: &Occurrence,
    ) -> Self {
        let mut hash = Sha256::new();
        for part in [
            source.as_str(),
            supplier.as_str(),
            order.as_str(),
            kind.as_str(),
            occurrence.as_str(),
        ] {
            // The length in front keeps ("ab", "c") and ("a", "bc") apart.
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
        EventId(Arc::from(format!("msg_{}", hex(&hash.finalize()[..16]))))
    }

    /// An id as a store kept it.
    ///
    /// # Errors
    /// [`EventError::Id`] for anything but 1 to 64 visible ASCII characters.
    pub fn from_stored(text: &str) -> Result<Self, EventError> {
        if text.is_empty() || text.len() > 64 || !text.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(EventError::Id);
        }
        Ok(EventId(Arc::from(text)))
    }
}

text! { EventId }
