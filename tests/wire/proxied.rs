//! A line that is slow, stalls or is cut, by a proxy of the test's own between sender and receiver.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::support::Receiver;
use super::world::{World, outcomes, tell};

/// What the line does with what the sender says.
#[derive(Clone, Copy)]
enum Line {
    /// Passes on so many bytes at a time, with a pause before each.
    Slow(usize, Duration),
    /// Passes on so many bytes and then nothing.
    StallsAfter(usize),
    /// Passes on so many bytes and resets both ends.
    CutAfter(usize),
}

/// A line to a port; how many bytes went over it.
async fn line(to: u16, line: Line) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let passed = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&passed);
    tokio::spawn(async move {
        while let Ok((sender, _)) = listener.accept().await {
            let receiver = TcpStream::connect(("127.0.0.1", to)).await.unwrap();
            tokio::spawn(carry(sender, receiver, line, Arc::clone(&count)));
        }
    });
    (port, passed)
}

async fn carry(sender: TcpStream, receiver: TcpStream, line: Line, passed: Arc<AtomicUsize>) {
    let (mut said, mut heard) = sender.into_split();
    let (mut replied, mut arrives) = receiver.into_split();
    let back = tokio::spawn(async move { tokio::io::copy(&mut replied, &mut heard).await });
    let mut buffer = [0; 16 * 1024];
    loop {
        let (most, limit) = match line {
            Line::Slow(bytes, pause) => {
                tokio::time::sleep(pause).await;
                (bytes, usize::MAX)
            }
            Line::StallsAfter(limit) | Line::CutAfter(limit) => (buffer.len(), limit),
        };
        let left = limit - passed.load(Ordering::SeqCst);
        if left == 0 {
            break;
        }
        let most = most.min(left);
        let Ok(number @ 1..) = said.read(&mut buffer[..most]).await else {
            return;
        };
        passed.fetch_add(number, Ordering::SeqCst);
        if arrives.write_all(&buffer[..number]).await.is_err() {
            return;
        }
    }
    if matches!(line, Line::CutAfter(_)) {
        back.abort();
        let _ = back.await;
        said.as_ref().set_zero_linger().unwrap();
        return;
    }
    std::future::pending().await
}

/// What comes of an order over such a line, and how many bytes went over it.
async fn told(over: Line) -> (String, usize, usize) {
    let world = World::new();
    let receiver = Receiver::start(&world.ca).await;
    let (port, passed) = line(receiver.port(), over).await;
    world.put("a", &format!("https://localhost:{port}/in"));
    let dispatcher = world.builder(Duration::from_secs(3)).build().unwrap();
    let notification = tell(&dispatcher, "a", "A-1").await;
    assert_eq!(notification.attempts.len(), 1);
    (
        outcomes(&notification)[0].clone(),
        receiver.count(),
        passed.load(Ordering::SeqCst),
    )
}

#[tokio::test]
async fn a_slow_line_is_waited_for() {
    let (outcome, arrived, _) = told(Line::Slow(100, Duration::from_millis(20))).await;
    assert_eq!((outcome.as_str(), arrived), ("accepted (200)", 1));
}

#[tokio::test]
async fn a_line_that_breaks_in_the_handshake_has_sent_nothing_and_one_that_breaks_in_the_request_may_have()
 {
    let (_, _, whole) = told(Line::Slow(16 * 1024, Duration::ZERO)).await;
    let in_the_handshake = 100;
    let in_the_request = whole - 50;
    for (line, class) in [
        (Line::StallsAfter(in_the_handshake), "not sent: "),
        (Line::CutAfter(in_the_handshake), "not sent: "),
        (Line::StallsAfter(in_the_request), "unknown: "),
        (Line::CutAfter(in_the_request), "unknown: "),
    ] {
        let (outcome, arrived, _) = told(line).await;
        assert!(outcome.starts_with(class), "{outcome}");
        assert_eq!(arrived, 0);
    }
}
