//! A store that counts, delays and breaks what goes through it.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use orderhook::notification::FailureReason;
use orderhook::store::{
    Action, ClaimRequest, Claims, Intervened, Intervention, Pick, Recorded, Selection, Step, Store,
    StoreError, StoreErrorKind, Then,
};
use orderhook::supplier::StreamRule;
use orderhook::{Key, MemoryStore};

use super::support::Gate;

#[derive(Clone)]
pub(crate) struct Spy {
    inner: MemoryStore,
    shared: Arc<Shared>,
}

struct Shared {
    keeps: AtomicUsize,
    handed_back: AtomicUsize,
    claims: AtomicUsize,
    writes: AtomicUsize,
    reopened: AtomicUsize,
    most_at_once: AtomicUsize,
    fails_again: AtomicBool,
    on_write: Mutex<Option<OnWrite>>,
    claim_gate: Mutex<Option<Gate>>,
    refuses_claims: AtomicBool,
}

type OnWrite = Box<dyn Fn(&Step) -> Fate + Send>;

/// What becomes of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Well,
    /// It is done, and the answer takes so long.
    Late(Duration),
    /// It is done, and the answer is lost.
    AnswerLost,
    /// It is not done.
    Refused,
}

impl Spy {
    pub(crate) fn new(inner: &MemoryStore) -> Self {
        let shared = Shared {
            keeps: AtomicUsize::new(0),
            handed_back: AtomicUsize::new(0),
            claims: AtomicUsize::new(0),
            writes: AtomicUsize::new(0),
            reopened: AtomicUsize::new(0),
            most_at_once: AtomicUsize::new(0),
            fails_again: AtomicBool::new(false),
            on_write: Mutex::new(None),
            claim_gate: Mutex::new(None),
            refuses_claims: AtomicBool::new(false),
        };
        Spy {
            inner: inner.clone(),
            shared: Arc::new(shared),
        }
    }

    /// How many claims were kept by a write.
    pub(crate) fn keeps(&self) -> usize {
        self.shared.keeps.load(Ordering::SeqCst)
    }

    /// How many claims were handed back by a write.
    pub(crate) fn handed_back(&self) -> usize {
        self.shared.handed_back.load(Ordering::SeqCst)
    }

    /// How often somebody asked for claims.
    pub(crate) fn claims(&self) -> usize {
        self.shared.claims.load(Ordering::SeqCst)
    }

    /// How many steps were to be written.
    pub(crate) fn writes(&self) -> usize {
        self.shared.writes.load(Ordering::SeqCst)
    }

    /// How many were reopened, and the most of them in one step.
    pub(crate) fn reopened(&self) -> (usize, usize) {
        (
            self.shared.reopened.load(Ordering::SeqCst),
            self.shared.most_at_once.load(Ordering::SeqCst),
        )
    }

    /// What is reopened has failed again before anybody hears of it, as with a worker that is very quick.
    pub(crate) fn fail_what_is_reopened(&self) {
        self.shared.fails_again.store(true, Ordering::SeqCst);
    }

    async fn fail(&self, keys: &[Key]) -> Result<(), StoreError> {
        let Some(source) = keys.first().map(|key| key.source.clone()) else {
            return Ok(());
        };
        let lease = Duration::from_secs(60);
        let request = ClaimRequest::new(source, Pick::NowOf(keys.to_vec()), u32::MAX, lease);
        let failed = Then::Failed {
            reason: FailureReason::NoEndpoints,
            stream: StreamRule::Hold,
        };
        let claims = self.inner.claim(&request).await?.claims.into_iter();
        let steps: Vec<_> = claims
            .map(|claim| Step::new(claim.key, claim.token, claim.ledger, failed.clone()))
            .collect();
        self.inner.write(&steps).await.map(drop)
    }

    pub(crate) fn on_write(&self, fate: impl Fn(&Step) -> Fate + Send + 'static) {
        *self.shared.on_write.lock().unwrap() = Some(Box::new(fate));
    }

    /// From now on no claim is answered, or every one is again.
    pub(crate) fn refuse_claims(&self, refuse: bool) {
        self.shared.refuses_claims.store(refuse, Ordering::SeqCst);
    }

    /// Answers to claims are held back until the gate is open.
    pub(crate) fn hold_claims(&self, gate: &Gate) {
        *self.shared.claim_gate.lock().unwrap() = Some(gate.clone());
    }
}

impl Store for Spy {
    async fn claim(&self, request: &ClaimRequest) -> Result<Claims, StoreError> {
        if self.shared.refuses_claims.load(Ordering::SeqCst) {
            self.shared.claims.fetch_add(1, Ordering::SeqCst);
            return Err(StoreError::new(
                StoreErrorKind::Unavailable,
                "refused by the test",
            ));
        }
        let claims = self.inner.claim(request).await;
        self.shared.claims.fetch_add(1, Ordering::SeqCst);
        let gate = self.shared.claim_gate.lock().unwrap().clone();
        if let Some(gate) = gate {
            gate.opened().await;
        }
        claims
    }

    async fn write(&self, steps: &[Step]) -> Result<Recorded, StoreError> {
        let keeps = steps
            .iter()
            .filter(|step| matches!(step.then, Then::Keep { .. }))
            .count();
        self.shared.keeps.fetch_add(keeps, Ordering::SeqCst);
        self.shared.writes.fetch_add(steps.len(), Ordering::SeqCst);
        let fate = self
            .shared
            .on_write
            .lock()
            .unwrap()
            .as_ref()
            .map_or(Fate::Well, |fate| fate(&steps[0]));
        if fate == Fate::Refused {
            return Err(StoreError::new(
                StoreErrorKind::Unavailable,
                "refused by the test",
            ));
        }
        let written = self.inner.write(steps).await;
        let handed_back = steps
            .iter()
            .filter(|step| matches!(step.then, Then::HandBack { .. }))
            .count();
        self.shared
            .handed_back
            .fetch_add(handed_back, Ordering::SeqCst);
        match fate {
            Fate::Late(pause) => tokio::time::sleep(pause).await,
            Fate::AnswerLost => {
                return Err(StoreError::new(
                    StoreErrorKind::Unavailable,
                    "the answer was lost",
                ));
            }
            Fate::Well | Fate::Refused => {}
        }
        written
    }

    async fn intervene(
        &self,
        selection: &Selection,
        intervention: &Intervention,
        limit: u32,
    ) -> Result<Intervened, StoreError> {
        let intervened = self.inner.intervene(selection, intervention, limit).await?;
        if intervention.action == Action::Reopen {
            self.shared
                .reopened
                .fetch_add(intervened.changed.len(), Ordering::SeqCst);
            self.shared
                .most_at_once
                .fetch_max(intervened.changed.len(), Ordering::SeqCst);
            if self.shared.fails_again.load(Ordering::SeqCst) {
                self.fail(&intervened.changed).await?;
            }
        }
        Ok(intervened)
    }

    crate::support::forward!(inner: insert get list settled count prune changed);
}
