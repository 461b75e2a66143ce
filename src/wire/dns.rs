//! Name resolution by the system's own resolver, on threads that no delivery has to wait for.
//!
//! `getaddrinfo` blocks, for half a minute if it likes, and cannot be called off. On the runtime's blocking pool a hanging
//! lookup would keep the process from ending, so each lookup has a detached thread. Their number is bounded, and all who
//! ask for the same name at the same time share one: a supplier whose name servers are dead holds one thread, not all.
//! A lookup that hangs moves from its slot to one of many more places, so that an outage of many names delays no other.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, ToSocketAddrs};
use std::sync::{Arc, LazyLock, Mutex, PoisonError, Weak};
use std::thread;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

/// How many lookups may run at a time in this process, apart from those that hang.
const SLOTS: usize = 64;
/// How many of those that hang may run beside them. None free: it keeps its slot.
const PLACES: usize = 448;
/// A lookup that takes longer hangs.
const HANGS: Duration = Duration::from_secs(2);

static SYSTEM: LazyLock<Lookups> = LazyLock::new(|| {
    Lookups::new(SLOTS, |name| {
        Ok((name, 0)
            .to_socket_addrs()?
            .map(|address| address.ip())
            .collect())
    })
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
    places: Arc<Semaphore>,
    hangs: Duration,
    running: Arc<Running>,
    resolve: fn(&str) -> io::Result<Vec<IpAddr>>,
}

impl Lookups {
    fn new(slots: usize, resolve: fn(&str) -> io::Result<Vec<IpAddr>>) -> Lookups {
        let (slots, places) = (
            Arc::new(Semaphore::new(slots)),
            Arc::new(Semaphore::new(PLACES)),
        );
        Lookups {
            slots,
            places,
            hangs: HANGS,
            running: Arc::default(),
            resolve,
        }
    }

    async fn lookup(&self, name: &str) -> Answer {
        let joined = with(&self.running, |running| running.get(name).cloned());
        let mut answering = match joined {
            Some(answering) => answering,
            None => {
                let slot = Arc::clone(&self.slots)
                    .acquire_owned()
                    .await
                    .map_err(|_| NoAddress)?;
                self.start(name, slot)?
            }
        };
        // An error here is a thread that ended without an answer.
        let answer = answering
            .wait_for(Option::is_some)
            .await
            .map_err(|_| NoAddress)?;
        answer.clone().unwrap_or(Err(NoAddress))
    }

    fn start(&self, name: &str, slot: OwnedSemaphorePermit) -> Result<Answering, NoAddress> {
        let (answer, answering) = watch::channel(None);
        // Another caller may have started the same lookup while we waited for the slot.
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
        let held = Arc::new(Mutex::new(slot));
        let moving = move_when_it_hangs(
            Arc::downgrade(&held),
            Arc::clone(&self.places),
            self.hangs,
            answering.clone(),
        );
        let entry = Entry {
            running: Arc::clone(&self.running),
            name: name.to_owned(),
            _held: held,
        };
        let resolve = self.resolve;
        let work = move || {
            let found = resolve(&entry.name)
                .ok()
                .filter(|addresses| !addresses.is_empty());
            answer.send_replace(Some(found.ok_or(NoAddress)));
            drop(entry);
        };
        thread::Builder::new()
            .name("orderhook-dns".to_owned())
            .spawn(work)
            .map_err(|_| NoAddress)?;
        tokio::spawn(moving);
        Ok(answering)
    }
}

/// What a running lookup occupies: a slot, or a place.
type Held = Mutex<OwnedSemaphorePermit>;

async fn move_when_it_hangs(
    held: Weak<Held>,
    places: Arc<Semaphore>,
    hangs: Duration,
    mut answering: Answering,
) {
    let in_time = tokio::time::timeout(hangs, answering.wait_for(Option::is_some))
        .await
        .is_ok();
    if !in_time
        && let Some(held) = held.upgrade()
        && let Ok(place) = places.try_acquire_owned()
    {
        *held.lock().unwrap_or_else(PoisonError::into_inner) = place;
    }
}

/// A running lookup. Leaves the list, and its slot or place, when the thread really ends, however it ends.
struct Entry {
    running: Arc<Running>,
    name: String,
    _held: Arc<Held>,
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
    use std::time::Instant;

    const HOME: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn never(_: &str) -> io::Result<Vec<IpAddr>> {
        loop {
            thread::park();
        }
    }

    #[tokio::test]
    async fn the_system_resolves_a_name_of_the_hosts_file() {
        assert!(
            lookup("localhost")
                .await
                .unwrap()
                .iter()
                .all(IpAddr::is_loopback)
        );
    }

    #[tokio::test]
    async fn a_name_that_cannot_exist_has_no_address() {
        assert_eq!(
            lookup("host name with spaces.invalid").await,
            Err(NoAddress)
        );
    }

    #[tokio::test]
    async fn an_empty_answer_is_a_failure() {
        assert_eq!(
            Lookups::new(1, |_| Ok(Vec::new()))
                .lookup("empty.test")
                .await,
            Err(NoAddress)
        );
    }

    #[tokio::test]
    async fn a_panicking_resolver_is_a_failure_and_frees_its_slot() {
        let lookups = Lookups::new(1, |name| {
            if name == "bad.test" {
                panic!("planted")
            } else {
                Ok(vec![HOME])
            }
        });
        assert_eq!(lookups.lookup("bad.test").await, Err(NoAddress));
        assert_eq!(lookups.lookup("good.test").await, Ok(vec![HOME]));
    }

    #[tokio::test]
    async fn who_asks_for_the_same_name_shares_one_thread() {
        let lookups = Lookups::new(2, |name| {
            if name == "dead.test" {
                never(name)
            } else {
                Ok(vec![HOME])
            }
        });
        for _ in 0..10 {
            let waited =
                tokio::time::timeout(Duration::from_millis(5), lookups.lookup("dead.test")).await;
            assert!(waited.is_err());
        }
        assert_eq!(
            lookups.lookup("live.test").await,
            Ok(vec![HOME]),
            "the dead name holds one of two slots"
        );
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

    #[tokio::test]
    async fn names_whose_lookups_hang_delay_no_other_name() {
        let resolve = |name: &str| {
            if name.starts_with("dead") {
                never(name)
            } else {
                Ok(vec![HOME])
            }
        };
        let lookups = Lookups {
            hangs: Duration::from_millis(20),
            ..Lookups::new(2, resolve)
        };
        for n in 0..10 {
            let dead = format!("dead{n}.test");
            let waited =
                tokio::time::timeout(Duration::from_millis(30), lookups.lookup(&dead)).await;
            assert!(waited.is_err());
        }
        let live = tokio::time::timeout(Duration::from_secs(5), lookups.lookup("live.test")).await;
        assert_eq!(live, Ok(Ok(vec![HOME])));
    }

    #[tokio::test]
    async fn lookups_that_hang_are_bounded_too() {
        let resolve = |name: &str| {
            if name.starts_with("dead") {
                never(name)
            } else {
                Ok(vec![HOME])
            }
        };
        let places = Arc::new(Semaphore::new(1));
        let lookups = Lookups {
            hangs: Duration::from_millis(1),
            places,
            ..Lookups::new(1, resolve)
        };
        for n in 0..3 {
            let dead = format!("dead{n}.test");
            let waited =
                tokio::time::timeout(Duration::from_millis(20), lookups.lookup(&dead)).await;
            assert!(waited.is_err());
        }
        assert_eq!(
            with(&lookups.running, |running| running.len()),
            2,
            "one in the slot, one in the place"
        );
    }

    #[test]
    fn a_runtime_ends_while_a_lookup_hangs() {
        let started = Instant::now();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let lookups = Lookups::new(1, never);
        let waited = runtime.block_on(async {
            tokio::time::timeout(Duration::from_millis(20), lookups.lookup("dead.test")).await
        });
        assert!(waited.is_err());
        drop(runtime);
        assert!(started.elapsed() < Duration::from_secs(5));
    }
}
