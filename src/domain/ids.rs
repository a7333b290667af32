//! Names of things, one type each. Ids are derived, never rolled (design §3.2).

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

use super::text::Text;

/// SHA-256 of `parts`, each preceded by its length, so that two splits of one text never collide.
pub fn sha256(parts: &[&[u8]]) -> Hash {
    let mut context = ring::digest::Context::new(&ring::digest::SHA256);
    for part in parts {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part);
    }
    Hash::from_digest(&context.finish())
}

#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{what} must be {rule}; got {got:?}")]
pub struct IdError {
    pub what: &'static str,
    pub rule: &'static str,
    pub got: String,
}

/// The first characters of a text from outside, for an error message.
pub fn excerpt(text: &str) -> String {
    text.chars().take(64).collect()
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $what:literal, $rule:literal, $valid:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Text);

        impl $name {
            /// Errors: the text breaks the rule of this id.
            pub fn new(text: &str) -> Result<Self, IdError> {
                let valid: fn(&str) -> bool = $valid;
                if valid(text) {
                    Ok(Self(text.into()))
                } else {
                    Err(IdError { what: $what, rule: $rule, got: excerpt(text) })
                }
            }

            pub fn as_str(&self) -> &str {
                self.0.as_str()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.as_str())
            }
        }
    };
}

fn printable(text: &str) -> bool {
    !text.is_empty() && text.len() <= 128 && text.chars().all(|c| !c.is_control())
}

fn graphic(text: &str) -> bool {
    !text.is_empty() && text.len() <= 128 && text.bytes().all(|b| b.is_ascii_graphic())
}

text_id! {
    /// The strategy's name for one signal: up to 128 bytes.
    SignalId, "signal_id", "1 to 128 bytes without control characters", printable
}
text_id! {
    /// A Kalshi ticker or a Polymarket condition id.
    MarketId, "market_id", "1 to 128 visible ASCII characters", graphic
}
text_id! {
    /// A Polymarket outcome token: a decimal number of up to 78 digits, kept as text.
    TokenId, "token_id", "a decimal string of 1 to 78 digits", |t| !t.is_empty() && t.len() <= 78 && t.bytes().all(|b| b.is_ascii_digit())
}
text_id! {
    /// The venue's name for an order.
    VenueOrderId, "venue order id", "1 to 128 visible ASCII characters", graphic
}
text_id! {
    /// Our name for an order as the venue repeats it; of foreign orders, whatever their sender chose.
    ClientOrderId, "client order id", "1 to 128 visible ASCII characters", graphic
}
text_id! {
    /// The venue's name for one trade.
    TradeId, "trade id", "1 to 128 visible ASCII characters", graphic
}
text_id! {
    /// What exposure is grouped by: a game or an event.
    GameId, "game_id", "1 to 128 bytes without control characters", printable
}
text_id! {
    /// A name in subjects and folders: which engine this is.
    Instance, "INSTANCE", "1 to 32 of a-z, 0-9, - and _", |t| !t.is_empty() && t.len() <= 32 && t.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_')
}

macro_rules! bytes_id {
    ($(#[$doc:meta])* $name:ident, $len:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name(pub [u8; $len]);

        impl $name {
            /// From lower- or upper-case hex.
            pub fn parse(text: &str) -> Option<Self> {
                let bytes = text.as_bytes();
                if bytes.len() != 2 * $len {
                    return None;
                }
                let mut out = [0u8; $len];
                for (slot, pair) in out.iter_mut().zip(bytes.chunks(2)) {
                    let high = char::from(pair[0]).to_digit(16)?;
                    let low = char::from(pair[1]).to_digit(16)?;
                    *slot = (high * 16 + low) as u8;
                }
                Some(Self(out))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let text: String = self.0.iter().map(|byte| format!("{byte:02x}")).collect();
                f.pad(&text)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                if s.is_human_readable() { s.collect_str(self) } else { s.serialize_bytes(&self.0) }
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                if d.is_human_readable() {
                    let text = String::deserialize(d)?;
                    return Self::parse(&text).ok_or_else(|| serde::de::Error::custom("not a hex id of the right length"));
                }
                struct Bytes;
                impl serde::de::Visitor<'_> for Bytes {
                    type Value = $name;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        write!(f, "{} bytes", $len)
                    }

                    fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<$name, E> {
                        bytes.try_into().map($name).map_err(|_| E::invalid_length(bytes.len(), &self))
                    }
                }
                d.deserialize_bytes(Bytes)
            }
        }
    };
}

bytes_id! {
    /// SHA-256.
    Hash, 32
}
bytes_id! {
    /// Our name for one order, derived from the signal (design §3.2).
    OrderId, 16
}
bytes_id! {
    /// Which log a record belongs to; made once, when the log is created.
    LogId, 16
}

impl Hash {
    /// What the first record of a log chains to.
    pub const ZERO: Self = Self([0; 32]);

    pub fn from_digest(digest: &ring::digest::Digest) -> Self {
        Self(digest.as_ref().try_into().expect("Invariant: SHA-256 has 32 bytes"))
    }

    pub fn short(&self) -> String {
        self.to_string()[..12].to_owned()
    }
}

/// Where and how an engine trades: part of every id and subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    Paper,
    DryRun,
    Demo,
    Live,
}

impl Mode {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Paper => "paper",
            Self::DryRun => "dry-run",
            Self::Demo => "demo",
            Self::Live => "live",
        }
    }

    /// Whether one owner is proven by leases, whose revisions are the epochs of engine and risk consumer.
    pub fn is_leased(self) -> bool {
        matches!(self, Self::Demo | Self::Live)
    }

    /// The mark at the head of each order line: `[PAPER]`.
    pub fn tag(self) -> &'static str {
        match self {
            Self::Paper => "[PAPER]",
            Self::DryRun => "[DRY-RUN]",
            Self::Demo => "[DEMO]",
            Self::Live => "[LIVE]",
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl OrderId {
    /// The same signal asks for the same order, however often it is delivered.
    /// `revision` counts the orders that one signal needs one after the other (the remainders of a close).
    pub fn of(account: &Instance, mode: Mode, signal: &SignalId, leg: u8, revision: u32) -> Self {
        let hash = sha256(&[
            b"arbees order",
            account.as_str().as_bytes(),
            mode.as_str().as_bytes(),
            signal.as_str().as_bytes(),
            &[leg],
            &revision.to_be_bytes(),
        ]);
        Self(hash.0[..16].try_into().expect("Invariant: a hash has 32 bytes"))
    }

    /// Our name for an order that somebody else placed under this account.
    pub fn external(venue: &str, order: &VenueOrderId) -> Self {
        let hash = sha256(&[b"arbees external order", venue.as_bytes(), order.as_str().as_bytes()]);
        Self(hash.0[..16].try_into().expect("Invariant: a hash has 32 bytes"))
    }

    /// Names an order as engines of this kind do (UUID version 5); websites and other programs roll theirs.
    pub fn is_named_like_ours(id: &ClientOrderId) -> bool {
        id.as_str().len() == 36 && id.as_str().as_bytes().get(14) == Some(&b'5')
    }

    /// What the venue sees as our id: UUIDv5 of the order id.
    pub fn client_order_id(&self) -> ClientOrderId {
        let uuid = uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_OID, &self.0);
        let mut buffer = uuid::Uuid::encode_buffer();
        let text: &str = uuid.as_hyphenated().encode_lower(&mut buffer);
        ClientOrderId(text.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_signal_asks_for_the_same_order() {
        let account = Instance::new("main").expect("name");
        let signal = SignalId::new("s-1").expect("id");
        let first = OrderId::of(&account, Mode::Paper, &signal, 0, 0);
        assert_eq!(first, OrderId::of(&account, Mode::Paper, &signal, 0, 0));
        assert_ne!(first, OrderId::of(&account, Mode::Live, &signal, 0, 0));
        assert_ne!(first, OrderId::of(&account, Mode::Paper, &signal, 0, 1));
        assert_eq!(OrderId::parse(&first.to_string()), Some(first));
    }

    #[test]
    fn a_token_is_digits_only() {
        assert!(TokenId::new("71321045679252212594626385532706912750332728571942532289631379312455583992833").is_ok());
        assert!(TokenId::new("7.1e76").is_err());
        assert!(TokenId::new("").is_err());
    }
}
