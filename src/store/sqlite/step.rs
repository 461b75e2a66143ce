//! What the holder of a claim records.

use sqlx::Error;

use crate::notification::State;
use crate::store::{Step, Then, Written};
use crate::value::time::Timestamp;

use super::batch::Batch;
use super::change::{Change, Fence, apply};

/// Records steps, each under its token.
pub(super) async fn write<'a>(
    batch: &mut Batch<'_>,
    steps: impl Iterator<Item = &'a Step>,
) -> Result<Vec<Written>, Error> {
    let now = batch.now;
    let changes = steps.map(|step| change(step, now)).collect::<Result<_, _>>()?;
    let changed = apply(batch, changes).await?;
    Ok(changed.into_iter().map(|changed| if changed { Written::Applied } else { Written::Stale }).collect())
}

fn change(step: &Step, now: Timestamp) -> Result<Change<'_>, Error> {
    let state = match &step.then {
        Then::Keep { lease } => State::Sending { until: now.after(*lease) },
        Then::Notified { reference } => State::Notified { at: now, reference: reference.clone() },
        Then::Again { after } | Then::HandBack { after } => State::Pending { due: now.after(*after) },
        Then::Failed { reason, stream } => State::Failed { at: now, reason: *reason, stream: *stream },
    };
    let mut change = Change::to(&step.key, Fence::Token(step.token.number()), state);
    change.ledger = Some(step.ledger.encode());
    if !step.attempts.is_empty() {
        let attempts = serde_json::to_string(&step.attempts).map_err(|error| Error::Encode(error.into()))?;
        change.attempts = Some((attempts, step.first_attempt));
    }
    Ok(change)
}
