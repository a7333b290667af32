//! Where a venue is: plain text only to this machine, and paths that end where they should.

use std::net::IpAddr;

use reqwest::Url;
use thiserror::Error;

use super::call::Untranslatable;

#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{name}: {given:?} {why}")]
pub struct AddressError {
    pub name: &'static str,
    pub given: String,
    pub why: &'static str,
}

/// Reads an address of REST calls or of a stream. `name`: what the person called it.
pub fn checked(name: &'static str, text: &str, safe: &str, plain: &str) -> Result<Url, AddressError> {
    let refuse = |why| AddressError { name, given: shown(text), why };
    let url = Url::parse(text).map_err(|_| refuse("is no address"))?;
    match unsafe_address(&url, safe, plain) {
        Some(why) => Err(refuse(why)),
        None => Ok(url),
    }
}

/// `path` begins with `/` and is percent-encoded; `query` holds no `?`.
pub fn join(base: &Url, path: &str, query: &str) -> Url {
    let mut url = base.clone();
    url.set_path(&format!("{}{path}", base.path().trim_end_matches('/')));
    url.set_query((!query.is_empty()).then_some(query));
    url
}

/// Passwords in addresses are not repeated.
pub fn shown(text: &str) -> String {
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
