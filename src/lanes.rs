//! How much of each supplier may be sent at the same time, so that a slow or dead one delays nobody else. Pure but for
//! the lock: time is an argument.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::names::SupplierId;
use crate::supplier::Supplier;

/// The suppliers that a worker is busy with, or knows something about.
pub(crate) struct Lanes {
    inner: Mutex<HashMap<SupplierId, Lane>>,
    /// All that may be under way.
    slots: usize,
}

#[derive(Clone, Copy, Debug)]
struct Lane {
    in_flight: u32,
    limit: u32,
    /// Since when nothing has come of what is under way.
    busy_since: Option<Instant>,
    /// Whether the last exchange ran into its limit.
    timed_out: bool,
    /// Not asked for anything before this moment: paused, or not to be looked up.
    rests_until: Option<Instant>,
}

impl Lane {
    const NEW: Lane = Lane {
        in_flight: 0,
        limit: Supplier::MAX_CONCURRENT.get(),
        busy_since: None,
        timed_out: false,
        rests_until: None,
    };

    /// A lane that needs not be remembered.
    fn is_plain(&self, now: Instant) -> bool {
        self.in_flight == 0
            && self.limit == Lane::NEW.limit
            && !self.timed_out
            && self.rests_until.is_none_or(|until| until <= now)
    }

    fn is_suspect(&self, now: Instant) -> bool {
        let slow = |since: Instant| now.saturating_duration_since(since) > SLOW;
        self.timed_out || self.busy_since.is_some_and(slow)
    }
}

/// A supplier that has been busy for so long without a pause is suspected to hang.
const SLOW: Duration = Duration::from_secs(5);

/// How long a supplier rests that is paused or cannot be looked up.
pub(crate) const REST: Duration = Duration::from_secs(5);

impl Lanes {
    pub(crate) fn new(slots: usize) -> Self {
        Lanes { inner: Mutex::new(HashMap::new()), slots }
    }

    /// Where another number than the default holds. Suspects get one slot each, and half of all slots together: however
    /// many suppliers hang, the other half is for the rest.
    pub(crate) fn room(&self, now: Instant) -> Vec<(SupplierId, u32)> {
        let mut lanes = self.lock();
        lanes.retain(|_, lane| !lane.is_plain(now));
        let suspects = lanes.values().filter(|lane| lane.is_suspect(now)).map(|lane| lane.in_flight as usize).sum();
        let mut left_for_suspects = (self.slots / 2).max(1).saturating_sub(suspects);
        let mut room = |lane: &Lane| {
            if lane.rests_until.is_some_and(|until| now < until) {
                return 0;
            }
            if !lane.is_suspect(now) {
                return lane.limit.saturating_sub(lane.in_flight);
            }
            let one = u32::from(lane.in_flight == 0 && left_for_suspects > 0);
            left_for_suspects -= one as usize;
            one
        };
        lanes.iter().map(|(id, lane)| (id.clone(), room(lane))).collect()
    }

    /// Whether anything rests, and so is left out of claims for a reason that passes by itself; until when at most.
    pub(crate) fn rests_until(&self, now: Instant) -> Option<Instant> {
        self.lock().values().filter_map(|lane| lane.rests_until).filter(|until| now < *until).min()
    }

    pub(crate) fn in_flight(&self) -> usize {
        self.lock().values().map(|lane| lane.in_flight as usize).sum()
    }

    /// A notification of this supplier was claimed.
    pub(crate) fn enter(&self, id: &SupplierId, now: Instant) {
        let mut lanes = self.lock();
        let lane = lanes.entry(id.clone()).or_insert(Lane::NEW);
        lane.in_flight += 1;
        lane.busy_since.get_or_insert(now);
    }

    /// It is off our hands.
    pub(crate) fn leave(&self, id: &SupplierId, now: Instant) {
        if let Some(lane) = self.lock().get_mut(id) {
            lane.in_flight = lane.in_flight.saturating_sub(1);
            lane.busy_since = (lane.in_flight > 0).then_some(now);
        }
    }

    /// What the configuration says now; whether one more than is under way would be too many. The first claim of a
    /// supplier is made before anybody has looked at its configuration.
    pub(crate) fn admits(&self, supplier: &Supplier) -> bool {
        let mut lanes = self.lock();
        let lane = lanes.entry(supplier.id().clone()).or_insert(Lane::NEW);
        lane.limit = supplier.max_concurrent().get();
        lane.rests_until = None;
        lane.in_flight <= lane.limit
    }

    pub(crate) fn rest(&self, id: &SupplierId, until: Instant) {
        if let Some(lane) = self.lock().get_mut(id) {
            lane.rests_until = Some(until);
        }
    }

    /// An exchange is over: whether it ran into its limit.
    pub(crate) fn note(&self, id: &SupplierId, timed_out: bool, now: Instant) {
        if let Some(lane) = self.lock().get_mut(id) {
            lane.timed_out = timed_out;
            lane.busy_since = Some(now);
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

    fn room_of(lanes: &Lanes, n: usize, now: Instant) -> Option<u32> {
        lanes.room(now).into_iter().find(|(supplier, _)| *supplier == id(n)).map(|(_, room)| room)
    }

    #[test]
    fn a_supplier_has_room_for_eight_less_what_is_under_way() {
        let (lanes, now) = (Lanes::new(256), Instant::now());
        assert_eq!(room_of(&lanes, 1, now), None);
        for _ in 0..3 {
            lanes.enter(&id(1), now);
        }
        assert_eq!(room_of(&lanes, 1, now), Some(5));
        for _ in 0..3 {
            lanes.leave(&id(1), now);
        }
        assert_eq!(room_of(&lanes, 1, now), None);
    }

    #[test]
    fn one_that_hangs_gets_a_single_slot_and_all_that_hang_get_half() {
        let (lanes, start) = (Lanes::new(20), Instant::now());
        for n in 0..3 {
            for _ in 0..3 {
                lanes.enter(&id(n), start);
            }
        }
        let later = start + SLOW + Duration::from_secs(1);
        assert!((0..3).all(|n| room_of(&lanes, n, later) == Some(0)));
        for n in 0..3 {
            (0..3).for_each(|_| lanes.leave(&id(n), start));
            lanes.enter(&id(n), start);
            lanes.note(&id(n), true, start);
            lanes.leave(&id(n), start);
        }
        let room: u32 = lanes.room(later).into_iter().map(|(_, room)| room).sum();
        assert_eq!(room, 3);
        lanes.enter(&id(0), later);
        lanes.note(&id(0), false, later);
        assert_eq!(room_of(&lanes, 0, later), Some(7));
    }

    #[test]
    fn a_lower_limit_is_learnt_when_the_configuration_is_looked_at() {
        let (lanes, now) = (Lanes::new(256), Instant::now());
        let one = std::num::NonZeroU32::MIN;
        let supplier = Supplier::builder(id(1)).max_concurrent(one).build().unwrap();
        lanes.enter(&id(1), now);
        lanes.enter(&id(1), now);
        assert!(!lanes.admits(&supplier));
        lanes.leave(&id(1), now);
        assert!(lanes.admits(&supplier));
        assert_eq!(room_of(&lanes, 1, now), Some(0));
    }
}
