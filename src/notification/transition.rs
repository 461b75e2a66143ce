//! What an insert, a claim, a step and an intervention make of a notification: one state machine for all stores.
//!
//! Everything here is pure. A store says what it has, and writes the result: the state, the queue that it waits in,
//! whether a token is kept. What only a store can know stays with the store: which notification is the oldest unfinished
//! of its stream, and what comes first in a queue.

use crate::event::{Body, ContentDigest};
use crate::value::hashed::FastMap;
use crate::value::time::Timestamp;

use super::attempt::Attempt;
use super::by::HistoryEntry;
use super::claim::Claim;
use super::insert::{Append, Inserted, NewNotification, Start};
use super::intervention::{Action, ActionName, Intervention};
use super::key::{Key, Stream};
use super::state::{Closed, NotificationState, StateName};
use super::step::{Step, Then};

/// The queue that a notification waits in while it is pending or being sent. Each of the picks of
/// [`Pick`](crate::store::Pick) that name no keys is the front of one or two of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Queue {
    /// No holder has recorded anything of it: [`Pick::New`](crate::store::Pick::New).
    New,
    /// It waits for its next try, or for the end of a lease: [`Pick::Due`](crate::store::Pick::Due).
    Due,
    /// It is put off: [`Pick::PutOff`](crate::store::Pick::PutOff) at any time, and
    /// [`Pick::Due`](crate::store::Pick::Due) when its time has come.
    PutOff,
}

/// The change of a notification. A store writes all of it in one atomic step.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Change {
    /// The state from now on.
    pub state: NotificationState,
    /// The queue that it waits in, if [`NotificationState::claimable_from`] names a moment; otherwise it waits in none.
    pub queue: Queue,
    /// Whether it counts as reopened once more.
    pub reopens: bool,
}

impl Change {
    fn to(state: NotificationState, queue: Queue) -> Change {
        Change {
            state,
            queue,
            reopens: false,
        }
    }

    /// Whether the token of the claim stays good; otherwise the store forgets it.
    pub fn keeps_token(&self) -> bool {
        matches!(self.state, NotificationState::Sending { .. })
    }

    /// Whether it is to be listed by [`settled`](crate::store::Store::settled), after everything that is listed already.
    pub fn settles(&self) -> bool {
        matches!(
            self.state,
            NotificationState::Notified { .. } | NotificationState::Failed { .. }
        )
    }
}

/// The beginning of a new notification.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Beginning<'a> {
    /// Its state and its queue.
    pub change: Change,
    /// The body to be kept.
    pub body: Option<&'a Body>,
    /// The first entry of its history.
    pub history: Option<HistoryEntry>,
}

/// The beginning of a new notification.
pub fn start(start: &Start, now: Timestamp) -> Beginning<'_> {
    let (mut kept, mut history) = (None, None);
    let state = match start {
        Start::Pending { body, delay } => {
            kept = Some(body);
            NotificationState::Pending {
                due: now.after(*delay),
            }
        }
        Start::NotWanted => NotificationState::Closed {
            at: now,
            why: Closed::NotWanted,
        },
        Start::Notified { reference, by } => {
            let by = Some(by.clone());
            history = Some(HistoryEntry::new(now, ActionName::MarkNotified, by));
            NotificationState::Notified {
                at: now,
                reference: reference.clone(),
            }
        }
    };
    Beginning {
        change: Change::to(state, Queue::New),
        body: kept,
        history,
    }
}

/// Whether [`Pick::NowOf`](crate::store::Pick::NowOf) may claim a notification before its time, given the queue that it
/// waits in: it does not wait for the end of its first delay, and no holder has it.
pub fn may_come_early(state: &NotificationState, waits_in: Queue) -> bool {
    matches!(state, NotificationState::Pending { .. }) && waits_in != Queue::New
}

/// The claim on a notification in this state, out of what the store has of it. `None` when the state does not allow a claim;
/// whether its time has come and whether it is the first of its stream the store has looked at before.
pub fn claim(state: &NotificationState, mut claim: Claim) -> Option<Claim> {
    state.claimable_from()?;
    claim.taken_over = matches!(state, NotificationState::Sending { .. });
    Some(claim)
}

/// What handing it out makes of a notification that waited in this queue. What has never been handed out is new until its
/// holder records a step: when that holder is lost before, the notification comes with what is new once more.
pub fn hand_out(waited_in: Queue, until: Timestamp) -> Change {
    let queue = match waited_in {
        Queue::New => Queue::New,
        Queue::Due | Queue::PutOff => Queue::Due,
    };
    Change::to(NotificationState::Sending { until }, queue)
}

/// What handing it out in the very insert makes of a new notification, given that nothing unfinished is before it in its
/// stream. `None` when an insert hands it out to nobody: it is delayed, or is not to be sent.
pub fn hand_out_at_once(start: &Start, until: Timestamp) -> Option<Change> {
    start.is_due_at_once().then(|| hand_out(Queue::New, until))
}

/// What becomes of a notification whose claim has no holder, because the caller was gone before it was answered. A store that
/// finds this out takes the claim back under its token, and leaves the ledger as it is.
pub fn take_back(claim: &Claim, now: Timestamp) -> Change {
    match claim.taken_over {
        true => Change::to(NotificationState::Sending { until: now }, Queue::Due),
        false => Change::to(NotificationState::Pending { due: now }, Queue::Due),
    }
}

/// What a step makes of the notification, given that its token is good.
pub fn step(then: &Then, now: Timestamp) -> Change {
    match then {
        Then::Keep { lease } => Change::to(
            NotificationState::Sending {
                until: now.after(*lease),
            },
            Queue::Due,
        ),
        Then::Notified { reference } => Change::to(
            NotificationState::Notified {
                at: now,
                reference: reference.clone(),
            },
            Queue::Due,
        ),
        Then::Again { after } => Change::to(
            NotificationState::Pending {
                due: now.after(*after),
            },
            Queue::Due,
        ),
        Then::HandBack { after } => Change::to(
            NotificationState::Pending {
                due: now.after(*after),
            },
            Queue::PutOff,
        ),
        Then::Failed { reason, stream } => Change::to(
            NotificationState::Failed {
                at: now,
                reason: *reason,
                stream: *stream,
            },
            Queue::Due,
        ),
    }
}

/// The attempts of a step that are not recorded yet, when so many are: numbers that are there already are left alone.
pub fn new_attempts(step: &Step, recorded: usize) -> &[Attempt] {
    let known = recorded.saturating_sub(usize::try_from(step.first_attempt).unwrap_or(usize::MAX));
    step.attempts.get(known..).unwrap_or_default()
}

/// What an intervention makes of a notification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Intervening {
    /// It is changed, and the history says so.
    Changes(Change),
    /// It stays as it is, and the history says what was asked for.
    Noted,
    /// What it holds about people is blanked, in the texts of the history so far, too; this is its state from now on.
    Erases(NotificationState),
    /// It is removed with everything that is kept of it.
    Forgets,
    /// It is left alone because its claim is held under a live lease.
    InFlight,
    /// Its state does not allow the action.
    NotAllowed,
}

/// The states from which an action can do something, `Sending` only when its lease has run out.
pub fn states_for(action: &Action) -> &'static [StateName] {
    use StateName::{Failed, NotWanted, Notified, Pending, Sending, Unreadable, Withdrawn};
    match action {
        Action::Reopen => &[Failed, Unreadable],
        Action::Retry | Action::Withdraw | Action::MarkNotified { .. } => {
            &[Pending, Sending, Failed, Unreadable]
        }
        Action::Erase | Action::Forget => &[Notified, Withdrawn, NotWanted],
    }
}

/// What an intervention makes of a notification in this state.
pub fn intervene(
    state: &NotificationState,
    intervention: &Intervention,
    now: Timestamp,
) -> Intervening {
    let Intervention { action, by } = intervention;
    if matches!(state, NotificationState::Sending { until } if *until > now) {
        return Intervening::InFlight;
    }
    if !states_for(action).contains(&state.name()) {
        return Intervening::NotAllowed;
    }
    let to = |state| Intervening::Changes(Change::to(state, Queue::Due));
    match action {
        Action::Retry
            if matches!(
                state,
                NotificationState::Pending { .. } | NotificationState::Sending { .. }
            ) =>
        {
            Intervening::Noted
        }
        Action::Retry | Action::Reopen => Intervening::Changes(Change {
            reopens: true,
            ..Change::to(NotificationState::Pending { due: now }, Queue::Due)
        }),
        Action::Withdraw => to(NotificationState::Closed {
            at: now,
            why: Closed::Withdrawn {
                reason: by.why.as_str().to_owned(),
            },
        }),
        Action::MarkNotified { reference } => to(NotificationState::Notified {
            at: now,
            reference: reference.clone(),
        }),
        Action::Erase => Intervening::Erases(without_texts(state)),
        Action::Forget => Intervening::Forgets,
    }
}

fn without_texts(state: &NotificationState) -> NotificationState {
    let mut state = state.clone();
    match &mut state {
        NotificationState::Notified { reference, .. } => reference.clear(),
        NotificationState::Closed {
            why: Closed::Withdrawn { reason },
            ..
        } => reason.clear(),
        NotificationState::Closed {
            why: Closed::NotWanted,
            ..
        }
        | NotificationState::Pending { .. }
        | NotificationState::Sending { .. }
        | NotificationState::Failed { .. }
        | NotificationState::Unreadable { .. } => {}
    }
    state
}

/// What becomes of a notification that cannot be read when it is to be claimed.
pub fn set_aside(now: Timestamp) -> Change {
    Change::to(NotificationState::Unreadable { at: now }, Queue::Due)
}

/// What a store has under the key of a notification that is to be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Present {
    /// Nothing; and its stream ends at this position, which is 0 for a new stream.
    No {
        /// The position of the last notification of the stream.
        stream_end: u64,
    },
    /// A notification with this digest, if its content is known.
    Yes {
        /// The digest of its content.
        digest: Option<ContentDigest>,
    },
}

/// Judges slices of inserts, one after another, before anything of them is stored.
#[derive(Debug, Default)]
pub struct Judge<'a> {
    accepted: Accepted<'a>,
}

/// What is to be stored and is not in the tables yet: the digests by key, and the ends of streams.
#[derive(Debug, Default)]
struct Accepted<'a> {
    digests: FastMap<&'a Key, Option<ContentDigest>>,
    ends: FastMap<Stream, u64>,
}

impl<'a> Judge<'a> {
    /// A judge who has accepted nothing yet.
    pub fn new() -> Self {
        Judge::default()
    }

    /// What becomes of each of a slice, given what the store has under each key, in the order of the slice. The slices that
    /// this judge has accepted before count as stored. When one answer is [`Inserted::Stale`], nothing of the slice is to be
    /// stored; otherwise every [`Inserted::New`] is.
    pub fn judge(
        &mut self,
        slice: &'a [NewNotification],
        present: impl IntoIterator<Item = Present>,
    ) -> Vec<Inserted> {
        let mut here = Accepted::default();
        let answers: Vec<_> = slice
            .iter()
            .zip(present)
            .map(|(new, present)| here.judge(new, present, &self.accepted))
            .collect();
        if !answers
            .iter()
            .any(|answer| matches!(answer, Inserted::Stale { .. }))
        {
            self.accepted.digests.extend(here.digests);
            self.accepted.ends.extend(here.ends);
        }
        answers
    }
}

impl<'a> Accepted<'a> {
    fn judge(
        &mut self,
        new: &'a NewNotification,
        present: Present,
        before: &Accepted<'_>,
    ) -> Inserted {
        let (known, stored_end) = match present {
            Present::Yes { digest } => (Some(digest), 0),
            Present::No { stream_end } => (
                self.digests
                    .get(&new.key)
                    .or_else(|| before.digests.get(&new.key))
                    .copied(),
                stream_end,
            ),
        };
        if let Some(known) = known {
            let differs = known
                .zip(new.content_digest)
                .is_some_and(|(known, new)| known.differs_from(&new));
            return if differs {
                Inserted::Differs
            } else {
                Inserted::Existing
            };
        }
        let stream = new.key.stream();
        let end = before.ends.get(&stream).copied().unwrap_or(stored_end);
        let end = self.ends.entry(stream).or_insert(end);
        let next = end.saturating_add(1);
        if matches!(new.append, Append::At(position) if position != next) {
            return Inserted::Stale { next };
        }
        *end = next;
        self.digests.insert(&new.key, new.content_digest);
        Inserted::New { position: next }
    }
}

#[cfg(test)]
mod tests;
