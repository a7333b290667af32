//! One setting's text to its typed value.

use std::net::{Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use secrecy::SecretString;

use super::settings::{Kind, Setting};
use crate::domain::decimal::{Decimal, DecimalError};
use crate::domain::ids::Instance;
use crate::domain::money::{Edge, Price, Probability, Quantity, Usd, micros_text};
use crate::workers::notifier::quiet::QuietHours;

/// NATS servers at most: a cluster, not a phone book.
const SERVERS_MAX: usize = 16;

/// Where messages travel.
#[derive(Clone, PartialEq, Eq)]
pub enum Nats {
    /// Inside the process; for a first run without a server.
    Embedded,
    /// As given, credentials included.
    Servers(Vec<String>),
}

impl Nats {
    /// All servers in one text, credentials included, as the bus takes them; `None` for the embedded one.
    pub fn url(&self) -> Option<String> {
        match self {
            Self::Embedded => None,
            Self::Servers(servers) => Some(servers.join(",")),
        }
    }
}

impl std::fmt::Display for Nats {
    /// Without the credentials.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Embedded => f.write_str("embedded"),
            Self::Servers(servers) => f.write_str(&servers.iter().map(|url| without_credentials(url)).collect::<Vec<_>>().join(",")),
        }
    }
}

impl std::fmt::Debug for Nats {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Nats({self})")
    }
}

fn without_credentials(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("nats", url));
    match rest.rsplit_once('@') {
        Some((_, host)) => format!("{scheme}://***@{host}"),
        None => format!("{scheme}://{rest}"),
    }
}

#[derive(Clone, Debug)]
pub enum Value {
    Absent,
    Flag(bool),
    /// Millionths of the domain's unit; an edge is in dollars, not in points.
    Micros(i64),
    Whole(i64),
    Word(&'static str),
    Instance(Instance),
    Path(PathBuf),
    Address(SocketAddr),
    Nats(Nats),
    Text(String),
    Secret(SecretString),
}

/// Errors: what is wrong with the text, without repeating it.
pub fn parse(setting: &Setting, text: &str) -> Result<Value, String> {
    match setting.kind {
        Kind::Flag => flag(text),
        Kind::Usd(_) | Kind::Price(_) | Kind::Probability(_) | Kind::Contracts(_) | Kind::Points(_) => decimal(setting.kind, text),
        Kind::Whole { min, max, .. } => whole(text, min, max),
        Kind::OneOf(words) => {
            let word = words.iter().find(|word| word.eq_ignore_ascii_case(text));
            word.map(|word| Value::Word(word)).ok_or_else(|| "not one of the words".to_owned())
        }
        Kind::Instance => Instance::new(text).map(Value::Instance).map_err(|_| "not such a name".to_owned()),
        Kind::Path => path(text),
        Kind::Address => text.parse().map(Value::Address).map_err(|_| "not an IP address and a port".to_owned()),
        Kind::Nats => nats(text).map(Value::Nats),
        Kind::Hours => QuietHours::parse(text).map(|_| Value::Text(text.to_owned())).ok_or_else(|| "not a span of the day".to_owned()),
        Kind::Text => Ok(Value::Text(text.to_owned())),
        Kind::Secret => Ok(Value::Secret(SecretString::from(text.to_owned()))),
    }
}

fn flag(text: &str) -> Result<Value, String> {
    match text.to_ascii_lowercase().as_str() {
        "1" | "true" | "yes" => Ok(Value::Flag(true)),
        "0" | "false" | "no" => Ok(Value::Flag(false)),
        _ => Err("neither yes nor no".to_owned()),
    }
}

fn whole(text: &str, min: i64, max: i64) -> Result<Value, String> {
    let number: i64 = text.parse().map_err(|_| "not a whole number".to_owned())?;
    if (min..=max).contains(&number) { Ok(Value::Whole(number)) } else { Err("out of range".to_owned()) }
}

fn decimal(kind: Kind, text: &str) -> Result<Value, String> {
    let micros = micros(kind, text).map_err(|error| error.to_string())?;
    let (Kind::Usd((min, max))
    | Kind::Price((min, max))
    | Kind::Probability((min, max))
    | Kind::Contracts((min, max))
    | Kind::Points((min, max))) = kind
    else {
        unreachable!("Invariant: only decimals come here");
    };
    let bound = |text| micros_of_bound(kind, text);
    if (bound(min)..=bound(max)).contains(&micros) { Ok(Value::Micros(micros)) } else { Err("out of range".to_owned()) }
}

fn micros_of_bound(kind: Kind, text: &str) -> i64 {
    micros(kind, text).expect("Invariant: the table's bounds are numbers")
}

fn micros(kind: Kind, text: &str) -> Result<i64, DecimalError> {
    Ok(match kind {
        Kind::Price(_) => Price::parse(text)?.micros(),
        Kind::Probability(_) => Probability::parse(text)?.micros(),
        Kind::Contracts(_) => Quantity::parse(text)?.micros(),
        Kind::Points(_) => Edge::try_exact(&Decimal::parse(text)?.shift_right(2))?.micros(),
        _ => Usd::parse(text)?.micros(),
    })
}

fn path(text: &str) -> Result<Value, String> {
    match text {
        _ if text.contains('\0') => Err("holds a zero byte".to_owned()),
        _ if text.contains("://") => Err("an address, not a path".to_owned()),
        _ if text.starts_with('~') => Err("`~` is not expanded; write the path out".to_owned()),
        _ => Ok(Value::Path(PathBuf::from(text))),
    }
}

fn nats(text: &str) -> Result<Nats, String> {
    if text.eq_ignore_ascii_case("embedded") {
        return Ok(Nats::Embedded);
    }
    let servers: Vec<String> = text.split(',').map(|part| part.trim().to_owned()).collect();
    if servers.len() > SERVERS_MAX {
        return Err(format!("more than {SERVERS_MAX} servers"));
    }
    match servers.iter().all(|server| is_server(server)) {
        true => Ok(Nats::Servers(servers)),
        // Without the text: it may hold a password.
        false => Err("not the address of a NATS server".to_owned()),
    }
}

/// `[scheme://][credentials@]host[:port]`, and nothing behind it.
fn is_server(text: &str) -> bool {
    let (scheme, rest) = text.split_once("://").unwrap_or(("nats", text));
    let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    let (name, port) = match host.strip_prefix('[').and_then(|inner| inner.split_once(']')) {
        Some((address, port)) if address.parse::<Ipv6Addr>().is_ok() => {
            ("v6", port.strip_prefix(':').or(port.is_empty().then_some("4222")))
        }
        Some(_) => return false,
        None => host.split_once(':').map_or((host, Some("4222")), |(name, port)| (name, Some(port))),
    };
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    let named = !name.is_empty() && name.bytes().all(plain);
    let numbered = port.and_then(|port| port.parse::<u16>().ok()).is_some_and(|port| port > 0);
    ["nats", "tls"].contains(&scheme) && named && numbered
}

impl Value {
    /// The same text for the same meaning; `None` for a secret.
    pub fn canonical(&self, kind: Kind) -> Option<String> {
        Some(match self {
            Self::Absent => String::new(),
            Self::Flag(value) => value.to_string(),
            Self::Micros(micros) if matches!(kind, Kind::Points(_)) => micros_text(micros * 100),
            Self::Micros(micros) => micros_text(*micros),
            Self::Whole(number) => number.to_string(),
            Self::Word(word) => (*word).to_owned(),
            Self::Instance(name) => name.to_string(),
            Self::Path(path) => path.display().to_string(),
            Self::Address(address) => address.to_string(),
            Self::Nats(nats) => nats.to_string(),
            Self::Text(text) => text.clone(),
            Self::Secret(_) => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_a_server_is_a_host_and_maybe_more() {
        for good in ["h", "nats:4222", "nats://127.0.0.1:4222", "tls://user:p@ss@demo.nats.io", "a-b.c_d:443", "nats://[::1]:4222", "[::1]"]
        {
            assert!(is_server(good), "{good}");
        }
        for bad in
            ["", "http://h:1", "ws://h", "nats://", "h:0", "h:99999", "h:x", "nats://:4222", "h/path", "a b", "::1", "[zz]:1", "[::1]4222"]
        {
            assert!(!is_server(bad), "{bad}");
        }
        assert!(nats("a,,b").is_err() && nats("EMBEDDED") == Ok(Nats::Embedded));
        assert_eq!(nats("nats://u:p@a, b:1").map(|nats| nats.url()), Ok(Some("nats://u:p@a,b:1".to_owned())));
    }
}
