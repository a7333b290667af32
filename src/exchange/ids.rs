//! Who and what inside the double: small numbers, given in order.

use std::fmt;

use serde::{Serialize, Serializer};
use uuid::Uuid;

/// What the venue shows of an order, a trade, a market, a user: a UUID.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id(Uuid);

impl Id {
    /// The same bytes give the same id.
    pub fn first(bytes: &[u8]) -> Self {
        Self(Uuid::new_v5(&Uuid::NAMESPACE_URL, bytes))
    }

    pub fn derive(&self, bytes: &[u8]) -> Self {
        Self(Uuid::new_v5(&self.0, bytes))
    }

    pub fn parse(text: &str) -> Option<Self> {
        Uuid::parse_str(text).ok().map(Self)
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl Serialize for Id {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

/// An order, in the order of acceptance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrderNo(pub usize);

/// An account; the crowd is one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountNo(pub usize);

/// A market, in the order of creation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MarketNo(pub usize);

/// Everybody else: trades without limits of money, also with itself.
pub const CROWD: AccountNo = AccountNo(0);

/// Where an order came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    Api,
    /// As if placed on the website with the same account.
    Website,
    Crowd,
}

impl Source {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Website => "website",
            Self::Crowd => "crowd",
        }
    }
}
