//! The part of an order that one supplier gets.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::order::address::Address;
use crate::order::extra::Extra;
use crate::order::head::{Head, of_head};
use crate::order::line::Item;
use crate::value::fields::{self, FieldError, Fields, UnknownKeys};
use crate::value::json;
use crate::value::money::{Currency, Money};
use crate::value::names::OrderCode;
use crate::value::time::OffsetTimestamp;

/// The body of `order.created`: the part of a paid order that one supplier gets.
///
/// Made by [`PaidOrder::for_supplier`](crate::PaidOrder::for_supplier). In JSON, in this order: `order_code`,
/// `customer_name`?, `email`?, `mobile`?, `channel`, `currency`, `shipping_charges`, `address`?, `items`, `built_at`,
/// `extra`?. What is absent, or withheld by the supplier's [`Privacy`](crate::order::Privacy), is left out, never null.
/// `Debug` shows no personal data.
///
/// Receivers may read it with `serde`; what [`PaidOrder`](crate::PaidOrder) says of numbers holds here too. Keys that
/// are not known are passed over, so that the marketplace can add some. The others are held to the same rules as when
/// they were written.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let created: orderhook::order::OrderCreated = serde_json::from_str(r#"{
///     "order_code": "MKT-1001", "channel": "web", "currency": "EUR", "shipping_charges": "4.90",
///     "items": [{"sku": "NB-0042", "name": "Tide Tables", "quantity": 1, "unit_price": "14.31"}],
///     "built_at": "2026-03-01T10:00:00+01:00", "loyalty_points": 12
/// }"#)?;
/// assert_eq!(created.items()[0].unit_price(), "14.31".parse()?);
/// assert_eq!(created.customer_name(), None);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct OrderCreated {
    pub(in crate::order) head: Head,
    pub(in crate::order) items: Vec<Item>,
    pub(in crate::order) built_at: OffsetTimestamp,
    pub(in crate::order) extra: Extra,
}

/// The same, borrowed from an order: its one way to JSON.
#[derive(Serialize)]
pub(crate) struct Told<'a, I> {
    // The order of the fields is the order on the wire.
    #[serde(flatten)]
    pub(in crate::order) head: Cow<'a, Head>,
    /// Items, or references to them.
    pub(in crate::order) items: I,
    pub(in crate::order) built_at: OffsetTimestamp,
    #[serde(skip_serializing_if = "Extra::is_empty")]
    pub(in crate::order) extra: &'a Extra,
}

impl Serialize for OrderCreated {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let told = Told {
            head: Cow::Borrowed(&self.head),
            items: &self.items,
            built_at: self.built_at,
            extra: &self.extra,
        };
        told.serialize(serializer)
    }
}

impl OrderCreated {
    of_head!();

    /// The supplier's own lines, at least one.
    #[must_use]
    pub fn items(&self) -> &[Item] {
        &self.items
    }

    /// When the marketplace built the order.
    #[must_use]
    pub fn built_at(&self) -> OffsetTimestamp {
        self.built_at
    }

    /// What else the marketplace says of the order.
    #[must_use]
    pub fn extra(&self) -> &Extra {
        &self.extra
    }

    fn read(raw: &RawValue, place: &str) -> Result<Self, FieldError> {
        let mut fields = Fields::of(raw, place)?;
        let created = Self {
            head: Head::take(&mut fields, UnknownKeys::Ignore)?,
            items: fields.required("items", fields::list(Item::read))?,
            built_at: fields.required("built_at", fields::parsed)?,
            extra: fields.optional("extra", Extra::read)?.unwrap_or_default(),
        };
        created.head.check().map_err(|error| error.within(place))?;
        if created.items.is_empty() {
            return Err(FieldError::new("items", "must not be empty").within(place));
        }
        Ok(created)
    }
}

impl<'de> Deserialize<'de> for OrderCreated {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        json::deserialize(deserializer, Self::read)
    }
}

impl fmt::Debug for OrderCreated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OrderCreated")
            .field("order_code", self.order_code())
            .field("items", &self.items.len())
            .field("built_at", &self.built_at)
            .finish_non_exhaustive()
    }
}
