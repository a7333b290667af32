//! Whether the log and the venue tell the same story: the double's admin port against the fold.

use std::collections::BTreeMap;

use anyhow::Context;
use serde_json::Value;

use crate::domain::market::Venue;
use crate::domain::money::{Quantity, Usd};
use crate::projections::{OrderRecord, Projections};

/// Everything in which they differ, in words; empty when they agree and nothing is open.
///
/// Held against each other: each venue order to one intent of the log and no intent to two orders, filled quantities,
/// positions, cash to the millionth; and no order whose fate is unknown.
pub fn between(truth: &Value, book: &Projections) -> Vec<String> {
    match compared(truth, book) {
        Ok(found) => found,
        Err(error) => vec![format!("the venue's own books can't be read: {error}")],
    }
}

fn compared(truth: &Value, book: &Projections) -> anyhow::Result<Vec<String>> {
    let mut found = orders(truth, book)?;
    found.extend(positions(truth, book)?);
    found.extend(cash(truth, book)?);
    Ok(found)
}

pub(super) fn text<'a>(value: &'a Value, name: &str) -> anyhow::Result<&'a str> {
    value[name].as_str().with_context(|| format!("no {name} in {value}"))
}

pub(super) fn rows<'a>(truth: &'a Value, name: &str) -> anyhow::Result<&'a serde_json::Map<String, Value>> {
    truth[name].as_object().with_context(|| format!("no {name}"))
}

pub(super) fn money(value: &Value, name: &str) -> anyhow::Result<Usd> {
    let text = text(value, name)?;
    Usd::parse(text).map_err(|error| anyhow::anyhow!("{name} {text}: {error}"))
}

/// Contracts; below zero NO is held.
fn signed(value: &Value, name: &str) -> anyhow::Result<Quantity> {
    let text = text(value, name)?;
    let (digits, sold) = text.strip_prefix('-').map_or((text, false), |digits| (digits, true));
    let count = Quantity::parse(digits).map_err(|error| anyhow::anyhow!("{name} {text}: {error}"))?;
    Ok(if sold { -count } else { count })
}

fn orders(truth: &Value, book: &Projections) -> anyhow::Result<Vec<String>> {
    let mut found = Vec::new();
    let ours: BTreeMap<String, &OrderRecord> =
        book.orders.iter().filter(|r| !r.external).map(|r| (r.order.order_id.client_order_id().to_string(), r)).collect();
    for (client_id, row) in rows(truth, "orders")? {
        let (source, status, filled) = (text(row, "source")?, text(row, "status")?, signed(row, "fill_count_fp")?);
        match ours.get(client_id) {
            _ if source == "website" => {}
            None => found.push(format!("the venue has order {client_id}, which no intent asked for")),
            Some(record) if record.filled != filled => {
                found.push(format!("order {} ({}): {} filled here, {filled} there", record.order.order_id, record.state, record.filled));
            }
            Some(record) if record.is_done() == (status == "resting") => {
                found.push(format!("order {} is {} here and {status} there", record.order.order_id, record.state));
            }
            Some(_) => {}
        }
    }
    let unknown = book.orders.unknown().map(|record| format!("order {} is unknown", record.order.order_id));
    found.extend(unknown);
    Ok(found)
}

fn positions(truth: &Value, book: &Projections) -> anyhow::Result<Vec<String>> {
    let theirs = rows(truth, "positions")?.iter().map(|(ticker, row)| Ok((ticker.clone(), signed(row, "position")?)));
    let theirs: BTreeMap<String, Quantity> = theirs.collect::<anyhow::Result<_>>()?;
    let kalshi = book.positions.held().filter(|(key, _)| key.venue == Venue::Kalshi);
    let ours: BTreeMap<String, Quantity> = kalshi.map(|(key, position)| (key.id.to_string(), position.in_book_terms())).collect();
    let tickers: std::collections::BTreeSet<&String> = theirs.keys().chain(ours.keys()).collect();
    // What one side doesn't list it doesn't hold.
    let of = |side: &BTreeMap<String, Quantity>, ticker: &String| side.get(ticker).copied().unwrap_or(Quantity::ZERO);
    let differ = tickers.into_iter().filter(|ticker| of(&theirs, ticker) != of(&ours, ticker));
    Ok(differ.map(|ticker| format!("{ticker}: {} held here, {} there", of(&ours, ticker), of(&theirs, ticker))).collect())
}

fn cash(truth: &Value, book: &Projections) -> anyhow::Result<Option<String>> {
    let theirs = money(&truth["cash"], "cash")?;
    let Some(ours) = book.cash.account(Venue::Kalshi).map(|account| account.cash) else {
        return Ok(Some(format!("no account here, ${theirs} there")));
    };
    Ok((theirs != ours).then(|| format!("cash ${ours} here, ${theirs} there")))
}
