//! One connection: an exchange at a time, and what becomes of it afterwards.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::runtime::{self, Handle};
use tokio::sync::oneshot;

use super::departure::Outgoing;

/// How many header fields a reply may have. Their size is bounded by the client's buffer, about 400 KiB.
const HEADER_FIELDS: usize = 1_000;

/// How long a connection that is not wanted any more may take to say goodbye.
const FAREWELL: Duration = Duration::from_secs(1);

/// How much of an unwanted reply body is read, and for how long, so that the connection can be used again.
const DRAIN_BYTES: usize = 64 * 1024;
pub(super) const DRAIN_LIMIT: Duration = Duration::from_millis(200);

pub(super) struct Connection {
    sender: http1::SendRequest<Outgoing>,
    exchanges: u32,
    made: Instant,
    /// Whose task drives it.
    runtime: runtime::Id,
    /// Dropped with the connection, which then closes.
    _open: oneshot::Sender<Infallible>,
}

/// Why there was no reply.
pub(super) enum Broken {
    /// The connection was closed before it took the request, which is here again.
    Before {
        unsent: Box<Request<Outgoing>>,
        error: hyper::Error,
    },
    /// The exchange failed. On the connection's first one the server's part of the TLS handshake may still have been open.
    During { error: hyper::Error, first: bool },
}

impl Connection {
    /// Speaks HTTP/1.1 over a stream: one exchange at a time, so that one that stalls delays no other.
    ///
    /// What only harms the looks of a reply is let pass: an order that was accepted must not be sent again because of it.
    pub(super) async fn over<S>(stream: S) -> Result<Connection, hyper::Error>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let (sender, driver) = http1::Builder::new()
            .max_headers(HEADER_FIELDS)
            .allow_obsolete_multiline_headers_in_responses(true)
            .allow_spaces_after_header_name_in_responses(true)
            .ignore_invalid_headers_in_responses(true)
            .handshake(TokioIo::new(stream))
            .await?;
        let (open, closed) = oneshot::channel();
        tokio::spawn(async move {
            let mut driver = pin!(driver);
            tokio::select! {
                _ = &mut driver => return,
                _ = closed => {}
            }
            // A peer that reads nothing must not keep the descriptor.
            let _ = tokio::time::timeout(FAREWELL, driver).await;
        });
        Ok(Connection {
            sender,
            exchanges: 0,
            made: Instant::now(),
            runtime: Handle::current().id(),
            _open: open,
        })
    }

    /// One exchange, as far as the head of the reply.
    pub(super) async fn post(
        &mut self,
        request: Request<Outgoing>,
    ) -> Result<Response<Incoming>, Broken> {
        let first = self.exchanges == 0;
        // Not asked for its readiness first: that would hide why a connection has been closed already.
        match self.sender.try_send_request(request).await {
            Ok(response) => {
                self.exchanges = self.exchanges.saturating_add(1);
                Ok(response)
            }
            Err(mut failed) => Err(match failed.take_message() {
                Some(request) => Broken::Before {
                    unsent: Box::new(request),
                    error: failed.into_error(),
                },
                None => Broken::During {
                    error: failed.into_error(),
                    first,
                },
            }),
        }
    }

    /// Whether its server has kept it open after a reply before.
    pub(super) fn is_proven(&self) -> bool {
        self.exchanges > 1
    }

    /// How long ago it was made.
    pub(super) fn age(&self) -> Duration {
        self.made.elapsed()
    }

    /// Whether it is driven by the runtime that this is called on. Another one may stand still for as long as it likes.
    pub(super) fn is_driven_here(&self) -> bool {
        self.runtime == Handle::current().id()
    }

    /// Whether the server is known to have closed it.
    pub(super) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// Reads the rest of a reply that is not wanted and comes back when the connection can be used again. What takes
    /// longer, or is longer, is given up with its connection.
    pub(super) async fn recover(mut self, mut body: Incoming) -> Option<Connection> {
        let ready = async {
            let mut left = DRAIN_BYTES;
            while let Some(chunk) = chunk(&mut body).await {
                left = left.checked_sub(chunk.ok()?.len())?;
            }
            self.sender.ready().await.ok()
        };
        tokio::time::timeout(DRAIN_LIMIT, ready).await.ok()??;
        Some(self)
    }
}

/// The body if it comes whole and is no longer than `limit`.
pub(super) async fn read(body: &mut Incoming, limit: usize) -> Option<Vec<u8>> {
    let mut whole = Vec::new();
    while let Some(chunk) = chunk(body).await {
        let chunk = chunk.ok()?;
        if chunk.len() > limit - whole.len() {
            return None;
        }
        whole.extend_from_slice(&chunk);
    }
    Some(whole)
}

/// The first `limit` bytes of a body, as far as it comes. What came is in `start`, also when this is dropped.
pub(super) async fn read_start(body: &mut Incoming, limit: usize, start: &mut Vec<u8>) {
    while start.len() < limit
        && let Some(Ok(chunk)) = chunk(body).await
    {
        let room = limit - start.len();
        start.extend_from_slice(&chunk[..chunk.len().min(room)]);
    }
}

/// The next bytes of a body, trailers passed over.
async fn chunk(body: &mut Incoming) -> Option<Result<Bytes, hyper::Error>> {
    let frame = poll_fn(|context| Pin::new(&mut *body).poll_frame(context)).await?;
    Some(frame.map(|frame| frame.into_data().unwrap_or_default()))
}
