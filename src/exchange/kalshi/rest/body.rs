//! Request bodies read as the venue reads them: a wrong JSON type is a flat `bad_request` in Go's words.

use serde_json::{Map, Value};

use super::super::refusal::Refusal;
use crate::domain::money::{Price, Quantity};

/// A JSON object that shall be a structure of this name.
pub struct Body {
    name: &'static str,
    map: Map<String, Value>,
}

impl Body {
    pub fn parse(name: &'static str, bytes: &[u8]) -> Result<Self, Refusal> {
        let value: Value = serde_json::from_slice(bytes).map_err(|error| Refusal::bad_request(&format!("invalid JSON: {error}")))?;
        Self::of(name, value)
    }

    pub fn of(name: &'static str, value: Value) -> Result<Self, Refusal> {
        match value {
            Value::Object(map) => Ok(Self { name, map }),
            other => Err(Refusal::bad_request(&format!("json: cannot unmarshal {} into Go value of type {name}", kind(&other)))),
        }
    }

    fn wrong_type(&self, field: &str, value: &Value, wanted: &str) -> Refusal {
        let found = kind(value);
        Refusal::bad_request(&format!("json: cannot unmarshal {found} into Go struct field {}.{field} of type {wanted}", self.name))
    }

    fn get(&self, field: &str) -> Option<&Value> {
        self.map.get(field).filter(|value| !value.is_null())
    }

    pub fn text(&self, field: &str) -> Result<Option<&str>, Refusal> {
        self.get(field).map(|value| value.as_str().ok_or_else(|| self.wrong_type(field, value, "string"))).transpose()
    }

    pub fn flag(&self, field: &str) -> Result<bool, Refusal> {
        let flag = self.get(field).map(|value| value.as_bool().ok_or_else(|| self.wrong_type(field, value, "bool"))).transpose()?;
        Ok(flag.unwrap_or(false))
    }

    pub fn integer(&self, field: &str) -> Result<Option<i64>, Refusal> {
        self.get(field).map(|value| value.as_i64().ok_or_else(|| self.wrong_type(field, value, "int64"))).transpose()
    }

    pub fn list(&self, field: &str) -> Result<&[Value], Refusal> {
        let list = self.get(field).map(|value| value.as_array().ok_or_else(|| self.wrong_type(field, value, "[]"))).transpose()?;
        list.map(Vec::as_slice).ok_or_else(|| self.missing(field))
    }

    pub fn missing(&self, field: &str) -> Refusal {
        self.invalid(field, "required")
    }

    pub fn invalid(&self, field: &str, tag: &str) -> Refusal {
        Refusal::bad_request(&format!("Key: '{}.{field}' Error:Field validation for '{field}' failed on the '{tag}' tag", self.name))
    }

    pub fn required(&self, field: &str) -> Result<&str, Refusal> {
        self.text(field)?.filter(|text| !text.is_empty()).ok_or_else(|| self.missing(field))
    }

    /// Two decimals at most, as a string. Errors: JSON numbers, and what is no such count.
    pub fn count(&self, field: &str) -> Result<Option<Quantity>, Refusal> {
        let Some(text) = self.text(field)? else { return Ok(None) };
        let quantity = Quantity::parse(text).map_err(|_| Refusal::order("invalid_order_size"))?;
        if quantity.micros() % 10_000 != 0 { Err(Refusal::order("invalid_order_size")) } else { Ok(Some(quantity)) }
    }

    pub fn required_count(&self, field: &str) -> Result<Quantity, Refusal> {
        self.count(field)?.ok_or_else(|| self.missing(field))
    }

    pub fn required_price(&self, field: &str) -> Result<Price, Refusal> {
        let text = self.required(field)?;
        Price::parse(text).map_err(|_| Refusal::order("invalid_price"))
    }

    /// The shard that is named: omitted and -1 are "find it".
    pub fn shard(&self) -> Result<Option<u32>, Refusal> {
        let index = self.integer("exchange_index")?.filter(|index| *index != -1);
        index.map(|index| u32::try_from(index).map_err(|_| self.invalid("exchange_index", "gte"))).transpose()
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}
