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

/// The digits of a number with their sign and their point, as [`Display`](std::fmt::Display) has them, without its detours.
#[derive(Clone, Copy)]
pub(crate) struct Digits {
    bytes: [u8; Digits::MOST],
    start: usize,
}

impl Digits {
    /// 29 digits, a sign, a point, and a zero in front of it.
    const MOST: usize = 32;

    /// With all the decimals of the number.
    pub(crate) fn of(number: Decimal) -> Self {
        let scale = number.scale() as usize;
        Digits::write(number.mantissa(), scale)
    }

    /// The same for equal numbers: without zeros at the end.
    pub(crate) fn normalized(number: Decimal) -> Self {
        let (mut mantissa, mut scale) = (number.mantissa(), number.scale() as usize);
        while scale > 0 && mantissa % 10 == 0 {
            mantissa /= 10;
            scale -= 1;
        }
        Digits::write(mantissa, scale)
    }

    fn write(mantissa: i128, scale: usize) -> Self {
        let mut digits = Digits {
            bytes: [b'0'; Digits::MOST],
            start: Digits::MOST,
        };
        let mut left = mantissa.unsigned_abs();
        for place in 0.. {
            if left == 0 && place > scale {
                break;
            }
            if place == scale && scale > 0 {
                digits.put(b'.');
            }
            // What fits into 64 bits is divided faster, and nearly everything does.
            let digit = match u64::try_from(left) {
                Ok(small) => {
                    left = u128::from(small / 10);
                    (small % 10) as u8
                }
                Err(_) => {
                    let digit = (left % 10) as u8;
                    left /= 10;
                    digit
                }
            };
            digits.put(b'0' + digit);
        }
        if mantissa < 0 {
            digits.put(b'-');
        }
        digits
    }

    fn put(&mut self, byte: u8) {
        self.start = self.start.saturating_sub(1);
        self.bytes[self.start] = byte;
    }

    pub(crate) fn as_str(&self) -> &str {
        // Digits, a sign and a point, so the default is never taken.
        std::str::from_utf8(&self.bytes[self.start..]).unwrap_or_default()
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn digits_are_those_of_display(units in -79_228_162_514_264_337_593_543_950_335_i128..=79_228_162_514_264_337_593_543_950_335, shift in 0_u32..96, scale in 0_u32..=28) {
            for units in [units, units >> shift, units % 1_000, 0] {
                let number = exact(units, scale).unwrap();
                let (all, fewest) = (Digits::of(number), Digits::normalized(number));
                prop_assert_eq!(all.as_str(), number.to_string());
                prop_assert_eq!(fewest.as_str(), number.normalize().to_string());
            }
        }
    }
}
