//! Stages of fulfilment orders that a program with the feature `fulfilment` has stored, and a worker of a program without
//! it sends: by the rules for stages, with the ids that they had.

use std::collections::HashMap;
use std::time::Duration;

use orderhook::supplier::StreamRule;
use orderhook::{Dispatcher, RetryPolicy, Supplier, SupplierId, Worker};

use crate::receivers::{Ca, Receiver, Reply};
use crate::support::*;

/// The rows that a program with the feature has written for a new file; see [`what_is_frozen_is_what_the_handle_stores`].
const STAGES: &str = include_str!("../fixtures/sqlite/stages.sql");

/// A file with stages of order P-1 for the clients `any` and `pass`: accepted, shipped, picked up, delivered.
async fn frozen() -> File {
    let file = File::new();
    drop(file.store().await);
    file.run(STAGES).await;
    file
}

#[tokio::test]
async fn a_worker_without_the_feature_sends_stages_by_their_rules_and_under_their_ids() {
    let (ca, file) = (Ca::new(), frozen().await);
    let receiver = Receiver::start(&ca).await;
    receiver.answer_at("/any/backup", Reply::Status(500));
    // The second stage is refused for good; what follows it is sent all the same.
    receiver.script_at(
        "/pass",
        [Reply::ok(), Reply::Status(410), Reply::ok(), Reply::ok()],
    );
    let client = |name: &str| Supplier::builder(SupplierId::new(name).unwrap());
    let any = client("any")
        .endpoint(receiver.url("/any"))
        .endpoint(receiver.url("/any/backup"));
    let pass = client("pass")
        .endpoint(receiver.url("/pass"))
        .stages_that_fail(StreamRule::Pass);
    let clients: HashMap<_, _> = [any, pass]
        .map(|client| client.build().unwrap())
        .into_iter()
        .map(|client| (client.id().clone(), client))
        .collect();
    let retry = RetryPolicy::default().with_first_delay(Duration::from_millis(10));
    let dispatcher = Dispatcher::builder(source(), file.store().await, clients)
        .allow_network("127.0.0.0/8".parse().unwrap())
        .root_certificate(ca.pem())
        .retry(retry)
        .build()
        .unwrap();

    Worker::new(&dispatcher).until_idle().await.unwrap();

    let sent = |path: &str| -> Vec<_> {
        let received = receiver
            .received()
            .into_iter()
            .filter(|request| request.path() == path);
        received
            .map(|request| {
                let header = |name| request.header(name).unwrap().to_owned();
                assert_eq!(request.json()["event_id"], header("webhook-id").as_str());
                (header("webhook-event"), header("webhook-id"))
            })
            .collect()
    };
    let expected = |ids: [&str; 4]| -> Vec<_> {
        let stages = ["accept", "shipped", "order_picked_up", "delivered"];
        let pairs = stages.into_iter().zip(ids);
        pairs
            .map(|(stage, id)| (stage.to_owned(), id.to_owned()))
            .collect()
    };
    // Notified although the backup has never accepted: one endpoint is enough for a stage.
    assert_eq!(sent("/any"), expected(ANY_IDS));
    assert_eq!(sent("/any/backup"), expected(ANY_IDS));
    assert_eq!(sent("/pass"), expected(PASS_IDS));
    for (client, failed) in [("any", 0), ("pass", 1)] {
        let order = dispatcher
            .order(&"P-1".parse().unwrap())
            .await
            .unwrap()
            .unwrap();
        let of_client = order
            .notifications
            .iter()
            .filter(|one| one.key.supplier.as_str() == client);
        let states: Vec<_> = of_client.map(|one| one.state.name().as_str()).collect();
        let number = |state| states.iter().filter(|name| **name == state).count();
        assert_eq!(
            (number("failed"), number("notified")),
            (failed, 4 - failed),
            "{client}"
        );
    }
}

const ANY_IDS: [&str; 4] = [
    "msg_d3c2f07462436f0cf6d96cb8180896da",
    "msg_85c2dde7370c3b8752442e4233222827",
    "msg_bdaf5f58f7b6ec867d73a355847ca1d2",
    "msg_134cf58ff1355c5f9939c90af6e85f96",
];
const PASS_IDS: [&str; 4] = [
    "msg_1920ab9154429ff4b62fefa936343bd6",
    "msg_731fd119198430f863b20149a2e6eee8",
    "msg_eefb6fc9b795583ab23958ad997940ff",
    "msg_35680ce5560453f70d033c2450f8742b",
];

#[cfg(feature = "fulfilment")]
#[tokio::test]
async fn what_is_frozen_is_what_the_handle_stores() {
    use orderhook::fulfilment::{ChildId, Flow, Fulfilment, StageEvent, Transition};
    use sqlx::Row;

    const ROWS: &str = "SELECT supplier || ' ' || order_code || ' ' || kind || ' ' || occurrence || ' ' || event_id || ' ' || \
        position || ' ' || state || ' ' || hex(memo) || ' ' || hex(digest) FROM orderhook_notifications ORDER BY id";

    let file = File::new();
    let client = |name: &str| {
        Supplier::builder(SupplierId::new(name).unwrap())
            .build()
            .unwrap()
    };
    let clients: HashMap<_, _> = ["any", "pass"]
        .map(|name| (client(name).id().clone(), client(name)))
        .into();
    let dispatcher = Dispatcher::builder(source(), file.store().await, clients)
        .build()
        .unwrap();
    let fulfilment = Fulfilment::new(&dispatcher);
    let child = || ChildId::new("C-1").unwrap();
    for name in ["any", "pass"] {
        for transition in [
            Transition::accepted(child()),
            Transition::shipped(child()),
            Transition::picked_up(child()),
            Transition::delivered(child()),
        ] {
            let event = StageEvent::new("P-1".parse().unwrap(), Flow::Delivery, transition)
                .with_occurred_at("2026-11-01T10:00:00Z".parse().unwrap());
            let _ = fulfilment
                .enqueue(&SupplierId::new(name).unwrap(), &event)
                .await
                .unwrap();
        }
    }

    let rows = async |file: &File| -> Vec<String> {
        let rows = sqlx::query(ROWS)
            .fetch_all(&mut file.stranger().await)
            .await
            .unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    };
    let bodies = async |file: &File| -> Vec<Vec<u8>> {
        let all = "SELECT body FROM orderhook_bodies ORDER BY notification";
        let rows = sqlx::query(all)
            .fetch_all(&mut file.stranger().await)
            .await
            .unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    };
    let frozen = frozen().await;
    assert_eq!(rows(&file).await, rows(&frozen).await);
    assert_eq!(bodies(&file).await, bodies(&frozen).await);
}
