//! How much of one supplier may go on at the same time, and whose turn it is: what is new, or what was put off.

use std::collections::VecDeque;
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::delivery::health::Condition;
use crate::delivery::pace::within;
use crate::supplier::EndpointId;
use crate::value::clock::Moment;
use crate::value::names::SupplierId;

use super::{Seat, State, Traffic, Undelivered, Who};

/// What is under way for one supplier. Kept only as long as there is something.
pub(super) struct Room {
    pub(super) limit: u32,
    /// Rounds that have begun and not ended.
    rounds: u32,
    /// How many of its calls are open at each endpoint.
    calls: Vec<(EndpointId, u32)>,
    waiting: VecDeque<(Who, oneshot::Sender<Stay>)>,
    /// How many have been handed back because there was no room since nothing was put off.
    turned_away: u32,
    /// Whose turn it is when something new waits and something is put off.
    turn: Turn,
    /// Since when it is paused or cannot be looked up, and when it is looked at again.
    rests_since: Option<Moment>,
    look_at: Option<Moment>,
}

/// Of those that a supplier at its limit had handed back, so many come back each minute of their own.
const TURNED_AWAY_A_MINUTE: u32 = 500;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Turn {
    New,
    Old,
}

impl Room {
    pub(super) fn new(limit: u32) -> Room {
        Room {
            limit,
            rounds: 0,
            calls: Vec::new(),
            waiting: VecDeque::new(),
            turned_away: 0,
            turn: Turn::New,
            rests_since: None,
            look_at: None,
        }
    }

    pub(super) fn calls_at(&self, endpoint: &EndpointId) -> u32 {
        self.calls
            .iter()
            .find(|(id, _)| id == endpoint)
            .map_or(0, |(_, calls)| *calls)
    }

    pub(super) fn called(&mut self, endpoint: &EndpointId) {
        match self.calls.iter_mut().find(|(id, _)| id == endpoint) {
            Some((_, calls)) => *calls += 1,
            None => self.calls.push((endpoint.clone(), 1)),
        }
    }

    pub(super) fn ended(&mut self, endpoint: &EndpointId) {
        if let Some((_, calls)) = self.calls.iter_mut().find(|(id, _)| id == endpoint) {
            *calls -= 1;
        }
        self.calls.retain(|(_, calls)| *calls > 0);
    }
}

/// A round at a supplier.
pub(crate) struct Stay {
    traffic: Arc<Traffic>,
    supplier: SupplierId,
}

impl Drop for Stay {
    fn drop(&mut self) {
        let now = Moment::now();
        let (traffic, supplier) = (&self.traffic, &self.supplier);
        traffic.change(now, |state, undelivered| {
            if let Some(room) = state.rooms.get_mut(supplier) {
                room.rounds = room.rounds.saturating_sub(1);
            }
            state.fill(traffic, supplier, now, undelivered);
        });
    }
}

/// The answer to a delivery that wants to begin a round.
pub(crate) enum Entry {
    In(Stay),
    Wait(oneshot::Receiver<Stay>),
    /// As many go on as may, and as many wait.
    Full,
}

/// What a worker is to claim of what is put off.
pub(crate) struct OldWork {
    pub(crate) supplier: SupplierId,
    pub(crate) why: Why,
    /// One for each that may be claimed.
    pub(crate) stays: Vec<Stay>,
    pub(crate) seats: Vec<Seat>,
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
    /// A round at a supplier has begun, whose configuration allows so many and has just been read.
    pub(crate) fn know(&self, supplier: &SupplierId, limit: u32) {
        self.lock().know(supplier, limit);
    }

    /// Begins a round at a supplier that allows so many, or waits for room. What is not new does not wait.
    pub(crate) fn enter(
        self: &Arc<Self>,
        supplier: &SupplierId,
        limit: u32,
        who: Who,
        is_new: bool,
    ) -> Entry {
        let now = Moment::now();
        let mut state = self.lock();
        let line = state.in_line();
        let slots = state.slots;
        state
            .rooms
            .entry(supplier.clone())
            .or_insert_with(|| Room::new(limit))
            .limit = limit;
        let has_room = state.has_room(supplier, now);
        let Some(room) = state.rooms.get_mut(supplier) else {
            return Entry::Full;
        };
        if has_room && room.waiting.is_empty() {
            room.rounds += 1;
            return Entry::In(self.stay(supplier));
        }
        let may_wait =
            who.is_visitor() || (is_new && room.waiting.len() < limit as usize && line < slots);
        if !may_wait {
            return Entry::Full;
        }
        let (tell, told) = oneshot::channel();
        room.waiting.push_back((who, tell));
        state.waiting += usize::from(!who.is_visitor());
        Entry::Wait(told)
    }

    /// For how long a claim is handed back whose supplier is at its limit. It is claimed as soon as there is room; the time is
    /// for when no worker does, and grows with the number of those before it, so that they do not all come back meanwhile.
    pub(crate) fn no_room(&self, supplier: &SupplierId) -> Duration {
        let mut state = self.lock();
        let (least, most) = (state.pace.no_room, state.pace.put_off.end);
        let Some(room) = state.rooms.get_mut(supplier) else {
            return least;
        };
        room.turned_away = room.turned_away.saturating_add(1);
        least
            .saturating_mul(1 + room.turned_away / TURNED_AWAY_A_MINUTE)
            .min(most.max(least))
    }

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

    /// Something of this supplier has waited for room long enough.
    pub(crate) fn has_left_the_line(&self, supplier: &SupplierId) {
        self.lock().forget_those_who_left(supplier);
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
        let due = [
            state.health.next_call_due(),
            state.rests.first().map(|(due, _)| *due),
        ];
        state.free() > 0
            && (!state.with_old.is_empty() || due.into_iter().flatten().any(|due| due <= now))
    }

    /// What a worker may claim now of what is put off; slots and rounds are kept for it.
    pub(crate) fn old_work(
        self: &Arc<Self>,
        now: Moment,
        beside: Beside,
        random: f64,
    ) -> Vec<OldWork> {
        let mut undelivered = Undelivered::default();
        let mut work = Vec::new();
        let mut state = self.lock();
        let again = within(&state.pace.look_again, random);
        while state.free() > 0
            && let Some((endpoint, suppliers)) = state.health.call_due(now, again)
        {
            for supplier in suppliers {
                let one = if state.has_room(&supplier, now) {
                    state.free().min(1)
                } else {
                    0
                };
                work.extend(state.keep_for(self, supplier, one, Why::CallDue(endpoint.clone())));
            }
        }
        while state.free() > 0
            && let Some((due, supplier)) =
                state.rests.first().filter(|(due, _)| *due <= now).cloned()
        {
            state.rests.remove(&(due, supplier.clone()));
            // Once more, unless it turns out that nothing of it is put off: the claim may come to nothing.
            let again = now + state.pace.rest;
            if let Some(room) = state.rooms.get_mut(&supplier) {
                room.look_at = Some(again);
                state.rests.insert((again, supplier.clone()));
            }
            work.extend(state.keep_for(self, supplier, 1, Why::Rested));
        }
        let mut share = state.share_of_old(beside);
        for supplier in state.with_old_in_turn() {
            let mut wanted = 0;
            while share > wanted
                && state.free() > wanted
                && state.has_room_beside(&supplier, wanted, now)
            {
                // One is claimed of a supplier with nothing under way: it learns how many may go on.
                let room = state
                    .rooms
                    .entry(supplier.clone())
                    .or_insert_with(|| Room::new(1));
                if room.turn == Turn::New && !room.waiting.is_empty() {
                    state.let_in(self, &supplier, &mut undelivered);
                } else {
                    room.turn = Turn::New;
                    wanted += 1;
                }
            }
            share -= wanted;
            if wanted > 0 {
                state.last_with_old = Some(supplier.clone());
            }
            work.extend(state.keep_for(self, supplier, wanted, Why::Room));
        }
        drop(state);
        work
    }

    /// What came of a claim of old work: fewer than were asked for means that there is no more.
    pub(crate) fn had(self: &Arc<Self>, work: &OldWork, claimed: usize) {
        if claimed >= work.stays.len() {
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

    fn stay(self: &Arc<Self>, supplier: &SupplierId) -> Stay {
        Stay {
            traffic: Arc::clone(self),
            supplier: supplier.clone(),
        }
    }
}

impl State {
    /// What the configuration of a supplier says now; it neither is paused nor fails to be looked up.
    fn know(&mut self, supplier: &SupplierId, limit: u32) {
        self.rooms
            .entry(supplier.clone())
            .or_insert_with(|| Room::new(limit))
            .limit = limit;
        if self.has_rested(supplier) {
            self.mark_old(supplier);
        }
    }

    /// The supplier is not looked at again; says whether it was paused or could not be looked up.
    fn has_rested(&mut self, supplier: &SupplierId) -> bool {
        let Some(room) = self.rooms.get_mut(supplier) else {
            return false;
        };
        if let Some(due) = room.look_at.take() {
            self.rests.remove(&(due, supplier.clone()));
        }
        room.rests_since.take().is_some()
    }

    /// Its supplier is paused or cannot be looked up. Answers for how long that has lasted.
    fn rest(&mut self, supplier: &SupplierId, now: Moment) -> Duration {
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
    fn left_out(&mut self, endpoint: &EndpointId, supplier: &SupplierId, now: Moment) {
        match self.health.condition(endpoint, &self.pace, now) {
            Condition::Silent => {
                self.health.left_out(endpoint, supplier, &self.pace, now);
            }
            Condition::Answers | Condition::Unknown => self.mark_old(supplier),
        }
    }

    /// The suppliers of which something may be put off, beginning after the one that was served last: those that come first
    /// by name would else be served first for as long as they have a backlog.
    fn with_old_in_turn(&self) -> Vec<SupplierId> {
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
    fn share_of_old(&mut self, beside: Beside) -> usize {
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
    }

    fn has_room(&self, supplier: &SupplierId, now: Moment) -> bool {
        self.has_room_beside(supplier, 0, now)
    }

    /// Whether one more round may begin beside so many that are about to. Calls at silent endpoints do not count.
    fn has_room_beside(&self, supplier: &SupplierId, others: usize, now: Moment) -> bool {
        let Some(room) = self.rooms.get(supplier) else {
            return others == 0;
        };
        let silent =
            |id: &EndpointId| self.health.condition(id, &self.pace, now) == Condition::Silent;
        let at_silent: u32 = room
            .calls
            .iter()
            .filter(|(id, _)| silent(id))
            .map(|(_, calls)| *calls)
            .sum();
        (room.rounds.saturating_sub(at_silent) as usize) + others < room.limit as usize
    }

    fn keep_for(
        &mut self,
        traffic: &Arc<Traffic>,
        supplier: SupplierId,
        number: usize,
        why: Why,
    ) -> Option<OldWork> {
        if number == 0 {
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
        })
    }

    /// Those who have waited long enough leave their place in the line to others.
    fn forget_those_who_left(&mut self, supplier: &SupplierId) {
        let Some(room) = self.rooms.get_mut(supplier) else {
            return;
        };
        let has_left =
            |(who, tell): &(Who, oneshot::Sender<Stay>)| tell.is_closed() && !who.is_visitor();
        let left = room
            .waiting
            .iter()
            .filter(|waiting| has_left(waiting))
            .count();
        room.waiting.retain(|(_, tell)| !tell.is_closed());
        self.waiting = self.waiting.saturating_sub(left);
    }

    /// The first of those who wait for room begins its round.
    fn let_in(
        &mut self,
        traffic: &Arc<Traffic>,
        supplier: &SupplierId,
        undelivered: &mut Undelivered,
    ) {
        let Some(room) = self.rooms.get_mut(supplier) else {
            return;
        };
        while let Some((who, tell)) = room.waiting.pop_front() {
            self.waiting = self.waiting.saturating_sub(usize::from(!who.is_visitor()));
            if tell.is_closed() {
                continue;
            }
            room.rounds += 1;
            room.turn = Turn::Old;
            undelivered
                .stays
                .extend(tell.send(traffic.stay(supplier)).err());
            return;
        }
    }

    /// Gives room to those who wait for it, every second time to what is put off: a worker wakes, and claims that.
    pub(super) fn fill(
        &mut self,
        traffic: &Arc<Traffic>,
        supplier: &SupplierId,
        now: Moment,
        undelivered: &mut Undelivered,
    ) {
        let has_old = self.workers > 0 && self.with_old.contains(supplier);
        while self.has_room(supplier, now) {
            let Some(room) = self.rooms.get(supplier) else {
                return;
            };
            if room.waiting.is_empty() || (has_old && room.turn == Turn::Old) {
                break;
            }
            self.let_in(traffic, supplier, undelivered);
        }
        let idle = |room: &Room| {
            room.rounds == 0
                && room.calls.is_empty()
                && room.waiting.is_empty()
                && room.rests_since.is_none()
        };
        if !self.with_old.contains(supplier) && self.rooms.get(supplier).is_some_and(idle) {
            self.rooms.remove(supplier);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn traffic(slots: usize) -> Arc<Traffic> {
        Traffic::new(
            crate::delivery::pace::Pace::new(60 * SECOND, 5 * SECOND),
            slots,
            15 * slots,
        )
    }

    fn books() -> SupplierId {
        SupplierId::new("books").unwrap()
    }

    #[test]
    fn a_supplier_that_is_paused_is_looked_at_again_although_a_claim_came_to_nothing() {
        let traffic = traffic(2);
        traffic.rest(&books());
        let due = traffic.next_moment().unwrap();
        assert_eq!(traffic.old_work(due, Beside::Nothing, 0.5).len(), 1);
        assert_eq!(traffic.next_moment(), Some(due + 5 * SECOND));
        // Until there is nothing to be claimed.
        let work = traffic.old_work(due + 5 * SECOND, Beside::Nothing, 0.5);
        traffic.had(&work[0], 0);
        assert_eq!(traffic.next_moment(), None);
    }

    #[test]
    fn nothing_is_to_be_looked_at_while_no_slot_is_free() {
        let traffic = traffic(1);
        traffic.rest(&books());
        let due = traffic.next_moment().unwrap();
        let seats = traffic.seats(1);
        assert!(
            traffic.next_moment().is_none() && !traffic.has_old_work(due),
            "it would look all the time"
        );
        drop(seats);
        assert!(traffic.next_moment() == Some(due) && traffic.has_old_work(due));
    }

    #[test]
    fn who_has_waited_for_room_long_enough_leaves_the_line() {
        let traffic = traffic(2);
        let enter = || traffic.enter(&books(), 1, Who::Worker, true);
        let Entry::In(_stay) = enter() else {
            panic!("there is room")
        };
        for _ in 0..3 {
            let Entry::Wait(waiting) = enter() else {
                panic!("one may wait")
            };
            assert!(matches!(enter(), Entry::Full), "and no other");
            drop(waiting);
            traffic.has_left_the_line(&books());
        }
    }
}
