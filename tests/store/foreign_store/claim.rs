//! Who may send what: one scan for everything that could be claimed, then what the request allows of it.

use std::time::Duration;

use orderhook::Key;
use orderhook::event::Body;
use orderhook::notification::StateName;
use orderhook::store::{Claim, ClaimRequest, Pick, StoreError, Token};

use super::row::{Row, Waits};
use super::{Fault, ForeignStore, Table, later};

impl ForeignStore {
    /// Whether something older of its stream is unfinished.
    pub(super) fn is_behind(&self, table: &Table, row: &Row) -> bool {
        let same_stream = |other: &&Row| match self.fault {
            Fault::HasOneStreamPerOrder => other.names[2] == row.names[2],
            _ => other.names[..3] == row.names[..3],
        };
        let before = |other: &&Row| match self.fault {
            Fault::LooksOneBack => other.position + 1 == row.position,
            _ => other.position < row.position,
        };
        let holds = |other: &Row| match other.state {
            StateName::Pending | StateName::Sending => true,
            StateName::Failed => !other.passes,
            StateName::Withdrawn => self.has(Fault::WithdrawnHold),
            _ => false,
        };
        table
            .rows
            .iter()
            .filter(same_stream)
            .filter(before)
            .any(holds)
    }

    /// From when the row can be claimed, if that is only a matter of time.
    fn ready_at(&self, table: &Table, row: &Row) -> Option<i64> {
        let ready = match row.state {
            StateName::Pending => Some(row.at),
            StateName::Sending if self.has(Fault::NeverTakesOver) => None,
            StateName::Sending if self.has(Fault::BreaksLeases) => Some(row.created),
            StateName::Sending => Some(row.at),
            StateName::Failed if self.has(Fault::ClaimsFailed) => Some(row.at),
            StateName::Notified | StateName::Withdrawn | StateName::NotWanted
                if self.has(Fault::ClaimsFinal) =>
            {
                Some(row.at)
            }
            _ => None,
        };
        ready.filter(|_| self.has(Fault::ClaimsOutOfTurn) || !self.is_behind(table, row))
    }

    /// What the request gets, and when it should ask again.
    pub(super) fn choose(
        &self,
        table: &Table,
        request: &ClaimRequest,
    ) -> (Vec<usize>, Option<i64>) {
        let now = table.now();
        let names = |keys: &[Key]| keys.iter().map(|key| self.names(key)).collect::<Vec<_>>();
        let picked = |row: &Row| match &request.pick {
            Pick::New => row.waits == Waits::ForAFirstTry,
            Pick::Due => row.waits != Waits::ForAFirstTry || self.has(Fault::HasNoQueues),
            Pick::PutOff(suppliers) => {
                let named = suppliers
                    .iter()
                    .any(|supplier| supplier.as_str() == row.names[1]);
                let put_off = match self.fault {
                    Fault::PutsOffWhatWaits => row.waits != Waits::ForAFirstTry,
                    _ => row.waits == Waits::PutOff && row.state == StateName::Pending,
                };
                put_off && (named || self.has(Fault::PutsOffAnySupplier))
            }
            Pick::DueOf(keys) | Pick::NowOf(keys) => {
                names(keys).contains(&row.names) || self.has(Fault::IgnoresKeys)
            }
        };
        let early = match &request.pick {
            Pick::NowOf(_) => !self.has(Fault::HasNoNow),
            Pick::PutOff(_) => !self.has(Fault::PutsOffUntilDue),
            Pick::New | Pick::Due | Pick::DueOf(_) => false,
        };
        let mine =
            |row: &Row| row.names[0] == request.source.as_str() || self.has(Fault::ClaimsAnySource);
        let mut rows: Vec<_> = table
            .rows
            .iter()
            .enumerate()
            .filter(|(_, row)| mine(row) && picked(row))
            .collect();
        // As a query with `limit` would that looks at the stream afterwards.
        if self.has(Fault::LimitsBeforeStreams) {
            let open = |row: &Row| matches!(row.state, StateName::Pending | StateName::Sending);
            rows.retain(|(_, row)| open(row) && row.at <= now);
            rows.truncate(request.limit as usize);
        }
        let waiting = rows
            .into_iter()
            .filter_map(|(n, row)| Some((self.ready_at(table, row)?, n)));
        let mut waiting: Vec<(i64, usize)> = waiting.collect();
        waiting.sort_unstable();
        match self.fault {
            Fault::ClaimsNewestFirst => waiting.reverse(),
            Fault::ClaimsInOrderOfNames => waiting.sort_by_key(|(_, n)| &table.rows[*n].names),
            _ => {}
        }
        let due_by = match (&request.pick, request.due_by) {
            (Pick::New | Pick::Due, Some(due_by)) if !self.has(Fault::IgnoresDueBy) => {
                due_by.as_micros().min(now)
            }
            _ => now,
        };
        let claimable = |at: i64, row: &Row| {
            let delayed = row.waits == Waits::ForAFirstTry && !self.has(Fault::HurriesDelayed);
            let early = early && row.state == StateName::Pending && !delayed;
            at <= due_by || self.has(Fault::IgnoresDue) || early
        };
        let (mut chosen, mut next) = (Vec::new(), None::<i64>);
        for (at, n) in waiting {
            let full = chosen.len() >= request.limit as usize && !self.has(Fault::IgnoresLimits);
            if claimable(at, &table.rows[n]) && !full {
                chosen.push(n);
            } else {
                next = [next, Some(at)].into_iter().flatten().min();
            }
        }
        let named =
            !matches!(request.pick, Pick::New | Pick::Due) && !self.has(Fault::AlwaysSaysWhenNext);
        let next = match self.fault {
            Fault::HasNoNextDue => None,
            Fault::IsDueLate => next.map(|next| next + 3_600_000_000),
            Fault::IsDueForOthers => table.rows.iter().map(|row| row.at).min(),
            _ => next.filter(|_| !named),
        };
        (chosen, next)
    }

    pub(super) fn hand_out(
        &self,
        table: &mut Table,
        n: usize,
        now: i64,
        lease: Duration,
    ) -> Result<Claim, StoreError> {
        let before = table.rows[n].read()?;
        table.last_token += 1;
        let row = &mut table.rows[n];
        let token = match self.fault {
            Fault::CountsTokensPerRow => row.token.unwrap_or(0) + 1,
            _ => table.last_token,
        };
        let abandoned = row.state == StateName::Sending;
        row.taken_over_before |= abandoned;
        let body = before.body.unwrap_or_else(|| Body::new(Vec::new()));
        let mut claim = Claim::new(
            before.key,
            Token::new(token),
            before.event_id,
            before.position,
            body,
        );
        claim.ledger = before.ledger;
        claim.reopened = before.reopened;
        claim.attempts = before.attempts.len() as u32;
        claim.taken_over = match self.fault {
            Fault::NeverSaysTakenOver => false,
            Fault::SaysTakenOverForEver => row.taken_over_before,
            _ => abandoned,
        };
        claim.traceparent = before.traceparent;
        row.token = Some(token);
        row.state = StateName::Sending;
        if !self.has(Fault::IsNewForEver) {
            row.waits = Waits::ForAnotherTry;
        }
        row.at = later(
            now,
            if self.has(Fault::LeasesTwiceAsLong) {
                lease * 2
            } else {
                lease
            },
        );
        Ok(claim)
    }
}
