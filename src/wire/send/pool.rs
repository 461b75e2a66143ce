//! Connections that wait for the next exchange: few per host, bounded over all hosts, and not for long.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;

use super::connection::Connection;

/// Below the five seconds after which common servers close an idle connection: reusing one that is being closed costs an
/// `Unknown`.
const IDLE_LIMIT: Duration = Duration::from_secs(4);
/// Twice of what a supplier gets at once by default.
const IDLE_PER_HOST: usize = 16;
/// How often the log says that the bound over all hosts was reached.
const SAID_EVERY: Duration = Duration::from_secs(60);

/// Host and port.
pub(super) type Host = (String, u16);

pub(super) struct Pool {
    /// How many connections are kept over all hosts.
    bound: usize,
    shelf: Mutex<Shelf>,
}

#[derive(Default)]
struct Shelf {
    /// The longest idle first.
    by_age: BTreeMap<u64, Host>,
    by_host: HashMap<Host, Vec<Idle>>,
    next: u64,
    closing: Option<JoinHandle<()>>,
    said: Option<Instant>,
}

struct Idle {
    number: u64,
    since: Instant,
    connection: Connection,
}

impl Pool {
    pub(super) fn new(bound: usize) -> Arc<Pool> {
        Arc::new(Pool { bound, shelf: Mutex::default() })
    }

    /// The connection to the host that was used last, unless its server has closed it.
    pub(super) fn take(&self, host: &Host) -> Option<Connection> {
        let mut shelf = self.shelf();
        loop {
            let number = shelf.by_host.get(host)?.last()?.number;
            let idle = shelf.remove(number)?;
            if !idle.connection.is_closed() && idle.since.elapsed() < IDLE_LIMIT {
                return Some(idle.connection);
            }
        }
    }

    /// Keeps a connection for a while. Where there are too many the longest idle one is closed.
    pub(super) fn keep(self: &Arc<Self>, host: Host, connection: Connection) {
        let mut shelf = self.shelf();
        let number = shelf.next;
        shelf.next += 1;
        let of_host = shelf.by_host.entry(host.clone()).or_default();
        of_host.push(Idle { number, since: Instant::now(), connection });
        let too_many = (of_host.len() > IDLE_PER_HOST).then(|| of_host[0].number);
        shelf.by_age.insert(number, host);
        if let Some(oldest) = too_many {
            shelf.remove(oldest);
        }
        while shelf.by_age.len() > self.bound {
            shelf.say_full(self.bound);
            let Some((&oldest, _)) = shelf.by_age.first_key_value() else { break };
            shelf.remove(oldest);
        }
        // Its runtime may have ended since.
        if shelf.closing.as_ref().is_none_or(JoinHandle::is_finished) {
            shelf.closing = Some(tokio::spawn(close_in_time(Arc::downgrade(self))));
        }
    }

    /// Closes them all: their descriptors are needed elsewhere.
    pub(super) fn clear(&self) {
        let mut shelf = self.shelf();
        shelf.by_age.clear();
        shelf.by_host.clear();
    }

    /// How many are kept.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.shelf().by_age.len()
    }

    /// Closes what has been idle for too long; when the next one will have been.
    fn close_old(&self) -> Option<Instant> {
        let mut shelf = self.shelf();
        loop {
            let (&oldest, host) = shelf.by_age.first_key_value()?;
            let since = shelf.by_host.get(host)?.iter().find(|idle| idle.number == oldest)?.since;
            if since.elapsed() < IDLE_LIMIT {
                return Some(since + IDLE_LIMIT);
            }
            shelf.remove(oldest);
        }
    }

    /// The two maps agree between any two calls, so a poisoned lock means nothing.
    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shelf {
    fn remove(&mut self, number: u64) -> Option<Idle> {
        let host = self.by_age.remove(&number)?;
        let of_host = self.by_host.get_mut(&host)?;
        let found = of_host.iter().position(|idle| idle.number == number).map(|position| of_host.remove(position));
        if of_host.is_empty() {
            self.by_host.remove(&host);
        }
        found
    }

    fn say_full(&mut self, bound: usize) {
        if self.said.is_none_or(|said| said.elapsed() >= SAID_EVERY) {
            self.said = Some(Instant::now());
            tracing::warn!(
                bound,
                "idle connections have reached a quarter of the file descriptors that this process may open; the longest \
                 idle are closed: raise the limit of open files"
            );
        }
    }
}

/// Ends when nothing is kept, or the pool is gone.
async fn close_in_time(pool: std::sync::Weak<Pool>) {
    loop {
        let Some(next) = pool.upgrade().and_then(|pool| pool.close_old()) else { return };
        tokio::time::sleep_until(next.into()).await;
    }
}
