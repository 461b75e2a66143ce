//! One transaction for several requests, and how it came to its end.

use std::sync::atomic::Ordering;
use std::vec::IntoIter;

use sqlx::SqliteConnection;

use crate::store::{ClaimNew, ClaimRequest, Claims, Insertion, NewNotification, Recorded, Step};

use super::batch::Batch;
use super::error::{Fault, is_refused};
use super::job::{Ask, Job};
use super::statement::Filled;
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
    let asked = Asked::of(jobs);
    let mut looks = asked.looks().into_iter();
    let mut batch = Batch::begin(connection, &shared.clock, looks.next()).await?;
    shared.seen(batch.now);
    asked.answer(&mut batch, looks).await?;
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

/// What is asked for, by its kind. Jobs of the same time have no order among them: what is alike is done together, and claims
/// come last, when there is most to be had.
#[derive(Default)]
struct Asked<'j> {
    inserts: Vec<&'j mut Ask<(Vec<NewNotification>, ClaimNew), Insertion>>,
    writes: Vec<&'j mut Ask<Vec<Step>, Recorded>>,
    others: Vec<&'j mut Job>,
    claims: Vec<&'j mut Ask<ClaimRequest, Claims>>,
}

impl<'j> Asked<'j> {
    fn of(jobs: &'j mut [Job]) -> Asked<'j> {
        let mut asked = Asked::default();
        for job in jobs {
            match job {
                Job::Insert(ask) => asked.inserts.push(ask),
                Job::Write(ask) => asked.writes.push(ask),
                Job::Claim(ask) => asked.claims.push(ask),
                Job::Intervene(_) | Job::Prune(_) | Job::TakeBack(_) => asked.others.push(job),
            }
        }
        asked
    }

    fn slices(&self) -> Vec<(&[NewNotification], &ClaimNew)> {
        let questions = self.inserts.iter().map(|ask| &ask.question);
        questions
            .map(|(slice, claim)| (slice.as_slice(), claim))
            .collect()
    }

    fn steps(&self) -> impl Iterator<Item = &Step> + Clone {
        self.writes.iter().flat_map(|ask| &ask.question)
    }

    /// The looks at the tables that come first.
    fn looks(&self) -> Vec<Filled> {
        match self.inserts.is_empty() {
            false => insert::looks(&self.slices()),
            true => step::looks(self.steps()),
        }
    }

    /// Answers each, with these looks first.
    async fn answer(self, batch: &mut Batch<'_>, looks: IntoIter<Filled>) -> Result<(), Fault> {
        let mut looks = Some(looks);
        if !self.inserts.is_empty() {
            let looks = looks.take().into_iter().flatten();
            let inserted = insert::insert(batch, &self.slices(), looks).await?;
            give(self.inserts, inserted);
        }
        let steps = self.writes.iter().flat_map(|ask| &ask.question);
        let looks = looks.unwrap_or_else(|| step::looks(steps.clone()).into_iter());
        let mut written = step::write(batch, steps, looks).await?.into_iter();
        for ask in self.writes {
            let answers = written.by_ref().take(ask.question.len()).collect();
            ask.answer = Some(Recorded::new(batch.now, answers));
        }
        for job in self.others {
            other(batch, job).await?;
        }
        let requests: Vec<_> = self.claims.iter().map(|ask| &ask.question).collect();
        let claimed = claim::claim(batch, &requests).await?;
        give(self.claims, claimed);
        Ok(())
    }
}

/// Answers what is neither an insert, a step nor a claim.
async fn other(batch: &mut Batch<'_>, job: &mut Job) -> Result<(), Fault> {
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
