//! One claim from start to end: the only loop over endpoints.

mod admit;
mod call;
mod record;

use std::num::NonZeroU32;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::notification::{
    Attempt, Claim, Decision, FailureReason, Ledger, Round, Then, Written, decide, stream_rule,
};
use crate::store::StoreError;
use crate::supplier::StreamRule;
use crate::supplier::Supplier;
use crate::supplier::lookup::LookupError;
use crate::supplier::signing::NoValidKey;
use crate::value::clock::Moment;
use crate::value::time::Timestamp;

use super::engine::{Engine, Found};
use super::traffic::{PutOffFor, Seat, Stay, Who};

use admit::Admitted;
use call::Called;
pub(crate) use record::no_answer;
use record::superseded;

/// Which endpoints a round calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Calling {
    WhatIsDue,
    WhatIsOpen,
}

/// A claim as its holder sees it.
pub(crate) struct Held {
    pub(crate) claim: Claim,
    pub(crate) calling: Calling,
    /// The store's time when the claim was given, and our clock when the answer came.
    pub(crate) now: Timestamp,
    pub(crate) told: Moment,
    /// When we asked for the claim: the lease counts from there.
    pub(crate) asked: Moment,
    /// Cancelled when this holder has to let go.
    pub(crate) hand_back: CancellationToken,
    pub(crate) way: Way,
    /// The slot that was kept for it.
    pub(crate) seat: Option<Seat>,
    /// The supplier, if it has been looked up already.
    pub(crate) found: Option<Found>,
}

/// How it came to be claimed.
pub(crate) enum Way {
    /// By a worker, which has not asked for room at the supplier yet.
    Due { is_new: bool },
    /// By a worker that looked for what was put off, with room at the supplier.
    PutOff(Stay),
    /// The same, claimed before there is room.
    Ahead,
    /// By a caller who asked for this notification, with room at the supplier.
    Visit(Who, Stay),
}

/// The end of a round, as it is recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct End {
    pub(crate) then: Then,
    /// The store's time of the record.
    pub(crate) at: Timestamp,
    pub(crate) ledger: Ledger,
    /// What this holder has tried.
    pub(crate) attempts: Vec<Attempt>,
}

/// How a delivery ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Delivered {
    /// The end is recorded.
    Settled(Box<End>),
    /// It is handed back without a call: there was no slot in time, or its supplier was at its limit, which is this many
    /// calls at once.
    NoRoom { at_once: NonZeroU32 },
    /// Another holder or a person was there first; nothing of ours was recorded.
    Superseded,
    /// Nothing could be done and nothing was recorded: it is taken over when the lease has run out.
    Left,
}

impl Engine {
    /// Sends what the claim allows and records the outcome.
    ///
    /// Every future in here may be dropped: what was recorded is true, and the lease runs out.
    pub(crate) async fn deliver(&self, mut held: Held) -> Result<Delivered, StoreError> {
        let found = match held.found.take() {
            Some(found) => found,
            None => {
                self.look_up_for_claim(&held.claim.key.supplier, &held.hand_back)
                    .await
            }
        };
        if let (true, Err(error @ LookupError::Unavailable { .. })) =
            (held.claim.taken_over, &found)
        {
            // Handed back, it would be no takeover any more; and what the interruption means is the supplier's to say.
            tracing::warn!(%error, key = %held.claim.key, "left until the lease runs out again");
            return Ok(Delivered::Left);
        }
        let mut delivery = Delivery::new(self, held);
        if delivery.claim.taken_over {
            delivery.take_over(found.as_ref().ok().and_then(Option::as_ref));
        }
        let then = match &found {
            Ok(Some(supplier)) => match delivery.enter(supplier).await {
                Ok(()) => return delivery.go(supplier).await,
                Err(then) => then,
            },
            Ok(None) => failed(FailureReason::SupplierRemoved),
            Err(LookupError::Invalid(error)) => {
                tracing::error!(%error, key = %delivery.claim.key, "the supplier's configuration is not usable");
                failed(FailureReason::Config)
            }
            Err(error @ LookupError::Unavailable { .. }) => {
                tracing::warn!(%error, key = %delivery.claim.key, "handed back without a try");
                // A lookup that is cut short at a shutdown says nothing of the supplier.
                if delivery.has_to_stop() {
                    Then::HandBack {
                        after: Duration::ZERO,
                    }
                } else {
                    delivery.rest()
                }
            }
        };
        delivery.settle(then).await
    }
}

fn failed(reason: FailureReason) -> Then {
    Then::Failed {
        reason,
        stream: StreamRule::Hold,
    }
}

struct Delivery<'a> {
    engine: &'a Engine,
    claim: Claim,
    calling: Calling,
    now: Timestamp,
    told: Moment,
    hand_back: CancellationToken,
    who: Who,
    is_new: bool,
    was_put_off: bool,
    /// The round at the supplier, once it has begun.
    stay: Option<Stay>,
    seat: Option<Seat>,
    ledger: Ledger,
    /// Until when we may send.
    deadline: Moment,
    /// How many attempts the store has.
    recorded: u32,
    /// What was tried since.
    unrecorded: Vec<Attempt>,
    /// What was tried before, and is recorded.
    told_of: Vec<Attempt>,
    /// Whether a record was written again because its first outcome was unclear.
    repeated: bool,
    /// What it is put off for, if it is handed back.
    put_off_for: Vec<PutOffFor>,
    /// The limit of its supplier, if it is handed back because others are called.
    crowded: Option<NonZeroU32>,
    /// Whether a POST was made.
    has_called: bool,
}

impl<'a> Delivery<'a> {
    fn new(engine: &'a Engine, held: Held) -> Self {
        let (who, is_new, was_put_off, stay) = match held.way {
            Way::Due { is_new } => (Who::Worker, is_new, false, None),
            Way::PutOff(stay) => (Who::Worker, false, true, Some(stay)),
            Way::Ahead => (Who::Worker, false, true, None),
            Way::Visit(who, stay) => (who, true, false, Some(stay)),
        };
        Delivery {
            engine,
            calling: held.calling,
            now: held.now,
            told: held.told,
            hand_back: held.hand_back,
            who,
            is_new,
            was_put_off,
            stay,
            seat: held.seat,
            deadline: held.asked + engine.timing.lease(),
            ledger: held.claim.ledger.for_schedule(held.claim.reopened),
            recorded: held.claim.attempts,
            unrecorded: Vec::new(),
            told_of: Vec::new(),
            repeated: false,
            put_off_for: Vec::new(),
            crowded: None,
            has_called: false,
            claim: held.claim,
        }
    }

    async fn go(mut self, supplier: &Supplier) -> Result<Delivered, StoreError> {
        self.begin();
        let mut was_late = false;
        loop {
            let endpoint = match decide(&self.ledger, &self.claim.key, supplier, self.now()) {
                Decision::Settle(then) => return self.settle_expecting(then, supplier).await,
                Decision::Call(endpoint) => endpoint,
            };
            let pass = match self.admit(supplier, endpoint).await? {
                Admitted::Call(pass) => pass,
                Admitted::LeftOut => continue,
                Admitted::End(then) => return self.settle_expecting(then, supplier).await,
                Admitted::Superseded => return Ok(superseded(&self.claim.key)),
            };
            if !self.may_go_on(endpoint) && self.keep(endpoint).await? == Written::Stale {
                return Ok(superseded(&self.claim.key));
            }
            if !self.is_time_for_a_call() {
                return self.give_back(supplier).await;
            }
            match self.call(supplier, endpoint, pass).await {
                Called::Once => {}
                Called::Not if self.has_to_stop() => {
                    return self
                        .settle_expecting(
                            Then::HandBack {
                                after: Duration::ZERO,
                            },
                            supplier,
                        )
                        .await;
                }
                // Something between us and the wire took its time (the client is built at the first call): the next turn
                // renews the lease.
                Called::Not if !was_late => was_late = true,
                Called::Not => return self.give_back(supplier).await,
                Called::Unsigned(no_key) => {
                    let then = self.without_key(no_key, supplier);
                    return self.settle_expecting(then, supplier).await;
                }
            }
        }
    }

    /// Whether no POST may begin any more.
    fn has_to_stop(&self) -> bool {
        self.hand_back.is_cancelled() || self.engine.stopping.is_cancelled()
    }

    /// The notification waits for a signing key that is valid within the hour, and fails when there is none.
    fn without_key(&self, no_key: NoValidKey, supplier: &Supplier) -> Then {
        let key = &self.claim.key;
        match no_key.wait {
            Some(after) => {
                tracing::warn!(%no_key, %key, "handed back without a try");
                Then::HandBack { after }
            }
            None => {
                tracing::error!(%no_key, %key, "the supplier's configuration is not usable");
                Then::Failed {
                    reason: FailureReason::Config,
                    stream: stream_rule(key, supplier),
                }
            }
        }
    }

    /// Begins a round, or goes on with the one that another holder did not finish.
    fn begin(&mut self) {
        match self.calling {
            Calling::WhatIsOpen => self.ledger.begin(Round::of_all()),
            Calling::WhatIsDue if self.claim.taken_over => {}
            Calling::WhatIsDue => self.ledger.begin(Round::of_due(self.now())),
        }
    }

    fn is_time_for_a_call(&self) -> bool {
        self.deadline.since(Moment::now()) >= self.engine.timing.timeout
    }

    /// The store's time now, from its answer and our clock.
    fn now(&self) -> Timestamp {
        self.now.after(self.told.elapsed())
    }
}
