//! P7: the store fails after a 2xx. What is repeated is the record, never the POST.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use orderhook::notification::StateName;
use orderhook::store::{Recorded, Step, Store, StoreError, StoreErrorKind};
use orderhook::{Error, SqliteStore};

use crate::world::*;

/// When a write fails.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fails {
    /// Before anything was recorded.
    Before,
    /// It was recorded, and the answer is lost.
    After,
}

/// The store, of which so many writes fail.
#[derive(Clone)]
struct Failing {
    store: SqliteStore,
    fails: Fails,
    kind: StoreErrorKind,
    left: Arc<AtomicUsize>,
}

impl Failing {
    fn new(store: SqliteStore, fails: Fails, kind: StoreErrorKind, times: usize) -> Failing {
        Failing {
            store,
            fails,
            kind,
            left: Arc::new(AtomicUsize::new(times)),
        }
    }

    fn error(&self) -> StoreError {
        StoreError::new(self.kind, "it fails for this test")
    }
}

impl Store for Failing {
    async fn write(&self, steps: &[Step]) -> Result<Recorded, StoreError> {
        let left = self
            .left
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
                left.checked_sub(1)
            });
        match (left, self.fails) {
            (Err(_), _) => self.store.write(steps).await,
            (Ok(_), Fails::Before) => Err(self.error()),
            (Ok(_), Fails::After) => {
                self.store.write(steps).await?;
                Err(self.error())
            }
        }
    }

    crate::support::forward!(store: insert claim intervene get list settled count prune);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p7_a_record_that_fails_after_a_2xx_is_written_again_and_nobody_is_called_again() {
    for fails in [Fails::Before, Fails::After] {
        // The record of the first endpoint fails, all but the last try; and that of each.
        for times in [1, 4] {
            let world = World::new().await;
            let store = world.store().await;
            let failing = Failing::new(store.clone(), fails, StoreErrorKind::Unavailable, times);
            let report = world
                .dispatcher(failing.clone())
                .notify(&paid(&order("A-1")))
                .await
                .unwrap();
            assert!(report.is_notified(), "{report:?}");
            assert_eq!(failing.left.load(Ordering::SeqCst), 0);
            assert_eq!(
                (world.received_at("/1").len(), world.received_at("/2").len()),
                (1, 1)
            );
            let stored = store.get(&key("A-1")).await.unwrap().unwrap();
            assert_eq!(record(&stored), ["1 accepted", "2 accepted"]);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p7_an_end_whose_answer_is_lost_is_recorded_once_and_reported_as_it_is() {
    let world = World::new().await;
    world.supplier_with(&[&world.receiver.url("/1")]);
    let store = world.store().await;
    let failing = Failing::new(store.clone(), Fails::After, StoreErrorKind::Full, 1);
    let report = world
        .dispatcher(failing)
        .notify(&paid(&order("A-1")))
        .await
        .unwrap();
    assert!(report.is_notified(), "{report:?}");
    assert_eq!(world.receiver.count(), 1);
    assert_eq!(
        record(&store.get(&key("A-1")).await.unwrap().unwrap()),
        ["1 accepted"]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p7_a_store_that_is_gone_for_good_after_a_2xx_costs_one_duplicate_and_the_record_says_so() {
    for (kind, times) in [
        (StoreErrorKind::Unavailable, usize::MAX),
        (StoreErrorKind::Unusable, usize::MAX),
    ] {
        let world = World::with_short_leases().await;
        let store = world.store().await;
        let failing = Failing::new(store.clone(), Fails::Before, kind, times);
        let error = world
            .dispatcher(failing)
            .notify(&paid(&order("A-1")))
            .await
            .unwrap_err();
        assert!(
            matches!(&error, Error::Store(error) if error.kind() == kind),
            "{error:?}"
        );
        // The first endpoint was called once, the second not before that is recorded.
        assert_eq!(
            (world.received_at("/1").len(), world.received_at("/2").len()),
            (1, 0)
        );
        lease_ends(&store, &key("A-1")).await;
        let ended = world.run(&order("A-1"), &[]).await;
        assert_eq!(
            (ended.status, ended.states()),
            (Some(0), vec!["notified"]),
            "{ended:?}"
        );
        assert_eq!(
            (world.received_at("/1").len(), world.received_at("/2").len()),
            (2, 1)
        );
        let stored = store.get(&key("A-1")).await.unwrap().unwrap();
        assert_eq!(record(&stored), ["1 unknown", "1 accepted", "2 accepted"]);
        assert_eq!(stored.state.name(), StateName::Notified);
    }
}
