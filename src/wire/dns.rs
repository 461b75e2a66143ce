//! Name resolution by the system's own resolver, on threads that nobody has to wait for.
//!
//! `getaddrinfo` blocks, for half a minute if it likes, and cannot be called off. On the runtime's blocking pool a hanging
//! lookup would keep the process from ending, so each lookup has a detached thread. Their number is bounded, and all who
//! ask for the same name at the same time share one: a supplier whose name servers are dead holds one thread, not all.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, ToSocketAddrs};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::thread;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

/// How many lookups may run at a time in this process.
const THREADS: usize = 64;

static SYSTEM: LazyLock<Lookups> = LazyLock::new(|| {
    Lookups::new(THREADS, |name| Ok((name, 0).to_socket_addrs()?.map(|address| address.ip()).collect()))
});

/// A name has no address: unknown, no answer from the name servers, or an empty answer. The system does not tell these
/// apart reliably, so neither do we.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the name could not be resolved")]
pub(crate) struct NoAddress;

/// All addresses of a name, at least one. Dropping the future stops the waiting, not the thread.
pub(crate) async fn lookup(name: &str) -> Result<Vec<IpAddr>, NoAddress> {
    SYSTEM.lookup(name).await
}

type Answer = Result<Vec<IpAddr>, NoAddress>;
/// `None` until the thread has its answer.
type Answering = watch::Receiver<Option<Answer>>;
type Running = Mutex<HashMap<String, Answering>>;

struct Lookups {
    slots: Arc<Semaphore>,
    running: Arc<Running>,
    resolve: fn(&str) -> io::Result<Vec<IpAddr>>,
}

impl Lookups {
    fn new(threads: usize, resolve: fn(&str) -> io::Result<Vec<IpAddr>>) -> Lookups {
        Lookups { slots: Arc::new(Semaphore::new(threads)), running: Arc::default(), resolve }
    }

    async fn lookup(&self, name: &str) -> Answer {
        let joined = with(&self.running, |running| running.get(name).cloned());
        let mut answering = match joined {
            Some(answering) => answering,
            None => {
                let slot = Arc::clone(&self.slots).acquire_owned().await.map_err(|_| NoAddress)?;
                self.start(name, slot)?
            }
        };
        // An error here is a thread that ended without an answer.
        let answer = answering.wait_for(Option::is_some).await.map_err(|_| NoAddress)?;
        answer.clone().unwrap_or(Err(NoAddress))
    }

    fn start(&self, name: &str, slot: OwnedSemaphorePermit) -> Result<Answering, NoAddress> {
        let (answer, answering) = watch::channel(None);
        // Somebody may have started the same lookup while we waited for the slot.
        let joined = with(&self.running, |running| {
            if let Some(first) = running.get(name) {
                return Some(first.clone());
            }
            running.insert(name.to_owned(), answering.clone());
            None
        });
        if let Some(first) = joined {
            return Ok(first);
        }
        let entry = Entry { running: Arc::clone(&self.running), name: name.to_owned(), _slot: slot };
        let resolve = self.resolve;
        let work = move || {
            let found = resolve(&entry.name).ok().filter(|addresses| !addresses.is_empty());
            answer.send_replace(Some(found.ok_or(NoAddress)));
            drop(entry);
        };
        thread::Builder::new().name("orderhook-dns".to_owned()).spawn(work).map_err(|_| NoAddress)?;
        Ok(answering)
    }
}

/// A running lookup. Leaves the list and frees its slot when the thread really ends, however it ends.
struct Entry {
    running: Arc<Running>,
    name: String,
    _slot: OwnedSemaphorePermit,
}

impl Drop for Entry {
    fn drop(&mut self) {
        with(&self.running, |running| running.remove(&self.name));
    }
}

/// The map is whole between any two statements that change it, so a poisoned lock means nothing.
fn with<T>(running: &Running, act: impl FnOnce(&mut HashMap<String, Answering>) -> T) -> T {
    act(&mut running.lock().unwrap_or_else(PoisonError::into_inner))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::{Duration, Instant};

    const HOME: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn never(_: &str) -> io::Result<Vec<IpAddr>> {
        loop {
            thread::park();
        }
    }

    #[tokio::test]
    async fn the_system_resolves_a_name_of_the_hosts_file() {
        assert!(lookup("localhost").await.unwrap().iter().all(IpAddr::is_loopback));
    }

    #[tokio::test]
    async fn a_name_that_cannot_exist_has_no_address() {
        assert_eq!(lookup("host name with spaces.invalid").await, Err(NoAddress));
    }

    #[tokio::test]
    async fn an_empty_answer_is_a_failure() {
        assert_eq!(Lookups::new(1, |_| Ok(Vec::new())).lookup("empty.test").await, Err(NoAddress));
    }

    #[tokio::test]
    async fn a_panicking_resolver_is_a_failure_and_frees_its_slot() {
        let lookups = Lookups::new(1, |name| if name == "bad.test" { panic!("planted") } else { Ok(vec![HOME]) });
        assert_eq!(lookups.lookup("bad.test").await, Err(NoAddress));
        assert_eq!(lookups.lookup("good.test").await, Ok(vec![HOME]));
    }

    #[tokio::test]
    async fn who_asks_for_the_same_name_shares_one_thread() {
        let lookups = Lookups::new(2, |name| if name == "dead.test" { never(name) } else { Ok(vec![HOME]) });
        for _ in 0..10 {
            let waited = tokio::time::timeout(Duration::from_millis(5), lookups.lookup("dead.test")).await;
            assert!(waited.is_err());
        }
        assert_eq!(lookups.lookup("live.test").await, Ok(vec![HOME]), "the dead name holds one of two slots");
    }

    #[tokio::test]
    async fn no_more_threads_run_than_there_are_slots() {
        static NOW: AtomicUsize = AtomicUsize::new(0);
        static MOST: AtomicUsize = AtomicUsize::new(0);
        let lookups = Arc::new(Lookups::new(3, |_| {
            MOST.fetch_max(NOW.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            thread::yield_now();
            NOW.fetch_sub(1, Ordering::SeqCst);
            Ok(vec![HOME])
        }));
        let asking: Vec<_> = (0..50)
            .map(|n| {
                let lookups = Arc::clone(&lookups);
                tokio::spawn(async move { lookups.lookup(&format!("n{n}.test")).await })
            })
            .collect();
        for one in asking {
            assert_eq!(one.await.unwrap(), Ok(vec![HOME]));
        }
        assert!(MOST.load(Ordering::SeqCst) <= 3);
    }

    #[test]
    fn a_runtime_ends_while_a_lookup_hangs() {
        let started = Instant::now();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let lookups = Lookups::new(1, never);
        let waited = runtime
            .block_on(async { tokio::time::timeout(Duration::from_millis(20), lookups.lookup("dead.test")).await });
        assert!(waited.is_err());
        drop(runtime);
        assert!(started.elapsed() < Duration::from_secs(5));
    }
}
