//! Connections that wait for the next exchange: few per host, bounded over all hosts, and not for long.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;

use crate::value::hashed::{FastMap, FastSet};

use super::connection::Connection;

/// Below the five seconds after which common servers close an idle connection: reusing one that is being closed costs an
/// `Unknown`.
const IDLE_LIMIT: Duration = Duration::from_secs(4);
/// How long a connection is used, however busy it is: a name that leads elsewhere now, a certificate of the server that has
/// ended, or a client certificate that was replaced are noticed within this time.
pub(super) const LIFE: Duration = Duration::from_secs(60);
/// What finishes together is kept for the next burst, also where several suppliers share a host. The bound over all hosts
/// is what protects the descriptors.
const IDLE_PER_HOST: usize = 64;
/// How long a connection rests after its first exchange, unless its server is known to keep connections open. A server that
/// closes them after each reply without announcing it does so now, before another request is lost on it.
const REST: Duration = Duration::from_millis(50);
/// Of how many servers it is known that they keep connections open.
const KNOWN: usize = 4_096;
/// How often the log says that the bound over all hosts was reached.
const SAID_EVERY: Duration = Duration::from_secs(60);

/// Host and port.
pub(super) type Host = (Arc<str>, u16);

pub(super) struct Pool {
    /// How many connections there may be without an exchange under way, over all hosts.
    bound: usize,
    life: Duration,
    shelf: Mutex<Shelf>,
}

#[derive(Default)]
struct Shelf {
    /// The longest idle first.
    by_age: BTreeMap<u64, Host>,
    by_host: FastMap<Host, Vec<Idle>>,
    /// Servers on whose connections a second exchange went well.
    keep_open: FastSet<Host>,
    /// How many are on their way back: the rest of a reply is still being read.
    recovering: usize,
    next: u64,
    closing: Option<JoinHandle<()>>,
    said: Option<Instant>,
}

struct Idle {
    number: u64,
    since: Instant,
    connection: Connection,
}

impl Idle {
    fn is_fit(&self, rest: Duration) -> bool {
        (rest..IDLE_LIMIT).contains(&self.since.elapsed()) && !self.connection.is_closed()
    }
}

/// Room for one connection that comes back.
pub(super) struct Place(Arc<Pool>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.shelf().recovering -= 1;
    }
}

impl Pool {
    pub(super) fn new(bound: usize, life: Duration) -> Arc<Pool> {
        Arc::new(Pool {
            bound,
            life,
            shelf: Mutex::default(),
        })
    }

    /// The connection to the host that was used last, of those that may be used and that the server has not closed.
    pub(super) fn take(&self, host: &Host) -> Option<Connection> {
        let mut shelf = self.shelf();
        let rest = shelf.rest(host);
        let may_be_used = |idle: &&Idle| {
            idle.is_fit(rest)
                && idle.connection.age() < self.life
                && idle.connection.is_driven_here()
        };
        let fit = shelf
            .by_host
            .get(host)?
            .iter()
            .rev()
            .find(may_be_used)?
            .number;
        shelf.remove(fit).map(|idle| idle.connection)
    }

    /// A kept connection was lost with a request on it: whether its server keeps connections open is not known any more.
    pub(super) fn doubt(&self, host: &Host) {
        self.shelf().keep_open.remove(host);
    }

    /// Room for a connection of which the exchange is over. Where there is none the longest idle one is closed.
    pub(super) fn place(self: &Arc<Self>) -> Option<Place> {
        let mut shelf = self.shelf();
        while shelf.by_age.len() + shelf.recovering >= self.bound {
            shelf.say_full(self.bound);
            let (&oldest, _) = shelf.by_age.first_key_value()?;
            shelf.remove(oldest);
        }
        shelf.recovering += 1;
        Some(Place(Arc::clone(self)))
    }

    /// Closes them all: their descriptors are needed elsewhere.
    pub(super) fn clear(&self) {
        let mut shelf = self.shelf();
        shelf.by_age.clear();
        shelf.by_host.clear();
    }

    /// How many are kept and may be used.
    #[cfg(test)]
    pub(super) fn fit(&self) -> usize {
        let shelf = self.shelf();
        let fit = |(host, idle): (&Host, &Vec<Idle>)| {
            let rest = shelf.rest(host);
            idle.iter().filter(|idle| idle.is_fit(rest)).count()
        };
        shelf.by_host.iter().map(fit).sum()
    }

    /// Closes what has been idle for too long; when the next one will have been.
    fn close_old(&self) -> Option<Instant> {
        let mut shelf = self.shelf();
        loop {
            let Some((&oldest, host)) = shelf.by_age.first_key_value() else {
                // Under the lock: what is kept from now on starts the task anew.
                shelf.closing = None;
                return None;
            };
            let since = shelf
                .by_host
                .get(host)?
                .iter()
                .find(|idle| idle.number == oldest)?
                .since;
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

impl Place {
    /// Keeps the connection for a while. A host that has enough of them keeps those that rest, so that they get to be used.
    pub(super) fn keep(self, host: Host, connection: Connection) {
        let mut shelf = self.0.shelf();
        if connection.is_proven() {
            shelf.note_that_it_keeps_open(&host);
        }
        if connection.age() >= self.0.life {
            return;
        }
        if let Some(of_host) = shelf
            .by_host
            .get(&host)
            .filter(|of_host| of_host.len() >= IDLE_PER_HOST)
        {
            if !shelf.keep_open.contains(&host) {
                return;
            }
            let oldest = of_host[0].number;
            shelf.remove(oldest);
        }
        let number = shelf.next;
        shelf.next += 1;
        shelf.by_age.insert(number, host.clone());
        shelf.by_host.entry(host).or_default().push(Idle {
            number,
            since: Instant::now(),
            connection,
        });
        // Its runtime may have ended since.
        if shelf.closing.as_ref().is_none_or(JoinHandle::is_finished) {
            shelf.closing = Some(tokio::spawn(close_in_time(Arc::downgrade(&self.0))));
        }
    }
}

impl Shelf {
    fn remove(&mut self, number: u64) -> Option<Idle> {
        let host = self.by_age.remove(&number)?;
        let of_host = self.by_host.get_mut(&host)?;
        let found = of_host
            .iter()
            .position(|idle| idle.number == number)
            .map(|position| of_host.remove(position));
        if of_host.is_empty() {
            self.by_host.remove(&host);
        }
        found
    }

    fn rest(&self, host: &Host) -> Duration {
        if self.keep_open.contains(host) {
            Duration::ZERO
        } else {
            REST
        }
    }

    fn note_that_it_keeps_open(&mut self, host: &Host) {
        if self.keep_open.len() >= KNOWN {
            self.keep_open.clear();
        }
        if !self.keep_open.contains(host) {
            self.keep_open.insert(host.clone());
        }
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
        let Some(next) = pool.upgrade().and_then(|pool| pool.close_old()) else {
            return;
        };
        tokio::time::sleep_until(next.into()).await;
    }
}
