//! The clock in which leases are counted on the holder's side.

use std::ops::Add;
use std::time::Duration;

/// A moment on the clock of this machine that goes on while the machine sleeps and that cannot be set: boot time on
/// Linux, the monotonic clock elsewhere.
///
/// A lease runs on in the store while the machine of its holder is suspended, so the holder's deadline has to be read from
/// a clock that does the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(Duration);

impl Moment {
    /// The moment of the call.
    #[cfg(all(target_os = "linux", not(test)))]
    pub(crate) fn now() -> Moment {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        // Neither is negative on this clock.
        let seconds = u64::try_from(now.tv_sec).unwrap_or_default();
        Moment(Duration::new(
            seconds,
            u32::try_from(now.tv_nsec).unwrap_or_default(),
        ))
    }

    /// The moment of the call. Tests of the crate's inside live in the runtime's time, which they can move.
    #[cfg(any(not(target_os = "linux"), test))]
    pub(crate) fn now() -> Moment {
        #[cfg(test)]
        let now = tokio::time::Instant::now().into_std();
        #[cfg(not(test))]
        let now = std::time::Instant::now();
        static START: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
        // A minute before the first call: another thread may have read the clock before this one.
        let start = START.get_or_init(|| now.checked_sub(Duration::from_secs(60)).unwrap_or(now));
        Moment(now.saturating_duration_since(*start))
    }

    /// How long ago an earlier moment was; zero for one that is still to come.
    pub(crate) fn since(self, earlier: Moment) -> Duration {
        self.0.saturating_sub(earlier.0)
    }

    /// How long it is since this moment; zero for one that is still to come.
    pub(crate) fn elapsed(self) -> Duration {
        Moment::now().since(self)
    }
}

impl Add<Duration> for Moment {
    type Output = Moment;

    fn add(self, duration: Duration) -> Moment {
        Moment(self.0.saturating_add(duration))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_that_is_still_to_come_is_no_time_ago() {
        let now = Moment::now();
        assert_eq!(now.since(now + Duration::from_secs(1)), Duration::ZERO);
        assert_eq!(
            (now + Duration::from_secs(1)).since(now),
            Duration::from_secs(1)
        );
    }

    #[tokio::test(start_paused = true)]
    async fn in_a_test_time_can_be_moved() {
        let began = Moment::now();
        tokio::time::sleep(Duration::from_secs(3 * 86_400)).await;
        assert!(began.elapsed() >= Duration::from_secs(3 * 86_400));
    }
}
