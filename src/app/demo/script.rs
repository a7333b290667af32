//! The sample signals: what a strategy would send, and what goes wrong in practice.

use serde_json::{Value, json};

use crate::app::Running;
use crate::bus::subjects::signals_of;
use crate::domain::ids::MarketId;
use crate::domain::market::{Outcome, Quote, Venue};
use crate::domain::money::Price;
use crate::domain::time::Time;
use crate::venues::paper::demo_market::{DemoListing, DemoMarket};

/// One message to send.
pub struct Sample {
    pub what: &'static str,
    pub subject: String,
    pub bytes: Vec<u8>,
}

/// What to do with the plain signal before it is sent.
#[derive(Clone, Copy)]
enum Twist {
    Plain,
    /// Fields set or replaced.
    With(fn(&mut Value)),
    /// Other bytes altogether.
    Bytes(fn(String) -> String),
    /// The first message of the script once more.
    Again,
    /// The first message's id with another price.
    Conflict,
}

struct Step {
    what: &'static str,
    listing: usize,
    outcome: Outcome,
    /// Cents above (or below) what the outcome asks.
    beyond: i64,
    twist: Twist,
}

const fn step(what: &'static str, listing: usize, outcome: Outcome, beyond: i64, twist: Twist) -> Step {
    Step { what, listing, outcome, beyond, twist }
}

use Outcome::{No, Yes};
use Twist::{Again, Bytes, Conflict, Plain, With};

const STEPS: &[Step] = &[
    step("buy YES on Boston at the ask, sized by a quarter of Kelly", 0, Yes, 0, Plain),
    step("the same message again, byte for byte", 0, Yes, 0, Again),
    step("the same id with another price", 0, Yes, 0, Conflict),
    step(
        "buy 20 shares of a Polymarket token, what is there now or nothing",
        3,
        Yes,
        1,
        With(|s| set(s, &[("size", json!(20)), ("tif", json!("ioc"))])),
    ),
    step(
        "a NaN where the probability belongs",
        2,
        Yes,
        0,
        Bytes(|text| text.replacen("\"model_prob\":\"", "\"model_prob\":NaN,\"was\":\"", 1)),
    ),
    step("cut off in the middle", 2, Yes, 0, Bytes(|text| text[..text.len() / 2].to_owned())),
    step(
        "an edge of half a point, two are wanted",
        2,
        Yes,
        0,
        With(|s| set(s, &[("edge_pct", json!(0.5)), ("model_prob", s["limit_price"].clone())])),
    ),
    step(
        "buy YES two cents below the ask: rests, then expires",
        2,
        Yes,
        -2,
        With(|s| set(s, &[("size", json!(15)), ("ttl_ms", json!(4000)), ("expires_at", Value::Null)])),
    ),
    step(
        "expired a minute ago",
        2,
        Yes,
        0,
        With(|s| set(s, &[("expires_at", s["created_at"].clone()), ("created_at", json!("2026-01-01T00:00:00Z"))])),
    ),
    step("names Montreal, the ticker ends in Toronto", 2, Yes, 0, With(|s| set(s, &[("team", json!("Montreal Canadiens"))]))),
    step("buy YES on New York while Boston is held", 1, Yes, 0, Plain),
    step("a condition id without its token", 3, Yes, 0, With(|s| set(s, &[("token_id", Value::Null)]))),
    step("the token as a number: digits are lost", 3, Yes, 0, Bytes(bare_token)),
    step("an edge of 1500 points, as if in hundredths", 2, Yes, 0, With(|s| set(s, &[("edge_pct", json!(1500))]))),
    step("hold", 2, Yes, 0, With(|s| set(s, &[("direction", json!("hold"))]))),
    step(
        "buy 90 BTC-up shares through three levels of the book",
        4,
        Yes,
        3,
        With(|s| set(s, &[("size", json!(90)), ("tif", json!("ioc"))])),
    ),
    step("buy NO on Toronto for 12 dollars", 2, No, 0, With(|s| set(s, &[("size", json!(12)), ("size_unit", json!("usd"))]))),
    step("close the Polymarket token at any price", 3, Yes, 0, With(close)),
    step("close a holding that isn't there", 1, No, 0, With(close)),
];

fn set(signal: &mut Value, fields: &[(&str, Value)]) {
    for (name, value) in fields {
        signal[*name] = value.clone();
    }
}

/// The token without its quotes, as a careless publisher sends it.
fn bare_token(text: String) -> String {
    let name = "\"token_id\":\"";
    let Some(start) = text.find(name).map(|at| at + name.len()) else { return text };
    let Some(end) = text[start..].find('"').map(|length| start + length) else { return text };
    format!("{}{}{}", &text[..start - 1], &text[start..end], &text[end + 1..])
}

fn close(signal: &mut Value) {
    set(signal, &[("action", json!("close")), ("min_price", json!("0.02")), ("size", Value::Null)]);
}

pub struct Script {
    listings: Vec<DemoListing>,
    next: usize,
    first: Option<(String, String)>,
}

impl Script {
    pub fn new(market: &DemoMarket) -> Self {
        Self { listings: market.listings().to_vec(), next: 0, first: None }
    }

    pub fn len(&self) -> usize {
        STEPS.len()
    }

    /// The market that ends in the end.
    pub fn settles(&self) -> (Venue, MarketId) {
        (self.listings[0].venue, self.listings[0].market.clone())
    }

    /// The next message, priced by the book as it is now.
    pub async fn next(&mut self, running: &Running, now: Time) -> Option<Sample> {
        let step = STEPS.get(self.next)?;
        self.next += 1;
        let listing = &self.listings[step.listing];
        let key = listing.instrument(Outcome::Yes).book_key();
        let quote = running.engine.query(move |engine| engine.last_quote(&key)).await.flatten().unwrap_or_default();
        let id = format!("demo-{:02}", self.next);
        let mut signal = plain(listing, step, quote, &id, now);
        let subject = signals_of(listing.venue);
        let (id, text) = match step.twist {
            Twist::Plain => (id, signal.to_string()),
            Twist::With(change) => {
                change(&mut signal);
                (id, signal.to_string())
            }
            Twist::Bytes(change) => (id, change(signal.to_string())),
            Twist::Again => self.first.clone()?,
            Twist::Conflict => {
                let (id, text) = self.first.clone()?;
                (id, text.replacen("\"limit_price\":\"0.", "\"limit_price\":\"0.0", 1))
            }
        };
        self.first.get_or_insert_with(|| (id, text.clone()));
        Some(Sample { what: step.what, subject, bytes: text.into_bytes() })
    }
}

/// A good signal for the listing: eight points of edge, the book it saw, twenty seconds of life.
fn plain(listing: &DemoListing, step: &Step, quote: Quote, id: &str, now: Time) -> Value {
    let ask = match step.outcome {
        Outcome::Yes => quote.ask,
        Outcome::No => quote.bid.map(Price::complement),
    };
    let limit = Price::from_micros((ask.unwrap_or(Price::from_micros(500_000)).micros() + step.beyond * 10_000).clamp(10_000, 990_000));
    let win = Price::from_micros((limit.micros() + 80_000).min(970_000));
    let yes = step.outcome.price_of(win);
    let instrument = listing.instrument(step.outcome);
    let crypto = listing.sport == "crypto";
    json!({
        "schema": 1,
        "signal_id": id,
        "signal_type": "demo",
        "platform_buy": listing.venue,
        "market_id": listing.market,
        "token_id": instrument.token,
        "side": step.outcome,
        "action": "open",
        "limit_price": limit,
        "model_prob": yes,
        "yes_bid": quote.bid,
        "yes_ask": quote.ask,
        "price_ts": now,
        "game_id": listing.game_id,
        "sport": if crypto { Value::Null } else { json!(listing.sport) },
        "market_type": if crypto { json!({ "type": "crypto", "asset": "BTC" }) } else { Value::Null },
        "team": if crypto { Value::Null } else { json!(listing.subject) },
        "created_at": now,
        "expires_at": now.plus_ms(20_000),
    })
}
