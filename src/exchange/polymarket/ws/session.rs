//! One WebSocket session without its socket: what it wants, and what it hears (`polymarket.md` §7).

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::super::account::Token;
use super::super::auth::Keys;
use super::super::books;
use super::super::core::{Core, Frames};
use super::super::eip712::Address;
use super::super::notices::{Notice, To};
use crate::exchange::ids::MarketNo;

/// More tokens on one socket, and it gets no snapshots.
const SNAPSHOTS_MAX: usize = 500;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    User,
    Market,
}

/// What a session makes of what its socket says.
#[derive(Clone, Debug, PartialEq)]
pub enum Said {
    Nothing,
    Pong,
    Frames(Vec<Value>),
    /// The venue hangs up.
    End,
}

#[derive(Clone, Debug)]
pub struct Session {
    door: Door,
    /// Of a user's socket, once it has said who it is.
    owner: Option<Address>,
    /// Empty: all of them.
    markets: BTreeSet<MarketNo>,
    tokens: BTreeSet<Token>,
    custom: bool,
    told: u64,
}

impl Session {
    pub fn new(door: Door) -> Self {
        Self { door, owner: None, markets: BTreeSet::new(), tokens: BTreeSet::new(), custom: false, told: 0 }
    }

    pub fn said(&mut self, text: &str, keys: &Keys, core: &Core) -> Said {
        if text == "PING" {
            return Said::Pong;
        }
        let Ok(said) = serde_json::from_str::<Value>(text) else { return Said::Nothing };
        match self.door {
            Door::User => self.user_said(&said, keys, core),
            Door::Market => self.market_said(&said, core),
        }
    }

    fn user_said(&mut self, said: &Value, keys: &Keys, core: &Core) -> Said {
        let markets = said["markets"].as_array().into_iter().flatten();
        let markets: Vec<MarketNo> = markets.filter_map(|name| Some(core.token_called(name.as_str()?)?.market)).collect();
        match said["operation"].as_str() {
            Some("subscribe") if self.owner.is_some() => self.markets.extend(markets),
            Some("unsubscribe") if self.owner.is_some() => self.markets.retain(|market| !markets.contains(market)),
            Some(_) => {}
            None => {
                let auth = |name: &str| said["auth"][name].as_str().unwrap_or_default();
                let Some(key) = keys.credentials(auth("apiKey"), auth("secret"), auth("passphrase")) else { return Said::End };
                self.owner = Some(key.address);
                self.markets = markets.into_iter().collect();
            }
        }
        Said::Nothing
    }

    fn market_said(&mut self, said: &Value, core: &Core) -> Said {
        let named = said["assets_ids"].as_array().into_iter().flatten();
        let tokens: Vec<Token> = named.filter_map(|name| core.token_called(name.as_str()?)).collect();
        if said["operation"].as_str() == Some("unsubscribe") {
            self.tokens.retain(|token| !tokens.contains(token));
            return Said::Nothing;
        }
        self.custom |= said["custom_feature_enabled"].as_bool().unwrap_or(false);
        self.tokens.extend(tokens.iter().copied());
        if self.tokens.len() > SNAPSHOTS_MAX {
            return Said::Nothing;
        }
        Said::Frames(tokens.into_iter().map(|token| books::snapshot(core, token)).collect())
    }

    /// The frame that this session hears of a notice, if it is for it.
    pub fn hear(&self, notice: &Notice) -> Option<Value> {
        let wanted = match &notice.to {
            To::Owner(owner, market) => self.owner == Some(*owner) && (self.markets.is_empty() || self.markets.contains(market)),
            To::Token(token) if notice.channel == "market_resolved" => self.tokens.contains(token) || self.tokens.contains(&token.other()),
            To::Token(token) => self.tokens.contains(token),
            To::All => self.door == Door::Market,
        };
        let custom = !notice.custom || self.custom;
        (wanted && custom).then(|| notice.body.clone())
    }

    /// A frame is an object, or a list of one.
    pub fn wrapped(&mut self, frame: Value, frames: Frames) -> String {
        self.told += 1;
        match frames {
            Frames::Array => json!([frame]).to_string(),
            Frames::Alternating if self.told.is_multiple_of(2) => json!([frame]).to_string(),
            _ => frame.to_string(),
        }
    }
}
