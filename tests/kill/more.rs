//! Deaths that do not fit into the table.

use std::process::Stdio;

use orderhook::notification::StateName;
use orderhook::store::Store;

use crate::case::{Call, Case, Point, Way};
use crate::child;
use crate::scene::Scene;
use crate::support::{Received, Reply};

fn killed_at(point: Point, endpoints: usize) -> Case {
    Case {
        point,
        endpoints,
        way: Way::Kill,
        call: Call::Notify,
    }
}

/// K9 in the narrow sense: all that is asked for is recorded, the end is not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_met_when_a_dead_sender_is_taken_over_is_notified_without_a_post() {
    let scene = Scene::new(killed_at(Point::AfterWrite(2), 3)).await;
    let store = scene.store().await;
    scene.bury(child::start(scene.case, scene.path())).await;
    scene.free(&store).await;
    // The third endpoint is no longer listed: nothing is left to be called.
    scene.write_suppliers(2);
    let (status, line) = scene.order_paid(&[]).await;
    assert_eq!(status, Some(0), "{line}");
    assert_eq!(scene.receiver.count(), 2);
    let stored = store.get(&scene.key()).await.unwrap().unwrap();
    assert_eq!(stored.state.name(), StateName::Notified);
    // The record names the third one: when the sender died, that was the one that may have been called.
    let outcomes: Vec<_> = stored
        .attempts
        .iter()
        .map(|attempt| attempt.outcome.as_str())
        .collect();
    assert_eq!(outcomes, ["accepted", "accepted", "unknown"]);
    assert!(
        stored.attempts[2].endpoint.ends_with("/3"),
        "{}",
        stored.attempts[2].endpoint
    );
}

/// G7: at most one duplicate for each loss.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_deaths_repeat_a_post_once_each_and_all_of_them_are_recorded() {
    const DEATHS: usize = 3;
    let scene = Scene::new(killed_at(Point::BeforeWrite(1), 1)).await;
    let store = scene.store().await;
    scene.receiver.script_at("/1", vec![Reply::Hang; DEATHS]);
    for death in 1..=DEATHS {
        // From the second interruption in a row on the schedule decides when it is tried again: the process that notes it
        // ends without having sent anything.
        loop {
            scene.free(&store).await;
            let mut sender = scene.program().await.stdout(Stdio::null()).spawn().unwrap();
            tokio::select! {
                () = scene.receiver.wait_for(death) => {
                    sender.kill().await.unwrap();
                    break;
                }
                status = sender.wait() => assert_eq!(status.unwrap().code(), Some(2)),
            }
        }
        assert_eq!(scene.receiver.count(), death);
    }
    while {
        scene.free(&store).await;
        scene.order_paid(&[]).await.0 != Some(0)
    } {}
    let stored = store.get(&scene.key()).await.unwrap().unwrap();
    assert_eq!(stored.state.name(), StateName::Notified);
    let outcomes: Vec<_> = stored
        .attempts
        .iter()
        .map(|attempt| attempt.outcome.as_str())
        .collect();
    let interrupted = outcomes
        .iter()
        .filter(|outcome| **outcome == "unknown")
        .count();
    assert_eq!(
        (interrupted, outcomes.last()),
        (DEATHS, Some(&"accepted")),
        "{outcomes:?}"
    );
    let received = scene.receiver.received();
    assert_eq!(received.len(), DEATHS + 1);
    assert!(
        received
            .iter()
            .all(|request| request.body == received[0].body)
    );
    let id = |request: &Received| request.header("webhook-id").unwrap().to_owned();
    assert!(
        received
            .iter()
            .all(|request| id(request) == stored.event_id.as_str())
    );
}
