//! Until when a certificate is valid: the one field of a certificate that is read here.

use crate::value::time::Timestamp;

const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// The end of validity of a certificate in DER (RFC 5280, section 4.1); `None` for bytes that are none.
pub(super) fn until(certificate: &[u8]) -> Option<Timestamp> {
    let (certificate, _) = value(certificate, SEQUENCE)?;
    let (mut fields, _) = value(certificate, SEQUENCE)?;
    if fields.first() == Some(&VERSION) {
        (_, fields) = element(fields)?;
    }
    // Serial number, signature algorithm and issuer stand before the validity.
    for _ in 0..3 {
        (_, fields) = element(fields)?;
    }
    let (validity, _) = value(fields, SEQUENCE)?;
    let (_, not_after) = element(validity)?;
    let (end, _) = element(not_after)?;
    moment(end.tag, std::str::from_utf8(end.content).ok()?)
}

fn value(bytes: &[u8], expected: u8) -> Option<(&[u8], &[u8])> {
    let (found, rest) = element(bytes)?;
    (found.tag == expected).then_some((found.content, rest))
}

struct Element<'a> {
    tag: u8,
    content: &'a [u8],
}

/// The first element, and what comes after it.
fn element(bytes: &[u8]) -> Option<(Element<'_>, &[u8])> {
    let (&tag, bytes) = bytes.split_first()?;
    let (&short, bytes) = bytes.split_first()?;
    let (length, bytes) = match short {
        0..=0x7f => (usize::from(short), bytes),
        0x81..=0x84 => {
            let (long, bytes) = bytes.split_at_checked(usize::from(short & 0x7f))?;
            (
                long.iter()
                    .fold(0, |length, &byte| length << 8 | usize::from(byte)),
                bytes,
            )
        }
        _ => return None,
    };
    let (content, rest) = bytes.split_at_checked(length)?;
    Some((Element { tag, content }, rest))
}

/// `YYMMDDHHMMSSZ` or `YYYYMMDDHHMMSSZ`.
fn moment(tag: u8, text: &str) -> Option<Timestamp> {
    let digits = text
        .strip_suffix('Z')
        .filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))?;
    let (year, rest) = match (tag, digits.len()) {
        (UTC_TIME, 12) => {
            let year: u16 = digits[..2].parse().ok()?;
            (
                if year < 50 { 2000 + year } else { 1900 + year },
                &digits[2..],
            )
        }
        (GENERALIZED_TIME, 14) => (digits[..4].parse().ok()?, &digits[4..]),
        _ => return None,
    };
    let part = |at: usize| &rest[at..at + 2];
    let text = format!(
        "{year:04}-{}-{}T{}:{}:{}Z",
        part(0),
        part(2),
        part(4),
        part(6),
        part(8)
    );
    let moment: jiff::Timestamp = text.parse().ok()?;
    Some(Timestamp::from_micros(moment.as_microsecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(year: i32) -> Vec<u8> {
        let mut params = rcgen::CertificateParams::new(vec!["a.test".to_owned()]).unwrap();
        params.not_before = rcgen::date_time_ymd(1999, 1, 1);
        params.not_after = rcgen::date_time_ymd(year, 3, 4);
        params
            .self_signed(&rcgen::KeyPair::generate().unwrap())
            .unwrap()
            .der()
            .to_vec()
    }

    #[test]
    fn the_end_of_a_certificate_is_found_in_both_forms_of_a_date() {
        for (year, text) in [
            (2026, "2026-03-04T00:00:00Z"),
            (2051, "2051-03-04T00:00:00Z"),
        ] {
            let expected: jiff::Timestamp = text.parse().unwrap();
            assert_eq!(
                until(&made(year)),
                Some(Timestamp::from_micros(expected.as_microsecond()))
            );
        }
    }

    #[test]
    fn bytes_that_are_cut_short_or_changed_are_no_certificate_and_never_a_panic() {
        let whole = made(2026);
        for end in 0..whole.len().min(200) {
            let _ = until(&whole[..end]);
        }
        for at in 0..whole.len().min(200) {
            for changed in [0x00, 0x7f, 0x80, 0x84, 0xff] {
                let mut bytes = whole.clone();
                bytes[at] = changed;
                let _ = until(&bytes);
            }
        }
        assert_eq!(until(b""), None);
        assert_eq!(until(b"junk"), None);
    }
}
