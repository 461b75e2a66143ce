//! A step: what the holder of a claim records.

use std::time::Duration;

use super::attempt::Attempt;
use super::claim::Token;
use super::key::Key;
use super::ledger::Ledger;
use super::state::FailureReason;
use crate::supplier::StreamRule;

/// The record that the holder of a claim makes. Exhaustive on purpose: a new field must break every store at compile time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The key of the notification.
    pub key: Key,
    /// The token of the holder's claim.
    pub token: Token,
    /// The number of the first of `attempts` in the notification, from 0: how many were recorded before.
    pub first_attempt: u32,
    /// The attempts since the last step, which are appended to the stored ones.
    pub attempts: Vec<Attempt>,
    /// The ledger as it is now, which replaces the stored one.
    pub ledger: Ledger,
    /// The change that it makes of the notification.
    pub then: Then,
}

impl Step {
    /// A step without attempts.
    pub fn new(key: Key, token: Token, ledger: Ledger, then: Then) -> Self {
        Step {
            key,
            token,
            first_attempt: 0,
            attempts: Vec::new(),
            ledger,
            then,
        }
    }

    /// The same step with the attempts since the last one, numbered from `first_attempt`.
    #[must_use]
    pub fn with_attempts(mut self, first_attempt: u32, attempts: Vec<Attempt>) -> Self {
        self.first_attempt = first_attempt;
        self.attempts = attempts;
        self
    }
}

/// The change that a step makes of the notification. Exhaustive on purpose: a new variant must break every store at compile time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Then {
    /// It is still being sent: the claim is kept and its lease begins anew.
    Keep {
        /// How long the lease is, from now.
        lease: Duration,
    },
    /// It is notified, finally.
    Notified {
        /// The external reference.
        reference: String,
    },
    /// It is pending again: the round is over and an endpoint is still open. It waits for its next try, and only
    /// [`NowOf`](crate::store::Pick::NowOf) selects it before its time.
    Again {
        /// How long from now it is due.
        after: Duration,
    },
    /// It has failed and waits for a person.
    Failed {
        /// Why it failed, and so what is to be repaired.
        reason: FailureReason,
        /// What that means for later notifications of its stream.
        stream: StreamRule,
    },
    /// It is pending again and put off: the holder could not go on, or left out an endpoint.
    /// [`PutOff`](crate::store::Pick::PutOff) selects it at once, [`Due`](crate::store::Pick::Due) when it is due.
    HandBack {
        /// How long from now it is due.
        after: Duration,
    },
}

/// The answer of a store to a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Written {
    /// It is recorded.
    Applied,
    /// Its token has been replaced; nothing was changed.
    Stale,
}
