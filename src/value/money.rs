//! Exact amounts of money. Never a float: a price of 14.31 must not arrive as 14.309999999999999.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use rust_decimal::Decimal;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::value::RawValue;

use crate::value::decimal::{self, Digits};
use crate::value::fields::FieldError;
use crate::value::invalid::InvalidValue;
use crate::value::json;

/// An exact decimal amount. It keeps its scale: `10.00` stays `10.00`, and compares equal to `10.0`.
///
/// At most 28 decimals, and 96 bits for all digits together. In JSON it is written as a decimal string, `"14.31"`. Read are
/// such strings (digits, with a sign and a fraction if need be; no exponent, no separators, no white space, no currency
/// sign) and JSON numbers. A number in JSON text is taken digit by digit as it is written, whatever the features of
/// `serde_json`: `14.309999999999999` is that amount, `10.00` keeps its zeros, and one with more digits than an amount can
/// have is refused.
///
/// `Deserialize` from another source than JSON text (a `serde_json::Value`, a field with `flatten`, another format) takes
/// strings and whole numbers exactly and refuses a floating-point number, which may have been rounded before. So it does
/// with an amount that stands alone and comes from `serde_json::from_reader`, which cannot be distinguished from a `Value`.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use orderhook::Money;
///
/// let price: Money = "14.30".parse()?;
/// assert_eq!(price.checked_mul(3), Some("42.90".parse()?));
/// assert_eq!(serde_json::to_string(&price)?, r#""14.30""#);
/// assert_eq!(serde_json::from_str::<Money>("14.31")?.to_string(), "14.31");
/// assert!("twelve".parse::<Money>().is_err());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Money(Decimal);

impl Money {
    /// The amount of zero, without decimals.
    pub const ZERO: Self = Self(Decimal::ZERO);

    /// An amount in the smallest unit: `from_minor(1431, 2)` is `14.31`.
    ///
    /// # Errors
    ///
    /// [`InvalidValue`] when `scale`, the number of decimals, is more than 28.
    pub fn from_minor(units: i64, scale: u32) -> Result<Self, InvalidValue> {
        decimal::exact(i128::from(units), scale)
            .map(Self)
            .ok_or(InvalidValue::new(SCALE))
    }

    /// The sum with the larger scale of both; `None` when it has more digits than an amount can have.
    #[must_use]
    pub fn checked_add(self, other: Self) -> Option<Self> {
        let scale = self.0.scale().max(other.0.scale());
        let units = |amount: Decimal| {
            let zeros = 10_i128.checked_pow(scale - amount.scale())?;
            amount.mantissa().checked_mul(zeros)
        };
        decimal::exact(units(self.0)?.checked_add(units(other.0)?)?, scale).map(Self)
    }

    /// The amount so many times; `None` when it has more digits than an amount can have.
    #[must_use]
    pub fn checked_mul(self, times: u32) -> Option<Self> {
        let units = self.0.mantissa().checked_mul(i128::from(times))?;
        decimal::exact(units, self.0.scale()).map(Self)
    }

    /// Whether it is less than zero.
    #[must_use]
    pub fn is_negative(self) -> bool {
        self.0 < Decimal::ZERO
    }

    /// One text for equal amounts, whatever their scale.
    pub(crate) fn normalized(self) -> Digits {
        Digits::normalized(self.0)
    }

    /// A decimal string, or a number taken by its digits.
    pub(crate) fn read(raw: &RawValue, place: &str) -> Result<Self, FieldError> {
        let amount = match (json::number(raw), json::string(raw)) {
            (Some(digits), _) => decimal::of_number(digits)
                .map(Self)
                .ok_or(InvalidValue::new(DIGITS)),
            (None, Some(text)) => text.parse(),
            (None, None) if raw.get() == json::FLOAT => Err(InvalidValue::new(FLOAT)),
            (None, None) => Err(InvalidValue::new(AMOUNT)),
        };
        amount.map_err(|error| FieldError::new(place, error.to_string()))
    }
}

impl FromStr for Money {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        decimal::plain(text)
            .map(Self)
            .ok_or(InvalidValue::new(AMOUNT))
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl Serialize for Money {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(Digits::of(self.0).as_str())
    }
}

impl<'de> Deserialize<'de> for Money {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        json::deserialize_scalar(deserializer, Self::read)
    }
}

/// The code of a currency: three capital letters, the form of ISO 4217. Whether the code is assigned is not checked.
///
/// ```
/// # fn main() -> Result<(), orderhook::value::InvalidValue> {
/// let currency = orderhook::Currency::new("EUR")?;
/// assert_eq!(currency.as_str(), "EUR");
/// assert!(orderhook::Currency::new("eur").is_err());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency([u8; 3]);

impl Currency {
    /// Checks the code.
    ///
    /// # Errors
    ///
    /// [`InvalidValue`] when it is not three ASCII capital letters.
    pub fn new(code: impl AsRef<str>) -> Result<Self, InvalidValue> {
        match *code.as_ref().as_bytes() {
            [a @ b'A'..=b'Z', b @ b'A'..=b'Z', c @ b'A'..=b'Z'] => Ok(Self([a, b, c])),
            _ => Err(InvalidValue::new(CURRENCY)),
        }
    }

    /// The code that ISO 4217 has for no currency: stands where none has been given yet.
    pub(crate) const NONE: Currency = Currency(*b"XXX");

    /// The code.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // Three ASCII letters, see `new`, so the default is never taken.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl FromStr for Currency {
    type Err = InvalidValue;

    fn from_str(code: &str) -> Result<Self, InvalidValue> {
        Self::new(code)
    }
}

impl TryFrom<String> for Currency {
    type Error = InvalidValue;

    fn try_from(code: String) -> Result<Self, InvalidValue> {
        Self::new(code)
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Currency").field(&self.as_str()).finish()
    }
}

impl Serialize for Currency {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Currency {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(Cow::<str>::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

const AMOUNT: &str = "an amount of money must be a decimal number such as \"14.31\"";
const DIGITS: &str = "an amount of money must have at most 28 decimals and 28 digits in all";
const FLOAT: &str = "an amount of money must not come as a floating-point number, which is not exact; write it as a text such as \"14.31\"";
const SCALE: &str = "an amount of money must have at most 28 decimals";
const CURRENCY: &str = "a currency must be three capital letters (ISO 4217), such as \"EUR\"";

#[cfg(test)]
mod tests {
    use super::*;

    fn money(text: &str) -> Money {
        text.parse().unwrap()
    }

    fn json(text: &str) -> Result<String, String> {
        let money = serde_json::from_str::<Money>(text);
        money
            .map(|m| m.normalized().as_str().to_owned())
            .map_err(|e| e.to_string())
    }

    #[test]
    fn an_amount_keeps_its_scale_and_compares_by_value() {
        for text in [
            "0",
            "0.00",
            "10.00",
            "-14.310",
            "79228162514264337593543950335",
            "0.0000000000000000000000000001",
        ] {
            assert_eq!(money(text).to_string(), text);
        }
        assert_eq!(money("+1.50").to_string(), "1.50");
        assert_eq!(money("007").to_string(), "7");
        assert_eq!(money("-0.00").to_string(), "0.00");
        assert_eq!(money("10.0"), money("10.00"));
        assert_eq!(
            money("10.0").normalized().as_str(),
            money("10.00").normalized().as_str()
        );
        assert!(money("-0.01").is_negative());
        assert!(!money("-0.00").is_negative() && !Money::ZERO.is_negative());
    }

    #[test]
    fn what_is_not_a_plain_decimal_is_refused() {
        for wrong in [
            "",
            " ",
            "twelve",
            "1e3",
            "1,000.00",
            "1_000",
            "10.",
            ".5",
            "-",
            "+-1",
            "--1",
            "1.2.3",
            " 1",
            "1 ",
            "€5",
            "0x10",
            "NaN",
            "inf",
            "１２",
            "79228162514264337593543950336",
            "0.00000000000000000000000000001",
        ] {
            assert_eq!(
                wrong.parse::<Money>(),
                Err(InvalidValue::new(AMOUNT)),
                "{wrong}"
            );
        }
        assert!("9".repeat(100_000).parse::<Money>().is_err());
    }

    #[test]
    fn a_json_number_is_taken_by_its_text() {
        for (number, amount) in [
            ("14.31", "14.31"),
            ("0.1", "0.1"),
            ("-0", "0"),
            ("-0.0", "0"),
            ("-3", "-3"),
            ("12345678901234.5", "12345678901234.5"),
            ("18446744073709551615", "18446744073709551615"),
            ("1.5e3", "1500"),
            ("1E+20", "100000000000000000000"),
            ("1e-5", "0.00001"),
            ("\"10.00\"", "10"),
        ] {
            assert_eq!(json(number).as_deref(), Ok(amount), "{number}");
        }
    }

    #[test]
    fn a_json_number_with_more_digits_than_an_amount_can_have_is_refused() {
        for wrong in [
            "99999999999999999999999999999",
            "1e29",
            "1e-29",
            "1e99999999999",
            "0.12345678901234567890123456789",
        ] {
            assert!(
                json(wrong).is_err_and(|error| error.contains(DIGITS)),
                "{wrong}"
            );
        }
        for wrong in ["true", "null", "[1]", "{}", "\"twelve\"", "\"1e3\""] {
            assert!(
                json(wrong).is_err_and(|error| error.contains(AMOUNT)),
                "{wrong}"
            );
        }
    }

    #[test]
    fn arithmetic_is_exact_or_says_none() {
        assert_eq!(money("0.10").checked_add(money("0.2")), Some(money("0.3")));
        assert_eq!(
            money("14.31").checked_mul(3).map(|m| m.to_string()),
            Some("42.93".to_owned())
        );
        let (most, least) = (
            money("79228162514264337593543950335"),
            Money(Decimal::new(1, 28)),
        );
        assert_eq!(most.checked_mul(2), None);
        assert_eq!(most.checked_add(money("1")), None);
        assert_eq!(most.checked_add(least), None);
        assert_eq!(Money::from_minor(-1431, 2), Ok(money("-14.31")));
        assert_eq!(Money::from_minor(1, 29), Err(InvalidValue::new(SCALE)));
    }

    #[test]
    fn a_currency_is_three_capital_letters() {
        assert_eq!(
            serde_json::from_str::<Currency>("\"INR\"")
                .unwrap()
                .to_string(),
            "INR"
        );
        for wrong in ["", "EU", "EURO", "eur", "E1R", "€", "ÄÖ"] {
            assert_eq!(
                Currency::new(wrong),
                Err(InvalidValue::new(CURRENCY)),
                "{wrong}"
            );
        }
    }
}
