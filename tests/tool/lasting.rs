//! Several runs over one store. They need one that lasts, and say nothing where none is compiled in.

use serde_json::json;

use crate::bench::{Bench, order};
use crate::support::{Receiver, Reply};

#[tokio::test]
async fn an_order_is_told_once_and_a_retry_of_it_is_already_notified() {
    let Some(bench) = Bench::lasting() else {
        return;
    };
    let receiver = Receiver::start(&bench.ca).await;
    bench.north_at(&receiver);
    let (first, told) = bench.json(&[]).await;
    let (again, same) = bench.json(&[]).await;
    assert_eq!((first, again), (0, 0));
    assert_eq!(told, same);
    assert_eq!(bench.json(&["--show"]).await, (0, told));

    let (retried, lines) = bench.json(&["--retry"]).await;
    assert_eq!(
        (retried, &lines[0]["error"], &lines[0]["state"]),
        (2, &json!("already_notified"), &json!("notified"))
    );
    let (withdrawn, lines) = bench.json(&["--withdraw", "refunded"]).await;
    assert_eq!(
        (withdrawn, &lines[0]["error"]),
        (2, &json!("already_notified"))
    );
    assert_eq!(receiver.count(), 1);
}

#[tokio::test]
async fn other_content_under_the_same_code_is_a_conflict_and_the_others_are_told() {
    let Some(bench) = Bench::lasting() else {
        return;
    };
    let receiver = Receiver::start(&bench.ca).await;
    bench.north_at(&receiver);
    assert_eq!(bench.json(&[]).await.0, 0);
    let mut other = order(&["north", "green"]);
    other["lines"][0]["quantity"] = json!(2);
    bench.write("order.json", &other.to_string());
    bench.suppliers(&[
        ("north", &[receiver.url("/in")]),
        ("green", &[receiver.url("/green")]),
    ]);

    for (action, stored) in [(&["--enqueue-only"][..], "pending"), (&[], "notified")] {
        let (status, lines) = bench.json(action).await;
        assert_eq!(
            (status, &lines[0]["error"], &lines[1]["error"]),
            (2, &json!("conflict"), &json!(null))
        );
        assert_eq!(lines[1]["state"], stored);
    }
    assert_eq!(receiver.count(), 2);
}

#[tokio::test]
async fn what_one_run_has_stored_another_run_sends() {
    let Some(bench) = Bench::lasting() else {
        return;
    };
    let receiver = Receiver::start(&bench.ca).await;
    bench.north_at(&receiver);
    assert_eq!(bench.json(&["--enqueue-only"]).await.0, 0);
    let (status, lines) = bench.json(&["--retry"]).await;
    assert_eq!((status, &lines[0]["state"]), (0, &json!("notified")));
    assert_eq!(receiver.count(), 1);
}

#[tokio::test]
async fn a_retry_calls_what_failed_before_it_is_due_and_the_attempts_of_all_rounds_are_shown() {
    let Some(bench) = Bench::lasting() else {
        return;
    };
    let receiver = Receiver::start(&bench.ca).await;
    receiver.script_at("/a", [Reply::Status(500)]);
    bench.order(&["north"]);
    bench.suppliers(&[("north", &[receiver.url("/a"), receiver.url("/b")])]);
    assert_eq!(bench.json(&[]).await.0, 2);
    assert_eq!(bench.json(&["--show"]).await.0, 2);
    let (status, lines) = bench.json(&["--retry"]).await;
    let statuses: Vec<_> = lines[0]["attempts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["status"].clone())
        .collect();
    assert_eq!(
        (status, statuses),
        (0, vec![json!(500), json!(200), json!(200)])
    );
    assert_eq!(receiver.count(), 3);
}

#[tokio::test]
async fn a_missing_configuration_is_repaired_and_resumed() {
    let Some(bench) = Bench::lasting() else {
        return;
    };
    let receiver = Receiver::start(&bench.ca).await;
    bench.order(&["north", "bare"]);
    bench.suppliers(&[("north", &[receiver.url("/in")]), ("bare", &[])]);
    assert_eq!(bench.json(&[]).await.0, 2);
    bench.suppliers(&[
        ("north", &[receiver.url("/in")]),
        ("bare", &[receiver.url("/bare")]),
    ]);
    let (status, lines) = bench.json(&["--resume"]).await;
    assert_eq!(status, 0);
    assert!(
        lines.iter().all(|line| line["state"] == "notified"),
        "{lines:?}"
    );
    assert_eq!(receiver.count(), 2);
}

#[tokio::test]
async fn a_withdrawn_order_is_not_sent() {
    let Some(bench) = Bench::lasting() else {
        return;
    };
    let receiver = Receiver::start(&bench.ca).await;
    bench.north_at(&receiver);
    assert_eq!(bench.json(&["--enqueue-only"]).await.0, 0);
    for _ in 0..2 {
        let (status, lines) = bench.json(&["--withdraw", "refunded"]).await;
        assert_eq!((status, &lines[0]["state"]), (0, &json!("withdrawn")));
    }
    assert_eq!(bench.json(&[]).await.1[0]["state"], "withdrawn");
    assert_eq!(receiver.connections(), 0);
}

#[tokio::test]
async fn unusable_input_stores_nothing() {
    let Some(bench) = Bench::lasting() else {
        return;
    };
    bench.order(&["north"]);
    bench.suppliers(&[("north", &[])]);
    let with_stranger = order(&["north", "stranger"]);
    let (without_stranger, mut other) = (order(&["north"]), order(&["north"]));
    other["order_code"] = json!("A-2");
    bench.write("order.json", &with_stranger.to_string());
    assert_eq!(bench.run(&[]).await.status, Some(1));
    assert!(!bench.folder().join("orders.db").exists());
    // Also in a store that is there.
    bench.write("order.json", &other.to_string());
    assert_eq!(bench.json(&["--enqueue-only"]).await.0, 0);
    bench.write("order.json", &with_stranger.to_string());
    assert_eq!(bench.run(&[]).await.status, Some(1));
    bench.write("order.json", &without_stranger.to_string());
    let (status, lines) = bench.json(&["--show"]).await;
    assert_eq!((status, &lines[0]["state"]), (2, &json!(null)));
}

#[tokio::test]
async fn a_store_that_cannot_be_used_is_exit_3_and_says_so_in_one_line() {
    let Some(bench) = Bench::lasting() else {
        return;
    };
    let receiver = Receiver::start(&bench.ca).await;
    bench.north_at(&receiver);
    bench.write(
        "text.db",
        &"this is no database, and it is long enough to be sure of that. ".repeat(100),
    );
    for store in ["sqlite:nowhere/orders.db", "sqlite:text.db", "sqlite:."] {
        let finished = bench.run(&["--store", store]).await;
        assert_eq!(
            (finished.status, finished.stdout.as_str()),
            (Some(3), ""),
            "{finished:?}"
        );
        assert_eq!(finished.stderr.matches('\n').count(), 1, "{finished:?}");
    }
    assert_eq!(receiver.connections(), 0);
}

#[tokio::test]
async fn eight_runs_at_once_tell_an_order_once() {
    let Some(bench) = Bench::lasting() else {
        return;
    };
    let receiver = Receiver::start(&bench.ca).await;
    receiver.answer(Reply::ok().delayed(std::time::Duration::from_millis(300)));
    bench.north_at(&receiver);
    let bench = std::sync::Arc::new(bench);
    let mut runs = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let bench = std::sync::Arc::clone(&bench);
        runs.spawn(async move { bench.json(&[]).await });
    }
    let mut told = 0;
    while let Some(run) = runs.join_next().await {
        let (status, lines) = run.unwrap();
        assert_eq!(status == 0, lines[0]["state"] == "notified", "{lines:?}");
        told += usize::from(status == 0);
    }
    assert!(told > 0);
    assert_eq!(receiver.count(), 1);
    assert_eq!(bench.json(&["--show"]).await.0, 0);
}
