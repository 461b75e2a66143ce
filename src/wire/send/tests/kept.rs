//! Connections between exchanges.

use super::support::*;
use crate::wire::send::*;

/// Says 200 to everything.
async fn receiver(ca: &Ca) -> Receiver {
    Receiver::start(ca.good(), vec![say(OK), Act::Again]).await
}

async fn open_connections(sender: &Sender, urls: &[String]) {
    for url in urls {
        assert_eq!(post(sender, url).await.outcome, accepted(200));
    }
}

#[tokio::test]
async fn idle_connections_are_bounded_over_all_hosts_and_the_longest_idle_goes_first() {
    let ca = Ca::new();
    let mut sender = sender(&ca);
    sender.pool = Pool::new(2, pool::LIFE);
    let receivers = [
        receiver(&ca).await,
        receiver(&ca).await,
        receiver(&ca).await,
    ];
    let urls = receivers.each_ref().map(Receiver::url);
    open_connections(&sender, &urls).await;
    kept(&sender, 2).await;
    // The second and the third are kept; the first has to be made again.
    open_connections(&sender, &urls[1..]).await;
    kept(&sender, 2).await;
    open_connections(&sender, &urls[..1]).await;
    assert_eq!(receivers.each_ref().map(Receiver::connections), [2, 1, 1]);
}

#[tokio::test]
async fn a_connection_rests_after_its_first_exchange_and_not_after_the_next_one() {
    let ca = Ca::new();
    let (sender, receiver) = (sender(&ca), receiver(&ca).await);
    let both = [receiver.url(), receiver.url()];
    open_connections(&sender, &both).await;
    assert_eq!(receiver.connections(), 2, "the first one rests");
    kept(&sender, 2).await;
    open_connections(&sender, &both[..1]).await;
    assert_eq!(receiver.connections(), 2);
}

#[tokio::test]
async fn an_idle_connection_is_closed_before_a_server_closes_it() {
    let ca = Ca::new();
    let (sender, receiver) = (sender(&ca), receiver(&ca).await);
    open_connections(&sender, &[receiver.url()]).await;
    kept(&sender, 1).await;
    let since = Instant::now();
    kept(&sender, 0).await;
    let idle = since.elapsed();
    assert!(
        idle > Duration::from_secs(3) && idle < Duration::from_secs(5),
        "{idle:?}"
    );
}

#[tokio::test]
async fn a_busy_connection_is_replaced_when_it_has_served_for_long_enough() {
    let ca = Ca::new();
    let mut sender = sender(&ca);
    sender.pool = Pool::new(8, Duration::from_millis(400));
    let receiver = receiver(&ca).await;
    let url = [receiver.url()];
    open_connections(&sender, &url).await;
    kept(&sender, 1).await;
    let since = Instant::now();
    while receiver.connections() == 1 && since.elapsed() < Duration::from_secs(5) {
        open_connections(&sender, &url).await;
    }
    assert_eq!(receiver.connections(), 2);
    assert!(receiver.requests().len() > 2, "it was used until then");
}

#[tokio::test]
async fn a_connection_that_its_server_has_closed_is_not_used_again() {
    let ca = Ca::new();
    let sender = sender(&ca);
    let receiver = Receiver::start(ca.good(), vec![say(OK), Act::Close]).await;
    let urls = [receiver.url(), receiver.url(), receiver.url()];
    open_connections(&sender, &urls).await;
    assert_eq!((receiver.requests().len(), receiver.connections()), (3, 3));
}

#[tokio::test]
async fn exchanges_that_follow_each_other_at_once_settle_on_a_connection_each() {
    const SIDE_BY_SIDE: usize = 8;
    let ca = Ca::new();
    let (sender, receiver) = (Arc::new(sender(&ca)), receiver(&ca).await);
    let busy = || {
        let (sender, url) = (Arc::clone(&sender), receiver.url());
        async move {
            let mut tasks = tokio::task::JoinSet::new();
            for _ in 0..SIDE_BY_SIDE {
                let (sender, url) = (Arc::clone(&sender), url.clone());
                tasks.spawn(async move {
                    for _ in 0..40 {
                        assert_eq!(post(&sender, &url).await.outcome, accepted(200));
                    }
                });
            }
            tasks.join_all().await;
        }
    };
    busy().await;
    while sender.pool.fit() < SIDE_BY_SIDE {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let settled = receiver.connections();
    busy().await;
    let more = receiver.connections() - settled;
    assert!(
        more <= SIDE_BY_SIDE,
        "{more} more connections for {} exchanges",
        SIDE_BY_SIDE * 40
    );
}

#[tokio::test]
async fn a_connection_on_which_more_may_come_or_nothing_is_not_used_again() {
    let twice = format!("{OK}{OK}");
    for reply in [
        "HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok",
        "HTTP/1.1 204 No Content\r\n\r\nstray bytes",
        "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nok",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
        &twice,
    ] {
        let ca = Ca::new();
        let sender = sender(&ca);
        let receiver = Receiver::start(ca.good(), vec![say(reply), Act::Again]).await;
        for n in 1..=3 {
            assert!(
                !matches!(
                    post(&sender, &receiver.url()).await.outcome,
                    Outcome::Unknown { .. }
                ),
                "{reply}"
            );
            // Longer than a connection rests after its first exchange: were it kept, it would be used.
            tokio::time::sleep(Duration::from_millis(60)).await;
            assert_eq!(
                (receiver.requests().len(), receiver.connections()),
                (n, n),
                "{reply}"
            );
        }
    }
}

#[tokio::test]
async fn a_reply_of_http_1_0_that_keeps_its_connection_open_is_followed_by_another_on_it() {
    let ca = Ca::new();
    let sender = sender(&ca);
    let reply = "HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 2\r\n\r\nok";
    let receiver = Receiver::start(ca.good(), vec![say(reply), Act::Again]).await;
    for _ in 0..3 {
        assert_eq!(post(&sender, &receiver.url()).await.outcome, accepted(200));
        kept(&sender, 1).await;
    }
    assert_eq!((receiver.requests().len(), receiver.connections()), (3, 1));
    assert!(
        receiver
            .requests()
            .iter()
            .all(|request| request.contains("content-length: 7\r\n"))
    );
}

#[test]
fn a_connection_of_a_runtime_that_nobody_drives_is_not_used_by_another() {
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
    };
    let servers = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let ca = Ca::new();
    let receiver = servers.block_on(receiver(&ca));
    let sender = sender(&ca);
    let (first, second) = (runtime(), runtime());
    first.block_on(async {
        open_connections(&sender, &[receiver.url()]).await;
        kept(&sender, 1).await;
    });
    second.block_on(open_connections(&sender, &[receiver.url()]));
    first.block_on(open_connections(&sender, &[receiver.url()]));
    assert_eq!((receiver.requests().len(), receiver.connections()), (3, 2));
}
