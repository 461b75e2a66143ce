//! Files that are damaged, full, from the future, or no databases at all.

use orderhook::SqliteStore;
use orderhook::store::{Action, ClaimNew, Filter, Page, Selection, Store, StoreErrorKind, Written};

use crate::support::*;

async fn refused(path: &std::path::Path) -> (StoreErrorKind, String) {
    let error = SqliteStore::open(path).await.unwrap_err();
    (error.kind(), error.to_string())
}

#[tokio::test]
async fn a_damaged_row_is_refused_and_the_others_go_on() {
    for (damage, problem) in [
        (
            "UPDATE orderhook_notifications SET ledger = x'00' WHERE id = 1",
            "ledger",
        ),
        (
            "UPDATE orderhook_notifications SET state = 'sleeping' WHERE id = 1",
            "state",
        ),
        (
            "UPDATE orderhook_notifications SET state = 'notified' WHERE id = 1",
            "settled_at",
        ),
        (
            "UPDATE orderhook_notifications SET event_id = '' WHERE id = 1",
            "event_id",
        ),
        (
            "UPDATE orderhook_notifications SET kind = 'Not A Kind' WHERE id = 1",
            "key",
        ),
        (
            "UPDATE orderhook_notifications SET order_code = CAST(x'ff' AS TEXT) WHERE id = 1",
            "key",
        ),
        (
            "UPDATE orderhook_notifications SET due_at = NULL WHERE id = 1",
            "due_at",
        ),
        (
            "UPDATE orderhook_notifications SET position = -1 WHERE id = 1",
            "position",
        ),
        (
            "UPDATE orderhook_notifications SET reopened = -1 WHERE id = 1",
            "reopened",
        ),
    ] {
        let (store, file) = File::new().store_kept().await;
        let (bad, good) = (key("north", "A-1"), key("north", "A-2"));
        add(&store, &[&bad, &good]).await;
        file.run(damage).await;

        let listing = store
            .list(&Filter::of(source()), &Page::first(10))
            .await
            .unwrap();
        assert_eq!(listing.notifications.len(), 1, "{damage}");
        assert_eq!(listing.refused[0].row, "orderhook_notifications, id 1");
        assert!(
            listing.refused[0].problem.contains(problem),
            "{:?}",
            listing.refused
        );
        if problem != "key" {
            let error = store.get(&bad).await.unwrap_err();
            assert_eq!(error.kind(), StoreErrorKind::Corrupt);
            assert!(error.to_string().contains(problem), "{error}");
            assert!(!format!("{error} {error:?}").contains("secret"));
        }
        // Claims go on without it, and it is told once.
        let claims = claim(&store, 9).await;
        assert_eq!(orders(&claims), ["north A-2"], "{damage}");
        assert_eq!(claims.refused.len(), 1, "{damage}");
        // Of a state that cannot be sent a claim reads no more.
        let problem_of_claim = if problem == "settled_at" {
            "state"
        } else {
            problem
        };
        assert!(
            claims.refused[0].problem.contains(problem_of_claim),
            "{:?}",
            claims.refused
        );
        store
            .write(&[step(&claims.claims[0], notified())])
            .await
            .unwrap();
        let claims = claim(&store, 9).await;
        assert_eq!(
            (claims.claims.len(), claims.refused.len()),
            (0, 0),
            "{damage}"
        );
        // Nothing waits for its time any more: whoever works until nothing does comes to an end.
        assert_eq!(claims.next_due, None, "{damage}");

        let filter = Filter::of(source());
        let counts = crate::receivers::counts(&store, &filter).await;
        assert_eq!(
            (counts.unreadable, counts.notified, counts.total()),
            (1, 1, 2),
            "{damage}"
        );
        let listing = store.list(&filter, &Page::first(10)).await.unwrap();
        // What was damaged was its state, or it is refused.
        let set_aside = listing
            .notifications
            .iter()
            .filter(|n| n.state.name() == orderhook::notification::StateName::Unreadable);
        assert_eq!(
            (
                listing.refused.len() + set_aside.count(),
                listing.notifications.len()
            ),
            (1, 2 - listing.refused.len())
        );
        assert_eq!(add(&store, &[&later(&bad, "behind")]).await.len(), 1);
        if problem != "key" && problem != "position" {
            assert_eq!(
                claim_all(&store).await.claims,
                [],
                "what comes later in its stream waits: {damage}"
            );
            let withdraw = orderhook::store::Intervention::new(
                Action::Withdraw,
                crate::receivers::because("damaged"),
            );
            let done = store
                .intervene(&Selection::Keys(vec![bad.clone()]), &withdraw, 1)
                .await
                .unwrap();
            assert_eq!(done.changed, std::slice::from_ref(&bad), "{damage}");
            if !["event_id", "reopened"].contains(&problem) {
                let state = store.get(&bad).await.unwrap().unwrap().state;
                assert_eq!(
                    state.name(),
                    orderhook::notification::StateName::Withdrawn,
                    "{damage}"
                );
            }
            assert_eq!(
                crate::receivers::counts(&store, &filter).await.unreadable,
                0,
                "{damage}"
            );
            assert_eq!(
                orders(&claim_all(&store).await),
                ["north A-1"],
                "its stream goes on: {damage}"
            );
        }
    }
}

#[tokio::test]
async fn what_is_damaged_and_not_needed_to_send_it_does_not_keep_it_from_being_sent() {
    for (damage, problem) in [
        (
            "UPDATE orderhook_notifications SET digest = x'0102' WHERE id = 1",
            "digest",
        ),
        (
            "UPDATE orderhook_notifications SET memo = zeroblob(3000) WHERE id = 1",
            "memo",
        ),
        (
            "INSERT INTO orderhook_attempts VALUES (1, 0, '{\"endpoint\":\"secret\"}')",
            "attempt",
        ),
    ] {
        let (store, file) = File::new().store_kept().await;
        let bad = key("north", "A-1");
        add(&store, &[&bad]).await;
        file.run(damage).await;

        let listing = store.list(&Filter::of(source()), &Page::first(10)).await;
        let refused = listing.unwrap().refused;
        assert!(refused[0].problem.contains(problem), "{refused:?}");
        let error = store.get(&bad).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Corrupt);
        assert!(error.to_string().contains(problem), "{error}");
        assert!(!format!("{error} {error:?}").contains("secret"));

        let claims = claim(&store, 9).await;
        assert_eq!(
            (orders(&claims), claims.refused),
            (vec!["north A-1".to_owned()], vec![])
        );
        let told = step(&claims.claims[0], notified());
        store.write(&[told]).await.unwrap();
        let counts = crate::receivers::counts(&store, &Filter::of(source())).await;
        assert_eq!((counts.unreadable, counts.notified), (0, 1), "{damage}");
    }
}

#[tokio::test]
async fn what_was_set_aside_is_sent_after_its_row_was_repaired_and_it_was_reopened() {
    let (store, file) = File::new().store_kept().await;
    let key = key("north", "A-1");
    add(&store, &[&key]).await;
    file.run("UPDATE orderhook_notifications SET ledger = x'00'")
        .await;
    assert_eq!(claim_all(&store).await.refused.len(), 1);
    let reopen = |key: &orderhook::Key| Selection::Keys(vec![key.clone()]);
    // Reopened without a repair it is set aside again.
    let reopened = store
        .intervene(&reopen(&key), &crate::receivers::decided(Action::Reopen), 1)
        .await
        .unwrap();
    assert_eq!(reopened.changed, std::slice::from_ref(&key));
    assert_eq!(claim_all(&store).await.refused.len(), 1);
    file.run("UPDATE orderhook_notifications SET ledger = NULL")
        .await;
    assert_eq!(claim_all(&store).await.claims, []);
    let state = store.get(&key).await.unwrap().unwrap().state;
    assert!(
        matches!(state, orderhook::NotificationState::Unreadable { .. }),
        "{state:?}"
    );
    assert_eq!(
        store
            .intervene(&reopen(&key), &crate::receivers::decided(Action::Reopen), 1)
            .await
            .unwrap()
            .changed,
        [key]
    );
    assert_eq!(orders(&claim_all(&store).await), ["north A-1"]);
}

#[tokio::test]
async fn a_name_that_would_be_refused_today_is_read_and_claimed() {
    let (store, file) = File::new().store_kept().await;
    add(&store, &[&key("north", "A-1")]).await;
    file.run("UPDATE orderhook_notifications SET order_code = 'A' || char(8238) || '1', supplier = 'n' || char(8203)")
        .await;
    let listing = store
        .list(&Filter::of(source()), &Page::first(10))
        .await
        .unwrap();
    assert_eq!(listing.refused, []);
    let claims = claim_all(&store).await.claims;
    assert_eq!(claims[0].key.order.as_str(), "A\u{202e}1");
    assert_eq!(
        store
            .write(&[step(&claims[0], notified())])
            .await
            .unwrap()
            .answers,
        [Written::Applied]
    );
}

#[tokio::test]
async fn a_body_that_is_gone_is_damage_of_its_row() {
    let (store, file) = File::new().store_kept().await;
    add(&store, &[&key("north", "A-1"), &key("south", "A-1")]).await;
    file.run("DELETE FROM orderhook_bodies WHERE notification = 1")
        .await;
    let claims = claim_all(&store).await;
    assert_eq!(orders(&claims), ["south A-1"]);
    assert!(claims.refused[0].problem.contains("body"));
}

#[tokio::test]
async fn a_damaged_ledger_can_be_withdrawn() {
    let (store, file) = File::new().store_kept().await;
    let key = key("north", "A-1");
    add(&store, &[&key]).await;
    file.run("UPDATE orderhook_notifications SET ledger = x'00'")
        .await;
    let withdraw =
        orderhook::store::Intervention::new(Action::Withdraw, crate::receivers::because("damaged"));
    let done = store
        .intervene(&Selection::Keys(vec![key.clone()]), &withdraw, 1)
        .await
        .unwrap();
    assert_eq!(done.changed, [key]);
}

#[tokio::test]
async fn a_newer_schema_is_refused_with_advice_and_left_alone() {
    let (store, file) = File::new().store_kept().await;
    add(&store, &[&key("north", "A-1")]).await;
    store.close().await;
    file.run(
        "PRAGMA journal_mode = DELETE; INSERT INTO orderhook_migrations VALUES (7, '9.9.9', 0)",
    )
    .await;
    let before = std::fs::read(&file.path).unwrap();
    let (kind, text) = refused(&file.path).await;
    assert_eq!(kind, StoreErrorKind::Incompatible);
    assert!(
        text.contains("version 7") && text.contains("newer orderhook"),
        "{text}"
    );
    assert!(before == std::fs::read(&file.path).unwrap());
}

#[tokio::test]
async fn tables_of_our_names_that_are_not_ours_are_refused() {
    let file = File::new();
    file.run("CREATE TABLE orderhook_notifications (a)").await;
    assert_eq!(refused(&file.path).await.0, StoreErrorKind::Incompatible);
}

#[tokio::test]
async fn an_application_may_have_its_own_tables_and_migrations_in_the_file() {
    let file = File::new();
    file.run(
        "CREATE TABLE _sqlx_migrations (version); INSERT INTO _sqlx_migrations VALUES (42); CREATE TABLE orders (a)",
    )
    .await;
    let store = file.store().await;
    add(&store, &[&key("north", "A-1")]).await;
    let mut stranger = file.stranger().await;
    let kept: (i64,) = sqlx::query_as("SELECT version FROM _sqlx_migrations")
        .fetch_one(&mut stranger)
        .await
        .unwrap();
    assert_eq!(kept.0, 42);
}

#[tokio::test]
async fn what_cannot_be_a_store_is_refused_with_a_reason() {
    let file = File::new();
    std::fs::write(
        &file.path,
        "this is a text of more than a hundred bytes and not an SQLite database ".repeat(9),
    )
    .unwrap();
    let (kind, text) = refused(&file.path).await;
    assert_eq!(kind, StoreErrorKind::Incompatible);
    assert!(text.contains("not an SQLite database"), "{text}");

    let (kind, text) = refused(&file.path.join("absent/orderhook.db")).await;
    assert_eq!(kind, StoreErrorKind::Unusable);
    assert!(text.contains("directory"), "{text}");
    assert_eq!(
        refused(file.path.parent().unwrap()).await.0,
        StoreErrorKind::Unusable
    );
    for path in ["", ":memory:"] {
        assert_eq!(refused(path.as_ref()).await.0, StoreErrorKind::Unusable);
    }
}

#[tokio::test]
async fn a_name_that_looks_like_a_uri_is_a_file() {
    let file = File::new();
    let path = file.path.with_file_name("file:odd?mode=memory");
    SqliteStore::open(&path).await.unwrap();
    assert!(path.exists());
}

#[tokio::test]
async fn a_full_disk_is_an_error_of_those_who_need_room_and_passes() {
    let file = File::new();
    let pool = sqlx::sqlite::SqlitePoolOptions::new()
        .max_connections(1)
        .connect_with(
            sqlx::sqlite::SqliteConnectOptions::new()
                .filename(&file.path)
                .create_if_missing(true)
                .journal_mode(sqlx::sqlite::SqliteJournalMode::Wal)
                .synchronous(sqlx::sqlite::SqliteSynchronous::Full)
                // Inherited by the connection that writes.
                .pragma("max_page_count", "60"),
        )
        .await
        .unwrap();
    let store = SqliteStore::in_pool(pool).await.unwrap();
    let first = key("north", "0");
    add(&store, &[&first]).await;
    let large = |n: usize| {
        let body = orderhook::event::Body::new(vec![b' '; 20_000]);
        orderhook::store::NewNotification::new(
            key("north", &format!("{n}")),
            orderhook::store::Start::pending(body),
        )
    };
    let mut stored = 1;
    let error = loop {
        match store.insert(&[large(stored)], &ClaimNew::NONE).await {
            Ok(_) => stored += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), StoreErrorKind::Full);
    assert!(error.is_transient());
    assert_eq!(
        crate::receivers::counts(&store, &Filter::of(source()))
            .await
            .total(),
        stored as u64
    );

    // Together with one that needs no room: it is not spoiled.
    let (large, claims) = (large(stored), due_of(&[&first]));
    let large = [large];
    let no_claim = ClaimNew::NONE;
    let (full, claims) = tokio::join!(store.insert(&large, &no_claim), store.claim(&claims));
    assert_eq!(full.unwrap_err().kind(), StoreErrorKind::Full);
    let claims = claims.unwrap();
    assert_eq!(orders(&claims), ["north 0"]);
    assert_eq!(store.get(&large[0].key).await.unwrap(), None);
    // With room again everything goes on.
    let roomy = file.store().await;
    roomy.insert(&large, &ClaimNew::NONE).await.unwrap();
    assert!(store.get(&large[0].key).await.unwrap().is_some());
}
