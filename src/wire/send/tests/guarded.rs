//! The guard, as the client meets it.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::atomic::Ordering;

use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::support::*;
use crate::wire::send::*;

#[tokio::test]
async fn literals_and_local_names_are_blocked_before_anything_is_opened() {
    let ca = Ca::new();
    let receiver = Receiver::start(ca.good(), vec![say(OK)]).await;
    let sender = Sender::new(SendSettings {
        allowed: Vec::new(),
        ..settings(&ca, 2_000)
    })
    .unwrap();
    let port = receiver.address.port();
    for (host, why) in [
        ("127.0.0.1", Blocked::Literal),
        ("2130706433", Blocked::Literal),
        ("0x7f.1", Blocked::Literal),
        ("[::1]", Blocked::Literal),
        ("[::ffff:127.0.0.1]", Blocked::Literal),
        ("localhost", Blocked::LocalName),
        ("shop.localhost", Blocked::LocalName),
        ("169.254.169.254", Blocked::Metadata),
    ] {
        let url = format!("https://{host}:{port}/");
        assert_eq!(
            sender
                .send(request(&url), || panic!("asked for nothing"), &uncut())
                .await
                .unwrap()
                .outcome,
            blocked(why),
            "{host}"
        );
        assert_eq!(
            sender.check_url(&Url::parse(&url).unwrap()).await,
            Err(blocked(why)),
            "{host}"
        );
    }
    assert_eq!(receiver.connections(), 0);
}

#[tokio::test]
async fn answers_that_may_not_be_dialled_block_the_name() {
    let ca = Ca::new();
    let receiver = Receiver::start(ca.good(), vec![say(OK)]).await;
    let public = IpAddr::V4(Ipv4Addr::new(8, 8, 8, 8));
    let mapped = IpAddr::V6(Ipv4Addr::new(169, 254, 169, 254).to_ipv6_mapped());
    let here = format!("https://hook.test:{}/", receiver.address.port());
    let home_v6 = IpAddr::V6(Ipv6Addr::LOCALHOST);
    let table = [
        (
            "https://hook.test/",
            vec![IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1))],
            Blocked::Address,
        ),
        (
            "https://hook.test/",
            vec![public, home_v6],
            Blocked::Address,
        ),
        (
            "https://hook.test/",
            vec![public, mapped],
            Blocked::Metadata,
        ),
        (&here, vec![HOME, public], Blocked::Port),
        (&here, vec![HOME, home_v6], Blocked::Port),
        ("https://intranet/", vec![HOME, public], Blocked::LocalName),
        ("https://box.internal/", vec![home_v6], Blocked::LocalName),
    ];
    for (url, given, why) in table {
        let (resolver, asked) = answers(vec![given]);
        let sender = Sender::with_resolver(settings(&ca, 2_000), resolver).unwrap();
        assert_eq!(post(&sender, url).await.outcome, blocked(why), "{url}");
        assert_eq!(
            sender.check_url(&Url::parse(url).unwrap()).await,
            Err(blocked(why)),
            "{url}"
        );
        assert_eq!(asked.load(Ordering::SeqCst), 2, "one resolution each");
    }
    assert_eq!(receiver.connections(), 0);
}

#[tokio::test]
async fn a_name_that_rebinds_is_blocked_and_no_socket_is_opened() {
    let ca = Ca::new();
    let rebound = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
    // Nothing is kept, so each POST resolves.
    let script = || {
        vec![
            say("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok"),
            Act::Close,
        ]
    };
    let good = Receiver::start(ca.good(), script()).await;
    let port = good.address.port();
    let inner = Receiver::on(
        TcpListener::bind((rebound, port)).await.unwrap(),
        ca.good(),
        script(),
    );
    let (resolver, asked) = answers(vec![vec![HOME], vec![HOME], vec![rebound]]);
    let sender = Sender::with_resolver(settings(&ca, 2_000), resolver).unwrap();
    let url = format!("https://hook.test:{port}/");
    assert!(sender.check_url(&Url::parse(&url).unwrap()).await.is_ok());
    assert_eq!(
        asked.load(Ordering::SeqCst),
        1,
        "what was checked is what was dialled"
    );
    assert_eq!(post(&sender, &url).await.outcome, accepted(200));
    assert_eq!(
        asked.load(Ordering::SeqCst),
        2,
        "what was checked is what was dialled"
    );
    assert_eq!(post(&sender, &url).await.outcome, blocked(Blocked::Port));
    assert_eq!(asked.load(Ordering::SeqCst), 3);
    assert_eq!((good.requests().len(), inner.connections()), (1, 0));
}

#[tokio::test]
async fn an_allow_listed_machine_is_reached_by_localhost_by_name_and_by_address() {
    let ca = Ca::new();
    let receiver = Receiver::start(ca.good(), vec![say(OK), Act::Again]).await;
    let port = receiver.address.port();
    let (resolver, asked) = answers(vec![vec![HOME]]);
    let sender = Sender::with_resolver(settings(&ca, 2_000), resolver).unwrap();
    for (host, lookups) in [("localhost", 0), ("127.0.0.1", 0), ("hook.test", 1)] {
        assert_eq!(
            post(&sender, &format!("https://{host}:{port}/"))
                .await
                .outcome,
            accepted(200),
            "{host}"
        );
        assert_eq!(asked.load(Ordering::SeqCst), lookups, "{host}");
    }
}

#[tokio::test]
async fn a_dead_address_beside_a_live_one_is_passed_over() {
    let ca = Ca::new();
    let receiver = Receiver::start(ca.good(), vec![say(OK), Act::Again]).await;
    let url = format!("https://hook.test:{}/", receiver.address.port());
    for dead in [
        IpAddr::V6(Ipv6Addr::LOCALHOST),
        IpAddr::V4(Ipv4Addr::new(127, 0, 0, 3)),
    ] {
        let allowed = vec!["127.0.0.0/8".parse().unwrap(), "::1".parse().unwrap()];
        let (resolver, _) = answers(vec![vec![dead, HOME]]);
        let sender = Sender::with_resolver(
            SendSettings {
                allowed,
                ..settings(&ca, 5_000)
            },
            resolver,
        )
        .unwrap();
        assert_eq!(post(&sender, &url).await.outcome, accepted(200), "{dead}");
    }
}

#[tokio::test]
async fn all_addresses_of_a_name_get_their_turn_within_the_connect_limit() {
    let ca = Ca::new();
    let receiver = Receiver::start(ca.good(), vec![say(OK), Act::Again]).await;
    let port = receiver.address.port();
    let dead = [3, 4, 5, 6].map(|last| IpAddr::V4(Ipv4Addr::new(127, 0, 0, last)));
    let mut holes = Vec::new();
    for &address in &dead {
        holes.push(black_hole_at((address, port).into()).await);
    }
    let allowed = vec!["127.0.0.0/8".parse().unwrap()];
    let (resolver, _) = answers(vec![[&dead[..], &[HOME]].concat()]);
    // Connecting may take half of it.
    let settings = SendSettings {
        allowed,
        ..settings(&ca, 1_600)
    };
    let sender = Sender::with_resolver(settings, resolver).unwrap();
    assert_eq!(
        post(&sender, &format!("https://hook.test:{port}/"))
            .await
            .outcome,
        accepted(200)
    );
}

/// How many descriptors of this process wait for a connection to this port.
///
/// The system's table still lists some that have just been given up, so only those count that are open here.
#[cfg(target_os = "linux")]
fn connecting_to(port: u16) -> usize {
    let to = format!(":{port:04X} 02 ");
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let waiting: Vec<_> = table
        .lines()
        .filter(|line| line.contains(&to))
        .filter_map(|line| line.split_whitespace().nth(9))
        .map(|inode| format!("socket:[{inode}]"))
        .collect();
    let open = std::fs::read_dir("/proc/self/fd").unwrap();
    open.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok())
        .filter(|file| {
            waiting
                .iter()
                .any(|socket| file.as_os_str() == socket.as_str())
        })
        .count()
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_name_with_many_dead_addresses_takes_a_few_descriptors_at_a_time() {
    let (hole, _queue) = black_hole_at((Ipv4Addr::UNSPECIFIED, 0).into()).await;
    let many = (1..=60)
        .map(|last| IpAddr::V4(Ipv4Addr::new(127, 0, 1, last)))
        .collect();
    let (resolver, _) = answers(vec![many]);
    let settings = SendSettings {
        allowed: vec!["127.0.0.0/8".parse().unwrap()],
        ..settings(&Ca::new(), 6_000)
    };
    let sender = Sender::with_resolver(settings, resolver).unwrap();
    let url = format!("https://hook.test:{}/", hole.port());
    let mut most = 0;
    let outcome = {
        let mut posting = std::pin::pin!(post(&sender, &url));
        loop {
            match tokio::time::timeout(Duration::from_millis(5), posting.as_mut()).await {
                Ok(reply) => break reply.outcome,
                Err(_) => most = most.max(connecting_to(hole.port())),
            }
        }
    };
    assert_eq!(outcome, not_sent(NotSent::ConnectTimeout));
    assert!((2..=6).contains(&most), "{most}");
}

#[tokio::test]
async fn a_check_shakes_hands_and_sends_nothing() {
    let ca = Ca::new();
    let listener = TcpListener::bind((HOME, 0)).await.unwrap();
    let url = format!(
        "https://localhost:{}/hook",
        listener.local_addr().unwrap().port()
    );
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
    assert!(
        sender(&ca)
            .check_url(&Url::parse(&url).unwrap())
            .await
            .is_ok()
    );
    assert_eq!(server.await.unwrap(), b"");
}

#[tokio::test]
async fn plain_http_is_never_sent() {
    let ca = Ca::new();
    let receiver = Receiver::start(ca.good(), vec![say(OK)]).await;
    let url = receiver.url().replace("https", "http");
    assert!(matches!(
        post(&sender(&ca), &url).await.outcome,
        Outcome::NotSent { .. }
    ));
    assert_eq!(receiver.connections(), 0);
}
