//! Several nodes on one store, one after the other or at the same time.

use orderhook::fulfilment::{Finality, Fulfilment, FulfilmentError, StageEvent, Transition};
use orderhook::notification::StateName;
use orderhook::store::{Inserted, Store};
use orderhook::{Dispatcher, Worker};

use crate::world::{
    World, child, client, clinic, code, delivery, enqueue, inserted, sequences, way,
};

macro_rules! on_every_store_with_threads {
    ($($test:ident),+ $(,)?) => {
        mod memory {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$test(crate::world::World::in_memory()).await;
            })+
        }
        #[cfg(feature = "sqlite")]
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$test(crate::world::World::on_disk().await).await;
            })+
        }
    };
}

on_every_store_with_threads![
    nodes_that_append_to_one_stream_at_the_same_time_leave_neither_gaps_nor_twins,
    nodes_that_are_offered_the_same_stages_store_each_of_them_once,
    of_two_stages_that_exclude_each_other_one_is_refused,
    a_node_that_comes_later_goes_on_with_the_same_life,
];

/// Offers events one by one in a task of its own; how many were new.
fn offering(dispatcher: Dispatcher, events: Vec<StageEvent>) -> tokio::task::JoinHandle<usize> {
    tokio::spawn(async move {
        let mut new = 0;
        for event in events {
            let enqueued = Fulfilment::new(&dispatcher)
                .enqueue(&client(), &event)
                .await
                .unwrap();
            new += usize::from(matches!(inserted(&enqueued), Inserted::New { .. }));
        }
        new
    })
}

async fn nodes_that_append_to_one_stream_at_the_same_time_leave_neither_gaps_nor_twins<
    S: Store + Clone,
>(
    world: World<S>,
) {
    let receiver = world.receiver().await;
    world.put(clinic().endpoint(receiver.url("/")));
    // Each node fulfils child orders of its own, all of one parent order.
    let nodes: Vec<_> = (0..4)
        .map(|node| {
            let events = (0..3)
                .flat_map(|n| way("P-1", &format!("{node}/{n}")))
                .collect();
            offering(world.dispatcher(), events)
        })
        .collect();
    for node in nodes {
        assert_eq!(node.await.unwrap(), 12);
    }
    Worker::new(&world.dispatcher()).until_idle().await.unwrap();

    assert!(
        sequences(&receiver.received()).into_iter().eq(1..=48),
        "a body says the place that it was stored at"
    );
    let stored = world.agrees().await;
    assert!(
        stored
            .iter()
            .all(|notification| notification.state.name() == StateName::Notified)
    );
}

async fn nodes_that_are_offered_the_same_stages_store_each_of_them_once<S: Store + Clone>(
    world: World<S>,
) {
    let receiver = world.receiver().await;
    world.put(clinic().endpoint(receiver.url("/")));
    let events: Vec<_> = (0..6)
        .flat_map(|n| way(&format!("P-{}", n % 3), &format!("C-{n}")))
        .collect();

    let nodes: Vec<_> = (0..3)
        .map(|_| offering(world.dispatcher(), events.clone()))
        .collect();
    let mut new = 0;
    for node in nodes {
        new += node.await.unwrap();
    }
    assert_eq!(new, events.len(), "each is new for one of them");
    let workers: Vec<_> = (0..3)
        .map(|_| {
            let worker = Worker::new(&world.dispatcher());
            tokio::spawn(async move { worker.until_idle().await.unwrap().notified })
        })
        .collect();
    for worker in workers {
        worker.await.unwrap();
    }
    // One may have found nothing to do while another was about to make more of it due.
    Worker::new(&world.dispatcher()).until_idle().await.unwrap();

    assert_eq!(receiver.count(), events.len(), "each is sent once");
    world.agrees().await;
}

async fn of_two_stages_that_exclude_each_other_one_is_refused<S: Store + Clone>(world: World<S>) {
    world.put(clinic());
    let (one, other) = (world.dispatcher(), world.dispatcher());
    for round in 0..25 {
        let order = format!("P-{round}");
        enqueue(
            &one,
            &[delivery(
                &order,
                Transition::rejected(child("A"), Finality::NotFinal),
            )],
        )
        .await;
        let offered = [
            delivery(
                &order,
                Transition::reassigned(child("A"), [child("B")]).unwrap(),
            ),
            delivery(&order, Transition::split(child("A"), [child("C")]).unwrap()),
        ];
        let [first, second] = [
            (one.clone(), offered[0].clone()),
            (other.clone(), offered[1].clone()),
        ]
        .map(|(node, event)| {
            tokio::spawn(async move { Fulfilment::new(&node).enqueue(&client(), &event).await })
        });
        let answers = [first.await.unwrap(), second.await.unwrap()];
        let taken = answers.iter().filter(|answer| answer.is_ok()).count();
        let refused = answers
            .iter()
            .filter(|answer| matches!(answer, Err(FulfilmentError::NotAllowed(_))))
            .count();
        assert_eq!((taken, refused), (1, 1), "{answers:?}");
    }
    assert_eq!(world.agrees().await.len(), 50);
}

async fn a_node_that_comes_later_goes_on_with_the_same_life<S: Store + Clone>(world: World<S>) {
    let receiver = world.receiver().await;
    world.put(clinic().endpoint(receiver.url("/")));
    let events = way("P-1", "A");
    let first = world.dispatcher();
    enqueue(&first, &events[..2]).await;
    let before = Fulfilment::new(&first)
        .lifecycle(&client(), &code("P-1"))
        .await
        .unwrap();
    first.shutdown(std::time::Duration::ZERO).await;
    drop(first);

    let second = world.dispatcher();
    assert_eq!(
        Fulfilment::new(&second)
            .lifecycle(&client(), &code("P-1"))
            .await
            .unwrap(),
        before
    );
    let again = Fulfilment::new(&second)
        .enqueue(&client(), &events[0])
        .await
        .unwrap();
    assert_eq!(inserted(&again), Inserted::Existing);
    let early = Fulfilment::new(&second)
        .enqueue(&client(), &events[3])
        .await;
    assert!(
        matches!(early, Err(FulfilmentError::NotAllowed(_))),
        "{early:?}"
    );
    enqueue(&second, &events[2..]).await;
    Worker::new(&second).until_idle().await.unwrap();
    assert_eq!(sequences(&receiver.received()), [1, 2, 3, 4]);
    world.agrees().await;
}

/// The same with nothing left of the first node but its file.
#[cfg(feature = "sqlite")]
#[tokio::test]
async fn after_a_restart_the_file_tells_the_same_life() {
    use orderhook::SqliteStore;
    use orderhook::fulfilment::Lifecycle;

    let world = World::on_disk().await;
    let receiver = world.receiver().await;
    world.put(clinic().endpoint(receiver.url("/")));
    let events = way("P-1", "A");
    let path = world.directory.path().join("restarted.db");
    let mut expected = Lifecycle::new();
    for (n, event) in events.iter().enumerate() {
        let store = SqliteStore::open(&path).await.unwrap();
        let dispatcher = world.builder_on(store.clone()).build().unwrap();
        assert_eq!(
            Fulfilment::new(&dispatcher)
                .lifecycle(&client(), &code("P-1"))
                .await
                .unwrap(),
            expected
        );
        for known in &events[..n] {
            let again = Fulfilment::new(&dispatcher)
                .enqueue(&client(), known)
                .await
                .unwrap();
            assert_eq!(inserted(&again), Inserted::Existing);
        }
        enqueue(&dispatcher, std::slice::from_ref(event)).await;
        expected.apply(event.transition()).unwrap();
        if n % 2 == 1 {
            Worker::new(&dispatcher).until_idle().await.unwrap();
        }
        store.close().await;
    }
    assert_eq!(sequences(&receiver.received()), [1, 2, 3, 4]);
    let ids: std::collections::BTreeSet<_> = receiver
        .received()
        .iter()
        .map(|request| crate::world::id_of(request).to_owned())
        .collect();
    assert_eq!(ids.len(), 4);
}
