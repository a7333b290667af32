//! Engine and risk with money at a venue whose orders are signed ahead; the venue is played by the test, call by call.

use arbees::domain::answer::Answer;
use arbees::domain::event::{Event, Recorded};
use arbees::domain::ids::{Hash, Instance, LogId, MarketId, Mode, OrderId, TokenId, TradeId, VenueOrderId, sha256};
use arbees::domain::market::{BookKey, FeeRate, Market, MarketSource, MarketStatus, Outcome, PriceGrid, Venue};
use arbees::domain::matching::Side;
use arbees::domain::money::{Price, Quantity, Usd};
use arbees::domain::order::Order;
use arbees::domain::report::{
    AccountReading, CancelOutcome, Description, FillSettlement, Liquidity, LookUp, SubmitOutcome, VenueFill, VenueNews, VenueOrder,
    VenuePosition, VenueState,
};
use arbees::domain::signal::parse;
use arbees::domain::signed::SignedOrder;
use arbees::domain::time::{Mono, Now, Time};
use arbees::domain::verdict::SignedVerdict;
use arbees::engine::{Effect, Engine, Input, Settings, SignalInput, Start};
use arbees::projections::{OrderRecord, Projections};
use arbees::risk::{self, Risk};
use ring::signature::{Ed25519KeyPair, KeyPair};
use serde_json::{Value, json};

use crate::rows::row_limits;
pub use crate::toy_signature::sign;

pub const AT: &str = "2026-01-28T01:14:02.532Z";
pub const CONDITION: &str = "0x5eed579ff6763914d78a966c83473ba2485ac8910d0a0914eef6d9fe33085de4";
pub const YES: &str = "71321045679252212594626385532706912750332728571942532289631379312455583992563";
pub const NO: &str = "52114319501245915516055106046884209969926127482827954674443846427813813222426";
const LOG_ID: LogId = LogId([9; 16]);
pub const STALE_MS: i64 = 60_000;

/// How the desk answers what is to be signed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Signs {
    AtOnce,
    /// When the test says so.
    Later,
    Never,
}

pub struct Bench {
    pub engine: Engine,
    risk: Risk,
    pub log: Vec<(Recorded, Hash)>,
    pub answers: Vec<Answer>,
    /// What operators were told.
    pub told: Vec<Result<String, String>>,
    /// What is for the venue and not answered yet.
    pub calls: Vec<Effect>,
    pub signs: Signs,
    /// What the venue says of any token or condition.
    pub describes: Result<Vec<Market>, String>,
    key: Ed25519KeyPair,
    now_ms: i64,
    began_ms: i64,
    deliveries: u64,
    trades: u64,
    trips_asked: Vec<Input>,
    depth: u32,
}

pub fn usd(text: &str) -> Usd {
    Usd::parse(text).expect(text)
}

pub fn price(text: &str) -> Price {
    Price::parse(text).expect(text)
}

pub fn q(text: &str) -> Quantity {
    Quantity::parse(text).expect(text)
}

pub fn book(token: &str) -> BookKey {
    BookKey { venue: Venue::Polymarket, id: MarketId::new(token).expect("token") }
}

pub fn token_market(token: &str, outcome: Outcome) -> Market {
    Market {
        key: book(token),
        status: MarketStatus::Open,
        grid: PriceGrid::cents(),
        fee: FeeRate::new(50_000, 0),
        source: MarketSource::Venue,
        close_time: None,
        condition: Some(MarketId::new(CONDITION).expect("id")),
        outcome: Some(outcome),
        quantity_min: Quantity::whole(5),
        notional_min: Usd::whole(1),
    }
}

impl Bench {
    pub fn new() -> Self {
        let mut bench = Self::unopened();
        let reading = bench.reading("1000", &[]);
        bench.news(VenueNews::Account(Box::new(reading)));
        bench
    }

    pub fn unopened() -> Self {
        let key = Ed25519KeyPair::from_seed_unchecked(&[5; 32]).expect("key");
        let began_ms = Time::parse(AT).expect("time").0.ms();
        let mut bench = Self {
            engine: Engine::new(Self::settings(&key), Projections::default()),
            risk: Risk::new(Mode::Live, 1),
            log: Vec::new(),
            answers: Vec::new(),
            told: Vec::new(),
            calls: Vec::new(),
            signs: Signs::AtOnce,
            describes: Ok(vec![token_market(YES, Outcome::Yes), token_market(NO, Outcome::No)]),
            key,
            now_ms: began_ms,
            began_ms,
            deliveries: 0,
            trades: 0,
            trips_asked: Vec::new(),
            depth: 0,
        };
        bench.start();
        bench
    }

    fn settings(key: &Ed25519KeyPair) -> Settings {
        Settings {
            account: Instance::new("main").expect("name"),
            mode: Mode::Live,
            log_id: LOG_ID,
            risk_public_key: key.public_key().as_ref().to_vec(),
            risk_timeout_ms: 300,
            submit_stale_after_ms: STALE_MS,
        }
    }

    fn start(&mut self) {
        let mut limits = row_limits();
        limits.duplicate_intent_ms = 0;
        limits.cool_down_loss_ms = 0;
        limits.cool_down_win_ms = 0;
        limits.canary = None;
        let start = Start {
            version: "test".into(),
            config_hash: Hash::ZERO,
            limits,
            paper_cash: None,
            venues: vec![Venue::Polymarket],
            prepares: vec![Venue::Polymarket],
            epoch: None,
            head_hash: self.log.last().map_or(Hash::ZERO, |(_, hash)| *hash),
        };
        self.step(Input::Start(Box::new(start)));
        let head_seq = self.log.len() as u64;
        self.risk_step(risk::Input::Fetched { log_id: LOG_ID, head_seq, from_seq: 1 });
        self.wait(1_001);
    }

    /// The process dies; the log is all that is left.
    pub fn restart(&mut self) {
        let book = self.folded();
        self.engine = Engine::new(Self::settings(&self.key), book);
        self.calls.clear();
        self.start();
    }

    pub fn folded(&self) -> Projections {
        let mut book = Projections::default();
        for (recorded, _) in &self.log {
            book.fold(recorded).expect("folds");
        }
        book
    }

    pub fn now(&self) -> Now {
        Now { wall: Time::from_ms(self.now_ms), mono: Mono((self.now_ms - self.began_ms) * 1_000_000) }
    }

    pub fn wait(&mut self, ms: i64) {
        let end = self.now_ms + ms;
        while self.now_ms < end {
            let wait = self.engine.next_wake_ms(self.now()).unwrap_or(i64::MAX).clamp(1, 1_000);
            self.now_ms = (self.now_ms + wait).min(end);
            self.step(Input::Tick);
        }
    }

    /// Nobody runs meanwhile.
    pub fn skip(&mut self, ms: i64) {
        self.now_ms += ms;
    }

    pub fn step(&mut self, input: Input) {
        let effects = self.engine.step(self.now(), input);
        self.depth += 1;
        for effect in effects {
            self.carry_out(effect);
        }
        self.depth -= 1;
        while self.depth == 0
            && let Some(trip) = self.trips_asked.pop()
        {
            self.step(trip);
        }
    }

    pub fn news(&mut self, news: VenueNews) {
        self.step(Input::Venue(Box::new(news)));
    }

    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Append(records) => {
                for recorded in records {
                    let prev = self.log.last().map_or(Hash::ZERO, |(_, hash)| *hash);
                    let bytes = rmp_serde::to_vec_named(&recorded).expect("encodes");
                    assert_eq!(rmp_serde::from_slice::<Recorded>(&bytes).expect("decodes"), recorded);
                    let hash = sha256(&[&prev.0, &bytes]);
                    self.log.push((recorded.clone(), hash));
                    let record =
                        risk::Input::Record { log_id: LOG_ID, mode: Mode::Live, prev_hash: prev, hash, recorded: Box::new(recorded) };
                    self.risk_step(record);
                }
                let (last, hash) = self.log.last().expect("appended");
                let (seq, hash) = (last.seq, *hash);
                self.step(Input::Durable { seq, hash });
            }
            Effect::AskRisk { bytes, .. } => self.risk_step(risk::Input::Request { asker: 1, bytes }),
            Effect::Answer { answer, .. } => self.answers.push(*answer),
            Effect::Describe { key } => {
                let found = self.describes.clone().map(|markets| Description { markets });
                self.step(Input::Described { key, found });
            }
            Effect::Prepare { order } => match self.signs {
                Signs::AtOnce => self.step(Input::Prepared { order_id: order.order_id, signed: Ok(Box::new(sign(&order))) }),
                Signs::Never => self.step(Input::Prepared { order_id: order.order_id, signed: Err("the key is locked".into()) }),
                Signs::Later => self.calls.push(Effect::Prepare { order }),
            },
            Effect::Halt { why } => panic!("halted: {why}"),
            Effect::OperatorAnswer { result, .. } => self.told.push(result),
            Effect::Watch { .. } | Effect::DeadLetter { .. } | Effect::GiveBack { .. } => {}
            for_venue => self.calls.push(for_venue),
        }
    }

    fn risk_step(&mut self, input: risk::Input) {
        for effect in self.risk.step(self.now(), input) {
            match effect {
                risk::Effect::Answer { verdict, .. } => {
                    let signed = SignedVerdict::sign(&verdict, &self.key);
                    self.step(Input::Verdict { order_id: verdict.order_id, signed: Some(signed) });
                }
                // Over a bus it comes after the batch that led to it.
                risk::Effect::AskTrip { scope, reason, observed, limit } => {
                    self.trips_asked.push(Input::TripAsked { scope, reason, observed, limit })
                }
                risk::Effect::Fetch { .. } => {}
            }
        }
    }

    /// One signal, changed by `fields`; what became of it.
    pub fn signal(&mut self, id: &str, fields: &[(&str, Value)]) -> Option<Answer> {
        let mut signal = json!({
            "signal_id": id, "game_id": "g-1", "sport": "NBA", "side": "yes", "token_id": YES, "limit_price": "0.52", "model_prob": 0.75,
            "size": 10, "yes_bid": 0.5, "yes_ask": 0.52, "liquidity_available": 1000, "created_at": self.now().wall.to_string(), "price_ts": self.now().wall.to_string(),
        });
        for (name, value) in fields {
            signal[*name] = value.clone();
        }
        let parsed = parse("signals.polymarket", signal.to_string().as_bytes(), self.now().wall);
        self.deliveries += 1;
        let before = self.answers.len();
        let (delivery, subject) = (self.deliveries, "signals.polymarket".to_owned());
        self.step(Input::Signal(Box::new(SignalInput { delivery, subject, stream_seq: delivery, parsed, earlier: None })));
        self.answers.get(before).cloned()
    }

    /// Sent; its order.
    pub fn sent(&mut self, id: &str, fields: &[(&str, Value)]) -> Order {
        let answer = self.signal(id, fields).expect("answered");
        assert_eq!(answer.answer.as_str(), "requested", "{:?}", answer.reasons);
        self.take_submit().0
    }

    pub fn vetoed(&mut self, id: &str, fields: &[(&str, Value)], reason: &str) -> String {
        let answer = self.signal(id, fields).expect("answered");
        let failure = answer.reasons.iter().find(|failure| failure.reason.as_str() == reason);
        failure.unwrap_or_else(|| panic!("{} {:?}, not {reason}", answer.answer.as_str(), answer.reasons)).observed.to_string()
    }

    pub fn take_submit(&mut self) -> (Order, Option<Box<SignedOrder>>, u32) {
        let index = self.calls.iter().position(|call| matches!(call, Effect::Submit { .. })).expect("something is sent");
        match self.calls.remove(index) {
            Effect::Submit { order, signed, attempt, .. } => (order.order().clone(), signed, attempt),
            _ => unreachable!(),
        }
    }

    /// Cancels sent and not answered yet, by the venue's name.
    pub fn take_cancels(&mut self) -> Vec<VenueOrderId> {
        let (cancels, rest) = std::mem::take(&mut self.calls).into_iter().partition(|call| matches!(call, Effect::Cancel { .. }));
        self.calls = rest;
        let name = |call| match call {
            Effect::Cancel { venue_order_id, .. } => venue_order_id.expect("a name"),
            _ => unreachable!(),
        };
        Vec::into_iter(cancels).map(name).collect()
    }

    /// The look-up asked for, by the venue's name; waits for it.
    pub fn take_look_up(&mut self) -> VenueOrderId {
        for _ in 0..20_000 {
            let is_look_up = |call: &Effect| matches!(call, Effect::LookUp { .. });
            if let Some(index) = self.calls.iter().position(is_look_up) {
                let Effect::LookUp { venue_order_id, .. } = self.calls.remove(index) else { unreachable!() };
                return venue_order_id.expect("a name");
            }
            self.wait(1);
        }
        panic!("nothing is looked up");
    }

    pub fn absent(&mut self, order: &Order) {
        let read_through = self.now().wall;
        let found = LookUp::Absent { read_through, nothing_in_flight: false };
        self.step(Input::LookedUp { order_id: order.order_id, begun_at: read_through, found });
    }

    pub fn submitted(&mut self, order: &Order, attempt: u32, outcome: SubmitOutcome) {
        self.step(Input::Submitted { order_id: order.order_id, attempt, outcome });
    }

    pub fn acked(&mut self, order: &Order) {
        let outcome = SubmitOutcome::Acked { venue_order_id: sign(order).venue_order_id, venue_at: None };
        self.submitted(order, 1, outcome);
    }

    pub fn canceled(&mut self, order: &Order, outcome: CancelOutcome) {
        self.step(Input::CancelAnswered { order_id: order.order_id, outcome });
    }

    pub fn trade(&mut self, order: &Order, quantity: &str, at: &str) -> VenueFill {
        self.trades += 1;
        VenueFill {
            trade_id: TradeId::new(&format!("t-{}", self.trades)).expect("id"),
            venue_order_id: sign(order).venue_order_id,
            client_order_id: None,
            key: order.instrument.book_key(),
            side: order.book_side(),
            price: price(at),
            quantity: q(quantity),
            fee: Some(usd("0.01")),
            liquidity: Liquidity::Taker,
            settlement: FillSettlement::Provisional,
            at: self.now().wall,
        }
    }

    pub fn tell(&mut self, fill: &VenueFill, settlement: FillSettlement) {
        self.news(VenueNews::Traded(Box::new(VenueFill { settlement, ..fill.clone() })));
    }

    pub fn list(&mut self, order: &Order, state: VenueState, filled: &str) {
        let listed = VenueOrder {
            venue_order_id: sign(order).venue_order_id,
            client_order_id: None,
            key: order.instrument.book_key(),
            side: order.book_side(),
            price: order.limit,
            quantity: order.quantity,
            filled: q(filled),
            remaining: (order.quantity - q(filled)).or_zero(),
            state,
            cause: None,
            created_at: None,
            expires_at: None,
        };
        self.news(VenueNews::Listed(Box::new(listed)));
    }

    pub fn stranger(&self, token: &str, side: Side) -> VenueOrder {
        VenueOrder {
            venue_order_id: VenueOrderId::new("0xabc").expect("id"),
            client_order_id: None,
            key: book(token),
            side,
            price: price("0.4"),
            quantity: q("7"),
            filled: Quantity::ZERO,
            remaining: q("7"),
            state: VenueState::Resting,
            cause: None,
            created_at: None,
            expires_at: None,
        }
    }

    pub fn reading(&self, cash: &str, positions: &[(&str, &str)]) -> AccountReading {
        let held = |(token, quantity): &(&str, &str)| VenuePosition { key: book(token), signed: q(quantity), cost: Usd::ZERO };
        AccountReading {
            venue: Venue::Polymarket,
            begun_at: self.now().wall,
            read_through: self.now().wall,
            cash: usd(cash),
            positions: positions.iter().map(held).collect(),
            open_orders: Vec::new(),
            fills: Vec::new(),
            settlements: Vec::new(),
            movements: Vec::new(),
        }
    }

    /// Twice: a difference counts when it is seen again.
    pub fn read(&mut self, cash: &str, positions: &[(&str, &str)]) {
        // What moved just now a reading by a clock that differs may not show.
        self.wait(2_100);
        for _ in 0..2 {
            self.wait(10);
            let reading = self.reading(cash, positions);
            self.news(VenueNews::Account(Box::new(reading)));
        }
    }

    pub fn record(&self, order: &Order) -> &OrderRecord {
        self.engine.book().orders.get(&order.order_id).expect("known")
    }

    pub fn state(&self, order: &Order) -> &'static str {
        self.record(order).state.as_str()
    }

    pub fn held(&self, token: &str) -> Quantity {
        self.engine.book().positions.get(&book(token)).map_or(Quantity::ZERO, |position| position.quantity)
    }

    pub fn cash(&self) -> Usd {
        self.engine.book().cash.cash
    }

    pub fn count(&self, name: &str) -> usize {
        self.log.iter().filter(|(recorded, _)| recorded.event.name() == name).count()
    }

    pub fn breakers(&self) -> Vec<String> {
        self.engine.book().breakers.open().map(|(scope, trip)| format!("{scope} {}", trip.reason)).collect()
    }

    pub fn events_of(&self, order_id: OrderId) -> Vec<&Event> {
        self.log.iter().filter(|(r, _)| r.correlation == Some(order_id)).map(|(r, _)| &r.event).collect()
    }

    pub fn assert_replays(&self) {
        assert_eq!(self.folded().state_hash(), self.engine.book().state_hash());
        for (venue, account) in self.engine.book().cash.accounts() {
            assert_eq!(account.today.expected(), account.cash, "every cent of {venue}'s day has a line");
        }
    }

    pub fn token(text: &str) -> TokenId {
        TokenId::new(text).expect("token")
    }
}
