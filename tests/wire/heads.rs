//! A 2xx status line is an acceptance, whatever its head looks like, within bounds.

use super::support::{Receiver, Reply};
use super::world::{World, outcomes, tell};

fn fields(number: usize) -> String {
    (0..number).map(|n| format!("x-{n}: 1\r\n")).collect()
}

/// What is stored of an order that is answered with this head.
async fn told(head: &str) -> Vec<String> {
    let world = World::new();
    let receiver = Receiver::start(&world.ca).await;
    receiver.answer(Reply::Raw(head.as_bytes().to_vec()));
    world.put("a", &receiver.url("/in"));
    let notification = tell(&world.dispatcher(), "a", "A-1").await;
    assert_eq!(receiver.count(), 1);
    outcomes(&notification)
}

#[tokio::test]
async fn an_imperfect_head_of_a_2xx_is_an_acceptance() {
    for head in [
        "HTTP/1.1 200 OK\r\nx-folded: one\r\n two\r\ncontent-length: 0\r\n\r\n".to_owned(),
        "HTTP/1.1 200 OK\r\nx-spaced : one\r\ncontent-length: 0\r\n\r\n".to_owned(),
        "HTTP/1.1 200 OK\r\nno field at all\r\ncontent-length: 0\r\n\r\n".to_owned(),
        "HTTP/1.1 200 OK\r\nx-\u{fc}: one\r\ncontent-length: 0\r\n\r\n".to_owned(),
        "HTTP/1.1 200\r\ncontent-length: 0\r\n\r\n".to_owned(),
        "HTTP/1.0 200 OK\r\n\r\n".to_owned(),
        format!(
            "HTTP/1.1 200 OK\r\n{}content-length: 0\r\n\r\n",
            fields(101)
        ),
        format!(
            "HTTP/1.1 200 OK\r\n{}content-length: 0\r\n\r\n",
            fields(999)
        ),
        format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "x".repeat(300_000)),
    ] {
        assert_eq!(
            told(&head).await,
            ["accepted (200)"],
            "{}",
            &head[..head.len().min(80)]
        );
    }
}

#[tokio::test]
async fn a_head_beyond_the_bounds_is_unknown() {
    for head in [
        format!(
            "HTTP/1.1 200 OK\r\n{}content-length: 0\r\n\r\n",
            fields(1_001)
        ),
        format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "x".repeat(1 << 20)),
    ] {
        assert_eq!(
            told(&head).await,
            ["unknown: the reply was not usable HTTP"],
            "{}",
            &head[..80]
        );
    }
}
