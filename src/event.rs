//! Events: encoded once, and named the same by every node.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::fulfilment::{Stage, Transition};
use crate::order::{Numbers, PaidOrder, Privacy};
use crate::value::names::{OrderCode, Source, SupplierId};
use crate::value::visible::{Escaped, is_visible};

/// The kind of an event: `order.created`, a fulfilment stage, or a kind of the caller's own.
///
/// 1 to 64 characters out of `a-z`, `0-9`, `.`, `_` and `-`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EventKind(Arc<str>);

impl EventKind {
    /// `order.created`.
    pub fn order_created() -> Self {
        EventKind(Arc::from("order.created"))
    }

    /// A kind by its name.
    ///
    /// # Errors
    /// [`EventError::Kind`] for anything but 1 to 64 characters out of `a-z`, `0-9`, `.`, `_` and `-`.
    pub fn new(name: &str) -> Result<Self, EventError> {
        let plain =
            |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '_' | '-');
        if name.is_empty() || name.len() > 64 || !name.chars().all(plain) {
            return Err(EventError::Kind);
        }
        Ok(EventKind(Arc::from(name)))
    }

    /// The kind of a fulfilment stage: its wire name, as in `order_picked_up`.
    pub fn of_stage(stage: Stage) -> Self {
        EventKind(Arc::from(stage.as_str()))
    }

    /// The fulfilment stage that it is, if it is one.
    pub fn stage(&self) -> Option<Stage> {
        self.0.parse().ok()
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// Which one of several events of a kind about the same order and supplier: empty for `order.created`, the child order
/// for most fulfilment stages, or the caller's own text. At most 200 characters, all of them visible.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Occurrence(Arc<str>);

impl Occurrence {
    /// The only one of its kind.
    pub fn only() -> Self {
        Occurrence(Arc::from(""))
    }

    /// One of several, told apart by this text.
    ///
    /// # Errors
    /// [`EventError::Occurrence`] for more than 200 characters, or one that cannot be seen.
    pub fn new(text: &str) -> Result<Self, EventError> {
        match text.chars().all(is_visible) {
            true => Self::from_stored(text),
            false => Err(EventError::Occurrence),
        }
    }

    /// An occurrence as a store kept it, perhaps from a time when it could have invisible characters. For stores only.
    ///
    /// # Errors
    /// [`EventError::Occurrence`] for more than 200 characters or a control character.
    pub fn from_stored(text: &str) -> Result<Self, EventError> {
        if text.chars().count() > 200 || text.chars().any(char::is_control) {
            return Err(EventError::Occurrence);
        }
        Ok(Occurrence(Arc::from(text)))
    }

    /// The occurrence of a stage within its parent order: the child order, the rejected one for Re-Assign and Split,
    /// none for digitization.
    pub fn of_stage(transition: &Transition) -> Self {
        // A child id has at most 128 characters, none of them a control character.
        Occurrence(Arc::from(transition.occurrence()))
    }

    /// The text, possibly empty.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Occurrence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&Escaped(&self.0), f)
    }
}

impl fmt::Debug for Occurrence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// The id of an event: what receivers deduplicate on, sent as `webhook-id` (Standard Webhooks).
///
/// `msg_` and 32 hexadecimal digits of SHA-256 over source, supplier, order, kind and occurrence: any node computes the
/// same, and the same event has it at every attempt and endpoint.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EventId(Arc<str>);

impl EventId {
    /// The id that these five names make.
    pub fn derive(
        source: &Source,
        supplier: &SupplierId,
        order: &OrderCode,
        kind: &EventKind,
        occurrence: &Occurrence,
    ) -> Self {
        let mut hash = Sha256::new();
        for part in [
            source.as_str(),
            supplier.as_str(),
            order.as_str(),
            kind.as_str(),
            occurrence.as_str(),
        ] {
            // The length in front keeps ("ab", "c") and ("a", "bc") apart.
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
        EventId(Arc::from(format!("msg_{}", hex(&hash.finalize()[..16]))))
    }

    /// An id as a store kept it.
    ///
    /// # Errors
    /// [`EventError::Id`] for anything but 1 to 64 visible ASCII characters.
    pub fn from_stored(text: &str) -> Result<Self, EventError> {
        if text.is_empty() || text.len() > 64 || !text.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(EventError::Id);
        }
        Ok(EventId(Arc::from(text)))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The bytes of an event: the same for every endpoint, attempt and node. Cloning shares them; `Debug` shows their
/// number.
#[derive(Clone, PartialEq, Eq)]
pub struct Body(Arc<[u8]>);

impl Body {
    /// Takes the bytes as they are.
    pub fn new(bytes: impl Into<Arc<[u8]>>) -> Self {
        Body(bytes.into())
    }

    /// The bytes, shared.
    pub fn shared(&self) -> Arc<[u8]> {
        Arc::clone(&self.0)
    }
}

impl Deref for Body {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl AsRef<[u8]> for Body {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Body({} bytes)", self.0.len())
    }
}

/// A note that a store keeps with a notification as long as the row itself: at most 2048 bytes, and no personal data.
/// The life cycle of a fulfilment order is folded from the memos of its stream.
#[derive(Clone, PartialEq, Eq)]
pub struct Memo(Arc<[u8]>);

impl Memo {
    /// The most bytes that a memo has: 2048.
    pub const LIMIT: usize = 2048;

    /// Takes the bytes as they are.
    ///
    /// # Errors
    /// [`EventError::Memo`] when there are more than [`Memo::LIMIT`].
    pub fn new(bytes: impl Into<Arc<[u8]>>) -> Result<Self, EventError> {
        let bytes = bytes.into();
        if bytes.len() > Self::LIMIT {
            return Err(EventError::Memo);
        }
        Ok(Memo(bytes))
    }
}

impl Deref for Memo {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Memo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Memo({} bytes)", self.0.len())
    }
}

/// What an event says, in brief: two events under the same key are the same when their digests are.
///
/// For `order.created` it is taken over the order's content for the supplier before privacy and without `built_at`, so
/// that neither a changed privacy rule nor a rebuilt order counts as another content. It carries the version of the
/// method; digests of different versions are not compared.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ContentDigest {
    version: u8,
    sha256: [u8; 32],
}

impl ContentDigest {
    const VERSION: u8 = 1;

    /// Of a content with numbers of more than 15 digits: the first version could not tell all of them apart.
    const LONG_NUMBERS: u8 = 2;

    /// The digest of this content.
    pub fn of(content: &[u8]) -> Self {
        ContentDigest {
            version: Self::VERSION,
            sha256: Sha256::digest(content).into(),
        }
    }

    /// The digest of what an order says to a supplier.
    fn of_order(order: &PaidOrder, supplier: &SupplierId) -> Self {
        let (content, numbers) = order.content_for_digest(supplier);
        let version = match numbers {
            Numbers::Short => Self::VERSION,
            Numbers::Long => Self::LONG_NUMBERS,
        };
        ContentDigest {
            version,
            ..Self::of(&content)
        }
    }

    /// Whether the two are of one version and differ: the only case in which the content is known to be another.
    pub fn differs_from(&self, other: &ContentDigest) -> bool {
        self.version == other.version && self.sha256 != other.sha256
    }

    /// 33 bytes for a store: the version, then SHA-256.
    pub fn to_bytes(&self) -> [u8; 33] {
        let mut bytes = [self.version; 33];
        bytes[1..].copy_from_slice(&self.sha256);
        bytes
    }

    /// The digest out of the 33 bytes of [`to_bytes`](Self::to_bytes); `None` for another number of bytes.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (version, sha256) = bytes.split_first()?;
        Some(ContentDigest {
            version: *version,
            sha256: sha256.try_into().ok()?,
        })
    }
}

impl fmt::Debug for ContentDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.version, hex(&self.sha256[..8]))
    }
}

/// What is said to one supplier about one order, encoded once.
///
/// ```
/// use orderhook::{Event, EventKind, Occurrence};
///
/// let kind = EventKind::new("order.price_changed")?;
/// let event = Event::new(kind, Occurrence::new("2026-11-21")?, &serde_json::json!({ "sku": "B-12", "price": "9.90" }))?;
/// assert_eq!(event.kind().as_str(), "order.price_changed");
/// assert!(event.body().starts_with(b"{"));
/// # Ok::<(), orderhook::EventError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    kind: EventKind,
    occurrence: Occurrence,
    body: Body,
    digest: ContentDigest,
    memo: Option<Memo>,
}

impl Event {
    /// An event of the caller's own: `content` becomes its JSON body.
    ///
    /// # Errors
    /// [`EventError::Encode`] when `content` does not serialise to JSON.
    pub fn new(
        kind: EventKind,
        occurrence: Occurrence,
        content: &impl Serialize,
    ) -> Result<Self, EventError> {
        let body = serde_json::to_vec(content).map_err(|_| EventError::Encode)?;
        Ok(Event {
            kind,
            occurrence,
            digest: ContentDigest::of(&body),
            body: Body::new(body),
            memo: None,
        })
    }

    /// `order.created` for one supplier, as its privacy rules allow. `None` when the order has no line of that
    /// supplier.
    ///
    /// # Errors
    /// [`EventError::Encode`] when the order's extra fields do not serialise to JSON.
    pub fn order_created(
        order: &PaidOrder,
        supplier: &SupplierId,
        privacy: &Privacy,
    ) -> Result<Option<Self>, EventError> {
        let Some(created) = order.for_supplier(supplier, privacy) else {
            return Ok(None);
        };
        let mut event = Event::new(EventKind::order_created(), Occurrence::only(), &created)?;
        event.digest = ContentDigest::of_order(order, supplier);
        Ok(Some(event))
    }

    /// The same event as another occurrence: the caller says the same kind again about the same order.
    #[must_use]
    pub fn with_occurrence(mut self, occurrence: Occurrence) -> Self {
        self.occurrence = occurrence;
        self
    }

    /// With a note for the store.
    #[must_use]
    pub fn with_memo(mut self, memo: Memo) -> Self {
        self.memo = Some(memo);
        self
    }

    /// With a digest over something else than the bytes of the body.
    #[must_use]
    pub fn with_digest(mut self, digest: ContentDigest) -> Self {
        self.digest = digest;
        self
    }

    /// What it is about.
    pub fn kind(&self) -> &EventKind {
        &self.kind
    }

    /// Which of its kind.
    pub fn occurrence(&self) -> &Occurrence {
        &self.occurrence
    }

    /// Its JSON.
    pub fn body(&self) -> &Body {
        &self.body
    }

    /// Its content in brief.
    pub fn digest(&self) -> ContentDigest {
        self.digest
    }

    /// Its note for the store.
    pub fn memo(&self) -> Option<&Memo> {
        self.memo.as_ref()
    }
}

/// Why something is not (part of) an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EventError {
    /// Not the name of a kind.
    #[error("an event kind is 1 to 64 characters out of a-z, 0-9, '.', '_' and '-'")]
    Kind,
    /// Not an occurrence.
    #[error("an occurrence is at most 200 characters, all of them visible")]
    Occurrence,
    /// Not an id.
    #[error("an event id is 1 to 64 visible ASCII characters")]
    Id,
    /// Too long a memo.
    #[error("a memo has at most 2048 bytes")]
    Memo,
    /// The content is not JSON.
    #[error("the content of the event cannot be written as JSON")]
    Encode,
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    use fmt::Write;
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(source: &str, supplier: &str, order: &str, occurrence: &str) -> EventId {
        EventId::derive(
            &Source::new(source).unwrap(),
            &SupplierId::new(supplier).unwrap(),
            &OrderCode::new(order).unwrap(),
            &EventKind::order_created(),
            &Occurrence::new(occurrence).unwrap(),
        )
    }

    #[test]
    fn an_id_is_the_same_on_every_node_and_in_every_version() {
        assert_eq!(
            id("shop", "north-books", "MKT-1", "").as_str(),
            "msg_d2a8572cff850d5c808ba0aecfd56f43"
        );
    }

    #[test]
    fn an_id_tells_source_supplier_order_and_occurrence_apart() {
        let ids = [
            id("ab", "c", "d", ""),
            id("a", "bc", "d", ""),
            id("a", "b", "cd", ""),
            id("a", "b", "c", "d"),
        ];
        for (n, one) in ids.iter().enumerate() {
            assert!(ids[n + 1..].iter().all(|other| other != one));
        }
    }

    #[test]
    fn digests_of_different_versions_are_not_compared() {
        let now = ContentDigest::of(b"a");
        let mut older = ContentDigest::of(b"b").to_bytes();
        older[0] = 0;
        assert!(!now.differs_from(&ContentDigest::from_bytes(&older).unwrap()));
        assert!(now.differs_from(&ContentDigest::of(b"b")));
        assert_eq!(ContentDigest::from_bytes(&now.to_bytes()), Some(now));
    }

    #[test]
    fn debug_shows_no_byte_of_a_body() {
        let event = Event::new(EventKind::order_created(), Occurrence::only(), &"Asha").unwrap();
        assert!(!format!("{event:?}").contains("Asha"));
    }
}
