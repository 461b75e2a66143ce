//! Who decided something about a notification, and why.

use serde::Serialize;

use crate::value::invalid::InvalidValue;
use crate::value::names::Note;
use crate::value::time::Timestamp;

use super::intervention::ActionName;

/// The person or program that decides about a notification, and the reason. Both are kept in the
/// [history](super::Notification::history) of the notification.
///
/// ```
/// use orderhook::notification::By;
///
/// let by = By::new("maria", "the supplier has restored its server")?;
/// assert_eq!(by.who.as_str(), "maria");
/// # Ok::<(), orderhook::value::InvalidValue>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[non_exhaustive]
pub struct By {
    /// The person or program that decides.
    pub who: Note,
    /// The reason of the decision.
    pub why: Note,
}

impl By {
    /// A decision as a store kept it, perhaps from a time when more characters were allowed. For stores only: what comes
    /// from elsewhere goes through [`new`](Self::new).
    ///
    /// # Errors
    /// [`InvalidValue`] when one of the texts breaks another rule of a [`Note`].
    pub fn from_stored(who: &str, why: &str) -> Result<Self, InvalidValue> {
        Ok(By {
            who: Note::from_stored(who)?,
            why: Note::from_stored(why)?,
        })
    }

    /// A decision of `who`, for the reason `why`. Both have 1 to 200 visible characters.
    ///
    /// # Errors
    /// [`InvalidValue`] when one of the texts is not a [`Note`]; it says which.
    pub fn new(who: impl AsRef<str>, why: impl AsRef<str>) -> Result<Self, InvalidValue> {
        let note = |name, text: &str| {
            Note::new(text).map_err(|refused| InvalidValue::new(format!("{name}: {refused}")))
        };
        Ok(By {
            who: note("who", who.as_ref())?,
            why: note("why", why.as_ref())?,
        })
    }
}

/// One entry in the history of a notification: what a person or a program decided about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct HistoryEntry {
    /// The moment of the decision, on the store's timeline.
    pub at: Timestamp,
    /// The action that was decided.
    pub action: ActionName,
    /// The person or program that decided it, and why. `None` once the texts have been [erased](super::Action::Erase).
    pub by: Option<By>,
}

impl HistoryEntry {
    /// The entry with these parts.
    pub fn new(at: Timestamp, action: ActionName, by: Option<By>) -> Self {
        HistoryEntry { at, action, by }
    }
}
