//! What may stand under the wire names of an event's data: what carries meaning is held to it, the rest is as it is.

use serde_json::value::RawValue;

use crate::fulfilment::portal_json as json;
use crate::fulfilment::received::line::FulfilmentLine;
use crate::value::fields::{self, FieldError};
use crate::value::json::{Object, Reading};

/// Wire names that the envelope has the say of.
pub(in crate::fulfilment) const ENVELOPE: [&str; 7] = [
    "event_id",
    "sequence",
    "occurred_at",
    "transaction_nature",
    "draft_order_id",
    "id",
    "delivery_type",
];

/// Wire names that the transition has the say of.
pub(in crate::fulfilment) const OF_TRANSITION: [&str; 3] =
    ["is_final_rejection", "rejected_order_id", "new_order_ids"];

/// A value under a key of `data`, as it is sent; `None` when it stands for "absent".
pub(in crate::fulfilment) fn value(
    key: &str,
    raw: Box<RawValue>,
) -> Result<Option<Box<RawValue>>, FieldError> {
    let wrong = |problem: &str| FieldError::new(fields::member("data", key), problem);
    match key {
        "partner_order_id"
        | "reject_reason"
        | "reject_slug"
        | "chemist_id"
        | "chemist_code"
        | "delivery_person_name"
        | "delivery_person_mobile"
        | "tracking_url"
        | "delivery_pin" => {
            if json::is_absent(&raw) {
                return Ok(None);
            }
            match json::number(&raw) {
                Some(digits) => Ok(Some(json::raw(digits))),
                None if json::string(&raw).is_some() => Ok(Some(raw)),
                None => Err(wrong("must be a text")),
            }
        }
        "total" | "amount" | "draft_order_shipping_charge" | "estimate_amount" => {
            match json::exact_money(&raw) {
                Some(money) => Ok(Some(json::raw(&money.to_string()))),
                None if json::is_absent(&raw) => Ok(None),
                None => Err(wrong("must be an amount")),
            }
        }
        "chemist_details" if json::is_absent(&raw) => Ok(None),
        "chemist_details" if Object::read(&raw, Reading::Strict, "").is_ok() => Ok(Some(raw)),
        "chemist_details" => Err(wrong("must be an object")),
        "items" | "item_details" => {
            if json::is_absent(&raw) {
                return Ok(None);
            }
            let items = json::list(&raw).ok_or_else(|| wrong("must be a list"))?;
            let line = |(n, item): (usize, &RawValue)| {
                let place = format!("{}[{n}]", fields::member("data", key));
                FulfilmentLine::admit(item)
                    .ok_or_else(|| FieldError::new(place, "must be an object"))
            };
            let lines: Vec<_> = items
                .into_iter()
                .enumerate()
                .map(line)
                .collect::<Result<_, _>>()?;
            Ok(Some(json::raw(&lines)))
        }
        _ => Ok(Some(raw)),
    }
}
