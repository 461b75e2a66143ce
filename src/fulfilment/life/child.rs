//! The name of a child order.

use std::sync::Arc;

use serde::{Deserialize, Deserializer};

use crate::value::text::text;
use crate::value::visible::is_visible;

use crate::value::invalid::InvalidValue;

const PROBLEM: &str =
    "a child order's id is 1 to 128 bytes, all of them visible, without surrounding white space";

/// The id of a child order: what one pharmacy fulfils of a parent order. On the wire: `id`.
///
/// 1 to 128 bytes, no white space at either end, no character that cannot be seen. Portals use base64 text with `+`, `/` and `=`;
/// it is compared as it is. Cloning shares the text.
///
/// ```
/// use orderhook::fulfilment::ChildId;
///
/// let child = ChildId::new("q1W+e/4rTyU7iOpA==")?;
/// assert_eq!(child.as_str(), "q1W+e/4rTyU7iOpA==");
/// assert!(ChildId::new("").is_err());
/// # Ok::<(), orderhook::value::InvalidValue>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChildId(Arc<str>);

impl ChildId {
    /// The most bytes that an id has.
    pub const LIMIT: usize = 128;

    /// Checks the text of an id.
    ///
    /// # Errors
    /// [`InvalidValue`] when it is empty, longer than [`ChildId::LIMIT`] bytes, has a character that cannot be seen, or
    /// begins or ends with white space.
    pub fn new(text: &str) -> Result<Self, InvalidValue> {
        match text.chars().all(is_visible) {
            true => Self::from_stored(text),
            false => Err(InvalidValue::new(PROBLEM)),
        }
    }

    /// An id out of a memo, perhaps from a time when ids could have invisible characters.
    pub(in crate::fulfilment) fn from_stored(text: &str) -> Result<Self, InvalidValue> {
        let fits = (1..=Self::LIMIT).contains(&text.len());
        if !fits || text.trim() != text || text.chars().any(char::is_control) {
            return Err(InvalidValue::new(PROBLEM));
        }
        Ok(ChildId(Arc::from(text)))
    }
}

text! { ChildId }

impl<'de> Deserialize<'de> for ChildId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        ChildId::new(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deserialize_holds_the_same_line_as_new() {
        for bad in [
            "",
            " ",
            " a",
            "a\n",
            "a\u{7f}b",
            "a\u{202e}b",
            "a\u{200b}",
            &"x".repeat(129),
        ] {
            assert!(ChildId::new(bad).is_err(), "{bad:?}");
            assert!(
                serde_json::from_value::<ChildId>(bad.into()).is_err(),
                "{bad:?}"
            );
        }
        for good in ["0", "a b", "+/=", &"x".repeat(128)] {
            assert_eq!(ChildId::new(good).unwrap().as_str(), good);
        }
    }
}
