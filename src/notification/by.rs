//! Who decided something about a notification, and why.

use crate::value::names::{NameError, Note};

/// The person or program that decides about a notification, and the reason: both are kept in its history.
///
/// ```
/// let by = orderhook::notification::By::new("maria", "the supplier has restored its server")?;
/// assert_eq!(by.who.as_str(), "maria");
/// # Ok::<(), orderhook::value::NameError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct By {
    /// The person or program that decides.
    pub who: Note,
    /// The reason of the decision.
    pub why: Note,
}

impl By {
    /// A decision of `who`, for the reason `why`. Both have 1 to 200 visible characters.
    ///
    /// # Errors
    /// [`NameError`] when one of the texts is not a [`Note`].
    pub fn new(who: impl AsRef<str>, why: impl AsRef<str>) -> Result<Self, NameError> {
        Ok(By {
            who: Note::new(who)?,
            why: Note::new(why)?,
        })
    }
}
