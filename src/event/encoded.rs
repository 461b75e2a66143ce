//! An event: what is said to one supplier about one order.

use serde::Serialize;

use crate::order::{PaidOrder, Privacy};
use crate::value::names::SupplierId;

use super::{Body, ContentDigest, EventError, EventKind, Memo, Occurrence};

/// An event: what one supplier receives about one order, encoded once.
///
/// ```
/// use orderhook::event::Occurrence;
/// use orderhook::{Event, EventKind};
///
/// let kind = EventKind::own("order.price_changed")?;
/// let event = Event::new(kind, Occurrence::new("2026-11-21")?, &serde_json::json!({ "sku": "B-12", "price": "9.90" }))?;
/// assert_eq!(event.kind().as_str(), "order.price_changed");
/// assert!(event.body().as_bytes().starts_with(b"{"));
/// # Ok::<(), orderhook::event::EventError>(())
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
    /// For `order.created` there is [`order_created`](Self::order_created), and for stages the handle of the feature
    /// `fulfilment`, which checks what may follow; with their kinds this makes an event that nothing has checked.
    ///
    /// # Errors
    /// [`EventError::Encode`] when `content` does not serialise to JSON.
    pub fn new(
        kind: EventKind,
        occurrence: Occurrence,
        content: &impl Serialize,
    ) -> Result<Self, EventError> {
        let body = encoded(content)?;
        let digest = ContentDigest::of(body.as_bytes());
        Ok(Event {
            kind,
            occurrence,
            body,
            digest,
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
        let Some(told) = order.told(supplier, privacy) else {
            return Ok(None);
        };
        Ok(Some(Event {
            kind: EventKind::OrderCreated,
            occurrence: Occurrence::only(),
            body: encoded(&told)?,
            digest: ContentDigest::of_order(order, supplier),
            memo: None,
        }))
    }

    /// The same event as another occurrence: the caller says the same kind again about the same order.
    #[must_use]
    pub fn with_occurrence(mut self, occurrence: Occurrence) -> Self {
        self.occurrence = occurrence;
        self
    }

    /// The same event with a note that the store keeps beside it.
    #[must_use]
    pub fn with_memo(mut self, memo: Memo) -> Self {
        self.memo = Some(memo);
        self
    }

    /// The same event with a digest over something else than the bytes of the body.
    #[must_use]
    pub fn with_digest(mut self, digest: ContentDigest) -> Self {
        self.digest = digest;
        self
    }

    /// The kind of the event.
    pub fn kind(&self) -> &EventKind {
        &self.kind
    }

    /// The occurrence: which one of its kind the event is.
    pub fn occurrence(&self) -> &Occurrence {
        &self.occurrence
    }

    /// The body: the JSON that is sent.
    pub fn body(&self) -> &Body {
        &self.body
    }

    /// The digest of the event's content.
    pub fn digest(&self) -> ContentDigest {
        self.digest
    }

    /// The note that the store keeps beside the event.
    pub fn memo(&self) -> Option<&Memo> {
        self.memo.as_ref()
    }
}

fn encoded(content: &impl Serialize) -> Result<Body, EventError> {
    // Most bodies fit: it does not grow step by step.
    let mut bytes = Vec::with_capacity(2048);
    serde_json::to_writer(&mut bytes, content).map_err(|_| EventError::Encode)?;
    Ok(Body::new(bytes))
}
