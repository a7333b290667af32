//! Numbers as text or as JSON numbers, without floats.

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::domain::decimal::{Decimal, DecimalError};
use crate::domain::money::{Price, Quantity, Rounding, Usd};

/// A number of the venue: `"0.5200"`, `0.52` and `5.2e-1` are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Num<T>(pub T);

pub trait Numeric: Sized {
    fn read(text: &str) -> Result<Self, DecimalError>;
}

/// Digits, at most one point and at most six decimals, as nearly every price and size of a feed is written. `None`: any
/// other text, which may still be a number.
fn plain_micros(text: &str) -> Option<i64> {
    // Stay inside i64 in millionths.
    const WHOLE_MAX: usize = 12;
    let (mut value, mut digits, mut decimals, mut pointed) = (0i64, 0usize, 0usize, false);
    for byte in text.bytes() {
        match byte {
            b'0'..=b'9' if pointed && decimals == 6 => {
                if byte != b'0' {
                    return None;
                }
            }
            b'0'..=b'9' if digits == WHOLE_MAX && !pointed => return None,
            b'0'..=b'9' => {
                value = value * 10 + i64::from(byte - b'0');
                if pointed { decimals += 1 } else { digits += 1 }
            }
            b'.' if !pointed => pointed = true,
            _ => return None,
        }
    }
    let scale = 10i64.pow(6 - u32::try_from(decimals).ok()?);
    (digits > 0).then_some(value * scale)
}

macro_rules! money {
    ($($name:ident),*) => {$(
        impl Numeric for $name {
            fn read(text: &str) -> Result<Self, DecimalError> {
                match plain_micros(text) {
                    Some(micros) if (Self::MIN_MICROS..=Self::MAX_MICROS).contains(&micros) => Ok(Self::from_micros(micros)),
                    _ => Self::parse(text),
                }
            }
        }
    )*};
}

money!(Price, Quantity, Usd);

impl Numeric for i64 {
    fn read(text: &str) -> Result<Self, DecimalError> {
        let decimal = Decimal::parse(text)?;
        match decimal.to_string().parse() {
            Ok(whole) => Ok(whole),
            Err(_) => Err(DecimalError::OutOfRange),
        }
    }
}

impl Numeric for u32 {
    fn read(text: &str) -> Result<Self, DecimalError> {
        u32::try_from(i64::read(text)?).map_err(|_| DecimalError::OutOfRange)
    }
}

/// Any number at a scale of a millionth, rounded up: fee multipliers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MillionthsUp(pub i64);

impl Numeric for MillionthsUp {
    fn read(text: &str) -> Result<Self, DecimalError> {
        Decimal::parse(text)?.to_micros(Rounding::Up).map(Self)
    }
}

impl<'de, T: Numeric> Deserialize<'de> for Num<T> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(d)?.get();
        let refuse = |error: DecimalError| serde::de::Error::custom(format_args!("{raw:.40}: {error}"));
        match raw.as_bytes().first() {
            Some(b'"') => {
                let inner = &raw[1..raw.len() - 1];
                if inner.contains('\\') { Err(refuse(DecimalError::NotANumber)) } else { T::read(inner).map(Self).map_err(refuse) }
            }
            Some(b'-' | b'0'..=b'9') => T::read(raw).map(Self).map_err(refuse),
            _ => Err(refuse(DecimalError::NotANumber)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_short_way_reads_what_the_long_way_reads() {
        for text in [
            "0",
            "0.52",
            "1",
            "1.",
            ".5",
            "0.000001",
            "0.0000001",
            "0.1234560",
            "33343.4",
            "219.217767",
            "100000000",
            "100000000.000001",
            "999999999999.999999",
            "9999999999999",
            "-1",
            "+1",
            "1e2",
            "",
            ".",
            "1.2.3",
            "0x1",
            "00.5",
        ] {
            assert_eq!(Price::read(text), Price::parse(text), "{text}");
            assert_eq!(Quantity::read(text), Quantity::parse(text), "{text}");
            assert_eq!(Usd::read(text), Usd::parse(text), "{text}");
        }
    }
}
