//! Reads, refuses, tells.

use serde_json::{Value, json};

use super::*;
use crate::order::privacy::Customer;
use crate::order::{LineBuilder, Rule};

const EXAMPLE: &[u8] = include_bytes!("../../examples/paid-order.json");

fn example() -> Value {
    serde_json::from_slice(EXAMPLE).unwrap()
}

fn supplier(id: &str) -> SupplierId {
    SupplierId::new(id).unwrap()
}

/// The example with the value at a JSON pointer replaced; `None` takes the key away.
fn changed(pointer: &str, value: Option<Value>) -> Value {
    let mut order = example();
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    let parent = order.pointer_mut(parent).unwrap();
    match (value, parent) {
        (Some(value), Value::Object(map)) => drop(map.insert(key.to_owned(), value)),
        (None, Value::Object(map)) => drop(map.remove(key).unwrap()),
        _ => unreachable!(),
    }
    order
}

/// What both ways of reading say.
fn refusal(order: &Value) -> String {
    let text = order.to_string();
    let error = PaidOrder::from_json(text.as_bytes()).unwrap_err();
    let same = serde_json::from_value::<PaidOrder>(order.clone()).unwrap_err();
    assert!(error.to_string().ends_with(&same.to_string()));
    error.to_string()
}

fn digested(order: &Value, id: &str) -> Vec<u8> {
    let order: PaidOrder = serde_json::from_value(order.clone()).unwrap();
    order.content_for_digest(&supplier(id)).0
}

/// The same JSON with the keys of every object the other way round.
fn reversed(value: &Value) -> String {
    match value {
        Value::Object(map) => {
            let members = map.iter().rev();
            let members: Vec<_> = members
                .map(|(k, v)| format!("{k:?}:{}", reversed(v)))
                .collect();
            format!("{{{}}}", members.join(","))
        }
        Value::Array(items) => {
            let items: Vec<_> = items.iter().map(reversed).collect();
            format!("[{}]", items.join(","))
        }
        other => other.to_string(),
    }
}

#[test]
fn an_order_is_written_as_it_was_read() {
    let order = PaidOrder::from_json(EXAMPLE).unwrap();
    assert_eq!(serde_json::to_value(&order).unwrap(), example());
    let again = PaidOrder::from_json(&serde_json::to_vec(&order).unwrap()).unwrap();
    assert_eq!(again, order);
}

#[test]
fn a_wrong_order_is_refused_by_place_and_remedy() {
    let amount = "an amount of money must be a decimal number such as \"14.31\"";
    let quantity = "must be a number greater than zero, such as 2 or 0.75, with at most 28 digits";
    let moment = "a timestamp must be an RFC 3339 date and time with an offset, such as \"2026-03-01T10:00:00+05:30\"";
    for (pointer, value, problem) in [
        ("/order_code", json!(""), "an order code must not be empty"),
        ("/order_code", json!(4711), "must be a text"),
        (
            "/currency",
            json!("Rupees"),
            "a currency must be three capital letters (ISO 4217), such as \"EUR\"",
        ),
        ("/channel", json!(" "), "must not be empty"),
        ("/shipping_charges", json!("-1"), "must not be negative"),
        ("/address", json!("Lake Road"), "must be an object"),
        ("/address/city", json!(""), "must not be empty"),
        ("/address/phone", json!(4711), "must be a text"),
        ("/built_at", json!("2026-03-01T10:00:00"), moment),
        ("/lines", json!([]), "must not be empty"),
        (
            "/lines/1/supplier",
            json!(""),
            "a supplier id must not be empty",
        ),
        ("/lines/1/sku", json!(""), "must not be empty"),
        ("/lines/1/quantity", json!(0), quantity),
        ("/lines/1/quantity", json!(-1), quantity),
        ("/lines/1/quantity", json!("2"), quantity),
        ("/lines/1/unit_price", json!("twelve"), amount),
        (
            "/lines/1/unit_price",
            json!("-14.31"),
            "must not be negative",
        ),
        ("/lines/1/unit_price", json!(-14), "must not be negative"),
        ("/lines/1/total", json!("1,000.00"), amount),
        ("/lines/1/total", json!("-0.01"), "must not be negative"),
        ("/lines/0/codes/ean", json!(4711), "must be a text"),
        ("/lines/1/extra", json!("x"), "must be an object"),
        ("/extra", json!([]), "must be an object"),
    ] {
        let place = pointer[1..]
            .replace("/0", "[0]")
            .replace("/1", "[1]")
            .replace('/', ".");
        assert_eq!(
            refusal(&changed(pointer, Some(value))),
            format!("{place}: {problem}")
        );
    }
}

#[test]
fn what_every_order_has_must_be_there() {
    for pointer in [
        "/order_code",
        "/channel",
        "/currency",
        "/shipping_charges",
        "/built_at",
        "/lines",
        "/address/line1",
        "/address/postal_code",
        "/address/country",
        "/lines/1/supplier",
        "/lines/1/name",
        "/lines/1/quantity",
        "/lines/1/unit_price",
    ] {
        let place = pointer[1..].replace("/1", "[1]").replace('/', ".");
        assert_eq!(
            refusal(&changed(pointer, None)),
            format!("{place}: is missing")
        );
    }
}

#[test]
fn an_unknown_key_and_a_key_twice_are_refused_by_name() {
    for (pointer, place) in [
        ("/custmer_name", "custmer_name"),
        ("/address/zip", "address.zip"),
        ("/lines/1/colour", "lines[1].colour"),
    ] {
        let refusal = refusal(&changed(pointer, Some(json!("4711"))));
        assert!(refusal.starts_with(&format!("{place}: is not a known key; known here: ")));
        assert!(!refusal.contains("4711"));
    }
    let error =
        PaidOrder::from_json(br#"{"lines": [{"quantity": 1, "quantity": 2}]}"#).unwrap_err();
    assert_eq!(error.to_string(), "lines[0].quantity: is there twice");
    let error = PaidOrder::from_json(b"{").unwrap_err();
    assert_eq!(
        error.to_string(),
        "the order is not valid JSON, see line 1, column 1"
    );
    assert_eq!(error.place(), "");
}

#[test]
fn suppliers_come_once_each_in_the_order_of_their_first_lines() {
    let order = PaidOrder::from_json(EXAMPLE).unwrap();
    let suppliers: Vec<_> = order.suppliers().map(SupplierId::as_str).collect();
    assert_eq!(suppliers, ["north-books", "green-grocer", "tool-shed"]);
}

#[test]
fn a_supplier_is_told_its_own_lines_only() {
    let order = PaidOrder::from_json(EXAMPLE).unwrap();
    assert_eq!(
        order.for_supplier(&supplier("nobody"), &Privacy::new()),
        None
    );
    let mut told = 0;
    for id in order.suppliers() {
        let created = order.for_supplier(id, &Privacy::new()).unwrap();
        let own = order.lines().iter().filter(|line| line.supplier() == id);
        assert!(created.items().iter().eq(own.map(Line::item)));
        assert!(
            !serde_json::to_string(&created)
                .unwrap()
                .contains("supplier")
        );
        told += created.items().len();
    }
    assert_eq!(told, order.lines().len());
}

#[test]
fn the_keys_of_order_created_have_a_fixed_order_and_absent_ones_are_left_out() {
    let created = |order: Value, privacy| {
        let order: PaidOrder = serde_json::from_value(order).unwrap();
        serde_json::to_string(&order.for_supplier(&supplier("north-books"), &privacy)).unwrap()
    };
    let text = created(example(), Privacy::new());
    let keys = [
        "{\"order_code\":",
        ",\"customer_name\":",
        ",\"email\":",
        ",\"mobile\":",
        ",\"channel\":",
        ",\"currency\":",
        ",\"shipping_charges\":",
        ",\"address\":{",
        ",\"items\":[",
        "],\"built_at\":",
        ",\"extra\":{",
    ];
    let places: Vec<_> = keys.iter().map(|key| text.rfind(key).unwrap()).collect();
    assert!(places.is_sorted(), "{text}");

    let all = Rule::Omit;
    let privacy = Privacy::new()
        .with_customer_name(all)
        .with_email(all)
        .with_mobile(all);
    let text = created(
        changed("/extra", Some(json!(null))),
        privacy.with_address(all),
    );
    for key in ["customer_name", "email", "mobile", "address", "null"] {
        assert!(!text.contains(key), "{key} in {text}");
    }
}

#[test]
fn the_shipped_example_is_what_north_books_is_told() {
    let order = PaidOrder::from_json(EXAMPLE).unwrap();
    let created = order
        .for_supplier(&supplier("north-books"), &Privacy::new())
        .unwrap();
    let shipped = include_str!("../../examples/order-created.json");
    let read: OrderCreated = serde_json::from_str(shipped).unwrap();
    assert_eq!(read, created);
    assert_eq!(
        format!("{}\n", serde_json::to_string_pretty(&created).unwrap()),
        shipped
    );
}

#[test]
fn a_receiver_passes_over_keys_that_it_does_not_know() {
    let mut created: Value =
        serde_json::from_str(include_str!("../../examples/order-created.json")).unwrap();
    let read: OrderCreated = serde_json::from_value(created.clone()).unwrap();
    created["loyalty"] = json!(1);
    created["address"]["floor"] = json!(2);
    created["items"][0]["colour"] = json!("blue");
    assert_eq!(
        serde_json::from_value::<OrderCreated>(created.clone()).unwrap(),
        read
    );
    created["items"][0]["quantity"] = json!(0);
    let error = serde_json::from_value::<OrderCreated>(created).unwrap_err();
    assert_eq!(
        error.to_string(),
        "items[0].quantity: must be a number greater than zero, such as 2 or 0.75, with at most 28 digits"
    );
}

#[test]
fn the_digest_sees_content_and_not_how_it_is_written() {
    let same =
        |order: Value| digested(&order, "north-books") == digested(&example(), "north-books");
    assert!(same(changed(
        "/built_at",
        Some(json!("2020-01-01T00:00:00Z"))
    )));
    assert!(same(changed("/shipping_charges", Some(json!("120.000")))));
    assert!(same(changed("/shipping_charges", Some(json!(120)))));
    assert!(
        same(changed("/lines/1/total", Some(json!(null)))),
        "a line of green-grocer"
    );
    assert!(same(serde_json::from_str(&reversed(&example())).unwrap()));
}

/// The pointers of all texts, numbers and truths in a value.
fn leaves(value: &Value, pointer: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            let below = map.iter().map(|(key, value)| (key.clone(), value));
            below.for_each(|(key, value)| leaves(value, &format!("{pointer}/{key}"), found));
        }
        Value::Array(items) => {
            let below = items.iter().enumerate();
            below.for_each(|(n, value)| leaves(value, &format!("{pointer}/{n}"), found));
        }
        _ => found.push(pointer.to_owned()),
    }
}

/// An order in which every field has a value. A new field does not compile here until it is in the sample.
fn full() -> Value {
    let mut sample = example();
    sample["extra"] = json!({"campaign": "spring"});
    let order = PaidOrder::deserialize(&sample).unwrap();
    let Parts {
        head:
            Head {
                order_code: _,
                customer:
                    Customer {
                        customer_name: Some(_),
                        email: Some(_),
                        mobile: Some(_),
                    },
                channel: _,
                currency: _,
                shipping_charges: _,
                address:
                    Some(Address {
                        name: Some(_),
                        line1: _,
                        line2: Some(_),
                        city: _,
                        state: Some(_),
                        postal_code: _,
                        country: _,
                        phone: Some(_),
                    }),
            },
        built_at: _,
        lines,
        extra,
    } = &*order.parts
    else {
        panic!("the sample lacks a field")
    };
    let Item {
        sku: _,
        codes,
        name: _,
        quantity: _,
        unit_price: _,
        total: Some(_),
        extra: of_line,
    } = lines[0].item()
    else {
        panic!("the sample lacks a field of a line")
    };
    assert!(!extra.is_empty() && !codes.is_empty() && !of_line.is_empty());
    sample
}

#[test]
fn the_digest_sees_every_change_of_what_the_supplier_is_sent() {
    let (sample, id) = (full(), "north-books");
    let (before, mut pointers) = (digested(&sample, id), Vec::new());
    leaves(&sample, "", &mut pointers);
    let mut seen = 0;
    for pointer in &pointers {
        let of_another = sample["lines"]
            .as_array()
            .unwrap()
            .iter()
            .enumerate()
            .any(|(n, line)| {
                line["supplier"] != id && pointer.starts_with(&format!("/lines/{n}/"))
            });
        if pointer == "/built_at" || of_another {
            continue;
        }
        // A value that may stand there, and is another one.
        let other = [json!("77"), json!("EUR"), json!(77)]
            .into_iter()
            .find(|other| {
                let mut changed = sample.clone();
                let place = changed.pointer_mut(pointer).unwrap();
                let differs = place != other;
                *place = other.clone();
                differs && PaidOrder::deserialize(&changed).is_ok()
            });
        let mut changed = sample.clone();
        *changed.pointer_mut(pointer).unwrap() = other.unwrap_or_else(|| panic!("{pointer}"));
        assert_ne!(digested(&changed, id), before, "{pointer}");
        seen += 1;
    }
    assert!(seen > 20, "{seen} of {pointers:?}");
}

#[test]
fn the_bytes_of_the_digest_are_frozen() {
    use sha2::{Digest, Sha256};

    let order = json!({
        "order_code": "MKT-1", "email": "e@mail.example", "channel": "web", "currency": "EUR",
        "shipping_charges": "4.90", "built_at": "2026-03-01T10:00:00+01:00",
        "address": {"line1": "l1", "city": "c", "postal_code": "", "country": "DE"},
        "lines": [{"supplier": "a", "sku": "s", "codes": {"y": "1", "x": "2"}, "name": "n", "quantity": 2,
            "unit_price": "19.50", "extra": {"weight": 1.25, "tags": ["b", "a", null, true]}}],
    });
    let order = PaidOrder::from_json(order.to_string().as_bytes()).unwrap();
    let digest = Sha256::digest(order.content_for_digest(&supplier("a")).0);
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    // Another value here means that stored digests no longer compare: make it a new version.
    assert_eq!(
        hex,
        "03a5191860102e6937288b08e17f177cadaa14b100e7a9ece8044e17d97a0d3d"
    );
}

#[test]
fn debug_shows_no_personal_data() {
    let order = PaidOrder::from_json(EXAMPLE).unwrap();
    let created = order.for_supplier(&supplier("north-books"), &Privacy::new());
    let debug = format!(
        "{order:?} {created:#?} {:?} {:?}",
        order.address(),
        order.lines()
    );
    assert!(debug.contains("PaidOrder { order_code: OrderCode(\"MKT-1001\"), lines: 5, "));
    let address = order.address().unwrap();
    for secret in [
        order.customer_name(),
        order.email(),
        order.mobile(),
        address.name(),
        Some(address.line1()),
        address.line2(),
        Some(address.city()),
        Some(address.postal_code()),
        address.phone(),
        Some("gift"),
    ] {
        assert!(!debug.contains(secret.unwrap()), "{secret:?} in {debug}");
    }
}

#[test]
fn an_order_is_built_as_it_is_read() {
    let read: PaidOrder = serde_json::from_value(json!({
        "order_code": "MKT-1", "customer_name": "A", "email": "e", "mobile": "m", "channel": "web",
        "currency": "EUR", "shipping_charges": "4.90", "built_at": "2026-03-01T10:00:00+01:00",
        "address": {"name": "n", "line1": "l1", "line2": "l2", "city": "c", "state": "s", "postal_code": "",
            "country": "DE", "phone": "p"},
        "lines": [{"supplier": "tool-shed", "sku": "TS-7", "codes": {"ean": "1"}, "name": "Level",
            "quantity": 2, "unit_price": "19.50", "total": "39.00", "extra": {"b": 2}}],
        "extra": {"a": 1},
    }))
    .unwrap();
    let money = |text: &str| text.parse::<Money>().unwrap();
    let address = Address::new("l1", "c", "", "DE")
        .unwrap()
        .with_name("n")
        .with_line2("l2");
    let line = Line::builder(supplier("tool-shed"), "TS-7")
        .name("Level")
        .quantity(2)
        .unit_price(money("19.50"))
        .code("ean", "1")
        .total(money("39.00"))
        .extra("b", &2);
    let builder = PaidOrder::builder(OrderCode::new("MKT-1").unwrap())
        .channel("web")
        .currency(Currency::new("EUR").unwrap())
        .shipping_charges(money("4.90"))
        .address(address.with_state("s").with_phone("p"))
        .built_at(
            "2026-03-01T10:00:00+01:00"
                .parse::<OffsetTimestamp>()
                .unwrap(),
        )
        .customer_name("A")
        .email("e")
        .mobile("m")
        .extra("a", &1);
    let built = builder.clone().line(line.clone()).build().unwrap();
    assert_eq!(built, read);
    let finished = line.clone().build().unwrap();
    assert_eq!(builder.clone().lines([finished]).build().unwrap(), read);

    let wrong = |line: LineBuilder| builder.clone().line(line).build().unwrap_err().to_string();
    assert_eq!(
        wrong(line.clone().total(money("-1"))),
        "lines[0].total: must not be negative"
    );
    assert!(
        wrong(line.clone().quantity(0)).starts_with("lines[0].quantity: must be a number greater")
    );
    assert!(
        wrong(line.clone().quantity("x"))
            .starts_with("lines[0].quantity: must be a number greater")
    );
    assert_eq!(
        wrong(line.clone().name(" ")),
        "lines[0].name: must not be empty"
    );
    let key = std::collections::BTreeMap::from([((1, 2), 3)]);
    assert_eq!(
        wrong(line.extra("k", &key)),
        "lines[0].extra.k: cannot be written as JSON"
    );
    let empty = PaidOrder::builder(OrderCode::new("MKT-1").unwrap());
    assert_eq!(
        empty.clone().build().unwrap_err().to_string(),
        "currency: is missing"
    );
    let shown = format!("{:?}", builder.customer_name("Asha"));
    assert!(!shown.contains("Asha"), "{shown}");
}
