//! What is done with arbitrary bytes: by `tests/fuzz_smoke` on any toolchain, by `fuzz/` under libFuzzer.
//!
//! None of it may panic, and what was read keeps its promises.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each fuzz target uses its function"
)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a panic is how a fault is found"
)]

use orderhook::event::Stage;
use orderhook::fulfilment::FulfilmentEvent;
use orderhook::fulfilment::{Lifecycle, StageEvent, Transition};
use orderhook::order::Privacy;
use orderhook::supplier::Subscription;
use orderhook::{Event, PaidOrder, Supplier};
use serde::Deserialize as _;
use serde_json::Value;

/// What a portal sends is read, or refused as a whole; what is read is kept to the byte, and every accessor answers.
pub fn fulfilment_event(input: &[u8]) {
    let read = FulfilmentEvent::from_json(input);
    assert_eq!(
        read.is_ok(),
        serde_json::from_slice::<FulfilmentEvent>(input).is_ok()
    );
    let Ok(event) = read else { return };
    let text = std::str::from_utf8(input).expect("what is read is text");
    // JSON's own white space around the object is not part of it.
    assert_eq!(
        event.json(),
        text.trim_matches([' ', '\t', '\r', '\n']),
        "not as it was read"
    );
    assert_eq!(serde_json::to_vec(&event).unwrap(), event.json().as_bytes());
    assert_eq!(
        FulfilmentEvent::from_json(event.json().as_bytes()).as_ref(),
        Ok(&event)
    );

    let known = event.stage().known();
    assert_eq!(event.stage().as_str().parse::<Stage>().ok(), known);
    let _ = (
        event.parent_id(),
        event.child_id(),
        event.partner_ref(),
        event.order_number(),
        event.flow(),
    );
    let _ = (
        event.pharmacy(),
        event.rider(),
        event.tracking_url(),
        event.delivery_pin(),
        event.amounts(),
    );
    let _ = (
        event.bill_no(),
        event.bill_date(),
        event.payment_date(),
        event.bill_url(),
        event.invoice_url(),
    );
    let _ = (
        event.event_id(),
        event.sequence(),
        event.occurred_at(),
        format!("{event:?}"),
    );
    assert_eq!(
        event.rejection().is_some(),
        matches!(known, Some(Stage::Rejected | Stage::DigitizationRejected))
    );
    assert_eq!(
        event.reassignment().is_some(),
        matches!(known, Some(Stage::Reassigned | Stage::Split))
    );
    for line in event.lines() {
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
            line.pack_size(),
        );
        assert!(line.keys().all(|key| line.field(key).is_some()));
        assert!(serde_json::to_string(&line).unwrap().starts_with('{'));
    }
    for key in event.keys() {
        assert!(event.field(key).is_some());
        let _ = (event.text(key), event.date(key), event.money(key));
    }
    if let Ok(transition) = event.transition() {
        assert_eq!(Some(transition.stage()), known);
        live(&transition);
    }
}

/// A line of an events file is read or refused; what is read can be sent, and is read by its receiver as the same.
pub fn stage_event(input: &[u8]) {
    let read = StageEvent::from_json(input);
    // Only as a whole document may it begin with a byte order mark.
    let document = input.strip_prefix("\u{feff}".as_bytes()).unwrap_or(input);
    assert_eq!(
        read.is_ok(),
        serde_json::from_slice::<StageEvent>(document).is_ok()
    );
    let event = match read {
        Ok(event) => event,
        Err(error) => {
            let _ = (error.to_string(), error.place());
            return;
        }
    };
    let now = "2026-03-01T10:00:00Z".parse().unwrap();
    let body = event.encode("msg_1", 7, now);
    assert_eq!(
        body,
        event.encode("msg_1", 7, now),
        "the bytes are not always the same"
    );
    assert!(serde_json::from_slice::<serde::de::IgnoredAny>(&event.content()).is_ok());
    let sent = FulfilmentEvent::from_json(&body).expect("a JSON object");
    assert_eq!(
        (sent.event_id().as_deref(), sent.sequence()),
        (Some("msg_1"), Some(7))
    );
    assert_eq!(sent.parent_id().as_deref(), Some(event.parent().as_str()));
    assert_eq!(sent.occurred_at(), Some(event.occurred_at().unwrap_or(now)));
    let received = sent.transition().expect("a receiver can follow it");
    assert_eq!(received.stage(), event.stage());
    assert_eq!(received.occurrence(), event.transition().occurrence());
    assert_eq!(received.successors(), event.transition().successors());
    assert_eq!(received.finality(), event.transition().finality());
    fulfilment_event(&body);
    live(event.transition());
}

/// Bytes out of a database are a memo or not; one that is read is written again as the same.
pub fn transition_memo(input: &[u8]) {
    let Ok(transition) = Transition::from_memo(input) else {
        return;
    };
    assert_eq!(
        serde_json::from_slice::<Transition>(input).as_ref().ok(),
        Some(&transition)
    );
    live(&transition);
}

/// An order is read or refused; what is read is written and read as the same, and each of its suppliers has a part in it.
pub fn paid_order(input: &[u8]) {
    let order = match PaidOrder::from_json(input) {
        Ok(order) => order,
        Err(error) => {
            let _ = (error.to_string(), format!("{error:?}"));
            return;
        }
    };
    let document = input.strip_prefix("\u{feff}".as_bytes()).unwrap_or(input);
    assert_eq!(
        serde_json::from_slice::<PaidOrder>(document).as_ref().ok(),
        Some(&order),
        "another way to read it"
    );
    let written = serde_json::to_vec(&order).unwrap();
    assert_eq!(
        PaidOrder::from_json(&written).expect("what is written can be read"),
        order
    );
    let suppliers: Vec<_> = order.suppliers().collect();
    assert!(!suppliers.is_empty(), "an order without suppliers");
    for supplier in suppliers {
        let part = order
            .for_supplier(supplier, &Privacy::default())
            .expect("it has lines");
        assert!(!part.items().is_empty());
        let event = Event::order_created(&order, supplier, &Privacy::default())
            .unwrap()
            .expect("it has lines");
        assert_eq!(event.body().as_ref(), serde_json::to_vec(&part).unwrap());
    }
}

/// A configuration is read or refused, as a document of several and each on its own; no secret is shown.
pub fn supplier(input: &[u8]) {
    let Ok(value) = serde_json::from_slice::<Value>(input) else {
        assert!(serde_json::from_slice::<Supplier>(input).is_err());
        return;
    };
    let one = [value.clone()];
    for configuration in value["suppliers"]
        .as_array()
        .map_or(&one[..], Vec::as_slice)
    {
        let mut configuration = configuration.clone();
        if configuration["bearer_token"].is_string() {
            configuration["bearer_token"] = PLANTED.into();
        }
        let shown = match Supplier::deserialize(&configuration) {
            Ok(supplier) => {
                assert!(
                    supplier
                        .endpoints()
                        .iter()
                        .all(|endpoint| endpoint.shown().starts_with("https://"))
                );
                let _: &Subscription = supplier.subscription();
                format!("{supplier:?}")
            }
            Err(error) => format!("{error} {error:?}"),
        };
        assert!(!shown.contains(PLANTED), "a token is shown: {shown}");
    }
}

/// In the place of a token, so that it is found wherever it is shown.
const PLANTED: &str = "pl4nted-s3cret-7781";

/// A transition is the beginning of a life or refused, and is the same after it was stored.
fn live(transition: &Transition) {
    let memo = transition.to_memo();
    assert!(memo.len() <= Transition::MEMO_LIMIT);
    assert_eq!(Transition::from_memo(&memo).as_ref(), Ok(transition));
    let _ = Subscription::default().wants(transition);
    let mut order = Lifecycle::new();
    match order.apply(transition) {
        Ok(()) => {
            assert_eq!(Lifecycle::fold([&memo]).as_ref(), Ok(&order));
            order.apply(transition).expect_err("nothing happens twice");
        }
        Err(refused) => {
            assert_eq!(order, Lifecycle::new());
            assert!(!refused.allowed().is_empty(), "{refused}");
        }
    }
}
