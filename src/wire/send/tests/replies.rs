//! What arrives at the receiver, and what its answer, or the lack of one, comes to.

use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::support::*;
use crate::wire::request::{Header, HeaderText};
use crate::wire::send::*;

#[tokio::test]
async fn a_post_arrives_with_its_headers_and_bytes_and_nothing_of_ours_but_what_http_needs() {
    let ca = Ca::new();
    let receiver = Receiver::start(ca.good(), vec![say(OK), Act::Again]).await;
    let reply = post(&sender(&ca), &receiver.url()).await;
    assert_eq!(reply.outcome, accepted(200));
    assert_eq!((reply.body, reply.retry_after), (None, None));
    let mut seen: Vec<String> = receiver.requests()[0].lines().map(str::to_owned).collect();
    seen[1..].sort();
    let host = format!("host: localhost:{}", receiver.address.port());
    let expected = [
        "POST /hook?key=planted HTTP/1.1",
        "",
        "accept: */*",
        "authorization: Bearer planted",
        "content-length: 7",
        "content-type: application/json",
        &host,
        "x-twice: one",
        "x-twice: two",
        r#"{"a":1}"#,
    ];
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn a_connection_is_used_again() {
    let ca = Ca::new();
    let receiver = Receiver::start(ca.good(), vec![say(OK), Act::Again]).await;
    let sender = sender(&ca);
    for _ in 0..3 {
        assert_eq!(post(&sender, &receiver.url()).await.outcome, accepted(200));
        kept(&sender, 1).await;
    }
    assert_eq!((receiver.requests().len(), receiver.connections()), (3, 1));
}

#[tokio::test]
async fn many_posts_at_once_are_one_request_each() {
    let ca = Ca::new();
    let receiver = Receiver::start(ca.good(), vec![say(OK), Act::Again]).await;
    let (sender, url) = (Arc::new(sender(&ca)), receiver.url());
    let posts: Vec<_> = (0..40)
        .map(|_| {
            let (sender, url) = (Arc::clone(&sender), url.clone());
            tokio::spawn(async move { post(&sender, &url).await.outcome })
        })
        .collect();
    for one in posts {
        assert_eq!(one.await.unwrap(), accepted(200));
    }
    assert_eq!(receiver.requests().len(), 40);
}

#[tokio::test]
async fn a_lease_that_is_gone_sends_nothing() {
    let ca = Ca::new();
    let receiver = Receiver::start(ca.good(), vec![say(OK)]).await;
    assert_eq!(
        sender(&ca)
            .send(request(&receiver.url()), || false, &uncut())
            .await,
        None
    );
    assert_eq!(receiver.connections(), 0);
}

#[tokio::test]
async fn a_header_that_is_none_is_not_sent() {
    let mut bad = request("https://localhost:1/");
    bad.headers.push(Header {
        name: "x-a".into(),
        value: HeaderText::Plain("a\r\nx-b: b".to_owned()),
    });
    let reply = sender(&Ca::new())
        .send(bad, || panic!("asked for nothing"), &uncut())
        .await
        .unwrap();
    assert!(matches!(reply.outcome, Outcome::NotSent { .. }));
}

// Replies.

#[tokio::test]
async fn the_status_line_decides_and_no_redirect_is_followed() {
    let elsewhere = TcpListener::bind((HOME, 0)).await.unwrap();
    let to = elsewhere.local_addr().unwrap();
    for status in [
        200, 201, 202, 204, 299, 300, 301, 302, 303, 304, 307, 308, 400, 401, 404, 408, 410, 421,
        425, 429, 500, 503, 999,
    ] {
        let head = format!(
            "HTTP/1.1 {status} X\r\nlocation: https://localhost:{}/\r\ncontent-length: 0\r\n\r\n",
            to.port()
        );
        let (reply, requests) = outcome(vec![say(head), Act::Close], 5_000).await;
        let expected = if status < 300 {
            accepted(status)
        } else {
            rejected(status)
        };
        assert_eq!((reply.outcome, requests), (expected, 1));
    }
    let second = tokio::time::timeout(Duration::from_millis(1), elsewhere.accept()).await;
    assert!(second.is_err(), "somebody followed a redirect");
}

#[tokio::test]
async fn a_redirect_to_itself_is_not_followed() {
    for status in [301, 302, 303, 307, 308] {
        let head = format!("HTTP/1.1 {status} X\r\nlocation: /hook\r\ncontent-length: 0\r\n\r\n");
        let (reply, requests) = outcome(vec![say(head), Act::Again], 5_000).await;
        assert_eq!((reply.outcome, requests), (rejected(status), 1));
    }
}

#[tokio::test]
async fn interim_replies_are_passed_over_and_a_final_101_is_a_rejection() {
    let early = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n";
    assert_eq!(
        outcome(vec![say(early), say(OK), Act::Close], 5_000)
            .await
            .0
            .outcome,
        accepted(200)
    );
    let switch = "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n";
    assert_eq!(
        outcome(vec![say(switch), Act::Stall], 5_000)
            .await
            .0
            .outcome,
        rejected(101)
    );
}

#[tokio::test]
async fn what_the_body_of_a_2xx_does_changes_nothing() {
    let length = "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf";
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    let scripts = [
        vec![say(length), Act::Close],
        vec![say(length), Act::Reset],
        vec![say(length), Act::Stall],
        vec![say(chunked), say("zz\r\nnot a chunk"), Act::Close],
        vec![say(chunked), say("5\r\nab"), Act::Reset],
        vec![say(chunked), Act::Stall],
        vec![
            say("HTTP/1.1 204 No Content\r\n\r\nstray bytes"),
            Act::Close,
        ],
        vec![
            say("HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 4\r\n\r\njunk"),
            Act::Close,
        ],
        vec![
            say(
                "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
            ),
            Act::Close,
        ],
    ];
    let ca = Ca::new();
    let mut posts = tokio::task::JoinSet::new();
    for (turn, script) in scripts.into_iter().enumerate() {
        let receiver = Receiver::start(ca.good(), script).await;
        for reply_limit in [None, Some(65_536)] {
            let (sender, wanted) = (
                sender(&ca),
                Request {
                    reply_limit,
                    ..request(&receiver.url())
                },
            );
            posts.spawn(async move {
                (
                    turn,
                    reply_limit,
                    sender.send(wanted, || true, &uncut()).await.unwrap(),
                )
            });
        }
    }
    for (turn, reply_limit, reply) in posts.join_all().await {
        assert!(
            reply.outcome.is_accepted(),
            "script {turn}: {}",
            reply.outcome
        );
        // From script 6 on the body is whole.
        assert_eq!(
            reply.body.is_some(),
            turn > 5 && reply_limit.is_some(),
            "script {turn}"
        );
    }
}

#[tokio::test]
async fn a_limit_that_strikes_in_the_body_leaves_an_acceptance() {
    let ca = Ca::new();
    let head = "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf";
    let receiver = Receiver::start(ca.good(), vec![say(head), Act::Stall]).await;
    let sender = Sender::new(settings(&ca, 600)).unwrap();
    let wanted = Request {
        reply_limit: Some(100),
        ..request(&receiver.url())
    };
    let started = Instant::now();
    let reply = sender.send(wanted, || true, &uncut()).await.unwrap();
    assert_eq!((reply.outcome, reply.body), (accepted(200), None));
    assert!(
        started.elapsed() < READ_LIMIT,
        "the whole limit also ends the reading"
    );
}

#[tokio::test]
async fn a_wanted_body_comes_whole_or_not_at_all() {
    let ca = Ca::new();
    let body = "x".repeat(65_536);
    let receiver = Receiver::start(
        ca.good(),
        vec![
            say(format!(
                "HTTP/1.1 202 A\r\ncontent-length: 65536\r\n\r\n{body}"
            )),
            Act::Again,
        ],
    )
    .await;
    for (limit, came) in [(65_536, true), (65_535, false), (0, false)] {
        let wanted = Request {
            reply_limit: Some(limit),
            ..request(&receiver.url())
        };
        let reply = sender(&ca).send(wanted, || true, &uncut()).await.unwrap();
        assert_eq!(
            (reply.outcome, reply.body.is_some()),
            (accepted(202), came),
            "{limit}"
        );
    }
}

#[tokio::test]
async fn an_endless_body_is_left_after_a_bounded_read() {
    let ca = Ca::new();
    for reply_limit in [None, Some(1_000)] {
        let endless = vec![
            say("HTTP/1.1 200 OK\r\n\r\n"),
            Act::SayForEver("x".repeat(1 << 14)),
        ];
        let receiver = Receiver::start(ca.good(), endless).await;
        let wanted = Request {
            reply_limit,
            ..request(&receiver.url())
        };
        let started = Instant::now();
        let reply = sender(&ca).send(wanted, || true, &uncut()).await.unwrap();
        assert_eq!((reply.outcome, reply.body), (accepted(200), None));
        assert!(started.elapsed() < READ_LIMIT);
    }
}

#[tokio::test]
async fn retry_after_is_read_from_429_and_503_only() {
    for (status, wait) in [
        (429, Some(60)),
        (503, Some(60)),
        (500, None),
        (404, None),
        (200, None),
        (301, None),
    ] {
        let head = format!(
            "HTTP/1.1 {status} X\r\nretry-after: 5\r\nretry-after: 60\r\ncontent-length: 0\r\n\r\n"
        );
        let (reply, _) = outcome(vec![say(head), Act::Close], 5_000).await;
        assert_eq!(reply.retry_after, wait.map(Duration::from_secs), "{status}");
    }
    let dated = "HTTP/1.1 503 X\r\ndate: Sun, 06 Nov 1994 08:49:37 GMT\r\nretry-after: Sun, 06 Nov 1994 08:51:37 GMT\r\n\r\n";
    let (reply, _) = outcome(vec![say(dated), Act::Close], 5_000).await;
    assert_eq!(reply.retry_after, Some(Duration::from_secs(120)));
}

// Answers that are lost.

#[tokio::test]
async fn no_status_line_within_the_limit_is_unknown() {
    for script in [
        vec![Act::Stall],
        vec![say("HTTP/1.1 200 O"), Act::Stall],
        vec![Act::SayForEver(
            "HTTP/1.1 103 Early Hints\r\n\r\n".to_owned(),
        )],
    ] {
        let (reply, requests) = outcome(script, 600).await;
        assert_eq!((reply.outcome, requests), (unknown(Unknown::TimedOut), 1));
        assert!(
            reply.took >= Duration::from_millis(590) && reply.took < Duration::from_secs(3),
            "{:?}",
            reply.took
        );
    }
}

#[tokio::test]
async fn a_connection_that_ends_after_the_request_is_unknown() {
    for script in [
        vec![Act::Reset],
        vec![Act::Close],
        vec![say("HTTP/1.1 200"), Act::Reset],
        vec![say("HTTP/1.1 20"), Act::Close],
    ] {
        let (reply, requests) = outcome(script, 5_000).await;
        assert_eq!(
            (reply.outcome, requests),
            (unknown(Unknown::ConnectionLost), 1)
        );
    }
}

#[tokio::test]
async fn a_kept_connection_that_dies_on_reuse_is_unknown_and_nothing_is_repeated() {
    let ca = Ca::new();
    let listener = TcpListener::bind((HOME, 0)).await.unwrap();
    let url = format!(
        "https://localhost:{}/",
        listener.local_addr().unwrap().port()
    );
    let acceptor = TlsAcceptor::from(Arc::new(ca.good()));
    let server = tokio::spawn(async move {
        let mut tls = acceptor
            .accept(listener.accept().await.unwrap().0)
            .await
            .unwrap();
        read_request(&mut tls).await.unwrap();
        tls.write_all(OK.as_bytes()).await.unwrap();
        read_request(&mut tls).await.unwrap();
        tls.get_ref().0.set_zero_linger().unwrap();
        drop(tls);
        listener
    });
    let sender = sender(&ca);
    assert_eq!(post(&sender, &url).await.outcome, accepted(200));
    kept(&sender, 1).await;
    assert_eq!(
        post(&sender, &url).await.outcome,
        unknown(Unknown::ConnectionLost)
    );
    let listener = server.await.unwrap();
    assert!(
        tokio::time::timeout(Duration::from_millis(1), listener.accept())
            .await
            .is_err(),
        "it was sent again"
    );
}

#[tokio::test]
async fn what_is_no_http_is_a_bad_reply() {
    let headers: String = (0..10_000).map(|n| format!("x-{n}: 1\r\n")).collect();
    let scripts = [
        vec![say("SSH-2.0-OpenSSH_9.6\r\n"), Act::Close],
        vec![say("HTTP/1.1 abc Nonsense\r\n\r\n"), Act::Close],
        vec![
            say(format!(
                "HTTP/1.1 200 OK\r\nx: {}\r\n\r\n",
                "x".repeat(1 << 20)
            )),
            Act::Close,
        ],
        vec![say(format!("HTTP/1.1 200 OK\r\n{headers}\r\n")), Act::Close],
    ];
    for (turn, script) in scripts.into_iter().enumerate() {
        let (reply, _) = outcome(script, 5_000).await;
        assert_eq!(reply.outcome, unknown(Unknown::BadReply), "script {turn}");
    }
}

#[test]
fn the_debug_text_of_a_reply_has_no_body() {
    let reply = Reply {
        outcome: accepted(200),
        retry_after: None,
        body: None,
        rejection: Some(b"planted".to_vec()),
        took: Duration::ZERO,
    };
    let text = format!("{reply:?}");
    assert!(
        text.contains("body_bytes: Some(7)") && !text.contains(&format!("{:?}", b"planted")),
        "{text}"
    );
}

#[test]
fn the_host_header_names_a_port_that_is_not_443_and_the_target_is_path_and_query() {
    for (url, target, host) in [
        ("https://hook.test/", "/", "hook.test"),
        ("https://hook.test:443", "/", "hook.test"),
        (
            "https://Hook.Test:8443/a%20b?c=d",
            "/a%20b?c=d",
            "hook.test:8443",
        ),
        ("https://[::1]:8443//x", "//x", "[::1]:8443"),
        ("https://[::1]/?a=`{|}^'", "/?a=`{|}^%27", "[::1]"),
        ("https://user:planted@hook.test/x", "/x", "hook.test"),
    ] {
        let body = Outgoing::new(Bytes::from_static(b"{}"), &Departure::before(Moment::now()));
        let (_, post) = encoded(&Url::parse(url).unwrap(), Vec::new(), body).unwrap();
        assert_eq!(
            (
                post.uri().to_string().as_str(),
                post.headers()["host"].to_str().unwrap()
            ),
            (target, host)
        );
        assert!(!post.headers().contains_key("authorization"));
    }
}
