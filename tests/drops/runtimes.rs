//! A runtime that ends in the middle of the work, which is what a killed process is to a store that outlives it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use orderhook::{Dispatcher, MemoryStore, Notification, NotificationState, OrderCode, Worker};
use tokio::runtime::Runtime;

use crate::support::{Ca, Receiver};
use crate::world::{TIMEOUT, World, calls_of};

/// More than a lease.
const LEASE: Duration = Duration::from_secs(2 * TIMEOUT.as_secs());

/// What is done when the runtime ends.
#[derive(Clone, Copy)]
enum Work {
    Notify,
    Run,
}

/// What goes on in the next runtime.
#[derive(Clone, Copy)]
enum After {
    /// A dispatcher that knows nothing.
    Another,
    /// The dispatcher whose tasks were lost with the runtime.
    TheSame,
}

#[test]
fn a_notify_that_ends_with_its_runtime_is_repeated_once_at_most_and_on_record() {
    in_every_runtime(Work::Notify, After::Another);
}

#[test]
fn a_run_that_ends_with_its_runtime_is_repeated_once_at_most_and_on_record() {
    in_every_runtime(Work::Run, After::Another);
}

#[test]
fn a_dispatcher_outlives_the_runtime_of_its_notify() {
    in_every_runtime(Work::Notify, After::TheSame);
}

#[test]
fn a_dispatcher_outlives_the_runtime_of_its_worker() {
    in_every_runtime(Work::Run, After::TheSame);
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

/// Ends the runtime at each point that the work passes, one after another, until it comes to its end.
fn in_every_runtime(work: Work, after: After) {
    // The receiver is another process: it has a runtime of its own.
    let outside = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let ca = Ca::new();
    let receiver = Arc::new(outside.block_on(Receiver::start(&ca)));
    let world = World::with(MemoryStore::new(), ca, receiver, None);
    let mut dispatcher = world.dispatcher.clone();
    let mut point = 1;
    loop {
        let (order, ended) = begin(&world, work, &dispatcher, point);
        if matches!(after, After::Another) {
            dispatcher = world.another();
        }
        runtime().block_on(async {
            world.store.advance(LEASE);
            world.settle_by(&dispatcher).await;
            judge(&world, &order, ended).await;
        });
        if ended {
            break;
        }
        point += 1;
        assert!(point < 200, "it does not come to its end");
    }
    assert!(point > 10, "{point} points are too few");
    // Whatever was held in the lost runtimes was given back.
    if matches!(after, After::TheSame) {
        runtime().block_on(world.has_all_its_room());
    }
}

/// Begins the work on a new order, and ends its runtime at this point; says whether the work was over before.
fn begin(
    world: &World<MemoryStore>,
    work: Work,
    dispatcher: &Dispatcher,
    point: usize,
) -> (OrderCode, bool) {
    let runtime = runtime();
    let order = world.order();
    let code = order.order_code().clone();
    if matches!(work, Work::Run) {
        let _ = runtime.block_on(dispatcher.enqueue(&order)).unwrap();
    }
    world.points.stop_at(point);
    let (mut notified, dispatcher) = (world.notified.subscribe(), dispatcher.clone());
    let done = *notified.borrow() + 2;
    let work = runtime.spawn(async move {
        match work {
            Work::Notify => assert!(dispatcher.notify(&order).await.unwrap().is_notified()),
            Work::Run => {
                let told = async {
                    drop(
                        notified
                            .wait_for(|notified| *notified >= done)
                            .await
                            .unwrap(),
                    )
                };
                Worker::new(&dispatcher).run_until(told).await;
            }
        }
    });
    let ended = runtime.block_on(async {
        tokio::select! {
            biased;
            ended = work => { ended.unwrap(); true }
            () = world.points.reached() => false,
        }
    });
    world.points.clear();
    (code, ended)
}

/// One POST of each notification may be repeated, the record says which, and nothing is called after its acceptance was
/// recorded.
async fn judge(world: &World<MemoryStore>, order: &OrderCode, ended: bool) {
    let stored = world.stored(order).await;
    assert!(matches!(stored.len(), 0 | 2), "{stored:?}");
    let requests = world.receiver.received();
    for stored in &stored {
        assert!(
            matches!(stored.state, NotificationState::Notified { .. }),
            "{}: {:?}",
            stored.key,
            stored.state
        );
        let calls = calls_of(stored, &requests);
        assert_eq!(calls.len(), 2, "{}: {calls:?}", stored.key);
        let unknown = interrupted(stored);
        assert!(
            unknown.values().sum::<usize>() <= usize::from(!ended),
            "{}: {:?}",
            stored.key,
            stored.attempts
        );
        for (path, calls) in calls {
            let unknown = unknown.get(&path).copied().unwrap_or(0);
            assert!(
                (1..=1 + unknown).contains(&calls),
                "{} {path}: {calls} calls, {:?}",
                stored.key,
                stored.attempts
            );
        }
    }
}

/// By path, how many attempts nobody saw the end of; every other has been accepted, and is the last one there.
fn interrupted(stored: &Notification) -> BTreeMap<String, usize> {
    let mut unknown = BTreeMap::new();
    let mut accepted = Vec::new();
    for attempt in &stored.attempts {
        let path = attempt
            .endpoint
            .splitn(4, '/')
            .nth(3)
            .map(|path| format!("/{path}"))
            .unwrap();
        assert!(
            !accepted.contains(&path),
            "{}: called after it had accepted: {:?}",
            stored.key,
            stored.attempts
        );
        match attempt.outcome.as_str() {
            "accepted" => accepted.push(path),
            "unknown" => *unknown.entry(path).or_default() += 1,
            other => panic!("{}: {other}", stored.key),
        }
    }
    unknown
}
