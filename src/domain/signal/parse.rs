//! From bytes to a signal: envelope, aliases, limits.

use std::collections::BTreeMap;

use super::fields::{FieldError, Fields, wrong_type, wrong_value};
use super::names::{KEPT, READ};
use super::value::{Value, decode};
use super::{Intent, LIFE_DEFAULT_MS, Parsed, Rejection, Signal, Size, Warning};
use crate::domain::decimal::Decimal;
use crate::domain::ids::{GameId, Hash, IdError, MarketId, SignalId, TokenId, excerpt, sha256};
use crate::domain::market::{Outcome, Quote, Venue};
use crate::domain::money::{Edge, Price, Probability, Quantity, Rounding, Usd};
use crate::domain::order::TimeInForce;
use crate::domain::time::{Time, Zone};
use crate::domain::verdict::Reason;

/// Longer lives than this are cut: a signal is not a standing order.
const LIFE_MAX_MS: i64 = 24 * 3_600_000;
/// Bytes of notes kept in the log with a signal; the record has to stay below 6 KiB.
const NOTES_BYTES_MAX: usize = 1_024;
const NOTE_BYTES_MAX: usize = 256;

/// Reads a message. `published_at` is the bus's time of it; it stands in for a missing `created_at`.
pub fn parse(subject: &str, raw: &[u8], published_at: Time) -> Result<Parsed, Rejection> {
    let unread = |error: String| Rejection { signal_id: None, content_hash: sha256(&[b"raw", raw]), reason: None, error };
    let tree = decode(raw).map_err(|error| unread(error.to_string()))?;
    let Value::Map(outer) = &tree else { return Err(unread("the message is not a map of names".to_owned())) };
    let payload = match unwrapped(outer) {
        None => &tree,
        Some(inner @ Value::Map(_)) => inner,
        Some(other) => return Err(unread(wrong_type("payload", other, "a map"))),
    };
    let Value::Map(entries) = payload else { return Err(unread("the payload is not a map of names".to_owned())) };
    let reader = Reader { fields: Fields(entries), content_hash: payload.content_hash(), warnings: Vec::new() };
    reader.read(subject, published_at)
}

/// The payload of `{seq, timestamp_ms, source, payload}`.
fn unwrapped(outer: &[(String, Value)]) -> Option<&Value> {
    let fields = Fields(outer);
    let bare = fields.first(&["signal_id", "request_id"]).is_some();
    if bare { None } else { fields.get("payload") }
}

struct Reader<'a> {
    fields: Fields<'a>,
    content_hash: Hash,
    warnings: Vec<Warning>,
}

impl Reader<'_> {
    fn read(mut self, subject: &str, published_at: Time) -> Result<Parsed, Rejection> {
        let signal_id = self.signal_id();
        let known = signal_id.as_ref().ok().cloned().flatten();
        let reject =
            |reason: Option<Reason>, error: String| Rejection { signal_id: known.clone(), content_hash: self.content_hash, reason, error };
        // Of another schema nothing can be read, not even a hold.
        if let Some(other) = self.unknown_schema() {
            return Err(reject(Some(Reason::SchemaUnknown), wrong_value("schema", &other, "only 1 is known")));
        }
        // Hold is decided before required fields.
        match self.is_hold() {
            Ok(true) => return Ok(Parsed::Hold { signal_id: known }),
            Ok(false) => {}
            Err(error) => return Err(reject(None, error)),
        }
        let signal_id = match signal_id {
            Ok(Some(id)) => id,
            Ok(None) => return Err(reject(None, "`signal_id` is missing: without it a repeat can't be told from a new signal".to_owned())),
            Err(error) => return Err(reject(None, error)),
        };
        if let Some(Value::Number(digits)) = self.fields.get("token_id") {
            let error = wrong_value("token_id", digits, "must be sent as text: numbers of that length lose digits on the way");
            return Err(reject(Some(Reason::TokenIdNotString), error));
        }
        match self.signal(signal_id, subject, published_at) {
            Ok(signal) => Ok(Parsed::Signal { signal: Box::new(signal), content_hash: self.content_hash, warnings: self.warnings }),
            Err(error) => Err(Rejection { signal_id: known, content_hash: self.content_hash, reason: None, error }),
        }
    }

    fn signal_id(&self) -> Result<Option<SignalId>, FieldError> {
        let (name, alias) = (id(&self.fields, "signal_id", SignalId::new)?, id(&self.fields, "request_id", SignalId::new)?);
        Ok(name.or(alias))
    }

    fn is_hold(&self) -> Result<bool, FieldError> {
        let hold = |name| Ok::<_, FieldError>(self.fields.word(name)?.is_some_and(|text| text.eq_ignore_ascii_case("hold")));
        Ok(hold("direction")? || hold("side")? || hold("action")?)
    }

    fn unknown_schema(&self) -> Option<String> {
        match self.fields.get("schema")? {
            Value::Number(text) if Decimal::parse(text) == Decimal::parse("1") => None,
            Value::Text(text) if text.trim() == "1" => None,
            other => Some(other.to_text()),
        }
    }

    fn signal(&mut self, signal_id: SignalId, subject: &str, published_at: Time) -> Result<Signal, FieldError> {
        let intent = self.intent()?;
        let side = self.side()?;
        let (limit_price, ambiguous_price) = self.limit_price(intent, side)?;
        let (created_at, expires_at) = self.life(published_at)?;
        let price_ts = self.time("price_ts")?;
        let (sport, kind) = self.sport_and_kind()?;
        let f = &self.fields;
        Ok(Signal {
            signal_id,
            venue: self.venue(subject)?,
            intent,
            market_id: id(f, "market_id", MarketId::new)?,
            token_id: id(f, "token_id", TokenId::new)?,
            side,
            limit_price,
            ambiguous_price,
            size: self.size()?,
            tif: self.tif()?,
            model_prob: self.model_prob(side)?,
            declared_edge: self.declared_edge()?,
            quote: Quote { bid: self.price("yes_bid", Rounding::Down)?, ask: self.price("yes_ask", Rounding::Up)? },
            price_ts,
            liquidity: self.quantity("liquidity_available")?,
            game_id: self.game_id()?,
            sport,
            kind,
            team: self.team()?,
            created_at,
            expires_at,
            pair: self.is_pair()?,
            notes: self.notes(),
        })
    }

    /// The subject's second word and every field that names a venue say the same.
    fn venue(&self, subject: &str) -> Result<Venue, FieldError> {
        let mut said = Venue::parse(subject.split('.').nth(1).unwrap_or("")).map(|venue| ("the subject", venue));
        for name in ["venue", "platform_buy", "platform"] {
            let Some(text) = self.fields.word(name)? else { continue };
            let venue = Venue::parse(text).ok_or_else(|| wrong_value(name, text, "not kalshi, polymarket or paper"))?;
            match said {
                Some((first, other)) if other != venue => return Err(format!("{first} says {other}, `{name}` says {venue}")),
                Some(_) => {}
                None => said = Some((name, venue)),
            }
        }
        let missing = || wrong_value("subject", subject, "neither its second word nor `venue` names kalshi, polymarket or paper");
        said.map(|(_, venue)| venue).ok_or_else(missing)
    }

    fn intent(&self) -> Result<Intent, FieldError> {
        let Some(text) = self.fields.word("action")? else { return Ok(Intent::Open) };
        match text.to_ascii_lowercase().as_str() {
            "open" => Ok(Intent::Open),
            "close" => Ok(Intent::Close),
            "reduce" => Ok(Intent::Reduce),
            _ => Err(wrong_value("action", text, "not open, close or reduce")),
        }
    }

    fn side(&self) -> Result<Option<Outcome>, FieldError> {
        let side = self.outcome("side", &["yes", "buy_yes"], &["no", "buy_no"])?;
        let direction = self.outcome("direction", &["buy", "long", "yes"], &["sell", "short", "no"])?;
        match (side, direction) {
            (Some(side), Some(direction)) if side != direction => Err(format!("`side` says {side}, `direction` says {direction}")),
            _ => Ok(side.or(direction)),
        }
    }

    fn outcome(&self, name: &str, yes: &[&str], no: &[&str]) -> Result<Option<Outcome>, FieldError> {
        let Some(text) = self.fields.word(name)? else { return Ok(None) };
        let among = |words: &[&str]| words.iter().any(|word| text.eq_ignore_ascii_case(word));
        match (among(yes), among(no)) {
            (true, _) => Ok(Some(Outcome::Yes)),
            (_, true) => Ok(Some(Outcome::No)),
            _ => Err(wrong_value(name, text, "neither yes nor no")),
        }
    }

    /// The price in terms of the side, and whether nobody can tell whose it is.
    fn limit_price(&self, intent: Intent, side: Option<Outcome>) -> Result<(Option<Price>, bool), FieldError> {
        let rounding = if intent == Intent::Open { Rounding::Down } else { Rounding::Up };
        let names: &[&'static str] = match intent {
            Intent::Open => &["limit_price", "buy_price", "max_price"],
            Intent::Close | Intent::Reduce => &["min_price", "limit_price", "buy_price", "max_price"],
        };
        for name in ["limit_price", "buy_price", "max_price", "min_price"] {
            self.price(name, rounding)?;
        }
        let terms = self.price_terms(side)?;
        let Some((name, _)) = self.fields.first(names) else { return Ok((None, false)) };
        if terms.is_none() || side.is_none() || terms == side {
            let ambiguous = name == "max_price" && side == Some(Outcome::No) && terms.is_none();
            return Ok((self.price(name, rounding)?, ambiguous));
        }
        let opposite = if rounding == Rounding::Down { Rounding::Up } else { Rounding::Down };
        Ok((self.price(name, opposite)?.map(Price::complement), false))
    }

    /// The outcome in whose terms the price is written, where the signal says so.
    fn price_terms(&self, side: Option<Outcome>) -> Result<Option<Outcome>, FieldError> {
        let Some(text) = self.fields.word("price_terms")? else { return Ok(None) };
        match text.to_ascii_lowercase().as_str() {
            "side" => Ok(side),
            "yes" => Ok(Some(Outcome::Yes)),
            "no" => Ok(Some(Outcome::No)),
            _ => Err(wrong_value("price_terms", text, "not yes, no or side")),
        }
    }

    fn price(&self, name: &str, rounding: Rounding) -> Result<Option<Price>, FieldError> {
        let Some(decimal) = self.fields.number(name)? else { return Ok(None) };
        let price = Price::try_rounded(&decimal, rounding).map_err(|_| wrong_value(name, &decimal.to_string(), "not between 0 and 1"))?;
        Ok(Some(price))
    }

    fn quantity(&self, name: &str) -> Result<Option<Quantity>, FieldError> {
        let Some(decimal) = self.fields.number(name)? else { return Ok(None) };
        let quantity = Quantity::try_rounded(&decimal, Rounding::Down);
        quantity.map(Some).map_err(|_| wrong_value(name, &decimal.to_string(), "not between 0 and 100 million"))
    }

    fn size(&self) -> Result<Option<Size>, FieldError> {
        let suggested = self.usd("suggested_size")?.map(Size::Usd);
        let unit = self.fields.word("size_unit")?.unwrap_or("contracts");
        let size = match unit.to_ascii_lowercase().as_str() {
            "contracts" | "shares" => self.quantity("size")?.map(Size::Contracts),
            "usd" | "dollars" => self.usd("size")?.map(Size::Usd),
            _ => return Err(wrong_value("size_unit", unit, "not contracts or usd")),
        };
        Ok(size.or(suggested))
    }

    fn usd(&self, name: &str) -> Result<Option<Usd>, FieldError> {
        let Some(decimal) = self.fields.number(name)? else { return Ok(None) };
        let usd = Usd::try_rounded(&decimal, Rounding::Down).ok().filter(|usd| *usd >= Usd::ZERO && usd.micros() <= Quantity::MAX_MICROS);
        usd.map(Some).ok_or_else(|| wrong_value(name, &decimal.to_string(), "not between 0 and 100 million"))
    }

    fn tif(&self) -> Result<Option<TimeInForce>, FieldError> {
        let Some(text) = self.fields.word("tif")? else { return Ok(None) };
        TimeInForce::parse(text).map(Some).ok_or_else(|| wrong_value("tif", text, "not ioc, fok, gtc or gtd"))
    }

    /// Rounded so that the side's own probability is never overstated.
    fn model_prob(&self, side: Option<Outcome>) -> Result<Option<Probability>, FieldError> {
        let rounding = if side == Some(Outcome::No) { Rounding::Up } else { Rounding::Down };
        let (model, alias) = (self.probability("model_prob", rounding)?, self.probability("probability", rounding)?);
        // Kept as sent, but what is no probability is a mistake.
        self.probability("market_prob", rounding)?;
        Ok(model.or(alias))
    }

    fn probability(&self, name: &str, rounding: Rounding) -> Result<Option<Probability>, FieldError> {
        let Some(decimal) = self.fields.number(name)? else { return Ok(None) };
        let probability = Probability::try_rounded(&decimal, rounding);
        probability.map(Some).map_err(|_| wrong_value(name, &decimal.to_string(), "not between 0 and 1"))
    }

    fn declared_edge(&self) -> Result<Option<Edge>, FieldError> {
        let Some(points) = self.fields.number("edge_pct")? else { return Ok(None) };
        let edge = Edge::try_rounded(&points.shift_right(2), Rounding::Down);
        edge.map(Some).map_err(|_| wrong_value("edge_pct", &points.to_string(), "not between -10000 and 10000"))
    }

    fn game_id(&self) -> Result<Option<GameId>, FieldError> {
        let (game, event) = (self.group_name("game_id")?, self.group_name("event_id")?);
        Ok(game.or(event))
    }

    /// Some feeds number their games.
    fn group_name(&self, name: &str) -> Result<Option<GameId>, FieldError> {
        let text = match self.fields.get(name) {
            None => return Ok(None),
            Some(Value::Text(text) | Value::Number(text)) => text.trim(),
            Some(other) => return Err(wrong_type(name, other, "text")),
        };
        if text.is_empty() {
            return Ok(None);
        }
        GameId::new(text).map(Some).map_err(|error| wrong_value(name, text, &format!("must be {}", error.rule)))
    }

    fn team(&self) -> Result<Option<Box<str>>, FieldError> {
        let (team, entity) = (self.fields.word("team")?, self.fields.word("entity")?);
        Ok(team.or(entity).map(|text| excerpt(text).into()))
    }

    /// A trade of two legs, or of one that says it is half of two.
    fn is_pair(&self) -> Result<bool, FieldError> {
        let legs = match self.fields.get("legs") {
            None => false,
            Some(Value::List(legs)) => !legs.is_empty(),
            Some(other) => return Err(wrong_type("legs", other, "a list")),
        };
        let (arb_id, policy) = (self.fields.word("arb_id")?, self.fields.word("leg_policy")?);
        Ok(legs || arb_id.is_some() || policy.is_some())
    }

    /// `market_type` wins over `sport`: a crypto market that carries a sport is a crypto market.
    fn sport_and_kind(&self) -> Result<(Kept, Kept), FieldError> {
        let sport = self.fields.word("sport")?.map(|text| excerpt(text).to_ascii_uppercase());
        let (kind, asset) = match self.fields.get("market_type") {
            None => (None, None),
            Some(Value::Text(text)) if text.trim().is_empty() => (None, None),
            Some(Value::Text(text)) => (Some(excerpt(text.trim()).to_ascii_lowercase()), None),
            Some(Value::Map(entries)) => {
                let inner = Fields(entries);
                let (asset, sport, category) = (inner.word("asset")?, inner.word("sport")?, inner.word("category")?);
                let asset = asset.or(sport).or(category).map(|text| excerpt(text).to_ascii_uppercase());
                (inner.word("type")?.map(|text| excerpt(text).to_ascii_lowercase()), asset)
            }
            Some(other) => return Err(wrong_type("market_type", other, "text or a map")),
        };
        Ok(match (kind, asset, sport) {
            (Some(kind), Some(asset), _) if kind == "sport" || kind == "sports" => (Some(asset.into()), Some("sports".into())),
            (Some(kind), None, sport) if kind == "sport" || kind == "sports" => (sport.map(Into::into), Some("sports".into())),
            (Some(kind), Some(asset), _) => (Some(format!("{kind}:{asset}").into()), Some(kind.into())),
            (Some(kind), None, _) => (Some(kind.clone().into()), Some(kind.into())),
            (None, _, Some(sport)) => (Some(sport.into()), Some("sports".into())),
            (None, _, None) => (None, None),
        })
    }

    fn life(&mut self, published_at: Time) -> Result<(Time, Time), FieldError> {
        let (created, alias) = (self.time("created_at")?, self.time("timestamp")?);
        if created.or(alias).is_none() {
            self.warnings.push(Warning::NoCreatedAt);
        }
        let created_at = created.or(alias).unwrap_or(published_at);
        let (expires_at, ttl_ms) = (self.time("expires_at")?, self.ttl_ms()?);
        let expires_at = expires_at.unwrap_or_else(|| created_at.plus_ms(ttl_ms.unwrap_or(LIFE_DEFAULT_MS)));
        Ok((created_at, expires_at.min(created_at.plus_ms(LIFE_MAX_MS))))
    }

    fn time(&mut self, name: &str) -> Result<Option<Time>, FieldError> {
        let Some((time, zone)) = self.fields.time(name)? else { return Ok(None) };
        Ok(Some(self.noting_zone(time, zone)))
    }

    fn noting_zone(&mut self, time: Time, zone: Zone) -> Time {
        if zone == Zone::Naive && !self.warnings.contains(&Warning::NaiveTime) {
            self.warnings.push(Warning::NaiveTime);
        }
        time
    }

    fn ttl_ms(&self) -> Result<Option<i64>, FieldError> {
        let Some(decimal) = self.fields.number("ttl_ms")? else { return Ok(None) };
        let micros = decimal.to_micros(Rounding::Down).ok().filter(|micros| *micros >= 0);
        let micros = micros.ok_or_else(|| wrong_value("ttl_ms", &decimal.to_string(), "not a count of milliseconds"))?;
        Ok(Some((micros / crate::domain::money::ONE).min(LIFE_MAX_MS)))
    }

    fn notes(&mut self) -> BTreeMap<Box<str>, Box<str>> {
        let mut notes = BTreeMap::new();
        let mut bytes = 0;
        for (name, value) in self.fields.0 {
            if READ.contains(&name.as_str()) || *value == Value::Null {
                continue;
            }
            if !KEPT.contains(&name.as_str()) && !self.warnings.contains(&Warning::UnknownFields) {
                self.warnings.push(Warning::UnknownFields);
            }
            let text: String = cut(&value.to_text(), NOTE_BYTES_MAX);
            let name = cut(name, 64);
            bytes += name.len() + text.len();
            if bytes > NOTES_BYTES_MAX {
                break;
            }
            notes.insert(name.into(), text.into());
        }
        notes
    }
}

/// At most `bytes_max` bytes, at a character's border.
fn cut(text: &str, bytes_max: usize) -> String {
    let end = (0..=bytes_max.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    text[..end].to_owned()
}

/// Text of a bounded length, as sent.
type Kept = Option<Box<str>>;

type IdResult<T> = Result<T, IdError>;

fn id<T>(fields: &Fields<'_>, name: &str, make: fn(&str) -> IdResult<T>) -> Result<Option<T>, FieldError> {
    let Some(text) = fields.word(name)? else { return Ok(None) };
    make(text).map(Some).map_err(|error| wrong_value(name, text, &format!("must be {}", error.rule)))
}
