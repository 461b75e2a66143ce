//! What the functions of the suite share: a store under test and its clock, made-up names, and how a failure is reported.

use std::fmt::Debug;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Barrier;
use tokio::task::JoinSet;

use crate::event::{Body, EventKind, Occurrence};
use crate::notification::outcome::{Outcome, Unknown};
use crate::notification::{Attempt, By, FailureReason, Key, Ledger, Notification};
use crate::store::{
    Action, Claim, ClaimNew, ClaimRequest, Claims, Counted, Counts, Filter, Group, Inserted,
    Intervened, Intervention, Listing, NewNotification, Page, Pick, Selection, Start, Step, Store,
    StoreError, Then, Written,
};
use crate::supplier::EndpointId;
use crate::supplier::StreamRule;
use crate::value::names::{OrderCode, Source, SupplierId};
use crate::value::time::Timestamp;

use super::Harness;

/// A lease or a wait that is not over before its test is.
pub(super) const LIVE: Duration = Duration::from_secs(60);
/// A lease or a wait that is over after [`Case::lapse`].
pub(super) const SHORT: Duration = Duration::from_millis(50);
const PAST_SHORT: Duration = Duration::from_millis(100);

/// A new empty store under one sentence of the contract.
pub(super) struct Case<'h, H: Harness> {
    sentence: &'static str,
    pub(super) harness: &'h H,
    pub(super) store: Arc<H::Store>,
}

impl<'h, H: Harness> Case<'h, H> {
    pub(super) async fn open(harness: &'h H, sentence: &'static str) -> Self {
        Case {
            sentence,
            harness,
            store: Arc::new(harness.open().await),
        }
    }

    /// The same case through another handle of its store.
    pub(super) async fn beside(&self) -> Self {
        let store = Arc::new(self.harness.second_handle(&self.store).await);
        Case {
            sentence: self.sentence,
            harness: self.harness,
            store,
        }
    }

    #[track_caller]
    pub(super) fn fails(&self, what: &str, seen: impl Debug) -> ! {
        panic!(
            "the contract does not hold, {}: {what}; seen: {seen:?}",
            self.sentence
        )
    }

    #[track_caller]
    pub(super) fn holds(&self, what: &str, holds: bool, seen: impl Debug) {
        if !holds {
            self.fails(what, seen);
        }
    }

    #[track_caller]
    pub(super) fn same<T: PartialEq + Debug>(&self, what: &str, seen: T, wanted: T) {
        if seen != wanted {
            panic!(
                "the contract does not hold, {}: {what}; seen: {seen:?}; wanted: {wanted:?}",
                self.sentence
            )
        }
    }

    #[track_caller]
    pub(super) fn ok<T>(&self, result: Result<T, StoreError>) -> T {
        match result {
            Ok(answer) => answer,
            Err(error) => panic!("the store failed, {}: {error} ({error:?})", self.sentence),
        }
    }

    /// Runs calls side by side, spread over three handles; their answers in the order of their numbers.
    pub(super) async fn side_by_side<T, F, C>(&self, calls: usize, call: C) -> Vec<T>
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
        C: Fn(usize, Arc<H::Store>) -> F,
    {
        let handles = [
            Arc::clone(&self.store),
            self.beside().await.store,
            self.beside().await.store,
        ];
        let start = Arc::new(Barrier::new(calls));
        let mut tasks = JoinSet::new();
        for number in 0..calls {
            let call = call(number, Arc::clone(&handles[number % handles.len()]));
            let start = Arc::clone(&start);
            tasks.spawn(async move {
                start.wait().await;
                (number, call.await)
            });
        }
        let mut answers = tasks.join_all().await;
        answers.sort_by_key(|(number, _)| *number);
        answers.into_iter().map(|(_, answer)| answer).collect()
    }

    // What a store is asked for, with errors as failures.

    pub(super) async fn insert(&self, new: &[NewNotification]) -> Vec<Inserted> {
        let answers = self
            .ok(self.store.insert(new, &ClaimNew::NONE).await)
            .answers;
        self.same(
            "there is one answer for each that was to be stored",
            answers.len(),
            new.len(),
        );
        answers
    }

    /// Stores pending ones, each of which must be new and due later than the one before.
    pub(super) async fn add(&self, keys: &[Key]) {
        for key in keys {
            let answers = self.insert(&[pending(key)]).await;
            self.holds(
                "an absent key is new",
                matches!(answers[..], [Inserted::New { .. }]),
                &answers,
            );
            self.pass(Duration::from_millis(1)).await;
        }
    }

    pub(super) async fn request(&self, request: &ClaimRequest) -> Claims {
        self.ok(self.store.claim(request).await)
    }

    pub(super) async fn claim(&self, pick: Pick, lease: Duration) -> Vec<Claim> {
        self.request(&ClaimRequest::new(shop(), pick, 1000, lease))
            .await
            .claims
    }

    /// What a claim of this kind hands out, in its order.
    pub(super) async fn claimed(&self, pick: Pick) -> Vec<Key> {
        keys_of(&self.claim(pick, LIVE).await)
    }

    /// What is due, new or not: two claims one after another.
    pub(super) async fn claim_due(&self, lease: Duration) -> Vec<Claim> {
        let mut claims = self.claim(Pick::New, lease).await;
        claims.extend(self.claim(Pick::Due, lease).await);
        claims
    }

    /// What is due, new or not; what is new comes first.
    pub(super) async fn claimed_due(&self) -> Vec<Key> {
        keys_of(&self.claim_due(LIVE).await)
    }

    /// Claims this one, which must be possible.
    pub(super) async fn hold(&self, key: &Key, lease: Duration) -> Claim {
        let mut claims = self.claim(Pick::NowOf(vec![key.clone()]), lease).await;
        self.same(
            "what is pending or abandoned, and first in its stream, can be claimed by its key",
            claims.len(),
            1,
        );
        claims.remove(0)
    }

    pub(super) async fn write(&self, step: Step) -> Written {
        self.write_all(&[step]).await[0]
    }

    pub(super) async fn write_all(&self, steps: &[Step]) -> Vec<Written> {
        let written = self.ok(self.store.write(steps).await).answers;
        self.same(
            "there is one answer for each step",
            written.len(),
            steps.len(),
        );
        written
    }

    /// What the holder of the claim writes, which must be recorded.
    pub(super) async fn settle(&self, claim: &Claim, then: Then) {
        let written = self.write(step(claim, then)).await;
        self.same(
            "a step with the token of the claim is recorded",
            written,
            Written::Applied,
        );
    }

    pub(super) async fn intervene(&self, keys: &[Key], intervention: &Intervention) -> Intervened {
        self.ok(self
            .store
            .intervene(&Selection::Keys(keys.to_vec()), intervention, 1000)
            .await)
    }

    /// The notification, which must be there.
    pub(super) async fn get(&self, key: &Key) -> Notification {
        match self.ok(self.store.get(key).await) {
            Some(notification) => notification,
            None => self.fails("what was stored is found by its key", key),
        }
    }

    pub(super) async fn list(&self, filter: &Filter, page: &Page) -> Listing {
        let listing = self.ok(self.store.list(filter, page).await);
        self.holds(
            "every row can be read",
            listing.refused.is_empty(),
            &listing.refused,
        );
        listing
    }

    pub(super) async fn settled(&self, page: &Page) -> Listing {
        let listing = self.ok(self.store.settled(&shop(), page).await);
        self.holds(
            "every row can be read",
            listing.refused.is_empty(),
            &listing.refused,
        );
        listing
    }

    pub(super) async fn count(&self, filter: &Filter) -> Counts {
        Counts::of_groups(&self.counted(filter, Group::State).await)
    }

    pub(super) async fn counted(&self, filter: &Filter, group: Group) -> Vec<Counted> {
        let mut counted = self.ok(self.store.count(filter, group).await);
        // Their order is the store's own.
        counted.sort_by_key(|group| (group.supplier.clone(), group.state, group.reason));
        counted
    }

    /// The store's time.
    pub(super) async fn now(&self) -> Timestamp {
        let nobody = ClaimRequest::new(other_source(), Pick::DueOf(Vec::new()), 1, SHORT);
        self.request(&nobody).await.now
    }

    pub(super) async fn pass(&self, by: Duration) {
        self.harness.advance(&self.store, by).await;
    }

    /// Lets every lease and wait of [`SHORT`] run out.
    pub(super) async fn lapse(&self) {
        self.pass(PAST_SHORT).await;
    }

    /// Stores one and brings it there; the claim if there was one.
    pub(super) async fn bring(&self, key: &Key, situation: Situation) -> Option<Claim> {
        if situation == Situation::NotWanted {
            self.insert(&[NewNotification::new(key.clone(), Start::NotWanted)])
                .await;
            return None;
        }
        self.add(std::slice::from_ref(key)).await;
        let lease = if situation == Situation::Abandoned {
            SHORT
        } else {
            LIVE
        };
        let claim = match situation {
            Situation::Due | Situation::Withdrawn | Situation::NotWanted => None,
            _ => Some(self.hold(key, lease).await),
        };
        let then = match situation {
            Situation::Waiting => Some(Then::Again { after: LIVE }),
            Situation::FailedHolding => Some(failed(FailureReason::Config, StreamRule::Hold)),
            Situation::FailedPassing => Some(failed(FailureReason::Exhausted, StreamRule::Pass)),
            Situation::Notified => Some(Then::Notified {
                reference: "R-1".to_owned(),
            }),
            _ => None,
        };
        if let (Some(claim), Some(then)) = (&claim, then) {
            self.settle(claim, then).await;
        }
        match situation {
            Situation::Abandoned => self.lapse().await,
            Situation::Withdrawn => {
                let withdraw = withdraw("called off");
                let changed = self
                    .intervene(std::slice::from_ref(key), &withdraw)
                    .await
                    .changed;
                self.same(
                    "what is pending can be withdrawn",
                    changed,
                    vec![key.clone()],
                );
            }
            _ => {}
        }
        claim
    }
}

/// Where a notification can stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Situation {
    /// Pending, and may be claimed.
    Due,
    /// Pending, and not due for a long time.
    Waiting,
    /// Under a lease that lives.
    Live,
    /// Under a lease that has run out.
    Abandoned,
    FailedHolding,
    FailedPassing,
    Notified,
    Withdrawn,
    NotWanted,
}

impl Situation {
    pub(super) const ALL: [Situation; 9] = [
        Situation::Due,
        Situation::Waiting,
        Situation::Live,
        Situation::Abandoned,
        Situation::FailedHolding,
        Situation::FailedPassing,
        Situation::Notified,
        Situation::Withdrawn,
        Situation::NotWanted,
    ];
    pub(super) const FINAL: [Situation; 3] = [
        Situation::Notified,
        Situation::Withdrawn,
        Situation::NotWanted,
    ];
}

pub(super) fn shop() -> Source {
    Source::new("shop").expect("a name")
}

pub(super) fn other_source() -> Source {
    Source::new("shop-staging").expect("a name")
}

pub(super) fn supplier(id: &str) -> SupplierId {
    SupplierId::new(id).expect("a name")
}

pub(super) fn order(code: &str) -> OrderCode {
    OrderCode::from_stored(code).expect("a name")
}

/// The only notification of an order to `north`.
pub(super) fn key(code: &str) -> Key {
    key_for("north", code)
}

pub(super) fn key_for(id: &str, code: &str) -> Key {
    Key::order_created(shop(), supplier(id), order(code))
}

/// One of several notifications of an order to `north`: one stream.
pub(super) fn stage(code: &str, occurrence: &str) -> Key {
    stage_for("north", code, occurrence)
}

pub(super) fn stage_for(id: &str, code: &str, occurrence: &str) -> Key {
    let kind = EventKind::own("order.stage").expect("a kind");
    Key::new(
        shop(),
        supplier(id),
        order(code),
        kind,
        Occurrence::new(occurrence).expect("an occurrence"),
    )
}

pub(super) fn keys_of(claims: &[Claim]) -> Vec<Key> {
    claims.iter().map(|claim| claim.key.clone()).collect()
}

pub(super) fn body(text: &str) -> Body {
    Body::new(text.as_bytes().to_vec())
}

/// A new pending notification; its body says which.
pub(super) fn pending(key: &Key) -> NewNotification {
    NewNotification::new(
        key.clone(),
        Start::pending(body(&format!("{{\"about\":\"{key}\"}}"))),
    )
}

pub(super) fn step(claim: &Claim, then: Then) -> Step {
    Step::new(claim.key.clone(), claim.token, claim.ledger.clone(), then)
        .with_attempts(claim.attempts, Vec::new())
}

pub(super) fn failed(reason: FailureReason, stream: StreamRule) -> Then {
    Then::Failed { reason, stream }
}

pub(super) fn notified(reference: &str) -> Then {
    Then::Notified {
        reference: reference.to_owned(),
    }
}

/// Who decides in this suite.
pub(super) fn by() -> By {
    By::new("maria", "called off").expect("two notes")
}

pub(super) fn decided(action: Action) -> Intervention {
    Intervention::new(action, by())
}

pub(super) fn reopen() -> Intervention {
    decided(Action::Reopen)
}

/// A withdrawal for this reason.
pub(super) fn withdraw(why: &str) -> Intervention {
    Intervention::new(
        Action::Withdraw,
        By::from_stored("maria", why).expect("two notes"),
    )
}

pub(super) fn mark(reference: &str) -> Intervention {
    let reference = reference.to_owned();
    decided(Action::MarkNotified { reference })
}

/// Every end of a step, [`Then::Keep`] among them.
pub(super) fn every_then() -> Vec<Then> {
    vec![
        Then::Keep { lease: LIVE },
        notified("R-2"),
        Then::Again { after: LIVE },
        failed(FailureReason::HeldUnknown, StreamRule::Pass),
        Then::HandBack { after: LIVE },
    ]
}

pub(super) fn every_intervention() -> [Intervention; 3] {
    [reopen(), withdraw("called off"), mark("by phone")]
}

pub(super) fn every_pick(keys: &[Key]) -> [Pick; 5] {
    let suppliers = keys.iter().map(|key| key.supplier.clone()).collect();
    [
        Pick::New,
        Pick::Due,
        Pick::PutOff(suppliers),
        Pick::DueOf(keys.to_vec()),
        Pick::NowOf(keys.to_vec()),
    ]
}

/// Every pick that has what waited for its next try, when that is due.
pub(super) fn every_pick_of_due(keys: &[Key]) -> [Pick; 3] {
    [
        Pick::Due,
        Pick::DueOf(keys.to_vec()),
        Pick::NowOf(keys.to_vec()),
    ]
}

/// An attempt that its number tells from others.
pub(super) fn attempt(number: u32) -> Attempt {
    let outcome = match number % 2 {
        0 => Outcome::Rejected { status: 503 },
        _ => Outcome::Unknown {
            why: Unknown::TimedOut,
        },
    };
    let at = Timestamp::from_micros(1_772_359_200_000_001 + i64::from(number));
    let took = Duration::from_millis(u64::from(number));
    Attempt::new(
        "https://a.example/in".to_owned(),
        EndpointId::from_stored("a1"),
        outcome,
        at,
        took,
    )
}

/// A ledger that its number tells from others.
pub(super) fn ledger(number: u32) -> Ledger {
    let text = format!(
        r#"{{"endpoints":[{{"id":"a1","shown":"https://a.example/in","standing":{{"open":{{"tries":{number},
        "first_at":"2026-03-01T10:00:00Z","not_before":"2026-03-01T10:00:05.000001Z"}}}}}}]}}"#
    );
    Ledger::decode(text.as_bytes()).expect("a ledger")
}
