//! From a signal to a request: repeats, conflicts, instrument, price, size, order.

use super::sizing::{self, Sizing};
use super::{Answered, Asked, Deferred, DeliveryId, Effect, Engine, Timer};
use crate::domain::answer::{Answer, AnswerKind};
use crate::domain::event::Event;
use crate::domain::fees;
use crate::domain::ids::{GameId, Hash, MarketId, OrderId, SignalId, TokenId, sha256};
use crate::domain::market::{BookKey, FeeRate, Instrument, MarketSource, Outcome, PriceGrid, Venue};
use crate::domain::money::{Price, Rounding};
use crate::domain::order::{Action, Groups, Order, Stance, TimeInForce};
use crate::domain::planted::{self, Bug};
use crate::domain::signal::{Intent, Parsed, Rejection, Signal};
use crate::domain::teams;
use crate::domain::time::{Now, Time};
use crate::domain::verdict::{Coordinates, Failure, OrderRequest, Reason, RiskRequest};

/// The longest a good-till-cancelled order rests: its venue-side dead-man switch.
const GTC_LIFE_MS: i64 = 24 * 3_600_000;
/// The venue's own expiry lies this much behind ours, so that our cancel comes first.
const VENUE_EXPIRY_MARGIN_MS: i64 = 2_000;

/// Polymarket takes no order that would end sooner: stated, it lies 60 s further and must be 180 s away (`polymarket.md` §2).
/// Ours is cancelled by us before that.
const POLYMARKET_LIFE_MIN_MS: i64 = 125_000;

/// One delivery, read.
#[derive(Clone, Debug)]
pub struct SignalInput {
    pub delivery: DeliveryId,
    pub subject: String,
    pub stream_seq: u64,
    pub parsed: Result<Parsed, Rejection>,
    /// What the on-disk index knows of this signal id.
    pub earlier: Option<Earlier>,
}

/// The first answer to a signal id, from the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Earlier {
    pub content_hash: Hash,
    pub answer: AnswerKind,
    pub order_id: Option<OrderId>,
}

impl Engine {
    pub(super) fn signal(&mut self, now: Now, input: SignalInput, out: &mut Vec<Effect>) {
        if self.halted.is_some() || !self.started || self.draining {
            out.push(Effect::GiveBack { delivery: input.delivery });
            return;
        }
        let Some(input) = self.await_market(now, input, out) else { return };
        match input.parsed {
            Ok(Parsed::Hold { ref signal_id }) => {
                let answer = self.answer(now, signal_id.clone(), AnswerKind::Ignored, Vec::new());
                out.push(Effect::Answer { answer: Box::new(answer), deliveries: vec![input.delivery] });
            }
            Ok(Parsed::Signal { signal, content_hash, warnings }) => {
                self.warnings += warnings.len() as u64;
                let known = self.known(&signal.signal_id, input.earlier);
                match known {
                    None => self.request(now, input.delivery, *signal, content_hash, out),
                    Some(known) => {
                        let id = signal.signal_id.clone();
                        self.repeat(now, input.delivery, (&input.subject, input.stream_seq), id, content_hash, &known, out);
                    }
                }
            }
            Err(rejection) => {
                let known = rejection.signal_id.as_ref().and_then(|id| self.known(id, input.earlier));
                match (known, &rejection.signal_id) {
                    (Some(known), Some(id)) if known.content_hash == rejection.content_hash => {
                        self.duplicate(now, input.delivery, id.clone(), &known, out);
                    }
                    _ => self.reject(now, input.delivery, (&input.subject, input.stream_seq), rejection, out),
                }
            }
        }
    }

    /// A book that is held, worked on or asked about stays in its game: exposure can't be split by renaming it, nor by
    /// taking the other token of a condition.
    pub(super) fn keep_group(&self, order: &mut Order) {
        let key = order.instrument.book_key();
        let Instrument { venue, market, outcome, .. } = &order.instrument;
        let sibling = || self.book.markets.token_of(market, outcome.other()).map(|market| market.key.clone());
        let sibling = if venue.nets_outcomes() { None } else { sibling() };
        let asked = || {
            self.asked
                .values()
                .filter_map(|asked| asked.request.order.as_ref())
                .find(|other| other.instrument.book_key() == key || Some(other.instrument.book_key()) == sibling)
                .map(|other| &other.groups)
        };
        let of_sibling = || sibling.as_ref().and_then(|sibling| self.book.groups_of(sibling));
        if let Some(groups) = self.book.groups_of(&key).or_else(of_sibling).or_else(asked) {
            order.groups.game = groups.game.clone();
            order.groups.sport = groups.sport.clone();
        }
    }

    fn known(&self, signal_id: &SignalId, earlier: Option<Earlier>) -> Option<Answered> {
        if let Some(order_id) = self.asked_signals.get(signal_id) {
            let asked = self.asked.get(order_id)?;
            return Some(Answered { content_hash: asked.content_hash, kind: AnswerKind::Ignored, order_id: Some(*order_id) });
        }
        self.answered.get(signal_id).cloned().or_else(|| {
            earlier.map(|earlier| Answered { content_hash: earlier.content_hash, kind: earlier.answer, order_id: earlier.order_id })
        })
    }

    /// The same id again: the same content waits for or repeats the first answer, other content is a conflict.
    #[allow(clippy::too_many_arguments)] // one delivery and what is known of it
    fn repeat(
        &mut self,
        now: Now,
        delivery: DeliveryId,
        from: (&str, u64),
        id: SignalId,
        content: Hash,
        known: &Answered,
        out: &mut Vec<Effect>,
    ) {
        if known.content_hash != content {
            let error = format!("signal_id \"{id}\" was used before for another content: a new signal needs a new id");
            let rejection = Rejection { signal_id: Some(id), content_hash: content, reason: None, error };
            return self.reject(now, delivery, from, rejection, out);
        }
        if let Some(order_id) = self.asked_signals.get(&id)
            && let Some(asked) = self.asked.get_mut(order_id)
        {
            asked.deliveries.push(delivery);
            return;
        }
        self.duplicate(now, delivery, id, known, out);
    }

    fn duplicate(&mut self, now: Now, delivery: DeliveryId, id: SignalId, known: &Answered, out: &mut Vec<Effect>) {
        let mut answer = self.answer(now, Some(id), AnswerKind::Duplicate, Vec::new());
        answer.first_answer = Some(known.kind);
        answer.order_id = known.order_id;
        // The first answer may be folded and not yet durable: the repeat speaks of it only then.
        self.after(self.book.seq.max(1), Deferred::Effect(Effect::Answer { answer: Box::new(answer), deliveries: vec![delivery] }));
        let (seq, hash) = self.durable;
        self.durable(now, seq, hash, out);
    }

    fn reject(&mut self, now: Now, delivery: DeliveryId, (subject, stream_seq): (&str, u64), rejection: Rejection, out: &mut Vec<Effect>) {
        let Rejection { signal_id, content_hash, reason, error } = rejection;
        let short: String = error.chars().take(512).collect();
        out.push(Effect::DeadLetter { delivery, signal_id: signal_id.clone(), error: short.clone() });
        let event = Event::SignalRejected {
            signal_id: signal_id.clone(),
            content_hash,
            reason,
            error: short.clone().into(),
            subject: subject.chars().take(128).collect::<String>().into(),
            stream_seq,
        };
        let seq = self.append(now, vec![event], out);
        if let Some(id) = &signal_id {
            self.remember(id.clone(), Answered { content_hash, kind: AnswerKind::Rejected, order_id: None });
        }
        let failure = |reason| Failure { reason, observed: short.clone().into(), limit: "see schemas/v1/signal.json".into() };
        let mut answer = self.answer(now, signal_id, AnswerKind::Rejected, reason.into_iter().map(failure).collect());
        answer.answer_id = sha256(&[&answer.answer_id.0, &content_hash.0]);
        answer.error = Some(short);
        self.after(seq, Deferred::Effect(Effect::Answer { answer: Box::new(answer), deliveries: vec![delivery] }));
    }

    pub(super) fn answer(&self, now: Now, signal_id: Option<SignalId>, kind: AnswerKind, reasons: Vec<Failure>) -> Answer {
        let id = signal_id.as_ref().map_or("", |id| id.as_str());
        let answer_id = sha256(&[
            b"arbees answer",
            self.settings.account.as_str().as_bytes(),
            self.settings.mode.as_str().as_bytes(),
            id.as_bytes(),
            kind.as_str().as_bytes(),
        ]);
        Answer { answer_id, signal_id, answer: kind, reasons, error: None, order_id: None, first_answer: None, answered_at: now.wall }
    }

    fn request(&mut self, now: Now, delivery: DeliveryId, signal: Signal, content_hash: Hash, out: &mut Vec<Effect>) {
        let request = self.build(now, signal, 0);
        self.ask(now, request, content_hash, vec![delivery], out);
    }

    /// Puts the request to risk once everything it was built on is durable: risk judges by no more than that, and a close
    /// of what has just been filled, say, must not be judged by an older holding.
    pub(super) fn ask(&mut self, now: Now, request: OrderRequest, content_hash: Hash, deliveries: Vec<DeliveryId>, out: &mut Vec<Effect>) {
        let (order_id, signal_id) = (request.order_id, request.signal.signal_id.clone());
        if !deliveries.is_empty() {
            self.asked_signals.insert(signal_id, order_id);
        }
        let asked = Asked { bytes: Vec::new(), request, content_hash, asked_at: now.mono, deliveries, prepared: None, grant: None };
        self.asked.insert(order_id, asked);
        self.after(self.book.seq, Deferred::Ask { order_id });
        let (seq, hash) = self.durable;
        self.durable(now, seq, hash, out);
    }

    pub(super) fn put_question(&mut self, now: Now, order_id: OrderId, out: &mut Vec<Effect>) {
        let Some(asked) = self.asked.get_mut(&order_id) else { return };
        self.asks += 1;
        let at = Coordinates {
            log_id: self.settings.log_id,
            mode: self.settings.mode,
            epoch: self.epoch,
            seq: self.durable.0,
            hash: self.durable.1,
        };
        let question = RiskRequest { at, ask: self.asks, asked_at: now.wall, request: asked.request.clone() };
        asked.bytes = question.encode();
        asked.asked_at = now.mono;
        let timeout_ms = self.settings.risk_timeout_ms;
        out.push(Effect::AskRisk { order_id, bytes: asked.bytes.clone(), timeout_ms });
        let complete = asked.request.order.as_ref().filter(|_| asked.request.missing.is_empty());
        if let Some(order) = complete.filter(|order| self.preparing.contains(&order.instrument.venue)) {
            out.push(Effect::Prepare { order: Box::new(order.clone()) });
        }
        self.set_timer(now.mono.plus_ms(timeout_ms), Timer::VerdictDue(order_id));
    }

    /// Orders that risk is being asked about: they count as sent when the next one is sized.
    pub(super) fn asked_orders(&self) -> Vec<&Order> {
        self.asked.values().filter_map(|asked| asked.request.order.as_ref()).collect()
    }

    /// The request, as complete as the signal.
    pub(super) fn build(&self, now: Now, signal: Signal, revision: u32) -> OrderRequest {
        let salt = if planted::has(Bug::RandomIds) { self.epoch as u32 * 1_000 } else { 0 };
        let order_id = OrderId::of(&self.settings.account, self.settings.mode, &signal.signal_id, 0, revision + salt);
        let mut missing = missing_parts(&signal);
        let instrument = self.instrument(&signal).unwrap_or_else(|failure| {
            missing.insert(0, failure);
            None
        });
        let market = instrument.as_ref().and_then(|instrument| self.book.markets.get(&instrument.book_key()));
        let fee = market.map_or_else(|| fees::assumed_rate(signal.venue, signal.kind.as_deref()), |market| market.fee);
        let limit = limit(&signal, instrument.as_ref(), market.map(|market| &market.grid));
        let mut order = match (&instrument, limit) {
            (Some(instrument), Some(limit)) => Some(draft(now, &signal, order_id, revision, instrument.clone(), limit, fee)),
            _ => None,
        };
        if let Some(order) = &mut order {
            self.keep_group(order);
        }
        let quantity = match (limit, &mut order) {
            (None, _) => None,
            (Some(limit), None) => sizing::explicit(&signal, limit, fee),
            (Some(_), Some(order)) => {
                let others = self.asked_orders();
                let quantity = Sizing { book: &self.book, signal: &signal, others: &others }.quantity(order);
                order.quantity = quantity.unwrap_or_default();
                quantity
            }
        };
        if signal.intent != Intent::Open && order.as_ref().is_some_and(|order| order.quantity.is_zero()) {
            missing.push(failure(Reason::NothingToClose, "0", "contracts held and not yet being closed"));
        }
        let complete = missing.is_empty() && quantity.is_some();
        // Risk judges a draft as far as it goes; only a complete one can be approved.
        let order = order
            .filter(|_| complete || signal.intent == Intent::Open && instrument.is_some() && quantity.is_some() && signal.side.is_some());
        OrderRequest { order_id, signal, instrument, limit, quantity, order, missing }
    }

    /// What is to be traded, as far as the signal says. Where the venue describes its markets, an outcome token is what the
    /// venue says it is, and never a guess.
    fn instrument(&self, signal: &Signal) -> Result<Option<Instrument>, Failure> {
        let names_something = signal.token_id.is_some() || signal.market_id.is_some();
        if signal.venue != Venue::Polymarket || !names_something {
            return Ok(named_instrument(signal));
        }
        if !self.describing.contains(&Venue::Polymarket) {
            return match &signal.token_id {
                None => Err(failure(Reason::NoInstrument, "a condition id without token_id", "token_id: a token is never guessed")),
                Some(_) => Ok(named_instrument(signal)),
            };
        }
        let Some(side) = signal.side else { return Ok(None) };
        let no = |observed: String| failure(Reason::NoInstrument, &observed, "an outcome token as the venue describes it");
        let market = match (&signal.token_id, &signal.market_id) {
            (Some(token), _) => self.book.markets.get(&token_key(token)),
            (None, Some(condition)) => self.book.markets.token_of(condition, side),
            (None, None) => None,
        };
        let Some(market) = market.filter(|market| market.source == MarketSource::Venue) else {
            let named = signal.token_id.as_ref().map(TokenId::as_str).or(signal.market_id.as_ref().map(MarketId::as_str));
            return Err(no(format!("{}: the venue has described no such token", named.unwrap_or_default())));
        };
        let (Some(condition), Some(outcome), Ok(token)) = (&market.condition, market.outcome, TokenId::new(market.key.id.as_str())) else {
            return Err(no(format!("{}: described without condition and outcome", market.key.id)));
        };
        if outcome != side {
            return Err(no(format!("side {side}, but token {token} is the {outcome} of its market")));
        }
        if signal.market_id.as_ref().is_some_and(|named| named != condition && named.as_str() != token.as_str()) {
            return Err(no(format!("token {token} is of condition {condition}, another than the signal's market_id")));
        }
        Ok(Some(Instrument { venue: Venue::Polymarket, market: condition.clone(), token: Some(token), outcome }))
    }
}

fn token_key(token: &TokenId) -> BookKey {
    BookKey { venue: Venue::Polymarket, id: MarketId::new(token.as_str()).expect("Invariant: a token id is a valid market id") }
}

fn failure(reason: Reason, observed: &str, limit: &str) -> Failure {
    Failure { reason, observed: observed.into(), limit: limit.into() }
}

fn missing_parts(signal: &Signal) -> Vec<Failure> {
    let mut missing = Vec::new();
    if signal.pair {
        missing.push(failure(Reason::PairsNotSupported, "a trade of two legs", "one leg; neither is sent alone"));
    }
    match (signal.venue, &signal.token_id, &signal.market_id) {
        (Venue::Kalshi | Venue::Paper, _, None) | (_, None, None) => {
            missing.push(failure(Reason::NoInstrument, "nothing", "market_id or token_id"))
        }
        _ => {}
    }
    if signal.side.is_none() {
        missing.push(failure(Reason::NoSide, "nothing", "side or direction"));
    }
    if signal.ambiguous_price {
        missing.push(failure(Reason::AmbiguousPrice, "max_price for the no side", "limit_price, or price_terms beside max_price"));
    } else if signal.limit_price.is_none() {
        let names = if signal.intent == Intent::Open { "limit_price, buy_price or max_price" } else { "min_price or limit_price" };
        missing.push(failure(Reason::NoPrice, "nothing", names));
    }
    missing
}

/// As the signal names it, unchecked.
fn named_instrument(signal: &Signal) -> Option<Instrument> {
    let outcome = signal.side?;
    let (market, token) = match signal.venue {
        Venue::Polymarket => {
            let token = signal.token_id.clone()?;
            let by_token = || MarketId::new(token.as_str()).expect("Invariant: a token id is a valid market id");
            (signal.market_id.clone().unwrap_or_else(by_token), Some(token))
        }
        Venue::Kalshi | Venue::Paper => (signal.market_id.clone()?, None),
    };
    Some(Instrument { venue: signal.venue, market, token, outcome })
}

/// On the grid, moved to the passive side: a buy down, a sell up.
fn limit(signal: &Signal, instrument: Option<&Instrument>, grid: Option<&PriceGrid>) -> Option<Price> {
    let price = signal.limit_price.filter(|_| !signal.ambiguous_price)?;
    let cents = PriceGrid::cents();
    let grid = grid.unwrap_or(&cents);
    let down = signal.intent == Intent::Open;
    let flipped = instrument.is_some_and(|instrument| instrument.book_outcome() != instrument.outcome);
    // On the book of the other outcome the grid lies the other way round.
    let snapped = match (down, flipped) {
        (true, false) => grid.snap(price, Rounding::Down),
        (false, false) => grid.snap(price, Rounding::Up),
        (true, true) => grid.snap(price.complement(), Rounding::Up).complement(),
        (false, true) => grid.snap(price.complement(), Rounding::Down).complement(),
    };
    Some(snapped)
}

#[allow(clippy::too_many_arguments)] // the parts of one order
fn draft(now: Now, signal: &Signal, order_id: OrderId, revision: u32, instrument: Instrument, limit: Price, fee: FeeRate) -> Order {
    let (action, tif) = match signal.intent {
        Intent::Open => (Action::Buy, signal.tif.unwrap_or(TimeInForce::Gtd)),
        // A close never rests: what isn't filled at once is asked for again (design §2.4).
        Intent::Close | Intent::Reduce => (Action::Sell, TimeInForce::Ioc),
    };
    let polymarket = signal.venue == Venue::Polymarket;
    let rests_until = if tif == TimeInForce::Gtc { signal.created_at.plus_ms(GTC_LIFE_MS) } else { signal.expires_at };
    Order {
        order_id,
        signal_id: signal.signal_id.clone(),
        revision,
        groups: groups(signal, &instrument),
        instrument,
        action,
        quantity: Default::default(),
        limit,
        tif,
        expires_at: signal.expires_at,
        venue_expires_at: Time::max(rests_until, signal.expires_at).plus_ms(VENUE_EXPIRY_MARGIN_MS).max(now.wall.plus_ms(if polymarket {
            POLYMARKET_LIFE_MIN_MS
        } else {
            0
        })),
        created_at: polymarket.then_some(signal.created_at),
        fee,
    }
}

fn groups(signal: &Signal, instrument: &Instrument) -> Groups {
    let ticker = (signal.venue != Venue::Polymarket).then(|| instrument.market.as_str());
    let subject = teams::contest_subject(signal.sport.as_deref(), signal.team.as_deref(), ticker);
    let stance = Stance {
        contest: subject.is_some(),
        subject: subject.unwrap_or_else(|| instrument.market.to_string()).into(),
        wins: instrument.outcome == Outcome::Yes,
    };
    let game = signal.game_id.clone().unwrap_or_else(|| event_of(instrument));
    Groups { game, sport: signal.sport.clone().unwrap_or_else(|| "other".into()), stance }
}

/// The groups of something that no signal has described.
pub fn plain_groups(instrument: &Instrument) -> Groups {
    let ticker = (instrument.venue != Venue::Polymarket).then(|| instrument.market.as_str());
    let subject = teams::contest_subject(None, None, ticker);
    let stance = Stance {
        contest: subject.is_some(),
        subject: subject.unwrap_or_else(|| instrument.market.to_string()).into(),
        wins: instrument.outcome == Outcome::Yes,
    };
    Groups { game: event_of(instrument), sport: "other".into(), stance }
}

/// The event of a Kalshi ticker is the ticker without its last segment.
fn event_of(instrument: &Instrument) -> GameId {
    let market = instrument.market.as_str();
    let event = match instrument.venue {
        Venue::Polymarket => market,
        Venue::Kalshi | Venue::Paper => market.rsplit_once('-').map_or(market, |(event, _)| event),
    };
    GameId::new(event).or_else(|_| GameId::new(market)).expect("Invariant: a market id is a valid game id")
}
