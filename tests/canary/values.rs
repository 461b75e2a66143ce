//! What `Debug` and errors show of every public value.

use orderhook::event::{Body, Memo, Occurrence};
use orderhook::order::Privacy;
use orderhook::store::{ClaimRequest, NewNotification, Page, Pick, Start, Step, Store, Then};
use orderhook::{
    Address, Dispatcher, Event, EventKind, MemoryStore, PaidOrder, Secret, SigningKey, Supplier,
    SuppliersFile,
};
use serde_json::{Value, json};

use crate::captured::{listen, said};
use crate::planted::{
    self, HEADER, KEY, QUERY, REPLY, TOKEN, assert_clean, assert_clean_debug, assert_clean_error,
    assert_clean_log, document, order,
};
use crate::support::{Ca, Receiver};
use crate::world::{World, id, source};

#[tokio::test]
async fn the_debug_of_every_public_value_shows_nothing_planted() {
    listen();
    let world = World::new();
    let builder = planted::supplier("north", &["https://a.example/in".to_owned()]);
    assert_clean_debug("a supplier builder", &builder);
    let supplier = builder.build().unwrap();
    assert_clean_debug("a supplier", &supplier);
    assert_clean_debug("its endpoints", &supplier.endpoints());
    assert_clean_debug("its headers", &supplier.custom_headers());
    assert_clean_debug("its keys", &supplier.signing_keys());
    assert_clean_debug("its token", &supplier.bearer_token());
    assert_clean_debug("a secret", &Secret::new(TOKEN));
    assert_clean_debug("a key", &SigningKey::new(KEY).unwrap());
    world.put(planted::supplier(
        "north",
        &["https://a.example/in".to_owned()],
    ));

    let order = order("A-1", &["north"]);
    assert_clean_debug("an order", &order);
    assert_clean_debug("its lines", &order.lines());
    assert_clean_debug("an item", order.lines()[0].item());
    assert_clean_debug("its address", &order.address());
    let address = Address::new("12 Qzlane7f44", "Pune", "QZ7F46", "IN").unwrap();
    assert_clean_debug(
        "an address",
        &address
            .with_name("Qzaddressee7f43")
            .with_phone("+917055703414"),
    );
    let created = order.for_supplier(&id("north"), &Privacy::new()).unwrap();
    assert_clean_debug("what a supplier is told", &created);
    assert!(
        serde_json::to_string(&created)
            .unwrap()
            .contains("Qzname7f41"),
        "it is what is sent, of course"
    );
    let event = Event::order_created(&order, &id("north"), &Privacy::new())
        .unwrap()
        .unwrap();
    assert_clean_debug(
        "an event",
        &event.clone().with_memo(Memo::new(*b"qzextra7f47").unwrap()),
    );
    let own = Event::new(
        EventKind::own("note").unwrap(),
        Occurrence::only(),
        &json!({"note": "qzextra7f47"}),
    )
    .unwrap();
    assert_clean_debug("an event of the caller's own", &own);
    assert_clean_debug("a body", &Body::new(*b"qzextra7f47"));

    let builder = Dispatcher::builder(source(), world.store.clone(), world.table.clone());
    assert_clean_debug("a dispatcher builder", &builder);
    let dispatcher = builder.build().unwrap();
    assert_clean_debug("a dispatcher", &dispatcher);
    assert_clean_debug(
        "what is prepared",
        &dispatcher.prepare(&order).await.unwrap(),
    );
    assert_clean_debug(
        "what was enqueued",
        &dispatcher.enqueue(&order).await.unwrap(),
    );
    let key = dispatcher.key(&id("north"), order.order_code());
    let new = NewNotification::new(key.clone(), Start::pending(event.body().clone()));
    assert_clean_debug("a new notification", &new);
    assert_clean_debug(
        "a notification",
        &dispatcher.notification(&key).await.unwrap().unwrap(),
    );
    let request = ClaimRequest::new(
        source(),
        Pick::NowOf(vec![key.clone()]),
        1,
        std::time::Duration::from_secs(1),
    );
    let claims = world.store.claim(&request).await.unwrap();
    assert_eq!(claims.claims.len(), 1);
    assert_clean_debug("claims", &claims);
    let token = claims.claims[0].token;
    let step = Step::new(
        key,
        token,
        claims.claims[0].ledger.clone(),
        Then::Keep {
            lease: request.lease,
        },
    );
    assert_clean_debug("a step", &step);
    let filter = orderhook::store::Filter::of(source());
    assert_clean_debug(
        "a listing",
        &dispatcher.list(&filter, &Page::first(10)).await.unwrap(),
    );
    assert_clean_debug("the store", &world.store);
    assert_clean_log("the log", &said());
}

#[tokio::test]
async fn a_suppliers_file_shows_nothing_of_what_is_in_it() {
    listen();
    let receiver = Receiver::start(&Ca::new()).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("suppliers.json");
    std::fs::write(
        &path,
        planted::suppliers_file("north", &receiver).to_string(),
    )
    .unwrap();
    let file = SuppliersFile::open(&path).unwrap();
    assert_clean_debug("a suppliers file", &file);
    assert_clean_debug("its suppliers", &file.suppliers());
    let dispatcher = Dispatcher::builder(source(), MemoryStore::new(), file)
        .build()
        .unwrap();
    assert_clean_debug("a dispatcher", &dispatcher);
}

/// Every value of a document, with the path to it.
fn places(value: &Value, path: &str, found: &mut Vec<String>) {
    let members: Vec<(String, &Value)> = match value {
        Value::Object(map) => map
            .iter()
            .map(|(key, value)| (format!("{path}/{key}"), value))
            .collect(),
        Value::Array(list) => list
            .iter()
            .enumerate()
            .map(|(n, value)| (format!("{path}/{n}"), value))
            .collect(),
        _ => Vec::new(),
    };
    for (path, value) in members {
        places(value, &path, found);
        found.push(path);
    }
}

/// Values that fit nowhere, or hardly anywhere, each with something planted in it.
fn misfits() -> Vec<Value> {
    vec![
        json!({ "value": REPLY }),
        json!([REPLY]),
        json!(REPLY),
        json!(format!("{REPLY}\u{0}\n")),
        json!(format!(" {REPLY} ")),
        json!(REPLY.repeat(600)),
        json!(-9_170_557_034.13),
        json!(true),
        Value::Null,
    ]
}

#[test]
fn no_error_about_an_order_repeats_a_value_of_it() {
    let document = document("A-1", &["north"]);
    let mut paths = Vec::new();
    places(&document, "", &mut paths);
    let mut refused = 0;
    for path in &paths {
        for misfit in misfits() {
            let mut wrong = document.clone();
            *wrong.pointer_mut(path).unwrap() = misfit;
            for text in [wrong.to_string(), format!("{:#}", wrong)] {
                let Err(error) = PaidOrder::from_json(text.as_bytes()) else {
                    continue;
                };
                assert_clean_error(&error);
                let by_serde = serde_json::from_str::<PaidOrder>(&text).err();
                by_serde.iter().for_each(|error| assert_clean_error(error));
                refused += 1;
            }
        }
    }
    let text = document.to_string();
    for cut in (0..text.len()).filter(|cut| text.is_char_boundary(*cut)) {
        let broken = format!("{}\u{1}{}", &text[..cut], &text[cut..]);
        for wrong in [&text[..cut], broken.as_str()] {
            if let Err(error) = PaidOrder::from_json(wrong.as_bytes()) {
                assert_clean_error(&error);
                refused += 1;
            }
        }
    }
    let twice = text.replacen("{", r#"{"email":"qzmail7f42","#, 1);
    assert_clean_error(&PaidOrder::from_json(twice.as_bytes()).unwrap_err());
    assert!(refused > 1000, "{refused} documents were refused");
}

#[test]
fn no_error_about_a_configuration_repeats_a_value_of_it() {
    let document = json!({
        "id": "north", "webhook_urls": [format!("https://a.example/in?key={QUERY}")], "bearer_token": TOKEN,
        "custom_headers": [{"name": "x-adapter", "value": HEADER}], "signing_keys": [{"key": KEY}],
        "acceptance": "every", "privacy": {"email": "mask"}, "reference_pointer": "/id",
        "retry": {"first_delay_ms": 5000}, "max_concurrent": 4, "on_unknown": "hold",
    });
    assert!(serde_json::from_value::<Supplier>(document.clone()).is_ok());
    let mut paths = Vec::new();
    places(&document, "", &mut paths);
    let mut refused = 0;
    // What is no supplier id is refused without being repeated; what is one is a name and may be shown.
    for path in paths.iter().filter(|path| *path != "/id") {
        let mut values = misfits();
        let urls = [
            "http://a.example/?k=",
            "https://u:p@a.example/",
            "https://a.example/#",
            "https://",
            "https://a b/",
        ];
        values.extend(urls.map(|url| json!(format!("{url}{REPLY}"))));
        values.push(json!(format!("Bearer {REPLY}")));
        values.push(json!(format!("whsec_{REPLY}!")));
        for misfit in values {
            let mut wrong = document.clone();
            *wrong.pointer_mut(path).unwrap() = misfit;
            let Err(error) = serde_json::from_value::<Supplier>(wrong) else {
                continue;
            };
            assert_clean("a configuration error", &error.to_string());
            assert_clean("a configuration error", &format!("{error:?}"));
            refused += 1;
        }
    }
    assert!(refused > 100, "{refused} configurations were refused");
}
