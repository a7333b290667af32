//! What can be known of key, clock, account and exchange without placing anything.

use super::super::clock_skew::SkewBounds;
use super::client::{CallError, key_trouble};
use super::key::KeyKind;
use super::venue::KalshiVenue;
use super::wire::account::Limits;
use crate::domain::money::Usd;
use crate::domain::time::Time;

#[derive(Clone, Debug)]
pub struct DoctorReport {
    pub key_kind: KeyKind,
    /// `None`: the venue did not list our key.
    pub scopes: Option<Vec<String>>,
    /// The one subaccount the key may touch.
    pub subaccount: Option<u32>,
    /// After it, keys can't trade Sports, Elections and Entertainment.
    pub attested_until: Option<Time>,
    pub skew: Option<SkewBounds>,
    pub usage_tier: Option<String>,
    pub read_per_second: Option<u32>,
    pub write_per_second: Option<u32>,
    pub cash: Option<Usd>,
    pub cash_by_shard: Vec<(u32, Usd)>,
    pub trading: Option<bool>,
    pub maintenance: Vec<(String, String)>,
    /// Each in one line; empty: all is well.
    pub problems: Vec<String>,
}

/// Warned about this long before.
const ATTESTATION_WARN_MS: i64 = 3 * 86_400_000;

impl KalshiVenue {
    pub async fn doctor(&self) -> DoctorReport {
        let client = &self.client;
        let mut problems = Vec::new();
        let mut refused = false;
        let mut note = |what: &str, error: CallError| match &error {
            // Every call says the same of a bad key: once is clear enough.
            CallError::Refused { refusal, .. } if refusal.is_of_the_key() => {
                if !std::mem::replace(&mut refused, true) {
                    problems.push(key_trouble(refusal));
                }
            }
            error => problems.push(format!("{what}: {error}")),
        };
        let balance = client.balance().await.map_err(|error| note("balance", error)).ok();
        let keys = client.api_keys().await.map_err(|error| note("api keys", error)).ok();
        let limits: Option<Limits> = client.learn_limits().await.map_err(|error| note("limits", error)).ok();
        let status = client.exchange_status().await.map_err(|error| note("exchange status", error)).ok();
        let schedule = client.exchange_schedule().await.map_err(|error| note("exchange schedule", error)).ok();
        let ours = keys.iter().flat_map(|keys| &keys.api_keys).find(|key| key.api_key_id == client.signer().key_id().as_str());
        let attested_until =
            keys.as_ref().and_then(|keys| keys.api_key_region_expiration_ts).map(|ts| Time::from_ms(ts.0.saturating_mul(1_000)));
        let report = DoctorReport {
            key_kind: client.signer().key_kind(),
            scopes: ours.and_then(|key| key.scopes.clone()),
            subaccount: ours.and_then(|key| key.subaccount).map(|subaccount| subaccount.0),
            attested_until,
            skew: client.skew(),
            usage_tier: limits.as_ref().and_then(|limits| limits.usage_tier.clone()),
            read_per_second: limits.as_ref().map(|limits| limits.read.refill_rate.0),
            write_per_second: limits.as_ref().map(|limits| limits.write.refill_rate.0),
            cash: balance.as_ref().map(|balance| balance.balance_dollars.0),
            cash_by_shard: balance
                .iter()
                .flat_map(|balance| balance.balance_breakdown.iter().flatten())
                .map(|shard| (shard.exchange_index.0, shard.balance.0))
                .collect(),
            trading: status.map(|status| status.exchange_active && status.trading_active),
            maintenance: schedule
                .iter()
                .flat_map(|schedule| schedule.maintenance_windows.iter().flatten())
                .map(|window| (window.start_datetime.clone(), window.end_datetime.clone()))
                .collect(),
            problems: Vec::new(),
        };
        problems.extend(report.findings(client.clock().now().wall));
        DoctorReport { problems, ..report }
    }
}

impl DoctorReport {
    fn findings(&self, now: Time) -> Vec<String> {
        let mut found = Vec::new();
        if let Some(scopes) = &self.scopes {
            if !scopes.iter().any(|scope| scope == "read") {
                found.push("the key lacks the scope read".to_owned());
            }
            if !scopes.iter().any(|scope| scope == "write" || scope == "write::trade") {
                found.push("the key lacks the scope write::trade: it can't place orders".to_owned());
            }
        }
        match self.attested_until {
            Some(until) if until <= now => {
                found.push(format!(
                    "the location attestation has expired ({until}): no Sports, Elections, Entertainment; renew it on the website"
                ));
            }
            Some(until) if until <= now.plus_ms(ATTESTATION_WARN_MS) => {
                found.push(format!("the location attestation expires soon: {until}"))
            }
            _ => {}
        }
        if let Some(skew) = self.skew.filter(|skew| skew.beyond()) {
            found.push(format!("the clock is off: the venue's is ahead {skew}; see to NTP"));
        }
        if self.trading == Some(false) {
            found.push("the exchange is not trading now".to_owned());
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_finding_is_one_clear_line() {
        let now = Time::from_ms(1_800_000_000_000);
        let report = DoctorReport {
            key_kind: KeyKind::Ed25519,
            scopes: Some(vec!["read".to_owned()]),
            subaccount: None,
            attested_until: Some(now.plus_ms(-1)),
            skew: Some(SkewBounds { low_ms: 5_000, high_ms: 6_000 }),
            usage_tier: None,
            read_per_second: None,
            write_per_second: None,
            cash: None,
            cash_by_shard: Vec::new(),
            trading: Some(false),
            maintenance: Vec::new(),
            problems: Vec::new(),
        };
        let found = report.findings(now);
        assert_eq!(found.len(), 4);
        assert!(
            found[0].contains("write::trade")
                && found[1].contains("expired")
                && found[2].contains("5000")
                && found[3].contains("not trading")
        );
        let well = DoctorReport {
            scopes: Some(vec!["read".into(), "write".into()]),
            attested_until: None,
            skew: None,
            trading: Some(true),
            ..report
        };
        assert_eq!(well.findings(now), [""; 0]);
    }
}
