//! What the report says, in the order in which an owner asks.

use std::collections::BTreeMap;

use super::page::{Block, Page};
use super::{Execution, Group, Report};
use crate::domain::money::{Quantity, Usd};

const MARKETS_SHOWN: usize = 5;

fn heading(text: &str) -> Block {
    Block::Heading(text.to_owned())
}

/// So many of so many, as a percentage with one decimal.
fn share(part: i64, whole: i64) -> String {
    if whole == 0 {
        return "-".to_owned();
    }
    let tenths = i128::from(part) * 1_000 / i128::from(whole);
    format!("{}.{} %", tenths / 10, tenths % 10)
}

/// To the cent, for people: `$1,234.50`; the figures for programs are exact.
fn usd(amount: Usd) -> String {
    let cents = (i128::from(amount.micros()).abs() + 5_000) / 10_000;
    let whole = (cents / 100).to_string();
    let grouped: Vec<&str> = whole.as_bytes().rchunks(3).rev().map(|three| std::str::from_utf8(three).unwrap_or_default()).collect();
    let sign = if amount < Usd::ZERO && cents > 0 { "-" } else { "" };
    format!("{sign}${}.{:02}", grouped.join(","), cents % 100)
}

/// `+$1.50`, `-$1.50`, `$0.00`.
pub fn signed(amount: Usd) -> String {
    let text = usd(amount);
    if text.starts_with('-') || text == "$0.00" { text } else { format!("+{text}") }
}

/// Tokens have 77 digits.
fn short(name: &str) -> String {
    let letters: Vec<char> = name.chars().collect();
    if letters.len() <= 44 {
        return name.to_owned();
    }
    let (head, tail): (String, String) = (letters[..24].iter().collect(), letters[letters.len() - 8..].iter().collect());
    format!("{head}…{tail}")
}

pub fn page(report: &Report) -> Page {
    let title = if report.from == report.until {
        format!("Trading on {}", report.from)
    } else {
        format!("Trading from {} to {}", report.from, report.until)
    };
    let mut blocks = vec![Block::Line(summary(report)), Block::Line(String::new()), Block::Curve(report.equity.clone())];
    blocks.extend(totals(report));
    for (name, groups) in [
        ("By venue", &report.by_venue),
        ("By sport", &report.by_sport),
        ("By kind of signal", &report.by_signal_type),
        ("By edge over the limit, in points", &report.by_edge),
    ] {
        blocks.extend(grouped(name, groups));
    }
    blocks.extend(markets(report));
    blocks.extend(missed(report));
    blocks.extend(execution(&report.execution));
    blocks.extend(agreement(report));
    blocks.extend(moments(report));
    Page { title, blocks }
}

fn summary(report: &Report) -> String {
    let opening = report.opening_equity.unwrap_or_default();
    format!(
        "Equity went from {} to {} ({}): {} realised, {} open, {} in fees. Of {} signals {} became orders, {} were vetoed, {} were not understood.",
        usd(opening),
        usd(report.closing_equity),
        signed(report.closing_equity - opening),
        signed(report.realized),
        signed(report.unrealized),
        usd(report.fees),
        report.signals,
        report.approved,
        report.vetoed,
        report.rejected
    )
}

fn totals(report: &Report) -> Vec<Block> {
    let row = |name: &str, value: String| vec![name.to_owned(), value];
    let opening = report.opening_equity.unwrap_or_default();
    let rows = vec![
        row("Equity at the start", usd(opening)),
        row("Equity at the end", usd(report.closing_equity)),
        row("Change", signed(report.closing_equity - opening)),
        row("Realised, fees aside", signed(report.realized)),
        row("Open at marks", signed(report.unrealized)),
        row("Fees", usd(report.fees)),
        row("Signals", report.signals.to_string()),
        row("Orders", report.approved.to_string()),
    ];
    vec![heading("Totals"), Block::Table(vec!["", "figure"], rows)]
}

fn grouped(name: &str, groups: &BTreeMap<String, Group>) -> Vec<Block> {
    if groups.is_empty() {
        return Vec::new();
    }
    let row = |(name, group): (&String, &Group)| {
        vec![
            name.clone(),
            group.orders.to_string(),
            group.filled_orders.to_string(),
            group.contracts.to_string(),
            usd(group.turnover),
            signed(group.realized),
            usd(group.fees),
            signed(group.net()),
        ]
    };
    let heads = vec!["", "orders", "filled", "contracts", "turnover", "realised", "fees", "net"];
    vec![heading(name), Block::Table(heads, groups.iter().map(row).collect())]
}

fn markets(report: &Report) -> Vec<Block> {
    let row = |(market, brought): &(String, Usd)| vec![short(market), signed(*brought)];
    let losing = report.markets.iter().take_while(|(_, brought)| *brought < Usd::ZERO);
    let worst: Vec<Vec<String>> = losing.take(MARKETS_SHOWN).map(row).collect();
    let gaining = report.markets.iter().rev().take_while(|(_, brought)| *brought > Usd::ZERO);
    let best: Vec<Vec<String>> = gaining.take(MARKETS_SHOWN).map(row).collect();
    let mut blocks = Vec::new();
    for (name, rows) in [("Worst markets", worst), ("Best markets", best)] {
        if !rows.is_empty() {
            blocks.extend([heading(name), Block::Table(vec!["market", "realised less fees"], rows)]);
        }
    }
    blocks
}

fn missed(report: &Report) -> Vec<Block> {
    let mut vetoes: Vec<(&str, u64)> = report.vetoes.iter().map(|(reason, count)| (*reason, *count)).collect();
    vetoes.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let rows = |pairs: Vec<(&str, u64)>| pairs.into_iter().map(|(name, count)| vec![name.replace('_', " "), count.to_string()]).collect();
    let mut blocks = Vec::new();
    if !vetoes.is_empty() {
        blocks.extend([
            heading("Vetoes by reason"),
            Block::Line("A signal may fail several checks.".to_owned()),
            Block::Line(String::new()),
        ]);
        blocks.push(Block::Table(vec!["reason", "times"], rows(vetoes)));
    }
    if !report.rejections.is_empty() {
        let rejections = report.rejections.iter().map(|(why, count)| vec![why.clone(), count.to_string()]).collect();
        blocks.extend([heading("Signals that were not understood"), Block::Table(vec!["why", "times"], rejections)]);
    }
    blocks
}

fn execution(found: &Execution) -> Vec<Block> {
    let row = |name: &str, value: String| vec![name.to_owned(), value];
    let per_contract = |amount: Usd, of: Quantity| {
        // Hundredths of a cent per contract.
        let hundredths = i128::from(amount.micros()) * 10_000 / i128::from(of.micros().max(1));
        format!("{}{}.{:02} c", if hundredths < 0 { "-" } else { "+" }, hundredths.abs() / 100, hundredths.abs() % 100)
    };
    let ms = |value: Option<i64>| value.map_or_else(|| "-".to_owned(), |ms| format!("{ms} ms"));
    let slippage = if found.compared.is_zero() { "-".to_owned() } else { per_contract(found.slippage, found.compared) };
    let rows = vec![
        row("Orders sent", found.sent.to_string()),
        row("Filled whole", format!("{} ({})", found.filled_whole, share(found.filled_whole as i64, found.sent as i64))),
        row("Filled partly", found.filled_partly.to_string()),
        row("Not filled", found.unfilled.to_string()),
        row("Contracts filled of those sent", share(found.contracts_filled.micros(), found.contracts_sent.micros())),
        row("Paid beyond the touch that the signal saw, per contract", slippage),
        row("Acknowledged to first fill, half within", ms(found.fill_ms_p50)),
        row("Acknowledged to first fill, 95 % within", ms(found.fill_ms_p95)),
    ];
    vec![heading("Execution"), Block::Table(vec!["", "figure"], rows)]
}

fn agreement(report: &Report) -> Vec<Block> {
    let mut rows = vec![
        vec!["Differences between log and accounts".to_owned(), report.divergences.to_string()],
        vec!["Differences that an operator booked".to_owned(), report.adjustments.to_string()],
        vec!["Orders that no signal asked for".to_owned(), report.external_orders.to_string()],
    ];
    for (how, count) in &report.unknowns {
        rows.push(vec![format!("Unknown outcomes, {how}"), count.to_string()]);
    }
    for (venue, (ours, theirs)) in &report.cash_counts {
        rows.push(vec![
            format!("Cash of {venue}: log, venue, difference"),
            format!("{}, {}, {}", usd(*ours), usd(*theirs), signed(*theirs - *ours)),
        ]);
    }
    vec![heading("Log and accounts"), Block::Table(vec!["", "figure"], rows)]
}

fn moments(report: &Report) -> Vec<Block> {
    if report.moments.is_empty() {
        return Vec::new();
    }
    let rows = report
        .moments
        .iter()
        .map(|moment| vec![moment.at.to_string().chars().take(19).collect::<String>().replace('T', " "), moment.what.clone()])
        .collect();
    vec![heading("What happened when"), Block::Table(vec!["time (UTC)", "what"], rows)]
}
