//! The error of a value that is not of its type.

use std::borrow::Cow;

/// The error of a text, a number or bytes that are no value of the type that was asked for: a name, an amount, a moment, a
/// network, a key, a word. It says what would be right.
///
/// ```
/// let refused = orderhook::OrderCode::new(" A-1001").unwrap_err();
/// assert_eq!(refused.to_string(), "an order code must not begin or end with white space");
///
/// let refused = "1,5".parse::<orderhook::Money>().unwrap_err();
/// assert_eq!(refused.to_string(), "an amount of money must be a decimal number such as \"14.31\"");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem}")]
pub struct InvalidValue {
    problem: Cow<'static, str>,
}

impl InvalidValue {
    pub(crate) fn new(problem: impl Into<Cow<'static, str>>) -> Self {
        InvalidValue {
            problem: problem.into(),
        }
    }
}
