//! What the holder of a claim records.

use crate::notification::{Attempt, transition};
use crate::store::{Claim, Step, Written};
use crate::value::time::Timestamp;

use super::batch::Batch;
use super::change::{self, Fence, RowChange, apply, apply_with};
use super::error::Fault;
use super::statement::Filled;

/// The first looks for what steps are of.
pub(super) fn looks<'a>(steps: impl Iterator<Item = &'a Step> + Clone) -> Vec<Filled> {
    change::looks(steps.map(|step| &step.key))
}

/// Records steps, each under its token, with what the first [`looks`] find.
pub(super) async fn write<'a>(
    batch: &mut Batch<'_>,
    steps: impl Iterator<Item = &'a Step>,
    looks: impl IntoIterator<Item = Filled>,
) -> Result<Vec<Written>, Fault> {
    let now = batch.now;
    let changes = steps.map(|step| change(step, now));
    let changed = apply_with(batch, changes.collect(), looks).await?;
    Ok(changed
        .into_iter()
        .map(|changed| {
            if changed {
                Written::Applied
            } else {
                Written::Stale
            }
        })
        .collect())
}

/// Makes notifications what they were before they were claimed by a caller who never learned of it. What was new stays new.
/// What was taken over is abandoned again, so that the next holder records the interruption.
pub(super) async fn take_back(batch: &mut Batch<'_>, claims: &[Claim]) -> Result<(), Fault> {
    let now = batch.now;
    let changes = claims.iter().map(|claim| {
        let fence = Fence::Token(claim.token.number());
        RowChange::to(&claim.key, fence, transition::take_back(claim, now))
    });
    let changes = changes.collect();
    apply(batch, changes).await.map(drop)
}

fn change(step: &Step, now: Timestamp) -> RowChange<'_> {
    let fence = Fence::Token(step.token.number());
    let mut change = RowChange::to(&step.key, fence, transition::step(&step.then, now));
    change.ledger = Some(step.ledger.encode());
    let attempts = step.attempts.iter().map(Attempt::encode);
    change.attempts = (attempts.collect(), step.first_attempt);
    change
}
