//! What portals send, read without loss and without complaint.

use orderhook::event::Stage;
use orderhook::fulfilment::FulfilmentEvent;
use orderhook::fulfilment::{Finality, Flow, Lifecycle, NoTransition, StageRef, Transition};
use proptest::prelude::*;

use super::child;

macro_rules! fixtures {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../fixtures/fulfilment/", $name, ".json")))),*]
    };
}

const FIXTURES: &[(&str, &str)] = fixtures![
    "digitization_completed",
    "digitization_rejected",
    "order_assigned",
    "accept",
    "reject",
    "reassign",
    "shipped",
    "order_picked_up",
    "delivered",
    "split",
    "shipped_pickup",
    "unknown_stage",
];

const PARENT: &str = "k9Zt+wQ2Rr/3mExaMpLe0A==";
const FIRST: &str = "c1Aa+Bb/Cc0example001==";
const SECOND: &str = "c2Dd/Ee+Ff0example002==";
const THIRD: &str = "c3Gg+Hh/Ii0example003==";

fn fixture(name: &str) -> FulfilmentEvent {
    let (_, text) = FIXTURES.iter().find(|(known, _)| *known == name).unwrap();
    FulfilmentEvent::from_json(text.as_bytes()).unwrap()
}

fn event(json: &str) -> FulfilmentEvent {
    FulfilmentEvent::from_json(json.as_bytes()).unwrap()
}

#[test]
fn there_is_a_fixture_for_each_of_the_ten_stages() {
    for (stage, (name, _)) in Stage::ALL.iter().zip(FIXTURES) {
        assert_eq!(stage.as_str(), *name);
        assert_eq!(fixture(name).stage(), StageRef::Known(*stage));
        assert_eq!(fixture(name).parent_id().as_deref(), Some(PARENT));
    }
}

#[test]
fn every_fixture_is_written_again_byte_for_byte() {
    for (name, text) in FIXTURES {
        let read: FulfilmentEvent = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), text.trim(), "{name}");
        assert_eq!(read, fixture(name));
        let listed: Vec<FulfilmentEvent> = serde_json::from_str(&format!("[{text}]")).unwrap();
        assert_eq!(
            serde_json::to_string(&listed).unwrap(),
            format!("[{}]", text.trim())
        );
        let value: serde_json::Value = serde_json::from_str(text).unwrap();
        let through: FulfilmentEvent = serde_json::from_value(value.clone()).unwrap();
        assert_eq!(serde_json::to_value(&through).unwrap(), value, "{name}");
    }
}

#[test]
fn debug_shows_nobody() {
    for (name, _) in FIXTURES {
        let read = fixture(name);
        let shown = format!(
            "{read:?} {:?} {:?} {:?} {:?} {:?}",
            read.rider(),
            read.pharmacy(),
            read.rejection(),
            read.lines(),
            read.transition()
        );
        for secret in ["Asha", "Mira", "Ravi", "555-", "0421", "Street", "Examplol"] {
            assert!(!shown.contains(secret), "{name}: {shown}");
        }
    }
}

#[test]
fn a_shipped_order_has_its_meaning_read() {
    let shipped = fixture("shipped");
    assert_eq!(shipped.child_id().as_deref(), Some(SECOND));
    assert_eq!(shipped.flow(), Some(Flow::Delivery));
    assert_eq!(shipped.partner_ref().as_deref(), Some("ORD-55501"));
    assert_eq!(shipped.order_number().as_deref(), Some("OEXAMPLE01"));
    assert_eq!(shipped.delivery_pin().as_deref(), Some("0421"));
    assert_eq!(
        shipped.tracking_url().as_deref(),
        Some("https://track.example/RVhBTVBMRQ==")
    );
    assert_eq!(
        shipped.bill_url().as_deref(),
        Some("https://portal.example/invoice/RVhBTVBMRQ==/print/")
    );
    assert_eq!(
        shipped.invoice_url().as_deref(),
        Some("https://files.example/invoices/OEXAMPLE01.pdf")
    );
    assert_eq!(shipped.bill_no().as_deref(), Some("396"));
    assert_eq!(
        fixture("shipped_pickup").bill_no().as_deref(),
        Some("INV/396")
    );
    assert_eq!(shipped.bill_date().unwrap().as_str(), "2026-01-29 12:26:51");
    assert_eq!(shipped.rider(), None, "nobody is assigned yet");
    assert_eq!(shipped.rejection(), None, "an empty reason is no rejection");

    let pharmacy = shipped.pharmacy().unwrap();
    assert_eq!(pharmacy.name.as_deref(), Some("Sample Pharmacy"));
    assert_eq!(pharmacy.code.as_deref(), Some("CEX01"));
    assert_eq!(pharmacy.postal_code.as_deref(), Some("00000"));
    let amounts = shipped.amounts();
    assert_eq!(amounts.total.unwrap().to_string(), "125.00");
    assert_eq!(amounts.at_mrp.unwrap().to_string(), "143.1");
    assert_eq!(amounts.shipping.unwrap().to_string(), "30");
    assert_eq!(amounts.estimate.unwrap().to_string(), "125.00");

    let lines = shipped.lines();
    assert_eq!(
        lines[0].medicine_name().as_deref(),
        Some("Examplol MR 100mg/500mg Tablet")
    );
    assert_eq!(lines[0].quantity(), Some(100));
    assert_eq!(lines[0].mrp().unwrap().to_string(), "14.310");
    assert_eq!(lines[0].expiry().as_deref(), Some("02/29"));
    assert_eq!(lines[0].gst_percentage().as_deref(), Some("12"));
    assert_eq!(lines[0].field("landing_price"), Some("9.011088279625897"));
    let rider = fixture("order_picked_up").rider().unwrap();
    assert_eq!(
        (rider.name.as_deref(), rider.mobile.as_deref()),
        (Some("Mira Invented"), Some("555-0142"))
    );
}

#[test]
fn what_stands_for_absent_is_absent() {
    let accepted = fixture("accept");
    assert_eq!(accepted.bill_no(), None, "0");
    assert_eq!(accepted.bill_date(), None, "1900");
    assert_eq!(accepted.tracking_url(), None, "empty");
    assert_eq!(accepted.lines()[0].expiry(), None, "01/00");
    assert_eq!(accepted.lines()[0].batch(), None);
    assert_eq!(fixture("reject").partner_ref(), None);
    let assigned = fixture("order_assigned");
    assert_eq!(assigned.amounts().total, None);
    assert_eq!(assigned.bill_no(), None);
    assert_eq!(
        assigned.pharmacy().unwrap().name,
        None,
        "chemist_details is {{}}"
    );
}

#[test]
fn the_three_shapes_of_a_line_are_read() {
    for name in ["digitization_completed", "order_assigned"] {
        let lines = fixture(name).lines();
        assert_eq!(lines.len(), 2, "{name}");
        assert_eq!(
            lines[0].medicine_id().as_deref(),
            Some("m0Jj+Kk/Ll0example==="),
            "{name}"
        );
        assert_eq!(
            lines[0].medicine_name().as_deref(),
            Some("Examplol MR 100mg/500mg Tablet"),
            "{name}"
        );
        assert_eq!(
            (lines[0].quantity(), lines[1].quantity()),
            (Some(100), Some(1)),
            "{name}"
        );
        assert_eq!(lines[1].mrp().unwrap().to_string(), "143.62", "{name}");
    }
    let amount = fixture("digitization_completed").lines()[1].amount();
    assert_eq!(amount.unwrap().to_string(), "143.62");
    assert!(fixture("reassign").lines().is_empty());
}

#[test]
fn a_receiver_can_follow_the_life_of_an_order() {
    let mut order = Lifecycle::new();
    for name in [
        "digitization_completed",
        "order_assigned",
        "accept",
        "reject",
        "reassign",
        "shipped",
    ] {
        let event = fixture(name).transition().unwrap();
        if name == "shipped" {
            let refused = order.apply(&event).unwrap_err();
            assert_eq!(
                refused.allowed(),
                [Stage::Assigned, Stage::Accepted, Stage::Rejected]
            );
            order.apply(&Transition::accepted(child(SECOND))).unwrap();
        }
        order.apply(&event).unwrap();
    }
    for name in ["order_picked_up", "delivered"] {
        order
            .apply(&Transition::try_from(&fixture(name)).unwrap())
            .unwrap();
    }
    assert_eq!(order.last_stage(&child(FIRST)), Some(Stage::Reassigned));
    assert_eq!(order.last_stage(&child(THIRD)), None);
    let known: Vec<_> = order
        .children()
        .iter()
        .map(|known| known.id().as_str())
        .collect();
    assert_eq!(known, [FIRST, SECOND, THIRD]);
}

#[test]
fn a_split_names_its_children_in_its_own_way() {
    let split = fixture("split").transition().unwrap();
    assert_eq!(
        (split.occurrence(), split.successors()),
        (FIRST, &[child(SECOND)][..])
    );
    let reassigned = fixture("reassign").reassignment().unwrap();
    assert_eq!(reassigned.rejected.as_deref(), Some(FIRST));
    assert_eq!(reassigned.successors, [SECOND, THIRD]);
}

#[test]
fn finality_is_read_in_its_spellings() {
    for (written, finality) in [
        ("true", Finality::Final),
        ("1", Finality::Final),
        (r#""true""#, Finality::Final),
        (r#""Yes""#, Finality::Final),
        ("false", Finality::NotFinal),
        ("0", Finality::NotFinal),
        (r#""""#, Finality::NotFinal),
        ("null", Finality::NotFinal),
        ("[1]", Finality::NotFinal),
    ] {
        let json =
            format!(r#"{{"transaction_nature":"reject","id":"A","is_final_rejection":{written}}}"#);
        assert_eq!(
            event(&json).rejection().unwrap().finality,
            finality,
            "{written}"
        );
        assert_eq!(
            event(&json).transition().unwrap().finality(),
            Some(finality),
            "{written}"
        );
    }
    let refused = fixture("digitization_rejected").rejection().unwrap();
    assert_eq!(
        (refused.finality, refused.slug.as_deref()),
        (Finality::Final, Some("prescription_not_readable"))
    );
    assert!(refused.reason.is_some());
}

#[test]
fn an_unknown_stage_is_kept_and_readable() {
    let returned = fixture("unknown_stage");
    assert_eq!(returned.stage(), StageRef::Unknown("order_returned"));
    assert_eq!(returned.stage().known(), None);
    assert_eq!(returned.transition(), Err(NoTransition::Stage));
    assert_eq!(returned.date("returned_on").unwrap().date(), "2026-02-03");
    assert_eq!(event("{}").stage(), StageRef::Unknown(""));
    assert_eq!(
        event(r#"{"transaction_nature": 7}"#).stage(),
        StageRef::Unknown("7")
    );
}

#[test]
fn only_what_is_not_an_object_is_refused() {
    for bad in [
        "",
        "null",
        "[]",
        "7",
        "\"accept\"",
        "{",
        "{} {}",
        "{\"a\" 1}",
    ] {
        assert!(FulfilmentEvent::from_json(bad.as_bytes()).is_err(), "{bad}");
        assert!(
            serde_json::from_str::<FulfilmentEvent>(bad).is_err(),
            "{bad}"
        );
    }
    assert!(
        FulfilmentEvent::from_json(b"{\"a\": \"\xff\"}").is_err(),
        "not UTF-8"
    );
    // What a `Value` could not hold: a number beyond all floats, half a surrogate pair, twins, ten thousand levels.
    let deep = format!("{{\"a\": {}{}}}", "[".repeat(10_000), "]".repeat(10_000));
    for odd in [
        r#"{"total": 1e400}"#,
        r#"{"id": "\ud800"}"#,
        r#"{"id": "a", "id": "b"}"#,
        &deep,
    ] {
        let read = event(odd);
        assert_eq!(read.json(), odd);
        let _ = (
            read.amounts(),
            read.child_id(),
            read.lines(),
            read.transition(),
        );
    }
    assert_eq!(
        event(r#"{"id": "a", "id": "b"}"#).child_id().as_deref(),
        Some("b")
    );
}

#[test]
fn amounts_are_exact_however_they_are_written() {
    for (written, amount) in [
        ("14.31", Some("14.31")),
        ("14.310", Some("14.310")),
        (r#""14.31""#, Some("14.31")),
        (r#"" 14.31 ""#, Some("14.31")),
        ("1234567890123456.78", Some("1234567890123456.78")),
        ("0.00", None),
        (r#""1,300.00""#, None),
        ("true", None),
    ] {
        let total = event(&format!(r#"{{"total": {written}}}"#)).amounts().total;
        assert_eq!(
            total.map(|total| total.to_string()).as_deref(),
            amount,
            "{written}"
        );
    }
    // The scale of a number with an exponent depends on the features of serde_json.
    assert_eq!(
        event(r#"{"total": 1.3e3}"#).amounts().total,
        "1300".parse().ok()
    );
}

/// Everything that can be asked of an event, on whatever was read.
fn ask_everything(read: &FulfilmentEvent) {
    let shown = format!(
        "{read:?}{:?}{:?}{:?}",
        read.rejection(),
        read.reassignment(),
        read.amounts()
    );
    assert!(!shown.is_empty());
    let _ = (
        read.stage().to_string(),
        read.flow(),
        read.partner_ref(),
        read.order_number(),
        read.pharmacy(),
    );
    let _ = (
        read.rider(),
        read.tracking_url(),
        read.delivery_pin(),
        read.bill_no(),
        read.bill_date(),
    );
    let _ = (
        read.payment_date(),
        read.bill_url(),
        read.invoice_url(),
        read.event_id(),
        read.sequence(),
    );
    let _ = read.occurred_at();
    for line in read.lines() {
        let _ = (
            line.medicine_id(),
            line.medicine_name(),
            line.quantity(),
            line.mrp(),
            line.price(),
            line.amount(),
        );
        let _ = (
            line.batch(),
            line.expiry(),
            line.hsn_code(),
            line.gst_percentage(),
            line.manufacturer(),
        );
        assert!(line.keys().all(|key| line.field(key).is_some()));
    }
    for key in read.keys() {
        assert!(read.field(key).is_some());
        let _ = (read.text(key), read.date(key), read.money(key));
    }
    if let Ok(event) = read.transition() {
        assert_eq!(Some(event.stage()), read.stage().known());
        assert_eq!(Transition::from_memo(&event.to_memo()).unwrap(), event);
        let _ = Lifecycle::new().apply(&event);
    }
}

fn any_json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        ".{0,12}".prop_map(Into::into),
        proptest::sample::select(
            &[
                "accept",
                "reject",
                "reassign",
                "split",
                "pickup",
                "1900-01-01 00:00:00",
                "A"
            ][..]
        )
        .prop_map(Into::into),
    ];
    let keys = [
        "transaction_nature",
        "draft_order_id",
        "id",
        "is_final_rejection",
        "rejected_order_id",
        "new_order_ids",
        "items",
        "item_details",
        "chemist_details",
        "total",
        "bill_no",
        "bill_date",
        "delivery_type",
        "quantity",
        "mrp",
        "medicine_id",
        "sequence",
        "occurred_at",
        "other",
    ];
    leaf.prop_recursive(4, 40, 8, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Into::into),
            proptest::collection::btree_map(proptest::sample::select(keys.to_vec()), inner, 0..12)
                .prop_map(|map| {
                    serde_json::Value::Object(
                        map.into_iter()
                            .map(|(key, value)| (key.to_owned(), value))
                            .collect(),
                    )
                }),
        ]
    })
}

proptest! {
    #[test]
    fn any_json_is_read_when_it_is_an_object_and_written_again(json in any_json()) {
        let text = json.to_string();
        match FulfilmentEvent::from_json(text.as_bytes()) {
            Ok(read) => {
                prop_assert!(json.is_object());
                prop_assert_eq!(serde_json::to_string(&read).unwrap(), text);
                ask_everything(&read);
            }
            Err(_) => prop_assert!(!json.is_object()),
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(read) = FulfilmentEvent::from_json(&bytes) {
            ask_everything(&read);
        }
    }

    #[test]
    fn a_damaged_fixture_is_read_or_refused(
        which in 0..FIXTURES.len(), at in any::<prop::sample::Index>(), by in any::<u8>(), cut in any::<bool>()
    ) {
        let mut bytes = FIXTURES[which].1.as_bytes().to_vec();
        let at = at.index(bytes.len());
        bytes[at] = by;
        if cut {
            bytes.truncate(at);
        }
        if let Ok(read) = FulfilmentEvent::from_json(&bytes) {
            ask_everything(&read);
        }
    }

    #[test]
    fn any_memo_is_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..100), json in any_json()) {
        let _ = Transition::from_memo(&bytes);
        let _ = Transition::from_memo(json.to_string().as_bytes());
        let _ = Lifecycle::fold([bytes]);
    }
}
