//! How soon a worker stops claiming: when it is told to, when its future is dropped, and when the store is away.

use std::num::NonZeroU32;
use std::time::Duration;

use orderhook::store::{Counts, Filter, Group, Store};
use orderhook::{MemoryStore, Source};
use tokio::sync::oneshot;

use super::spy::Spy;
use super::support::{Gate, Receiver, Reply};
use super::world::{HOUR, World, supplier};

/// More than is claimed in one step.
const BACKLOG: usize = 200;

/// A world with a backlog, whose store answers no claim until the gate is open.
async fn world_with_a_backlog(
    receiver: impl AsyncFnOnce(&World) -> Receiver,
) -> (World, Spy, Gate, Receiver) {
    let store = MemoryStore::new();
    let spy = Spy::new(&store);
    let world = World::on(store, spy.clone(), |builder| builder);
    let receiver = receiver(&world).await;
    world.put(
        supplier("books")
            .endpoint(receiver.url("/orders"))
            .max_concurrent(NonZeroU32::new(1000).unwrap()),
    );
    for n in 0..BACKLOG {
        world.enqueue("books", &format!("A-{n}")).await;
    }
    let gate = Gate::new();
    spy.hold_claims(&gate);
    (world, spy, gate, receiver)
}

/// The first step asks twice: for what is new and for what is due.
async fn until_the_first_step_is_asked_for(spy: &Spy) {
    while spy.claims() < 2 {
        tokio::task::yield_now().await;
    }
}

async fn until_nothing_is_sent(world: &World) -> u64 {
    loop {
        let counts = world
            .store
            .count(&Filter::of(Source::new("shop").unwrap()), Group::State)
            .await
            .unwrap();
        let counts = Counts::of_groups(&counts);
        if counts.sending == 0 {
            return counts.pending;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_run_that_is_told_to_stop_ends_with_the_claim_that_it_is_at_however_long_the_backlog_is()
{
    let (world, spy, gate, _receiver) =
        world_with_a_backlog(async |world| Receiver::start(&world.ca).await).await;
    let (stop, stopped) = oneshot::channel::<()>();
    let worker = world.worker().with_grace(HOUR);
    let running = tokio::spawn(worker.run_until(async { drop(stopped.await) }));
    until_the_first_step_is_asked_for(&spy).await;

    stop.send(()).unwrap();
    gate.open();
    running.await.unwrap();

    assert_eq!(spy.claims(), 2);
    assert!(until_nothing_is_sent(&world).await > 0);
}

#[tokio::test]
async fn a_run_or_a_tick_that_is_dropped_claims_no_more() {
    for is_run in [true, false] {
        let (world, spy, gate, _receiver) =
            world_with_a_backlog(async |world| Receiver::start(&world.ca).await).await;
        let worker = world.worker();
        tokio::select! {
            biased;
            _ = worker.clone().run(), if is_run => panic!("it does not end"),
            _ = worker.tick(), if !is_run => panic!("its claim is not answered"),
            () = until_the_first_step_is_asked_for(&spy) => {}
        }
        gate.open();
        // What was claimed is delivered all the same.
        while until_nothing_is_sent(&world).await as usize == BACKLOG {
            tokio::task::yield_now().await;
        }
        assert_eq!(spy.claims(), 2, "run: {is_run}");
        assert!(until_nothing_is_sent(&world).await > 0);
    }
}

#[tokio::test]
async fn a_tick_claims_all_that_there_are_slots_for() {
    let (world, _, gate, receiver) =
        world_with_a_backlog(async |world| Receiver::start(&world.ca).await).await;
    gate.open();
    let tick = world.worker().tick().await.unwrap();
    assert!(tick.claimed > 64, "{tick:?}: more than one step");
    assert!(receiver.count() > 0);
}

#[tokio::test]
async fn a_store_that_is_away_is_not_asked_all_the_time_for_what_is_put_off() {
    let store = MemoryStore::new();
    let spy = Spy::new(&store);
    let world = World::on(store, spy.clone(), |builder| builder);
    let receiver = Receiver::start(&world.ca).await;
    let gate = Gate::new();
    receiver.script([Reply::ok().gated(&gate)]);
    world.put(
        supplier("books")
            .endpoint(receiver.url("/orders"))
            .max_concurrent(NonZeroU32::MIN),
    );
    // One is sent, one waits in memory, and the third is put off until there is room.
    for n in 0..3 {
        world.enqueue("books", &format!("A-{n}")).await;
    }
    let worker = world.worker().with_poll(HOUR);
    let running = tokio::spawn(worker.run());
    receiver.wait_for(1).await;
    while spy.handed_back() == 0 {
        tokio::task::yield_now().await;
    }

    spy.refuse_claims(true);
    gate.open();
    receiver.wait_for_ended(2).await;
    let before = spy.claims();
    // The time in which they are counted.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let asked = spy.claims() - before;
    assert!(asked <= 4, "asked {asked} times in half a second");

    spy.refuse_claims(false);
    receiver.wait_for(3).await;
    running.abort();
}
