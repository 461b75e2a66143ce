//! Dates as portals write them: without a zone.

use std::fmt;
use std::str::FromStr;

use crate::value::invalid::InvalidValue;

const PROBLEM: &str = "not a date after the year 1900 written as YYYY-MM-DD HH:MM:SS or YYYY-MM-DD";

/// A date, mostly with a time of day, as it was written: `YYYY-MM-DD HH:MM:SS` or `YYYY-MM-DD`, without a zone.
///
/// It stays text on purpose: only the portal knows which moment it means. Texts of the same shape compare as the
/// dates do. The year 1900 and everything before it stand for "no date" and are refused.
///
/// ```
/// use orderhook::fulfilment::WrittenDate;
///
/// let paid: WrittenDate = "2026-01-29 12:19:46".parse()?;
/// assert_eq!((paid.date(), paid.time()), ("2026-01-29", Some("12:19:46")));
/// assert!("1900-01-01 00:00:00".parse::<WrittenDate>().is_err());
/// # Ok::<(), orderhook::value::InvalidValue>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WrittenDate(String);

impl WrittenDate {
    /// The text as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The date, as `YYYY-MM-DD`.
    pub fn date(&self) -> &str {
        self.0.split(' ').next().unwrap_or(&self.0)
    }

    /// The time of day, as `HH:MM:SS`, if there is one.
    pub fn time(&self) -> Option<&str> {
        self.0.split_once(' ').map(|(_, time)| time)
    }
}

impl FromStr for WrittenDate {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        let (date, time) = text.split_once(' ').unwrap_or((text, "00:00:00"));
        let fine = parts(date, '-', [4, 2, 2]).is_some_and(is_date)
            && parts(time, ':', [2, 2, 2]).is_some_and(is_time);
        if fine {
            Ok(WrittenDate(text.to_owned()))
        } else {
            Err(InvalidValue::new(PROBLEM))
        }
    }
}

impl fmt::Display for WrittenDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// Three numbers of so many digits.
fn parts(text: &str, separator: char, digits: [usize; 3]) -> Option<[u32; 3]> {
    let mut parts = text.split(separator);
    let mut numbers = [0; 3];
    for (number, digits) in numbers.iter_mut().zip(digits) {
        let part = parts
            .next()
            .filter(|part| part.len() == digits && part.bytes().all(|b| b.is_ascii_digit()))?;
        *number = part.parse().ok()?;
    }
    parts.next().is_none().then_some(numbers)
}

fn is_date([year, month, day]: [u32; 3]) -> bool {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let days = match month {
        2 => 28 + u32::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => 0,
    };
    year > 1900 && (1..=days).contains(&day)
}

fn is_time([hour, minute, second]: [u32; 3]) -> bool {
    hour < 24 && minute < 60 && second < 60
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_a_day_of_the_calendar_after_1900() {
        for good in [
            "2024-02-29 23:59:59",
            "2026-01-31",
            "1901-12-31 00:00:00",
            "2000-02-29",
        ] {
            assert_eq!(good.parse::<WrittenDate>().unwrap().as_str(), good);
        }
        for bad in [
            "",
            "0000-00-00 00:00:00",
            "1900-12-31 00:00:00",
            "1899-12-30",
            "2026-02-29 00:00:00",
            "2026-13-01",
            "2026-1-1",
            "2026-01-01T00:00:00",
            "2026-01-01 24:00:00",
            "2026-01-01 10:00",
            "2026-01-01 10:00:00 ",
            "+026-01-01",
            "02/29",
        ] {
            assert!(bad.parse::<WrittenDate>().is_err(), "{bad}");
        }
    }
}
