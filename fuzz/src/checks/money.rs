//! A second opinion on amounts: digits counted by hand, shared with nothing of the engine.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

/// More digits than any amount has; what is longer is left to the engine alone.
const DIGITS_MAX: usize = 30;

/// Millionths of a decimal text, `None` where it isn't one or has a part below a millionth.
pub fn micros(text: &str) -> Option<i128> {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        None => (text, 0),
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok().filter(|exponent| exponent.abs() < 1_000)?),
    };
    let (sign, digits) = match mantissa.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, mantissa.strip_prefix('+').unwrap_or(mantissa)),
    };
    let (whole, decimals) = digits.split_once('.').unwrap_or((digits, ""));
    let all = format!("{whole}{decimals}");
    if all.is_empty() || all.len() > DIGITS_MAX || !all.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let value: i128 = all.parse().ok()?;
    scaled(sign * value, exponent + 6 - i32::try_from(decimals.len()).ok()?)
}

/// `value` times ten to the `power`, where that is whole.
fn scaled(value: i128, power: i32) -> Option<i128> {
    if value == 0 {
        return Some(0);
    }
    let factor = 10i128.checked_pow(power.unsigned_abs())?;
    if power >= 0 { value.checked_mul(factor) } else { (value % factor == 0).then_some(value / factor) }
}

/// The fields of a JSON object as they are written.
pub fn fields(text: &str) -> Option<BTreeMap<String, &RawValue>> {
    serde_json::from_str(text).ok()
}

/// What was read from `text` under one of these names is exactly the amount that stands there: never another, never a default.
pub fn assert_exact(fields: &BTreeMap<String, &RawValue>, names: &[&str], read: i64) {
    let found = names.iter().find_map(|name| fields.get(*name));
    let raw = found.unwrap_or_else(|| panic!("{names:?}: {read} millionths were read where nothing stands"));
    let text: String = serde_json::from_str(raw.get()).unwrap_or_else(|_| raw.get().to_owned());
    if text.len() <= DIGITS_MAX {
        assert_eq!(micros(text.trim()), Some(i128::from(read)), "{names:?} of {text:?}");
    }
}
