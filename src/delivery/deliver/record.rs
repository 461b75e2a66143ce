//! What a delivery puts on record, and when: before the next call, and at its end.

use std::time::Duration;

use crate::delivery::listener::News;
use crate::notification::{FailureReason, Key, NotificationState, Step, Then, Written, expected};
use crate::store::{Recorded, StoreError, StoreErrorKind};
use crate::supplier::{Endpoint, Supplier};
use crate::value::clock::Moment;
use crate::value::time::Timestamp;

use super::{Delivered, Delivery, End};

/// How long a notification waits when the store was too slow for its lease.
const TOO_SLOW: Duration = Duration::from_secs(1);

impl Delivery<'_> {
    /// Nothing is left to be recorded before the call of this endpoint, which the record names as the next one, and the
    /// lease is long enough for it. A record from before that stood there names the first open one of the list.
    pub(super) fn may_go_on(&self, endpoint: &Endpoint) -> bool {
        let is_expected = match self.ledger.next() {
            Some(next) => next.id == *endpoint.id(),
            None => self.ledger.is_blank(),
        };
        self.unrecorded.is_empty() && is_expected && self.is_time_for_a_call()
    }

    /// Records what was tried and who is called next, and begins the lease anew: one write.
    pub(super) async fn keep(&mut self, next: &Endpoint) -> Result<Written, StoreError> {
        self.ledger.expect(Some(next));
        let asked = Moment::now();
        let lease = self.engine.timing.lease();
        let (written, _) = self.record(Then::Keep { lease }).await?;
        self.deadline = asked + lease;
        Ok(written)
    }

    /// Ends the claim because a fresh lease is too short for a call already: not at once again, that would go round for ever.
    pub(super) async fn give_back(self, supplier: &Supplier) -> Result<Delivered, StoreError> {
        let margin = self.engine.timing.lease_margin;
        tracing::warn!(key = %self.claim.key, ?margin, "the store takes longer than the lease margin; handed back");
        self.settle_expecting(Then::HandBack { after: TOO_SLOW }, supplier)
            .await
    }

    /// Settles, and puts on record who is called first when it is claimed again.
    pub(super) async fn settle_expecting(
        mut self,
        then: Then,
        supplier: &Supplier,
    ) -> Result<Delivered, StoreError> {
        let next = match &then {
            Then::Again { .. } | Then::HandBack { .. } => expected(&self.ledger, supplier),
            // Reopened by a person, it begins with what has not accepted.
            Then::Failed { .. } | Then::Notified { .. } | Then::Keep { .. } => None,
        };
        self.ledger.expect(next);
        self.settle(then).await
    }

    pub(super) async fn settle(mut self, then: Then) -> Result<Delivered, StoreError> {
        let last_try = self.ledger.last_try_ahead();
        self.ledger.end_round();
        // Others may have the slot while this is recorded; the room at the supplier is kept until it is.
        self.seat = None;
        match &then {
            Then::HandBack { .. } if self.was_put_off => {
                self.engine.traffic.could_not_call(&self.claim.key.supplier);
            }
            // Its endpoint may be another one than that which the rest was put off for.
            Then::Notified { .. } if self.was_put_off => {
                self.engine.traffic.could_call(&self.claim.key.supplier)
            }
            Then::Failed { reason, .. } if FailureReason::OF_CONFIGURATION.contains(reason) => {
                self.engine.suppliers.outdated(&self.claim.key.supplier);
            }
            _ => {}
        }
        let key = self.claim.key.clone();
        let (written, at) = match self.record(then.clone()).await? {
            // A step that failed and was repeated finds its token spent when it was recorded after all.
            (Written::Stale, at) if self.repeated && self.is_ours(&key).await? => {
                (Written::Applied, at)
            }
            written => written,
        };
        match written {
            Written::Applied => {
                tracing::info!(%key, event_id = %self.claim.event_id, end = end_word(&then), "settled");
                if matches!(then, Then::HandBack { .. }) {
                    // Only now: a worker that looked for it before this was recorded has not found it.
                    self.engine
                        .traffic
                        .put_off(&key.supplier, &self.put_off_for);
                }
                // What was turned away comes back at the pace at which calls end, and is to find the end of one.
                if self.engine.traffic.is_crowded(Moment::now()) {
                    self.engine.workers.ring();
                }
                self.tell(key, &then, last_try);
                Ok(match self.crowded.filter(|_| !self.has_called) {
                    Some(at_once) => Delivered::NoRoom { at_once },
                    None => Delivered::Settled(Box::new(End {
                        then,
                        at,
                        ledger: self.ledger,
                        attempts: self.told_of,
                    })),
                })
            }
            Written::Stale => Ok(superseded(&key)),
        }
    }

    /// Whether the end that is recorded is ours: no other holder has this ledger with these attempts.
    pub(super) async fn is_ours(&self, key: &Key) -> Result<bool, StoreError> {
        let attempts = self.recorded as usize;
        let stored = self.engine.store.get(key).await?;
        Ok(stored.is_some_and(|stored| {
            let under_way = matches!(stored.state, NotificationState::Sending { .. });
            !under_way && stored.ledger == self.ledger && stored.attempts.len() == attempts
        }))
    }

    /// The host hears of it after it is durable.
    pub(super) fn tell(&self, key: Key, then: &Then, last_try: Option<Timestamp>) {
        let news = match then {
            Then::Notified { reference } => News::Notified {
                key,
                reference: reference.clone(),
            },
            Then::Failed { reason, .. } => News::Failed {
                key,
                reason: *reason,
            },
            Then::Again { .. } => match last_try {
                Some(due) => News::LastTryAhead { key, due },
                None => return,
            },
            Then::Keep { .. } | Then::HandBack { .. } => return,
        };
        self.engine.listener.tell(&news);
    }

    /// Writes until it is certain. What is repeated is the record, never the POST; it ends when another lease has gone
    /// by, for then others have long taken over.
    pub(super) async fn record(&mut self, then: Then) -> Result<(Written, Timestamp), StoreError> {
        let step = Step::new(
            self.claim.key.clone(),
            self.claim.token,
            self.ledger.clone(),
            then,
        )
        .with_attempts(self.recorded, std::mem::take(&mut self.unrecorded));
        let mut give_up = self.deadline + self.engine.timing.lease();
        let mut pause = Duration::from_millis(20);
        loop {
            match self.engine.store.write(std::slice::from_ref(&step)).await {
                Ok(written) => {
                    let Recorded { now, answers, .. } = written;
                    let written = answers.first().copied().ok_or_else(no_answer)?;
                    self.recorded = self
                        .recorded
                        .saturating_add(u32::try_from(step.attempts.len()).unwrap_or(0));
                    self.told_of.extend(step.attempts);
                    return Ok((written, now));
                }
                Err(error) if error.is_transient() && Moment::now() + pause < give_up => {
                    self.repeated = true;
                    tracing::warn!(%error, key = %step.key, "the record is written again");
                    tokio::select! {
                        () = tokio::time::sleep(pause) => pause = (pause * 2).min(Duration::from_secs(2)),
                        // A shutdown does not wait for a store that is away: one more try, now.
                        () = self.hand_back.cancelled() => give_up = Moment::now(),
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }
}

pub(super) fn superseded(key: &Key) -> Delivered {
    tracing::warn!(%key, "another holder took over; nothing was recorded");
    Delivered::Superseded
}

fn end_word(then: &Then) -> &'static str {
    match then {
        Then::Keep { .. } => "kept",
        Then::Notified { .. } => "notified",
        Then::Again { .. } => "again",
        Then::Failed { reason, .. } => reason.as_str(),
        Then::HandBack { .. } => "handed back",
    }
}

/// A store that breaks its contract: one answer for each that was asked.
pub(crate) fn no_answer() -> StoreError {
    StoreError::new(
        StoreErrorKind::Unusable,
        "the store answered less than it was asked",
    )
}
