//! The contract of a store, kept by the store in memory and by one that a third party might write; and what the suite
//! finds in stores that do not keep it.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "test code: a panic is how it reports"
)]

mod faults;
mod foreign_store;

mod memory {
    use std::time::Duration;

    use orderhook::MemoryStore;
    use orderhook::store::conformance::Harness;

    struct InMemory;

    impl Harness for InMemory {
        type Store = MemoryStore;

        async fn open(&self) -> MemoryStore {
            MemoryStore::new()
        }

        async fn second_handle(&self, store: &MemoryStore) -> MemoryStore {
            store.clone()
        }

        async fn advance(&self, store: &MemoryStore, by: Duration) {
            store.advance(by);
        }
    }

    orderhook::conformance_tests!(InMemory);
}

mod foreign {
    use crate::foreign_store::{Fault, Foreign};

    orderhook::conformance_tests!(Foreign(Fault::None));
}

#[cfg(feature = "sqlite")]
mod sqlite {
    use std::time::Duration;

    use orderhook::SqliteStore;
    use orderhook::store::conformance::Harness;

    /// Each store is a file of its own in a folder that goes with the harness.
    struct OnDisk(tempfile::TempDir, std::sync::atomic::AtomicU32);

    impl OnDisk {
        fn new() -> Self {
            OnDisk(tempfile::tempdir().unwrap(), Default::default())
        }

        fn path(&self, number: u32) -> std::path::PathBuf {
            self.0.path().join(format!("{number}.db"))
        }
    }

    impl Harness for OnDisk {
        type Store = SqliteStore;

        async fn open(&self) -> SqliteStore {
            let number = self.1.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1;
            SqliteStore::open(self.path(number)).await.unwrap()
        }

        /// Another writer and other readers on the same file, as another process has them.
        async fn second_handle(&self, _: &SqliteStore) -> SqliteStore {
            let newest = self.1.load(std::sync::atomic::Ordering::Relaxed);
            SqliteStore::open(self.path(newest)).await.unwrap()
        }

        /// Its clock cannot be set.
        async fn advance(&self, _: &SqliteStore, by: Duration) {
            tokio::time::sleep(by).await;
        }
    }

    orderhook::conformance_tests!(OnDisk::new());
}
