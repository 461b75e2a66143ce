//! What every test of this binary starts from, and the comparison that it ends with.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, RwLock};
use std::time::Duration;

use orderhook::fulfilment::{ChildId, Flow, Lifecycle, StageEvent, Transition};
use orderhook::fulfilment::{Fulfilment, FulfilmentEvent};
use orderhook::notification::Stream;
use orderhook::report::Enqueued;
use orderhook::store::{Filter, Inserted, Page, Store};
use orderhook::{
    Dispatcher, DispatcherBuilder, MemoryStore, Notification, NotificationState, OrderCode, Report,
    Source, Supplier, SupplierBuilder, SupplierId, Worker,
};
use serde_json::Value;

use crate::support::{Ca, Log, Received, Receiver};

/// The client of the tests that need no second one.
pub(crate) const CLIENT: &str = "clinic";

/// Writes each test for the store in memory and, with the feature, for an SQLite file.
macro_rules! on_every_store {
    ($($test:ident),+ $(,)?) => {
        mod memory {
            $(#[tokio::test]
            async fn $test() {
                super::$test(crate::world::World::in_memory()).await;
            })+
        }
        #[cfg(feature = "sqlite")]
        mod sqlite {
            $(#[tokio::test]
            async fn $test() {
                super::$test(crate::world::World::on_disk().await).await;
            })+
        }
    };
}
pub(crate) use on_every_store;

/// A certificate authority, a table of clients, a store, and the log that all receivers write.
pub(crate) struct World<S> {
    pub(crate) ca: Ca,
    pub(crate) log: Log,
    pub(crate) table: Arc<RwLock<HashMap<SupplierId, Supplier>>>,
    pub(crate) store: S,
    /// Where the files of a test are.
    #[cfg_attr(
        not(feature = "sqlite"),
        expect(dead_code, reason = "a store in memory has none")
    )]
    pub(crate) directory: tempfile::TempDir,
}

impl World<MemoryStore> {
    pub(crate) fn in_memory() -> Self {
        World::on(MemoryStore::new(), tempfile::tempdir().unwrap())
    }

    /// Has a worker live through all that is due, now and later, in no time.
    pub(crate) async fn live_on(&self, worker: &Worker) {
        for _ in 0..10_000 {
            let tick = worker.tick().await.unwrap();
            match tick.next_due {
                _ if tick.claimed > 0 => {}
                Some(due) => self.store.advance(due),
                None => return,
            }
        }
        panic!("the work does not come to an end");
    }
}

#[cfg(feature = "sqlite")]
impl World<orderhook::SqliteStore> {
    pub(crate) async fn on_disk() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = orderhook::SqliteStore::open(directory.path().join("orderhook.db"))
            .await
            .unwrap();
        World::on(store, directory)
    }
}

impl<S: Store + Clone> World<S> {
    fn on(store: S, directory: tempfile::TempDir) -> Self {
        World {
            ca: Ca::new(),
            log: Log::new(),
            table: Arc::default(),
            store,
            directory,
        }
    }

    /// A receiver that answers 200 until told otherwise.
    pub(crate) async fn receiver(&self) -> Receiver {
        Receiver::start_in(&self.ca, &self.log).await
    }

    /// Adds a client, or replaces its configuration.
    pub(crate) fn put(&self, client: SupplierBuilder) {
        let client = client.build().unwrap();
        self.table
            .write()
            .unwrap()
            .insert(client.id().clone(), client);
    }

    /// A dispatcher, as each node has one.
    pub(crate) fn dispatcher(&self) -> Dispatcher {
        self.builder().build().unwrap()
    }

    pub(crate) fn builder(&self) -> DispatcherBuilder {
        self.builder_on(self.store.clone())
    }

    /// On another store than the world's own; the two have to share their rows.
    pub(crate) fn builder_on(&self, store: impl Store) -> DispatcherBuilder {
        Dispatcher::builder(source(), store, Arc::clone(&self.table))
            // Long: a busy machine must not turn an answer into a timeout.
            .timeout(Duration::from_secs(20))
            .root_certificate(self.ca.pem())
            .allow_network("127.0.0.0/8".parse().unwrap())
    }

    /// The paths that were called, in their order.
    pub(crate) fn paths(&self) -> Vec<String> {
        self.log
            .entries()
            .iter()
            .map(|request| request.path().to_owned())
            .collect()
    }

    /// Everything in the store with its bodies, in the order of insertion.
    pub(crate) async fn stored(&self) -> Vec<Notification> {
        let listing = self
            .store
            .list(&Filter::of(source()), &Page::first(10_000))
            .await
            .unwrap();
        assert!(
            listing.next.is_none() && listing.refused.is_empty(),
            "{listing:?}"
        );
        let mut stored = Vec::new();
        for listed in listing.notifications {
            stored.push(
                self.store
                    .get(&listed.key)
                    .await
                    .unwrap()
                    .expect("it was listed"),
            );
        }
        stored
    }

    /// In brief: one line for each stored stage, by order and position, as in `P-1 #2 accept A: notified`.
    pub(crate) async fn timeline(&self) -> Vec<String> {
        let mut stored = self.stored().await;
        stored.sort_by(|a, b| (&a.key.order, a.position).cmp(&(&b.key.order, b.position)));
        stored.iter().map(brief).collect()
    }

    /// Compares everything that the receivers saw with everything that the store says.
    ///
    /// What holds in every test: positions have neither gaps nor twins; a body says its own id and position; a request has
    /// the bytes that are stored; the requests of a stream come in the order of its positions; what is notified was
    /// received, what is not wanted was not; the memos of a stream are a possible life.
    ///
    /// # Panics
    /// When the two disagree.
    pub(crate) async fn agrees(&self) -> Vec<Notification> {
        let stored = self.stored().await;
        let requests = self.log.entries();
        let mut streams: BTreeMap<Stream, Vec<&Notification>> = BTreeMap::new();
        for notification in &stored {
            streams
                .entry(notification.key.stream())
                .or_default()
                .push(notification);
        }
        let mut of_streams = 0;
        for (stream, mut of_stream) in streams {
            of_stream.sort_by_key(|notification| notification.position);
            of_streams += agree(&stream, &of_stream, &requests);
        }
        assert_eq!(
            of_streams,
            requests.len(),
            "a request of which the store knows nothing"
        );
        stored
    }
}

/// How many of the requests belong to the stream.
fn agree(stream: &Stream, stored: &[&Notification], requests: &[Received]) -> usize {
    let positions: Vec<u64> = stored
        .iter()
        .map(|notification| notification.position)
        .collect();
    assert!(
        positions.iter().copied().eq(1..=stored.len() as u64),
        "{stream:?}: {positions:?}"
    );
    let memos = stored
        .iter()
        .filter(|notification| notification.key.kind.stage().is_some());
    Lifecycle::fold(memos.filter_map(|notification| Some(notification.memo.as_ref()?.as_bytes())))
        .expect("a possible life");

    let position = |request: &Received| {
        stored
            .iter()
            .find(|one| one.event_id.as_str() == id_of(request))
    };
    let mine: Vec<_> = requests
        .iter()
        .filter_map(|request| Some((*position(request)?, request)))
        .collect();
    assert!(
        mine.is_sorted_by_key(|(notification, _)| notification.position),
        "{stream:?}: {:?}",
        sequences(requests)
    );
    for (notification, request) in &mine {
        assert_eq!(
            Some(request.body.as_slice()),
            notification.body.as_ref().map(|body| body.as_bytes()),
            "{request}: other bytes than stored"
        );
    }
    for notification in stored {
        let key = &notification.key;
        let received = mine
            .iter()
            .filter(|(of, _)| of.position == notification.position)
            .count();
        match notification.state {
            NotificationState::Notified { .. } => {
                assert!(received > 0, "{key}: notified, and nobody was told")
            }
            NotificationState::Closed {
                why: orderhook::notification::Closed::NotWanted,
                ..
            } => assert_eq!(received, 0, "{key}: not wanted"),
            _ => {}
        }
        let (Some(stage), Some(body)) = (key.kind.stage(), &notification.body) else {
            continue;
        };
        let body: Value = serde_json::from_slice(body.as_bytes()).unwrap();
        assert_eq!(body["event_id"], notification.event_id.as_str(), "{key}");
        assert_eq!(body["sequence"], notification.position, "{key}");
        assert_eq!(body["transaction_nature"], stage.as_str(), "{key}");
        assert_eq!(body["draft_order_id"], key.order.as_str(), "{key}");
    }
    mine.len()
}

fn brief(notification: &Notification) -> String {
    let key = &notification.key;
    let of = if key.occurrence.as_str().is_empty() {
        ""
    } else {
        " "
    };
    let state = match &notification.state {
        NotificationState::Failed { reason, stream, .. } => format!("failed {reason} {stream:?}"),
        state => state.name().to_string(),
    };
    format!(
        "{} #{} {}{of}{}: {state}",
        key.order,
        notification.position,
        key.kind,
        key.occurrence.as_str()
    )
}

pub(crate) fn source() -> Source {
    Source::new("tests").unwrap()
}

pub(crate) fn client() -> SupplierId {
    SupplierId::new(CLIENT).unwrap()
}

pub(crate) fn code(text: &str) -> OrderCode {
    OrderCode::new(text).unwrap()
}

pub(crate) fn child(text: &str) -> ChildId {
    ChildId::new(text).unwrap()
}

/// The configuration of the client, to be completed.
pub(crate) fn clinic() -> SupplierBuilder {
    Supplier::builder(client())
}

/// An event of the delivery flow.
pub(crate) fn delivery(parent: &str, event: Transition) -> StageEvent {
    StageEvent::new(code(parent), Flow::Delivery, event)
}

/// The way of a child order to the patient's door.
pub(crate) fn way(parent: &str, id: &str) -> Vec<StageEvent> {
    [
        Transition::accepted,
        Transition::shipped,
        Transition::picked_up,
        Transition::delivered,
    ]
    .into_iter()
    .map(|stage| delivery(parent, stage(child(id))))
    .collect()
}

/// Lines of an events file.
pub(crate) fn lines(text: &str) -> Vec<StageEvent> {
    let filled = text.lines().map(str::trim).filter(|line| !line.is_empty());
    filled
        .map(|line| {
            StageEvent::from_json(line.as_bytes()).unwrap_or_else(|error| panic!("{line}: {error}"))
        })
        .collect()
}

/// Stores events of the client, each of them new.
pub(crate) async fn enqueue(dispatcher: &Dispatcher, events: &[StageEvent]) {
    for event in events {
        let enqueued = Fulfilment::new(dispatcher)
            .enqueue(&client(), event)
            .await
            .unwrap();
        assert!(
            matches!(inserted(&enqueued), Inserted::New { .. }),
            "{event:?}: {enqueued:?}"
        );
    }
}

pub(crate) fn inserted(enqueued: &Enqueued) -> Inserted {
    assert_eq!(enqueued.stored.len(), 1, "{enqueued:?}");
    enqueued.stored[0].inserted
}

/// The one notification of a report.
pub(crate) fn only(report: &Report) -> &Notification {
    assert_eq!(report.entries.len(), 1, "{report:?}");
    &report.entries[0].notification
}

pub(crate) fn id_of(request: &Received) -> &str {
    request
        .header("webhook-id")
        .unwrap_or_else(|| panic!("{request}: has no webhook-id"))
}

/// The sequence numbers of these requests, in the order of their arrival.
pub(crate) fn sequences(requests: &[Received]) -> Vec<u64> {
    requests
        .iter()
        .map(|request| {
            read(request)
                .sequence()
                .unwrap_or_else(|| panic!("{request}"))
        })
        .collect()
}

/// The stages of these requests, in the order of their arrival.
pub(crate) fn stages(requests: &[Received]) -> Vec<String> {
    requests
        .iter()
        .map(|request| read(request).stage().as_str().to_owned())
        .collect()
}

/// A request as its receiver reads it.
pub(crate) fn read(request: &Received) -> FulfilmentEvent {
    FulfilmentEvent::from_json(&request.body).unwrap()
}
