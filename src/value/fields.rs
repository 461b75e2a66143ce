//! Reads JSON objects strictly. An error names the place and says what would be right; it never repeats a value, because
//! values are personal data or secrets.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use serde_json::value::RawValue;

use crate::value::invalid::InvalidValue;
use crate::value::json::{self, Object, Reading};
use crate::value::visible::is_visible;

/// How much of an unknown key is repeated in an error.
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
        Self {
            place: place.into(),
            problem: problem.into(),
        }
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
        if self.place.is_empty() {
            f.write_str(&self.problem)
        } else {
            write!(f, "{}: {}", self.place, self.problem)
        }
    }
}

impl std::error::Error for FieldError {}

/// What happens to keys that are not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UnknownKeys {
    Refuse,
    Ignore,
}

/// A JSON object whose keys are taken out one by one; [`finish`](Fields::finish) refuses what is left.
pub(crate) struct Fields {
    place: String,
    object: Object,
    known: Vec<&'static str>,
}

impl Fields {
    /// The object at `place`.
    pub(crate) fn of(raw: &RawValue, place: &str) -> Result<Self, FieldError> {
        exact(raw, place)?;
        let object = Object::read(raw, Reading::Strict, place)?;
        Ok(Self {
            place: place.to_owned(),
            object,
            known: Vec::new(),
        })
    }

    /// Where the object is.
    pub(crate) fn place(&self) -> &str {
        &self.place
    }

    /// The value under a key that must be there and not be null.
    pub(crate) fn required<T>(
        &mut self,
        name: &'static str,
        parse: impl FnOnce(&RawValue, &str) -> Result<T, FieldError>,
    ) -> Result<T, FieldError> {
        self.optional(name, parse)?
            .ok_or_else(|| FieldError::new(member(&self.place, name), "is missing"))
    }

    /// The value under a key that may be absent or null.
    pub(crate) fn optional<T>(
        &mut self,
        name: &'static str,
        parse: impl FnOnce(&RawValue, &str) -> Result<T, FieldError>,
    ) -> Result<Option<T>, FieldError> {
        let place = member(&self.place, name);
        self.known.push(name);
        let Some(raw) = self.object.take(name).filter(|raw| raw.get() != "null") else {
            return Ok(None);
        };
        exact(&raw, &place)?;
        parse(&raw, &place).map(Some)
    }

    /// Refuses every key that was not asked for.
    pub(crate) fn finish(self) -> Result<(), FieldError> {
        match self.object.iter().next() {
            None => Ok(()),
            Some((key, _)) => Err(FieldError::new(
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
}

/// Refuses a floating-point number, which another format or a `Value` may have rounded before it came here.
fn exact(raw: &RawValue, place: &str) -> Result<(), FieldError> {
    match raw.get() == json::FLOAT {
        true => Err(FieldError::new(
            place,
            "came as a floating-point number, which is not exact; write it as a text",
        )),
        false => Ok(()),
    }
}

/// Any text, the empty one too.
pub(crate) fn text(raw: &RawValue, place: &str) -> Result<String, FieldError> {
    json::string(raw)
        .map(Cow::into_owned)
        .ok_or_else(|| FieldError::new(place, "must be a text"))
}

/// A text that `T` accepts. The error of `T` must not repeat the text.
pub(crate) fn parsed<T>(raw: &RawValue, place: &str) -> Result<T, FieldError>
where
    T: TryFrom<String>,
    T::Error: fmt::Display,
{
    T::try_from(text(raw, place)?).map_err(|error| FieldError::new(place, error.to_string()))
}

/// `true` or `false`.
pub(crate) fn boolean(raw: &RawValue, place: &str) -> Result<bool, FieldError> {
    match raw.get() {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(FieldError::new(place, "must be true or false")),
    }
}

/// A whole number within `range`, written as a JSON number without fraction and exponent.
pub(crate) fn whole(
    range: RangeInclusive<u64>,
) -> impl FnOnce(&RawValue, &str) -> Result<u64, FieldError> {
    move |raw, place| match raw.get().parse::<u64>() {
        Ok(number) if range.contains(&number) => Ok(number),
        read => {
            let (least, most) = (range.start(), range.end());
            let over = read.is_ok_and(|number| number > *most);
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
pub(crate) fn word<T: FromStr<Err = InvalidValue>>(
    raw: &RawValue,
    place: &str,
) -> Result<T, FieldError> {
    let text = json::string(raw).unwrap_or_default();
    text.parse()
        .map_err(|error: InvalidValue| FieldError::new(place, error.to_string()))
}

/// An object as it is.
pub(crate) fn object(raw: &RawValue, place: &str) -> Result<Object, FieldError> {
    Object::read(raw, Reading::Strict, place)
}

/// A list; every item is read by `parse`, whose place ends in `[0]`, `[1]`, ..
pub(crate) fn list<T>(
    mut parse: impl FnMut(&RawValue, &str) -> Result<T, FieldError>,
) -> impl FnOnce(&RawValue, &str) -> Result<Vec<T>, FieldError> {
    move |raw, place| {
        let items = json::list(raw).ok_or_else(|| FieldError::new(place, "must be a list"))?;
        let items = items.into_iter().enumerate();
        items
            .map(|(index, item)| {
                let place = format!("{place}[{index}]");
                exact(item, &place)?;
                parse(item, &place)
            })
            .collect()
    }
}

/// An object with keys of the writer's choice; every value is read by `parse`.
pub(crate) fn map<T>(
    mut parse: impl FnMut(&RawValue, &str) -> Result<T, FieldError>,
) -> impl FnOnce(&RawValue, &str) -> Result<BTreeMap<String, T>, FieldError> {
    move |raw, place| {
        let object = object(raw, place)?;
        let members = object.iter().map(|(key, raw)| {
            let place = member(place, key);
            exact(raw, &place)?;
            Ok((key.to_owned(), parse(raw, &place)?))
        });
        members.collect()
    }
}

/// Refuses a floating-point number anywhere inside a value that is passed on as it is.
pub(crate) fn exact_within(raw: &RawValue, place: &str) -> Result<(), FieldError> {
    exact(raw, place)?;
    if let Some(items) = json::list(raw) {
        return items
            .iter()
            .enumerate()
            .try_for_each(|(n, item)| exact_within(item, &format!("{place}[{n}]")));
    }
    let members = json::members(raw, Reading::Lenient).unwrap_or_default();
    members
        .iter()
        .try_for_each(|(key, raw)| exact_within(raw, &member(place, key)))
}

/// The place of a key inside `place`. A key may be a typing slip: only the visible part is repeated, and not all
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
    if place.is_empty() {
        shown
    } else {
        format!("{place}.{shown}")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::order::Rule;

    fn of(value: Value) -> Box<RawValue> {
        json::raw(&value)
    }

    fn line(raw: &RawValue, place: &str) -> Result<u64, FieldError> {
        let mut fields = Fields::of(raw, place)?;
        let quantity = fields.required("quantity", whole(1..=u64::MAX))?;
        fields.optional("name", text)?;
        fields.optional("codes", map(text))?;
        fields.finish()?;
        Ok(quantity)
    }

    fn lines(value: Value) -> Result<Vec<u64>, String> {
        let mut fields = Fields::of(&of(value), "").map_err(|e| e.to_string())?;
        let lines = fields.required("lines", list(line));
        let lines = lines.map_err(|e| e.to_string())?;
        fields.finish().map_err(|e| e.to_string())?;
        Ok(lines)
    }

    #[test]
    fn an_error_names_the_place_and_what_would_be_right_but_not_the_value() {
        for wrong in [json!(0), json!(-1), json!(1.5), json!("4711"), json!([])] {
            let document = json!({"lines": [{"quantity": 1}, {"quantity": wrong}]});
            assert_eq!(
                lines(document),
                Err("lines[1].quantity: must be a whole number of at least 1".to_owned())
            );
        }
        let document = json!({"lines": [{"quantity": 1, "codes": {"ean": 4711}}]});
        assert_eq!(
            lines(document),
            Err("lines[0].codes.ean: must be a text".into())
        );
        assert_eq!(lines(json!([])), Err("must be an object".to_owned()));
        assert_eq!(
            lines(json!({"lines": 4711})),
            Err("lines: must be a list".to_owned())
        );
    }

    #[test]
    fn a_required_key_must_be_there_and_an_optional_one_may_be_null() {
        assert_eq!(lines(json!({})), Err("lines: is missing".to_owned()));
        assert_eq!(
            lines(json!({"lines": null})),
            Err("lines: is missing".to_owned())
        );
        let document = json!({"lines": [{"quantity": 3, "name": null}, {"quantity": 4}]});
        assert_eq!(lines(document), Ok(vec![3, 4]));
    }

    #[test]
    fn an_unknown_key_is_refused_by_name_with_the_known_ones() {
        let document = json!({"lines": [{"quantity": 1, "colour": "secret"}]});
        assert_eq!(
            lines(document),
            Err(
                "lines[0].colour: is not a known key; known here: quantity, name, codes".to_owned()
            )
        );
    }

    #[test]
    fn only_the_visible_beginning_of_a_key_is_repeated() {
        assert_eq!(member("a", "b\n\u{202e}c"), "a.bc");
        assert_eq!(member("", "\u{200b}"), "\"\"");
        assert_eq!(
            member("", &"k".repeat(41)),
            format!("{}..", "k".repeat(SHOWN_KEY_CHARS))
        );
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
        assert_eq!(text(&of(json!("")), "x")?, "");
        assert!(boolean(&of(json!(true)), "x")?);
        assert!(boolean(&of(json!(1)), "x").is_err());
        assert_eq!(whole(1..=9)(&of(json!(9)), "x")?, 9);
        assert_eq!(
            whole(1..=9)(&of(json!(10)), "x").map_err(|e| e.problem),
            Err("must be a whole number from 1 to 9".to_owned())
        );
        assert_eq!(word::<Rule>(&of(json!("mask")), "x")?, Rule::Mask);
        assert_eq!(
            word::<Rule>(&of(json!("secret")), "x"),
            Err(FieldError::new("x", "must be one of: share, mask, omit"))
        );
        assert!(word::<Rule>(&of(json!(1)), "x").is_err());
        Ok(())
    }
}
