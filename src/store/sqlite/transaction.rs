//! One transaction for several requests, and how it came to its end.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;

use sqlx::SqliteConnection;

use super::batch::Batch;
use super::error::{Fault, is_refused};
use super::writer::{Answer, Request, Shared};
use super::{claim, insert, intervene, step};

/// Where a transaction came to its end too early.
pub(super) enum Aborted {
    Before(Fault),
    /// With what would have been answered.
    AtCommit(Fault, Vec<Answer>),
}

impl From<Fault> for Aborted {
    fn from(error: Fault) -> Aborted {
        Aborted::Before(error)
    }
}

/// Does what is asked for, and commits it.
pub(super) async fn transaction(
    connection: &mut SqliteConnection,
    shared: &Shared,
    requests: &[&Request],
) -> Result<Vec<Answer>, Aborted> {
    #[cfg(test)]
    shared.tries.fetch_add(1, Ordering::Relaxed);
    let mut batch = Batch::begin(connection, &shared.clock).await?;
    shared.seen(batch.now);
    let answers = answer(&mut batch, requests).await?;
    let committed = batch.commit().await;
    #[cfg(test)]
    let committed = match shared.commit_fault() {
        None => committed,
        Some(fault) => Err(fault.into()),
    };
    match committed {
        Ok(false) => {}
        Ok(true) => {
            shared.commits.fetch_add(1, Ordering::Relaxed);
            if requests.iter().any(|request| request.makes_claimable()) {
                shared.changed.notify_waiters();
            }
        }
        Err(error) => return Err(Aborted::AtCommit(error, answers)),
    }
    Ok(answers)
}

/// Answers each. Requests of the same time have no order among them: what is alike is done together, and claims come last,
/// when there is most to be had.
async fn answer(batch: &mut Batch<'_>, requests: &[&Request]) -> Result<Vec<Answer>, Fault> {
    let (mut slices, mut steps, mut claims) = (Vec::new(), Vec::new(), Vec::new());
    for request in requests {
        match request {
            Request::Insert(new) => slices.push(new.as_slice()),
            Request::Write(more) => steps.extend(more),
            Request::Claim(request) => claims.push(request),
            Request::Intervene(..) | Request::Prune(..) | Request::TakeBack(_) => {}
        }
    }
    let mut inserted = Vec::new().into_iter();
    if !slices.is_empty() {
        inserted = insert::insert(batch, &slices).await?.into_iter();
    }
    let mut written = step::write(batch, steps.into_iter()).await?.into_iter();
    let (mut intervened, mut pruned) = (VecDeque::new(), VecDeque::new());
    for request in requests {
        match request {
            Request::Intervene(selection, intervention, limit) => {
                intervened
                    .push_back(intervene::intervene(batch, selection, intervention, *limit).await?);
            }
            Request::Prune(source, older_than, limit) => {
                pruned.push_back(intervene::prune(batch, source, *older_than, *limit).await?);
            }
            Request::TakeBack(claims) => step::take_back(batch, claims).await?,
            Request::Insert(_) | Request::Write(_) | Request::Claim(_) => {}
        }
    }
    let mut claims = claim::claim(batch, &claims).await?.into_iter();
    let answer = |request: &&Request| match request {
        Request::Insert(_) => inserted.next().map(Answer::Inserted),
        Request::Write(steps) => Some(Answer::Written(
            written.by_ref().take(steps.len()).collect(),
        )),
        Request::Claim(_) => claims.next().map(Answer::Claims),
        Request::Intervene(..) => intervened.pop_front().map(Answer::Intervened),
        Request::Prune(..) => pruned.pop_front().map(Answer::Pruned),
        Request::TakeBack(_) => Some(Answer::TakenBack),
    };
    Ok(requests.iter().filter_map(answer).collect())
}

/// What was open when a transaction was rolled back.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum RolledBack {
    /// The transaction: nothing of it has happened.
    Now,
    /// Nothing: the error before, or a commit, had ended it.
    Before,
    /// The connection does not say.
    Unknown,
}

/// Leaves no transaction open, if the connection still works.
pub(super) async fn roll_back(connection: &mut SqliteConnection) -> RolledBack {
    match sqlx::query("ROLLBACK").execute(connection).await {
        Ok(_) => RolledBack::Now,
        Err(error) if is_refused(&error) => RolledBack::Before,
        Err(_) => RolledBack::Unknown,
    }
}
