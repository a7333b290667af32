//! Orders as the venue keeps them.

use super::account::Token;
use crate::domain::market::Outcome;
use crate::domain::matching::Side;
use crate::domain::money::{Price, Quantity, Rounding, Usd};
use crate::domain::order::Action;
use crate::domain::time::Time;
pub use crate::exchange::ids::Source;
use crate::exchange::ids::{AccountNo, OrderNo};

/// `orderType`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Gtc,
    Gtd,
    Fok,
    Fak,
}

impl Kind {
    pub const ALL: [Self; 4] = [Self::Gtc, Self::Gtd, Self::Fok, Self::Fak];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Gtc => "GTC",
            Self::Gtd => "GTD",
            Self::Fok => "FOK",
            Self::Fak => "FAK",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    pub fn rests(self) -> bool {
        matches!(self, Self::Gtc | Self::Gtd)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    Live,
    Matched,
    /// Held before it matches; not cancellable.
    Delayed,
    /// Ended otherwise; the word is the wire's: `CANCELED`, `INVALID`, `CANCELED_MARKET_RESOLVED` and so on.
    Ended(String),
}

impl Status {
    pub fn as_str(&self) -> &str {
        match self {
            Self::Live => "LIVE",
            Self::Matched => "MATCHED",
            Self::Delayed => "DELAYED",
            Self::Ended(word) => word,
        }
    }

    pub fn canceled() -> Self {
        Self::Ended("CANCELED".to_owned())
    }
}

/// An order as asked for, already understood.
#[derive(Clone, Debug)]
pub struct NewOrder {
    pub id: String,
    pub account: AccountNo,
    /// The API key it came with.
    pub owner: String,
    pub token: Token,
    pub action: Action,
    /// In the token's own terms: the most that is paid, the least that is taken.
    pub price: Price,
    pub size: Quantity,
    /// FOK and FAK buys spend dollars (`polymarket.md` §0.6).
    pub dollars: Option<Usd>,
    pub kind: Kind,
    /// As stated, in seconds; 0 where there is none.
    pub expiration: i64,
    pub post_only: bool,
    pub source: Source,
}

/// The part of an order that changes; each change is kept for reads that lag.
#[derive(Clone, Debug)]
pub struct View {
    pub status: Status,
    pub left: Quantity,
    pub matched: Quantity,
    /// Price times quantity over its fills, without fees.
    pub value: Usd,
    /// Indexes of its trades.
    pub trades: Vec<usize>,
    pub updated: Time,
}

#[derive(Clone, Debug)]
pub struct Order {
    pub no: OrderNo,
    pub new: NewOrder,
    pub created: Time,
    pub view: View,
    past: Vec<View>,
}

impl Order {
    pub fn new(no: OrderNo, new: NewOrder, now: Time) -> Self {
        let view =
            View { status: Status::Live, left: new.size, matched: Quantity::ZERO, value: Usd::ZERO, trades: Vec::new(), updated: now };
        Self { no, new, created: now, view, past: Vec::new() }
    }

    /// Its side and price in the one book of its market, which is YES's: buying NO at p is selling YES at 1 - p.
    pub fn in_book(&self) -> (Side, Price) {
        in_book(self.new.token.outcome, self.new.action, self.new.price)
    }

    pub fn is_live(&self) -> bool {
        self.view.status == Status::Live
    }

    /// What it holds of its account while it is open: dollars of a buy, shares of a sale.
    pub fn holds(&self) -> (Usd, Quantity) {
        match self.new.action {
            Action::Buy => (self.new.price.times(self.view.left, Rounding::Up), Quantity::ZERO),
            Action::Sell => (Usd::ZERO, self.view.left),
        }
    }

    /// Changes the order; what it was stays readable for reads that lag.
    pub fn change(&mut self, now: Time, how: impl FnOnce(&mut View)) {
        if self.view.updated < now {
            self.past.push(self.view.clone());
        }
        how(&mut self.view);
        self.view.updated = now;
    }

    /// The order as a read at this time sees it; `None` before it existed.
    pub fn seen_at(&self, at: Time) -> Option<&View> {
        if self.view.updated <= at {
            return Some(&self.view);
        }
        self.past.iter().rev().find(|view| view.updated <= at)
    }
}

pub fn in_book(outcome: Outcome, action: Action, price: Price) -> (Side, Price) {
    match (outcome, action) {
        (Outcome::Yes, Action::Buy) => (Side::Bid, price),
        (Outcome::Yes, Action::Sell) => (Side::Ask, price),
        (Outcome::No, Action::Buy) => (Side::Ask, price.complement()),
        (Outcome::No, Action::Sell) => (Side::Bid, price.complement()),
    }
}

pub fn action_word(action: Action) -> &'static str {
    match action {
        Action::Buy => "BUY",
        Action::Sell => "SELL",
    }
}
