//! A paid order, with the lines of all its suppliers.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::value::fields::{self, FieldError, Fields, UnknownKeys};
use crate::value::hashed::FastSet;
use crate::value::json;
use crate::value::money::{Currency, Money};
use crate::value::names::{OrderCode, SupplierId};
use crate::value::time::OffsetTimestamp;

use super::address::Address;
use super::builder::PaidOrderBuilder;
use super::content::{Content, Numbers};
use super::created::{OrderCreated, Told};
use super::error::OrderError;
use super::extra::Extra;
use super::head::{Head, of_head};
use super::line::{Item, Line};
use super::privacy::Privacy;

/// A paid order of the marketplace, with the lines of all its suppliers.
///
/// In JSON: `order_code`, `customer_name`?, `email`?, `mobile`?, `channel`, `currency`, `shipping_charges`, `address`?,
/// `built_at`, `lines`, `extra`?; see [`Address`] and [`Line`] for theirs. Keys with a question mark may be absent, and the
/// others have no default here, other than in the builder. `built_at` is RFC 3339 with an offset, amounts are
/// [`Money`](crate::Money). Keys that are not known are an error, so
/// that a typing slip is not a loss; what is extra goes under `extra`. A null is the same as an absent key. An order
/// without an address is one of tickets or downloads. `Debug` shows no personal data. Cheap to clone.
///
/// Numbers are read digit by digit as they are written in JSON text, by [`from_json`](Self::from_json) and by
/// `Deserialize` alike, whatever the features of `serde_json`. A number that cannot be kept exactly is refused. From a
/// `serde_json::Value`, a field with `flatten` or another format, `Deserialize` reads integers and strings exactly and
/// refuses a floating-point number, which may have been rounded before.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use orderhook::PaidOrder;
/// use orderhook::order::{Privacy, Rule};
///
/// let order = PaidOrder::from_json(br#"{
///     "order_code": "MKT-1001", "customer_name": "Asha Rao", "channel": "web", "currency": "EUR",
///     "shipping_charges": "4.90", "built_at": "2026-03-01T10:00:00+01:00",
///     "address": {"line1": "12 Lake Road", "city": "Pune", "postal_code": "411001", "country": "IN"},
///     "lines": [
///         {"supplier": "north-books", "sku": "NB-0042", "name": "Tide Tables", "quantity": 1, "unit_price": "14.31"},
///         {"supplier": "tool-shed", "sku": "TS-7", "name": "Spirit level", "quantity": 2, "unit_price": 19.5}
///     ]
/// }"#)?;
/// let suppliers: Vec<_> = order.suppliers().collect();
/// assert_eq!(suppliers.len(), 2);
///
/// let privacy = Privacy::new().with_customer_name(Rule::Mask);
/// let created = order.for_supplier(suppliers[0], &privacy).ok_or("it has a line")?;
/// assert_eq!(created.items().len(), 1);
/// assert_eq!(created.customer_name(), Some("A*** R***"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct PaidOrder {
    pub(super) parts: Arc<Parts>,
}

/// What the clones of an order share.
#[derive(PartialEq, Eq, Serialize)]
pub(super) struct Parts {
    #[serde(flatten)]
    pub(super) head: Head,
    pub(super) built_at: OffsetTimestamp,
    pub(super) lines: Vec<Line>,
    #[serde(skip_serializing_if = "Extra::is_empty")]
    pub(super) extra: Extra,
}

impl PaidOrder {
    /// Begins an order with this code.
    pub fn builder(order_code: OrderCode) -> PaidOrderBuilder {
        PaidOrderBuilder::new(order_code)
    }

    /// An order whose parts fit together.
    pub(super) fn checked(parts: Parts) -> Result<Self, OrderError> {
        if parts.lines.is_empty() {
            return Err(OrderError::new("lines", "must not be empty"));
        }
        parts.head.check()?;
        Ok(PaidOrder {
            parts: Arc::new(parts),
        })
    }

    /// Reads an order from JSON text. A byte order mark in front of it is passed over; an object that has the same key
    /// twice is refused.
    ///
    /// # Errors
    ///
    /// [`OrderError`] names the place and what would be right there, never what is there.
    pub fn from_json(json: &[u8]) -> Result<Self, OrderError> {
        Ok(Self::read(json::document(json)?, "")?)
    }

    of_head!(parts);

    /// When the marketplace built the order.
    #[must_use]
    pub fn built_at(&self) -> OffsetTimestamp {
        self.parts.built_at
    }

    /// The lines of all suppliers, at least one.
    #[must_use]
    pub fn lines(&self) -> &[Line] {
        &self.parts.lines
    }

    /// What else every supplier of the order is to know; not covered by privacy rules.
    #[must_use]
    pub fn extra(&self) -> &Extra {
        &self.parts.extra
    }

    /// The suppliers that have lines, each once, in the order of their first lines.
    pub fn suppliers(&self) -> impl Iterator<Item = &SupplierId> {
        let mut seen = FastSet::default();
        let mut last = None;
        let suppliers = self.parts.lines.iter().map(Line::supplier);
        // Lines of one supplier mostly stand together.
        suppliers.filter(move |supplier| {
            last.replace(*supplier) != Some(*supplier) && seen.insert(*supplier)
        })
    }

    /// The part of the order that this supplier gets: its own lines, and what its privacy rules allow of the customer.
    /// `None` when it has no line.
    #[must_use]
    pub fn for_supplier(&self, supplier: &SupplierId, privacy: &Privacy) -> Option<OrderCreated> {
        let told = self.told(supplier, privacy)?;
        Some(OrderCreated {
            head: told.head.into_owned(),
            items: told.items.into_iter().cloned().collect(),
            built_at: told.built_at,
            extra: told.extra.clone(),
        })
    }

    /// The same without a copy of what is told as it is.
    pub(crate) fn told(
        &self,
        supplier: &SupplierId,
        privacy: &Privacy,
    ) -> Option<Told<'_, Vec<&Item>>> {
        let items: Vec<_> = self.items_of(supplier).collect();
        (!items.is_empty()).then(|| Told {
            head: match *privacy == Privacy::new() {
                true => Cow::Borrowed(&self.parts.head),
                false => Cow::Owned(self.parts.head.told(*privacy)),
            },
            items,
            built_at: self.parts.built_at,
            extra: &self.parts.extra,
        })
    }

    /// The order's content for this supplier before privacy and without `built_at`, as bytes to be hashed. Equal orders
    /// give equal bytes, however they were written: amounts by value, objects whatever the order of their keys. How
    /// numbers were written makes the version of the digest.
    pub(crate) fn content_for_digest(&self, supplier: &SupplierId) -> (Vec<u8>, Numbers) {
        // Without `..`: a new field has to be decided about here.
        let Parts {
            head,
            built_at: _,
            lines: _,
            extra,
        } = &*self.parts;
        let mut content = Content::new();
        head.describe(&mut content);
        for item in self.items_of(supplier) {
            item.describe(&mut content);
        }
        content.extra("order extra", extra);
        content.into_bytes()
    }

    fn items_of(&self, supplier: &SupplierId) -> impl Iterator<Item = &Item> {
        let lines = self.parts.lines.iter();
        lines
            .filter(move |line| line.supplier() == supplier)
            .map(Line::item)
    }

    fn read(raw: &RawValue, place: &str) -> Result<Self, FieldError> {
        let mut fields = Fields::of(raw, place)?;
        let head = Head::take(&mut fields, UnknownKeys::Refuse)?;
        let parts = Parts {
            head,
            built_at: fields.required("built_at", fields::parsed)?,
            lines: fields.required("lines", fields::list(Line::read))?,
            extra: fields.optional("extra", Extra::read)?.unwrap_or_default(),
        };
        fields.finish()?;
        Self::checked(parts).map_err(|error| error.within(place))
    }
}

impl Serialize for PaidOrder {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.parts.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for PaidOrder {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        json::deserialize(deserializer, Self::read)
    }
}

impl fmt::Debug for PaidOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PaidOrder")
            .field("order_code", self.order_code())
            .field("lines", &self.parts.lines.len())
            .field("built_at", &self.parts.built_at)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
