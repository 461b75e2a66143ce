//! Lenient readings of JSON values, as portals write them.

use serde_json::value::RawValue;

use crate::value::json::Object;
use crate::value::money::Money;

pub(super) use crate::value::json::{list, number, raw, string};

/// The first of these keys under which a text or a number is.
pub(super) fn text_under(object: &Object, keys: &[&str]) -> Option<String> {
    keys.iter().find_map(|key| text(object.get(key)?))
}

/// The object under a key, if it is not empty.
pub(super) fn object_under(object: &Object, key: &str) -> Option<Object> {
    Object::lenient(object.get(key)?).filter(|object| !object.is_empty())
}

/// A text without surrounding white space, or a number's digits. What stands for "absent" is `None`: an empty text, zero
/// as a number, and every other kind of value.
pub(super) fn text(raw: &RawValue) -> Option<String> {
    if let Some(digits) = number(raw) {
        let zero = !digits
            .split(['e', 'E'])
            .next()
            .unwrap_or(digits)
            .contains(|c| matches!(c, '1'..='9'));
        return (!zero).then(|| digits.to_owned());
    }
    let text = string(raw)?;
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// An amount, as a text or as a number; what stands for "absent" is `None`.
pub(super) fn money(raw: &RawValue) -> Option<Money> {
    text(raw).and_then(|_| exact_money(raw))
}

/// An amount, zero included. A text may have white space around it.
pub(super) fn exact_money(raw: &RawValue) -> Option<Money> {
    match number(raw) {
        Some(_) => Money::read(raw, "").ok(),
        None => string(raw)?.trim().parse().ok(),
    }
}

/// Yes or no, as `true`, `1`, `"true"`, `"1"`, `"yes"` and their opposites, in any case; `None` for anything else.
pub(super) fn truth(raw: &RawValue) -> Option<bool> {
    let written = string(raw);
    let word = written.as_deref().unwrap_or(raw.get()).trim();
    let is = |words: [&str; 3]| words.iter().any(|known| word.eq_ignore_ascii_case(known));
    match (is(["true", "1", "yes"]), is(["false", "0", "no"])) {
        (true, _) => Some(true),
        (_, true) => Some(false),
        _ => None,
    }
}

/// Whether a value is one of those that stand for "absent": `""`, `0`, `{}`, `[]`, `null`.
pub(super) fn is_absent(raw: &RawValue) -> bool {
    match raw.get().as_bytes() {
        b"null" => true,
        [b'{', ..] => Object::lenient(raw).is_some_and(|object| object.is_empty()),
        [b'[', ..] => list(raw).is_some_and(|items| items.is_empty()),
        [b't' | b'f', ..] => false,
        _ => text(raw).is_none(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(json: &str) -> Box<RawValue> {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn what_stands_for_absent_is_none() {
        for absent in [
            r#""""#, r#""  ""#, "0", "-0.00", "0e9", "{}", "[]", "null", " { } ",
        ] {
            assert_eq!(text(&of(absent)), None, "{absent}");
            assert!(is_absent(&of(absent)), "{absent}");
        }
        for there in [r#""0""#, "10", "1e-9", r#"" a ""#] {
            assert!(
                text(&of(there)).is_some() && !is_absent(&of(there)),
                "{there}"
            );
        }
        for there in ["false", "true", "[0]", r#"{"a":""}"#] {
            assert!(!is_absent(&of(there)), "{there}");
        }
    }

    #[test]
    fn truth_has_many_spellings() {
        for yes in ["true", "1", r#""true""#, r#""TRUE""#, r#""1""#, r#""yes""#] {
            assert_eq!(truth(&of(yes)), Some(true), "{yes}");
        }
        for no in ["false", "0", r#""False""#, r#""0""#, r#""no""#] {
            assert_eq!(truth(&of(no)), Some(false), "{no}");
        }
        for neither in ["2", "null", "{}", r#""""#, r#""maybe""#] {
            assert_eq!(truth(&of(neither)), None, "{neither}");
        }
    }
}
