//! What the venue tells its WebSocket sessions.

use serde_json::Value;

use crate::domain::matching::Side;
use crate::domain::money::{Price, Quantity};
use crate::domain::time::Time;
use crate::exchange::ids::{AccountNo, MarketNo};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Channel {
    OrderbookDelta,
    Ticker,
    Trade,
    Fill,
    MarketPositions,
    UserOrders,
    MarketLifecycle,
    MultivariateLifecycle,
    Communications,
    OrderGroupUpdates,
}

impl Channel {
    pub const ALL: [Self; 10] = [
        Self::OrderbookDelta,
        Self::Ticker,
        Self::Trade,
        Self::Fill,
        Self::MarketPositions,
        Self::UserOrders,
        Self::MarketLifecycle,
        Self::MultivariateLifecycle,
        Self::Communications,
        Self::OrderGroupUpdates,
    ];

    /// The names, in the same order.
    pub const NAMES: [&'static str; 10] = {
        let mut names = [""; 10];
        let mut at = 0;
        while at < 10 {
            names[at] = Self::ALL[at].as_str();
            at += 1;
        }
        names
    };

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OrderbookDelta => "orderbook_delta",
            Self::Ticker => "ticker",
            Self::Trade => "trade",
            Self::Fill => "fill",
            Self::MarketPositions => "market_positions",
            Self::UserOrders => "user_orders",
            Self::MarketLifecycle => "market_lifecycle_v2",
            Self::MultivariateLifecycle => "multivariate_market_lifecycle",
            Self::Communications => "communications",
            Self::OrderGroupUpdates => "order_group_updates",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|channel| channel.as_str() == text)
    }

    /// Whether its messages carry `seq` (`kalshi.md` §4).
    pub fn has_seq(self) -> bool {
        matches!(self, Self::OrderbookDelta | Self::Trade | Self::OrderGroupUpdates | Self::MarketLifecycle | Self::MultivariateLifecycle)
    }

    /// Whether a subscription may name markets.
    pub fn takes_markets(self) -> bool {
        matches!(self, Self::OrderbookDelta | Self::Ticker | Self::Trade | Self::Fill | Self::MarketPositions | Self::UserOrders)
    }
}

/// One message before it is addressed to subscriptions.
#[derive(Clone, Debug)]
pub struct Notice {
    pub channel: Channel,
    /// `type` of the message.
    pub kind: &'static str,
    pub market: Option<MarketNo>,
    /// Whose it is, where it isn't everybody's.
    pub account: Option<AccountNo>,
    pub body: Body,
}

#[derive(Clone, Debug)]
pub enum Body {
    Message(Value),
    /// A level's change; in whose terms it is told, the subscription says.
    Level {
        side: Side,
        price: Price,
        change: Quantity,
        owner: AccountNo,
        client_id: String,
        at: Time,
    },
}
