//! What is kept of a reply that was not 2xx. Pure: supplier, endpoint, the body that was sent and the reply in, a text out.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::value::RawValue;

use crate::event::Body;
use crate::supplier::{Endpoint, Supplier};
use crate::value::json::{self, Reading};
use crate::wire::escapes::read;
use crate::wire::hidden::Hidden;

/// How much more of a reply is read than is kept, so that a secret at its end is seen whole.
const MORE: usize = 16 * 1024;

/// How deep the values of a body are distinguished; what is deeper is hidden as one text.
const DEPTH: usize = 32;

/// A part of a header's value that is shorter says little about it.
const PART: usize = 6;

/// The keys of a body whose values name things and not people. Everything else that a body says is hidden in a reply.
const NAMES_OF_THINGS: &[&str] = &[
    "amount",
    "built_at",
    "channel",
    "chemist_code",
    "chemist_id",
    "codes",
    "currency",
    "delivery_type",
    "draft_order_id",
    "event_id",
    "id",
    "is_final_rejection",
    "new_order_ids",
    "occurred_at",
    "order_code",
    "order_id",
    "order_number",
    "partner_order_id",
    "quantity",
    "reject_slug",
    "rejected_order_id",
    "sequence",
    "shipping_charges",
    "sku",
    "total",
    "transaction_nature",
    "unit_price",
];

/// How many bytes of a reply that is not 2xx are read; `None` for a supplier whose replies are not kept.
pub(crate) fn limit(supplier: &Supplier) -> Option<usize> {
    match supplier.keep_reply() {
        0 => None,
        kept => Some(kept + MORE),
    }
}

/// The beginning of a reply as it may be stored: the secrets of the request and what it said of people are `***`, and what
/// cannot be seen is escaped. `None` if the supplier's replies are not kept, or nothing came.
pub(crate) fn kept_reply(
    supplier: &Supplier,
    endpoint: &Endpoint,
    body: &Body,
    beginning: Option<&[u8]>,
) -> Option<String> {
    let beginning = beginning.filter(|beginning| !beginning.is_empty())?;
    limit(supplier)?;
    let mut hidden = Hidden::default();
    hide_secrets(&mut hidden, supplier, endpoint);
    // Without knowing what was said of people, nothing is kept.
    hide_people(&mut hidden, serde_json::from_slice(body.as_bytes()).ok()?);
    Some(hidden.hide(&read(beginning), supplier.keep_reply()))
}

fn hide_secrets(hidden: &mut Hidden, supplier: &Supplier, endpoint: &Endpoint) {
    if let Some(token) = supplier.bearer_token() {
        hidden.secret(token.expose());
    }
    for header in supplier.custom_headers() {
        let value = header.value().expose();
        hidden.secret(value);
        let parts = value.split([' ', '\t', ',', ';', '=', ':', '"']);
        parts
            .filter(|part| part.len() >= PART)
            .for_each(|part| hidden.secret(part));
        // RFC 7617: a user and a password.
        let basic = value
            .split_whitespace()
            .last()
            .map(|coded| STANDARD.decode(coded));
        if let Some(Ok(decoded)) = basic {
            let decoded = String::from_utf8_lossy(&decoded);
            decoded.split(':').for_each(|part| hidden.secret(part));
        }
    }
    let url = endpoint.url();
    hidden.secret(url.query().unwrap_or_default());
    for (key, value) in url.query_pairs() {
        // Without a value the key may be the secret.
        hidden.secret(if value.is_empty() { &key } else { &value });
    }
}

fn hide_people(hidden: &mut Hidden, body: &RawValue) {
    hide_value(
        hidden,
        body,
        &Place {
            key: "",
            within: "",
            depth: 0,
        },
    );
}

/// Where a value stands in the body.
struct Place<'a> {
    key: &'a str,
    /// The key of the object that it is in, or of the list of that object.
    within: &'a str,
    depth: usize,
}

impl Place<'_> {
    fn is_name_of_a_thing(&self) -> bool {
        NAMES_OF_THINGS.contains(&self.key) || (self.key == "name" && self.within == "items")
    }

    /// Whether each word of a text here says something of a person.
    fn has_telling_words(&self) -> bool {
        self.key.ends_with("name")
            || self.key.contains("address")
            || self.within.contains("address")
    }
}

fn hide_value(hidden: &mut Hidden, raw: &RawValue, place: &Place<'_>) {
    if place.is_name_of_a_thing() {
        return;
    }
    let depth = place.depth + 1;
    if depth > DEPTH {
        hidden.personal(raw.get());
    } else if let Ok(members) = json::members(raw, Reading::Lenient) {
        for (key, value) in members {
            hide_value(
                hidden,
                value,
                &Place {
                    key: &key,
                    within: place.key,
                    depth,
                },
            );
        }
    } else if let Some(list) = json::list(raw) {
        for value in list {
            hide_value(hidden, value, &Place { depth, ..*place });
        }
    } else if let Some(text) = json::string(raw) {
        match place.has_telling_words() {
            true => hidden.personal_words(&text),
            false => hidden.personal(&text),
        }
    } else if let Some(number) = json::number(raw).filter(|number| number.len() >= PART) {
        hidden.personal(number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::names::SupplierId;

    fn supplier() -> Supplier {
        Supplier::builder(SupplierId::new("a").unwrap())
            .endpoint("https://a.example/in?s3cr3t-query%2B1")
            .custom_header(
                "authorization",
                "Basic YWRtaW4tdXNlcjpzM2NyM3QtcHctenp6eg==",
            )
            .keep_reply(4096)
            .build()
            .unwrap()
    }

    fn kept(body: &str, reply: &str) -> Option<String> {
        let (supplier, body) = (supplier(), Body::new(body.as_bytes()));
        kept_reply(
            &supplier,
            &supplier.endpoints()[0],
            &body,
            Some(reply.as_bytes()),
        )
    }

    #[test]
    fn a_user_and_a_password_are_hidden_in_their_code_and_out_of_it() {
        for (reply, shown) in [
            ("got YWRtaW4tdXNlcjpzM2NyM3QtcHctenp6eg==", "got ***=="),
            (
                "wrong password s3cr3t-pw-zzzz for admin-user",
                "wrong password *** for ***",
            ),
            ("at /in?s3cr3t-query+1", "at /in?***"),
            ("at /in?s3cr3t-query%2B1", "at /in?***"),
        ] {
            assert_eq!(kept("{}", reply).as_deref(), Some(shown));
        }
    }

    #[test]
    fn what_a_body_says_is_hidden_but_for_the_names_of_things() {
        let body = r#"{
            "order_code": "MKT-1001", "transaction_nature": "shipped", "sku": "NB-0042",
            "patient": {"full_name": "Mira Sol", "born": "1960-01-31", "id_number": 5550142774},
            "medicine_name": "Inventamol", "remarks": ["leave it at the door", "leave it there"], "remark": "x", "remark": "Zed"
        }"#;
        for (reply, shown) in [
            (
                "MKT-1001: NB-0042 was shipped",
                "MKT-1001: NB-0042 was shipped",
            ),
            (
                "no patient Mira, born 1960-01-31",
                "no patient ***, born ***",
            ),
            ("5550142774 is not 555-014-2774", "*** is not ***"),
            ("INVENTAMOL is not sold", "*** is not sold"),
            ("what is 'at the door'?", "what is '***'?"),
            ("what is Zed?", "what is ***?"),
        ] {
            assert_eq!(kept(body, reply).as_deref(), Some(shown));
        }
    }

    #[test]
    fn a_body_as_deep_as_it_likes_is_hidden_and_one_that_is_no_json_keeps_no_reply() {
        let deep = format!("{}\"s3cr3t\"{}", "[".repeat(5_000), "]".repeat(5_000));
        assert_eq!(
            kept(&deep, "who is s3cr3t?").as_deref(),
            Some("who is ***?")
        );
        assert_eq!(kept("not json", "no"), None);
        assert_eq!(kept("{}", ""), None);
    }
}
