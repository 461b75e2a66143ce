//! `Deserialize` without loss: from JSON text the text itself, from every other format its values written as JSON.
//!
//! A floating-point number that comes out of another format, or out of a `serde_json::Value`, has been rounded by another reader
//! before. It becomes [`FLOAT`], which no reader takes for a number.

use std::cell::Cell;
use std::fmt;
use std::sync::OnceLock;

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::forward_to_deserialize_any;
use serde_json::value::RawValue;

use super::{check, raw};
use crate::value::fields::FieldError;

/// Stands for a floating-point number. It is JSON, and no number.
pub(crate) const FLOAT: &str = r#"{"orderhook: a floating-point number":null}"#;

/// `Deserialize` for a type that is a JSON object.
pub(crate) fn deserialize<'de, D: Deserializer<'de>, T>(
    deserializer: D,
    parse: impl FnOnce(&RawValue, &str) -> Result<T, FieldError>,
) -> Result<T, D::Error> {
    let mut out = String::new();
    deserializer.deserialize_any(Writer {
        out: &mut out,
        owned: Owned::IsText,
    })?;
    finish(out, parse)
}

/// `Deserialize` for a type that is a JSON number or text.
///
/// From text that is not in memory as a whole, as with `serde_json::from_reader`, a number with a fraction cannot be distinguished
/// from one out of a `Value`, and is refused.
pub(crate) fn deserialize_scalar<'de, D: Deserializer<'de>, T>(
    deserializer: D,
    parse: impl FnOnce(&RawValue, &str) -> Result<T, FieldError>,
) -> Result<T, D::Error> {
    let mut out = String::new();
    deserializer.deserialize_newtype_struct(
        raw_name(),
        Writer {
            out: &mut out,
            owned: Owned::MayBeRounded,
        },
    )?;
    finish(out, parse)
}

fn finish<T, E: de::Error>(
    out: String,
    parse: impl FnOnce(&RawValue, &str) -> Result<T, FieldError>,
) -> Result<T, E> {
    let raw = RawValue::from_string(out).map_err(|_| E::custom("is not valid JSON"))?;
    check(&raw, "")
        .and_then(|()| parse(&raw, ""))
        .map_err(E::custom)
}

/// What the text of a value is, when it comes as a `String` of its own.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Owned {
    /// A part of JSON text.
    IsText,
    /// Perhaps written from a `Value` a moment ago.
    MayBeRounded,
}

/// Writes whatever comes as JSON.
struct Writer<'a> {
    out: &'a mut String,
    owned: Owned,
}

impl Writer<'_> {
    fn number(self, digits: &str) {
        let whole = digits.bytes().all(|b| b.is_ascii_digit() || b == b'-');
        self.out.push_str(if whole { digits } else { FLOAT });
    }

    fn text(self, text: &str) {
        self.out.push_str(raw(text).get());
    }
}

impl<'de> Visitor<'de> for Writer<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value that JSON can have")
    }

    fn visit_bool<E>(self, value: bool) -> Result<(), E> {
        self.out.push_str(if value { "true" } else { "false" });
        Ok(())
    }

    fn visit_i64<E>(self, number: i64) -> Result<(), E> {
        self.number(&number.to_string());
        Ok(())
    }

    fn visit_u64<E>(self, number: u64) -> Result<(), E> {
        self.number(&number.to_string());
        Ok(())
    }

    fn visit_i128<E>(self, number: i128) -> Result<(), E> {
        self.number(&number.to_string());
        Ok(())
    }

    fn visit_u128<E>(self, number: u128) -> Result<(), E> {
        self.number(&number.to_string());
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        self.out.push_str(FLOAT);
        Ok(())
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        self.text(text);
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.out.push_str("null");
        Ok(())
    }

    fn visit_none<E: de::Error>(self) -> Result<(), E> {
        self.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }

    /// The answer of a format that knows nothing of raw values.
    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        self.out.push('[');
        let begun = self.out.len();
        loop {
            let before = self.out.len();
            if before > begun {
                self.out.push(',');
            }
            if items
                .next_element_seed(Member {
                    out: &mut *self.out,
                    from: From::Values,
                })?
                .is_none()
            {
                self.out.truncate(before);
                self.out.push(']');
                return Ok(());
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        // JSON text is read as it comes, and a `flatten` collects: neither knows how many members there are. A `Value` does.
        let from = if members.size_hint().is_none() {
            From::Text
        } else {
            From::Values
        };
        self.out.push('{');
        let begun = self.out.len();
        while let Some(key) = members.next_key::<String>()? {
            let is_first = self.out.len() == begun;
            if is_first && key == raw_name() {
                self.out.truncate(begun - 1);
                return members.next_value_seed(Text {
                    out: self.out,
                    owned: self.owned,
                });
            }
            if is_first && number_name() == Some(key.as_str()) {
                self.out.truncate(begun - 1);
                let digits = members.next_value::<String>()?;
                self.number(&digits);
                return Ok(());
            }
            if !is_first {
                self.out.push(',');
            }
            self.out.push_str(raw(&key).get());
            self.out.push(':');
            members.next_value_seed(Member {
                out: &mut *self.out,
                from,
            })?;
        }
        self.out.push('}');
        Ok(())
    }
}

/// What the members of an object are read from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum From {
    Text,
    Values,
}

/// One value inside another.
struct Member<'a> {
    out: &'a mut String,
    from: From,
}

impl<'de> DeserializeSeed<'de> for Member<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        let writer = Writer {
            out: self.out,
            owned: Owned::IsText,
        };
        match self.from {
            From::Text => deserializer.deserialize_newtype_struct(raw_name(), writer),
            From::Values => deserializer.deserialize_any(writer),
        }
    }
}

/// The text of a raw value.
struct Text<'a> {
    out: &'a mut String,
    owned: Owned,
}

impl<'de> DeserializeSeed<'de> for Text<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Text<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON text")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<(), E> {
        self.out.push_str(text);
        Ok(())
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        let is_number = text.starts_with(|c: char| c == '-' || c.is_ascii_digit());
        match self.owned {
            Owned::MayBeRounded if is_number => Writer {
                out: self.out,
                owned: self.owned,
            }
            .number(text),
            Owned::MayBeRounded | Owned::IsText => self.out.push_str(text),
        }
        Ok(())
    }
}

/// The name by which serde_json is asked for the text of a value. It is serde_json's own, and learnt from it.
fn raw_name() -> &'static str {
    struct Asked<'a>(&'a Cell<&'static str>);

    impl<'de> Deserializer<'de> for Asked<'_> {
        type Error = de::value::Error;

        fn deserialize_newtype_struct<V: Visitor<'de>>(
            self,
            name: &'static str,
            _: V,
        ) -> Result<V::Value, Self::Error> {
            self.0.set(name);
            Err(de::Error::custom("only the name was wanted"))
        }

        fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Self::Error> {
            Err(de::Error::custom("only the name was wanted"))
        }

        forward_to_deserialize_any! {
            bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
            seq tuple tuple_struct map struct enum identifier ignored_any
        }
    }

    static NAME: OnceLock<&'static str> = OnceLock::new();
    NAME.get_or_init(|| {
        let name = Cell::new("");
        let _ = <Box<RawValue> as serde::Deserialize>::deserialize(Asked(&name));
        name.get()
    })
}

/// The name under which serde_json hands out a number that no Rust number can hold, when some crate has switched on
/// `arbitrary_precision`.
fn number_name() -> Option<&'static str> {
    struct FirstKey;

    impl<'de> Visitor<'de> for FirstKey {
        type Value = Option<String>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a number")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
            members.next_key()
        }
    }

    static NAME: OnceLock<Option<String>> = OnceLock::new();
    // Without that feature this is out of range.
    let number = || serde_json::from_str::<serde_json::Number>("1e400").ok();
    NAME.get_or_init(|| number().and_then(|number| number.deserialize_any(FirstKey).ok().flatten()))
        .as_deref()
}
