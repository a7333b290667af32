//! Polymarket's rows in our words. Each token has a book of its own; prices are the token's.

pub use super::super::books::{Levels, TopOfBook};
pub use super::super::call::Untranslatable;
use super::super::call::no;
use super::wire::market::{Book, Level};
use super::wire::orders::Order as Row;
use super::wire::trades::{MakerOrder, Trade};
use crate::domain::fees::polymarket_fee;
use crate::domain::ids::{MarketId, TokenId, TradeId, VenueOrderId};
use crate::domain::market::{BookKey, FeeRate, Quote, Venue};
use crate::domain::matching::{LOT, Side};
use crate::domain::money::{Price, Quantity, Usd};
use crate::domain::order::{Action, Order};
use crate::domain::report::{FillSettlement, Liquidity, VenueFill, VenueOrder, VenueState};
use crate::domain::time::Time;

/// The venue acts on an expiry this long before the stated time (`polymarket.md` §2).
const EXPIRES_EARLY_MS: i64 = 60_000;

/// Which rows are ours: by the API key or by the wallet that holds the money.
#[derive(Clone, PartialEq, Eq)]
pub struct Ours {
    pub key: String,
    pub wallet: String,
}

impl Ours {
    fn are(&self, owner: Option<&str>, wallet: Option<&str>) -> bool {
        owner == Some(self.key.as_str()) || wallet.is_some_and(|wallet| wallet.eq_ignore_ascii_case(&self.wallet))
    }
}

/// The key is a secret.
impl std::fmt::Debug for Ours {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Ours({})", self.wallet)
    }
}

pub fn book_key(token: &str) -> Result<BookKey, Untranslatable> {
    match TokenId::new(token).and_then(|token| MarketId::new(token.as_str())) {
        Ok(id) => Ok(BookKey { venue: Venue::Polymarket, id }),
        Err(error) => no("asset_id", error.to_string()),
    }
}

/// The name of an order: `0x` and 64 hex digits, in one case, so that ours are found again.
pub fn order_id(text: &str) -> Result<VenueOrderId, Untranslatable> {
    VenueOrderId::new(&text.to_ascii_lowercase()).or_else(|error| no("order id", error.to_string()))
}

pub fn side(text: &str) -> Result<Side, Untranslatable> {
    match text {
        "BUY" | "buy" => Ok(Side::Bid),
        "SELL" | "sell" => Ok(Side::Ask),
        other => no("side", format!("{other:.20} is neither BUY nor SELL")),
    }
}

pub fn venue_order(row: &Row<'_>) -> Result<VenueOrder, Untranslatable> {
    let ended = row.kind == "CANCELLATION" || ["CANCEL", "INVALID"].iter().any(|word| row.status.starts_with(word));
    let filled = match row.size_matched.0 {
        Some(filled) => filled,
        None if ended => Quantity::ZERO,
        None => return no("size_matched", format!("order {:.80} says nothing", row.id)),
    };
    let quantity = row.original_size.0;
    let expires_at = row.expiration.0.map(|stated| stated.plus_ms(-EXPIRES_EARLY_MS));
    let state = state(row, ended, filled, expires_at);
    Ok(VenueOrder {
        venue_order_id: order_id(&row.id)?,
        client_order_id: None,
        key: book_key(&row.asset_id)?,
        side: side(&row.side)?,
        price: row.price.0,
        quantity,
        filled,
        remaining: if state == VenueState::Resting { (quantity - filled).or_zero() } else { Quantity::ZERO },
        state,
        cause: ended.then(|| super::wire::error::excerpt(&row.status)).filter(|cause| !cause.is_empty()),
        created_at: row.created_at.0,
        expires_at,
    })
}

/// Words that we don't know may still trade.
fn state(row: &Row<'_>, ended: bool, filled: Quantity, expires_at: Option<Time>) -> VenueState {
    let taker_only = matches!(row.order_type.as_ref(), "FOK" | "FAK");
    // Sizes drift by less than a lot (`polymarket.md` §11).
    let whole = filled + LOT > row.original_size.0;
    let expired = || expires_at.zip(row.timestamp.0).is_some_and(|(expires, told)| expires <= told);
    match row.status.as_ref() {
        "CANCELED_EXPIRED_ORDER" => VenueState::Expired,
        _ if ended && whole => VenueState::Executed,
        _ if ended && expired() => VenueState::Expired,
        _ if ended => VenueState::Canceled,
        "MATCHED" if whole => VenueState::Executed,
        "MATCHED" if taker_only => VenueState::Canceled,
        _ if whole => VenueState::Executed,
        _ => VenueState::Resting,
    }
}

/// One of our orders as the answer to its own request shows it.
pub fn order_row(order: &Order, id: VenueOrderId, filled: Quantity, state: VenueState, at: Option<Time>) -> VenueOrder {
    VenueOrder {
        venue_order_id: id,
        client_order_id: None,
        key: order.instrument.book_key(),
        side: order.book_side(),
        price: order.book_limit(),
        quantity: order.quantity,
        filled,
        remaining: if state == VenueState::Resting { (order.quantity - filled).or_zero() } else { Quantity::ZERO },
        state,
        cause: None,
        created_at: at,
        expires_at: (order.tif.rests() && order.action == Action::Buy).then_some(order.venue_expires_at),
    }
}

/// What of a trade is ours: the taker's side, or each of our resting orders that it met (`polymarket.md` §6). `fees`: the
/// schedule of a token, where it is known.
pub fn fills(row: &Trade<'_>, ours: &Ours, fees: &dyn Fn(&BookKey) -> Option<FeeRate>) -> Result<Vec<VenueFill>, Untranslatable> {
    let trade_id = TradeId::new(&row.id).or_else(|error| no("trade id", error.to_string()))?;
    let Some(at) = row.match_time.0.or(row.last_update.0).or(row.timestamp.0) else {
        return no("match_time", format!("trade {trade_id} names no time"));
    };
    let settlement = settlement(&row.status);
    let taker_side = side(&row.side)?;
    let (owner, wallet) = (row.owner.as_deref(), row.maker_address.as_deref());
    let unnamed = owner.is_none() && wallet.is_none();
    let taken = match row.trader_side.as_deref() {
        Some("TAKER") => unnamed || ours.are(owner, wallet),
        Some(_) => false,
        None => ours.are(owner, wallet),
    };
    let mut fills = Vec::new();
    if taken {
        let key = book_key(&row.asset_id)?;
        let fee = fees(&key).map(|rate| taker_fee(rate, row.price.0, row.size.0));
        fills.push(VenueFill {
            trade_id: trade_id.clone(),
            venue_order_id: order_id(&row.taker_order_id)?,
            client_order_id: None,
            key,
            side: taker_side,
            price: row.price.0,
            quantity: row.size.0,
            fee,
            liquidity: Liquidity::Taker,
            settlement,
            at,
        });
    }
    for maker in row.maker_orders.iter().filter(|maker| ours.are(maker.owner.as_deref(), maker.maker_address.as_deref())) {
        fills.push(VenueFill {
            trade_id: trade_id.clone(),
            venue_order_id: order_id(&maker.order_id)?,
            client_order_id: None,
            key: book_key(&maker.asset_id)?,
            side: maker_side(maker, row, taker_side)?,
            price: maker.price.0,
            quantity: maker.matched_amount.0,
            fee: Some(Usd::ZERO),
            liquidity: Liquidity::Maker,
            settlement,
            at,
        });
    }
    Ok(fills)
}

/// By the market's schedule; the venue itself names no fee (`polymarket.md` §8).
pub fn taker_fee(rate: FeeRate, price: Price, quantity: Quantity) -> Usd {
    polymarket_fee(rate, price, quantity, Liquidity::Taker)
}

/// Older rows don't say it: of the same token the maker took the other side, of the other token the same one (two buys
/// make a pair, two sells give one back).
fn maker_side(maker: &MakerOrder<'_>, row: &Trade<'_>, taker: Side) -> Result<Side, Untranslatable> {
    match maker.side.as_ref() {
        "" if maker.asset_id == row.asset_id => Ok(taker.opposite()),
        "" => Ok(taker),
        word => side(word),
    }
}

/// A status that we don't know is not final.
pub fn settlement(status: &str) -> FillSettlement {
    match status.strip_prefix("TRADE_STATUS_").unwrap_or(status) {
        "CONFIRMED" => FillSettlement::Settled,
        "FAILED" => FillSettlement::Failed,
        _ => FillSettlement::Provisional,
    }
}

/// All that lies in a book.
pub fn levels(book: &Book<'_>) -> Levels {
    let side = |levels: &[Level]| levels.iter().map(|level| (level.price.0, level.size.0)).filter(|(_, size)| !size.is_zero()).collect();
    (side(&book.bids), side(&book.asks))
}

pub fn top_of_book(book: &Book<'_>) -> TopOfBook {
    let (bids, asks) = levels(book);
    top(&bids, &asks)
}

pub fn top(bids: &[(Price, Quantity)], asks: &[(Price, Quantity)]) -> TopOfBook {
    let bid = bids.iter().max_by_key(|(price, _)| *price);
    let ask = asks.iter().min_by_key(|(price, _)| *price);
    TopOfBook {
        quote: Quote { bid: bid.map(|(price, _)| *price), ask: ask.map(|(price, _)| *price) },
        bid_size: bid.map_or(Quantity::ZERO, |(_, size)| *size),
        ask_size: ask.map_or(Quantity::ZERO, |(_, size)| *size),
    }
}

#[cfg(test)]
pub mod tests;
