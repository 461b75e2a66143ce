//! P2: a process is stopped past its lease, another takes over, the first goes on.

use std::time::Duration;

use orderhook::notification::StateName;
use orderhook::store::Store;
use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
use tokio::process::Child;

use crate::child::{Role, process};
use crate::front::{Front, Hold};
use crate::support::{Gate, Reply};
use crate::world::*;

fn pid(child: &Child) -> Pid {
    Pid::from_raw(i32::try_from(child.id().unwrap()).unwrap()).unwrap()
}

/// Stops it, and waits until it is.
async fn stop(child: &Child) {
    kill_process(pid(child), Signal::STOP).unwrap();
    has_stopped(child).await;
}

async fn has_stopped(child: &Child) {
    let pid = pid(child);
    let waited = tokio::task::spawn_blocking(move || waitpid(Some(pid), WaitOptions::UNTRACED))
        .await
        .unwrap();
    assert!(waited.unwrap().is_some_and(|(_, status)| status.stopped()));
}

fn go_on(child: &Child) {
    kill_process(pid(child), Signal::CONT).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p2_a_holder_stopped_in_the_middle_of_a_post_changes_nothing_when_it_goes_on() {
    let world = World::with_short_leases().await;
    let (order, key, gate) = (order("A-1"), key("A-1"), Gate::new());
    world.receiver.script_at("/1", [Reply::ok().gated(&gate)]);
    let first = world.order_paid(&order, &[]).await.spawn().unwrap();
    world.receiver.wait_for(1).await;
    stop(&first).await;
    // Its answer waits for it in the socket.
    gate.open();

    let store = world.store().await;
    lease_ends(&store, &key).await;
    let second = world.run(&order, &[]).await;
    assert_eq!(
        (second.status, second.states()),
        (Some(0), vec!["notified"]),
        "{second:?}"
    );
    let before = store.get(&key).await.unwrap().unwrap();
    assert_eq!(record(&before), ["1 unknown", "1 accepted", "2 accepted"]);

    go_on(&first);
    let first = Ended::of(first).await;
    // It reports what the record says.
    assert_eq!(
        (first.status, first.states()),
        (Some(0), vec!["notified"]),
        "{first:?}"
    );
    assert!(
        first.said.contains("another holder took over"),
        "{}",
        first.said
    );
    assert_eq!(store.get(&key).await.unwrap().unwrap(), before);
    assert_eq!(
        (world.received_at("/1").len(), world.received_at("/2").len()),
        (2, 1)
    );
    let received = world.receiver.received();
    assert!(
        received
            .iter()
            .all(|request| Some(&request.body[..])
                == before.body.as_ref().map(|body| body.as_bytes()))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p2_a_holder_that_goes_on_while_another_sends_is_refused_and_calls_nobody() {
    let world = World::with_short_leases().await;
    let (order, key) = (order("A-1"), key("A-1"));
    let (first_gate, second_gate) = (Gate::new(), Gate::new());
    world
        .receiver
        .script_at("/1", [Reply::ok().gated(&first_gate)]);
    world
        .receiver
        .script_at("/2", [Reply::ok().gated(&second_gate)]);
    let first = world.order_paid(&order, &[]).await.spawn().unwrap();
    world.receiver.wait_for(1).await;
    stop(&first).await;
    first_gate.open();
    let store = world.store().await;
    lease_ends(&store, &key).await;

    let second = world.order_paid(&order, &[]).await.spawn().unwrap();
    // The second one waits for the second endpoint when the first one has its answer.
    world.receiver.wait_for(3).await;
    go_on(&first);
    let first = Ended::of(first).await;
    assert_eq!(
        (first.status, first.states()),
        (Some(2), vec!["sending"]),
        "{first:?}"
    );
    second_gate.open();
    let second = Ended::of(second).await;
    assert_eq!(second.status, Some(0), "{second:?}");
    let stored = store.get(&key).await.unwrap().unwrap();
    assert_eq!(stored.state.name(), StateName::Notified);
    assert_eq!(record(&stored), ["1 unknown", "1 accepted", "2 accepted"]);
    assert_eq!(
        (world.received_at("/1").len(), world.received_at("/2").len()),
        (2, 1)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p2_a_holder_stopped_before_its_post_never_sends_it() {
    let world = World::with_short_leases().await;
    let (order, key) = (order("A-1"), key("A-1"));
    let first = process(Role::StopBeforeSending, &world).spawn().unwrap();
    has_stopped(&first).await;
    overtaken(&world, &order).await;

    go_on(&first);
    let output = first.wait_with_output().await.unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(
        String::from_utf8_lossy(&output.stdout)
            .lines()
            .any(|line| line == "> notified")
    );
    told_once(&world, &key).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p2_a_holder_stopped_while_it_connects_never_sends_its_post() {
    let world = World::with_short_leases().await;
    let (order, key, hold) = (order("A-1"), key("A-1"), Hold::new());
    let front = Front::before(world.receiver.port(), 0, &hold).await;
    world.supplier_with(&[&front.url("/1"), &world.receiver.url("/2")]);
    let first = world.order_paid(&order, &[]).await.spawn().unwrap();
    tokio::time::timeout(Duration::from_secs(10), hold.reached.notified())
        .await
        .expect("a connection");
    stop(&first).await;
    overtaken(&world, &order).await;

    go_on(&first);
    hold.gate.open();
    let first = Ended::of(first).await;
    assert_eq!(
        (first.status, first.states()),
        (Some(0), vec!["notified"]),
        "{first:?}"
    );
    told_once(&world, &key).await;
}

/// The lease runs out, and another process tells everybody.
async fn overtaken(world: &World, order: &serde_json::Value) {
    lease_ends(
        &world.store().await,
        &key(order["order_code"].as_str().unwrap()),
    )
    .await;
    let second = world.run(order, &[]).await;
    assert_eq!(
        (second.status, second.states()),
        (Some(0), vec!["notified"]),
        "{second:?}"
    );
}

/// Everybody was told once; that somebody else was interrupted is in the record.
async fn told_once(world: &World, key: &orderhook::Key) {
    let stored = world.store().await.get(key).await.unwrap().unwrap();
    assert_eq!(record(&stored), ["1 unknown", "1 accepted", "2 accepted"]);
    assert_eq!(
        (world.received_at("/1").len(), world.received_at("/2").len()),
        (1, 1)
    );
}
