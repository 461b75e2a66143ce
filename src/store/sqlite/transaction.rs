//! One transaction for several requests, and how it came to its end.

use std::sync::atomic::Ordering;

use sqlx::SqliteConnection;

use crate::store::Recorded;

use super::batch::Batch;
use super::error::{Fault, is_refused};
use super::job::{Ask, Job};
use super::writer::Shared;
use super::{claim, insert, intervene, step};

/// Where a transaction came to its end too early.
pub(super) enum Aborted {
    Before(Fault),
    /// With the answers in the jobs.
    AtCommit(Fault),
}

impl From<Fault> for Aborted {
    fn from(fault: Fault) -> Aborted {
        Aborted::Before(fault)
    }
}

/// Does what the jobs ask for, commits it, and leaves the answers in them.
pub(super) async fn transaction(
    connection: &mut SqliteConnection,
    shared: &Shared,
    jobs: &mut [Job],
) -> Result<(), Aborted> {
    #[cfg(test)]
    shared.tries.fetch_add(1, Ordering::Relaxed);
    let mut batch = Batch::begin(connection, &shared.clock).await?;
    shared.seen(batch.now);
    answer(&mut batch, jobs).await?;
    let has_news = batch.has_news();
    let committed = batch.commit().await;
    #[cfg(test)]
    let committed = match shared.commit_fault() {
        None => committed,
        Some(fault) => Err(fault.into()),
    };
    if committed.map_err(Aborted::AtCommit)? {
        shared.commits.fetch_add(1, Ordering::Relaxed);
        if has_news {
            shared.changed.notify_waiters();
        }
    }
    Ok(())
}

/// Answers each. Jobs of the same time have no order among them: what is alike is done together, and claims come last, when
/// there is most to be had.
async fn answer(batch: &mut Batch<'_>, jobs: &mut [Job]) -> Result<(), Fault> {
    let (mut inserts, mut writes, mut claims) = (Vec::new(), Vec::new(), Vec::new());
    let mut others = Vec::new();
    for job in jobs {
        match job {
            Job::Insert(ask) => inserts.push(ask),
            Job::Write(ask) => writes.push(ask),
            Job::Claim(ask) => claims.push(ask),
            other @ (Job::Intervene(_) | Job::Prune(_) | Job::TakeBack(_)) => others.push(other),
        }
    }
    if !inserts.is_empty() {
        let slices: Vec<_> = inserts
            .iter()
            .map(|ask| (ask.question.0.as_slice(), &ask.question.1))
            .collect();
        let inserted = insert::insert(batch, &slices).await?;
        give(inserts, inserted);
    }
    let steps = writes.iter().flat_map(|ask| &ask.question);
    let mut written = step::write(batch, steps).await?.into_iter();
    for ask in writes {
        let answers = written.by_ref().take(ask.question.len()).collect();
        ask.answer = Some(Recorded::new(batch.now, answers));
    }
    for job in others {
        match job {
            Job::Intervene(ask) => {
                let (selection, intervention, limit) = &*ask.question;
                let done = intervene::intervene(batch, selection, intervention, *limit).await?;
                ask.answer = Some(done);
            }
            Job::Prune(ask) => {
                let (source, older_than, limit) = &ask.question;
                ask.answer = Some(intervene::prune(batch, source, *older_than, *limit).await?);
            }
            Job::TakeBack(claims) => step::take_back(batch, claims).await?,
            Job::Insert(_) | Job::Write(_) | Job::Claim(_) => {}
        }
    }
    let requests: Vec<_> = claims.iter().map(|ask| &ask.question).collect();
    let claimed = claim::claim(batch, &requests).await?;
    give(claims, claimed);
    Ok(())
}

fn give<Q, A>(asks: Vec<&mut Ask<Q, A>>, answers: Vec<A>) {
    for (ask, answer) in asks.into_iter().zip(answers) {
        ask.answer = Some(answer);
    }
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
