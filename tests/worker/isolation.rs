//! What fails is an endpoint: nobody else waits for it, neither its own supplier's other endpoints nor other suppliers.

use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use orderhook::supplier::Acceptance;
use orderhook::{Key, NotificationState, RetryPolicy};

use super::support::{Receiver, Reply};
use super::world::{HOUR, Running, World, supplier};

/// The limit of an exchange; the pauses that go with it are sixty times as short as by default.
const LIMIT: Duration = Duration::from_secs(1);

/// Less than anybody waits who waits for an exchange that hangs.
const AT_ONCE: Duration = Duration::from_secs(1);

fn scaled() -> World {
    let schedule = RetryPolicy::DEFAULT.with_first_delay(Duration::from_millis(80));
    World::with(|builder| builder.timeout(LIMIT).retry(schedule).times_as_fast(60))
}

/// Where in the list the endpoint stands that is in trouble.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    First,
    Last,
}

/// How long after it was stored the first request about a notification began here.
async fn delay(
    world: &World,
    key: &Key,
    stored: Instant,
    receiver: &Receiver,
    path: &str,
) -> Option<Duration> {
    let event_id = world.notification(key).await.event_id;
    let is_it = |id: Option<&str>| id == Some(event_id.as_str());
    let received = receiver.received();
    let mut mine = received
        .iter()
        .filter(|one| one.path() == path && is_it(one.header("webhook-id")));
    mine.next()
        .map(|request| request.began.saturating_duration_since(stored))
}

/// Thirty orders in three seconds for a supplier of which one endpoint is in trouble; none takes longer than `most` to reach
/// the other one.
async fn new_orders_reach_the_healthy_endpoint(
    acceptance: Acceptance,
    place: Place,
    trouble: Reply,
    most: Duration,
) {
    let world = scaled();
    let receiver = Receiver::start(&world.ca).await;
    receiver.answer_at("/ill", trouble);
    let urls = match place {
        Place::First => ["/ill", "/well"],
        Place::Last => ["/well", "/ill"],
    };
    let books = urls.iter().fold(supplier("books"), |books, path| {
        books.endpoint(receiver.url(path))
    });
    world.put(books.acceptance(acceptance));
    let running = Running::start(world.worker());
    // The first call of all is the one that takes a busy machine long.
    world.enqueue("books", "first").await;
    while receiver
        .received()
        .iter()
        .all(|one| one.path() != "/well" || one.answered.is_none())
    {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let mut stored = Vec::new();
    let mut every = tokio::time::interval(Duration::from_millis(100));
    for n in 0..30 {
        every.tick().await;
        stored.push((
            Instant::now(),
            world.enqueue("books", &format!("A-{n}")).await,
        ));
    }
    let last = stored.last().unwrap().0;
    // With `Any` the last order may be the one that calls the other endpoint.
    tokio::time::sleep_until((last + most + LIMIT).into()).await;

    for (n, (at, key)) in stored.iter().enumerate() {
        let waited = delay(&world, key, *at, &receiver, "/well").await;
        assert!(
            waited.is_some_and(|waited| waited < most),
            "{acceptance:?}: order {n} waited {waited:?}"
        );
        match acceptance {
            Acceptance::Every => {
                let state = world.state(key).await;
                assert!(
                    matches!(
                        state,
                        NotificationState::Pending { .. } | NotificationState::Sending { .. }
                    ),
                    "{state:?}"
                );
            }
            _ => assert!(
                world.is_notified(key).await,
                "{acceptance:?}: {:?}",
                world.notification(key).await
            ),
        }
    }
    running.stop().await;
}

const POLICIES: [Acceptance; 3] = [Acceptance::Every, Acceptance::Any, Acceptance::First];

async fn with_every_policy(place: Place, trouble: Reply, most: Duration) {
    let with = |policy| new_orders_reach_the_healthy_endpoint(policy, place, trouble.clone(), most);
    let [every, any, first] = POLICIES.map(with);
    tokio::join!(every, any, first);
}

#[tokio::test]
async fn a_backup_that_hangs_never_delays_a_new_order_at_the_primary() {
    with_every_policy(Place::Last, Reply::Hang, AT_ONCE).await;
}

#[tokio::test]
async fn a_primary_that_hangs_delays_a_new_order_by_one_exchange_at_most() {
    with_every_policy(Place::First, Reply::Hang, LIMIT + Duration::from_secs(1)).await;
}

#[tokio::test]
async fn an_endpoint_that_answers_503_delays_nobody_wherever_it_stands() {
    let (first, last) = (Place::First, Place::Last);
    tokio::join!(
        with_every_policy(first, Reply::Status(503), AT_ONCE),
        with_every_policy(last, Reply::Status(503), AT_ONCE)
    );
}

#[tokio::test]
async fn one_who_was_never_called_is_told_soon_while_many_hang_and_at_once_when_they_are_known_to()
{
    // A call holds its slot for a second, and a quarter of the sixteen slots is not for first calls: two seconds for all.
    let limit = Duration::from_secs(4);
    let world = World::with(|builder| {
        builder
            .timeout(limit)
            .concurrency(NonZeroUsize::new(16).unwrap())
    });
    let (dead, well) = (
        Receiver::start(&world.ca).await,
        Receiver::start(&world.ca).await,
    );
    dead.answer(Reply::Hang);
    for n in 0..24 {
        let name = format!("dead-{n}");
        world.put(supplier(&name).endpoint(dead.url(&format!("/{n}"))));
        world.enqueue_many(&name, 4).await;
    }
    let running = Running::start(world.worker());
    dead.wait_for(1).await;
    for (name, most) in [("quiet-1", limit), ("quiet-2", AT_ONCE)] {
        world.put(supplier(name).endpoint(well.url(&format!("/{name}"))));
        let (stored, key) = (Instant::now(), world.enqueue(name, name).await);
        well.wait_for(if name == "quiet-1" { 1 } else { 2 }).await;
        let waited = delay(&world, &key, stored, &well, &format!("/{name}")).await;
        assert!(
            waited.is_some_and(|waited| waited < most),
            "{name} waited {waited:?}"
        );
        // A second after the last of them was called, all are known to be silent.
        dead.wait_for(24).await;
        tokio::time::sleep(limit / 4).await;
    }
    running.stop().await;
}

#[tokio::test]
async fn those_who_answer_are_told_at_once_while_hundreds_hang() {
    let world = World::with(|builder| {
        builder
            .concurrency(NonZeroUsize::new(16).unwrap())
            .timeout(HOUR)
    });
    let (dead, well) = (
        Receiver::start(&world.ca).await,
        Receiver::start(&world.ca).await,
    );
    dead.answer(Reply::Hang);
    world.put(supplier("well").endpoint(well.url("/orders")));
    let running = Running::start(world.worker());
    world.enqueue("well", "first").await;
    well.wait_for_ended(1).await;
    for n in 0..200 {
        let name = format!("dead-{n}");
        world.put(supplier(&name).endpoint(dead.url(&format!("/{n}"))));
        world.enqueue_many(&name, 2).await;
    }
    dead.wait_for(12).await;
    for n in 0..20 {
        let (stored, key) = (
            Instant::now(),
            world.enqueue("well", &format!("more-{n}")).await,
        );
        well.wait_for_ended(n + 2).await;
        let waited = delay(&world, &key, stored, &well, "/orders").await;
        assert!(
            waited.is_some_and(|waited| waited < AT_ONCE),
            "order {n} waited {waited:?}"
        );
    }
    running.stop().await;
}

#[tokio::test]
async fn a_silent_endpoint_has_one_call_open_at_a_time_and_silences_no_other_path_of_its_host() {
    let world = World::with(|builder| builder.timeout(LIMIT).times_as_fast(5));
    let receiver = Receiver::start(&world.ca).await;
    receiver.answer_at("/ill", Reply::Hang);
    world.put(supplier("books").endpoint(receiver.url("/ill")));
    world.put(supplier("tools").endpoint(receiver.url("/well")));
    world.enqueue_many("books", 30).await;
    let running = Running::start(world.worker());
    receiver.wait_for_ended(3).await;
    let tools = world.enqueue_many("tools", 10).await;
    receiver.wait_for_ended(14).await;
    running.stop().await;
    for key in &tools {
        assert!(world.is_notified(key).await);
    }
    let received = receiver.received();
    let mut ill: Vec<_> = received
        .iter()
        .filter(|request| request.path() == "/ill")
        .collect();
    ill.sort_by_key(|request| request.began);
    for pair in ill.windows(2) {
        // The pauses are longer than what a receiver needs to notice that the client is gone.
        assert!(
            pair[1].began >= pair[0].began + LIMIT,
            "a second call was open at the silent endpoint"
        );
    }
    assert!(ill.len() >= 3);
}

#[tokio::test]
async fn what_was_put_off_for_a_silent_endpoint_is_sent_as_soon_as_it_answers_at_the_suppliers_pace()
 {
    let world = scaled();
    let receiver = Receiver::start(&world.ca).await;
    receiver.answer(Reply::Hang);
    let names: Vec<String> = (0..8).map(|n| format!("books-{n}")).collect();
    for name in &names {
        world.put(supplier(name).endpoint(receiver.url(&format!("/{name}"))));
    }
    // Half of them hang; the others answer from the first moment.
    for name in &names[4..] {
        receiver.answer_at(&format!("/{name}"), Reply::ok());
    }
    let running = Running::start(world.worker());
    let mut keys = Vec::new();
    for round in 0..20 {
        for name in &names {
            keys.push((
                name.clone(),
                world.enqueue(name, &format!("{name}-{round}")).await,
            ));
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    for (name, key) in &keys {
        assert_eq!(
            world.is_notified(key).await,
            names[4..].contains(name),
            "{name}"
        );
    }

    let repaired = Instant::now();
    for name in &names[..4] {
        receiver.answer_at(
            &format!("/{name}"),
            Reply::ok().delayed(Duration::from_millis(10)),
        );
    }
    // A limit for the call that hangs, and a pause of a limit: then somebody calls again, and everything is told.
    let most = 2 * LIMIT + Duration::from_secs(2);
    for (name, key) in &keys {
        while !world.is_notified(key).await {
            assert!(
                repaired.elapsed() < most,
                "{name}: {:?}",
                world.notification(key).await
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
    // New ones go at once from then on.
    for name in &names {
        let (stored, key) = (
            Instant::now(),
            world.enqueue(name, &format!("{name}-new")).await,
        );
        while !world.is_notified(&key).await {
            assert!(
                stored.elapsed() < AT_ONCE,
                "{name}: {:?}",
                world.notification(&key).await
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    running.stop().await;
    for name in &names {
        let received = receiver.received();
        let answered = received
            .iter()
            .filter(|one| one.path() == format!("/{name}") && one.answered.is_some());
        let mut at_once: Vec<_> = answered
            .flat_map(|one| [(one.began, 1), (one.answered.unwrap(), -1)])
            .collect();
        at_once.sort();
        let most = at_once.iter().scan(0, |open, (_, change)| {
            *open += change;
            Some(*open)
        });
        assert!(
            most.max().unwrap() <= 8,
            "{name} was called more often at once than it takes"
        );
    }
}
