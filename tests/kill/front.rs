//! What stands between a sender and a receiver: it lets so many bytes through, and then holds the rest back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use crate::support::Gate;

/// A sender that is held up.
pub(crate) struct Hold {
    /// It is there.
    pub(crate) reached: Notify,
    /// Lets it go on.
    pub(crate) gate: Gate,
}

impl Hold {
    pub(crate) fn new() -> Arc<Hold> {
        Arc::new(Hold {
            reached: Notify::new(),
            gate: Gate::new(),
        })
    }
}

pub(crate) struct Front {
    port: u16,
    cut: Arc<Notify>,
    task: JoinHandle<()>,
}

impl Front {
    /// Stands before a receiver's port. The first connection is held up after `limit` bytes of the sender's; those
    /// after it are not.
    pub(crate) async fn before(receiver: u16, limit: u64, hold: &Arc<Hold>) -> Front {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (cut, hold) = (Arc::new(Notify::new()), Arc::clone(hold));
        let cut_of_task = Arc::clone(&cut);
        let armed = AtomicBool::new(true);
        let task = tokio::spawn(async move {
            loop {
                let Ok((sender, _)) = listener.accept().await else {
                    return;
                };
                let limit = armed.swap(false, Ordering::SeqCst).then_some(limit);
                tokio::spawn(carry(
                    sender,
                    receiver,
                    limit,
                    Arc::clone(&hold),
                    Arc::clone(&cut_of_task),
                ));
            }
        });
        Front { port, cut, task }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.port)
    }

    /// The sender is gone: what was held back never comes.
    pub(crate) fn cut(&self) {
        self.cut.notify_one();
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn carry(
    sender: TcpStream,
    receiver: u16,
    limit: Option<u64>,
    hold: Arc<Hold>,
    cut: Arc<Notify>,
) {
    let receiver = TcpStream::connect(("127.0.0.1", receiver)).await.unwrap();
    let (mut from_sender, mut to_sender) = sender.into_split();
    let (mut from_receiver, mut to_receiver) = receiver.into_split();
    let back = tokio::spawn(async move {
        let _ = tokio::io::copy(&mut from_receiver, &mut to_sender).await;
    });
    if let Some(limit) = limit {
        forward(&mut (&mut from_sender).take(limit), &mut to_receiver).await;
        hold.reached.notify_one();
        tokio::select! {
            () = hold.gate.opened() => {}
            () = cut.notified() => {
                // Both directions, so that the receiver sees the end at once.
                back.abort();
                let _ = to_receiver.shutdown().await;
                return;
            }
        }
    }
    forward(&mut from_sender, &mut to_receiver).await;
    let _ = to_receiver.shutdown().await;
}

async fn forward(from: &mut (impl AsyncRead + Unpin), to: &mut tokio::net::tcp::OwnedWriteHalf) {
    let _ = tokio::io::copy(from, to).await;
}
