//! What a holder records.

use std::time::Duration;

use super::attempt::Attempt;
use super::claim::Token;
use super::key::Key;
use super::ledger::Ledger;
use super::state::{FailureReason, StreamRule};

/// What the holder of a claim records. Exhaustive on purpose: a new field must break every store at compile time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Which notification.
    pub key: Key,
    /// The token of the holder's claim.
    pub token: Token,
    /// The number of the first of `attempts` in the notification, from 0: how many were recorded before.
    pub first_attempt: u32,
    /// What was tried since the last step; appended.
    pub attempts: Vec<Attempt>,
    /// The ledger as it is now; replaces the stored one.
    pub ledger: Ledger,
    /// What becomes of the notification.
    pub then: Then,
}

impl Step {
    /// A step without attempts.
    pub fn new(key: Key, token: Token, ledger: Ledger, then: Then) -> Self {
        Step { key, token, first_attempt: 0, attempts: Vec::new(), ledger, then }
    }

    /// With what was tried since the last step, numbered from `first_attempt`.
    #[must_use]
    pub fn with_attempts(mut self, first_attempt: u32, attempts: Vec<Attempt>) -> Self {
        self.first_attempt = first_attempt;
        self.attempts = attempts;
        self
    }
}

/// What a step makes of the notification. Exhaustive on purpose: a new variant must break every store at compile time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Then {
    /// The claim is kept; its lease begins anew.
    Keep {
        /// How long, from now.
        lease: Duration,
    },
    /// It is notified, finally.
    Notified {
        /// The external reference.
        reference: String,
    },
    /// It is pending again: the round is over and something is still open. It waits for its next try, and no pick but
    /// [`NowOf`](crate::store::Pick::NowOf) has it before its time.
    Again {
        /// Due so long from now.
        after: Duration,
    },
    /// It waits for a person.
    Failed {
        /// What is to be repaired.
        reason: FailureReason,
        /// What that means for its stream.
        stream: StreamRule,
    },
    /// It is pending again and put off: the holder could not go on, or left something out.
    /// [`PutOff`](crate::store::Pick::PutOff) has it at once.
    HandBack {
        /// Due so long from now.
        after: Duration,
    },
}

/// What became of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Written {
    /// It is recorded.
    Applied,
    /// Its token was replaced; nothing was changed.
    Stale,
}
