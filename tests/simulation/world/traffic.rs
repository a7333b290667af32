//! What strategies send: opens and closes on a few games at both venues, sometimes twice, sometimes under another name.

use std::cell::RefCell;
use std::collections::BTreeMap;

use arbees::domain::ids::{GameId, MarketId, SignalId, TokenId, sha256};
use arbees::domain::limits::Limits;
use arbees::domain::market::{BookKey, FeeRate, Instrument, Market, MarketSource, MarketStatus, Outcome, PriceGrid, Quote, Venue};
use arbees::domain::money::{Edge, Price, Probability, Quantity, Usd};
use arbees::domain::order::TimeInForce;
use arbees::domain::signal::{Intent, Parsed, Signal, Size};
use arbees::domain::time::Time;
use arbees::engine::{Input, SignalInput};

use super::{Message, Published, START_MS, World};
use crate::faults::Class;
use crate::venue::SimVenue;

/// Each with two teams (Kalshi markets) and one condition (two Polymarket tokens).
pub const GAMES: usize = 4;
pub const FEE: FeeRate = FeeRate::new(70_000, 0);
const TEAMS: [[&str; 2]; GAMES] = [["POR", "WAS"], ["LAL", "BOS"], ["NYK", "MIA"], ["DEN", "UTA"]];

pub fn limits() -> Limits {
    let usd = |t: &str| Usd::parse(t).expect(t);
    let price = |t: &str| Price::parse(t).expect(t);
    Limits {
        bankroll: usd("300"),
        kelly_fraction: Probability::parse("0.25").expect("kelly"),
        order_size_max: usd("30"),
        order_contracts_max: Quantity::whole(60),
        order_contracts_min: Quantity::whole(1),
        safe_price_min: price("0.05"),
        safe_price_max: price("0.95"),
        edge_min: Edge::from_micros(20_000),
        edge_tolerance: Edge::from_micros(30_000),
        probability_min: Probability::parse("0.02").expect("p"),
        probability_max: Probability::parse("0.98").expect("p"),
        book_age_max_ms: 5_000,
        book_distance_max: price("0.1"),
        mark_age_max_ms: 20_000,
        game_exposure_max: usd("45"),
        sport_exposure_max: usd("300"),
        venue_exposure_max: usd("110"),
        total_exposure_max: usd("170"),
        allow_hedging: false,
        duplicate_intent_ms: 0,
        cool_down_win_ms: 0,
        cool_down_loss_ms: 0,
        daily_loss_max: usd("12"),
        orders_per_minute_max: 600,
        orders_per_hour_max: 6_000,
        consecutive_errors_max: 5,
        probe_after_ms: 500,
        unknown_age_max_ms: 600_000,
        unknown_amount_max: usd("1000"),
        day_offset_minutes: 0,
        canary: None,
    }
}

fn market_id(venue: Venue, game: usize, team: u64) -> MarketId {
    let [home, away] = TEAMS[game];
    let text = match venue {
        Venue::Polymarket => format!("0x{:064x}", game + 1),
        _ => format!("KXNBAGAME-26JAN29{home}{away}-{}", TEAMS[game][team as usize]),
    };
    MarketId::new(&text).expect("id")
}

fn token(game: usize, outcome: Outcome) -> TokenId {
    TokenId::new(&format!("{}", 1_000 + 2 * game + usize::from(outcome == Outcome::No))).expect("token")
}

/// What is bought of a game. Of Polymarket's one condition per game the team is the outcome.
pub fn instrument(venue: Venue, game: usize, team: u64, outcome: Outcome) -> Instrument {
    let market = market_id(venue, game, team);
    match venue {
        Venue::Polymarket => {
            let outcome = if team == 0 { outcome } else { outcome.other() };
            Instrument { venue, market, token: Some(token(game, outcome)), outcome }
        }
        _ => Instrument { venue, market, token: None, outcome },
    }
}

/// The books of a game, in order; at Polymarket both tokens come with the first team.
pub fn books(venue: Venue, game: usize, team: u64) -> Vec<BookKey> {
    match (venue, team) {
        (Venue::Polymarket, 0) => [0, 1].map(|team| instrument(venue, game, team, Outcome::Yes).book_key()).into(),
        (Venue::Polymarket, _) => Vec::new(),
        _ => vec![instrument(venue, game, team, Outcome::Yes).book_key()],
    }
}

/// Game and team (or outcome) of a book.
fn place_of(key: &BookKey) -> (usize, u64) {
    thread_local! {
        static PLACES: RefCell<BTreeMap<BookKey, (usize, u64)>> = const { RefCell::new(BTreeMap::new()) };
    }
    PLACES.with_borrow_mut(|places| *places.entry(key.clone()).or_insert_with(|| find_place(key)))
}

fn find_place(key: &BookKey) -> (usize, u64) {
    let all = (0..GAMES).flat_map(|game| (0..2).map(move |team| (game, team)));
    all.into_iter()
        .find(|(game, team)| {
            let one = instrument(key.venue, *game, *team, Outcome::Yes);
            one.book_key() == *key || key.venue == Venue::Polymarket && one.market == key.id
        })
        .unwrap_or_else(|| panic!("no such book: {key}"))
}

/// As the venue describes it: one market, or both tokens of the condition.
pub fn markets_of(key: &BookKey, venue: &SimVenue) -> Vec<Market> {
    let (game, team) = place_of(key);
    let teams = if key.venue == Venue::Polymarket { vec![0, 1] } else { vec![team] };
    let market = |team| {
        let one = instrument(key.venue, game, team, Outcome::Yes);
        let tokens = key.venue == Venue::Polymarket;
        Market {
            key: one.book_key(),
            status: if venue.closed.contains(&one.market) { MarketStatus::Closed } else { MarketStatus::Open },
            grid: PriceGrid::cents(),
            fee: FEE,
            source: MarketSource::Venue,
            close_time: None,
            condition: tokens.then(|| one.market.clone()),
            outcome: tokens.then_some(one.outcome),
            quantity_min: Quantity::whole(if tokens { 5 } else { 1 }),
            notional_min: Usd::ZERO,
        }
    };
    teams.into_iter().map(market).collect()
}

/// Best prices in the terms of the book.
pub fn quote_of(key: &BookKey, prices: &[i64]) -> Quote {
    let (game, team) = place_of(key);
    let middle = if team == 0 { prices[game] } else { 100 - prices[game] };
    Quote { bid: Some(Price::from_micros((middle - 1) * 10_000)), ask: Some(Price::from_micros((middle + 1) * 10_000)) }
}

impl World {
    pub(super) fn plan(&mut self) {
        let arrivals = 60 + self.dice.below(24) as usize;
        let mut at = 400;
        for _ in 0..arrivals {
            let published = self.make_signal(at);
            self.signals.push(published);
            let n = self.signals.len() - 1;
            self.push(at, Message::Deliver(n));
            at += if self.dice.per_mille(400) { self.dice.between(0, 8) } else { self.dice.between(20, 350) };
        }
        self.faults_end = at;
        let crashes = if self.faults.of(Class::EngineCrash) > 0 { 2 + self.dice.below(3) } else { self.dice.below(4) };
        for _ in 0..crashes {
            let when = self.dice.between(500, at);
            self.push(when, Message::CrashEngine);
        }
        if self.faults.of(Class::RiskCrash) > 0 {
            let when = self.dice.between(500, at);
            self.push(when, Message::CrashRisk);
        }
    }

    fn make_signal(&mut self, at: i64) -> Published {
        let n = self.signals.len();
        // Another content under an id that was used.
        let conflicts = n > 3 && self.dice.per_mille(20);
        let id = if conflicts { format!("s{}", self.dice.below(n as u64 / 2)) } else { format!("s{n}") };
        let venue = if self.dice.per_mille(550) { Venue::Kalshi } else { Venue::Polymarket };
        let (game, team) = (self.dice.below(GAMES as u64) as usize, self.dice.below(2));
        let closes = n > 14 && self.dice.per_mille(180);
        // Mostly one side of each game: the other one is refused while this is held.
        let first = (closes || self.dice.per_mille(900)) == (game % 2 == 0);
        let side = match venue {
            Venue::Kalshi => {
                if first == (team == 0) {
                    Outcome::Yes
                } else {
                    Outcome::No
                }
            }
            _ => Outcome::Yes,
        };
        let team = if venue == Venue::Kalshi { team } else { u64::from(!first) };
        let instrument = instrument(venue, game, team, side);
        let side = instrument.outcome;
        let cents = self.dice.between(25, 70);
        let limit = Price::from_micros(cents * 10_000);
        let created = Time::from_ms(START_MS + at);
        let life = self.dice.between(600, 5_000);
        let tif = [None, Some(TimeInForce::Ioc), Some(TimeInForce::Fok), Some(TimeInForce::Gtd), Some(TimeInForce::Gtc)];
        let tif = tif[self.dice.below(5) as usize];
        let contracts = Size::Contracts(Quantity::whole(self.dice.between(1, 45)));
        let win = Probability::from_micros((limit.micros() + 150_000).min(970_000));
        let yes = |price: Price| if side == Outcome::Yes { price } else { price.complement() };
        let (bid, ask) = (yes(limit), yes(Price::from_micros(limit.micros() + 10_000)));
        let alias = if self.dice.per_mille(50) { "-again" } else { "" };
        let signal = Signal {
            signal_id: SignalId::new(&id).expect("id"),
            venue,
            intent: match closes {
                false => Intent::Open,
                true if self.dice.per_mille(500) => Intent::Close,
                true => Intent::Reduce,
            },
            market_id: Some(instrument.market),
            token_id: instrument.token,
            side: Some(side),
            limit_price: Some(if closes { Price::from_micros(50_000) } else { limit }),
            ambiguous_price: false,
            size: (closes || self.dice.per_mille(650)).then_some(contracts),
            tif,
            model_prob: Some(if side == Outcome::Yes { win } else { win.complement() }),
            declared_edge: None,
            quote: Quote { bid: Some(bid.min(ask)), ask: Some(bid.max(ask)) },
            price_ts: Some(created),
            liquidity: Some(Quantity::whole(1_000)),
            game_id: Some(GameId::new(&format!("g{game}{alias}")).expect("id")),
            sport: Some("NBA".into()),
            kind: None,
            team: (venue == Venue::Kalshi).then(|| TEAMS[game][team as usize].into()),
            created_at: created,
            expires_at: created.plus_ms(life),
            pair: false,
            notes: BTreeMap::new(),
        };
        Published { signal, acked: false, travels: true, conflicts }
    }

    /// The bus brings this signal, once at a time.
    pub(super) fn bring(&mut self, n: usize, wait: i64) {
        if !std::mem::replace(&mut self.signals[n].travels, true) {
            self.push(wait, Message::Deliver(n));
        }
    }

    pub(super) fn deliver(&mut self, n: usize) {
        self.signals[n].travels = false;
        if self.signals[n].acked && !self.strikes(Class::Redeliver) {
            return;
        }
        let signal = self.signals[n].signal.clone();
        let content_hash = sha256(&[signal.signal_id.as_str().as_bytes(), &[u8::from(self.signals[n].conflicts)]]);
        let earlier = self.earlier(&signal.signal_id);
        let parsed = Ok(Parsed::Signal { signal: Box::new(signal), content_hash, warnings: Vec::new() });
        let input = SignalInput { delivery: n as u64, subject: "signals.kalshi".into(), stream_seq: n as u64, parsed, earlier };
        self.engine_step(Input::Signal(Box::new(input)));
        // The bus comes again until it is acknowledged, and sometimes even then.
        let wait = self.dice.between(700, 1_900);
        if !self.signals[n].acked || self.strikes(Class::Redeliver) {
            self.bring(n, wait);
        }
    }
}
