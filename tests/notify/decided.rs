//! Who decided what and why, orders that wait before they are sent, and what is dropped on purpose.

use std::time::Duration;

use orderhook::NotificationState;
use orderhook::notification::{ActionName, By};
use orderhook::store::Inserted;

use crate::support::{Reply, because};
use crate::world::{World, code, id, key, only, order, state, supplier};

const DAY: Duration = Duration::from_secs(86_400);

#[tokio::test]
async fn a_delayed_order_can_be_withdrawn_until_its_time_has_come_and_is_sent_then() {
    let world = World::new();
    let receiver = world.receiver().await;
    world.put(supplier("north").endpoint(receiver.url("/a")));
    let dispatcher = world.dispatcher();
    let (called_off, kept) = (key("north", "A-1"), key("north", "A-2"));
    for code in ["A-1", "A-2"] {
        let prepared = dispatcher.prepare(&order(code, &["north"])).await.unwrap();
        let enqueued = dispatcher
            .enqueue_prepared(&prepared.delayed_by(DAY))
            .await
            .unwrap();
        assert!(matches!(
            enqueued.stored[0].inserted,
            Inserted::New { position: 1 }
        ));
    }

    let retried = dispatcher.retry(&kept, &because("now!")).await.unwrap();
    let NotificationState::Pending { due } = retried.state else {
        panic!("{:?}", retried.state)
    };
    assert!(due > world.store.now());
    let again = dispatcher.notify(&order("A-2", &["north"])).await.unwrap();
    assert_eq!(state(only(&again)), "pending");
    let withdrawn = dispatcher
        .withdraw(&called_off, &because("cancelled"))
        .await;
    assert_eq!(state(&withdrawn.unwrap()), "withdrawn");
    assert_eq!(receiver.count(), 0);

    world.store.advance(DAY);
    let report = dispatcher.notify(&order("A-2", &["north"])).await.unwrap();
    assert!(report.is_notified());
    assert_eq!(receiver.count(), 1);
    world.agrees().await;
}

#[tokio::test]
async fn the_history_tells_who_decided_what_and_why() {
    let world = World::new();
    let receiver = world.receiver().await;
    receiver.answer(Reply::retry_after(503, "1"));
    world.put(supplier("north").endpoint(receiver.url("/a")));
    world.put(supplier("bare"));
    let dispatcher = world.dispatcher();
    let report = dispatcher.notify(&order("A-1", &["north", "bare"])).await;
    assert!(!report.unwrap().is_notified());
    let by = |why: &str| By::new("omar", why).unwrap();

    dispatcher
        .retry(&key("north", "A-1"), &by("they have restarted"))
        .await
        .unwrap();
    dispatcher
        .resume(&id("bare"), &by("a URL at last"))
        .await
        .unwrap();
    dispatcher
        .mark_notified(&key("bare", "A-1"), "by phone", &by("called them"))
        .await
        .unwrap();
    dispatcher
        .mark_notified(&key("bare", "A-0"), "old system", &by("go-live"))
        .await
        .unwrap();

    for (key, wanted) in [
        (
            key("north", "A-1"),
            vec![(ActionName::Retry, "they have restarted")],
        ),
        (
            key("bare", "A-1"),
            vec![
                (ActionName::Reopen, "a URL at last"),
                (ActionName::MarkNotified, "called them"),
            ],
        ),
        (
            key("bare", "A-0"),
            vec![(ActionName::MarkNotified, "go-live")],
        ),
    ] {
        let history = dispatcher
            .notification(&key)
            .await
            .unwrap()
            .unwrap()
            .history;
        let told: Vec<_> = history
            .iter()
            .map(|entry| (entry.action, entry.by.as_ref().unwrap()))
            .map(|(action, by)| (action, by.why.as_str()))
            .collect();
        assert_eq!(told, wanted);
        assert!(history.iter().all(|entry| {
            entry
                .by
                .as_ref()
                .is_some_and(|by| by.who.as_str() == "omar")
        }));
    }
}

#[tokio::test]
async fn an_order_that_is_over_can_be_pruned_erased_and_forgotten() {
    let world = World::new();
    let receiver = world.receiver().await;
    world.put(supplier("north").endpoint(receiver.url("/a")));
    world.put(supplier("bare"));
    let dispatcher = world.dispatcher();
    let both = order("A-1", &["north", "bare"]);
    let _ = dispatcher.notify(&both).await.unwrap();
    let (told, failed) = (key("north", "A-1"), key("bare", "A-1"));

    assert_eq!(dispatcher.prune(DAY, 9).await.unwrap(), 0);
    world.store.advance(DAY);
    assert_eq!(dispatcher.prune(DAY, 9).await.unwrap(), 1);
    assert_eq!(world.get(&told).await.body, None);
    assert!(world.get(&failed).await.body.is_some());

    let asked = because("the customer asks for it");
    let erased = dispatcher.erase(&code("A-1"), &asked).await.unwrap();
    assert_eq!(erased.changed, std::slice::from_ref(&told));
    assert_eq!(state(&world.get(&told).await), "notified ");
    let again = dispatcher.notify(&both).await.unwrap();
    assert_eq!(again.of("north").unwrap().inserted, Inserted::Existing);
    assert_eq!(receiver.count(), 1);

    let forgotten = dispatcher.forget(&code("A-1"), &asked).await.unwrap();
    assert_eq!(forgotten.changed, [told]);
    let anew = dispatcher.notify(&both).await.unwrap();
    assert!(matches!(
        anew.of("north").unwrap().inserted,
        Inserted::New { .. }
    ));
    assert_eq!(receiver.count(), 2);
}
