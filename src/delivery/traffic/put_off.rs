//! What is put off, and when a worker claims it again: when its supplier has room, its endpoint may be called, or its supplier
//! is looked at again.

use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use crate::delivery::health::Condition;
use crate::delivery::pace::within;
use crate::supplier::EndpointId;
use crate::value::clock::Moment;
use crate::value::names::SupplierId;

use super::room::{Room, Stay, Turn};
use super::{Seat, State, Traffic, Undelivered, Who};

/// What a worker is to claim of what is put off.
pub(crate) struct OldWork {
    pub(crate) supplier: SupplierId,
    pub(crate) why: Why,
    /// One for each that may be sent now.
    pub(crate) stays: Vec<Stay>,
    pub(crate) seats: Vec<Seat>,
    /// How many more may be claimed, to wait for room in memory.
    pub(crate) ahead: usize,
}

impl OldWork {
    /// How many may be claimed.
    pub(crate) fn most(&self) -> usize {
        self.stays.len() + self.ahead
    }
}

/// What a notification is put off for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PutOffFor {
    /// Room at its supplier.
    Room,
    /// An answer of this endpoint, which was silent.
    Endpoint(EndpointId),
    /// Its supplier, which is paused or cannot be looked up.
    Rest,
}

/// What a worker claims beside what is put off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Beside {
    /// What is new and what is due, which has every second slot.
    WhatIsDue,
    Nothing,
}

/// Why something that is put off may be sent now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// Its supplier has room again.
    Room,
    /// The moment of the next call at this silent endpoint has come.
    CallDue(EndpointId),
    /// Its supplier was paused, or could not be looked up.
    Rested,
}

impl Traffic {
    /// Something of this supplier has been put off, and that is recorded: a worker can claim it.
    pub(crate) fn put_off(&self, supplier: &SupplierId, reasons: &[PutOffFor]) {
        if reasons.is_empty() {
            return;
        }
        let now = Moment::now();
        let mut state = self.lock();
        for reason in reasons {
            match reason {
                PutOffFor::Room => state.mark_old(supplier),
                PutOffFor::Endpoint(endpoint) => state.left_out(endpoint, supplier, now),
                PutOffFor::Rest => {
                    state.rest(supplier, now);
                }
            }
        }
        drop(state);
        self.tell_workers();
    }

    /// Its supplier is paused or cannot be looked up. Answers for how long that has lasted.
    pub(crate) fn rest(&self, supplier: &SupplierId) -> Duration {
        self.lock().rest(supplier, Moment::now())
    }

    /// What was put off and claimed again has been sent: there may be more.
    pub(crate) fn could_call(&self, supplier: &SupplierId) {
        self.lock().mark_old(supplier);
    }

    /// What was put off and claimed again could not be called: nothing more of it is claimed until there is news.
    pub(crate) fn could_not_call(&self, supplier: &SupplierId) {
        self.lock().with_old.remove(supplier);
    }

    /// Whether there may be something in [`old_work`](Self::old_work).
    pub(crate) fn has_old_work(&self, now: Moment) -> bool {
        let state = self.lock();
        state.free() > 0
            && (!state.with_old.is_empty() || state.next_moment().is_some_and(|due| due <= now))
    }

    /// What a worker may claim now of what is put off; slots and rounds are kept for it.
    pub(crate) fn old_work(
        self: &Arc<Self>,
        now: Moment,
        beside: Beside,
        random: f64,
    ) -> Vec<OldWork> {
        let mut undelivered = Undelivered::default();
        let mut state = self.lock();
        let mut work = state.work_of_due_calls(self, now, random);
        work.extend(state.work_of_the_rested(self, now));
        work.extend(state.work_with_room(self, beside, now, &mut undelivered));
        drop(state);
        work
    }

    /// What came of a claim of old work: fewer than were asked for means that there is no more.
    pub(crate) fn had(self: &Arc<Self>, work: &OldWork, claimed: usize) {
        if claimed >= work.most() {
            return;
        }
        let mut state = self.lock();
        match &work.why {
            Why::Room => {
                state.with_old.remove(&work.supplier);
                if let Some(room) = state.rooms.get_mut(&work.supplier) {
                    room.turned_away = 0;
                }
            }
            Why::CallDue(endpoint) => state.health.nothing_waits(endpoint, &work.supplier),
            Why::Rested => {
                state.has_rested(&work.supplier);
            }
        }
    }
}

impl State {
    /// The first moment at which there is something to look at without any other change.
    pub(super) fn next_moment(&self) -> Option<Moment> {
        // Nothing can be claimed without a slot, and one that becomes free is a change.
        if self.free() == 0 {
            return None;
        }
        let rest = self.rests.first().map(|(due, _)| *due);
        [self.health.next_call_due(), rest]
            .into_iter()
            .flatten()
            .min()
    }

    /// One for each supplier that waits for the next call of a silent endpoint whose moment has come.
    fn work_of_due_calls(
        &mut self,
        traffic: &Arc<Traffic>,
        now: Moment,
        random: f64,
    ) -> Vec<OldWork> {
        let mut work = Vec::new();
        let again = within(&self.pace.look_again, random);
        while self.free() > 0
            && let Some((endpoint, suppliers)) = self.health.call_due(now, again)
        {
            for supplier in suppliers {
                let has_room = self.has_room(&supplier, now);
                let one = if has_room { self.free().min(1) } else { 0 };
                work.extend(self.keep_for(
                    traffic,
                    supplier,
                    (one, 0),
                    Why::CallDue(endpoint.clone()),
                ));
            }
        }
        work
    }

    /// One for each supplier that was paused, or could not be looked up, and is looked at again.
    fn work_of_the_rested(&mut self, traffic: &Arc<Traffic>, now: Moment) -> Vec<OldWork> {
        let mut work = Vec::new();
        while self.free() > 0
            && let Some((due, supplier)) =
                self.rests.first().filter(|(due, _)| *due <= now).cloned()
        {
            self.rests.remove(&(due, supplier.clone()));
            // Once more, unless it turns out that nothing of it is put off: the claim may come to nothing.
            let again = now + self.pace.rest;
            if let Some(room) = self.rooms.get_mut(&supplier) {
                room.look_at = Some(again);
                self.rests.insert((again, supplier.clone()));
            }
            work.extend(self.keep_for(traffic, supplier, (1, 0), Why::Rested));
        }
        work
    }

    /// As much of each supplier as it has room for, within the share of what is put off.
    fn work_with_room(
        &mut self,
        traffic: &Arc<Traffic>,
        beside: Beside,
        now: Moment,
        undelivered: &mut Undelivered,
    ) -> Vec<OldWork> {
        let mut work = Vec::new();
        let mut share = self.share_of_old(beside);
        for supplier in self.with_old_in_turn() {
            let mut wanted = 0;
            while share > wanted
                && self.free() > wanted
                && self.has_room_beside(&supplier, wanted, now)
            {
                // One is claimed of a supplier with nothing under way: it learns how many may go on.
                let room = self
                    .rooms
                    .entry(supplier.clone())
                    .or_insert_with(|| Room::new(1));
                match room.next_in_memory(true) {
                    Some(which) => self.let_in(traffic, &supplier, which, undelivered),
                    None => {
                        room.turn = Turn::New;
                        wanted += 1;
                    }
                }
            }
            share -= wanted;
            let ahead = self.ahead(&supplier, wanted);
            if wanted + ahead > 0 {
                self.last_with_old = Some(supplier.clone());
            }
            work.extend(self.keep_for(traffic, supplier, (wanted, ahead), Why::Room));
        }
        work
    }

    /// How many of a supplier are claimed ahead, beside so many for which there is room.
    fn ahead(&self, supplier: &SupplierId, wanted: usize) -> usize {
        let Some(room) = self.rooms.get(supplier) else {
            return 0;
        };
        let most = self.slots.saturating_sub(self.in_line());
        if (wanted > 0 || room.is_low()) && self.free() > wanted {
            room.ahead().min(most)
        } else {
            0
        }
    }

    /// The supplier is not looked at again; says whether it was paused or could not be looked up.
    pub(super) fn has_rested(&mut self, supplier: &SupplierId) -> bool {
        let Some(room) = self.rooms.get_mut(supplier) else {
            return false;
        };
        if let Some(due) = room.look_at.take() {
            self.rests.remove(&(due, supplier.clone()));
        }
        room.rests_since.take().is_some()
    }

    /// Its supplier is paused or cannot be looked up. Answers for how long that has lasted.
    pub(super) fn rest(&mut self, supplier: &SupplierId, now: Moment) -> Duration {
        let due = now + self.pace.rest;
        let room = self
            .rooms
            .entry(supplier.clone())
            .or_insert_with(|| Room::new(1));
        let lasted = now.since(*room.rests_since.get_or_insert(now));
        if room.look_at.is_none() {
            room.look_at = Some(due);
            self.rests.insert((due, supplier.clone()));
        }
        lasted
    }

    /// Something of this supplier waits for an endpoint, unless that has answered meanwhile.
    pub(super) fn left_out(&mut self, endpoint: &EndpointId, supplier: &SupplierId, now: Moment) {
        match self.health.condition(endpoint, &self.pace, now) {
            Condition::Silent => {
                self.health.left_out(endpoint, supplier, &self.pace, now);
            }
            Condition::Answers | Condition::Unknown => self.mark_old(supplier),
        }
    }

    /// The suppliers of which something may be put off, beginning after the one that was served last: those that come first
    /// by name would else be served first for as long as they have a backlog.
    pub(super) fn with_old_in_turn(&self) -> Vec<SupplierId> {
        let Some(last) = &self.last_with_old else {
            return self.with_old.iter().cloned().collect();
        };
        let after = self
            .with_old
            .range::<SupplierId, _>((Bound::Excluded(last), Bound::Unbounded));
        after
            .chain(self.with_old.range::<SupplierId, _>(..=last))
            .cloned()
            .collect()
    }

    /// How many of the free slots what was put off may have: every second one, when there may be something else to claim.
    pub(super) fn share_of_old(&mut self, beside: Beside) -> usize {
        if beside == Beside::Nothing || self.with_old.is_empty() {
            return self.free();
        }
        let halves = self.free() + self.half_slot;
        self.half_slot = halves % 2;
        halves / 2
    }

    /// Something of this supplier may be put off that could be sent when there is room.
    pub(super) fn mark_old(&mut self, supplier: &SupplierId) {
        self.with_old.insert(supplier.clone());
        self.wanted = true;
    }

    pub(super) fn keep_for(
        &mut self,
        traffic: &Arc<Traffic>,
        supplier: SupplierId,
        (number, ahead): (usize, usize),
        why: Why,
    ) -> Option<OldWork> {
        if number + ahead == 0 {
            return None;
        }
        let room = self
            .rooms
            .entry(supplier.clone())
            .or_insert_with(|| Room::new(1));
        room.rounds += number as u32;
        self.kept += number;
        let stays = (0..number).map(|_| traffic.stay(&supplier)).collect();
        let seat = || Seat {
            traffic: Arc::clone(traffic),
            who: Who::Worker,
            is_kept: true,
        };
        Some(OldWork {
            supplier,
            why,
            stays,
            seats: (0..number).map(|_| seat()).collect(),
            ahead,
        })
    }
}
