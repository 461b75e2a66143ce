//! Which call may begin, and what it holds while it is open: a slot, or a place once it is silent.

use std::sync::Arc;
use std::time::Duration;

use crate::delivery::health::{self, CallEnd, Condition};
use crate::delivery::pace::{three_quarters, within};
use crate::supplier::Supplier;
use crate::value::clock::Moment;
use crate::value::names::SupplierId;

use super::{Ask, Call, Holds, Pass, Room, Seat, State, Traffic, Undelivered, Who};

pub(super) enum Judgement {
    Call,
    LeaveOut { silent_for: Duration },
    Wait,
    HandBack { after: Duration },
}

impl State {
    pub(super) fn free(&self) -> usize {
        self.slots.saturating_sub(self.held.slots + self.kept)
    }

    /// Whether a slot may be taken now; one who is seated has it already.
    pub(super) fn has_slot(&self, who: Who, is_seated: bool) -> bool {
        is_seated || (self.free() > 0 && (!who.is_visitor() || self.may_visit()))
    }

    /// Whether visitors may take one more slot. They leave a quarter to the worker; of a single slot there is no quarter, so
    /// they take turns with a worker that waits for it.
    pub(super) fn may_visit(&self) -> bool {
        let visitors = self.by_visitors.slots + self.kept_for_visitors;
        let is_workers_turn =
            self.slots == 1 && self.workers > 0 && self.worker_waits && self.last_was_visitor;
        visitors < three_quarters(self.slots) && !is_workers_turn
    }

    /// The rules of isolation by endpoint.
    pub(super) fn judge(&self, ask: &Ask, is_seated: bool, now: Moment, random: f64) -> Judgement {
        let most = three_quarters(self.slots);
        let news = self.health.news(&ask.endpoint);
        let room = self.rooms.get(&ask.supplier);
        if room.is_some_and(|room| room.calls_at(&ask.endpoint) >= room.limit) {
            return self.leave_out_or_wait(ask, now);
        }
        let condition = news.map_or(Condition::Unknown, |news| news.condition(&self.pace, now));
        let may_begin = match (condition, news) {
            (Condition::Silent, Some(news)) if ask.who != Who::Person => {
                let full = self.held.places >= self.places / 2 || self.held.slots >= most;
                if full || !news.may_be_called_again(ask.is_new, now) {
                    return Judgement::LeaveOut {
                        silent_for: news.silent_for(now),
                    };
                }
                true
            }
            (Condition::Silent, _) => true,
            (Condition::Unknown, news) => {
                let is_full = self.is_full_for_first_calls();
                if is_full && self.held.places >= self.places {
                    return Judgement::HandBack {
                        after: within(&self.pace.no_place, random),
                    };
                }
                !is_full && news.is_none_or(|news| news.open_calls() == 0)
            }
            (Condition::Answers, news) => {
                let slow = |news: &health::News| {
                    self.held.places >= self.places / 2 && news.has_silent_call(&self.pace, now)
                };
                news.is_none_or(|news| news.open_calls() < most && !slow(news))
            }
        };
        if may_begin && self.has_slot(ask.who, is_seated) {
            Judgement::Call
        } else {
            Judgement::Wait
        }
    }

    /// The supplier has as many calls open there as it may: one that is silent is left out like any other.
    pub(super) fn leave_out_or_wait(&self, ask: &Ask, now: Moment) -> Judgement {
        let silent = self.health.condition(&ask.endpoint, &self.pace, now) == Condition::Silent;
        match self
            .health
            .news(&ask.endpoint)
            .filter(|_| silent && ask.who != Who::Person)
        {
            Some(news) => Judgement::LeaveOut {
                silent_for: news.silent_for(now),
            },
            None => Judgement::Wait,
        }
    }

    /// Whether no first call may begin: three quarters of the slots are taken. They have an eighth to themselves before that
    /// counts, or known endpoints that begin to hang would keep unknown ones waiting for as long as that lasts.
    pub(super) fn is_full_for_first_calls(&self) -> bool {
        self.held.slots >= three_quarters(self.slots) && self.first_calls >= self.slots / 8
    }

    pub(super) fn begin(
        &mut self,
        traffic: &Arc<Traffic>,
        ask: Ask,
        is_kept: bool,
        now: Moment,
    ) -> Pass {
        let Ask {
            endpoint,
            supplier,
            who,
            ..
        } = ask;
        if is_kept {
            self.unkeep(who);
        }
        self.take(who, Holds::Slot);
        self.note_pace(now);
        let is_first = self.health.condition(&endpoint, &self.pace, now) == Condition::Unknown;
        self.first_calls += usize::from(is_first);
        self.last_call += 1;
        self.health
            .began(&endpoint, self.last_call, &self.pace, now);
        let limit = Supplier::DEFAULT_MAX_CONCURRENT.get();
        self.rooms
            .entry(supplier.clone())
            .or_insert_with(|| Room::new(limit))
            .called(&endpoint);
        self.calls.insert(
            self.last_call,
            Call {
                endpoint,
                supplier,
                who,
                is_first,
                holds: Holds::Slot,
            },
        );
        Pass {
            traffic: Arc::clone(traffic),
            call: self.last_call,
            is_open: true,
        }
    }

    pub(super) fn end(
        &mut self,
        traffic: &Arc<Traffic>,
        call: u64,
        end: CallEnd,
        now: Moment,
        undelivered: &mut Undelivered,
    ) {
        let Some(Call {
            endpoint,
            supplier,
            who,
            is_first,
            holds,
        }) = self.calls.remove(&call)
        else {
            return;
        };
        self.give_back(who, holds);
        self.first_calls -= usize::from(is_first && holds == Holds::Slot);
        self.late.retain(|late| *late != call);
        for waiting in self.health.ended(&endpoint, call, end, &self.pace, now) {
            self.mark_old(&waiting);
        }
        self.has_news(&endpoint);
        if let Some(room) = self.rooms.get_mut(&supplier) {
            room.ended(&endpoint);
        }
        self.fill(traffic, &supplier, now, undelivered);
    }

    /// A call has been open for so long that it is silent: it holds a place from now on, if there is one.
    pub(super) fn grow(&mut self, call: u64) -> Option<SupplierId> {
        let found = self
            .calls
            .get(&call)
            .filter(|call| call.holds == Holds::Slot)?;
        let (who, supplier, endpoint) = (found.who, found.supplier.clone(), found.endpoint.clone());
        self.has_news(&endpoint);
        if self.has_place(who) {
            self.move_to_place(call, who)
        } else {
            self.late.push_back(call)
        }
        Some(supplier)
    }

    pub(super) fn has_place(&self, who: Who) -> bool {
        self.held.places < self.places
            && (!who.is_visitor() || self.by_visitors.places < three_quarters(self.places))
    }

    pub(super) fn move_to_place(&mut self, call: u64, who: Who) {
        if let Some(call) = self.calls.get_mut(&call) {
            call.holds = Holds::Place;
            self.first_calls -= usize::from(call.is_first);
            self.give_back(who, Holds::Slot);
            self.take(who, Holds::Place);
        }
    }

    pub(super) fn take(&mut self, who: Who, holds: Holds) {
        for held in [
            Some(&mut self.held),
            who.is_visitor().then_some(&mut self.by_visitors),
        ]
        .into_iter()
        .flatten()
        {
            match holds {
                Holds::Slot => held.slots += 1,
                Holds::Place => held.places += 1,
            }
        }
    }

    pub(super) fn give_back(&mut self, who: Who, holds: Holds) {
        for held in [
            Some(&mut self.held),
            who.is_visitor().then_some(&mut self.by_visitors),
        ]
        .into_iter()
        .flatten()
        {
            match holds {
                Holds::Slot => held.slots = held.slots.saturating_sub(1),
                Holds::Place => held.places = held.places.saturating_sub(1),
            }
        }
    }

    /// Keeps a slot that is free.
    pub(super) fn keep_seat(&mut self, traffic: &Arc<Traffic>, who: Who) -> Seat {
        self.kept += 1;
        if who.is_visitor() {
            self.kept_for_visitors += 1;
            self.last_was_visitor = true;
        }
        Seat {
            traffic: Arc::clone(traffic),
            who,
            is_kept: true,
        }
    }

    pub(super) fn unkeep(&mut self, who: Who) {
        self.kept = self.kept.saturating_sub(1);
        if who.is_visitor() {
            self.kept_for_visitors = self.kept_for_visitors.saturating_sub(1);
        }
    }
}
