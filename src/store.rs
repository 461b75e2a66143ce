//! The storage contract, the values that go in and out of a store, and the stores themselves.

mod answers;
mod claim;
#[cfg(feature = "conformance")]
pub mod conformance;
mod counts;
mod erased;
mod error;
mod listing;
pub(crate) mod memory;
mod selection;
#[cfg(feature = "sqlite")]
pub(crate) mod sqlite;

use std::future::Future;
use std::time::Duration;

use crate::notification::{Key, Notification};
use crate::value::names::Source;

pub use crate::notification::claim::{Claim, Token};
pub use crate::notification::insert::{Append, Inserted, NewNotification, Start};
pub use crate::notification::intervention::{Action, ActionName, Intervention};
pub use crate::notification::step::{Step, Then, Written};
pub use answers::{ClaimNew, Insertion, Recorded};
pub use claim::{ClaimRequest, Claims, Pick, Refused};
pub use counts::{Counted, Counts, Group};
pub(crate) use erased::{AnyStore, erase};
pub use error::{StoreError, StoreErrorKind};
pub use listing::{Cursor, Filter, Listing, Page};
pub use selection::{Intervened, Selection};

/// The storage of notifications: what a [`Dispatcher`](crate::Dispatcher) and its workers need of a database.
///
/// [`MemoryStore`](crate::MemoryStore) and, with the feature `sqlite`, [`SqliteStore`](crate::SqliteStore) are stores.
/// To write one for another database, implement the methods as `async fn`s and keep the contract below. What an insert,
/// a claim, a step and an intervention make of a notification is written once, as pure functions, in
/// [`transition`](crate::notification::transition); the feature `conformance` has a suite with one function per sentence of
/// the contract.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
///
/// use orderhook::event::Body;
/// use orderhook::store::{ClaimNew, ClaimRequest, NewNotification, Pick, Start, Step, Store, Then, Written};
/// use orderhook::{Key, MemoryStore, OrderCode, Source, SupplierId};
///
/// // What the dispatcher and its workers do with a store: insert, claim, record.
/// let (store, shop) = (MemoryStore::new(), Source::new("shop")?);
/// let key = Key::order_created(shop.clone(), SupplierId::new("north-books")?, OrderCode::new("A-1")?);
/// let new = NewNotification::new(key.clone(), Start::pending(Body::new(*b"{}")));
/// store.insert(&[new], &ClaimNew::NONE).await?;
///
/// let request = ClaimRequest::new(shop, Pick::New, 1, Duration::from_secs(65));
/// let claim = store.claim(&request).await?.claims.remove(0);
/// assert!(store.claim(&request).await?.claims.is_empty(), "it has a holder");
///
/// let notified = Then::Notified { reference: "NB-17".to_owned() };
/// let step = Step::new(key, claim.token, claim.ledger, notified);
/// assert_eq!(store.write(&[step.clone()]).await?.answers, [Written::Applied]);
/// assert_eq!(store.write(&[step]).await?.answers, [Written::Stale], "the token is spent");
/// # Ok(())
/// # }
/// ```
///
/// # Words
///
/// A *claim* is the right to send one notification for a while, its *lease*; it carries a *token*, and every write of
/// its holder is checked against it. What a holder records is a [`Step`]. A *stream* is all notifications of one order
/// to one supplier, in the order of their *positions*. A notification is *abandoned* when it is being sent and its
/// lease has run out. It is *put off* when its holder could not go on, and has handed it back with [`Then::HandBack`].
/// Its *memo* is a note of the sender's that stays as long as the row ([`Memo`](crate::event::Memo)); its *trace* is the
/// W3C trace context of the request that stored it ([`TraceParent`](crate::event::TraceParent)).
///
/// # Contract
///
/// 1. `insert` of an absent key stores it pending and due after its delay (or as its [`Start`] says) and answers `New`.
/// 2. `insert` of a present key changes nothing: `Existing`, or `Differs` when both digests are known and
///    [differ](crate::event::ContentDigest::differs_from). The whole slice is one atomic step: all of it is stored or none of
///    it, and a key that stands twice in it is new once.
/// 3. Of any number of concurrent inserts of one key exactly one is `New`. It hands out the claim, if its [`ClaimNew`] names
///    the key and nothing keeps it from being claimed: it is pending without a delay, and the first unfinished one of its
///    stream. What is present, delayed, not pending or behind another gets no claim by an insert.
/// 4. `claim` returns only what is due or abandoned; with [`Pick::PutOff`] also what is put off, and with
///    [`Pick::NowOf`] also what is pending, before its time has come. It never returns what is failed, unreadable,
///    final, under a live lease, of another source, behind another notification of its stream, or new and not over its
///    first delay. What was abandoned is marked [`taken_over`](Claim::taken_over). With
///    [`due_by`](ClaimRequest::due_by), [`Pick::New`] and [`Pick::Due`] return nothing that became due later.
/// 5. Of any number of concurrent claimers each notification goes to one.
/// 6. Every claim has a token that no claim had before. One that an insert hands out is a claim like any other: it is
///    abandoned when its lease has run out, and its notification is new until its holder records a step.
/// 7. A token is stale once a newer claim, an end or an intervention has replaced it, and not because its lease has run
///    out: a late outcome is still recorded when no other holder took over. A stale step changes nothing and answers
///    `Stale`.
/// 8. A step is atomic: attempts, ledger, lease and state change together or not at all. Its attempts are numbered from
///    [`Step::first_attempt`], and numbers that are there already are left alone: a step that is repeated because its
///    first outcome was unclear is recorded once.
/// 9. Notified and closed notifications are never claimed.
/// 10. Interventions happen only from the states that allow them, see [`Action`]; what is under a live lease is reported
///     as `in_flight`. Each one that happens is an entry in the history of its notification, written in the same step;
///     what is left alone has none. An insert as [notified](Start::Notified) is the first entry.
/// 11. Bodies, ledgers, memos, attempts, replies and the history come back as they were written, byte for byte, attempts
///     and the history in their order.
/// 12. In one stream only the oldest unfinished notification can be claimed. Finished is what is notified, closed, or
///     failed with [`StreamRule::Pass`](crate::supplier::StreamRule::Pass).
/// 13. One answer of `claim` has at most `limit` claims. [`Pick::New`] selects what no holder has recorded anything of,
///     in the order in which it was stored or came to the front of its stream. [`Pick::Due`] selects everything else
///     that is due, longest due first, with what was put off and what was reopened. [`Pick::PutOff`] selects what
///     [`HandBack`](Then::HandBack) put off of these suppliers, earliest moment first, and never what waits for its
///     next try after [`Again`](Then::Again). What a holder has handed back is never new again. What was abandoned
///     before its holder recorded anything may come with `New` or with `Due`. A claim costs as much as what it hands
///     out, however much else waits, is held, or is over.
/// 14. All handles of one store see the same notifications.
/// 15. Paging neither skips nor repeats a notification while others change. Listings are in the order of insertion,
///     and leave bodies, replies and the history out. What is listed, counted and selected is what
///     [`Filter::selects`] says. A listing, a count and a selection of what is pending, being sent, failed or unreadable
///     costs as much as there is of that, however much is over.
/// 16. [`Append::At`] is stored only when it is the stream's next position, otherwise the answer is `Stale` with the
///     position that is next; [`Append::Next`] takes the next one. Positions start at 1, without gaps, each given once,
///     except that what was [forgotten](Action::Forget) is as if it had never been.
///     The key is looked at first: a present one is `Existing` or `Differs` whatever position was asked for.
/// 17. `settled` lists everything that is notified or failed, in the order in which that became visible: what settles
///     after a page was read comes after its `next`. It may list a notification twice, and never leaves one out.
/// 18. A notification that cannot be read when it is to be claimed is set aside: it becomes
///     [`Unreadable`](crate::NotificationState::Unreadable), is reported in [`Claims::refused`] once, is counted, holds its
///     stream
///     as a failure with [`StreamRule::Hold`](crate::supplier::StreamRule::Hold) does, and waits for a person. It can be
///     withdrawn, and it can be reopened, after which the next claim reads it again. A store whose rows cannot be
///     damaged from outside, as one in memory, need not do this.
/// 19. What was [erased](Action::Erase) has no body, attempts, replies, ledger, digest, trace and texts any more, neither in
///     its state nor in its history so far; it keeps its key, event id, position, memo and state, so that a later insert
///     of its key is `Existing`, whatever its content. What was [forgotten](Action::Forget) is absent.
/// 20. `prune` drops bodies, attempts and replies of notified and closed notifications, and changes nothing else of them;
///     it never changes one that is in another state.
///
/// A store has ONE timeline. It is given durations and never a node's clock. [`Claims::now`] is its time, from which
/// the sender counts on.
///
/// The methods may be dropped at any await: what they do then either happened or did not. A store that has a queue of
/// its own does what stands in it, also when the caller is gone, because a step is the record of something that has
/// happened. Only a claim is not made for a caller that is gone, or is taken back, that of an insert too: a dropped claim
/// holds nothing.
///
/// When it is not certain whether a change has become durable, the call fails with an error that is
/// [transient](StoreError::is_transient), and nothing is handed out. Calls may then be repeated: what was stored
/// answers `Existing`, a step is recorded once, and a claim whose outcome was unclear has no holder.
pub trait Store: Send + Sync + 'static {
    /// Stores notifications, all in one atomic and durable step; one answer each, in their order. When an
    /// [`Append::At`] of the slice is stale, nothing of the slice is stored, and the others answer as if it had been.
    /// What `claim` names of it is handed out in the same step.
    ///
    /// # Errors
    /// When the outcome is not certain to be durable. Nothing is half-stored, and nothing is handed out; the call may be
    /// repeated, and answers `Existing` for what it had stored.
    fn insert(
        &self,
        new: &[NewNotification],
        claim: &ClaimNew,
    ) -> impl Future<Output = Result<Insertion, StoreError>> + Send;

    /// Hands out claims: the right to send some of the notifications that the request selects.
    ///
    /// # Errors
    /// When it is not certain that the claims are held. The caller sends nothing then, and the store releases them.
    fn claim(
        &self,
        request: &ClaimRequest,
    ) -> impl Future<Output = Result<Claims, StoreError>> + Send;

    /// Records what holders of claims did; one answer each, in their order. Each step is atomic, and the slice is one
    /// commit.
    ///
    /// # Errors
    /// When it is not certain that the steps are durable. The call may be repeated: a step that was recorded before
    /// then answers `Stale`, and the notification shows what happened.
    fn write(&self, steps: &[Step]) -> impl Future<Output = Result<Recorded, StoreError>> + Send;

    /// Applies what a person has decided, to at most `limit` of the selected notifications, oldest first.
    ///
    /// # Errors
    /// When the outcome is not certain to be durable.
    fn intervene(
        &self,
        selection: &Selection,
        intervention: &Intervention,
        limit: u32,
    ) -> impl Future<Output = Result<Intervened, StoreError>> + Send;

    /// The notification of this key with all that is kept of it, body, replies and history included; `None` when the key is
    /// absent.
    ///
    /// # Errors
    /// When it cannot be read; a damaged row is [`StoreErrorKind::Corrupt`].
    fn get(
        &self,
        key: &Key,
    ) -> impl Future<Output = Result<Option<Notification>, StoreError>> + Send;

    /// A page of the notifications that the filter selects, in the order of insertion, [as they are
    /// listed](Notification::as_listed).
    ///
    /// # Errors
    /// When they cannot be read. A damaged row is no error of the call; it is left out and reported in the listing.
    fn list(
        &self,
        filter: &Filter,
        page: &Page,
    ) -> impl Future<Output = Result<Listing, StoreError>> + Send;

    /// A page of the notifications that are notified or failed at the moment, in the order in which that was recorded,
    /// as they are listed. The listing's `next` is where to go on later; it is `None` only when nothing has settled yet.
    ///
    /// # Errors
    /// When they cannot be read. A damaged row is no error of the call; it is left out and reported in the listing.
    fn settled(
        &self,
        source: &Source,
        page: &Page,
    ) -> impl Future<Output = Result<Listing, StoreError>> + Send;

    /// The number of notifications that the filter selects, one answer for each group that has any.
    ///
    /// # Errors
    /// When they cannot be counted.
    fn count(
        &self,
        filter: &Filter,
        group: Group,
    ) -> impl Future<Output = Result<Vec<Counted>, StoreError>> + Send;

    /// Drops the bodies, attempts and replies of at most `limit` notifications of an installation that have been notified or
    /// closed for `older_than` at least; the number of those that had any.
    ///
    /// # Errors
    /// When the outcome is not certain to be durable. The call may be repeated.
    fn prune(
        &self,
        source: &Source,
        older_than: Duration,
        limit: u32,
    ) -> impl Future<Output = Result<u32, StoreError>> + Send;

    /// Resolves when there may be something new to claim. It is a hint; the default never resolves, and workers
    /// [poll](crate::Worker::with_poll) all the same.
    fn changed(&self) -> impl Future<Output = ()> + Send {
        std::future::pending()
    }
}
