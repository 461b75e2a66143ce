//! P8: a damaged row, and an older program on a newer file.

use crate::world::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p8_a_damaged_row_is_refused_by_name_and_the_others_go_on() {
    let world = World::new().await;
    world.suppliers_with(&[
        (SUPPLIER, &[&world.receiver.url("/1")]),
        ("tool-shed", &[&world.receiver.url("/2")]),
    ]);
    let both = order_for("A-1", &[SUPPLIER, "tool-shed"]);
    assert_eq!(world.run(&both, &["--enqueue-only"]).await.status, Some(0));
    assert_eq!(
        world.run(&order("A-2"), &["--enqueue-only"]).await.status,
        Some(0)
    );
    world
        .run_sql("UPDATE orderhook_notifications SET ledger = x'00' WHERE id = 1")
        .await;

    let ended = world.run(&both, &[]).await;
    assert_eq!(ended.status, Some(3), "{ended:?}");
    let problem = "the row with id 1 of orderhook_notifications: its ledger cannot be decoded";
    assert!(ended.said.contains(problem), "{}", ended.said);
    // Its neighbours in the order and in the table are told.
    assert_eq!(
        (world.received_at("/1").len(), world.received_at("/2").len()),
        (0, 1)
    );
    let ended = world.run(&order("A-2"), &[]).await;
    assert_eq!(
        (ended.status, ended.states()),
        (Some(0), vec!["notified"]),
        "{ended:?}"
    );
    assert_eq!(world.received_at("/1").len(), 1);

    // Repaired by hand it is told like any other.
    world
        .run_sql("UPDATE orderhook_notifications SET ledger = NULL WHERE id = 1")
        .await;
    let ended = world.run(&both, &["--retry"]).await;
    assert_eq!(
        (ended.status, ended.states()),
        (Some(0), vec!["notified"; 2]),
        "{ended:?}"
    );
    assert_eq!(world.receiver.count(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p8_an_older_program_on_a_newer_file_is_refused_with_advice_and_leaves_it_alone() {
    let world = World::new().await;
    assert_eq!(
        world.run(&order("A-1"), &["--enqueue-only"]).await.status,
        Some(0)
    );
    world.run_sql("PRAGMA journal_mode = DELETE; INSERT INTO orderhook_migrations VALUES (99, '9.9.9', 0)").await;
    let before = std::fs::read(world.database()).unwrap();
    for more in [&[][..], &["--enqueue-only"], &["--retry"], &["--show"]] {
        let ended = world.run(&order("A-1"), more).await;
        assert_eq!((ended.status, ended.lines.len()), (Some(3), 0), "{ended:?}");
        assert!(
            ended.said.contains("version 99") && ended.said.contains("newer orderhook"),
            "{}",
            ended.said
        );
        assert_eq!(ended.said.lines().count(), 1, "{}", ended.said);
    }
    assert!(before == std::fs::read(world.database()).unwrap());
    assert_eq!(world.receiver.connections(), 0);
    world
        .run_sql("DELETE FROM orderhook_migrations WHERE version = 99")
        .await;
    assert_eq!(world.run(&order("A-1"), &[]).await.status, Some(0));
}
