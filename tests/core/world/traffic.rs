//! What strategies send: opens and closes on a few games, sometimes under another name of the game.

use std::collections::BTreeMap;

use arbees::domain::ids::{GameId, MarketId, SignalId};
use arbees::domain::market::{Outcome, Quote, Venue};
use arbees::domain::money::{Price, Probability, Quantity};
use arbees::domain::order::TimeInForce;
use arbees::domain::signal::{Intent, Signal, Size};
use arbees::domain::time::Time;

use super::{START_MS, World};

impl World {
    pub(super) fn make_signal(&mut self, at: i64) -> Signal {
        let n = self.signals.len();
        let game = self.dice.below(8);
        let team = self.dice.below(2);
        let alias = if self.dice.per_mille(50) { "-again" } else { "" };
        let closes = self.dice.per_mille(250);
        let side = if self.dice.per_mille(600) { Outcome::Yes } else { Outcome::No };
        let limit = Price::from_micros(self.dice.between(20, 70) * 10_000);
        let created = Time::from_ms(START_MS + at);
        let life = self.dice.between(300, 4_000);
        let tif = [None, Some(TimeInForce::Ioc), Some(TimeInForce::Fok), Some(TimeInForce::Gtd)][self.dice.below(4) as usize];
        let contracts = Size::Contracts(Quantity::whole(self.dice.between(1, 60)));
        let win = Probability::from_micros((limit.micros() + 150_000).min(970_000));
        Signal {
            signal_id: SignalId::new(&format!("s{n}")).expect("id"),
            venue: Venue::Kalshi,
            intent: if !closes {
                Intent::Open
            } else if self.dice.per_mille(500) {
                Intent::Close
            } else {
                Intent::Reduce
            },
            market_id: Some(MarketId::new(&format!("KXTEST-G{game}-T{team}")).expect("id")),
            token_id: None,
            side: Some(side),
            limit_price: Some(if closes { Price::from_micros(50_000) } else { limit }),
            ambiguous_price: false,
            size: (closes || self.dice.per_mille(600)).then_some(contracts),
            tif,
            model_prob: Some(if side == Outcome::Yes { win } else { win.complement() }),
            declared_edge: None,
            quote: Quote { bid: Some(limit), ask: Some(Price::from_micros(limit.micros() + 10_000)) },
            price_ts: Some(created),
            liquidity: None,
            game_id: Some(GameId::new(&format!("g{game}{alias}")).expect("id")),
            sport: Some("TEST".into()),
            kind: None,
            team: None,
            created_at: created,
            expires_at: created.plus_ms(life),
            pair: false,
            notes: BTreeMap::new(),
        }
    }
}
