//! Stages of fulfilment orders: appended to the life of their order, told like everything else.

use std::time::SystemTime;

use crate::delivery::engine::Engine;
use crate::delivery::error::Error;
use crate::delivery::report::{Enqueued, Report};
use crate::event::{Body, ContentDigest, EventKind, Memo, Occurrence};
use crate::fulfilment::{Lifecycle, StageEvent};
use crate::notification::{Key, Notification, Stream};
use crate::store::{Append, Inserted, NewNotification, Start, StoreError, StoreErrorKind};
use crate::supplier::Supplier;
use crate::value::names::{OrderCode, SupplierId};
use crate::value::time::{OffsetTimestamp, Timestamp};

use super::Dispatcher;

/// How often an append is tried again when other nodes append to the same stream.
const APPENDS: usize = 32;

impl Dispatcher {
    /// Stores a stage of a fulfilment order for a client: one durable write, nothing is sent.
    ///
    /// The stage is judged by the life of its order so far, which is folded from the stream, and stored at the next position
    /// of the stream and no other: of two nodes that append at the same time one looks again. The same stage offered twice is
    /// recognised. What the client has not subscribed to is recorded and not sent.
    ///
    /// # Errors
    /// [`Error::NotAllowed`] when the stage may not come now; it names what may. [`Error::LifeUnreadable`] when the stream
    /// cannot be folded. A transient [`Error::Store`] also when other nodes were first 32 times in a row. Else as
    /// [`enqueue`](Self::enqueue).
    pub async fn enqueue_stage(&self, client: &SupplierId, event: &StageEvent) -> Result<Enqueued, Error> {
        self.ensure_open()?;
        self.engine.append(client, event).await
    }

    /// [`enqueue_stage`](Self::enqueue_stage), and one round for the stage if it is its turn: a stage waits for those before
    /// it. See [`notify`](Self::notify).
    ///
    /// # Errors
    /// As [`enqueue_stage`](Self::enqueue_stage).
    pub async fn notify_stage(&self, client: &SupplierId, event: &StageEvent) -> Result<Report, Error> {
        let (client, event) = (client.clone(), event.clone());
        self.run(async move |engine| {
            let stored = engine.append(&client, &event).await?;
            engine.report_after_round(stored).await
        })
        .await
    }

    /// The life of a fulfilment order so far, as a client's stream has it; a new one when nothing is stored.
    ///
    /// # Errors
    /// [`Error::LifeUnreadable`] when the stream cannot be folded, [`Error::Store`].
    pub async fn lifecycle(&self, client: &SupplierId, parent: &OrderCode) -> Result<Lifecycle, Error> {
        let stream = Stream::new(self.engine.source.clone(), client.clone(), parent.clone());
        fold(&self.engine.stream(&stream).await?, parent)
    }

    /// The key of a stage for a client.
    pub fn stage_key(&self, client: &SupplierId, event: &StageEvent) -> Key {
        self.engine.stage_key(client, event)
    }
}

impl Engine {
    fn stage_key(&self, client: &SupplierId, event: &StageEvent) -> Key {
        let (kind, occurrence) = (EventKind::of_stage(event.stage()), Occurrence::of_stage(event.transition()));
        Key::new(self.source.clone(), client.clone(), event.parent().clone(), kind, occurrence)
    }

    async fn append(&self, client: &SupplierId, event: &StageEvent) -> Result<Enqueued, Error> {
        let key = self.stage_key(client, event);
        let client = self.supplier(client).await?;
        for _ in 0..APPENDS {
            let stream = self.stream(&key.stream()).await?;
            let known = stream.iter().any(|notification| notification.key == key);
            if !known {
                let life = fold(&stream, &key.order)?;
                life.check(event.transition()).map_err(|error| Error::NotAllowed(Box::new(error)))?;
            }
            let position = stream.last().map_or(0, |notification| notification.position) + 1;
            let enqueued = self.insert(&[new(key.clone(), position, event, &client)?]).await?;
            if !enqueued.stored.iter().any(|stored| matches!(stored.inserted, Inserted::Stale { .. })) {
                return Ok(enqueued);
            }
        }
        let what = "others were first at every place in the stream";
        Err(Error::Store(StoreError::new(StoreErrorKind::Unavailable, what)))
    }
}

fn new(key: Key, position: u64, event: &StageEvent, client: &Supplier) -> Result<NewNotification, Error> {
    let now = OffsetTimestamp::from(Timestamp::from(SystemTime::now()));
    let event_id = key.event_id();
    let wanted = client.subscription().wants(event.transition());
    let start = match wanted {
        true => Start::Pending(Body::new(event.encode(event_id.as_str(), position, now))),
        false => Start::NotWanted,
    };
    let mut new = NewNotification::new(key, start);
    new.append = Append::At(position);
    new.content_digest = Some(ContentDigest::of(&event.content()));
    new.memo = Some(Memo::new(event.transition().to_memo()).map_err(Error::Event)?);
    Ok(new)
}

/// The life that the memos of a stream tell. What else is in the stream may have a memo of its own.
fn fold(stream: &[Notification], order: &OrderCode) -> Result<Lifecycle, Error> {
    let stages = stream.iter().filter(|notification| notification.key.kind.stage().is_some());
    let memos = stages.filter_map(|notification| notification.memo.as_deref());
    Lifecycle::fold(memos).map_err(|source| Error::LifeUnreadable { order: order.clone(), source })
}
