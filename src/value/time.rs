//! Moments. A calendar crate is used inside and never shows.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::SignedDuration;
use jiff::civil::{self, DateTime};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::value::invalid::InvalidValue;

const PROBLEM: &str = "a timestamp must be an RFC 3339 date and time with an offset, such as \"2026-03-01T10:00:00+05:30\"";
const MICROS_PER_SECOND: i64 = 1_000_000;
const EPOCH: DateTime = civil::date(1970, 1, 1).at(0, 0, 0, 0);

/// A moment in UTC, to the microsecond, from year 0 to year 9999.
///
/// Its text, in JSON too, is RFC 3339 with `Z` and only as many decimals as it needs. Arithmetic stops at the two ends,
/// so every value can be written. Texts with another offset are converted; digits beyond microseconds are cut off.
///
/// ```
/// use std::time::Duration;
/// # fn main() -> Result<(), orderhook::value::InvalidValue> {
/// let paid: orderhook::Timestamp = "2026-03-01T10:00:00+05:30".parse()?;
/// assert_eq!(paid.to_string(), "2026-03-01T04:30:00Z");
/// assert_eq!(paid.after(Duration::from_millis(1500)).to_string(), "2026-03-01T04:30:01.5Z");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// 1970-01-01T00:00:00Z.
    pub const UNIX_EPOCH: Self = Self(0);

    // 0000-01-01T00:00:00Z and 9999-12-31T23:59:59.999999Z: what RFC 3339 can say.
    const MIN: Self = Self(-62_167_219_200_000_000);
    const MAX: Self = Self(253_402_300_799_999_999);

    /// The moment so many microseconds after the Unix epoch; one outside of the years 0 to 9999 becomes the nearer end.
    #[must_use]
    pub const fn from_micros(micros: i64) -> Self {
        if micros < Self::MIN.0 {
            Self::MIN
        } else if micros > Self::MAX.0 {
            Self::MAX
        } else {
            Self(micros)
        }
    }

    /// Microseconds since the Unix epoch, negative before it.
    #[must_use]
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// The moment `duration` later, at most the end of year 9999.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        Self::from_micros(self.0.saturating_add(micros(duration)))
    }

    /// The moment `duration` earlier, at least the beginning of year 0.
    #[must_use]
    pub fn before(self, duration: Duration) -> Self {
        Self::from_micros(self.0.saturating_sub(micros(duration)))
    }

    /// How long `self` is after `other`; zero when it is not.
    #[must_use]
    pub fn since(self, other: Self) -> Duration {
        let micros = self.0.saturating_sub(other.0);
        Duration::from_micros(u64::try_from(micros).unwrap_or(0))
    }

    /// The calendar's view of this moment where clocks are `offset_seconds` ahead of UTC.
    fn civil(self, offset_seconds: i32) -> DateTime {
        let micros = self.0 + i64::from(offset_seconds) * MICROS_PER_SECOND;
        EPOCH.saturating_add(SignedDuration::from_micros(micros))
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        match time.duration_since(UNIX_EPOCH) {
            Ok(after) => Self::UNIX_EPOCH.after(after),
            // Rounded down here too, so that order is kept.
            Err(error) => {
                let before = error.duration();
                Self::UNIX_EPOCH.before(before.saturating_add(Duration::from_nanos(999)))
            }
        }
    }
}

impl From<Timestamp> for SystemTime {
    fn from(timestamp: Timestamp) -> Self {
        let distance = Duration::from_micros(timestamp.0.unsigned_abs());
        let time = if timestamp.0 < 0 {
            UNIX_EPOCH.checked_sub(distance)
        } else {
            UNIX_EPOCH.checked_add(distance)
        };
        // Only where the platform's clock cannot express the year.
        time.unwrap_or(UNIX_EPOCH)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        OffsetTimestamp::from(*self).fmt(f)
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Timestamp {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        text.parse().map(|written: OffsetTimestamp| written.at)
    }
}

impl TryFrom<String> for Timestamp {
    type Error = InvalidValue;

    fn try_from(text: String) -> Result<Self, InvalidValue> {
        text.parse()
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

/// A moment as it was written: a [`Timestamp`] and the offset from UTC.
///
/// Its text, in JSON too, is RFC 3339 with that offset (`Z` for zero). A text without an offset is refused: it does not
/// say which moment it means.
///
/// ```
/// # fn main() -> Result<(), orderhook::value::InvalidValue> {
/// let built: orderhook::value::OffsetTimestamp = "2026-03-01T10:00:00.250+05:30".parse()?;
/// assert_eq!(built.to_string(), "2026-03-01T10:00:00.25+05:30");
/// assert_eq!(built.timestamp().to_string(), "2026-03-01T04:30:00.25Z");
/// assert!("2026-03-01T10:00:00".parse::<orderhook::value::OffsetTimestamp>().is_err());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct OffsetTimestamp {
    at: Timestamp,
    /// Whole minutes, as RFC 3339 has it.
    offset_seconds: i32,
}

impl OffsetTimestamp {
    /// The moment as it is written where clocks are so many minutes ahead of UTC (negative: behind it), for example 330 in
    /// India.
    ///
    /// # Errors
    /// [`InvalidValue`] for a whole day or more.
    pub fn with_offset(at: impl Into<Timestamp>, minutes: i32) -> Result<Self, InvalidValue> {
        match minutes.unsigned_abs() < 24 * 60 {
            true => Ok(Self {
                at: at.into(),
                offset_seconds: minutes * 60,
            }),
            false => Err(InvalidValue::new(PROBLEM)),
        }
    }

    /// The moment, without the offset.
    #[must_use]
    pub fn timestamp(self) -> Timestamp {
        self.at
    }

    /// `YYYY-MM-DDTHH:MM:SS[.digits](Z|±HH:MM)`. Calendar parsers accept much more than RFC 3339, so the shape is
    /// checked here and only the calendar is left to them.
    fn parse(text: &str) -> Option<Self> {
        const SHAPE: &[u8; 19] = b"0000-00-00T00:00:00";
        let (clock, rest) = text.split_at_checked(SHAPE.len())?;
        let fits = clock.bytes().zip(SHAPE).all(|(byte, shape)| match shape {
            b'0' => byte.is_ascii_digit(),
            b'T' => byte.eq_ignore_ascii_case(&b'T'),
            other => byte == *other,
        });
        if !fits {
            return None;
        }
        let clock: DateTime = clock.to_ascii_uppercase().parse().ok()?;

        let (fraction, zone) = match rest.strip_prefix('.') {
            None => (0, rest),
            Some(rest) => {
                let end = rest.find(|c: char| !c.is_ascii_digit())?;
                let (digits, zone) = rest.split_at_checked(end)?;
                if digits.is_empty() {
                    return None;
                }
                let micros = digits.bytes().chain([b'0'; 6]).take(6);
                let micros = micros.fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0'));
                (micros, zone)
            }
        };

        let offset_seconds = offset_seconds(zone)?;
        let seconds = clock.duration_since(EPOCH).as_secs() - i64::from(offset_seconds);
        let micros = seconds * MICROS_PER_SECOND + fraction;
        let at = Timestamp::from_micros(micros);
        (at.as_micros() == micros).then_some(Self { at, offset_seconds })
    }
}

fn offset_seconds(zone: &str) -> Option<i32> {
    let (sign, hours, minutes) = match zone.as_bytes() {
        b"Z" | b"z" => return Some(0),
        [b'+', h1, h2, b':', m1, m2] => (1, [h1, h2], [m1, m2]),
        [b'-', h1, h2, b':', m1, m2] => (-1, [h1, h2], [m1, m2]),
        _ => return None,
    };
    let number = |digits: [&u8; 2]| {
        digits.iter().try_fold(0, |sum, digit| {
            digit
                .is_ascii_digit()
                .then(|| sum * 10 + i32::from(**digit - b'0'))
        })
    };
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    (hours < 24 && minutes < 60).then_some(sign * (hours * 3600 + minutes * 60))
}

impl From<SystemTime> for OffsetTimestamp {
    fn from(time: SystemTime) -> Self {
        Timestamp::from(time).into()
    }
}

impl From<Timestamp> for OffsetTimestamp {
    fn from(at: Timestamp) -> Self {
        Self {
            at,
            offset_seconds: 0,
        }
    }
}

impl fmt::Display for OffsetTimestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let clock = self.at.civil(self.offset_seconds);
        write!(
            f,
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}",
            clock.year(),
            clock.month(),
            clock.day(),
            clock.hour(),
            clock.minute(),
            clock.second()
        )?;
        let fraction = self.at.0.rem_euclid(MICROS_PER_SECOND);
        if fraction != 0 {
            let digits = format!("{fraction:06}");
            write!(f, ".{}", digits.trim_end_matches('0'))?;
        }
        if self.offset_seconds == 0 {
            return f.write_str("Z");
        }
        let sign = if self.offset_seconds < 0 { '-' } else { '+' };
        let minutes = self.offset_seconds.unsigned_abs() / 60;
        write!(f, "{sign}{:02}:{:02}", minutes / 60, minutes % 60)
    }
}

impl fmt::Debug for OffsetTimestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for OffsetTimestamp {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        Self::parse(text).ok_or(InvalidValue::new(PROBLEM))
    }
}

impl TryFrom<String> for OffsetTimestamp {
    type Error = InvalidValue;

    fn try_from(text: String) -> Result<Self, InvalidValue> {
        text.parse()
    }
}

impl Serialize for OffsetTimestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for OffsetTimestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewritten(text: &str) -> Result<String, InvalidValue> {
        text.parse::<OffsetTimestamp>().map(|at| at.to_string())
    }

    #[test]
    fn a_written_moment_keeps_its_offset_in_canonical_form() {
        for (written, canonical) in [
            ("2026-03-01T10:00:00+05:30", "2026-03-01T10:00:00+05:30"),
            ("2026-03-01t10:00:00z", "2026-03-01T10:00:00Z"),
            ("2026-03-01T10:00:00-00:00", "2026-03-01T10:00:00Z"),
            (
                "2026-03-01T10:00:00.5000-09:30",
                "2026-03-01T10:00:00.5-09:30",
            ),
            (
                "2026-03-01T10:00:00.1234567890123Z",
                "2026-03-01T10:00:00.123456Z",
            ),
            ("1969-12-31T23:59:59.999999Z", "1969-12-31T23:59:59.999999Z"),
            ("0000-01-01T00:00:00Z", "0000-01-01T00:00:00Z"),
            ("9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999Z"),
            ("2024-02-29T00:00:00+23:59", "2024-02-29T00:00:00+23:59"),
        ] {
            assert_eq!(rewritten(written).as_deref(), Ok(canonical), "{written}");
        }
    }

    #[test]
    fn what_is_not_rfc_3339_with_an_offset_is_refused() {
        for wrong in [
            "",
            "now",
            "2026-03-01",
            "2026-03-01T10:00:00",
            "2026-03-01T10:00:00.Z",
            "2026-03-01T10:00:00,5Z",
            "2026-03-01T10:00:00.5",
            "2026-03-01 10:00:00Z",
            "2026-03-01T10:00Z",
            "2026-03-01T10:00:00+05",
            "2026-03-01T10:00:00+0530",
            "2026-03-01T10:00:00+24:00",
            "2026-03-01T10:00:00+05:60",
            "2026-03-01T10:00:00+05:30[Asia/Kolkata]",
            "2026-03-01T10:00:00Z ",
            "2026-02-29T10:00:00Z",
            "2026-03-01T24:00:00Z",
            "+02026-03-01T10:00:00Z",
            "2026-03-01T10:00:0٣Z",
            "0000-01-01T00:00:00+01:00",
            "9999-12-31T23:59:59-01:00",
        ] {
            assert_eq!(rewritten(wrong), Err(InvalidValue::new(PROBLEM)), "{wrong}");
        }
    }

    #[test]
    fn a_timestamp_is_written_in_utc_with_the_decimals_it_needs() {
        for (micros, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (1, "1970-01-01T00:00:00.000001Z"),
            (-1, "1969-12-31T23:59:59.999999Z"),
            (1_772_359_200_250_000, "2026-03-01T10:00:00.25Z"),
            (i64::MIN, "0000-01-01T00:00:00Z"),
            (i64::MAX, "9999-12-31T23:59:59.999999Z"),
        ] {
            let timestamp = Timestamp::from_micros(micros);
            assert_eq!(timestamp.to_string(), text);
            assert_eq!(text.parse(), Ok(timestamp));
            let json = serde_json::to_string(&timestamp).unwrap();
            assert_eq!(json, format!("\"{text}\""));
            assert_eq!(serde_json::from_str::<Timestamp>(&json).unwrap(), timestamp);
        }
    }

    #[test]
    fn arithmetic_stops_at_the_ends() {
        let at = Timestamp::from_micros(5_000_000);
        assert_eq!(at.after(Duration::from_secs(2)).as_micros(), 7_000_000);
        assert_eq!(at.before(Duration::from_secs(6)).as_micros(), -1_000_000);
        assert_eq!(at.after(Duration::MAX), Timestamp::MAX);
        assert_eq!(at.before(Duration::MAX), Timestamp::MIN);
        assert_eq!(at.since(Timestamp::UNIX_EPOCH), Duration::from_secs(5));
        assert_eq!(Timestamp::UNIX_EPOCH.since(at), Duration::ZERO);
        assert!(Timestamp::MAX.since(Timestamp::MIN) > Duration::from_secs(315_000_000_000));
    }

    #[test]
    fn the_system_clock_is_rounded_down_to_the_microsecond() {
        let after = UNIX_EPOCH + Duration::from_nanos(1_999);
        let before = UNIX_EPOCH - Duration::from_nanos(1_001);
        assert_eq!(Timestamp::from(after).as_micros(), 1);
        assert_eq!(Timestamp::from(before).as_micros(), -2);
        for micros in [-2, 0, 1_772_359_200_250_000] {
            let timestamp = Timestamp::from_micros(micros);
            assert_eq!(Timestamp::from(SystemTime::from(timestamp)), timestamp);
        }
    }
}
