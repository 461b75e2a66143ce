//! What is read of a dispatcher, in JSON: the form that the example programs print.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use orderhook::store::{Cursor, Filter, Group, Page, Store};
use orderhook::{News, Worker};
use serde_json::{Value, json};

use crate::support::Reply;
use crate::world::{TIMEOUT, World, document, id, key, order, order_from, source, supplier};

fn names(value: &Value) -> Vec<&str> {
    let mut names: Vec<_> = value
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    names.sort_unstable();
    names
}

const NOTIFICATION: [&str; 10] = [
    "attempts",
    "due",
    "event",
    "id",
    "occurrence",
    "order_code",
    "reason",
    "reference",
    "state",
    "supplier",
];

#[tokio::test]
async fn what_a_dispatcher_answers_is_json_without_bodies_replies_and_secrets() {
    let world = World::new();
    let receiver = world.receiver().await;
    let refuses = Reply::Echo {
        status: 410,
        says: |_| "planted".to_owned(),
    };
    receiver.answer_at("/green", refuses);
    let green = supplier("green").endpoint(receiver.url("/green"));
    world.put(green.keep_reply(100).bearer_token("planted"));
    world.put(supplier("north").endpoint(receiver.url("/north?planted")));
    let news = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&news);
    let dispatcher = world
        .builder(TIMEOUT)
        .listener(move |told: &News| heard.lock().unwrap().push(json!(told)))
        .build()
        .unwrap();

    let mut document = document("A-1", &["north", "green"]);
    document["extra"] = json!({"note": "planted"});
    let report = dispatcher
        .notify(&order_from(document.clone()))
        .await
        .unwrap();
    let report = json!(report);
    let [north, green] = &report["entries"].as_array().unwrap()[..] else {
        panic!("{report}")
    };
    assert_eq!(
        names(north),
        [
            &NOTIFICATION[..1],
            &["difference", "due", "error"],
            &NOTIFICATION[2..]
        ]
        .concat()
    );
    assert_eq!(
        (&north["state"], &north["reference"]),
        (&json!("notified"), &json!("A-1"))
    );
    assert_eq!(
        (&green["state"], &green["reason"]),
        (&json!("failed"), &json!("endpoint_gone"))
    );
    let attempt = &green["attempts"][0];
    assert_eq!(
        names(attempt),
        ["at", "endpoint", "ms", "outcome", "status", "why"]
    );
    assert_eq!(
        (&attempt["outcome"], &attempt["status"]),
        (&json!("rejected"), &json!(410))
    );

    document["lines"][0]["quantity"] = json!(7);
    let enqueued = json!(dispatcher.enqueue(&order_from(document)).await.unwrap());
    let stored = &enqueued["stored"][0];
    assert_eq!(
        (&stored["supplier"], &stored["error"]),
        (&json!("north"), &json!("conflict"))
    );
    assert_eq!(stored["difference"], "items[0].quantity");
    assert_eq!(enqueued["stored"][1]["error"], json!(null));

    let one = dispatcher.notification(&key("north", "A-1")).await.unwrap();
    assert_eq!(names(&json!(one)), NOTIFICATION);
    let order = json!(dispatcher.order(&"A-1".parse().unwrap()).await.unwrap());
    assert_eq!(
        (&order["state"], &order["notifications"][0]["supplier"]),
        (&json!("error"), &json!("north"))
    );
    let listing = dispatcher
        .list(&Filter::of(source()), &Page::first(1))
        .await
        .unwrap();
    let listing = json!(listing);
    assert_eq!(listing["notifications"].as_array().unwrap().len(), 1);
    let (all, group) = (Filter::of(source()), Group::SupplierAndReason);
    let groups = world.store.count(&all, group);
    let counted = json!(groups.await.unwrap());
    assert_eq!(counted[0]["supplier"], "green");
    assert_eq!(counted[0]["reason"], "endpoint_gone");
    let told = json!(news.lock().unwrap().clone());
    let told: Vec<_> = told
        .as_array()
        .unwrap()
        .iter()
        .map(|news| news["news"].as_str().unwrap())
        .collect();
    assert_eq!(told, ["notified", "failed"]);
    let check = supplier("north")
        .endpoint(receiver.url("/in?planted"))
        .build()
        .unwrap();
    let check = json!(dispatcher.check(&check).await);
    assert_eq!(
        (&check[0]["verdict"], &check[0]["why"]),
        (&json!("reachable"), &json!("reachable"))
    );
    let summary = json!(Worker::new(&dispatcher).drain().await.unwrap());
    assert_eq!(summary, json!({"notified": 0, "failed": 0}));

    for shown in [report, enqueued, json!(one), order, listing, counted, check] {
        assert!(!shown.to_string().contains("planted"), "{shown}");
    }
}

#[tokio::test]
async fn a_cursor_goes_both_ways() {
    let world = World::new();
    world.put(supplier("north").endpoint("https://a.example/"));
    let dispatcher = world.dispatcher();
    for n in 0..3 {
        let _ = dispatcher
            .enqueue(&order(&format!("A-{n}"), &["north"]))
            .await
            .unwrap();
    }
    let filter = Filter::of(source());
    let first = dispatcher.list(&filter, &Page::first(2)).await.unwrap();
    let text = serde_json::to_string(&first.next.unwrap()).unwrap();
    let cursor: Cursor = serde_json::from_str(&text).unwrap();
    let rest = dispatcher
        .list(&filter, &Page::after(cursor, 2))
        .await
        .unwrap();
    assert_eq!(rest.notifications.len(), 1);
    assert_eq!(rest.notifications[0].key.supplier, id("north"));
    assert!(serde_json::from_str::<Cursor>("\"\"").is_err());
    dispatcher.shutdown(Duration::ZERO).await;
}
