//! The same facts in plain lines, in the order in which they happened.

use super::{OrderStory, RequestView, Story};
use crate::audit::narrate;
use crate::audit::tail::{at_ms, short};
use crate::domain::ids::Mode;
use crate::domain::money::{Edge, Usd};
use crate::domain::order::OrderState;
use crate::domain::signal::{Intent, Signal, Size};

pub fn lines(story: &Story, mode: Mode) -> Vec<String> {
    let mut lines = vec![headline(story)];
    if let Some(signal) = &story.signal {
        lines.push(format!("signal   {}", told(signal)));
    }
    if let Some(error) = &story.error {
        lines.push(format!("error    {error}"));
    }
    for request in &story.requests {
        add_request(request, &mut lines);
    }
    for order in &story.orders {
        add_order(order, mode, &mut lines);
    }
    add_position(story, &mut lines);
    for letter in &story.dead_letters {
        lines.push(format!(
            "kept raw dl:{} {} bytes from {} at {}: {}",
            letter.id,
            letter.raw_bytes,
            letter.subject,
            at_ms(letter.received_at),
            letter.reason
        ));
    }
    if let Some(raw) = &story.raw {
        lines.push(format!("message  {raw}"));
    }
    if story.repeats > 0 {
        lines.push(format!("repeats  came {} more times since the engine started; each was answered as a duplicate", story.repeats));
    }
    lines.extend(story.events.iter().map(|event| format!("event    {}", event.line)));
    lines
}

fn headline(story: &Story) -> String {
    let id = story.signal_id.as_ref().map_or("a message without a signal id".to_owned(), |id| format!("signal {id}"));
    let at = story.answered_at.map_or(String::new(), |at| format!(" at {}", at_ms(at)));
    let why = match story.answer {
        "vetoed" => format!(": {}", story.reasons.iter().map(|f| f.reason.as_str()).collect::<Vec<_>>().join(", ")),
        "pending" => ": its verdict is not on record yet".to_owned(),
        "ignored" => ": hold, nothing to do".to_owned(),
        _ => String::new(),
    };
    format!("{id} was answered `{}`{at}{why}", story.answer)
}

fn told(signal: &Signal) -> String {
    let intent = match signal.intent {
        Intent::Open => "open",
        Intent::Close => "close",
        Intent::Reduce => "reduce",
    };
    let mut words = vec![format!("{intent} on {}", signal.venue)];
    words.extend(signal.market_id.as_ref().map(|id| id.to_string()));
    words.extend(signal.token_id.as_ref().map(|id| format!("token {id}")));
    words.extend(signal.side.map(|side| side.to_string()));
    words.extend(signal.limit_price.map(|price| format!("limit {price}")));
    words.extend(signal.size.map(|size| match size {
        Size::Contracts(quantity) => format!("size {quantity} contracts"),
        Size::Usd(usd) => format!("size ${usd}"),
    }));
    words.extend(signal.model_prob.map(|p| format!("model {p}")));
    words.extend(signal.declared_edge.map(|edge: Edge| format!("declared edge {} points", edge.points())));
    words.extend(signal.game_id.as_ref().map(|game| format!("game {game}")));
    words.extend(signal.team.as_ref().map(|team| format!("team {team}")));
    words.push(format!("created {}, expires {}", at_ms(signal.created_at), at_ms(signal.expires_at)));
    words.join(", ")
}

fn add_request(request: &RequestView, lines: &mut Vec<String>) {
    let revision = if request.revision == 0 { String::new() } else { format!(" (revision {})", request.revision) };
    lines.push(format!(
        "request  order {}{revision} asked {}: {} by {}",
        request.order_id,
        at_ms(request.asked_at),
        request.verdict,
        request.by
    ));
    for check in &request.checks {
        let mark = if check.passed { "ok  " } else { "FAIL" };
        lines.push(format!("  {mark} {:<26} {} against {}", check.check, check.observed, check.limit));
    }
}

fn add_order(order: &OrderStory, mode: Mode, lines: &mut Vec<String>) {
    let outcome = narrate_outcome(order);
    lines.push(format!("order    {} {} {outcome}", mode.tag(), short(&order.order_id)));
    if let Some(name) = &order.venue_order_id {
        lines.push(format!("  acknowledged as {name}"));
    }
    for fill in &order.fills {
        let reversed = if fill.reversed { ", TAKEN BACK by the venue" } else { "" };
        let bound = if fill.fee_provisional { " (a bound)" } else { "" };
        lines.push(format!(
            "  filled {} at {}, fee ${}{bound}, {}, {} from {}{reversed}",
            fill.quantity,
            fill.price,
            fill.fee,
            fill.liquidity,
            at_ms(fill.at),
            narrate::source(&fill.source)
        ));
    }
    let average = order.average_price.map_or(String::new(), |price| format!(" at {price} on average"));
    lines.push(format!("  in all {} of {}{average}, fees ${}", order.filled, order.quantity, order.fees));
    match order.realized_pnl {
        Some(Usd::ZERO) if order.action == "buy" => {}
        Some(pnl) => lines.push(format!("  realised ${pnl} by closing, fees aside")),
        None => lines.push("  what it realised can't be told from what is kept of its market".to_owned()),
    }
}

fn narrate_outcome(order: &OrderStory) -> String {
    let ended = order.ended.as_ref().map_or(String::new(), |why| format!(": {why}"));
    let state = match order.state {
        OrderState::Unknown => "its fate is UNKNOWN and its reservation stands".to_owned(),
        state => format!("{state}{ended}"),
    };
    format!(
        "{} {} of {} {} {}, limit {}, {}: {state}",
        order.action, order.quantity, order.venue, order.market, order.outcome, order.limit, order.tif
    )
}

fn add_position(story: &Story, lines: &mut Vec<String>) {
    let Some(position) = &story.position else { return };
    let settled = position.settled.as_ref().map_or(String::new(), |how| format!(", settled {how}"));
    lines.push(format!(
        "market   {} {}: holds {} {} at {}, realised ${}, unrealised ${}, fees ${}{settled}",
        position.venue,
        position.market,
        position.quantity,
        position.outcome,
        position.average_price,
        position.realized_pnl,
        position.unrealized_pnl,
        position.fees
    ));
}
