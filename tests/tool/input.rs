//! Unusable input: exit 1, one line on stderr that names file, place and setting; nothing sent, nothing stored.

use serde_json::{Value, json};

use crate::bench::{Bench, order};
use crate::support::{Finished, Receiver};

/// One line on stderr with all of this in it, and nothing else anywhere.
fn assert_refused(finished: &Finished, parts: &[&str]) {
    assert_eq!(
        (finished.status, finished.stdout.as_str()),
        (Some(1), ""),
        "{finished:?}"
    );
    assert_eq!(finished.stderr.matches('\n').count(), 1, "{finished:?}");
    for part in parts {
        assert!(
            finished.stderr.contains(part),
            "{part:?} is not in {finished:?}"
        );
    }
}

#[tokio::test]
async fn an_order_that_is_none_is_refused_with_file_and_place() {
    let bench = Bench::in_memory();
    let receiver = Receiver::start(&bench.ca).await;
    bench.north_at(&receiver);
    let with = |pointer: &str, key: &str, value: Value| {
        let mut document = order(&["north"]);
        document.pointer_mut(pointer).unwrap()[key] = value;
        document.to_string()
    };
    for (text, place) in [
        (with("", "order_cod", json!("A-1")), "order_cod"),
        (with("/address", "town", json!("Ulm")), "address.town"),
        (with("/lines/0", "qty", json!(1)), "lines[0].qty"),
        (with("/lines/0", "quantity", json!(0)), "lines[0].quantity"),
        (with("/lines/0", "quantity", json!(-1)), "lines[0].quantity"),
        (
            with("/lines/0", "unit_price", json!("ten")),
            "lines[0].unit_price",
        ),
        (
            with("/lines/0", "supplier", Value::Null),
            "lines[0].supplier",
        ),
        (
            with("/lines/0", "supplier", json!("stranger")),
            "lines[0].supplier",
        ),
        (with("", "order_code", json!("")), "order_code"),
        (with("", "currency", json!("EURO")), "currency"),
        (with("", "built_at", json!("yesterday")), "built_at"),
        (with("", "lines", json!([])), "lines"),
        ("{\"order_code\": \n]".to_owned(), "line 2"),
        (String::new(), "JSON"),
        ("[]".to_owned(), "object"),
    ] {
        bench.write("order.json", &text);
        assert_refused(&bench.run(&["--json"]).await, &["order.json", place]);
    }
    assert_eq!(receiver.connections(), 0);
}

#[tokio::test]
async fn suppliers_that_cannot_be_used_are_refused_with_file_supplier_and_setting() {
    let bench = Bench::in_memory();
    let receiver = Receiver::start(&bench.ca).await;
    bench.north_at(&receiver);
    let with = |key: &str, value: Value| {
        let mut supplier = json!({"id": "north", "webhook_urls": [receiver.url("/in")]});
        supplier[key] = value;
        json!({"suppliers": [supplier]}).to_string()
    };
    for (text, place) in [
        (
            with("webhook_url", json!("https://a.example/")),
            "webhook_url",
        ),
        (
            with("webhook_urls", json!(["http://a.example/"])),
            "webhook_urls[0]",
        ),
        (
            with(
                "webhook_urls",
                json!(["https://a.example/", "https://A.example:443"]),
            ),
            "webhook_urls[1]",
        ),
        (with("bearer_token", json!("")), "bearer_token"),
        (
            with("custom_headers", json!([{"name": "host", "value": "x"}])),
            "custom_headers[0].name",
        ),
        (
            with("custom_headers", json!([{"name": "x", "valu": "x"}])),
            "custom_headers[0]",
        ),
        (with("acceptance", json!("all")), "acceptance"),
        (with("privacy", json!({"email": "hide"})), "privacy.email"),
        (with("privacy", json!({"phone": "mask"})), "privacy.phone"),
        (with("reference_pointer", json!("id")), "reference_pointer"),
        (
            with("signing_keys", json!([{"key": "short"}])),
            "signing_keys[0].key",
        ),
        (
            with("retry", json!({"first_delay_ms": 0})),
            "retry.first_delay_ms",
        ),
        (with("max_concurrent", json!(0)), "max_concurrent"),
        (with("on_unknown", json!("drop")), "on_unknown"),
    ] {
        bench.write("suppliers.json", &text);
        assert_refused(
            &bench.run(&[]).await,
            &["suppliers.json", "supplier north", place],
        );
    }
    for (text, place) in [
        (
            json!({"suppliers": [{"webhook_urls": []}]}).to_string(),
            "suppliers[0].id",
        ),
        (
            json!({"suppliers": [{"id": "north"}, {"id": "north"}]}).to_string(),
            "suppliers[1].id",
        ),
        (json!({"suppliers": [], "extra": 1}).to_string(), "extra"),
        (json!({}).to_string(), "suppliers"),
        ("{".to_owned(), "JSON"),
    ] {
        bench.write("suppliers.json", &text);
        assert_refused(&bench.run(&[]).await, &["suppliers.json", place]);
    }
    assert_eq!(receiver.connections(), 0);
}

#[tokio::test]
async fn files_that_are_not_there_or_not_what_they_should_be_are_named() {
    let bench = Bench::in_memory();
    bench.order(&["north"]);
    bench.suppliers(&[("north", &[])]);
    for option in ["--order", "--suppliers", "--ca"] {
        assert_refused(
            &bench.run(&[option, "nowhere.file"]).await,
            &["nowhere.file"],
        );
        assert_refused(&bench.run(&[option, "."]).await, &["."]);
    }
    for text in [
        "",
        "no certificate",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    ] {
        bench.write("other.pem", text);
        assert_refused(
            &bench.run(&["--ca", "other.pem"]).await,
            &["other.pem", "certificate"],
        );
    }
}

#[tokio::test]
async fn options_that_are_unknown_missing_or_wrong_are_named() {
    let bench = Bench::in_memory();
    bench.order(&["north"]);
    bench.suppliers(&[("north", &[])]);
    for (arguments, part) in [
        (&["--jsn"][..], "--jsn"),
        (&["word"], "word"),
        (&["--show", "--check"], "--check"),
        (&["--timeout-ms", "soon"], "--timeout-ms"),
        (&["--timeout-ms", "0"], "--timeout-ms"),
        (&["--timeout-ms=99999999999"], "--timeout-ms"),
        (&["--lease-margin-ms", "-5"], "--lease-margin-ms"),
        (&["--lease-margin-ms", "0"], "--lease-margin-ms"),
        (&["--allow-network", "127.0.0.0/99"], "--allow-network"),
        (&["--source", ""], "--source"),
        (&["--store", "redis:"], "--store"),
        (&["--withdraw"], "--withdraw"),
        (&["--withdraw", ""], "--withdraw"),
    ] {
        assert_refused(&bench.run(arguments).await, &[part]);
    }
    let all = [
        "--order",
        "order.json",
        "--suppliers",
        "suppliers.json",
        "--store",
        "memory:",
    ];
    for missing in [0, 2, 4] {
        let arguments: Vec<_> = all
            .iter()
            .enumerate()
            .filter(|(n, _)| n / 2 != missing / 2)
            .map(|(_, word)| *word)
            .collect();
        assert_refused(&bench.run_with(&arguments).await, &[all[missing]]);
    }
}

#[tokio::test]
async fn a_store_that_is_not_compiled_in_is_refused_and_names_its_feature() {
    let bench = Bench::in_memory();
    bench.order(&["north"]);
    bench.suppliers(&[("north", &[])]);
    if !cfg!(feature = "sqlite") {
        assert_refused(
            &bench.run(&["--store", "sqlite:orders.db"]).await,
            &["--store", "`sqlite`"],
        );
        assert!(!bench.folder().join("orders.db").exists());
    }
    // There is none yet that could be compiled in.
    assert_refused(
        &bench.run(&["--store", "postgres://localhost/orders"]).await,
        &["--store", "`postgres`"],
    );
}

#[tokio::test]
async fn a_store_that_is_only_read_is_not_created_and_its_path_is_named() {
    let Some(bench) = Bench::lasting() else {
        return;
    };
    bench.order(&["north"]);
    bench.suppliers(&[("north", &[])]);
    let shown = bench.run(&["--show"]).await;
    assert_eq!((shown.status, &*shown.stdout), (Some(3), ""), "{shown:?}");
    assert!(
        shown.stderr.lines().count() == 1 && shown.stderr.contains("sqlite:orders.db"),
        "{shown:?}"
    );
    assert!(!bench.folder().join("orders.db").exists());
}

#[tokio::test]
async fn a_store_that_cannot_be_used_is_named_with_its_path_and_its_cause_is_said_once() {
    let Some(bench) = Bench::lasting() else {
        return;
    };
    bench.order(&["north"]);
    bench.suppliers(&[("north", &[])]);
    bench.write("orders.db", &"this is no database ".repeat(100));
    let refused = bench.run(&[]).await;
    assert_eq!(
        (refused.status, &*refused.stdout),
        (Some(3), ""),
        "{refused:?}"
    );
    assert!(
        refused.stderr.lines().count() == 1 && refused.stderr.contains("sqlite:orders.db"),
        "{refused:?}"
    );
    assert_eq!(
        refused.stderr.matches("file is not a database").count(),
        1,
        "{refused:?}"
    );
}

#[tokio::test]
async fn a_check_needs_neither_an_order_nor_a_store() {
    let bench = Bench::in_memory();
    bench.suppliers(&[
        ("north", &["https://10.0.0.1/in".to_owned()]),
        ("bare", &[]),
    ]);
    let checked = bench
        .run_with(&["--suppliers", "suppliers.json", "--check", "--json"])
        .await;
    assert_eq!(
        (checked.status, checked.stdout.lines().count()),
        (Some(2), 2),
        "{checked:?}"
    );
    assert!(
        checked.stdout.contains("blocked") && checked.stdout.contains("no endpoint is configured"),
        "{checked:?}"
    );
}

#[tokio::test]
async fn help_is_no_error() {
    let finished = Bench::in_memory().run_with(&["--help"]).await;
    assert_eq!((finished.status, finished.stderr.as_str()), (Some(0), ""));
    for option in [
        "--order",
        "--enqueue-only",
        "--allow-network",
        "exit status",
    ] {
        assert!(finished.stdout.contains(option), "{option}");
    }
}
