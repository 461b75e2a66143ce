//! How much of one supplier may go on at the same time, and whose turn it is: what is new, or what was put off.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::delivery::health::Condition;
use crate::supplier::EndpointId;
use crate::value::clock::Moment;
use crate::value::names::SupplierId;

use super::{Ask, Judgement, Seat, State, Traffic, Undelivered, Who};

/// What is under way for one supplier. Kept only as long as there is something.
pub(super) struct Room {
    pub(super) limit: u32,
    /// Rounds that have begun and not ended.
    pub(super) rounds: u32,
    /// How many of its calls are open at each endpoint.
    pub(super) calls: Vec<(EndpointId, u32)>,
    pub(super) waiting: VecDeque<(Who, oneshot::Sender<Stay>)>,
    /// The same for what was put off and has been claimed ahead.
    pub(super) old: VecDeque<oneshot::Sender<Stay>>,
    /// How long a round takes, as far as that is known.
    pub(super) took: Option<Duration>,
    /// How many have been handed back because there was no room since nothing was put off.
    pub(super) turned_away: u32,
    /// Whose turn it is when something new waits and something is put off.
    pub(super) turn: Turn,
    /// Since when it is paused or cannot be looked up, and when it is looked at again.
    pub(super) rests_since: Option<Moment>,
    pub(super) look_at: Option<Moment>,
}

/// Of those that a supplier at its limit had handed back, so many come back each minute of their own.
const TURNED_AWAY_A_MINUTE: u32 = 500;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
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
            old: VecDeque::new(),
            took: None,
            turned_away: 0,
            turn: Turn::New,
            rests_since: None,
            look_at: None,
        }
    }

    /// How many more of what is put off may be claimed before there is room, to wait here: as many as the limit where
    /// rounds are quick, or a claim for each of them would cost more than the round.
    pub(super) fn ahead(&self) -> usize {
        match self.took {
            Some(took) if took <= QUICK => (self.limit as usize).saturating_sub(self.old.len()),
            _ => 0,
        }
    }

    /// Whether half of what may be claimed ahead has gone, or more: less would cost a claim for each of them again.
    pub(super) fn is_low(&self) -> bool {
        2 * self.ahead() >= self.limit as usize
    }

    /// Which of those who wait in memory is next; `None` when that is nobody, or something of what is put off in the store.
    pub(super) fn next_in_memory(&self, has_old: bool) -> Option<Turn> {
        match (self.turn, self.waiting.is_empty(), self.old.is_empty()) {
            (Turn::Old, _, false) | (Turn::New, true, false) => Some(Turn::Old),
            (Turn::Old, false, true) if has_old => None,
            (_, false, _) => Some(Turn::New),
            (_, true, true) => None,
        }
    }

    fn round_took(&mut self, this: Duration) {
        self.took = Some(match self.took {
            Some(so_far) => (so_far * 3 + this) / 4,
            None => this,
        });
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

/// Of a supplier whose rounds take no longer than this, claims wait in memory for their room: for about as long, which is
/// well within the time that they may wait.
const QUICK: Duration = Duration::from_secs(1);

/// A round at a supplier.
pub(crate) struct Stay {
    traffic: Arc<Traffic>,
    supplier: SupplierId,
    since: Moment,
}

impl Drop for Stay {
    fn drop(&mut self) {
        let now = Moment::now();
        let (traffic, supplier) = (&self.traffic, &self.supplier);
        traffic.change(now, |state, undelivered| {
            if let Some(room) = state.rooms.get_mut(supplier) {
                room.rounds = room.rounds.saturating_sub(1);
                room.round_took(now.since(self.since));
            }
            state.fill(traffic, supplier, now, undelivered);
        });
    }
}

/// What a claim does whose supplier has no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waits {
    /// It waits with what is new.
    WithNew,
    /// It was put off and has been claimed ahead, and waits with its like.
    WithOld,
    Not,
}

/// The answer to a delivery that wants to begin a round.
pub(crate) enum Entry {
    In(Stay),
    Wait(oneshot::Receiver<Stay>),
    /// As many go on as may, and as many wait.
    Full,
}

impl Traffic {
    /// A round at a supplier has begun, whose configuration allows so many and has just been read.
    pub(crate) fn know(&self, supplier: &SupplierId, limit: u32) {
        self.lock().know(supplier, limit);
    }

    /// Begins a round at a supplier that allows so many, or waits for room.
    pub(crate) fn enter(
        self: &Arc<Self>,
        supplier: &SupplierId,
        limit: u32,
        who: Who,
        waits: Waits,
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
        if has_room && room.waiting.is_empty() && room.old.is_empty() {
            room.rounds += 1;
            return Entry::In(self.stay(supplier));
        }
        let (tell, told) = oneshot::channel();
        let has_place = |waiting: usize| waiting < limit as usize && line < slots;
        match waits {
            _ if who.is_visitor() => room.waiting.push_back((who, tell)),
            Waits::WithNew if has_place(room.waiting.len()) => room.waiting.push_back((who, tell)),
            Waits::WithOld if has_place(room.old.len()) => room.old.push_back(tell),
            _ => return Entry::Full,
        }
        state.waiting += usize::from(!who.is_visitor());
        Entry::Wait(told)
    }

    /// A round and a slot for a call that would begin at once: nobody waits for either, the supplier allows so many and has
    /// room, nothing of it is put off, and the endpoint may be called.
    pub(crate) fn room_at_once(self: &Arc<Self>, ask: &Ask, limit: u32) -> Option<(Stay, Seat)> {
        let now = Moment::now();
        let mut state = self.lock();
        let nobody_waits = state.in_line() == 0 && state.visitors.is_empty();
        if !nobody_waits
            || !state.has_slot(ask.who, false)
            || state.with_old.contains(&ask.supplier)
            || state.is_resting(&ask.supplier)
        {
            return None;
        }
        if let Some(room) = state.rooms.get_mut(&ask.supplier) {
            room.limit = limit;
            if !room.waiting.is_empty() || !room.old.is_empty() {
                return None;
            }
        }
        if !state.has_room(&ask.supplier, now)
            || !matches!(state.judge(ask, true, now, 0.5), Judgement::Call)
        {
            return None;
        }
        let room = state.rooms.entry(ask.supplier.clone());
        room.or_insert_with(|| Room::new(limit)).rounds += 1;
        let seat = state.keep_seat(self, ask.who);
        Some((self.stay(&ask.supplier), seat))
    }

    /// Whether a claim of what is new would find neither room at its supplier nor a place to wait for it.
    pub(crate) fn has_no_place(&self, supplier: &SupplierId, now: Moment) -> bool {
        let state = self.lock();
        let is_full = |room: &Room| {
            room.waiting.len() >= room.limit as usize || state.in_line() >= state.slots
        };
        state.rooms.get(supplier).is_some_and(is_full) && !state.has_room(supplier, now)
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

    /// Something of this supplier has waited for room long enough.
    pub(crate) fn has_left_the_line(&self, supplier: &SupplierId) {
        self.lock().forget_those_who_left(supplier);
    }

    pub(super) fn stay(self: &Arc<Self>, supplier: &SupplierId) -> Stay {
        Stay {
            traffic: Arc::clone(self),
            supplier: supplier.clone(),
            since: Moment::now(),
        }
    }
}

impl State {
    /// What the configuration of a supplier says now; it neither is paused nor fails to be looked up.
    pub(super) fn know(&mut self, supplier: &SupplierId, limit: u32) {
        self.rooms
            .entry(supplier.clone())
            .or_insert_with(|| Room::new(limit))
            .limit = limit;
        if self.has_rested(supplier) {
            self.mark_old(supplier);
        }
    }

    fn is_resting(&self, supplier: &SupplierId) -> bool {
        let room = self.rooms.get(supplier);
        room.is_some_and(|room| room.rests_since.is_some())
    }

    pub(super) fn has_room(&self, supplier: &SupplierId, now: Moment) -> bool {
        self.has_room_beside(supplier, 0, now)
    }

    /// Whether one more round may begin beside so many that are about to. Calls at silent endpoints do not count.
    pub(super) fn has_room_beside(
        &self,
        supplier: &SupplierId,
        others: usize,
        now: Moment,
    ) -> bool {
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

    /// Those who have waited long enough leave their place in the line to others.
    pub(super) fn forget_those_who_left(&mut self, supplier: &SupplierId) {
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
        let old = room.old.len();
        room.waiting.retain(|(_, tell)| !tell.is_closed());
        room.old.retain(|tell| !tell.is_closed());
        let left = left + old - room.old.len();
        self.waiting = self.waiting.saturating_sub(left);
    }

    /// The first of those who wait for room begins its round: of what is new, or of what was put off.
    pub(super) fn let_in(
        &mut self,
        traffic: &Arc<Traffic>,
        supplier: &SupplierId,
        which: Turn,
        undelivered: &mut Undelivered,
    ) {
        let Some(room) = self.rooms.get_mut(supplier) else {
            return;
        };
        loop {
            let (tell, counts) = match which {
                Turn::New => match room.waiting.pop_front() {
                    Some((who, tell)) => (tell, !who.is_visitor()),
                    None => return,
                },
                Turn::Old => match room.old.pop_front() {
                    Some(tell) => (tell, true),
                    None => return,
                },
            };
            self.waiting = self.waiting.saturating_sub(usize::from(counts));
            if tell.is_closed() {
                continue;
            }
            room.rounds += 1;
            room.turn = match which {
                Turn::New => Turn::Old,
                Turn::Old => Turn::New,
            };
            undelivered
                .stays
                .extend(tell.send(traffic.stay(supplier)).err());
            return;
        }
    }

    /// Gives room to those who wait for it, every second time to what was put off: what has been claimed ahead, or a worker
    /// wakes, and claims that.
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
            let Some(which) = room.next_in_memory(has_old) else {
                break;
            };
            self.let_in(traffic, supplier, which, undelivered);
        }
        self.wanted |= has_old && self.may_claim_old(supplier, now);
        let idle = |room: &Room| {
            room.rounds == 0
                && room.calls.is_empty()
                && room.waiting.is_empty()
                && room.old.is_empty()
                && room.rests_since.is_none()
        };
        if !self.with_old.contains(supplier) && self.rooms.get(supplier).is_some_and(idle) {
            self.rooms.remove(supplier);
        }
    }

    /// Whether something of this supplier that is put off could be claimed now: there is room, or half of what waits in memory
    /// has gone.
    fn may_claim_old(&self, supplier: &SupplierId, now: Moment) -> bool {
        self.has_room(supplier, now) || self.rooms.get(supplier).is_some_and(Room::is_low)
    }
}
