//! Numbers of this venue, beside the common ones.

pub use crate::venues::number::{MillionthsUp, Num, Numeric};

use crate::domain::decimal::{Decimal, DecimalError};
use crate::domain::money::{Quantity, Usd};

/// A count with a sign: positions (negative is NO) and changes of a book level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signed(pub Quantity);

impl Numeric for Signed {
    fn read(text: &str) -> Result<Self, DecimalError> {
        let micros = Usd::parse(text)?.micros();
        if micros.abs() <= Quantity::MAX_MICROS { Ok(Self(Quantity::from_micros(micros))) } else { Err(DecimalError::OutOfRange) }
    }
}

/// Whole or broken cents, as dollars.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cents(pub Usd);

impl Numeric for Cents {
    fn read(text: &str) -> Result<Self, DecimalError> {
        Usd::try_exact(&Decimal::parse(text)?.shift_right(2)).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::money::Price;

    fn read<T: Numeric>(json: &str) -> Option<T> {
        serde_json::from_slice::<Num<T>>(json.as_bytes()).ok().map(|number| number.0)
    }

    #[test]
    fn text_and_numbers_are_read_alike() {
        for json in ["\"0.5200\"", "0.52", "5.2e-1", "\".52\""] {
            assert_eq!(read::<Price>(json), Some(Price::from_micros(520_000)), "{json}");
        }
        assert_eq!(read::<Signed>("\"-3.00\"").map(|signed| signed.0), Some(Quantity::from_micros(-3_000_000)));
        assert_eq!(read::<Cents>("9801").map(|cents| cents.0), Usd::parse("98.01").ok());
        assert_eq!(read::<i64>("1781159364112"), Some(1_781_159_364_112));
        assert_eq!(read::<i64>("1.5e3"), Some(1_500));
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for json in ["null", "true", "{}", "[1]", "\"\"", "\"abc\"", "\"1\\u0030\"", "\"NaN\""] {
            assert_eq!(read::<Usd>(json), None, "{json}");
        }
        assert_eq!(read::<Price>("1.01"), None);
        assert_eq!(read::<Quantity>("-1"), None);
        assert_eq!(read::<i64>("1.5"), None);
        assert_eq!(read::<u32>("-1"), None);
    }
}
