//! The reference: a list of rows, and the sentences of the contract one after another. Slow and plain.

use orderhook::notification::{ActionName, By, FailureReason, StateName};
use orderhook::store::{Append, Inserted, Start, Written};
use orderhook::supplier::StreamRule;

use crate::words::*;

/// A moment: the hour, and within it the number of the call.
pub(crate) type Moment = (i64, u64);

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum State {
    Pending {
        due: Moment,
    },
    Sending {
        until: Moment,
    },
    Notified {
        reference: String,
    },
    Failed {
        reason: FailureReason,
        stream: StreamRule,
    },
    Withdrawn {
        reason: String,
    },
    NotWanted,
}

impl State {
    pub(crate) fn name(&self) -> StateName {
        match self {
            State::Pending { .. } => StateName::Pending,
            State::Sending { .. } => StateName::Sending,
            State::Notified { .. } => StateName::Notified,
            State::Failed { .. } => StateName::Failed,
            State::Withdrawn { .. } => StateName::Withdrawn,
            State::NotWanted => StateName::NotWanted,
        }
    }

    fn is_unfinished(&self) -> bool {
        match self {
            State::Pending { .. } | State::Sending { .. } => true,
            State::Failed { stream, .. } => *stream == StreamRule::Hold,
            State::Notified { .. } | State::Withdrawn { .. } | State::NotWanted => false,
        }
    }

    fn is_final(&self) -> bool {
        self.name().is_final()
    }

    fn is_settled(&self) -> bool {
        matches!(self, State::Notified { .. } | State::Failed { .. })
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) name: Name,
    pub(crate) position: u64,
    pub(crate) state: State,
    pub(crate) body: Option<u8>,
    pub(crate) digest: Option<u8>,
    pub(crate) memo: Option<u8>,
    pub(crate) ledger: u8,
    pub(crate) attempts: Vec<u16>,
    pub(crate) reopened: u32,
    pub(crate) history: Vec<(ActionName, Option<By>)>,
    created: Moment,
    /// The hour of its end, if it has one.
    ended: Option<i64>,
    /// The number of the claim that is held.
    token: Option<usize>,
    settled: Option<u64>,
    /// No step was ever recorded.
    is_new: bool,
    is_put_off: bool,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Model {
    pub(crate) hour: i64,
    calls: u64,
    /// In the order of insertion.
    pub(crate) rows: Vec<Row>,
    /// Which notification each claim was for that was ever given.
    pub(crate) claims: Vec<Name>,
    settlings: u64,
    /// Up to where what has settled was read, by source.
    read: [u64; 2],
    next_attempt: u16,
    /// What the last call has to answer.
    pub(crate) answer: Option<Answer>,
    /// The steps of the last write.
    pub(crate) steps: Vec<Resolved>,
}

impl Model {
    pub(crate) fn call(&mut self, call: &Call) {
        self.calls += 1;
        let answer = match call {
            Call::Insert(new, at_once) => {
                let answers = self.insert(new);
                let claims = self.hand_out_at_once(new, &answers, at_once);
                Answer::Inserted(answers, claims)
            }
            Call::Claim(claim) => self.claim(claim),
            Call::Write(steps) => {
                self.steps = steps.iter().filter_map(|step| self.resolve(step)).collect();
                Answer::Written(
                    self.steps
                        .clone()
                        .iter()
                        .map(|step| self.write(step))
                        .collect(),
                )
            }
            Call::Intervene(select, decide, limit) => {
                self.intervene(select, decide, *limit as usize)
            }
            Call::Prune(source, hours) => Answer::Pruned(self.prune(*source, *hours)),
            Call::List(which, _) => Answer::Listed(self.list(which)),
            Call::Settled(source, limit) => Answer::Listed(self.read_on(*source, *limit as usize)),
            Call::Wait(hours) => {
                self.hour += i64::from(*hours);
                Answer::Nothing
            }
            Call::Open => Answer::Nothing,
        };
        self.answer = Some(answer);
    }

    fn after(&self, hours: u8) -> Moment {
        (self.hour + i64::from(hours), self.calls)
    }

    fn now(&self) -> Moment {
        self.after(0)
    }

    fn find(&self, name: Name) -> Option<usize> {
        self.rows.iter().position(|row| row.name == name)
    }

    fn insert(&mut self, new: &[New]) -> Vec<Inserted> {
        let before = self.clone();
        let answers: Vec<_> = new.iter().map(|new| self.insert_one(new)).collect();
        if answers
            .iter()
            .any(|answer| matches!(answer, Inserted::Stale { .. }))
        {
            *self = before;
        }
        answers
    }

    /// What was new, is named, and could be claimed by everybody now.
    fn hand_out_at_once(
        &mut self,
        new: &[New],
        answers: &[Inserted],
        at_once: &AtOnce,
    ) -> Vec<Claimed> {
        // A slice with an answer of this kind has stored nothing.
        if answers
            .iter()
            .any(|answer| matches!(answer, Inserted::Stale { .. }))
        {
            return Vec::new();
        }
        let (now, until) = (self.now(), self.after(at_once.lease));
        let mut claimed = Vec::new();
        for (new, answer) in new.iter().zip(answers) {
            let index = self.find(new.name).expect("it is stored");
            let is_ready = self.ready(index).is_some_and(|ready| ready <= now);
            let is_new = matches!(answer, Inserted::New { .. });
            if is_new && is_ready && at_once.names.contains(&new.name) {
                claimed.push(self.hand_out(index, until));
            }
        }
        claimed
    }

    fn insert_one(&mut self, new: &New) -> Inserted {
        if let Some(index) = self.find(new.name) {
            let differs = self.rows[index]
                .digest
                .zip(new.digest)
                .is_some_and(|(known, new)| known != new);
            return if differs {
                Inserted::Differs
            } else {
                Inserted::Existing
            };
        }
        let stream = self
            .rows
            .iter()
            .filter(|row| row.name.shares_stream(new.name));
        // What was forgotten is as if it had never been.
        let next = 1 + stream.map(|row| row.position).max().unwrap_or(0);
        if matches!(new.append, Append::At(position) if position != next) {
            return Inserted::Stale { next };
        }
        let (state, body) = match &new.start {
            Start::Pending { body, delay } => {
                let hours = u8::try_from(delay.as_secs() / HOUR.as_secs()).unwrap();
                let due = match hours {
                    0 => self.now(),
                    hours => self.after(hours),
                };
                (State::Pending { due }, Some(body.as_bytes()[1]))
            }
            Start::NotWanted => (State::NotWanted, None),
            Start::Notified { reference, .. } => (
                State::Notified {
                    reference: reference.clone(),
                },
                None,
            ),
        };
        self.rows.push(Row {
            name: new.name,
            position: next,
            state: State::NotWanted,
            body,
            digest: new.digest,
            memo: new.memo,
            ledger: 0,
            attempts: Vec::new(),
            reopened: 0,
            history: match &new.start {
                Start::Notified { by, .. } => vec![(ActionName::MarkNotified, Some(by.clone()))],
                Start::Pending { .. } | Start::NotWanted => Vec::new(),
            },
            created: self.now(),
            ended: None,
            token: None,
            settled: None,
            is_new: true,
            is_put_off: false,
        });
        self.become_state(self.rows.len() - 1, state);
        Inserted::New { position: next }
    }

    fn become_state(&mut self, index: usize, state: State) {
        let row = &mut self.rows[index];
        if !matches!(state, State::Sending { .. }) {
            row.token = None;
        }
        row.settled = None;
        row.ended = state.is_final().then_some(self.hour);
        row.is_put_off = false;
        if state.is_settled() {
            self.settlings += 1;
            row.settled = Some(self.settlings);
        }
        row.state = state;
    }

    /// The moment from which it can be claimed, if nothing else happens.
    fn ready(&self, index: usize) -> Option<Moment> {
        let row = &self.rows[index];
        let is_before =
            |other: &&Row| other.name.shares_stream(row.name) && other.position < row.position;
        if self
            .rows
            .iter()
            .filter(is_before)
            .any(|other| other.state.is_unfinished())
        {
            return None;
        }
        match row.state {
            State::Pending { due } => Some(due),
            State::Sending { until } => Some(until),
            _ => None,
        }
    }

    fn claim(&mut self, claim: &Claim) -> Answer {
        let now = self.now();
        let mut ready: Vec<(Moment, usize)> = (0..self.rows.len())
            .filter(|index| self.rows[*index].name.source == claim.source)
            .filter_map(|index| Some((self.ready(index)?, index)))
            .collect();
        ready.sort_unstable();
        let waits_in = |index: usize| {
            let row = &self.rows[index];
            match &claim.pick {
                Pick::New => row.is_new,
                Pick::Due => !row.is_new,
                Pick::PutOff(suppliers) => row.is_put_off && suppliers.contains(&row.name.supplier),
                Pick::DueOf(names) | Pick::NowOf(names) => names.contains(&row.name),
            }
        };
        ready.retain(|(_, index)| waits_in(*index));
        let due_by = self.hour - i64::from(claim.due_before.unwrap_or(0));
        let can_be_had = |(moment, index): &(Moment, usize)| match &claim.pick {
            Pick::New | Pick::Due => *moment <= now && moment.0 <= due_by,
            Pick::DueOf(_) => *moment <= now,
            Pick::PutOff(_) => true,
            Pick::NowOf(_) => {
                let row = &self.rows[*index];
                *moment <= now || row.state.name() == StateName::Pending && !row.is_new
            }
        };
        let mut taken: Vec<_> = ready
            .iter()
            .filter(|ready| can_be_had(ready))
            .map(|(_, index)| *index)
            .collect();
        taken.truncate(claim.limit as usize);
        let left = ready.iter().find(|(_, index)| !taken.contains(index));
        let next_due = match claim.pick {
            Pick::New | Pick::Due => left.map_or(NextDue::Never, |((hour, _), _)| {
                NextDue::Within((hour - self.hour).max(0))
            }),
            Pick::PutOff(_) | Pick::DueOf(_) | Pick::NowOf(_) => NextDue::Never,
        };
        let until = self.after(claim.lease);
        let claimed = taken
            .into_iter()
            .map(|index| self.hand_out(index, until))
            .collect();
        Answer::Claimed(claimed, next_due)
    }

    fn hand_out(&mut self, index: usize, until: Moment) -> Claimed {
        let taken_over = self.rows[index].state.name() == StateName::Sending;
        self.claims.push(self.rows[index].name);
        self.become_state(index, State::Sending { until });
        let row = &mut self.rows[index];
        row.token = Some(self.claims.len() - 1);
        Claimed {
            name: row.name,
            position: row.position,
            body: row.body.expect("only what has a body can be pending"),
            ledger: row.ledger,
            reopened: row.reopened,
            attempts: row.attempts.len() as u32,
            taken_over,
        }
    }

    /// Which step is meant; `None` when there has been no claim.
    fn resolve(&mut self, write: &Write) -> Option<Resolved> {
        let claim = (self.claims.len() - 1).checked_sub(write.claim % self.claims.len().max(1))?;
        let of_claim = self.claims[claim];
        let name = match write.foreign {
            true => self
                .rows
                .iter()
                .map(|row| row.name)
                .find(|name| *name != of_claim)?,
            false => of_claim,
        };
        let recorded = &self.rows[self.find(name)?].attempts;
        let known = usize::from(write.known).min(recorded.len());
        let first_attempt = recorded.len() - known;
        // A repetition says the same again, and perhaps something more.
        let mut attempts = recorded[first_attempt..].to_vec();
        for _ in 0..write.attempts {
            self.next_attempt += 1;
            attempts.push(self.next_attempt);
        }
        let (first_attempt, end) = (first_attempt as u32, write.end.clone());
        Some(Resolved {
            claim,
            name,
            first_attempt,
            attempts,
            ledger: write.ledger,
            end,
        })
    }

    fn write(&mut self, step: &Resolved) -> Written {
        let Some(index) = self.find(step.name) else {
            return Written::Stale;
        };
        if self.rows[index].token != Some(step.claim) {
            return Written::Stale;
        }
        let state = match &step.end {
            End::Keep(lease) => State::Sending {
                until: self.after(*lease),
            },
            End::Notified(reference) => State::Notified {
                reference: reference.clone(),
            },
            End::Again(after) | End::HandBack(after) => State::Pending {
                due: self.after(*after),
            },
            End::Failed(reason, stream) => State::Failed {
                reason: *reason,
                stream: *stream,
            },
        };
        let row = &mut self.rows[index];
        for (number, attempt) in (step.first_attempt as usize..).zip(&step.attempts) {
            if number >= row.attempts.len() {
                row.attempts.push(*attempt);
            }
        }
        row.ledger = step.ledger;
        self.become_state(index, state);
        let row = &mut self.rows[index];
        row.is_new = false;
        row.is_put_off = matches!(step.end, End::HandBack(_));
        Written::Applied
    }

    fn intervene(&mut self, select: &Select, decide: &Decide, limit: usize) -> Answer {
        let now = self.now();
        let (mut changed, mut in_flight) = (Vec::new(), Vec::new());
        for index in 0..self.rows.len() {
            let row = &self.rows[index];
            let name = row.name;
            let is_meant = match select {
                Select::Keys(names) => names.contains(&name),
                Select::FailedFor(source, supplier, reasons) => {
                    (name.source, name.supplier) == (*source, *supplier)
                        && matches!(&row.state, State::Failed { reason, .. } if reasons.contains(reason))
                }
            };
            if !is_meant || changed.len() == limit {
                continue;
            }
            let is_live = matches!(row.state, State::Sending { until } if until > now);
            if is_live {
                in_flight.push(name);
                continue;
            }
            let is_failed = row.state.name() == StateName::Failed;
            let is_open =
                is_failed || matches!(row.state, State::Pending { .. } | State::Sending { .. });
            let is_final = row.state.is_final();
            match decide {
                Decide::Forget if is_final => {
                    changed.push(name);
                    continue;
                }
                Decide::Erase if is_final => self.erase(index),
                _ => {}
            }
            let entry = (decide.name(), Some(decide.by()));
            let state = match decide {
                Decide::Retry if is_open && !is_failed => {
                    self.rows[index].history.push(entry);
                    changed.push(name);
                    continue;
                }
                Decide::Erase if is_final => {
                    self.rows[index].history.push(entry);
                    changed.push(name);
                    continue;
                }
                Decide::Reopen | Decide::Retry if is_failed => {
                    self.rows[index].reopened += 1;
                    State::Pending { due: now }
                }
                Decide::Withdraw(reason) if is_open => State::Withdrawn {
                    reason: reason.clone(),
                },
                Decide::MarkNotified(reference) if is_open => State::Notified {
                    reference: reference.clone(),
                },
                _ => continue,
            };
            self.rows[index].history.push(entry);
            self.become_state(index, state);
            changed.push(name);
        }
        if matches!(decide, Decide::Forget) {
            self.rows.retain(|row| !changed.contains(&row.name));
        }
        let all_were_looked_at = changed.len() < limit;
        Answer::Intervened(changed, all_were_looked_at.then_some(in_flight))
    }

    fn erase(&mut self, index: usize) {
        let row = &mut self.rows[index];
        (row.body, row.digest, row.ledger) = (None, None, 0);
        row.attempts.clear();
        row.history.iter_mut().for_each(|(_, by)| *by = None);
        match &mut row.state {
            State::Notified { reference: text } | State::Withdrawn { reason: text } => text.clear(),
            _ => {}
        }
    }

    /// How many had something to drop.
    fn prune(&mut self, source: u8, hours: u8) -> u32 {
        let last = self.hour - i64::from(hours);
        let mut pruned = 0;
        for row in &mut self.rows {
            let is_old = row.ended.is_some_and(|ended| ended <= last);
            if row.name.source == source && is_old {
                pruned += u32::from(row.body.is_some() || !row.attempts.is_empty());
                row.body = None;
                row.attempts.clear();
            }
        }
        pruned
    }

    pub(crate) fn list(&self, which: &Which) -> Vec<Name> {
        let is_wanted = |row: &&Row| {
            row.name.source == which.source
                && which.order.is_none_or(|order| order == row.name.order)
                && which
                    .supplier
                    .is_none_or(|supplier| supplier == row.name.supplier)
                && (which.states.is_empty() || which.states.contains(&row.state.name()))
                && which
                    .older_than
                    .is_none_or(|hours| self.hour - row.created.0 >= i64::from(hours))
        };
        self.rows
            .iter()
            .filter(is_wanted)
            .map(|row| row.name)
            .collect()
    }

    fn read_on(&mut self, source: u8, limit: usize) -> Vec<Name> {
        let read = &mut self.read[usize::from(source)];
        let settled = self
            .rows
            .iter()
            .filter(|row| row.name.source == source)
            .filter_map(|row| Some((row.settled?, row.name)));
        let mut settled: Vec<_> = settled.filter(|(number, _)| number > read).collect();
        settled.sort_unstable_by_key(|(number, _)| *number);
        settled.truncate(limit);
        if let Some((last, _)) = settled.last() {
            *read = *last;
        }
        settled.into_iter().map(|(_, name)| name).collect()
    }
}
