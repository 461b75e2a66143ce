//! What an order says, as bytes to be hashed: the same for the same content, however it was written.

use serde_json::value::RawValue;

use crate::order::extra::Extra;
use crate::value::json::{self, Reading};

/// A list of records, each a name and a value with their lengths, so that no two contents have the same bytes.
///
/// Independent of the order of JSON keys. The bytes are hashed and the hash is stored: a change here makes a new version of
/// the digest.
pub(in crate::order) struct Content {
    bytes: Vec<u8>,
    numbers: Numbers,
}

/// How the numbers of a content are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Numbers {
    /// All have at most 15 significant digits or are integers of 64 bits, and are written as in the first form of the digest:
    /// by 15 digits.
    Short,
    /// Some have more, and are written with all their digits.
    Long,
}

/// Whether two JSON values say the same, as the digest of an order has it.
pub(crate) fn is_same_content(one: &RawValue, other: &RawValue) -> bool {
    let bytes = |raw| {
        let mut content = Content::new();
        content.value(raw);
        content.bytes
    };
    bytes(one) == bytes(other)
}

impl Content {
    pub(in crate::order) fn new() -> Self {
        Self {
            // Most orders fit: it does not grow step by step.
            bytes: Vec::with_capacity(2048),
            numbers: Numbers::Short,
        }
    }

    pub(in crate::order) fn record(&mut self, name: &str, value: &str) {
        self.text(name);
        self.text(value);
    }

    pub(in crate::order) fn optional(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.record(name, value);
        }
    }

    /// An object of the writer's choice; an empty one says nothing.
    pub(in crate::order) fn extra(&mut self, name: &str, extra: &Extra) {
        if !extra.is_empty() {
            self.text(name);
            self.members(extra.members().collect());
        }
    }

    pub(in crate::order) fn into_bytes(self) -> (Vec<u8>, Numbers) {
        (self.bytes, self.numbers)
    }

    fn value(&mut self, raw: &RawValue) {
        if let Some(digits) = json::number(raw) {
            return self.number(digits);
        }
        if let Some(text) = json::string(raw) {
            self.bytes.push(b's');
            return self.text(&text);
        }
        if let Some(items) = json::list(raw) {
            self.bytes.push(b'a');
            self.length(items.len());
            return items.into_iter().for_each(|item| self.value(item));
        }
        if let Ok(members) = json::members(raw, Reading::Lenient) {
            self.bytes.push(b'o');
            return self.members(
                members
                    .iter()
                    .map(|(key, raw)| (key.as_str(), *raw))
                    .collect(),
            );
        }
        // What is left begins with a letter of its own: null, false, true.
        self.bytes.extend(raw.get().bytes().take(1));
    }

    fn number(&mut self, digits: &str) {
        match short(digits) {
            Some(text) => {
                self.bytes.push(b'd');
                self.text(&text);
            }
            None => {
                self.numbers = Numbers::Long;
                self.bytes.push(b'D');
                self.text(
                    &Scientific::of(digits)
                        .map_or_else(|| digits.to_owned(), |number| number.all_digits()),
                );
            }
        }
    }

    fn members(&mut self, mut members: Vec<(&str, &RawValue)>) {
        members.sort_unstable_by_key(|(key, _)| *key);
        self.length(members.len());
        for (key, value) in members {
            self.text(key);
            self.value(value);
        }
    }

    fn text(&mut self, text: &str) {
        self.length(text.len());
        self.bytes.extend_from_slice(text.as_bytes());
    }

    fn length(&mut self, length: usize) {
        // A usize is at most 64 bits wide on every platform of Rust.
        self.bytes.extend_from_slice(&(length as u64).to_be_bytes());
    }
}

/// The text of a number in the first form of the digest: an integer of 64 bits by its digits, another number by its first
/// 15 as a float has them. `None` for a number of which a float does not keep all.
fn short(digits: &str) -> Option<String> {
    if let Ok(whole) = digits.parse::<u64>() {
        return Some(whole.to_string());
    }
    if let Ok(whole) = digits.parse::<i64>() {
        return Some(whole.to_string());
    }
    let Scientific {
        negative,
        digits,
        exponent,
    } = Scientific::of(digits)?;
    if digits.is_empty() {
        return Some("0".to_owned());
    }
    // Outside of this range a float keeps fewer digits, or none.
    if digits.len() > 15 || !(-300..=300).contains(&exponent) {
        return None;
    }
    let (first, others) = digits.split_at(1);
    let sign = if negative { "-" } else { "" };
    Some(format!("{sign}{first}.{others:0<14}e{exponent}"))
}

/// A number as digits without zeros at either end, of which the first stands before the point, and an exponent.
struct Scientific {
    negative: bool,
    digits: String,
    exponent: i128,
}

impl Scientific {
    /// `None` for an exponent that is beyond all measure.
    fn of(number: &str) -> Option<Self> {
        let (mantissa, exponent) = match number.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i64>().ok()?),
            None => (number, 0),
        };
        let unsigned = mantissa.trim_start_matches('-');
        let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
        let all = format!("{whole}{fraction}");
        let significant = all.trim_start_matches('0');
        let before_point = whole.len() as i128 - (all.len() - significant.len()) as i128;
        Some(Scientific {
            negative: mantissa.len() > unsigned.len(),
            digits: significant.trim_end_matches('0').to_owned(),
            exponent: i128::from(exponent) + before_point - 1,
        })
    }

    /// One text for one number.
    fn all_digits(&self) -> String {
        let sign = if self.negative { "-" } else { "" };
        format!("{sign}{}e{}", self.digits, self.exponent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(json: &str) -> (Vec<u8>, Numbers) {
        let mut content = Content::new();
        content.value(serde_json::from_str(json).unwrap());
        content.into_bytes()
    }

    fn bytes(json: &str) -> Vec<u8> {
        told(json).0
    }

    /// The text that the first form of the digest made, with floats.
    fn by_float(number: &str) -> String {
        if let Ok(whole) = number.parse::<u64>() {
            return whole.to_string();
        }
        if let Ok(whole) = number.parse::<i64>() {
            return whole.to_string();
        }
        match number.parse::<f64>().unwrap() {
            0.0 => "0".to_owned(),
            float => format!("{float:.14e}"),
        }
    }

    #[test]
    fn short_numbers_are_told_as_in_the_first_form_of_the_digest() {
        for number in [
            "0",
            "-0",
            "0.0",
            "-0.00",
            "0e5",
            "1",
            "-1",
            "18446744073709551615",
            "-9223372036854775808",
            "1.5",
            "1.50",
            "14.31",
            "-14.310",
            "1e2",
            "1E+20",
            "1e-7",
            "0.000123",
            "100000000000000000000",
            "123456789012345e3",
            "-0.00123456789012345e-290",
            "9.99999999999999e299",
        ] {
            assert_eq!(short(number), Some(by_float(number)), "{number}");
            assert_eq!(told(number).1, Numbers::Short, "{number}");
        }
    }

    #[test]
    fn long_numbers_are_told_by_all_their_digits() {
        for (one, other) in [
            ("12345678901234567890123", "12345678901234567890124"),
            ("14.309999999999999", "14.31"),
            ("1e400", "1e401"),
            ("1e-400", "0"),
            ("-12345678901234567890123", "12345678901234567890123"),
            ("1e99999999999999999999", "1e99999999999999999998"),
        ] {
            assert_eq!(told(one).1, Numbers::Long, "{one}");
            assert_ne!(bytes(one), bytes(other), "{one}");
        }
        assert_eq!(
            bytes("12345678901234567890123"),
            bytes("1234567890123456789012.30e1")
        );
    }

    #[test]
    fn the_order_of_keys_and_the_writing_of_numbers_do_not_matter() {
        assert_eq!(
            bytes(r#"{"a": {"x": 1, "y": 2}, "b": [1.50, 1e2, -0, 0.0]}"#),
            bytes(r#"{"b": [1.5, 100.0, 0, -0.0], "a": {"y": 2, "x": 1}}"#)
        );
        assert_eq!(
            bytes("14.31"),
            [&b"d\0\0\0\0\0\0\0\x12"[..], b"1.43100000000000e1"].concat()
        );
    }

    #[test]
    fn different_contents_have_different_bytes() {
        let contents = [
            "1",
            "2",
            "-1",
            "1.5",
            "\"1\"",
            "true",
            "false",
            "null",
            "[]",
            "{}",
            "\"\"",
            r#"["a", "b"]"#,
            r#"["ab"]"#,
            r#"["b", "a"]"#,
            r#"[["a"], "b"]"#,
            r#"[["a", "b"]]"#,
            r#"{"a": "b"}"#,
            r#"{"a": null}"#,
            r#"{"b": "a"}"#,
            r#"{"ab": ""}"#,
        ];
        let distinct: std::collections::HashSet<_> =
            contents.iter().map(|json| bytes(json)).collect();
        assert_eq!(distinct.len(), contents.len());
    }

    #[test]
    fn an_empty_object_says_nothing() {
        let mut content = Content::new();
        content.extra("extra", &Extra::new());
        content.optional("email", None);
        assert!(content.into_bytes().0.is_empty());
        let mut content = Content::new();
        content.extra("extra", &Extra::new().with("a", &1).unwrap());
        assert!(!content.into_bytes().0.is_empty());
    }
}
