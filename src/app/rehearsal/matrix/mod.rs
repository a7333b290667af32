//! Every fault with every kind of order, all at once against one double, each in a market of its own; each row is held
//! against the double's ground truth.

/// Kalshi's rows and columns.
mod kalshi;
/// Polymarket's.
mod polymarket;

use std::time::Duration;

use serde::Serialize;
use serde_json::Value;
use tokio::sync::Semaphore;

use super::{Book, Double, Setup, Stage, Wish};
use crate::app::Running;
use crate::domain::market::Venue;
use crate::domain::money::Quantity;
use crate::domain::order::OrderState;
use crate::projections::OrderRecord;

/// Signals waiting for their verdict at once: a slow machine answers a flood late, and a late verdict is a veto.
const ASKING_MAX: usize = 6;

/// One thing that goes wrong, as the admin port takes it; `call` and market are added where it is about a call.
#[derive(Clone, Copy, Debug)]
pub struct Fault {
    pub name: &'static str,
    /// JSON; empty: nothing goes wrong.
    pub what: &'static str,
}

pub const fn fault(name: &'static str, what: &'static str) -> Fault {
    Fault { name, what }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Ioc,
    FillOrKill,
    /// More than is there.
    Killed,
    BuyNo,
    /// Rests until its signal ends.
    Resting,
    /// Rests, and somebody takes it.
    Taken,
    Close,
}

/// A double whose venue's live code is played through the table.
pub trait Played: Double {
    const FAULTS: &[Fault];
    /// With the words of the table's head.
    const KINDS: &[(Kind, &str)];

    fn wish(kind: Kind, market: &str) -> Wish;
    /// A name for the market of one cell.
    fn market(row: usize, column: usize) -> String;
    /// What keeps so many orders at once from hitting limits.
    fn give_plenty(setup: &mut Setup<Self>);
    /// The crowd trades against exactly this order, as the admin port takes it.
    fn hit(record: &OrderRecord, quantity: &str) -> Value;
    /// Status and filled count of an order in the venue's own books.
    fn status(row: &Value) -> Option<(&str, Quantity)>;
    fn is_resting(status: &str) -> bool;
    /// How often an order that can't rest may be sent under this fault: what was turned away unseen may come again.
    fn sends_max(fault: &str) -> u64;
}

/// One fault with one kind of order, and what became of it.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    pub fault: &'static str,
    pub kind: &'static str,
    /// How often the order was sent.
    pub sends: u64,
    pub state: OrderState,
    pub filled: String,
    /// What the venue holds under our id: its status and filled count; absent where it never took the order.
    pub venue: Option<String>,
    pub took_ms: i64,
    /// What is wrong with it; empty when all is well.
    pub problems: Vec<String>,
}

#[derive(Clone, Debug, Serialize)]
pub struct Report {
    pub rows: Vec<Row>,
    /// Differences between the log and the venue as a whole.
    pub differences: Vec<String>,
}

impl Report {
    pub fn is_good(&self) -> bool {
        self.differences.is_empty() && self.rows.iter().all(|row| row.problems.is_empty())
    }
}

struct Cell {
    fault: Fault,
    kind: (Kind, &'static str),
    market: String,
}

fn cells<D: Played>(faults: &[&str]) -> Vec<Cell> {
    let wanted = |fault: &&Fault| faults.is_empty() || faults.contains(&fault.name);
    let mut all = Vec::new();
    for (row, fault) in D::FAULTS.iter().enumerate().filter(|(_, fault)| wanted(fault)) {
        for (column, kind) in D::KINDS.iter().enumerate() {
            all.push(Cell { fault: *fault, kind: *kind, market: D::market(row, column) });
        }
    }
    all
}

/// Plays the faults with these names (all, when none is named). `folder` is fresh.
pub async fn play<D: Played>(folder: &std::path::Path, faults: &[&str], told: &(dyn Fn(&str) + Sync)) -> anyhow::Result<Report> {
    let cells = cells::<D>(faults);
    let stage = Stage::<D>::open(folder, setup(&cells)).await?;
    told(&format!("{} orders, each in a market of its own, against {}", cells.len(), stage.venue.api_url()));
    let running = stage.engine().await?;
    let closes = cells.iter().filter(|cell| cell.kind.0 == Kind::Close);
    for cell in closes {
        stage.trade(&running, &D::wish(Kind::Ioc, &cell.market)).await?;
    }
    // Only what has settled can be closed.
    stage.until("settlement", async || is_settled(&running, D::VENUE).await).await?;
    for cell in cells.iter().filter(|cell| !cell.fault.what.is_empty()) {
        let mut fault: Value = serde_json::from_str(cell.fault.what)?;
        fault["ticker"] = cell.market.as_str().into();
        stage.fault(fault).await?;
    }
    told("faults are on; sending");
    let before = stage.truth().await?["creates"].clone();
    let asking = Semaphore::new(ASKING_MAX);
    let played = futures::future::try_join_all(cells.iter().map(|cell| one(&stage, &running, cell, &asking))).await?;
    told("orders have ended; comparing with the venue's own books");
    // What is filled may still be taken back.
    let settled = stage.until("the last settlement", async || is_settled(&running, D::VENUE).await).await;
    // Judged by one moment, at which both sides agreed: a close that failed to settle may be asked for anew in the next.
    let (truth, book, differences) = match settled.and(stage.agree(&running).await) {
        Ok((truth, book)) => (truth, Some(book), Vec::new()),
        Err(error) => (stage.truth().await?, None, vec![error.to_string()]),
    };
    let rows = cells.iter().zip(played).map(|(cell, (record, took_ms))| {
        let now = book.as_ref().and_then(|book| book.orders.get(&record.order.order_id));
        judged::<D>(cell, now.unwrap_or(&record), took_ms, &truth, &before)
    });
    let rows = rows.collect();
    running.stop().await;
    stage.venue.stop().await;
    Ok(Report { rows, differences })
}

/// Once no fill of this venue may be taken back any more.
async fn is_settled(running: &Running, venue: Venue) -> Option<()> {
    let settled = running.engine.query(move |engine| {
        let book = engine.book();
        let money = book.cash.account(venue).is_none_or(|account| account.unsettled().is_zero());
        money && book.positions.held().all(|(_, position)| position.unsettled.is_zero())
    });
    settled.await.filter(|settled| *settled).map(drop)
}

fn setup<D: Played>(cells: &[Cell]) -> Setup<D> {
    let much = ["MAX_GAME_EXPOSURE", "MAX_SPORT_EXPOSURE", "MAX_VENUE_EXPOSURE", "MAX_TOTAL_EXPOSURE", "MAX_UNKNOWN_AMOUNT"];
    let mut settings: Vec<(String, String)> = much.iter().map(|name| ((*name).to_owned(), "100000".to_owned())).collect();
    let more = [
        ("BANKROLL_USD", "100000"),
        ("MAX_DAILY_LOSS", "100000"),
        ("MAX_ORDERS_PER_MINUTE", "10000"),
        ("MAX_ORDERS_PER_HOUR", "10000"),
        ("MAX_CONSECUTIVE_ERRORS", "1000"),
        ("RISK_TIMEOUT_MS", "1000"),
    ];
    settings.extend(more.map(|(name, value)| (name.to_owned(), value.to_owned())));
    let mut setup = Setup { settings, markets: cells.iter().map(|cell| Book::usual(&cell.market)).collect(), ..Setup::default() };
    D::give_plenty(&mut setup);
    setup
}

/// Sends one order and waits until nothing more can come of it.
async fn one<D: Played>(stage: &Stage<D>, running: &Running, cell: &Cell, asking: &Semaphore) -> anyhow::Result<(OrderRecord, i64)> {
    let turn = asking.acquire().await?;
    let began = stage.now();
    let id = stage.send(running, &D::wish(cell.kind.0, &cell.market)).await?;
    let order_id = stage.order(running, &id).await?;
    drop(turn);
    if cell.kind.0 == Kind::Taken {
        let sent = stage.order_when(running, order_id, |record| record.attempts > 0).await?;
        take(stage, &sent).await?;
    }
    let record = stage.order_when(running, order_id, OrderRecord::is_done).await?;
    Ok((record, stage.now().ms_since(began)))
}

/// Somebody sells to our resting order, once it is there; some faults see to it that it never is.
async fn take<D: Played>(stage: &Stage<D>, record: &OrderRecord) -> anyhow::Result<()> {
    for _ in 0..40 {
        let hit = stage.admin("POST", "/hit", D::hit(record, &record.order.quantity.to_string())).await;
        if hit.is_ok() {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

fn judged<D: Played>(cell: &Cell, record: &OrderRecord, took_ms: i64, truth: &Value, before: &Value) -> Row {
    let name = D::name_of(record);
    let venue = &truth["orders"][&name];
    let count = |counts: &Value| counts[&name].as_u64().unwrap_or(0);
    let sends = count(&truth["creates"]) - count(before);
    let filled = record.filled.to_string();
    let there = D::status(venue);
    let theirs = there.map(|(_, filled)| filled);
    let mut problems = Vec::new();
    let mut must = |holds: bool, what: &str| {
        if !holds {
            problems.push(what.to_owned());
        }
    };
    must(record.is_done(), "not ended");
    must(theirs.unwrap_or_default() == record.filled, "filled otherwise at the venue");
    must(there.is_none_or(|(status, _)| !D::is_resting(status)), "still rests at the venue");
    must(record.order.tif.rests() || sends <= D::sends_max(cell.fault.name), "an order that doesn't rest was sent again");
    must(theirs.is_some() || matches!(record.state, OrderState::Rejected | OrderState::NotPlaced), "ended here, never was there");
    must(theirs.is_none() || record.state != OrderState::NotPlaced, "not placed here, but it is there");
    let full = record.filled >= record.order.quantity;
    must(full == (record.state == OrderState::Filled), "its state is not what its fills say");
    Row {
        fault: cell.fault.name,
        kind: cell.kind.1,
        sends,
        state: record.state,
        filled,
        venue: there.map(|(status, filled)| format!("{status}, {filled} filled")),
        took_ms,
        problems,
    }
}

/// The table for people: one line a fault, one column a kind of order.
pub fn table(report: &Report) -> String {
    let mut text = format!("{:22}", "");
    let width = report.rows.iter().take_while(|row| row.fault == report.rows[0].fault).count().max(1);
    for row in report.rows.iter().take(width) {
        text.push_str(&format!(" {:16}", row.kind));
    }
    text.push('\n');
    for rows in report.rows.chunks(width) {
        text.push_str(&format!("{:22}", rows[0].fault));
        for row in rows {
            let filled = if row.filled == "0" { String::new() } else { format!(" {}", row.filled) };
            let again = if row.sends > 1 { format!(" x{}", row.sends) } else { String::new() };
            let mark = if row.problems.is_empty() { "" } else { " !" };
            text.push_str(&format!(" {:16}", format!("{}{filled}{again}{mark}", row.state)));
        }
        text.push('\n');
    }
    text.push_str("\nfinal state, contracts filled; xN: sent N times under the same id; !: not as the venue's own books say\n");
    for row in report.rows.iter().filter(|row| !row.problems.is_empty()) {
        text.push_str(&format!(
            "! {} / {}: {} ({})\n",
            row.fault,
            row.kind,
            row.problems.join("; "),
            row.venue.as_deref().unwrap_or("never there")
        ));
    }
    for difference in &report.differences {
        text.push_str(&format!("! {difference}\n"));
    }
    text
}
