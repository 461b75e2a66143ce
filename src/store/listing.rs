//! Filters, pages and listings.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize};

use crate::event::EventKind;
use crate::notification::{
    Action, FailureReason, Notification, NotificationState, StateName, transition,
};
use crate::value::invalid::InvalidValue;
use crate::value::names::{OrderCode, Source, SupplierId};
use crate::value::time::Timestamp;
use crate::value::visible::is_visible;

use super::Refused;

/// The notifications that are listed or counted. Exhaustive on purpose: a store that overlooks a new field would make a
/// bulk change hit everything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    /// The installation whose notifications are selected.
    pub source: Source,
    /// The order whose notifications are selected; `None` for any.
    pub order: Option<OrderCode>,
    /// The supplier whose notifications are selected; `None` for any.
    pub supplier: Option<SupplierId>,
    /// The kinds of events that are selected; empty means any.
    pub kinds: Vec<EventKind>,
    /// The states that are selected; empty means any.
    pub states: Vec<StateName>,
    /// Those that failed for one of these reasons; empty means those that failed for any reason, and those that have not
    /// failed.
    pub reasons: Vec<FailureReason>,
    /// Those that were stored at least so long ago.
    pub older_than: Option<Duration>,
}

impl Filter {
    /// The filter for everything of an installation; narrow it by field.
    pub fn of(source: Source) -> Self {
        Filter {
            source,
            order: None,
            supplier: None,
            kinds: Vec::new(),
            states: Vec::new(),
            reasons: Vec::new(),
            older_than: None,
        }
    }

    /// The states in which a notification can be that this filter selects.
    pub fn possible_states(&self) -> Vec<StateName> {
        let wanted = |state: &StateName| {
            (self.states.is_empty() || self.states.contains(state))
                && (self.reasons.is_empty() || *state == StateName::Failed)
        };
        StateName::ALL.into_iter().filter(wanted).collect()
    }

    /// The same filter without the states in which the action does nothing; `None` when no state is left.
    pub fn for_action(&self, action: &Action) -> Option<Filter> {
        let mut states = self.possible_states();
        states.retain(|state| transition::states_for(action).contains(state));
        (!states.is_empty()).then(|| Filter {
            states,
            ..self.clone()
        })
    }

    /// Whether the filter selects a notification, given the store's time. For stores that look at one after another.
    pub fn selects(&self, notification: &Notification, now: Timestamp) -> bool {
        let Filter {
            source,
            order,
            supplier,
            kinds,
            states,
            reasons,
            older_than,
        } = self;
        let key = &notification.key;
        let has_reason = match &notification.state {
            NotificationState::Failed { reason, .. } => reasons.contains(reason),
            _ => false,
        };
        *source == key.source
            && order.as_ref().is_none_or(|order| *order == key.order)
            && supplier
                .as_ref()
                .is_none_or(|supplier| *supplier == key.supplier)
            && (kinds.is_empty() || kinds.contains(&key.kind))
            && (states.is_empty() || states.contains(&notification.state.name()))
            && (reasons.is_empty() || has_reason)
            && older_than.is_none_or(|age| now.since(notification.created_at) >= age)
    }
}

/// The part of a listing that is asked for. Exhaustive on purpose: a new field must break every store at compile time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The cursor at which the page before ended; `None` for the first page.
    pub after: Option<Cursor>,
    /// How many notifications the page has at most.
    pub limit: u32,
}

impl Page {
    /// The first page.
    pub fn first(limit: u32) -> Self {
        Page { after: None, limit }
    }

    /// The page after another one.
    pub fn after(cursor: Cursor, limit: u32) -> Self {
        Page {
            after: Some(cursor),
            limit,
        }
    }
}

/// The end of a page, from which the next one goes on. Only the store reads its text; an application can keep the text,
/// or put it into an address, and make a cursor of it again with `parse`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Cursor(String);

impl Cursor {
    /// The cursor with this text.
    pub fn new(text: impl Into<String>) -> Self {
        Cursor(text.into())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Cursor {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        let fits = (1..=200).contains(&text.chars().count()) && text.chars().all(is_visible);
        match fits {
            true => Ok(Cursor::new(text)),
            false => Err(InvalidValue::new(
                "a cursor must be the text of one: 1 to 200 visible characters",
            )),
        }
    }
}

impl<'de> Deserialize<'de> for Cursor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <Cow<'_, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// One page of notifications.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Listing {
    /// The notifications, without their bodies.
    pub notifications: Vec<Notification>,
    /// The cursor from which to go on; `None` when this was the last page of a `list`. A `settled` always says where, to ask again
    /// later.
    pub next: Option<Cursor>,
    /// Rows of this page that cannot be read, which are no notifications of it.
    pub refused: Vec<Refused>,
}

impl Listing {
    /// The page with these notifications, and without refused rows.
    pub fn new(notifications: Vec<Notification>, next: Option<Cursor>) -> Self {
        Listing {
            notifications,
            next,
            refused: Vec::new(),
        }
    }
}
