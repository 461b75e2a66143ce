//! What an order or a line says beyond what this crate knows.

use std::fmt;

use serde::Serialize;
use serde_json::value::RawValue;

use crate::order::error::OrderError;
use crate::value::fields::{self, FieldError};
use crate::value::json::{self, Object};

/// The fields of an order or a line that this crate does not know: JSON values under keys of the marketplace's choice.
///
/// They are passed on as they were written: a number keeps all its digits, however many there are. Keys are sorted, and
/// white space between the parts of a value is dropped. [`Privacy`](crate::order::Privacy) does not cover them: put no
/// personal data here. `Debug` shows the number of values.
///
/// ```
/// # fn main() -> Result<(), orderhook::order::OrderError> {
/// use orderhook::order::Extra;
///
/// let extra = Extra::new().with("gift_wrap", &true)?.with("tags", &["fragile"])?;
/// assert_eq!(extra.get("tags"), Some(r#"["fragile"]"#));
/// assert_eq!(extra.iter().count(), 2);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Extra(Object);

impl Extra {
    /// No fields.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The same fields with this value under a key, in place of one that was there before.
    ///
    /// # Errors
    ///
    /// [`OrderError`] when the value does not serialise to JSON.
    pub fn with(
        mut self,
        key: impl Into<String>,
        value: &impl Serialize,
    ) -> Result<Self, OrderError> {
        let key = key.into();
        let place = fields::member("extra", &key);
        let raw = serde_json::value::to_raw_value(value)
            .map_err(|_| OrderError::new(&place, "cannot be written as JSON"))?;
        json::check(&raw, &place)?;
        self.0.put(key, json::compact(&raw));
        Ok(self)
    }

    /// The JSON text of the value under a key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(RawValue::get)
    }

    /// The keys, sorted, and the JSON texts of their values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, raw)| (key, raw.get()))
    }

    /// Whether there are no fields.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(in crate::order) fn read(raw: &RawValue, place: &str) -> Result<Self, FieldError> {
        fields::exact_within(raw, place)?;
        let mut extra = Object::default();
        for (key, raw) in fields::object(raw, place)?.iter() {
            extra.put(key, json::compact(raw));
        }
        Ok(Self(extra))
    }

    pub(in crate::order) fn members(&self) -> impl Iterator<Item = (&str, &RawValue)> {
        self.0.iter()
    }
}

impl fmt::Debug for Extra {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Extra({} values)", self.0.iter().count())
    }
}
