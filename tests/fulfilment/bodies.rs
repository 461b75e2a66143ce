//! What stands on the wire.

use std::collections::BTreeSet;
use std::time::SystemTime;

use orderhook::Timestamp;
use orderhook::event::Stage;
use orderhook::fulfilment::{Amounts, Fulfilment, FulfilmentLine, Lifecycle, Rider, Transition};
use orderhook::store::Store;
use orderhook::supplier::{Stages, Subscription};

use crate::world::{
    World, child, client, clinic, code, delivery, id_of, lines, on_every_store, read, sequences,
    stages,
};

on_every_store![
    all_ten_stages_go_out_under_their_wire_names_with_id_sequence_and_time,
    the_bytes_on_the_wire_are_these,
    a_stage_happened_when_it_says_or_else_when_it_was_offered,
];

const REASSIGNED: &str = r#"
{"parent_order":"RX-1","flow":"delivery","prescription":true,"stage":"digitization_completed","data":{"item_details":[{"medicine_name":"Examplol 10","quantity":2}]}}
{"parent_order":"RX-1","child_order":"a+/=","flow":"delivery","stage":"order_assigned","data":{"patient_full_address":"12 Invented Lane"}}
{"parent_order":"RX-1","child_order":"a+/=","flow":"delivery","stage":"accept","data":{"chemist_id":"C-7"}}
{"parent_order":"RX-1","child_order":"a+/=","flow":"delivery","stage":"reject","data":{"reject_reason":"out of stock"}}
{"parent_order":"RX-1","flow":"delivery","stage":"reassign","data":{"rejected_order_id":"a+/=","new_order_ids":["b","c"]}}
{"parent_order":"RX-1","child_order":"b","flow":"delivery","stage":"accept"}
{"parent_order":"RX-1","child_order":"b","flow":"delivery","stage":"shipped","data":{"tracking_url":"https://track.example/555"}}
{"parent_order":"RX-1","child_order":"b","flow":"delivery","stage":"order_picked_up","data":{"delivery_person_name":"Ravi Example"}}
{"parent_order":"RX-1","child_order":"b","flow":"delivery","stage":"delivered"}
{"parent_order":"RX-1","child_order":"c","flow":"delivery","stage":"reject"}
{"parent_order":"RX-1","flow":"delivery","stage":"split","data":{"rejected_order_id":"c","new_order_ids":["d"]}}
"#;

const REFUSED: &str = r#"
{"parent_order":"RX-2","flow":"delivery","prescription":true,"stage":"digitization_rejected","data":{"reject_slug":"illegible"}}
"#;

async fn all_ten_stages_go_out_under_their_wire_names_with_id_sequence_and_time<
    S: Store + Clone,
>(
    world: World<S>,
) {
    let receiver = world.receiver().await;
    let all = Subscription::new(Stages::all(), Default::default());
    world.put(
        clinic()
            .endpoint(receiver.url("/stages"))
            .bearer_token("t0ken")
            .subscription(all),
    );
    let dispatcher = world.dispatcher();

    let before = Timestamp::from(SystemTime::now());
    let events = lines(&[REASSIGNED, REFUSED].concat());
    for event in &events {
        assert!(
            Fulfilment::new(&dispatcher)
                .notify(&client(), event)
                .await
                .unwrap()
                .is_notified()
        );
    }

    let requests = receiver.received();
    let sent: BTreeSet<_> = stages(&requests).into_iter().collect();
    assert_eq!(
        sent,
        Stage::ALL
            .iter()
            .map(|stage| stage.as_str().to_owned())
            .collect(),
        "all ten"
    );
    assert_eq!(sequences(&requests), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 1]);
    let mut receivers_view = Lifecycle::new();
    for (request, event) in requests.iter().zip(&events) {
        assert_eq!(request.header("content-type"), Some("application/json"));
        assert_eq!(request.header("authorization"), Some("Bearer t0ken"));
        assert_eq!(
            id_of(request),
            Fulfilment::new(&dispatcher)
                .key(&client(), event)
                .event_id()
                .as_str()
        );
        let read = read(request);
        assert_eq!(read.event_id().as_deref(), Some(id_of(request)));
        assert_eq!(read.parent_id().as_deref(), Some(event.parent().as_str()));
        let at = read.occurred_at().expect("a moment").timestamp();
        assert!(
            before <= at && at <= Timestamp::from(SystemTime::now()),
            "{at}"
        );
        assert_eq!(
            read.transition().unwrap().occurrence(),
            event.transition().occurrence()
        );
        if event.parent().as_str() == "RX-1" {
            receivers_view.apply(&read.transition().unwrap()).unwrap();
        }
    }
    let ours = Fulfilment::new(&dispatcher)
        .lifecycle(&client(), &code("RX-1"))
        .await
        .unwrap();
    assert_eq!(receivers_view.children(), ours.children());
    assert_eq!(
        (receivers_view.flow(), receivers_view.prescription()),
        (ours.flow(), ours.prescription())
    );
    world.agrees().await;
}

async fn the_bytes_on_the_wire_are_these<S: Store + Clone>(world: World<S>) {
    let receiver = world.receiver().await;
    world.put(clinic().endpoint(receiver.url("/")));
    let at = "2026-03-01T09:00:00+05:30".parse().unwrap();
    let mut amounts = Amounts::default();
    amounts.total = Some("431.50".parse().unwrap());
    let mut rider = Rider::new("Ravi Example");
    rider.mobile = Some("555-0100".into());
    let shipped = delivery("P-1", Transition::shipped(child("C+1=")))
        .with_occurred_at(at)
        .with_partner_ref("ORD-9")
        .with_tracking_url("https://track.example/1")
        .with_rider(&rider)
        .with_amounts(&amounts)
        .with_lines(&[FulfilmentLine::new("Examplol 10", 2)]);
    let dispatcher = world.dispatcher();
    let accepted = delivery("P-1", Transition::accepted(child("C+1="))).with_occurred_at(at);
    for event in [&accepted, &shipped] {
        Fulfilment::new(&dispatcher)
            .notify(&client(), event)
            .await
            .unwrap();
    }

    let [accepted, shipped] = [&accepted, &shipped].map(|event| {
        Fulfilment::new(&dispatcher)
            .key(&client(), event)
            .event_id()
    });
    let bodies: Vec<String> = receiver
        .received()
        .into_iter()
        .map(|request| String::from_utf8(request.body).unwrap())
        .collect();
    assert_eq!(
        bodies,
        [
            format!(
                r#"{{"event_id":"{accepted}","sequence":1,"occurred_at":"2026-03-01T09:00:00+05:30","transaction_nature":"accept","draft_order_id":"P-1","id":"C+1=","delivery_type":"delivery"}}"#
            ),
            format!(
                r#"{{"event_id":"{shipped}","sequence":2,"occurred_at":"2026-03-01T09:00:00+05:30","transaction_nature":"shipped","draft_order_id":"P-1","id":"C+1=","partner_order_id":"ORD-9","delivery_type":"delivery","delivery_person_name":"Ravi Example","delivery_person_mobile":"555-0100","tracking_url":"https://track.example/1","total":"431.50","items":[{{"medicine_name":"Examplol 10","quantity":2}}]}}"#
            ),
        ]
    );
    world.agrees().await;
}

async fn a_stage_happened_when_it_says_or_else_when_it_was_offered<S: Store + Clone>(
    world: World<S>,
) {
    let receiver = world.receiver().await;
    world.put(clinic().endpoint(receiver.url("/")));
    let dispatcher = world.dispatcher();
    let said = delivery("P-1", Transition::accepted(child("A")))
        .with_occurred_at("2026-03-01T09:00:00.250-03:30".parse().unwrap());
    let unsaid = delivery("P-1", Transition::shipped(child("A")));

    let before = Timestamp::from(SystemTime::now());
    for event in [&said, &unsaid] {
        let _ = Fulfilment::new(&dispatcher)
            .enqueue(&client(), event)
            .await
            .unwrap();
    }
    let after = Timestamp::from(SystemTime::now());
    assert_eq!(
        orderhook::Worker::new(&dispatcher)
            .until_idle()
            .await
            .unwrap()
            .notified,
        2
    );

    let at: Vec<_> = receiver
        .received()
        .iter()
        .map(|request| read(request).occurred_at().unwrap())
        .collect();
    assert_eq!(
        receiver.received()[0].json()["occurred_at"],
        "2026-03-01T09:00:00.25-03:30"
    );
    assert!(
        (before..=after).contains(&at[1].timestamp()),
        "{} is not when it was offered",
        at[1]
    );
    world.agrees().await;
}
