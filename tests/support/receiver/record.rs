//! What receivers have seen.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Instant, SystemTime};

use super::{NOTICED_LATE, most_at_once, path_of};

/// One complete request.
#[derive(Clone, Debug)]
pub struct Received {
    /// When its first byte was read.
    pub began: Instant,
    /// When the head of the final reply was about to leave; none if there is none (yet).
    ///
    /// Taken before the bytes are written, so that nothing a client does because of them is earlier.
    pub answered: Option<Instant>,
    /// When the last of the reply was about to leave, or the connection was gone; none while it is open.
    pub ended: Option<Instant>,
    /// Whether the client went away before it had the whole reply.
    pub abandoned: bool,
    /// The wall clock when the request was complete.
    pub at: SystemTime,
    /// The method.
    pub method: String,
    /// The request target as it was sent.
    pub path_and_query: String,
    /// The headers in their order, with names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body, without the framing.
    pub body: Vec<u8>,
    /// The number of the connection, counted from one for each receiver.
    pub connection: u64,
    /// The port of the receiver that got it.
    pub port: u16,
    pub(super) receiver: u64,
}

impl Received {
    /// The first header of this name, which is in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers_named(name).next()
    }

    /// All headers of this name, which is in lower case.
    pub fn headers_named<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        self.headers
            .iter()
            .filter(move |(have, _)| have == name)
            .map(|(_, value)| value.as_str())
    }

    /// The path without its query.
    pub fn path(&self) -> &str {
        path_of(&self.path_and_query)
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// If it is none.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| {
            panic!(
                "{self}: the body is no JSON: {error}: {}",
                String::from_utf8_lossy(&self.body)
            )
        })
    }

    /// Until when the request counts as open, `None` if it still is; see [`Log::overlaps`].
    pub(super) fn open_until(&self) -> Option<Instant> {
        if self.answered.is_some() {
            return self.answered;
        }
        let ended = self.ended?;
        if !self.abandoned {
            return Some(ended);
        }
        ended.checked_sub(NOTICED_LATE)
    }
}

impl fmt::Display for Received {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {} on port {} ({} bytes)",
            self.method,
            self.path_and_query,
            self.port,
            self.body.len()
        )
    }
}

/// The timeline of one receiver or of several. Clones are the same log.
#[derive(Clone, Debug, Default)]
pub struct Log(Arc<Mutex<Vec<Received>>>);

impl Log {
    /// An empty log.
    pub fn new() -> Self {
        Self::default()
    }

    /// Everything that its receivers got, in the order in which the requests were complete.
    pub fn entries(&self) -> Vec<Received> {
        self.lock().clone()
    }

    /// Whether any two of its requests were open at the same time.
    ///
    /// A request is open from its first byte until the head of its reply leaves: what comes after it is no reason for a client
    /// to wait. One that was given up without a reply is open until its connection is gone, and since a receiver learns of that after
    /// the client has moved on, the last 500 ms of it do not count, nor do the last
    /// 500 ms before the call of one whose connection still stands. A test that looks for overlapping timeouts needs timeouts
    /// of a second or more.
    pub fn overlaps(&self) -> bool {
        most_at_once(&self.lock(), Instant::now().checked_sub(NOTICED_LATE)) > 1
    }

    pub(super) fn of(&self, receiver: u64) -> Vec<Received> {
        self.lock()
            .iter()
            .filter(|received| received.receiver == receiver)
            .cloned()
            .collect()
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Vec<Received>> {
        self.0.lock().expect("nobody panics while holding the log")
    }
}
