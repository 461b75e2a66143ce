//! One round for everything that is due, and then the end: what a program does that runs every minute.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::delivery::deliver::Delivered;
use crate::delivery::engine::Engine;
use crate::delivery::error::Error;
use crate::dispatcher::visit::{Visit, Visited};
use crate::notification::Key;
use crate::store::Pick;
use crate::value::clock::Moment;
use crate::value::names::SupplierId;

use super::look::{Claiming, Look, Next, Running, Shared, UnderWay};
use super::{Summary, Worker};

/// How many limits of an exchange one notification waits for room, once those before it have had theirs.
const PATIENCE: u32 = 2;

impl Worker {
    /// Delivers what is due now, and ends: for a program that is started every minute, by cron for example.
    ///
    /// Everything that is due at the store's time of the call gets one round of calls at most, and so does what follows it
    /// in its stream. What needs another try is left for the next run; so is what is [put
    /// off](Worker#who-is-called-when) for a silent endpoint or for a supplier that is
    /// [paused](crate::supplier::Activity::Paused), what others are sending, and what becomes due meanwhile. What finds as
    /// many calls under way as its supplier takes has its turn in this run. It ends with the last round: after at most one
    /// [`timeout`](crate::DispatcherBuilder::timeout) (60 s) for each URL that hangs.
    ///
    /// When the dispatcher is shut down it ends early, with nothing under way. Dropping this future stops the claiming and
    /// lets what is being sent go on.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use orderhook::{Dispatcher, MemoryStore, Source, Supplier, SupplierId, Worker};
    /// # let suppliers = std::collections::HashMap::<SupplierId, Supplier>::new();
    /// # let dispatcher = Dispatcher::builder(Source::new("shop")?, MemoryStore::new(), suppliers).build()?;
    /// let summary = Worker::new(&dispatcher).drain().await?;
    /// if summary.failed > 0 {
    ///     eprintln!("{} notifications have failed", summary.failed);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Store`] when something could not be claimed. What is being sent then is brought to its end first.
    pub async fn drain(self) -> Result<Summary, Error> {
        let under_way = UnderWay::new(&self.engine);
        let dropped = CancellationToken::new();
        let _dropped = dropped.clone().drop_guard();
        let drained = self.claim_all_that_is_due(&under_way, &dropped).await;
        under_way.drained().await;
        drained.map(|()| self.summary())
    }

    async fn claim_all_that_is_due(
        &self,
        under_way: &Arc<UnderWay>,
        dropped: &CancellationToken,
    ) -> Result<(), Error> {
        let engine = &self.engine;
        // A claim of nothing: it answers the store's time.
        let start = engine.claim(Pick::DueOf(Vec::new()), 1, None).await?.now;
        let later = Arc::new(Later {
            engine: Arc::clone(engine),
            shared: Arc::clone(&self.shared),
            turns: Mutex::default(),
            dropped: dropped.clone(),
        });
        let (mut changes, mut running) = (engine.traffic.changes(), under_way.running());
        while !engine.stopping.is_cancelled() {
            changes.mark_unchanged();
            let before = *running.borrow_and_update();
            let look = Look {
                engine: Arc::clone(engine),
                shared: Arc::clone(&self.shared),
                under_way: Arc::clone(under_way),
                due_by: Some(start),
                later: Some(Arc::clone(&later)),
                dropped: dropped.clone(),
            };
            let looked = engine.run(look.look(Vec::new(), Claiming::All)).await?;
            let under_way = before + looked.claimed;
            let wants_slots = looked.next == Next::WhenFree;
            if under_way == 0 && !wants_slots {
                break;
            }
            tokio::select! {
                biased;
                () = engine.stopping.cancelled() => {}
                // What follows in a stream can be claimed at the end of what is before it. The senders live as long as this.
                _ = running.wait_for(|running| *running < under_way) => {}
                _ = changes.changed(), if wants_slots => {}
            }
        }
        Ok(())
    }
}

/// Delivers what found no room, as much of each supplier at once as it takes.
pub(super) struct Later {
    engine: Arc<Engine>,
    shared: Arc<Shared>,
    turns: Mutex<HashMap<SupplierId, Arc<Semaphore>>>,
    /// Cancelled when the future of the run has been dropped.
    dropped: CancellationToken,
}

impl Later {
    /// Sees to this one when others of its supplier have had their turn; the run is busy until then.
    pub(super) fn deliver(self: &Arc<Self>, key: Key, at_once: NonZeroU32, running: Running) {
        let (later, turn) = (Arc::clone(self), self.turn(&key.supplier, at_once));
        self.engine.tasks.spawn(Box::pin(async move {
            // Nothing closes it.
            if let Ok(_turn) = turn.acquire_owned().await {
                later.visit(&key).await;
            }
            drop(running);
        }));
    }

    fn turn(&self, supplier: &SupplierId, at_once: NonZeroU32) -> Arc<Semaphore> {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || Arc::new(Semaphore::new(at_once.get() as usize));
        Arc::clone(turns.entry(supplier.clone()).or_insert_with(new))
    }

    async fn visit(&self, key: &Key) {
        let engine = &self.engine;
        let until = Moment::now() + engine.timing.timeout * PATIENCE;
        let is_over = || engine.stopping.is_cancelled() || self.dropped.is_cancelled();
        while Moment::now() < until && !is_over() {
            match engine.visit_one(key, Visit::WasDue).await {
                Ok(Visited::NoRoom) => {}
                // There was room, and it was gone again.
                Ok(Visited::Delivered(Delivered::NoRoom { .. })) => {
                    tokio::time::sleep(engine.traffic.pace().no_slot.start).await;
                }
                Ok(Visited::Delivered(delivered)) => return self.shared.count(&Ok(delivered)),
                Ok(Visited::NotClaimable) => return,
                Err(error) => {
                    tracing::error!(%error, %key, "it could not be claimed and is left for the next run");
                    return;
                }
            }
        }
    }
}
