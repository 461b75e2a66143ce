//! JSON objects whose values stay the text that they were written in, and lenient readings of such values.
//!
//! A `serde_json::Value` would lose what a number looked like (`14.310`, `1e400`) and refuse half a surrogate pair.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use crate::value::money::Money;

/// The members of a JSON object by their keys. `Debug` shows their number: they may be personal data.
#[derive(Clone, Default)]
pub(super) struct Object(BTreeMap<String, Box<RawValue>>);

/// What happens when a key is there twice.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Twins {
    LastWins,
    Refuse,
}

impl Object {
    /// The object that this text is; `None` when it is none, or has a key twice and that is to be refused.
    pub(super) fn read(text: &str, twins: Twins) -> Option<Self> {
        let mut reader = serde_json::Deserializer::from_str(text);
        let object = reader.deserialize_map(Members(twins)).ok()?;
        reader.end().ok()?;
        Some(object)
    }

    pub(super) fn get(&self, key: &str) -> Option<&RawValue> {
        self.0.get(key).map(|raw| &**raw)
    }

    pub(super) fn put(&mut self, key: impl Into<String>, raw: Box<RawValue>) {
        self.0.insert(key.into(), raw);
    }

    pub(super) fn take(&mut self, key: &str) -> Option<Box<RawValue>> {
        self.0.remove(key)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &RawValue)> {
        self.0.iter().map(|(key, raw)| (key.as_str(), &**raw))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The first of these keys under which a text or a number is.
    pub(super) fn text(&self, keys: &[&str]) -> Option<String> {
        keys.iter().find_map(|key| text(self.get(key)?))
    }

    /// The object under a key.
    pub(super) fn object(&self, key: &str) -> Option<Object> {
        Object::read(self.get(key)?.get(), Twins::LastWins).filter(|object| !object.is_empty())
    }
}

impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Object({} members)", self.0.len())
    }
}

impl PartialEq for Object {
    fn eq(&self, other: &Self) -> bool {
        self.iter().map(|(key, raw)| (key, raw.get())).eq(other.iter().map(|(key, raw)| (key, raw.get())))
    }
}

impl Eq for Object {}

impl Serialize for Object {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

struct Members(Twins);

impl<'de> Visitor<'de> for Members {
    type Value = Object;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Object, A::Error> {
        let mut object = Object::default();
        while let Some(key) = members.next_key_seed(Lossy)? {
            let twin = object.0.insert(key, members.next_value()?);
            if twin.is_some() && self.0 == Twins::Refuse {
                return Err(de::Error::custom("a key is there twice"));
            }
        }
        Ok(object)
    }
}

/// A text; half a surrogate pair, which JSON can write and UTF-8 cannot, becomes U+FFFD.
struct Lossy;

impl<'de> DeserializeSeed<'de> for Lossy {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        deserializer.deserialize_bytes(self)
    }
}

impl Visitor<'_> for Lossy {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_str<E>(self, text: &str) -> Result<String, E> {
        Ok(text.to_owned())
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<String, E> {
        Ok(String::from_utf8_lossy(bytes).into_owned())
    }
}

/// A JSON text as it is; `None` for every other kind of value.
pub(super) fn string(raw: &RawValue) -> Option<String> {
    if !raw.get().starts_with('"') {
        return None;
    }
    Lossy.deserialize(&mut serde_json::Deserializer::from_str(raw.get())).ok()
}

/// The digits of a JSON number as they were written; `None` for every other kind of value.
pub(super) fn number(raw: &RawValue) -> Option<&str> {
    raw.get().starts_with(|c: char| c == '-' || c.is_ascii_digit()).then(|| raw.get())
}

/// A text without surrounding white space, or a number's digits. What stands for "absent" is `None`: an empty text, zero
/// as a number, and every other kind of value.
pub(super) fn text(raw: &RawValue) -> Option<String> {
    if let Some(digits) = number(raw) {
        let zero = !digits.split(['e', 'E']).next().unwrap_or(digits).contains(|c| matches!(c, '1'..='9'));
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

/// An amount, zero included. A number is taken by its digits, however many there are; only one with an exponent goes
/// through [`Money`]'s own reading.
pub(super) fn exact_money(raw: &RawValue) -> Option<Money> {
    match number(raw) {
        Some(digits) => digits.parse().ok().or_else(|| serde_json::from_str(digits).ok()),
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

/// The items of a list; `None` for every other kind of value.
pub(super) fn list(raw: &RawValue) -> Option<Vec<Box<RawValue>>> {
    serde_json::from_str(raw.get()).ok()
}

/// Whether a value is one of those that stand for "absent": `""`, `0`, `{}`, `[]`, `null`.
pub(super) fn is_absent(raw: &RawValue) -> bool {
    match raw.get().as_bytes() {
        b"null" => true,
        [b'{', ..] => Object::read(raw.get(), Twins::LastWins).is_some_and(|object| object.is_empty()),
        [b'[', ..] => list(raw).is_some_and(|items| items.is_empty()),
        [b't' | b'f', ..] => false,
        _ => text(raw).is_none(),
    }
}

/// The JSON of a value that always serialises: a text, a number, a list of texts.
#[allow(clippy::expect_used, reason = "the invariant stands above the call")]
pub(super) fn raw(value: &(impl Serialize + ?Sized)) -> Box<RawValue> {
    // Invariant of the callers: texts, and lists and objects of texts and of JSON that was read before.
    serde_json::value::to_raw_value(value).expect("texts are JSON")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(json: &str) -> Box<RawValue> {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn what_stands_for_absent_is_none() {
        for absent in [r#""""#, r#""  ""#, "0", "-0.00", "0e9", "{}", "[]", "null", " { } "] {
            assert_eq!(text(&of(absent)), None, "{absent}");
            assert!(is_absent(&of(absent)), "{absent}");
        }
        for there in [r#""0""#, "10", "1e-9", r#"" a ""#] {
            assert!(text(&of(there)).is_some() && !is_absent(&of(there)), "{there}");
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

    #[test]
    fn half_a_surrogate_pair_is_read() {
        let object = Object::read(r#"{"a\ud800": "b\udfff\/"}"#, Twins::Refuse).unwrap();
        let (key, raw) = object.iter().next().unwrap();
        assert!(key.starts_with('a'));
        assert!(text(raw).unwrap().ends_with('/'));
    }

    #[test]
    fn twins_are_refused_or_the_last_one_wins() {
        let twins = r#"{"a": 1, "\u0061": 2}"#;
        assert!(Object::read(twins, Twins::Refuse).is_none());
        assert_eq!(Object::read(twins, Twins::LastWins).unwrap().text(&["a"]).as_deref(), Some("2"));
    }
}
