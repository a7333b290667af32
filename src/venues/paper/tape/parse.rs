//! One line of a tape to one row.

use std::borrow::Cow;

use serde::Deserialize;

use crate::domain::decimal::Decimal;
use crate::domain::ids::MarketId;
use crate::domain::market::{BookKey, Outcome, Venue};
use crate::domain::matching::{BookChange, Mark, Print, Side};
use crate::domain::money::{ONE, Price, Quantity, Rounding};

use super::super::row::fee_by_name;
use super::super::{Feed, MarketRow};

/// What a row told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Book,
    Delta,
    Trade,
    Top,
}

/// Why a row was left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Skip {
    NotJson,
    LineTooLong,
    StreamBroken,
    UnknownVenue,
    UnknownKind,
    /// A book, side, outcome or price level that is not said, or said in another way.
    Unclear,
    BadName,
    BadPrice,
    BadSize,
    /// A trade that doesn't say who took.
    NoTakerSide,
    OtherRecorder,
}

impl Skip {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotJson => "not_json",
            Self::LineTooLong => "line_too_long",
            Self::StreamBroken => "stream_broken",
            Self::UnknownVenue => "unknown_venue",
            Self::UnknownKind => "unknown_kind",
            Self::Unclear => "unclear",
            Self::BadName => "bad_name",
            Self::BadPrice => "bad_price",
            Self::BadSize => "bad_size",
            Self::NoTakerSide => "no_taker_side",
            Self::OtherRecorder => "other_recorder",
        }
    }
}

#[derive(Deserialize)]
struct RawRow<'a> {
    ts_ms: i64,
    #[serde(borrow)]
    venue: Cow<'a, str>,
    #[serde(borrow)]
    market: Cow<'a, str>,
    #[serde(borrow, default)]
    token: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    outcome: Option<Cow<'a, str>>,
    #[serde(borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    depth: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    side: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    price: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    size: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    delta: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    yes_price: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    taker_side: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    best_bid: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    best_ask: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    bid_size: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    ask_size: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    bids: Option<Vec<(Cow<'a, str>, Cow<'a, str>)>>,
    #[serde(borrow, default)]
    asks: Option<Vec<(Cow<'a, str>, Cow<'a, str>)>>,
    #[serde(borrow, default)]
    recorder: Option<Cow<'a, str>>,
}

type Text<'a> = Option<Cow<'a, str>>;

/// Reads one line; `number` is its place in the tape, `wanted` whose rows are played.
pub fn row(line: &[u8], number: u64, wanted: &str) -> Result<(Kind, MarketRow), Skip> {
    let raw: RawRow = serde_json::from_slice(line).map_err(|_| Skip::NotJson)?;
    if raw.recorder.as_ref().is_some_and(|recorder| recorder != wanted) {
        return Err(Skip::OtherRecorder);
    }
    let venue = Venue::parse(&raw.venue).ok_or(Skip::UnknownVenue)?;
    let id = raw.token.as_ref().unwrap_or(&raw.market);
    let key = BookKey { venue, id: MarketId::new(id).map_err(|_| Skip::BadName)? };
    let (kind, mut changes, print) = raw.told()?;
    if kind != Kind::Top {
        changes.extend(raw.stated()?);
    }
    let row = MarketRow {
        key,
        market: MarketId::new(&raw.market).map_err(|_| Skip::BadName)?,
        outcome: raw.outcome()?,
        feed: Feed::Tape,
        fee: fee_by_name(venue, &raw.market),
        mark: Mark { row: number, ts_ms: raw.ts_ms },
        changes,
        print,
    };
    Ok((kind, row))
}

impl RawRow<'_> {
    fn told(&self) -> Result<(Kind, Vec<BookChange>, Option<Print>), Skip> {
        match self.kind.as_ref() {
            "book" if self.depth.as_deref() == Some("top_only") => {
                Ok((Kind::Book, vec![BookChange::Top { side: self.side()?, level: level(&self.price, &self.size)? }], None))
            }
            "book" => Ok((Kind::Book, self.windows()?, None)),
            "delta" => Ok((Kind::Delta, vec![self.delta()?], None)),
            "trade" => Ok((Kind::Trade, Vec::new(), Some(self.print()?))),
            "top" => Ok((Kind::Top, self.tops()?, None)),
            _ => Err(Skip::UnknownKind),
        }
    }

    /// Both sides, as deep as the row tells.
    fn windows(&self) -> Result<Vec<BookChange>, Skip> {
        let (Some(bids), Some(asks)) = (&self.bids, &self.asks) else { return Err(Skip::Unclear) };
        let levels = |list: &[(Cow<str>, Cow<str>)]| list.iter().map(|(p, q)| Ok((price(p)?, size(q)?))).collect::<Result<_, Skip>>();
        Ok(vec![
            BookChange::Window { side: Side::Bid, levels: levels(bids)? },
            BookChange::Window { side: Side::Ask, levels: levels(asks)? },
        ])
    }

    /// Best levels are all that such a tape ever tells, so they are the whole visible depth. No price: the side is empty.
    fn tops(&self) -> Result<Vec<BookChange>, Skip> {
        let window = |side, p: &Text, q: &Text| Ok(BookChange::Window { side, levels: level(p, q)?.into_iter().collect() });
        Ok(vec![window(Side::Bid, &self.best_bid, &self.bid_size)?, window(Side::Ask, &self.best_ask, &self.ask_size)?])
    }

    fn delta(&self) -> Result<BookChange, Skip> {
        let (side, price) = (self.side()?, price(said(&self.price).ok_or(Skip::BadPrice)?)?);
        match (said(&self.delta), said(&self.size)) {
            (Some(signed), _) => Ok(BookChange::Delta { side, price, signed: signed_size(signed)? }),
            (None, Some(absolute)) => Ok(BookChange::Level { side, price, quantity: size(absolute)? }),
            (None, None) => Err(Skip::BadSize),
        }
    }

    /// Kalshi tells the YES price and which outcome the taker bought, Polymarket the token's price and the taker's side.
    fn print(&self) -> Result<Print, Skip> {
        let at = said(&self.yes_price).or(said(&self.price)).ok_or(Skip::BadPrice)?;
        let taker = match self.taker_side.as_deref().unwrap_or("").to_ascii_lowercase().as_str() {
            "yes" | "buy" => Side::Bid,
            "no" | "sell" => Side::Ask,
            _ => return Err(Skip::NoTakerSide),
        };
        let quantity = size(said(&self.size).ok_or(Skip::BadSize)?)?;
        Ok(Print { price: price(at)?, quantity, taker })
    }

    /// The best prices named beside an update; a side that isn't named says nothing.
    fn stated(&self) -> Result<Option<BookChange>, Skip> {
        let best = |text: &Text| said(text).map(price).transpose();
        let (bid, ask) = (best(&self.best_bid)?, best(&self.best_ask)?);
        Ok((bid.is_some() || ask.is_some()).then_some(BookChange::Stated { bid, ask }))
    }

    fn side(&self) -> Result<Side, Skip> {
        match self.side.as_deref() {
            Some("bid") => Ok(Side::Bid),
            Some("ask") => Ok(Side::Ask),
            _ => Err(Skip::Unclear),
        }
    }

    /// Kalshi rows name none: theirs is the YES book.
    fn outcome(&self) -> Result<Outcome, Skip> {
        match self.outcome.as_deref().map(str::to_ascii_lowercase).as_deref() {
            None | Some("yes" | "up") => Ok(Outcome::Yes),
            Some("no" | "down") => Ok(Outcome::No),
            Some(_) => Err(Skip::Unclear),
        }
    }
}

fn said<'a>(text: &'a Text) -> Option<&'a str> {
    text.as_deref().filter(|text| !text.is_empty())
}

/// No price: nothing is there.
fn level(at: &Text, quantity: &Text) -> Result<Option<(Price, Quantity)>, Skip> {
    let Some(at) = said(at) else { return Ok(None) };
    Ok(Some((price(at)?, size(said(quantity).ok_or(Skip::BadSize)?)?)))
}

/// Strictly between 0 and 1: nothing else can be traded at.
fn price(text: &str) -> Result<Price, Skip> {
    let price = Price::parse(text).map_err(|_| Skip::BadPrice)?;
    if (1..ONE).contains(&price.micros()) { Ok(price) } else { Err(Skip::BadPrice) }
}

fn size(text: &str) -> Result<Quantity, Skip> {
    let decimal = Decimal::parse(text).map_err(|_| Skip::BadSize)?;
    Quantity::try_rounded(&decimal, Rounding::Down).map_err(|_| Skip::BadSize)
}

fn signed_size(text: &str) -> Result<Quantity, Skip> {
    match text.strip_prefix('-') {
        Some(magnitude) => size(magnitude).map(|quantity| -quantity),
        None => size(text),
    }
}
