//! Orders and lines that are put together in code.

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroU32;

use serde::Serialize;

use crate::value::money::{Currency, Money};
use crate::value::names::{OrderCode, SupplierId};
use crate::value::time::OffsetTimestamp;

use super::address::Address;
use super::error::OrderError;
use super::extra::Extra;
use super::head::Head;
use super::line::{Item, Line};
use super::paid::{PaidOrder, Parts};
use super::quantity::Quantity;

/// Puts a [`PaidOrder`] together; begun by [`PaidOrder::builder`]. Everything is checked in [`build`](Self::build), whose
/// error names the place, as in `lines[2].sku`.
///
/// Needed: `channel`, `currency`, `built_at` and at least one line.
///
/// ```
/// use std::time::SystemTime;
///
/// use orderhook::{Address, Line, PaidOrder};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let order = PaidOrder::builder("MKT-1001".parse()?)
///     .channel("web")
///     .currency("EUR".parse()?)
///     .shipping_charges("4.90".parse()?)
///     .built_at(SystemTime::now())
///     .customer_name("Asha Rao")
///     .address(Address::new("12 Lake Road", "Pune", "411001", "IN")?)
///     .line(
///         Line::builder("north-books".parse()?, "NB-0042")
///             .name("Tide Tables")
///             .quantity(2)
///             .unit_price("14.31".parse()?)
///             .code("ean", "4006381333931"),
///     )
///     .extra("gift_wrap", &true)
///     .build()?;
/// assert_eq!(order.suppliers().count(), 1);
///
/// let wrong = PaidOrder::builder("MKT-1002".parse()?).channel("web").currency("EUR".parse()?).built_at(SystemTime::now());
/// assert_eq!(wrong.build().unwrap_err().to_string(), "lines: must not be empty");
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[must_use = "it is no order before it is built"]
pub struct PaidOrderBuilder {
    head: Head,
    currency: Option<Currency>,
    built_at: Option<OffsetTimestamp>,
    lines: Vec<LineBuilder>,
    extra: Result<Extra, OrderError>,
}

impl PaidOrderBuilder {
    pub(super) fn new(order_code: OrderCode) -> Self {
        PaidOrderBuilder {
            head: Head::new(order_code),
            currency: None,
            built_at: None,
            lines: Vec::new(),
            extra: Ok(Extra::new()),
        }
    }

    /// Sets the sales channel's code. Needed.
    pub fn channel(mut self, channel: impl Into<String>) -> Self {
        self.head.channel = channel.into();
        self
    }

    /// Sets the currency of all amounts. Needed.
    pub fn currency(mut self, currency: Currency) -> Self {
        self.currency = Some(currency);
        self
    }

    /// Sets what the customer paid for shipping, for the whole order. Default 0.
    pub fn shipping_charges(mut self, amount: Money) -> Self {
        self.head.shipping_charges = amount;
        self
    }

    /// Sets where the order goes. Left out for orders that go nowhere: tickets, downloads.
    pub fn address(mut self, address: Address) -> Self {
        self.head.address = Some(address);
        self
    }

    /// Sets when the marketplace built the order: a `SystemTime`, a [`Timestamp`](crate::Timestamp), or an
    /// [`OffsetTimestamp`]. Needed.
    pub fn built_at(mut self, at: impl Into<OffsetTimestamp>) -> Self {
        self.built_at = Some(at.into());
        self
    }

    /// Sets the name of the customer who placed the order.
    pub fn customer_name(mut self, name: impl Into<String>) -> Self {
        self.head.customer.customer_name = Some(name.into());
        self
    }

    /// Sets the e-mail address of the customer.
    pub fn email(mut self, email: impl Into<String>) -> Self {
        self.head.customer.email = Some(email.into());
        self
    }

    /// Sets the mobile number of the customer. It is passed on unchanged.
    pub fn mobile(mut self, mobile: impl Into<String>) -> Self {
        self.head.customer.mobile = Some(mobile.into());
        self
    }

    /// Adds a line, finished or not. At least one is needed.
    pub fn line(mut self, line: impl Into<LineBuilder>) -> Self {
        self.lines.push(line.into());
        self
    }

    /// Adds lines.
    pub fn lines<L: Into<LineBuilder>>(mut self, lines: impl IntoIterator<Item = L>) -> Self {
        self.lines.extend(lines.into_iter().map(Into::into));
        self
    }

    /// Sets a value that every supplier of the order gets under a key of `extra`, in place of one that was there before.
    /// [`Privacy`](crate::order::Privacy) does not cover it: put no personal data here.
    pub fn extra(mut self, key: impl Into<String>, value: &impl Serialize) -> Self {
        self.extra = self.extra.and_then(|extra| extra.with(key, value));
        self
    }

    /// Checks everything and builds the order.
    ///
    /// # Errors
    /// [`OrderError`] names the place and what would be right there: something that is needed is missing, a text is empty, an
    /// amount is negative, or an extra value does not serialise to JSON.
    pub fn build(self) -> Result<PaidOrder, OrderError> {
        let missing = |place| OrderError::new(place, "is missing");
        let line = |(n, line): (usize, LineBuilder)| {
            let place = format!("lines[{n}]");
            line.build().map_err(|error| error.within(&place).into())
        };
        let currency = self.currency.ok_or_else(|| missing("currency"))?;
        let parts = Parts {
            head: Head {
                currency,
                ..self.head
            },
            built_at: self.built_at.ok_or_else(|| missing("built_at"))?,
            lines: self
                .lines
                .into_iter()
                .enumerate()
                .map(line)
                .collect::<Result<_, OrderError>>()?,
            extra: self.extra?,
        };
        PaidOrder::checked(parts)
    }
}

/// Puts a [`Line`] together; begun by [`Line::builder`]. Everything is checked in [`build`](Self::build), or when the order is
/// built that it was given to.
///
/// Needed: `name` and `unit_price`.
///
/// ```
/// use orderhook::Line;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let line = Line::builder("tool-shed".parse()?, "TS-7")
///     .name("Rope, by the metre")
///     .quantity("2.5")
///     .unit_price("1.20".parse()?)
///     .build()?;
/// assert_eq!(line.item().quantity().to_string(), "2.5");
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[must_use = "it is no line before it is built"]
pub struct LineBuilder {
    supplier: SupplierId,
    sku: String,
    codes: BTreeMap<String, String>,
    name: String,
    quantity: Result<Quantity, OrderError>,
    unit_price: Option<Money>,
    total: Option<Money>,
    extra: Result<Extra, OrderError>,
}

impl LineBuilder {
    pub(super) fn new(supplier: SupplierId, sku: String) -> Self {
        LineBuilder {
            supplier,
            sku,
            codes: BTreeMap::new(),
            name: String::new(),
            quantity: Ok(Quantity::from(NonZeroU32::MIN)),
            unit_price: None,
            total: None,
            extra: Ok(Extra::new()),
        }
    }

    /// Sets the product's name. Needed.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Sets how much was bought: a whole number, or a text such as `"2.5"` for what is sold by weight or length. Default 1.
    pub fn quantity<Q: TryInto<Quantity>>(mut self, quantity: Q) -> Self
    where
        Q::Error: Into<OrderError>,
    {
        self.quantity = quantity.try_into().map_err(Into::into);
        self
    }

    /// Sets the price of one, in the currency of the order. Needed.
    pub fn unit_price(mut self, price: Money) -> Self {
        self.unit_price = Some(price);
        self
    }

    /// Sets the total of the line. It is passed on as it is: discounts and taxes are the marketplace's business.
    pub fn total(mut self, total: Money) -> Self {
        self.total = Some(total);
        self
    }

    /// Sets a further code of the product, by its kind: `ean`, `hsn`, ..
    pub fn code(mut self, kind: impl Into<String>, code: impl Into<String>) -> Self {
        self.codes.insert(kind.into(), code.into());
        self
    }

    /// Sets a value that the supplier gets under a key of the line's `extra`, in place of one that was there before.
    /// [`Privacy`](crate::order::Privacy) does not cover it: put no personal data here.
    pub fn extra(mut self, key: impl Into<String>, value: &impl Serialize) -> Self {
        self.extra = self.extra.and_then(|extra| extra.with(key, value));
        self
    }

    /// Checks everything and builds the line.
    ///
    /// # Errors
    /// [`OrderError`] names the place and what would be right there: something that is needed is missing, a text is empty, an
    /// amount is negative, the quantity is 0, or an extra value does not serialise to JSON.
    pub fn build(self) -> Result<Line, OrderError> {
        let price = self.unit_price;
        let item = Item {
            sku: self.sku,
            codes: self.codes,
            name: self.name,
            quantity: self.quantity?,
            unit_price: price.ok_or_else(|| OrderError::new("unit_price", "is missing"))?,
            total: self.total,
            extra: self.extra?,
        };
        Ok(Line {
            supplier: self.supplier,
            item: item.checked()?,
        })
    }
}

impl From<Line> for LineBuilder {
    fn from(Line { supplier, item }: Line) -> Self {
        LineBuilder {
            supplier,
            sku: item.sku,
            codes: item.codes,
            name: item.name,
            quantity: Ok(item.quantity),
            unit_price: Some(item.unit_price),
            total: item.total,
            extra: Ok(item.extra),
        }
    }
}

// Orders are personal data.
impl fmt::Debug for PaidOrderBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PaidOrderBuilder")
            .field("order_code", &self.head.order_code)
            .field("lines", &self.lines.len())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for LineBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LineBuilder")
            .field("supplier", &self.supplier)
            .field("sku", &self.sku)
            .finish_non_exhaustive()
    }
}
