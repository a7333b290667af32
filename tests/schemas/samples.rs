//! One of everything the log, the risk consumer and the answers can say. Each list is written beside a match without a
//! wildcard: a new variant doesn't compile until it has a sample here.

use arbees::domain::answer::{Answer, AnswerKind};
use arbees::domain::event::{CancelCause, Event, FoundTrade, Holding, Money, NotPlaced, Recorded, Scope};
use arbees::domain::ids::{Hash, Instance, LogId, MarketId, Mode, OrderId, SignalId, TokenId, TradeId, VenueOrderId};
use arbees::domain::limits::Limits;
use arbees::domain::market::{
    BookKey, FeeRate, Instrument, Market, MarketSource, MarketStatus, Outcome, PriceGrid, Quote, Settlement, Venue,
};
use arbees::domain::money::{Edge, Price, Probability, Quantity, Usd};
use arbees::domain::order::{Action, Groups, Order, Stance, TimeInForce};
use arbees::domain::report::{FillReport, FillSource, Liquidity, VenueMode};
use arbees::domain::signed::{SignedOrder, VenueOrderType};
use arbees::domain::time::Time;
use arbees::domain::verdict::{Approver, Check, Coordinates, Failure, Reason, Verdict};
use serde_bytes::ByteBuf;

/// `every!(Type; Variant: sample, ...)`: the samples, and a match that names each variant.
macro_rules! every {
    ($type:ident; $($variant:ident: $($sample:expr),+);+ $(;)?) => {{
        #[allow(dead_code)]
        fn all_are_named(value: &$type) {
            match value { $($type::$variant { .. } => {}),+ }
        }
        vec![$($($sample),+),+]
    }};
}

pub fn time() -> Time {
    Time::parse("2026-01-28T01:14:02.532Z").expect("time").0
}

fn usd(text: &str) -> Usd {
    Usd::parse(text).expect(text)
}

fn price(text: &str) -> Price {
    Price::parse(text).expect(text)
}

fn quantity(text: &str) -> Quantity {
    Quantity::parse(text).expect(text)
}

fn probability(text: &str) -> Probability {
    Probability::parse(text).expect(text)
}

fn market_id(text: &str) -> MarketId {
    MarketId::new(text).expect(text)
}

fn signal_id() -> SignalId {
    SignalId::new("5f0c2b1e-7a44-4c1d-9e0b-000000000001").expect("id")
}

fn order_id() -> OrderId {
    OrderId::of(&Instance::new("main").expect("name"), Mode::Paper, &signal_id(), 0, 0)
}

fn hash() -> Hash {
    arbees::domain::ids::sha256(&[b"sample"])
}

fn bytes() -> ByteBuf {
    ByteBuf::from(vec![0, 127, 255])
}

pub fn modes() -> Vec<Mode> {
    every!(Mode; Paper: Mode::Paper; DryRun: Mode::DryRun; Demo: Mode::Demo; Live: Mode::Live)
}

pub fn venues() -> Vec<Venue> {
    every!(Venue; Kalshi: Venue::Kalshi; Polymarket: Venue::Polymarket; Paper: Venue::Paper)
}

pub fn outcomes() -> Vec<Outcome> {
    every!(Outcome; Yes: Outcome::Yes; No: Outcome::No)
}

pub fn actions() -> Vec<Action> {
    every!(Action; Buy: Action::Buy; Sell: Action::Sell)
}

pub fn tifs() -> Vec<TimeInForce> {
    every!(TimeInForce; Ioc: TimeInForce::Ioc; Fok: TimeInForce::Fok; Gtc: TimeInForce::Gtc; Gtd: TimeInForce::Gtd)
}

pub fn answer_kinds() -> Vec<AnswerKind> {
    use AnswerKind as Kind;
    every!(AnswerKind; Requested: Kind::Requested; Vetoed: Kind::Vetoed; Rejected: Kind::Rejected; Duplicate: Kind::Duplicate; Ignored: Kind::Ignored)
}

fn liquidities() -> Vec<Liquidity> {
    every!(Liquidity; Taker: Liquidity::Taker; Maker: Liquidity::Maker)
}

fn fill_sources() -> Vec<FillSource> {
    every!(FillSource; Venue: FillSource::Venue; Tape: FillSource::Tape { row: 68_080, ts_ms: 1_767_830_400_000 };
        DemoMarket: FillSource::DemoMarket; KalshiBook: FillSource::KalshiBook; PolymarketBook: FillSource::PolymarketBook; SignalQuote: FillSource::SignalQuote)
}

fn approvers() -> Vec<Approver> {
    every!(Approver; Risk: Approver::Risk; ReduceRule: Approver::ReduceRule)
}

fn cancel_causes() -> Vec<CancelCause> {
    every!(CancelCause; Expiry: CancelCause::Expiry; Killed: CancelCause::Killed; Operator: CancelCause::Operator; Breaker: CancelCause::Breaker; OffGrid: CancelCause::OffGrid; Shutdown: CancelCause::Shutdown)
}

fn scopes() -> Vec<Scope> {
    let game = arbees::domain::ids::GameId::new("401584902").expect("game");
    every!(Scope; Global: Scope::Global; Venue: Scope::Venue(Venue::Kalshi); Game: Scope::Game(game); Market: Scope::Market(key()))
}

fn not_placed() -> Vec<NotPlaced> {
    every!(NotPlaced; Withheld: NotPlaced::Withheld("expired before sending".into());
        Absent: NotPlaced::Absent { read_through: time() }; IdBurnt: NotPlaced::IdBurnt { read_through: time() })
}

fn settlements() -> Vec<Settlement> {
    every!(Settlement; Yes: Settlement::Yes; No: Settlement::No; Scalar: Settlement::Scalar(price("0.35")); Void: Settlement::Void)
}

fn statuses() -> Vec<MarketStatus> {
    every!(MarketStatus; Open: MarketStatus::Open; Closed: MarketStatus::Closed; Settled: MarketStatus::Settled)
}

fn market_sources() -> Vec<MarketSource> {
    every!(MarketSource; Venue: MarketSource::Venue; Signal: MarketSource::Signal)
}

fn key() -> BookKey {
    BookKey { venue: Venue::Kalshi, id: market_id("KXNBAGAME-26JAN27PORWAS-POR") }
}

fn fee() -> FeeRate {
    FeeRate::new(70_000, 0)
}

fn instruments() -> Vec<Instrument> {
    let token = TokenId::new("71321045679252212594626385532706912750332728571942532289631379312455583992833").expect("token");
    let condition = market_id("0xdf6b7fa7db0e453c5d91a4d0d71fca52a5455a7ea8d7c8981913981465bab291");
    vec![
        Instrument { venue: Venue::Kalshi, market: key().id, token: None, outcome: Outcome::Yes },
        Instrument { venue: Venue::Polymarket, market: condition, token: Some(token), outcome: Outcome::No },
    ]
}

fn order(instrument: Instrument, action: Action, tif: TimeInForce) -> Order {
    Order {
        order_id: order_id(),
        signal_id: signal_id(),
        revision: 0,
        instrument,
        action,
        quantity: quantity("99"),
        limit: price("0.52"),
        tif,
        expires_at: time(),
        venue_expires_at: time(),
        created_at: None,
        fee: fee(),
        groups: Groups {
            game: arbees::domain::ids::GameId::new("401584902").expect("game"),
            sport: "NBA".into(),
            stance: Stance { subject: "NBA:POR".into(), wins: true, contest: true },
        },
    }
}

fn orders() -> Vec<Order> {
    let mut orders: Vec<Order> = instruments().into_iter().map(|one| order(one, Action::Buy, TimeInForce::Gtd)).collect();
    let first = instruments().remove(0);
    orders.extend(actions().into_iter().map(|action| order(first.clone(), action, TimeInForce::Ioc)));
    orders.extend(tifs().into_iter().map(|tif| order(first.clone(), Action::Buy, tif)));
    orders
}

fn fill(source: FillSource, liquidity: Liquidity) -> Event {
    Event::Filled(FillReport {
        order_id: order_id(),
        trade_id: TradeId::new("t-1").expect("id"),
        instrument: instruments().remove(0),
        action: Action::Buy,
        quantity: quantity("40.5"),
        price: price("0.52"),
        fee: usd("0.71"),
        fee_provisional: false,
        liquidity,
        settled: true,
        venue_at: time(),
        source,
    })
}

fn market(status: MarketStatus, source: MarketSource, close_time: Option<Time>) -> Event {
    let market = Market {
        key: key(),
        status,
        grid: PriceGrid::cents(),
        fee: fee(),
        source,
        close_time,
        condition: None,
        outcome: None,
        quantity_min: Quantity::ZERO,
        notional_min: Usd::ZERO,
    };
    Event::MarketSeen { market: Box::new(market) }
}

/// An outcome token, with everything that may be said of one.
fn token_market() -> Market {
    let instrument = instruments().remove(1);
    Market {
        key: instrument.book_key(),
        status: MarketStatus::Open,
        grid: PriceGrid::uniform(price("0.001")),
        fee: FeeRate { exponent: 2, ..FeeRate::new(50_000, 0) },
        source: MarketSource::Venue,
        close_time: None,
        condition: Some(instrument.market),
        outcome: Some(instrument.outcome),
        quantity_min: quantity("5"),
        notional_min: usd("1"),
    }
}

fn signed(order_type: VenueOrderType) -> SignedOrder {
    let address = "0xAbcdef0123456789aBCDef0123456789ABCDEF01";
    SignedOrder {
        venue_order_id: VenueOrderId::new(&format!("0x{}", "5a".repeat(32))).expect("id"),
        exchange: address.to_lowercase().into(),
        salt: 9_007_199_254_740_991,
        maker: address.into(),
        signer: address.into(),
        token: instruments().remove(1).token.expect("token"),
        maker_amount: 51_480_000,
        taker_amount: 99_000_000,
        action: Action::Buy,
        signature_type: 3,
        timestamp_ms: 1_769_562_842_532,
        expiration: 1_769_563_200,
        order_type,
        post_only: false,
        sealed_signature: bytes(),
    }
}

fn limits() -> Limits {
    arbees::config::from_sources(&arbees::config::Variables::new(), None).expect("defaults").limits
}

fn failure() -> Failure {
    Failure { reason: Reason::GameExposure, observed: "120".into(), limit: "100".into() }
}

/// At least one of every event, and one for every word inside it.
pub fn events() -> Vec<Event> {
    let trade_id = || TradeId::new("t-1").expect("id");
    let mut events = every!(Event;
        SessionStarted: Event::SessionStarted { version: "0.1.0".into(), config_hash: hash(), instance: "main".into() };
        SessionEnded: Event::SessionEnded { clean: true };
        LimitsLoaded: Event::LimitsLoaded { limits: Box::new(limits()) };
        TradingDayStarted: Event::TradingDayStarted { day: 20_481, equity: usd("1000.25") };
        Heartbeat: Event::Heartbeat { asked_through: 7, open_requests: vec![order_id()] };
        SignalRejected:
            Event::SignalRejected { signal_id: Some(signal_id()), content_hash: hash(), reason: Some(Reason::SchemaUnknown),
                error: "`schema` = \"2\": only 1 is known".into(), subject: "signals.kalshi".into(), stream_seq: 12 },
            Event::SignalRejected { signal_id: None, content_hash: hash(), reason: None, error: "not JSON".into(),
                subject: "signals.kalshi".into(), stream_seq: 0 };
        OrderRequested:
            Event::OrderRequested { order_id: order_id(), signal_id: signal_id(), content_hash: hash(), request: bytes(),
                order: Some(Box::new(orders().remove(0))) },
            Event::OrderRequested { order_id: order_id(), signal_id: signal_id(), content_hash: hash(), request: bytes(), order: None };
        OrderApproved: Event::OrderApproved { order_id: order_id(), by: Approver::Risk, verdict: bytes(), signature: bytes(), risk_epoch: 3 };
        OrderVetoed: Event::OrderVetoed { order_id: order_id(), failures: vec![failure()], verdict: bytes(), signature: bytes() };
        SubmitStarted: Event::SubmitStarted { order_id: order_id(), attempt: 1, signed: None };
        Redeemed: Event::Redeemed { venue: Venue::Polymarket, market: token_market().key.id, amount: usd("12.5") };
        OrderAcked:
            Event::OrderAcked { order_id: order_id(), venue_order_id: VenueOrderId::new("v-1").expect("id"), venue_at: Some(time()) },
            Event::OrderAcked { order_id: order_id(), venue_order_id: VenueOrderId::new("v-1").expect("id"), venue_at: None };
        OrderRejected: Event::OrderRejected { order_id: order_id(), attempt: 1, code: "insufficient_balance".into(), message: "".into() };
        OrderOutcomeUnknown: Event::OrderOutcomeUnknown { order_id: order_id(), attempt: 1, why: "timeout after 5000 ms".into(), seen: false },
            Event::OrderOutcomeUnknown { order_id: order_id(), attempt: 2, why: "order_already_exists".into(), seen: true };
        OrderNotPlaced: Event::OrderNotPlaced { order_id: order_id(), cause: not_placed().remove(0) };
        Filled: fill(FillSource::Venue, Liquidity::Taker);
        FillSettled: Event::FillSettled { order_id: order_id(), venue: Venue::Polymarket, trade_id: trade_id() };
        FillReversed: Event::FillReversed { order_id: order_id(), venue: Venue::Polymarket, trade_id: trade_id(), why: "FAILED".into() };
        FeeCorrected: Event::FeeCorrected { order_id: order_id(), venue: Venue::Kalshi, trade_id: trade_id(), fee: usd("-0.01") };
        CancelRequested: Event::CancelRequested { order_id: order_id(), why: CancelCause::Expiry };
        OrderCanceled: Event::OrderCanceled { order_id: order_id(), filled: quantity("40.5"), cause: "expiry".into() };
        OrderExpired: Event::OrderExpired { order_id: order_id(), filled: Quantity::ZERO };
        MarketSeen: market(MarketStatus::Open, MarketSource::Venue, Some(time()));
        MarkTaken:
            Event::MarkTaken { key: key(), quote: Quote { bid: Some(price("0.5")), ask: Some(price("0.52")) }, at: time(), source: MarketSource::Venue },
            Event::MarkTaken { key: key(), quote: Quote { bid: None, ask: None }, at: time(), source: MarketSource::Signal };
        MarketSettled: Event::MarketSettled { venue: Venue::Kalshi, market: key().id, settlement: Settlement::Yes };
        VenueModeChanged: Event::VenueModeChanged { venue: Venue::Kalshi, mode: VenueMode::Reconciling, why: "a new session".into() };
        BalanceSeen: Event::BalanceSeen { venue: Venue::Kalshi, cash: usd("1000.25"), read_through: time() };
        ExternalOrderSeen:
            Event::ExternalOrderSeen { order: Box::new(orders().remove(0)), venue_order_id: VenueOrderId::new("v-2").expect("id") };
        ReconciliationDiverged:
            Event::ReconciliationDiverged { venue: Venue::Kalshi, what: "cash".into(), ours: "$10".into(), theirs: "$9.5".into() };
        OperatorAdjusted:
            Event::OperatorAdjusted { by: "cli".into(), reason: "adopted".into(), holding: Some(Box::new(holding())), money: None,
                counts: false, proof: None },
            Event::OperatorAdjusted { by: "cli".into(), reason: "a fee that no page lists".into(), holding: None,
                money: Some(Money { account: Venue::Kalshi, amount: usd("-0.03") }), counts: true,
                proof: Some("cash: $10 here, $9.97 there".into()) };
        OpeningBalance: Event::OpeningBalance { account: Venue::Paper, cash: usd("1000"), found: None },
            Event::OpeningBalance { account: Venue::Kalshi, cash: usd("1000"), found: Some(vec![found_trade()]) };
        CashCounted:
            Event::CashCounted { venue: Venue::Kalshi, day: 20_481, ours: usd("1000.25"), theirs: usd("1000.24"), read_through: time() };
        CashMoved: Event::CashMoved { account: Venue::Paper, id: "".into(), amount: usd("-12.345678"), why: "withdrawn".into() },
            Event::CashMoved { account: Venue::Kalshi, id: "d-1".into(), amount: usd("5"), why: "deposit".into() };
        BreakerTripped: Event::BreakerTripped { scope: Scope::Global, reason: Reason::DailyLoss, observed: "-500".into(), limit: "-500".into() };
        BreakerProbing: Event::BreakerProbing { scope: Scope::Global };
        BreakerReset: Event::BreakerReset { scope: Scope::Global, by: "ops".into(), reason: "looked into".into() };
        KillSet: Event::KillSet { by: "cli".into(), reason: "drill".into() };
        KillCleared: Event::KillCleared { by: "cli".into(), reason: "over".into() };
    );
    events.extend(orders().into_iter().map(|order| Event::OrderRequested {
        order_id: order_id(),
        signal_id: signal_id(),
        content_hash: hash(),
        request: bytes(),
        order: Some(Box::new(order)),
    }));
    let approved = |by| Event::OrderApproved { order_id: order_id(), by, verdict: bytes(), signature: bytes(), risk_epoch: 0 };
    events.extend(approvers().into_iter().map(approved));
    events.extend(not_placed().into_iter().map(|cause| Event::OrderNotPlaced { order_id: order_id(), cause }));
    events.extend(fill_sources().into_iter().map(|source| fill(source, Liquidity::Taker)));
    events.extend(liquidities().into_iter().map(|liquidity| fill(FillSource::Venue, liquidity)));
    events.extend(cancel_causes().into_iter().map(|why| Event::CancelRequested { order_id: order_id(), why }));
    events.extend(statuses().into_iter().map(|status| market(status, MarketSource::Signal, None)));
    events.extend(market_sources().into_iter().map(|source| market(MarketStatus::Open, source, None)));
    let settled = |(venue, settlement)| Event::MarketSettled { venue, market: key().id, settlement };
    events.extend(settlements().into_iter().map(|settlement| settled((Venue::Kalshi, settlement))));
    events.extend(venues().into_iter().map(|venue| settled((venue, Settlement::Void))));
    let modes = [VenueMode::Off, VenueMode::Open, VenueMode::CloseOnly, VenueMode::CancelOnly, VenueMode::PostOnly, VenueMode::Halted];
    events.extend(modes.map(|mode| Event::VenueModeChanged { venue: Venue::Kalshi, mode, why: "".into() }));
    events.push(Event::MarketSeen { market: Box::new(token_market()) });
    let mut timed = order(instruments().remove(1), Action::Buy, TimeInForce::Gtd);
    timed.created_at = Some(time());
    events.push(Event::ExternalOrderSeen { order: Box::new(timed), venue_order_id: VenueOrderId::new("v-3").expect("id") });
    let types = [VenueOrderType::Gtc, VenueOrderType::Gtd, VenueOrderType::Fok, VenueOrderType::Fak];
    let sent = |order_type| Event::SubmitStarted { order_id: order_id(), attempt: 1, signed: Some(Box::new(signed(order_type))) };
    events.extend(types.map(sent));
    let tripped = |scope| Event::BreakerTripped { scope, reason: Reason::DailyLoss, observed: "".into(), limit: "".into() };
    events.extend(scopes().into_iter().map(tripped));
    events
}

pub fn holding() -> Holding {
    let order = orders().remove(0);
    Holding { instrument: order.instrument, groups: order.groups, quantity: quantity("12.5"), cost: usd("6.25") }
}

fn found_trade() -> FoundTrade {
    FoundTrade { key: key(), trade_id: TradeId::new("t-1").expect("id"), venue_order_id: VenueOrderId::new("v-3").expect("id") }
}

/// An event in its place.
pub fn recorded(event: Event) -> Recorded {
    Recorded { seq: 12, epoch: 1, recorded_at: time(), correlation: event.order_id(), causation_seq: 11, event }
}

pub fn verdicts() -> Vec<Verdict> {
    let check = |(reason, _): &(Reason, &str)| Check::new(*reason, *reason != Reason::Cash, "120", "100");
    let verdict = |mode| Verdict {
        request_hash: hash(),
        order_id: order_id(),
        at: Coordinates { log_id: LogId([7; 16]), mode, epoch: 1, seq: 11, hash: Hash::ZERO },
        risk_epoch: 1,
        decided_at: time(),
        lives_ms: 1_000,
        approved: false,
        checks: Reason::ALL.iter().map(check).collect(),
    };
    let mut verdicts: Vec<Verdict> = modes().into_iter().map(verdict).collect();
    verdicts.push(Verdict { approved: true, checks: vec![Check::new(Reason::Cash, true, "948.1", "1000")], ..verdict(Mode::Paper) });
    verdicts
}

pub fn answers() -> Vec<Answer> {
    let answer = |kind| Answer {
        answer_id: hash(),
        signal_id: Some(signal_id()),
        answer: kind,
        reasons: Vec::new(),
        error: None,
        order_id: None,
        first_answer: None,
        answered_at: time(),
    };
    let full = |kind| Answer {
        reasons: vec![failure()],
        error: Some("`limit_price` must be a number".to_owned()),
        order_id: Some(order_id()),
        first_answer: Some(kind),
        signal_id: None,
        ..answer(kind)
    };
    answer_kinds().into_iter().map(answer).chain(answer_kinds().into_iter().map(full)).collect()
}

pub fn edge() -> Edge {
    Edge::from_micros(-150_000)
}

pub fn a_probability() -> Probability {
    probability("0.71")
}
