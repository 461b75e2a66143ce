//! `max_concurrent`: so much of one supplier goes on at the same time in one process, whoever began it.

use std::num::{NonZeroU32, NonZeroUsize};
use std::time::{Duration, Instant};

use orderhook::{NotificationState, OrderCode};
use tokio::task::JoinSet;

use super::support::{Gate, Receiver, Reply};
use super::world::{HOUR, Running, World, event, supplier, supplier_id};

fn limit(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).unwrap()
}

#[tokio::test]
async fn at_most_eight_of_one_supplier_are_under_way_at_once() {
    let world = World::new();
    let (receiver, other) = (
        Receiver::start(&world.ca).await,
        Receiver::start(&world.ca).await,
    );
    let gate = Gate::new();
    receiver.script([Reply::ok()]);
    receiver.answer(Reply::ok().gated(&gate));
    world.put(supplier("books").endpoint(receiver.url("/orders")));
    world.put(supplier("tools").endpoint(other.url("/orders")));
    world.enqueue_many("books", 41).await;
    let running = Running::start(world.worker());
    receiver.wait_for(9).await;
    // The worker goes on claiming, and puts off what has no room.
    for n in 1..4 {
        world.enqueue("tools", &format!("T-{n}")).await;
        other.wait_for_ended(n).await;
    }
    assert_eq!(receiver.count(), 9);
    gate.open();
    receiver.wait_for_ended(41).await;
    assert_eq!(receiver.max_in_flight(), 8);
    running.stop().await;
}

#[tokio::test]
async fn a_limit_of_one_is_held_from_the_first_moment() {
    let world = World::new();
    let receiver = Receiver::start(&world.ca).await;
    receiver.answer(Reply::ok().delayed(Duration::from_millis(5)));
    world.put(
        supplier("books")
            .endpoint(receiver.url("/orders"))
            .max_concurrent(NonZeroU32::MIN),
    );
    world.enqueue_many("books", 40).await;
    let summary = world.worker().until_idle().await.unwrap();
    assert_eq!((summary.notified, receiver.count()), (40, 40));
    assert_eq!(receiver.max_in_flight(), 1);
}

#[tokio::test]
async fn a_limit_of_its_own_may_be_higher_or_lower_and_changes_while_running() {
    let world = World::new();
    let receiver = Receiver::start(&world.ca).await;
    let limited = |n: u32| {
        supplier("books")
            .endpoint(receiver.url("/orders"))
            .max_concurrent(n.try_into().unwrap())
    };
    world.put(limited(3));
    receiver.answer(Reply::ok().delayed(Duration::from_millis(5)));
    world.enqueue_many("books", 30).await;
    let worker = world.worker();
    worker.until_idle().await.unwrap();
    assert_eq!(receiver.max_in_flight(), 3);

    world.put(limited(20));
    let gate = Gate::new();
    receiver.script([Reply::ok()]);
    receiver.answer(Reply::ok().gated(&gate));
    for n in 0..21 {
        world.enqueue("books", &format!("more-{n}")).await;
    }
    let running = Running::start(worker);
    receiver.wait_for(51).await;
    gate.open();
    receiver.wait_for_ended(51).await;
    assert_eq!(receiver.max_in_flight(), 20);
    running.stop().await;
}

/// Has so many orders notified side by side, each by a handler of its own that waits for it.
fn notify_many(world: &World, supplier: &str, name: &str, number: usize) -> JoinSet<bool> {
    let mut handlers = JoinSet::new();
    for n in 0..number {
        let (dispatcher, supplier) = (world.dispatcher.clone(), supplier_id(supplier));
        let order = OrderCode::new(format!("{name}-{n}")).unwrap();
        handlers.spawn(async move {
            dispatcher
                .notify_event(&supplier, &order, event())
                .await
                .unwrap()
                .is_notified()
        });
    }
    handlers
}

#[tokio::test]
async fn the_limit_holds_for_notify_and_the_worker_together_and_when_it_changes() {
    let world = World::new();
    let receiver = Receiver::start(&world.ca).await;
    receiver.answer(Reply::ok().delayed(Duration::from_millis(20)));
    let books = supplier("books").endpoint(receiver.url("/orders"));
    // It answers, so that more than one call may be open there.
    world.put(books.clone());
    world.enqueue("books", "first").await;
    world.tick().await;
    let mut seen = 1;
    for most in [3, 7, 2] {
        world.put(books.clone().max_concurrent(limit(most)));
        for n in 0..15 {
            world.enqueue("books", &format!("worker-{most}-{n}")).await;
        }
        let worker = world.worker();
        let ticking = tokio::spawn(async move { worker.tick().await });
        receiver.wait_for(seen + 1).await;
        // What this step of the worker had no room for is put off; these wait for room beside what it sends.
        assert_eq!(
            notify_many(&world, "books", &format!("handler-{most}"), 15)
                .join_all()
                .await,
            [true; 15]
        );
        ticking.await.unwrap().unwrap();
        world.worker().until_idle().await.unwrap();
        let at_once = most_at_once(&receiver.received()[seen..]);
        seen += 30;
        assert_eq!(
            (receiver.count(), at_once),
            (seen, most as usize),
            "open at once, of {most}"
        );
    }
}

fn most_at_once(received: &[super::support::Received]) -> usize {
    let ends: Vec<_> = received
        .iter()
        .map(|one| (one.began, one.answered.unwrap()))
        .collect();
    let open_at = |moment: Instant| {
        ends.iter()
            .filter(|(began, end)| *began <= moment && moment < *end)
            .count()
    };
    ends.iter()
        .map(|(began, _)| open_at(*began))
        .max()
        .unwrap_or(0)
}

#[tokio::test]
async fn notify_waits_for_room_five_seconds_at_most_and_what_had_none_spends_no_try() {
    let world = World::new();
    let receiver = Receiver::start(&world.ca).await;
    receiver.answer(Reply::ok().delayed(Duration::from_millis(800)));
    world.put(
        supplier("books")
            .endpoint(receiver.url("/orders"))
            .max_concurrent(limit(1)),
    );
    let began = Instant::now();
    let told = notify_many(&world, "books", "A", 12)
        .join_all()
        .await
        .into_iter()
        .filter(|told| *told)
        .count();
    let waited = began.elapsed();
    assert!(
        waited >= Duration::from_secs(5) && waited < Duration::from_secs(8),
        "{waited:?}"
    );
    assert!(
        (4..=7).contains(&told),
        "{told} of twelve had room within five seconds, 0.8 s each"
    );
    assert_eq!((receiver.count(), receiver.max_in_flight()), (told, 1));
    let mut left = 0;
    for n in 0..12 {
        let key = world.dispatcher.key(
            &supplier_id("books"),
            &OrderCode::new(format!("A-{n}")).unwrap(),
        );
        let notification = world.notification(&key).await;
        if let NotificationState::Pending { due } = notification.state {
            left += 1;
            assert!(
                due <= world.store.now() && notification.attempts.is_empty(),
                "never claimed: any worker may have it"
            );
        }
    }
    assert_eq!(told + left, 12);
    receiver.answer(Reply::ok());
    assert_eq!(
        world.worker().until_idle().await.unwrap().notified,
        left as u64
    );
}

#[tokio::test]
async fn what_a_worker_claims_of_a_supplier_at_its_limit_is_put_off_and_sent_when_there_is_room() {
    let world = World::new();
    let receiver = Receiver::start(&world.ca).await;
    let gate = Gate::new();
    receiver.script([
        Reply::ok(),
        Reply::Status(500),
        Reply::Status(500),
        Reply::ok().gated(&gate),
    ]);
    world.put(
        supplier("books")
            .endpoint(receiver.url("/orders"))
            .max_concurrent(limit(1)),
    );
    world.enqueue("books", "first").await;
    world.tick().await;
    // Two that are due once more when another one holds the only room.
    let again = [
        world.enqueue("books", "again-1").await,
        world.enqueue("books", "again-2").await,
    ];
    world.tick().await;
    let open = notify_many(&world, "books", "open", 1);
    receiver.wait_for(4).await;
    // Past their first delay, and not past the lease of the open one.
    world.store.advance(Duration::from_secs(10));
    let running = Running::start(world.worker());
    for key in &again {
        loop {
            let notification = world.notification(key).await;
            if matches!(notification.state, NotificationState::Pending { due } if due > world.store.now())
            {
                break;
            }
            tokio::task::yield_now().await;
        }
        let due = world.due_in(key).await;
        assert!(
            due > Duration::from_secs(55) && due <= Duration::from_secs(60),
            "{due:?}"
        );
    }
    gate.open();
    open.join_all().await;
    // Nobody's clock moves: they are sent because there is room.
    receiver.wait_for_ended(6).await;
    running.stop().await;
    for key in &again {
        assert_eq!(world.outcomes(key).await, ["rejected", "accepted"]);
    }
    assert_eq!(receiver.max_in_flight(), 1);
}

#[tokio::test]
async fn three_quarters_of_the_slots_at_most_are_open_at_one_endpoint() {
    let world = World::with(|builder| {
        builder
            .concurrency(NonZeroUsize::new(8).unwrap())
            .timeout(HOUR)
    });
    let receiver = Receiver::start(&world.ca).await;
    let gate = Gate::new();
    receiver.script([Reply::ok()]);
    receiver.answer(Reply::ok().gated(&gate));
    world.put(
        supplier("books")
            .endpoint(receiver.url("/orders"))
            .max_concurrent(limit(20)),
    );
    world.put(supplier("tools").endpoint(receiver.url("/tools")));
    receiver.answer_at("/tools", Reply::ok());
    let running = Running::start(world.worker());
    world.enqueue("books", "first").await;
    receiver.wait_for_ended(1).await;
    world.enqueue_many("books", 12).await;
    receiver.wait_for(7).await;
    // There is a slot for somebody else all the time.
    for n in 0..5 {
        let key = world.enqueue("tools", &format!("T-{n}")).await;
        while !world.is_notified(&key).await {
            tokio::task::yield_now().await;
        }
    }
    let open = receiver
        .received()
        .iter()
        .filter(|one| one.path() == "/orders" && one.answered.is_none())
        .count();
    assert_eq!(open, 6);
    gate.open();
    receiver.wait_for_ended(18).await;
    running.stop().await;
}
