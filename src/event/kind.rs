//! The kind of an event.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;
use std::sync::Arc;

use super::{EventError, Stage};

const ORDER_CREATED: &str = "order.created";

/// The kind of an event: `order.created`, a stage of a fulfilment order, or a kind of the application's own.
///
/// Its name is sent in the header `webhook-event`, and is a part of the event's id. `FromStr` reads the name of any kind,
/// for example one that a person types to filter a list.
///
/// ```
/// use orderhook::EventKind;
///
/// let kind = EventKind::own("order.price_changed")?;
/// assert_eq!(kind.as_str(), "order.price_changed");
/// assert_eq!("order.created".parse(), Ok(EventKind::OrderCreated));
///
/// // The names of the crate's own kinds are taken.
/// assert!(EventKind::own("shipped").is_err());
/// # Ok::<(), orderhook::event::EventError>(())
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub enum EventKind {
    /// An order was paid: `order.created`.
    OrderCreated,
    /// A stage of a fulfilment order. It is sent by rules of its own: see
    /// [`Acceptance`](crate::supplier::Acceptance) and [`StreamRule`](crate::supplier::StreamRule).
    Stage(Stage),
    /// A kind of the application's own, made with [`EventKind::own`].
    Own(OwnKind),
}

/// The name of an event kind of the application's own: 1 to 64 characters out of `a-z`, `0-9`, `.`, `_` and `-`, and none
/// of the names that the crate uses itself.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OwnKind(Arc<str>);

impl OwnKind {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl EventKind {
    /// A kind of the application's own.
    ///
    /// # Errors
    /// [`EventError::Kind`] for anything but 1 to 64 characters out of `a-z`, `0-9`, `.`, `_` and `-`.
    /// [`EventError::ReservedKind`] for `order.created` and the names of the ten [stages](Stage), which the crate sends
    /// by rules of their own: put a prefix in front, as in `shop.shipped`.
    pub fn own(name: &str) -> Result<Self, EventError> {
        match name.parse()? {
            EventKind::OrderCreated | EventKind::Stage(_) => Err(EventError::ReservedKind),
            own => Ok(own),
        }
    }

    /// The stage of fulfilment that the kind is; `None` for other kinds.
    pub fn stage(&self) -> Option<Stage> {
        match self {
            EventKind::Stage(stage) => Some(*stage),
            EventKind::OrderCreated | EventKind::Own(_) => None,
        }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        match self {
            EventKind::OrderCreated => ORDER_CREATED,
            EventKind::Stage(stage) => stage.as_str(),
            EventKind::Own(own) => own.as_str(),
        }
    }
}

impl FromStr for EventKind {
    type Err = EventError;

    fn from_str(name: &str) -> Result<Self, EventError> {
        if name == ORDER_CREATED {
            return Ok(EventKind::OrderCreated);
        }
        if let Ok(stage) = name.parse() {
            return Ok(EventKind::Stage(stage));
        }
        let plain =
            |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '_' | '-');
        if name.is_empty() || name.len() > 64 || !name.chars().all(plain) {
            return Err(EventError::Kind);
        }
        Ok(EventKind::Own(OwnKind(Arc::from(name))))
    }
}

impl fmt::Debug for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

// Kinds are compared, ordered and hashed as their names.
impl PartialEq for EventKind {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for EventKind {}

impl Hash for EventKind {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl PartialOrd for EventKind {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for EventKind {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_str().cmp(other.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_of_the_crate_s_own_kinds_are_refused_with_what_would_be_right() {
        for taken in Stage::ALL
            .map(Stage::as_str)
            .into_iter()
            .chain([ORDER_CREATED])
        {
            assert_eq!(
                EventKind::own(taken),
                Err(EventError::ReservedKind),
                "{taken}"
            );
        }
        for free in ["shop.shipped", "accepted", "order.created.2", "splits"] {
            assert_eq!(EventKind::own(free).unwrap().as_str(), free);
            assert_eq!(EventKind::own(free).unwrap().stage(), None);
        }
        assert_eq!(
            EventError::ReservedKind.to_string(),
            "order.created and the names of the ten stages (digitization_completed, digitization_rejected, \
             order_assigned, accept, reject, reassign, shipped, order_picked_up, delivered, split) are kinds of the crate \
             itself: give an event of your own another name, as in shop.shipped"
        );
    }

    #[test]
    fn every_kind_is_read_back_from_its_name() {
        let stages = Stage::ALL.map(EventKind::Stage).into_iter();
        for kind in stages.chain([EventKind::OrderCreated, EventKind::own("a.b").unwrap()]) {
            assert_eq!(kind.as_str().parse(), Ok(kind.clone()));
            assert_eq!(format!("{kind:>70}").len(), 70);
        }
        for bad in ["", "Shipped", "a b", &"a".repeat(65)] {
            assert_eq!(bad.parse::<EventKind>(), Err(EventError::Kind), "{bad}");
        }
    }
}
