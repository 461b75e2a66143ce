//! What a person decides, and what is dropped with time.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::notification::transition::{self, Intervening};
use crate::notification::{By, HistoryEntry, Ledger, Notification, NotificationState};
use crate::store::{Action, Intervened, Intervention, Selection};
use crate::value::names::Source;
use crate::value::time::Timestamp;

use super::mark::Mark;
use super::table::{Row, Table, place};

impl Table {
    pub(super) fn intervene(
        &mut self,
        selection: &Selection,
        intervention: &Intervention,
        limit: u32,
    ) -> Intervened {
        let now = self.now();
        let limit = limit as usize;
        let mut answer = Intervened::default();
        for id in self.selected(selection, &intervention.action, now) {
            if answer.changed.len() >= limit {
                break;
            }
            let Some(Notification { key, state, .. }) = self.read(id) else {
                continue;
            };
            match transition::intervene(&state, intervention, now) {
                Intervening::Changes(change) => self.change(id, change),
                Intervening::Noted => {}
                Intervening::Erases(state) => self.erase(id, state),
                Intervening::Forgets => self.forget(id),
                Intervening::InFlight => {
                    if matches!(selection, Selection::Keys(_)) || answer.in_flight.len() < limit {
                        answer.in_flight.push(key);
                    }
                    continue;
                }
                Intervening::NotAllowed => continue,
            }
            self.tell(id, intervention, now);
            answer.changed.push(key);
        }
        answer
    }

    fn selected(&self, selection: &Selection, action: &Action, now: Timestamp) -> BTreeSet<u64> {
        match selection {
            Selection::Keys(keys) => keys.iter().filter_map(|key| self.find(key)).collect(),
            Selection::Matching(filter) => {
                let Some(filter) = filter.for_action(action) else {
                    return BTreeSet::new();
                };
                let selects = |id: &u64| {
                    self.read(*id)
                        .is_some_and(|found| filter.selects(&found, now))
                };
                self.selected_by(&filter, 0).filter(selects).collect()
            }
        }
    }

    /// Writes the history of a notification that is kept whole; of others none is kept.
    fn tell(&mut self, id: u64, Intervention { action, by }: &Intervention, now: Timestamp) {
        if let Some(row) = self.whole_mut(id) {
            let entry = HistoryEntry::new(now, action.name(), Some(by.clone()));
            row.notification.history.push(entry);
        }
    }

    fn erase(&mut self, id: u64, state: NotificationState) {
        let blank = |notification: &mut Notification| {
            notification.state = state;
            notification.body = None;
            notification.attempts = Vec::new();
            notification.ledger = Ledger::default();
            notification.content_digest = None;
            notification.traceparent = None;
            for HistoryEntry { by, .. } in &mut notification.history {
                *by = None::<By>;
            }
        };
        if let Some(row) = self.whole_mut(id) {
            blank(&mut row.notification);
            return;
        }
        let (Some(mut notification), Some(row)) = (self.read(id), place(id)) else {
            return;
        };
        blank(&mut notification);
        if let Some(row) = self.rows.get_mut(row)
            && let Some(mark) = Mark::pack(&notification, row.previous(), &mut self.names)
        {
            *row = Row::Mark(mark);
        }
    }

    fn forget(&mut self, id: u64) {
        let (Some(found), Some(at)) = (self.read(id), place(id)) else {
            return;
        };
        // What pointed to it as the last one points to the last that is left.
        let (of_order, of_stream) = (
            self.place_of_order(&found.key.source, &found.key.order),
            self.place_of_stream(&found.key),
        );
        if let Some(settled) = self.whole_mut(id).and_then(|row| row.settled)
            && let Some(settled) = self.settled.get_mut(settled)
        {
            *settled = 0;
        }
        let Some(row) = self.rows.get_mut(at) else {
            return;
        };
        let previous = row.previous();
        *row = Row::Gone { previous };
        let mut left = std::iter::successors(Some(previous), |id| {
            Some(self.rows.get(place(*id)?)?.previous())
        })
        .take_while(|id| *id > 0)
        .filter_map(|id| Some((id, self.read(id)?)));
        let last_of_order = left.next();
        let in_stream = |(_, other): &(u64, Notification)| other.key.stream() == found.key.stream();
        let last_of_stream = last_of_order
            .clone()
            .into_iter()
            .chain(left)
            .find(in_stream);
        if of_order.row == Some(id)
            && let Some((last, _)) = last_of_order
        {
            self.by_order.put(of_order, last);
        }
        if of_stream.row == Some(id)
            && let Some((last, _)) = last_of_stream
        {
            self.by_stream.put(of_stream, last);
        }
    }

    /// Drops bodies and attempts of what is kept whole after its end; older ones have none.
    pub(super) fn prune(&mut self, source: &Source, older_than: Duration, limit: u32) -> u32 {
        let latest = self.now().before(older_than);
        let mut pruned = 0;
        for id in self.whole.iter().copied().collect::<Vec<_>>() {
            if pruned == limit {
                break;
            }
            let Some(row) = self.whole_mut(id) else {
                continue;
            };
            let notification = &mut row.notification;
            let (NotificationState::Notified { at, .. } | NotificationState::Closed { at, .. }) =
                notification.state
            else {
                continue;
            };
            let has_any = notification.body.is_some() || !notification.attempts.is_empty();
            if notification.key.source == *source && at <= latest && has_any {
                notification.body = None;
                notification.attempts = Vec::new();
                pruned += 1;
            }
        }
        pruned
    }
}
