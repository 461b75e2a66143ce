//! Storage: the contract that every store keeps, and what goes in and out of it.

#[cfg(feature = "conformance")]
pub mod conformance;
mod erased;
mod error;
pub(crate) mod memory;
#[cfg(feature = "sqlite")]
pub(crate) mod sqlite;

use std::future::Future;
use std::time::Duration;

use crate::event::{Body, ContentDigest, EventId, Memo};
use crate::names::{OrderCode, Source, SupplierId};
use crate::notification::{Attempt, FailureReason, Key, Ledger, Notification, StateName, StreamRule};
use crate::time::Timestamp;

pub(crate) use erased::{AnyStore, erase};
pub use error::{StoreError, StoreErrorKind};

/// Where notifications live.
///
/// Implement it as `async fn`s; the `conformance` feature has a suite with one function per sentence of this contract.
///
/// # Contract
///
/// 1. `insert` of an absent key stores it pending and due now (or as its [`Start`] says) and answers `New`.
/// 2. `insert` of a present key changes nothing: `Existing`, or `Differs` when both digests are known and
///    [differ](ContentDigest::differs_from). The whole slice is one atomic step: all of it is stored or none of it, and a
///    key that stands twice in it is new once.
/// 3. Of any number of concurrent inserts of one key exactly one is `New`.
/// 4. `claim` returns only what is due or abandoned (sending, with a lease that has run out), oldest due first; with
///    [`Pick::NowOf`] also what is pending and not due yet. Never what is failed, final, under a live lease, of another
///    source, or behind another of its stream. What was abandoned is marked `taken_over`.
/// 5. Of any number of concurrent claimers each notification goes to one.
/// 6. Every claim has a token that no claim had before.
/// 7. A token is stale once a newer claim, an end or an intervention has replaced it, and not because its lease has run
///    out: a late outcome is still recorded when nobody took over. A stale step changes nothing and answers `Stale`.
/// 8. A step is atomic: attempts, ledger, lease and state change together or not at all. Its attempts are numbered from
///    [`Step::first_attempt`], and numbers that are there already are left alone: a step that is repeated because its
///    first outcome was unclear is recorded once.
/// 9. Notified and closed notifications are never claimed.
/// 10. Interventions happen only from the states that allow them, see [`Intervention`]; what is under a live lease is
///     reported as `in_flight`.
/// 11. Bodies, ledgers, memos and attempts come back as they were written, byte for byte, attempts in their order.
/// 12. In one stream only the oldest unfinished notification can be claimed. Finished is what is notified, closed, or
///     failed with [`StreamRule::Passes`].
/// 13. One answer of `claim` has at most `limit` claims, of each supplier at most what its `room` says, else
///     `per_supplier`. Room for nobody's backlog: what is left out does not slow the rest.
/// 14. Two handles of one store see the same.
/// 15. Paging neither skips nor repeats a notification while others change. Listings are in the order of insertion,
///     and leave bodies out.
/// 16. [`Append::At`] is stored only when it is the stream's next position, else `Stale` with the position that is;
///     [`Append::Next`] takes the next one. Positions start at 1; there are no gaps and no twins. The key is looked at
///     first: a present one is `Existing` or `Differs` whatever position was asked for.
///
/// 17. `settled` has everything that is notified or failed, in the order in which that became visible: what settles after a
///     page was read comes after its `next`. It may repeat, and never skips.
///
/// A store has ONE timeline. It is given durations and never a node's clock; [`Claims::now`] is its time, and whoever
/// delivers reckons from there. The methods may be dropped at any await: what they do then either happened or did not.
pub trait Store: Send + Sync + 'static {
    /// Stores notifications, all in one atomic and durable step; one answer each, in their order. When an
    /// [`Append::At`] of the slice is stale nothing of the slice is stored; the others answer what they would have.
    ///
    /// # Errors
    /// When the outcome is not certain to be durable. Nothing is half-stored; the call may be repeated.
    fn insert(&self, new: &[NewNotification]) -> impl Future<Output = Result<Vec<Inserted>, StoreError>> + Send;

    /// Hands out the right to send.
    ///
    /// # Errors
    /// When it is not certain that the claims are held; nothing may be sent then.
    fn claim(&self, request: &ClaimRequest) -> impl Future<Output = Result<Claims, StoreError>> + Send;

    /// Records what holders of claims did; one answer each, in their order. Each step is atomic, and the slice is one
    /// commit.
    ///
    /// # Errors
    /// When it is not certain that the steps are durable. The call may be repeated: a step whose token has already been
    /// spent by itself answers `Stale` then, and the notification shows what happened.
    fn write(&self, steps: &[Step]) -> impl Future<Output = Result<Vec<Written>, StoreError>> + Send;

    /// Changes what a person decides, at most `limit` notifications, oldest first.
    ///
    /// # Errors
    /// When the outcome is not certain to be durable.
    fn intervene(
        &self,
        selection: &Selection,
        intervention: &Intervention,
        limit: u32,
    ) -> impl Future<Output = Result<Intervened, StoreError>> + Send;

    /// One notification with everything, its body included.
    ///
    /// # Errors
    /// When it cannot be read; a damaged row is an error of [`StoreErrorKind::Corrupt`].
    fn get(&self, key: &Key) -> impl Future<Output = Result<Option<Notification>, StoreError>> + Send;

    /// Notifications in the order of insertion, without their bodies.
    ///
    /// # Errors
    /// When they cannot be read. A damaged row is no error of the call; it is left out and reported in the listing.
    fn list(&self, filter: &Filter, page: &Page) -> impl Future<Output = Result<Listing, StoreError>> + Send;

    /// What is notified or failed at the moment, in the order in which that was recorded, without bodies. The listing's `next`
    /// is never `None` unless nothing was ever there: it is where to go on later.
    ///
    /// # Errors
    /// When they cannot be read. A damaged row is no error of the call; it is left out and reported in the listing.
    fn settled(&self, source: &Source, page: &Page) -> impl Future<Output = Result<Listing, StoreError>> + Send;

    /// How many there are in each state.
    ///
    /// # Errors
    /// When they cannot be counted.
    fn count(&self, filter: &Filter) -> impl Future<Output = Result<Counts, StoreError>> + Send;

    /// Resolves when there may be something new to claim: a hint. The default never does; polling is the net.
    fn changed(&self) -> impl Future<Output = ()> + Send {
        std::future::pending()
    }
}

/// A notification to be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NewNotification {
    /// Which notification it is; its stream follows from it.
    pub key: Key,
    /// The id that receivers deduplicate on.
    pub event_id: EventId,
    /// Its place in the stream.
    pub append: Append,
    /// Where it begins.
    pub start: Start,
    /// The content in brief; without one nothing is found to differ.
    pub content_digest: Option<ContentDigest>,
    /// A note to be kept as long as the row.
    pub memo: Option<Memo>,
    /// W3C trace context of the request that stores it.
    pub traceparent: Option<String>,
}

impl NewNotification {
    /// A notification at the end of its stream, with the id that follows from its key, and no digest, memo and trace.
    pub fn new(key: Key, start: Start) -> Self {
        NewNotification {
            event_id: key.event_id(),
            key,
            append: Append::Next,
            start,
            content_digest: None,
            memo: None,
            traceparent: None,
        }
    }
}

/// Where in its stream a notification goes. Exhaustive on purpose: a new variant must break every store at compile time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Append {
    /// At the end, wherever that is.
    Next,
    /// At this position and no other: the event was made in the knowledge of all before it.
    At(u64),
}

/// Where a notification begins. Exhaustive on purpose: a new variant must break every store at compile time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Start {
    /// Pending, due now, with the bytes to send.
    Pending(Body),
    /// Closed: the supplier has not subscribed to it.
    NotWanted,
    /// Notified: the supplier was told elsewhere, by phone or by the system before this one.
    Notified {
        /// The external reference.
        reference: String,
    },
}

/// What became of one notification that was to be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Inserted {
    /// It was stored.
    New {
        /// The place that it has in its stream.
        position: u64,
    },
    /// Its key was there with the same content, or content that cannot be compared. Nothing was changed.
    Existing,
    /// Its key was there with other content. Nothing was changed: the first body wins, always.
    Differs,
    /// The position that was asked for is not the next one.
    Stale {
        /// The one that is.
        next: u64,
    },
}

/// What somebody who wants to send asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClaimRequest {
    /// Only notifications of this installation.
    pub source: Source,
    /// Which of them.
    pub pick: Pick,
    /// The most claims in the answer.
    pub limit: u32,
    /// The most claims of one supplier in the answer.
    pub per_supplier: u32,
    /// Suppliers for which another number holds; 0 leaves a supplier out.
    pub room: Vec<(SupplierId, u32)>,
    /// How long the claims are held.
    pub lease: Duration,
}

impl ClaimRequest {
    /// A request without limits per supplier.
    pub fn new(source: Source, pick: Pick, limit: u32, lease: Duration) -> Self {
        ClaimRequest { source, pick, limit, per_supplier: u32::MAX, room: Vec::new(), lease }
    }

    /// The most claims that this supplier may have in the answer.
    pub fn room_for(&self, supplier: &SupplierId) -> u32 {
        self.room.iter().find(|(id, _)| id == supplier).map_or(self.per_supplier, |(_, room)| *room)
    }
}

/// Which notifications are claimed. Exhaustive on purpose: a new variant must break every store at compile time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pick {
    /// Whatever is due or abandoned.
    Due,
    /// These, when they are due or abandoned.
    DueOf(Vec<Key>),
    /// These, also before they are due. Breaks neither a live lease nor the order of a stream.
    NowOf(Vec<Key>),
}

/// The answer to a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Claims {
    /// The store's time.
    pub now: Timestamp,
    /// What was claimed; its lease began at `now`.
    pub claims: Vec<Claim>,
    /// When the next notification becomes due that this request could not have; reckoned over the suppliers that had
    /// room. Never later than that; it may be earlier, or in the past when there was more than the limits allow.
    pub next_due: Option<Timestamp>,
    /// Rows that cannot be read. They are left alone; the others go on.
    pub refused: Vec<Refused>,
}

impl Claims {
    /// An answer at this time, without claims.
    pub fn at(now: Timestamp) -> Self {
        Claims { now, claims: Vec::new(), next_due: None, refused: Vec::new() }
    }
}

/// A row that a store cannot read.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refused {
    /// Which row, in words that help to find it.
    pub row: String,
    /// What is wrong with it; never its content.
    pub problem: String,
}

impl Refused {
    /// A row and what is wrong with it.
    pub fn new(row: impl Into<String>, problem: impl Into<String>) -> Self {
        Refused { row: row.into(), problem: problem.into() }
    }
}

/// The right to send one notification for a while.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Claim {
    /// Which notification.
    pub key: Key,
    /// What fences every write of this holder.
    pub token: Token,
    /// The id that receivers deduplicate on.
    pub event_id: EventId,
    /// Its place in the stream.
    pub position: u64,
    /// The bytes to send.
    pub body: Body,
    /// What is known per endpoint.
    pub ledger: Ledger,
    /// How often it was reopened.
    pub reopened: u32,
    /// How many attempts are recorded.
    pub attempts: u32,
    /// Whether another holder's lease had run out: what was in flight then is unknown.
    pub taken_over: bool,
    /// W3C trace context of the request that stored it.
    pub traceparent: Option<String>,
}

impl Claim {
    /// A first claim, with an empty ledger and no trace; set the rest by field.
    pub fn new(key: Key, token: Token, event_id: EventId, position: u64, body: Body) -> Self {
        Claim {
            key,
            token,
            event_id,
            position,
            body,
            ledger: Ledger::default(),
            reopened: 0,
            attempts: 0,
            taken_over: false,
            traceparent: None,
        }
    }
}

/// A fencing token: new at every claim of a notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Token(i64);

impl Token {
    /// A token of this number.
    pub fn new(number: i64) -> Self {
        Token(number)
    }

    /// Its number.
    pub fn number(self) -> i64 {
        self.0
    }
}

/// What a holder records.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Step {
    /// Which notification.
    pub key: Key,
    /// The token of the holder's claim.
    pub token: Token,
    /// The number of the first of `attempts` in the notification, from 0: how many were recorded before.
    pub first_attempt: u32,
    /// What was tried since the last step; appended.
    pub attempts: Vec<Attempt>,
    /// The ledger as it is now; replaces the stored one.
    pub ledger: Ledger,
    /// What becomes of the notification.
    pub then: Then,
}

impl Step {
    /// A step without attempts.
    pub fn new(key: Key, token: Token, ledger: Ledger, then: Then) -> Self {
        Step { key, token, first_attempt: 0, attempts: Vec::new(), ledger, then }
    }

    /// With what was tried since the last step, numbered from `first_attempt`.
    #[must_use]
    pub fn with_attempts(mut self, first_attempt: u32, attempts: Vec<Attempt>) -> Self {
        self.first_attempt = first_attempt;
        self.attempts = attempts;
        self
    }
}

/// What a step makes of the notification. Exhaustive on purpose: a new variant must break every store at compile time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Then {
    /// The claim is kept; its lease begins anew.
    Keep {
        /// How long, from now.
        lease: Duration,
    },
    /// It is notified, finally.
    Notified {
        /// The external reference.
        reference: String,
    },
    /// It is pending again: the round is over and something is still open.
    Again {
        /// Due so long from now.
        after: Duration,
    },
    /// It waits for a person.
    Failed {
        /// What is to be repaired.
        reason: FailureReason,
        /// What that means for its stream.
        stream: StreamRule,
    },
    /// It is pending again without a try: the holder could not go on.
    HandBack {
        /// Due so long from now.
        after: Duration,
    },
}

/// What became of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Written {
    /// It is recorded.
    Applied,
    /// Its token was replaced; nothing was changed.
    Stale,
}

/// Which notifications a person means. Exhaustive on purpose: a new variant must break every store at compile time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// These.
    Keys(Vec<Key>),
    /// What failed for one of these reasons.
    FailedFor {
        /// The installation.
        source: Source,
        /// Of this supplier.
        supplier: SupplierId,
        /// For any of these reasons.
        reasons: Vec<FailureReason>,
    },
}

/// What a person decides. Exhaustive on purpose: a new variant must break every store at compile time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Intervention {
    /// Failed only: pending and due now; `reopened` is one more, ledger and attempts stay.
    Reopen,
    /// Pending, failed, and sending with a lease that has run out: closed.
    Withdraw {
        /// In the words of whoever does.
        reason: String,
    },
    /// Pending, failed, and sending with a lease that has run out: notified.
    MarkNotified {
        /// The external reference.
        reference: String,
    },
}

/// What an intervention did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Intervened {
    /// What was changed.
    pub changed: Vec<Key>,
    /// What was left alone because somebody is sending it.
    pub in_flight: Vec<Key>,
}

impl Intervened {
    /// An answer of both.
    pub fn new(changed: Vec<Key>, in_flight: Vec<Key>) -> Self {
        Intervened { changed, in_flight }
    }
}

/// Which notifications are listed or counted.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Filter {
    /// Of this installation.
    pub source: Source,
    /// Of this order only.
    pub order: Option<OrderCode>,
    /// Of this supplier only.
    pub supplier: Option<SupplierId>,
    /// In one of these states; empty means any.
    pub states: Vec<StateName>,
    /// Stored at least so long ago.
    pub older_than: Option<Duration>,
}

impl Filter {
    /// Everything of an installation; narrow it by field.
    pub fn of(source: Source) -> Self {
        Filter { source, order: None, supplier: None, states: Vec::new(), older_than: None }
    }
}

/// Which part of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Page {
    /// After the page that ended here; `None` is the first.
    pub after: Option<Cursor>,
    /// The most notifications on it.
    pub limit: u32,
}

impl Page {
    /// The first page.
    pub fn first(limit: u32) -> Self {
        Page { after: None, limit }
    }

    /// The page after another one.
    pub fn after(cursor: Cursor, limit: u32) -> Self {
        Page { after: Some(cursor), limit }
    }
}

/// Where a page ended. What is in it is the store's own business.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Cursor(String);

impl Cursor {
    /// A cursor of a store's own form.
    pub fn new(text: impl Into<String>) -> Self {
        Cursor(text.into())
    }

    /// The store's own form.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// One page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Listing {
    /// The notifications, without their bodies.
    pub notifications: Vec<Notification>,
    /// Where to go on; `None` when this was the last page.
    pub next: Option<Cursor>,
    /// Rows of this page that cannot be read.
    pub refused: Vec<Refused>,
}

impl Listing {
    /// A page of these.
    pub fn new(notifications: Vec<Notification>, next: Option<Cursor>) -> Self {
        Listing { notifications, next, refused: Vec::new() }
    }
}

/// How many there are in each state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Waiting for their time or their turn.
    pub pending: u64,
    /// Held by a sender.
    pub sending: u64,
    /// Told.
    pub notified: u64,
    /// Waiting for a person.
    pub failed: u64,
    /// Withdrawn by a person.
    pub withdrawn: u64,
    /// Not subscribed to.
    pub not_wanted: u64,
}

impl Counts {
    /// The number for one state.
    pub fn of(&self, state: StateName) -> u64 {
        match state {
            StateName::Pending => self.pending,
            StateName::Sending => self.sending,
            StateName::Notified => self.notified,
            StateName::Failed => self.failed,
            StateName::Withdrawn => self.withdrawn,
            StateName::NotWanted => self.not_wanted,
        }
    }

    /// Adds to one state.
    pub fn add(&mut self, state: StateName, number: u64) {
        let count = match state {
            StateName::Pending => &mut self.pending,
            StateName::Sending => &mut self.sending,
            StateName::Notified => &mut self.notified,
            StateName::Failed => &mut self.failed,
            StateName::Withdrawn => &mut self.withdrawn,
            StateName::NotWanted => &mut self.not_wanted,
        };
        *count += number;
    }

    /// All together.
    pub fn total(&self) -> u64 {
        StateName::ALL.into_iter().map(|state| self.of(state)).sum()
    }
}
