//! Events as they are offered, and the bodies that are sent of them.

use orderhook::event::Stage;
use orderhook::fulfilment::FulfilmentEvent;
use orderhook::fulfilment::{
    Amounts, Finality, Flow, FulfilmentLine, Lifecycle, Pharmacy, Prescription, Rider, StageEvent,
    StageRef, Transition,
};
use proptest::prelude::*;
use serde_json::json;

use super::child;

fn offered(json: serde_json::Value) -> Result<StageEvent, String> {
    StageEvent::from_json(json.to_string().as_bytes()).map_err(|error| error.to_string())
}

fn body(event: &StageEvent) -> String {
    let now = "2026-03-01T10:00:00Z".parse().unwrap();
    String::from_utf8(event.encode("msg_0001", 3, now)).unwrap()
}

#[test]
fn a_built_event_is_encoded_in_a_fixed_order() {
    let mut pharmacy = Pharmacy::new("Sample Pharmacy");
    pharmacy.code = Some("CEX01".to_owned());
    let mut rider = Rider::new("Mira Invented");
    rider.mobile = Some("555-0142".to_owned());
    let mut amounts = Amounts::default();
    amounts.total = Some("125.00".parse().unwrap());
    amounts.shipping = Some("0".parse().unwrap());
    let line = FulfilmentLine::new("Examplol", 10)
        .with_medicine_id("m+0=")
        .with_price("12.50".parse().unwrap());
    let event = StageEvent::new(
        "P-1".parse().unwrap(),
        Flow::Delivery,
        Transition::shipped(child("C-1")),
    )
    .with_data("remark", &json!(["left", 1]))
    .unwrap()
    .with_lines(&[line])
    .with_amounts(&amounts)
    .with_delivery_pin("0421")
    .with_tracking_url("https://track.example/1")
    .with_rider(&rider)
    .with_pharmacy(&pharmacy)
    .with_partner_ref("ORD-1")
    .with_occurred_at("2026-03-01T09:00:00+05:30".parse().unwrap());
    let expected = concat!(
        r#"{"event_id":"msg_0001","sequence":3,"occurred_at":"2026-03-01T09:00:00+05:30","#,
        r#""transaction_nature":"shipped","draft_order_id":"P-1","id":"C-1","partner_order_id":"ORD-1","#,
        r#""delivery_type":"delivery","chemist_code":"CEX01","chemist_details":{"pharmacy_name":"Sample Pharmacy"},"#,
        r#""delivery_person_name":"Mira Invented","delivery_person_mobile":"555-0142","#,
        r#""tracking_url":"https://track.example/1","delivery_pin":"0421","total":"125.00","#,
        r#""draft_order_shipping_charge":"0","#,
        r#""items":[{"medicine_id":"m+0=","medicine_name":"Examplol","price":"12.50","quantity":10}],"#,
        r#""remark":["left",1]}"#,
    );
    assert_eq!(body(&event), expected);
    let shown = format!("{event:?}");
    for secret in ["Mira", "555-", "0421", "Sample", "Examplol", "ORD-1"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

#[test]
fn what_is_sent_of_every_stage_is_read_as_the_same_transition() {
    let events = [
        Transition::digitization_completed().with_prescription(Prescription::With),
        Transition::digitization_rejected().with_prescription(Prescription::With),
        Transition::assigned(child("C-1")),
        Transition::accepted(child("C-1")),
        Transition::rejected(child("C-1"), Finality::Final),
        Transition::reassigned(child("C-1"), [child("C-2"), child("C-3")]).unwrap(),
        Transition::shipped(child("C-1")),
        Transition::picked_up(child("C-1")),
        Transition::delivered(child("C-1")),
        Transition::split(child("C-1"), []).unwrap(),
    ];
    for (event, stage) in events.into_iter().zip(Stage::ALL) {
        let event = StageEvent::new("P-1".parse().unwrap(), Flow::Delivery, event);
        let read = FulfilmentEvent::from_json(body(&event).as_bytes()).unwrap();
        assert_eq!(read.stage(), StageRef::Known(stage));
        assert_eq!(
            read.transition().as_ref(),
            Ok(event.transition()),
            "{stage}"
        );
        assert_eq!(read.parent_id().as_deref(), Some("P-1"));
        assert_eq!(
            (read.event_id().as_deref(), read.sequence()),
            (Some("msg_0001"), Some(3))
        );
        assert_eq!(
            read.occurred_at().unwrap().to_string(),
            "2026-03-01T10:00:00Z"
        );
    }
}

#[test]
fn a_re_assignment_has_only_the_ids_of_the_parent_and_of_both_sides() {
    let event = offered(json!({
        "client": "clinic-a", "parent_order": "P-1", "flow": "delivery", "stage": "reassign",
        "data": { "rejected_order_id": "C-1", "new_order_ids": ["C-2", "C-3"] },
    }))
    .unwrap();
    assert_eq!(event.client().unwrap().as_str(), "clinic-a");
    assert_eq!(event.transition().occurrence(), "C-1");
    assert!(body(&event).ends_with(concat!(
        r#""transaction_nature":"reassign","draft_order_id":"P-1","delivery_type":"delivery","#,
        r#""rejected_order_id":"C-1","new_order_ids":["C-2","C-3"]}"#
    )));
}

#[test]
fn the_data_of_an_events_file_is_passed_on_without_loss() {
    let line = r#"{"parent_order":"P-1","child_order":"C-1","flow":"pickup","prescription":false,"stage":"accept","data":{"zeta":14.310,"alpha":{"b":1e300, "a":[1.00]},"total":14.310,"amount":"","remark":"","bill_no":0,"chemist_details":{},"items":[{"zz":1.50,"price":12.50,"quantity":2}],"id":"C-1"}}"#;
    let event = StageEvent::from_json(line.as_bytes()).unwrap();
    assert_eq!(serde_json::from_str::<StageEvent>(line).unwrap(), event);
    assert_eq!(
        event.transition().prescription(),
        Some(Prescription::Without)
    );
    assert!(body(&event).ends_with(concat!(
        r#""delivery_type":"pickup","total":"14.310","items":[{"price":"12.50","quantity":2,"zz":1.50}],"#,
        r#""alpha":{"b":1e300, "a":[1.00]},"bill_no":0,"remark":"","zeta":14.310}"#
    )));
}

#[test]
fn an_unusable_event_is_refused_by_its_place_and_without_its_value() {
    let good = json!({ "parent_order": "P-1", "child_order": "C-1", "flow": "delivery", "stage": "reject", "data": {} });
    assert!(offered(good.clone()).is_ok());
    for (pointer, value, place) in [
        ("/parent", json!("secret"), "parent: "),
        ("/parent_order", json!(""), "parent_order: "),
        ("/parent_order", json!(null), "parent_order: is missing"),
        ("/child_order", json!(null), "child_order: is missing"),
        ("/child_order", json!(" secret"), "child_order: "),
        (
            "/flow",
            json!("secret"),
            "flow: must be one of: delivery, pickup",
        ),
        (
            "/stage",
            json!("secret"),
            "stage: must be one of: digitization_completed, ",
        ),
        (
            "/stage",
            json!("digitization_completed"),
            "child_order: must be absent",
        ),
        ("/prescription", json!("secret"), "prescription: "),
        (
            "/occurred_at",
            json!("2026-03-01 10:00:00"),
            "occurred_at: ",
        ),
        ("/data", json!(["secret"]), "data: must be an object"),
        (
            "/data/is_final_rejection",
            json!("secret"),
            "data.is_final_rejection: ",
        ),
        (
            "/data/total",
            json!("secret"),
            "data.total: must be an amount",
        ),
        (
            "/data/reject_reason",
            json!({ "a": "secret" }),
            "data.reject_reason: must be a text",
        ),
        (
            "/data/items",
            json!({ "a": "secret" }),
            "data.items: must be a list",
        ),
        (
            "/data/items",
            json!([{ "a": 1 }, "secret"]),
            "data.items[1]: must be an object",
        ),
        (
            "/data/chemist_details",
            json!("secret"),
            "data.chemist_details: must be an object",
        ),
        ("/data/id", json!("secret"), "data.id: must be left"),
        (
            "/data/transaction_nature",
            json!("accept"),
            "data.transaction_nature: must be left",
        ),
        (
            "/data/event_id",
            json!("secret"),
            "data.event_id: must be left",
        ),
        ("/data/sequence", json!(7), "data.sequence: must be left"),
    ] {
        let mut bad = good.clone();
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        bad.pointer_mut(parent).unwrap()[key] = value;
        let error = offered(bad).unwrap_err();
        assert!(error.starts_with(place), "{pointer}: {error}");
        assert!(!error.contains("secret"), "{error}");
    }
    let twice = br#"{"parent_order":"P-1","flow":"pickup","flow":"delivery","stage":"accept"}"#;
    assert_eq!(StageEvent::from_json(twice).unwrap_err().place(), "flow");
}

#[test]
fn the_ids_of_a_re_assignment_must_make_sense() {
    let of = |child_order: serde_json::Value, data: serde_json::Value| {
        offered(json!({
            "parent_order": "P", "child_order": child_order, "flow": "delivery", "stage": "reassign", "data": data,
        }))
    };
    assert!(of(json!("A"), json!({ "new_order_ids": ["B"] })).is_ok());
    assert!(
        of(
            json!("A"),
            json!({ "rejected_order_id": "A", "new_order_ids": ["B"] })
        )
        .is_ok()
    );
    for (child_order, data, place) in [
        (
            json!("A"),
            json!({ "rejected_order_id": "B", "new_order_ids": ["C"] }),
            "child_order: ",
        ),
        (
            json!(null),
            json!({ "new_order_ids": ["C"] }),
            "data.rejected_order_id: is missing",
        ),
        (
            json!("A"),
            json!({}),
            "data.new_order_ids: a re-assignment names",
        ),
        (
            json!("A"),
            json!({ "new_order_ids": "B" }),
            "data.new_order_ids: must be a list",
        ),
        (
            json!("A"),
            json!({ "new_order_ids": ["B", 7] }),
            "data.new_order_ids[1]: must be a text",
        ),
        (
            json!("A"),
            json!({ "new_order_ids": ["B", "B"] }),
            "data.new_order_ids: child order B is named twice",
        ),
    ] {
        let error = of(child_order, data).unwrap_err();
        assert!(error.starts_with(place), "{error}");
    }
}

#[test]
fn finality_has_spellings_and_defaults_to_not_final() {
    for (written, finality) in [
        (json!(true), Finality::Final),
        (json!("true"), Finality::Final),
        (json!(1), Finality::Final),
        (json!(false), Finality::NotFinal),
        (json!("0"), Finality::NotFinal),
        (json!(""), Finality::NotFinal),
        (json!(null), Finality::NotFinal),
    ] {
        let event = offered(json!({
            "parent_order": "P", "child_order": "A", "flow": "delivery", "stage": "reject",
            "data": { "is_final_rejection": written },
        }));
        assert_eq!(
            event.unwrap().transition().finality(),
            Some(finality),
            "{written}"
        );
    }
}

#[test]
fn the_content_of_an_event_is_what_it_says_without_id_place_and_time() {
    let event = |pin: &str| {
        StageEvent::new(
            "P-1".parse().unwrap(),
            Flow::Delivery,
            Transition::shipped(child("C-1")),
        )
        .with_delivery_pin(pin)
    };
    let later = event("1").with_occurred_at("2026-03-01T09:00:00Z".parse().unwrap());
    assert_eq!(event("1").content(), later.content());
    assert_ne!(event("1").content(), event("2").content());
    assert!(
        event("1")
            .content()
            .starts_with(br#"{"transaction_nature":"shipped""#)
    );
}

#[test]
fn data_that_the_event_itself_says_cannot_be_set() {
    let event = StageEvent::new(
        "P-1".parse().unwrap(),
        Flow::Delivery,
        Transition::delivered(child("C-1")),
    );
    for key in [
        "event_id",
        "sequence",
        "id",
        "is_final_rejection",
        "new_order_ids",
    ] {
        assert_eq!(
            event.clone().with_data(key, &"x").unwrap_err().place(),
            format!("data.{key}")
        );
    }
    assert_eq!(
        event.clone().with_data("total", &"x").unwrap_err().place(),
        "data.total"
    );
    let set = event.with_data("total", &12.5).unwrap();
    assert!(body(&set).ends_with(r#""total":"12.5"}"#));
    assert!(
        !body(&set.with_data("total", &"").unwrap()).contains("total"),
        "absent again"
    );
}

#[test]
fn an_events_file_is_a_life() {
    let lines = r#"
        {"client":"a","parent_order":"P","flow":"delivery","prescription":true,"stage":"digitization_completed","data":{"item_details":[{"name":"Examplol","qty":"1"}]}}
        {"client":"a","parent_order":"P","child_order":"A","flow":"delivery","stage":"accept"}
        {"client":"a","parent_order":"P","child_order":"A","flow":"delivery","stage":"reject","data":{"is_final_rejection":"false","reject_reason":"no stock"}}
        {"client":"a","parent_order":"P","flow":"delivery","stage":"split","data":{"rejected_order_id":"A"}}
        {"client":"a","parent_order":"P","child_order":"B","flow":"delivery","prescription":true,"stage":"accept"}
    "#;
    let mut order = Lifecycle::new();
    for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
        order
            .apply(StageEvent::from_json(line.as_bytes()).unwrap().transition())
            .unwrap();
    }
    assert_eq!(order.prescription(), Some(Prescription::With));
    assert_eq!(order.events().len(), 5);
}

proptest! {
    #[test]
    fn any_line_is_read_or_refused_and_what_is_read_can_be_sent(
        bytes in proptest::collection::vec(any::<u8>(), 0..60),
        stage in proptest::sample::select(&Stage::ALL[..]),
        key in "[a-z_]{1,12}|total|items|id|new_order_ids|is_final_rejection|chemist_details|tracking_url",
        value in prop_oneof![
            any::<i64>().prop_map(|n| json!(n)),
            any::<f64>().prop_map(|n| json!(n)),
            ".{0,8}".prop_map(|text| json!(text)),
            proptest::collection::vec(".{0,4}", 0..3).prop_map(|list| json!(list)),
            Just(json!({ "a": [null] })),
        ]
    ) {
        prop_assert!(StageEvent::from_json(&bytes).is_err());
        let line = json!({ "parent_order": "P", "child_order": "A", "flow": "delivery", "stage": stage, "data": { key: value } });
        if let Ok(event) = offered(line) {
            let read = FulfilmentEvent::from_json(body(&event).as_bytes()).unwrap();
            let transition = read.transition().unwrap();
            prop_assert_eq!(transition.occurrence(), event.transition().occurrence());
        }
    }
}
