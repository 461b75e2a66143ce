//! What was bought.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use crate::order::builder::LineBuilder;
use crate::order::content::Content;
use crate::order::error::{OrderError, filled};
use crate::order::extra::Extra;
use crate::order::quantity::Quantity;
use crate::value::fields::{self, FieldError, Fields};
use crate::value::json;
use crate::value::money::Money;
use crate::value::names::SupplierId;

/// One line of a [`PaidOrder`](crate::PaidOrder): a supplier, and the [`Item`] that the supplier gets. In JSON: one object with
/// `supplier` and the keys of the item.
///
/// ```
/// use orderhook::Line;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let line = Line::builder("north-books".parse()?, "NB-0042")
///     .name("Tide Tables")
///     .unit_price("14.31".parse()?)
///     .code("ean", "4006381333931")
///     .build()?;
/// assert_eq!(line.item().sku(), "NB-0042");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Line {
    pub(super) supplier: SupplierId,
    #[serde(flatten)]
    pub(super) item: Item,
}

impl Line {
    /// Begins a line with the supplier whose catalogue the product belongs to, and the supplier's stock keeping unit.
    pub fn builder(supplier: SupplierId, sku: impl Into<String>) -> LineBuilder {
        LineBuilder::new(supplier, sku.into())
    }

    /// The supplier whose catalogue the product belongs to.
    #[must_use]
    pub fn supplier(&self) -> &SupplierId {
        &self.supplier
    }

    /// The part of the line that the supplier gets.
    #[must_use]
    pub fn item(&self) -> &Item {
        &self.item
    }

    pub(in crate::order) fn read(raw: &RawValue, place: &str) -> Result<Self, FieldError> {
        let mut fields = Fields::of(raw, place)?;
        let supplier = fields.required("supplier", fields::parsed)?;
        let item = Item::take(&mut fields)?;
        fields.finish()?;
        Ok(Self { supplier, item })
    }
}

impl<'de> Deserialize<'de> for Line {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        json::deserialize(deserializer, Self::read)
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Line")
            .field("supplier", &self.supplier)
            .field("sku", &self.item.sku)
            .field("quantity", &self.item.quantity)
            .finish_non_exhaustive()
    }
}

/// The part of a [`Line`] that its supplier gets: everything but the supplier.
///
/// In JSON: `sku`, `codes`?, `name`, `quantity`, `unit_price`, `total`?, `extra`?; keys with a question mark may be absent, and
/// are left out when they are empty.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Item {
    pub(super) sku: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) codes: BTreeMap<String, String>,
    pub(super) name: String,
    pub(super) quantity: Quantity,
    pub(super) unit_price: Money,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) total: Option<Money>,
    #[serde(skip_serializing_if = "Extra::is_empty")]
    pub(super) extra: Extra,
}

impl Item {
    /// An item whose parts fit together.
    pub(super) fn checked(self) -> Result<Self, OrderError> {
        filled(&self.sku, "sku")?;
        filled(&self.name, "name")?;
        not_negative(self.unit_price, "unit_price")?;
        if let Some(total) = self.total {
            not_negative(total, "total")?;
        }
        Ok(self)
    }

    /// The supplier's stock keeping unit.
    #[must_use]
    pub fn sku(&self) -> &str {
        &self.sku
    }

    /// Further codes of the product, by kind: `ean`, `hsn`, ..
    #[must_use]
    pub fn codes(&self) -> &BTreeMap<String, String> {
        &self.codes
    }

    /// The product's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How much was bought, by the piece or by weight.
    #[must_use]
    pub fn quantity(&self) -> Quantity {
        self.quantity
    }

    /// The price of one.
    #[must_use]
    pub fn unit_price(&self) -> Money {
        self.unit_price
    }

    /// The total of the line, as the marketplace has computed it.
    #[must_use]
    pub fn total(&self) -> Option<Money> {
        self.total
    }

    /// What else the marketplace says of this line; not covered by privacy rules.
    #[must_use]
    pub fn extra(&self) -> &Extra {
        &self.extra
    }

    /// One item as a receiver reads it: keys that are not known are passed over.
    pub(in crate::order) fn read(raw: &RawValue, place: &str) -> Result<Self, FieldError> {
        Self::take(&mut Fields::of(raw, place)?)
    }

    fn take(fields: &mut Fields) -> Result<Self, FieldError> {
        let sku = fields.required("sku", fields::text)?;
        let codes = fields.optional("codes", fields::map(fields::text))?;
        let name = fields.required("name", fields::text)?;
        let quantity = fields.required("quantity", Quantity::read)?;
        let unit_price = fields.required("unit_price", Money::read)?;
        let total = fields.optional("total", Money::read)?;
        let extra = fields.optional("extra", Extra::read)?;

        let item = Self {
            sku,
            codes: codes.unwrap_or_default(),
            name,
            quantity,
            unit_price,
            total,
            extra: extra.unwrap_or_default(),
        };
        item.checked().map_err(|error| error.within(fields.place()))
    }

    /// The item in the order's digest.
    pub(in crate::order) fn describe(&self, content: &mut Content) {
        // Without `..`: a new field has to be decided about here.
        let Item {
            sku,
            codes,
            name,
            quantity,
            unit_price,
            total,
            extra,
        } = self;
        content.record("item", "");
        content.record("sku", sku);
        for (kind, code) in codes {
            content.record("code kind", kind);
            content.record("code", code);
        }
        content.record("name", name);
        content.record("quantity", quantity.digits().as_str());
        content.record("unit_price", unit_price.normalized().as_str());
        if let Some(total) = total {
            content.record("total", total.normalized().as_str());
        }
        content.extra("extra", extra);
    }
}

impl fmt::Debug for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Item")
            .field("sku", &self.sku)
            .field("quantity", &self.quantity)
            .finish_non_exhaustive()
    }
}

pub(in crate::order) fn not_negative(amount: Money, place: &str) -> Result<Money, OrderError> {
    if amount.is_negative() {
        return Err(OrderError::new(place, "must not be negative"));
    }
    Ok(amount)
}
