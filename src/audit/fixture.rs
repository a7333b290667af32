//! A small hand-driven world for tests: engine and risk as in life, a venue that does what it is told, a history in memory.

use std::collections::VecDeque;

use ring::signature::{Ed25519KeyPair, KeyPair};

use super::history::MemoryHistory;
use crate::domain::event::Recorded;
use crate::domain::ids::{Hash, Instance, LogId, Mode, SignalId, TradeId, VenueOrderId, sha256};
use crate::domain::limits::Limits;
use crate::domain::money::{Edge, Price, Probability, Quantity, Usd};
use crate::domain::order::Order;
use crate::domain::report::{CancelOutcome, FillReport, FillSource, Liquidity, SubmitOutcome, VenueNews};
use crate::domain::signal::parse;
use crate::domain::time::{Mono, Now, Time};
use crate::domain::verdict::{SignedVerdict, Verdict};
use crate::engine::{Command, Effect, Engine, Input, Settings, SignalInput, Start};
use crate::projections::Projections;
use crate::risk::{self, Risk};

pub const LOG_ID: LogId = LogId([7; 16]);

/// What the venue does with the next order; without a word it fills all at the limit.
pub enum Reply {
    Fill(&'static str),
    Rest,
    Reject(&'static str),
    Unknown,
}

pub struct World {
    engine: Engine,
    risk: Risk,
    pub risk_silent: bool,
    pub replies: VecDeque<Reply>,
    now: Now,
    key: Ed25519KeyPair,
    records: Vec<Recorded>,
    head: Hash,
    deliveries: u64,
    trades: u64,
}

pub fn account() -> Instance {
    Instance::new("main").expect("name")
}

pub fn signal_id(text: &str) -> SignalId {
    SignalId::new(text).expect(text)
}

fn usd(text: &str) -> Usd {
    Usd::parse(text).expect(text)
}

fn price(text: &str) -> Price {
    Price::parse(text).expect(text)
}

fn limits() -> Limits {
    Limits {
        bankroll: usd("1000"),
        kelly_fraction: Probability::parse("0.25").expect("fraction"),
        order_size_max: usd("100"),
        order_contracts_max: Quantity::whole(99),
        order_contracts_min: Quantity::whole(1),
        safe_price_min: price("0.05"),
        safe_price_max: price("0.95"),
        edge_min: Edge::parse("0.02").expect("edge"),
        edge_tolerance: Edge::parse("0.03").expect("edge"),
        probability_min: Probability::parse("0.01").expect("p"),
        probability_max: Probability::parse("0.99").expect("p"),
        book_age_max_ms: 5_000,
        book_distance_max: price("0.05"),
        mark_age_max_ms: 60_000,
        game_exposure_max: usd("100"),
        sport_exposure_max: usd("500"),
        venue_exposure_max: usd("500"),
        total_exposure_max: usd("500"),
        allow_hedging: false,
        duplicate_intent_ms: 0,
        cool_down_win_ms: 0,
        cool_down_loss_ms: 0,
        daily_loss_max: usd("500"),
        orders_per_minute_max: 100,
        orders_per_hour_max: 1_000,
        consecutive_errors_max: 5,
        probe_after_ms: 60_000,
        unknown_age_max_ms: 60_000,
        unknown_amount_max: usd("100"),
        day_offset_minutes: 0,
        canary: None,
    }
}

impl World {
    pub fn begun() -> Self {
        let key = Ed25519KeyPair::from_seed_unchecked(&[9; 32]).expect("key");
        let settings = Settings {
            account: account(),
            mode: Mode::Paper,
            log_id: LOG_ID,
            risk_public_key: key.public_key().as_ref().to_vec(),
            risk_timeout_ms: 500,
            submit_stale_after_ms: 60_000,
        };
        let (wall, _) = Time::parse("2026-01-28T01:14:02Z").expect("time");
        let mut world = Self {
            engine: Engine::new(settings, Projections::default()),
            risk: Risk::new(Mode::Paper, 1),
            risk_silent: false,
            replies: VecDeque::new(),
            now: Now { wall, mono: Mono(0) },
            key,
            records: Vec::new(),
            head: Hash::ZERO,
            deliveries: 0,
            trades: 0,
        };
        world.risk.step(world.now, risk::Input::Fetched { log_id: LOG_ID, head_seq: 0, from_seq: 1 });
        let start = Start {
            version: "0.0.0".to_owned(),
            config_hash: Hash::ZERO,
            limits: limits(),
            paper_cash: Some(usd("1000")),
            venues: Vec::new(),
            prepares: Vec::new(),
            epoch: None,
            head_hash: Hash::ZERO,
        };
        world.step(Input::Start(Box::new(start)));
        world
    }

    pub fn book(&self) -> &Projections {
        self.engine.book()
    }

    pub fn now(&self) -> Time {
        self.now.wall
    }

    pub fn public_key(&self) -> Vec<u8> {
        self.key.public_key().as_ref().to_vec()
    }

    pub fn history(&self) -> MemoryHistory {
        MemoryHistory::new(self.records.clone())
    }

    /// A YES signal with plenty of edge.
    pub fn open(&mut self, id: &str, market: &str, limit: &str, contracts: u32) {
        self.signal(&format!(r#""signal_id":"{id}","market_id":"{market}","side":"yes","limit_price":"{limit}","size":{contracts},"size_unit":"contracts","model_prob":0.9,"game_id":"g-1","sport":"NBA""#));
    }

    pub fn no(&mut self, id: &str, market: &str, limit: &str, contracts: u32) {
        self.signal(&format!(r#""signal_id":"{id}","market_id":"{market}","side":"no","limit_price":"{limit}","size":{contracts},"size_unit":"contracts","model_prob":0.1,"game_id":"g-1","sport":"NBA""#));
    }

    pub fn close(&mut self, id: &str, market: &str, side: &str, limit: &str) {
        self.signal(&format!(r#""signal_id":"{id}","market_id":"{market}","side":"{side}","action":"close","min_price":"{limit}""#));
    }

    /// The inside of one JSON signal on `signals.kalshi`.
    pub fn signal(&mut self, fields: &str) {
        let raw = format!(r#"{{"schema":1,"created_at":"{}",{fields}}}"#, self.now.wall);
        self.raw("signals.kalshi", raw.as_bytes());
    }

    pub fn raw(&mut self, subject: &str, raw: &[u8]) {
        self.deliveries += 1;
        let input = SignalInput {
            delivery: self.deliveries,
            subject: subject.to_owned(),
            stream_seq: self.deliveries,
            parsed: parse(subject, raw, self.now.wall),
            earlier: None,
        };
        self.step(Input::Signal(Box::new(input)));
    }

    pub fn operator(&mut self, command: Command) {
        self.step(Input::Operator { ticket: 0, by: "test".to_owned(), command });
    }

    pub fn news(&mut self, news: VenueNews) {
        self.step(Input::Venue(Box::new(news)));
    }

    pub fn wait_ms(&mut self, ms: i64) {
        self.now = Now { wall: self.now.wall.plus_ms(ms), mono: self.now.mono.plus_ms(ms) };
        self.step(Input::Tick);
    }

    pub fn step(&mut self, input: Input) {
        let mut todo = VecDeque::from(self.engine.step(self.now, input));
        while let Some(effect) = todo.pop_front() {
            todo.extend(self.carry_out(effect));
        }
    }

    fn carry_out(&mut self, effect: Effect) -> Vec<Effect> {
        match effect {
            Effect::Append(batch) => self.append(batch),
            Effect::AskRisk { order_id, bytes, .. } => {
                let asked = risk::Input::Request { asker: 0, bytes };
                let verdict = if self.risk_silent { None } else { self.risk.step(self.now, asked).into_iter().find_map(verdict_of) };
                let signed = verdict.map(|verdict| SignedVerdict::sign(&verdict, &self.key));
                self.engine.step(self.now, Input::Verdict { order_id, signed })
            }
            Effect::Submit { order, attempt, .. } => self.submit(order.order(), attempt),
            Effect::Cancel { order, .. } => {
                let filled = self.book().orders.get(&order.order_id).map_or(Quantity::ZERO, |record| record.filled);
                let outcome = CancelOutcome::Canceled { filled };
                self.engine.step(self.now, Input::CancelAnswered { order_id: order.order_id, outcome })
            }
            _ => Vec::new(),
        }
    }

    fn append(&mut self, batch: Vec<Recorded>) -> Vec<Effect> {
        for record in batch {
            let prev_hash = self.head;
            self.head = sha256(&[&prev_hash.0, &rmp_serde::to_vec_named(&record).expect("encode")]);
            let input =
                risk::Input::Record { log_id: LOG_ID, mode: Mode::Paper, prev_hash, hash: self.head, recorded: Box::new(record.clone()) };
            self.risk.step(self.now, input);
            self.records.push(record);
        }
        self.engine.step(self.now, Input::Durable { seq: self.records.len() as u64, hash: self.head })
    }

    fn submit(&mut self, order: &Order, attempt: u32) -> Vec<Effect> {
        let order_id = order.order_id;
        let reply = self.replies.pop_front();
        let (outcome, fills) = match reply {
            Some(Reply::Reject(code)) => (SubmitOutcome::Rejected { code: code.to_owned(), message: "refused".to_owned() }, None),
            Some(Reply::Unknown) => (SubmitOutcome::Unknown { why: "timeout".to_owned() }, None),
            Some(Reply::Rest) => (acked(order), None),
            Some(Reply::Fill(quantity)) => (acked(order), Some(Quantity::parse(quantity).expect("quantity"))),
            None => (acked(order), Some(order.quantity)),
        };
        let mut effects = self.engine.step(self.now, Input::Submitted { order_id, attempt, outcome });
        if let Some(quantity) = fills {
            let fill = self.fill_of(order, quantity);
            effects.extend(self.engine.step(self.now, Input::Venue(Box::new(VenueNews::Fill(fill)))));
        }
        effects
    }

    /// At the limit, for two cents.
    pub fn fill_of(&mut self, order: &Order, quantity: Quantity) -> FillReport {
        self.trades += 1;
        FillReport {
            order_id: order.order_id,
            trade_id: TradeId::new(&format!("t-{}", self.trades)).expect("trade"),
            instrument: order.instrument.clone(),
            action: order.action,
            quantity,
            price: order.limit,
            fee: usd("0.02"),
            fee_provisional: false,
            liquidity: Liquidity::Taker,
            settled: true,
            venue_at: self.now.wall,
            source: FillSource::DemoMarket,
        }
    }
}

fn acked(order: &Order) -> SubmitOutcome {
    let name = format!("v-{}", &order.order_id.to_string()[..6]);
    SubmitOutcome::Acked { venue_order_id: VenueOrderId::new(&name).expect("name"), venue_at: None }
}

fn verdict_of(effect: risk::Effect) -> Option<Verdict> {
    match effect {
        risk::Effect::Answer { verdict, .. } => Some(*verdict),
        _ => None,
    }
}
