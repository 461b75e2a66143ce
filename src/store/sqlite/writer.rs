//! The one connection that writes, in a thread of its own. What waits is written together: one transaction, one sync
//! of the disk, and nobody has an answer before it.
//!
//! A thread and not a task, so that the store outlives the runtime in which it was opened. It ends when the last handle
//! is gone or the store is closed.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use sqlx::SqliteConnection;
use tokio::sync::{Notify, mpsc, oneshot};

use crate::store::{
    Claim, ClaimRequest, Claims, Inserted, Intervened, Intervention, NewNotification, Selection,
    Step, StoreError, StoreErrorKind, Then, Written,
};
use crate::value::names::Source;
use crate::value::time::Timestamp;

use super::clock::Clock;
use super::connect::{Opener, Wait, close, patiently};

use super::transaction::{Aborted, RolledBack, roll_back, transaction};

/// How many requests share a commit at most.
const TOGETHER: usize = 256;

/// How many requests wait in the channel before callers wait at its door.
const WAITING: usize = 1024;

/// What is to be written.
#[derive(Clone, Debug)]
pub(super) enum Request {
    Insert(Vec<NewNotification>),
    Claim(ClaimRequest),
    Write(Vec<Step>),
    Intervene(Selection, Intervention, u32),
    Prune(Source, Duration, u32),
    /// Claims without a holder: they become what they were.
    TakeBack(Vec<Claim>),
}

impl Request {
    /// Whether there may be something new to claim afterwards.
    pub(super) fn makes_claimable(&self) -> bool {
        match self {
            Request::Insert(_) | Request::Intervene(..) | Request::TakeBack(_) => true,
            Request::Write(steps) => steps
                .iter()
                .any(|step| !matches!(step.then, Then::Keep { .. })),
            Request::Claim(_) | Request::Prune(..) => false,
        }
    }
}

/// What came of it.
#[derive(Debug)]
pub(super) enum Answer {
    Inserted(Vec<Inserted>),
    Claims(Claims),
    Written(Vec<Written>),
    Intervened(Intervened),
    Pruned(u32),
    TakenBack,
}

/// What a handle and the thread have in common.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) clock: Clock,
    pub(super) changed: Notify,
    pub(super) commits: AtomicU64,
    /// Errors that the next commits answer with after they have happened, or with `None` not.
    #[cfg(test)]
    pub(super) commit_faults: std::sync::Mutex<std::collections::VecDeque<Option<sqlx::Error>>>,
    /// How many transactions were tried.
    #[cfg(test)]
    pub(super) tries: AtomicU64,
    /// The timeline less the clock, in microseconds, as of the last transaction.
    clock_offset: AtomicI64,
}

impl Shared {
    pub(super) fn new(clock: Clock) -> Shared {
        Shared {
            clock,
            changed: Notify::new(),
            commits: AtomicU64::new(0),
            #[cfg(test)]
            commit_faults: Default::default(),
            #[cfg(test)]
            tries: AtomicU64::new(0),
            clock_offset: AtomicI64::new(0),
        }
    }

    #[cfg(test)]
    pub(super) fn commit_fault(&self) -> Option<sqlx::Error> {
        self.commit_faults
            .lock()
            .ok()
            .and_then(|mut faults| faults.pop_front())
            .flatten()
    }

    /// The store's time, for whoever only reads.
    pub(super) fn now(&self) -> Timestamp {
        Timestamp::from_micros(
            self.clock
                .read()
                .clock
                .saturating_add(self.clock_offset.load(Ordering::Relaxed)),
        )
    }

    pub(super) fn seen(&self, now: Timestamp) {
        let clock_offset = now.as_micros().saturating_sub(self.clock.read().clock);
        self.clock_offset.store(clock_offset, Ordering::Relaxed);
    }
}

enum Message {
    Job(Job),
    Close(oneshot::Sender<()>),
}

struct Job {
    request: Request,
    reply: oneshot::Sender<Result<Answer, StoreError>>,
}

/// The way to the thread.
#[derive(Clone, Debug)]
pub(super) struct Writer {
    jobs: mpsc::Sender<Message>,
}

impl Writer {
    /// Starts the thread.
    pub(super) fn start(
        connection: SqliteConnection,
        opener: Opener,
        shared: Arc<Shared>,
    ) -> Result<Writer, StoreError> {
        let no_thread = |error| {
            StoreError::new(
                StoreErrorKind::Unavailable,
                "the thread that writes cannot be started",
            )
            .caused_by(error)
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .map_err(no_thread)?;
        let (jobs, incoming) = mpsc::channel(WAITING);
        let work = Work {
            connection: Some(connection),
            opener,
            shared,
            unclear_claims: Vec::new(),
        };
        let body = move || runtime.block_on(work.run(incoming));
        std::thread::Builder::new()
            .name("orderhook-writer".to_owned())
            .spawn(body)
            .map_err(no_thread)?;
        Ok(Writer { jobs })
    }

    /// Has something written, and waits until it is durable. Once it stands in the queue it happens, also when its caller
    /// is gone; only a claim does not.
    pub(super) async fn write(&self, request: Request) -> Result<Answer, StoreError> {
        let (reply, answer) = oneshot::channel();
        let sent = self.jobs.send(Message::Job(Job { request, reply })).await;
        sent.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }

    /// How many requests stand in the channel.
    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.jobs.max_capacity() - self.jobs.capacity()
    }

    /// Has what waits written, and ends the thread.
    pub(super) async fn close(&self) {
        let (reply, done) = oneshot::channel();
        if self.jobs.send(Message::Close(reply)).await.is_ok() {
            let _ = done.await;
        }
    }
}

fn gone() -> StoreError {
    StoreError::new(StoreErrorKind::Unavailable, "the store is closed")
}

struct Work {
    connection: Option<SqliteConnection>,
    opener: Opener,
    shared: Arc<Shared>,
    /// Claims of a commit of which it is not known whether it has happened. They have no holder.
    unclear_claims: Vec<Claim>,
}

impl Work {
    async fn run(mut self, mut incoming: mpsc::Receiver<Message>) {
        let mut closing = None;
        while closing.is_none() {
            let Some(first) = incoming.recv().await else {
                break;
            };
            let mut jobs = Vec::new();
            let mut next = Some(first);
            while let Some(message) = next {
                match message {
                    // Its claims would have no holder. What else is asked for happens: it is the record of something.
                    Message::Job(job)
                        if job.reply.is_closed() && matches!(job.request, Request::Claim(_)) => {}
                    Message::Job(job) => jobs.push(job),
                    Message::Close(done) => {
                        incoming.close();
                        closing = Some(done);
                    }
                }
                next = if jobs.len() < TOGETHER {
                    incoming.try_recv().ok()
                } else {
                    None
                };
            }
            self.serve(jobs).await;
            self.take_back_unclear_claims().await;
        }
        if let Some(connection) = self.connection.take() {
            close(connection).await;
        }
        if let Some(done) = closing {
            let _ = done.send(());
        }
    }

    /// Writes all of it in one commit or, when one of them spoils that, each in a commit of its own. (Savepoints would
    /// not do: the errors that matter, a full disk first of all, take back the whole transaction.)
    async fn serve(&mut self, jobs: Vec<Job>) {
        let requests: Vec<_> = jobs.iter().map(|job| &job.request).collect();
        match self.together(&requests).await {
            Ok(answers) => {
                for (job, answer) in jobs.into_iter().zip(answers) {
                    self.reply(job, Ok(answer)).await;
                }
            }
            Err(Failure::OfOne(_)) if jobs.len() > 1 => {
                for job in jobs {
                    let alone = self.together(&[&job.request]).await;
                    let outcome = alone
                        .map_err(Failure::into_error)
                        .and_then(|mut it| it.pop().ok_or_else(gone));
                    self.reply(job, outcome).await;
                }
            }
            Err(failure) => {
                let error = failure.into_error();
                for job in jobs {
                    self.reply(job, Err(error.clone())).await;
                }
            }
        }
    }

    async fn reply(&mut self, job: Job, outcome: Result<Answer, StoreError>) {
        // The caller is gone: these claims have no holder.
        if let Err(Ok(Answer::Claims(claims))) = job.reply.send(outcome)
            && !claims.claims.is_empty()
        {
            // If they cannot be taken back now, the end of the lease does it.
            let _ = self.together(&[&Request::TakeBack(claims.claims)]).await;
        }
    }

    /// After a commit whose outcome is unclear its claims may stand in the file under tokens that no holder has.
    async fn take_back_unclear_claims(&mut self) {
        if self.unclear_claims.is_empty() {
            return;
        }
        let claims = Request::TakeBack(std::mem::take(&mut self.unclear_claims));
        // Once more after the next work, if the file still cannot be written; the end of the lease is the last resort.
        if self.together(&[&claims]).await.is_err()
            && let Request::TakeBack(claims) = claims
        {
            self.unclear_claims.extend(claims);
        }
    }

    /// One transaction. Others are waited for; after an error nothing of it has happened, unless it is
    /// [`Failure::Unclear`].
    async fn together(&mut self, requests: &[&Request]) -> Result<Vec<Answer>, Failure> {
        let mut wait = Wait::new();
        loop {
            self.opener.check_file().map_err(Failure::OfAll)?;
            let mut connection = match self.connection.take() {
                Some(connection) => connection,
                None => patiently!(self.opener.writer()).map_err(Failure::OfAll)?,
            };
            let (fault, answers) = match transaction(&mut connection, &self.shared, requests).await
            {
                Ok(answers) => {
                    self.connection = Some(connection);
                    return Ok(answers);
                }
                Err(Aborted::Before(fault)) => (fault, None),
                Err(Aborted::AtCommit(fault, answers)) => (fault, Some(answers)),
            };
            let rolled_back = roll_back(&mut connection).await;
            if rolled_back != RolledBack::Unknown && !fault.is_broken() {
                self.connection = Some(connection);
            } else {
                close(connection).await;
            }
            // A commit that left its transaction open, or that found no room, has not happened.
            if let Some(answers) = answers
                && rolled_back != RolledBack::Now
                && !fault.is_full()
            {
                let claims = answers.into_iter().filter_map(|answer| match answer {
                    Answer::Claims(claims) => Some(claims.claims),
                    _ => None,
                });
                self.unclear_claims.extend(claims.flatten());
                return Err(Failure::Unclear(fault.unclear()));
            }
            if !fault.is_busy() {
                return Err(Failure::OfOne(fault.into()));
            }
            wait.or(fault).await.map_err(Failure::OfAll)?;
        }
    }
}

/// Why a transaction failed.
enum Failure {
    /// Perhaps because of one of its requests: the others may do better without it.
    OfOne(StoreError),
    /// None of its requests had anything to do with it.
    OfAll(StoreError),
    /// It failed while it was being committed, and may have happened. To run its requests again would answer for what they
    /// find of themselves: `Existing` for what they stored, `Stale` for the token that they spent.
    Unclear(StoreError),
}

impl Failure {
    fn into_error(self) -> StoreError {
        match self {
            Failure::OfOne(error) | Failure::OfAll(error) | Failure::Unclear(error) => error,
        }
    }
}
