//! P1: processes and tasks that notify the same order at once.

use orderhook::notification::StateName;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::ChildStdout;
use tokio::task::JoinSet;

use crate::child::{Role, process, said};
use crate::world::*;

const PROCESSES: usize = 6;
const ORDERS: usize = 100;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p1_eight_tasks_in_each_of_six_processes_tell_each_endpoint_of_each_order_once() {
    let world = World::new().await;
    let (mut racers, mut children) = (Vec::new(), Vec::new());
    for _ in 0..PROCESSES {
        // All of them open the store, which none has made.
        let mut child = process(Role::Race, &world).spawn().unwrap();
        racers.push((
            child.stdin.take().unwrap(),
            BufReader::new(child.stdout.take().unwrap()).lines(),
        ));
        children.push(child);
    }
    for (_, lines) in &mut racers {
        hears(lines, "ready").await;
    }
    for n in 0..ORDERS {
        let code = format!("A-{n}");
        for (stdin, _) in &mut racers {
            stdin
                .write_all(format!("{code}\n").as_bytes())
                .await
                .unwrap();
        }
        for (_, lines) in &mut racers {
            hears(lines, &code).await;
        }
    }
    // The end of its input ends a process; its output is read until then.
    let (stdins, outputs): (Vec<_>, Vec<_>) = racers.into_iter().unzip();
    drop(stdins);
    for (child, mut output) in children.into_iter().zip(outputs) {
        while output.next_line().await.unwrap().is_some() {}
        let output = child.wait_with_output().await.unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        // A process panics when a call of its own has an error.
        assert!(output.status.success(), "{text}");
        assert_eq!(text, "");
    }
    assert_eq!(world.receiver.incomplete(), 0);
    let store = world.store().await;
    let stored = everything(&store).await;
    assert_eq!(stored.len(), ORDERS);
    for notification in stored {
        assert_eq!(notification.state.name(), StateName::Notified);
        assert_eq!(record(&notification), ["1 accepted", "2 accepted"]);
        for path in ["/1", "/2"] {
            let id = |request: &crate::support::Received| {
                request.header("webhook-id").unwrap().to_owned()
            };
            let posts = world.received_at(path);
            let posts = posts
                .iter()
                .filter(|request| id(request) == notification.event_id.as_str())
                .count();
            assert_eq!(posts, 1, "{path} of {}", notification.key);
        }
    }
    assert_eq!(world.receiver.count(), 2 * ORDERS);
    println!(
        "{ORDERS} orders, {PROCESSES} processes of 8 tasks: {} POSTs to 2 endpoints",
        world.receiver.count()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p1_processes_that_make_the_store_at_the_same_time_all_find_it_usable() {
    for round in 0..4 {
        let world = World::new().await;
        let order = order("A-1");
        let mut running = JoinSet::new();
        for _ in 0..PROCESSES {
            let mut command = world.order_paid(&order, &[]).await;
            running.spawn(async move { Ended::of(command.spawn().unwrap()).await });
        }
        let ended = running.join_all().await;
        for ended in &ended {
            // Told by itself or before, or being told by another one.
            assert!(
                matches!(ended.status, Some(0 | 2)),
                "round {round}: {ended:?}"
            );
            assert!(
                ["notified", "sending"].contains(&ended.states()[0]),
                "{ended:?}"
            );
            assert_eq!(ended.said, "");
        }
        assert!(ended.iter().any(|ended| ended.status == Some(0)));
        assert_eq!(
            (world.received_at("/1").len(), world.received_at("/2").len()),
            (1, 1)
        );
    }
}

async fn hears(lines: &mut tokio::io::Lines<BufReader<ChildStdout>>, word: &str) {
    loop {
        let line = lines
            .next_line()
            .await
            .unwrap()
            .expect("the process goes on");
        if said(&line) == Some(word) {
            return;
        }
    }
}
