//! The identity of a notification.

use std::fmt;

use crate::event::{EventId, EventKind, Occurrence};
use crate::value::names::{OrderCode, Source, SupplierId};

/// The identity of a notification: one supplier, one event of one order, in one installation.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub struct Key {
    /// The name of the installation.
    pub source: Source,
    /// The supplier that is notified.
    pub supplier: SupplierId,
    /// The order.
    pub order: OrderCode,
    /// The kind of the event.
    pub kind: EventKind,
    /// Which one of several events of this kind.
    pub occurrence: Occurrence,
}

impl Key {
    /// The key with these parts.
    pub fn new(
        source: Source,
        supplier: SupplierId,
        order: OrderCode,
        kind: EventKind,
        occurrence: Occurrence,
    ) -> Self {
        Key {
            source,
            supplier,
            order,
            kind,
            occurrence,
        }
    }

    /// The key of the one `order.created` of an order for a supplier.
    pub fn order_created(source: Source, supplier: SupplierId, order: OrderCode) -> Self {
        Key::new(
            source,
            supplier,
            order,
            EventKind::OrderCreated,
            Occurrence::only(),
        )
    }

    /// The id that every node computes for this key.
    pub fn event_id(&self) -> EventId {
        EventId::derive(
            &self.source,
            &self.supplier,
            &self.order,
            &self.kind,
            &self.occurrence,
        )
    }

    /// The stream that the notification is in.
    pub fn stream(&self) -> Stream {
        Stream {
            source: self.source.clone(),
            supplier: self.supplier.clone(),
            order: self.order.clone(),
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} of order {} for supplier {}",
            self.kind, self.order, self.supplier
        )?;
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
    /// The name of the installation.
    pub source: Source,
    /// The supplier that is notified.
    pub supplier: SupplierId,
    /// The order.
    pub order: OrderCode,
}

impl Stream {
    /// The stream with these parts.
    pub fn new(source: Source, supplier: SupplierId, order: OrderCode) -> Self {
        Stream {
            source,
            supplier,
            order,
        }
    }
}
