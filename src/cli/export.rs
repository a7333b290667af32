//! The log's facts as files for other programs: CSV for spreadsheets, JSON lines for the rest. Columns are stable.

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::Path;

use serde_json::Value;

use super::args::{ExportArgs, ExportFormat, ExportWhat};
use super::{CliError, Exit, Source};
use crate::http::Query;

/// The largest page the API gives.
const PAGE: usize = 1_000;

/// An answer of the API holds no more orders.
const ORDERS_MAX: u64 = 10_000;

/// Names of columns and where their values are, by path.
type Columns = &'static [(&'static str, &'static str)];

const ORDERS: Columns = &[
    ("order_id", "order_id"),
    ("signal_id", "signal_id"),
    ("revision", "revision"),
    ("venue", "venue"),
    ("market", "market"),
    ("outcome", "outcome"),
    ("action", "action"),
    ("quantity", "quantity"),
    ("filled", "filled"),
    ("average_price", "average_price"),
    ("fees", "fees"),
    ("limit", "limit"),
    ("tif", "tif"),
    ("state", "state"),
    ("attempts", "attempts"),
    ("game", "game"),
    ("requested_at", "requested_at"),
    ("acked_at", "acked_at"),
    ("ended", "ended"),
];
const POSITIONS: Columns = &[
    ("venue", "venue"),
    ("market", "market"),
    ("outcome", "outcome"),
    ("quantity", "quantity"),
    ("average_price", "average_price"),
    ("cost", "cost"),
    ("mark", "mark"),
    ("value", "value"),
    ("realized_pnl", "realized_pnl"),
    ("unrealized_pnl", "unrealized_pnl"),
    ("fees", "fees"),
    ("game", "game"),
    ("settled", "settled"),
];
const PNL: Columns = &[
    ("date", "day.date"),
    ("opening_equity", "day.opening_equity"),
    ("day_pnl", "day.pnl"),
    ("cash", "cash"),
    ("reserved", "reserved"),
    ("equity", "equity"),
    ("realized_pnl", "realized_pnl"),
    ("unrealized_pnl", "unrealized_pnl"),
    ("fees", "fees"),
];
const FILLS: Columns = &[
    ("seq", "seq"),
    ("at", "at"),
    ("order_id", "order_id"),
    ("trade_id", "data.trade_id"),
    ("venue", "data.instrument.venue"),
    ("market", "data.instrument.market"),
    ("outcome", "data.instrument.outcome"),
    ("action", "data.action"),
    ("quantity", "data.quantity"),
    ("price", "data.price"),
    ("fee", "data.fee"),
    ("liquidity", "data.liquidity"),
    ("venue_at", "data.venue_at"),
];
const VETOES: Columns = &[
    ("seq", "seq"),
    ("at", "at"),
    ("order_id", "order_id"),
    ("reason", "failure.reason"),
    ("observed", "failure.observed"),
    ("limit", "failure.limit"),
];
const EVENTS: Columns = &[("seq", "seq"), ("at", "at"), ("event", "event"), ("order_id", "order_id"), ("text", "text")];

/// Writes what was asked for to the file, or to standard output.
pub async fn export(args: &ExportArgs, source: &Source) -> Result<Exit, CliError> {
    let columns = match args.what {
        ExportWhat::Orders => ORDERS,
        ExportWhat::Positions => POSITIONS,
        ExportWhat::Pnl => PNL,
        ExportWhat::Fills => FILLS,
        ExportWhat::Vetoes => VETOES,
        ExportWhat::Events => EVENTS,
    };
    let mut sheet = Sheet::open(args.out.as_deref(), args.format, columns)?;
    match args.what {
        ExportWhat::Orders => sheet.rows(source.query(Query::Orders { state: None, limit: None }).await?)?,
        ExportWhat::Positions => sheet.rows(source.query(Query::Positions).await?)?,
        ExportWhat::Pnl => sheet.row(&source.query(Query::Pnl).await?)?,
        ExportWhat::Fills | ExportWhat::Vetoes | ExportWhat::Events => events(args, source, &mut sheet).await?,
    }
    let rows = sheet.end()?;
    if args.what == ExportWhat::Orders && rows >= ORDERS_MAX {
        eprintln!("only the newest {ORDERS_MAX} orders: `arbees export events` has the older ones");
    }
    if let Some(out) = &args.out {
        eprintln!("{rows} rows in {}", out.display());
    }
    Ok(Exit::Good)
}

async fn events(args: &ExportArgs, source: &Source, sheet: &mut Sheet) -> Result<(), CliError> {
    let mut from = args.from.max(1);
    let mut head = None;
    loop {
        let value = source.query(Query::Tail { from: Some(from), limit: Some(PAGE) }).await?;
        let last = *head.get_or_insert(value["head_seq"].as_u64().unwrap_or(0));
        let page = value["events"].as_array().map_or(&[][..], Vec::as_slice);
        for event in page.iter().filter(|event| event["seq"].as_u64().is_some_and(|seq| seq <= last)) {
            match (args.what, event["event"].as_str()) {
                (ExportWhat::Events, _) | (ExportWhat::Fills, Some("Filled")) => sheet.row(event)?,
                (ExportWhat::Vetoes, Some("OrderVetoed")) => vetoes(event, sheet)?,
                _ => {}
            }
        }
        let next = value["next"].as_u64().unwrap_or(0);
        progress(next.saturating_sub(1).min(last), last, args.out.is_some());
        if page.is_empty() || next <= from || next > last {
            return Ok(());
        }
        from = next;
    }
}

/// One row per failed check.
fn vetoes(event: &Value, sheet: &mut Sheet) -> Result<(), CliError> {
    for failure in event["data"]["failures"].as_array().into_iter().flatten() {
        let mut row = event.clone();
        row["failure"] = failure.clone();
        if let Some(fields) = row.as_object_mut() {
            fields.remove("data");
        }
        sheet.row(&row)?;
    }
    Ok(())
}

/// For people who wait, and only where the rows don't go to the same terminal.
fn progress(done: u64, all: u64, to_file: bool) {
    if to_file && all > PAGE as u64 && io::stderr().is_terminal() {
        let width = 40;
        let filled = (done * width / all.max(1)).min(width) as usize;
        eprint!("\r{}{} {done} of {all} records", "█".repeat(filled), "░".repeat(width as usize - filled));
        if done >= all {
            eprintln!();
        }
    }
}

/// A spreadsheet takes text that begins so for a formula.
fn harmless(text: &str) -> String {
    let is_number = text.parse::<serde_json::Number>().is_ok();
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']) && !is_number;
    if formula { format!("'{text}") } else { text.to_owned() }
}

enum Writer {
    Csv(Box<csv::Writer<Box<dyn Write + Send>>>),
    Lines(Box<dyn Write + Send>),
}

struct Sheet {
    writer: Writer,
    columns: Columns,
    rows: u64,
}

fn failed(error: impl std::fmt::Display) -> CliError {
    CliError::Failed(format!("can't write the rows: {error}"))
}

impl Sheet {
    fn open(out: Option<&Path>, format: ExportFormat, columns: Columns) -> Result<Self, CliError> {
        let target: Box<dyn Write + Send> = match out {
            Some(path) => {
                Box::new(BufWriter::new(File::create(path).map_err(|error| CliError::Failed(format!("{}: {error}", path.display())))?))
            }
            None => Box::new(BufWriter::new(io::stdout())),
        };
        let writer = match format {
            ExportFormat::Jsonl => Writer::Lines(target),
            ExportFormat::Csv => {
                let mut writer = csv::Writer::from_writer(target);
                writer.write_record(columns.iter().map(|(name, _)| *name)).map_err(failed)?;
                Writer::Csv(Box::new(writer))
            }
        };
        Ok(Self { writer, columns, rows: 0 })
    }

    fn rows(&mut self, value: Value) -> Result<(), CliError> {
        value.as_array().into_iter().flatten().try_for_each(|row| self.row(row))
    }

    fn row(&mut self, row: &Value) -> Result<(), CliError> {
        self.rows += 1;
        match &mut self.writer {
            Writer::Lines(target) => writeln!(target, "{row}").map_err(failed),
            Writer::Csv(writer) => {
                let cells = self.columns.iter().map(|(_, path)| {
                    let found = path.split('.').fold(row, |value, name| &value[name]);
                    match found {
                        Value::Null => String::new(),
                        Value::String(text) => harmless(text),
                        other => other.to_string(),
                    }
                });
                writer.write_record(cells).map_err(failed)
            }
        }
    }

    fn end(self) -> Result<u64, CliError> {
        match self.writer {
            Writer::Csv(mut writer) => writer.flush().map_err(failed)?,
            Writer::Lines(mut target) => target.flush().map_err(failed)?,
        }
        Ok(self.rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_spreadsheet_would_run_is_text_and_amounts_stay_amounts() {
        assert_eq!(harmless("=HYPERLINK(\"x\")"), "'=HYPERLINK(\"x\")");
        assert_eq!(harmless("@SUM(A1)"), "'@SUM(A1)");
        assert_eq!(harmless("-1+cmd"), "'-1+cmd");
        assert_eq!(harmless("-12.5"), "-12.5");
        assert_eq!(harmless("0.52"), "0.52");
    }
}
