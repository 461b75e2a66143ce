//! A dispatcher on a file in which something is wrong.

use std::collections::HashMap;
use std::time::Duration;

use orderhook::notification::StateName;
use orderhook::store::Store;
use orderhook::{Dispatcher, SqliteStore, Supplier, SupplierId, Worker};

use crate::support::*;

const LONG: Duration = Duration::from_secs(20);

/// One that knows no supplier: whatever it claims fails at once.
fn dispatcher(store: &SqliteStore) -> Dispatcher {
    let nobody: HashMap<SupplierId, Supplier> = HashMap::new();
    Dispatcher::builder(source(), store.clone(), nobody)
        .build()
        .unwrap()
}

#[tokio::test]
async fn who_works_until_nothing_is_left_comes_to_an_end_beside_a_damaged_row() {
    let (store, file) = File::new().store_kept().await;
    let (bad, good) = (key("north", "A-1"), key("north", "A-2"));
    add(&store, &[&bad, &good]).await;
    file.run("UPDATE orderhook_notifications SET ledger = x'00' WHERE id = 1")
        .await;
    let dispatcher = dispatcher(&store);
    let worker = Worker::new(&dispatcher);
    let ended = tokio::time::timeout(LONG, worker.until_idle()).await;
    assert_eq!(ended.expect("it ends").unwrap().failed, 1);
    assert_eq!(
        store.get(&good).await.unwrap().unwrap().state.name(),
        StateName::Failed
    );
    // A person brings it to its end, and is told so.
    let withdrawn = dispatcher
        .withdraw(&bad, &crate::receivers::because("damaged"))
        .await
        .unwrap();
    assert_eq!(withdrawn.state.name(), StateName::Withdrawn);
}

#[tokio::test]
async fn who_works_until_nothing_is_left_ends_with_an_error_when_the_file_is_deleted() {
    let (store, file) = File::new().store_kept().await;
    add(&store, &[&key("north", "A-1")]).await;
    let dispatcher = dispatcher(&store);
    std::fs::remove_file(&file.path).unwrap();
    let ended = tokio::time::timeout(LONG, Worker::new(&dispatcher).until_idle()).await;
    let error = ended.expect("it ends").unwrap_err();
    assert!(!error.is_transient(), "{error:?}");
}
