//! How much was bought.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

use rust_decimal::Decimal;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::order::error::OrderError;
use crate::value::decimal::{self, Digits};
use crate::value::fields::FieldError;
use crate::value::json;

/// How much of something was bought: an exact decimal number greater than zero, for goods by the piece and by weight.
///
/// At most 28 decimals, and 96 bits for all digits together. In JSON it is a number: a whole one is written as an integer,
/// another one with its digits and without trailing zeros (`0.75`). A JSON number is read digit by digit as it is written;
/// a floating-point number from another source is refused, as with [`Money`](crate::Money).
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use orderhook::order::Quantity;
///
/// let weight: Quantity = "0.750".parse()?;
/// assert_eq!(serde_json::to_string(&weight)?, "0.75");
/// assert_eq!(serde_json::from_str::<Quantity>("2.0")?, Quantity::from(std::num::NonZeroU32::MIN.saturating_add(1)));
/// assert!("0".parse::<Quantity>().is_err());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Quantity(Decimal);

const PROBLEM: &str =
    "must be a number greater than zero, such as 2 or 0.75, with at most 28 digits";

impl Quantity {
    /// The quantity as a whole number; `None` when it has a fraction or does not fit.
    #[must_use]
    pub fn whole(self) -> Option<u64> {
        self.0
            .is_integer()
            .then(|| u64::try_from(self.0.mantissa()).ok())
            .flatten()
    }

    fn of(number: Option<Decimal>) -> Option<Self> {
        number
            .filter(|number| *number > Decimal::ZERO)
            .map(|number| Self(number.normalize()))
    }

    /// Its digits, without zeros at the end.
    pub(in crate::order) fn digits(self) -> Digits {
        Digits::of(self.0)
    }

    pub(in crate::order) fn read(raw: &RawValue, place: &str) -> Result<Self, FieldError> {
        let read = json::number(raw).and_then(|digits| Self::of(decimal::of_number(digits)));
        read.ok_or_else(|| match raw.get() == json::FLOAT {
            true => FieldError::new(
                place,
                "must not come as a floating-point number, which is not exact",
            ),
            false => FieldError::new(place, PROBLEM),
        })
    }
}

impl From<NonZeroU32> for Quantity {
    fn from(number: NonZeroU32) -> Self {
        Self(Decimal::from(number.get()))
    }
}

macro_rules! whole {
    ($($number:ty),+) => {$(
        impl TryFrom<$number> for Quantity {
            type Error = OrderError;

            fn try_from(number: $number) -> Result<Self, OrderError> {
                Self::of(Some(Decimal::from(number)))
                    .ok_or_else(|| OrderError::new("quantity", PROBLEM))
            }
        }
    )+};
}

whole!(i32, u32, i64, u64);

impl TryFrom<&str> for Quantity {
    type Error = OrderError;

    fn try_from(text: &str) -> Result<Self, OrderError> {
        text.parse()
    }
}

impl FromStr for Quantity {
    type Err = OrderError;

    /// Digits, with a fraction if need be; no exponent, no separators, no white space.
    fn from_str(text: &str) -> Result<Self, OrderError> {
        Self::of(decimal::plain(text)).ok_or_else(|| OrderError::new("quantity", PROBLEM))
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl Serialize for Quantity {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.whole() {
            Some(number) => serializer.serialize_u64(number),
            None => {
                let digits =
                    RawValue::from_string(self.0.to_string()).map_err(serde::ser::Error::custom)?;
                digits.serialize(serializer)
            }
        }
    }
}

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        json::deserialize_scalar(deserializer, Self::read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantity_is_written_without_trailing_zeros_and_whole_ones_as_integers() {
        for (read, written) in [
            ("1", "1"),
            ("2.000", "2"),
            ("0.750", "0.75"),
            ("1e2", "100"),
            ("12.5E-1", "1.25"),
            ("4294967296", "4294967296"),
            ("18446744073709551616", "18446744073709551616"),
            ("0.1234567890123456789", "0.1234567890123456789"),
        ] {
            let quantity: Quantity = serde_json::from_str(read).unwrap();
            assert_eq!(serde_json::to_string(&quantity).unwrap(), written, "{read}");
            assert_eq!(quantity.to_string(), written, "{read}");
        }
    }

    #[test]
    fn what_is_not_a_positive_number_is_refused() {
        for wrong in [
            "0",
            "0.00",
            "-1",
            "\"2\"",
            "null",
            "true",
            "[]",
            "{}",
            "1e29",
            "1e-29",
            "1e999999999999",
        ] {
            let refused = serde_json::from_str::<Quantity>(wrong)
                .unwrap_err()
                .to_string();
            assert!(refused.contains(PROBLEM), "{wrong}: {refused}");
        }
        for wrong in ["", "0", "-1", "1e2", "NaN", " 1", "1 "] {
            assert_eq!(
                wrong.parse::<Quantity>().unwrap_err().to_string(),
                format!("quantity: {PROBLEM}"),
                "{wrong}"
            );
        }
    }
}
