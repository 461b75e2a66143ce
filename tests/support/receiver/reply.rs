//! What a receiver is, and what it does with a request.

use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use tokio::sync::watch;

use super::super::ca::{Ca, LOOPBACK_NAMES};

use super::Received;

/// What a receiver is to whoever connects.
#[derive(Clone, Debug)]
pub enum Mode {
    /// An HTTPS server. [`Ca`] has the configurations, good and bad.
    Tls(Arc<ServerConfig>),
    /// Plain HTTP on the port; records and answers like the real one, and answers 400 to a TLS handshake.
    PlainHttp,
    /// Accepts TCP connections and never says a word.
    AcceptAndStall,
    /// Accepts, says these bytes at once, in plain text, and nothing else: an SSH banner, a TLS alert.
    Greet(Vec<u8>),
    /// Accepts and resets the connection.
    ResetOnAccept,
}

impl Mode {
    /// What a server answers that speaks nothing newer than TLS 1.1: a fatal `protocol_version` alert.
    pub fn old_tls() -> Self {
        Self::Greet(vec![0x15, 0x03, 0x02, 0x00, 0x02, 0x02, 0x46])
    }

    pub(super) fn tls(ca: &Ca) -> Self {
        Self::Tls(ca.server_config(LOOPBACK_NAMES))
    }
}

/// What a receiver does with a complete request.
#[derive(Clone, Debug)]
pub enum Reply {
    /// This status and an empty body.
    Status(u16),
    /// A whole reply. `content-length` is added unless a header frames the body; `connection: close` is obeyed.
    Full {
        /// The status.
        status: u16,
        /// The headers, repeated ones as well, in this order.
        headers: Vec<(String, String)>,
        /// The body.
        body: Vec<u8>,
    },
    /// This status with a body made of the request.
    Echo {
        /// The status.
        status: u16,
        /// What is said of the request.
        says: fn(&Received) -> String,
    },
    /// These bytes as they are; then the connection is closed.
    Raw(Vec<u8>),
    /// These bytes as they are; then the connection is reset.
    RawThenReset(Vec<u8>),
    /// These bytes one at a time, with a pause before each; then the connection is closed.
    Drip {
        /// What is written.
        bytes: Vec<u8>,
        /// The pause.
        every: Duration,
    },
    /// 200 that announces 100 bytes, sends ten and closes.
    BrokenBody,
    /// 200 whose second chunk has no size; then the connection is closed.
    BadChunk,
    /// The head of a 200 with a body, and then nothing until the client goes away.
    StallAfterHead,
    /// 200 with a chunked body that ends only when the client goes away.
    Endless,
    /// 103 after 103, as fast as they are read, until the client goes away.
    EndlessInterim,
    /// No answer until the client goes away.
    Hang,
    /// No answer: the connection is reset.
    CloseAfterRequest,
    /// `100 Continue` and `103 Early Hints`, then the reply.
    Continue103(Box<Reply>),
    /// The reply after a while.
    Delayed(Duration, Box<Reply>),
    /// The reply when the gate is open.
    Gated(Gate, Box<Reply>),
}

impl Reply {
    /// 200 with an empty body.
    pub fn ok() -> Self {
        Self::Status(200)
    }

    /// 200 with a JSON body.
    pub fn ok_json(json: &str) -> Self {
        Self::Full {
            status: 200,
            headers: vec![("content-type".to_owned(), "application/json".to_owned())],
            body: json.as_bytes().to_vec(),
        }
    }

    /// A redirection with an empty body.
    pub fn redirect(status: u16, location: &str) -> Self {
        Self::with_header(status, "location", location)
    }

    /// A status with `retry-after` and an empty body.
    pub fn retry_after(status: u16, value: &str) -> Self {
        Self::with_header(status, "retry-after", value)
    }

    /// A status with one header and an empty body.
    pub fn with_header(status: u16, name: &str, value: &str) -> Self {
        Self::Full {
            status,
            headers: vec![(name.to_owned(), value.to_owned())],
            body: Vec::new(),
        }
    }

    /// This reply after a while.
    pub fn delayed(self, pause: Duration) -> Self {
        Self::Delayed(pause, Box::new(self))
    }

    /// This reply when the gate is open.
    pub fn gated(self, gate: &Gate) -> Self {
        Self::Gated(gate.clone(), Box::new(self))
    }
}

/// Holds replies back until a test opens it. Clones are the same gate; once open it stays open.
#[derive(Clone, Debug)]
pub struct Gate(Arc<watch::Sender<bool>>);

impl Gate {
    /// A closed gate.
    pub fn new() -> Self {
        Self(Arc::new(watch::Sender::new(false)))
    }

    /// Lets everybody through, those who wait and those who come later.
    pub fn open(&self) {
        self.0.send_replace(true);
    }

    /// Waits until it is open.
    pub async fn opened(&self) {
        let mut state = self.0.subscribe();
        let _ = state.wait_for(|open| *open).await;
    }
}

impl Default for Gate {
    fn default() -> Self {
        Self::new()
    }
}
