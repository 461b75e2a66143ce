//! Numbers arrive as they were written, or are refused with their place. Whatever other crates of a build have switched on
//! in serde_json, this stays true: `.ci/run` runs these tests once more with `arbitrary_precision` and `preserve_order`.

use std::collections::HashMap;

use orderhook::order::{OrderCreated, Privacy};
use orderhook::store::Inserted;
use orderhook::{Dispatcher, Event, MemoryStore, Money, PaidOrder, Source, Supplier, SupplierId};
use serde::Deserialize;
use serde_json::{Value, json};

/// An order of one line whose unit price and extra fields are this JSON text.
fn written(unit_price: &str, extra: &str) -> String {
    format!(
        r#"{{"order_code": "A-1", "channel": "web", "currency": "EUR", "shipping_charges": "4.90",
            "address": {{"line1": "1 Elm St", "city": "Ulm", "postal_code": "1", "country": "DE"}},
            "built_at": "2026-11-21T10:00:00Z", "extra": {extra},
            "lines": [{{"supplier": "north", "sku": "B-1", "name": "Atlas", "quantity": 2, "unit_price": {unit_price}}}]}}"#
    )
}

fn read(text: &str) -> PaidOrder {
    PaidOrder::from_json(text.as_bytes()).unwrap()
}

fn north() -> SupplierId {
    SupplierId::new("north").unwrap()
}

/// What north receives, as text.
fn body(order: &PaidOrder) -> String {
    let event = Event::order_created(order, &north(), &Privacy::new())
        .unwrap()
        .unwrap();
    String::from_utf8(event.body().as_bytes().to_vec()).unwrap()
}

#[test]
fn an_amount_arrives_digit_by_digit_or_is_refused_with_its_place() {
    for (price, sent) in [
        ("14.309999999999999", "14.309999999999999"),
        ("14.31", "14.31"),
        ("0.30000000000000004", "0.30000000000000004"),
        ("19.50", "19.50"),
        ("18446744073709551617", "18446744073709551617"),
        ("1.5e3", "1500"),
        ("\"14.309999999999999\"", "14.309999999999999"),
    ] {
        assert!(
            body(&read(&written(price, "{}"))).contains(&format!(r#""unit_price":"{sent}""#)),
            "{price}"
        );
    }
    for price in [
        "0.12345678901234567890123456789",
        "1e29",
        "1e400",
        "99999999999999999999999999999",
    ] {
        let refused = PaidOrder::from_json(written(price, "{}").as_bytes()).unwrap_err();
        assert_eq!(refused.place(), "lines[0].unit_price", "{price}");
    }
}

#[test]
fn extra_fields_are_passed_on_as_they_were_written() {
    for number in [
        "12345678901234567890123",
        "0.1000",
        "1e400",
        "-0.0",
        "14.309999999999999",
    ] {
        let order = read(&written(
            "1",
            &format!(r#"{{"awb": {number}, "deep": [{{"n": {number}}}]}}"#),
        ));
        let expected = format!(r#""extra":{{"awb":{number},"deep":[{{"n":{number}}}]}}"#);
        assert!(body(&order).contains(&expected), "{}", body(&order));
        let again = read(&serde_json::to_string(&order).unwrap());
        assert_eq!(
            body(&again),
            body(&order),
            "as often as it is written and read"
        );
    }
}

#[tokio::test]
async fn an_order_whose_long_number_has_another_last_digit_is_a_conflict() {
    let supplier = Supplier::builder(north())
        .endpoint("https://north.example/")
        .build()
        .unwrap();
    let suppliers = HashMap::from([(north(), supplier)]);
    let source = Source::new("tests").unwrap();
    let dispatcher = Dispatcher::builder(source, MemoryStore::new(), suppliers)
        .build()
        .unwrap();
    let order = |awb: &str| read(&written("1", &format!(r#"{{"awb": {awb}}}"#)));
    let mut stored = Vec::new();
    for awb in [
        "12345678901234567890123",
        "12345678901234567890124",
        "12345678901234567890123",
    ] {
        stored.push(dispatcher.enqueue(&order(awb)).await.unwrap().stored[0].inserted);
    }
    assert!(
        matches!(
            stored[..],
            [Inserted::New { .. }, Inserted::Differs, Inserted::Existing]
        ),
        "{stored:?}"
    );
}

#[test]
fn the_digests_of_orders_that_the_first_version_took_stay_what_they_were() {
    // They are stored and compared: another value here would report every order that is enqueued again as a conflict.
    let numbers = r#"{"order_code":"A-1","customer_name":"Ä","mobile":"1","channel":"web","currency":"EUR",
        "shipping_charges":4.90,"built_at":"2026-11-21T10:00:00Z",
        "address":{"line1":"1 Elm St","line2":"x","city":"Ulm","postal_code":"1","country":"DE"},
        "extra":{"n":[0,-0,0.0,1.50,1e2,-7,18446744073709551615,-9223372036854775808,1e20,1e-7,100000000000000000000,
            123456789012345.0,-0.00123456789012345],"t":{"b":"\u00e9\n","a":null,"":true}},
        "lines":[{"supplier":"a","sku":"s","name":"n","quantity":3,"unit_price":19.5,"total":58.50,"extra":{"w":1.25}},
            {"supplier":"b","sku":"s","name":"n","quantity":1,"unit_price":"0.10"}]}"#;
    let mut digests = Vec::new();
    for text in [numbers, include_str!("../examples/paid-order.json")] {
        let order = read(text);
        for supplier in order.suppliers() {
            let event = Event::order_created(&order, supplier, &Privacy::new())
                .unwrap()
                .unwrap();
            digests.push(
                event
                    .digest()
                    .to_bytes()
                    .iter()
                    .map(|byte| format!("{byte:02x}"))
                    .collect::<String>(),
            );
        }
    }
    assert_eq!(
        digests,
        [
            "0197efe90d42410f19109b721731958f12152dc928ad65c3daa2fb8607bfcb2a92",
            "01b49026d88847890dd58236618ddba6447301de7c79e474e29e4d0b3fa879ddc8",
            "014b3a04ffc944a2700747525888e4fcba9f209bdbaff5f8be41eff2f17ca800c8",
            "019208fdf1f808b616028e60bea2b846314422f754eb133a46eca8fee8d8764143",
            "01fee3ba1bbcf046458d22f5d184bf9c9964ed539cc4dc6186ee8a83c04e670077",
        ]
    );
}

#[test]
fn an_order_is_exact_from_every_kind_of_json_text() {
    let text = written("14.309999999999999", r#"{"awb": 12345678901234567890123}"#);
    let order = read(&text);
    assert_eq!(serde_json::from_str::<PaidOrder>(&text).unwrap(), order);
    assert_eq!(
        serde_json::from_slice::<PaidOrder>(text.as_bytes()).unwrap(),
        order
    );
    assert_eq!(
        serde_json::from_reader::<_, PaidOrder>(text.as_bytes()).unwrap(),
        order
    );

    #[derive(Deserialize)]
    struct Envelope {
        orders: Vec<PaidOrder>,
        fee: Money,
    }
    let envelope = format!(r#"{{"orders": [{text}], "fee": 0.30000000000000004}}"#);
    let read: Envelope = serde_json::from_str(&envelope).unwrap();
    assert_eq!(
        (&read.orders[0], read.fee.to_string().as_str()),
        (&order, "0.30000000000000004")
    );
    let refused = serde_json::from_reader::<_, Envelope>(envelope.as_bytes())
        .map(|_| ())
        .unwrap_err()
        .to_string();
    assert!(
        refused.contains("floating-point"),
        "alone it cannot be told from one that was rounded: {refused}"
    );

    let created = body(&order);
    assert_eq!(
        serde_json::to_string(&serde_json::from_str::<OrderCreated>(&created).unwrap()).unwrap(),
        created
    );
    let twice = text.replace(
        r#""channel": "web","#,
        r#""channel": "web", "channel": "app","#,
    );
    let refused = serde_json::from_str::<PaidOrder>(&twice)
        .unwrap_err()
        .to_string();
    assert!(refused.starts_with("channel: is there twice"), "{refused}");
}

/// The document as a value, with another one at a JSON pointer.
fn with(pointer: &str, value: Value) -> Value {
    let mut order: Value = serde_json::from_str(&written("\"1\"", r#"{"a": [1]}"#)).unwrap();
    *order.pointer_mut(pointer).unwrap() = value;
    order
}

#[derive(Debug, Deserialize)]
struct Wrapped {
    #[serde(flatten)]
    order: PaidOrder,
}

#[test]
fn from_a_value_or_a_flatten_integers_and_strings_are_exact_and_a_float_is_refused_with_its_place()
{
    for (pointer, value) in [
        ("/lines/0/unit_price", json!(18_446_744_073_709_551_615_u64)),
        ("/lines/0/unit_price", json!("14.309999999999999")),
        ("/lines/0/quantity", json!(4_294_967_296_u64)),
        (
            "/extra/a",
            json!([u64::MAX, i64::MIN, "1.50", null, {"b": true}]),
        ),
    ] {
        let value = with(pointer, value);
        let exact = read(&value.to_string());
        assert_eq!(PaidOrder::deserialize(&value).unwrap(), exact, "{pointer}");
        assert_eq!(
            serde_json::from_value::<Wrapped>(value.clone())
                .unwrap()
                .order,
            exact,
            "{pointer}"
        );
        assert_eq!(
            serde_json::from_str::<Wrapped>(&value.to_string())
                .unwrap()
                .order,
            exact,
            "{pointer}"
        );
        assert_eq!(
            serde_json::from_value::<PaidOrder>(value).unwrap(),
            exact,
            "{pointer}"
        );
    }
    for (pointer, place) in [
        ("/shipping_charges", "shipping_charges"),
        ("/lines/0/unit_price", "lines[0].unit_price"),
        ("/lines/0/quantity", "lines[0].quantity"),
        ("/order_code", "order_code"),
        ("/extra/a", "extra.a"),
        ("/extra/a/0", "extra.a[0]"),
    ] {
        let value = with(pointer, json!(14.31));
        let refused = [
            serde_json::from_value::<PaidOrder>(value.clone()).unwrap_err(),
            PaidOrder::deserialize(&value).unwrap_err(),
            serde_json::from_value::<Wrapped>(value.clone()).unwrap_err(),
            serde_json::from_str::<Wrapped>(&value.to_string()).unwrap_err(),
        ];
        for refused in refused.map(|error| error.to_string()) {
            assert!(
                refused.starts_with(&format!("{place}: ")) && refused.contains("floating-point"),
                "{refused}"
            );
        }
    }
}

#[test]
fn a_float_under_a_key_that_a_receiver_passes_over_does_not_matter() {
    let mut created: Value = serde_json::from_str(&body(&read(&written("1", "{}")))).unwrap();
    created["score"] = json!(0.5);
    created["items"][0]["weight"] = json!({"kg": 1.25});
    assert_eq!(
        serde_json::from_value::<OrderCreated>(created)
            .unwrap()
            .items()
            .len(),
        1
    );
}

#[test]
fn suppliers_and_stages_are_read_like_orders() {
    let supplier = |value: Value| Supplier::deserialize(value).map_err(|error| error.to_string());
    assert!(supplier(json!({"id": "north", "max_concurrent": 3})).is_ok());
    let refused = supplier(json!({"id": "north", "max_concurrent": 3.0})).unwrap_err();
    assert!(
        refused.starts_with("supplier north: max_concurrent: ")
            && refused.contains("floating-point"),
        "{refused}"
    );
}

#[cfg(feature = "fulfilment")]
#[test]
fn the_numbers_of_a_stage_are_sent_as_they_are_written_and_a_float_is_refused() {
    use orderhook::fulfilment::StageEvent;

    let stage = r#"{"parent_order": "P-1", "child_order": "C-1", "flow": "pickup", "stage": "accept",
        "data": {"total": 14.309999999999999, "number": 12345678901234567890123}}"#;
    let event: StageEvent = serde_json::from_str(stage).unwrap();
    let sent = String::from_utf8(event.content()).unwrap();
    assert!(
        sent.contains(r#""total":"14.309999999999999""#)
            && sent.contains("12345678901234567890123"),
        "{sent}"
    );
    assert_eq!(StageEvent::from_json(stage.as_bytes()).unwrap(), event);
    let whole = json!({"parent_order": "P-1", "child_order": "C-1", "flow": "pickup", "stage": "accept",
        "data": {"total": 14}});
    assert!(StageEvent::deserialize(&whole).is_ok());
    let rounded = json!({"parent_order": "P-1", "child_order": "C-1", "flow": "pickup", "stage": "accept",
        "data": {"total": 14.31}});
    let refused = StageEvent::deserialize(&rounded).unwrap_err().to_string();
    assert!(
        refused.starts_with("data.total: ") && refused.contains("floating-point"),
        "{refused}"
    );
}

#[test]
fn an_order_without_an_address_and_with_goods_by_weight_is_one() {
    let text = written("3.90", "{}").replace(r#""quantity": 2"#, r#""quantity": 0.750"#);
    let start = text.find(r#""address""#).unwrap();
    let end = text.find(r#""built_at""#).unwrap();
    let order = read(&format!("{}{}", &text[..start], &text[end..]));
    assert_eq!(order.address(), None);
    let body = body(&order);
    assert!(
        body.contains(r#""quantity":0.75,"#) && !body.contains("address"),
        "{body}"
    );
    assert_eq!(
        serde_json::from_str::<OrderCreated>(&body).unwrap().items()[0]
            .quantity()
            .to_string(),
        "0.75"
    );
}

#[test]
fn a_byte_order_mark_in_front_of_a_document_is_passed_over() {
    let text = format!("\u{feff}{}", written("1", "{}"));
    assert_eq!(read(&text).order_code().as_str(), "A-1");
    let utf_16: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let refused = PaidOrder::from_json(&utf_16).unwrap_err().to_string();
    assert_eq!(
        refused,
        "the order must be saved as UTF-8, and not as UTF-16, which its byte order mark says"
    );
}
