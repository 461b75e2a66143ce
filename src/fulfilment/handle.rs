//! The handle through which an application sends the stages of fulfilment orders.

pub(super) mod error;
mod lives;

use std::sync::Arc;
use std::time::SystemTime;

use crate::delivery::error::Error;
use crate::delivery::report::Report;
use crate::dispatcher::Dispatcher;
use crate::dispatcher::by_hand::refuse_unfit;
use crate::event::{Body, ContentDigest, EventKind, Memo, Occurrence};
use crate::notification::prepared::{Enqueued, Prepared, Stored};
use crate::notification::{By, Key, Ledger, Notification, Stream};
use crate::store::{
    Action, Append, Filter, Inserted, NewNotification, Start, StoreError, StoreErrorKind,
};
use crate::supplier::Supplier;
use crate::value::names::{OrderCode, SupplierId};
use crate::value::time::{OffsetTimestamp, Timestamp};

use crate::fulfilment::life::lifecycle::Lifecycle;
use crate::fulfilment::sent::stage_event::StageEvent;
use error::FulfilmentError;
use lives::{Life, Lives};

/// How often an append is tried again when other processes append to the same stream.
const APPENDS: usize = 256;

/// How many notifications of a stream are listed at once.
const PAGE: u32 = 500;

/// Sends the stages of fulfilment orders through a [`Dispatcher`], in their order.
///
/// A stage is checked against the life cycle of its order so far, which is read from the stored notifications of the
/// order, and gets the next position among them: when two processes append at the same time, one of them reads again. The
/// same stage offered twice is recognised and stored once. A stage that the client has not subscribed to is recorded and
/// not sent. Build one beside the dispatcher, keep it, and clone it freely.
///
/// ```
/// use orderhook::fulfilment::{ChildId, Flow, Fulfilment, FulfilmentError, StageEvent, Transition};
/// use orderhook::{Dispatcher, MemoryStore, Source, Supplier, SupplierId};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let clinic = SupplierId::new("clinic")?;
/// let supplier = Supplier::builder(clinic.clone()).endpoint("https://hooks.clinic.example/").build()?;
/// let clients = std::collections::HashMap::from([(clinic.clone(), supplier)]);
/// let dispatcher = Dispatcher::builder(Source::new("portal")?, MemoryStore::new(), clients).build()?;
/// let fulfilment = Fulfilment::new(&dispatcher);
///
/// let child = ChildId::new("C-1")?;
/// let stage = |transition| StageEvent::new("P-1".parse().unwrap(), Flow::Pickup, transition);
/// fulfilment.enqueue(&clinic, &stage(Transition::accepted(child.clone()))).await?;
///
/// let early = fulfilment.enqueue(&clinic, &stage(Transition::delivered(child))).await;
/// assert!(matches!(early, Err(FulfilmentError::NotAllowed(_))));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Fulfilment {
    dispatcher: Dispatcher,
    lives: Arc<Lives>,
}

impl Fulfilment {
    /// A handle for the stages that this dispatcher sends.
    pub fn new(dispatcher: &Dispatcher) -> Self {
        Fulfilment {
            dispatcher: dispatcher.clone(),
            lives: Arc::default(),
        }
    }

    /// Stores a stage of a fulfilment order for a client: one durable write, nothing is sent.
    ///
    /// # Errors
    /// [`FulfilmentError::NotAllowed`] when the stage may not follow now; it names those that may.
    /// [`FulfilmentError::Unreadable`] when the life cycle cannot be read. A transient [`Error::Store`] also when other
    /// processes took the next position of the order 256 times in a row; call again then. The others are those of
    /// [`Dispatcher::enqueue`].
    pub async fn enqueue(
        &self,
        client: &SupplierId,
        event: &StageEvent,
    ) -> Result<Enqueued, FulfilmentError> {
        self.dispatcher.ensure_open()?;
        self.append(client, event).await
    }

    /// Stores a stage as [`enqueue`](Self::enqueue) does, and sends it if it is its turn: a stage waits for those before
    /// it. See [`Dispatcher::notify`].
    ///
    /// # Errors
    /// As [`enqueue`](Self::enqueue).
    pub async fn notify(
        &self,
        client: &SupplierId,
        event: &StageEvent,
    ) -> Result<Report, FulfilmentError> {
        let (this, client, event) = (self.clone(), client.clone(), event.clone());
        self.dispatcher
            .run(async move |engine| {
                let stored = this.append(&client, &event).await?;
                Ok(engine.report_after_round(stored).await?)
            })
            .await
    }

    /// Makes the row of a stage without storing it, for an insert in the caller's own transaction: see
    /// [`Dispatcher::prepare`].
    ///
    /// The row asks for the next position of its order. When another process takes that position before the transaction
    /// inserts the row, the answer is [`Inserted::Stale`] and nothing is stored: prepare the stage again.
    ///
    /// # Errors
    /// As [`enqueue`](Self::enqueue).
    pub async fn prepare(
        &self,
        client: &SupplierId,
        event: &StageEvent,
    ) -> Result<Prepared, FulfilmentError> {
        self.dispatcher.ensure_open()?;
        let key = self.key(client, event);
        let client = self.dispatcher.engine.supplier(client).await?;
        let life = self.catch_up(&key.stream()).await?;
        check(&life, &key, event)?;
        Ok(Prepared::new(vec![self.row(
            key,
            life.position + 1,
            event,
            &client,
        )?]))
    }

    /// The life cycle of a fulfilment order so far, as it is stored for a client; a new one when nothing is stored.
    ///
    /// # Errors
    /// [`FulfilmentError::Unreadable`] when what is stored cannot be read, [`Error::Store`].
    pub async fn lifecycle(
        &self,
        client: &SupplierId,
        parent: &OrderCode,
    ) -> Result<Lifecycle, FulfilmentError> {
        let source = self.dispatcher.source().clone();
        let stream = Stream::new(source, client.clone(), parent.clone());
        Ok(self.read_on(&stream, Life::default()).await?.cycle)
    }

    /// The key under which a stage is stored for a client.
    pub fn key(&self, client: &SupplierId, event: &StageEvent) -> Key {
        let transition = event.transition();
        Key::new(
            self.dispatcher.source().clone(),
            client.clone(),
            event.parent().clone(),
            EventKind::Stage(event.stage()),
            Occurrence::of_stage(transition),
        )
    }

    /// Records that the client knows of a stage from elsewhere, so that it is never sent. A stage that is not stored yet
    /// is stored as notified, at its place in the life cycle of its order. See [`Dispatcher::mark_notified`].
    ///
    /// # Errors
    /// As [`enqueue`](Self::enqueue) and [`Dispatcher::mark_notified`].
    pub async fn mark_notified(
        &self,
        client: &SupplierId,
        event: &StageEvent,
        reference: &str,
        by: &By,
    ) -> Result<Notification, FulfilmentError> {
        self.dispatcher.ensure_open()?;
        refuse_unfit("reference", reference)?;
        let reference = reference.to_owned();
        let start = Start::Notified {
            reference: reference.clone(),
            by: by.clone(),
        };
        let enqueued = self.append_as(client, event, Some(start)).await?;
        let (engine, key) = (&self.dispatcher.engine, self.key(client, event));
        let is_new = |stored: &Stored| matches!(stored.inserted, Inserted::New { .. });
        if enqueued.stored.iter().any(is_new) {
            return Ok(engine.get(&key).await?);
        }
        let marked = Action::MarkNotified { reference };
        Ok(engine.decide_by_hand(&key, marked, by.clone()).await?)
    }

    async fn append(
        &self,
        client: &SupplierId,
        event: &StageEvent,
    ) -> Result<Enqueued, FulfilmentError> {
        self.append_as(client, event, None).await
    }

    /// Appends a stage to the life of its order, as it starts, or to be sent if the client has subscribed to it.
    async fn append_as(
        &self,
        client: &SupplierId,
        event: &StageEvent,
        start: Option<Start>,
    ) -> Result<Enqueued, FulfilmentError> {
        let key = self.key(client, event);
        let client = self.dispatcher.engine.supplier(client).await?;
        let stream = key.stream();
        let mut kept = self.lives.get(&stream);
        for _ in 0..APPENDS {
            let (life, is_old) = match kept.take() {
                Some(life) => (life, true),
                None => (self.catch_up(&stream).await?, false),
            };
            match check(&life, &key, event) {
                Ok(()) => {}
                // What is kept may be behind: another process may have stored what this stage waits for.
                Err(_) if is_old => continue,
                Err(refused) => return Err(refused),
            }
            let mut row = self.row(key.clone(), life.position + 1, event, &client)?;
            if let Some(start) = &start {
                row.start = start.clone();
            }
            let enqueued = self.dispatcher.engine.insert(&[row]).await?;
            // Dropped before it is added to: otherwise it would be copied.
            drop(life);
            match enqueued.stored.first().map(|stored| stored.inserted) {
                Some(Inserted::Stale { .. }) => {}
                Some(Inserted::New { position }) => {
                    self.lives.add(&stream, &key, position, event.transition());
                    return Ok(enqueued);
                }
                _ => return Ok(enqueued),
            }
        }
        let what = "other processes were first at every place in the stream";
        let error = StoreError::new(StoreErrorKind::Unavailable, what);
        Err(Error::Store(error).into())
    }

    /// The life of a stream to its end. Of what was read before only the last, unfinished page is read again.
    async fn catch_up(&self, stream: &Stream) -> Result<Arc<Life>, FulfilmentError> {
        let known = self
            .lives
            .get(stream)
            .map(Arc::unwrap_or_clone)
            .unwrap_or_default();
        let life = Arc::new(self.read_on(stream, known).await?);
        self.lives.put(stream.clone(), Arc::clone(&life));
        Ok(life)
    }

    /// Reads a life on to the end of its stream.
    async fn read_on(&self, stream: &Stream, mut life: Life) -> Result<Life, FulfilmentError> {
        let mut filter = Filter::of(stream.source.clone());
        filter.order = Some(stream.order.clone());
        filter.supplier = Some(stream.supplier.clone());
        loop {
            let listing = self
                .dispatcher
                .engine
                .page(&filter, life.cursor.clone(), PAGE)
                .await?;
            let unreadable = |source| FulfilmentError::Unreadable {
                order: stream.order.clone(),
                source,
            };
            life.read(listing.notifications).map_err(unreadable)?;
            match listing.next {
                Some(cursor) => life.cursor = Some(cursor),
                None => return Ok(life),
            }
        }
    }

    /// The row of a stage at this position.
    fn row(
        &self,
        key: Key,
        position: u64,
        event: &StageEvent,
        client: &Supplier,
    ) -> Result<NewNotification, FulfilmentError> {
        let now = OffsetTimestamp::from(Timestamp::from(SystemTime::now()));
        let event_id = key.event_id();
        let wanted = client.subscription().wants(event.transition());
        let start = match wanted {
            true => Start::pending(Body::new(event.encode(event_id.as_str(), position, now))),
            false => Start::NotWanted,
        };
        let mut new = NewNotification::new(key, start);
        new.append = Append::At(position);
        new.ledger = Ledger::expecting(client.endpoints().first());
        new.content_digest = Some(ContentDigest::of(&event.content()));
        new.memo = Some(Memo::new(event.transition().to_memo()).map_err(Error::Event)?);
        let traceparent = self.dispatcher.traceparent.as_ref();
        new.traceparent = traceparent.map(ToString::to_string);
        Ok(new)
    }
}

/// Whether the stage is stored already, or may follow now.
fn check(life: &Life, key: &Key, event: &StageEvent) -> Result<(), FulfilmentError> {
    if life.knows(key) {
        return Ok(());
    }
    life.check(event.transition())
        .map_err(|refused| FulfilmentError::NotAllowed(Box::new(refused)))
}

impl Occurrence {
    /// The occurrence of a stage within its parent order: the child order, the rejected one for Re-Assign and Split,
    /// none for digitization.
    pub(crate) fn of_stage(transition: &crate::fulfilment::Transition) -> Self {
        // Invariant: a child id has at most 128 characters, none of them a control character.
        Occurrence::from_stored(transition.occurrence()).unwrap_or_else(|_| Occurrence::only())
    }
}

impl std::fmt::Debug for Fulfilment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fulfilment")
            .field("dispatcher", &self.dispatcher)
            .finish_non_exhaustive()
    }
}
