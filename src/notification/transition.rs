//! What an insert, a claim, a step and an intervention make of a notification: one state machine for all stores.
//!
//! Everything here is pure. A store says what it has, and writes what it is told: the state, the queue that it waits in,
//! whether a token is kept. What only a store can know stays with the store: which notification is the oldest unfinished
//! of its stream, and what comes first in a queue.

use std::collections::HashMap;

use crate::event::{Body, ContentDigest};
use crate::value::time::Timestamp;

use super::Notification;
use super::attempt::Attempt;
use super::claim::{Claim, Token};
use super::insert::{Append, Inserted, NewNotification, Start};
use super::intervention::Intervention;
use super::key::{Key, Stream};
use super::state::{Closed, NotificationState};
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

/// What becomes of a notification. A store writes all of it in one atomic step.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Change {
    /// Where it stands from now on.
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

/// Where a new notification begins, and the body to be kept.
pub fn start(start: &Start, now: Timestamp) -> (Change, Option<&Body>) {
    let (state, body) = match start {
        Start::Pending(body) => (NotificationState::Pending { due: now }, Some(body)),
        Start::NotWanted => (
            NotificationState::Closed {
                at: now,
                why: Closed::NotWanted,
            },
            None,
        ),
        Start::Notified { reference } => (
            NotificationState::Notified {
                at: now,
                reference: reference.clone(),
            },
            None,
        ),
    };
    (Change::to(state, Queue::New), body)
}

/// The claim that is made from a notification under a new token. `None` when its state or its missing body does not allow
/// one; whether its time has come and whether it is the first of its stream the store has looked at before.
pub fn claim(notification: Notification, token: Token) -> Option<Claim> {
    notification.state.claimable_from()?;
    let mut claim = Claim::new(
        notification.key,
        token,
        notification.event_id,
        notification.position,
        notification.body?,
    );
    claim.taken_over = matches!(notification.state, NotificationState::Sending { .. });
    claim.ledger = notification.ledger;
    claim.reopened = notification.reopened;
    claim.attempts = u32::try_from(notification.attempts.len()).unwrap_or(u32::MAX);
    claim.traceparent = notification.traceparent;
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
    /// It is changed.
    Changes(Change),
    /// It is left alone because its claim is held under a live lease.
    InFlight,
    /// Its state does not allow the intervention.
    NotAllowed,
}

/// What an intervention makes of a notification in this state.
pub fn intervene(
    state: &NotificationState,
    intervention: &Intervention,
    now: Timestamp,
) -> Intervening {
    match state {
        NotificationState::Sending { until } if *until > now => return Intervening::InFlight,
        NotificationState::Notified { .. } | NotificationState::Closed { .. } => {
            return Intervening::NotAllowed;
        }
        NotificationState::Pending { .. }
        | NotificationState::Sending { .. }
        | NotificationState::Failed { .. }
        | NotificationState::Unreadable { .. } => {}
    }
    let change = match intervention {
        Intervention::Reopen
            if matches!(
                state,
                NotificationState::Failed { .. } | NotificationState::Unreadable { .. }
            ) =>
        {
            Change {
                reopens: true,
                ..Change::to(NotificationState::Pending { due: now }, Queue::Due)
            }
        }
        Intervention::Reopen => return Intervening::NotAllowed,
        Intervention::Withdraw { reason } => {
            let why = Closed::Withdrawn {
                reason: reason.clone(),
            };
            Change::to(NotificationState::Closed { at: now, why }, Queue::Due)
        }
        Intervention::MarkNotified { reference } => Change::to(
            NotificationState::Notified {
                at: now,
                reference: reference.clone(),
            },
            Queue::Due,
        ),
    };
    Intervening::Changes(change)
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
    digests: HashMap<&'a Key, Option<ContentDigest>>,
    ends: HashMap<Stream, u64>,
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
mod tests {
    use std::time::Duration;

    use crate::notification::FailureReason;
    use crate::supplier::StreamRule;
    use crate::value::names::{OrderCode, Source, SupplierId};

    use super::*;

    fn at(micros: i64) -> Timestamp {
        Timestamp::from_micros(micros)
    }

    fn new(order: &str) -> NewNotification {
        let (source, supplier) = (
            Source::new("shop").unwrap(),
            SupplierId::new("north").unwrap(),
        );
        let key = Key::order_created(source, supplier, OrderCode::new(order).unwrap());
        NewNotification::new(key, Start::Pending(Body::new(*b"{}")))
    }

    #[test]
    fn what_one_slice_stores_is_there_for_the_next() {
        let mut judge = Judge::new();
        let mut second = new("A-1");
        second.key.occurrence = crate::event::Occurrence::new("second").unwrap();
        let mut misplaced = second.clone();
        misplaced.append = Append::At(9);
        let nothing = Present::No { stream_end: 0 };
        let slices = [
            vec![new("A-1"), misplaced],
            vec![new("A-1"), new("A-1")],
            vec![new("A-1"), second],
        ];
        // A slice with a stale one stores nothing, so that the next is the first.
        assert_eq!(
            judge.judge(&slices[0], [nothing; 2]),
            [Inserted::New { position: 1 }, Inserted::Stale { next: 2 }]
        );
        assert_eq!(
            judge.judge(&slices[1], [nothing; 2]),
            [Inserted::New { position: 1 }, Inserted::Existing]
        );
        assert_eq!(
            judge.judge(&slices[2], [nothing; 2]),
            [Inserted::Existing, Inserted::New { position: 2 }]
        );
    }

    #[test]
    fn an_intervention_waits_for_a_lease_and_leaves_ends_alone() {
        let failed = NotificationState::Failed {
            at: at(1),
            reason: FailureReason::Config,
            stream: StreamRule::Hold,
        };
        let withdraw = Intervention::Withdraw {
            reason: "called off".to_owned(),
        };
        let changes = |state: &NotificationState, intervention: &Intervention| {
            matches!(
                intervene(state, intervention, at(10)),
                Intervening::Changes(_)
            )
        };
        for open in [
            NotificationState::Pending { due: at(99) },
            NotificationState::Sending { until: at(10) },
        ] {
            assert!(changes(&open, &withdraw) && !changes(&open, &Intervention::Reopen));
        }
        for waits_for_a_person in [failed, NotificationState::Unreadable { at: at(1) }] {
            assert!(
                changes(&waits_for_a_person, &withdraw)
                    && changes(&waits_for_a_person, &Intervention::Reopen)
            );
        }
        let live = NotificationState::Sending { until: at(11) };
        assert_eq!(intervene(&live, &withdraw, at(10)), Intervening::InFlight);
        let told = NotificationState::Notified {
            at: at(1),
            reference: "R".to_owned(),
        };
        assert_eq!(intervene(&told, &withdraw, at(10)), Intervening::NotAllowed);
    }

    #[test]
    fn what_is_new_stays_new_until_something_is_recorded() {
        let until = at(5);
        assert_eq!(hand_out(Queue::New, until).queue, Queue::New);
        assert_eq!(hand_out(Queue::PutOff, until).queue, Queue::Due);
        let after = Duration::from_micros(3);
        for (then, queue) in [
            (Then::Keep { lease: after }, Queue::Due),
            (Then::Again { after }, Queue::Due),
            (Then::HandBack { after }, Queue::PutOff),
        ] {
            let change = step(&then, at(2));
            assert_eq!(
                (change.queue, change.state.claimable_from()),
                (queue, Some(at(5)))
            );
        }
    }
}
