//! Which notification it is.

use std::fmt;

use crate::event::{EventId, EventKind, Occurrence};
use crate::value::names::{OrderCode, Source, SupplierId};

/// The identity of a notification: one supplier, one event of one order, in one installation.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub struct Key {
    /// The installation.
    pub source: Source,
    /// Who is told.
    pub supplier: SupplierId,
    /// The order it is about.
    pub order: OrderCode,
    /// What it says.
    pub kind: EventKind,
    /// Which of its kind.
    pub occurrence: Occurrence,
}

impl Key {
    /// A key of all five.
    pub fn new(
        source: Source,
        supplier: SupplierId,
        order: OrderCode,
        kind: EventKind,
        occurrence: Occurrence,
    ) -> Self {
        Key { source, supplier, order, kind, occurrence }
    }

    /// The key of the one `order.created` of an order for a supplier.
    pub fn order_created(source: Source, supplier: SupplierId, order: OrderCode) -> Self {
        Key::new(source, supplier, order, EventKind::order_created(), Occurrence::only())
    }

    /// The id that every node computes for this key.
    pub fn event_id(&self) -> EventId {
        EventId::derive(&self.source, &self.supplier, &self.order, &self.kind, &self.occurrence)
    }

    /// The stream that the notification is in.
    pub fn stream(&self) -> Stream {
        Stream { source: self.source.clone(), supplier: self.supplier.clone(), order: self.order.clone() }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of order {} for supplier {}", self.kind, self.order, self.supplier)?;
        match self.occurrence.as_str() {
            "" => Ok(()),
            _ => write!(f, " ({})", self.occurrence),
        }
    }
}

/// All notifications of one order to one supplier, which are sent in the order of their positions.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub struct Stream {
    /// The installation.
    pub source: Source,
    /// Who is told.
    pub supplier: SupplierId,
    /// The order that all of it is about.
    pub order: OrderCode,
}

impl Stream {
    /// A stream of all three.
    pub fn new(source: Source, supplier: SupplierId, order: OrderCode) -> Self {
        Stream { source, supplier, order }
    }
}
