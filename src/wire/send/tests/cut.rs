//! What is known of a POST that is cut short.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::support::*;
use crate::wire::send::connection::DRAIN_LIMIT;
use crate::wire::send::*;

/// Cuts as soon as `reached` says so.
async fn cut_when(sender: &Sender, request: Request, reached: impl Fn() -> bool) -> Reply {
    let cut = CancellationToken::new();
    let cutting = async {
        while !reached() {
            tokio::task::yield_now().await;
        }
        cut.cancel();
    };
    let (reply, ()) = tokio::join!(sender.send(request, || true, &cut), cutting);
    reply.unwrap()
}

#[tokio::test]
async fn a_post_that_is_cut_while_its_name_is_looked_up_is_not_sent() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let resolver: Resolver = Arc::new(move |_| {
        count.fetch_add(1, Ordering::SeqCst);
        Box::pin(std::future::pending())
    });
    let sender = Sender::with_resolver(settings(&Ca::new(), 60_000), resolver).unwrap();
    let reply = cut_when(&sender, request("https://hook.test/"), || {
        asked.load(Ordering::SeqCst) > 0
    })
    .await;
    assert_eq!(reply.outcome, not_sent(NotSent::Interrupted));
}

#[tokio::test]
async fn a_post_that_is_cut_in_a_black_hole_is_not_sent() {
    let (address, _queue) = black_hole().await;
    let sender = Sender::new(settings(&Ca::new(), 60_000)).unwrap();
    let turns = AtomicUsize::new(0);
    let url = format!("https://127.0.0.1:{}/", address.port());
    // A few turns of the runtime, so that the first packet is out; were it not, the answer would be the same.
    let reply = cut_when(&sender, request(&url), || {
        turns.fetch_add(1, Ordering::SeqCst) > 20
    })
    .await;
    assert_eq!(reply.outcome, not_sent(NotSent::Interrupted));
}

#[tokio::test]
async fn a_post_that_is_cut_after_it_has_left_is_unknown_on_a_new_and_on_a_kept_connection() {
    let ca = Ca::new();
    let sender = sender(&ca);
    let stalling = Receiver::start(ca.good(), vec![Act::Stall]).await;
    let reply = cut_when(&sender, request(&stalling.url()), || {
        !stalling.requests().is_empty()
    })
    .await;
    assert_eq!(reply.outcome, unknown(Unknown::Interrupted));

    let receiver = Receiver::start(ca.good(), vec![say(OK), Act::OnceMore, Act::Stall]).await;
    assert_eq!(post(&sender, &receiver.url()).await.outcome, accepted(200));
    kept(&sender, 1).await;
    let reply = cut_when(&sender, request(&receiver.url()), || {
        receiver.requests().len() > 1
    })
    .await;
    assert_eq!(
        (reply.outcome, receiver.connections()),
        (unknown(Unknown::Interrupted), 1)
    );
}

#[tokio::test]
async fn a_request_that_was_called_off_in_time_never_reaches_the_server() {
    let ca = Ca::new();
    let listener = TcpListener::bind((HOME, 0)).await.unwrap();
    let url = Url::parse(&format!(
        "https://localhost:{}/",
        listener.local_addr().unwrap().port()
    ))
    .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(ca.good()));
    let server = tokio::spawn(async move {
        let mut tls = acceptor
            .accept(listener.accept().await.unwrap().0)
            .await
            .unwrap();
        let mut seen = Vec::new();
        let _ = tls.read_to_end(&mut seen).await;
        seen
    });
    let sender = sender(&ca);
    let mut connection = sender.connect(&url).await.unwrap();
    let departure = Departure::before(Moment::now() + READ_LIMIT);
    assert!(departure.call_off());
    let body = Outgoing::new(Bytes::from_static(b"planted"), &departure);
    let (_, post) = encoded(&url, Vec::new(), body).unwrap();
    assert!(connection.post(post).await.is_err());
    drop(connection);
    assert_eq!(server.await.unwrap(), b"");
}

#[tokio::test]
async fn a_post_that_is_cut_while_its_body_is_read_is_accepted_without_it() {
    let ca = Ca::new();
    let head = "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf";
    let receiver = Receiver::start(ca.good(), vec![say(head), Act::Stall]).await;
    let sender = sender(&ca);
    let cut = CancellationToken::new();
    let wanted = Request {
        reply_limit: Some(100),
        ..request(&receiver.url())
    };
    let cutting = async {
        // Far less than a body is waited for.
        tokio::time::sleep(READ_LIMIT / 4).await;
        cut.cancel();
    };
    let started = Instant::now();
    let (reply, ()) = tokio::join!(sender.send(wanted, || true, &cut), cutting);
    let reply = reply.unwrap();
    assert_eq!((reply.outcome, reply.body), (accepted(200), None));
    assert!(started.elapsed() < READ_LIMIT, "{:?}", started.elapsed());
}

#[tokio::test]
async fn the_rest_of_a_body_that_is_not_wanted_delays_no_reply() {
    let ca = Ca::new();
    for head in [
        "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf",
        "HTTP/1.1 500 X\r\ncontent-length: 100\r\n\r\nhalf",
    ] {
        let receiver = Receiver::start(ca.good(), vec![say(head), Act::Stall]).await;
        let sender = sender(&ca);
        // The connection is made and given up before, so that only the exchange is measured.
        sender
            .check_url(&Url::parse(&receiver.url()).unwrap())
            .await
            .unwrap();
        let mut quickest = Duration::MAX;
        for _ in 0..3 {
            let started = Instant::now();
            post(&sender, &receiver.url()).await;
            quickest = quickest.min(started.elapsed());
        }
        assert!(quickest < DRAIN_LIMIT, "{quickest:?}");
    }
}

#[tokio::test]
async fn an_event_without_a_body_never_leaves() {
    let ca = Ca::new();
    let receiver = Receiver::start(ca.good(), vec![Act::Stall]).await;
    let sender = Sender::new(settings(&ca, 600)).unwrap();
    let empty = Request {
        body: crate::event::Body::new(*b""),
        ..request(&receiver.url())
    };
    let reply = sender.send(empty, || true, &uncut()).await.unwrap();
    assert!(
        matches!(reply.outcome, Outcome::NotSent { .. }),
        "{:?}",
        reply.outcome
    );
    assert_eq!(receiver.requests().len(), 0);
}
