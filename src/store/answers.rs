//! What a store answers to an insert and to steps: one answer for each, and the moment at which it happened.

use std::time::Duration;

use crate::notification::insert::Inserted;
use crate::notification::{Claim, Key, Written};
use crate::value::time::Timestamp;

/// What of an insert is to be claimed in the same step. Exhaustive on purpose: a new field must break every store at compile
/// time.
///
/// A dispatcher names a notification here when there is room for its POST already, which then begins at once: no claim is
/// asked for, and nothing is read back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimNew {
    /// The keys of those that are claimed, if they are new.
    pub keys: Vec<Key>,
    /// The length of the lease of each claim.
    pub lease: Duration,
}

impl ClaimNew {
    /// Nothing is claimed.
    pub const NONE: ClaimNew = ClaimNew {
        keys: Vec::new(),
        lease: Duration::ZERO,
    };

    /// Whether this one is to be claimed.
    pub fn names(&self, key: &Key) -> bool {
        self.keys.contains(key)
    }
}

/// The answer to an insert.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Insertion {
    /// The store's time of the insert.
    pub now: Timestamp,
    /// One answer for each, in their order.
    pub answers: Vec<Inserted>,
    /// The claims that were handed out, in the order of the insert; their leases began at `now`.
    pub claims: Vec<Claim>,
}

impl Insertion {
    /// An answer at this time, without claims.
    pub fn new(now: Timestamp, answers: Vec<Inserted>) -> Self {
        Insertion {
            now,
            answers,
            claims: Vec::new(),
        }
    }
}

/// The answer to steps.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Recorded {
    /// The store's time at which they were recorded.
    pub now: Timestamp,
    /// One answer for each, in their order.
    pub answers: Vec<Written>,
}

impl Recorded {
    /// An answer at this time.
    pub fn new(now: Timestamp, answers: Vec<Written>) -> Self {
        Recorded { now, answers }
    }
}
