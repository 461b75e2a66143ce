//! What this process knows of endpoints: who answers, who is silent, and when a silent one is called again. Pure: time is an
//! argument.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::supplier::EndpointId;
use crate::value::clock::Moment;
use crate::value::hashed::FastMap;
use crate::value::names::SupplierId;

use super::pace::{ENDPOINTS, PAUSES_FOR_NEW, Pace};

/// The moment of the last news of an endpoint is kept this exactly: it says who is forgotten first, hours later.
const HEARD: Duration = Duration::from_secs(1);

/// What is known of an endpoint.
#[derive(Debug, Default)]
pub(crate) struct News {
    /// When the request of each of its open calls left; `None` as long as it has not, for that is no silence.
    open: BTreeMap<u64, Option<Moment>>,
    last_answer: Option<Moment>,
    hung: Option<Hung>,
    silent_since: Option<Moment>,
    /// The suppliers that have put something off because of it.
    waiting: BTreeSet<SupplierId>,
    /// When there was news of it.
    heard: Option<Moment>,
    /// When it is called again, if a supplier waits for it: where it stands among the calls that are due.
    due: Option<Moment>,
}

/// A call ran into the limit, and nothing has answered since it began.
#[derive(Clone, Copy, Debug)]
struct Hung {
    since: Moment,
    pause: Duration,
    next_call: Moment,
}

/// How an endpoint stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    /// Nothing is known of it.
    Unknown,
    /// It has answered, and answers keep coming.
    Answers,
    /// Nothing has answered since its oldest open call began, 2 s ago or more, or since one began that ran into the limit.
    Silent,
}

/// How a call ended, as far as it says something about the endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CallEnd {
    /// By itself: an answer, a refusal, a reset, a failed handshake.
    Answered,
    /// At the limit of the exchange, or of connecting.
    AtLimit,
    /// It was not made after all, was cut short by us, or was blocked by our guard.
    NoNews,
}

impl News {
    pub(crate) fn condition(&self, pace: &Pace, now: Moment) -> Condition {
        // An answer within that time is later than the beginning of every call that could be silent: they need not be looked at.
        let answered_lately = self
            .last_answer
            .is_some_and(|answer| now.since(answer) < pace.silent_after);
        let is_silent = |start: Moment| {
            now.since(start) >= pace.silent_after
                && self.last_answer.is_none_or(|answer| answer < start)
        };
        if self.hung.is_some() || (!answered_lately && self.oldest_call().is_some_and(is_silent)) {
            Condition::Silent
        } else if self.last_answer.is_some() {
            Condition::Answers
        } else {
            Condition::Unknown
        }
    }

    fn oldest_call(&self) -> Option<Moment> {
        self.open.values().flatten().min().copied()
    }

    pub(crate) fn open_calls(&self) -> usize {
        self.open.len()
    }

    /// Whether one of its calls has been open for so long that it is silent.
    pub(crate) fn has_silent_call(&self, pace: &Pace, now: Moment) -> bool {
        self.oldest_call()
            .is_some_and(|start| now.since(start) >= pace.silent_after)
    }

    /// Whether a silent one may be called again: by what was handed out before at the moment of its next call, by what is
    /// new only after a while.
    pub(crate) fn may_be_called_again(&self, is_new: bool, now: Moment) -> bool {
        let Some(hung) = self.hung else { return false };
        let patience = if is_new {
            hung.pause * PAUSES_FOR_NEW
        } else {
            Duration::ZERO
        };
        self.open.is_empty() && now >= hung.next_call + patience
    }

    /// For how long it has been silent.
    pub(crate) fn silent_for(&self, now: Moment) -> Duration {
        let since = self.silent_since.or(self.oldest_call());
        since.map_or(Duration::ZERO, |since| now.since(since))
    }
}

/// All endpoints that something is known of.
#[derive(Debug, Default)]
pub(crate) struct Health {
    news: FastMap<EndpointId, News>,
    /// Every remembered endpoint once, by the moment of the last news of it: the first one is the first to be forgotten.
    remembered: BTreeSet<(Moment, EndpointId)>,
    /// Silent endpoints that a supplier waits for, by the moment at which they are called again.
    calls_due: BTreeSet<(Moment, EndpointId)>,
}

impl Health {
    pub(crate) fn condition(&self, endpoint: &EndpointId, pace: &Pace, now: Moment) -> Condition {
        self.news
            .get(endpoint)
            .map_or(Condition::Unknown, |news| news.condition(pace, now))
    }

    pub(crate) fn news(&self, endpoint: &EndpointId) -> Option<&News> {
        self.news.get(endpoint)
    }

    /// A call is admitted; its request has yet to leave.
    pub(crate) fn began(&mut self, endpoint: &EndpointId, call: u64, pace: &Pace, now: Moment) {
        self.touch(endpoint, pace, now).open.insert(call, None);
        // A supplier that waits for it hears of the end of this call.
        self.schedule(endpoint, None);
    }

    /// The request of a call leaves now.
    pub(crate) fn left(&mut self, endpoint: &EndpointId, call: u64, now: Moment) {
        if let Some(start) = self
            .news
            .get_mut(endpoint)
            .and_then(|news| news.open.get_mut(&call))
        {
            *start = Some(now);
        }
    }

    /// A call is over. Answers which suppliers have been waiting for an answer.
    pub(crate) fn ended(
        &mut self,
        endpoint: &EndpointId,
        call: u64,
        end: CallEnd,
        pace: &Pace,
        now: Moment,
    ) -> Vec<SupplierId> {
        let news = self.touch(endpoint, pace, now);
        let Some(start) = news.open.remove(&call) else {
            return Vec::new();
        };
        let start = start.unwrap_or(now);
        match end {
            CallEnd::NoNews => {}
            CallEnd::Answered => {
                news.last_answer = Some(now);
                news.hung = None;
                news.silent_since = None;
                let waiting = std::mem::take(&mut news.waiting);
                self.schedule(endpoint, None);
                return waiting.into_iter().collect();
            }
            CallEnd::AtLimit if news.last_answer.is_some_and(|answer| answer >= start) => {}
            CallEnd::AtLimit => {
                news.silent_since.get_or_insert(start);
                news.hung = Some(match news.hung {
                    None => Hung {
                        since: now,
                        pause: pace.first_pause,
                        next_call: now + pace.first_pause,
                    },
                    // It began before the pause: several ran into the limit together.
                    Some(hung) if start < hung.since => Hung {
                        next_call: now + hung.pause,
                        ..hung
                    },
                    Some(hung) => {
                        let pause = (hung.pause * 2).min(pace.longest_pause);
                        Hung {
                            since: now,
                            pause,
                            next_call: now + pause,
                        }
                    }
                });
            }
        }
        if news.open.is_empty() && !news.waiting.is_empty() {
            let next_call = news.hung.map_or(now, |hung| hung.next_call);
            self.schedule(endpoint, Some(next_call));
        }
        Vec::new()
    }

    /// A round of this supplier has left the endpoint out. Answers for how long it has been silent.
    pub(crate) fn left_out(
        &mut self,
        endpoint: &EndpointId,
        supplier: &SupplierId,
        pace: &Pace,
        now: Moment,
    ) -> Duration {
        let news = self.touch(endpoint, pace, now);
        news.waiting.insert(supplier.clone());
        let lasted = news.silent_for(now);
        if let (None, true, Some(hung)) = (news.due, news.open.is_empty(), news.hung) {
            // One whose moment has come was due for a call and could not be called: not at once again.
            let due = hung.next_call.max(now + pace.look_again.start);
            self.schedule(endpoint, Some(due));
        }
        lasted
    }

    /// Nothing of this supplier is put off any more.
    pub(crate) fn nothing_waits(&mut self, endpoint: &EndpointId, supplier: &SupplierId) {
        let Some(news) = self.news.get_mut(endpoint) else {
            return;
        };
        news.waiting.remove(supplier);
        if news.waiting.is_empty() {
            self.schedule(endpoint, None);
        }
    }

    /// The next silent endpoint whose moment has come, with the suppliers that wait for it. It is looked at again after so
    /// long, unless a call begins before.
    pub(crate) fn call_due(
        &mut self,
        now: Moment,
        look_again: Duration,
    ) -> Option<(EndpointId, Vec<SupplierId>)> {
        let (_, endpoint) = self
            .calls_due
            .first()
            .filter(|(due, _)| *due <= now)
            .cloned()?;
        self.schedule(&endpoint, Some(now + look_again));
        let waiting = self
            .news
            .get(&endpoint)
            .map(|news| news.waiting.iter().cloned().collect());
        Some((endpoint, waiting.unwrap_or_default()))
    }

    pub(crate) fn next_call_due(&self) -> Option<Moment> {
        self.calls_due.first().map(|(due, _)| *due)
    }

    #[cfg(test)]
    pub(crate) fn endpoints(&self) -> usize {
        self.news.len()
    }

    fn schedule(&mut self, endpoint: &EndpointId, due: Option<Moment>) {
        let Some(news) = self.news.get_mut(endpoint) else {
            return;
        };
        if let Some(before) = std::mem::replace(&mut news.due, due) {
            self.calls_due.remove(&(before, endpoint.clone()));
        }
        self.calls_due
            .extend(due.map(|due| (due, endpoint.clone())));
    }

    fn touch(&mut self, endpoint: &EndpointId, pace: &Pace, now: Moment) -> &mut News {
        if !self.news.contains_key(endpoint) {
            self.forget(pace, now);
        }
        let news = self.news.entry(endpoint.clone()).or_default();
        if news.heard.is_some_and(|heard| now.since(heard) < HEARD) {
            return news;
        }
        if let Some(before) = news.heard.replace(now) {
            self.remembered.remove(&(before, endpoint.clone()));
        }
        self.remembered.insert((now, endpoint.clone()));
        news
    }

    /// Makes room for one more: what has not been called for six hours goes, and the oldest news when there are too many. A few
    /// at a time, so that no call pays for all of them.
    fn forget(&mut self, pace: &Pace, now: Moment) {
        for _ in 0..2 {
            let full = self.news.len() >= ENDPOINTS;
            // What is called now stays: that is no more than there are slots and places.
            let is_idle =
                |id: &EndpointId| self.news.get(id).is_none_or(|news| news.open.is_empty());
            let Some(oldest) = self.remembered.iter().find(|(_, id)| is_idle(id)).cloned() else {
                return;
            };
            if !full && now.since(oldest.0) <= pace.remembered {
                return;
            }
            self.schedule(&oldest.1, None);
            self.news.remove(&oldest.1);
            self.remembered.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests;
