//! Which protocol is spoken: HTTP/1.1 over TLS 1.2 or 1.3, and nothing else.

use std::sync::Arc;

use orderhook::Outcome;
use orderhook::notification::NotSent;
use orderhook::report::Verdict;

use super::server::{OK, Server, answer, request};
use super::support::LOOPBACK_NAMES;
use super::world::{World, tell};

/// A server that offers these protocols and answers each HTTP/1.1 request with 200.
async fn offering(world: &World, protocols: &[&[u8]]) -> Server {
    let mut config = (*world.ca.server_config(LOOPBACK_NAMES)).clone();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    Server::start(Arc::new(config), |mut tls, _| async move {
        assert_ne!(
            tls.get_ref().1.alpn_protocol(),
            Some(b"h2".as_slice()),
            "HTTP/2 was negotiated"
        );
        while request(&mut tls).await.is_some() && answer(&mut tls, OK).await {}
    })
    .await
}

#[tokio::test]
async fn a_server_that_offers_both_is_spoken_to_over_http_1_1() {
    let world = World::new();
    for protocols in [&[b"h2".as_slice(), b"http/1.1"][..], &[b"http/1.1"], &[]] {
        let server = offering(&world, protocols).await;
        world.put("a", &server.url("/in"));
        let notification = tell(&world.dispatcher(), "a", "A-1").await;
        assert_eq!(
            notification.attempts[0].outcome,
            Outcome::Accepted { status: 200 }
        );
    }
}

#[tokio::test]
async fn a_server_that_has_http_2_only_is_not_sent_to_and_the_reason_names_it() {
    let world = World::new();
    let server = offering(&world, &[b"h2"]).await;
    world.put("a", &server.url("/in"));
    let dispatcher = world.dispatcher();

    let outcome = tell(&dispatcher, "a", "A-1").await.attempts[0]
        .outcome
        .clone();
    assert_eq!(
        outcome,
        Outcome::NotSent {
            why: NotSent::NoHttp1
        }
    );
    assert!(outcome.to_string().contains("HTTP/2 only"), "{outcome}");
    let checks = dispatcher.check(&world.supplier("a")).await;
    assert_eq!(
        checks[0].verdict,
        Verdict::Unreachable {
            why: NotSent::NoHttp1
        }
    );
}
