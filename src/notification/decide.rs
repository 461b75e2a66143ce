//! What comes next for a claimed notification. Pure: everything that is known goes in, one step comes out.

use std::time::Duration;

use crate::supplier::{Acceptance, Endpoint, Supplier};
use crate::value::names::OrderCode;
use crate::value::time::Timestamp;

use super::key::Key;
use super::ledger::{GaveUp, Ledger, Standing};
use super::state::FailureReason;

/// The next step of a holder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Decision<'a> {
    /// POST to this endpoint.
    Call(&'a Endpoint),
    /// The round is over; this is how.
    Settle(End),
}

/// How a round ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Notified { reference: String },
    Again { after: Duration },
    Failed { reason: FailureReason },
}

/// Judges the ledger on the supplier's current list.
pub(crate) fn decide<'a>(ledger: &Ledger, key: &Key, supplier: &'a Supplier, now: Timestamp) -> Decision<'a> {
    let endpoints = supplier.endpoints();
    // Judged before the policy: "all of none" has not been told to anybody.
    if endpoints.is_empty() {
        return Decision::Settle(End::Failed { reason: FailureReason::NoEndpoints });
    }
    let accepted = endpoints.iter().filter(|endpoint| ledger.has_accepted(endpoint)).count();
    let next = endpoints.iter().find(|endpoint| ledger.awaits_call(endpoint));
    let met = match supplier.acceptance(&key.kind) {
        Acceptance::Every => accepted == endpoints.len(),
        Acceptance::First => accepted > 0,
        Acceptance::Any => accepted > 0 && next.is_none(),
    };
    if met {
        return Decision::Settle(End::Notified { reference: reference(ledger, &key.order, endpoints) });
    }
    if let Some(endpoint) = next {
        return Decision::Call(endpoint);
    }
    match endpoints.iter().filter_map(|endpoint| ledger.open_from(endpoint)).min() {
        Some(due) => Decision::Settle(End::Again { after: due.since(now) }),
        None => Decision::Settle(End::Failed { reason: why_failed(ledger, endpoints) }),
    }
}

/// The reference of the first listed endpoint that has one, else the order code.
fn reference(ledger: &Ledger, order: &OrderCode, endpoints: &[Endpoint]) -> String {
    let own = endpoints.iter().find_map(|endpoint| match ledger.find(endpoint) {
        Some(Standing::Accepted { reference: Some(reference), .. }) => Some(reference.clone()),
        _ => None,
    });
    own.unwrap_or_else(|| order.as_str().to_owned())
}

fn why_failed(ledger: &Ledger, endpoints: &[Endpoint]) -> FailureReason {
    let gave_up = |wanted: GaveUp| {
        let is = |standing: &Standing| matches!(standing, Standing::GivenUp { why, .. } if *why == wanted);
        endpoints.iter().filter_map(|endpoint| ledger.find(endpoint)).any(is)
    };
    if gave_up(GaveUp::HeldUnknown) {
        FailureReason::HeldUnknown
    } else if gave_up(GaveUp::Gone) {
        FailureReason::EndpointGone
    } else {
        FailureReason::Exhausted
    }
}
