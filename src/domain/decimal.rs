//! A decimal number as it was written: digits and a scale, never a float.

use std::fmt;

use thiserror::Error;

use super::money::Rounding;

/// More digits than any venue, wallet or strategy has a use for.
const DIGITS_MAX: usize = 36;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum DecimalError {
    #[error("not a decimal number")]
    NotANumber,
    #[error("out of range")]
    OutOfRange,
    #[error("more than 6 decimals")]
    TooPrecise,
}

/// `mantissa / 10^scale`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decimal {
    mantissa: i128,
    scale: u32,
}

impl Decimal {
    /// Reads `-12.5`, `.5`, `5e-3`. Errors: anything else, `NaN` and infinities included.
    pub fn parse(text: &str) -> Result<Self, DecimalError> {
        let (body, exponent) = match text.find(['e', 'E']) {
            Some(at) => (&text[..at], text[at + 1..].parse::<i32>().map_err(|_| DecimalError::NotANumber)?),
            None => (text, 0),
        };
        let (negative, body) = match body.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, body.strip_prefix('+').unwrap_or(body)),
        };
        let (whole, fraction) = body.split_once('.').unwrap_or((body, ""));
        if whole.is_empty() && fraction.is_empty() {
            return Err(DecimalError::NotANumber);
        }
        let fraction = fraction.trim_end_matches('0');
        if !whole.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit()) {
            return Err(DecimalError::NotANumber);
        }
        let digits = format!("{}{fraction}", whole.trim_start_matches('0'));
        if digits.len() > DIGITS_MAX {
            return Err(DecimalError::OutOfRange);
        }
        let magnitude: i128 = if digits.is_empty() { 0 } else { digits.parse().map_err(|_| DecimalError::NotANumber)? };
        Self::shifted(if negative { -magnitude } else { magnitude }, fraction.len() as i32, exponent)
    }

    fn shifted(mantissa: i128, decimals: i32, exponent: i32) -> Result<Self, DecimalError> {
        if mantissa == 0 {
            return Ok(Self { mantissa: 0, scale: 0 });
        }
        let scale = decimals.checked_sub(exponent).ok_or(DecimalError::OutOfRange)?;
        if scale >= 0 {
            return Ok(Self { mantissa, scale: scale as u32 });
        }
        let factor = 10i128.checked_pow(scale.unsigned_abs()).ok_or(DecimalError::OutOfRange)?;
        let mantissa = mantissa.checked_mul(factor).ok_or(DecimalError::OutOfRange)?;
        Ok(Self { mantissa, scale: 0 })
    }

    /// In millionths. Errors: more than an `i64` holds.
    pub fn to_micros(&self, rounding: Rounding) -> Result<i64, DecimalError> {
        let micros = if self.scale <= 6 {
            let factor = 10i128.pow(6 - self.scale);
            self.mantissa.checked_mul(factor).ok_or(DecimalError::OutOfRange)?
        } else {
            self.divided(self.scale - 6, rounding)
        };
        i64::try_from(micros).map_err(|_| DecimalError::OutOfRange)
    }

    fn divided(&self, places: u32, rounding: Rounding) -> i128 {
        // Past 10^38 only the sign is left of any mantissa we hold.
        let Some(divisor) = 10i128.checked_pow(places) else {
            return match rounding {
                Rounding::Down => -i128::from(self.mantissa < 0),
                Rounding::Up => i128::from(self.mantissa > 0),
            };
        };
        let floor = self.mantissa.div_euclid(divisor);
        let exact = self.mantissa.rem_euclid(divisor) == 0;
        if rounding == Rounding::Up && !exact { floor + 1 } else { floor }
    }

    /// Divided by 10^places: percentage points become a fraction.
    pub fn shift_right(self, places: u32) -> Self {
        if self.mantissa == 0 { self } else { Self { mantissa: self.mantissa, scale: self.scale + places } }
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.scale == 0 {
            return write!(f, "{}", self.mantissa);
        }
        if self.scale > 1_000 {
            return write!(f, "{}e-{}", self.mantissa, self.scale);
        }
        let sign = if self.mantissa < 0 { "-" } else { "" };
        let digits = format!("{:0>width$}", self.mantissa.unsigned_abs(), width = self.scale as usize + 1);
        let (whole, fraction) = digits.split_at(digits.len() - self.scale as usize);
        let fraction = fraction.trim_end_matches('0');
        let point = if fraction.is_empty() { "" } else { "." };
        write!(f, "{sign}{whole}{point}{fraction}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn micros(text: &str) -> Result<i64, DecimalError> {
        Decimal::parse(text)?.to_micros(Rounding::Down)
    }

    #[test]
    fn reads_every_shape_a_json_number_has() {
        assert_eq!(micros("0.52"), Ok(520_000));
        assert_eq!(micros("5.2e-1"), Ok(520_000));
        assert_eq!(micros("1E2"), Ok(100_000_000));
        assert_eq!(micros("-0.5"), Ok(-500_000));
        assert_eq!(micros("0.5700000000000001"), Ok(570_000));
        assert_eq!(micros("0e999999"), Ok(0));
    }

    #[test]
    fn refuses_words_and_giants_without_panicking() {
        for text in ["", "-", ".", "NaN", "inf", "0x10", "1e999999999999", "1e300", "1e-2147483648", "--1", "1.2.3", "١"] {
            assert!(micros(text).is_err(), "{text}");
        }
        assert_eq!(micros("1e-300"), Ok(0));
        assert_eq!(micros("-1e-300"), Ok(-1));
    }
}
