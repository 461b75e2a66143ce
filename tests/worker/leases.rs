//! Nobody sends without a lease that is long enough for it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use orderhook::store::Then;
use orderhook::{MemoryStore, NotificationState, Worker};

use super::spy::{Fate, Spy};
use super::support::{Gate, Log, Receiver, Reply};
use super::world::{HOUR, World, supplier};

#[tokio::test]
async fn several_slow_endpoints_in_one_round_keep_the_lease_and_nobody_takes_over() {
    let store = MemoryStore::new();
    let spy = Spy::new(&store);
    let limits = |builder: orderhook::DispatcherBuilder| {
        builder
            .timeout(Duration::from_secs(2))
            .lease_margin(Duration::from_millis(500))
    };
    let world = World::on(store, spy.clone(), limits);
    let log = Log::new();
    let mut books = supplier("books");
    let mut receivers = Vec::new();
    for _ in 0..4 {
        let receiver = Receiver::start_in(&world.ca, &log).await;
        receiver.answer(Reply::ok().delayed(Duration::from_millis(900)));
        books = books.endpoint(receiver.url("/orders"));
        receivers.push(receiver);
    }
    world.put(books);
    let key = world.enqueue("books", "A-1").await;
    let worker = world.worker();
    let mut ticking = tokio::spawn(async move { worker.tick().await });
    // Somebody else waits for the lease to run out, all the time.
    let rival = Worker::new(&world.another(limits));
    let mut taken = 0;
    receivers[0].wait_for(1).await;
    while !ticking.is_finished() {
        taken += rival.tick().await.unwrap().claimed;
        tokio::select! {
            _ = &mut ticking => break,
            () = tokio::time::sleep(Duration::from_millis(20)) => {}
        }
    }
    assert!(world.is_notified(&key).await);
    assert_eq!((taken, spy.keeps()), (0, 3), "taken over, kept");
    assert_eq!(log.entries().len(), 4);
    assert!(!log.overlaps());
}

#[tokio::test]
async fn one_endpoint_costs_one_look_and_one_write() {
    let store = MemoryStore::new();
    let spy = Spy::new(&store);
    let world = World::on(store, spy.clone(), |builder| builder);
    let receiver = Receiver::start(&world.ca).await;
    world.put(supplier("books").endpoint(receiver.url("/orders")));
    world.enqueue("books", "A-1").await;
    world.tick().await;
    // A look asks for what is new and for what is due, side by side.
    assert_eq!(
        (spy.claims(), spy.writes(), spy.keeps(), receiver.count()),
        (2, 1, 0, 1)
    );
}

#[tokio::test]
async fn a_renewal_that_is_answered_too_late_for_a_call_is_handed_back_instead() {
    let store = MemoryStore::new();
    let clock = store.clone();
    let spy = Spy::new(&store);
    let world = World::on(store, spy.clone(), |builder| {
        builder
            .timeout(Duration::from_secs(2))
            .lease_margin(Duration::from_millis(100))
    });
    let (first, second) = (
        Receiver::start(&world.ca).await,
        Receiver::start(&world.ca).await,
    );
    world.put(
        supplier("books")
            .endpoint(first.url("/orders"))
            .endpoint(second.url("/orders")),
    );
    let late = AtomicUsize::new(0);
    spy.on_write(move |step| match step.then {
        Then::Keep { .. } if late.fetch_add(1, Ordering::SeqCst) == 0 => {
            Fate::Late(Duration::from_millis(400))
        }
        _ => Fate::Well,
    });
    let key = world.enqueue("books", "A-1").await;
    world.tick().await;
    assert_eq!((first.count(), second.count()), (1, 0));
    assert!(matches!(
        world.state(&key).await,
        NotificationState::Pending { .. }
    ));
    assert_eq!(world.outcomes(&key).await, ["accepted"]);
    // Not at once again: with such a store that would go round for ever.
    clock.advance(Duration::from_secs(1));
    world.tick().await;
    assert!(world.is_notified(&key).await);
    assert_eq!((first.count(), second.count()), (1, 1));
}

#[tokio::test]
async fn a_claim_that_is_answered_late_is_renewed_before_it_is_sent() {
    let store = MemoryStore::new();
    let spy = Spy::new(&store);
    let world = World::on(store, spy.clone(), |builder| {
        builder.lease_margin(Duration::from_millis(1))
    });
    let receiver = Receiver::start(&world.ca).await;
    world.put(supplier("books").endpoint(receiver.url("/orders")));
    let key = world.enqueue("books", "A-1").await;
    let gate = Gate::new();
    spy.hold_claims(&gate);
    let worker = world.worker();
    let ticking = tokio::spawn(async move { worker.tick().await });
    while spy.claims() == 0 {
        tokio::task::yield_now().await;
    }
    // The lease has a millisecond more than a call needs: that passes.
    tokio::time::sleep(Duration::from_millis(5)).await;
    gate.open();
    ticking.await.unwrap().unwrap();
    // Renewed with a millisecond to spare, it may have been sent or handed back; it was not sent on the old lease.
    assert!(spy.keeps() >= 1);
    assert!(receiver.count() <= 1);
    world.live_until_settled(&key).await;
    assert_eq!(receiver.count(), 1);
}

#[tokio::test]
async fn one_who_was_overtaken_sends_nothing_and_changes_nothing() {
    let store = MemoryStore::new();
    let spy = Spy::new(&store);
    let world = World::on(store, spy.clone(), |builder| {
        builder
            .timeout(Duration::from_millis(900))
            .lease_margin(Duration::from_millis(100))
    });
    let receiver = Receiver::start(&world.ca).await;
    world.put(supplier("books").endpoint(receiver.url("/orders")));
    let key = world.enqueue("books", "A-1").await;
    let gate = Gate::new();
    spy.hold_claims(&gate);
    let worker = world.worker();
    let asking = worker.clone();
    let ticking = tokio::spawn(async move { asking.tick().await });
    while spy.claims() == 0 {
        tokio::task::yield_now().await;
    }
    // Suspended with the claim in its hand, for an hour by the store's clock and for longer than the lease by its own.
    world.store.advance(HOUR);
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let rival = Worker::new(&world.another(|builder| builder));
    assert_eq!(rival.tick().await.unwrap().claimed, 1);
    let before = world.notification(&key).await;
    gate.open();
    ticking.await.unwrap().unwrap();
    assert_eq!(receiver.count(), 1, "the rival's");
    assert_eq!(world.notification(&key).await, before);
    assert_eq!(worker.summary().notified, 0);
}
