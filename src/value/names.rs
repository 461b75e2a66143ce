//! The names that identify notifications: of an order, of a supplier, of an installation.

use std::borrow::{Borrow, Cow};
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, de};

use crate::value::invalid::InvalidValue;
use crate::value::text::text;
use crate::value::visible::is_visible;

const MAX_CHARS: usize = 200;

/// What every name has kept to since the first version.
fn check_stored(kind: &'static str, text: &str) -> Result<(), InvalidValue> {
    let problem = if text.is_empty() {
        "must not be empty"
    } else if text.chars().nth(MAX_CHARS).is_some() {
        "must have at most 200 characters"
    } else if text.chars().any(char::is_control) {
        "must not contain control characters"
    } else if text.trim() != text {
        "must not begin or end with white space"
    } else {
        return Ok(());
    };
    Err(InvalidValue::new(format!("{kind} {problem}")))
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $kind:literal) => {
        $(#[$doc])*
        ///
        /// 1 to 200 characters, no white space at either end, none that cannot be seen: no control, direction or
        /// zero-width characters. Cheap to clone. One that is stored from a time when more was allowed is kept;
        /// `Display` and `Debug` show its invisible characters escaped.
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            #[doc = concat!("Checks the text of ", $kind, ".")]
            ///
            /// # Errors
            ///
            /// [`InvalidValue`] when the text breaks a rule of the type.
            pub fn new(text: impl AsRef<str>) -> Result<Self, InvalidValue> {
                let name = Self::from_stored(text.as_ref())?;
                if name.0.chars().all(is_visible) { Ok(name) } else { Err(InvalidValue::new(concat!($kind, " must not contain characters that cannot be seen"))) }
            }

            /// A name as a store kept it, perhaps from a time when names could have invisible characters. For stores
            /// only: what comes from elsewhere goes through [`new`](Self::new).
            ///
            /// # Errors
            ///
            /// [`InvalidValue`] when the text breaks another rule of the type.
            pub fn from_stored(text: &str) -> Result<Self, InvalidValue> {
                check_stored($kind, text)?;
                Ok(Self(Arc::from(text)))
            }
        }

        text! { $name }

        impl FromStr for $name {
            type Err = InvalidValue;

            fn from_str(text: &str) -> Result<Self, InvalidValue> {
                Self::new(text)
            }
        }

        impl TryFrom<&str> for $name {
            type Error = InvalidValue;

            fn try_from(text: &str) -> Result<Self, InvalidValue> {
                Self::new(text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidValue;

            fn try_from(text: String) -> Result<Self, InvalidValue> {
                Self::new(text)
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Self::new(Cow::<str>::deserialize(deserializer)?).map_err(de::Error::custom)
            }
        }
    };
}

name! {
    /// The marketplace's own code of an order: one for each order of a [`Source`], and never changed.
    ///
    /// ```
    /// # fn main() -> Result<(), orderhook::value::InvalidValue> {
    /// let code = orderhook::OrderCode::new("MKT-1001")?;
    /// assert_eq!(code.as_str(), "MKT-1001");
    /// assert!(orderhook::OrderCode::new("").is_err());
    /// # Ok(())
    /// # }
    /// ```
    OrderCode, "an order code"
}

name! {
    /// The marketplace's own id of a supplier, or of a client of the fulfilment portal.
    ///
    /// ```
    /// # fn main() -> Result<(), orderhook::value::InvalidValue> {
    /// let supplier: orderhook::SupplierId = "north-books".parse()?;
    /// assert_eq!(supplier.to_string(), "north-books");
    /// # Ok(())
    /// # }
    /// ```
    SupplierId, "a supplier id"
}

name! {
    /// The name of the installation; it keeps staging and production, or two marketplaces, apart.
    ///
    /// ```
    /// # fn main() -> Result<(), orderhook::value::InvalidValue> {
    /// let source = orderhook::Source::new("bookfair-production")?;
    /// assert_eq!(source.as_str(), "bookfair-production");
    /// # Ok(())
    /// # }
    /// ```
    Source, "a source"
}

name! {
    /// A short text that a person writes about a notification: who decided something, or why.
    ///
    /// ```
    /// use orderhook::value::Note;
    ///
    /// let why = Note::new("the order was refunded")?;
    /// assert_eq!(why.as_str(), "the order was refunded");
    /// # Ok::<(), orderhook::value::InvalidValue>(())
    /// ```
    Note, "a note"
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn a_name_has_1_to_200_characters_without_controls_and_outer_white_space() {
        for right in ["a", "Ünïcode 12/ab", &"ä".repeat(200)] {
            assert_eq!(
                SupplierId::new(right).map(|id| id.to_string()),
                Ok(right.to_owned())
            );
        }
        let long = "ä".repeat(201);
        for wrong in [
            "",
            " ",
            " a",
            "a ",
            "a\n",
            "a\u{0}b",
            "a\u{85}b",
            "\u{a0}a",
            "a\u{202e}b",
            "a\u{200b}",
            &long,
        ] {
            assert!(OrderCode::new(wrong).is_err(), "{wrong:?}");
            assert!(Source::try_from(wrong.to_owned()).is_err(), "{wrong:?}");
            let json = serde_json::to_string(wrong).unwrap();
            assert!(serde_json::from_str::<SupplierId>(&json).is_err());
        }
    }

    #[test]
    fn an_error_says_which_kind_of_name_and_not_its_text() {
        let error = Source::new("top\u{7}secret").unwrap_err().to_string();
        assert_eq!(error, "a source must not contain control characters");
    }

    #[test]
    fn a_stored_name_with_invisible_characters_is_read_and_shown_escaped() {
        let stored = OrderCode::from_stored("A\u{202e}1").unwrap();
        assert_eq!(stored.as_str(), "A\u{202e}1");
        assert_eq!(stored.to_string(), "A\\u{202e}1");
        assert_eq!(format!("{stored:?}"), "OrderCode(\"A\\u{202e}1\")");
        for damaged in ["", "a\n", " a"] {
            assert!(OrderCode::from_stored(damaged).is_err(), "{damaged:?}");
        }
    }

    #[test]
    fn a_name_is_a_json_string_and_can_be_looked_up_by_its_text() {
        let id: SupplierId = serde_json::from_str(r#""north\u002dbooks""#).unwrap();
        assert_eq!(serde_json::to_string(&id).unwrap(), r#""north-books""#);
        assert_eq!(format!("{id:?}"), r#"SupplierId("north-books")"#);
        let table = HashMap::from([(id, 1)]);
        assert_eq!(table.get("north-books"), Some(&1));
    }
}
