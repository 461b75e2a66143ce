//! `worker --drain`, which cron starts.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::bench::Bench;
use crate::support::{Program, Receiver, Reply};

async fn drain(bench: &Bench, more: &[&str]) -> (i32, Vec<Value>) {
    let mut arguments = vec![
        "--suppliers",
        "suppliers.json",
        "--store",
        "sqlite:orders.db",
    ];
    arguments.extend(["--ca", "ca.pem", "--allow-network", "127.0.0.0/8", "--json"]);
    arguments.extend(["--first-delay-ms", "1", "--drain"]);
    arguments.extend(more);
    let finished = Program::example("worker", bench.folder())
        .run(&arguments)
        .await;
    let lines = finished.stdout.lines();
    let lines = lines.map(|line| serde_json::from_str(line).unwrap());
    (finished.status.unwrap(), lines.collect())
}

#[tokio::test]
async fn it_makes_one_round_and_says_by_its_status_whether_something_failed() {
    let Some(bench) = Bench::lasting() else {
        return;
    };
    let receiver = Receiver::start(&bench.ca).await;
    bench.north_at(&receiver);
    receiver.answer(Reply::Status(500));
    assert_eq!(bench.json(&["--enqueue-only"]).await.0, 0);

    let began = Instant::now();
    for run in 1..=3 {
        assert_eq!(
            drain(&bench, &[]).await,
            (0, Vec::new()),
            "nothing has settled"
        );
        assert_eq!(receiver.count(), run);
    }
    assert!(
        began.elapsed() < Duration::from_secs(60),
        "it does not stay for the next try"
    );

    receiver.answer(Reply::Status(410));
    let (status, lines) = drain(&bench, &[]).await;
    assert_eq!((status, &lines[0]["state"]), (2, &json!("failed")));
    assert_eq!(drain(&bench, &[]).await, (0, Vec::new()));
    assert_eq!(receiver.count(), 4);
}

#[tokio::test]
async fn it_is_not_asked_for_together_with_its_opposite() {
    let Some(bench) = Bench::lasting() else {
        return;
    };
    let receiver = Receiver::start(&bench.ca).await;
    bench.north_at(&receiver);
    assert_eq!(drain(&bench, &["--until-idle"]).await, (1, Vec::new()));
}
