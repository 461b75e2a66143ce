//! How many notifications there are of what.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use serde::Serialize;

use crate::notification::{FailureReason, Notification, NotificationState, StateName};
use crate::value::names::SupplierId;
use crate::value::time::Timestamp;

/// The property by which notifications are counted. Exhaustive on purpose: a new variant must break every store at compile time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Group {
    /// One number for each state.
    State,
    /// One number for each supplier, state and, of what has failed, reason.
    SupplierAndReason,
}

/// The number of notifications of one group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Counted {
    /// Their supplier; `None` when they are counted by [`Group::State`].
    pub supplier: Option<SupplierId>,
    /// Their state.
    pub state: StateName,
    /// Why they failed; `None` for other states, and when they are counted by [`Group::State`].
    pub reason: Option<FailureReason>,
    /// How many they are, at least 1.
    pub number: u64,
    /// The earliest moment at which one of them is due or its lease runs out; `None` for what is neither pending nor being
    /// sent.
    pub oldest_due: Option<Timestamp>,
    /// Since when there has been one of them: the earliest moment at which one that is counted was stored, if they are
    /// pending or being sent, and otherwise at which it came into its state.
    pub since: Timestamp,
}

impl Counted {
    /// The group of one notification.
    pub fn one(notification: &Notification, group: Group) -> Self {
        let (state, created_at) = (&notification.state, notification.created_at);
        let (reason, since) = match state {
            NotificationState::Pending { .. } | NotificationState::Sending { .. } => {
                (None, created_at)
            }
            NotificationState::Failed { at, reason, .. } => (Some(*reason), *at),
            NotificationState::Notified { at, .. }
            | NotificationState::Closed { at, .. }
            | NotificationState::Unreadable { at } => (None, *at),
        };
        let counted = Counted::new(state.name(), 1, state.claimable_from(), since);
        match group {
            Group::State => counted,
            Group::SupplierAndReason => Counted {
                supplier: Some(notification.key.supplier.clone()),
                reason,
                ..counted
            },
        }
    }

    /// A group by state; set supplier and reason by field.
    pub fn new(
        state: StateName,
        number: u64,
        oldest_due: Option<Timestamp>,
        since: Timestamp,
    ) -> Self {
        Counted {
            supplier: None,
            state,
            reason: None,
            number,
            oldest_due,
            since,
        }
    }

    /// These parts with those of one group together, in the order of supplier, state and reason.
    pub fn merged(parts: impl IntoIterator<Item = Counted>) -> Vec<Counted> {
        let mut groups: BTreeMap<_, Counted> = BTreeMap::new();
        for part in parts {
            let group = (part.supplier.clone(), part.state, part.reason);
            match groups.entry(group) {
                Entry::Occupied(mut known) => {
                    known.get_mut().merge(&part);
                }
                Entry::Vacant(place) => {
                    place.insert(part);
                }
            }
        }
        groups.into_values().collect()
    }

    /// Adds another part of the same group; `false` and no change when it is one of another group.
    pub fn merge(&mut self, other: &Counted) -> bool {
        let same = (&self.supplier, self.state, self.reason)
            == (&other.supplier, other.state, other.reason);
        if same {
            self.number += other.number;
            self.oldest_due = [self.oldest_due, other.oldest_due]
                .into_iter()
                .flatten()
                .min();
            self.since = self.since.min(other.since);
        }
        same
    }
}

/// The number of notifications in each state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Counts {
    /// The number of those that wait for their time or their turn.
    pub pending: u64,
    /// The number of those that are being sent.
    pub sending: u64,
    /// The number of those that are notified.
    pub notified: u64,
    /// The number of those that have failed and wait for a person.
    pub failed: u64,
    /// The number of those that a person has withdrawn.
    pub withdrawn: u64,
    /// The number of those that their supplier has not subscribed to.
    pub not_wanted: u64,
    /// The number of those that were set aside because they cannot be read.
    pub unreadable: u64,
}

impl Counts {
    /// The number for one state.
    pub fn of(&self, state: StateName) -> u64 {
        match state {
            StateName::Pending => self.pending,
            StateName::Sending => self.sending,
            StateName::Notified => self.notified,
            StateName::Failed => self.failed,
            StateName::Withdrawn => self.withdrawn,
            StateName::NotWanted => self.not_wanted,
            StateName::Unreadable => self.unreadable,
        }
    }

    /// The sum of what was counted, by state.
    pub fn of_groups<'a>(groups: impl IntoIterator<Item = &'a Counted>) -> Self {
        let mut counts = Counts::default();
        for group in groups {
            counts.add(group.state, group.number);
        }
        counts
    }

    /// Adds to the number of one state.
    pub fn add(&mut self, state: StateName, number: u64) {
        let count = match state {
            StateName::Pending => &mut self.pending,
            StateName::Sending => &mut self.sending,
            StateName::Notified => &mut self.notified,
            StateName::Failed => &mut self.failed,
            StateName::Withdrawn => &mut self.withdrawn,
            StateName::NotWanted => &mut self.not_wanted,
            StateName::Unreadable => &mut self.unreadable,
        };
        *count += number;
    }

    /// The sum over all states.
    pub fn total(&self) -> u64 {
        StateName::ALL.into_iter().map(|state| self.of(state)).sum()
    }
}
