//! Exit statuses and lines of single runs.

use serde_json::{Value, json};

use crate::bench::{Bench, order};
use crate::support::{Finished, Receiver, Reply, closed_port};

fn of<'a>(lines: &'a [Value], supplier: &str) -> &'a Value {
    lines
        .iter()
        .find(|line| line["supplier"] == supplier)
        .unwrap_or_else(|| panic!("no line of {supplier}"))
}

#[tokio::test]
async fn a_told_order_is_exit_0_and_one_line_per_supplier_in_the_order_of_the_order() {
    let bench = Bench::in_memory();
    let receiver = Receiver::start(&bench.ca).await;
    bench.order(&["north", "green"]);
    let [a, b] = ["/a?key=hidden", "/b"].map(|path| receiver.url(path));
    bench.suppliers(&[("green", &[receiver.url("/green")]), ("north", &[a, b])]);

    let (status, lines) = bench.json(&[]).await;

    assert_eq!(status, 0);
    assert_eq!(
        lines
            .iter()
            .map(|line| &line["supplier"])
            .collect::<Vec<_>>(),
        ["north", "green"]
    );
    let north = of(&lines, "north");
    for (key, value) in [
        ("order_code", "A-1"),
        ("event", "order.created"),
        ("state", "notified"),
        ("reference", "A-1"),
    ] {
        assert_eq!(north[key], value);
    }
    let tried = north["attempts"].as_array().unwrap();
    let tried: Vec<_> = tried
        .iter()
        .map(|one| (&one["endpoint"], &one["outcome"], &one["status"]))
        .collect();
    let (a, b) = (json!(receiver.url("/a")), json!(receiver.url("/b")));
    assert_eq!(
        tried,
        [
            (&a, &json!("accepted"), &json!(200)),
            (&b, &json!("accepted"), &json!(200))
        ]
    );
    let ids: Vec<_> = receiver
        .received()
        .iter()
        .map(|one| one.header("webhook-id").unwrap().to_owned())
        .collect();
    assert_eq!(
        ids.iter().filter(|id| north["id"] == id.as_str()).count(),
        2
    );
    assert_eq!(receiver.count(), 3);
}

#[tokio::test]
async fn what_is_not_told_is_exit_2_and_says_why() {
    let bench = Bench::in_memory();
    let receiver = Receiver::start(&bench.ca).await;
    receiver.answer_at("/refusing", Reply::Status(503));
    receiver.answer_at("/gone", Reply::Status(410));
    receiver.answer_at("/cut", Reply::CloseAfterRequest);
    let closed = closed_port();
    let names = [
        "refusing", "gone", "bare", "cut", "closed", "blocked", "well",
    ];
    bench.order(&names);
    bench.suppliers(&[
        ("refusing", &[receiver.url("/refusing")]),
        ("gone", &[receiver.url("/gone")]),
        ("bare", &[]),
        ("cut", &[receiver.url("/cut")]),
        ("closed", &[closed.url("/closed")]),
        ("blocked", &["https://10.0.0.1/in".to_owned()]),
        ("well", &[receiver.url("/well")]),
    ]);

    let (status, lines) = bench.json(&[]).await;

    assert_eq!((status, lines.len()), (2, names.len()));
    for (name, state, reason, outcome, code) in [
        ("refusing", "pending", json!(null), "rejected", json!(503)),
        (
            "gone",
            "failed",
            json!("endpoint_gone"),
            "rejected",
            json!(410),
        ),
        ("cut", "pending", json!(null), "unknown", json!(null)),
        ("closed", "pending", json!(null), "not_sent", json!(null)),
        ("blocked", "pending", json!(null), "blocked", json!(null)),
        ("well", "notified", json!(null), "accepted", json!(200)),
    ] {
        let line = of(&lines, name);
        assert_eq!(
            (&line["state"], &line["reason"]),
            (&json!(state), &reason),
            "{line}"
        );
        assert_eq!(line["attempts"].as_array().unwrap().len(), 1, "{line}");
        let attempt = &line["attempts"][0];
        assert_eq!(
            (&attempt["outcome"], &attempt["status"]),
            (&json!(outcome), &code),
            "{line}"
        );
    }
    let bare = of(&lines, "bare");
    assert_eq!(
        (&bare["state"], &bare["reason"], &bare["attempts"]),
        (&json!("failed"), &json!("no_endpoints"), &json!([]))
    );
}

#[tokio::test]
async fn a_hanging_receiver_costs_the_given_limit() {
    let bench = Bench::in_memory();
    let receiver = Receiver::start(&bench.ca).await;
    receiver.answer(Reply::Hang);
    bench.north_at(&receiver);
    let (status, lines) = bench.json(&["--timeout-ms", "1000"]).await;
    assert_eq!(status, 2);
    let attempt = &lines[0]["attempts"][0];
    assert_eq!(attempt["outcome"], "unknown");
    assert!(
        (1000..3000).contains(&attempt["ms"].as_u64().unwrap()),
        "{attempt}"
    );
}

#[tokio::test]
async fn enqueue_only_is_exit_0_and_sends_nothing() {
    let bench = Bench::in_memory();
    let receiver = Receiver::start(&bench.ca).await;
    bench.order(&["north", "bare"]);
    bench.suppliers(&[("north", &[receiver.url("/in")]), ("bare", &[])]);
    let (status, lines) = bench.json(&["--enqueue-only"]).await;
    assert_eq!((status, lines.len()), (0, 2));
    assert!(
        lines
            .iter()
            .all(|line| line["state"] == "pending" && line["attempts"] == json!([]))
    );
    assert_eq!(receiver.connections(), 0);
}

#[tokio::test]
async fn what_is_not_stored_is_shown_with_state_null_and_exit_2() {
    let bench = Bench::in_memory();
    let receiver = Receiver::start(&bench.ca).await;
    bench.order(&["north", "green"]);
    bench.suppliers(&[("north", &[receiver.url("/in")]), ("green", &[])]);
    for action in [
        &["--show"][..],
        &["--retry"],
        &["--resume"],
        &["--withdraw", "refunded"],
    ] {
        let (status, lines) = bench.json(action).await;
        assert_eq!((status, lines.len()), (2, 2), "{action:?}");
        assert!(
            lines.iter().all(|line| line["state"].is_null()),
            "{action:?}: {lines:?}"
        );
    }
    assert_eq!(receiver.connections(), 0);
}

#[tokio::test]
async fn check_says_of_each_endpoint_what_stands_in_the_way_and_sends_no_order() {
    let bench = Bench::in_memory();
    let receiver = Receiver::start(&bench.ca).await;
    let stranger = Receiver::start(&crate::support::Ca::new()).await;
    bench.north_at(&receiver);
    let well = bench.run(&["--check", "--json"]).await;
    assert_eq!(well.status, Some(0), "{well:?}");
    assert!(well.stdout.contains(&receiver.url("/in")), "{well:?}");

    let closed = closed_port();
    let urls = [
        receiver.url("/in"),
        stranger.url("/in"),
        closed.url("/in"),
        "https://10.0.0.1/in".to_owned(),
    ];
    bench.suppliers(&[("north", &urls)]);
    let ill = bench.run(&["--check", "--json"]).await;
    assert_eq!(ill.status, Some(2), "{ill:?}");
    let lines = ill.json_lines();
    let verdicts: Vec<_> = lines
        .iter()
        .map(|line| (&line["endpoint"], &line["verdict"]))
        .collect();
    let words = ["reachable", "unreachable", "unreachable", "blocked"].map(Value::from);
    let urls = urls.map(Value::from);
    assert_eq!(verdicts, urls.iter().zip(&words).collect::<Vec<_>>());
    assert!(
        lines[1]["why"].as_str().unwrap().contains("certificate"),
        "{}",
        lines[1]
    );

    bench.suppliers(&[("north", &[])]);
    assert_eq!(
        bench.run(&["--check"]).await.status,
        Some(2),
        "no endpoint is not well"
    );
    assert_eq!((receiver.count(), stranger.count()), (0, 0));
}

#[tokio::test]
async fn without_json_people_read_the_same() {
    let bench = Bench::in_memory();
    let receiver = Receiver::start(&bench.ca).await;
    bench.north_at(&receiver);
    let Finished {
        status,
        stdout,
        stderr,
    } = bench.run(&[]).await;
    assert_eq!((status, stderr.as_str()), (Some(0), ""));
    for part in ["A-1", "north", "notified", "accepted", &receiver.url("/in")] {
        assert!(stdout.contains(part), "{part}: {stdout}");
    }
}

#[tokio::test]
async fn whoever_does_not_read_the_lines_keeps_no_supplier_from_being_told() {
    let bench = Bench::in_memory();
    let receiver = Receiver::start(&bench.ca).await;
    bench.north_at(&receiver);
    let mut document = order(&["north"]);
    document["order_code"] = json!("A-pipe");
    bench.write("order.json", &document.to_string());
    let finished = bench.unread(&["--json"]).await;
    assert_eq!((finished.status, finished.stderr.as_str()), (Some(0), ""));
    assert_eq!(receiver.count(), 1);
}

#[tokio::test]
async fn the_demonstration_ends_well() {
    let bench = Bench::in_memory();
    let finished = bench.run_with(&[]).await;
    assert_eq!(
        (finished.status, finished.stderr.as_str()),
        (Some(0), ""),
        "{finished:?}"
    );
    assert_eq!(
        finished.stdout.matches("POST ").count(),
        4,
        "{}",
        finished.stdout
    );
}
