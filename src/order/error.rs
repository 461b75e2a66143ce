use std::fmt;

use crate::value::fields::FieldError;

/// The error of a document or a builder that makes no order, or no part of one.
///
/// It names the place and says what would be right. It never repeats a value: orders are personal data.
///
/// ```
/// let refused = orderhook::PaidOrder::from_json(br#"{"order_code": ""}"#);
/// let text = refused.map_err(|error| error.to_string());
/// assert_eq!(text.unwrap_err(), "order_code: an order code must not be empty");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderError(FieldError);

impl OrderError {
    pub(crate) fn new(place: &str, problem: &str) -> Self {
        Self(FieldError::new(place, problem))
    }

    /// Where it is wrong, as in `lines[2].quantity`; empty for the whole document.
    #[must_use]
    pub fn place(&self) -> &str {
        &self.0.place
    }

    /// The error of a part that was read at `place`.
    pub(crate) fn within(self, place: &str) -> FieldError {
        self.0.within(place)
    }
}

impl From<FieldError> for OrderError {
    fn from(error: FieldError) -> Self {
        Self(error)
    }
}

impl From<std::convert::Infallible> for OrderError {
    fn from(never: std::convert::Infallible) -> Self {
        match never {}
    }
}

impl fmt::Display for OrderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.place.is_empty() {
            f.write_str("the order ")?;
        }
        fmt::Display::fmt(&self.0, f)
    }
}

impl std::error::Error for OrderError {}

/// A text that is more than white space.
pub(crate) fn filled(text: &str, place: &str) -> Result<(), OrderError> {
    match text.trim().is_empty() {
        true => Err(OrderError::new(place, "must not be empty")),
        false => Ok(()),
    }
}
