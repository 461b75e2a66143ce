//! The row of orderhook: `enqueue` beside a worker of the same process, with `SqliteStore`.

use std::sync::Arc;

use orderhook::{News, SqliteStore, Worker};

use super::measured::{IN_FLIGHT, Measured};
use super::orders::{builder, order, suppliers};
use super::receiver::Address;
use super::through;

pub(crate) async fn measure(to: &Address, number: usize) -> Measured {
    let folder = tempfile::tempdir().unwrap();
    // WAL and `synchronous` FULL: the store knows nothing else.
    let store = SqliteStore::open(folder.path().join("ours.db"))
        .await
        .unwrap();
    let room = through::room();
    let delivered = Arc::clone(&room);
    let dispatcher = builder(to, store, suppliers(to, 1, 0, IN_FLIGHT as u32))
        .listener(move |news| {
            if matches!(news, News::Notified { .. }) {
                delivered.add_permits(1);
            }
        })
        .build()
        .unwrap();
    let working = tokio::spawn(Worker::new(&dispatcher).run());
    let measured = through::measure(
        number,
        room,
        |n| order(n, 0),
        move |order| {
            let dispatcher = dispatcher.clone();
            async move {
                let enqueued = dispatcher.enqueue(&order).await.unwrap();
                assert_eq!(enqueued.stored.len(), 1);
            }
        },
    )
    .await;
    working.abort();
    measured
}
