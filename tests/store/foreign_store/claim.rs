//! Who may send what: one scan for everything that could be claimed, then what the request allows of it.

use std::collections::HashMap;
use std::time::Duration;

use orderhook::store::{Claim, ClaimRequest, Pick, StoreError, Token};
use orderhook::{Body, StateName, SupplierId};

use super::row::Row;
use super::{Fault, ForeignStore, Table, later};

impl ForeignStore {
    /// Whether something older of its stream is unfinished.
    fn is_behind(&self, table: &Table, row: &Row) -> bool {
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
        table.rows.iter().filter(same_stream).filter(before).any(holds)
    }

    /// From when the row can be claimed, if that is only a matter of time.
    fn ready_at(&self, table: &Table, row: &Row) -> Option<i64> {
        let ready = match row.state {
            StateName::Pending => Some(row.at),
            StateName::Sending if self.has(Fault::NeverTakesOver) => None,
            StateName::Sending if self.has(Fault::BreaksLeases) => Some(row.created),
            StateName::Sending => Some(row.at),
            StateName::Failed if self.has(Fault::ClaimsFailed) => Some(row.at),
            StateName::Notified | StateName::Withdrawn | StateName::NotWanted if self.has(Fault::ClaimsFinal) => {
                Some(row.at)
            }
            _ => None,
        };
        ready.filter(|_| self.has(Fault::ClaimsOutOfTurn) || !self.is_behind(table, row))
    }

    /// What the request gets, and when it should ask again.
    pub(super) fn choose(&self, table: &Table, request: &ClaimRequest) -> (Vec<usize>, Option<i64>) {
        let now = table.now();
        let (keys, early) = match &request.pick {
            Pick::Due => (None, false),
            Pick::DueOf(keys) => (Some(keys), false),
            Pick::NowOf(keys) => (Some(keys), !self.has(Fault::HasNoNow)),
        };
        let keys = keys.filter(|_| !self.has(Fault::IgnoresKeys));
        let keys: Option<Vec<_>> = keys.map(|keys| keys.iter().map(|key| self.names(key)).collect());
        let mine = |row: &Row| row.names[0] == request.source.as_str() || self.has(Fault::ClaimsAnySource);
        let picked = |row: &Row| mine(row) && keys.as_ref().is_none_or(|keys| keys.contains(&row.names));
        let room = |row: &Row| request.room_for(&SupplierId::from_stored(&row.names[1]).unwrap());
        let mut waiting: Vec<(i64, usize)> = match self.fault {
            // As a query with `limit` would that looks at the stream afterwards.
            Fault::LimitsBeforeStreams => {
                let open = |row: &Row| matches!(row.state, StateName::Pending | StateName::Sending);
                let rows = table.rows.iter().enumerate().filter(|(_, row)| picked(row) && open(row) && row.at <= now);
                let some = rows.take(request.limit as usize);
                some.filter_map(|(n, row)| Some((self.ready_at(table, row)?, n))).collect()
            }
            _ => {
                let rows = table.rows.iter().enumerate().filter(|(_, row)| picked(row));
                rows.filter_map(|(n, row)| Some((self.ready_at(table, row)?, n))).collect()
            }
        };
        waiting.sort_unstable();
        if self.has(Fault::ClaimsNewestFirst) {
            waiting.reverse();
        }
        let claimable =
            |at: i64, row: &Row| at <= now || self.has(Fault::IgnoresDue) || early && row.state == StateName::Pending;
        let (mut chosen, mut next) = (Vec::new(), None::<i64>);
        let mut of_supplier: HashMap<&str, u32> = HashMap::new();
        let mut looked_at = 0;
        for (at, n) in waiting {
            let row = &table.rows[n];
            if room(row) == 0 && !self.has(Fault::IgnoresRoom) && !self.has(Fault::LimitsBeforeRoom) {
                if self.has(Fault::HurriesForTheFull) {
                    next = [next, Some(at)].into_iter().flatten().min();
                }
                continue;
            }
            let used = of_supplier.entry(&row.names[1]).or_default();
            let has_room = *used < room(row) || self.has(Fault::IgnoresRoom);
            let full = match self.fault {
                Fault::IgnoresLimits => false,
                Fault::LimitsBeforeRoom => looked_at >= request.limit as usize,
                _ => chosen.len() >= request.limit as usize,
            };
            looked_at += 1;
            if claimable(at, row) && has_room && !full {
                *used += 1;
                chosen.push(n);
            } else {
                next = [next, Some(at)].into_iter().flatten().min();
            }
        }
        let next = match self.fault {
            Fault::HasNoNextDue => None,
            Fault::IsDueLate => next.map(|next| next + 3_600_000_000),
            Fault::IsDueForOthers => table.rows.iter().map(|row| row.at).min(),
            _ => next,
        };
        (chosen, next)
    }

    pub(super) fn hand_out(&self, table: &mut Table, n: usize, now: i64, lease: Duration) -> Result<Claim, StoreError> {
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
        let mut claim = Claim::new(before.key, Token::new(token), before.event_id, before.position, body);
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
        row.at = later(now, if self.has(Fault::LeasesTwiceAsLong) { lease * 2 } else { lease });
        Ok(claim)
    }
}
