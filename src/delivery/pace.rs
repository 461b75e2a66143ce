//! The times and numbers by which calls are scheduled.

use std::ops::Range;
use std::time::Duration;

/// How long a call holds a slot, how long a silent endpoint is left alone, and for how long what cannot be sent now is
/// handed back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pace {
    /// From this age on a call is silent and holds a place instead of a slot: 2 s, or a quarter of the limit if that is
    /// less.
    pub(crate) silent_after: Duration,
    /// The pause after the first call that ran into the limit; the next ones are doubled.
    pub(crate) first_pause: Duration,
    /// The longest pause: the limit of an exchange.
    pub(crate) longest_pause: Duration,
    /// How long a claim waits in memory for a slot or for room at its supplier: never longer than the margin of its lease.
    pub(crate) wait: Duration,
    /// How long `notify` and its like wait for a slot and for room before they claim anything.
    pub(crate) visit: Duration,
    /// For how long a claim is handed back that found no slot in time, or too many waiting.
    pub(crate) no_slot: Range<Duration>,
    /// For how long a claim is handed back whose endpoint has never been called, while all places are taken.
    pub(crate) no_place: Range<Duration>,
    /// For how long a claim is handed back whose supplier is at its limit.
    pub(crate) no_room: Duration,
    /// For how long a claim is handed back that leaves out a silent endpoint, or whose supplier is paused: as long as that
    /// has lasted, within these.
    pub(crate) put_off: Range<Duration>,
    /// How often a supplier that is paused, or cannot be looked up, is looked at again.
    pub(crate) rest: Duration,
    /// How soon an endpoint is looked at again that was due for a call and could not be called.
    pub(crate) look_again: Range<Duration>,
    /// How long an endpoint is remembered that is not called.
    pub(crate) remembered: Duration,
}

/// How many pauses a new order leaves a silent endpoint alone after the moment of its next call: those that were put off
/// call it first.
pub(crate) const PAUSES_FOR_NEW: u32 = 9;

/// Places for silent calls, for each slot.
pub(crate) const PLACES_PER_SLOT: usize = 15;

/// How many endpoints are remembered at most.
pub(crate) const ENDPOINTS: usize = 65_536;

const SECOND: Duration = Duration::from_secs(1);

impl Pace {
    /// The pace for this limit of an exchange and this margin of a lease.
    pub(crate) fn new(limit: Duration, margin: Duration) -> Pace {
        Pace {
            silent_after: (2 * SECOND).min(limit / 4),
            first_pause: (5 * SECOND).min(limit),
            longest_pause: limit,
            wait: (5 * SECOND).min(margin),
            visit: 5 * SECOND,
            no_slot: SECOND..2 * SECOND,
            no_place: 5 * SECOND..10 * SECOND,
            no_room: 60 * SECOND,
            put_off: 60 * SECOND..3600 * SECOND,
            rest: 5 * SECOND,
            look_again: 2 * SECOND..4 * SECOND,
            remembered: 6 * 3600 * SECOND,
        }
    }

    /// All of it so many times as fast, for tests that cannot wait; the limit of an exchange is the caller's.
    pub(crate) fn times_as_fast(&self, factor: u32) -> Pace {
        let fast = |duration: Duration| (duration / factor.max(1)).max(Duration::from_millis(1));
        let between = |range: &Range<Duration>| fast(range.start)..fast(range.end);
        Pace {
            silent_after: self.silent_after,
            first_pause: fast(self.first_pause),
            longest_pause: self.longest_pause,
            wait: self.wait,
            visit: self.visit,
            no_slot: between(&self.no_slot),
            no_place: between(&self.no_place),
            no_room: fast(self.no_room),
            put_off: between(&self.put_off),
            rest: fast(self.rest),
            look_again: between(&self.look_again),
            remembered: fast(self.remembered),
        }
    }

    /// How long to hand back what has to wait for something that has lasted so long; spread by a fifth to either side.
    pub(crate) fn put_off_for(&self, lasted: Duration, random: f64) -> Duration {
        lasted
            .clamp(self.put_off.start, self.put_off.end)
            .mul_f64(0.8 + 0.4 * random.clamp(0.0, 1.0))
    }
}

/// A moment within a range.
pub(crate) fn within(range: &Range<Duration>, random: f64) -> Duration {
    range.start
        + range
            .end
            .saturating_sub(range.start)
            .mul_f64(random.clamp(0.0, 1.0))
}

/// Three quarters of the slots, and at least one: what one endpoint may have open, what `notify` and its like may hold, and
/// below which first calls and calls at silent endpoints start.
pub(crate) fn three_quarters(slots: usize) -> usize {
    (slots - slots.div_ceil(4)).max(1)
}

/// How many slots and places there are: 15 places a slot, and together at most half of the descriptors that the process may
/// open, never fewer places than slots.
pub(crate) fn slots_and_places(concurrency: usize, descriptors: Option<u64>) -> (usize, usize) {
    let wanted = concurrency.saturating_mul(PLACES_PER_SLOT);
    let Some(descriptors) = descriptors else {
        return (concurrency, wanted);
    };
    let half = usize::try_from(descriptors / 2)
        .unwrap_or(usize::MAX)
        .max(2);
    let slots = concurrency.min(half / 2).max(1);
    (slots, wanted.min(half - slots).max(slots))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_quarters_leave_a_quarter_and_are_at_least_one() {
        let of: Vec<_> = [1, 2, 3, 4, 5, 6, 9, 256]
            .into_iter()
            .map(three_quarters)
            .collect();
        assert_eq!(of, [1, 1, 2, 3, 3, 4, 6, 192]);
    }

    #[test]
    fn slots_and_places_are_at_most_half_of_the_descriptors() {
        assert_eq!(slots_and_places(256, None), (256, 3840));
        assert_eq!(slots_and_places(256, Some(1 << 20)), (256, 3840));
        assert_eq!(slots_and_places(256, Some(1024)), (256, 256));
        assert_eq!(slots_and_places(256, Some(256)), (64, 64));
        assert_eq!(slots_and_places(4, Some(1024)), (4, 60));
        assert_eq!(slots_and_places(1, Some(3)), (1, 1));
    }

    #[test]
    fn a_short_limit_shortens_what_depends_on_it() {
        let pace = Pace::new(SECOND, SECOND);
        assert_eq!(
            (pace.silent_after, pace.first_pause, pace.wait),
            (SECOND / 4, SECOND, SECOND)
        );
    }

    #[test]
    fn what_is_put_off_waits_as_long_as_the_endpoint_has_been_silent_within_bounds() {
        let pace = Pace::new(60 * SECOND, 5 * SECOND);
        assert_eq!(pace.put_off_for(SECOND, 0.5), 60 * SECOND);
        assert_eq!(pace.put_off_for(600 * SECOND, 0.0), 480 * SECOND);
        assert_eq!(pace.put_off_for(90_000 * SECOND, 1.0), 4320 * SECOND);
    }
}
