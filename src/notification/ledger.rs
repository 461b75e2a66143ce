//! What is known per endpoint of one notification, and how an outcome changes it. Pure.

use serde::{Deserialize, Serialize};
use std::time::Duration;

use crate::notification::outcome::{NotSent, Outcome, Unknown};
use crate::supplier::retry::RetryPolicy;
use crate::supplier::{Endpoint, EndpointId, OnUnknown};
use crate::value::invalid::InvalidValue;
use crate::value::time::Timestamp;

/// The ledger of a notification, which says what is known per endpoint: whether it has accepted or was given up, or how often
/// it was tried and when it is tried again. An endpoint that is not in the ledger has not been called yet.
///
/// [`Notification::endpoints`](crate::Notification::endpoints) shows what is in it. To a store it is opaque: it keeps the
/// bytes of [`encode`](Self::encode) and gives them back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ledger {
    /// The schedule that this belongs to; one behind the notification's `reopened` is out of date.
    #[serde(default)]
    schedule: u32,
    /// The round that is under way, if the holder wrote in the middle of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    round: Option<Round>,
    #[serde(default)]
    endpoints: Vec<Entry>,
    /// The endpoint that the holder of the next claim, or of this one, calls first: it is what may have been called when a
    /// holder is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    next: Option<Named>,
}

/// An endpoint as it was listed at that time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Named {
    pub(crate) id: EndpointId,
    pub(crate) shown: String,
}

impl Named {
    pub(crate) fn of(endpoint: &Endpoint) -> Self {
        Named {
            id: endpoint.id().clone(),
            shown: endpoint.shown().to_owned(),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    id: EndpointId,
    shown: String,
    standing: Standing,
}

/// One round: which endpoints it takes and which it has called.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Round {
    /// What is due by then is called. `None`: every open endpoint, due or not (a retry by hand).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    due_by: Option<Timestamp>,
    called: Vec<EndpointId>,
    /// Those that it leaves out because they are silent, and until when.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    left_out: Vec<LeftOut>,
}

/// A silent endpoint that a round goes on without.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct LeftOut {
    id: EndpointId,
    until: Timestamp,
}

impl Round {
    /// A round over what is due.
    pub(crate) fn of_due(now: Timestamp) -> Self {
        Round {
            due_by: Some(now),
            called: Vec::new(),
            left_out: Vec::new(),
        }
    }

    /// A round over everything that is open.
    pub(crate) fn of_all() -> Self {
        Round {
            due_by: None,
            called: Vec::new(),
            left_out: Vec::new(),
        }
    }
}

/// The standing of one endpoint of a notification.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Standing {
    /// It has not accepted yet, and is called again.
    #[non_exhaustive]
    Open {
        /// Failed tries of the present [schedule](crate::RetryPolicy).
        tries: u32,
        /// When the first of them began, or when the endpoint was first left out because it was
        /// [silent](crate::Worker#who-is-called-when). The schedule's end
        /// counts from here.
        first_at: Timestamp,
        /// Not to be called earlier than that.
        not_before: Timestamp,
        /// How many of the last tries in a row were interrupted.
        #[serde(default)]
        interrupted: u32,
        /// Whether the next try may be the last one of this schedule.
        #[serde(default)]
        last: bool,
    },
    /// It has accepted, and is not called again for this notification.
    #[non_exhaustive]
    Accepted {
        /// When the accepted attempt began.
        at: Timestamp,
        /// The supplier's own reference out of the reply.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reference: Option<String>,
    },
    /// It is not called again in this schedule.
    #[non_exhaustive]
    GivenUp {
        /// When the last attempt began.
        at: Timestamp,
        /// Why it is not called again.
        why: GaveUp,
    },
}

/// The reason for which an endpoint is not called again in a schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum GaveUp {
    /// The next try would have been later than the schedule goes.
    Exhausted,
    /// It answered 410 Gone.
    Gone,
    /// It may have received the event, and the policy is not to resend then.
    HeldUnknown,
}

/// One endpoint of a notification and what is known of it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EndpointStanding {
    /// The endpoint's identity.
    pub id: EndpointId,
    /// The endpoint: scheme, host, port and path; never the query.
    pub endpoint: String,
    /// The standing of the endpoint.
    pub standing: Standing,
}

/// A try, and all that is needed to enter it.
pub(crate) struct Tried {
    pub(crate) endpoint: Named,
    pub(crate) outcome: Outcome,
    /// When it began, and when it was over; the next try is counted from its end.
    pub(crate) at: Timestamp,
    pub(crate) over: Timestamp,
    /// What the receiver asked for.
    pub(crate) retry_after: Option<Duration>,
    /// What the receiver calls the order.
    pub(crate) reference: Option<String>,
    pub(crate) policy: RetryPolicy,
    pub(crate) on_unknown: OnUnknown,
    /// 0.0 to 1.0.
    pub(crate) random: f64,
}

impl Ledger {
    /// The bytes for a store: JSON.
    pub fn encode(&self) -> Vec<u8> {
        // Names, numbers and strings in derived structs: there is nothing in it that JSON could refuse.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// The ledger out of the bytes of [`encode`](Self::encode).
    ///
    /// # Errors
    /// [`InvalidValue`] for bytes that are not a ledger; the row is damaged or from a newer version.
    pub fn decode(bytes: &[u8]) -> Result<Self, InvalidValue> {
        serde_json::from_slice(bytes)
            .map_err(|_| InvalidValue::new("the ledger of the notification cannot be read"))
    }

    /// The ledger as it counts in this schedule: after a reopening, tries and what was given up are forgotten and what
    /// was accepted stays.
    pub(crate) fn for_schedule(&self, schedule: u32) -> Ledger {
        if self.schedule == schedule {
            return self.clone();
        }
        let accepted = |entry: &&Entry| matches!(entry.standing, Standing::Accepted { .. });
        let endpoints = self.endpoints.iter().filter(accepted).cloned().collect();
        Ledger {
            schedule,
            round: None,
            endpoints,
            next: self.next.clone(),
        }
    }

    pub(crate) fn begin(&mut self, round: Round) {
        self.round = Some(round);
    }

    pub(crate) fn end_round(&mut self) {
        self.round = None;
    }

    pub(crate) fn in_round(&self) -> bool {
        self.round.is_some()
    }

    /// The ledger of a notification that nothing was done for, whose first claim calls this endpoint first.
    pub(crate) fn expecting(first: Option<&Endpoint>) -> Ledger {
        Ledger {
            next: first.map(Named::of),
            ..Ledger::default()
        }
    }

    /// The endpoint that a holder calls first, as far as the record knows.
    pub(crate) fn next(&self) -> Option<&Named> {
        self.next.as_ref()
    }

    /// Whether nothing is known of any endpoint.
    pub(crate) fn is_blank(&self) -> bool {
        self.endpoints.is_empty()
    }

    /// Whether the endpoint may still be called.
    pub(crate) fn is_open(&self, id: &EndpointId) -> bool {
        matches!(self.find_id(id), None | Some(Standing::Open { .. }))
    }

    pub(crate) fn expect(&mut self, next: Option<&Endpoint>) {
        self.next = next.map(Named::of);
    }

    /// Enters a try that has come to an end.
    pub(crate) fn enter(&mut self, tried: Tried) {
        if let Some(round) = &mut self.round {
            round.called.push(tried.endpoint.id.clone());
        }
        let standing = self.standing_after(&tried);
        self.set(tried.endpoint, standing);
    }

    /// Enters a try of which the end is not known. The interrupted round goes on with the same endpoint: the lease that had
    /// to run out was delay enough. From the second in a row on it follows the schedule, so that an event that kills its
    /// sender does not do so for ever.
    pub(crate) fn enter_interrupted(&mut self, tried: Tried) {
        let mut standing = self.standing_after(&tried);
        if let Standing::Open {
            not_before,
            interrupted,
            ..
        } = &mut standing
        {
            let due_by = self.round.as_ref().and_then(|round| round.due_by);
            match *interrupted {
                // Never later than the round takes: it began before the lease ran out.
                0 | 1 => *not_before = due_by.map_or(tried.at, |due_by| due_by.min(tried.at)),
                _ => self
                    .round
                    .iter_mut()
                    .for_each(|round| round.called.push(tried.endpoint.id.clone())),
            }
        }
        self.set(tried.endpoint, standing);
    }

    /// Leaves a silent endpoint out of the round under way. It costs no try, but the schedule's end comes: what has been
    /// left out for so long is given up.
    pub(crate) fn leave_out(
        &mut self,
        endpoint: &Endpoint,
        until: Timestamp,
        policy: RetryPolicy,
        now: Timestamp,
    ) {
        let first_at = match self.find(endpoint) {
            Some(Standing::Open { first_at, .. }) => *first_at,
            _ => now,
        };
        let end = first_at.after(policy.give_up_after());
        if now >= end {
            self.set(
                Named::of(endpoint),
                Standing::GivenUp {
                    at: now,
                    why: GaveUp::Exhausted,
                },
            );
            return;
        }
        if self.find(endpoint).is_none() {
            let open = Standing::Open {
                tries: 0,
                first_at,
                not_before: now,
                interrupted: 0,
                last: false,
            };
            self.set(Named::of(endpoint), open);
        }
        if let Some(round) = &mut self.round {
            round.left_out.push(LeftOut {
                id: endpoint.id().clone(),
                until: until.min(end),
            });
        }
    }

    /// Until when an open endpoint is left out by the round under way.
    pub(crate) fn left_out_until(&self, endpoint: &Endpoint) -> Option<Timestamp> {
        self.open_from(endpoint)?;
        let round = self.round.as_ref()?;
        round
            .left_out
            .iter()
            .find(|left_out| left_out.id == *endpoint.id())
            .map(|left_out| left_out.until)
    }

    fn standing_after(&self, tried: &Tried) -> Standing {
        let gave_up = |why| Standing::GivenUp { at: tried.at, why };
        match tried.outcome {
            Outcome::NotSent {
                why: NotSent::Interrupted,
            } => self.standing_after_a_cut(tried),
            Outcome::Accepted { .. } => Standing::Accepted {
                at: tried.at,
                reference: tried.reference.clone(),
            },
            Outcome::Rejected { status: 410 } => gave_up(GaveUp::Gone),
            Outcome::Unknown { .. } if tried.on_unknown == OnUnknown::Hold => {
                gave_up(GaveUp::HeldUnknown)
            }
            _ => self
                .standing_after_a_try(tried)
                .unwrap_or_else(|| gave_up(GaveUp::Exhausted)),
        }
    }

    /// We cut it ourselves before anything left: no try is spent, and it may be called again at once.
    fn standing_after_a_cut(&self, tried: &Tried) -> Standing {
        match self.find_id(&tried.endpoint.id) {
            Some(Standing::Open {
                tries,
                first_at,
                not_before,
                interrupted,
                last,
            }) => Standing::Open {
                tries: *tries,
                first_at: *first_at,
                not_before: (*not_before).max(tried.over),
                interrupted: *interrupted,
                last: *last,
            },
            _ => Standing::Open {
                tries: 0,
                first_at: tried.at,
                not_before: tried.over,
                interrupted: 0,
                last: false,
            },
        }
    }

    /// One try more; `None` when the schedule has come to its end.
    fn standing_after_a_try(&self, tried: &Tried) -> Option<Standing> {
        let (tries, first_at, interrupted_before) = match self.find_id(&tried.endpoint.id) {
            Some(Standing::Open {
                tries,
                first_at,
                interrupted,
                ..
            }) => (*tries, *first_at, *interrupted),
            _ => (0, tried.at, 0),
        };
        let tries = tries.saturating_add(1);
        let delay = tried
            .policy
            .delay_asked(tries, tried.random, tried.retry_after);
        let not_before = tried.over.after(delay);
        if not_before.since(first_at) > tried.policy.give_up_after() {
            return None;
        }
        let interrupted = match tried.outcome {
            Outcome::Unknown {
                why: Unknown::Interrupted,
            } => interrupted_before.saturating_add(1),
            _ => 0,
        };
        // At the end of the spread, for it is not known yet how the next delay will be spread: rather a word too early than none.
        let after_next = not_before.after(tried.policy.delay(tries.saturating_add(1), 1.0));
        let last = after_next.since(first_at) > tried.policy.give_up_after();
        Some(Standing::Open {
            tries,
            first_at,
            not_before,
            interrupted,
            last,
        })
    }

    fn set(&mut self, Named { id, shown }: Named, standing: Standing) {
        match self.endpoints.iter_mut().find(|entry| entry.id == id) {
            Some(entry) => entry.standing = standing,
            None => self.endpoints.push(Entry {
                id,
                shown,
                standing,
            }),
        }
    }

    pub(crate) fn find(&self, endpoint: &Endpoint) -> Option<&Standing> {
        self.find_id(endpoint.id())
    }

    fn find_id(&self, id: &EndpointId) -> Option<&Standing> {
        self.endpoints
            .iter()
            .find(|entry| entry.id == *id)
            .map(|entry| &entry.standing)
    }

    pub(crate) fn has_accepted(&self, endpoint: &Endpoint) -> bool {
        matches!(self.find(endpoint), Some(Standing::Accepted { .. }))
    }

    /// The first moment at which the endpoint may be called; `None` when it is not open.
    pub(crate) fn open_from(&self, endpoint: &Endpoint) -> Option<Timestamp> {
        match self.find(endpoint) {
            None => Some(Timestamp::from_micros(i64::MIN)),
            Some(Standing::Open { not_before, .. }) => Some(*not_before),
            Some(Standing::Accepted { .. } | Standing::GivenUp { .. }) => None,
        }
    }

    /// Whether the round under way has yet to call the endpoint.
    pub(crate) fn awaits_call(&self, endpoint: &Endpoint) -> bool {
        let (Some(round), Some(open_from)) = (&self.round, self.open_from(endpoint)) else {
            return false;
        };
        let left_out = round
            .left_out
            .iter()
            .any(|left_out| left_out.id == *endpoint.id());
        let is_done = left_out || round.called.contains(endpoint.id());
        !is_done && round.due_by.is_none_or(|due_by| open_from <= due_by)
    }

    /// When the next try is due that may be the last one of its endpoint; of the endpoints that were called in this round,
    /// so that each is announced once.
    pub(crate) fn last_try_ahead(&self) -> Option<Timestamp> {
        let round = self.round.as_ref()?;
        let due = |entry: &Entry| match entry.standing {
            Standing::Open {
                not_before,
                last: true,
                ..
            } if round.called.contains(&entry.id) => Some(not_before),
            _ => None,
        };
        self.endpoints.iter().filter_map(due).min()
    }

    pub(crate) fn standings(&self) -> Vec<EndpointStanding> {
        let standing = |entry: &Entry| EndpointStanding {
            id: entry.id.clone(),
            endpoint: entry.shown.clone(),
            standing: entry.standing.clone(),
        };
        self.endpoints.iter().map(standing).collect()
    }
}

#[cfg(test)]
mod tests;
