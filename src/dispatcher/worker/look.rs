//! One look of a worker: what it may claim, claimed and started.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::delivery::deliver::{Calling, Delivered, Held, Way};
use crate::delivery::engine::{Claimed, Engine};
use crate::delivery::error::Error;
use crate::delivery::traffic::{OldWork, PutOffFor, Seat};
use crate::notification::{Claim, Then};
use crate::store::{Pick, StoreError};
use crate::value::clock::Moment;
use crate::value::time::Timestamp;

use super::drain::Later;

/// The most notifications in one claim.
const BATCH: usize = 64;

/// Of what is claimed, one in so many is work that has been handed out before.
const SHARE_OF_DUE: usize = 4;

/// What the clones of a worker have in common, and all of their runs.
#[derive(Default)]
pub(super) struct Shared {
    pub(super) notified: AtomicU64,
    pub(super) failed: AtomicU64,
    /// What is left of the share of work that has been handed out before.
    credit: AtomicUsize,
}

impl Shared {
    /// How many of so many are for what has been handed out before.
    fn share_of_due(&self, number: usize) -> usize {
        let credit = self.credit.load(Ordering::Relaxed) + number;
        let share = (credit / SHARE_OF_DUE).min(number);
        self.credit.store(credit % SHARE_OF_DUE, Ordering::Relaxed);
        share
    }

    pub(super) fn count(&self, delivered: &Result<Delivered, StoreError>) {
        match delivered {
            Ok(Delivered::Settled(end)) if matches!(end.then, Then::Notified { .. }) => {
                self.notified.fetch_add(1, Ordering::Relaxed);
            }
            Ok(Delivered::Settled(end)) if matches!(end.then, Then::Failed { .. }) => {
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

/// The deliveries that one run of a worker has started. Each run has its own, so that the end of one cuts no call of another,
/// nor waits for it.
pub(super) struct UnderWay {
    /// How many have begun and are not over.
    running: watch::Sender<usize>,
    /// Cancelled when the grace of the run is over.
    pub(super) hand_back: CancellationToken,
}

impl UnderWay {
    pub(super) fn new(engine: &Engine) -> Arc<UnderWay> {
        Arc::new(UnderWay {
            running: watch::Sender::new(0),
            hand_back: engine.hand_back.child_token(),
        })
    }

    pub(super) fn is_busy(&self) -> bool {
        *self.running.borrow() > 0
    }

    /// How many have begun and are not over, now and later.
    pub(super) fn running(&self) -> watch::Receiver<usize> {
        self.running.subscribe()
    }

    /// Waits until all of them are over.
    pub(super) async fn drained(&self) {
        let mut running = self.running.subscribe();
        // The sender lives as long as this.
        let _ = running.wait_for(|running| *running == 0).await;
    }
}

/// One delivery of a run, from its start to its end, also if that is a panic.
pub(super) struct Running(Arc<UnderWay>);

impl Running {
    fn begin(under_way: &Arc<UnderWay>) -> Self {
        under_way.running.send_modify(|number| *number += 1);
        Running(Arc::clone(under_way))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0
            .running
            .send_modify(|number| *number = number.saturating_sub(1));
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
    /// The look was for what is put off only: it says nothing of what is due.
    NotAsked,
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
    pub(super) under_way: Arc<UnderWay>,
    /// What has become due later is left alone.
    pub(super) due_by: Option<Timestamp>,
    /// Delivers what found no room; without it that is left to the next claim.
    pub(super) later: Option<Arc<Later>>,
    /// Cancelled when the future of the look has been dropped: what is being claimed then is started, and no more is claimed.
    pub(super) dropped: CancellationToken,
}

impl Look {
    pub(super) async fn look(self, old: Vec<OldWork>, claiming: Claiming) -> Result<Looked, Error> {
        // A worker is not drained while it may still start something.
        let _running = Running::begin(&self.under_way);
        let look = Arc::new(self);
        let asked: Vec<_> = old
            .into_iter()
            .map(|work| {
                let this = Arc::clone(&look);
                look.engine
                    .tasks
                    .spawn(async move { this.claim_old(work).await })
            })
            .collect();
        let mut result = match claiming {
            Claiming::All => look.claim_due().await,
            Claiming::PutOffOnly => Ok(Looked {
                claimed: 0,
                next: Next::NotAsked,
            }),
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
        let claimed = self
            .engine
            .claim(Pick::PutOff(vec![work.supplier.clone()]), work.most(), None)
            .await?;
        let number = claimed.claims.len();
        self.engine.traffic.had(&work, number);
        let (stays, seats) = (
            std::mem::take(&mut work.stays),
            std::mem::take(&mut work.seats),
        );
        let with_room = seats
            .into_iter()
            .map(Some)
            .zip(stays.into_iter().map(Way::PutOff));
        let ahead = std::iter::repeat_with(|| (None, Way::Ahead));
        self.start(claimed, with_room.chain(ahead)).await?;
        Ok(number)
    }

    /// Claims what is new and what is due, three to one; what one of them leaves, the other takes. Again while there is more
    /// and slots are free.
    async fn claim_due(&self) -> Result<Looked, Error> {
        let (mut claimed, mut next) = (0, None);
        let (mut no_more_new, mut no_more_due) = (false, false);
        while !(no_more_new && no_more_due) {
            let mut seats = self.engine.traffic.seats(BATCH);
            if seats.is_empty()
                || self.engine.stopping.is_cancelled()
                || self.dropped.is_cancelled()
            {
                return Ok(Looked {
                    claimed,
                    next: Next::WhenFree,
                });
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
        Ok(Looked {
            claimed,
            next: Next::In(next),
        })
    }

    async fn claim_some(
        &self,
        pick: Pick,
        seats: Vec<Seat>,
        no_more: &mut bool,
    ) -> Result<Option<Share>, Error> {
        let wanted = seats.len();
        if wanted == 0 {
            return Ok(None);
        }
        let is_new = pick == Pick::New;
        let mut claimed = self.engine.claim(pick, wanted, self.due_by).await?;
        let number = claimed.claims.len();
        let surplus = match is_new && self.later.is_none() {
            true => self.surplus(&mut claimed.claims),
            false => Vec::new(),
        };
        let next_due = claimed.next_due.map(|due| due.since(claimed.now));
        *no_more = number < wanted;
        let ways = seats
            .into_iter()
            .map(|seat| (Some(seat), Way::Due { is_new }));
        // The others are begun first: a write that fails strands none of them.
        let started = self.start(claimed, ways).await;
        self.put_off(surplus).await?;
        started?;
        Ok(Some(Share {
            number,
            next_due: next_due.filter(|_| number < wanted),
        }))
    }

    /// Takes out what would only find out that its supplier takes no more: a long backlog of one supplier is walked through in
    /// front of what is new of others.
    fn surplus(&self, claims: &mut Vec<Claim>) -> Vec<Claim> {
        let (traffic, now) = (&self.engine.traffic, Moment::now());
        let is_surplus =
            |claim: &mut Claim| !claim.taken_over && traffic.has_no_place(&claim.key.supplier, now);
        claims.extract_if(.., is_surplus).collect()
    }

    /// Hands these back in one write, until their suppliers have room.
    async fn put_off(&self, surplus: Vec<Claim>) -> Result<(), Error> {
        let traffic = &self.engine.traffic;
        let suppliers: BTreeSet<_> = surplus.iter().map(|it| it.key.supplier.clone()).collect();
        let put_off = surplus.into_iter().map(|claim| {
            let after = traffic.no_room(&claim.key.supplier);
            (claim, after)
        });
        self.engine.hand_back(put_off).await?;
        // Only now: a worker that looked for it before this was recorded has not found it.
        for supplier in suppliers {
            traffic.put_off(&supplier, &[PutOffFor::Room]);
        }
        Ok(())
    }

    /// Starts what was claimed, or gives it back when a shutdown has begun meanwhile.
    async fn start(
        &self,
        claimed: Claimed,
        ways: impl Iterator<Item = (Option<Seat>, Way)>,
    ) -> Result<(), Error> {
        let Claimed {
            asked,
            told,
            now,
            mut claims,
            ..
        } = claimed;
        let mut given_back = Vec::new();
        if self.engine.stopping.is_cancelled() {
            // What was taken over is begun all the same: no call is made any more, but the interruption is put on record.
            (claims, given_back) = claims.into_iter().partition(|claim| claim.taken_over);
        }
        for (claim, (seat, way)) in claims.into_iter().zip(ways) {
            let held = Held {
                claim,
                calling: Calling::WhatIsDue,
                now,
                told,
                asked,
                hand_back: self.under_way.hand_back.clone(),
                way,
                seat,
                found: None,
            };
            let later = self.later.clone();
            start_held(&self.engine, held, &self.shared, &self.under_way, later);
        }
        self.engine.give_back(given_back).await
    }
}

/// Starts a delivery that belongs to a run; what finds no room is delivered later, if somebody is there who does that.
pub(super) fn start_held(
    engine: &Arc<Engine>,
    held: Held,
    shared: &Arc<Shared>,
    under_way: &Arc<UnderWay>,
    later: Option<Arc<Later>>,
) {
    let (running, shared) = (Running::begin(under_way), Arc::clone(shared));
    let later = later.map(|later| (later, held.claim.key.clone()));
    drop(engine.start(held, move |delivered| {
        shared.count(&delivered);
        if let (Some((later, key)), Ok(Delivered::NoRoom { at_once })) = (later, delivered) {
            later.deliver(key, at_once, running);
        }
    }));
}

/// What came of one claim.
struct Share {
    number: usize,
    next_due: Option<Duration>,
}
