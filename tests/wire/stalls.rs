//! A connection that stalls while its peer's kernel still acknowledges everything: it costs the call that is on it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use orderhook::{RetryPolicy, Worker};

use super::server::{OK, Server, answer, request};
use super::support::LOOPBACK_NAMES;
use super::world::{World, enqueue};

const ORDERS: usize = 50;
const LIMIT: Duration = Duration::from_secs(2);

/// When each path was answered.
type Answered = Arc<Mutex<HashMap<String, Instant>>>;

/// Offers HTTP/2 and HTTP/1.1. Its first connection answers five requests and then reads nothing more; others work.
async fn stalling(world: &World, answered: &Answered) -> Server {
    let mut config = (*world.ca.server_config(LOOPBACK_NAMES)).clone();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let answered = Arc::clone(answered);
    Server::start(Arc::new(config), move |mut tls, number| {
        let answered = Arc::clone(&answered);
        let note = move |path: &str| {
            answered
                .lock()
                .unwrap()
                .entry(path.to_owned())
                .or_insert(Instant::now());
        };
        async move {
            let mut left = if number == 0 { 5 } else { usize::MAX };
            if tls.get_ref().1.alpn_protocol() == Some(b"h2") {
                let mut connection = h2::server::Builder::new()
                    .handshake::<_, Bytes>(tls)
                    .await
                    .unwrap();
                while left > 0 {
                    let Some(Ok((request, mut reply))) = connection.accept().await else {
                        return;
                    };
                    note(request.uri().path());
                    reply.send_response(http::Response::new(()), true).unwrap();
                    left -= 1;
                }
                return std::future::pending().await;
            }
            while left > 0 {
                let Some(path) = request(&mut tls).await else {
                    return;
                };
                note(&path);
                if !answer(&mut tls, OK).await {
                    return;
                }
                left -= 1;
            }
            std::future::pending().await
        }
    })
    .await
}

#[tokio::test]
async fn a_connection_that_stalls_loses_its_own_order_and_no_other_of_its_host() {
    let (world, answered) = (World::new(), Answered::default());
    let server = stalling(&world, &answered).await;
    for n in 0..ORDERS {
        world.put(&format!("s{n}"), &server.url(&format!("/s{n}")));
    }
    let retry = RetryPolicy::default().with_first_delay(Duration::from_secs(60));
    let dispatcher = world.builder(LIMIT).retry(retry).build().unwrap();
    let worker = Worker::new(&dispatcher);
    let running = tokio::spawn(worker.run());

    let mut stored = HashMap::new();
    for n in 0..ORDERS {
        enqueue(&dispatcher, &format!("s{n}"), &format!("A-{n}")).await;
        stored.insert(format!("/s{n}"), Instant::now());
        tokio::time::sleep(LIMIT / 25).await;
    }
    tokio::time::sleep(LIMIT).await;
    dispatcher.shutdown(Duration::ZERO).await;
    running.await.unwrap();

    let answered = answered.lock().unwrap();
    let in_time = stored.iter().filter(|(path, at)| {
        answered
            .get(*path)
            .is_some_and(|when| *when <= **at + LIMIT)
    });
    let in_time = in_time.count();
    assert!(
        in_time >= 45,
        "{in_time} of {ORDERS} in time over {} connections",
        server.connections()
    );
}
