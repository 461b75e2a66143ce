//! What is planted, and the search for it.

use std::error::Error;
use std::fmt::Debug;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use orderhook::value::Network;
use orderhook::{PaidOrder, SigningKey, SupplierBuilder};
use serde_json::{Value, json};

use crate::support::{Received, Receiver};
use crate::world;

pub(crate) const TOKEN: &str = "qzbearer7f31";
pub(crate) const HEADER: &str = "qzheader7f32";
pub(crate) const QUERY: &str = "qzquery7f33";
pub(crate) const KEY: &str = "whsec_qzsigningkey7f34qzsigningkey7f34qzsigningkey7f34";
pub(crate) const REPLY: &str = "qzreply7f35";
pub(crate) const REASON: &str = "qzreason7f36";
/// The supplier's own reference: shown to whoever asks about the notification, and no business of a log.
pub(crate) const REFERENCE: &str = "QZREF-7f37";

const NEVER_SHOWN: &[(&str, &str)] = &[
    ("the bearer token", TOKEN),
    ("a custom header's value", HEADER),
    ("the query", QUERY),
    ("the signing key", "qzsigningkey7f34"),
    ("a reply", REPLY),
    ("the customer's name", "Qzname7f41"),
    ("the e-mail address", "qzmail7f42"),
    ("the mobile number", "917055703413"),
    ("the name in the address", "Qzaddressee7f43"),
    ("line 1 of the address", "Qzlane7f44"),
    ("line 2 of the address", "Qzflat7f45"),
    ("the postal code", "QZ7F46"),
    ("the phone number", "917055703414"),
    ("an extra field of the order", "qzextra7f47"),
    ("an extra field of a line", "qzengraving7f48"),
];

const NEVER_LOGGED: &[(&str, &str)] = &[
    ("a supplier's reference", REFERENCE),
    ("a person's reason", REASON),
];

/// Fails if anything planted is in this text, in plain or as numbers.
pub(crate) fn assert_clean(what: &str, text: &str) {
    assert_without(what, text, NEVER_SHOWN);
}

/// The same for what only whoever asks may see.
pub(crate) fn assert_clean_log(what: &str, text: &str) {
    assert_without(what, text, NEVER_SHOWN);
    assert_without(what, text, NEVER_LOGGED);
}

/// Fails if this text ends with the beginning of anything planted. Four letters: fewer may be an accident of a signature.
pub(crate) fn assert_ends_clean(what: &str, text: &str) {
    for (name, canary) in NEVER_SHOWN {
        for length in 4..canary.len() {
            let beginning = &canary[..length];
            assert!(
                !text.ends_with(beginning),
                "{what} ends with {name}: {text}"
            );
        }
    }
}

fn assert_without(what: &str, text: &str, planted: &[(&str, &str)]) {
    for (name, canary) in planted {
        if let Some(place) = find(text, canary) {
            panic!("{what} shows {name}:\n{place}");
        }
    }
}

/// Where it is, with what stands before it.
fn find<'t>(text: &'t str, canary: &str) -> Option<&'t str> {
    forms(canary).into_iter().find_map(|form| {
        let at = text.find(&form)?;
        let start = text[..at]
            .char_indices()
            .rev()
            .nth(300)
            .map_or(0, |(at, _)| at);
        Some(&text[start..at + form.len()])
    })
}

/// A canary as it is, and as the numbers of its bytes, which is how `Debug` shows a list of bytes; a key also decoded.
fn forms(canary: &str) -> Vec<String> {
    let decimal = |bytes: &[u8]| {
        bytes
            .iter()
            .map(u8::to_string)
            .collect::<Vec<_>>()
            .join(", ")
    };
    let hex: String = canary.bytes().map(|byte| format!("{byte:02x}")).collect();
    let mut forms = vec![canary.to_owned(), decimal(canary.as_bytes()), hex];
    if KEY.contains(canary) {
        forms.push(decimal(&STANDARD.decode(canary).unwrap()));
    }
    forms
}

/// Shows that the search would find it: the receivers got everything that was planted for them.
pub(crate) fn assert_arrived(request: &Received) {
    let head = format!("{} {:?}", request.path_and_query, request.headers);
    let body = String::from_utf8(request.body.clone()).unwrap();
    let at_the_receiver = format!("{head}\n{body}");
    // Neither its own replies nor the key itself go to a receiver.
    for (name, canary) in NEVER_SHOWN
        .iter()
        .filter(|(_, canary)| !KEY.contains(canary) && *canary != REPLY)
    {
        assert!(
            find(&at_the_receiver, canary).is_some(),
            "{name} did not arrive: {at_the_receiver}"
        );
    }
    assert!(head.contains("webhook-signature"));
}

/// A supplier with secrets wherever there is room for one.
pub(crate) fn supplier(name: &str, urls: &[String]) -> SupplierBuilder {
    let urls = urls.iter().map(|url| format!("{url}?tenant=4&key={QUERY}"));
    urls.fold(world::supplier(name), SupplierBuilder::endpoint)
        .bearer_token(TOKEN)
        .custom_header("x-adapter", HEADER)
        .signing_key(SigningKey::new(KEY).unwrap())
        .reference_pointer("/id")
}

pub(crate) fn suppliers_file(name: &str, receiver: &Receiver) -> Value {
    let url = format!("{}?tenant=4&key={QUERY}", receiver.url("/in"));
    json!({"suppliers": [{
        "id": name, "webhook_urls": [url], "bearer_token": TOKEN,
        "custom_headers": [{"name": "x-adapter", "value": HEADER}],
        "signing_keys": [{"key": KEY}], "reference_pointer": "/id",
    }]})
}

/// An order with personal data wherever there is room for some.
pub(crate) fn document(code: &str, suppliers: &[&str]) -> Value {
    let mut order = world::document(code, suppliers);
    order["customer_name"] = json!("Qzname7f41 Sample");
    order["email"] = json!("qzmail7f42@mail.example");
    order["mobile"] = json!("+917055703413");
    order["address"] = json!({
        "name": "Qzaddressee7f43", "line1": "12 Qzlane7f44", "line2": "Qzflat7f45", "city": "Pune",
        "postal_code": "QZ7F46", "country": "IN", "phone": "+917055703414",
    });
    order["extra"] = json!({"note": "qzextra7f47"});
    for line in order["lines"].as_array_mut().unwrap() {
        line["extra"] = json!({"engraving": "qzengraving7f48"});
    }
    order
}

pub(crate) fn order(code: &str, suppliers: &[&str]) -> PaidOrder {
    world::order_from(document(code, suppliers))
}

pub(crate) fn loopback() -> Network {
    "127.0.0.0/8".parse().unwrap()
}

/// `Debug` of a value in both of its forms.
pub(crate) fn assert_clean_debug(what: &str, value: &impl Debug) {
    assert_clean(what, &format!("{value:?}"));
    assert_clean(what, &format!("{value:#?}"));
}

/// `Debug` of an error, and `Display` of it and of all its causes.
pub(crate) fn assert_clean_error(error: &(dyn Error + 'static)) {
    assert_clean("the Debug of an error", &format!("{error:?}"));
    let mut next = Some(error);
    while let Some(cause) = next {
        assert_clean_log("an error", &cause.to_string());
        next = cause.source();
    }
}
