use std::collections::VecDeque;

use anyhow::Context;
use ring::signature::{Ed25519KeyPair, KeyPair};
use serde_bytes::ByteBuf;

use super::stage::Stage;
use crate::domain::event::{Event, Recorded};
use crate::domain::ids::{GameId, Hash, Instance, LogId, MarketId, Mode, OrderId, SignalId, TradeId, VenueOrderId, sha256};
use crate::domain::market::Instrument;
use crate::domain::order::Order;
use crate::domain::signal::parse;
use crate::domain::time::{Mono, Now, Time};
use crate::domain::verdict::{RiskRequest, SignedVerdict, Verdict, request_hash};
use crate::engine::{Effect, Engine, Input, Settings, SignalInput, Start};
use crate::event_log::{ChainContext, record};
use crate::projections::Projections;
use crate::risk::{self, Risk};
use crate::venues::paper::{PaperExchange, PaperSettings, PaperStart, SignalQuote};

/// Markets that the copies are spread over; two of them make a game.
const MARKETS: u64 = 4_000;
const LOG_ID: LogId = LogId([9; 16]);
/// What stands in the template's names for the number of a market, a game and an order.
const MARKET: &str = "M00000000";
const GAME: &str = "G00000000";
const ORDER: &str = "000000000000";
/// Steps of the template's one order; it needs about a dozen.
const STEPS_MAX: usize = 100;

pub fn context() -> ChainContext {
    ChainContext { log_id: LOG_ID, mode: Mode::Paper }
}

/// A strategy's signal for a market, game and id of its own; a quarter of Kelly makes 99 contracts of it.
pub fn signal(number: u64, now: Time) -> Vec<u8> {
    signal_of(&format!("M{number:08}"), &format!("G{number:08}"), &format!("{number:012}"), now)
}

fn signal_of(market: &str, game: &str, order: &str, now: Time) -> Vec<u8> {
    let signal = serde_json::json!({
        "schema": 1, "signal_id": format!("5f0c2b1e-7a44-4c1d-9e0b-{order}"), "signal_type": "model_edge_yes",
        "game_id": format!("4015{game}"), "sport": "NBA", "direction": "buy", "side": "yes", "action": "open",
        "platform_buy": "kalshi", "market_id": format!("KXNBAGAME-26JAN27{market}-POR"), "limit_price": 0.52, "model_prob": 0.71,
        "market_prob": 0.51, "edge_pct": 15.0, "confidence": 1, "yes_bid": 0.5, "yes_ask": 0.52, "liquidity_available": 310,
        "price_ts": now.to_string(), "reason": "Model YES: 71.0% vs Market YES: 51.0% = 20.0% gross / 15.0% net (Kalshi)",
        "created_at": now.to_string(), "expires_at": now.plus_ms(60_000).to_string(), "model_version": "nba-2026.01.27",
    });
    signal.to_string().into_bytes()
}

/// The limits of an engine that refuses none of the benchmarks' orders.
pub fn generous() -> Vec<(&'static str, String)> {
    let (most, cash) = ("1000000000".to_owned(), "100000000".to_owned());
    let usd = ["MAX_GAME_EXPOSURE", "MAX_SPORT_EXPOSURE", "MAX_VENUE_EXPOSURE", "MAX_TOTAL_EXPOSURE", "MAX_DAILY_LOSS"];
    let mut settings: Vec<(&'static str, String)> = usd.into_iter().map(|name| (name, most.clone())).collect();
    settings.extend([("BANKROLL_USD", cash.clone()), ("PAPER_CASH_USD", cash)]);
    settings.extend([("MAX_ORDERS_PER_MINUTE", "100000".to_owned()), ("MAX_ORDERS_PER_HOUR", "1000000".to_owned())]);
    settings
}

/// One order's records as they really come about, to be copied under other names.
pub struct Records {
    /// The session's start.
    head: Vec<Recorded>,
    /// What a market's first signal adds.
    market: Vec<Event>,
    order: Vec<Event>,
    request: RiskRequest,
    verdict: Verdict,
    at: Time,
}

impl Records {
    /// Errors: the template's order was not approved and filled.
    pub fn new() -> anyhow::Result<Self> {
        let stage = Stage::new()?;
        let limits = stage.config(&generous())?.limits;
        let at = stage.wall();
        let mut rig = Rig::new(at)?;
        let start = Start {
            version: "bench".to_owned(),
            config_hash: Hash::ZERO,
            limits,
            paper_cash: Some(rig.exchange.account().cash()),
            venues: Vec::new(),
            prepares: Vec::new(),
            epoch: None,
            head_hash: Hash::ZERO,
        };
        rig.run(Input::Start(Box::new(start)))?;
        let head = std::mem::take(&mut rig.log);
        let raw = signal_of(MARKET, GAME, ORDER, at);
        let input = SignalInput {
            delivery: 1,
            subject: "signals.kalshi".to_owned(),
            stream_seq: 1,
            parsed: parse("signals.kalshi", &raw, at),
            earlier: None,
        };
        rig.run(Input::Signal(Box::new(input)))?;
        let (order, market): (Vec<Event>, Vec<Event>) =
            rig.log.into_iter().map(|recorded| recorded.event).partition(|event| event.order_id().is_some());
        let names: Vec<&str> = order.iter().map(Event::name).collect();
        anyhow::ensure!(
            names == ["OrderRequested", "OrderApproved", "SubmitStarted", "OrderAcked", "Filled"],
            "the template's order should be approved and filled; its records are {names:?}"
        );
        let request = rig.request.context("Invariant: a requested order was asked about")?;
        let verdict = rig.verdict.context("Invariant: an approved order has a verdict")?;
        Ok(Self { head, market, order, request, verdict, at })
    }

    /// Records of one log, without end: five events an order, and what a market's first order adds.
    pub fn all(&self) -> impl Iterator<Item = Recorded> + '_ {
        let events = (0..).flat_map(|number| self.events_of(number));
        let first = self.head.len() as u64 + 1;
        let orders = (first..).zip(events).map(|(seq, (number, event))| Recorded {
            seq,
            epoch: 1,
            recorded_at: self.at.plus_ms(number as i64),
            correlation: event.order_id(),
            causation_seq: if matches!(event, Event::OrderRequested { .. }) { 0 } else { seq - 1 },
            event,
        });
        self.head.iter().cloned().chain(orders)
    }

    fn events_of(&self, number: u64) -> Vec<(u64, Event)> {
        let copy = Copy::of(self, number);
        let market = if number < MARKETS { self.market.as_slice() } else { &[] };
        market.iter().chain(&self.order).map(|event| (number, copy.event(event))).collect()
    }
}

/// The names of one order, and its request and verdict under them.
struct Copy {
    market: String,
    game: String,
    order: String,
    order_id: OrderId,
    request: ByteBuf,
    verdict: ByteBuf,
}

impl Copy {
    fn of(records: &Records, number: u64) -> Self {
        // Neighbours in time are of different games.
        let market = number.wrapping_mul(2_654_435_761) % MARKETS;
        let order_id = OrderId(*sha256(&[&number.to_be_bytes()]).0.first_chunk().expect("Invariant: a hash has 32 bytes"));
        let mut copy = Self {
            market: format!("M{market:08}"),
            game: format!("G{:08}", market / 2),
            order: format!("{number:012}"),
            order_id,
            request: ByteBuf::new(),
            verdict: ByteBuf::new(),
        };
        let mut request = records.request.clone();
        request.ask = number + 1;
        copy.rename_request(&mut request);
        copy.request = request.encode().into();
        let verdict = Verdict { order_id, request_hash: request_hash(&copy.request), ..records.verdict.clone() };
        copy.verdict = rmp_serde::to_vec_named(&verdict).expect("Invariant: a verdict always encodes").into();
        copy
    }

    fn text(&self, text: &str) -> String {
        text.replace(MARKET, &self.market).replace(GAME, &self.game).replace(ORDER, &self.order)
    }

    fn rename_request(&self, request: &mut RiskRequest) {
        let asked = &mut request.request;
        asked.order_id = self.order_id;
        asked.signal.signal_id = self.signal_id(&asked.signal.signal_id);
        asked.signal.market_id = asked.signal.market_id.as_ref().map(|id| self.market_id(id));
        asked.signal.game_id = asked.signal.game_id.as_ref().map(|id| self.game_id(id));
        asked.instrument.iter_mut().for_each(|instrument| self.rename_instrument(instrument));
        asked.order.iter_mut().for_each(|order| self.rename_order(order));
    }

    fn rename_order(&self, order: &mut Order) {
        order.order_id = self.order_id;
        order.signal_id = self.signal_id(&order.signal_id);
        self.rename_instrument(&mut order.instrument);
        order.groups.game = self.game_id(&order.groups.game);
        order.groups.stance.subject = self.text(&order.groups.stance.subject).into();
    }

    fn rename_instrument(&self, instrument: &mut Instrument) {
        instrument.market = self.market_id(&instrument.market);
    }

    fn signal_id(&self, id: &SignalId) -> SignalId {
        SignalId::new(&self.text(id.as_str())).expect("Invariant: a copy is as long as its template")
    }

    fn market_id(&self, id: &MarketId) -> MarketId {
        MarketId::new(&self.text(id.as_str())).expect("Invariant: a copy is as long as its template")
    }

    fn game_id(&self, id: &GameId) -> GameId {
        GameId::new(&self.text(id.as_str())).expect("Invariant: a copy is as long as its template")
    }

    /// The template's event under this copy's names.
    fn event(&self, event: &Event) -> Event {
        let mut event = event.clone();
        let id = self.order_id;
        match &mut event {
            Event::OrderRequested { order_id, signal_id, request, order, content_hash } => {
                (*order_id, *signal_id, *request) = (id, self.signal_id(signal_id), self.request.clone());
                *content_hash = sha256(&[self.order.as_bytes()]);
                order.iter_mut().for_each(|order| self.rename_order(order));
            }
            Event::OrderApproved { order_id, verdict, .. } => (*order_id, *verdict) = (id, self.verdict.clone()),
            Event::SubmitStarted { order_id, .. } => *order_id = id,
            Event::OrderAcked { order_id, venue_order_id, .. } => {
                *order_id = id;
                *venue_order_id = VenueOrderId::new(&format!("P-{}", self.order)).expect("Invariant: digits make an id");
            }
            Event::Filled(fill) => {
                fill.order_id = id;
                fill.trade_id = TradeId::new(&format!("1-{}", self.order)).expect("Invariant: digits make an id");
                self.rename_instrument(&mut fill.instrument);
            }
            Event::MarketSeen { market } => market.key.id = self.market_id(&market.key.id),
            Event::MarkTaken { key, .. } => key.id = self.market_id(&key.id),
            _ => {}
        }
        event
    }
}

/// Engine, risk consumer and paper exchange without time between them.
struct Rig {
    engine: Engine,
    risk: Risk,
    exchange: PaperExchange,
    key: Ed25519KeyPair,
    now: Now,
    head_hash: Hash,
    log: Vec<Recorded>,
    request: Option<RiskRequest>,
    verdict: Option<Verdict>,
}

impl Rig {
    fn new(at: Time) -> anyhow::Result<Self> {
        let key = Ed25519KeyPair::from_seed_unchecked(&[5; 32]).map_err(|error| anyhow::anyhow!("no key: {error}"))?;
        let settings = Settings {
            account: Instance::new("main").expect("Invariant: main is a name"),
            mode: Mode::Paper,
            log_id: LOG_ID,
            risk_public_key: key.public_key().as_ref().to_vec(),
            risk_timeout_ms: 300,
            submit_stale_after_ms: 60_000,
        };
        let cash = crate::domain::money::Usd::from_micros(100_000_000_000_000);
        let exchange = PaperExchange::new(PaperSettings::default(), PaperStart { session: 1, cash, holdings: Vec::new() });
        let now = Now { wall: at, mono: Mono(0) };
        let mut risk = Risk::new(Mode::Paper, 1);
        risk.step(now, risk::Input::Fetched { log_id: LOG_ID, head_seq: 0, from_seq: 1 });
        let engine = Engine::new(settings, Projections::default());
        Ok(Self { engine, risk, exchange, key, now, head_hash: Hash::ZERO, log: Vec::new(), request: None, verdict: None })
    }

    /// Carries the input and everything that follows from it through to the end.
    fn run(&mut self, input: Input) -> anyhow::Result<()> {
        let mut inputs = VecDeque::from([input]);
        for _ in 0..STEPS_MAX {
            let Some(input) = inputs.pop_front() else { return Ok(()) };
            for effect in self.engine.step(self.now, input) {
                self.carry_out(effect, &mut inputs)?;
            }
        }
        anyhow::bail!("one order took more than {STEPS_MAX} steps")
    }

    fn carry_out(&mut self, effect: Effect, inputs: &mut VecDeque<Input>) -> anyhow::Result<()> {
        match effect {
            Effect::Append(records) => {
                for recorded in records {
                    let prev_hash = self.head_hash;
                    let bytes = record::encode(&recorded, &context(), &prev_hash)?;
                    self.head_hash = record::record_hash(&bytes);
                    inputs.push_back(Input::Durable { seq: recorded.seq, hash: self.head_hash });
                    self.log.push(recorded.clone());
                    let (hash, recorded) = (self.head_hash, Box::new(recorded));
                    self.risk.step(self.now, risk::Input::Record { log_id: LOG_ID, mode: Mode::Paper, prev_hash, hash, recorded });
                }
            }
            Effect::AskRisk { bytes, .. } => {
                self.request = Some(RiskRequest::decode(&bytes)?);
                for effect in self.risk.step(self.now, risk::Input::Request { asker: 1, bytes }) {
                    let risk::Effect::Answer { verdict, .. } = effect else { continue };
                    let signed = SignedVerdict::sign(&verdict, &self.key);
                    inputs.push_back(Input::Verdict { order_id: verdict.order_id, signed: Some(signed) });
                    self.verdict = Some(*verdict);
                }
            }
            Effect::Submit { order, attempt, quote, .. } => {
                let quote = quote.map(|seen| SignalQuote { bid: seen.quote.bid, ask: seen.quote.ask, liquidity: seen.liquidity });
                let (outcome, news) = self.exchange.submit(&order, quote, self.now.wall);
                inputs.push_back(Input::Submitted { order_id: order.order().order_id, attempt, outcome });
                inputs.extend(news.into_iter().map(|one| Input::Venue(Box::new(one))));
            }
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_fold_into_an_order_each_and_fill_it() {
        let records = Records::new().expect("a template");
        let mut book = Projections::default();
        for recorded in records.all().take(5_000) {
            book.fold(&recorded).expect("folds");
        }
        let filled = book.orders.iter().filter(|record| record.filled == record.order.quantity).count();
        assert!(filled > 600 && filled >= book.orders.iter().count() - 1, "{filled} of {}", book.orders.iter().count());
        assert!(book.positions.held().count() > 300);
        assert!(book.exposure.games().count() > 300);
    }
}
