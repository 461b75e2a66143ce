//! The configuration as it is at the moment: missing, repaired, rotated, broken, refused by the guard.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use orderhook::notification::Blocked;
use orderhook::report::Verdict;
use orderhook::store::{Filter, Page};
use orderhook::supplier::{Activity, LookupError};
use orderhook::{
    Dispatcher, Error, NotificationState, Outcome, RetryPolicy, Supplier, SupplierId, Suppliers,
};

use crate::support::{Mode, Receiver, Reply};
use crate::world::{TIMEOUT, World, code, id, key, only, order, outcomes, source, state, supplier};

#[tokio::test]
async fn a_supplier_without_endpoints_fails_visibly_and_one_call_after_the_repair_resumes_all_of_it()
 {
    let world = World::new();
    let receiver = world.receiver().await;
    world.put(supplier("bare"));
    world.put(supplier("north").endpoint(receiver.url("/north")));
    let dispatcher = world.dispatcher();
    for n in 1..=3 {
        let report = dispatcher
            .notify(&order(&format!("A-{n}"), &["bare", "north"]))
            .await
            .unwrap();
        assert_eq!(
            state(&report.of("bare").unwrap().notification),
            "failed no_endpoints"
        );
        assert_eq!(
            state(&report.of("north").unwrap().notification),
            format!("notified A-{n}")
        );
    }
    assert!(
        !dispatcher
            .resume(&id("bare"), &crate::support::by())
            .await
            .unwrap()
            .is_notified(),
        "nothing was repaired yet"
    );

    world.put(supplier("bare").endpoint(receiver.url("/bare")));
    assert_eq!(
        dispatcher
            .resume(&id("north"), &crate::support::by())
            .await
            .unwrap()
            .entries,
        [],
        "another supplier's resume is another's"
    );
    let report = dispatcher
        .resume(&id("bare"), &crate::support::by())
        .await
        .unwrap();

    assert!(report.is_notified());
    assert_eq!(report.entries.len(), 3);
    assert_eq!(
        dispatcher
            .resume(&id("bare"), &crate::support::by())
            .await
            .unwrap()
            .entries,
        []
    );
    assert_eq!(receiver.count(), 6);
    world.agrees().await;
}

#[tokio::test]
async fn a_resume_of_more_than_a_page_tells_each_once() {
    const MANY: usize = 230;
    let world = World::new();
    let receiver = world.receiver().await;
    world.put(supplier("bare"));
    let dispatcher = world.dispatcher();
    for n in 0..MANY {
        dispatcher
            .notify(&order(&format!("A-{n}"), &["bare"]))
            .await
            .unwrap();
    }
    world.put(supplier("bare").endpoint(receiver.url("/bare")));

    let report = dispatcher
        .resume(&id("bare"), &crate::support::by())
        .await
        .unwrap();

    assert_eq!((report.entries.len(), receiver.count()), (MANY, MANY));
    assert!(report.is_notified());
    assert!(
        receiver.max_in_flight() <= 8,
        "no more at a time than the supplier takes"
    );
    world.agrees().await;
}

#[tokio::test]
async fn what_failed_for_another_reason_is_not_resumed() {
    let world = World::new();
    let receiver = world.receiver().await;
    receiver.answer(Reply::Status(410));
    world.put(supplier("north").endpoint(receiver.url("/a")));
    let dispatcher = world.dispatcher();
    dispatcher.notify(&order("A-1", &["north"])).await.unwrap();

    assert_eq!(
        dispatcher
            .resume(&id("north"), &crate::support::by())
            .await
            .unwrap()
            .entries,
        []
    );

    let stored = world.agrees().await;
    assert_eq!(state(&stored[0]), "failed endpoint_gone");
    assert_eq!(receiver.count(), 1);
}

#[tokio::test]
async fn a_supplier_that_was_removed_fails_and_can_be_resumed_when_it_is_back() {
    let world = World::new();
    let receiver = world.receiver().await;
    receiver.script([Reply::Status(500)]);
    world.put(supplier("north").endpoint(receiver.url("/a")));
    let dispatcher = world.dispatcher();
    dispatcher.notify(&order("A-1", &["north"])).await.unwrap();

    world.remove("north");
    let failed = dispatcher
        .retry(&key("north", "A-1"), &crate::support::by())
        .await
        .unwrap();
    assert_eq!(state(&failed), "failed supplier_removed");
    assert_eq!(outcomes(&failed), ["500"], "no try is spent");

    world.put(supplier("north").endpoint(receiver.url("/a")));
    assert!(
        dispatcher
            .resume(&id("north"), &crate::support::by())
            .await
            .unwrap()
            .is_notified()
    );
    assert_eq!(receiver.count(), 2);
    world.agrees().await;
}

#[tokio::test]
async fn an_order_with_a_line_of_an_unknown_supplier_is_refused_and_nothing_of_it_is_stored() {
    let world = World::new();
    let receiver = world.receiver().await;
    world.put(supplier("north").endpoint(receiver.url("/a")));
    let dispatcher = world.dispatcher();
    let order = order("A-1", &["north", "stranger"]);

    for error in [
        dispatcher.notify(&order).await.unwrap_err(),
        dispatcher.enqueue(&order).await.unwrap_err(),
    ] {
        assert!(
            matches!(&error, Error::UnknownSupplier { supplier } if supplier.as_str() == "stranger"),
            "{error:?}"
        );
        assert!(!error.is_transient());
    }
    assert_eq!(receiver.connections(), 0);
    assert!(world.agrees().await.is_empty());
}

#[tokio::test]
async fn a_rotated_token_and_a_repaired_url_take_effect_at_the_next_attempt() {
    let world = World::new();
    let receiver = world.receiver().await;
    receiver.script([Reply::Status(401)]);
    let closed = crate::support::closed_port();
    let north = |token: &str| {
        supplier("north")
            .endpoint(receiver.url("/a"))
            .bearer_token(token.to_owned())
    };
    world.put(
        north("old")
            .endpoint(closed.url("/b"))
            .custom_header("x-key", "old"),
    );
    let dispatcher = world.dispatcher();
    dispatcher.notify(&order("A-1", &["north"])).await.unwrap();

    world.put(
        north("new")
            .endpoint(receiver.url("/b"))
            .custom_header("x-key", "new"),
    );
    let retried = dispatcher
        .retry(&key("north", "A-1"), &crate::support::by())
        .await
        .unwrap();

    assert_eq!(state(&retried), "notified A-1");
    let seen = |name: &str| {
        receiver
            .received()
            .iter()
            .map(|one| one.header(name).unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        seen("authorization"),
        ["Bearer old", "Bearer new", "Bearer new"]
    );
    assert_eq!(seen("x-key"), ["old", "new", "new"]);
    world.agrees().await;
}

/// A lookup that answers by the number of the question, counted from 1.
struct Scripted<F>(AtomicUsize, F);

impl<F> Suppliers for Scripted<F>
where
    F: Fn(usize, &SupplierId) -> Result<Option<Supplier>, LookupError> + Send + Sync + 'static,
{
    async fn find(&self, id: &SupplierId) -> Result<Option<Supplier>, LookupError> {
        (self.1)(self.0.fetch_add(1, Ordering::SeqCst) + 1, id)
    }
}

fn asking<F>(world: &World, answer: F) -> Dispatcher
where
    F: Fn(usize, &SupplierId) -> Result<Option<Supplier>, LookupError> + Send + Sync + 'static,
{
    Dispatcher::builder(
        source(),
        world.store.clone(),
        Scripted(AtomicUsize::new(0), answer),
    )
    .timeout(TIMEOUT)
    .root_certificate(world.ca.pem())
    .allow_network("127.0.0.0/8".parse().unwrap())
    .build()
    .unwrap()
}

#[tokio::test]
async fn a_lookup_that_is_not_available_when_an_order_comes_stores_nothing_of_it() {
    let world = World::new();
    let receiver = world.receiver().await;
    let url = receiver.url("/a");
    let dispatcher = asking(&world, move |n, id| match n {
        2 | 4 => Err(LookupError::unavailable("the database is away")),
        _ => Ok(Some(
            Supplier::builder(id.clone())
                .endpoint(url.clone())
                .build()?,
        )),
    });
    let order = order("A-1", &["north", "green"]);

    for error in [
        dispatcher.notify(&order).await.unwrap_err(),
        dispatcher.enqueue(&order).await.unwrap_err(),
    ] {
        assert!(
            matches!(&error, Error::Lookup { supplier, .. } if supplier.as_str() == "green"),
            "{error:?}"
        );
        assert!(error.is_transient());
    }
    assert!(world.agrees().await.is_empty());
    assert_eq!(receiver.connections(), 0);

    assert!(dispatcher.notify(&order).await.unwrap().is_notified());
    assert_eq!(world.agrees().await.len(), 2);
}

#[tokio::test]
async fn a_lookup_that_is_not_available_when_it_is_sent_spends_no_try() {
    let world = World::new();
    let receiver = world.receiver().await;
    let url = receiver.url("/a");
    let dispatcher = asking(&world, move |n, id| match n {
        // Asked for the order that is stored, for the same order again, and then to send it.
        3 | 4 => Err(LookupError::unavailable("the database is away")),
        _ => Ok(Some(
            Supplier::builder(id.clone())
                .endpoint(url.clone())
                .build()?,
        )),
    });

    let _ = dispatcher.enqueue(&order("A-1", &["north"])).await.unwrap();
    let report = dispatcher.notify(&order("A-1", &["north"])).await.unwrap();
    assert_eq!(state(only(&report)), "pending");
    let retried = dispatcher
        .retry(&key("north", "A-1"), &crate::support::by())
        .await
        .unwrap();
    assert_eq!(
        (
            state(&retried).as_str(),
            retried.attempts.len(),
            retried.endpoints().len()
        ),
        ("pending", 0, 0)
    );
    // It is put off for a minute and a fifth at most.
    world.store.advance(Duration::from_secs(72));
    let report = dispatcher.notify(&order("A-1", &["north"])).await.unwrap();

    assert_eq!(state(only(&report)), "notified A-1");
    assert_eq!(outcomes(only(&report)), ["200"]);
    world.agrees().await;
}

#[tokio::test]
async fn a_configuration_that_cannot_be_used_when_it_is_sent_fails_for_config_and_can_be_resumed() {
    let world = World::new();
    let receiver = world.receiver().await;
    let url = receiver.url("/a");
    let dispatcher = asking(&world, move |n, id| {
        // Asked for the order that is stored, for the same order again, and then to send it.
        let url = if n == 3 {
            "http://not-https.example/"
        } else {
            url.as_str()
        };
        Ok(Some(Supplier::builder(id.clone()).endpoint(url).build()?))
    });

    let _ = dispatcher.enqueue(&order("A-1", &["north"])).await.unwrap();
    let report = dispatcher.notify(&order("A-1", &["north"])).await.unwrap();
    assert_eq!(state(only(&report)), "failed config");
    let resumed = dispatcher
        .resume(&id("north"), &crate::support::by())
        .await
        .unwrap();

    assert_eq!(state(only(&resumed)), "notified A-1");
    assert_eq!(outcomes(only(&resumed)), ["200"]);
    world.agrees().await;
}

#[tokio::test]
async fn a_configuration_that_cannot_be_used_when_an_order_comes_is_an_error_that_will_not_pass() {
    let world = World::new();
    let dispatcher = asking(&world, |_, id| {
        Ok(Some(
            Supplier::builder(id.clone())
                .endpoint("http://a.example")
                .build()?,
        ))
    });
    let error = dispatcher
        .enqueue(&order("A-1", &["north"]))
        .await
        .unwrap_err();
    assert!(!error.is_transient(), "{error:?}");
    assert!(world.agrees().await.is_empty());
}

#[tokio::test]
async fn a_paused_supplier_waits_and_no_try_is_spent() {
    let world = World::new();
    let receiver = world.receiver().await;
    let north = || supplier("north").endpoint(receiver.url("/a"));
    world.put(north().activity(Activity::Paused));
    let (dispatcher, order) = (world.dispatcher(), order("A-1", &["north"]));
    assert_eq!(
        state(only(&dispatcher.notify(&order).await.unwrap())),
        "pending"
    );
    assert_eq!(receiver.connections(), 0);

    world.put(north());
    world.store.advance(Duration::from_secs(10));
    assert_eq!(
        state(only(&dispatcher.notify(&order).await.unwrap())),
        "pending",
        "put off, it is not due"
    );
    world.store.advance(Duration::from_secs(62));
    assert_eq!(
        outcomes(only(&dispatcher.notify(&order).await.unwrap())),
        ["200"]
    );
    world.agrees().await;
}

#[tokio::test]
async fn a_person_who_retries_after_a_pause_does_not_wait_for_what_was_put_off_to_be_due() {
    let world = World::new();
    let receiver = world.receiver().await;
    let north = || supplier("north").endpoint(receiver.url("/a"));
    world.put(north().activity(Activity::Paused));
    let dispatcher = world.dispatcher();
    dispatcher.notify(&order("A-1", &["north"])).await.unwrap();

    world.put(north());
    assert_eq!(
        outcomes(
            &dispatcher
                .retry(&key("north", "A-1"), &crate::support::by())
                .await
                .unwrap()
        ),
        ["200"]
    );
    world.agrees().await;
}

#[tokio::test]
async fn an_endpoint_outside_the_allow_list_is_blocked_and_nothing_is_dialled() {
    let world = World::new();
    let receiver = world.receiver().await;
    let port = receiver.port();
    let list = [
        (
            format!("https://127.0.0.1:{port}/literal"),
            Blocked::Literal,
        ),
        (format!("https://localhost:{port}/name"), Blocked::LocalName),
        (
            format!("https://2130706433:{port}/number"),
            Blocked::Literal,
        ),
        (
            format!("https://[::ffff:127.0.0.1]:{port}/mapped"),
            Blocked::Literal,
        ),
        (
            format!("https://printer.local:{port}/local"),
            Blocked::LocalName,
        ),
        (format!("https://shop.example:{port}/port"), Blocked::Port),
        (
            "https://169.254.169.254/latest".to_owned(),
            Blocked::Metadata,
        ),
    ];
    let north = list.iter().fold(supplier("north"), |north, (url, _)| {
        north.endpoint(url.clone())
    });
    world.put(north.clone());
    let dispatcher = Dispatcher::builder(source(), world.store.clone(), Arc::clone(&world.table));
    let dispatcher = dispatcher.root_certificate(world.ca.pem()).build().unwrap();

    let report = dispatcher.notify(&order("A-1", &["north"])).await.unwrap();
    let checks = dispatcher.check(&north.build().unwrap()).await;

    let notification = only(&report);
    assert!(
        matches!(notification.state, NotificationState::Pending { .. }),
        "it follows the schedule"
    );
    assert_eq!(notification.attempts.len(), list.len());
    for ((url, why), (attempt, check)) in list.iter().zip(notification.attempts.iter().zip(&checks))
    {
        assert_eq!(attempt.outcome, Outcome::Blocked { why: *why }, "{url}");
        assert_eq!(
            check.verdict,
            Verdict::Blocked { why: *why },
            "{url}: the check says the same"
        );
    }
    assert_eq!(receiver.connections(), 0);
    world.agrees().await;
}

#[tokio::test]
async fn a_blocked_endpoint_does_not_stop_the_next_and_a_repair_takes_effect() {
    let world = World::new();
    let allowed = world.receiver().await;
    let elsewhere = "127.0.0.2:0".parse().unwrap();
    let outside = Receiver::bind(
        elsewhere,
        Mode::Tls(world.ca.server_config(&["127.0.0.2"])),
        &world.log,
    )
    .await;
    let outside_url = format!("https://{}/outside", outside.addr());
    let schedule = RetryPolicy::DEFAULT.with_first_delay(Duration::from_secs(3600));
    world.put(
        supplier("north")
            .endpoint(outside_url)
            .endpoint(allowed.url("/a"))
            .retry(schedule),
    );
    let dispatcher = Dispatcher::builder(source(), world.store.clone(), Arc::clone(&world.table))
        .root_certificate(world.ca.pem())
        .allow_network("127.0.0.1/32".parse().unwrap())
        .build()
        .unwrap();

    let report = dispatcher.notify(&order("A-1", &["north"])).await.unwrap();
    assert_eq!(outcomes(only(&report)), ["blocked", "200"]);
    let NotificationState::Pending { due } = only(&report).state else {
        panic!("{report:?}")
    };
    assert!(
        due.since(world.store.now()) > Duration::from_secs(2000),
        "it counts as a try"
    );
    assert_eq!(outside.connections(), 0);

    let wider = world.dispatcher();
    assert_eq!(
        outcomes(
            &wider
                .retry(&key("north", "A-1"), &crate::support::by())
                .await
                .unwrap()
        ),
        ["blocked", "200", "200"]
    );
    assert_eq!((outside.count(), allowed.count()), (1, 1));
    world.agrees().await;
}

#[tokio::test]
async fn two_installations_in_one_store_do_not_see_each_other() {
    let world = World::new();
    let receiver = world.receiver().await;
    world.put(supplier("north").endpoint(receiver.url("/a")));
    let ours = world.dispatcher();
    let theirs = Dispatcher::builder(
        "staging".parse().unwrap(),
        world.store.clone(),
        Arc::clone(&world.table),
    )
    .timeout(TIMEOUT)
    .build()
    .unwrap();
    let _ = ours.enqueue(&order("A-1", &["north"])).await.unwrap();

    assert_eq!(theirs.order(&code("A-1")).await.unwrap(), None);
    assert_eq!(
        theirs
            .resume(&id("north"), &crate::support::by())
            .await
            .unwrap()
            .entries,
        []
    );
    let theirs_too = theirs.enqueue(&order("A-1", &["north"])).await.unwrap();
    assert_ne!(
        theirs_too.stored[0].event_id,
        key("north", "A-1").event_id()
    );
    let listing = theirs
        .list(&Filter::of(theirs.source().clone()), &Page::first(10))
        .await
        .unwrap();
    assert_eq!(listing.notifications.len(), 1);
    assert!(
        ours.notify(&order("A-1", &["north"]))
            .await
            .unwrap()
            .is_notified()
    );
    assert_eq!(receiver.count(), 1);
    world.agrees().await;
}
