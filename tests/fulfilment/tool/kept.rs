//! Several runs on one SQLite file.

use super::{ALL, Desk, way};
use crate::support::Reply;
use crate::world::{sequences, stages};

fn all(state: &str) -> Vec<String> {
    ALL.iter().map(|stage| format!("{stage} {state}")).collect()
}

#[tokio::test]
async fn a_second_run_sends_nothing_and_other_data_is_a_conflict() {
    let desk = Desk::new().await;
    desk.events(&way("P-1", &ALL));
    for _ in 0..2 {
        assert_eq!(
            desk.run(&desk.sqlite(), &["--json"]).await.brief(),
            (Some(0), all("notified"))
        );
    }
    assert_eq!(desk.receiver.count(), 4);

    let other =
        way("P-1", &ALL[..1]).replace("\"flow\"", "\"data\":{\"remark\":\"other\"},\"flow\"");
    desk.events(&other);
    let ran = desk.run(&desk.sqlite(), &["--json"]).await;
    assert_eq!(ran.brief(), (Some(2), vec!["accept conflict".into()]));
    assert_eq!(ran.lines()[0]["state"], "notified");
    assert_eq!(desk.receiver.count(), 4);
}

#[tokio::test]
async fn what_was_only_enqueued_is_told_by_a_worker_in_order() {
    let desk = Desk::new().await;
    desk.receiver
        .script([Reply::Status(500), Reply::ok(), Reply::CloseAfterRequest]);
    desk.events(&format!("{}{}", way("P-1", &ALL), way("P-1", &["accept"])));

    let (status, mut lines) = desk
        .run(&desk.sqlite(), &["--enqueue-only", "--json"])
        .await
        .brief();
    assert_eq!(lines.pop().as_deref(), Some("accept pending"), "recognised");
    assert_eq!((status, lines), (Some(0), all("pending")));
    assert_eq!(desk.receiver.connections(), 0);
    assert_eq!(
        desk.work(&desk.sqlite()).await.brief(),
        (Some(0), all("notified"))
    );
    assert_eq!(sequences(&desk.receiver.received()), [1, 1, 2, 2, 3, 4]);
    assert_eq!(
        desk.run(&desk.sqlite(), &["--show", "--json"]).await.status,
        Some(0)
    );
}

#[tokio::test]
async fn a_byte_order_mark_in_front_of_the_events_is_passed_over() {
    let desk = Desk::new().await;
    desk.events(&format!("\u{feff}{}", way("P-1", &ALL[..1])));
    let ran = desk.run(&desk.sqlite(), &["--json"]).await;
    assert_eq!(ran.brief(), (Some(0), vec!["accept notified".into()]));
}

#[tokio::test]
async fn a_refused_stage_is_exit_2_also_when_it_would_only_be_enqueued() {
    let desk = Desk::new().await;
    desk.events(&way("P-1", &["shipped", "accept"]));
    let ran = desk
        .run(&desk.sqlite(), &["--enqueue-only", "--json"])
        .await;
    assert_eq!(
        ran.brief(),
        (
            Some(2),
            vec!["shipped not_allowed".into(), "accept pending".into()]
        )
    );
}

#[tokio::test]
async fn show_tells_what_is_stored_and_does_nothing() {
    let desk = Desk::new().await;
    desk.events(&way("P-1", &ALL));
    assert_eq!(
        desk.run("memory:", &["--show", "--json"]).await.brief(),
        (Some(2), all("null"))
    );
    assert_eq!(
        desk.run(&desk.sqlite(), &["--show", "--json"]).await.status,
        Some(3),
        "it is not made to be read"
    );
    desk.run(&desk.sqlite(), &["--enqueue-only"]).await;
    assert_eq!(
        desk.run(&desk.sqlite(), &["--show", "--json"])
            .await
            .brief(),
        (Some(2), all("pending"))
    );
    assert_eq!(desk.receiver.connections(), 0);
}

#[tokio::test]
async fn retry_tries_at_once_what_is_owed_in_order() {
    let desk = Desk::new().await;
    desk.receiver.script([Reply::Status(503)]);
    desk.events(&way("P-1", &ALL));
    assert_eq!(
        desk.run(&desk.sqlite(), &["--json"]).await.brief(),
        (Some(2), all("pending"))
    );

    let ran = desk.run(&desk.sqlite(), &["--retry", "--json"]).await;
    assert_eq!(ran.brief(), (Some(0), all("notified")));
    assert_eq!(sequences(&desk.receiver.received()), [1, 1, 2, 3, 4]);
    let ran = desk.run(&desk.sqlite(), &["--retry", "--json"]).await;
    assert_eq!(
        ran.brief(),
        (Some(2), all("already_notified")),
        "nothing was left to be done"
    );
    assert_eq!(desk.receiver.count(), 5);
}

#[tokio::test]
async fn a_withdrawn_stage_lets_the_later_ones_go() {
    let desk = Desk::new().await;
    desk.receiver.script([Reply::ok(), Reply::Status(410)]);
    desk.events(&way("P-1", &ALL));
    desk.run(&desk.sqlite(), &["--enqueue-only"]).await;
    let (status, lines) = desk.work(&desk.sqlite()).await.brief();
    assert_eq!(
        (status, lines),
        (
            Some(2),
            vec!["accept notified".into(), "shipped failed".into()]
        )
    );

    desk.events(&way("P-1", &["shipped"]));
    let ran = desk
        .run(&desk.sqlite(), &["--withdraw", "told by phone", "--json"])
        .await;
    assert_eq!(ran.brief(), (Some(0), vec!["shipped withdrawn".into()]));
    assert_eq!(desk.work(&desk.sqlite()).await.status, Some(0));
    assert_eq!(stages(&desk.receiver.received()), ALL);

    desk.events(&way("P-1", &["accept"]));
    let ran = desk
        .run(&desk.sqlite(), &["--withdraw", "too late", "--json"])
        .await;
    assert_eq!(
        ran.brief(),
        (Some(2), vec!["accept already_notified".into()])
    );
}

#[tokio::test]
async fn resume_goes_on_with_an_order_whose_client_had_no_endpoint() {
    let desk = Desk::new().await;
    let clients = std::fs::read(desk.path("clients.json")).unwrap();
    desk.clients(&serde_json::json!([{ "id": "clinic" }]));
    desk.events(&way("P-1", &ALL[..1]));
    let ran = desk.run(&desk.sqlite(), &["--json"]).await;
    assert_eq!(ran.brief(), (Some(2), vec!["accept failed".into()]));
    assert_eq!(ran.lines()[0]["reason"], "no_endpoints");

    std::fs::write(desk.path("clients.json"), clients).unwrap();
    let ran = desk.run(&desk.sqlite(), &["--resume", "--json"]).await;
    assert_eq!(ran.brief(), (Some(0), vec!["accept notified".into()]));
}
