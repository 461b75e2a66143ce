//! One claim from start to end: the only loop over endpoints.

mod record;

use std::num::NonZeroU32;
use std::time::{Duration, SystemTime};

use tokio_util::sync::CancellationToken;

use crate::notification::outcome::{NotSent, Outcome, Unknown};
use crate::notification::{
    Attempt, Claim, Decision, FailureReason, Ledger, Named, Round, Then, Tried, Written, decide,
    stream_rule,
};
use crate::store::StoreError;
use crate::supplier::StreamRule;
use crate::supplier::lookup::LookupError;
use crate::supplier::signing::NoValidKey;
use crate::supplier::{Activity, Endpoint, OnUnknown, Supplier};
use crate::value::clock::Moment;
use crate::value::time::Timestamp;
use crate::wire::kept_reply::kept_reply;
use crate::wire::request::{Telling, reference, request};
use crate::wire::send::Reply;

use super::engine::{Engine, Found};
use super::health::CallEnd;
use super::random::random;
use super::traffic::{Admission, Answer, Ask, Entry, Pass, PutOffFor, Seat, Stay, Who};

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
    /// By a caller who asked for this notification, with room at the supplier.
    Visit(Who, Stay),
}

/// How a delivery ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Delivered {
    /// The end is recorded.
    Settled(Then),
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

    /// Begins the round at the supplier, as soon as it has room; or says why not.
    async fn enter(&mut self, supplier: &Supplier) -> Result<(), Then> {
        let (id, limit) = (supplier.id(), supplier.max_concurrent().get());
        if supplier.activity() == Activity::Paused {
            return Err(self.rest());
        }
        let traffic = &self.engine.traffic;
        traffic.know(id, limit);
        if self.stay.is_some() {
            return Ok(());
        }
        let pace = traffic.pace();
        let waiting = match traffic.enter(id, limit, self.who, self.is_new) {
            Entry::In(stay) => {
                self.stay = Some(stay);
                return Ok(());
            }
            Entry::Full => return Err(self.without_room(supplier)),
            Entry::Wait(waiting) => waiting,
        };
        self.seat = None;
        tokio::select! {
            biased;
            stay = waiting => self.stay = stay.ok(),
            () = self.hand_back.cancelled() => return Err(Then::HandBack { after: Duration::ZERO }),
            () = self.engine.stopping.cancelled() => return Err(Then::HandBack { after: Duration::ZERO }),
            () = tokio::time::sleep(pace.wait) => {}
        }
        if self.stay.is_none() {
            traffic.has_left_the_line(id);
            return Err(self.without_room(supplier));
        }
        Ok(())
    }

    /// Its supplier is at its limit.
    fn without_room(&mut self, supplier: &Supplier) -> Then {
        self.crowded = Some(supplier.max_concurrent());
        self.put_off_for.push(PutOffFor::Room);
        Then::HandBack {
            after: self.engine.traffic.no_room(&self.claim.key.supplier),
        }
    }

    /// Asks for the call of an endpoint, and waits for a slot if need be.
    async fn admit(
        &mut self,
        supplier: &Supplier,
        endpoint: &Endpoint,
    ) -> Result<Admitted, StoreError> {
        let engine = self.engine;
        let ask = Ask {
            endpoint: endpoint.id().clone(),
            supplier: supplier.id().clone(),
            who: self.who,
            is_new: self.ledger.find(endpoint).is_none(),
        };
        let pace = engine.traffic.pace();
        let no_slot = || Admission::HandBack {
            after: super::pace::within(&pace.no_slot, random()),
        };
        let admission = match engine
            .traffic
            .ask(ask, &mut self.seat, Moment::now(), random())
        {
            Answer::Now(admission) => admission,
            Answer::Wait(waiting) => {
                // What has happened is durable before anything is waited for.
                if !self.unrecorded.is_empty() && self.keep(endpoint).await? == Written::Stale {
                    return Ok(Admitted::Superseded);
                }
                tokio::select! {
                    biased;
                    admission = waiting => admission.unwrap_or_else(|_| no_slot()),
                    () = self.hand_back.cancelled() => Admission::HandBack { after: Duration::ZERO },
                    () = engine.stopping.cancelled() => Admission::HandBack { after: Duration::ZERO },
                    () = tokio::time::sleep(pace.wait) => no_slot(),
                }
            }
        };
        Ok(match admission {
            Admission::Call(_) if self.has_to_stop() => Admitted::End(Then::HandBack {
                after: Duration::ZERO,
            }),
            Admission::Call(pass) => Admitted::Call(pass),
            Admission::HandBack { after } => {
                self.crowded = Some(supplier.max_concurrent()).filter(|_| !self.has_to_stop());
                Admitted::End(Then::HandBack { after })
            }
            Admission::LeaveOut { silent_for } => {
                self.put_off_for
                    .push(PutOffFor::Endpoint(endpoint.id().clone()));
                let now = self.now();
                let until = now.after(pace.put_off_for(silent_for, random()));
                let policy = supplier.retry().copied().unwrap_or(engine.timing.retry);
                self.ledger.leave_out(endpoint, until, policy, now);
                Admitted::LeftOut
            }
        })
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

    /// Its supplier is paused, or cannot be looked up: no try is spent, and a worker looks again every 5 s.
    fn rest(&mut self) -> Then {
        self.put_off_for.push(PutOffFor::Rest);
        let traffic = &self.engine.traffic;
        let lasted = traffic.rest(&self.claim.key.supplier);
        Then::HandBack {
            after: traffic.pace().put_off_for(lasted, random()),
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

    /// What was next for the holder before us may have been called: the record says so before anything else is done. Who
    /// was next stands in the record; only a record from before that was kept there is judged by today's list.
    fn take_over(&mut self, supplier: Option<&Supplier>) {
        let now = self.now();
        if !self.ledger.in_round() {
            self.ledger.begin(Round::of_due(now));
        }
        let by_list = || match decide(&self.ledger, &self.claim.key, supplier?, now) {
            Decision::Call(endpoint) => Some(Named::of(endpoint)),
            Decision::Settle(_) => None,
        };
        let next = self.ledger.next().cloned().or_else(by_list);
        let Some(endpoint) = next.filter(|next| self.ledger.is_open(&next.id)) else {
            return;
        };
        let reply = Reply::of(
            Outcome::Unknown {
                why: Unknown::Interrupted,
            },
            Duration::ZERO,
        );
        self.note(&endpoint, reply.outcome.clone(), now, Duration::ZERO, None);
        let tried = self.tried(supplier, endpoint, now, &reply);
        self.ledger.enter_interrupted(tried);
    }

    /// One POST and what it came to.
    async fn call(&mut self, supplier: &Supplier, endpoint: &Endpoint, pass: Pass) -> Called {
        let (engine, claim) = (self.engine, &self.claim);
        let telling = Telling {
            event_id: &claim.event_id,
            kind: &claim.key.kind,
            body: &claim.body,
            user_agent: &engine.user_agent,
            traceparent: claim.traceparent.as_deref(),
        };
        let request = match request(
            supplier,
            endpoint,
            &telling,
            Timestamp::from(SystemTime::now()),
        ) {
            Ok(request) => request,
            Err(no_key) => return Called::Unsigned(no_key),
        };
        let at = self.now();
        let reply = {
            let may_send = || {
                pass.leaves();
                self.is_time_for_a_call() && !self.has_to_stop()
            };
            let mut sending = std::pin::pin!(engine.out.send(request, may_send, &self.hand_back));
            tokio::select! {
                biased;
                reply = &mut sending => reply,
                () = tokio::time::sleep(engine.traffic.pace().silent_after) => {
                    pass.grow();
                    sending.await
                }
            }
        };
        let Some(reply) = reply else {
            return Called::Not;
        };
        tracing::debug!(key = %self.claim.key, endpoint = endpoint.shown(), outcome = %reply.outcome, "attempt");
        pass.end(call_end(&reply.outcome));
        if matches!(reply.outcome.status(), Some(401 | 403)) {
            engine.suppliers.outdated(supplier.id());
        }
        let kept = kept_reply(
            supplier,
            endpoint,
            &self.claim.body,
            reply.rejection.as_deref(),
        );
        let endpoint = Named::of(endpoint);
        self.has_called = true;
        self.note(&endpoint, reply.outcome.clone(), at, reply.took, kept);
        let tried = self.tried(Some(supplier), endpoint, at, &reply);
        self.ledger.enter(tried);
        Called::Once
    }

    fn note(
        &mut self,
        endpoint: &Named,
        outcome: Outcome,
        at: Timestamp,
        took: Duration,
        reply: Option<String>,
    ) {
        let (shown, id) = (endpoint.shown.clone(), endpoint.id.clone());
        self.unrecorded
            .push(Attempt::new(shown, id, outcome, at, took).with_reply(reply));
    }

    fn tried(
        &self,
        supplier: Option<&Supplier>,
        endpoint: Named,
        at: Timestamp,
        reply: &Reply,
    ) -> Tried {
        Tried {
            endpoint,
            outcome: reply.outcome.clone(),
            at,
            over: self.now(),
            retry_after: reply.retry_after,
            reference: supplier.and_then(|supplier| reference(supplier, reply.body.as_deref())),
            policy: supplier
                .and_then(Supplier::retry)
                .copied()
                .unwrap_or(self.engine.timing.retry),
            on_unknown: supplier.map_or(OnUnknown::Resend, Supplier::on_unknown),
            random: random(),
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

enum Admitted {
    Call(Pass),
    LeftOut,
    /// The round ends here.
    End(Then),
    Superseded,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Called {
    Once,
    Not,
    /// There is no key to sign with, so nothing was sent.
    Unsigned(NoValidKey),
}

/// What the end of a call says of the endpoint: everything but the limit is an answer, and what we did ourselves is no news.
fn call_end(outcome: &Outcome) -> CallEnd {
    match outcome {
        Outcome::Unknown {
            why: Unknown::TimedOut,
        }
        | Outcome::NotSent {
            why: NotSent::ConnectTimeout,
        } => CallEnd::AtLimit,
        Outcome::Unknown {
            why: Unknown::Interrupted,
        }
        | Outcome::NotSent {
            why: NotSent::Interrupted,
        }
        | Outcome::Blocked { .. } => CallEnd::NoNews,
        _ => CallEnd::Answered,
    }
}
