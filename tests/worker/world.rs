//! What the tests share: a store that travels in time, suppliers that change, a dispatcher, and what its host hears.

use std::collections::HashMap;
use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex, RwLock};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use orderhook::event::Occurrence;
use orderhook::notification::FailureReason;
use orderhook::report::Summary;
use orderhook::store::Store;
use orderhook::supplier::LookupError;
use orderhook::{
    Dispatcher, DispatcherBuilder, Event, EventKind, Key, MemoryStore, News, Notification,
    NotificationState, OrderCode, Source, Supplier, SupplierBuilder, SupplierId, Suppliers, Worker,
};

use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::support::{Ca, Gate};

pub(crate) const HOUR: Duration = Duration::from_secs(3600);
pub(crate) const DAY: Duration = Duration::from_secs(86_400);

pub(crate) struct World {
    pub(crate) ca: Ca,
    pub(crate) store: MemoryStore,
    pub(crate) lookup: Arc<Lookup>,
    pub(crate) dispatcher: Dispatcher,
    pub(crate) heard: Heard,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(|builder| builder)
    }

    pub(crate) fn with(more: impl FnOnce(DispatcherBuilder) -> DispatcherBuilder) -> Self {
        let store = MemoryStore::new();
        Self::on(store.clone(), store, more)
    }

    /// The dispatcher sees `seen`, which keeps everything in `store`.
    pub(crate) fn on(
        store: MemoryStore,
        seen: impl Store,
        more: impl FnOnce(DispatcherBuilder) -> DispatcherBuilder,
    ) -> Self {
        let (ca, lookup, heard) = (Ca::new(), Arc::new(Lookup::default()), Heard::default());
        let hear = heard.clone();
        let builder = builder(&ca, seen, Arc::clone(&lookup)).listener(move |news| hear.push(news));
        World {
            dispatcher: more(builder).build().unwrap(),
            ca,
            store,
            lookup,
            heard,
        }
    }

    /// Another dispatcher on the same store with the same suppliers, as in another process.
    pub(crate) fn another(
        &self,
        more: impl FnOnce(DispatcherBuilder) -> DispatcherBuilder,
    ) -> Dispatcher {
        more(builder(
            &self.ca,
            self.store.clone(),
            Arc::clone(&self.lookup),
        ))
        .build()
        .unwrap()
    }

    /// A worker that knows nothing yet, as after a restart.
    pub(crate) fn worker(&self) -> Worker {
        Worker::new(&self.dispatcher)
    }

    /// One step of a new worker; how many notifications it claimed.
    pub(crate) async fn tick(&self) -> usize {
        self.worker().tick().await.unwrap().claimed
    }

    pub(crate) fn put(&self, supplier: SupplierBuilder) {
        let supplier = supplier.build().unwrap();
        self.lookup
            .table
            .write()
            .unwrap()
            .insert(supplier.id().clone(), supplier);
    }

    pub(crate) fn remove(&self, id: &str) {
        self.lookup.table.write().unwrap().remove(&supplier_id(id));
    }

    /// Stores `order.created`.
    pub(crate) async fn enqueue(&self, supplier: &str, order: &str) -> Key {
        self.enqueue_as(supplier, order, EventKind::OrderCreated, Occurrence::only())
            .await
    }

    /// Stores `order.created` of so many orders.
    pub(crate) async fn enqueue_many(&self, supplier: &str, number: usize) -> Vec<Key> {
        let mut keys = Vec::new();
        for n in 0..number {
            keys.push(self.enqueue(supplier, &format!("{supplier}-{n}")).await);
        }
        keys
    }

    /// Stores one more event of a stream.
    pub(crate) async fn enqueue_next(&self, supplier: &str, order: &str, n: usize) -> Key {
        let kind = EventKind::own("order.changed").unwrap();
        self.enqueue_as(
            supplier,
            order,
            kind,
            Occurrence::new(&n.to_string()).unwrap(),
        )
        .await
    }

    async fn enqueue_as(
        &self,
        supplier: &str,
        order: &str,
        kind: EventKind,
        occurrence: Occurrence,
    ) -> Key {
        let content = serde_json::json!({ "order": order, "n": occurrence.as_str() });
        let event = Event::new(kind, occurrence, &content).unwrap();
        let order = OrderCode::new(order).unwrap();
        let enqueued = self
            .dispatcher
            .enqueue_event(&supplier_id(supplier), &order, event)
            .await
            .unwrap();
        enqueued.stored[0].key.clone()
    }

    pub(crate) async fn notification(&self, key: &Key) -> Notification {
        self.store.get(key).await.unwrap().unwrap()
    }

    pub(crate) async fn state(&self, key: &Key) -> NotificationState {
        self.notification(key).await.state
    }

    pub(crate) async fn is_notified(&self, key: &Key) -> bool {
        matches!(self.state(key).await, NotificationState::Notified { .. })
    }

    pub(crate) async fn failure(&self, key: &Key) -> Option<FailureReason> {
        match self.state(key).await {
            NotificationState::Failed { reason, .. } => Some(reason),
            _ => None,
        }
    }

    /// In how long a pending notification is due.
    pub(crate) async fn due_in(&self, key: &Key) -> Duration {
        match self.state(key).await {
            NotificationState::Pending { due } => due.since(self.store.now()),
            other => panic!("{key} is {other:?}"),
        }
    }

    /// Moves on to the moment at which the notification is due, and takes a step.
    pub(crate) async fn tick_when_due(&self, key: &Key) {
        self.store.advance(self.due_in(key).await);
        self.tick().await;
    }

    /// Lives on until the notification is pending no more.
    pub(crate) async fn live_until_settled(&self, key: &Key) -> Notification {
        for _ in 0..1000 {
            let notification = self.notification(key).await;
            if !matches!(notification.state, NotificationState::Pending { .. }) {
                return notification;
            }
            self.tick_when_due(key).await;
        }
        panic!("{key} does not settle");
    }

    /// The outcomes of a notification's attempts, as words.
    pub(crate) async fn outcomes(&self, key: &Key) -> Vec<&'static str> {
        self.notification(key)
            .await
            .attempts
            .iter()
            .map(|attempt| attempt.outcome.as_str())
            .collect()
    }
}

fn builder(ca: &Ca, store: impl Store, lookup: Arc<Lookup>) -> DispatcherBuilder {
    Dispatcher::builder(Source::new("shop").unwrap(), store, lookup)
        .allow_network("127.0.0.0/8".parse().unwrap())
        .root_certificate(ca.pem())
        .timeout(Duration::from_secs(8))
}

pub(crate) fn supplier_id(id: &str) -> SupplierId {
    SupplierId::new(id).unwrap()
}

pub(crate) fn supplier(id: &str) -> SupplierBuilder {
    Supplier::builder(supplier_id(id))
}

/// An `order.created` of which nothing but its key counts.
pub(crate) fn event() -> Event {
    Event::new(
        EventKind::OrderCreated,
        Occurrence::only(),
        &serde_json::json!({}),
    )
    .unwrap()
}

/// A supplier table that a test changes, and that may be away.
#[derive(Default)]
pub(crate) struct Lookup {
    table: RwLock<HashMap<SupplierId, Supplier>>,
    trouble: Mutex<Trouble>,
}

/// What is wrong with the lookup.
#[derive(Clone, Default)]
pub(crate) enum Trouble {
    #[default]
    None,
    /// It says that it cannot tell.
    Down,
    /// It does not say anything until the gate is open.
    Silent(Gate),
    /// The configuration is not usable.
    Invalid,
    /// It panics.
    Panics,
}

impl Lookup {
    pub(crate) fn trouble(&self, trouble: Trouble) {
        *self.trouble.lock().unwrap() = trouble;
    }
}

impl Suppliers for Lookup {
    async fn find(&self, id: &SupplierId) -> Result<Option<Supplier>, LookupError> {
        let trouble = self.trouble.lock().unwrap().clone();
        match trouble {
            Trouble::None => {}
            Trouble::Down => return Err(LookupError::unavailable("the table is away")),
            Trouble::Silent(gate) => gate.opened().await,
            Trouble::Panics => panic!("the lookup of the test panics, as it should"),
            Trouble::Invalid => {
                let refused = Supplier::builder(id.clone())
                    .endpoint("http://not-https.example")
                    .build();
                return Err(refused.unwrap_err().into());
            }
        }
        Ok(self.table.read().unwrap().get(id).cloned())
    }
}

/// What the host was told.
#[derive(Clone, Default)]
pub(crate) struct Heard(Arc<Mutex<Vec<News>>>);

impl Heard {
    fn push(&self, news: &News) {
        self.0.lock().unwrap().push(news.clone());
    }

    pub(crate) fn all(&self) -> Vec<News> {
        self.0.lock().unwrap().clone()
    }

    pub(crate) fn of(&self, key: &Key) -> Vec<News> {
        let about = |news: &News| match news {
            News::Notified { key, .. }
            | News::Failed { key, .. }
            | News::LastTryAhead { key, .. } => key.clone(),
            other => panic!("{other:?}"),
        };
        self.all()
            .into_iter()
            .filter(|news| about(news) == *key)
            .collect()
    }
}

/// What a future answers that never waits, as those of the store in memory.
pub(crate) fn at_once<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => answer,
        Poll::Pending => panic!("it waits"),
    }
}

/// A worker in the background that looks only when something tells it to.
pub(crate) struct Running {
    stop: oneshot::Sender<()>,
    task: JoinHandle<Summary>,
}

impl Running {
    pub(crate) fn start(worker: Worker) -> Self {
        let (stop, stopped) = oneshot::channel::<()>();
        let worker = worker.with_poll(HOUR).with_grace(Duration::ZERO);
        let task = tokio::spawn(async move {
            worker
                .run_until(async {
                    let _ = stopped.await;
                })
                .await
        });
        Running { stop, task }
    }

    pub(crate) async fn stop(self) -> Summary {
        let _ = self.stop.send(());
        self.task.await.unwrap()
    }
}
