//! What was bought.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use crate::order::content::Content;
use crate::order::error::{OrderError, filled};
use crate::order::extra::Extra;
use crate::order::quantity::Quantity;
use crate::value::fields::{self, FieldError, Fields};
use crate::value::json;
use crate::value::money::Money;
use crate::value::names::SupplierId;

/// One line of a [`PaidOrder`](crate::PaidOrder): a supplier, and the [`Item`] that the supplier gets.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::num::NonZeroU32;
/// use orderhook::{Line, SupplierId};
///
/// let line = Line::new(
///     SupplierId::new("north-books")?,
///     "NB-0042",
///     "Tide Tables",
///     NonZeroU32::MIN,
///     "14.31".parse()?,
/// )?
/// .with_codes([("ean".to_owned(), "4006381333931".to_owned())].into());
/// assert_eq!(line.item().sku(), "NB-0042");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Line {
    supplier: SupplierId,
    #[serde(flatten)]
    item: Item,
}

impl Line {
    /// A line of what every line has. `unit_price` is the price of one, in the currency of the order.
    ///
    /// # Errors
    ///
    /// [`OrderError`] when `sku` or `name` is empty or `unit_price` is negative.
    pub fn new(
        supplier: SupplierId,
        sku: impl Into<String>,
        name: impl Into<String>,
        quantity: impl Into<Quantity>,
        unit_price: Money,
    ) -> Result<Self, OrderError> {
        let item = Item::new(sku.into(), name.into(), quantity.into(), unit_price)?;
        Ok(Self { supplier, item })
    }

    /// With further codes of the product: `ean`, `hsn`, ..
    #[must_use]
    pub fn with_codes(mut self, codes: BTreeMap<String, String>) -> Self {
        self.item.codes = codes;
        self
    }

    /// With the total of the line. It is passed on as it is: discounts and taxes are the marketplace's business.
    ///
    /// # Errors
    ///
    /// [`OrderError`] when it is negative.
    pub fn with_total(mut self, total: Money) -> Result<Self, OrderError> {
        self.item = self.item.with_total(total)?;
        Ok(self)
    }

    /// With whatever else the supplier is to know. [`Privacy`](crate::order::Privacy) does not cover it: put no personal data
    /// here.
    #[must_use]
    pub fn with_extra(mut self, extra: Extra) -> Self {
        self.item.extra = extra;
        self
    }

    /// Whose catalogue the product belongs to.
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
/// In JSON: `sku`, `codes`?, `name`, `quantity`, `unit_price`, `total`?, `extra`?; what is absent or empty is left out.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Item {
    sku: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    codes: BTreeMap<String, String>,
    name: String,
    quantity: Quantity,
    unit_price: Money,
    #[serde(skip_serializing_if = "Option::is_none")]
    total: Option<Money>,
    #[serde(skip_serializing_if = "Extra::is_empty")]
    extra: Extra,
}

impl Item {
    fn new(
        sku: String,
        name: String,
        quantity: Quantity,
        unit_price: Money,
    ) -> Result<Self, OrderError> {
        Ok(Self {
            sku: filled(sku, "sku")?,
            codes: BTreeMap::new(),
            name: filled(name, "name")?,
            quantity,
            unit_price: not_negative(unit_price, "unit_price")?,
            total: None,
            extra: Extra::new(),
        })
    }

    fn with_total(self, total: Money) -> Result<Self, OrderError> {
        let total = Some(not_negative(total, "total")?);
        Ok(Self { total, ..self })
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

        let item = Self::new(sku, name, quantity, unit_price).and_then(|item| match total {
            Some(total) => item.with_total(total),
            None => Ok(item),
        });
        Ok(Self {
            codes: codes.unwrap_or_default(),
            extra: extra.unwrap_or_default(),
            ..item.map_err(|error| error.within(fields.place()))?
        })
    }

    /// The item in the order's digest.
    pub(in crate::order) fn describe(&self, content: &mut Content) {
        content.record("item", "");
        content.record("sku", &self.sku);
        for (kind, code) in &self.codes {
            content.record("code kind", kind);
            content.record("code", code);
        }
        content.record("name", &self.name);
        content.record("quantity", &self.quantity.to_string());
        content.record("unit_price", &self.unit_price.normalized());
        if let Some(total) = self.total {
            content.record("total", &total.normalized());
        }
        content.extra("extra", &self.extra);
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
