//! One look of a worker: what it may claim, claimed and started.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::delivery::deliver::{Calling, Delivered, Held, Way};
use crate::delivery::engine::{Claimed, Engine};
use crate::delivery::error::Error;
use crate::delivery::traffic::{OldWork, Seat};
use crate::notification::Then;
use crate::store::{Pick, StoreError};

/// The most notifications in one claim.
const BATCH: usize = 64;

/// Of what is claimed, one in so many is work that has been handed out before.
const SHARE_OF_DUE: usize = 4;

/// What the clones of a worker and its deliveries have in common.
pub(super) struct Shared {
    /// How many of its deliveries have begun and are not over.
    pub(super) running: watch::Sender<usize>,
    pub(super) notified: AtomicU64,
    pub(super) failed: AtomicU64,
    /// What is left of the share of work that has been handed out before.
    credit: AtomicUsize,
    /// Cancelled, and replaced, when the grace of a run is over.
    hand_back: Mutex<CancellationToken>,
}

impl Shared {
    pub(super) fn new(hand_back: CancellationToken) -> Self {
        Shared {
            running: watch::Sender::new(0),
            notified: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            credit: AtomicUsize::new(0),
            hand_back: Mutex::new(hand_back),
        }
    }

    pub(super) fn hand_back(&self) -> MutexGuard<'_, CancellationToken> {
        // A token, whatever happened while the lock was held.
        self.hand_back.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many of so many are for what has been handed out before.
    fn share_of_due(&self, number: usize) -> usize {
        let credit = self.credit.load(Ordering::Relaxed) + number;
        let share = (credit / SHARE_OF_DUE).min(number);
        self.credit.store(credit % SHARE_OF_DUE, Ordering::Relaxed);
        share
    }

    fn count(&self, delivered: &Result<Delivered, StoreError>) {
        match delivered {
            Ok(Delivered::Settled(Then::Notified { .. })) => {
                self.notified.fetch_add(1, Ordering::Relaxed);
            }
            Ok(Delivered::Settled(Then::Failed { .. })) => {
                self.failed.fetch_add(1, Ordering::Relaxed);
            }
            Ok(_) => {}
            Err(error) => {
                let source = std::error::Error::source(error).map(ToString::to_string);
                tracing::error!(%error, ?source, "the record could not be written; the lease has to run out");
            }
        }
    }
}

/// One delivery of a worker, from its start to its end, also if that is a panic.
struct Running(Arc<Shared>);

impl Running {
    fn begin(shared: &Arc<Shared>) -> Self {
        shared.running.send_modify(|number| *number += 1);
        Running(Arc::clone(shared))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.send_modify(|number| *number = number.saturating_sub(1));
    }
}

/// What a look did.
#[derive(Clone, Copy, Debug)]
pub(super) struct Looked {
    /// How many were claimed, and delivered or handed back.
    pub(super) claimed: usize,
    pub(super) next: Next,
}

/// When it is worth claiming again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// When a slot is free.
    WhenFree,
    /// So long from now; `None` when nothing waits.
    In(Option<Duration>),
}

/// Whether what is due is claimed, or only what is put off and can be sent now.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Claiming {
    All,
    PutOffOnly,
}

/// One look; what it claims is started before it ends, whatever becomes of the future that waits for it.
pub(super) struct Look {
    pub(super) engine: Arc<Engine>,
    pub(super) shared: Arc<Shared>,
    /// Cancelled when nobody waits for the look any more: what is being claimed then is started, and no more is claimed.
    pub(super) dropped: CancellationToken,
}

impl Look {
    pub(super) async fn look(self, old: Vec<OldWork>, claiming: Claiming) -> Result<Looked, Error> {
        // A worker is not drained while it may still start something.
        let _running = Running::begin(&self.shared);
        let look = Arc::new(self);
        let asked: Vec<_> = old
            .into_iter()
            .map(|work| {
                let this = Arc::clone(&look);
                look.engine.tasks.spawn(async move { this.claim_old(work).await })
            })
            .collect();
        let mut result = match claiming {
            Claiming::All => look.claim_due().await,
            Claiming::PutOffOnly => Ok(Looked { claimed: 0, next: Next::In(None) }),
        };
        for asked in asked {
            match (asked.await.unwrap_or(Err(Error::Panicked)), &mut result) {
                (Ok(claimed), Ok(looked)) => looked.claimed += claimed,
                (Ok(_), Err(_)) => {}
                (Err(error), _) => result = Err(error),
            }
        }
        result
    }

    async fn claim_old(&self, mut work: OldWork) -> Result<usize, Error> {
        let claimed = self.engine.claim(Pick::PutOff(vec![work.supplier.clone()]), work.stays.len()).await?;
        let number = claimed.claims.len();
        self.engine.traffic.had(&work, number);
        let (stays, seats) = (std::mem::take(&mut work.stays), std::mem::take(&mut work.seats));
        let ways = stays.into_iter().map(Way::PutOff);
        self.start(claimed, seats, ways).await?;
        Ok(number)
    }

    /// Claims what is new and what is due, three to one; what one of them leaves, the other takes. Again while there is more
    /// and slots are free.
    async fn claim_due(&self) -> Result<Looked, Error> {
        let (mut claimed, mut next) = (0, None);
        let (mut no_more_new, mut no_more_due) = (false, false);
        while !(no_more_new && no_more_due) {
            let mut seats = self.engine.traffic.seats(BATCH);
            if seats.is_empty() || self.engine.stopping.is_cancelled() || self.dropped.is_cancelled() {
                return Ok(Looked { claimed, next: Next::WhenFree });
            }
            let for_due = match (no_more_new, no_more_due) {
                (true, _) => seats.len(),
                (_, true) => 0,
                _ => self.shared.share_of_due(seats.len()),
            };
            let seats_for_due = seats.split_off(seats.len() - for_due);
            let (new, due) = tokio::join!(
                self.claim_some(Pick::New, seats, &mut no_more_new),
                self.claim_some(Pick::Due, seats_for_due, &mut no_more_due)
            );
            for some in [new?, due?].into_iter().flatten() {
                claimed += some.number;
                next = [next, some.next_due].into_iter().flatten().min();
            }
        }
        Ok(Looked { claimed, next: Next::In(next) })
    }

    async fn claim_some(&self, pick: Pick, seats: Vec<Seat>, no_more: &mut bool) -> Result<Option<Share>, Error> {
        let wanted = seats.len();
        if wanted == 0 {
            return Ok(None);
        }
        let is_new = pick == Pick::New;
        let claimed = self.engine.claim(pick, wanted).await?;
        let number = claimed.claims.len();
        let next_due = claimed.next_due.map(|due| due.since(claimed.now));
        *no_more = number < wanted;
        self.start(claimed, seats, std::iter::repeat_with(|| Way::Due { is_new })).await?;
        Ok(Some(Share { number, next_due: next_due.filter(|_| number < wanted) }))
    }

    /// Starts what was claimed, or gives it back when a shutdown has begun meanwhile.
    async fn start(&self, claimed: Claimed, seats: Vec<Seat>, ways: impl Iterator<Item = Way>) -> Result<(), Error> {
        let Claimed { asked, told, now, claims, .. } = claimed;
        if self.engine.stopping.is_cancelled() {
            return self.engine.give_back(claims).await;
        }
        let hand_back = self.shared.hand_back().clone();
        for ((claim, seat), way) in claims.into_iter().zip(seats).zip(ways) {
            let held = Held {
                claim,
                calling: Calling::WhatIsDue,
                now,
                told,
                asked,
                hand_back: hand_back.clone(),
                way,
                seat: Some(seat),
                found: None,
            };
            let (running, shared) = (Running::begin(&self.shared), Arc::clone(&self.shared));
            drop(self.engine.start(held, move |delivered| {
                shared.count(&delivered);
                drop(running);
            }));
        }
        Ok(())
    }
}

/// What came of one claim.
struct Share {
    number: usize,
    next_due: Option<Duration>,
}
