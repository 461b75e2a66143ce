//! What the holder of a claim records.

use sqlx::Error;

use crate::notification::State;
use crate::store::{Step, Then, Written};

use super::batch::Batch;
use super::change::{Besides, Fence, become_state};

/// Records steps, each under its token.
pub(super) async fn write(batch: &mut Batch<'_>, steps: &[Step]) -> Result<Vec<Written>, Error> {
    let mut written = Vec::with_capacity(steps.len());
    for step in steps {
        written.push(record(batch, step).await?);
    }
    Ok(written)
}

async fn record(batch: &mut Batch<'_>, step: &Step) -> Result<Written, Error> {
    let now = batch.now;
    let state = match &step.then {
        Then::Keep { lease } => State::Sending { until: now.after(*lease) },
        Then::Notified { reference } => State::Notified { at: now, reference: reference.clone() },
        Then::Again { after } | Then::HandBack { after } => State::Pending { due: now.after(*after) },
        Then::Failed { reason, stream } => State::Failed { at: now, reason: *reason, stream: *stream },
    };
    let attempts = match step.attempts.as_slice() {
        [] => None,
        attempts => {
            Some((serde_json::to_string(attempts).map_err(|error| Error::Encode(error.into()))?, step.first_attempt))
        }
    };
    let besides = Besides { attempts, ledger: Some(step.ledger.encode()), reopened: false };
    let fence = Fence::Token(step.token.number());
    Ok(if become_state(batch, &step.key, fence, &state, besides).await? { Written::Applied } else { Written::Stale })
}
