//! What comes next for a claimed notification. Pure: everything that is known goes in, one step comes out.

use crate::supplier::{Acceptance, Endpoint, StreamRule, Supplier};
use crate::value::names::OrderCode;
use crate::value::time::Timestamp;

use super::key::Key;
use super::ledger::{GaveUp, Ledger, Standing};
use super::state::FailureReason;
use super::step::Then;

/// The next step of a holder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Decision<'a> {
    /// POST to this endpoint.
    Call(&'a Endpoint),
    /// The round is over; this is how.
    Settle(Then),
}

/// Judges the ledger on the supplier's current list.
pub(crate) fn decide<'a>(
    ledger: &Ledger,
    key: &Key,
    supplier: &'a Supplier,
    now: Timestamp,
) -> Decision<'a> {
    let endpoints = supplier.endpoints();
    let failed = |reason| {
        Decision::Settle(Then::Failed {
            reason,
            stream: stream_rule(key, supplier),
        })
    };
    // Judged before the policy: of no endpoints, all have accepted.
    if endpoints.is_empty() {
        return failed(FailureReason::NoEndpoints);
    }
    let accepted = endpoints
        .iter()
        .filter(|endpoint| ledger.has_accepted(endpoint))
        .count();
    let next = endpoints
        .iter()
        .find(|endpoint| ledger.awaits_call(endpoint));
    let met = match supplier.acceptance(&key.kind) {
        Acceptance::Every => accepted == endpoints.len(),
        Acceptance::First => accepted > 0,
        Acceptance::Any => accepted > 0 && next.is_none(),
    };
    if met {
        return Decision::Settle(Then::Notified {
            reference: reference(ledger, &key.order, endpoints),
        });
    }
    if let Some(endpoint) = next {
        return Decision::Call(endpoint);
    }
    let again = |endpoint| {
        ledger
            .left_out_until(endpoint)
            .or(ledger.open_from(endpoint))
    };
    match endpoints.iter().filter_map(again).min() {
        None => failed(why_failed(ledger, endpoints)),
        Some(due)
            if endpoints
                .iter()
                .any(|endpoint| ledger.left_out_until(endpoint).is_some()) =>
        {
            Decision::Settle(Then::HandBack {
                after: due.since(now),
            })
        }
        Some(due) => Decision::Settle(Then::Again {
            after: due.since(now),
        }),
    }
}

/// Whether the stream waits when this notification has failed. Only stages of fulfilment pass: what else shares a stream was
/// meant to come in order.
pub(crate) fn stream_rule(key: &Key, supplier: &Supplier) -> StreamRule {
    match supplier.stages_that_fail() {
        StreamRule::Pass if key.kind.stage().is_some() => StreamRule::Pass,
        _ => StreamRule::Hold,
    }
}

/// The endpoint that the next holder calls first, as far as that is known now: the first open one of the list.
pub(crate) fn expected<'a>(ledger: &Ledger, supplier: &'a Supplier) -> Option<&'a Endpoint> {
    supplier
        .endpoints()
        .iter()
        .find(|endpoint| ledger.open_from(endpoint).is_some())
}

/// The reference of the first listed endpoint that has one, else the order code.
fn reference(ledger: &Ledger, order: &OrderCode, endpoints: &[Endpoint]) -> String {
    let own = endpoints
        .iter()
        .find_map(|endpoint| match ledger.find(endpoint) {
            Some(Standing::Accepted {
                reference: Some(reference),
                ..
            }) => Some(reference.clone()),
            _ => None,
        });
    own.unwrap_or_else(|| order.as_str().to_owned())
}

fn why_failed(ledger: &Ledger, endpoints: &[Endpoint]) -> FailureReason {
    let gave_up = |wanted: GaveUp| {
        let is = |standing: &Standing| matches!(standing, Standing::GivenUp { why, .. } if *why == wanted);
        endpoints
            .iter()
            .filter_map(|endpoint| ledger.find(endpoint))
            .any(is)
    };
    if gave_up(GaveUp::HeldUnknown) {
        FailureReason::HeldUnknown
    } else if gave_up(GaveUp::Gone) {
        FailureReason::EndpointGone
    } else {
        FailureReason::Exhausted
    }
}
