//! Reads JSON objects strictly. An error names the place and says what would be right; it never repeats a value, because
//! values are personal data or secrets.

use std::cell::Cell;
use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::ops::RangeInclusive;

use serde::Deserialize;
use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// How much of a key that somebody wrote is repeated in an error.
const SHOWN_KEY_CHARS: usize = 40;

/// What is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FieldError {
    /// As in `lines[2].quantity`; empty for the whole document.
    pub(crate) place: String,
    /// As in `must be a whole number of at least 1`.
    pub(crate) problem: String,
}

impl FieldError {
    pub(crate) fn new(place: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { place: place.into(), problem: problem.into() }
    }

    /// The same problem, of something that is itself at `place`.
    pub(crate) fn within(self, place: &str) -> Self {
        let place = match (place, self.place.as_str()) {
            ("", inner) => inner.to_owned(),
            (outer, "") => outer.to_owned(),
            (outer, inner) if inner.starts_with('[') => format!("{outer}{inner}"),
            (outer, inner) => format!("{outer}.{inner}"),
        };
        Self { place, ..self }
    }
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.place.is_empty() { f.write_str(&self.problem) } else { write!(f, "{}: {}", self.place, self.problem) }
    }
}

impl std::error::Error for FieldError {}

/// What happens to keys that nobody asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UnknownKeys {
    Refuse,
    Ignore,
}

/// A JSON object whose keys are taken out one by one; [`finish`](Fields::finish) refuses what is left.
pub(crate) struct Fields {
    place: String,
    map: Map<String, Value>,
    known: Vec<&'static str>,
}

impl Fields {
    /// The object at `place`.
    pub(crate) fn of(value: Value, place: &str) -> Result<Self, FieldError> {
        Ok(Self { place: place.to_owned(), map: object(value, place)?, known: Vec::new() })
    }

    /// Where the object is.
    pub(crate) fn place(&self) -> &str {
        &self.place
    }

    /// The value under a key that must be there and not be null.
    pub(crate) fn required<T>(
        &mut self,
        name: &'static str,
        parse: impl FnOnce(Value, &str) -> Result<T, FieldError>,
    ) -> Result<T, FieldError> {
        let place = member(&self.place, name);
        match self.take(name) {
            Some(value) => parse(value, &place),
            None => Err(FieldError::new(place, "is missing")),
        }
    }

    /// The value under a key that may be absent or null.
    pub(crate) fn optional<T>(
        &mut self,
        name: &'static str,
        parse: impl FnOnce(Value, &str) -> Result<T, FieldError>,
    ) -> Result<Option<T>, FieldError> {
        let place = member(&self.place, name);
        self.take(name).map(|value| parse(value, &place)).transpose()
    }

    /// Refuses every key that was not asked for.
    pub(crate) fn finish(self) -> Result<(), FieldError> {
        match self.map.keys().min() {
            None => Ok(()),
            Some(key) => Err(FieldError::new(
                member(&self.place, key),
                format!("is not a known key; known here: {}", self.known.join(", ")),
            )),
        }
    }

    /// [`finish`](Fields::finish), or not.
    pub(crate) fn finish_with(self, unknown: UnknownKeys) -> Result<(), FieldError> {
        match unknown {
            UnknownKeys::Refuse => self.finish(),
            UnknownKeys::Ignore => Ok(()),
        }
    }

    fn take(&mut self, name: &'static str) -> Option<Value> {
        self.known.push(name);
        self.map.remove(name).filter(|value| !value.is_null())
    }
}

/// Any text, the empty one too.
pub(crate) fn text(value: Value, place: &str) -> Result<String, FieldError> {
    match value {
        Value::String(text) => Ok(text),
        _ => Err(FieldError::new(place, "must be a text")),
    }
}

/// A text that is more than white space.
pub(crate) fn filled_text(value: Value, place: &str) -> Result<String, FieldError> {
    let text = text(value, place)?;
    if text.trim().is_empty() {
        return Err(FieldError::new(place, "must not be empty"));
    }
    Ok(text)
}

/// A text that `T` accepts. The error of `T` must not repeat the text.
pub(crate) fn parsed<T>(value: Value, place: &str) -> Result<T, FieldError>
where
    T: TryFrom<String>,
    T::Error: fmt::Display,
{
    T::try_from(text(value, place)?).map_err(|error| FieldError::new(place, error.to_string()))
}

/// `true` or `false`.
pub(crate) fn boolean(value: Value, place: &str) -> Result<bool, FieldError> {
    value.as_bool().ok_or_else(|| FieldError::new(place, "must be true or false"))
}

/// A whole number within `range`, written as a JSON number.
pub(crate) fn whole(range: RangeInclusive<u64>) -> impl FnOnce(Value, &str) -> Result<u64, FieldError> {
    move |value, place| match value.as_u64() {
        Some(number) if range.contains(&number) => Ok(number),
        _ => {
            let (least, most) = (range.start(), range.end());
            let over = value.as_u64().is_some_and(|number| number > *most);
            let problem = if *most >= u64::from(u32::MAX) && !over {
                format!("must be a whole number of at least {least}")
            } else {
                format!("must be a whole number from {least} to {most}")
            };
            Err(FieldError::new(place, problem))
        }
    }
}

/// One of a few words.
pub(crate) fn one_of<T: Copy>(words: &[(&str, T)]) -> impl FnOnce(Value, &str) -> Result<T, FieldError> {
    move |value, place| {
        value
            .as_str()
            .and_then(|text| words.iter().find(|(word, _)| *word == text))
            .map(|(_, meaning)| *meaning)
            .ok_or_else(|| {
                let words: Vec<_> = words.iter().map(|(word, _)| *word).collect();
                FieldError::new(place, format!("must be one of: {}", words.join(", ")))
            })
    }
}

/// An object as it is.
pub(crate) fn object(value: Value, place: &str) -> Result<Map<String, Value>, FieldError> {
    match value {
        Value::Object(map) => Ok(map),
        _ => Err(FieldError::new(place, "must be an object")),
    }
}

/// A list; every item is read by `parse`, whose place ends in `[0]`, `[1]`, ..
pub(crate) fn list<T>(
    mut parse: impl FnMut(Value, &str) -> Result<T, FieldError>,
) -> impl FnOnce(Value, &str) -> Result<Vec<T>, FieldError> {
    move |value, place| match value {
        Value::Array(items) => {
            items.into_iter().enumerate().map(|(index, item)| parse(item, &format!("{place}[{index}]"))).collect()
        }
        _ => Err(FieldError::new(place, "must be a list")),
    }
}

/// An object with keys of the writer's choice; every value is read by `parse`.
pub(crate) fn map<T>(
    mut parse: impl FnMut(Value, &str) -> Result<T, FieldError>,
) -> impl FnOnce(Value, &str) -> Result<BTreeMap<String, T>, FieldError> {
    move |value, place| {
        object(value, place)?
            .into_iter()
            .map(|(key, value)| {
                let item = parse(value, &member(place, &key))?;
                Ok((key, item))
            })
            .collect()
    }
}

/// The place of a key inside `place`. Keys may be somebody's typing slip: only the visible part is repeated, and not all
/// of a long one.
pub(crate) fn member(place: &str, key: &str) -> String {
    let mut shown = String::new();
    let mut visible = key.chars().filter(|c| is_visible(*c));
    shown.extend(visible.by_ref().take(SHOWN_KEY_CHARS));
    if visible.next().is_some() {
        shown.push_str("..");
    }
    if shown.is_empty() {
        shown.push_str("\"\"");
    }
    if place.is_empty() { shown } else { format!("{place}.{shown}") }
}

/// Not a control, formatting, direction or line-separating character: those can forge or hide log lines.
fn is_visible(c: char) -> bool {
    let hidden = matches!(
        c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}'
    );
    !hidden && !c.is_control()
}

/// Reads a whole JSON document, and refuses an object that has the same key twice.
///
/// The document is read twice: the check for twins needs a visitor of its own, and such a visitor cannot build a
/// [`Value`] under serde_json's `arbitrary_precision` without knowing that crate's private names.
pub(crate) fn parse_json(bytes: &[u8]) -> Result<Value, FieldError> {
    let twin = Cell::new(None);
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let unique = Unique { place: String::new(), twin: &twin };
    let checked = unique.deserialize(&mut reader).and_then(|()| reader.end());
    if let Some(place) = twin.take() {
        return Err(FieldError::new(place, "is there twice"));
    }
    checked.and_then(|()| serde_json::from_slice(bytes)).map_err(|error| {
        // Not the text of serde_json's error: that may quote the document.
        let (line, column) = (error.line(), error.column());
        FieldError::new("", format!("is not valid JSON, see line {line}, column {column}"))
    })
}

/// `Deserialize` for a type that is read from a [`Value`].
pub(crate) fn deserialize<'de, D: Deserializer<'de>, T>(
    deserializer: D,
    parse: impl FnOnce(Value, &str) -> Result<T, FieldError>,
) -> Result<T, D::Error> {
    parse(Value::deserialize(deserializer)?, "").map_err(de::Error::custom)
}

/// Walks through a document, keeps nothing, and stops at the second key of the same name.
struct Unique<'a> {
    place: String,
    twin: &'a Cell<Option<String>>,
}

impl<'de> DeserializeSeed<'de> for Unique<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Unique<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        for index in 0.. {
            let item = Unique { place: format!("{}[{index}]", self.place), twin: self.twin };
            if items.next_element_seed(item)?.is_none() {
                break;
            }
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let mut keys = HashSet::new();
        while let Some(key) = members.next_key::<String>()? {
            let place = member(&self.place, &key);
            if !keys.insert(key) {
                self.twin.set(Some(place));
                return Err(de::Error::custom("the same key twice"));
            }
            members.next_value_seed(Unique { place, twin: self.twin })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn line(value: Value, place: &str) -> Result<u64, FieldError> {
        let mut fields = Fields::of(value, place)?;
        let quantity = fields.required("quantity", whole(1..=u64::MAX))?;
        fields.optional("name", filled_text)?;
        fields.optional("codes", map(text))?;
        fields.finish()?;
        Ok(quantity)
    }

    fn lines(value: Value) -> Result<Vec<u64>, String> {
        let mut fields = Fields::of(value, "").map_err(|e| e.to_string())?;
        let lines = fields.required("lines", list(line));
        let lines = lines.map_err(|e| e.to_string())?;
        fields.finish().map_err(|e| e.to_string())?;
        Ok(lines)
    }

    #[test]
    fn an_error_names_the_place_and_what_would_be_right_but_not_the_value() {
        for wrong in [json!(0), json!(-1), json!(1.5), json!("4711"), json!([])] {
            let document = json!({"lines": [{"quantity": 1}, {"quantity": wrong}]});
            assert_eq!(lines(document), Err("lines[1].quantity: must be a whole number of at least 1".to_owned()));
        }
        let document = json!({"lines": [{"quantity": 1, "codes": {"ean": 4711}}]});
        assert_eq!(lines(document), Err("lines[0].codes.ean: must be a text".into()));
        assert_eq!(lines(json!([])), Err("must be an object".to_owned()));
        assert_eq!(lines(json!({"lines": 4711})), Err("lines: must be a list".to_owned()));
    }

    #[test]
    fn a_required_key_must_be_there_and_an_optional_one_may_be_null() {
        assert_eq!(lines(json!({})), Err("lines: is missing".to_owned()));
        assert_eq!(lines(json!({"lines": null})), Err("lines: is missing".to_owned()));
        let document = json!({"lines": [{"quantity": 3, "name": null}, {"quantity": 4}]});
        assert_eq!(lines(document), Ok(vec![3, 4]));
    }

    #[test]
    fn an_unknown_key_is_refused_by_name_with_the_known_ones() {
        let document = json!({"lines": [{"quantity": 1, "colour": "secret"}]});
        assert_eq!(
            lines(document),
            Err("lines[0].colour: is not a known key; known here: quantity, name, codes".to_owned())
        );
    }

    #[test]
    fn only_the_visible_beginning_of_a_key_is_repeated() {
        assert_eq!(member("a", "b\n\u{202e}c"), "a.bc");
        assert_eq!(member("", "\u{200b}"), "\"\"");
        assert_eq!(member("", &"k".repeat(41)), format!("{}..", "k".repeat(SHOWN_KEY_CHARS)));
        assert_eq!(member("", &"k".repeat(40)), "k".repeat(SHOWN_KEY_CHARS));
    }

    #[test]
    fn an_error_of_a_part_gets_the_place_of_the_whole() {
        let places = [("", "b"), ("a[0]", "b.c"), ("a", "[0]"), ("a", "")];
        let within = places.map(|(outer, inner)| FieldError::new(inner, "").within(outer).place);
        assert_eq!(within, ["b", "a[0].b.c", "a[0]", "a"]);
    }

    #[test]
    fn the_parsers_accept_what_they_say_and_nothing_else() -> Result<(), FieldError> {
        assert_eq!(text(json!(""), "x")?, "");
        assert!(filled_text(json!(" \t"), "x").is_err());
        assert!(boolean(json!(true), "x")?);
        assert!(boolean(json!(1), "x").is_err());
        assert_eq!(whole(1..=9)(json!(9), "x")?, 9);
        assert_eq!(
            whole(1..=9)(json!(10), "x").map_err(|e| e.problem),
            Err("must be a whole number from 1 to 9".to_owned())
        );
        assert!(one_of(&[("on", true), ("off", false)])(json!("on"), "x")?);
        assert_eq!(
            one_of(&[("on", true), ("off", false)])(json!("secret"), "x"),
            Err(FieldError::new("x", "must be one of: on, off"))
        );
        Ok(())
    }

    #[test]
    fn a_syntax_error_is_told_by_line_and_column_without_content() {
        assert_eq!(
            parse_json(b"{\n  \"token\": secret}").map_err(|e| e.to_string()),
            Err("is not valid JSON, see line 2, column 12".to_owned())
        );
        assert!(parse_json(b"{} x").is_err());
        assert!(parse_json(b"").is_err());
        assert!(parse_json(b"\"\xff\"").is_err());
        assert!(parse_json("[".repeat(10_000).as_bytes()).is_err());
    }

    #[test]
    fn the_same_key_twice_in_one_object_is_refused() {
        assert_eq!(
            parse_json(br#"{"a": {"x": 1}, "b": [{}, {"x": 1, "y": 2.5, "x": 3}]}"#),
            Err(FieldError::new("b[1].x", "is there twice"))
        );
        let fine = parse_json(br#"[{"x": -1.5e3}, {"x": null}, true, "t"]"#);
        assert!(fine.is_ok_and(|value| value.as_array().is_some_and(|list| list.len() == 4)));
    }
}
