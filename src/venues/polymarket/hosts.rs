//! Where the venue is (`polymarket.md` §1). There is no test host: a loopback address is a rehearsal's.

use reqwest::Url;

pub use super::super::address::AddressError;
use super::super::address::{checked, join};

pub const CLOB: &str = "https://clob.polymarket.com";
/// `/user` and `/market` lie below it.
pub const WS: &str = "wss://ws-subscriptions-clob.polymarket.com/ws";
pub const GAMMA: &str = "https://gamma-api.polymarket.com";
/// The whole address: it isn't on the host of the API.
pub const GEOBLOCK: &str = "https://polymarket.com/api/geoblock";

/// The base of REST calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpBase(Url);

impl HttpBase {
    /// `name`: the setting it comes from, for the error.
    pub fn new(name: &'static str, text: &str) -> Result<Self, AddressError> {
        let mut url = checked(name, text.trim_end_matches('/'), "https", "http")?;
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

/// The base of the two streams.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WsBase(Url);

impl WsBase {
    pub fn new(name: &'static str, text: &str) -> Result<Self, AddressError> {
        checked(name, text.trim_end_matches('/'), "wss", "ws").map(Self)
    }

    pub fn user(&self) -> Url {
        join(&self.0, "/user", "")
    }

    pub fn market(&self) -> Url {
        join(&self.0, "/market", "")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lie_below_the_base() {
        let clob = HttpBase::new("POLY_CLOB_URL", "http://127.0.0.1:9/").expect("loopback");
        assert_eq!(clob.join("/data/orders", "market=a").as_str(), "http://127.0.0.1:9/data/orders?market=a");
        let ws = WsBase::new("POLY_WS_URL", WS).expect("production");
        assert_eq!(ws.user().as_str(), "wss://ws-subscriptions-clob.polymarket.com/ws/user");
        assert_eq!(ws.market().path(), "/ws/market");
    }

    #[test]
    fn plain_text_goes_to_this_machine_only() {
        assert!(HttpBase::new("POLY_CLOB_URL", CLOB).is_ok() && HttpBase::new("POLY_GEOBLOCK_URL", GEOBLOCK).is_ok());
        for bad in ["http://clob.polymarket.com", "http://10.0.0.1", "https://u:p@clob.polymarket.com", "https://h/?a=1", "clob", ""] {
            let error = HttpBase::new("POLY_CLOB_URL", bad).expect_err(bad);
            assert!(error.to_string().starts_with("POLY_CLOB_URL") && !error.to_string().contains("u:p"), "{error}");
        }
        assert!(WsBase::new("POLY_WS_URL", "ws://10.0.0.1/ws").is_err());
    }
}
