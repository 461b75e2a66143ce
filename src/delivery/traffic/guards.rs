//! What is given out: a slot that is kept, a call, a worker that looks. Each gives itself back when it is dropped.

use std::sync::Arc;

use crate::delivery::health::CallEnd;
use crate::value::clock::Moment;

use super::{Traffic, Who};

/// A slot that is kept for a claim.
pub(crate) struct Seat {
    pub(super) traffic: Arc<Traffic>,
    pub(super) who: Who,
    pub(super) is_kept: bool,
}

impl Seat {
    /// The slot goes over to a call; says that there was one.
    pub(super) fn hand_over(mut self) -> bool {
        std::mem::replace(&mut self.is_kept, false)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if self.is_kept {
            let who = self.who;
            self.traffic
                .change(Moment::now(), |state, _| state.unkeep(who));
        }
    }
}

/// The right to one call, from its admission to its end. One that is dropped without an end says nothing of the endpoint.
pub(crate) struct Pass {
    pub(super) traffic: Arc<Traffic>,
    pub(super) call: u64,
    pub(super) is_open: bool,
}

impl Pass {
    /// The request leaves now.
    pub(crate) fn leaves(&self) {
        let mut state = self.traffic.lock();
        if let Some(endpoint) = state
            .calls
            .get(&self.call)
            .map(|call| call.endpoint.clone())
        {
            state.health.left(&endpoint, self.call, Moment::now());
        }
    }

    /// The call has been open for so long that it is silent.
    pub(crate) fn grow(&self) {
        let now = Moment::now();
        let traffic = &self.traffic;
        traffic.change(now, |state, undelivered| {
            // Calls at silent endpoints do not count against the supplier's limit.
            if let Some(supplier) = state.grow(self.call) {
                state.fill(traffic, &supplier, now, undelivered);
            }
        });
    }

    /// The call is over.
    pub(crate) fn end(mut self, end: CallEnd) {
        self.is_open = false;
        self.traffic.end(self.call, end);
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        if self.is_open {
            self.traffic.end(self.call, CallEnd::NoNews);
        }
    }
}

/// A worker that looks after what is put off.
pub(crate) struct Work {
    pub(super) traffic: Arc<Traffic>,
}

impl Drop for Work {
    fn drop(&mut self) {
        let now = Moment::now();
        let traffic = Arc::clone(&self.traffic);
        self.traffic.change(now, |state, undelivered| {
            state.workers = state.workers.saturating_sub(1);
            // What was left for the worker goes to those who wait.
            let suppliers: Vec<_> = state.with_old.iter().cloned().collect();
            for supplier in suppliers {
                state.fill(&traffic, &supplier, now, undelivered);
            }
        });
    }
}
