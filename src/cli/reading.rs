//! Reading commands and operators' commands, carried out: a question or a command to the source, its answer to the output.

use std::io::{self, Write};
use std::time::Duration;

use serde_json::{Value, json};

use super::args::{
    AdjustArgs, BreakerCommand, Command, DeadLettersCommand, KillCommand, ReportArgs, ReportFormat, ReportSpan, SignalCommand, SignalFile,
    TailArgs,
};
use super::render::Style;
use super::{CliError, Exit, Source, export, input, lint, show};
use crate::domain::time::Time;
use crate::http::{self, AdjustBody, Query};

/// Between two looks for new events: quick for people, nothing for the engine.
const FOLLOW_PAUSE: Duration = Duration::from_millis(200);
/// The largest page the API gives.
const PAGE: usize = 1_000;
/// Events of a `tail` that doesn't say where to start.
const LAST: usize = 50;

/// Where text goes, and how it may look.
pub struct Output<'a> {
    pub out: &'a mut (dyn Write + Send),
    pub style: Style,
}

impl Output<'_> {
    fn write(&mut self, text: &str) -> Result<(), CliError> {
        let failed = |error: io::Error| CliError::Failed(format!("can't write the output: {error}"));
        match self.out.write_all(text.as_bytes()).and_then(|()| self.out.flush()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(CliError::Closed),
            result => result.map_err(failed),
        }
    }

    fn line(&mut self, text: &str) -> Result<(), CliError> {
        self.write(&format!("{text}\n"))
    }
}

/// Carries out a command that asks or tells an engine (or only its log). `by` is who, for the log; `now` for `signal lint`.
/// Errors: `Usage` for the commands that `app` carries out itself (`run`, `demo`, `verify`, `config`, `bench`).
pub async fn carry_out(command: &Command, source: &Source, by: &str, now: Time, output: &mut Output<'_>) -> Result<Exit, CliError> {
    if let Some((query, json)) = question(command) {
        return ask(query, json, source, output).await;
    }
    match command {
        Command::Tail(args) => tail(args, source, output).await,
        Command::Report(args) => report(args, source, output).await,
        Command::Export(args) => export::export(args, source).await,
        Command::Healthcheck { ready } => health(*ready, source).await,
        Command::Adjust(args) => adjust(args, by, source, output).await,
        Command::Signal(SignalCommand::Send(file)) => send(file, source, output).await,
        Command::Signal(SignalCommand::Lint { file, json }) => lint_file(file, json.json, now, output),
        other => {
            let wanted = order(other, by).ok_or_else(|| CliError::Usage("this command asks no engine".to_owned()))?;
            output.line(&source.command(wanted).await?)?;
            Ok(Exit::Good)
        }
    }
}

/// The question behind a reading command, and whether its answer is wanted as JSON.
fn question(command: &Command) -> Option<(Query, bool)> {
    Some(match command {
        Command::Status(json) => (Query::Status, json.json),
        Command::Positions(json) => (Query::Positions, json.json),
        Command::Orders(args) => (Query::Orders { state: args.state.clone(), limit: args.limit }, args.json.json),
        Command::Pnl(json) => (Query::Pnl, json.json),
        Command::Cash(args) => (Query::Cash { day: args.day.clone() }, args.json.json),
        Command::Exposure(json) => (Query::Exposure, json.json),
        Command::Explain(args) => (Query::Explain { id: args.id.clone() }, args.json.json),
        Command::Verify(json) => (Query::Verify, json.json),
        Command::Replay(args) => (Query::Replay { until: args.until.clone() }, args.json.json),
        Command::Kill(KillCommand::Status(json)) => (Query::Kill, json.json),
        Command::Breaker(BreakerCommand::Status(json)) => (Query::Breaker, json.json),
        Command::DeadLetters(args) => match &args.command {
            None => (Query::DeadLetters { id: None, limit: None }, false),
            Some(DeadLettersCommand::List { limit, json }) => (Query::DeadLetters { id: None, limit: Some(*limit) }, json.json),
            Some(DeadLettersCommand::Show { id, json }) => (Query::DeadLetters { id: Some(*id), limit: None }, json.json),
        },
        _ => return None,
    })
}

/// What an operator wants changed.
fn order(command: &Command, by: &str) -> Option<http::Command> {
    let by = by.to_owned();
    Some(match command {
        Command::Kill(KillCommand::On { reason }) => http::Command::Kill { on: true, reason: reason.clone(), by },
        Command::Kill(KillCommand::Off { reason }) => http::Command::Kill { on: false, reason: reason.clone(), by },
        Command::Breaker(BreakerCommand::Reset { scope, reason }) => {
            http::Command::ResetBreaker { scope: scope.clone(), reason: reason.clone(), by }
        }
        Command::CancelAll => http::Command::CancelAll { by },
        Command::Reconcile { venue } => http::Command::Reconcile { venue: *venue, by },
        Command::Settle(args) => http::Command::Settle { venue: args.venue, market: args.market.clone(), settlement: args.result, by },
        _ => return None,
    })
}

async fn report(args: &ReportArgs, source: &Source, output: &mut Output<'_>) -> Result<Exit, CliError> {
    let query = Query::Report { week: args.span == ReportSpan::Weekly, day: args.day.clone() };
    let value = source.query(query).await?;
    let text = match args.format {
        _ if args.json.json => format!("{}\n", value["report"]),
        ReportFormat::Md => value["markdown"].as_str().unwrap_or_default().to_owned(),
        ReportFormat::Html => value["html"].as_str().unwrap_or_default().to_owned(),
    };
    let Some(path) = &args.out else { return output.write(&text).map(|()| Exit::Good) };
    std::fs::write(path, text).map_err(|error| CliError::Failed(format!("{}: {error}", path.display())))?;
    output.line(&format!("written to {}", path.display()))?;
    Ok(Exit::Good)
}

/// Only a living engine is well; a log that could be read is none.
async fn health(ready: bool, source: &Source) -> Result<Exit, CliError> {
    if !source.is_living() {
        return Err(CliError::Failed("no engine of this instance and mode answers".to_owned()));
    }
    if !ready {
        return Ok(Exit::Good);
    }
    let status = source.query(Query::Status).await?;
    if status["ready"] == true { Ok(Exit::Good) } else { Err(CliError::Failed(format!("not ready: {}", status["reasons"]))) }
}

fn adjustment(args: &AdjustArgs) -> AdjustBody {
    AdjustBody {
        venue: args.venue,
        market: args.market.clone(),
        outcome: args.outcome,
        quantity: args.quantity,
        cost: args.cost,
        cash: args.cash,
        counts: args.counts,
        reason: args.reason.clone(),
        by: String::new(),
    }
}

/// What log and venue say now; the booking; what they say when the account has been read again.
async fn adjust(args: &AdjustArgs, by: &str, source: &Source, output: &mut Output<'_>) -> Result<Exit, CliError> {
    let status = source.query(Query::Status).await?;
    output.write(&show::venue(&status, args.venue))?;
    let (body, by) = (Box::new(adjustment(args)), by.to_owned());
    output.line(&source.command(http::Command::Adjust { body, by: by.clone() }).await?)?;
    output.line(&source.command(http::Command::Reconcile { venue: Some(args.venue), by }).await?)?;
    Ok(Exit::Good)
}

async fn ask(query: Query, json: bool, source: &Source, output: &mut Output<'_>) -> Result<Exit, CliError> {
    let value = source.query(query.clone()).await?;
    if json {
        output.line(&value.to_string())?;
    } else {
        output.write(&show::text(&query, &value, output.style))?;
    }
    // A replay that differs is a finding, not a figure.
    let differs =
        matches!(query, Query::Replay { .. }) && value["identical"] == false || matches!(query, Query::Verify) && value["good"] != true;
    Ok(if differs { Exit::Failed } else { Exit::Good })
}

/// Page by page: up to the head as it was, or for ever.
async fn tail(args: &TailArgs, source: &Source, output: &mut Output<'_>) -> Result<Exit, CliError> {
    if args.follow && !source.is_living() {
        return Err(CliError::Failed("nothing to follow: no engine runs on this log (leave --follow out to read it)".to_owned()));
    }
    let mut left = args.limit.unwrap_or(usize::MAX);
    let mut from = args.from;
    // Without a place to start the first page is the end of the log.
    let mut page = if from.is_none() && args.limit.is_none() { LAST } else { PAGE };
    let mut end = None;
    while left > 0 {
        let value = source.query(Query::Tail { from, limit: Some(page.min(left)) }).await?;
        let mut printed = 0;
        for event in show::events(&value) {
            let line = if args.json.json { event.to_string() } else { show::event_line(event) };
            output.line(&line)?;
            printed += 1;
        }
        left -= printed.min(left);
        let unclear = || CliError::Failed("the answer doesn't say where the tail goes on".to_owned());
        let next = value["next"].as_u64().ok_or_else(unclear)?;
        let head = value["head_seq"].as_u64().ok_or_else(unclear)?;
        (from, page) = (Some(next), PAGE);
        if !args.follow && (printed == 0 || next > *end.get_or_insert(head)) {
            break;
        }
        if printed == 0 {
            tokio::time::sleep(FOLLOW_PAUSE).await;
        }
    }
    Ok(Exit::Good)
}

async fn send(file: &SignalFile, source: &Source, output: &mut Output<'_>) -> Result<Exit, CliError> {
    let bytes = input::read(&file.file)?;
    let messages = input::messages(&bytes);
    if messages.is_empty() {
        return Err(CliError::Usage("no message in the input".to_owned()));
    }
    for message in messages {
        let venue = input::venue_for(file.venue, message)?;
        let sent = source.signal(venue, message.to_vec()).await?;
        output.line(&format!("sent {} bytes: {}", message.len(), sent.as_str().map_or_else(|| sent.to_string(), str::to_owned)))?;
    }
    Ok(Exit::Good)
}

/// Needs no engine and no log.
pub fn lint_file(file: &SignalFile, json: bool, now: Time, output: &mut Output<'_>) -> Result<Exit, CliError> {
    let bytes = input::read(&file.file)?;
    let messages = input::messages(&bytes);
    if messages.is_empty() {
        return Err(CliError::Usage("no message in the input".to_owned()));
    }
    let mut all_good = true;
    let mut results: Vec<Value> = Vec::new();
    for (number, message) in (1..).zip(messages) {
        let (result, accepted) = lint::lint(number, message, file.venue, now);
        all_good &= accepted;
        if json {
            results.push(result);
        } else {
            output.write(&lint::text(&result, output.style))?;
        }
    }
    if json {
        output.line(&json!(results).to_string())?;
    }
    Ok(if all_good { Exit::Good } else { Exit::Failed })
}
