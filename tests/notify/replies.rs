//! What receivers answer, and what is concluded from it.

use std::time::{Duration, Instant};

use orderhook::notification::{NotSent, Unknown};
use orderhook::supplier::Acceptance;
use orderhook::{NotificationState, Outcome};

use crate::support::{Mode, Receiver, Reply, black_hole};
use crate::world::{World, key, only, order, outcomes, paths, state, supplier};

#[tokio::test]
async fn a_redirection_is_a_rejection_and_is_not_followed() {
    for status in [301, 302, 303, 307, 308] {
        let world = World::new();
        let (receiver, target) = (world.receiver().await, world.receiver().await);
        for location in [
            target.url("/stolen"),
            receiver.url("/moved"),
            "/moved".to_owned(),
            String::new(),
        ] {
            receiver.script_at("/a", [Reply::redirect(status, &location)]);
        }
        world.put(
            supplier("north")
                .endpoint(receiver.url("/a"))
                .bearer_token("t"),
        );
        let dispatcher = world.dispatcher();
        let key = key("north", "A-1");

        let _ = dispatcher.enqueue(&order("A-1", &["north"])).await.unwrap();
        for round in 1..=4 {
            let retried = dispatcher.retry(&key, &crate::support::by()).await.unwrap();
            assert_eq!(outcomes(&retried), vec![status.to_string(); round]);
        }

        assert_eq!((receiver.count(), target.connections()), (4, 0));
        assert!(paths(&world.log).iter().all(|path| path == "/a"));
        world.agrees().await;
    }
}

#[tokio::test]
async fn a_2xx_status_line_is_an_acceptance_whatever_the_body_does_then() {
    let head = "HTTP/1.1 200 OK\r\n";
    let raw = |rest: &str| format!("{head}{rest}").into_bytes();
    let replies = [
        ("a short body", Reply::BrokenBody),
        ("a bad chunk", Reply::BadChunk),
        ("a stall", Reply::StallAfterHead),
        ("no end", Reply::Endless),
        (
            "a reset",
            Reply::RawThenReset(raw("content-length: 100\r\n\r\nabc")),
        ),
        ("no framing", Reply::Raw(raw("\r\n{\"id\":"))),
        (
            "a wrong coding",
            Reply::Raw(raw(
                "content-encoding: gzip\r\ncontent-length: 5\r\n\r\nhello",
            )),
        ),
        (
            "a wrong type",
            Reply::Raw(raw(
                "content-type: image/png\r\ncontent-length: 2\r\n\r\n\u{1}\u{2}",
            )),
        ),
        (
            "204 with a body",
            Reply::Raw(b"HTTP/1.1 204 No Content\r\n\r\nstray".to_vec()),
        ),
        ("202", Reply::Status(202)),
        ("299", Reply::Status(299)),
        (
            "interim replies before",
            Reply::Continue103(Box::new(Reply::ok())),
        ),
    ];
    for (what, reply) in replies {
        for pointer in [None, Some("/id")] {
            let world = World::new();
            let receiver = world.receiver().await;
            receiver.answer(reply.clone());
            let north = supplier("north").endpoint(receiver.url("/a"));
            world.put(pointer.map_or(north.clone(), |pointer| north.reference_pointer(pointer)));

            let report = world
                .dispatcher()
                .notify(&order("A-1", &["north"]))
                .await
                .unwrap();

            assert_eq!(
                state(only(&report)),
                "notified A-1",
                "{what}, pointer {pointer:?}: {report:?}"
            );
            assert!(only(&report).attempts[0].outcome.is_accepted(), "{what}");
            assert_eq!(receiver.count(), 1, "{what}");
            world.agrees().await;
        }
    }
}

#[tokio::test]
async fn what_is_not_2xx_is_no_acceptance() {
    let world = World::new();
    let receiver = world.receiver().await;
    let statuses = [
        300, 304, 400, 401, 403, 404, 409, 422, 425, 429, 500, 502, 503, 599, 999,
    ];
    receiver.script(statuses.map(Reply::Status));
    world.put(supplier("north").endpoint(receiver.url("/a")));
    let dispatcher = world.dispatcher();
    let _ = dispatcher.enqueue(&order("A-1", &["north"])).await.unwrap();

    for (n, status) in statuses.into_iter().enumerate() {
        let retried = dispatcher
            .retry(&key("north", "A-1"), &crate::support::by())
            .await
            .unwrap();
        assert_eq!(state(&retried), "pending", "{status}");
        assert_eq!(retried.attempts[n].outcome, Outcome::Rejected { status });
    }
    world.agrees().await;
}

#[tokio::test]
async fn a_hanging_url_costs_its_limit_and_no_more() {
    const LIMIT: Duration = Duration::from_secs(1);
    let drip = || Reply::Drip {
        bytes: b"HTTP/1.1 200 OK\r\n\r\n".to_vec(),
        every: Duration::from_millis(200),
    };
    for (what, hanging) in [
        ("silence", Reply::Hang),
        ("a slow head", drip()),
        ("1xx for ever", Reply::EndlessInterim),
    ] {
        let world = World::new();
        let (primary, backup) = (world.receiver().await, world.receiver().await);
        primary.answer(hanging);
        world.put(
            supplier("north")
                .endpoint(primary.url("/a"))
                .endpoint(backup.url("/b")),
        );
        let dispatcher = world.builder(LIMIT).build().unwrap();

        let began = Instant::now();
        let report = dispatcher.notify(&order("A-1", &["north"])).await.unwrap();
        let took = began.elapsed();

        assert_eq!(outcomes(only(&report)), ["unknown", "200"], "{what}");
        let first = &only(&report).attempts[0];
        assert_eq!(
            first.outcome,
            Outcome::Unknown {
                why: Unknown::TimedOut
            },
            "{what}"
        );
        assert!(
            first.took >= LIMIT && took < LIMIT * 3,
            "{what}: took {:?}, {took:?} in all",
            first.took
        );
        primary.wait_for_ended(1).await;
        assert!(
            primary.received()[0].abandoned,
            "{what}: the connection is cut"
        );
        assert!(!world.log.overlaps(), "{what}");
        world.agrees().await;
    }
}

#[tokio::test]
async fn a_url_that_cannot_be_connected_to_is_known_not_to_have_received_anything() {
    const LIMIT: Duration = Duration::from_secs(2);
    let world = World::new();
    let receiver = world.receiver().await;
    let stalling = Receiver::start_as(Mode::AcceptAndStall).await;
    let hole = black_hole().await;
    let list = supplier("north")
        .endpoint(stalling.url("/tls-stall"))
        .endpoint(hole.url("/syn"));
    world.put(list.endpoint(receiver.url("/a")));
    let dispatcher = world.builder(LIMIT).build().unwrap();

    let began = Instant::now();
    let report = dispatcher.notify(&order("A-1", &["north"])).await.unwrap();

    assert_eq!(outcomes(only(&report)), ["not_sent", "not_sent", "200"]);
    for attempt in &only(&report).attempts[..2] {
        assert_eq!(
            attempt.outcome,
            Outcome::NotSent {
                why: NotSent::ConnectTimeout
            },
            "{}",
            attempt.endpoint
        );
    }
    assert!(
        began.elapsed() < LIMIT * 2,
        "half of the limit for each: {:?}",
        began.elapsed()
    );
    world.agrees().await;
}

#[tokio::test]
async fn a_410_gives_that_url_up_and_the_other_one_is_tried_on() {
    let world = World::new();
    let receiver = world.receiver().await;
    receiver.answer_at("/gone", Reply::Status(410));
    receiver.script_at("/b", [Reply::Status(500)]);
    world.put(
        supplier("north")
            .endpoint(receiver.url("/gone"))
            .endpoint(receiver.url("/b")),
    );
    let (dispatcher, order) = (world.dispatcher(), order("A-1", &["north"]));

    assert_eq!(
        state(only(&dispatcher.notify(&order).await.unwrap())),
        "pending"
    );
    world.store.advance(Duration::from_secs(7));
    let report = dispatcher.notify(&order).await.unwrap();
    assert_eq!(state(only(&report)), "failed endpoint_gone");
    assert_eq!(paths(&world.log), ["/gone", "/b", "/b"]);

    // A person says that it is there again; what has accepted is not called.
    receiver.answer_at("/gone", Reply::ok());
    assert_eq!(
        state(
            &dispatcher
                .retry(&key("north", "A-1"), &crate::support::by())
                .await
                .unwrap()
        ),
        "notified A-1"
    );
    assert_eq!(paths(&world.log), ["/gone", "/b", "/b", "/gone"]);
    world.agrees().await;
}

#[tokio::test]
async fn a_410_does_no_harm_when_another_url_makes_up_for_it() {
    for acceptance in [Acceptance::Any, Acceptance::First] {
        let world = World::new();
        let receiver = world.receiver().await;
        receiver.answer_at("/gone", Reply::Status(410));
        let list = supplier("north")
            .endpoint(receiver.url("/gone"))
            .endpoint(receiver.url("/b"));
        world.put(list.acceptance(acceptance));

        let report = world
            .dispatcher()
            .notify(&order("A-1", &["north"]))
            .await
            .unwrap();

        assert_eq!(state(only(&report)), "notified A-1", "{acceptance:?}");
        world.agrees().await;
    }
}

#[tokio::test]
async fn a_url_that_asks_for_time_gets_it_and_does_not_delay_the_other() {
    let world = World::new();
    let receiver = world.receiver().await;
    receiver.script_at("/patient", [Reply::retry_after(503, "600")]);
    receiver.script_at("/b", [Reply::Status(500)]);
    world.put(
        supplier("north")
            .endpoint(receiver.url("/patient"))
            .endpoint(receiver.url("/b")),
    );
    let (dispatcher, order) = (world.dispatcher(), order("A-1", &["north"]));
    dispatcher.notify(&order).await.unwrap();

    world.store.advance(Duration::from_secs(7));
    let report = dispatcher.notify(&order).await.unwrap();
    assert_eq!(paths(&world.log), ["/patient", "/b", "/b"]);
    let NotificationState::Pending { due } = only(&report).state else {
        panic!("{report:?}")
    };
    let wait = due.since(world.store.now());
    assert!(
        (Duration::from_secs(580)..=Duration::from_secs(600)).contains(&wait),
        "{wait:?}"
    );

    world.store.advance(Duration::from_secs(600));
    assert_eq!(
        state(only(&dispatcher.notify(&order).await.unwrap())),
        "notified A-1"
    );
    assert_eq!(paths(&world.log), ["/patient", "/b", "/b", "/patient"]);
    world.agrees().await;
}

#[tokio::test]
async fn the_reference_is_the_suppliers_own_where_its_reply_has_one_and_else_the_order_code() {
    let long = format!(r#"{{"data":{{"id":"{}"}}}}"#, "x".repeat(201));
    let longest = "y".repeat(200);
    let fits = format!(r#"{{"data":{{"id":"{longest}"}}}}"#);
    let beyond = format!(
        r#"{{"filler":"{}","data":{{"id":"late"}}}}"#,
        "z".repeat(64 * 1024)
    );
    for (reply, reference) in [
        (Reply::ok_json(r#"{"data":{"id":"NB-17"}}"#), "NB-17"),
        (Reply::ok_json(r#"{"data":{"id":4711}}"#), "4711"),
        (
            Reply::ok_json(r#"{"data":{"id":123456789012345678901234567890}}"#),
            "123456789012345678901234567890",
        ),
        (
            Reply::ok_json("\u{feff}{\"data\":{\"id\":\"NB-18\"}}"),
            "NB-18",
        ),
        (
            Reply::ok_json("{\"data\":{\"id\":\"NB\u{202e}81\"}}"),
            "A-1",
        ),
        (Reply::ok_json("{\"data\":{\"id\":\"NB\u{200b}\"}}"), "A-1"),
        (Reply::ok_json(&fits), longest.as_str()),
        (Reply::ok_json(r#"{"data":{}}"#), "A-1"),
        (Reply::ok_json(r#"{"data":{"id":null}}"#), "A-1"),
        (Reply::ok_json(r#"{"data":{"id":["NB-17"]}}"#), "A-1"),
        (Reply::ok_json(r#"{"data":{"id":"a\u0007b"}}"#), "A-1"),
        (Reply::ok_json(&long), "A-1"),
        (Reply::ok_json(&beyond), "A-1"),
        (Reply::ok_json(r#"{"data":{"id":"NB"#), "A-1"),
        (Reply::ok(), "A-1"),
        (Reply::BrokenBody, "A-1"),
        (
            Reply::RawThenReset(
                b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{\"data\":{\"id\":\"NB\"}}".to_vec(),
            ),
            "A-1",
        ),
    ] {
        let world = World::new();
        let receiver = world.receiver().await;
        receiver.answer(reply.clone());
        world.put(
            supplier("north")
                .endpoint(receiver.url("/a"))
                .reference_pointer("/data/id"),
        );

        let report = world
            .dispatcher()
            .notify(&order("A-1", &["north"]))
            .await
            .unwrap();

        assert_eq!(
            state(only(&report)),
            format!("notified {reference}"),
            "{reply:?}"
        );
        world.agrees().await;
    }
}

#[tokio::test]
async fn without_a_pointer_the_reference_is_the_order_code() {
    let world = World::new();
    let receiver = world.receiver().await;
    receiver.answer(Reply::ok_json(r#"{"id":"NB-17"}"#));
    world.put(supplier("north").endpoint(receiver.url("/a")));
    let report = world
        .dispatcher()
        .notify(&order("A-1", &["north"]))
        .await
        .unwrap();
    assert_eq!(state(only(&report)), "notified A-1");
    world.agrees().await;
}

#[tokio::test]
async fn of_several_references_that_of_the_first_listed_url_wins_whenever_it_came() {
    let world = World::new();
    let receiver = world.receiver().await;
    receiver.answer_at("/none", Reply::ok());
    receiver.script_at(
        "/late",
        [
            Reply::Status(500),
            Reply::ok_json(r#"{"id":"late but listed first"}"#),
        ],
    );
    receiver.answer_at("/early", Reply::ok_json(r#"{"id":"early"}"#));
    let list = supplier("north")
        .endpoint(receiver.url("/none"))
        .endpoint(receiver.url("/late"));
    world.put(
        list.endpoint(receiver.url("/early"))
            .reference_pointer("/id"),
    );
    let dispatcher = world.dispatcher();

    dispatcher.notify(&order("A-1", &["north"])).await.unwrap();
    let retried = dispatcher
        .retry(&key("north", "A-1"), &crate::support::by())
        .await
        .unwrap();

    assert_eq!(state(&retried), "notified late but listed first");
    world.agrees().await;
}
