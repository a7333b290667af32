//! Answers about the account and about the venue itself.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::domain::money::Usd;
use crate::venues::number::{Num, Numeric};

/// Settled funds in millionths, whole numbers as text, and what each exchange contract may take of them.
#[derive(Debug, Deserialize)]
pub struct BalanceAllowance {
    pub balance: BaseUnits,
    /// By contract; older answers name one for all.
    #[serde(default, deserialize_with = "allowances")]
    pub allowances: BTreeMap<String, BaseUnits>,
    pub allowance: Option<BaseUnits>,
}

/// Whole millionths, however many: an unlimited allowance is 2^256 - 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BaseUnits(pub i64);

impl BaseUnits {
    fn read(text: &str) -> Option<Self> {
        let digits = text.trim_start_matches('0');
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        // What no account of ours holds counts as the most there is.
        Some(Self(if digits.is_empty() { 0 } else { digits.parse().unwrap_or(Usd::MAX_MICROS).min(Usd::MAX_MICROS) }))
    }
}

impl<'de> Deserialize<'de> for BaseUnits {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let raw = <&serde_json::value::RawValue>::deserialize(d)?.get();
        Self::read(raw.trim_matches('"')).ok_or_else(|| serde::de::Error::custom(format_args!("{raw:.40} is no amount in base units")))
    }
}

fn allowances<'de, D: Deserializer<'de>>(d: D) -> Result<BTreeMap<String, BaseUnits>, D::Error> {
    let map = Option::<BTreeMap<String, BaseUnits>>::deserialize(d)?.unwrap_or_default();
    Ok(map.into_iter().map(|(contract, allowed)| (contract.to_ascii_lowercase(), allowed)).collect())
}

#[derive(Debug, Deserialize)]
pub struct ClosedOnly {
    pub closed_only: bool,
}

#[derive(Debug, Deserialize)]
pub struct Version {
    pub version: Num<u32>,
}

#[derive(Debug, Deserialize)]
pub struct Geoblock {
    pub blocked: bool,
    pub country: Option<String>,
    pub region: Option<String>,
}

#[derive(Debug, Deserialize)]
pub struct Beat {
    pub heartbeat_id: String,
}

/// Seconds since 1970, bare or in an object.
pub fn server_time_s(body: &[u8]) -> Option<i64> {
    let number = |value: &Value| match value {
        Value::Number(number) => i64::read(&number.to_string()).ok(),
        Value::String(text) => i64::read(text).ok(),
        _ => None,
    };
    match serde_json::from_slice::<Value>(body).ok()? {
        Value::Object(map) => ["time", "timestamp", "server_time"].iter().find_map(|name| map.get(*name).and_then(number)),
        value => number(&value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn balances_are_whole_millionths_and_allowances_may_be_endless() {
        let text = r#"{"balance":"12345678","allowances":{"0xE111180000d2663C0091e4f400237545B87B996B":
            "115792089237316195423570985008687907853269984665640564039457584007913129639935","0xe2222d279d744050d28e00520010520000310F59":"0"}}"#;
        let read: BalanceAllowance = serde_json::from_str(text).expect("balance");
        assert_eq!(read.balance, BaseUnits(12_345_678));
        assert_eq!(read.allowances["0xe111180000d2663c0091e4f400237545b87b996b"], BaseUnits(Usd::MAX_MICROS));
        assert_eq!(read.allowances["0xe2222d279d744050d28e00520010520000310f59"], BaseUnits(0));
    }

    #[test]
    fn a_balance_that_is_not_one_is_an_error() {
        for text in ["{}", r#"{"balance":""}"#, r#"{"balance":null}"#, r#"{"balance":"1.5"}"#, r#"{"balance":"-1"}"#] {
            assert!(serde_json::from_str::<BalanceAllowance>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_time_is_read_bare_or_wrapped() {
        for body in ["1782753357", "\"1782753357\"", r#"{"time":1782753357}"#] {
            assert_eq!(server_time_s(body.as_bytes()), Some(1_782_753_357), "{body}");
        }
        assert_eq!(server_time_s(b"<html>"), None);
    }
}
