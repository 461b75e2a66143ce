//! A supplier gets so much of the worker and no more, least of all one that hangs.

use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

use orderhook::Worker;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::support::{Gate, Receiver, Reply};
use super::world::{HOUR, World, supplier};

/// A worker in the background that never looks by itself.
struct Running {
    stop: oneshot::Sender<()>,
    task: JoinHandle<orderhook::Summary>,
}

impl Running {
    fn start(worker: Worker) -> Self {
        let (stop, stopped) = oneshot::channel::<()>();
        let worker = worker.poll(HOUR).grace(Duration::ZERO);
        let task = tokio::spawn(async move {
            worker
                .run_until(async {
                    let _ = stopped.await;
                })
                .await
        });
        Running { stop, task }
    }

    async fn stop(self) {
        let _ = self.stop.send(());
        self.task.await.unwrap();
    }
}

async fn enqueue_many(world: &World, supplier: &str, number: usize) {
    for n in 0..number {
        world.enqueue(supplier, &format!("{supplier}-{n}")).await;
    }
}

#[tokio::test]
async fn at_most_eight_of_one_supplier_are_under_way_at_once() {
    let world = World::new();
    let (receiver, other) = (Receiver::start(&world.ca).await, Receiver::start(&world.ca).await);
    let gate = Gate::new();
    receiver.script([Reply::ok()]);
    receiver.answer(Reply::ok().gated(&gate));
    world.put(supplier("books").endpoint(receiver.url("/orders")));
    world.put(supplier("tools").endpoint(other.url("/orders")));
    enqueue_many(&world, "books", 41).await;
    let running = Running::start(world.worker());
    receiver.wait_for(9).await;
    // The worker goes on claiming, and leaves this one out.
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
    world.put(supplier("books").endpoint(receiver.url("/orders")).max_concurrent(NonZeroU32::MIN));
    enqueue_many(&world, "books", 40).await;
    let summary = world.worker().until_idle().await.unwrap();
    assert_eq!((summary.notified, receiver.count()), (40, 40));
    assert_eq!(receiver.max_in_flight(), 1);
}

#[tokio::test]
async fn a_limit_of_its_own_may_be_higher_or_lower_and_changes_while_running() {
    let world = World::new();
    let receiver = Receiver::start(&world.ca).await;
    let limited = |n: u32| supplier("books").endpoint(receiver.url("/orders")).max_concurrent(n.try_into().unwrap());
    world.put(limited(3));
    receiver.answer(Reply::ok().delayed(Duration::from_millis(5)));
    enqueue_many(&world, "books", 30).await;
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

#[tokio::test]
async fn a_supplier_that_hangs_gets_one_slot() {
    let world = World::with(|builder| builder.timeout(Duration::from_millis(1200)));
    let receiver = Receiver::start(&world.ca).await;
    receiver.answer(Reply::Hang);
    world.put(supplier("dead").endpoint(receiver.url("/orders")));
    enqueue_many(&world, "dead", 30).await;
    let running = Running::start(world.worker());
    receiver.wait_for_ended(3).await;
    assert_eq!(receiver.max_in_flight(), 1);
    running.stop().await;
}

#[tokio::test]
async fn a_supplier_whose_primary_hangs_gets_one_slot_although_its_backup_is_well() {
    let world = World::with(|builder| builder.timeout(Duration::from_millis(1200)));
    let (primary, backup) = (Receiver::start(&world.ca).await, Receiver::start(&world.ca).await);
    primary.answer(Reply::Hang);
    world.put(supplier("half").endpoint(primary.url("/orders")).endpoint(backup.url("/orders")));
    enqueue_many(&world, "half", 30).await;
    let running = Running::start(world.worker());
    primary.wait_for_ended(3).await;
    assert_eq!(primary.max_in_flight(), 1);
    running.stop().await;
}

#[tokio::test]
async fn two_that_hang_leave_room_for_the_rest_also_when_there_are_four_slots() {
    let world = World::with(|builder| builder.concurrency(NonZeroUsize::new(4).unwrap()).timeout(HOUR));
    let (dead, well) = (Receiver::start(&world.ca).await, Receiver::start(&world.ca).await);
    dead.answer(Reply::Hang);
    for name in ["dead-1", "dead-2"] {
        world.put(supplier(name).endpoint(dead.url("/orders")));
        enqueue_many(&world, name, 30).await;
    }
    world.put(supplier("well").endpoint(well.url("/orders")));
    enqueue_many(&world, "well", 30).await;
    let running = Running::start(world.worker());
    well.wait_for_ended(30).await;
    assert_eq!(dead.count(), 2);
    running.stop().await;
}

#[tokio::test]
async fn hundreds_that_hang_do_not_take_the_slots_of_those_who_answer() {
    let slots = NonZeroUsize::new(16).unwrap();
    let world = World::with(|builder| builder.concurrency(slots).timeout(HOUR));
    let (dead, well) = (Receiver::start(&world.ca).await, Receiver::start(&world.ca).await);
    dead.answer(Reply::Hang);
    world.put(supplier("well").endpoint(well.url("/orders")));
    let running = Running::start(world.worker());
    world.enqueue("well", "first").await;
    well.wait_for_ended(1).await;
    for n in 0..200 {
        let name = format!("dead-{n}");
        world.put(supplier(&name).endpoint(dead.url("/orders")));
        enqueue_many(&world, &name, 2).await;
    }
    dead.wait_for(10).await;
    for n in 0..20 {
        world.enqueue("well", &format!("more-{n}")).await;
    }
    well.wait_for_ended(21).await;
    assert!(dead.count() <= 12, "{} of 16 slots hang", dead.count());
    running.stop().await;
}
