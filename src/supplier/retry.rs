//! When an endpoint is tried again. Pure: time and randomness are arguments.

use std::time::Duration;

/// The schedule of one endpoint after failed attempts.
///
/// Defaults: first delay 5 s, doubling, spread by 20 % either way, at most 12 h, given up when the next try would be
/// later than 72 h after the first attempt of the schedule.
///
/// ```
/// use std::time::Duration;
/// use orderhook::RetryPolicy;
///
/// let policy = RetryPolicy::DEFAULT;
/// assert_eq!(policy.delay(1, 0.5), Duration::from_secs(5));
/// assert_eq!(policy.delay(4, 0.5), Duration::from_secs(40));
/// assert_eq!(policy.delay(40, 0.5), Duration::from_secs(12 * 3600));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    first_delay: Duration,
    max_delay: Duration,
    give_up_after: Duration,
}

impl RetryPolicy {
    /// The default schedule: a first delay of 5 s, doubling, at most 12 h, 72 h in all.
    pub const DEFAULT: RetryPolicy = RetryPolicy {
        first_delay: Duration::from_secs(5),
        max_delay: Duration::from_secs(12 * 3600),
        give_up_after: Duration::from_secs(72 * 3600),
    };

    /// How far a delay is spread to either side.
    const SPREAD: f64 = 0.2;

    /// The same schedule with another first delay; at least a millisecond. A first delay above the cap raises the cap.
    #[must_use]
    pub fn with_first_delay(mut self, delay: Duration) -> Self {
        self.first_delay = delay.max(Duration::from_millis(1));
        self.max_delay = self.max_delay.max(self.first_delay);
        self
    }

    /// The same schedule with another cap for a single delay; never below the first delay.
    #[must_use]
    pub fn with_max_delay(mut self, delay: Duration) -> Self {
        self.max_delay = delay.max(self.first_delay);
        self
    }

    /// The same schedule with another end, counted from its first attempt. Zero means that nothing is tried twice.
    #[must_use]
    pub fn with_give_up_after(mut self, after: Duration) -> Self {
        self.give_up_after = after;
        self
    }

    /// The delay after the first failure.
    pub fn first_delay(&self) -> Duration {
        self.first_delay
    }

    /// The longest delay, and the clamp for `Retry-After`.
    pub fn max_delay(&self) -> Duration {
        self.max_delay
    }

    /// How long after the first attempt the last one may be.
    pub fn give_up_after(&self) -> Duration {
        self.give_up_after
    }

    /// The delay after so many failed tries (1 is the first), with `random` in `0.0..1.0`; 0.5 is the middle.
    pub fn delay(&self, failures: u32, random: f64) -> Duration {
        let doublings = failures.saturating_sub(1).min(63);
        let plain = self.first_delay.as_secs_f64() * 2f64.powi(doublings as i32);
        let spread = plain * (1.0 + Self::SPREAD * (2.0 * random.clamp(0.0, 1.0) - 1.0));
        // What is too long for a Duration is longer than the cap.
        Duration::try_from_secs_f64(spread.min(self.max_delay.as_secs_f64()))
            .unwrap_or(self.max_delay)
    }

    /// The delay when the receiver has asked for one (`Retry-After`, RFC 9110 section 10.2.3): the longer one
    /// of that, cut to [`max_delay`](Self::max_delay), and of the schedule's.
    pub fn delay_asked(&self, failures: u32, random: f64, asked: Option<Duration>) -> Duration {
        let scheduled = self.delay(failures, random);
        asked.map_or(scheduled, |asked| asked.min(self.max_delay).max(scheduled))
    }
}

impl Default for RetryPolicy {
    fn default() -> Self {
        RetryPolicy::DEFAULT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_spread_is_a_fifth_to_either_side() {
        let policy = RetryPolicy::DEFAULT;
        assert_eq!(policy.delay(1, 0.0), Duration::from_secs(4));
        assert_eq!(policy.delay(1, 1.0), Duration::from_secs(6));
    }

    #[test]
    fn no_delay_passes_the_cap_however_many_failures_there_were() {
        let policy = RetryPolicy::DEFAULT;
        for failures in [20, 64, u32::MAX] {
            assert_eq!(policy.delay(failures, 1.0), policy.max_delay());
        }
    }

    #[test]
    fn delays_beyond_all_measure_are_delays_and_no_panic() {
        let never = RetryPolicy::DEFAULT
            .with_first_delay(Duration::MAX)
            .with_give_up_after(Duration::MAX);
        assert_eq!(never.delay(u32::MAX, 1.0), Duration::MAX);
        assert_eq!(
            never.delay_asked(1, 0.0, Some(Duration::MAX)),
            Duration::MAX
        );
    }

    #[test]
    fn what_a_receiver_asks_for_is_kept_and_clamped() {
        let policy = RetryPolicy::DEFAULT;
        let ask = |seconds| policy.delay_asked(1, 0.5, Some(Duration::from_secs(seconds)));
        assert_eq!(ask(120), Duration::from_secs(120));
        assert_eq!(ask(0), Duration::from_secs(5));
        assert_eq!(ask(10 * 365 * 86_400), policy.max_delay());
    }
}
