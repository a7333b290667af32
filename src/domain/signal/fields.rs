//! Typed access to the names of a message: absent, right, or an error that names field and value.

use super::value::Value;
use crate::domain::decimal::Decimal;
use crate::domain::ids::excerpt;
use crate::domain::time::{Time, Zone};

/// The names of one message. `null` is the same as absent.
pub struct Fields<'a>(pub &'a [(String, Value)]);

/// A field that can't be taken, in words.
pub type FieldError = String;

impl<'a> Fields<'a> {
    pub fn get(&self, name: &str) -> Option<&'a Value> {
        let (_, value) = self.0.iter().find(|(n, _)| n == name)?;
        (*value != Value::Null).then_some(value)
    }

    /// The first of the names that is there.
    pub fn first(&self, names: &[&'static str]) -> Option<(&'static str, &'a Value)> {
        names.iter().find_map(|name| self.get(name).map(|value| (*name, value)))
    }

    pub fn text(&self, name: &str) -> Result<Option<&'a str>, FieldError> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::Text(text)) => Ok(Some(text.as_str())),
            Some(other) => Err(wrong_type(name, other, "text")),
        }
    }

    /// Text; the empty one counts as absent.
    pub fn word(&self, name: &str) -> Result<Option<&'a str>, FieldError> {
        Ok(self.text(name)?.map(str::trim).filter(|text| !text.is_empty()))
    }

    /// A JSON number or a decimal string.
    pub fn number(&self, name: &str) -> Result<Option<Decimal>, FieldError> {
        let text = match self.get(name) {
            None => return Ok(None),
            Some(Value::Number(text)) => text.as_str(),
            Some(Value::Text(text)) => text.trim(),
            Some(other) => return Err(wrong_type(name, other, "a number or a decimal string")),
        };
        let decimal = Decimal::parse(text).map_err(|error| wrong_value(name, text, &error.to_string()))?;
        Ok(Some(decimal))
    }

    /// RFC 3339 text, with or without its zone.
    pub fn time(&self, name: &str) -> Result<Option<(Time, Zone)>, FieldError> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        let time = has_rfc3339_shape(text).then(|| Time::parse(text)).flatten();
        time.map(Some).ok_or_else(|| wrong_value(name, text, "not an RFC 3339 time"))
    }
}

/// The reader behind `Time` takes more (dates alone, week dates, zone names); the contract doesn't.
fn has_rfc3339_shape(text: &str) -> bool {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let (Some(date), Some(clock)) = (text.get(..11), text.get(11..)) else { return false };
    let (Some(seconds), Some(rest)) = (clock.get(..8), clock.get(8..)) else { return false };
    let shape = |text: &str| text.bytes().map(|byte| if byte.is_ascii_digit() { b'0' } else { byte }).collect::<Vec<_>>();
    let at_zone = rest.find(['Z', 'z', '+', '-']).unwrap_or(rest.len());
    let (fraction, zone) = rest.split_at(at_zone);
    matches!(shape(date).as_slice(), b"0000-00-00T" | b"0000-00-00t" | b"0000-00-00 ")
        && shape(seconds) == b"00:00:00"
        && (fraction.is_empty() || fraction.strip_prefix('.').is_some_and(digits))
        && matches!(shape(zone).as_slice(), b"" | b"Z" | b"z" | b"+00:00" | b"-00:00")
}

pub fn wrong_type(name: &str, got: &Value, wanted: &str) -> FieldError {
    format!("`{name}` must be {wanted}; it is {}", got.kind())
}

pub fn wrong_value(name: &str, got: &str, problem: &str) -> FieldError {
    format!("`{name}` = {:?}: {problem}", excerpt(got))
}
