//! One order: its own records folded by themselves, so that an order the living fold has forgotten is still told whole.

use serde::Serialize;

use crate::audit::history::{History, ReadError};
use crate::audit::{narrate, tail, views};
use crate::domain::event::{Event, Recorded};
use crate::domain::ids::{MarketId, Mode, OrderId, TokenId, TradeId, VenueOrderId};
use crate::domain::market::{Outcome, Venue};
use crate::domain::money::{Price, Quantity, Usd};
use crate::domain::order::OrderState;
use crate::domain::report::{FillReport, FillSource};
use crate::domain::time::Time;
use crate::projections::Projections;

/// Orders of one market whose fills are folded to tell what one of them realised: some ten thousand reads.
const BOOK_ORDERS_MAX: usize = 2_000;

/// What became of one approved order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OrderStory {
    pub order_id: OrderId,
    pub venue: Venue,
    pub market: MarketId,
    pub outcome: Outcome,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_id: Option<TokenId>,
    pub action: &'static str,
    pub state: OrderState,
    pub quantity: Quantity,
    pub filled: Quantity,
    pub average_price: Option<Price>,
    pub fees: Usd,
    pub limit: Price,
    pub tif: &'static str,
    pub venue_order_id: Option<VenueOrderId>,
    pub revision: u32,
    /// What its own fills realised by closing, fees aside; what it opened is realised by whoever closes it.
    /// Absent where the market is too busy, or settled too long ago, to tell.
    pub realized_pnl: Option<Usd>,
    pub ended: Option<String>,
    pub fills: Vec<FillView>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FillView {
    pub trade_id: TradeId,
    pub quantity: Quantity,
    pub price: Price,
    pub fee: Usd,
    /// Ours is a bound until the venue names the fee.
    pub fee_provisional: bool,
    pub liquidity: &'static str,
    pub settled: bool,
    pub at: Time,
    pub source: FillSource,
    /// The venue took it back.
    pub reversed: bool,
}

/// One record as `explain` lists it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EventView {
    pub seq: u64,
    pub at: Time,
    pub event: &'static str,
    pub order_id: Option<OrderId>,
    pub text: String,
    #[serde(skip)]
    pub line: String,
}

impl EventView {
    pub fn of(record: &Recorded, mode: Mode) -> Self {
        Self {
            seq: record.seq,
            at: record.recorded_at,
            event: record.event.name(),
            order_id: record.correlation,
            text: narrate::event(&record.event),
            line: tail::line(record, mode),
        }
    }
}

/// The records, numbered anew from 1: a history of nothing else.
fn alone(records: &[Recorded]) -> impl Iterator<Item = Recorded> {
    (1u64..).zip(records).map(|(seq, record)| Recorded { seq, ..record.clone() })
}

/// `None` when the records don't make an order.
pub fn tell(records: &[Recorded]) -> Option<OrderStory> {
    let order_id = records.first()?.correlation?;
    let mut book = Projections::default();
    for record in alone(records) {
        book.fold(&record).ok()?;
    }
    let view = views::order_view(book.orders.get(&order_id)?);
    Some(OrderStory {
        order_id,
        venue: view.venue,
        market: view.market,
        outcome: view.outcome,
        token_id: view.token_id,
        action: view.action,
        state: view.state,
        quantity: view.quantity,
        filled: view.filled,
        average_price: view.average_price,
        fees: view.fees,
        limit: view.limit,
        tif: view.tif,
        venue_order_id: view.venue_order_id,
        revision: view.revision,
        realized_pnl: None,
        ended: view.ended,
        fills: fills(records),
    })
}

fn fills(records: &[Recorded]) -> Vec<FillView> {
    let mut fills: Vec<FillView> = Vec::new();
    for record in records {
        match &record.event {
            Event::Filled(report) if !fills.iter().any(|fill| fill.trade_id == report.trade_id) => fills.push(fill_view(report)),
            Event::FillSettled { trade_id, .. } => change(&mut fills, trade_id, |fill| fill.settled = true),
            Event::FillReversed { trade_id, .. } => change(&mut fills, trade_id, |fill| fill.reversed = true),
            Event::FeeCorrected { trade_id, fee, .. } => change(&mut fills, trade_id, |view| {
                view.fee = *fee;
                view.fee_provisional = false;
            }),
            _ => {}
        }
    }
    fills
}

fn change(fills: &mut [FillView], trade_id: &TradeId, change: impl FnOnce(&mut FillView)) {
    if let Some(fill) = fills.iter_mut().find(|fill| fill.trade_id == *trade_id) {
        change(fill);
    }
}

fn fill_view(report: &FillReport) -> FillView {
    FillView {
        trade_id: report.trade_id.clone(),
        quantity: report.quantity,
        price: report.price,
        fee: report.fee,
        fee_provisional: report.fee_provisional,
        liquidity: narrate::liquidity(report.liquidity),
        settled: report.settled,
        at: report.venue_at,
        source: report.source.clone(),
        reversed: false,
    }
}

/// What this order's fills realised: the market's orders folded together, the difference counted at each of its records.
pub fn realized(history: &dyn History, book: &Projections, order_id: &OrderId) -> Result<Option<Usd>, ReadError> {
    let Some(record) = book.orders.get(order_id) else { return Ok(None) };
    let key = record.order.instrument.book_key();
    let mut seqs = Vec::new();
    for (count, other) in book.orders.of_book(&key).enumerate() {
        if count == BOOK_ORDERS_MAX {
            return Ok(None);
        }
        seqs.extend(history.order_seqs(&other.order.order_id)?);
    }
    seqs.sort_unstable();
    let records = seqs.into_iter().map(|seq| history.read_one(seq)).collect::<Result<Vec<_>, _>>()?;
    let mut market = Projections::default();
    let mut realized = Usd::ZERO;
    for one in alone(&records) {
        let before = market.cash.realized;
        if market.fold(&one).is_err() {
            return Ok(None);
        }
        if one.correlation == Some(*order_id) {
            realized += market.cash.realized - before;
        }
    }
    Ok(Some(realized))
}
