//! Where the venue is: plain text only to this machine, and paths that end where they should.

use std::net::IpAddr;

use reqwest::Url;
use thiserror::Error;

use super::translate::Untranslatable;
use crate::domain::ids::VenueOrderId;

pub const PRODUCTION_API: &str = "https://external-api.kalshi.com/trade-api/v2";
pub const PRODUCTION_WS: &str = "wss://external-api-ws.kalshi.com/trade-api/ws/v2";
pub const DEMO_API: &str = "https://external-api.demo.kalshi.co/trade-api/v2";
pub const DEMO_WS: &str = "wss://external-api-ws.demo.kalshi.co/trade-api/ws/v2";

const API_PATH: &str = "/trade-api/v2";

#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{name}: {given:?} {why}")]
pub struct AddressError {
    pub name: &'static str,
    pub given: String,
    pub why: &'static str,
}

/// The base of all REST calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiAddress(Url);

/// The WebSocket's address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WsAddress(Url);

impl ApiAddress {
    pub fn new(text: &str) -> Result<Self, AddressError> {
        let refuse = |why| Err(AddressError { name: "KALSHI_API_URL", given: shown(text), why });
        let Ok(mut url) = Url::parse(text.trim_end_matches('/')) else { return refuse("is no address") };
        if !url.path().ends_with(API_PATH) {
            return refuse("must end in /trade-api/v2");
        }
        if let Some(why) = unsafe_address(&url, "https", "http") {
            return refuse(why);
        }
        url.set_fragment(None);
        Ok(Self(url))
    }

    pub fn is_plain(&self) -> bool {
        self.0.scheme() == "http"
    }

    /// `path` begins with `/` and is percent-encoded; `query` holds no `?`.
    pub fn join(&self, path: &str, query: &str) -> Url {
        let mut url = self.0.clone();
        url.set_path(&format!("{}{path}", self.0.path()));
        url.set_query((!query.is_empty()).then_some(query));
        url
    }
}

impl WsAddress {
    pub fn new(text: &str) -> Result<Self, AddressError> {
        let refuse = |why| Err(AddressError { name: "KALSHI_WS_URL", given: shown(text), why });
        let Ok(url) = Url::parse(text) else { return refuse("is no address") };
        match unsafe_address(&url, "wss", "ws") {
            Some(why) => refuse(why),
            None => Ok(Self(url)),
        }
    }

    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    pub fn path(&self) -> &str {
        self.0.path()
    }
}

/// Passwords in addresses are not repeated.
fn shown(text: &str) -> String {
    match text.rsplit_once('@') {
        Some((_, host)) => format!("…@{host:.100}"),
        None => text.chars().take(100).collect(),
    }
}

fn unsafe_address(url: &Url, safe: &str, plain: &str) -> Option<&'static str> {
    if url.query().is_some() || !url.username().is_empty() || url.password().is_some() {
        return Some("may hold neither a query nor a user");
    }
    if url.scheme() == safe {
        return url.host_str().is_none().then_some("names no host");
    }
    if url.scheme() != plain {
        return Some("must begin with https:// (REST) or wss:// (stream)");
    }
    let host = url.host_str().unwrap_or_default();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let loopback = host == "localhost" || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
    (!loopback).then_some("is not encrypted; http:// and ws:// are for loopback addresses only")
}

/// One part of a path, percent-encoded. Errors: parts that a server would take for something else.
pub fn segment(text: &str) -> Result<String, Untranslatable> {
    if text.is_empty() || text.chars().all(|c| c == '.') {
        return Err(Untranslatable { what: "path", why: format!("{text:?} names nothing") });
    }
    Ok(encoded(text))
}

/// The only form of id that may stand in the path of a DELETE: `…/orders/` and `…/orders/batched` cancel everything
/// (`kalshi.md` §11 P1).
pub fn order_segment(id: &VenueOrderId) -> Result<String, Untranslatable> {
    let text = id.as_str();
    let hyphenated = text.len() == 36 && uuid::Uuid::try_parse(text).is_ok();
    if hyphenated { Ok(text.to_owned()) } else { Err(Untranslatable { what: "order id", why: format!("{text:?} is not a UUID") }) }
}

pub fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// `a=1&b=2`, in the order given.
pub fn query(pairs: &[(&str, String)]) -> String {
    pairs.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect::<Vec<_>>().join("&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_text_goes_to_this_machine_only() {
        for good in [
            PRODUCTION_API,
            DEMO_API,
            "http://127.0.0.1:8080/trade-api/v2",
            "http://[::1]:1/trade-api/v2/",
            "http://localhost:1/trade-api/v2",
        ] {
            assert!(ApiAddress::new(good).is_ok(), "{good}");
        }
        for bad in [
            "http://10.0.0.1/trade-api/v2",
            "http://127.0.0.1.evil.com/trade-api/v2",
            "http://external-api.kalshi.com/trade-api/v2",
            "https://external-api.kalshi.com/",
            "https://external-api.kalshi.com/trade-api/v2?x=1",
            "https://u:p@external-api.kalshi.com/trade-api/v2",
            "ftp://127.0.0.1/trade-api/v2",
            "external-api.kalshi.com",
            "",
        ] {
            assert!(ApiAddress::new(bad).is_err(), "{bad}");
        }
        assert!(WsAddress::new(PRODUCTION_WS).is_ok() && WsAddress::new(DEMO_WS).is_ok());
        assert!(WsAddress::new("ws://127.0.0.1:1/trade-api/ws/v2").is_ok());
        assert!(WsAddress::new("ws://10.0.0.1/trade-api/ws/v2").is_err());
        let error = ApiAddress::new("https://user:secret@host/trade-api/v2").expect_err("user");
        assert!(!error.to_string().contains("secret"), "{error}");
    }

    #[test]
    fn paths_are_joined_as_they_are_signed() {
        let base = ApiAddress::new("https://external-api.kalshi.com/trade-api/v2/").expect("base");
        let url = base.join("/markets/KXFED-26DEC-T4.00", &query(&[("tickers", "A,B".to_owned())]));
        assert_eq!(url.path(), "/trade-api/v2/markets/KXFED-26DEC-T4.00");
        assert_eq!(url.query(), Some("tickers=A%2CB"));
    }

    #[test]
    fn an_empty_or_malformed_order_id_reaches_no_path() {
        let id = |text: &str| VenueOrderId::new(text).ok().and_then(|id| order_segment(&id).ok());
        assert_eq!(id("2597b999-f887-4195-8bac-c3f97a1f2021").as_deref(), Some("2597b999-f887-4195-8bac-c3f97a1f2021"));
        for bad in [
            "",
            " ",
            ".",
            "..",
            "batched",
            "/",
            "%2e",
            "?",
            "2597b999f88741958bacc3f97a1f2021",
            "2597b999-f887-4195-8bac-c3f97a1f202/",
            "x",
        ] {
            assert_eq!(id(bad), None, "{bad:?}");
        }
        for bad in ["", ".", "..", "..."] {
            assert!(segment(bad).is_err(), "{bad:?}");
        }
        assert_eq!(segment("a/b?c#d%").expect("encoded"), "a%2Fb%3Fc%23d%25");
    }
}
