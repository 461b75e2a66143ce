//! The store's one timeline: a clock of this machine plus an offset that stands in the file.
//!
//! On Linux the clock is boot time: it goes on while the machine sleeps, it cannot be set, and all processes since the
//! same boot read the same. Elsewhere it is the wall clock. Either way the offset makes up for whatever the clock lost
//! since the file last saw a moment: time stands still at worst, it never goes back.

use std::time::SystemTime;

use crate::value::time::Timestamp;

/// The clock of this machine.
#[derive(Clone, Debug)]
pub(super) struct Clock {
    /// What the readings of one boot have in common; the offset in the file belongs to it.
    boot: String,
}

/// What the clock shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reading {
    /// Microseconds of the clock.
    pub(super) clock: i64,
    /// The wall clock, for the first offset.
    pub(super) wall: Timestamp,
}

/// How the timeline hangs on the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Offset {
    /// Microseconds between the clock and the timeline.
    pub(super) micros: i64,
    /// Whether the file does not have it yet.
    pub(super) is_new: bool,
}

impl Offset {
    /// The offset to go by. `stored` belongs to this boot; without one the timeline goes on from the wall clock. It is
    /// never less than the last moment in use.
    pub(super) fn settle(stored: Option<i64>, reading: Reading, last_seen: Timestamp) -> Offset {
        let least = last_seen.as_micros().saturating_sub(reading.clock);
        match stored {
            Some(micros) if micros >= least => Offset {
                micros,
                is_new: false,
            },
            Some(_) => Offset {
                micros: least,
                is_new: true,
            },
            None => {
                let from_wall = reading.wall.as_micros().saturating_sub(reading.clock);
                Offset {
                    micros: from_wall.max(least),
                    is_new: true,
                }
            }
        }
    }

    /// The moment of a reading.
    pub(super) fn at(self, reading: Reading) -> Timestamp {
        Timestamp::from_micros(reading.clock.saturating_add(self.micros))
    }
}

#[cfg(target_os = "linux")]
impl Clock {
    /// The boot-time clock. The boot goes by the name that the kernel gives it or, where `/proc/sys` is hidden, by the
    /// moment at which it began.
    pub(super) fn new() -> Clock {
        match std::fs::read_to_string("/proc/sys/kernel/random/boot_id") {
            Ok(id) => {
                // Boot time differs between time namespaces; without the link there is only one.
                let space = std::fs::read_link("/proc/self/ns/time").unwrap_or_default();
                Clock {
                    boot: format!("{} {}", id.trim(), space.display()),
                }
            }
            Err(_) => Clock::without_boot_id(Clock::read_both()),
        }
    }

    fn without_boot_id(reading: Reading) -> Clock {
        let began = reading.wall.as_micros().saturating_sub(reading.clock) / 1_000_000;
        Clock {
            boot: format!("{BEGAN_AT}{began}"),
        }
    }

    /// What it shows.
    pub(super) fn read(&self) -> Reading {
        Clock::read_both()
    }

    fn read_both() -> Reading {
        let wall = Timestamp::from(SystemTime::now());
        let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        let clock = time
            .tv_sec
            .saturating_mul(1_000_000)
            .saturating_add(time.tv_nsec / 1_000);
        Reading { clock, wall }
    }
}

#[cfg(not(target_os = "linux"))]
impl Clock {
    /// The wall clock.
    pub(super) fn new() -> Clock {
        Clock {
            boot: WALL.to_owned(),
        }
    }

    /// What it shows.
    pub(super) fn read(&self) -> Reading {
        let wall = Timestamp::from(SystemTime::now());
        Reading {
            clock: wall.as_micros(),
            wall,
        }
    }
}

impl Clock {
    /// Goes by the name under which the file knows this boot already. Only a boot without a name of the kernel's own has
    /// several: each process works out for itself when it began, and the wall clock may have been set by a little since.
    ///
    /// Another boot that began so shortly before would have to have ended within that time. Its offset would make the
    /// timeline go slow by no more than that, and never back.
    pub(super) fn known_as<'a>(self, names: impl Iterator<Item = &'a str>) -> Clock {
        let began = |name: &str| name.strip_prefix(BEGAN_AT)?.parse::<i64>().ok();
        let Some(mine) = began(&self.boot) else {
            return self;
        };
        let distance = |name: &&str| began(name).map_or(u64::MAX, |theirs| theirs.abs_diff(mine));
        match names
            .min_by_key(distance)
            .filter(|name| distance(name) <= SAME_BOOT)
        {
            Some(name) => Clock {
                boot: name.to_owned(),
            },
            None => self,
        }
    }

    /// The name under which the file keeps the offset.
    pub(super) fn boot(&self) -> &str {
        &self.boot
    }
}

#[cfg(not(target_os = "linux"))]
const WALL: &str = "wall clock";

/// How the name of a boot begins that has none of the kernel's own; the second of the wall clock follows.
const BEGAN_AT: &str = "began at ";

/// Boots that began at moments no further apart are one. In seconds.
const SAME_BOOT: u64 = 30;

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000_000;

    fn at(micros: i64) -> Timestamp {
        Timestamp::from_micros(micros)
    }

    fn reading(clock: i64, wall: i64) -> Reading {
        Reading {
            clock,
            wall: at(wall),
        }
    }

    #[test]
    fn the_first_time_is_the_wall_clock() {
        let first = reading(5 * HOUR, 900 * HOUR);
        let offset = Offset::settle(None, first, at(0));
        assert_eq!(
            offset,
            Offset {
                micros: 895 * HOUR,
                is_new: true
            }
        );
        assert_eq!(offset.at(first), at(900 * HOUR));
    }

    #[test]
    fn within_a_boot_a_wall_clock_that_is_set_changes_nothing() {
        for wall in [899 * HOUR, 901 * HOUR, 0] {
            let later = reading(6 * HOUR, wall);
            let offset = Offset::settle(Some(895 * HOUR), later, at(900 * HOUR));
            assert_eq!(
                offset,
                Offset {
                    micros: 895 * HOUR,
                    is_new: false
                }
            );
            assert_eq!(offset.at(later), at(901 * HOUR));
        }
    }

    #[test]
    fn after_a_reboot_time_goes_on_from_the_wall_clock() {
        let booted = reading(1_000, 903 * HOUR);
        let offset = Offset::settle(None, booted, at(901 * HOUR));
        assert_eq!(offset.at(booted), at(903 * HOUR));
        assert!(offset.is_new);
    }

    #[test]
    fn after_a_reboot_with_a_wall_clock_that_is_behind_time_goes_on_from_the_last_moment_seen() {
        let booted = reading(1_000, 10 * HOUR);
        let offset = Offset::settle(None, booted, at(901 * HOUR));
        assert_eq!(offset.at(booted), at(901 * HOUR));
        let later = reading(1_000 + HOUR, 11 * HOUR);
        assert_eq!(
            Offset::settle(Some(offset.micros), later, at(901 * HOUR)).at(later),
            at(902 * HOUR)
        );
    }

    #[test]
    fn a_clock_that_goes_back_does_not_take_time_with_it() {
        // The wall clock as the only clock: set back by an hour, time goes on from where it was.
        let back = reading(899 * HOUR, 899 * HOUR);
        let offset = Offset::settle(Some(0), back, at(900 * HOUR));
        assert_eq!(
            offset,
            Offset {
                micros: HOUR,
                is_new: true
            }
        );
        assert_eq!(offset.at(back), at(900 * HOUR));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_boot_without_a_name_goes_by_the_moment_at_which_it_began() {
        let clock = |clock, wall| Clock::without_boot_id(reading(clock, wall));
        let first = clock(5 * HOUR, 900 * HOUR);
        // Later, and with a wall clock that was put right by some seconds in between.
        let later = clock(6 * HOUR, 901 * HOUR + 7_000_000);
        let names = [
            clock(HOUR, 700 * HOUR),
            first.clone(),
            clock(HOUR, 903 * HOUR),
        ];
        let names = || names.iter().map(Clock::boot).chain(["0f3b wall clock"]);
        assert_ne!(later.boot(), first.boot());
        assert_eq!(later.known_as(names()).boot(), first.boot());
        // After a reboot it is another one, also when the machine was up for a minute only.
        let booted = clock(1_000_000, 900 * HOUR + 60_000_000);
        assert_eq!(booted.clone().known_as(names()).boot(), booted.boot());
        // A boot that the kernel names is known by that name alone.
        let named = Clock {
            boot: "0f3b".to_owned(),
        };
        assert_eq!(named.known_as(names()).boot(), "0f3b");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_clock_without_a_name_of_its_boot_is_boot_time() {
        let clock = Clock::without_boot_id(Clock::read_both());
        let boot_time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime).tv_sec;
        assert!((clock.read().clock / 1_000_000 - boot_time).abs() <= 1);
    }

    #[test]
    fn the_clock_of_this_machine_goes_forward() {
        let clock = Clock::new();
        let (first, second) = (clock.read(), clock.read());
        assert!(first.clock <= second.clock);
        assert!(!clock.boot().is_empty());
    }
}
