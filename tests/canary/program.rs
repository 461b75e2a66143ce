//! What the tool prints, with every log switched on.

use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::json;

use crate::planted::{REFERENCE, REPLY, assert_arrived, assert_clean, document, suppliers_file};
use crate::support::{Ca, Finished, Program, Receiver, Reply};

fn assert_clean_output(what: &str, finished: &Finished) {
    assert_clean(&format!("stdout of {what}"), &finished.stdout);
    assert_clean(&format!("stderr of {what}"), &finished.stderr);
}

async fn run(folder: &Path, more: &[&str]) -> Finished {
    let mut arguments = vec![
        "--order",
        "order.json",
        "--suppliers",
        "suppliers.json",
        "--store",
        "memory:",
    ];
    arguments.extend([
        "--ca",
        "ca.pem",
        "--allow-network",
        "127.0.0.0/8",
        "--timeout-ms",
        "2000",
    ]);
    arguments.extend(more);
    let finished = Program::example("order_paid", folder)
        .chatty()
        .run(&arguments)
        .await;
    assert_clean_output(&format!("order_paid {more:?}"), &finished);
    finished
}

#[tokio::test]
async fn the_tool_prints_nothing_planted_whatever_happens() {
    let ca = Ca::new();
    let receiver = Receiver::start(&ca).await;
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write("ca.pem", &ca.pem());
    write("order.json", &document("A-tool", &["north"]).to_string());
    write(
        "suppliers.json",
        &suppliers_file("north", &receiver).to_string(),
    );

    receiver.answer(Reply::ok_json(&format!(
        r#"{{"id":"{REFERENCE}","token":"{REPLY}"}}"#
    )));
    for format in [&[][..], &["--json"]] {
        for action in [
            &[][..],
            &["--enqueue-only"],
            &["--show"],
            &["--check"],
            &["--resume"],
            &["--withdraw", "refund"],
        ] {
            run(folder.path(), &[action, format].concat()).await;
        }
        let told = run(folder.path(), format).await;
        assert_eq!(told.status, Some(0), "{told:?}");
        assert!(
            told.stdout.contains(REFERENCE),
            "whoever asks is shown the reference"
        );
        assert!(
            told.stderr.contains("orderhook") && told.stderr.contains("rustls"),
            "its logs are on: {told:?}"
        );
    }
    assert_eq!(receiver.count(), 4);
    receiver.received().iter().for_each(assert_arrived);

    let hanging = Reply::ok().delayed(Duration::from_secs(30));
    for reply in [
        Reply::Status(500),
        Reply::Raw(format!("{REPLY}\r\n").into_bytes()),
        hanging,
    ] {
        receiver.answer(reply);
        let failed = run(folder.path(), &["--json"]).await;
        assert_eq!(failed.status, Some(2), "{failed:?}");
    }
    let mut other_ca = suppliers_file("north", &Receiver::start(&Ca::new()).await);
    write("suppliers.json", &other_ca.to_string());
    assert_eq!(run(folder.path(), &[]).await.status, Some(2));
    other_ca["suppliers"][0]["webhook_urls"] = json!([format!("http://a.example/{REPLY}?{REPLY}")]);
    write("suppliers.json", &other_ca.to_string());
    assert_eq!(run(folder.path(), &[]).await.status, Some(1));
    write(
        "suppliers.json",
        &suppliers_file("north", &receiver).to_string(),
    );
    let mut wrong = document("A-tool", &["north"]);
    wrong["lines"][0]["quantity"] = json!(REPLY);
    write("order.json", &wrong.to_string());
    assert_eq!(run(folder.path(), &[]).await.status, Some(1));
}

#[tokio::test]
async fn the_demonstration_does_not_print_its_token() {
    let finished = Program::example("order_paid", Path::new("."))
        .chatty()
        .run(&[])
        .await;
    assert_eq!(finished.status, Some(0), "{finished:?}");
    assert!(
        !finished.stdout.contains("demo-token") && !finished.stderr.contains("demo-token"),
        "{finished:?}"
    );
    assert!(!finished.stdout.contains("Asha"), "{}", finished.stdout);
}
