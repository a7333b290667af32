//! What venues report: fills in any order and any state, ends, quotes, markets.

use super::{Effect, Engine};
use crate::domain::event::{CancelCause, Event, Scope};
use crate::domain::ids::{OrderId, TradeId};
use crate::domain::market::{Market, Venue};
use crate::domain::money::{Quantity, Rounding, Usd};
use crate::domain::order::{Action, OrderState, TimeInForce};
use crate::domain::planted::{self, Bug};
use crate::domain::report::{FillReport, VenueNews, VenueState};
use crate::domain::time::Now;
use crate::domain::verdict::Reason;
use crate::projections::{FillStanding, OrderRecord};

impl Engine {
    pub(super) fn venue_news(&mut self, now: Now, news: VenueNews, out: &mut Vec<Effect>) {
        if self.halted.is_some() || !self.started {
            return;
        }
        match news {
            VenueNews::Fill(fill) => self.fill(now, fill, out),
            VenueNews::FillSettled { order_id, trade_id } => self.fill_ended(now, order_id, trade_id, Ok(()), out),
            VenueNews::FillReversed { order_id, trade_id, why } => self.fill_ended(now, order_id, trade_id, Err(&why), out),
            VenueNews::FeeCorrected { order_id, trade_id, fee } => {
                self.about_fill(now, order_id, |venue| Event::FeeCorrected { order_id, venue, trade_id, fee }, out);
            }
            VenueNews::Ended { order_id, state, filled, cause } => self.venue_ended(now, order_id, state, filled, cause, out),
            VenueNews::Quote { key, quote, at } => self.quote(now, key, quote, at, out),
            VenueNews::Market(market) => self.market(now, market, out),
            VenueNews::Traded(fill) => self.traded(now, *fill, out),
            VenueNews::Listed(order) => self.listed(now, *order, out),
            VenueNews::Settled(settlement) => self.venue_settled(now, *settlement, out),
            VenueNews::Account(reading) => self.account(now, *reading, out),
            VenueNews::Unread { venue, why } => self.unread(now, venue, &why, out),
            VenueNews::Mode { venue, mode, why } => self.venue_mode(now, venue, mode, &why, out),
            VenueNews::FuseBlown { venue, why } => {
                self.trip(now, Scope::Venue(venue), Reason::FuseBlown, why, "within the order group's limit".to_owned(), out);
            }
        }
    }

    pub(super) fn fill(&mut self, now: Now, fill: FillReport, out: &mut Vec<Effect>) {
        if self.book.has_fill(&fill) && !planted::has(Bug::NoFillDedupe) {
            return;
        }
        let (order_id, key) = (fill.order_id, fill.instrument.book_key());
        let Some(record) = self.book.orders.get(&order_id) else {
            let observed = format!("{} at {} of order {order_id}, which this log doesn't know", fill.quantity, fill.price);
            return self.trip(now, Scope::Market(key), Reason::UnexpectedFill, observed, "fills of our orders only".to_owned(), out);
        };
        let surprise = if record.external { None } else { surprise(record, &fill) };
        let mut events: Vec<Event> = self.fresh_mark(&key).into_iter().collect();
        self.note_booked(key.venue, fill.venue_at);
        if fill.settled && !key.venue.nets_outcomes() {
            // Settled since it was matched, and nobody says when.
            self.note_moved(now, key.venue);
        }
        events.push(Event::Filled(fill));
        self.append(now, events, out);
        if let Some(observed) = surprise {
            self.trip(now, Scope::Market(key), Reason::UnexpectedFill, observed, "within the order's size and limit".to_owned(), out);
        }
        if self.book.orders.get(&order_id).is_some_and(|record| record.is_done()) {
            self.ended(now, &order_id, out);
        }
    }

    /// A fill is final: it holds, or for this reason it never happened. Only one that isn't final yet can become so; a venue
    /// that says the one and then the other has to be looked at by a person (S35).
    pub(super) fn fill_ended(&mut self, now: Now, order_id: OrderId, trade_id: TradeId, how: Result<(), &str>, out: &mut Vec<Effect>) {
        let Some(record) = self.book.orders.get(&order_id) else { return };
        let key = record.order.instrument.book_key();
        let venue = key.venue;
        let (said, holds) = match (self.book.fill_standing(&key, &trade_id, &order_id), how) {
            (Some(FillStanding::Provisional), Ok(())) => {
                // Balances move now, and what is read of them may be older.
                self.note_moved(now, venue);
                self.append(now, vec![Event::FillSettled { order_id, venue, trade_id }], out);
                return;
            }
            (Some(FillStanding::Provisional), Err(_)) if planted::has(Bug::ReversalForgotten) => return,
            (Some(FillStanding::Provisional), Err(why)) => {
                let why = why.chars().take(256).collect::<String>().into();
                self.note_moved(now, venue);
                self.append(now, vec![Event::FillReversed { order_id, venue, trade_id, why }], out);
                if self.book.orders.get(&order_id).is_some_and(|record| record.is_done()) {
                    self.ended(now, &order_id, out);
                }
                return;
            }
            (Some(FillStanding::Settled), Err(_)) => ("failed", "settled"),
            (Some(FillStanding::Reversed), Ok(())) => ("settled", "failed and was taken back"),
            (None, _) | (Some(FillStanding::Settled), Ok(())) | (Some(FillStanding::Reversed), Err(_)) => return,
        };
        let observed = format!("trade {trade_id} of order {order_id} {said} at the venue, but it {holds} before");
        self.trip(now, Scope::Market(key), Reason::UnexpectedFill, observed, "a trade that ends once".to_owned(), out);
    }

    /// Corrected: only of orders we know.
    fn about_fill(&mut self, now: Now, order_id: OrderId, event: impl FnOnce(Venue) -> Event, out: &mut Vec<Effect>) {
        if let Some(venue) = self.book.orders.get(&order_id).map(|record| record.order.instrument.venue) {
            self.append(now, vec![event(venue)], out);
        }
    }

    pub(super) fn venue_ended(
        &mut self,
        now: Now,
        order_id: OrderId,
        state: VenueState,
        filled: Quantity,
        cause: String,
        out: &mut Vec<Effect>,
    ) {
        let Some(record) = self.book.orders.get(&order_id) else { return };
        if record.state.is_terminal() {
            return;
        }
        match state {
            VenueState::Expired => self.append(now, vec![Event::OrderExpired { order_id, filled }], out),
            VenueState::Canceled => self.append(now, vec![Event::OrderCanceled { order_id, filled, cause: cause.into() }], out),
            // Executed: its fills say so; resting: nothing has ended.
            VenueState::Executed | VenueState::Resting => return,
        };
        self.ended(now, &order_id, out);
    }

    /// Nothing is in the air any more, unless fills of it are still to come.
    pub(super) fn ended(&mut self, now: Now, order_id: &OrderId, out: &mut Vec<Effect>) {
        self.tidy(order_id);
        self.claim(now, order_id, out);
        self.note_close_ended(now, order_id, out);
    }

    pub(super) fn market(&mut self, now: Now, market: Market, out: &mut Vec<Effect>) {
        if self.book.markets.get(&market.key) == Some(&market) {
            return;
        }
        let (key, grid) = (market.key.clone(), market.grid.clone());
        self.append(now, vec![Event::MarketSeen { market: Box::new(market) }], out);
        // Whether the venue keeps what rests off its new grid (S77), it needn't say.
        let off = self.book.orders.of_book(&key).filter(|record| record.may_rest() && !grid.holds(record.order.limit));
        let off: Vec<OrderId> = off.map(|record| record.order.order_id).collect();
        for order_id in off {
            self.request_cancel(now, order_id, CancelCause::OffGrid, out);
        }
    }
}

/// Each fill's dollars are rounded up.
const ROUNDED_UP: Usd = Usd::from_micros(100);

/// Why a fill is not what the order allows, if it isn't.
fn surprise(record: &OrderRecord, fill: &FillReport) -> Option<String> {
    let (state, filled, order) = (record.state, record.filled + record.failed, &record.order);
    if matches!(state, OrderState::NotPlaced | OrderState::Rejected) {
        return Some(format!("a fill of order {} after it was {state}", order.order_id));
    }
    // A marketable buy spends dollars at Polymarket: a better price brings more shares, not a smaller bill.
    let in_dollars = order.instrument.venue == Venue::Polymarket && order.action == Action::Buy && order.tif == TimeInForce::Fok;
    let spent = record.notional_filled + fill.price.times(fill.quantity, Rounding::Up);
    if in_dollars && spent > order.notional() + ROUNDED_UP {
        return Some(format!("${spent} spent of ${}", order.notional()));
    }
    if !in_dollars && filled + fill.quantity > order.quantity {
        return Some(format!("{} filled of {}", filled + fill.quantity, order.quantity));
    }
    let worse = if order.action == Action::Buy { fill.price > order.limit } else { fill.price < order.limit };
    worse.then(|| format!("filled at {} against a limit of {}", fill.price, order.limit))
}
