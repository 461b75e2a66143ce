//! What changes a row, and keeps streams and queues in step with it.

use std::collections::VecDeque;
use std::collections::hash_map::Entry;

use crate::notification::NotificationState;
use crate::notification::transition::{self, Change};
use crate::store::{Recorded, Step, Written};
use crate::value::time::Timestamp;

use super::mark::Mark;
use super::table::{Row, Table, place};

/// How many notifications that have come to their end are kept whole.
const WHOLE: usize = 1_000;

/// What holds a stream or would be held, by position: mostly a single one.
#[derive(Debug, Default)]
pub(super) struct Unfinished(VecDeque<(u64, u64)>);

impl Unfinished {
    fn head(&self) -> Option<u64> {
        self.0.front().map(|(_, id)| *id)
    }

    fn set(&mut self, position: u64, id: u64, is_unfinished: bool) {
        match (self.0.binary_search(&(position, id)), is_unfinished) {
            (Ok(at), false) => drop(self.0.remove(at)),
            (Err(at), true) => self.0.insert(at, (position, id)),
            (Ok(_), true) | (Err(_), false) => {}
        }
    }
}

impl Table {
    pub(super) fn write(&mut self, steps: &[Step]) -> Recorded {
        // One commit is one moment.
        let now = self.now();
        let answers = steps.iter().map(|step| self.write_one(step, now));
        Recorded::new(now, answers.collect())
    }

    fn write_one(&mut self, step: &Step, now: Timestamp) -> Written {
        let Some(id) = self.find(&step.key) else {
            return Written::Stale;
        };
        let Some(row) = self
            .whole_mut(id)
            .filter(|row| row.token == Some(step.token))
        else {
            return Written::Stale;
        };
        let attempts = &mut row.notification.attempts;
        attempts.extend_from_slice(transition::new_attempts(step, attempts.len()));
        row.notification.ledger = step.ledger.clone();
        self.change(id, transition::step(&step.then, now));
        Written::Applied
    }

    /// The one place where a state changes: keeps streams and queues in step.
    pub(super) fn change(&mut self, id: u64, change: Change) {
        let settled = change.settles().then_some(self.settled.len());
        let Some(row) = self.whole_mut(id) else {
            return;
        };
        if !change.keeps_token() {
            row.token = None;
        }
        let before = std::mem::replace(&mut row.settled, settled);
        row.notification.reopened += u32::from(change.reopens);
        row.queue = change.queue;
        let holds = change.state.holds_stream();
        let is_final = change.state.name().is_final();
        row.notification.state = change.state;
        let (stream, position) = (row.notification.key.stream(), row.notification.position);
        if let Some(settled) = before.and_then(|before| self.settled.get_mut(before)) {
            *settled = 0;
        }
        if settled.is_some() {
            self.settled.push(id);
        }
        match is_final {
            true => self.open.remove(&id),
            false => self.open.insert(id),
        };

        let mut unfinished = match self.unfinished.entry(stream) {
            Entry::Occupied(unfinished) => unfinished,
            Entry::Vacant(none) => none.insert_entry(Unfinished::default()),
        };
        let head_before = unfinished.get().head();
        unfinished.get_mut().set(position, id, holds);
        let head = unfinished.get().head();
        if head.is_none() {
            unfinished.remove();
        }
        self.enqueue(id, head == Some(id));
        for other in [head_before, head].into_iter().flatten() {
            if other != id {
                self.enqueue(other, head == Some(other));
            }
        }
        if is_final {
            self.whole.push_back(id);
            self.pack_the_oldest();
        }
    }

    /// Puts it where it belongs in the queues.
    fn enqueue(&mut self, id: u64, is_head: bool) {
        let Some(row) = self.rows.get_mut(place(id).unwrap_or(usize::MAX)) else {
            return;
        };
        let Row::Whole(row) = row else { return };
        let waits = row
            .notification
            .state
            .claimable_from()
            .filter(|_| is_head)
            .map(|at| (row.queue, at));
        if waits == row.waits {
            return;
        }
        let is_pending = matches!(row.notification.state, NotificationState::Pending { .. });
        self.has_news |= is_pending && waits.is_some();
        let before = std::mem::replace(&mut row.waits, waits);
        let key = &row.notification.key;
        let queues = self.queues.entry(key.source.clone()).or_default();
        if let Some((queue, at)) = before {
            queues.remove(queue, &key.supplier, (at, id));
        }
        if let Some((queue, at)) = waits {
            queues.insert(queue, &key.supplier, (at, id));
        }
    }

    /// Of what came to its end long ago only the mark is kept.
    fn pack_the_oldest(&mut self) {
        while self.whole.len() > WHOLE {
            let Some(id) = self.whole.pop_front() else {
                return;
            };
            let Some(row) = place(id).and_then(|place| self.rows.get_mut(place)) else {
                continue;
            };
            if let Row::Whole(whole) = row
                && let Some(mark) = Mark::pack(&whole.notification, whole.previous, &mut self.names)
            {
                *row = Row::Mark(mark);
            }
        }
    }
}
