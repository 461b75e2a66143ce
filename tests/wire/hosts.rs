//! Many hosts under a low limit of file descriptors.
#![cfg(unix)]

use std::collections::BTreeMap;
use std::fs::File;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use orderhook::notification::StateName;
use orderhook::store::{Filter, Page};
use orderhook::{RetryPolicy, Worker};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::server::{OK, Server, answer, request};
use super::world::{Table, World, builder, enqueue};

const HOSTS: usize = 1_500;
const LIMIT: u64 = 1_024;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_burst_to_1500_hosts_at_a_limit_of_1024_descriptors_fails_nowhere_and_leaves_some_to_the_application()
 {
    // The other end of all connections is here.
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(
        Resource::Nofile,
        Rlimit {
            current: maximum,
            maximum,
        },
    )
    .unwrap();
    let world = World::new();
    let server = Server::start(
        world.ca.server_config(&["*.hosts.localhost"]),
        |mut tls, _| async move {
            while request(&mut tls).await.is_some() && answer(&mut tls, OK).await {}
        },
    )
    .await;
    let (port, root) = (server.addr.port().to_string(), world.ca.pem());
    let run = move || {
        Command::new(std::env::current_exe().unwrap())
            .args([
                "hosts::child",
                "--exact",
                "--ignored",
                "--nocapture",
                "--test-threads=1",
            ])
            .env("ORDERHOOK_TEST_PORT", port)
            .env("ORDERHOOK_TEST_ROOT", root)
            .output()
            .unwrap()
    };
    let output = tokio::task::spawn_blocking(run).await.unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let expected =
        format!("[{HOSTS} of {HOSTS} accepted at the first try, 0 files could not be opened]");
    assert!(
        said.contains(&expected),
        "{said}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Not a test of its own: the burst, in a process with few descriptors.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "started by another test as a child process"]
async fn child() {
    let Ok(port) = std::env::var("ORDERHOOK_TEST_PORT") else {
        return;
    };
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(
        Resource::Nofile,
        Rlimit {
            current: Some(LIMIT),
            maximum,
        },
    )
    .unwrap();
    let world = World {
        ca: super::support::Ca::new(),
        suppliers: Table::default(),
    };
    for n in 0..HOSTS {
        world.put(
            &format!("s{n}"),
            &format!("https://n{n}.hosts.localhost:{port}/in"),
        );
    }
    let root = std::env::var("ORDERHOOK_TEST_ROOT").unwrap();
    // Whoever fails once has failed: the store in memory forgets the attempts of what is long over.
    let once = RetryPolicy::default().with_give_up_after(Duration::from_millis(1));
    let dispatcher = builder(&root, world.suppliers.clone(), Duration::from_secs(30))
        .retry(once)
        .build()
        .unwrap();
    for n in 0..HOSTS {
        enqueue(&dispatcher, &format!("s{n}"), &format!("A-{n}")).await;
    }
    let (done, refused) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicUsize::new(0)),
    );
    let application = {
        let (done, refused) = (Arc::clone(&done), Arc::clone(&refused));
        std::thread::spawn(move || {
            while !done.load(Ordering::Relaxed) {
                if File::open("/dev/null").is_err() {
                    refused.fetch_add(1, Ordering::Relaxed);
                }
                std::thread::sleep(Duration::from_millis(1));
            }
        })
    };
    let worker = Worker::new(&dispatcher);
    worker.until_idle().await.unwrap();
    done.store(true, Ordering::Relaxed);
    application.join().unwrap();

    let filter = Filter::of(dispatcher.source().clone());
    let (mut accepted, mut others, mut page) =
        (0, BTreeMap::<String, usize>::new(), Page::first(500));
    loop {
        let listed = dispatcher.list(&filter, &page).await.unwrap();
        for one in &listed.notifications {
            match one.state.name() {
                StateName::Notified => accepted += 1,
                _ => {
                    let outcome = one
                        .attempts
                        .first()
                        .map_or("none".to_owned(), |one| one.outcome.to_string());
                    *others.entry(outcome).or_default() += 1;
                }
            }
        }
        match listed.next {
            Some(cursor) => page = Page::after(cursor, 500),
            None => break,
        }
    }
    let refused = refused.load(Ordering::Relaxed);
    println!(
        "[{accepted} of {HOSTS} accepted at the first try, {refused} files could not be opened] {others:?}"
    );
}
