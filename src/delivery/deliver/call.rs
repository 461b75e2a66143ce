//! One POST of a delivery, and what it means for the ledger.

use std::time::{Duration, SystemTime};

use crate::delivery::health::CallEnd;
use crate::delivery::random::random;
use crate::delivery::traffic::Pass;
use crate::notification::outcome::{NotSent, Outcome, Unknown};
use crate::notification::{Attempt, Decision, Named, Round, Tried, decide};
use crate::supplier::signing::NoValidKey;
use crate::supplier::{Endpoint, OnUnknown, Supplier};
use crate::value::time::Timestamp;
use crate::wire::kept_reply::kept_reply;
use crate::wire::request::{Telling, reference, request};
use crate::wire::send::Reply;

use super::Delivery;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Called {
    Once,
    Not,
    /// There is no key to sign with, so nothing was sent.
    Unsigned(NoValidKey),
}

impl Delivery<'_> {
    /// What was next for the holder before us may have been called: the record says so before anything else is done. Who
    /// was next stands in the record; only a record from before that was kept there is judged by today's list.
    pub(super) fn take_over(&mut self, supplier: Option<&Supplier>) {
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
    pub(super) async fn call(
        &mut self,
        supplier: &Supplier,
        endpoint: &Endpoint,
        pass: Pass,
    ) -> Called {
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

    pub(super) fn note(
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

    pub(super) fn tried(
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
