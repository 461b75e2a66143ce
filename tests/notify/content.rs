//! What a supplier receives: its headers, its lines, and no more of the customer than it may see.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use orderhook::order::{Privacy, Rule};
use orderhook::{PaidOrder, SigningKey};
use serde_json::{Value, json};

use crate::support::{Received, Reply};
use crate::world::{World, document, key, order, order_from, supplier};

const KEY: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const NEXT_KEY: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

fn verified(request: &Received, key: &str, body: &[u8]) -> bool {
    let mut headers = http::HeaderMap::new();
    for name in ["webhook-id", "webhook-timestamp", "webhook-signature"] {
        headers.insert(name, request.header(name).expect(name).parse().unwrap());
    }
    standardwebhooks::Webhook::new(key)
        .unwrap()
        .verify(body, &headers)
        .is_ok()
}

#[tokio::test]
async fn every_post_has_the_headers_that_are_promised_each_once() {
    let world = World::new();
    let receiver = world.receiver().await;
    world.put(
        supplier("north")
            .endpoint(receiver.url("/in/orders?tenant=4&key=a%20b"))
            .endpoint(receiver.url("/b"))
            .bearer_token("tok_5f2a")
            .custom_header("X-Adapter", "demo value")
            .custom_header("accept", "application/json"),
    );
    world
        .dispatcher()
        .notify(&order("A-1", &["north"]))
        .await
        .unwrap();

    assert_eq!(
        receiver.received()[0].path_and_query,
        "/in/orders?tenant=4&key=a%20b"
    );
    for request in receiver.received() {
        for (name, value) in [
            ("authorization", "Bearer tok_5f2a"),
            ("x-adapter", "demo value"),
            ("accept", "application/json"),
            ("content-type", "application/json"),
            ("accept-encoding", "identity"),
            ("content-length", request.body.len().to_string().as_str()),
            (
                "user-agent",
                concat!("orderhook/", env!("CARGO_PKG_VERSION")),
            ),
            ("webhook-id", key("north", "A-1").event_id().as_str()),
            ("webhook-event", "order.created"),
            ("host", format!("localhost:{}", receiver.port()).as_str()),
        ] {
            assert_eq!(
                request.headers_named(name).collect::<Vec<_>>(),
                [value],
                "{name}"
            );
        }
        let at: u64 = request
            .header("webhook-timestamp")
            .unwrap()
            .parse()
            .unwrap();
        let seen = request.at.duration_since(UNIX_EPOCH).unwrap().as_secs();
        assert!(at <= seen && seen - at < 20, "stamped {at}, seen {seen}");
        for name in [
            "webhook-signature",
            "traceparent",
            "referer",
            "cookie",
            "transfer-encoding",
        ] {
            assert_eq!(request.header(name), None, "{name}");
        }
    }
    world.agrees().await;
}

#[tokio::test]
async fn a_supplier_without_a_token_gets_no_authorization() {
    let world = World::new();
    let receiver = world.receiver().await;
    world.put(
        supplier("north")
            .endpoint(receiver.url("/north"))
            .bearer_token("of-north"),
    );
    world.put(supplier("green").endpoint(receiver.url("/green")));
    world
        .dispatcher()
        .notify(&order("A-1", &["north", "green"]))
        .await
        .unwrap();
    for request in receiver.received() {
        let expected = (request.path() == "/north").then_some("Bearer of-north");
        assert_eq!(request.header("authorization"), expected, "{request}");
    }
    world.agrees().await;
}

#[tokio::test]
async fn the_id_is_the_same_at_every_attempt_and_another_for_every_supplier_and_order() {
    let world = World::new();
    let receiver = world.receiver().await;
    receiver.script_at(
        "/north",
        [
            Reply::Status(500),
            Reply::CloseAfterRequest,
            Reply::Status(503),
        ],
    );
    for name in ["north", "green"] {
        world.put(supplier(name).endpoint(receiver.url(&format!("/{name}"))));
    }
    let dispatcher = world.dispatcher();
    dispatcher
        .notify(&order("A-1", &["north", "green"]))
        .await
        .unwrap();
    for _ in 0..3 {
        dispatcher
            .retry(&key("north", "A-1"), &crate::support::by())
            .await
            .unwrap();
    }
    dispatcher.notify(&order("A-2", &["north"])).await.unwrap();

    let mut ids: Vec<_> = receiver
        .received()
        .iter()
        .map(|one| one.header("webhook-id").unwrap().to_owned())
        .collect();
    assert_eq!(ids.len(), 6);
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 3, "one for each notification");
    world.agrees().await;
}

#[tokio::test]
async fn the_published_library_verifies_every_attempt_and_both_keys_while_they_overlap() {
    let world = World::new();
    let receiver = world.receiver().await;
    receiver.script([Reply::Status(500)]);
    let keys = [KEY, NEXT_KEY].map(|key| SigningKey::new(key).unwrap());
    let hour = orderhook::Timestamp::from(SystemTime::now() + Duration::from_secs(3600));
    let retired = SigningKey::new("whsec_////////////////////////////////").unwrap();
    let north = keys
        .into_iter()
        .fold(supplier("north"), orderhook::SupplierBuilder::signing_key);
    world.put(
        north
            .signing_key(retired.valid_from(hour))
            .endpoint(receiver.url("/a")),
    );
    let dispatcher = world.dispatcher();
    dispatcher.notify(&order("A-1", &["north"])).await.unwrap();
    dispatcher
        .retry(&key("north", "A-1"), &crate::support::by())
        .await
        .unwrap();

    assert_eq!(receiver.count(), 2);
    for request in receiver.received() {
        assert!(
            verified(&request, KEY, &request.body) && verified(&request, NEXT_KEY, &request.body)
        );
        assert!(
            !verified(
                &request,
                "whsec_////////////////////////////////",
                &request.body
            ),
            "it is not valid yet"
        );
        let tampered = [request.body.as_slice(), b" "].concat();
        assert!(!verified(&request, KEY, &tampered));
    }
    world.agrees().await;
}

#[tokio::test]
async fn a_supplier_gets_its_own_lines_and_nothing_of_the_others() {
    let world = World::new();
    let receiver = world.receiver().await;
    let order = PaidOrder::from_json(include_bytes!("../../examples/paid-order.json")).unwrap();
    let names = ["north-books", "green-grocer", "tool-shed"];
    for name in names {
        world.put(supplier(name).endpoint(receiver.url(&format!("/{name}"))));
    }

    assert!(
        world
            .dispatcher()
            .notify(&order)
            .await
            .unwrap()
            .is_notified()
    );

    let skus = |name: &str| {
        let request = receiver
            .received()
            .into_iter()
            .find(|request| request.path() == format!("/{name}"))
            .unwrap();
        let items = request.json()["items"].as_array().unwrap().clone();
        items
            .iter()
            .map(|item| item["sku"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(skus("north-books"), ["NB-0042", "NB-0107"]);
    assert_eq!(skus("green-grocer"), ["GG-MANGO-1KG", "GG-LIME-6"]);
    assert_eq!(skus("tool-shed"), ["TS-LEVEL-60"]);
    for request in receiver.received() {
        let text = String::from_utf8(request.body.clone()).unwrap();
        assert!(
            !names.iter().any(|name| text.contains(name)),
            "{request}: names a supplier"
        );
        if request.path() == "/north-books" {
            let example: Value =
                serde_json::from_slice(include_bytes!("../../examples/order-created.json"))
                    .unwrap();
            assert_eq!(request.json(), example, "examples/order-created.json");
        }
    }
    world.agrees().await;
}

#[tokio::test]
async fn a_supplier_sees_of_the_customer_what_its_rules_allow() {
    let world = World::new();
    let receiver = world.receiver().await;
    for (name, rule) in [
        ("shares", Rule::Share),
        ("masks", Rule::Mask),
        ("omits", Rule::Omit),
    ] {
        let all = Privacy::new()
            .with_customer_name(rule)
            .with_email(rule)
            .with_mobile(rule)
            .with_address(rule);
        world.put(
            supplier(name)
                .endpoint(receiver.url(&format!("/{name}")))
                .privacy(all),
        );
    }
    let mut document = document("A-1", &["shares", "masks", "omits"]);
    document["extra"] = json!({"note": "passed on"});
    let order = order_from(document.clone());
    world.dispatcher().notify(&order).await.unwrap();

    let body = |name: &str| {
        let seen = receiver.received();
        seen.iter()
            .find(|request| request.path() == format!("/{name}"))
            .unwrap()
            .json()
    };
    for field in ["customer_name", "email", "mobile", "address"] {
        assert_eq!(body("shares")[field], document[field]);
        assert_eq!(body("omits").get(field), None, "the key is left out");
        assert_ne!(body("masks")[field], document[field]);
        assert!(body("masks").get(field).is_some(), "{field}");
    }
    assert_eq!(body("masks")["customer_name"], "A*** R***");
    assert_eq!(body("masks")["address"]["city"], "Pune");
    for name in ["masks", "omits"] {
        let text = body(name).to_string();
        for personal in ["Asha", "Rao", "asha@", "98765", "Invented", "Flat 4"] {
            assert!(!text.contains(personal), "{name} sees {personal}: {text}");
        }
        assert_eq!(body(name)["extra"], json!({"note": "passed on"}));
        assert_eq!(body(name)["order_code"], "A-1");
    }
    world.agrees().await;
}
