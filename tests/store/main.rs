//! The contract of a store, kept by the store in memory and by one that a third party might write; and what the suite
//! finds in stores that do not keep it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "test code: a panic is how it reports")]

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
