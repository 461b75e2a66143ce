//! Input that cannot be used: exit 1, one line that names file, place and key, and nothing stored or sent.

use serde_json::json;

use super::{ALL, Desk, run, text, way};

/// Runs on a store on disk when there is one, so that what was stored would be seen.
fn store(desk: &Desk) -> String {
    if cfg!(feature = "sqlite") {
        desk.sqlite()
    } else {
        "memory:".to_owned()
    }
}

#[tokio::test]
async fn a_bad_line_stores_nothing_and_is_named_with_its_key() {
    let desk = Desk::new().await;
    let good = json!({ "client": "clinic", "parent_order": "P-1", "child_order": "A", "flow": "delivery", "stage": "accept", "data": {} });
    let changed = |pointer: &str, value: serde_json::Value| {
        let mut line = good.clone();
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        line.pointer_mut(parent).unwrap()[key] = value;
        line.to_string()
    };
    for (line, place) in [
        (changed("/parent", json!("s3cret")), "parent: "),
        (changed("/client", json!(null)), "client: is missing"),
        (
            changed("/client", json!("stranger")),
            "client: stranger is not in the clients file",
        ),
        (changed("/stage", json!("s3cret")), "stage: must be one of"),
        (changed("/flow", json!("s3cret")), "flow: must be one of"),
        (changed("/prescription", json!("s3cret")), "prescription: "),
        (
            changed("/child_order", json!(null)),
            "child_order: is missing",
        ),
        (
            changed("/data/total", json!("s3cret")),
            "data.total: must be an amount",
        ),
        (
            changed("/data/items", json!([{}, "s3cret"])),
            "data.items[1]: must be an object",
        ),
        ("s3cret".into(), "the event "),
        (format!("{good}{good}"), "the event "),
    ] {
        desk.events(&format!(
            "{}\n{line}\n{}",
            way("P-0", &ALL[..1]),
            way("P-2", &ALL[..1])
        ));
        let ran = desk.run(&store(&desk), &["--json"]).await;
        assert_eq!(ran.status, Some(1), "{line}: {ran:?}");
        assert_eq!(ran.stdout, "", "{line}");
        let place = format!("{}: line 3: {place}", text(&desk.path("events.jsonl")));
        assert!(
            ran.stderr.starts_with(&place) && ran.stderr.lines().count() == 1,
            "{line}: {}",
            ran.stderr
        );
        assert!(!ran.stderr.contains("s3cret"), "{}", ran.stderr);
    }
    assert_eq!(desk.receiver.connections(), 0);
    assert!(
        !desk.path("orderhook.db").exists(),
        "not even a store was made"
    );
}

#[tokio::test]
async fn a_bad_clients_file_is_named_with_client_and_setting() {
    let desk = Desk::new().await;
    desk.events(&way("P-1", &ALL));
    for (client, said) in [
        (
            json!({ "id": "clinic", "stages": ["accept", "lost"] }),
            "supplier clinic: stages[1]: must be one of",
        ),
        (
            json!({ "id": "clinic", "rejections": "some" }),
            "supplier clinic: rejections: must be one of: all, final",
        ),
        (
            json!({ "id": "clinic", "stages_that_fail": "skip" }),
            "supplier clinic: stages_that_fail: must be one of",
        ),
        (
            json!({ "id": "clinic", "webhook_urls": ["http://a.example/"] }),
            "supplier clinic: webhook_urls[0]: ",
        ),
    ] {
        desk.clients(&json!([client]));
        let ran = desk.run(&store(&desk), &["--json"]).await;
        assert_eq!((ran.status, ran.stdout.as_str()), (Some(1), ""), "{ran:?}");
        let place = format!("{}: {said}", text(&desk.path("clients.json")));
        assert!(ran.stderr.starts_with(&place), "{place}\n{}", ran.stderr);
    }
}

#[tokio::test]
async fn bad_options_are_named() {
    let desk = Desk::new().await;
    desk.events(&way("P-1", &ALL));
    for (store, more, said) in [
        ("nowhere:", &[][..], "--store: "),
        (
            "memory:",
            &["--shout"][..],
            "--shout: is not a known option",
        ),
        (
            "memory:",
            &["--timeout-ms", "soon"],
            "--timeout-ms: must be a number",
        ),
        (
            "memory:",
            &["--allow-network", "127.0.0.1/99"],
            "--allow-network: ",
        ),
        (
            "memory:",
            &["--show", "--retry"],
            "--retry: only one action at a time",
        ),
        ("memory:", &["--events", "/no/such/file"], "/no/such/file: "),
        ("memory:", &["--withdraw"], "--withdraw: needs a value"),
    ] {
        let ran = desk.run(store, more).await;
        assert_eq!(
            (ran.status, ran.stdout.as_str()),
            (Some(1), ""),
            "{said}: {ran:?}"
        );
        assert!(
            ran.stderr.starts_with(said) && ran.stderr.lines().count() == 1,
            "{}",
            ran.stderr
        );
    }
    let ran = run("fulfilment", &["--store", "memory:"]).await;
    assert_eq!(
        (ran.status, ran.stderr.as_str()),
        (Some(1), "--events: is required\n")
    );
    assert_eq!(desk.receiver.connections(), 0);
}

#[cfg(feature = "sqlite")]
#[tokio::test]
async fn a_store_that_cannot_be_used_is_exit_3() {
    let desk = Desk::new().await;
    desk.events(&way("P-1", &ALL));
    std::fs::write(
        desk.path("text.db"),
        "This is a letter to a friend, and not a database. ".repeat(100),
    )
    .unwrap();
    for store in ["no/such/folder/a.db", "text.db"] {
        let ran = desk
            .run(&format!("sqlite:{}", text(&desk.path(store))), &["--json"])
            .await;
        assert_eq!((ran.status, ran.stdout.as_str()), (Some(3), ""), "{ran:?}");
        assert!(
            ran.stderr.starts_with("--store: ") && ran.stderr.lines().count() == 1,
            "{}",
            ran.stderr
        );
    }
    assert_eq!(desk.receiver.connections(), 0);
}

#[cfg(not(feature = "sqlite"))]
#[tokio::test]
async fn a_store_that_is_not_compiled_in_is_named_with_its_feature() {
    let desk = Desk::new().await;
    desk.events(&way("P-1", &ALL));
    let ran = desk.run(&desk.sqlite(), &["--json"]).await;
    assert_eq!((ran.status, ran.stdout.as_str()), (Some(1), ""), "{ran:?}");
    assert!(ran.stderr.contains("feature `sqlite`"), "{}", ran.stderr);
}
