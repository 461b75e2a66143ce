//! How long a receiver asks us to wait: `Retry-After`, RFC 9110, section 10.2.3.

use std::time::Duration;

use jiff::civil::DateTime;

/// The three forms of an HTTP date (RFC 9110, section 5.6.7): the fixed form, and the two that must still be read.
const DATES: [&str; 3] = [
    "%a, %d %b %Y %H:%M:%S GMT",
    "%A, %d-%b-%y %H:%M:%S GMT",
    "%a %b %e %H:%M:%S %Y",
];

/// The longest delay that is distinguished from longer ones, so that no sum with it can overflow: 136 years.
const LONGEST: u64 = u32::MAX as u64;

/// The wait that the values of `Retry-After` ask for, the longest if there are several.
///
/// A date is read against the reply's own `Date`, so that neither our clock nor the receiver's matters; without a usable
/// `Date` such a value says nothing. A date that has passed is no wait at all. What is negative or junk is ignored.
/// There is no upper bound here: how far to obey is policy.
pub(crate) fn parse(values: &[&str], date: Option<&str>) -> Option<Duration> {
    let sent = date.and_then(http_date);
    values
        .iter()
        .filter_map(|value| one(value.trim(), sent))
        .max()
}

fn one(value: &str, sent: Option<DateTime>) -> Option<Duration> {
    if !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit()) {
        // Digits only, so the one possible failure is a number beyond u64.
        return Some(Duration::from_secs(
            value.parse().unwrap_or(LONGEST).min(LONGEST),
        ));
    }
    let wait = http_date(value)?.duration_since(sent?);
    Some(wait.try_into().unwrap_or(Duration::ZERO))
}

fn http_date(text: &str) -> Option<DateTime> {
    DATES
        .iter()
        .find_map(|form| DateTime::strptime(form, text.trim()).ok())
}

#[cfg(test)]
mod tests {
    use super::parse;
    use std::time::Duration;

    const DATE: Option<&str> = Some("Sun, 06 Nov 1994 08:49:37 GMT");

    fn secs(n: u64) -> Option<Duration> {
        Some(Duration::from_secs(n))
    }

    #[test]
    fn delay_seconds_are_read() {
        for (text, wait) in [
            ("0", 0),
            ("120", 120),
            (" 7 ", 7),
            ("315360000", 315_360_000),
        ] {
            assert_eq!(parse(&[text], None), secs(wait), "{text}");
        }
    }

    #[test]
    fn a_number_beyond_all_measure_is_a_very_long_wait() {
        assert_eq!(
            parse(&["99999999999999999999999999"], None),
            secs(u64::from(u32::MAX))
        );
    }

    #[test]
    fn all_three_forms_of_a_date_are_taken_relative_to_the_replys_own_date() {
        for text in [
            "Sun, 06 Nov 1994 08:51:37 GMT",
            "Sunday, 06-Nov-94 08:51:37 GMT",
            "Sun Nov  6 08:51:37 1994",
        ] {
            assert_eq!(parse(&[text], DATE), secs(120), "{text}");
            assert_eq!(
                parse(&["Sun, 06 Nov 1994 08:51:38 GMT"], Some(text)),
                secs(1),
                "{text}"
            );
        }
        assert_eq!(
            parse(&["Sat, 06 Nov 2004 08:49:37 GMT"], DATE),
            secs(3653 * 86_400),
            "ten years are not clamped here"
        );
    }

    #[test]
    fn a_past_date_is_no_wait() {
        assert_eq!(
            parse(&["Sun, 06 Nov 1994 08:49:36 GMT"], DATE),
            Some(Duration::ZERO)
        );
        assert_eq!(
            parse(&["Thu, 01 Jan 1970 00:00:00 GMT"], DATE),
            Some(Duration::ZERO)
        );
    }

    #[test]
    fn a_date_without_a_usable_date_header_says_nothing() {
        for date in [None, Some(""), Some("yesterday")] {
            assert_eq!(
                parse(&["Sun, 06 Nov 1994 08:51:37 GMT"], date),
                None,
                "{date:?}"
            );
        }
    }

    #[test]
    fn junk_is_ignored() {
        for text in [
            "",
            " ",
            "-1",
            "+1",
            "1.5",
            "soon",
            "120 s",
            "120, 60",
            "Sun, 99 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994",
            "١٢",
        ] {
            assert_eq!(parse(&[text], DATE), None, "{text}");
        }
        assert_eq!(parse(&[], DATE), None);
    }

    #[test]
    fn the_longest_of_several_counts() {
        assert_eq!(parse(&["5", "junk", "60", "-1"], DATE), secs(60));
        assert_eq!(
            parse(&["5", "Sun, 06 Nov 1994 08:51:37 GMT"], DATE),
            secs(120)
        );
    }
}
