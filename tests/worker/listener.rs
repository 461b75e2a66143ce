//! The host learns how it ended, after it is durable; and what it missed, when it asks.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use orderhook::notification::FailureReason;
use orderhook::store::{Page, Store, Then};
use orderhook::{MemoryStore, News, NotificationState, RetryPolicy};

use super::spy::{Fate, Spy};
use super::support::{Receiver, Reply};
use super::world::{World, at_once, supplier};

#[tokio::test]
async fn the_host_hears_of_each_end_with_its_reference_or_reason() {
    let world = World::new();
    let receiver = Receiver::start(&world.ca).await;
    receiver.answer_at("/own", Reply::ok_json(r#"{"data": {"id": "NB-77"}}"#));
    receiver.answer_at("/gone", Reply::Status(410));
    world.put(
        supplier("own")
            .endpoint(receiver.url("/own"))
            .reference_pointer("/data/id"),
    );
    world.put(supplier("plain").endpoint(receiver.url("/plain")));
    world.put(supplier("gone").endpoint(receiver.url("/gone")));
    let (own, plain) = (
        world.enqueue("own", "A-1").await,
        world.enqueue("plain", "A-1").await,
    );
    let gone = world.enqueue("gone", "A-1").await;
    world.tick().await;
    let notified = |heard: &[News], is: &str| matches!(heard, [News::Notified { reference, .. }] if reference == is);
    assert!(notified(&world.heard.of(&own), "NB-77"));
    assert!(notified(&world.heard.of(&plain), "A-1"));
    assert!(matches!(
        world.heard.of(&gone)[..],
        [News::Failed {
            reason: FailureReason::EndpointGone,
            ..
        }]
    ));
}

#[tokio::test]
async fn what_the_host_hears_is_durable_when_it_hears_it() {
    let store = MemoryStore::new();
    let (seen, checked) = (store.clone(), Arc::new(AtomicUsize::new(0)));
    let count = Arc::clone(&checked);
    let hear = move |news: &News| {
        let (News::Notified { key, .. }
        | News::Failed { key, .. }
        | News::LastTryAhead { key, .. }) = news
        else {
            panic!("{news:?}");
        };
        let state = at_once(seen.get(key)).unwrap().unwrap().state;
        let fits = match news {
            News::Notified { .. } => matches!(state, NotificationState::Notified { .. }),
            News::Failed { .. } => matches!(state, NotificationState::Failed { .. }),
            _ => matches!(state, NotificationState::Pending { .. }),
        };
        count.fetch_add(usize::from(fits), Ordering::SeqCst);
    };
    let world = World::on(store.clone(), store, |builder| builder.listener(hear));
    let receiver = Receiver::start(&world.ca).await;
    receiver.answer_at("/dead", Reply::Status(500));
    let policy = RetryPolicy::DEFAULT.with_give_up_after(Duration::from_secs(5));
    world.put(
        supplier("dead")
            .endpoint(receiver.url("/dead"))
            .retry(policy.with_first_delay(Duration::from_secs(4))),
    );
    world.put(supplier("well").endpoint(receiver.url("/well")));
    let dead = world.enqueue("dead", "A-1").await;
    world.enqueue("well", "A-1").await;
    world.live_until_settled(&dead).await;
    assert_eq!(
        checked.load(Ordering::SeqCst),
        3,
        "notified, last try ahead, failed"
    );
}

#[tokio::test]
async fn nothing_is_said_while_nothing_is_settled() {
    let world = World::new();
    let receiver = Receiver::start(&world.ca).await;
    receiver.answer(Reply::Status(500));
    world.put(supplier("books").endpoint(receiver.url("/orders")));
    let key = world.enqueue("books", "A-1").await;
    for _ in 0..5 {
        world.tick_when_due(&key).await;
    }
    assert_eq!(world.heard.all(), []);
}

#[tokio::test]
async fn a_listener_that_panics_breaks_nothing_else() {
    let world = World::with(|builder| builder.listener(|_| panic!("the host has a bug")));
    let receiver = Receiver::start(&world.ca).await;
    world.put(supplier("books").endpoint(receiver.url("/orders")));
    for n in 0..5 {
        world.enqueue_next("books", "A-1", n).await;
    }
    let summary = world.worker().until_idle().await.unwrap();
    assert_eq!((summary.notified, receiver.count()), (5, 5));
    // Neither is a waiting call told that its delivery went wrong.
    let key = world.enqueue("books", "B-1").await;
    let told = world
        .dispatcher
        .retry(&key, &crate::support::by())
        .await
        .unwrap();
    assert!(matches!(told.state, NotificationState::Notified { .. }));
}

#[tokio::test]
async fn an_end_whose_first_answer_was_lost_is_heard_and_counted_all_the_same() {
    let store = MemoryStore::new();
    let spy = Spy::new(&store);
    let world = World::on(store, spy.clone(), |builder| builder);
    let receiver = Receiver::start(&world.ca).await;
    world.put(supplier("books").endpoint(receiver.url("/orders")));
    let lost = AtomicUsize::new(0);
    spy.on_write(move |step| match step.then {
        Then::Notified { .. } if lost.fetch_add(1, Ordering::SeqCst) == 0 => Fate::AnswerLost,
        _ => Fate::Well,
    });
    let key = world.enqueue("books", "A-1").await;
    let summary = world.worker().until_idle().await.unwrap();
    assert!(world.is_notified(&key).await);
    assert_eq!((summary.notified, receiver.count()), (1, 1));
    assert!(matches!(world.heard.of(&key)[..], [News::Notified { .. }]));
}

#[tokio::test]
async fn a_store_that_fails_after_the_answer_repeats_the_record_and_not_the_post() {
    let store = MemoryStore::new();
    let spy = Spy::new(&store);
    let world = World::on(store, spy.clone(), |builder| builder);
    let receiver = Receiver::start(&world.ca).await;
    world.put(supplier("books").endpoint(receiver.url("/orders")));
    let refused = AtomicUsize::new(0);
    spy.on_write(move |_| match refused.fetch_add(1, Ordering::SeqCst) {
        0..5 => Fate::Refused,
        _ => Fate::Well,
    });
    let key = world.enqueue("books", "A-1").await;
    world.tick().await;
    assert!(world.is_notified(&key).await);
    assert_eq!(
        (receiver.count(), world.outcomes(&key).await),
        (1, vec!["accepted"])
    );
}

#[tokio::test]
async fn what_settled_is_caught_up_page_by_page_and_nothing_is_skipped_while_more_settles() {
    let world = World::new();
    let receiver = Receiver::start(&world.ca).await;
    receiver.script((0..150).map(|n| {
        if n % 7 == 0 {
            Reply::Status(410)
        } else {
            Reply::ok()
        }
    }));
    world.put(supplier("books").endpoint(receiver.url("/orders")));
    for n in 0..150 {
        world.enqueue("books", &format!("A-{n}")).await;
    }
    let done = Arc::new(Mutex::new(false));
    let (dispatcher, finished) = (world.dispatcher.clone(), Arc::clone(&done));
    let reading = tokio::spawn(async move {
        let (mut read, mut cursor) = (Vec::new(), None);
        loop {
            let was_finished = *finished.lock().unwrap();
            let page = cursor
                .clone()
                .map_or(Page::first(4), |cursor| Page::after(cursor, 4));
            let listing = dispatcher.settled_since(&page).await.unwrap();
            let empty = listing.notifications.is_empty();
            read.extend(
                listing
                    .notifications
                    .into_iter()
                    .map(|notification| notification.key),
            );
            cursor = listing.next.or(cursor);
            if empty && was_finished {
                return (read, cursor);
            }
            tokio::task::yield_now().await;
        }
    });
    let summary = world.worker().until_idle().await.unwrap();
    assert_eq!(summary.notified + summary.failed, 150);
    *done.lock().unwrap() = true;
    let (read, cursor) = reading.await.unwrap();
    assert_eq!(read.iter().collect::<BTreeSet<_>>().len(), 150);

    // What fails, is repaired and settles again comes again.
    let failed = world.heard.all().into_iter().find_map(|news| match news {
        News::Failed { key, .. } => Some(key),
        _ => None,
    });
    world
        .dispatcher
        .retry(&failed.clone().unwrap(), &crate::support::by())
        .await
        .unwrap();
    let listing = world
        .dispatcher
        .settled_since(&Page::after(cursor.unwrap(), 10))
        .await
        .unwrap();
    let keys: Vec<_> = listing
        .notifications
        .into_iter()
        .map(|notification| notification.key)
        .collect();
    assert_eq!(keys, [failed.unwrap()]);
}
