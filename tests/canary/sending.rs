//! What is logged while orders are sent, whatever comes of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use orderhook::supplier::{Activity, LookupError, OnUnknown};
use orderhook::{
    Dispatcher, Error, NotificationState, Outcome, Supplier, SupplierId, Suppliers, SuppliersFile,
};

use crate::captured::{listen, said};
use crate::planted::{
    REASON, REFERENCE, REPLY, assert_arrived, assert_clean, assert_clean_debug, assert_clean_error,
    assert_clean_log, document, loopback, order, supplier, suppliers_file,
};
use crate::support::{Ca, Mode, Receiver, Reply, closed_port};
use crate::world::{World, id, key, order_from, source, until};

/// The log has this, and nothing that was planted.
fn assert_logged(mark: &str) {
    let said = said();
    assert!(said.contains(mark), "nobody said {mark}");
    assert_clean_log("the log", &said);
}

fn told_everything() -> Reply {
    Reply::ok_json(&format!(r#"{{"id":"{REFERENCE}","token":"{REPLY}"}}"#))
}

#[tokio::test]
async fn nothing_planted_is_said_when_an_order_is_told_and_the_receivers_have_all_of_it() {
    listen();
    let world = World::new();
    let receiver = world.receiver().await;
    receiver.answer(told_everything());
    world.put(supplier("north", &[receiver.url("/a"), receiver.url("/b")]));
    let dispatcher = world.dispatcher();

    let report = dispatcher
        .notify(&order("A-told", &["north"]))
        .await
        .unwrap();

    assert!(
        matches!(&report.entries[0].notification.state, NotificationState::Notified { reference, .. } if reference == REFERENCE)
    );
    receiver.received().iter().for_each(assert_arrived);
    assert_clean_debug("a report", &report);
    assert_clean_debug("the store", &world.store);
    for error in [
        dispatcher
            .retry(&key("north", "A-told"), &crate::support::by())
            .await
            .unwrap_err(),
        dispatcher
            .withdraw(&key("north", "A-told"), &crate::support::because(REASON))
            .await
            .unwrap_err(),
    ] {
        assert_clean_error(&error);
    }
    // The ears are open: to ours, to what speaks through `tracing`, and to what speaks through `log`.
    for mark in ["orderhook", "A-told", "rustls::"] {
        assert_logged(mark);
    }
    world.agrees().await;
}

#[tokio::test]
async fn nothing_planted_is_said_when_receivers_refuse_redirect_break_off_or_talk_nonsense() {
    listen();
    let world = World::new();
    let receiver = world.receiver().await;
    let refusal = |status, header: &str| Reply::Full {
        status,
        headers: vec![(
            header.to_owned(),
            format!("https://localhost:1/{REPLY}?{REPLY}"),
        )],
        body: REPLY.into(),
    };
    let raw = |text: &str| text.replace("REPLY", REPLY).into_bytes();
    let replies = [
        refusal(500, "x-error"),
        refusal(302, "location"),
        refusal(307, "location"),
        refusal(401, "www-authenticate"),
        refusal(503, "retry-after"),
        refusal(410, "set-cookie"),
        Reply::Raw(raw("HTTP/1.1 500 REPLY\r\nconnection: close\r\n\r\nREPLY")),
        Reply::Raw(raw("SSH-2.0-REPLY\r\n")),
        Reply::Raw(raw("HTTP/1.1 REPLY\r\n\r\n")),
        Reply::Raw(raw("HTTP/1.1 200 OK\r\nREPLY REPLY: x\r\n\r\n")),
        Reply::Raw(raw(
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nREPLY\r\nREPLY",
        )),
        Reply::RawThenReset(raw(
            "HTTP/1.1 200 OK\r\ncontent-length: 999\r\n\r\n{\"id\":\"REPLY",
        )),
        Reply::CloseAfterRequest,
        Reply::Hang,
    ];
    let mut total = 0;
    for (n, reply) in replies.into_iter().enumerate() {
        let (name, path) = (format!("north-{n}"), format!("/{n}"));
        receiver.answer_at(&path, reply);
        world.put(supplier(&name, &[receiver.url(&path)]));
        let dispatcher = world.builder(Duration::from_secs(2)).build().unwrap();
        let report = dispatcher
            .notify(&order("A-refused", &[&name]))
            .await
            .unwrap();
        assert_eq!(report.entries[0].notification.attempts.len(), 1);
        assert_clean_debug("a report", &report);
        total += 1;
    }
    assert_eq!(receiver.count(), total);
    receiver.received().iter().for_each(assert_arrived);
    assert_logged("A-refused");
    world.agrees().await;
}

#[tokio::test]
async fn nothing_planted_is_said_when_no_connection_can_be_made() {
    listen();
    let world = World::new();
    let closed = closed_port();
    let modes = [
        Mode::Tls(world.ca.expired()),
        Mode::Tls(world.ca.wrong_name()),
        Mode::Tls(Ca::self_signed()),
        Mode::Tls(Ca::new().server_config(crate::support::LOOPBACK_NAMES)),
        Mode::PlainHttp,
        Mode::old_tls(),
        Mode::ResetOnAccept,
        Mode::AcceptAndStall,
        Mode::Greet(format!("220 {REPLY}\r\n").into_bytes()),
    ];
    let mut receivers = Vec::new();
    for mode in modes {
        receivers.push(Receiver::start_as(mode).await);
    }
    let mut urls: Vec<_> = receivers
        .iter()
        .map(|receiver| receiver.url("/in"))
        .collect();
    urls.push(closed.url("/closed"));
    urls.push("https://169.254.169.254/latest".to_owned());
    urls.push("https://10.0.0.1/private".to_owned());
    urls.push("https://nobody.invalid/".to_owned());
    let north = supplier("north", &urls);
    world.put(north.clone());
    let dispatcher = world.builder(Duration::from_secs(2)).build().unwrap();

    let report = dispatcher
        .notify(&order("A-unreachable", &["north"]))
        .await
        .unwrap();
    let checks = dispatcher.check(&north.build().unwrap()).await;

    let attempts = &report.entries[0].notification.attempts;
    assert_eq!((attempts.len(), checks.len()), (urls.len(), urls.len()));
    assert!(
        attempts
            .iter()
            .all(|attempt| !attempt.outcome.is_accepted())
    );
    assert!(
        attempts
            .iter()
            .any(|attempt| matches!(attempt.outcome, Outcome::Blocked { .. }))
    );
    assert_clean_debug("a report", &report);
    assert_clean_debug("a check", &checks);
    for check in &checks {
        assert_clean("a check", &format!("{} {}", check.endpoint, check.verdict));
    }
    for attempt in attempts {
        assert_clean(
            "an attempt as it is stored",
            &serde_json::to_string(attempt).unwrap(),
        );
    }
    let ledger = report.entries[0].notification.ledger.encode();
    assert_clean(
        "a ledger as it is stored",
        &String::from_utf8(ledger).unwrap(),
    );
    assert_logged("A-unreachable");
    world.agrees().await;
}

/// A lookup that does something else at each question.
struct Changing(AtomicUsize, String);

impl Suppliers for Changing {
    async fn find(&self, id: &SupplierId) -> Result<Option<Supplier>, LookupError> {
        let good = supplier(id.as_str(), std::slice::from_ref(&self.1));
        match self.0.fetch_add(1, Ordering::SeqCst) {
            1 => Err(LookupError::unavailable("the lookup is away")),
            2 => Ok(Some(
                good.endpoint(format!("http://user:{REPLY}@a.example/?{REPLY}"))
                    .build()?,
            )),
            3 => panic!("the lookup of the test panics, as it should"),
            4 => Ok(None),
            5 => Ok(Some(good.activity(Activity::Paused).build()?)),
            _ => Ok(Some(good.build()?)),
        }
    }
}

#[tokio::test]
async fn nothing_planted_is_said_when_the_lookup_fails_lies_or_panics() {
    listen();
    let world = World::new();
    let receiver = world.receiver().await;
    let lookup = Changing(AtomicUsize::new(0), receiver.url("/in"));
    let dispatcher = Dispatcher::builder(source(), world.store.clone(), lookup)
        .root_certificate(world.ca.pem())
        .allow_network(loopback())
        .build()
        .unwrap();
    let _ = dispatcher
        .enqueue(&order("A-lookup", &["north"]))
        .await
        .unwrap();
    let key = key("north", "A-lookup");
    for n in 0..6 {
        match dispatcher.retry(&key, &crate::support::by()).await {
            Ok(notification) => assert_clean_debug("a notification", &notification),
            Err(error @ Error::Panicked) => {
                assert_eq!(n, 2);
                assert_clean_error(&error);
                world.store.advance(Duration::from_secs(100));
            }
            Err(error) => panic!("{error:?}"),
        }
    }
    assert_eq!(receiver.count(), 1);
    let unknown = dispatcher_without_suppliers(&world)
        .enqueue(&order("A-unknown", &["north"]))
        .await
        .unwrap_err();
    assert_clean_error(&unknown);
    assert_logged("PANIC");
    assert_logged("the lookup is away");
    world.agrees().await;
}

fn dispatcher_without_suppliers(world: &World) -> Dispatcher {
    Dispatcher::builder(source(), world.store.clone(), Arc::clone(&world.table))
        .build()
        .unwrap()
}

#[tokio::test]
async fn nothing_planted_is_said_about_conflicts_withdrawals_marks_takeovers_and_shutdowns() {
    listen();
    let world = World::new();
    let receiver = world.receiver().await;
    receiver.answer(Reply::Hang);
    world.put(supplier("north", &[receiver.url("/in")]).on_unknown(OnUnknown::Hold));
    world.put(supplier("bare", &[]));
    let dispatcher = world.dispatcher();
    dispatcher
        .notify(&order("A-hand", &["bare"]))
        .await
        .unwrap();
    let sending = tokio::spawn({
        let dispatcher = dispatcher.clone();
        async move { dispatcher.notify(&order("A-hand", &["north"])).await }
    });
    receiver.wait_for(1).await;

    let mut other = document("A-hand", &["bare"]);
    other["address"]["line1"] = serde_json::json!("13 Qzlane7f44");
    let conflict = dispatcher.notify(&order_from(other)).await.unwrap();
    assert!(conflict.entries[0].is_conflict());
    assert_clean_debug("a conflict", &conflict);
    for error in [
        dispatcher
            .withdraw(&key("north", "A-hand"), &crate::support::because(REASON))
            .await
            .unwrap_err(),
        dispatcher
            .mark_notified(&key("north", "A-hand"), REFERENCE, &crate::support::by())
            .await
            .unwrap_err(),
        dispatcher
            .retry(&key("north", "A-other"), &crate::support::by())
            .await
            .unwrap_err(),
    ] {
        assert_clean_error(&error);
    }
    dispatcher
        .withdraw(&key("bare", "A-hand"), &crate::support::because(REASON))
        .await
        .unwrap();
    assert_clean_error(
        &dispatcher
            .retry(&key("bare", "A-hand"), &crate::support::by())
            .await
            .unwrap_err(),
    );
    dispatcher
        .mark_notified(&key("bare", "A-marked"), REFERENCE, &crate::support::by())
        .await
        .unwrap();
    dispatcher
        .resume(&id("bare"), &crate::support::by())
        .await
        .unwrap();
    dispatcher.shutdown(Duration::from_millis(50)).await;
    let cut = sending.await.unwrap().unwrap();
    assert_clean_debug("what a shutdown cut", &cut);
    assert_clean_error(
        &dispatcher
            .enqueue(&order("A-hand", &["north"]))
            .await
            .unwrap_err(),
    );
    receiver.wait_for_ended(1).await;

    assert_clean_debug(
        "an order",
        &world
            .dispatcher()
            .order(&"A-hand".parse().unwrap())
            .await
            .unwrap(),
    );
    assert_arrived(&receiver.received()[0]);
    assert_logged("A-hand");
    world.agrees().await;
}

#[tokio::test]
async fn nothing_planted_is_said_about_a_suppliers_file_that_became_unusable() {
    listen();
    let receiver = Receiver::start(&Ca::new()).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("suppliers.json");
    let good = suppliers_file("north", &receiver);
    std::fs::write(&path, good.to_string()).unwrap();
    let file = SuppliersFile::open(&path).unwrap();
    let supplier = &good["suppliers"][0];
    let bad = [
        (
            "bearer_token",
            serde_json::json!(format!("Bearer {}", crate::planted::TOKEN)),
        ),
        ("bearer_token", serde_json::json!([crate::planted::TOKEN])),
        (
            "webhook_urls",
            serde_json::json!([format!(
                "https://u:{REPLY}@a.example/?key={}",
                crate::planted::QUERY
            )]),
        ),
        (
            "webhook_urls",
            serde_json::json!([format!("http://a.example/?key={}", crate::planted::QUERY)]),
        ),
        (
            "custom_headers",
            serde_json::json!([{"name": "host", "value": crate::planted::HEADER}]),
        ),
        (
            "custom_headers",
            serde_json::json!([{"name": "x", "value": format!("{}\n", crate::planted::HEADER)}]),
        ),
        (
            "signing_keys",
            serde_json::json!([{"key": format!("{}!", crate::planted::KEY)}]),
        ),
        ("acceptance", serde_json::json!(crate::planted::TOKEN)),
        ("max_concurrent", serde_json::json!(crate::planted::TOKEN)),
    ];
    for (n, (setting, value)) in bad.into_iter().enumerate() {
        let mut supplier = supplier.clone();
        supplier[setting] = value;
        // Of another length each time, so that the edit is noticed whatever the clock of the file system.
        let text = format!(
            "{}{}",
            serde_json::json!({"suppliers": [supplier]}),
            " ".repeat(n)
        );
        std::fs::write(&path, text).unwrap();
        let problem = file
            .problem()
            .unwrap_or_else(|| panic!("{setting} was accepted"));
        assert!(problem.setting().starts_with(setting), "{problem}");
        assert_clean_error(&problem);
        assert_clean_debug("a suppliers file", &file);
        assert_clean_error(&SuppliersFile::open(&path).unwrap_err());
        until("the log has it", async || {
            said().contains(&problem.to_string())
        })
        .await;
    }
    let text = good.to_string();
    std::fs::write(&path, &text[..text.len() - 20]).unwrap();
    assert_clean_error(&file.problem().unwrap());
    assert_logged("the last good one stays in force");
}
