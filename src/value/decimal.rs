//! Decimal numbers taken from their text, digit by digit.

use rust_decimal::Decimal;

/// `[+-]digits[.digits]`; `None` for anything else, and for a number that has more digits than a [`Decimal`] can hold
/// (28 decimals, and 96 bits in all).
pub(crate) fn plain(text: &str) -> Option<Decimal> {
    scaled(text, 0)
}

/// A JSON number, which may have an exponent; `None` when it has more digits than a [`Decimal`] can hold.
pub(crate) fn of_number(text: &str) -> Option<Decimal> {
    match text.split_once(['e', 'E']) {
        Some((digits, exponent)) => scaled(digits, exponent.parse().ok()?),
        None => scaled(text, 0),
    }
}

/// The number of `units` with `scale` decimals, if it is one. Zero has no sign.
pub(crate) fn exact(units: i128, scale: u32) -> Option<Decimal> {
    Decimal::try_from_i128_with_scale(units, scale).ok()
}

/// `[+-]digits[.digits]` times ten to the power of `exponent`.
fn scaled(text: &str, exponent: i32) -> Option<Decimal> {
    let (sign, digits) = match text.as_bytes().first()? {
        b'-' => (-1, &text[1..]),
        b'+' => (1, &text[1..]),
        _ => (1, text),
    };
    let (whole, fraction) = match digits.split_once('.') {
        Some((_, "")) => return None,
        Some(parts) => parts,
        None => (digits, ""),
    };
    if whole.is_empty() {
        return None;
    }
    let mut units = 0_i128;
    for digit in whole.bytes().chain(fraction.bytes()) {
        if !digit.is_ascii_digit() {
            return None;
        }
        units = units
            .checked_mul(10)?
            .checked_add(i128::from(digit - b'0'))?;
    }
    let scale = i32::try_from(fraction.len()).ok()?.checked_sub(exponent)?;
    match u32::try_from(scale) {
        Ok(scale) => exact(sign * units, scale),
        Err(_) if units == 0 => exact(0, 0),
        Err(_) => {
            let zeros = 10_i128.checked_pow(scale.unsigned_abs())?;
            exact(sign * units.checked_mul(zeros)?, 0)
        }
    }
}
