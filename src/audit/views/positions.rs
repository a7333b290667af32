//! Holdings, each shown as the outcome held, at that outcome's prices. What was closed or settled stays with its result.

use serde::Serialize;

use crate::audit::narrate;
use crate::domain::ids::{GameId, MarketId, TokenId};
use crate::domain::market::{BookKey, Outcome, Venue};
use crate::domain::money::{Price, Quantity, Usd};
use crate::projections::{Position, Projections};

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PositionView {
    pub venue: Venue,
    pub market: MarketId,
    /// The outcome held; of a flat position the one that was held.
    pub outcome: Outcome,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_id: Option<TokenId>,
    /// Contracts; 0 once closed or settled.
    pub quantity: Quantity,
    /// Contracts whose settlement at the venue is still open.
    pub unsettled: Quantity,
    /// Cost per contract held, fees aside.
    pub average_price: Price,
    pub cost: Usd,
    /// What one contract of the outcome would bring now; absent without a mark.
    pub mark: Option<Price>,
    pub value: Usd,
    /// Fees aside.
    pub realized_pnl: Usd,
    /// Value at the mark less cost; without a mark the value is 0.
    pub unrealized_pnl: Usd,
    pub fees: Usd,
    pub game: GameId,
    /// What the result pays once its tokens are redeemed: in the equity, not in the cash.
    pub redeemable: Usd,
    /// What to redeem and how.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redeem: Option<String>,
    /// How the market ended, once it has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub settled: Option<String>,
}

/// All positions this log knows, flat ones too.
pub fn positions(book: &Projections) -> Vec<PositionView> {
    book.positions.iter().map(|(key, position)| position_view(book, key, position)).collect()
}

pub fn position_view(book: &Projections, key: &BookKey, position: &Position) -> PositionView {
    let instrument = &position.instrument;
    let outcome = position.outcome();
    // The other outcome of a token is another token: only a netting venue shows two outcomes in one book.
    let token_id = instrument.token.clone();
    let quote = book.markets.get_mark(key).map(|mark| mark.quote);
    PositionView {
        venue: instrument.venue,
        market: instrument.market.clone(),
        outcome,
        token_id,
        quantity: position.held(),
        unsettled: position.unsettled,
        average_price: position.average_price(),
        cost: position.cost,
        mark: quote.map(|quote| quote.executable(outcome, instrument.book_outcome())),
        value: position.value,
        realized_pnl: position.realized,
        unrealized_pnl: position.unrealized(),
        fees: position.fees,
        game: position.groups.game.clone(),
        redeemable: position.redeemable,
        redeem: redeem(position),
        settled: book.markets.settlement(key).map(narrate::settlement),
    }
}

fn redeem(position: &Position) -> Option<String> {
    let (instrument, amount) = (&position.instrument, position.redeemable);
    let token = instrument.token.as_ref().map_or(String::new(), |token| format!(" (token {token})"));
    let what = format!("condition {}{token} for ${amount}", instrument.market);
    (!amount.is_zero()).then(|| format!("{what}: claim it on polymarket.com, or redeemPositions of the collateral adapter"))
}
