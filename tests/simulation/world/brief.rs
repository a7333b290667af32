//! Messages and records in a line each, for the trace of a seed.

use arbees::domain::event::{Event, Recorded};
use arbees::domain::order::Order;
use arbees::domain::report::VenueNews;
use arbees::engine::{Effect, Input};

use super::Message;

fn cut(text: String) -> String {
    text.chars().take(260).collect()
}

fn order(order: &Order) -> String {
    let Order { order_id, signal_id, revision, action, tif, quantity, limit, .. } = order;
    let (key, game) = (order.instrument.book_key(), &order.groups.game);
    format!(
        "{order_id:.8} ({signal_id}.{revision}) {action:?} {} {tif:?} {quantity} at {limit} of {key}, game {game}",
        order.instrument.outcome
    )
}

pub fn record(recorded: &Recorded) -> String {
    let what = match &recorded.event {
        Event::OrderRequested { order: Some(one), .. } => format!("OrderRequested {}", order(one)),
        Event::OrderRequested { signal_id, .. } => format!("OrderRequested {signal_id}, no order"),
        Event::OrderApproved { order_id, by, .. } => format!("OrderApproved {order_id:.8} by {by:?}"),
        Event::OrderVetoed { order_id, failures, .. } => {
            let reasons: Vec<String> = failures.iter().map(|f| format!("{} {} / {}", f.reason, f.observed, f.limit)).collect();
            format!("OrderVetoed {order_id:.8} {}", reasons.join("; "))
        }
        Event::SubmitStarted { order_id, attempt, .. } => format!("SubmitStarted {order_id:.8} {attempt}"),
        Event::Filled(fill) => {
            format!(
                "Filled {} of {:.8}: {:?} {} {} at {}, settled {}",
                fill.trade_id, fill.order_id, fill.action, fill.instrument.outcome, fill.quantity, fill.price, fill.settled
            )
        }
        Event::MarketSeen { market } => format!("MarketSeen {} {:?}", market.key, market.status),
        Event::LimitsLoaded { .. } => "LimitsLoaded".to_owned(),
        Event::ExternalOrderSeen { order: one, .. } => format!("ExternalOrderSeen {}", order(one)),
        other => format!("{other:?}"),
    };
    cut(format!("{:>4} {what}", recorded.seq))
}

pub fn effect(effect: &Effect) -> String {
    match effect {
        Effect::Append(records) => records.iter().map(record).collect::<Vec<_>>().join("\n                + "),
        Effect::AskRisk { order_id, .. } => format!("AskRisk {order_id:.8}"),
        Effect::Prepare { order: one } => format!("Prepare {}", order(one)),
        Effect::Submit { order: one, attempt, .. } => format!("Submit {attempt}: {}", order(one.order())),
        Effect::Cancel { order: one, .. } => format!("Cancel {}", order(one)),
        Effect::LookUp { order: one, .. } => format!("LookUp {}", order(one)),
        other => cut(format!("{other:?}")),
    }
}

pub fn message(message: &Message) -> String {
    match message {
        Message::ToEngine(life, input) => format!("to engine {life}: {}", self::input(input)),
        Message::ToRisk(life, input) => match &**input {
            arbees::risk::Input::Record { recorded, .. } => format!("to risk {life}: record {}", recorded.seq),
            arbees::risk::Input::Request { .. } => format!("to risk {life}: a question"),
            other => cut(format!("to risk {life}: {other:?}")),
        },
        Message::Question(_) => "to risk: a question".to_owned(),
        Message::ArriveSubmit { order: one, attempt, .. } => format!("at the venue: submit {attempt} {}", order(one)),
        Message::ArriveCancel(_, one) => format!("at the venue: cancel {}", order(one)),
        Message::LookUp(_, one) => format!("at the venue: look up {}", order(one)),
        other => cut(format!("{other:?}")),
    }
}

fn input(input: &Input) -> String {
    let said = match input {
        Input::Verdict { order_id, signed } => format!("verdict for {order_id:.8}, {}", if signed.is_some() { "signed" } else { "none" }),
        Input::Prepared { order_id, signed } => format!("prepared {order_id:.8}, {}", signed.is_ok()),
        Input::Durable { seq, .. } => format!("durable {seq}"),
        Input::Submitted { order_id, attempt, outcome } => format!("submitted {order_id:.8} {attempt}: {outcome:?}"),
        Input::CancelAnswered { order_id, outcome } => format!("cancel of {order_id:.8}: {outcome:?}"),
        Input::LookedUp { order_id, found, .. } => format!("looked up {order_id:.8}: {found:?}"),
        Input::Described { key, found } => format!("described {key}, {}", found.is_ok()),
        Input::Venue(news) => match &**news {
            VenueNews::Traded(fill) => format!(
                "traded {} {} {:?} {} {} at {} {:?}",
                fill.trade_id,
                fill.venue_order_id.as_str().chars().take(10).collect::<String>(),
                fill.side,
                fill.quantity,
                fill.key,
                fill.price,
                fill.settlement
            ),
            VenueNews::Account(reading) => {
                let held: Vec<String> = reading.positions.iter().map(|p| format!("{} {}", p.key.id, p.signed)).collect();
                format!(
                    "account of {} through {}: ${}, {}, {} orders",
                    reading.venue,
                    reading.read_through,
                    reading.cash,
                    held.join(", "),
                    reading.open_orders.len()
                )
            }
            other => format!("{other:?}"),
        },
        other => format!("{other:?}"),
    };
    cut(said)
}
