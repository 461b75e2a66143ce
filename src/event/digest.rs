//! The digest of an event's content, by which a conflict is found.

use std::fmt;

use sha2::{Digest, Sha256};

use crate::order::{Numbers, PaidOrder};
use crate::value::names::SupplierId;

use super::hex::hex;

/// The digest of an event's content: two events under the same key are the same when their digests are.
///
/// For `order.created` it is taken over the order's content for the supplier before privacy and without `built_at`, so
/// that neither a changed privacy rule nor a rebuilt order counts as another content. It carries the version of the
/// method; digests of different versions are not compared.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ContentDigest {
    version: u8,
    sha256: [u8; 32],
}

impl ContentDigest {
    const VERSION: u8 = 1;

    /// Of a content with numbers of more than 15 digits: the first version could not tell all of them apart.
    const LONG_NUMBERS: u8 = 2;

    /// The digest of this content.
    pub fn of(content: &[u8]) -> Self {
        ContentDigest {
            version: Self::VERSION,
            sha256: Sha256::digest(content).into(),
        }
    }

    /// The digest of what an order says to a supplier.
    pub(super) fn of_order(order: &PaidOrder, supplier: &SupplierId) -> Self {
        let (content, numbers) = order.content_for_digest(supplier);
        let version = match numbers {
            Numbers::Short => Self::VERSION,
            Numbers::Long => Self::LONG_NUMBERS,
        };
        ContentDigest {
            version,
            ..Self::of(&content)
        }
    }

    /// Whether the two are of one version and differ: the only case in which the content is known to be another.
    pub fn differs_from(&self, other: &ContentDigest) -> bool {
        self.version == other.version && self.sha256 != other.sha256
    }

    /// 33 bytes for a store: the version, then SHA-256.
    pub fn to_bytes(&self) -> [u8; 33] {
        let mut bytes = [self.version; 33];
        bytes[1..].copy_from_slice(&self.sha256);
        bytes
    }

    /// The digest out of the 33 bytes of [`to_bytes`](Self::to_bytes); `None` for another number of bytes.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (version, sha256) = bytes.split_first()?;
        Some(ContentDigest {
            version: *version,
            sha256: sha256.try_into().ok()?,
        })
    }
}

impl fmt::Debug for ContentDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.version, hex(&self.sha256[..8]))
    }
}
