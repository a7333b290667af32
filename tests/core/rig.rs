//! Engine, risk consumer and paper exchange wired without time: every effect is carried out at once.

use std::collections::{BTreeMap, VecDeque};

use arbees::domain::answer::Answer;
use arbees::domain::event::{Event, Recorded};
use arbees::domain::ids::{Hash, Instance, LogId, Mode, SignalId, sha256};
use arbees::domain::limits::Limits;
use arbees::domain::money::Usd;
use arbees::domain::report::VenueNews;
use arbees::domain::signal::parse;
use arbees::domain::time::{Mono, Now, Time};
use arbees::domain::verdict::SignedVerdict;
use arbees::engine::{Command, Earlier, Effect, Engine, Input, Settings, SignalInput, Start};
use arbees::projections::Projections;
use arbees::risk::{self, Risk};
use arbees::venues::paper::{PaperExchange, PaperSettings, PaperStart, SignalQuote, StartHolding};
use ring::signature::{Ed25519KeyPair, KeyPair};

pub struct Rig {
    pub engine: Engine,
    pub risk: Option<Risk>,
    pub exchange: PaperExchange,
    pub log: Vec<(Recorded, Hash)>,
    pub answers: Vec<Answer>,
    pub dead_letters: Vec<String>,
    pub restarts: u64,
    index: BTreeMap<SignalId, Earlier>,
    key: Ed25519KeyPair,
    limits: Limits,
    now_ms: i64,
    began_ms: i64,
    deliveries: u64,
    asker: u64,
    depth: u32,
    later: VecDeque<Input>,
    /// Verdicts on their way, while they are held up.
    held_up: Option<Vec<Input>>,
}

const LOG_ID: LogId = LogId([9; 16]);

impl Rig {
    pub fn new(limits: Limits, at: Time) -> Self {
        let key = Ed25519KeyPair::from_seed_unchecked(&[5; 32]).expect("key");
        let mut rig = Self {
            engine: Engine::new(Self::settings(&key), Projections::default()),
            risk: None,
            exchange: PaperExchange::new(PaperSettings::default(), PaperStart { session: 1, cash: limits.bankroll, holdings: Vec::new() }),
            log: Vec::new(),
            answers: Vec::new(),
            dead_letters: Vec::new(),
            restarts: 0,
            index: BTreeMap::new(),
            key,
            limits,
            now_ms: at.ms(),
            began_ms: at.ms(),
            deliveries: 0,
            asker: 0,
            depth: 0,
            later: VecDeque::new(),
            held_up: None,
        };
        rig.start_risk();
        rig.start_engine();
        rig
    }

    fn settings(key: &Ed25519KeyPair) -> Settings {
        Settings {
            account: Instance::new("main").expect("name"),
            mode: Mode::Paper,
            log_id: LOG_ID,
            risk_public_key: key.public_key().as_ref().to_vec(),
            risk_timeout_ms: 300,
            submit_stale_after_ms: 60_000,
        }
    }

    pub fn now(&self) -> Now {
        Now { wall: Time::from_ms(self.now_ms), mono: Mono((self.now_ms - self.began_ms) * 1_000_000) }
    }

    /// Moves the clock forward, letting timers and the venue's own clock run.
    pub fn at(&mut self, time: Time) {
        while self.now_ms < time.ms() {
            let wait = self.engine.next_wake_ms(self.now()).unwrap_or(i64::MAX).clamp(1, 1_000);
            self.now_ms = (self.now_ms + wait).min(time.ms());
            let news = self.exchange.tick(self.now().wall);
            self.news(news);
            self.step(Input::Tick);
        }
    }

    fn start_engine(&mut self) {
        let head_hash = self.log.last().map_or(Hash::ZERO, |(_, hash)| *hash);
        let start = Start {
            version: "test".into(),
            config_hash: Hash::ZERO,
            limits: self.limits.clone(),
            paper_cash: Some(self.limits.bankroll),
            venues: Vec::new(),
            prepares: Vec::new(),
            epoch: None,
            head_hash,
        };
        self.step(Input::Start(Box::new(start)));
    }

    fn start_risk(&mut self) {
        self.risk = Some(Risk::new(Mode::Paper, 1));
        for index in 0..self.log.len() {
            self.record(index);
        }
        let head_seq = self.log.len() as u64;
        self.risk_step(risk::Input::Fetched { log_id: LOG_ID, head_seq, from_seq: 1 });
    }

    /// The process dies and comes back: only the log survives. Risk waits its second.
    pub fn restart(&mut self) {
        let mut book = Projections::default();
        for (recorded, _) in &self.log {
            book.fold(recorded).expect("folds");
        }
        self.restarts += 1;
        let holdings = book.positions.held().map(|(_, p)| StartHolding {
            instrument: arbees::domain::market::Instrument { outcome: p.outcome(), ..p.instrument.clone() },
            quantity: p.held(),
            cost: p.cost,
        });
        let start = PaperStart { session: book.epoch + 1, cash: book.cash.cash, holdings: holdings.collect() };
        self.exchange = PaperExchange::new(PaperSettings::default(), start);
        self.engine = Engine::new(Self::settings(&self.key), book);
        self.start_engine();
        self.start_risk();
        self.at(Time::from_ms(self.now_ms + 1_001));
    }

    /// Another key, as if a stranger had taken the risk consumer's place.
    pub fn forge(&mut self) {
        self.key = Ed25519KeyPair::from_seed_unchecked(&[6; 32]).expect("key");
    }

    pub fn send(&mut self, subject: &str, raw: &[u8]) -> Answer {
        let before = self.answers.len();
        self.deliver(subject, raw);
        if self.answers.len() == before {
            // Risk was silent: its time runs out.
            self.at(Time::from_ms(self.now_ms + 301));
        }
        assert_eq!(self.answers.len(), before + 1, "one delivery, one answer");
        self.answers.last().expect("answered").clone()
    }

    /// One delivery, answered or not.
    pub fn deliver(&mut self, subject: &str, raw: &[u8]) {
        let parsed = parse(subject, raw, self.now().wall);
        let id = match &parsed {
            Ok(arbees::domain::signal::Parsed::Signal { signal, .. }) => Some(signal.signal_id.clone()),
            Err(rejection) => rejection.signal_id.clone(),
            Ok(_) => None,
        };
        self.deliveries += 1;
        let earlier = id.and_then(|id| self.index.get(&id).copied());
        self.step(Input::Signal(Box::new(SignalInput {
            delivery: self.deliveries,
            subject: subject.into(),
            stream_seq: self.deliveries,
            parsed,
            earlier,
        })));
    }

    /// What risk answers from now on is on its way until [`Self::let_go`].
    pub fn hold_up(&mut self) {
        self.held_up = Some(Vec::new());
    }

    /// Everything that was held up arrives, in its order.
    pub fn let_go(&mut self) {
        for verdict in self.held_up.take().unwrap_or_default() {
            self.step(verdict);
        }
    }

    /// The process comes back with other limits.
    pub fn restart_with(&mut self, limits: Limits) {
        self.limits = limits;
        self.restart();
    }

    pub fn operator(&mut self, command: Command) {
        self.step(Input::Operator { ticket: 1, by: "test".into(), command });
    }

    fn news(&mut self, news: Vec<VenueNews>) {
        for one in news {
            self.step(Input::Venue(Box::new(one)));
        }
    }

    pub fn step(&mut self, input: Input) {
        self.depth += 1;
        let effects = self.engine.step(self.now(), input);
        for effect in effects {
            self.carry_out(effect);
        }
        self.depth -= 1;
        // What risk asks for in the middle of a batch comes after it, as it would over a bus.
        while self.depth == 0
            && let Some(later) = self.later.pop_front()
        {
            self.step(later);
        }
    }

    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Append(records) => {
                for recorded in records {
                    let prev = self.log.last().map_or(Hash::ZERO, |(_, hash)| *hash);
                    let bytes = rmp_serde::to_vec_named(&recorded).expect("encodes");
                    self.index(&recorded);
                    self.log.push((recorded, sha256(&[&prev.0, &bytes])));
                    self.record(self.log.len() - 1);
                }
                let (last, hash) = self.log.last().expect("appended");
                let (seq, hash) = (last.seq, *hash);
                self.step(Input::Durable { seq, hash });
            }
            Effect::AskRisk { bytes, .. } => {
                self.asker += 1;
                let asker = self.asker;
                self.risk_step(risk::Input::Request { asker, bytes });
            }
            Effect::Answer { answer, .. } => self.answers.push(*answer),
            Effect::DeadLetter { error, .. } => self.dead_letters.push(error),
            Effect::Submit { order, attempt, quote, .. } => {
                let quote = quote.map(|seen| SignalQuote { bid: seen.quote.bid, ask: seen.quote.ask, liquidity: seen.liquidity });
                let (outcome, news) = self.exchange.submit(&order, quote, self.now().wall);
                self.step(Input::Submitted { order_id: order.order().order_id, attempt, outcome });
                self.news(news);
            }
            Effect::Cancel { order, .. } => {
                let (outcome, news) = self.exchange.cancel(&order.order_id, self.now().wall);
                self.news(news);
                self.step(Input::CancelAnswered { order_id: order.order_id, outcome });
            }
            Effect::LookUp { order, .. } => {
                let begun_at = self.now().wall;
                let found = self.exchange.look_up(&order, begun_at);
                self.step(Input::LookedUp { order_id: order.order_id, begun_at, found });
            }
            Effect::Restore { order, filled } => {
                let news = self.exchange.restore(&order, filled, self.now().wall);
                self.news(news);
            }
            Effect::MarketEnded { venue, market, settlement } => {
                let news = self.exchange.settle_market(venue, &market, settlement, self.now().wall);
                self.news(news);
            }
            Effect::OperatorAnswer { .. } | Effect::GiveBack { .. } => {}
            Effect::Halt { why } => panic!("halted: {why}"),
            Effect::Watch { .. } => {}
            asked @ (Effect::Prepare { .. } | Effect::Identify { .. } | Effect::Describe { .. } | Effect::Reconcile { .. }) => {
                panic!("not on paper: {asked:?}")
            }
        }
    }

    fn index(&mut self, recorded: &Recorded) {
        use arbees::domain::answer::AnswerKind;
        match &recorded.event {
            Event::OrderRequested { signal_id, order_id, content_hash, .. } => {
                let earlier = Earlier { content_hash: *content_hash, answer: AnswerKind::Requested, order_id: Some(*order_id) };
                self.index.entry(signal_id.clone()).or_insert(earlier);
            }
            Event::SignalRejected { signal_id: Some(signal_id), content_hash, .. } => {
                let earlier = Earlier { content_hash: *content_hash, answer: AnswerKind::Rejected, order_id: None };
                self.index.entry(signal_id.clone()).or_insert(earlier);
            }
            _ => {}
        }
    }

    fn record(&mut self, index: usize) {
        let (recorded, hash) = self.log[index].clone();
        let prev_hash = if index == 0 { Hash::ZERO } else { self.log[index - 1].1 };
        self.risk_step(risk::Input::Record { log_id: LOG_ID, mode: Mode::Paper, prev_hash, hash, recorded: Box::new(recorded) });
    }

    fn risk_step(&mut self, input: risk::Input) {
        let now = self.now();
        let Some(risk) = &mut self.risk else { return };
        let effects = risk.step(now, input);
        for effect in effects {
            match effect {
                risk::Effect::Answer { verdict, .. } => {
                    let signed = SignedVerdict::sign(&verdict, &self.key);
                    let arrived = Input::Verdict { order_id: verdict.order_id, signed: Some(signed) };
                    match &mut self.held_up {
                        Some(held_up) => held_up.push(arrived),
                        None => self.step(arrived),
                    }
                }
                risk::Effect::Fetch { .. } => {}
                risk::Effect::AskTrip { scope, reason, observed, limit } => {
                    self.later.push_back(Input::TripAsked { scope, reason, observed, limit })
                }
            }
        }
    }

    /// The state folded from zero is the living one.
    pub fn assert_replays(&self) {
        let mut book = Projections::default();
        for (recorded, _) in &self.log {
            book.fold(recorded).expect("folds");
        }
        assert_eq!(book.state_hash(), self.engine.book().state_hash());
        assert_eq!(book.cash.cash, self.exchange.account().cash(), "cash as the exchange has it");
        for (_, account) in book.cash.accounts() {
            assert_eq!(account.today.expected(), account.cash, "every cent of the day has a line");
        }
        assert_eq!(book.cash.reserved, Usd::ZERO.max(book.cash.reserved));
    }
}
