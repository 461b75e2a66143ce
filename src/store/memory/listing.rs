//! What is listed and counted.

use crate::notification::{Notification, StateName};
use crate::store::{Counted, Cursor, Filter, Group, Listing, Page};
use crate::value::names::Source;

use super::table::{Table, place};

impl Table {
    pub(super) fn list(&self, filter: &Filter, page: &Page) -> Listing {
        let now = self.now();
        let after = number(page);
        let mut wanted = self.selected_by(filter, after).filter_map(|id| {
            let notification = self.read(id).filter(|found| filter.selects(found, now))?;
            Some((id, notification))
        });
        let mut last = after;
        let shown = |(id, notification): (u64, Notification)| {
            last = id;
            notification.as_listed()
        };
        let notifications = wanted
            .by_ref()
            .take(page.limit as usize)
            .map(shown)
            .collect();
        let next = wanted.next().map(|_| Cursor::new(last.to_string()));
        Listing::new(notifications, next)
    }

    pub(super) fn settled(&self, source: &Source, page: &Page) -> Listing {
        let mut last = number(page);
        let mut notifications = Vec::new();
        let after = usize::try_from(last).unwrap_or(usize::MAX);
        for (number, id) in (last + 1..).zip(self.settled.get(after..).unwrap_or_default()) {
            let found = if *id > 0 { self.read(*id) } else { None };
            let Some(notification) = found.filter(|found| found.key.source == *source) else {
                continue;
            };
            if notifications.len() == page.limit as usize {
                break;
            }
            notifications.push(notification.as_listed());
            last = number;
        }
        Listing::new(
            notifications,
            (last > 0).then(|| Cursor::new(last.to_string())),
        )
    }

    pub(super) fn count(&self, filter: &Filter, group: Group) -> Vec<Counted> {
        let now = self.now();
        let found = self.selected_by(filter, 0).filter_map(|id| self.read(id));
        let selected = found.filter(|found| filter.selects(found, now));
        Counted::merged(selected.map(|found| Counted::one(&found, group)))
    }

    /// The rows that a filter may mean, in the order of insertion: of an order what belongs to it, of what is open what is,
    /// else all.
    pub(super) fn selected_by(
        &self,
        filter: &Filter,
        after: u64,
    ) -> Box<dyn Iterator<Item = u64> + '_> {
        let Some(order) = &filter.order else {
            let states = filter.possible_states();
            return match states.into_iter().any(StateName::is_final) {
                true => Box::new(after.saturating_add(1)..=self.rows.len() as u64),
                false => Box::new(self.open.range(after.saturating_add(1)..).copied()),
            };
        };
        let mut of_order = Vec::new();
        let mut next = self.last_of_order(&filter.source, order);
        while let Some(id) = next.filter(|id| *id > after) {
            of_order.push(id);
            next = place(id)
                .and_then(|place| self.rows.get(place))
                .map(|row| row.previous());
        }
        Box::new(of_order.into_iter().rev())
    }
}

/// Where the page begins; a cursor that is none of ours is the beginning.
fn number(page: &Page) -> u64 {
    page.after
        .as_ref()
        .and_then(|cursor| cursor.as_str().parse().ok())
        .unwrap_or(0)
}
