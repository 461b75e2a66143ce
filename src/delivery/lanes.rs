//! How much of each supplier may be sent at the same time, so that a slow or dead one delays nobody else. Pure but for
//! the lock: time is an argument.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::supplier::Supplier;
use crate::value::clock::Moment;
use crate::value::names::SupplierId;

/// The suppliers that a worker is busy with, or knows something about.
///
/// One that nobody has heard of yet gets one slot until its first answer, one that hangs gets one, and one that is slow as
/// many as it may have. The slow and the hanging get half of all slots together, with the unknown three quarters, and the
/// last quarter goes to suppliers that nothing is under way for: however many hang, there is room for those who answer.
pub(crate) struct Lanes {
    inner: Mutex<HashMap<SupplierId, Lane>>,
    /// All that may be under way.
    slots: usize,
}

/// What a claim may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Room {
    /// In all.
    pub(crate) in_all: usize,
    /// Of each supplier that is not listed.
    pub(crate) of_others: u32,
    /// Of these.
    pub(crate) of: Vec<(SupplierId, u32)>,
}

#[derive(Clone, Copy, Debug)]
struct Lane {
    in_flight: u32,
    limit: u32,
    manner: Manner,
    /// Since when nothing has come of what is under way.
    busy_since: Option<Moment>,
    /// When there was news of it.
    heard_at: Moment,
    /// Not asked for anything before this moment: paused, or not to be looked up.
    rests_until: Option<Moment>,
}

/// How a supplier behaved in its last delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// There was none that anybody remembers.
    Unknown,
    /// Every endpoint answered, or refused to, quickly.
    Well,
    /// An endpoint took more than 5 s.
    Slow,
    /// An exchange ran into its limit.
    Hangs,
}

impl Manner {
    /// What one exchange says.
    pub(crate) fn of(timed_out: bool, took: Duration) -> Self {
        match timed_out {
            true => Manner::Hangs,
            false if took > SLOW => Manner::Slow,
            false => Manner::Well,
        }
    }

    /// Of two endpoints of one delivery the worse one counts.
    pub(crate) fn worse(self, other: Self) -> Self {
        let badness = |manner: Manner| manner as u8;
        if badness(other) > badness(self) { other } else { self }
    }
}

impl Lane {
    fn new(now: Moment) -> Self {
        let limit = Supplier::DEFAULT_MAX_CONCURRENT.get();
        Lane { in_flight: 0, limit, manner: Manner::Unknown, busy_since: None, heard_at: now, rests_until: None }
    }

    /// Idle for so long that what is known of it is not worth its memory.
    fn is_forgotten(&self, now: Moment) -> bool {
        self.in_flight == 0 && !self.rests(now) && now.since(self.heard_at) > REMEMBERED
    }

    fn rests(&self, now: Moment) -> bool {
        self.rests_until.is_some_and(|until| now < until)
    }

    fn manner(&self, now: Moment) -> Manner {
        let slow = |since: Moment| now.since(since) > SLOW;
        if self.busy_since.is_some_and(slow) { Manner::Hangs } else { self.manner }
    }
}

/// A supplier of which nothing has come for so long while it was busy is suspected to hang.
const SLOW: Duration = Duration::from_secs(5);

/// How long an idle supplier is remembered.
const REMEMBERED: Duration = Duration::from_secs(60);

/// How long a supplier rests that is paused or cannot be looked up.
pub(crate) const REST: Duration = Duration::from_secs(5);

impl Lanes {
    pub(crate) fn new(slots: usize) -> Self {
        Lanes { inner: Mutex::new(HashMap::new()), slots }
    }

    /// What may be claimed while so many slots are free: first of those who answer, or nobody knows, then of the slow and
    /// the hanging, whose allowance is theirs together. Which of these have anything to send only the store knows, so it is
    /// the store that chooses among them.
    pub(crate) fn rooms(&self, free: usize, now: Moment) -> [Room; 2] {
        let mut lanes = self.lock();
        lanes.retain(|_, lane| !lane.is_forgotten(now));
        let (mut lame, mut unknown) = (0, 0);
        for lane in lanes.values() {
            match lane.manner(now) {
                Manner::Well => {}
                Manner::Unknown => unknown += lane.in_flight as usize,
                Manner::Slow | Manner::Hangs => lame += lane.in_flight as usize,
            }
        }
        let reserve = self.slots / 4;
        let for_doubtful = (self.slots - self.slots.div_ceil(4)).max(1).saturating_sub(lame + unknown);
        let for_lame = (self.slots / 2).max(1).saturating_sub(lame).min(for_doubtful);
        let most = |lane: &Lane| {
            let idle = u32::from(lane.in_flight == 0);
            let allowed = lane.limit.saturating_sub(lane.in_flight);
            // The last quarter is for those that nothing is under way for.
            let allowed = if free <= reserve { allowed.min(idle) } else { allowed };
            match lane.manner(now) {
                _ if lane.rests(now) => 0,
                Manner::Well | Manner::Slow => allowed,
                Manner::Unknown => allowed.min(idle).min(u32::from(for_doubtful > 0)),
                Manner::Hangs => allowed.min(idle),
            }
        };
        let is_lame = |lane: &Lane| matches!(lane.manner(now), Manner::Slow | Manner::Hangs);
        let of = |lame: bool| {
            let room = |lane: &Lane| if is_lame(lane) == lame { most(lane) } else { 0 };
            lanes.iter().map(|(id, lane)| (id.clone(), room(lane))).collect::<Vec<_>>()
        };
        // One claim does not reach into the reserve, nor past what the doubtful may have.
        let in_all = if free > reserve { free - reserve } else { free };
        let well = match for_doubtful {
            0 => Room { in_all, of_others: 0, of: of(false) },
            most => Room { in_all: in_all.min(most), of_others: 1, of: of(false) },
        };
        let mut lame = Room { in_all: in_all.min(for_lame), of_others: 0, of: of(true) };
        lame.of.retain(|(_, most)| *most > 0);
        if lame.of.is_empty() {
            lame.in_all = 0;
        }
        [well, lame]
    }

    /// Whether anything rests, and so is left out of claims for a reason that passes by itself; until when at most.
    pub(crate) fn rests_until(&self, now: Moment) -> Option<Moment> {
        self.lock().values().filter_map(|lane| lane.rests_until).filter(|until| now < *until).min()
    }

    pub(crate) fn in_flight(&self) -> usize {
        self.lock().values().map(|lane| lane.in_flight as usize).sum()
    }

    /// A notification of this supplier was claimed.
    pub(crate) fn enter(&self, id: &SupplierId, now: Moment) {
        let mut lanes = self.lock();
        let lane = lanes.entry(id.clone()).or_insert(Lane::new(now));
        lane.in_flight += 1;
        lane.busy_since.get_or_insert(now);
    }

    /// It is off our hands.
    pub(crate) fn leave(&self, id: &SupplierId, now: Moment) {
        if let Some(lane) = self.lock().get_mut(id) {
            lane.in_flight = lane.in_flight.saturating_sub(1);
            lane.heard_at = now;
            if lane.in_flight == 0 {
                lane.busy_since = None;
            }
        }
    }

    /// What the configuration says now; whether one more than is under way would be too many. The first claim of a
    /// supplier is made before anybody has looked at its configuration.
    pub(crate) fn admits(&self, supplier: &Supplier, now: Moment) -> bool {
        let mut lanes = self.lock();
        let lane = lanes.entry(supplier.id().clone()).or_insert(Lane::new(now));
        lane.limit = supplier.max_concurrent().get();
        lane.rests_until = None;
        lane.in_flight <= lane.limit
    }

    pub(crate) fn rest(&self, id: &SupplierId, until: Moment) {
        if let Some(lane) = self.lock().get_mut(id) {
            lane.rests_until = Some(until);
        }
    }

    /// An exchange is over; how the delivery has been so far.
    pub(crate) fn note(&self, id: &SupplierId, manner: Manner, now: Moment) {
        if let Some(lane) = self.lock().get_mut(id) {
            lane.manner = manner;
            lane.busy_since = Some(now);
            lane.heard_at = now;
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SupplierId, Lane>> {
        // Counters and flags, each changed in one go.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: usize) -> SupplierId {
        SupplierId::new(format!("s{n}")).unwrap()
    }

    fn room_of(lanes: &Lanes, n: usize, now: Moment) -> u32 {
        let [well, lame] = lanes.rooms(lanes.slots - lanes.in_flight(), now);
        let of = |room: &Room| room.of.iter().find(|(supplier, _)| *supplier == id(n)).map(|(_, most)| *most);
        of(&lame).or(of(&well)).unwrap_or(well.of_others)
    }

    /// A delivery from start to end.
    fn deliver(lanes: &Lanes, n: usize, manner: Manner, now: Moment) {
        lanes.enter(&id(n), now);
        lanes.note(&id(n), manner, now);
        lanes.leave(&id(n), now);
    }

    fn enter(lanes: &Lanes, n: usize, times: usize, now: Moment) {
        (0..times).for_each(|_| lanes.enter(&id(n), now));
    }

    #[test]
    fn a_supplier_has_one_slot_until_it_has_answered_and_then_eight_less_what_is_under_way() {
        let (lanes, now) = (Lanes::new(256), Moment::now());
        assert_eq!(room_of(&lanes, 1, now), 1);
        lanes.enter(&id(1), now);
        assert_eq!(room_of(&lanes, 1, now), 0);
        lanes.note(&id(1), Manner::Well, now);
        assert_eq!(room_of(&lanes, 1, now), 7);
        enter(&lanes, 1, 2, now);
        assert_eq!(room_of(&lanes, 1, now), 5);
    }

    #[test]
    fn one_that_hangs_gets_a_single_slot_and_all_that_hang_get_half() {
        let (lanes, now) = (Lanes::new(20), Moment::now());
        for n in 0..30 {
            deliver(&lanes, n, Manner::Hangs, now);
        }
        let [well, lame] = lanes.rooms(20, now);
        // Each of them may be the one that has something to send.
        assert!(lame.of.len() == 30 && lame.of.iter().all(|(_, most)| *most == 1));
        assert_eq!((lame.in_all, lame.of_others), (10, 0));
        assert!(well.of.iter().all(|(_, most)| *most == 0));
        deliver(&lanes, 0, Manner::Well, now);
        assert_eq!(room_of(&lanes, 0, now), 8);
    }

    #[test]
    fn a_slow_one_keeps_its_slots_within_the_half() {
        let (lanes, now) = (Lanes::new(20), Moment::now());
        deliver(&lanes, 0, Manner::Slow, now);
        deliver(&lanes, 1, Manner::Slow, now);
        let [_, lame] = lanes.rooms(20, now);
        let each: Vec<_> = lame.of.into_iter().map(|(_, most)| most).collect();
        assert_eq!((each, lame.in_all), (vec![8, 8], 10));
        enter(&lanes, 0, 8, now);
        assert_eq!(lanes.rooms(12, now)[1].in_all, 2);
    }

    #[test]
    fn one_that_does_not_move_for_five_seconds_is_suspected_though_others_of_it_come_and_go() {
        let (lanes, start) = (Lanes::new(256), Moment::now());
        deliver(&lanes, 1, Manner::Well, start);
        enter(&lanes, 1, 3, start);
        let later = start + SLOW + Duration::from_secs(1);
        // Handed back without a word from the supplier.
        lanes.leave(&id(1), later);
        assert_eq!(room_of(&lanes, 1, later), 0);
        lanes.note(&id(1), Manner::Well, later);
        assert_eq!(room_of(&lanes, 1, later), 6);
    }

    #[test]
    fn the_unknown_leave_a_quarter_to_those_who_answer() {
        let (lanes, now) = (Lanes::new(16), Moment::now());
        deliver(&lanes, 0, Manner::Well, now);
        assert_eq!(lanes.rooms(16, now)[0].in_all, 12);
        for n in 1..=12 {
            lanes.enter(&id(n), now);
        }
        let [well, _] = lanes.rooms(4, now);
        assert_eq!((well.of_others, room_of(&lanes, 0, now)), (0, 1));
        lanes.note(&id(12), Manner::Well, now);
        assert_eq!(lanes.rooms(4, now)[0].of_others, 1);
    }

    #[test]
    fn the_last_quarter_is_for_suppliers_that_nothing_is_under_way_for() {
        let (lanes, now) = (Lanes::new(16), Moment::now());
        for n in 0..3 {
            deliver(&lanes, n, Manner::Well, now);
        }
        enter(&lanes, 0, 6, now);
        enter(&lanes, 1, 6, now);
        assert_eq!((room_of(&lanes, 0, now), room_of(&lanes, 1, now), room_of(&lanes, 2, now)), (0, 0, 1));
    }

    #[test]
    fn there_is_something_to_do_with_a_single_slot() {
        let (lanes, now) = (Lanes::new(1), Moment::now());
        assert_eq!(lanes.rooms(1, now)[0], Room { in_all: 1, of_others: 1, of: Vec::new() });
        deliver(&lanes, 1, Manner::Hangs, now);
        assert_eq!(room_of(&lanes, 1, now), 1);
    }

    #[test]
    fn a_lower_limit_is_learnt_when_the_configuration_is_looked_at() {
        let (lanes, now) = (Lanes::new(256), Moment::now());
        let one = std::num::NonZeroU32::MIN;
        let supplier = Supplier::builder(id(1)).max_concurrent(one).build().unwrap();
        enter(&lanes, 1, 2, now);
        assert!(!lanes.admits(&supplier, now));
        lanes.leave(&id(1), now);
        assert!(lanes.admits(&supplier, now));
        lanes.note(&id(1), Manner::Well, now);
        assert_eq!(room_of(&lanes, 1, now), 0);
    }

    #[test]
    fn suppliers_that_have_long_been_idle_cost_nothing() {
        let (lanes, now) = (Lanes::new(256), Moment::now());
        let three = std::num::NonZeroU32::new(3).unwrap();
        for n in 0..100 {
            lanes.enter(&id(n), now);
            lanes.admits(&Supplier::builder(id(n)).max_concurrent(three).build().unwrap(), now);
            lanes.note(&id(n), Manner::Hangs, now);
            lanes.leave(&id(n), now);
        }
        assert_eq!(lanes.rooms(256, now)[1].of.len(), 100);
        assert!(lanes.rooms(256, now + REMEMBERED + SLOW).iter().all(|room| room.of.is_empty()));
    }
}
