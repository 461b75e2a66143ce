//! Where an order goes.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use crate::order::content::Content;
use crate::order::error::{OrderError, filled};
use crate::value::fields::{self, FieldError, Fields, UnknownKeys};
use crate::value::json;

/// The address that an order goes to.
///
/// All parts are texts that are passed on unchanged. In JSON: `name`?, `line1`, `line2`?, `city`, `state`?, `postal_code`,
/// `country`, `phone`?; what is absent is left out. `Debug` shows none of it.
///
/// ```
/// # fn main() -> Result<(), orderhook::order::OrderError> {
/// use orderhook::Address;
///
/// let address = Address::new("12 Lake Road", "Pune", "411001", "IN")?.with_state("MH");
/// assert_eq!(address.state(), Some("MH"));
/// assert!(Address::new("", "Pune", "411001", "IN").is_err());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Address {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::order) name: Option<String>,
    pub(in crate::order) line1: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::order) line2: Option<String>,
    pub(in crate::order) city: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::order) state: Option<String>,
    pub(in crate::order) postal_code: String,
    pub(in crate::order) country: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::order) phone: Option<String>,
}

impl Address {
    /// Creates an address of what every address has. `postal_code` may be empty: some countries have none.
    ///
    /// # Errors
    ///
    /// [`OrderError`] when `line1`, `city` or `country` is empty.
    pub fn new(
        line1: impl Into<String>,
        city: impl Into<String>,
        postal_code: impl Into<String>,
        country: impl Into<String>,
    ) -> Result<Self, OrderError> {
        let address = Self {
            name: None,
            line1: line1.into(),
            line2: None,
            city: city.into(),
            state: None,
            postal_code: postal_code.into(),
            country: country.into(),
            phone: None,
        };
        filled(&address.line1, "line1")?;
        filled(&address.city, "city")?;
        filled(&address.country, "country")?;
        Ok(address)
    }

    /// The same address with the name of the person who receives the goods.
    #[must_use]
    pub fn with_name(self, name: impl Into<String>) -> Self {
        Self {
            name: Some(name.into()),
            ..self
        }
    }

    /// The same address with a second line.
    #[must_use]
    pub fn with_line2(self, line2: impl Into<String>) -> Self {
        Self {
            line2: Some(line2.into()),
            ..self
        }
    }

    /// The same address with a state, province or region.
    #[must_use]
    pub fn with_state(self, state: impl Into<String>) -> Self {
        Self {
            state: Some(state.into()),
            ..self
        }
    }

    /// The same address with the telephone number of the person who receives the goods.
    #[must_use]
    pub fn with_phone(self, phone: impl Into<String>) -> Self {
        Self {
            phone: Some(phone.into()),
            ..self
        }
    }

    /// The name of the person who receives the goods.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The first line: street and number, or what stands for them.
    #[must_use]
    pub fn line1(&self) -> &str {
        &self.line1
    }

    /// The second line.
    #[must_use]
    pub fn line2(&self) -> Option<&str> {
        self.line2.as_deref()
    }

    /// The city or town.
    #[must_use]
    pub fn city(&self) -> &str {
        &self.city
    }

    /// The state, province or region.
    #[must_use]
    pub fn state(&self) -> Option<&str> {
        self.state.as_deref()
    }

    /// The postal code; empty where there is none.
    #[must_use]
    pub fn postal_code(&self) -> &str {
        &self.postal_code
    }

    /// The country, as the marketplace writes it.
    #[must_use]
    pub fn country(&self) -> &str {
        &self.country
    }

    /// The telephone number of the person who receives the goods.
    #[must_use]
    pub fn phone(&self) -> Option<&str> {
        self.phone.as_deref()
    }

    /// The address in the order's digest.
    pub(in crate::order) fn describe(&self, content: &mut Content) {
        // Without `..`: a new field has to be decided about here.
        let Address {
            name,
            line1,
            line2,
            city,
            state,
            postal_code,
            country,
            phone,
        } = self;
        content.record("address", "");
        content.optional("name", name.as_deref());
        content.record("line1", line1);
        content.optional("line2", line2.as_deref());
        content.record("city", city);
        content.optional("state", state.as_deref());
        content.record("postal_code", postal_code);
        content.record("country", country);
        content.optional("phone", phone.as_deref());
    }

    pub(in crate::order) fn read(
        raw: &RawValue,
        place: &str,
        unknown: UnknownKeys,
    ) -> Result<Self, FieldError> {
        let mut fields = Fields::of(raw, place)?;
        let name = fields.optional("name", fields::text)?;
        let line1 = fields.required("line1", fields::text)?;
        let line2 = fields.optional("line2", fields::text)?;
        let city = fields.required("city", fields::text)?;
        let state = fields.optional("state", fields::text)?;
        let postal_code = fields.required("postal_code", fields::text)?;
        let country = fields.required("country", fields::text)?;
        let phone = fields.optional("phone", fields::text)?;
        fields.finish_with(unknown)?;

        let address =
            Self::new(line1, city, postal_code, country).map_err(|error| error.within(place))?;
        Ok(Self {
            name,
            line2,
            state,
            phone,
            ..address
        })
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        json::deserialize(deserializer, |raw, place| {
            Self::read(raw, place, UnknownKeys::Refuse)
        })
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Address").finish_non_exhaustive()
    }
}
