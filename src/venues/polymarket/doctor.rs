//! What can be known of wallet, key, money and place without placing anything.

use std::collections::BTreeMap;

use super::super::clock_skew::SkewBounds;
use super::calls::Asset;
use super::client::CallError;
use super::errors::{self, Class};
use super::venue::PolymarketVenue;
use crate::domain::money::Usd;

#[derive(Clone, Debug, Default)]
pub struct DoctorReport {
    /// The key's own account; requests are signed as it.
    pub address: Option<String>,
    /// 0 to 3.
    pub signature_type: Option<u8>,
    pub wallet_kind: Option<&'static str>,
    /// The wallet that holds the money.
    pub maker: Option<String>,
    pub chain_id: u64,
    pub version: Option<u32>,
    /// pUSD.
    pub cash: Option<Usd>,
    /// What each exchange contract may take of it, by lower-case address.
    pub allowances: BTreeMap<String, Usd>,
    pub closed_only: Option<bool>,
    /// `None`: nobody was asked.
    pub blocked: Option<bool>,
    pub place: Option<String>,
    pub skew: Option<SkewBounds>,
    /// Each in one line; empty: all is well.
    pub problems: Vec<String>,
}

impl PolymarketVenue {
    /// After `connect`; what that said goes into the report of whoever called it.
    pub async fn doctor(&self) -> DoctorReport {
        let client = &self.client;
        let mut problems = Vec::new();
        let mut refused = false;
        let mut note = |what: &str, error: CallError| match &error {
            // Every call says the same of a bad key: once is clear enough.
            CallError::Refused { refusal, .. } if matches!(refusal.status, 401 | 403) && refusal.typed => {
                if !std::mem::replace(&mut refused, true) {
                    let code = if let Class::Halted(code) = errors::of_refusal(refusal) { code } else { "forbidden" };
                    problems.push(errors::trouble(code, &refusal.to_string()));
                }
            }
            // Whoever called knows why there is no key.
            CallError::NotSent { .. } if client.requests().is_err() => {}
            error => problems.push(format!("{what}: {error}")),
        };
        let version = client.version().await.map_err(|error| note("version", error)).ok();
        if let Err(error) = client.time().await {
            note("time", error);
        }
        let place = client.geoblock().await.map_err(|error| note("geoblock", error)).ok().flatten();
        let mut report = DoctorReport { chain_id: client.settings().chain.id(), version, skew: client.skew(), ..DoctorReport::default() };
        if let Some(place) = place {
            report.blocked = Some(place.blocked);
            report.place = Some([place.country, place.region].into_iter().flatten().collect::<Vec<_>>().join(" "));
        }
        if let Ok(signer) = client.signer() {
            let wallet = signer.wallet();
            report.address = Some(wallet.owner().checksum());
            report.signature_type = Some(wallet.kind().number());
            report.wallet_kind = Some(kind(wallet.kind().number()));
            report.maker = Some(wallet.maker().checksum());
            // What the venue once saw of the chain it keeps: a fresh approval would not show.
            let _ = client.refresh_balance(Asset::Collateral).await;
            let funds = client.balance(Asset::Collateral).await.map_err(|error| note("balance", error)).ok();
            report.closed_only = client.closed_only().await.map_err(|error| note("closed-only", error)).ok();
            if let Some(funds) = funds {
                report.cash = Some(Usd::from_micros(funds.balance.0));
                report.allowances =
                    funds.allowances.iter().map(|(contract, units)| (contract.clone(), Usd::from_micros(units.0))).collect();
                if let Some(all) = funds.allowance.filter(|_| funds.allowances.is_empty()) {
                    report.allowances = self.exchanges().into_iter().map(|(contract, _)| (contract, Usd::from_micros(all.0))).collect();
                }
            }
        }
        let exchanges = self.exchanges();
        let expected = client.signer().ok().map(|signer| u32::from(signer.version()));
        problems.extend(report.findings(&exchanges, expected));
        DoctorReport { problems, ..report }
    }

    /// The contracts that orders are signed for, and what they are for.
    fn exchanges(&self) -> [(String, &'static str); 2] {
        let contracts = self.client.settings().chain.contracts();
        [(contracts.exchange.lower(), "the exchange"), (contracts.neg_risk_exchange.lower(), "the neg-risk exchange")]
    }
}

fn kind(signature_type: u8) -> &'static str {
    match signature_type {
        0 => "the key's own account",
        1 => "proxy wallet",
        2 => "Safe",
        _ => "deposit wallet",
    }
}

impl DoctorReport {
    fn findings(&self, exchanges: &[(String, &'static str)], expected: Option<u32>) -> Vec<String> {
        let mut found = Vec::new();
        if let Some((version, expected)) = self.version.zip(expected).filter(|(version, expected)| version != expected) {
            found.push(format!("the venue takes orders of version {version}, we sign version {expected}"));
        }
        let maker = self.maker.as_deref().unwrap_or_default();
        if self.cash == Some(Usd::ZERO) {
            found.push(format!(
                "no balance: {maker} holds no pUSD on chain {}; if money is there, POLY_FUNDER or POLY_SIGNATURE_TYPE names another wallet",
                self.chain_id
            ));
        }
        if self.cash.is_some() {
            for (contract, name) in exchanges {
                if self.allowances.get(contract).is_none_or(|allowed| allowed.is_zero()) {
                    found.push(format!(
                        "no allowance: {name} {contract} may not take pUSD of {maker}; approve it on the website or on chain"
                    ));
                }
            }
        }
        if self.closed_only == Some(true) {
            found.push("closed only: the account may close positions, not open them".to_owned());
        }
        if self.blocked == Some(true) {
            found.push(format!("the venue does not serve this place ({})", self.place.as_deref().unwrap_or("unknown")));
        }
        if let Some(skew) = self.skew.filter(|skew| skew.beyond()) {
            found.push(format!("the clock is off: the venue's is ahead {skew}; see to NTP"));
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_finding_is_one_clear_line() {
        let exchanges = [("0xa".to_owned(), "the exchange"), ("0xb".to_owned(), "the neg-risk exchange")];
        let report = DoctorReport {
            maker: Some("0xM".to_owned()),
            chain_id: 137,
            version: Some(3),
            cash: Some(Usd::ZERO),
            allowances: BTreeMap::from([("0xa".to_owned(), Usd::whole(5))]),
            closed_only: Some(true),
            blocked: Some(true),
            place: Some("GB".to_owned()),
            skew: Some(SkewBounds { low_ms: 5_000, high_ms: 6_000 }),
            ..DoctorReport::default()
        };
        let found = report.findings(&exchanges, Some(2));
        let words = ["version 3", "no balance", "no allowance: the neg-risk exchange", "closed only", "GB", "5000"];
        assert_eq!(found.len(), words.len(), "{found:?}");
        for (line, word) in found.iter().zip(words) {
            assert!(line.contains(word) && !line.contains('\n'), "{line}");
        }
        let well = DoctorReport {
            cash: Some(Usd::whole(10)),
            version: Some(2),
            allowances: exchanges.iter().map(|(contract, _)| (contract.clone(), Usd::whole(1))).collect(),
            closed_only: Some(false),
            blocked: Some(false),
            skew: None,
            ..report
        };
        assert_eq!(well.findings(&exchanges, Some(2)), [""; 0]);
    }
}
