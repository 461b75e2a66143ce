//! The lines of an order, in the shapes that portals give them.

use std::fmt;

use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use crate::fulfilment::portal_json as json;
use crate::value::json::{Object, Reading};
use crate::value::money::Money;

/// One line of a fulfilment event: a medicine and how much of it. It keeps all that it was read with, and writes it again.
///
/// Portals have three shapes: the full line of `items`; the short one of `item_details`, with other names for the same
/// (`name`, `qty`, amounts as texts); and lines that are not in a list but in an object under their ids. The accessors
/// know all three. `Debug` shows nothing: what a patient takes is personal.
///
/// ```
/// use orderhook::fulfilment::FulfilmentLine;
///
/// let line = FulfilmentLine::new("Examplol 500 mg Tablet", 10).with_price("12.50".parse()?).with_text("batch", "B7");
/// assert_eq!(line.quantity(), Some(10));
/// assert_eq!(line.field("price"), Some("\"12.50\""));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct FulfilmentLine(Object);

impl FulfilmentLine {
    /// A line to be sent, with so many of the portal's units.
    pub fn new(medicine_name: &str, quantity: u32) -> Self {
        let mut line = Object::default();
        line.put("medicine_name", json::raw(medicine_name));
        line.put("quantity", json::raw(&quantity));
        FulfilmentLine(line)
    }

    /// The same line with `medicine_id`.
    #[must_use]
    pub fn with_medicine_id(self, id: &str) -> Self {
        self.with_text("medicine_id", id)
    }

    /// The same line with `price`: after discount, for one pack.
    #[must_use]
    pub fn with_price(self, price: Money) -> Self {
        self.with_text("price", &price.to_string())
    }

    /// The same line with `mrp`: the maximum retail price of one pack.
    #[must_use]
    pub fn with_mrp(self, mrp: Money) -> Self {
        self.with_text("mrp", &mrp.to_string())
    }

    /// The same line with `amount`: of the whole line.
    #[must_use]
    pub fn with_amount(self, amount: Money) -> Self {
        self.with_text("amount", &amount.to_string())
    }

    /// The same line with a text under any other name: `batch`, `expiry`, `hsn_code`, ...
    #[must_use]
    pub fn with_text(mut self, key: &str, text: &str) -> Self {
        self.0.put(key, json::raw(text));
        self
    }

    /// The portal's id of the medicine.
    pub fn medicine_id(&self) -> Option<String> {
        json::text_under(&self.0, &["medicine_id", "item_id", "id"])
    }

    /// The client's id of the medicine.
    pub fn partner_medicine_id(&self) -> Option<String> {
        json::text_under(&self.0, &["partner_medicine_id"])
    }

    /// The name of the medicine.
    pub fn medicine_name(&self) -> Option<String> {
        json::text_under(&self.0, &["medicine_name", "item_name", "name"])
    }

    /// The number, in the unit of the portal, which the event does not name; `None` when it is not a whole number.
    pub fn quantity(&self) -> Option<u32> {
        let text = json::text_under(&self.0, &["quantity", "qty"])?;
        let (whole, rest) = text.split_once('.').unwrap_or((&text, ""));
        rest.bytes()
            .all(|digit| digit == b'0')
            .then(|| whole.parse().ok())?
    }

    /// The maximum retail price of one pack.
    pub fn mrp(&self) -> Option<Money> {
        self.money("mrp")
    }

    /// The price of one pack after discount.
    pub fn price(&self) -> Option<Money> {
        self.money("price")
    }

    /// The amount of the line.
    pub fn amount(&self) -> Option<Money> {
        self.money("amount").or_else(|| self.money("total"))
    }

    /// The batch.
    pub fn batch(&self) -> Option<String> {
        json::text_under(&self.0, &["batch"])
    }

    /// The expiry as it was written, mostly `MM/YY`; a month or year of zero stands for none.
    pub fn expiry(&self) -> Option<String> {
        json::text_under(&self.0, &["expiry"])
            .filter(|text| !text.ends_with("/00") && !text.starts_with("00/"))
    }

    /// The HSN code.
    pub fn hsn_code(&self) -> Option<String> {
        json::text_under(&self.0, &["hsn_code"])
    }

    /// The GST rate in per cent, as it was written.
    pub fn gst_percentage(&self) -> Option<String> {
        json::text_under(&self.0, &["gst_percentage", "gstpercentage"])
    }

    /// The pack size, for people.
    pub fn pack_size(&self) -> Option<String> {
        json::text_under(&self.0, &["pack_size", "packing_size"])
    }

    /// The manufacturer.
    pub fn manufacturer(&self) -> Option<String> {
        json::text_under(&self.0, &["manufacturer_name"])
    }

    /// The JSON text under a key, exactly as it was read.
    pub fn field(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(RawValue::get)
    }

    /// The keys, sorted.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(key, _)| key)
    }

    fn money(&self, key: &str) -> Option<Money> {
        json::money(self.0.get(key)?)
    }

    /// The lines in a value of one of the three shapes, in the order of the list, or of the ids.
    pub(in crate::fulfilment) fn read_all(raw: &RawValue) -> Vec<FulfilmentLine> {
        let read = |raw: &RawValue| Object::lenient(raw).filter(|line| !line.is_empty());
        if let Some(items) = json::list(raw) {
            return items
                .into_iter()
                .filter_map(read)
                .map(FulfilmentLine)
                .collect();
        }
        let Some(by_id) = read(raw) else {
            return Vec::new();
        };
        let nested = by_id.iter().filter_map(|(id, raw)| {
            let mut line = read(raw)?;
            if json::text_under(&line, &["medicine_id", "item_id", "id"]).is_none() {
                line.put("medicine_id", json::raw(id));
            }
            Some(FulfilmentLine(line))
        });
        let nested: Vec<_> = nested.collect();
        // An object without objects is one line on its own.
        if nested.is_empty() {
            vec![FulfilmentLine(by_id)]
        } else {
            nested
        }
    }

    /// A line as it is sent: its prices as exact decimal texts, everything else as it was given. `None` when it is not
    /// an object, or has a key twice.
    pub(in crate::fulfilment) fn admit(raw: &RawValue) -> Option<Box<RawValue>> {
        let mut line = Object::read(raw, Reading::Strict, "").ok()?;
        for key in ["mrp", "price", "amount", "total"] {
            if let Some(money) = line
                .get(key)
                .filter(|raw| json::number(raw).is_some())
                .and_then(json::exact_money)
            {
                line.put(key, json::raw(&money.to_string()));
            }
        }
        Some(json::raw(&line))
    }
}

impl fmt::Debug for FulfilmentLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FulfilmentLine(..)")
    }
}

impl Serialize for FulfilmentLine {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}
