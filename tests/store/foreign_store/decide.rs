//! What a person decides.

use orderhook::Notification;
use orderhook::notification::{By, StateName};
use orderhook::store::{Action, Intervention, Selection};

use super::row::Row;
use super::{Fault, ForeignStore, Table};

impl ForeignStore {
    pub(super) fn selected(
        &self,
        table: &Table,
        selection: &Selection,
        action: &Action,
    ) -> Vec<usize> {
        match selection {
            Selection::Keys(keys) => {
                let mut found: Vec<_> = keys
                    .iter()
                    .filter_map(|key| self.find(table, key))
                    .collect();
                if !self.has(Fault::TakesKeysAsTheyCome) {
                    found.sort_unstable();
                    found.dedup();
                }
                found
            }
            Selection::Matching(filter) => {
                let mut filter = filter.clone();
                match self.fault {
                    Fault::SelectsAnyReason => filter.reasons.clear(),
                    Fault::SelectsAnySupplier => filter.supplier = None,
                    _ => {}
                }
                let could = |row: &Row| match action {
                    Action::Reopen => row.state == StateName::Failed,
                    _ => true,
                };
                let now = table.now();
                let rows = table.rows.iter().enumerate();
                rows.filter(|(_, row)| could(row) && self.matches(&filter, row, now))
                    .map(|(n, _)| n)
                    .collect()
            }
        }
    }

    /// Whether it was done.
    pub(super) fn decide(&self, table: &mut Table, n: usize, action: &Action, by: &By) -> bool {
        let (now, end) = (table.now(), table.end_of(&table.rows[n].names));
        let row = &mut table.rows[n];
        let is_over = !matches!(
            row.state,
            StateName::Pending | StateName::Sending | StateName::Failed
        );
        let open = match row.state {
            StateName::Pending => true,
            StateName::Failed | StateName::Sending if self.has(Fault::ChangesPendingOnly) => false,
            StateName::Failed | StateName::Sending => true,
            _ => self.has(Fault::ChangesFinal),
        };
        let state = match action {
            Action::Retry if matches!(row.state, StateName::Pending | StateName::Sending) => {
                row.reopened += u32::from(self.has(Fault::RetriesAreReopenings));
                return true;
            }
            Action::Reopen | Action::Retry => {
                if row.state != StateName::Failed && !self.has(Fault::ReopensAnything) {
                    return false;
                }
                row.reopened += u32::from(!self.has(Fault::CountsNoReopening));
                match self.fault {
                    Fault::ReopensWithoutAttempts => row.attempts.clear(),
                    Fault::ReopensAtTheEnd => row.position = end + 1,
                    _ => {}
                }
                StateName::Pending
            }
            Action::Withdraw if open => {
                row.text = Some(self.text(by.why.as_str()));
                StateName::Withdrawn
            }
            Action::MarkNotified { reference } if open => {
                row.text = Some(self.text(reference));
                StateName::Notified
            }
            Action::Erase if is_over || self.has(Fault::ErasesAnything) => {
                self.erase(row);
                return true;
            }
            Action::Forget if is_over => {
                if self.has(Fault::ForgetsContentOnly) {
                    self.erase(row);
                } else {
                    // No row has this name, so nothing finds it; its place in the list stays, which is what cursors count.
                    row.names = Default::default();
                    row.settled = 0;
                }
                return true;
            }
            _ => return false,
        };
        (row.state, row.at) = (state, now);
        if !self.has(Fault::KeepsTokensAfterInterventions) {
            row.token = None;
        }
        table.number_settled(n);
        true
    }

    fn erase(&self, row: &mut Row) {
        row.body = None;
        row.attempts.clear();
        if self.has(Fault::ErasesBodiesOnly) {
            return;
        }
        row.text = row.text.take().map(|_| String::new());
        row.ledger = orderhook::notification::Ledger::default().encode();
        row.digest = None;
        row.traceparent = None;
        if !self.has(Fault::ErasesNoHistory) {
            row.history.iter_mut().for_each(|(_, _, by)| *by = None);
        }
    }

    pub(super) fn tell(
        &self,
        table: &mut Table,
        n: usize,
        Intervention { action, by }: &Intervention,
    ) {
        let now = table.now();
        if !self.has(Fault::HasNoHistory) {
            let entry = (now, action.name(), Some(by.clone()));
            table.rows[n].history.push(entry);
        }
    }

    pub(super) fn as_listed(&self, notification: Notification) -> Notification {
        let mut listed = notification.clone().as_listed();
        match self.fault {
            Fault::ListsHistory => listed.history = notification.history,
            Fault::ListsReplies => listed.attempts = notification.attempts,
            _ => {}
        }
        listed
    }
}
