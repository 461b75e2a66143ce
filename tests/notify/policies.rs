//! When a supplier counts as told: `Every`, `Any`, `First`, judged on the list as it is now.

use std::time::Duration;

use orderhook::RetryPolicy;
use orderhook::supplier::Acceptance;

use crate::support::Reply;
use crate::world::{World, key, only, order, outcomes, paths, state, supplier};

#[tokio::test]
async fn first_stops_at_the_first_that_accepts() {
    let world = World::new();
    let receiver = world.receiver().await;
    receiver.answer_at("/a", Reply::Status(500));
    let list = supplier("north")
        .endpoint(receiver.url("/a"))
        .endpoint(receiver.url("/b"))
        .endpoint(receiver.url("/c"));
    world.put(list.acceptance(Acceptance::First));

    let report = world
        .dispatcher()
        .notify(&order("A-1", &["north"]))
        .await
        .unwrap();

    assert_eq!(state(only(&report)), "notified A-1");
    assert_eq!(paths(&world.log), ["/a", "/b"]);
    world.agrees().await;
}

#[tokio::test]
async fn any_calls_the_second_also_when_the_first_has_accepted() {
    let world = World::new();
    let receiver = world.receiver().await;
    world.put(
        supplier("north")
            .endpoint(receiver.url("/a"))
            .endpoint(receiver.url("/b"))
            .acceptance(Acceptance::Any),
    );

    let report = world
        .dispatcher()
        .notify(&order("A-1", &["north"]))
        .await
        .unwrap();

    assert_eq!(state(only(&report)), "notified A-1");
    assert_eq!(paths(&world.log), ["/a", "/b"]);
    world.agrees().await;
}

#[tokio::test]
async fn any_is_content_with_one_whichever_it_is() {
    for (refusing, expected) in [("/a", ["500", "200"]), ("/b", ["200", "500"])] {
        let world = World::new();
        let receiver = world.receiver().await;
        receiver.answer_at(refusing, Reply::Status(500));
        let list = supplier("north")
            .endpoint(receiver.url("/a"))
            .endpoint(receiver.url("/b"));
        world.put(list.acceptance(Acceptance::Any));

        let report = world
            .dispatcher()
            .notify(&order("A-1", &["north"]))
            .await
            .unwrap();

        assert_eq!(state(only(&report)), "notified A-1");
        assert_eq!(outcomes(only(&report)), expected);
        world.store.advance(Duration::from_secs(86_400));
        world
            .dispatcher()
            .notify(&order("A-1", &["north"]))
            .await
            .unwrap();
        assert_eq!(
            receiver.count(),
            2,
            "the one that refused is not asked again"
        );
        world.agrees().await;
    }
}

#[tokio::test]
async fn any_and_first_that_nobody_accepts_are_tried_again_at_every_url() {
    for acceptance in [Acceptance::Any, Acceptance::First] {
        let world = World::new();
        let receiver = world.receiver().await;
        receiver.script_at("/a", [Reply::Status(500), Reply::Status(500)]);
        receiver.script_at("/b", [Reply::Status(404)]);
        let list = supplier("north")
            .endpoint(receiver.url("/a"))
            .endpoint(receiver.url("/b"));
        world.put(list.acceptance(acceptance));
        let (dispatcher, order) = (world.dispatcher(), order("A-1", &["north"]));

        let report = dispatcher.notify(&order).await.unwrap();
        assert_eq!(state(only(&report)), "pending", "{acceptance:?}");
        world.store.advance(Duration::from_secs(7));
        let report = dispatcher.notify(&order).await.unwrap();

        assert_eq!(state(only(&report)), "notified A-1", "{acceptance:?}");
        assert_eq!(
            outcomes(only(&report)),
            ["500", "404", "500", "200"],
            "{acceptance:?}"
        );
        world.agrees().await;
    }
}

#[tokio::test]
async fn every_is_met_without_a_post_when_the_url_that_failed_is_taken_off_the_list() {
    let world = World::new();
    let receiver = world.receiver().await;
    receiver.answer_at("/b", Reply::Status(500));
    world.put(
        supplier("north")
            .endpoint(receiver.url("/a"))
            .endpoint(receiver.url("/b")),
    );
    let dispatcher = world.dispatcher();
    dispatcher.notify(&order("A-1", &["north"])).await.unwrap();

    world.put(supplier("north").endpoint(receiver.url("/a")));
    let retried = dispatcher
        .retry(&key("north", "A-1"), &crate::support::by())
        .await
        .unwrap();

    assert_eq!(state(&retried), "notified A-1");
    assert_eq!(receiver.count(), 2);
    world.agrees().await;
}

#[tokio::test]
async fn every_calls_a_url_that_was_added_and_does_not_count_one_that_was_taken_off() {
    let world = World::new();
    let receiver = world.receiver().await;
    receiver.answer_at("/b", Reply::Status(500));
    world.put(
        supplier("north")
            .endpoint(receiver.url("/a"))
            .endpoint(receiver.url("/b")),
    );
    let dispatcher = world.dispatcher();
    dispatcher.notify(&order("A-1", &["north"])).await.unwrap();

    world.put(supplier("north").endpoint(receiver.url("/c")));
    let retried = dispatcher
        .retry(&key("north", "A-1"), &crate::support::by())
        .await
        .unwrap();

    assert_eq!(state(&retried), "notified A-1");
    assert_eq!(paths(&world.log), ["/a", "/b", "/c"]);
    world.agrees().await;
}

#[tokio::test]
async fn first_and_any_do_not_count_the_acceptance_of_a_url_that_was_taken_off() {
    for acceptance in [Acceptance::First, Acceptance::Any] {
        let world = World::new();
        let receiver = world.receiver().await;
        receiver.script_at("/b", [Reply::Status(500)]);
        // Told under `Every`, so that it is open although one has accepted.
        world.put(
            supplier("north")
                .endpoint(receiver.url("/a"))
                .endpoint(receiver.url("/b")),
        );
        let dispatcher = world.dispatcher();
        dispatcher.notify(&order("A-1", &["north"])).await.unwrap();

        world.put(
            supplier("north")
                .endpoint(receiver.url("/b"))
                .acceptance(acceptance),
        );
        let retried = dispatcher
            .retry(&key("north", "A-1"), &crate::support::by())
            .await
            .unwrap();

        assert_eq!(state(&retried), "notified A-1");
        assert_eq!(paths(&world.log), ["/a", "/b", "/b"], "{acceptance:?}");
        world.agrees().await;
    }
}

#[tokio::test]
async fn a_milder_policy_is_met_by_what_was_accepted_before() {
    let world = World::new();
    let receiver = world.receiver().await;
    receiver.answer_at("/b", Reply::Status(500));
    let list = || {
        supplier("north")
            .endpoint(receiver.url("/a"))
            .endpoint(receiver.url("/b"))
    };
    world.put(list());
    let dispatcher = world.dispatcher();
    dispatcher.notify(&order("A-1", &["north"])).await.unwrap();

    world.put(list().acceptance(Acceptance::First));
    let retried = dispatcher
        .retry(&key("north", "A-1"), &crate::support::by())
        .await
        .unwrap();

    assert_eq!(state(&retried), "notified A-1");
    assert_eq!(receiver.count(), 2);
    world.agrees().await;
}

#[tokio::test]
async fn the_schedule_of_a_supplier_comes_to_its_end_and_a_retry_begins_a_new_one() {
    let world = World::new();
    let receiver = world.receiver().await;
    receiver.answer_at("/b", Reply::Status(500));
    let never_twice = RetryPolicy::DEFAULT.with_give_up_after(Duration::ZERO);
    world.put(
        supplier("north")
            .endpoint(receiver.url("/a"))
            .endpoint(receiver.url("/b"))
            .retry(never_twice),
    );
    let (dispatcher, order) = (world.dispatcher(), order("A-1", &["north"]));

    let report = dispatcher.notify(&order).await.unwrap();
    assert_eq!(state(only(&report)), "failed exhausted");
    world.store.advance(Duration::from_secs(365 * 86_400));
    assert_eq!(
        state(only(&dispatcher.notify(&order).await.unwrap())),
        "failed exhausted"
    );
    assert_eq!(receiver.count(), 2, "a failed one waits for a person");

    assert_eq!(
        state(
            &dispatcher
                .retry(&key("north", "A-1"), &crate::support::by())
                .await
                .unwrap()
        ),
        "failed exhausted"
    );
    receiver.answer_at("/b", Reply::ok());
    let retried = dispatcher
        .retry(&key("north", "A-1"), &crate::support::by())
        .await
        .unwrap();
    assert_eq!(state(&retried), "notified A-1");
    assert_eq!(retried.reopened, 2);
    assert_eq!(paths(&world.log), ["/a", "/b", "/b", "/b"]);
    world.agrees().await;
}
