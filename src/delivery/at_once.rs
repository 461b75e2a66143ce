//! What is sent as soon as it is stored: room that is kept before the insert, and the workers of this process that take what
//! was claimed by it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::notification::Claim;
use crate::store::NewNotification;
use crate::supplier::{Activity, Supplier};
use crate::value::clock::Moment;
use crate::value::time::Timestamp;

use super::deliver::{Calling, Held, Way};
use super::engine::Engine;
use super::traffic::{Ask, Seat, Stay, Who};

/// Room for the first POST of a notification that is about to be stored.
pub(crate) struct Room {
    who: Who,
    supplier: Supplier,
    stay: Stay,
    seat: Seat,
}

/// A claim that came with an insert.
pub(crate) struct AtOnce {
    pub(crate) claim: Claim,
    pub(crate) room: Room,
    /// The store's time of the insert; our clock before it and after it.
    pub(crate) now: Timestamp,
    pub(crate) asked: Moment,
    pub(crate) told: Moment,
}

impl AtOnce {
    /// The claim as its holder sees it, who lets go when he is told to.
    pub(crate) fn held(self, hand_back: CancellationToken) -> Held {
        let AtOnce {
            claim,
            room,
            now,
            asked,
            told,
        } = self;
        Held {
            claim,
            calling: Calling::WhatIsDue,
            now,
            told,
            asked,
            hand_back,
            way: Way::Visit(room.who, room.stay),
            seat: Some(room.seat),
            found: Some(Ok(Some(room.supplier))),
        }
    }
}

impl Engine {
    /// Room for the POST of what is about to be stored, if it would begin at once: nobody waits for a slot or for the
    /// supplier, and its first endpoint may be called.
    pub(crate) fn room_for(
        &self,
        new: &NewNotification,
        supplier: &Supplier,
        who: Who,
    ) -> Option<Room> {
        let is_paused = supplier.activity() == Activity::Paused;
        if !new.start.is_due_at_once() || is_paused || self.stopping.is_cancelled() {
            return None;
        }
        let ask = Ask {
            endpoint: supplier.endpoints().first()?.id().clone(),
            supplier: supplier.id().clone(),
            who,
            is_new: true,
        };
        let limit = supplier.max_concurrent().get();
        let (stay, seat) = self.traffic.room_at_once(&ask, limit)?;
        Some(Room {
            who,
            supplier: supplier.clone(),
            stay,
            seat,
        })
    }
}

/// Starts the delivery of what was claimed.
type StartHere = Arc<dyn Fn(&Arc<Engine>, AtOnce) + Send + Sync>;

/// The workers of this process, and the bell that wakes them.
#[derive(Default)]
pub(crate) struct Workers {
    bell: Notify,
    /// How often the bell was rung, and up to where a worker has claimed all that was due.
    rung: AtomicU64,
    caught_up: AtomicU64,
    runs: Mutex<Vec<(u64, StartHere)>>,
}

impl Workers {
    /// There may be something to claim.
    pub(crate) fn ring(&self) {
        self.rung.fetch_add(1, Ordering::SeqCst);
        self.bell.notify_one();
    }

    /// Resolves when the bell is rung, for one of those who wait.
    pub(crate) async fn rung(&self) {
        self.bell.notified().await;
    }

    /// How often the bell was rung so far.
    pub(crate) fn rings(&self) -> u64 {
        self.rung.load(Ordering::SeqCst)
    }

    /// A worker has claimed all that was due when the bell had been rung so often.
    pub(crate) fn are_caught_up(&self, rings: u64) {
        // One more, so that nobody is caught up who has never looked.
        self.caught_up.fetch_max(rings + 1, Ordering::SeqCst);
    }

    /// A worker could not claim all that is due: what is stored now has its turn after that.
    pub(crate) fn are_behind(&self) {
        self.caught_up.store(0, Ordering::SeqCst);
    }

    /// Whether what is stored now would be the next to be sent: a worker runs, and nothing that is due waits for it.
    pub(crate) fn would_send_at_once(&self) -> bool {
        self.caught_up.load(Ordering::SeqCst) == self.rings() + 1 && !self.runs().is_empty()
    }

    /// A run of a worker begins; its number.
    pub(crate) fn enter(&self, start: StartHere) -> u64 {
        let mut runs = self.runs();
        let number = runs.last().map_or(1, |(number, _)| number + 1);
        runs.push((number, start));
        number
    }

    /// It ends: nothing is started by it any more.
    pub(crate) fn leave(&self, number: u64) {
        self.runs().retain(|(run, _)| *run != number);
    }

    /// Has a worker deliver this; comes back when none runs any more.
    pub(crate) fn start(&self, engine: &Arc<Engine>, at_once: AtOnce) -> Result<(), Box<AtOnce>> {
        // Under the lock, so that no run has ended in between.
        match self.runs().first() {
            Some((_, start)) => {
                start(engine, at_once);
                Ok(())
            }
            None => Err(Box::new(at_once)),
        }
    }

    fn runs(&self) -> MutexGuard<'_, Vec<(u64, StartHere)>> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stored_is_the_next_only_beside_a_worker_that_has_claimed_all_that_is_due() {
        let workers = Workers::default();
        assert!(!workers.would_send_at_once());
        workers.are_caught_up(workers.rings());
        assert!(!workers.would_send_at_once(), "no worker runs");
        let run = workers.enter(Arc::new(|_, _| {}));
        assert!(workers.would_send_at_once());

        workers.ring();
        assert!(!workers.would_send_at_once(), "something has come");
        let rings = workers.rings();
        workers.ring();
        workers.are_caught_up(rings);
        assert!(!workers.would_send_at_once(), "something came meanwhile");
        workers.are_caught_up(workers.rings());
        assert!(workers.would_send_at_once());

        workers.are_behind();
        assert!(!workers.would_send_at_once(), "what is due waits for slots");
        workers.are_caught_up(workers.rings());
        workers.leave(run);
        assert!(!workers.would_send_at_once(), "none runs any more");
    }
}
