//! What every delivery needs, and the one way to start one.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::notification::outcome::Outcome;
use crate::notification::{Claim, Step, Then};
use crate::store::{AnyStore, ClaimRequest, Claims, Pick, StoreError};
use crate::supplier::Supplier;
use crate::supplier::lookup::{AnySuppliers, LookupError};
use crate::supplier::retry::RetryPolicy;
use crate::value::clock::Moment;
use crate::value::names::{Source, SupplierId};
use crate::value::time::Timestamp;
use crate::wire::request::Request;
use crate::wire::send::{Reached, Reply, Sender};

use super::at_once::Workers;
use super::deliver::{Delivered, Held};
use super::error::Error;
use super::listener::Listener;
use super::traffic::Traffic;

/// What a dispatcher, its workers and their deliveries have in common.
pub(crate) struct Engine {
    pub(crate) source: Source,
    pub(crate) store: AnyStore,
    pub(crate) suppliers: AnySuppliers,
    pub(crate) out: Out,
    pub(crate) timing: Timing,
    pub(crate) listener: Listener,
    /// The header `user-agent` of every POST.
    pub(crate) user_agent: String,
    pub(crate) traffic: Arc<Traffic>,
    /// Everything that a shutdown waits for.
    pub(crate) tasks: TaskTracker,
    /// Cancelled when a shutdown begins: nothing is claimed and no POST begins any more.
    pub(crate) stopping: CancellationToken,
    /// Cancelled when the grace of a shutdown is over: what is held is handed back.
    pub(crate) hand_back: CancellationToken,
    pub(crate) workers: Workers,
}

/// The way to the endpoints.
pub(crate) enum Out {
    Wire(Sender),
    /// Endpoints that are simulated, for tests in simulated time.
    #[cfg(test)]
    Simulated(Arc<dyn Simulated>),
}

/// Endpoints of a test.
#[cfg(test)]
pub(crate) trait Simulated: Send + Sync {
    /// What the endpoint makes of a POST, and after how long.
    fn post(&self, request: &Request) -> (Duration, Reply);
}

impl Out {
    /// See [`Sender::send`].
    pub(crate) async fn send(
        &self,
        request: Request,
        may_send: impl FnOnce() -> bool,
        cut: &CancellationToken,
    ) -> Option<Reply> {
        match self {
            Out::Wire(sender) => sender.send(request, may_send, cut).await,
            #[cfg(test)]
            Out::Simulated(endpoints) => {
                if !may_send() {
                    return None;
                }
                let (after, reply) = endpoints.post(&request);
                tokio::time::sleep(after).await;
                Some(reply)
            }
        }
    }

    /// See [`Sender::check_url`].
    pub(crate) async fn check_url(&self, url: &url::Url) -> Result<Reached, Outcome> {
        match self {
            Out::Wire(sender) => sender.check_url(url).await,
            #[cfg(test)]
            Out::Simulated(_) => panic!("no simulation checks an endpoint"),
        }
    }

    /// See [`Sender::client_certificate_until`].
    pub(crate) async fn client_certificate_until(&self) -> Option<Timestamp> {
        match self {
            Out::Wire(sender) => sender.client_certificate_until().await,
            #[cfg(test)]
            Out::Simulated(_) => None,
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Timing {
    /// One exchange with one endpoint.
    pub(crate) timeout: Duration,
    /// How much longer than that a lease is.
    pub(crate) lease_margin: Duration,
    /// For suppliers without a schedule of their own.
    pub(crate) retry: RetryPolicy,
}

impl Timing {
    pub(crate) fn lease(&self) -> Duration {
        self.timeout.saturating_add(self.lease_margin)
    }
}

/// What was claimed, and when.
pub(crate) struct Claimed {
    /// Our clock when we asked: the leases count from there.
    pub(crate) asked: Moment,
    /// Our clock when we were answered.
    pub(crate) told: Moment,
    /// The store's time of the answer.
    pub(crate) now: Timestamp,
    pub(crate) claims: Vec<Claim>,
    pub(crate) next_due: Option<Timestamp>,
}

/// What the lookup of a supplier came to.
pub(crate) type Found = Result<Option<Supplier>, LookupError>;

impl Engine {
    pub(crate) async fn claim(
        &self,
        pick: Pick,
        limit: usize,
        due_by: Option<Timestamp>,
    ) -> Result<Claimed, Error> {
        let limit = u32::try_from(limit).unwrap_or(u32::MAX);
        let mut request = ClaimRequest::new(self.source.clone(), pick, limit, self.timing.lease());
        request.due_by = due_by;
        let asked = Moment::now();
        let Claims {
            now,
            claims,
            next_due,
            refused,
            ..
        } = self.store.claim(&request).await.map_err(Error::Store)?;
        for refused in &refused {
            tracing::error!(
                row = refused.row,
                problem = refused.problem,
                "a row cannot be read"
            );
        }
        Ok(Claimed {
            asked,
            told: Moment::now(),
            now,
            claims,
            next_due,
        })
    }

    /// Delivers what is held, in a task that a shutdown waits for; `after` runs at its end.
    pub(crate) fn start<T: Send + 'static>(
        self: &Arc<Self>,
        held: Held,
        after: impl FnOnce(Result<Delivered, StoreError>) -> T + Send + 'static,
    ) -> JoinHandle<T> {
        let engine = Arc::clone(self);
        // Boxed: the future of a delivery is large, and a task is moved while it is made.
        let delivery = Box::pin(async move { engine.deliver(held).await });
        self.tasks.spawn(async move { after(delivery.await) })
    }

    /// Does something to its end in a task that a shutdown waits for, whatever becomes of the future that waits for it.
    pub(crate) async fn run<T, E, F>(self: &Arc<Self>, work: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
        F: Future<Output = Result<T, E>> + Send + 'static,
    {
        self.tasks.spawn(work).await.map_err(|_| Error::Panicked)?
    }

    /// Gives back claims that nothing is done with: they may be claimed again at once. Of one that was taken over the mark of
    /// its interruption would be lost: it is for [`start`](Self::start), whatever else is over.
    pub(crate) async fn give_back(&self, claims: Vec<Claim>) -> Result<(), Error> {
        let at_once = |claim| (claim, Duration::ZERO);
        self.hand_back(claims.into_iter().map(at_once)).await
    }

    /// Puts off claims that nothing is done with, each for so long: one write for all of them.
    pub(crate) async fn hand_back(
        &self,
        claims: impl Iterator<Item = (Claim, Duration)>,
    ) -> Result<(), Error> {
        let step = |(claim, after): (Claim, Duration)| {
            let then = Then::HandBack { after };
            Step::new(claim.key, claim.token, claim.ledger, then)
                .with_attempts(claim.attempts, Vec::new())
        };
        let steps: Vec<_> = claims.map(step).collect();
        if steps.is_empty() {
            return Ok(());
        }
        self.store
            .write(&steps)
            .await
            .map(drop)
            .map_err(Error::Store)
    }

    /// The supplier as it is configured now. The lookup is the host's own code: it may take as long as an exchange, and no
    /// longer.
    pub(crate) async fn look_up(&self, id: &SupplierId, cut: &CancellationToken) -> Found {
        let late = || {
            Err(LookupError::unavailable(
                "no answer within the limit of an exchange",
            ))
        };
        tokio::select! {
            biased;
            found = tokio::time::timeout(self.timing.timeout, self.suppliers.find(id)) => found.unwrap_or_else(|_| late()),
            () = cut.cancelled() => Err(LookupError::unavailable("it did not answer in time")),
        }
    }

    /// The same for what is claimed already: a panic in it is a lookup that failed, or the claim would be taken over when
    /// its lease has run out, and panic for ever.
    pub(crate) async fn look_up_for_claim(
        &self,
        id: &SupplierId,
        cut: &CancellationToken,
    ) -> Found {
        let mut looking = std::pin::pin!(self.look_up(id, cut));
        std::future::poll_fn(|context| {
            catch_unwind(AssertUnwindSafe(|| looking.as_mut().poll(context)))
                .unwrap_or_else(|_| Poll::Ready(Err(LookupError::unavailable("it panicked"))))
        })
        .await
    }
}
