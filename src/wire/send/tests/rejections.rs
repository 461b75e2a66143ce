//! What is read of a reply that is no acceptance.

use super::support::*;
use crate::wire::send::*;

async fn rejection(sender: &Sender, receiver: &Receiver, limit: Option<usize>) -> Reply {
    let wanted = Request {
        rejection_limit: limit,
        ..request(&receiver.url())
    };
    sender.send(wanted, || true, &uncut()).await.unwrap()
}

#[tokio::test]
async fn a_rejection_is_read_as_far_as_it_is_wanted_and_its_connection_is_used_again() {
    let ca = Ca::new();
    let reply = "HTTP/1.1 422 Unprocessable\r\ncontent-length: 11\r\n\r\nno such sku";
    let receiver = Receiver::start(ca.good(), vec![say(reply), Act::Again]).await;
    let sender = sender(&ca);
    for (limit, start) in [
        (None, None),
        (Some(11), Some("no such sku")),
        (Some(100), Some("no such sku")),
        (Some(7), Some("no such")),
    ] {
        let reply = rejection(&sender, &receiver, limit).await;
        assert_eq!((reply.outcome, reply.body), (rejected(422), None));
        assert_eq!(reply.rejection.as_deref(), start.map(str::as_bytes));
        kept(&sender, 1).await;
    }
    assert_eq!(receiver.connections(), 1);
}

#[tokio::test]
async fn what_came_of_a_rejection_is_kept_when_the_rest_does_not_come() {
    for (script, start) in [
        (
            vec![
                say("HTTP/1.1 500 No\r\ncontent-length: 100\r\n\r\nhalf"),
                Act::Stall,
            ],
            "half",
        ),
        (
            vec![
                say("HTTP/1.1 500 No\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\nx"),
                Act::Close,
            ],
            "half",
        ),
        (
            vec![
                say("HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n"),
                Act::Stall,
            ],
            "",
        ),
    ] {
        let ca = Ca::new();
        let receiver = Receiver::start(ca.good(), script).await;
        let sender = Sender::new(settings(&ca, 900)).unwrap();
        let started = Instant::now();
        let reply = rejection(&sender, &receiver, Some(50)).await;
        assert_eq!(reply.outcome, rejected(500));
        assert_eq!(reply.rejection.as_deref(), Some(start.as_bytes()));
        assert!(
            started.elapsed() < READ_LIMIT,
            "the limit of the POST counts"
        );
    }
}

#[tokio::test]
async fn a_rejection_without_an_end_is_read_no_further_than_it_is_wanted() {
    let ca = Ca::new();
    let head = "HTTP/1.1 500 No\r\ntransfer-encoding: chunked\r\n\r\n";
    let chunk = format!("12c\r\n{}\r\n", "x".repeat(0x12c));
    let script = vec![say(head), Act::SayForEver(chunk)];
    let receiver = Receiver::start(ca.good(), script).await;
    let reply = rejection(&sender(&ca), &receiver, Some(10_000)).await;
    assert_eq!(reply.rejection.map(|start| start.len()), Some(10_000));
}

#[tokio::test]
async fn a_post_that_is_cut_while_its_rejection_is_read_is_rejected_with_what_came() {
    let ca = Ca::new();
    let head = "HTTP/1.1 500 No\r\ncontent-length: 100\r\n\r\nhalf";
    let receiver = Receiver::start(ca.good(), vec![say(head), Act::Stall]).await;
    let sender = sender(&ca);
    let cut = CancellationToken::new();
    let wanted = Request {
        rejection_limit: Some(100),
        ..request(&receiver.url())
    };
    let cutting = async {
        tokio::time::sleep(READ_LIMIT / 4).await;
        cut.cancel();
    };
    let started = Instant::now();
    let (reply, ()) = tokio::join!(sender.send(wanted, || true, &cut), cutting);
    let reply = reply.unwrap();
    assert_eq!(reply.outcome, rejected(500));
    assert_eq!(reply.rejection.as_deref(), Some(&b"half"[..]));
    assert!(started.elapsed() < READ_LIMIT, "{:?}", started.elapsed());
}
