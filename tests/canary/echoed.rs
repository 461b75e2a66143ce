//! A supplier whose errors repeat what it was sent, and whose replies are kept.

use std::sync::{Arc, Mutex};

use orderhook::store::{Filter, Page};
use orderhook::{News, SupplierBuilder};

use crate::captured::{listen, said};
use crate::planted::{
    assert_arrived, assert_clean, assert_clean_debug, assert_clean_log, assert_ends_clean,
    document, order, supplier, suppliers_file,
};
use crate::support::{Ca, Program, Received, Receiver, Reply};
use crate::world::{World, key, source};

/// Stands in every echo, in plain: it shows that the reply was kept, and where else it went.
const MARK: &str = "wrong-adapter";

fn head_and_body(received: &Received) -> String {
    let head: String = received
        .headers
        .iter()
        .map(|(name, value)| format!("{name}: {value}\n"))
        .collect();
    let body = String::from_utf8_lossy(&received.body);
    format!("POST {}\n{head}\n{body}", received.path_and_query)
}

fn plain(received: &Received) -> String {
    format!("{MARK}\n{}", head_and_body(received))
}

fn json(received: &Received) -> String {
    serde_json::json!({"error": MARK, "request": head_and_body(received)}).to_string()
}

fn json_within_json(received: &Received) -> String {
    serde_json::json!({"error": MARK, "log": json(received)}).to_string()
}

fn all_escaped_json(received: &Received) -> String {
    let text: String = head_and_body(received)
        .encode_utf16()
        .map(|unit| format!("\\u{unit:04x}"))
        .collect();
    format!(r#"{{"error":"{MARK}","request":"{text}"}}"#)
}

fn all_escaped_url(received: &Received) -> String {
    let text: String = head_and_body(received)
        .bytes()
        .map(|byte| format!("%{byte:02X}"))
        .collect();
    format!("error={MARK}&request={text}")
}

fn html(received: &Received) -> String {
    let text = head_and_body(received)
        .replace('&', "&amp;")
        .replace('"', "&quot;")
        .replace('+', "&#43;");
    format!("<h1>{MARK}</h1><pre>{text}</pre>")
}

fn in_capitals(received: &Received) -> String {
    format!("{MARK} {}", head_and_body(received).to_lowercase())
}

type Echo = (&'static str, fn(&Received) -> String);

const ECHOES: [Echo; 7] = [
    ("plain", plain),
    ("json", json),
    ("json within json", json_within_json),
    ("all escaped as json", all_escaped_json),
    ("all escaped as a url", all_escaped_url),
    ("html", html),
    ("in another case", in_capitals),
];

/// A reply as anyone would read it who undoes its escapes and does not mind the case.
fn assert_hides_everything(what: &str, reply: &str) {
    assert_clean(what, reply);
    assert_clean(what, &reply.replace("\\u00", ""));
    for canary in ["qzname7f41", "qzaddressee7f43", "qzlane7f44", "qz7f46"] {
        assert!(!reply.to_lowercase().contains(canary), "{what}: {reply}");
    }
    let bytes = reply.split('%').skip(1).filter_map(|coded| {
        let byte = u8::from_str_radix(coded.get(..2)?, 16).ok()?;
        Some(char::from(byte))
    });
    assert_clean(what, &bytes.collect::<String>());
    let units = reply.split("\\u00").skip(1).filter_map(|coded| {
        let byte = u8::from_str_radix(coded.get(..2)?, 16).ok()?;
        Some(char::from(byte))
    });
    assert_clean(what, &units.collect::<String>());
}

fn keeping(builder: SupplierBuilder, bytes: usize) -> SupplierBuilder {
    builder.keep_reply(bytes)
}

#[tokio::test]
async fn what_a_supplier_repeats_of_a_request_is_hidden_before_it_is_kept_and_shown_only_to_who_asks_for_it()
 {
    listen();
    let world = World::new();
    let receiver = world.receiver().await;
    let news = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&news);
    let dispatcher = world
        .builder(crate::world::TIMEOUT)
        .listener(move |told: &News| heard.lock().unwrap().push(format!("{told:?}")))
        .build()
        .unwrap();
    for (n, (what, says)) in ECHOES.into_iter().enumerate() {
        let (name, path) = (format!("north-{n}"), format!("/{n}"));
        receiver.answer_at(&path, Reply::Echo { status: 422, says });
        world.put(keeping(supplier(&name, &[receiver.url(&path)]), 4096));
        let report = dispatcher.notify(&order("A-echo", &[&name])).await.unwrap();
        let stored = dispatcher
            .notification(&key(&name, "A-echo"))
            .await
            .unwrap()
            .unwrap();
        let reply = stored.attempts[0].reply.as_deref().unwrap();
        assert!(
            reply.contains(MARK) && reply.contains("***"),
            "{what}: {reply}"
        );
        assert!(reply.len() <= 4096, "{what}");
        assert_hides_everything(what, reply);
        if what == "plain" {
            // What it is about can still be read.
            assert!(reply.contains(r#""order_code":"A-echo""#), "{reply}");
            assert!(reply.contains("authorization: Bearer ***"), "{reply}");
        }
        let reported = &report.entries[0].notification.attempts;
        assert!(reported.iter().all(|attempt| attempt.reply.is_none()));
        for shown in [format!("{report:?}"), format!("{stored:#?}")] {
            assert_clean("a report", &shown);
            assert!(!shown.contains(MARK), "{shown}");
        }
    }
    receiver.received().iter().for_each(assert_arrived);

    let listed = dispatcher
        .list(&Filter::of(source()), &Page::first(100))
        .await
        .unwrap();
    assert_eq!(listed.notifications.len(), ECHOES.len());
    let by = crate::support::by();
    let retried = dispatcher
        .retry(&key("north-0", "A-echo"), &by)
        .await
        .unwrap();
    assert!(retried.attempts.len() > 1);
    assert!(
        retried
            .attempts
            .iter()
            .all(|attempt| attempt.reply.is_none())
    );
    let attempts = || listed.notifications.iter().flat_map(|item| &item.attempts);
    assert!(attempts().all(|attempt| attempt.reply.is_none()));
    assert_clean_debug("a listing", &listed);
    for text in [said(), news.lock().unwrap().concat()] {
        assert_clean_log("what is said", &text);
        assert!(!text.contains(MARK), "a reply was said");
    }
    world.agrees().await;
}

#[tokio::test]
async fn a_secret_at_the_end_of_what_is_kept_is_hidden_wherever_the_end_is() {
    let world = World::new();
    let receiver = world.receiver().await;
    receiver.answer(Reply::Echo {
        status: 400,
        says: plain,
    });
    let mut seen = 0;
    for bytes in (1..1_800).step_by(7) {
        world.put(keeping(supplier("north", &[receiver.url("/in")]), bytes));
        let order = order(&format!("A-{bytes}"), &["north"]);
        let dispatcher = world.dispatcher();
        let report = dispatcher.notify(&order).await.unwrap();
        let key = &report.entries[0].notification.key;
        let stored = dispatcher.notification(key).await.unwrap().unwrap();
        let reply = stored.attempts[0].reply.as_deref().expect("it is kept");
        assert!(reply.len() <= bytes, "{bytes}: {reply}");
        assert_hides_everything("a kept reply", reply);
        assert_ends_clean("a kept reply", reply);
        seen += reply.matches("***").count();
    }
    assert!(seen > 1_000, "{seen}");
}

#[tokio::test]
async fn the_tool_prints_no_kept_reply() {
    let ca = Ca::new();
    let receiver = Receiver::start(&ca).await;
    receiver.answer(Reply::Echo {
        status: 422,
        says: json,
    });
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("ca.pem", &ca.pem());
    write("order.json", &document("A-tool", &["north"]).to_string());
    let mut suppliers = suppliers_file("north", &receiver);
    suppliers["suppliers"][0]["keep_reply"] = 4096.into();
    write("suppliers.json", &suppliers.to_string());
    for arguments in [
        "--order order.json --suppliers suppliers.json --store memory: --ca ca.pem --allow-network 127.0.0.0/8",
        "--order order.json --suppliers suppliers.json --store memory: --ca ca.pem --allow-network 127.0.0.0/8 --json",
    ] {
        let arguments: Vec<_> = arguments.split(' ').collect();
        let finished = Program::example("order_paid", folder.path())
            .chatty()
            .run(&arguments)
            .await;
        assert_eq!(finished.status, Some(2), "{finished:?}");
        for text in [&finished.stdout, &finished.stderr] {
            assert_clean("the tool", text);
            assert!(!text.contains(MARK), "{text}");
        }
    }
    assert_eq!(receiver.count(), 2);
    receiver.received().iter().for_each(assert_arrived);
}
