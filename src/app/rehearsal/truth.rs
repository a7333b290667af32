//! Whether the log and the venue tell the same story: the double's admin port against the fold.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::app::Running;
use crate::domain::market::{BookKey, Venue};
use crate::domain::money::{Quantity, Usd};
use crate::projections::{OrderRecord, Projections};

/// Everything in which they differ, in words; empty when they agree and nothing is open.
///
/// Held against each other: each venue order to one intent of the log and no intent to two orders, filled quantities,
/// positions, cash to the millionth; and no order whose fate is unknown.
pub async fn differences(truth: &Value, running: &Running) -> anyhow::Result<Vec<String>> {
    let book = running.engine.query(|engine| engine.book().clone()).await;
    Ok(book.map_or_else(|| vec!["the engine has ended".to_owned()], |book| between(truth, &book)))
}

pub fn between(truth: &Value, book: &Projections) -> Vec<String> {
    let mut found = orders(truth, book);
    found.extend(positions(truth, book));
    found.extend(cash(truth, book));
    found
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

fn orders(truth: &Value, book: &Projections) -> Vec<String> {
    let mut found = Vec::new();
    let rows = truth["orders"].as_object();
    let ours: BTreeMap<String, &OrderRecord> =
        book.orders.iter().filter(|r| !r.external).map(|r| (r.order.order_id.client_order_id().to_string(), r)).collect();
    for (client_id, row) in rows.into_iter().flatten().filter(|(_, row)| text(row, "source") != "website") {
        let filled = Quantity::parse(text(row, "fill_count_fp")).unwrap_or_default();
        match ours.get(client_id) {
            None => found.push(format!("the venue has order {client_id}, which no intent asked for")),
            Some(record) if record.filled != filled => {
                found.push(format!("order {}: {} filled here, {filled} there", record.order.order_id, record.filled));
            }
            Some(record) if record.is_done() == (text(row, "status") == "resting") => {
                found.push(format!("order {} is {} here and {} there", record.order.order_id, record.state, text(row, "status")));
            }
            Some(_) => {}
        }
    }
    let unknown = book.orders.unknown().map(|record| format!("order {} is unknown", record.order.order_id));
    found.extend(unknown);
    found
}

fn signed(text: &str) -> Quantity {
    let count = |text| Quantity::parse(text).unwrap_or_default();
    text.strip_prefix('-').map_or_else(|| count(text), |digits| -count(digits))
}

fn positions(truth: &Value, book: &Projections) -> Vec<String> {
    let mut theirs: BTreeMap<String, Quantity> = BTreeMap::new();
    for (ticker, row) in truth["positions"].as_object().into_iter().flatten() {
        theirs.insert(ticker.clone(), signed(text(row, "position")));
    }
    let mut ours: BTreeMap<String, Quantity> = BTreeMap::new();
    for (BookKey { venue, id }, position) in book.positions.held() {
        if *venue == Venue::Kalshi {
            let up = position.instrument.outcome == position.instrument.book_outcome();
            ours.insert(id.to_string(), if up { position.quantity } else { -position.quantity });
        }
    }
    let tickers: std::collections::BTreeSet<&String> = theirs.keys().chain(ours.keys()).collect();
    let of = |side: &BTreeMap<String, Quantity>, ticker: &String| side.get(ticker).copied().unwrap_or_default();
    tickers
        .into_iter()
        .filter(|ticker| of(&theirs, ticker) != of(&ours, ticker))
        .map(|ticker| format!("{ticker}: {} held here, {} there", of(&ours, ticker), of(&theirs, ticker)))
        .collect()
}

fn cash(truth: &Value, book: &Projections) -> Option<String> {
    let theirs = Usd::parse(text(&truth["cash"], "cash")).ok()?;
    let ours = book.cash.account(Venue::Kalshi).map(|account| account.cash)?;
    (theirs != ours).then(|| format!("cash ${ours} here, ${theirs} there"))
}
