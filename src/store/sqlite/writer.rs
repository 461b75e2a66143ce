//! The one connection that writes, in a thread of its own. What waits is written together: one transaction, one sync
//! of the disk, and no caller has an answer before it.
//!
//! A thread and not a task, so that the store outlives the runtime in which it was opened. It ends when the last handle
//! is gone or the store is closed.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use sqlx::SqliteConnection;
use tokio::sync::{Notify, mpsc, oneshot};

use crate::store::{Claim, StoreError, StoreErrorKind};
use crate::value::time::Timestamp;

use super::clock::Clock;
use super::connect::{Opener, Wait, close, patiently};
use super::error::closed;
use super::job::{Answer, Ask, HandsOut, Job};
use super::transaction::{Aborted, RolledBack, roll_back, transaction};

/// How many jobs share a commit at most.
const TOGETHER: usize = 256;

/// How many jobs wait in the channel before callers wait at its door.
const WAITING: usize = 1024;

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

    /// The store's time, for the readers.
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
    pub(super) async fn ask<Q, A: HandsOut>(
        &self,
        kind: fn(Ask<Q, A>) -> Job,
        question: Q,
    ) -> Result<A, StoreError> {
        let (ask, answer) = Ask::new(question);
        let sent = self.jobs.send(Message::Job(kind(ask))).await;
        sent.map_err(|_| closed())?;
        let mut waiting = Waiting {
            answer,
            jobs: &self.jobs,
        };
        (&mut waiting.answer).await.map_err(|_| closed())?
    }

    /// How many jobs stand in the channel.
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

/// A caller who waits. One that goes away when the answer is there already takes back what it has handed out.
struct Waiting<'a, A: HandsOut> {
    answer: Answer<A>,
    jobs: &'a mpsc::Sender<Message>,
}

impl<A: HandsOut> Drop for Waiting<'_, A> {
    fn drop(&mut self) {
        let claims = match self.answer.try_recv() {
            Ok(Ok(answer)) => answer.into_claims(),
            // It was received, or it is not there yet: then the thread finds out that nobody waits for it.
            Ok(Err(_)) | Err(_) => return,
        };
        if !claims.is_empty() {
            // Where that many wait that there is no place for it, the end of the lease does it.
            let _ = self.jobs.try_send(Message::Job(Job::TakeBack(claims)));
        }
    }
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
                    Message::Job(job) if job.is_in_vain() => {}
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
    async fn serve(&mut self, mut jobs: Vec<Job>) {
        match self.together(&mut jobs).await {
            Ok(()) => self.reply(jobs, None).await,
            Err(Failure::OfOne(_)) if jobs.len() > 1 => {
                for mut job in jobs {
                    let alone = self.together(std::slice::from_mut(&mut job)).await;
                    self.reply(vec![job], alone.err().map(Failure::into_error))
                        .await;
                }
            }
            Err(failure) => self.reply(jobs, Some(failure.into_error())).await,
        }
    }

    async fn reply(&mut self, jobs: Vec<Job>, error: Option<StoreError>) {
        for job in jobs {
            let without_holder = job.reply(error.clone());
            if !without_holder.is_empty() {
                // If they cannot be taken back now, the end of the lease does it.
                let _ = self.together(&mut [Job::TakeBack(without_holder)]).await;
            }
        }
    }

    /// After a commit whose outcome is unclear its claims may stand in the file under tokens that no holder has.
    async fn take_back_unclear_claims(&mut self) {
        if self.unclear_claims.is_empty() {
            return;
        }
        let mut claims = [Job::TakeBack(std::mem::take(&mut self.unclear_claims))];
        // Once more after the next work, if the file still cannot be written; the end of the lease is the last resort.
        if self.together(&mut claims).await.is_err()
            && let [Job::TakeBack(claims)] = claims
        {
            self.unclear_claims.extend(claims);
        }
    }

    /// One transaction. Others are waited for; after an error nothing of it has happened, unless it is
    /// [`Failure::Unclear`].
    async fn together(&mut self, jobs: &mut [Job]) -> Result<(), Failure> {
        let mut wait = Wait::new();
        loop {
            self.opener.check_file().map_err(Failure::OfAll)?;
            let mut connection = match self.connection.take() {
                Some(connection) => connection,
                None => patiently!(self.opener.writer()).map_err(Failure::OfAll)?,
            };
            let (fault, may_have_happened) =
                match transaction(&mut connection, &self.shared, jobs).await {
                    Ok(()) => {
                        self.connection = Some(connection);
                        return Ok(());
                    }
                    Err(Aborted::Before(fault)) => (fault, false),
                    Err(Aborted::AtCommit(fault)) => (fault, true),
                };
            let rolled_back = roll_back(&mut connection).await;
            if rolled_back != RolledBack::Unknown && !fault.is_broken() {
                self.connection = Some(connection);
            } else {
                close(connection).await;
            }
            // A commit that left its transaction open, or that found no room, has not happened.
            let claims = jobs.iter_mut().flat_map(Job::take_claims);
            if may_have_happened && rolled_back != RolledBack::Now && !fault.is_full() {
                self.unclear_claims.extend(claims);
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
    /// Perhaps because of one of its jobs: the others may do better without it.
    OfOne(StoreError),
    /// None of its jobs had anything to do with it.
    OfAll(StoreError),
    /// It failed while it was being committed, and may have happened. To run its jobs again would answer for what they
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
