//! One frame of a stream, read without floats: a word, an event, or a list of events (`polymarket.md` §7).

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;
use thiserror::Error;

use super::super::translate::{Ours, Untranslatable, book_key, fills, levels, side, venue_order};
use super::super::wire::market::Book;
use super::super::wire::orders::Order;
use super::super::wire::stamp::Stamp;
use super::super::wire::trades::Trade;
use crate::domain::ids::{MarketId, TokenId};
use crate::domain::market::{BookKey, FeeRate};
use crate::domain::matching::Side;
use crate::domain::money::{Price, Quantity};
use crate::domain::report::{VenueFill, VenueOrder};
use crate::domain::time::Time;
use crate::venues::number::{Num, Numeric};

#[derive(Debug, Error)]
pub enum FrameError {
    #[error("not the JSON of an event: {0}")]
    Json(#[from] serde_json::Error),
    #[error(transparent)]
    Row(#[from] Untranslatable),
}

/// What of a frame can't be read, by what is lost with it.
#[derive(Debug)]
pub struct Unreadable {
    /// A book isn't the venue's any more.
    pub of_books: bool,
    pub why: FrameError,
}

#[derive(Debug)]
pub enum Frame {
    Pong,
    Events(Vec<Result<Event, Unreadable>>),
}

#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    Book { token: MarketId, bids: Vec<(Price, Quantity)>, asks: Vec<(Price, Quantity)>, at: Option<Time> },
    Changes { changes: Vec<Change>, at: Option<Time> },
    Tick { token: TokenId, tick: Price },
    Order(Box<VenueOrder>),
    Trade(Vec<VenueFill>),
    Resolved { condition: MarketId, winner: Option<TokenId> },
    Other,
}

/// The new size of one level, and the best prices after it.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    pub token: MarketId,
    pub side: Side,
    pub price: Price,
    pub size: Quantity,
    /// `None`: not stated. An empty side is stated as 0 or 1.
    pub best_bid: Option<Price>,
    pub best_ask: Option<Price>,
}

/// What reading a trade needs to know; a stream of books has none.
pub struct Context<'a> {
    pub ours: Option<&'a Ours>,
    pub fees: &'a dyn Fn(&BookKey) -> Option<FeeRate>,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow, default)]
    event_type: Cow<'a, str>,
}

#[derive(Deserialize)]
struct ChangesMsg<'a> {
    #[serde(borrow)]
    price_changes: Vec<ChangeMsg<'a>>,
    #[serde(default)]
    timestamp: Stamp,
}

#[derive(Deserialize)]
struct ChangeMsg<'a> {
    #[serde(borrow)]
    asset_id: Cow<'a, str>,
    price: Num<Price>,
    size: Num<Quantity>,
    #[serde(borrow)]
    side: Cow<'a, str>,
    #[serde(borrow, default)]
    best_bid: Cow<'a, str>,
    #[serde(borrow, default)]
    best_ask: Cow<'a, str>,
}

#[derive(Deserialize)]
struct TickMsg<'a> {
    #[serde(borrow)]
    asset_id: Cow<'a, str>,
    new_tick_size: Num<Price>,
}

#[derive(Deserialize)]
struct ResolvedMsg {
    market: String,
    winning_asset_id: Option<String>,
}

pub fn read(text: &str, context: &Context<'_>) -> Result<Frame, FrameError> {
    let text = text.trim();
    match text.as_bytes().first() {
        Some(b'[') => {
            let items: Vec<&RawValue> = serde_json::from_str(text)?;
            Ok(Frame::Events(items.into_iter().map(|item| event(item.get(), context)).collect()))
        }
        Some(b'{') => Ok(Frame::Events(vec![event(text, context)])),
        _ if text.eq_ignore_ascii_case("PONG") || text.is_empty() => Ok(Frame::Pong),
        _ => Err(Untranslatable { what: "frame", why: format!("{text:.40} is no event") }.into()),
    }
}

fn event(text: &str, context: &Context<'_>) -> Result<Event, Unreadable> {
    let unreadable = |of_books| move |why| Unreadable { of_books, why };
    let envelope: Envelope<'_> = serde_json::from_str(text).map_err(|error| unreadable(false)(error.into()))?;
    let of_books = matches!(envelope.event_type.as_ref(), "book" | "price_change");
    named(&envelope.event_type, text, context).map_err(unreadable(of_books))
}

fn named(kind: &str, text: &str, context: &Context<'_>) -> Result<Event, FrameError> {
    Ok(match kind {
        "price_change" => changes(&serde_json::from_str(text)?)?,
        "book" => book(text)?,
        "order" => Event::Order(Box::new(order(text)?)),
        "trade" => match context.ours {
            Some(ours) => Event::Trade(trade(text, ours, context.fees)?),
            None => Event::Other,
        },
        "tick_size_change" => {
            let msg: TickMsg<'_> = serde_json::from_str(text)?;
            Event::Tick { token: token(&msg.asset_id)?, tick: msg.new_tick_size.0 }
        }
        "market_resolved" => {
            let msg: ResolvedMsg = serde_json::from_str(text)?;
            let condition = MarketId::new(&msg.market).map_err(|error| Untranslatable { what: "market", why: error.to_string() })?;
            Event::Resolved { condition, winner: msg.winning_asset_id.and_then(|id| TokenId::new(&id).ok()) }
        }
        _ => Event::Other,
    })
}

/// A whole book.
pub fn book(text: &str) -> Result<Event, FrameError> {
    let msg: Book<'_> = serde_json::from_str(text)?;
    let (bids, asks) = levels(&msg);
    Ok(Event::Book { token: book_key(&msg.asset_id)?.id, bids, asks, at: msg.timestamp.0 })
}

/// New sizes of levels.
pub fn price_change(text: &str) -> Result<Event, FrameError> {
    changes(&serde_json::from_str(text)?)
}

fn changes(msg: &ChangesMsg<'_>) -> Result<Event, FrameError> {
    // What is stated beside a level is no money of ours: where it can't be read, there is nothing to compare.
    let stated = |text: &str| Price::read(text).ok();
    let change = |msg: &ChangeMsg<'_>| {
        Ok(Change {
            token: book_key(&msg.asset_id)?.id,
            side: side(&msg.side)?,
            price: msg.price.0,
            size: msg.size.0,
            best_bid: stated(&msg.best_bid),
            best_ask: stated(&msg.best_ask),
        })
    };
    let changes = msg.price_changes.iter().map(change).collect::<Result<_, Untranslatable>>()?;
    Ok(Event::Changes { changes, at: msg.timestamp.0 })
}

pub fn order(text: &str) -> Result<VenueOrder, FrameError> {
    Ok(venue_order(&serde_json::from_str::<Order<'_>>(text)?)?)
}

/// What of a trade is ours.
pub fn trade(text: &str, ours: &Ours, fees: &dyn Fn(&BookKey) -> Option<FeeRate>) -> Result<Vec<VenueFill>, FrameError> {
    Ok(fills(&serde_json::from_str::<Trade<'_>>(text)?, ours, fees)?)
}

fn token(text: &str) -> Result<TokenId, Untranslatable> {
    TokenId::new(text).map_err(|error| Untranslatable { what: "asset_id", why: error.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(text: &str) -> Vec<Result<Event, Unreadable>> {
        match read(text, &Context { ours: None, fees: &|_| None }).expect(text) {
            Frame::Pong => Vec::new(),
            Frame::Events(events) => events,
        }
    }

    const CHANGE: &str = r#"{"event_type":"price_change","market":"0xc","price_changes":[{"asset_id":"7","price":"0.08","size":"33343.4",
        "side":"BUY","hash":"5","best_bid":"0.08","best_ask":"0.09"}],"timestamp":"1782753357257"}"#;

    #[test]
    fn objects_and_lists_of_them_are_read_alike() {
        let one = events(CHANGE).pop().expect("event").expect("readable");
        let many = events(&format!("[{CHANGE}, {CHANGE}, {{\"event_type\":\"novel\"}}]"));
        assert_eq!(many.len(), 3);
        for event in &many[..2] {
            assert_eq!(event.as_ref().expect("readable"), &one);
        }
        assert_eq!(many[2].as_ref().expect("readable"), &Event::Other);
        let Event::Changes { changes, at } = one else { panic!("changes") };
        assert_eq!((changes[0].size, at), (Quantity::from_micros(33_343_400_000), Some(Time::from_ms(1_782_753_357_257))));
    }

    #[test]
    fn what_is_damaged_spoils_itself_only() {
        let bad = CHANGE.replace(r#""size":"33343.4","#, "");
        let read = events(&format!("[{bad},{CHANGE}]"));
        assert!(read[0].as_ref().is_err_and(|unreadable| unreadable.of_books) && read[1].is_ok());
        for text in ["nonsense", "[1,", "{"] {
            let context = Context { ours: None, fees: &|_| None };
            let broken = super::read(text, &context);
            assert!(!matches!(broken, Ok(Frame::Events(events)) if events.iter().all(Result::is_ok)), "{text}");
        }
        assert!(matches!(super::read("PONG", &Context { ours: None, fees: &|_| None }), Ok(Frame::Pong)));
    }
}
