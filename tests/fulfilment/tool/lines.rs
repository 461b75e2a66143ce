//! What it prints for events that it takes and refuses.

use orderhook::Timestamp;
use orderhook::value::OffsetTimestamp;
use serde_json::json;

use super::{ALL, Desk, run, way};
use crate::support::Reply;
use crate::world::{id_of, sequences, stages};

#[tokio::test]
async fn the_demonstration_walks_both_flows_shows_a_refusal_and_ends_well() {
    let ran = run("fulfilment", &[]).await;
    assert_eq!(ran.status, Some(0), "{ran:?}");
    for said in [
        "POST /fulfilment  reject #3",
        "POST /fulfilment  reassign #4",
        "1  digitization_completed              not_wanted",
        "8  delivered                RX-501/b   notified",
        "3  delivered                PK-77/a    notified",
        "child RX-501/a: last stage Order Re-Assign",
        "refused: delivered of child order PK-78/a may not come now, allowed: accept, reject",
    ] {
        assert!(ran.stdout.contains(said), "{said}: {}", ran.stdout);
    }
    assert_eq!(ran.stdout.matches("POST ").count(), 10);
}

#[tokio::test]
async fn events_are_told_in_the_order_of_the_file_with_a_line_for_each() {
    let desk = Desk::new().await;
    desk.events(&format!(
        "{}\n   \n{}",
        way("P-1", &ALL[..2]),
        way("P-2", &ALL[..1])
    ));
    let ran = desk.run("memory:", &["--json"]).await;

    let told = ["accept notified", "shipped notified", "accept notified"];
    assert_eq!(
        ran.brief(),
        (Some(0), told.map(str::to_owned).to_vec()),
        "{ran:?}"
    );
    assert_eq!(ran.stderr, "");
    let requests = desk.receiver.received();
    assert_eq!(sequences(&requests), [1, 2, 1]);
    for ((line, request), order) in ran.lines().iter().zip(&requests).zip(["P-1", "P-1", "P-2"]) {
        assert_eq!(
            (&line["order_code"], &line["supplier"]),
            (&order.into(), &"clinic".into())
        );
        assert_eq!(
            (&line["id"], &line["reference"]),
            (&id_of(request).into(), &order.into())
        );
        assert_eq!(
            (&line["error"], &line["reason"], &line["due"]),
            (&json!(null), &json!(null), &json!(null))
        );
        let attempt = &line["attempts"][0];
        assert_eq!(
            attempt["endpoint"],
            format!("https://localhost:{}/hook", desk.receiver.port()),
            "without its query"
        );
        assert_eq!(
            (&attempt["outcome"], &attempt["status"]),
            (&"accepted".into(), &200.into())
        );
        let at: Timestamp = attempt["at"]
            .as_str()
            .unwrap()
            .parse::<OffsetTimestamp>()
            .unwrap()
            .timestamp();
        assert!(
            at > Timestamp::from_micros(1_700_000_000_000_000) && attempt["ms"].is_u64(),
            "{attempt}"
        );
    }
    assert!(!ran.stdout.contains("s3cret"));
}

#[tokio::test]
async fn a_refused_stage_is_a_line_of_its_own_and_the_rest_goes_on() {
    let desk = Desk::new().await;
    let digitized = r#"{"client":"clinic","parent_order":"P-1","flow":"delivery","stage":"digitization_completed"}"#;
    let other_flow = r#"{"client":"clinic","parent_order":"P-1","child_order":"B","flow":"pickup","stage":"accept"}"#;
    let events = way("P-1", &["accept", "delivered", "shipped"]);
    desk.events(&format!(
        "\n{events}{digitized}\n{other_flow}\n{}",
        way("P-2", &["accept"])
    ));
    let ran = desk.run("memory:", &["--json"]).await;

    let expected = [
        "accept notified",
        "delivered not_allowed",
        "shipped notified",
        "digitization_completed not_allowed",
    ];
    let brief: Vec<_> = expected
        .iter()
        .chain(&["accept not_allowed", "accept notified"])
        .map(|s| (*s).into())
        .collect();
    assert_eq!(ran.brief(), (Some(2), brief), "{ran:?}");
    for (at, line, stage, child, allowed) in [
        (1, 3, "delivered", json!("A"), json!(["reject", "shipped"])),
        (
            3,
            5,
            "digitization_completed",
            json!(null),
            json!(["order_assigned", "accept", "reject"]),
        ),
        (
            4,
            6,
            "accept",
            json!("B"),
            json!(["order_assigned", "accept", "reject"]),
        ),
    ] {
        let mut refused = ran.lines()[at].clone();
        refused
            .as_object_mut()
            .unwrap()
            .remove("why")
            .expect("for people");
        let expected = json!({ "line": line, "error": "not_allowed", "stage": stage, "child_order": child, "allowed": allowed });
        assert_eq!(refused, expected);
    }
    assert_eq!(
        stages(&desk.receiver.received()),
        ["accept", "shipped", "accept"]
    );
}

#[tokio::test]
async fn without_json_the_same_is_said_to_people() {
    let desk = Desk::new().await;
    desk.events(&way("P-1", &["accept", "delivered"]));
    let ran = desk.run("memory:", &[]).await;
    assert_eq!(ran.status, Some(2));
    assert!(
        ran.stdout
            .starts_with("accept of order P-1 for supplier clinic (A): notified 2"),
        "{}",
        ran.stdout
    );
    let refused =
        "line 2: refused: delivered of child order A may not come now, allowed: reject, shipped\n";
    assert!(ran.stdout.ends_with(refused), "{}", ran.stdout);
}

#[tokio::test]
async fn what_is_not_told_is_exit_2_and_says_when_it_is_due() {
    let desk = Desk::new().await;
    desk.receiver.answer(Reply::Status(503));
    desk.events(&way("P-1", &ALL[..2]));
    let ran = desk.run("memory:", &["--json"]).await;
    assert_eq!(
        ran.brief(),
        (
            Some(2),
            vec!["accept pending".into(), "shipped pending".into()]
        )
    );
    assert!(
        ran.lines()[0]["due"]
            .as_str()
            .unwrap()
            .parse::<OffsetTimestamp>()
            .is_ok()
    );
    assert_eq!(ran.lines()[0]["attempts"][0]["outcome"], "rejected");
    assert_eq!(
        ran.lines()[1]["attempts"],
        json!([]),
        "it waits for the one before it"
    );
    assert_eq!(desk.receiver.count(), 1);
}

#[tokio::test]
async fn what_the_client_does_not_want_is_said_and_no_failure() {
    let desk = Desk::new().await;
    desk.events(&way("P-1", &["order_assigned", "accept"]));
    let ran = desk.run("memory:", &["--json"]).await;
    assert_eq!(
        ran.brief(),
        (
            Some(0),
            vec!["order_assigned not_wanted".into(), "accept notified".into()]
        )
    );
    assert_eq!(sequences(&desk.receiver.received()), [2]);
}

#[tokio::test]
async fn check_looks_at_the_endpoints_and_sends_no_stage() {
    let desk = Desk::new().await;
    desk.events(&way("P-1", &ALL));
    let ran = desk.run("memory:", &["--check", "--json"]).await;
    assert_eq!(ran.status, Some(0), "{ran:?}");
    assert_eq!(ran.lines().len(), 1, "one client with one endpoint");
    assert_eq!(desk.receiver.count(), 0);
}
