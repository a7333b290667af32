//! What a wallet owns: settled balances, what its open orders hold of them, and what trades that are not confirmed will move.

use std::collections::BTreeMap;

use super::eip712::Address;
use crate::domain::market::Outcome;
use crate::domain::money::{Quantity, Usd};
use crate::domain::time::Time;
use crate::exchange::ids::{MarketNo, OrderNo};

/// Versions of balances that a lagging read may still see.
const PAST_MAX: usize = 512;

/// An outcome token: one side of a market.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token {
    pub market: MarketNo,
    pub outcome: Outcome,
}

impl Token {
    pub fn other(self) -> Self {
        Self { outcome: self.outcome.other(), ..self }
    }
}

/// `signatureType` (`polymarket.md` §2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WalletKind {
    Eoa,
    Proxy,
    Safe,
    Deposit,
}

impl WalletKind {
    pub const ALL: [Self; 4] = [Self::Eoa, Self::Proxy, Self::Safe, Self::Deposit];

    pub fn number(self) -> u8 {
        match self {
            Self::Eoa => 0,
            Self::Proxy => 1,
            Self::Safe => 2,
            Self::Deposit => 3,
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Eoa => "eoa",
            Self::Proxy => "proxy",
            Self::Safe => "safe",
            Self::Deposit => "deposit",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// What one side of a trade moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Movement {
    pub token: Token,
    /// Plus comes in; fees are in it.
    pub cash: Usd,
    pub shares: Quantity,
}

#[derive(Clone, Debug, Default)]
pub struct Balances {
    pub cash: Usd,
    pub tokens: BTreeMap<Token, Quantity>,
}

impl Balances {
    pub fn of(&self, token: Token) -> Quantity {
        self.tokens.get(&token).copied().unwrap_or_default()
    }

    fn add(&mut self, movement: &Movement) {
        self.cash += movement.cash;
        *self.tokens.entry(movement.token).or_default() += movement.shares;
    }
}

#[derive(Clone, Debug)]
pub struct Account {
    pub name: String,
    /// Whose key signs.
    pub owner: Address,
    pub wallet: Address,
    pub kind: WalletKind,
    /// False: the maker address that is refused since the deposit wallet flow.
    pub allowed: bool,
    pub banned: bool,
    pub closed_only: bool,
    /// What the exchange may take; absent: everything.
    pub allowance: Option<Usd>,
    pub orders: Vec<OrderNo>,
    pub settled: Balances,
    /// What leaves, and what comes, with trades that are under way.
    pub leaving: Balances,
    pub coming: Balances,
    /// What open orders hold.
    pub held: Balances,
    past: Vec<(Time, Balances)>,
}

impl Account {
    pub fn new(name: &str, owner: Address, wallet: Address, kind: WalletKind) -> Self {
        Self {
            name: name.to_owned(),
            owner,
            wallet,
            kind,
            allowed: true,
            banned: false,
            closed_only: false,
            allowance: None,
            orders: Vec::new(),
            settled: Balances::default(),
            leaving: Balances::default(),
            coming: Balances::default(),
            held: Balances::default(),
            past: Vec::new(),
        }
    }

    /// Puts a trade's movement on its way; `sign` takes it off again.
    pub fn pend(&mut self, movement: &Movement, on: bool) {
        let sign = |micros: i64| if on { micros } else { -micros };
        let of = |out: bool| Movement {
            token: movement.token,
            cash: Usd::from_micros(sign(if out { (-movement.cash).or_zero() } else { movement.cash.or_zero() }.micros())),
            shares: Quantity::from_micros(sign(if out { (-movement.shares).or_zero() } else { movement.shares.or_zero() }.micros())),
        };
        self.leaving.add(&of(true));
        self.coming.add(&of(false));
    }

    pub fn settle(&mut self, movement: &Movement, now: Time) {
        self.change(now, |settled| settled.add(movement));
    }

    /// Changes settled balances; what they were stays readable.
    pub fn change(&mut self, now: Time, how: impl FnOnce(&mut Balances)) {
        if self.past.len() >= PAST_MAX {
            self.past.drain(..PAST_MAX / 2);
        }
        if self.past.is_empty() {
            self.past.push((Time::default(), self.settled.clone()));
        }
        how(&mut self.settled);
        self.past.push((now, self.settled.clone()));
    }

    /// Settled balances as a read at this time sees them.
    pub fn settled_at(&self, at: Time) -> &Balances {
        self.past.iter().rev().find(|(since, _)| *since <= at).or(self.past.first()).map_or(&self.settled, |(_, then)| then)
    }

    /// `maxOrderSize`: the balance less open orders (`polymarket.md` §6), and less what trades under way take of it.
    pub fn free_cash(&self) -> Usd {
        self.settled.cash - self.held.cash - self.leaving.cash
    }

    pub fn free_shares(&self, token: Token) -> Quantity {
        self.settled.of(token) - self.held.of(token) - self.leaving.of(token)
    }

    /// As if every trade under way were confirmed.
    pub fn matched_cash(&self) -> Usd {
        self.settled.cash - self.leaving.cash + self.coming.cash
    }

    pub fn matched_shares(&self, token: Token) -> Quantity {
        self.settled.of(token) - self.leaving.of(token) + self.coming.of(token)
    }
}
