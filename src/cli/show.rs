//! Each answer's JSON as text for people.

use serde_json::Value;

use super::render::{Align, Style, Table, harmless};
use crate::domain::market::Venue;
use crate::http::Query;

/// The answer to `query`, with a line feed at its end.
pub fn text(query: &Query, value: &Value, style: Style) -> String {
    match query {
        Query::Status => status(value, style),
        Query::Positions => positions(value, style),
        Query::Orders { .. } => orders(value, style),
        Query::Pnl => pnl(value),
        Query::Cash { .. } => cash(value, style),
        Query::Exposure => exposure(value, style),
        Query::Report { .. } => value["markdown"].as_str().unwrap_or_default().to_owned(),
        Query::Explain { .. } => explain(value, style),
        Query::Tail { .. } => events(value).map(|event| format!("{}\n", event_line(event))).collect(),
        Query::Breaker => breakers(value, style),
        Query::Kill => format!("{}\n", kill(value, style)),
        Query::Replay { .. } => replay(value, style),
        Query::Verify => verify(value, style),
        Query::DeadLetters { id: None, .. } => dead_letters(value, style),
        Query::DeadLetters { id: Some(_), .. } => dead_letter(value),
        Query::Records { .. } => format!("{value}\n"),
    }
}

/// Events of a `tail` answer.
pub fn events(value: &Value) -> impl Iterator<Item = &Value> {
    value["events"].as_array().into_iter().flatten()
}

pub fn event_line(event: &Value) -> String {
    harmless(event["text"].as_str().unwrap_or("an event without text"))
}

/// Text, number or flag; a dash for what is absent.
fn cell(value: &Value, name: &str) -> String {
    match &value[name] {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn cells(value: &Value, names: &[&str]) -> Vec<String> {
    names.iter().map(|name| cell(value, name)).collect()
}

fn rows(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// Names and values, one per line.
fn pairs(pairs: &[(&str, String)]) -> String {
    let width = pairs.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    pairs.iter().map(|(name, value)| format!("{name:<width$}  {}\n", harmless(value))).collect()
}

fn positions(value: &Value, style: Style) -> String {
    let names = ["venue", "market", "outcome", "quantity", "average_price", "mark", "realized_pnl", "unrealized_pnl", "fees"];
    let mut table = Table::new(&[
        ("VENUE", Align::Left),
        ("MARKET", Align::Left),
        ("OUTCOME", Align::Left),
        ("QUANTITY", Align::Right),
        ("AVERAGE", Align::Right),
        ("MARK", Align::Right),
        ("REALISED", Align::Right),
        ("UNREALISED", Align::Right),
        ("FEES", Align::Right),
        ("SETTLED", Align::Left),
    ]);
    let mut redeem = String::new();
    for position in rows(value) {
        let mut row = cells(position, &names);
        row.push(position["settled"].as_str().unwrap_or("").to_owned());
        table.row(row);
        if let Some(what) = position["redeem"].as_str() {
            redeem.push_str(&format!("redeem {}\n", harmless(what)));
        }
    }
    table.render(style, "no positions") + &redeem
}

fn orders(value: &Value, style: Style) -> String {
    let names =
        ["venue", "market", "outcome", "action", "quantity", "filled", "limit", "average_price", "fees", "tif", "state", "signal_id"];
    let mut table = Table::new(&[
        ("ORDER", Align::Left),
        ("VENUE", Align::Left),
        ("MARKET", Align::Left),
        ("OUTCOME", Align::Left),
        ("ACTION", Align::Left),
        ("QUANTITY", Align::Right),
        ("FILLED", Align::Right),
        ("LIMIT", Align::Right),
        ("AVERAGE", Align::Right),
        ("FEES", Align::Right),
        ("TIF", Align::Left),
        ("STATE", Align::Left),
        ("SIGNAL", Align::Left),
    ]);
    for order in rows(value) {
        let mut row = vec![cell(order, "order_id").chars().take(8).collect()];
        row.extend(cells(order, &names));
        table.row(row);
    }
    table.render(style, "no orders")
}

/// Columns of the daily proof: name in the JSON, head of the table.
const CASH: [(&str, &str); 11] = [
    ("opening", "OPENING"),
    ("deposits", "DEPOSITS"),
    ("withdrawals", "WITHDRAWALS"),
    ("bought", "BOUGHT"),
    ("sold", "SOLD"),
    ("fees", "FEES"),
    ("settled", "SETTLED"),
    ("redeemed", "REDEEMED"),
    ("taken_back", "TAKEN BACK"),
    ("adjusted", "ADJUSTED"),
    ("expected", "EXPECTED"),
];

fn cash(value: &Value, style: Style) -> String {
    let mut heads = vec![("VENUE", Align::Left)];
    heads.extend(CASH.map(|(_, head)| (head, Align::Right)));
    let mut table = Table::new(&heads);
    let mut text = String::new();
    for account in rows(&value["accounts"]) {
        let mut row = cells(account, &["venue"]);
        row.extend(CASH.map(|(name, _)| cell(account, name)));
        table.row(row);
        text.push_str(&format!("{}\n", count(account, style)));
    }
    format!("day {}\n{}{text}", cell(value, "date"), table.render(style, "no accounts"))
}

/// What the venue says to it.
fn count(account: &Value, style: Style) -> String {
    let (venue, count) = (cell(account, "venue"), &account["count"]);
    let Some(unexplained) = count["unexplained"].as_str() else {
        return if venue == "paper" { "paper: no venue to ask".to_owned() } else { format!("{venue}: not counted against the venue yet") };
    };
    let words = format!(
        "{venue}: ${} here, ${} at the venue, counted {}, unexplained ${unexplained}",
        cell(count, "ours"),
        cell(count, "theirs"),
        cell(count, "at")
    );
    if unexplained == "0" { style.good(&words) } else { style.bad(&words) }
}

fn pnl(value: &Value) -> String {
    let money = |name: &str| format!("${}", cell(value, name));
    let mut lines = vec![
        ("cash", money("cash")),
        ("reserved", money("reserved")),
        ("free cash", money("free_cash")),
        ("holdings at mark", money("marked_value")),
        ("equity", money("equity")),
        ("realised", format!("{} (fees aside)", money("realized_pnl"))),
        ("unrealised", money("unrealized_pnl")),
        ("fees", money("fees")),
    ];
    let day = &value["day"];
    if day.is_object() {
        lines.push(("day", format!("{}, opened with ${}", cell(day, "date"), cell(day, "opening_equity"))));
        lines.push(("day's result", format!("${} (stops at -${})", cell(day, "pnl"), cell(day, "limit"))));
        lines.push(("of it realised", format!("${}, fees ${}", cell(day, "realized"), cell(day, "fees"))));
    }
    for market in rows(&value["unmarked"]) {
        lines.push(("no fresh mark", market.as_str().unwrap_or("-").to_owned()));
    }
    pairs(&lines)
}

fn exposure(value: &Value, style: Style) -> String {
    let mut table = Table::new(&[("SCOPE", Align::Left), ("NAME", Align::Left), ("WORST", Align::Right), ("LIMIT", Align::Right)]);
    let mut add = |scope: &str, group: &Value| {
        let money = |name| format!("${}", cell(group, name));
        table.row(vec![scope.to_owned(), cell(group, "name"), money("worst"), money("limit")]);
    };
    for (scope, list) in [("game", "games"), ("sport", "sports"), ("venue", "venues")] {
        rows(&value[list]).for_each(|group| add(scope, group));
    }
    add("all", &value["total"]);
    let in_flight = format!("in flight: {} orders, up to ${}\n", cell(value, "orders_in_flight"), cell(value, "in_flight"));
    table.render(style, "nothing at risk") + &in_flight
}

fn status(value: &Value, style: Style) -> String {
    let ready = value["ready"] == true;
    let reasons: Vec<&str> = rows(&value["reasons"]).filter_map(Value::as_str).collect();
    let counts = |name: &str| {
        let entries = value[name].as_object().into_iter().flatten();
        let words: Vec<String> = entries.map(|(name, count)| format!("{name} {count}")).collect();
        if words.is_empty() { "none".to_owned() } else { words.join(", ") }
    };
    let mut lines = vec![
        ("mode", format!("{}, instance {}, version {}", cell(value, "mode"), cell(value, "instance"), cell(value, "version"))),
        ("ready", if ready { "yes".to_owned() } else { format!("no: {}", reasons.join("; ")) }),
        ("kill", kill_words(&value["kill"])),
        (
            "log",
            format!(
                "{}, record {} at {}, epoch {}",
                cell(value, "log_id"),
                cell(value, "seq"),
                cell(value, "recorded_at"),
                cell(value, "epoch")
            ),
        ),
        ("state", cell(value, "state_hash")),
        ("orders", counts("orders")),
        (
            "signals",
            format!(
                "{} rejected, {} dead letters, {} verdicts awaited",
                cell(value, "rejected_signals"),
                cell(value, "dead_letters"),
                cell(value, "questions_open")
            ),
        ),
        ("counters", counts("counters")),
    ];
    if let Some(why) = value["halted"].as_str() {
        lines.insert(1, ("HALTED", why.to_owned()));
    }
    for breaker in rows(&value["breakers"]) {
        lines.push(("breaker", breaker_words(breaker)));
    }
    for venue in rows(&value["venues"]) {
        lines.extend(venue_lines(venue));
    }
    for order in rows(&value["unknown_orders"]) {
        let (id, market) = (cell(order, "order_id"), cell(order, "market"));
        lines.push(("unknown", format!("{id} on {market} for {} ms, ${} held for it", cell(order, "age_ms"), cell(order, "reserved"))));
    }
    let headline = if ready { style.good("ready") } else { style.bad("not ready") };
    format!("{headline}\n{}", pairs(&lines))
}

/// A venue with money: how it stands, its cash, and what differs.
fn venue_lines(venue: &Value) -> Vec<(&'static str, String)> {
    let stated = venue["stated_cash"].as_str().map_or(String::new(), |cash| format!(", ${cash} as the venue says"));
    let cash = venue["cash"].as_str().map_or(String::new(), |cash| format!("; cash ${cash}{stated}"));
    let count = &venue["count"];
    let counted = count["unexplained"].as_str();
    let counted = counted.map_or(String::new(), |usd| format!("; counted {}, unexplained ${usd}", cell(count, "at")));
    let stands = format!("{} {}: {}{cash}{counted}", cell(venue, "venue"), cell(venue, "mode"), cell(venue, "why"));
    let differs = rows(&venue["diverged"]).map(|differs| {
        ("DIVERGED", format!("{}: {} here, {} there", cell(differs, "what"), cell(differs, "ours"), cell(differs, "theirs")))
    });
    std::iter::once(("venue", stands)).chain(differs).collect()
}

/// One venue of a status.
pub fn venue(status: &Value, wanted: Venue) -> String {
    let is_it = |venue: &&Value| venue["venue"] == wanted.as_str();
    let lines: Vec<_> = rows(&status["venues"]).filter(is_it).flat_map(venue_lines).collect();
    pairs(&lines)
}

fn breaker_words(breaker: &Value) -> String {
    format!(
        "{} {} since {}: {}, {} against {}",
        cell(breaker, "scope"),
        cell(breaker, "state"),
        cell(breaker, "since"),
        cell(breaker, "reason"),
        cell(breaker, "observed"),
        cell(breaker, "limit")
    )
}

fn breakers(value: &Value, style: Style) -> String {
    let mut text = String::new();
    for breaker in rows(&value["open"]) {
        text.push_str(&format!("{}\n", style.bad(&harmless(&breaker_words(breaker)))));
    }
    if text.is_empty() {
        text.push_str(&format!("{}\n", style.good("all breakers closed")));
    }
    text + &format!("failed orders in a row: {} (at most {})\n", cell(value, "errors_in_a_row"), cell(value, "errors_in_a_row_max"))
}

fn kill_words(kill: &Value) -> String {
    if kill["on"] == true {
        format!("on since {} by {}: {}", cell(kill, "since"), cell(kill, "by"), cell(kill, "reason"))
    } else {
        "off".to_owned()
    }
}

fn kill(value: &Value, style: Style) -> String {
    let words = format!("kill {}", harmless(&kill_words(value)));
    if value["on"] == true { style.bad(&words) } else { style.good(&words) }
}

fn explain(value: &Value, style: Style) -> String {
    let lines = rows(&value["story"]).filter_map(Value::as_str).map(harmless);
    let painted = lines.enumerate().map(|(at, line)| match line.trim_start() {
        _ if at == 0 => style.bold(&line),
        failed if failed.starts_with("FAIL ") => style.bad(&line),
        _ => line,
    });
    painted.map(|line| line + "\n").collect()
}

fn replay(value: &Value, style: Style) -> String {
    let compared = match value["identical"].as_bool() {
        Some(true) => style.good("identical to the living engine's"),
        Some(false) => style.bad(&format!("DIFFERS from the living engine's, {}", cell(&value["living"], "state_hash"))),
        None => "nothing to compare with".to_owned(),
    };
    let rate =
        format!("{} events in {} ms, {} a second", cell(value, "events"), cell(value, "duration_ms"), cell(value, "events_per_second"));
    let state = format!("state {} at record {} ({})", cell(value, "state_hash"), cell(value, "seq"), cell(value, "recorded_at"));
    format!("{state}\n{compared}\n{rate}; {} orders, {} positions\n", cell(value, "orders"), cell(value, "positions"))
}

fn verify(value: &Value, style: Style) -> String {
    let verdict = if value["good"] == true { style.good("the log is good") } else { style.bad("the log is NOT good") };
    let mut text = format!(
        "{verdict}\n{} approvals, {} signatures checked, {} fills\n",
        cell(value, "approvals"),
        cell(value, "signatures_checked"),
        cell(value, "fills")
    );
    if value["store"].is_object() {
        text += &format!(
            "journal and sled hold {} records in {} segments, head {}\n",
            cell(&value["store"], "head_seq"),
            cell(&value["store"], "segments"),
            cell(&value["store"], "head_hash")
        );
    }
    if value["replay"].is_object() {
        text += &replay(&value["replay"], style);
    }
    for problem in rows(&value["problems"]).chain(rows(&value["store"]["problems"])).filter_map(Value::as_str) {
        text += &format!("wrong: {}\n", harmless(problem));
    }
    text
}

fn dead_letters(value: &Value, style: Style) -> String {
    let names = ["id", "received_at", "subject", "signal_id", "raw_bytes", "reason"];
    let mut table = Table::new(&[
        ("ID", Align::Right),
        ("RECEIVED", Align::Left),
        ("SUBJECT", Align::Left),
        ("SIGNAL", Align::Left),
        ("BYTES", Align::Right),
        ("REASON", Align::Left),
    ]);
    rows(value).for_each(|letter| table.row(cells(letter, &names)));
    table.render(style, "no dead letters")
}

fn dead_letter(value: &Value) -> String {
    pairs(&[
        ("id", cell(value, "id")),
        ("received", cell(value, "received_at")),
        ("subject", format!("{}, stream sequence {}", cell(value, "subject"), cell(value, "stream_seq"))),
        ("signal", cell(value, "signal_id")),
        ("reason", cell(value, "reason")),
        ("message", cell(value, "raw_text")),
    ])
}
