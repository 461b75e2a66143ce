//! Programs whose stdout is closed, or on a disk that is full. They say nothing more, and do their work all the same.

use serde_json::json;

use crate::bench::Bench;
use crate::support::{Finished, Program, Receiver};

/// A program with a stdout that is closed, and with one that is full.
fn both_ways(name: &'static str, bench: &Bench) -> [Program; 2] {
    let program = || Program::example(name, bench.folder());
    [program().unread(), program().full()]
}

fn went_well(finished: &Finished, status: i32) {
    assert_eq!(finished.status, Some(status), "{finished:?}");
    assert!(!finished.stderr.contains("panicked"), "{finished:?}");
}

#[cfg(feature = "fulfilment")]
const STAGES: &str = r#"
{"client": "north", "parent_order": "P-1", "child_order": "A", "flow": "pickup", "stage": "accept"}
{"client": "north", "parent_order": "P-1", "child_order": "A", "flow": "pickup", "stage": "delivered"}
{"client": "north", "parent_order": "P-1", "child_order": "A", "flow": "pickup", "stage": "shipped"}
"#;

#[tokio::test]
async fn order_paid_tells_the_suppliers_although_nobody_hears_it() {
    for (n, program) in both_ways("order_paid", &Bench::in_memory())
        .into_iter()
        .enumerate()
    {
        let bench = Bench::in_memory();
        let receiver = Receiver::start(&bench.ca).await;
        bench.north_at(&receiver);
        let program = program.within(bench.folder());
        for arguments in [&["--json"][..], &[]] {
            went_well(&program.run(&bench.arguments(arguments)).await, 0);
        }
        assert_eq!(receiver.count(), 2, "way {n}");
        went_well(&program.run(&["--help"]).await, 0);
    }
}

#[cfg(feature = "fulfilment")]
#[tokio::test]
async fn fulfilment_tells_the_stages_and_refuses_one_although_nobody_hears_it() {
    for program in both_ways("fulfilment", &Bench::in_memory()) {
        let bench = Bench::in_memory();
        let receiver = Receiver::start(&bench.ca).await;
        bench.north_at(&receiver);
        bench.write("events.jsonl", STAGES);
        let program = program.within(bench.folder());
        for (n, more) in [&["--json"][..], &[]].into_iter().enumerate() {
            let files = [
                "--events",
                "events.jsonl",
                "--clients",
                "suppliers.json",
                "--store",
                "memory:",
            ];
            let network = ["--ca", "ca.pem", "--allow-network", "127.0.0.0/8"];
            went_well(
                &program.run(&[&files[..], &network, more].concat()).await,
                2,
            );
            assert_eq!(
                receiver.count(),
                2 * (n + 1),
                "the refused one stops nobody"
            );
        }
        went_well(&program.run(&["--help"]).await, 0);
    }
}

#[cfg(not(feature = "fulfilment"))]
#[tokio::test]
async fn fulfilment_that_is_not_compiled_in_is_exit_1_and_names_the_feature() {
    let bench = Bench::in_memory();
    for arguments in [&[][..], &["--help"], &["--events", "events.jsonl"]] {
        let finished = Program::example("fulfilment", bench.folder())
            .run(arguments)
            .await;
        went_well(&finished, 1);
        assert!(
            finished.stderr.contains("--features fulfilment"),
            "{finished:?}"
        );
        assert_eq!(finished.stdout, "");
    }
}

#[tokio::test]
async fn the_demonstrations_run_to_their_end_although_nobody_hears_them() {
    let fulfilment = cfg!(feature = "fulfilment").then_some("fulfilment");
    for name in ["order_paid"].into_iter().chain(fulfilment) {
        let bench = Bench::in_memory();
        for program in both_ways(name, &bench) {
            went_well(&program.run(&[]).await, 0);
        }
    }
}

#[tokio::test]
async fn worker_delivers_although_nobody_hears_it() {
    let Some(bench) = Bench::lasting() else {
        return;
    };
    let receiver = Receiver::start(&bench.ca).await;
    bench.suppliers(&[("north", &[receiver.url("/in")])]);
    for (n, program) in both_ways("worker", &bench).into_iter().enumerate() {
        let mut order = crate::bench::order(&["north"]);
        order["order_code"] = json!(format!("A-{n}"));
        bench.write("order.json", &order.to_string());
        assert_eq!(bench.json(&["--enqueue-only"]).await.0, 0);
        let files = [
            "--suppliers",
            "suppliers.json",
            "--store",
            "sqlite:orders.db",
            "--ca",
            "ca.pem",
        ];
        let more = ["--allow-network", "127.0.0.0/8", "--until-idle", "--json"];
        went_well(&program.run(&[&files[..], &more].concat()).await, 0);
        assert_eq!(receiver.count(), n + 1);
        went_well(&program.run(&["--help"]).await, 0);
    }
}

#[tokio::test]
async fn axum_handler_says_how_it_is_used_although_nobody_hears_it() {
    let bench = Bench::in_memory();
    for program in both_ways("axum_handler", &bench) {
        went_well(&program.run(&["--help"]).await, 0);
    }
}
