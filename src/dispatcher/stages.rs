//! Stages of fulfilment orders: appended to the life of their order, told like everything else.

use std::sync::Arc;
use std::time::SystemTime;

use crate::delivery::error::Error;
use crate::delivery::report::{Enqueued, Report};
use crate::event::{Body, ContentDigest, EventKind, Memo, Occurrence};
use crate::fulfilment::{Lifecycle, StageEvent};
use crate::notification::{Key, Ledger, Stream};
use crate::store::{Append, Filter, Inserted, NewNotification, Start, StoreError, StoreErrorKind};
use crate::supplier::Supplier;
use crate::value::names::{OrderCode, SupplierId};
use crate::value::time::{OffsetTimestamp, Timestamp};

use super::Dispatcher;
use super::lives::Life;

/// How often an append is tried again when other nodes append to the same stream.
const APPENDS: usize = 256;

/// How many notifications of a stream are listed at once.
const PAGE: u32 = 500;

impl Dispatcher {
    /// Stores a stage of a fulfilment order for a client: one durable write, nothing is sent.
    ///
    /// The stage is checked against the life cycle of its order so far, which is read from the stored notifications of
    /// the order, and gets the next position among them: when two processes append at the same time, one of them reads
    /// again. The same stage offered twice is recognised and stored once. A stage that the client has not subscribed to
    /// is recorded and not sent.
    ///
    /// # Errors
    /// [`Error::NotAllowed`] when the stage may not follow now; it names those that may. [`Error::LifeUnreadable`] when
    /// the life cycle cannot be read. A transient [`Error::Store`] also when other processes were first 256 times in a
    /// row. The others are those of [`enqueue`](Self::enqueue).
    pub async fn enqueue_stage(
        &self,
        client: &SupplierId,
        event: &StageEvent,
    ) -> Result<Enqueued, Error> {
        self.ensure_open()?;
        self.append(client, event).await
    }

    /// Stores a stage as [`enqueue_stage`](Self::enqueue_stage) does, and sends it if it is its turn: a stage waits for
    /// those before it. See [`notify`](Self::notify).
    ///
    /// # Errors
    /// As [`enqueue_stage`](Self::enqueue_stage).
    pub async fn notify_stage(
        &self,
        client: &SupplierId,
        event: &StageEvent,
    ) -> Result<Report, Error> {
        let (client, event) = (client.clone(), event.clone());
        let this = self.clone();
        self.run(async move |engine| {
            let stored = this.append(&client, &event).await?;
            engine.report_after_round(stored).await
        })
        .await
    }

    /// The life cycle of a fulfilment order so far, as it is stored for a client; a new one when nothing is stored.
    ///
    /// # Errors
    /// [`Error::LifeUnreadable`] when what is stored cannot be read, [`Error::Store`].
    pub async fn lifecycle(
        &self,
        client: &SupplierId,
        parent: &OrderCode,
    ) -> Result<Lifecycle, Error> {
        let stream = Stream::new(self.engine.source.clone(), client.clone(), parent.clone());
        Ok(self.read_on(&stream, Life::default()).await?.told)
    }

    /// The key under which a stage is stored for a client.
    pub fn stage_key(&self, client: &SupplierId, event: &StageEvent) -> Key {
        let (kind, occurrence) = (
            EventKind::of_stage(event.stage()),
            Occurrence::of_stage(event.transition()),
        );
        Key::new(
            self.engine.source.clone(),
            client.clone(),
            event.parent().clone(),
            kind,
            occurrence,
        )
    }

    async fn append(&self, client: &SupplierId, event: &StageEvent) -> Result<Enqueued, Error> {
        let key = self.stage_key(client, event);
        let client = self.engine.supplier(client).await?;
        let stream = key.stream();
        let mut kept = self.lives.get(&stream);
        for _ in 0..APPENDS {
            let (life, is_old) = match kept.take() {
                Some(life) => (life, true),
                None => (self.catch_up(&stream).await?, false),
            };
            if !life.knows(&key)
                && let Err(refused) = life.check(event.transition())
            {
                // What is kept may be behind: others may have stored what this stage waits for.
                if is_old {
                    continue;
                }
                return Err(Error::NotAllowed(Box::new(refused)));
            }
            let position = life.position + 1;
            let enqueued = self
                .engine
                .insert(&[new(key.clone(), position, event, &client)?])
                .await?;
            // Before it is added to: what somebody still holds would be copied.
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
        let what = "others were first at every place in the stream";
        Err(Error::Store(StoreError::new(
            StoreErrorKind::Unavailable,
            what,
        )))
    }

    /// The life of a stream to its end. Of what was read before only the last, unfinished page is read again.
    async fn catch_up(&self, stream: &Stream) -> Result<Arc<Life>, Error> {
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
    async fn read_on(&self, stream: &Stream, mut life: Life) -> Result<Life, Error> {
        let mut filter = Filter::of(stream.source.clone());
        filter.order = Some(stream.order.clone());
        filter.supplier = Some(stream.supplier.clone());
        loop {
            let listing = self.engine.page(&filter, life.cursor.clone(), PAGE).await?;
            let unreadable = |source| Error::LifeUnreadable {
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
}

fn new(
    key: Key,
    position: u64,
    event: &StageEvent,
    client: &Supplier,
) -> Result<NewNotification, Error> {
    let now = OffsetTimestamp::from(Timestamp::from(SystemTime::now()));
    let event_id = key.event_id();
    let wanted = client.subscription().wants(event.transition());
    let start = match wanted {
        true => Start::Pending(Body::new(event.encode(event_id.as_str(), position, now))),
        false => Start::NotWanted,
    };
    let mut new = NewNotification::new(key, start);
    new.append = Append::At(position);
    new.ledger = Ledger::expecting(client.endpoints().first());
    new.content_digest = Some(ContentDigest::of(&event.content()));
    new.memo = Some(Memo::new(event.transition().to_memo()).map_err(Error::Event)?);
    Ok(new)
}
