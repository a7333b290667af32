//! Where the venue is: plain text only to this machine, and paths that end where they should.

use reqwest::Url;

pub use super::super::address::{AddressError, encoded, query, segment};
use super::super::address::{checked, join, shown};
use super::translate::Untranslatable;
use crate::domain::ids::VenueOrderId;

pub const PRODUCTION_API: &str = "https://external-api.kalshi.com/trade-api/v2";
pub const PRODUCTION_WS: &str = "wss://external-api-ws.kalshi.com/trade-api/ws/v2";
pub const DEMO_API: &str = "https://external-api.demo.kalshi.co/trade-api/v2";
pub const DEMO_WS: &str = "wss://external-api-ws.demo.kalshi.co/trade-api/ws/v2";

const API_PATH: &str = "/trade-api/v2";

/// The base of all REST calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiAddress(Url);

/// The WebSocket's address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WsAddress(Url);

impl ApiAddress {
    pub fn new(text: &str) -> Result<Self, AddressError> {
        let name = "KALSHI_API_URL";
        let mut url = checked(name, text.trim_end_matches('/'), "https", "http")?;
        if !url.path().ends_with(API_PATH) {
            return Err(AddressError { name, given: shown(text), why: "must end in /trade-api/v2" });
        }
        url.set_fragment(None);
        Ok(Self(url))
    }

    pub fn is_plain(&self) -> bool {
        self.0.scheme() == "http"
    }

    /// `path` begins with `/` and is percent-encoded; `query` holds no `?`.
    pub fn join(&self, path: &str, query: &str) -> Url {
        join(&self.0, path, query)
    }
}

impl WsAddress {
    pub fn new(text: &str) -> Result<Self, AddressError> {
        checked("KALSHI_WS_URL", text, "wss", "ws").map(Self)
    }

    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    pub fn path(&self) -> &str {
        self.0.path()
    }
}

/// The only form of id that may stand in the path of a DELETE: `…/orders/` and `…/orders/batched` cancel everything
/// (`kalshi.md` §11 P1).
pub fn order_segment(id: &VenueOrderId) -> Result<String, Untranslatable> {
    let text = id.as_str();
    let hyphenated = text.len() == 36 && uuid::Uuid::try_parse(text).is_ok();
    if hyphenated { Ok(text.to_owned()) } else { Err(Untranslatable { what: "order id", why: format!("{text:?} is not a UUID") }) }
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
