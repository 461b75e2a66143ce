//! The crate's one reader of JSON. Every value stays the text that it was written in until its meaning is asked for.
//!
//! A `serde_json::Value` would lose what a number looked like (`14.310`, `1e400`, the last digits of a long one) unless
//! some crate in the build has switched on `arbitrary_precision`. Read like this, a number has its digits with any
//! features of serde_json.

mod from_serde;

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::{BTreeMap, HashSet};
use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use crate::value::fields::{FieldError, member};

pub(crate) use from_serde::{FLOAT, deserialize, deserialize_scalar};

/// From so many keys on they are compared by their hashes.
const MANY: usize = 32;

/// How deep lists and objects may be nested, as with serde_json.
const DEEPEST: usize = 127;

/// How exactly a document has to keep to the rules.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reading {
    /// A key that is there twice and half a surrogate pair are errors.
    Strict,
    /// Of a key that is there twice the last one counts; half a surrogate pair, which JSON can write and UTF-8 cannot,
    /// becomes U+FFFD.
    Lenient,
}

/// The one value of a whole JSON document. A UTF-8 byte order mark in front of it is passed over.
pub(crate) fn document(bytes: &[u8]) -> Result<&RawValue, FieldError> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        return Err(FieldError::new(
            "",
            "must be saved as UTF-8, and not as UTF-16, which its byte order mark says",
        ));
    }
    let raw: &RawValue = serde_json::from_slice(bytes).map_err(|error| {
        // Not the text of serde_json's error: that may quote the document.
        let (line, column) = (error.line(), error.column());
        FieldError::new(
            "",
            format!("is not valid JSON, see line {line}, column {column}"),
        )
    })?;
    check(raw, "")?;
    Ok(raw)
}

/// Refuses what only a strict reading finds: the same key twice, a text that is none, endless nesting.
pub(crate) fn check(raw: &RawValue, place: &str) -> Result<(), FieldError> {
    check_within(raw, DEEPEST).map_err(|error| error.within(place))
}

/// The place of an error is put together on the way back: most documents have none.
fn check_within(raw: &RawValue, depth: usize) -> Result<(), FieldError> {
    let deeper = || {
        depth
            .checked_sub(1)
            .ok_or_else(|| FieldError::new("", "is nested too deeply"))
    };
    match raw.get().as_bytes().first() {
        Some(b'{') => {
            let depth = deeper()?;
            for (key, value) in members(raw, Reading::Strict).map_err(|not| not.at(""))? {
                check_within(value, depth).map_err(|error| error.within(&member("", &key)))?;
            }
            Ok(())
        }
        Some(b'[') => {
            let depth = deeper()?;
            for (n, item) in list(raw).unwrap_or_default().into_iter().enumerate() {
                check_within(item, depth).map_err(|error| error.within(&format!("[{n}]")))?;
            }
            Ok(())
        }
        // Half a surrogate pair can only be written with a backslash.
        Some(b'"') if raw.get().contains('\\') => match serde_json::from_str::<String>(raw.get()) {
            Ok(_) => Ok(()),
            Err(_) => Err(FieldError::new("", "must not have half a surrogate pair")),
        },
        _ => Ok(()),
    }
}

/// Why a value could not be taken apart into members.
#[derive(Debug)]
pub(crate) enum NotMembers {
    NoObject,
    Twin(String),
    Key,
}

impl NotMembers {
    fn at(self, place: &str) -> FieldError {
        match self {
            NotMembers::NoObject => FieldError::new(place, "must be an object"),
            NotMembers::Twin(key) => FieldError::new(member(place, &key), "is there twice"),
            NotMembers::Key => {
                FieldError::new(place, "must not have half a surrogate pair in a key")
            }
        }
    }
}

/// The members of an object, in the order in which they were written.
pub(crate) fn members(
    raw: &RawValue,
    reading: Reading,
) -> Result<Vec<(String, &RawValue)>, NotMembers> {
    if !raw.get().starts_with('{') {
        return Err(NotMembers::NoObject);
    }
    let twin = RefCell::new(None);
    let mut reader = serde_json::Deserializer::from_str(raw.get());
    let read = reader.deserialize_map(Members {
        reading,
        twin: &twin,
    });
    // What is a value already can only fail by its keys.
    read.map_err(|_| twin.take().map_or(NotMembers::Key, NotMembers::Twin))
}

struct Members<'a> {
    reading: Reading,
    twin: &'a RefCell<Option<String>>,
}

impl<'de> Visitor<'de> for Members<'_> {
    type Value = Vec<(String, &'de RawValue)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
        let mut members: Vec<(String, &RawValue)> = Vec::new();
        let mut keys = HashSet::new();
        loop {
            let key = match self.reading {
                Reading::Strict => access.next_key::<String>()?,
                Reading::Lenient => access.next_key_seed(Lossy)?,
            };
            let Some(key) = key else { return Ok(members) };
            let is_twin = match self.reading {
                Reading::Lenient => false,
                // A set is worth its while only for many.
                Reading::Strict if members.len() < MANY => {
                    members.iter().any(|(other, _)| *other == key)
                }
                Reading::Strict => {
                    if keys.is_empty() {
                        keys.extend(members.iter().map(|(key, _)| key.clone()));
                    }
                    !keys.insert(key.clone())
                }
            };
            if is_twin {
                *self.twin.borrow_mut() = Some(key);
                return Err(de::Error::custom("a key is there twice"));
            }
            members.push((key, access.next_value()?));
        }
    }
}

/// A text in which half a surrogate pair becomes U+FFFD.
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

/// A JSON text as it is meant; `None` for every other kind of value.
pub(crate) fn string(raw: &RawValue) -> Option<Cow<'_, str>> {
    let inner = raw.get().strip_prefix('"')?;
    match inner.strip_suffix('"') {
        // Without a backslash it is what is written.
        Some(text) if !text.contains('\\') => Some(Cow::Borrowed(text)),
        _ => Lossy
            .deserialize(&mut serde_json::Deserializer::from_str(raw.get()))
            .ok()
            .map(Cow::Owned),
    }
}

/// The digits of a JSON number as they were written; `None` for every other kind of value.
pub(crate) fn number(raw: &RawValue) -> Option<&str> {
    raw.get()
        .starts_with(|c: char| c == '-' || c.is_ascii_digit())
        .then(|| raw.get())
}

/// The items of a list; `None` for every other kind of value.
pub(crate) fn list(raw: &RawValue) -> Option<Vec<&RawValue>> {
    if !raw.get().starts_with('[') {
        return None;
    }
    serde_json::from_str(raw.get()).ok()
}

/// The value that a JSON pointer (RFC 6901) leads to.
pub(crate) fn pointed<'a>(mut raw: &'a RawValue, pointer: &str) -> Option<&'a RawValue> {
    for token in pointer.split('/').skip(1) {
        let token = token.replace("~1", "/").replace("~0", "~");
        raw = match members(raw, Reading::Lenient) {
            // Of a key that is there twice the last one counts.
            Ok(members) => members.into_iter().rfind(|(key, _)| *key == token)?.1,
            Err(_) => {
                let is_index = token == "0"
                    || (!token.starts_with('0') && token.bytes().all(|b| b.is_ascii_digit()));
                list(raw)?.get(token.parse::<usize>().ok().filter(|_| is_index)?)?
            }
        };
    }
    Some(raw)
}

/// The members of a JSON object by their keys. `Debug` shows their number: they may be personal data.
#[derive(Clone, Default)]
pub(crate) struct Object(BTreeMap<String, Box<RawValue>>);

impl Object {
    /// The object that this value is.
    pub(crate) fn read(raw: &RawValue, reading: Reading, place: &str) -> Result<Self, FieldError> {
        let members = members(raw, reading).map_err(|not| not.at(place))?;
        Ok(Object(
            members
                .into_iter()
                .map(|(key, raw)| (key, raw.to_owned()))
                .collect(),
        ))
    }

    /// The object that this value is to a lenient reader; `None` when it is none.
    #[cfg(any(test, feature = "fulfilment"))]
    pub(crate) fn lenient(raw: &RawValue) -> Option<Self> {
        Object::read(raw, Reading::Lenient, "").ok()
    }

    pub(crate) fn get(&self, key: &str) -> Option<&RawValue> {
        self.0.get(key).map(|raw| &**raw)
    }

    pub(crate) fn put(&mut self, key: impl Into<String>, raw: Box<RawValue>) {
        self.0.insert(key.into(), raw);
    }

    pub(crate) fn take(&mut self, key: &str) -> Option<Box<RawValue>> {
        self.0.remove(key)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &RawValue)> {
        self.0.iter().map(|(key, raw)| (key.as_str(), &**raw))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Object({} members)", self.0.len())
    }
}

impl PartialEq for Object {
    fn eq(&self, other: &Self) -> bool {
        self.iter()
            .map(|(key, raw)| (key, raw.get()))
            .eq(other.iter().map(|(key, raw)| (key, raw.get())))
    }
}

impl Eq for Object {}

impl Serialize for Object {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

/// The same value without the white space between its parts.
pub(crate) fn compact(raw: &RawValue) -> Box<RawValue> {
    let (mut compact, mut in_text, mut escaped) =
        (String::with_capacity(raw.get().len()), false, false);
    for c in raw.get().chars() {
        if in_text || !matches!(c, ' ' | '\t' | '\r' | '\n') {
            compact.push(c);
        }
        in_text ^= c == '"' && !escaped;
        escaped = in_text && c == '\\' && !escaped;
    }
    RawValue::from_string(compact).unwrap_or_else(|_| raw.to_owned())
}

/// The JSON of a value that always serialises: a text, a number, a list of texts.
#[allow(clippy::expect_used, reason = "the invariant stands above the call")]
pub(crate) fn raw(value: &(impl Serialize + ?Sized)) -> Box<RawValue> {
    // Invariant of the callers: texts, and lists and objects of texts and of JSON that was read before.
    serde_json::value::to_raw_value(value).expect("texts are JSON")
}

#[cfg(test)]
mod tests;
