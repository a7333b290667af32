//! Our orders in Kalshi's words, and Kalshi's rows in ours. The book is the YES book: NO at q is YES at 1 - q.

pub use super::super::books::{Levels, TopOfBook};
pub use super::super::call::Untranslatable;
use super::super::call::no;
use super::wire::account::{Position, Settlement as WireSettlement, Transfer};
use super::wire::market::{Book, Level, Market as WireMarket};
use super::wire::number::{MillionthsUp, Num};
use super::wire::orders::{CreateRequest, Fill, Order as WireOrder};
use crate::domain::ids::{ClientOrderId, MarketId, TradeId, VenueOrderId};
use crate::domain::market::{BookKey, FeeRate, Market, MarketSource, MarketStatus, PriceBand, PriceGrid, Quote, Settlement, Venue};
use crate::domain::matching::Side;
use crate::domain::money::{ONE, Price, Quantity, Rounding, Usd, mul_div};
use crate::domain::order::{Action, Order, TimeInForce};
use crate::domain::report::{CashMovement, FillSettlement, Liquidity, VenueFill, VenueOrder, VenuePosition, VenueSettlement, VenueState};
use crate::domain::time::Time;

/// What is known of where an order goes, beside the order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Route {
    /// Of the market; unknown: the venue routes by ticker, at the cost of every shard's bucket.
    pub exchange_index: Option<u32>,
    /// The armed fuse of that shard.
    pub order_group: Option<String>,
    pub subaccount: Option<u32>,
}

/// The body of a create request. The same order and route always give the same bytes.
pub fn create_request<'a>(order: &'a Order, route: &'a Route) -> Result<CreateRequest<'a>, Untranslatable> {
    if order.instrument.venue != Venue::Kalshi {
        return no("venue", format!("an order for {} cannot go to Kalshi", order.instrument.venue));
    }
    let price = order.book_limit();
    if price <= Price::ZERO || price >= Price::ONE {
        return no("price", format!("{price} is not between 0 and 1"));
    }
    if order.quantity.micros() <= 0 {
        return no("count", format!("{} is not above 0", order.quantity));
    }
    // A close is never left resting, and reduce_only is refused unless IOC (`kalshi.md` §2.1).
    let closes = order.action == Action::Sell;
    let time_in_force = match order.tif {
        _ if closes => "immediate_or_cancel",
        TimeInForce::Ioc => "immediate_or_cancel",
        TimeInForce::Fok => "fill_or_kill",
        TimeInForce::Gtc | TimeInForce::Gtd => "good_till_canceled",
    };
    Ok(CreateRequest {
        ticker: order.instrument.market.as_str(),
        client_order_id: order.order_id.client_order_id().as_str().to_owned(),
        side: if order.book_side() == Side::Bid { "bid" } else { "ask" },
        count: fixed(order.quantity.micros(), 2, "count")?,
        price: fixed(price.micros(), 4, "price")?,
        time_in_force,
        self_trade_prevention_type: "taker_at_cross",
        expiration_time: (order.tif.rests() && !closes).then(|| order.venue_expires_at.ms().div_euclid(1_000)),
        reduce_only: closes.then_some(true),
        order_group_id: route.order_group.as_deref().filter(|_| !closes),
        subaccount: route.subaccount,
        exchange_index: route.exchange_index,
    })
}

/// `560000` with 4 places is "0.5600". Errors: more places than that.
pub fn fixed(micros: i64, places: u32, what: &'static str) -> Result<String, Untranslatable> {
    let unit = 10i64.pow(6 - places);
    if micros < 0 || micros % unit != 0 {
        return no(what, format!("{} has more than {places} decimals", Usd::from_micros(micros)));
    }
    let (whole, rest) = (micros / ONE, micros % ONE / unit);
    Ok(format!("{whole}.{rest:0width$}", width = places as usize))
}

pub fn book_key(ticker: &str) -> Result<BookKey, Untranslatable> {
    match MarketId::new(ticker) {
        Ok(id) => Ok(BookKey { venue: Venue::Kalshi, id }),
        Err(error) => no("ticker", error.to_string()),
    }
}

fn order_id(text: &str) -> Result<VenueOrderId, Untranslatable> {
    VenueOrderId::new(text).or_else(|error| no("order_id", error.to_string()))
}

fn client_id(text: Option<&str>) -> Option<ClientOrderId> {
    text.and_then(|text| ClientOrderId::new(text).ok())
}

/// From milliseconds where they are given, else from the text. Go's zero time (year 1) counts as absent.
pub fn time(ms: Option<Num<i64>>, text: Option<&str>) -> Option<Time> {
    let parsed = || text.and_then(Time::parse).map(|(time, _)| time);
    ms.map(|ms| Time::from_ms(ms.0)).or_else(parsed).filter(|time| time.nanos() > 0)
}

pub fn venue_order(row: &WireOrder) -> Result<VenueOrder, Untranslatable> {
    let Some(side) = row.direction() else {
        return no("order", format!("{}: neither book_side nor outcome_side says bid or ask", row.order_id));
    };
    let expires_at = time(row.expiration_ts_ms, row.expiration_time.as_deref());
    let updated_at = time(row.last_updated_ts_ms, row.last_update_time.as_deref());
    Ok(VenueOrder {
        venue_order_id: order_id(&row.order_id)?,
        client_order_id: client_id(row.client_order_id.as_deref()),
        key: book_key(&row.ticker)?,
        side,
        price: row.yes_price_dollars.0,
        quantity: row.initial_count_fp.0,
        filled: row.fill_count_fp.0,
        remaining: row.remaining_count_fp.0,
        state: state(row, expires_at, updated_at),
        cause: row.last_update_reason.clone().filter(|reason| !reason.is_empty()),
        created_at: time(row.created_ts_ms, row.created_time.as_deref()),
        expires_at,
    })
}

/// A status we don't know is read from the counts: what remains may still trade.
fn state(row: &WireOrder, expires_at: Option<Time>, updated_at: Option<Time>) -> VenueState {
    let expired = || match row.last_update_reason.as_deref() {
        Some(reason) if !reason.is_empty() => reason == "ExpiryCancel",
        _ => expires_at.zip(updated_at).is_some_and(|(expires, updated)| expires <= updated),
    };
    match row.status.as_deref().unwrap_or_default() {
        "resting" => VenueState::Resting,
        "executed" => VenueState::Executed,
        "canceled" | "cancelled" if expired() => VenueState::Expired,
        "canceled" | "cancelled" => VenueState::Canceled,
        _ if !row.remaining_count_fp.0.is_zero() => VenueState::Resting,
        _ if row.fill_count_fp.0 >= row.initial_count_fp.0 => VenueState::Executed,
        _ => VenueState::Canceled,
    }
}

/// One of our orders as a reply to its own request shows it.
pub fn order_row(
    order: &Order,
    venue_order_id: VenueOrderId,
    filled: Quantity,
    remaining: Quantity,
    state: VenueState,
    at: Option<Time>,
) -> VenueOrder {
    VenueOrder {
        venue_order_id,
        client_order_id: Some(order.order_id.client_order_id()),
        key: order.instrument.book_key(),
        side: order.book_side(),
        price: order.book_limit(),
        quantity: order.quantity,
        filled,
        remaining,
        state,
        cause: None,
        created_at: at,
        expires_at: (order.tif.rests() && order.action == Action::Buy).then_some(order.venue_expires_at),
    }
}

pub fn venue_fill(row: &Fill) -> Result<VenueFill, Untranslatable> {
    let Some(id) = row.id() else { return no("fill", format!("of order {}: it has no id", row.order_id)) };
    let Some(side) = row.direction() else { return no("fill", format!("{id}: neither book_side nor outcome_side says bid or ask")) };
    let Some(ticker) = row.ticker.as_deref().or(row.market_ticker.as_deref()) else { return no("fill", format!("{id}: no ticker")) };
    let seconds = row.ts.map(|ts| Num(ts.0.saturating_mul(1_000)));
    let Some(at) = time(row.ts_ms, row.created_time.as_deref()).or_else(|| time(seconds, None)) else {
        return no("fill", format!("{id}: no time"));
    };
    if row.count_fp.0.is_zero() {
        return no("fill", format!("{id}: of nothing"));
    }
    Ok(VenueFill {
        trade_id: TradeId::new(id).or_else(|error| no("fill", error.to_string()))?,
        venue_order_id: order_id(&row.order_id)?,
        client_order_id: client_id(row.client_order_id.as_deref()),
        key: book_key(ticker)?,
        side,
        price: row.yes_price_dollars.0,
        quantity: row.count_fp.0,
        fee: row.fee_cost.map(|fee| fee.0),
        liquidity: if row.is_taker { Liquidity::Taker } else { Liquidity::Maker },
        settlement: FillSettlement::Settled,
        at,
    })
}

pub fn venue_position(row: &Position) -> Result<VenuePosition, Untranslatable> {
    Ok(VenuePosition { key: book_key(&row.ticker)?, signed: row.position_fp.0.0, cost: row.market_exposure_dollars.0 })
}

/// Revenue is in whole cents, costs are not.
const CENT: Usd = Usd::from_micros(10_000);

pub fn venue_settlement(row: &WireSettlement) -> Result<VenueSettlement, Untranslatable> {
    let settlement = match row.market_result.to_ascii_lowercase().as_str() {
        "yes" => Settlement::Yes,
        "no" => Settlement::No,
        "scalar" => match row.value.map(|value| Price::from_micros(value.0.0.micros())) {
            Some(value) if (Price::ZERO..=Price::ONE).contains(&value) => Settlement::Scalar(value),
            None if is_paid_back(row) => Settlement::Void,
            _ => return no("settlement", format!("{}: scalar without a value between 0 and 100 cents", row.ticker)),
        },
        "void" | "voided" => Settlement::Void,
        other => return no("settlement", format!("{}: result {other:?} is not known", row.ticker)),
    };
    let Some(at) = time(None, Some(&row.settled_time)) else { return no("settlement", format!("{}: no time", row.ticker)) };
    Ok(VenueSettlement { key: book_key(&row.ticker)?, settlement, revenue: row.revenue.0.0, fee: row.fee_cost.0, at })
}

/// The venue has no word for a void market; one that pays back to the cent what its holding had cost is one.
fn is_paid_back(row: &WireSettlement) -> bool {
    let [Some(yes), Some(no)] = [row.yes_total_cost_dollars, row.no_total_cost_dollars] else { return false };
    let apart = row.revenue.0.0 - yes.0 - no.0;
    (-CENT..=CENT).contains(&apart)
}

/// A deposit adds its amount less the fee; a withdrawal takes both away. Only what is in the balance counts.
pub fn movement(row: &Transfer, deposit: bool) -> Option<CashMovement> {
    if row.status != "applied" {
        return None;
    }
    let fee = row.fee_cents.map_or(Usd::ZERO, |fee| fee.0.0);
    let amount = if deposit { row.amount_cents.0.0 - fee } else { -row.amount_cents.0.0 - fee };
    let at = Time::from_ms(row.finalized_ts.unwrap_or(row.created_ts).0.saturating_mul(1_000));
    Some(CashMovement { id: row.id.clone(), amount, at })
}

/// The market's facts; the fee comes from its series.
pub fn market(row: &WireMarket, fee: FeeRate) -> Result<Market, Untranslatable> {
    let ranges = row.price_ranges.as_deref().unwrap_or_default();
    Ok(Market {
        key: book_key(&row.ticker)?,
        status: status(&row.status),
        grid: grid(ranges.iter().map(|range| (range.start.0, range.end.0, range.step.0)))?,
        fee,
        source: MarketSource::Venue,
        close_time: time(None, row.close_time.as_deref()),
        condition: None,
        outcome: None,
        quantity_min: Default::default(),
        notional_min: Default::default(),
    })
}

/// A status we don't know takes no orders.
pub fn status(word: &str) -> MarketStatus {
    match word {
        "active" => MarketStatus::Open,
        "finalized" | "settled" => MarketStatus::Settled,
        _ => MarketStatus::Closed,
    }
}

pub fn grid(ranges: impl Iterator<Item = (Price, Price, Price)>) -> Result<PriceGrid, Untranslatable> {
    let mut bands: Vec<PriceBand> = ranges.map(|(start, end, step)| PriceBand { start, end, step }).collect();
    bands.sort_by_key(|band| band.start);
    PriceGrid::new(bands.clone()).ok_or_else(|| Untranslatable { what: "price_ranges", why: format!("{bands:?} make no grid from 0 to 1") })
}

/// The rate bounds what the venue will charge; booked is its own `fee_cost` (`kalshi.md` §5).
pub fn fee_rate(fee_type: &str, multiplier: Option<Num<MillionthsUp>>) -> Result<FeeRate, Untranslatable> {
    const TAKER: i64 = 70_000;
    let maker = match fee_type {
        "quadratic" => 0,
        "quadratic_with_maker_fees" => TAKER / 4,
        "quadratic_with_combo_maker_fees" => TAKER / 2,
        other => return no("fee_type", format!("{other:?} has no published formula, so its orders can't be bounded")),
    };
    let multiplier = multiplier.map_or(ONE, |multiplier| multiplier.0.0);
    if !(0..=10 * ONE).contains(&multiplier) {
        return no("fee_multiplier", format!("{} is out of bounds", Usd::from_micros(multiplier)));
    }
    let times = |rate| mul_div(rate, multiplier, ONE, Rounding::Up);
    Ok(FeeRate::new(times(TAKER), times(maker)))
}

/// All that lies in a book; asks are shown by the venue as bids for NO.
pub fn levels(book: &Book) -> Levels {
    let side = |levels: &Option<Vec<Level>>, yes: fn(Price) -> Price| {
        let levels = levels.iter().flatten().filter(|(_, size)| !size.0.is_zero());
        levels.map(|(price, size)| (yes(price.0), size.0)).collect()
    };
    (side(&book.yes_dollars, |price| price), side(&book.no_dollars, Price::complement))
}

pub fn top_of_book(book: &Book) -> TopOfBook {
    let best = |levels: &Option<Vec<Level>>| {
        let levels = levels.iter().flatten().map(|(price, size)| (price.0, size.0));
        levels.filter(|(_, size)| !size.is_zero()).max_by_key(|(price, _)| *price)
    };
    let (bid, no_bid) = (best(&book.yes_dollars), best(&book.no_dollars));
    TopOfBook {
        quote: Quote { bid: bid.map(|(price, _)| price), ask: no_bid.map(|(price, _)| price.complement()) },
        bid_size: bid.map_or(Quantity::ZERO, |(_, size)| size),
        ask_size: no_bid.map_or(Quantity::ZERO, |(_, size)| size),
    }
}

#[cfg(test)]
pub mod tests;
