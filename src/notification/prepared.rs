//! The rows of an order, and what became of them.

use std::time::Duration;

use serde::Serialize;

use crate::event::{Body, Difference, EventId};

use super::insert::{Inserted, NewNotification, Start};
use super::key::Key;

/// The answers for the notifications of an order that were to be stored: the answer of
/// [`Dispatcher::enqueue`](crate::Dispatcher::enqueue), and of the `insert_in` of a SQL store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[must_use = "conflicts are in it"]
#[non_exhaustive]
pub struct Enqueued {
    /// The answers: one for each notification, in the sequence of the suppliers in the order.
    pub stored: Vec<Stored>,
}

impl Enqueued {
    /// The answers of a store to these rows, in their order.
    pub(crate) fn of(
        rows: &[NewNotification],
        inserted: impl IntoIterator<Item = Inserted>,
    ) -> Self {
        let stored = |(new, inserted): (&NewNotification, Inserted)| Stored {
            key: new.key.clone(),
            event_id: new.event_id.clone(),
            inserted,
            difference: None,
        };
        Enqueued {
            stored: rows.iter().zip(inserted).map(stored).collect(),
        }
    }

    /// The notifications whose key was stored before with other content. The first content stays;
    /// [`difference`](Stored::difference) says where the other one differs.
    pub fn conflicts(&self) -> impl Iterator<Item = &Stored> {
        self.stored
            .iter()
            .filter(|stored| stored.inserted == Inserted::Differs)
    }
}

/// The rows of an order, ready to be stored in the caller's own transaction (transactional outbox): made by
/// [`Dispatcher::prepare`](crate::Dispatcher::prepare) or [`prepare_with`](crate::Dispatcher::prepare_with), and stored by
/// the `insert_in` of a SQL store. Call [`Dispatcher::wake`](crate::Dispatcher::wake) after the commit.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "nothing is stored yet"]
pub struct Prepared {
    rows: Vec<NewNotification>,
}

impl Prepared {
    /// Rows that were made by hand, for example of notifications that are
    /// [notified already](crate::store::Start::Notified).
    pub fn new(rows: Vec<NewNotification>) -> Self {
        Prepared { rows }
    }

    /// The same rows, not to be sent before so long after they were stored: a time in which the order can still be
    /// [withdrawn](crate::Dispatcher::withdraw) with certainty. Until it is over nothing claims them, and
    /// [`retry`](crate::Dispatcher::retry) answers `Pending` with the moment.
    pub fn delayed_by(mut self, by: Duration) -> Self {
        for row in &mut self.rows {
            if let Start::Pending { delay, .. } = &mut row.start {
                *delay = by;
            }
        }
        self
    }

    pub(crate) fn into_rows(self) -> Vec<NewNotification> {
        self.rows
    }

    /// The rows, to be stored all together or not at all.
    pub fn rows(&self) -> &[NewNotification] {
        &self.rows
    }
}

/// The answer for one notification that was to be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stored {
    /// The key of the notification.
    pub key: Key,
    /// The id that receivers deduplicate on.
    pub event_id: EventId,
    /// Whether it was stored, was there before, or is in conflict.
    pub inserted: Inserted,
    /// The difference from what is stored, for a notification that is in conflict.
    pub difference: Option<Difference>,
}

impl Stored {
    /// Says where a notification in conflict differs from this one, which is stored in its place.
    pub(crate) fn compare(&mut self, new: &NewNotification, stored: Option<&Body>) {
        let new = match &new.start {
            Start::Pending { body, .. } => Some(body),
            Start::NotWanted | Start::Notified { .. } => None,
        };
        self.difference = Some(Difference::between(&self.key.kind, stored, new));
    }
}
