//! One event in words: what happened, to what, with which numbers.

use crate::domain::event::{CancelCause, Event, Holding, NotPlaced};
use crate::domain::market::{Instrument, Quote, Settlement};
use crate::domain::order::{Action, Order};
use crate::domain::report::{FillReport, FillSource, Liquidity};
use crate::domain::verdict::{Approver, Failure};

pub fn action(action: Action) -> &'static str {
    match action {
        Action::Buy => "buy",
        Action::Sell => "sell",
    }
}

pub fn tif(order: &Order) -> &'static str {
    use crate::domain::order::TimeInForce;
    match order.tif {
        TimeInForce::Ioc => "ioc",
        TimeInForce::Fok => "fok",
        TimeInForce::Gtc => "gtc",
        TimeInForce::Gtd => "gtd",
    }
}

pub fn approver(by: Approver) -> &'static str {
    match by {
        Approver::Risk => "risk",
        Approver::ReduceRule => "reduce_rule",
    }
}

pub fn liquidity(liquidity: Liquidity) -> &'static str {
    match liquidity {
        Liquidity::Taker => "taker",
        Liquidity::Maker => "maker",
    }
}

pub fn source(source: &FillSource) -> String {
    match source {
        FillSource::Venue => "the venue".to_owned(),
        FillSource::Tape { row, ts_ms } => format!("tape row {row} ({})", crate::domain::time::Time::from_ms(*ts_ms)),
        FillSource::DemoMarket => "the demo's seeded market".to_owned(),
        FillSource::KalshiBook => "Kalshi's book as it was then".to_owned(),
        FillSource::PolymarketBook => "Polymarket's book as it was then".to_owned(),
        FillSource::SignalQuote => "the signal's own book: no other was known".to_owned(),
    }
}

pub fn instrument(instrument: &Instrument) -> String {
    match &instrument.token {
        Some(token) => format!("{} {} {} (token {token})", instrument.venue, instrument.market, instrument.outcome),
        None => format!("{} {} {}", instrument.venue, instrument.market, instrument.outcome),
    }
}

pub fn order(order: &Order) -> String {
    format!("{} {} of {}, limit {}, {}", action(order.action), order.quantity, instrument(&order.instrument), order.limit, tif(order))
}

pub fn fill(fill: &FillReport) -> String {
    let provisional = if fill.fee_provisional { " (a bound)" } else { "" };
    let settled = if fill.settled { "" } else { ", not settled yet" };
    format!(
        "{} {} of {} at {}, fee ${}{provisional}, {}, from {}{settled}",
        action(fill.action),
        fill.quantity,
        instrument(&fill.instrument),
        fill.price,
        fill.fee,
        liquidity(fill.liquidity),
        source(&fill.source),
    )
}

pub fn not_placed(cause: &NotPlaced) -> String {
    match cause {
        NotPlaced::Withheld(why) => format!("held back before the socket: {why}"),
        NotPlaced::Absent { read_through } => format!("proven absent at the venue as of {read_through}"),
        NotPlaced::IdBurnt { read_through } => format!("the id is used up, but no order is there as of {read_through}"),
    }
}

fn cancel_cause(cause: CancelCause) -> &'static str {
    match cause {
        CancelCause::Expiry => "its life is over",
        CancelCause::Killed => "the kill is on",
        CancelCause::Operator => "an operator asked",
        CancelCause::Breaker => "a breaker opened",
        CancelCause::Shutdown => "the engine ends",
        CancelCause::OffGrid => "its price is off the market's new grid",
    }
}

pub fn settlement(settlement: Settlement) -> String {
    match settlement {
        Settlement::Yes => "yes".to_owned(),
        Settlement::No => "no".to_owned(),
        Settlement::Scalar(value) => format!("YES pays {value}"),
        Settlement::Void => "void".to_owned(),
    }
}

pub fn failures(failures: &[Failure]) -> String {
    let one = |f: &Failure| format!("{} ({} against {})", f.reason, f.observed, f.limit);
    failures.iter().map(one).collect::<Vec<_>>().join("; ")
}

fn quote(quote: &Quote) -> String {
    let side = |price: Option<crate::domain::money::Price>| price.map_or("-".to_owned(), |price| price.to_string());
    format!("{} / {}", side(quote.bid), side(quote.ask))
}

/// Everything of an event that a person wants on one line; binary parts are left out.
pub fn event(event: &Event) -> String {
    match event {
        Event::SessionStarted { version, config_hash, instance } => {
            format!("version {version}, instance {instance}, config {}", config_hash.short())
        }
        Event::SessionEnded { clean } => (if *clean { "clean" } else { "not clean" }).to_owned(),
        Event::LimitsLoaded { limits } => format!(
            "order ${} / {} contracts, game ${}, total ${}, day's loss ${}",
            limits.order_size_max, limits.order_contracts_max, limits.game_exposure_max, limits.total_exposure_max, limits.daily_loss_max
        ),
        Event::TradingDayStarted { day, equity } => format!("{}, equity ${equity}", super::views::date(*day)),
        Event::Heartbeat { asked_through, open_requests } => {
            format!("verdicts asked through {asked_through}, {} still open", open_requests.len())
        }
        Event::SignalRejected { signal_id, reason, error, subject, .. } => {
            let id = signal_id.as_ref().map_or("without id".to_owned(), |id| id.to_string());
            let reason = reason.map_or(String::new(), |reason| format!("{reason}: "));
            format!("{id} on {subject}: {reason}{error}")
        }
        Event::OrderRequested { signal_id, order, .. } => {
            let what = order.as_deref().map_or("incomplete".to_owned(), self::order);
            format!("signal {signal_id}: {what}")
        }
        Event::OrderApproved { by, .. } => format!("by {}", approver(*by)),
        Event::OrderVetoed { failures, .. } => self::failures(failures),
        Event::SubmitStarted { attempt, signed: None, .. } => format!("attempt {attempt}"),
        Event::SubmitStarted { attempt, signed: Some(signed), .. } => {
            format!("attempt {attempt}, {} signed and sealed; the venue will call it {}", signed.order_type.as_str(), signed.venue_order_id)
        }
        Event::OrderAcked { venue_order_id, .. } => format!("the venue calls it {venue_order_id}"),
        Event::OrderRejected { attempt, code, message, .. } => format!("attempt {attempt}: {code}: {message}"),
        Event::OrderOutcomeUnknown { attempt, why, .. } => format!("attempt {attempt}: {why}"),
        Event::OrderNotPlaced { cause, .. } => not_placed(cause),
        Event::Filled(report) => fill(report),
        Event::FillSettled { trade_id, .. } => format!("trade {trade_id} is final"),
        Event::FillReversed { trade_id, why, .. } => format!("trade {trade_id} taken back: {why}"),
        Event::FeeCorrected { trade_id, fee, .. } => format!("trade {trade_id}: the fee is ${fee}"),
        Event::CancelRequested { why, .. } => cancel_cause(*why).to_owned(),
        Event::OrderCanceled { filled, cause, .. } => format!("{filled} filled: {cause}"),
        Event::OrderExpired { filled, .. } => format!("{filled} filled"),
        Event::MarketSeen { market } => {
            let (status, source) = (format!("{:?}", market.status).to_lowercase(), format!("{:?}", market.source).to_lowercase());
            format!("{} {status}, described by the {source}", market.key)
        }
        Event::MarkTaken { key, quote: marks, .. } => format!("{key} {}", quote(marks)),
        Event::MarketSettled { venue, market, settlement: how } => format!("{venue}:{market} {}", settlement(*how)),
        Event::Redeemed { venue, market, amount } => format!("{venue}:{market} paid ${amount}"),
        Event::VenueModeChanged { venue, mode, why } => format!("{venue} {}: {why}", mode.as_str()),
        Event::BalanceSeen { venue, cash, read_through } => format!("{venue} ${cash}, complete through {read_through}"),
        Event::ExternalOrderSeen { order, venue_order_id } => format!("{}, the venue calls it {venue_order_id}", self::order(order)),
        Event::ReconciliationDiverged { venue, what, ours, theirs } => format!("{venue} {what}: {ours} here, {theirs} there"),
        Event::OperatorAdjusted { by, reason, holding, money, counts, proof } => {
            let held = holding.as_deref().map(|Holding { instrument, quantity, cost, .. }| {
                format!("{quantity} {} of {} for ${cost} ", instrument.outcome, instrument.book_key())
            });
            let cash = money.map(|money| format!("{} ${} ", money.account, money.amount));
            let counts = if *counts { ", as a result of trading" } else { "" };
            let proof = proof.as_deref().map_or_else(String::new, |proof| format!(" ({proof})"));
            format!("{}{}by {by}{counts}: {reason}{proof}", held.unwrap_or_default(), cash.unwrap_or_default())
        }
        Event::OpeningBalance { account, cash, .. } => format!("{account} ${cash}"),
        Event::CashCounted { venue, ours, theirs, read_through, .. } => {
            format!("{venue} ${ours} here, ${theirs} there, read through {read_through}")
        }
        Event::CashMoved { account, amount, why, .. } => format!("{account} ${amount}: {why}"),
        Event::BreakerTripped { scope, reason, observed, limit } => format!("{scope}: {reason}, {observed} against {limit}"),
        Event::BreakerProbing { scope } => format!("{scope}: one order of minimum size may try"),
        Event::BreakerReset { scope, by, reason } => format!("{scope} by {by}: {reason}"),
        Event::KillSet { by, reason } | Event::KillCleared { by, reason } => format!("by {by}: {reason}"),
    }
}
