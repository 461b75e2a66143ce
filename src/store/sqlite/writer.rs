//! The one connection that writes, in a thread of its own. What waits is written together: one transaction, one sync
//! of the disk, and nobody has an answer before it.
//!
//! A thread and not a task, so that the store outlives the runtime in which it was opened. It ends when the last handle
//! is gone or the store is closed.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use sqlx::{Error, SqliteConnection};
use tokio::sync::{Notify, mpsc, oneshot};

use crate::store::{
    ClaimRequest, Claims, Inserted, Intervened, Intervention, NewNotification, Selection, Step, StoreError,
    StoreErrorKind, Then, Written,
};
use crate::value::time::Timestamp;

use super::batch::Batch;
use super::clock::Clock;
use super::connect::{Opener, Wait, close, patiently};
use super::error::{is_broken, is_busy, is_refused, store_error};
use super::{claim, insert, intervene, step};

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
}

impl Request {
    /// Whether there may be something new to claim afterwards.
    fn makes_claimable(&self) -> bool {
        match self {
            Request::Insert(_) | Request::Intervene(..) => true,
            Request::Write(steps) => steps.iter().any(|step| !matches!(step.then, Then::Keep { .. })),
            Request::Claim(_) => false,
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
}

/// What a handle and the thread have in common.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) clock: Clock,
    pub(super) changed: Notify,
    pub(super) commits: AtomicU64,
    /// The timeline less the clock, in microseconds, as of the last transaction.
    clock_offset: AtomicI64,
}

impl Shared {
    pub(super) fn new(clock: Clock) -> Shared {
        Shared { clock, changed: Notify::new(), commits: AtomicU64::new(0), clock_offset: AtomicI64::new(0) }
    }

    /// The store's time, for whoever only reads.
    pub(super) fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.clock.read().clock.saturating_add(self.clock_offset.load(Ordering::Relaxed)))
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
            StoreError::new(StoreErrorKind::Unavailable, "the thread that writes cannot be started").caused_by(error)
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().map_err(no_thread)?;
        let (jobs, incoming) = mpsc::channel(WAITING);
        let work = Work { connection: Some(connection), opener, shared };
        let body = move || runtime.block_on(work.run(incoming));
        std::thread::Builder::new().name("orderhook-writer".to_owned()).spawn(body).map_err(no_thread)?;
        Ok(Writer { jobs })
    }

    /// Has something written, and waits until it is durable. Dropped before, it happens or it does not.
    pub(super) async fn write(&self, request: Request) -> Result<Answer, StoreError> {
        let (reply, answer) = oneshot::channel();
        let sent = self.jobs.send(Message::Job(Job { request, reply })).await;
        sent.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
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
}

impl Work {
    async fn run(mut self, mut incoming: mpsc::Receiver<Message>) {
        let mut closing = None;
        while closing.is_none() {
            let Some(first) = incoming.recv().await else { break };
            let mut jobs = Vec::new();
            let mut next = Some(first);
            while let Some(message) = next {
                match message {
                    // Nobody waits for it any more: it does not happen.
                    Message::Job(job) if job.reply.is_closed() => {}
                    Message::Job(job) => jobs.push(job),
                    Message::Close(done) => {
                        incoming.close();
                        closing = Some(done);
                    }
                }
                next = if jobs.len() < TOGETHER { incoming.try_recv().ok() } else { None };
            }
            self.serve(jobs).await;
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
                    let outcome = alone.map_err(Failure::into_error).and_then(|mut it| it.pop().ok_or_else(gone));
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
        let Err(Ok(Answer::Claims(claims))) = job.reply.send(outcome) else { return };
        // Whoever asked is gone. What was taken over stays claimed: the mark of the interruption would be lost.
        let hand_back = |claim: crate::store::Claim| {
            Step::new(claim.key, claim.token, claim.ledger, Then::HandBack { after: std::time::Duration::ZERO })
        };
        let steps: Vec<_> = claims.claims.into_iter().filter(|claim| !claim.taken_over).map(hand_back).collect();
        if !steps.is_empty() {
            // If it cannot be handed back now, the end of the lease does.
            let _ = self.together(&[&Request::Write(steps)]).await;
        }
    }

    /// One transaction. Others are waited for; after an error nothing of it has happened, unless the error is one of
    /// the commit itself, when nobody can tell.
    async fn together(&mut self, requests: &[&Request]) -> Result<Vec<Answer>, Failure> {
        let mut wait = Wait::new();
        loop {
            let mut connection = match self.connection.take() {
                Some(connection) => connection,
                None => patiently(|| self.opener.writer()).await.map_err(Failure::OfAll)?,
            };
            match transaction(&mut connection, &self.shared, requests).await {
                Ok(answers) => {
                    self.connection = Some(connection);
                    return Ok(answers);
                }
                Err(error) => {
                    let rolled_back = roll_back(&mut connection).await;
                    if rolled_back && !is_broken(&error) {
                        self.connection = Some(connection);
                    } else {
                        close(connection).await;
                    }
                    if !is_busy(&error) {
                        return Err(Failure::OfOne(store_error(error)));
                    }
                    wait.or(error).await.map_err(Failure::OfAll)?;
                }
            }
        }
    }
}

/// Why a transaction failed.
enum Failure {
    /// Perhaps because of one of its requests: the others may do better without it.
    OfOne(StoreError),
    /// None of its requests had anything to do with it.
    OfAll(StoreError),
}

impl Failure {
    fn into_error(self) -> StoreError {
        match self {
            Failure::OfOne(error) | Failure::OfAll(error) => error,
        }
    }
}

async fn transaction(
    connection: &mut SqliteConnection,
    shared: &Shared,
    requests: &[&Request],
) -> Result<Vec<Answer>, Error> {
    let mut batch = Batch::begin(connection, &shared.clock).await?;
    shared.seen(batch.now);
    let answers = answer(&mut batch, requests).await?;
    if batch.commit().await? {
        shared.commits.fetch_add(1, Ordering::Relaxed);
        if requests.iter().any(|request| request.makes_claimable()) {
            shared.changed.notify_waiters();
        }
    }
    Ok(answers)
}

/// Answers each. Whoever asks at the same time has no claim to an order: what is alike is done together, and claims come
/// last, when there is most to be had.
async fn answer(batch: &mut Batch<'_>, requests: &[&Request]) -> Result<Vec<Answer>, Error> {
    let (mut slices, mut steps, mut claims) = (Vec::new(), Vec::new(), Vec::new());
    for request in requests {
        match request {
            Request::Insert(new) => slices.push(new.as_slice()),
            Request::Write(more) => steps.extend(more),
            Request::Claim(request) => claims.push(request),
            Request::Intervene(..) => {}
        }
    }
    let mut inserted = Vec::new().into_iter();
    if !slices.is_empty() {
        inserted = insert::insert(batch, &slices).await?.into_iter();
    }
    let mut written = step::write(batch, steps.into_iter()).await?.into_iter();
    let mut intervened = VecDeque::new();
    for request in requests {
        if let Request::Intervene(selection, intervention, limit) = request {
            intervened.push_back(intervene::intervene(batch, selection, intervention, *limit).await?);
        }
    }
    let mut claims = claim::claim(batch, &claims).await?.into_iter();
    let answer = |request: &&Request| match request {
        Request::Insert(_) => inserted.next().map(Answer::Inserted),
        Request::Write(steps) => Some(Answer::Written(written.by_ref().take(steps.len()).collect())),
        Request::Claim(_) => claims.next().map(Answer::Claims),
        Request::Intervene(..) => intervened.pop_front().map(Answer::Intervened),
    };
    Ok(requests.iter().filter_map(answer).collect())
}

/// Leaves no transaction open; `false` when that could not be done.
async fn roll_back(connection: &mut SqliteConnection) -> bool {
    match sqlx::query("ROLLBACK").execute(connection).await {
        Ok(_) => true,
        // There is none: the error had ended it already.
        Err(error) => is_refused(&error),
    }
}
