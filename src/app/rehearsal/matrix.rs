//! Every fault with every kind of order, all at once against one double, each in a market of its own; each row is held
//! against the double's ground truth.

use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};

use super::{Book, Setup, Stage, Wish, truth};
use crate::app::Running;
use crate::domain::ids::OrderId;
use crate::domain::money::{Quantity, Usd};
use crate::domain::order::OrderState;
use crate::exchange::kalshi::{Budget, Limits, MEMBER};
use crate::projections::OrderRecord;

/// One thing that goes wrong, as the admin port takes it; `call` and market are added where it is about a call.
#[derive(Clone, Copy, Debug)]
struct Fault {
    name: &'static str,
    /// JSON; empty: nothing goes wrong.
    what: &'static str,
}

const fn fault(name: &'static str, what: &'static str) -> Fault {
    Fault { name, what }
}

const FAULTS: &[Fault] = &[
    fault("none", ""),
    fault("filled, reply lost", r#"{"kind":"no_reply","call":"create","how":"reset","count":1}"#),
    fault("filled, no reply ever", r#"{"kind":"no_reply","call":"create","how":"hang","count":1}"#),
    fault("lost on the way", r#"{"kind":"no_reply","call":"create","how":"reset","processed":false,"count":1}"#),
    fault("late reply", r#"{"kind":"late_reply","call":"create","ms":300,"count":1}"#),
    fault("late request", r#"{"kind":"late_request","call":"create","ms":300,"count":1}"#),
    fault("503, processed", r#"{"kind":"status","call":"create","status":503,"processed":true,"count":1}"#),
    fault("500, not processed", r#"{"kind":"status","call":"create","status":500,"count":1}"#),
    fault("429", r#"{"kind":"too_many_requests","call":"create","count":1}"#),
    fault("broken JSON", r#"{"kind":"broken_json","call":"create","count":1}"#),
    fault("truncated body", r#"{"kind":"truncated","call":"create","count":1}"#),
    fault("empty body", r#"{"kind":"empty","call":"create","count":1}"#),
    fault("HTML page", r#"{"kind":"html","call":"create","count":1}"#),
    fault("refused", r#"{"kind":"refuse","call":"create","status":400,"code":"insufficient_balance","count":1}"#),
    fault("fills missing on WS", r#"{"kind":"ws_drop","channel":"fill"}"#),
    fault("fills twice on WS", r#"{"kind":"ws_duplicate","channel":"fill"}"#),
    fault("fills late on WS", r#"{"kind":"ws_delay","channel":"fill","ms":400}"#),
    fault("stale reads", r#"{"kind":"stale_read","call":"orders","ms":500}"#),
    fault("cancel unanswered", r#"{"kind":"no_reply","call":"cancel","how":"reset","count":1}"#),
    fault("fill races cancel", r#"{"kind":"cancel_fills","quantity":"1","count":1}"#),
    fault("filled in parts", r#"{"kind":"partial_fills","parts":3,"ms":150}"#),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
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

const KINDS: [(Kind, &str); 7] = [
    (Kind::Ioc, "buy YES, IOC"),
    (Kind::FillOrKill, "buy YES, FOK"),
    (Kind::Killed, "FOK, too large"),
    (Kind::BuyNo, "buy NO, IOC"),
    (Kind::Resting, "rest, expire"),
    (Kind::Taken, "rest, be taken"),
    (Kind::Close, "close"),
];

impl Kind {
    fn wish(self, ticker: &str) -> Wish {
        let wish = match self {
            Self::Ioc => Wish::open("yes", "0.50", "3", "ioc"),
            Self::FillOrKill => Wish::open("yes", "0.50", "3", "fok"),
            Self::Killed => Wish::open("yes", "0.50", "50", "fok"),
            Self::BuyNo => Wish::open("no", "0.52", "3", "ioc"),
            Self::Resting => Wish { ttl_ms: 2_500, ..Wish::open("yes", "0.45", "3", "gtd") },
            Self::Taken => Wish { ttl_ms: 8_000, ..Wish::open("yes", "0.45", "3", "gtd") },
            Self::Close => Wish::close("yes", "0.40"),
        };
        Wish { ticker: ticker.to_owned(), ..wish }
    }
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
    ticker: String,
}

fn cells(faults: &[&str]) -> Vec<Cell> {
    let wanted = |fault: &&Fault| faults.is_empty() || faults.contains(&fault.name);
    let mut all = Vec::new();
    for (row, fault) in FAULTS.iter().enumerate().filter(|(_, fault)| wanted(fault)) {
        for (column, kind) in KINDS.iter().enumerate() {
            all.push(Cell { fault: *fault, kind: *kind, ticker: format!("KXF{row}-26NOV22-K{column}") });
        }
    }
    all
}

/// Plays the faults with these names (all, when none is named). `folder` is fresh.
pub async fn play(folder: &std::path::Path, faults: &[&str], told: &(dyn Fn(&str) + Sync)) -> anyhow::Result<Report> {
    let cells = cells(faults);
    let stage = Stage::open(folder, setup(&cells)).await?;
    told(&format!("{} orders, each in a market of its own, against {}", cells.len(), stage.venue.api_url()));
    let running = stage.engine().await?;
    let closes = cells.iter().filter(|cell| cell.kind.0 == Kind::Close);
    let opened = closes.map(|cell| async { stage.trade(&running, &Kind::Ioc.wish(&cell.ticker)).await.map(drop) });
    futures::future::try_join_all(opened).await?;
    for cell in cells.iter().filter(|cell| !cell.fault.what.is_empty()) {
        let mut fault: Value = serde_json::from_str(cell.fault.what)?;
        fault["ticker"] = cell.ticker.as_str().into();
        stage.fault(fault).await?;
    }
    told("faults are on; sending");
    let before = stage.truth().await?["creates"].clone();
    let played = futures::future::try_join_all(cells.iter().map(|cell| one(&stage, &running, cell))).await?;
    told("orders have ended; comparing with the venue's own books");
    let agreed = stage.agree(&running).await;
    let truth = stage.truth().await?;
    let differences = match agreed {
        Ok(()) => truth::differences(&truth, &running).await?,
        Err(error) => vec![error.to_string()],
    };
    let rows = cells.iter().zip(played).map(|(cell, (record, took_ms))| judged(cell, &record, took_ms, &truth, &before)).collect();
    running.stop().await;
    stage.venue.stop().await;
    Ok(Report { rows, differences })
}

fn setup(cells: &[Cell]) -> Setup {
    let much = ["MAX_GAME_EXPOSURE", "MAX_SPORT_EXPOSURE", "MAX_VENUE_EXPOSURE", "MAX_TOTAL_EXPOSURE", "MAX_UNKNOWN_AMOUNT"];
    let mut settings: Vec<(String, String)> = much.iter().map(|name| ((*name).to_owned(), "100000".to_owned())).collect();
    let more = [
        ("BANKROLL_USD", "100000"),
        ("MAX_DAILY_LOSS", "100000"),
        ("MAX_ORDERS_PER_MINUTE", "10000"),
        ("MAX_ORDERS_PER_HOUR", "10000"),
        ("MAX_CONSECUTIVE_ERRORS", "1000"),
        ("KALSHI_FUSE_CONTRACTS", "100000"),
        ("RISK_TIMEOUT_MS", "1000"),
    ];
    settings.extend(more.map(|(name, value)| (name.to_owned(), value.to_owned())));
    let mut setup = Setup { settings, markets: cells.iter().map(|cell| Book::usual(&cell.ticker)).collect(), ..Setup::default() };
    let budget = Budget { refill_rate: 20_000, bucket_capacity: 20_000 };
    setup.venue.limits = Limits { read: budget, write: budget };
    setup.venue.cash = vec![(MEMBER.to_owned(), 0, Usd::whole(10_000))];
    setup
}

/// Sends one order and waits until nothing more can come of it.
async fn one(stage: &Stage, running: &Running, cell: &Cell) -> anyhow::Result<(OrderRecord, i64)> {
    let began = stage.now();
    let id = stage.send(running, &cell.kind.0.wish(&cell.ticker)).await?;
    let order_id = stage.order(running, &id).await?;
    if cell.kind.0 == Kind::Taken {
        take(stage, order_id).await?;
    }
    let record = stage.order_when(running, order_id, OrderRecord::is_done).await?;
    Ok((record, stage.now().ms_since(began)))
}

/// Somebody sells to our resting order, once it is there; some faults see to it that it never is.
async fn take(stage: &Stage, order_id: OrderId) -> anyhow::Result<()> {
    let client_order_id = order_id.client_order_id().to_string();
    for _ in 0..40 {
        let hit = stage.admin("POST", "/hit", json!({ "client_order_id": client_order_id, "quantity": "3" })).await;
        if hit.is_ok() {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

fn judged(cell: &Cell, record: &OrderRecord, took_ms: i64, truth: &Value, before: &Value) -> Row {
    let client_id = record.order.order_id.client_order_id().to_string();
    let venue = &truth["orders"][&client_id];
    let count = |counts: &Value| counts[&client_id].as_u64().unwrap_or(0);
    let sends = count(&truth["creates"]) - count(before);
    let filled = record.filled.to_string();
    let theirs = venue["fill_count_fp"].as_str().and_then(|text| Quantity::parse(text).ok());
    let mut problems = Vec::new();
    let mut must = |holds: bool, what: &str| {
        if !holds {
            problems.push(what.to_owned());
        }
    };
    must(record.is_done(), "not ended");
    must(theirs.unwrap_or_default() == record.filled, "filled otherwise at the venue");
    must(venue["status"] != "resting", "still rests at the venue");
    must(record.order.tif.rests() || sends <= u64::from(cell.fault.name == "429") + 1, "an order that doesn't rest was sent again");
    must(theirs.is_some() || matches!(record.state, OrderState::Rejected | OrderState::NotPlaced), "ended here, never was there");
    must(theirs.is_none() || record.state != OrderState::NotPlaced, "not placed here, but it is there");
    let full = record.filled == record.order.quantity;
    must(full == (record.state == OrderState::Filled), "its state is not what its fills say");
    Row {
        fault: cell.fault.name,
        kind: cell.kind.1,
        sends,
        state: record.state,
        filled,
        venue: venue["status"].as_str().map(|status| format!("{status}, {} filled", venue["fill_count_fp"].as_str().unwrap_or("?"))),
        took_ms,
        problems,
    }
}

/// The table for people: one line a fault, one column a kind of order.
pub fn table(report: &Report) -> String {
    let mut text = format!("{:22}", "");
    for (_, kind) in KINDS {
        text.push_str(&format!(" {kind:16}"));
    }
    text.push('\n');
    for rows in report.rows.chunks(KINDS.len()) {
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
