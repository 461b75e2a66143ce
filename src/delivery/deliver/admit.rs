//! Who lets a delivery call an endpoint: its supplier has room, and the endpoint may be called.

use std::time::Duration;

use crate::delivery::pace::within;
use crate::delivery::random::random;
use crate::delivery::traffic::{Admission, Answer, Ask, Entry, Pass, PutOffFor, Waits};
use crate::notification::{Then, Written};
use crate::store::StoreError;
use crate::supplier::{Activity, Endpoint, Supplier};
use crate::value::clock::Moment;

use super::Delivery;

/// The answer to the wish to call an endpoint.
pub(super) enum Admitted {
    Call(Pass),
    LeftOut,
    /// The round ends here.
    End(Then),
    Superseded,
}

impl Delivery<'_> {
    /// Begins the round at the supplier, as soon as it has room; or says why not.
    pub(super) async fn enter(&mut self, supplier: &Supplier) -> Result<(), Then> {
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
        let waits = match (self.is_new, self.was_put_off) {
            (true, _) => Waits::WithNew,
            (false, true) => Waits::WithOld,
            (false, false) => Waits::Not,
        };
        let waiting = match traffic.enter(id, limit, self.who, waits) {
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
    pub(super) fn without_room(&mut self, supplier: &Supplier) -> Then {
        self.crowded = Some(supplier.max_concurrent());
        self.put_off_for.push(PutOffFor::Room);
        Then::HandBack {
            after: self.engine.traffic.no_room(&self.claim.key.supplier),
        }
    }

    /// Asks for the call of an endpoint, and waits for a slot if need be.
    pub(super) async fn admit(
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
            after: within(&pace.no_slot, random()),
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

    /// Its supplier is paused, or cannot be looked up: no try is spent, and a worker looks again every 5 s.
    pub(super) fn rest(&mut self) -> Then {
        self.put_off_for.push(PutOffFor::Rest);
        let traffic = &self.engine.traffic;
        let lasted = traffic.rest(&self.claim.key.supplier);
        Then::HandBack {
            after: traffic.pace().put_off_for(lasted, random()),
        }
    }
}
