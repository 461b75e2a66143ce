//! One claim from start to end: the only loop over endpoints.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio_util::sync::CancellationToken;

use crate::delivery::lanes::{Lanes, Manner, REST};
use crate::delivery::listener::{Listener, News};
use crate::notification::outcome::{NotSent, Outcome, Unknown};
use crate::notification::{
    Attempt, Decision, End, FailureReason, Key, Ledger, Round, State, StreamRule, Tried, decide,
};
use crate::store::{AnyStore, Claim, Step, StoreError, StoreErrorKind, Then, Written};
use crate::supplier::lookup::{AnySuppliers, LookupError};
use crate::supplier::retry::RetryPolicy;
use crate::supplier::signing::NoValidKey;
use crate::supplier::{Activity, Endpoint, FailedStages, Supplier};
use crate::value::clock::Moment;
use crate::value::time::Timestamp;
use crate::wire::request::{Telling, reference, request};
use crate::wire::send::{Reply, Sender};

/// What a delivery needs, beside its claim.
pub(crate) struct Courier {
    pub(crate) store: AnyStore,
    pub(crate) suppliers: AnySuppliers,
    pub(crate) sender: Sender,
    pub(crate) timing: Timing,
    /// Cancelled when the grace of a shutdown is over: what is held is handed back.
    pub(crate) hand_back: CancellationToken,
    pub(crate) listener: Listener,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Timing {
    /// One exchange with one endpoint.
    pub(crate) timeout: Duration,
    /// How much longer than that a lease is.
    pub(crate) lease_margin: Duration,
    /// For suppliers without a schedule of their own.
    pub(crate) retry: RetryPolicy,
}

impl Timing {
    pub(crate) fn lease(&self) -> Duration {
        self.timeout.saturating_add(self.lease_margin)
    }
}

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
    /// The store's time when the claim was given, and our clock when we were told.
    pub(crate) now: Timestamp,
    pub(crate) told: Moment,
    /// When we asked for the claim: the lease counts from there.
    pub(crate) asked: Moment,
    /// Cancelled when this holder has to let go.
    pub(crate) hand_back: CancellationToken,
    pub(crate) admission: Admission,
}

/// Whether a delivery has to ask for room at its supplier.
pub(crate) enum Admission {
    /// A person or a handler waits for it.
    Free,
    /// A worker's: what the supplier's limit does not allow is handed back.
    Lanes(Arc<Lanes>),
}

/// How a delivery ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Delivered {
    /// The end is recorded.
    Settled(Then),
    /// Another holder or a person was there first; nothing of ours was recorded.
    Superseded,
    /// Nothing could be done and nothing was recorded: it is taken over when the lease has run out.
    Left,
}

impl Courier {
    /// Sends what the claim allows and records what came of it.
    ///
    /// Every future in here may be dropped: what was recorded is true, and the lease runs out.
    pub(crate) async fn deliver(&self, held: Held) -> Result<Delivered, StoreError> {
        let mut delivery = Delivery {
            courier: self,
            deadline: held.asked + self.timing.lease(),
            ledger: held.claim.ledger.for_schedule(held.claim.reopened),
            recorded: held.claim.attempts,
            manner: Manner::Unknown,
            round_is_news: false,
            repeated: false,
            unrecorded: Vec::new(),
            held,
        };
        let found = tokio::select! {
            biased;
            found = self.find(&delivery.held.claim.key) => found,
            () = delivery.held.hand_back.cancelled() => Err(LookupError::unavailable("it did not answer in time")),
        };
        let then = match found {
            Ok(Some(supplier)) => match delivery.obstacle(&supplier) {
                None => return delivery.go(&supplier).await,
                // Handed back, it is no takeover any more: what was interrupted is put on record now.
                Some(then) => {
                    if delivery.held.claim.taken_over {
                        delivery.take_over(&supplier);
                    }
                    then
                }
            },
            Ok(None) => failed(FailureReason::SupplierRemoved),
            Err(LookupError::Invalid(error)) => {
                tracing::error!(%error, key = %delivery.held.claim.key, "the supplier's configuration is not usable");
                failed(FailureReason::Config)
            }
            Err(error @ LookupError::Unavailable { .. }) => {
                let then = delivery.rest();
                if delivery.held.claim.taken_over {
                    // Handed back, it would be no takeover any more, and nobody can say now what was interrupted.
                    tracing::warn!(%error, key = %delivery.held.claim.key, "left until the lease runs out again");
                    return Ok(Delivered::Left);
                }
                tracing::warn!(%error, key = %delivery.held.claim.key, "handed back without a try");
                then
            }
        };
        delivery.settle(then).await
    }

    /// The host's own code: it may take as long as an exchange, and no longer.
    async fn find(&self, key: &Key) -> Result<Option<Supplier>, LookupError> {
        let found = tokio::time::timeout(self.timing.timeout, self.suppliers.find(&key.supplier)).await;
        found.unwrap_or_else(|_| Err(LookupError::unavailable("no answer within the limit of an exchange")))
    }
}

/// How long a notification waits when the store was too slow for its lease.
const TOO_SLOW: Duration = Duration::from_secs(1);

fn failed(reason: FailureReason) -> Then {
    Then::Failed { reason, stream: StreamRule::Holds }
}

struct Delivery<'a> {
    courier: &'a Courier,
    held: Held,
    ledger: Ledger,
    /// Until when we may send.
    deadline: Moment,
    /// How many attempts the store has.
    recorded: u32,
    /// What was tried since.
    unrecorded: Vec<Attempt>,
    /// How the supplier has behaved under this claim.
    manner: Manner,
    /// Whether the round begins in a way that nobody could guess who takes over.
    round_is_news: bool,
    /// Whether a record was written again because its first outcome was unclear.
    repeated: bool,
}

impl Delivery<'_> {
    async fn go(mut self, supplier: &Supplier) -> Result<Delivered, StoreError> {
        self.begin(supplier);
        let mut was_late = false;
        loop {
            match decide(&self.ledger, &self.held.claim.key, supplier, self.now()) {
                Decision::Settle(end) => {
                    let then = match end {
                        End::Notified { reference } => Then::Notified { reference },
                        End::Again { after } => Then::Again { after },
                        End::Failed { reason } => Then::Failed { reason, stream: self.stream_rule(supplier) },
                    };
                    return self.settle(then).await;
                }
                Decision::Call(endpoint) => {
                    if !self.may_go_on() && self.keep().await? == Written::Stale {
                        return Ok(superseded(&self.held.claim.key));
                    }
                    if self.held.hand_back.is_cancelled() {
                        return self.settle(Then::HandBack { after: Duration::ZERO }).await;
                    }
                    if !self.is_time_for_a_call() {
                        return self.give_back().await;
                    }
                    match self.call(supplier, endpoint).await {
                        Called::Once => {}
                        // Something between us and the wire took its time (the client is built at the first call): the
                        // next turn renews the lease.
                        Called::Not if !was_late => was_late = true,
                        Called::Not => return self.give_back().await,
                        Called::Unsigned(no_key) => {
                            let then = self.without_key(no_key, supplier);
                            return self.settle(then).await;
                        }
                    }
                }
            }
        }
    }

    /// What keeps us from calling this supplier now.
    fn obstacle(&self, supplier: &Supplier) -> Option<Then> {
        match &self.held.admission {
            _ if supplier.activity() == Activity::Paused => Some(self.rest()),
            Admission::Lanes(lanes) if !lanes.admits(supplier, Moment::now()) => {
                Some(Then::HandBack { after: Duration::ZERO })
            }
            Admission::Free | Admission::Lanes(_) => None,
        }
    }

    /// Only stages of fulfilment pass: what else shares a stream was meant to come in order.
    fn stream_rule(&self, supplier: &Supplier) -> StreamRule {
        match supplier.stages_that_fail() {
            FailedStages::Pass if self.held.claim.key.kind.stage().is_some() => StreamRule::Passes,
            _ => StreamRule::Holds,
        }
    }

    /// The notification waits for a signing key that is valid within the hour, and fails for want of one otherwise.
    fn without_key(&self, no_key: NoValidKey, supplier: &Supplier) -> Then {
        let key = &self.held.claim.key;
        match no_key.wait {
            Some(after) => {
                tracing::warn!(%no_key, %key, "handed back without a try");
                Then::HandBack { after }
            }
            None => {
                tracing::error!(%no_key, %key, "the supplier's configuration is not usable");
                Then::Failed { reason: FailureReason::Config, stream: self.stream_rule(supplier) }
            }
        }
    }

    /// Its supplier is paused, or cannot be looked up: no try is spent, and nothing of that supplier is claimed for a while.
    fn rest(&self) -> Then {
        if let Admission::Lanes(lanes) = &self.held.admission {
            lanes.rest(&self.held.claim.key.supplier, Moment::now() + REST);
        }
        Then::HandBack { after: REST }
    }

    /// Begins a round, or goes on with the one that another holder did not finish.
    fn begin(&mut self, supplier: &Supplier) {
        if self.held.claim.taken_over {
            self.take_over(supplier);
        }
        match self.held.calling {
            Calling::WhatIsOpen => self.ledger.begin(Round::of_all()),
            Calling::WhatIsDue if self.held.claim.taken_over => {}
            Calling::WhatIsDue => self.ledger.begin(Round::of_due(self.now())),
        }
        self.round_is_news = !self.begins_as_expected(supplier);
    }

    /// Whether somebody who takes over would know without a record whom this round calls first: the first open endpoint
    /// of the list, because it is due. Any other beginning is put on record before the first call, or a takeover would
    /// blame an endpoint that was never called, and call again the one that was.
    fn begins_as_expected(&self, supplier: &Supplier) -> bool {
        let now = self.now();
        match decide(&self.ledger, &self.held.claim.key, supplier, now) {
            Decision::Settle(_) => true,
            Decision::Call(first) => {
                let mut open = supplier.endpoints().iter().filter_map(|one| Some((one, self.ledger.open_from(one)?)));
                open.next().is_some_and(|(expected, from)| expected.id() == first.id() && from <= now)
            }
        }
    }

    /// What was next for the holder before us may have been called: the record says so before anything else is done.
    fn take_over(&mut self, supplier: &Supplier) {
        let now = self.now();
        let next = |ledger: &Ledger| match decide(ledger, &self.held.claim.key, supplier, now) {
            Decision::Call(endpoint) => Some(endpoint),
            Decision::Settle(_) => None,
        };
        if !self.ledger.in_round() {
            // It began as expected, else it would be on record.
            self.ledger.begin(Round::of_due(now));
        }
        if let Some(endpoint) = next(&self.ledger) {
            let outcome = Outcome::Unknown { why: Unknown::Interrupted };
            self.note(endpoint, outcome, now, Duration::ZERO);
            self.ledger.enter_interrupted(self.tried(supplier, endpoint, now, &Reply::of(outcome, Duration::ZERO)));
        }
    }

    /// One POST and what it came to.
    async fn call(&mut self, supplier: &Supplier, endpoint: &Endpoint) -> Called {
        let claim = &self.held.claim;
        let telling =
            Telling { event_id: &claim.event_id, body: &claim.body, traceparent: claim.traceparent.as_deref() };
        let request = match request(supplier, endpoint, &telling, Timestamp::from(SystemTime::now())) {
            Ok(request) => request,
            Err(no_key) => return Called::Unsigned(no_key),
        };
        let at = self.now();
        let (deadline, timeout) = (self.deadline, self.courier.timing.timeout);
        let in_time = move || deadline.since(Moment::now()) >= timeout;
        let Some(reply) = self.courier.sender.send(request, in_time, &self.held.hand_back).await else {
            return Called::Not;
        };
        tracing::debug!(key = %self.held.claim.key, endpoint = endpoint.shown(), outcome = %reply.outcome, "attempt");
        if let Admission::Lanes(lanes) = &self.held.admission {
            let timed_out = matches!(
                reply.outcome,
                Outcome::Unknown { why: Unknown::TimedOut } | Outcome::NotSent { why: NotSent::ConnectTimeout }
            );
            self.manner = self.manner.worse(Manner::of(timed_out, reply.took));
            lanes.note(&self.held.claim.key.supplier, self.manner, Moment::now());
        }
        self.note(endpoint, reply.outcome, at, reply.took);
        self.ledger.enter(self.tried(supplier, endpoint, at, &reply));
        Called::Once
    }

    fn note(&mut self, endpoint: &Endpoint, outcome: Outcome, at: Timestamp, took: Duration) {
        let (shown, id) = (endpoint.shown().to_owned(), endpoint.id().clone());
        self.unrecorded.push(Attempt::new(shown, id, outcome, at, took));
    }

    fn tried<'t>(&self, supplier: &'t Supplier, endpoint: &'t Endpoint, at: Timestamp, reply: &Reply) -> Tried<'t>
    where
        Self: 't,
    {
        Tried {
            endpoint,
            outcome: reply.outcome,
            at,
            over: self.now(),
            retry_after: reply.retry_after,
            reference: reference(supplier, reply.body.as_deref()),
            policy: supplier.retry().copied().unwrap_or(self.courier.timing.retry),
            on_unknown: supplier.on_unknown(),
            random: random(),
        }
    }

    /// Nothing is left to be recorded before the next call, and the lease is long enough for it.
    fn may_go_on(&self) -> bool {
        self.unrecorded.is_empty() && !self.round_is_news && self.is_time_for_a_call()
    }

    fn is_time_for_a_call(&self) -> bool {
        self.deadline.since(Moment::now()) >= self.courier.timing.timeout
    }

    /// Records what was tried and begins the lease anew: one write.
    async fn keep(&mut self) -> Result<Written, StoreError> {
        let asked = Moment::now();
        let lease = self.courier.timing.lease();
        let written = self.record(Then::Keep { lease }).await?;
        self.deadline = asked + lease;
        self.round_is_news = false;
        Ok(written)
    }

    /// Ends the claim because a fresh lease is too short for a call already: not at once again, that would go round for ever.
    async fn give_back(self) -> Result<Delivered, StoreError> {
        let margin = self.courier.timing.lease_margin;
        tracing::warn!(key = %self.held.claim.key, ?margin, "the store takes longer than the lease margin; handed back");
        self.settle(Then::HandBack { after: TOO_SLOW }).await
    }

    async fn settle(mut self, then: Then) -> Result<Delivered, StoreError> {
        let last_try = self.ledger.last_try_ahead();
        self.ledger.end_round();
        let key = self.held.claim.key.clone();
        let written = match self.record(then.clone()).await? {
            // A step that failed and was repeated finds its token spent when it was recorded after all.
            Written::Stale if self.repeated && self.is_ours(&key).await? => Written::Applied,
            written => written,
        };
        match written {
            Written::Applied => {
                tracing::info!(%key, event_id = %self.held.claim.event_id, end = end_word(&then), "settled");
                self.tell(key, &then, last_try);
                Ok(Delivered::Settled(then))
            }
            Written::Stale => Ok(superseded(&key)),
        }
    }

    /// Whether the end that is recorded is ours: nobody else has this ledger with these attempts.
    async fn is_ours(&self, key: &Key) -> Result<bool, StoreError> {
        let attempts = self.recorded as usize;
        let stored = self.courier.store.get(key).await?;
        Ok(stored.is_some_and(|stored| {
            let under_way = matches!(stored.state, State::Sending { .. });
            !under_way && stored.ledger == self.ledger && stored.attempts.len() == attempts
        }))
    }

    /// The host hears of it after it is durable.
    fn tell(&self, key: Key, then: &Then, last_try: Option<Timestamp>) {
        let news = match then {
            Then::Notified { reference } => News::Notified { key, reference: reference.clone() },
            Then::Failed { reason, .. } => News::Failed { key, reason: *reason },
            Then::Again { .. } => match last_try {
                Some(due) => News::LastTryAhead { key, due },
                None => return,
            },
            Then::Keep { .. } | Then::HandBack { .. } => return,
        };
        self.courier.listener.tell(&news);
    }

    /// Writes until it is certain. What is repeated is the record, never the POST; it ends when another lease has gone
    /// by, for then others have long taken over.
    async fn record(&mut self, then: Then) -> Result<Written, StoreError> {
        let step = Step::new(self.held.claim.key.clone(), self.held.claim.token, self.ledger.clone(), then)
            .with_attempts(self.recorded, self.unrecorded.clone());
        let mut give_up = self.deadline + self.courier.timing.lease();
        let mut pause = Duration::from_millis(20);
        loop {
            match self.courier.store.write(std::slice::from_ref(&step)).await {
                Ok(written) => {
                    let written = written.first().copied().ok_or_else(no_answer)?;
                    self.recorded = self.recorded.saturating_add(u32::try_from(self.unrecorded.len()).unwrap_or(0));
                    self.unrecorded.clear();
                    return Ok(written);
                }
                Err(error) if error.is_transient() && Moment::now() + pause < give_up => {
                    self.repeated = true;
                    tracing::warn!(%error, key = %step.key, "the record is written again");
                    tokio::select! {
                        () = tokio::time::sleep(pause) => pause = (pause * 2).min(Duration::from_secs(2)),
                        // A shutdown does not wait for a store that is away: one more try, now.
                        () = self.held.hand_back.cancelled() => give_up = Moment::now(),
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// The store's time, reckoned.
    fn now(&self) -> Timestamp {
        self.held.now.after(self.held.told.elapsed())
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Called {
    Once,
    Not,
    /// There is no key to sign with, so nothing was sent.
    Unsigned(NoValidKey),
}

fn superseded(key: &Key) -> Delivered {
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
    StoreError::new(StoreErrorKind::Unusable, "the store answered less than it was asked")
}

/// 0.0 to 1.0, good enough to spread retries: the standard library seeds its hash keys from the system.
fn random() -> f64 {
    use std::hash::{BuildHasher, Hasher, RandomState};
    let bits = RandomState::new().build_hasher().finish() >> 11;
    bits as f64 / (1u64 << 53) as f64
}
