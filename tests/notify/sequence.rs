//! One after another, and once.

use std::time::Duration;

use orderhook::notification::OrderState;

use crate::support::{Gate, Reply, closed_port};
use crate::world::{TIMEOUT, World, code, id, key, only, order, outcomes, paths, state, supplier};

#[tokio::test]
async fn both_urls_get_the_same_bytes_one_after_the_other() {
    let world = World::new();
    let (primary, backup) = (world.receiver().await, world.receiver().await);
    // An answer that takes its time: whoever does not wait for it is seen.
    for receiver in [&primary, &backup] {
        receiver.answer(Reply::ok().delayed(Duration::from_millis(200)));
    }
    world.put(
        supplier("north")
            .endpoint(primary.url("/a"))
            .endpoint(backup.url("/b")),
    );

    let report = world
        .dispatcher()
        .notify(&order("A-1", &["north"]))
        .await
        .unwrap();

    assert!(report.is_notified());
    assert_eq!(state(only(&report)), "notified A-1");
    assert_eq!(paths(&world.log), ["/a", "/b"]);
    let (first, second) = (primary.received(), backup.received());
    assert_eq!(first[0].body, second[0].body);
    assert_eq!(
        first[0].header("webhook-id"),
        second[0].header("webhook-id")
    );
    assert!(!world.log.overlaps());
    world.agrees().await;
}

#[tokio::test]
async fn the_second_url_waits_for_as_long_as_the_first_is_silent() {
    let world = World::new();
    let (primary, backup) = (world.receiver().await, world.receiver().await);
    let gate = Gate::new();
    primary.answer(Reply::ok().gated(&gate));
    world.put(
        supplier("north")
            .endpoint(primary.url("/a"))
            .endpoint(backup.url("/b")),
    );
    let dispatcher = world.dispatcher();

    let notified = tokio::spawn(async move { dispatcher.notify(&order("A-1", &["north"])).await });
    primary.wait_for(1).await;
    assert_eq!(backup.connections(), 0);
    gate.open();

    assert!(notified.await.unwrap().unwrap().is_notified());
    assert!(!world.log.overlaps());
    world.agrees().await;
}

#[tokio::test]
async fn suppliers_are_told_side_by_side() {
    let world = World::new();
    let receiver = world.receiver().await;
    let gate = Gate::new();
    receiver.answer(Reply::ok().gated(&gate));
    let names = ["north", "green", "tools"];
    for name in names {
        world.put(supplier(name).endpoint(receiver.url(&format!("/{name}"))));
    }
    let dispatcher = world.dispatcher();

    let notified = tokio::spawn(async move { dispatcher.notify(&order("A-1", &names)).await });
    // None of them is answered before all of them have come.
    receiver.wait_for(names.len()).await;
    gate.open();

    assert!(notified.await.unwrap().unwrap().is_notified());
    assert_eq!(receiver.max_in_flight(), names.len());
    world.agrees().await;
}

#[tokio::test]
async fn with_one_slot_all_suppliers_are_told_one_at_a_time() {
    let world = World::new();
    let receiver = world.receiver().await;
    receiver.answer(Reply::ok().delayed(Duration::from_millis(50)));
    let names = ["north", "green", "tools"];
    for name in names {
        world.put(
            supplier(name)
                .endpoint(receiver.url("/one"))
                .endpoint(receiver.url("/two")),
        );
    }
    let dispatcher = world
        .builder(TIMEOUT)
        .concurrency(std::num::NonZeroUsize::MIN)
        .build()
        .unwrap();

    assert!(
        dispatcher
            .notify(&order("A-1", &names))
            .await
            .unwrap()
            .is_notified()
    );

    assert_eq!(receiver.count(), 6);
    assert!(!world.log.overlaps());
    world.agrees().await;
}

#[tokio::test]
async fn a_second_call_sends_nothing_not_even_from_another_node_or_months_later() {
    let world = World::new();
    let receiver = world.receiver().await;
    world.put(
        supplier("north")
            .endpoint(receiver.url("/a"))
            .endpoint(receiver.url("/b")),
    );
    let order = order("A-1", &["north"]);
    let first = world.dispatcher().notify(&order).await.unwrap();

    world.store.advance(Duration::from_secs(100 * 86_400));
    let second = world.dispatcher().notify(&order).await.unwrap();
    let enqueued = world.dispatcher().enqueue(&order).await.unwrap();

    assert!(second.is_notified());
    assert_eq!(only(&second).attempts, only(&first).attempts);
    assert_eq!(enqueued.conflicts().count(), 0);
    assert_eq!(receiver.count(), 2);
    world.agrees().await;
}

#[tokio::test]
async fn a_failing_url_does_not_stop_the_next_and_a_retry_calls_only_what_failed() {
    for (failure, outcome) in [
        (Reply::Status(500), "500"),
        (Reply::CloseAfterRequest, "unknown"),
        (Reply::Raw(b"SSH-2.0-OpenSSH_9.6\r\n".to_vec()), "unknown"),
    ] {
        let world = World::new();
        let (primary, backup) = (world.receiver().await, world.receiver().await);
        primary.script([failure]);
        world.put(
            supplier("north")
                .endpoint(primary.url("/a"))
                .endpoint(backup.url("/b")),
        );
        let dispatcher = world.dispatcher();

        let report = dispatcher.notify(&order("A-1", &["north"])).await.unwrap();
        assert!(!report.is_notified());
        assert_eq!(state(only(&report)), "pending");
        assert_eq!(outcomes(only(&report)), [outcome, "200"]);

        let retried = dispatcher
            .retry(&key("north", "A-1"), &crate::support::by())
            .await
            .unwrap();
        assert_eq!(state(&retried), "notified A-1");
        assert_eq!(outcomes(&retried), [outcome, "200", "200"]);
        assert_eq!((primary.count(), backup.count()), (2, 1));
        assert_eq!(primary.received()[0].body, primary.received()[1].body);
        assert!(!world.log.overlaps());
        world.agrees().await;
    }
}

#[tokio::test]
async fn a_url_where_nobody_listens_does_not_stop_the_next() {
    let world = World::new();
    let receiver = world.receiver().await;
    let closed = closed_port();
    let urls = [
        closed.url("/nobody"),
        receiver.url("/a"),
        closed.url("/nobody-either"),
        receiver.url("/b"),
    ];
    world.put(
        urls.into_iter()
            .fold(supplier("north"), orderhook::SupplierBuilder::endpoint),
    );

    let report = world
        .dispatcher()
        .notify(&order("A-1", &["north"]))
        .await
        .unwrap();

    assert_eq!(
        outcomes(only(&report)),
        ["not_sent", "200", "not_sent", "200"]
    );
    assert_eq!(paths(&world.log), ["/a", "/b"]);
    world.agrees().await;
}

#[tokio::test]
async fn what_failed_is_left_alone_until_it_is_due_and_then_only_it_is_called() {
    let world = World::new();
    let (primary, backup) = (world.receiver().await, world.receiver().await);
    primary.script([Reply::Status(503), Reply::Status(503)]);
    world.put(
        supplier("north")
            .endpoint(primary.url("/a"))
            .endpoint(backup.url("/b")),
    );
    let (dispatcher, order) = (world.dispatcher(), order("A-1", &["north"]));
    dispatcher.notify(&order).await.unwrap();

    let early = dispatcher.notify(&order).await.unwrap();
    assert_eq!(
        outcomes(only(&early)),
        ["503", "200"],
        "it was called before it was due"
    );
    for expected in [vec!["503", "200", "503"], vec!["503", "200", "503", "200"]] {
        world.store.advance(Duration::from_secs(13));
        assert_eq!(
            outcomes(only(&dispatcher.notify(&order).await.unwrap())),
            expected
        );
    }

    assert_eq!((primary.count(), backup.count()), (3, 1));
    let told = dispatcher.order(&code("A-1")).await.unwrap().unwrap();
    assert_eq!(told.state, OrderState::Notified);
    world.agrees().await;
}

#[tokio::test]
async fn a_supplier_that_fails_does_not_stop_the_others() {
    let world = World::new();
    let receiver = world.receiver().await;
    receiver.answer_at("/broken", Reply::Status(500));
    world.put(supplier("broken").endpoint(receiver.url("/broken")));
    world.put(supplier("north").endpoint(receiver.url("/north")));
    world.put(supplier("nowhere"));

    let report = world
        .dispatcher()
        .notify(&order("A-1", &["broken", "nowhere", "north"]))
        .await
        .unwrap();

    let states: Vec<_> = report
        .entries
        .iter()
        .map(|entry| state(&entry.notification))
        .collect();
    assert_eq!(
        states,
        ["pending", "failed no_endpoints", "notified A-1"],
        "in the order of the order"
    );
    assert!(report.of("north").is_some() && report.of("stranger").is_none());
    assert_eq!(
        id("north"),
        report.of("north").unwrap().notification.key.supplier
    );
    world.agrees().await;
}
