//! Money and quantity: integers at a scale of 10^-6, text to integer, rounding named at each use.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::decimal::{Decimal, DecimalError};

/// One whole unit (a dollar, a contract, a probability of 1) in millionths.
pub const ONE: i64 = 1_000_000;

/// Where a value that falls between two representable ones goes. There is no default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rounding {
    /// Towards minus infinity.
    Down,
    /// Towards plus infinity.
    Up,
}

/// `a * b / d`, exact until the last step.
///
/// Panics when the result leaves `i64`: the parsers bound what comes from outside so that it can't.
pub fn mul_div(a: i64, b: i64, d: i64, rounding: Rounding) -> i64 {
    assert!(d > 0, "Invariant: divisor is positive");
    // Nearly always; the wide division costs ten times as much, and every fold makes several.
    if let Some(product) = a.checked_mul(b) {
        let floor = product.div_euclid(d);
        return if rounding == Rounding::Up && floor * d != product { floor + 1 } else { floor };
    }
    let product = i128::from(a) * i128::from(b);
    let d = i128::from(d);
    let floor = product.div_euclid(d);
    let exact = product.rem_euclid(d) == 0;
    let value = if rounding == Rounding::Up && !exact { floor + 1 } else { floor };
    i64::try_from(value).expect("Invariant: money stays inside i64")
}

macro_rules! micros {
    ($(#[$doc:meta])* $name:ident, $min:expr, $max:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name(i64);

        impl $name {
            pub const ZERO: Self = Self(0);
            /// The smallest value a parser lets in, in millionths.
            pub const MIN_MICROS: i64 = $min;
            /// The largest value a parser lets in, in millionths.
            pub const MAX_MICROS: i64 = $max;

            /// From millionths.
            pub const fn from_micros(micros: i64) -> Self {
                Self(micros)
            }

            /// In millionths.
            pub const fn micros(self) -> i64 {
                self.0
            }

            pub const fn is_zero(self) -> bool {
                self.0 == 0
            }

            /// Text to integer. Errors: not a decimal, out of range, more than six decimals.
            pub fn parse(text: &str) -> Result<Self, DecimalError> {
                Self::try_exact(&Decimal::parse(text)?)
            }

            /// The value if it has at most six decimals and lies within the bounds.
            pub fn try_exact(decimal: &Decimal) -> Result<Self, DecimalError> {
                let down = Self::try_rounded(decimal, Rounding::Down)?;
                if down == Self::try_rounded(decimal, Rounding::Up)? { Ok(down) } else { Err(DecimalError::TooPrecise) }
            }

            /// The value rounded to six decimals. Errors: outside the bounds.
            pub fn try_rounded(decimal: &Decimal, rounding: Rounding) -> Result<Self, DecimalError> {
                let (down, up) = (decimal.to_micros(Rounding::Down)?, decimal.to_micros(Rounding::Up)?);
                let micros = if rounding == Rounding::Up { up } else { down };
                // The bounds hold for the value as written: 1.0000001 is no price, though it rounds to one.
                if down < Self::MIN_MICROS || up > Self::MAX_MICROS { Err(DecimalError::OutOfRange) } else { Ok(Self(micros)) }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(MicrosText::of(self.0).as_str())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), micros_text(self.0))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                if s.is_human_readable() { s.serialize_str(MicrosText::of(self.0).as_str()) } else { s.serialize_i64(self.0) }
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                if d.is_human_readable() {
                    let text = String::deserialize(d)?;
                    Self::parse(&text).map_err(serde::de::Error::custom)
                } else {
                    i64::deserialize(d).map(Self)
                }
            }
        }

        impl std::ops::Add for $name {
            type Output = Self;
            fn add(self, other: Self) -> Self {
                Self(self.0.checked_add(other.0).expect("Invariant: sums of money stay inside i64"))
            }
        }

        impl std::ops::Sub for $name {
            type Output = Self;
            fn sub(self, other: Self) -> Self {
                Self(self.0.checked_sub(other.0).expect("Invariant: sums of money stay inside i64"))
            }
        }

        impl std::ops::AddAssign for $name {
            fn add_assign(&mut self, other: Self) {
                *self = *self + other;
            }
        }

        impl std::ops::SubAssign for $name {
            fn sub_assign(&mut self, other: Self) {
                *self = *self - other;
            }
        }

        impl std::ops::Neg for $name {
            type Output = Self;
            fn neg(self) -> Self {
                Self(-self.0)
            }
        }

        impl std::iter::Sum for $name {
            fn sum<I: Iterator<Item = Self>>(iter: I) -> Self {
                iter.fold(Self::ZERO, |total, one| total + one)
            }
        }
    };
}

micros! {
    /// Dollars, signed.
    Usd, -1_000_000_000_000_000, 1_000_000_000_000_000
}
micros! {
    /// Dollars per contract that pays $1: 0 to 1.
    Price, 0, ONE
}
micros! {
    /// Contracts (shares), fractions included. Signed only inside a position.
    Quantity, 0, 100_000_000 * ONE
}
micros! {
    /// A probability, 0 to 1.
    Probability, 0, ONE
}
micros! {
    /// Expected dollars per contract; shown to people in percentage points.
    Edge, -100 * ONE, 100 * ONE
}

impl Price {
    /// A contract that always pays.
    pub const ONE: Self = Self(ONE);

    /// The same price seen from the other outcome: 1 - p.
    pub fn complement(self) -> Self {
        Self(ONE - self.0)
    }

    /// Dollars for `quantity` at this price.
    pub fn times(self, quantity: Quantity, rounding: Rounding) -> Usd {
        Usd(mul_div(self.0, quantity.0, ONE, rounding))
    }
}

impl Probability {
    pub fn complement(self) -> Self {
        Self(ONE - self.0)
    }
}

impl Edge {
    /// In percentage points, as people and signals write it.
    pub fn points(self) -> String {
        micros_text(self.0.saturating_mul(100))
    }
}

impl Usd {
    pub fn whole(dollars: i64) -> Self {
        Self(dollars * ONE)
    }

    pub fn abs(self) -> Self {
        Self(self.0.abs())
    }

    /// Never below zero.
    pub fn or_zero(self) -> Self {
        Self(self.0.max(0))
    }
}

impl Quantity {
    pub fn whole(contracts: i64) -> Self {
        Self(contracts * ONE)
    }

    pub fn abs(self) -> Self {
        Self(self.0.abs())
    }

    /// Rounded down to whole contracts.
    pub fn floor_whole(self) -> Self {
        Self(self.0.div_euclid(ONE) * ONE)
    }

    /// Never below zero.
    pub fn or_zero(self) -> Self {
        Self(self.0.max(0))
    }
}

/// `1234500` is "1.2345"; no trailing zeros, no exponent.
pub fn micros_text(micros: i64) -> String {
    MicrosText::of(micros).as_str().to_owned()
}

/// Sign, 13 digits, point, 6 digits.
const TEXT_BYTES_MAX: usize = 21;

/// The same without a heap: amounts are written into every check of every verdict.
struct MicrosText {
    /// Filled from the end.
    bytes: [u8; TEXT_BYTES_MAX],
    from: usize,
}

impl MicrosText {
    fn of(micros: i64) -> Self {
        let mut text = Self { bytes: [0; TEXT_BYTES_MAX], from: TEXT_BYTES_MAX };
        let magnitude = micros.unsigned_abs();
        let (mut whole, mut rest) = (magnitude / ONE as u64, magnitude % ONE as u64);
        if rest != 0 {
            let mut digits = 6;
            while rest % 10 == 0 {
                rest /= 10;
                digits -= 1;
            }
            for _ in 0..digits {
                text.put(b'0' + (rest % 10) as u8);
                rest /= 10;
            }
            text.put(b'.');
        }
        loop {
            text.put(b'0' + (whole % 10) as u8);
            whole /= 10;
            if whole == 0 {
                break;
            }
        }
        if micros < 0 {
            text.put(b'-');
        }
        text
    }

    fn put(&mut self, byte: u8) {
        self.from -= 1;
        self.bytes[self.from] = byte;
    }

    fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[self.from..]).expect("Invariant: digits are text")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes_decimal_text_exactly() {
        for text in ["0", "0.52", "1", "0.000001", "99", "10.1", "100", "1.010203"] {
            assert_eq!(Quantity::parse(text).expect(text).to_string(), text);
        }
        assert_eq!(micros_text(i64::MAX), "9223372036854.775807");
        assert_eq!(micros_text(i64::MIN), "-9223372036854.775808");
        assert_eq!(Usd::parse("-12.5").expect("negative").to_string(), "-12.5");
    }

    #[test]
    fn refuses_what_it_cannot_hold() {
        assert!(Price::parse("1.01").is_err());
        assert!(Price::parse("0.0000001").is_err());
        let above = Decimal::parse("1.0000001").expect("decimal");
        assert!(Price::try_rounded(&above, Rounding::Down).is_err());
        assert!(Quantity::parse("-1").is_err());
        assert!(Usd::parse("NaN").is_err());
        assert!(Usd::parse("").is_err());
    }

    #[test]
    fn rounding_goes_where_it_is_told() {
        let third = Price::from_micros(333_333);
        let one = Quantity::from_micros(1);
        assert_eq!(third.times(one, Rounding::Down), Usd::ZERO);
        assert_eq!(third.times(one, Rounding::Up), Usd::from_micros(1));
        assert_eq!(mul_div(-1, 1, 2, Rounding::Down), -1);
        assert_eq!(mul_div(-1, 1, 2, Rounding::Up), 0);
    }
}
