//! What venues report: fills in any order and any state, ends, quotes, markets.

use super::{Effect, Engine};
use crate::domain::event::{Event, Scope};
use crate::domain::ids::OrderId;
use crate::domain::market::Market;
use crate::domain::money::Quantity;
use crate::domain::order::{Action, OrderState};
use crate::domain::report::{FillReport, VenueNews, VenueState};
use crate::domain::time::Now;
use crate::domain::verdict::Reason;

impl Engine {
    pub(super) fn venue_news(&mut self, now: Now, news: VenueNews, out: &mut Vec<Effect>) {
        if self.halted.is_some() || !self.started {
            return;
        }
        match news {
            VenueNews::Fill(fill) => self.fill(now, fill, out),
            VenueNews::FillSettled { order_id, trade_id } => {
                self.about_fill(now, order_id, |venue| Event::FillSettled { order_id, venue, trade_id }, out)
            }
            VenueNews::FillReversed { order_id, trade_id, why } => {
                let why: Box<str> = why.chars().take(256).collect::<String>().into();
                self.about_fill(now, order_id, |venue| Event::FillReversed { order_id, venue, trade_id, why }, out);
            }
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
            VenueNews::Mode { venue, mode, why } => self.venue_mode(now, venue, mode, &why, out),
            VenueNews::FuseBlown { venue, why } => {
                self.trip(now, Scope::Venue(venue), Reason::FuseBlown, why, "within the order group's limit".to_owned(), out);
            }
        }
    }

    pub(super) fn fill(&mut self, now: Now, fill: FillReport, out: &mut Vec<Effect>) {
        if self.book.has_fill(&fill) {
            return;
        }
        let (order_id, key) = (fill.order_id, fill.instrument.book_key());
        let Some(record) = self.book.orders.get(&order_id) else {
            let observed = format!("{} at {} of order {order_id}, which this log doesn't know", fill.quantity, fill.price);
            return self.trip(now, Scope::Market(key), Reason::UnexpectedFill, observed, "fills of our orders only".to_owned(), out);
        };
        let surprise = if record.external { None } else { surprise(record.state, record.filled, &record.order, &fill) };
        let mut events: Vec<Event> = self.fresh_mark(&key).into_iter().collect();
        self.note_booked(key.venue, fill.venue_at);
        events.push(Event::Filled(fill));
        self.append(now, events, out);
        if let Some(observed) = surprise {
            self.trip(now, Scope::Market(key), Reason::UnexpectedFill, observed, "within the order's size and limit".to_owned(), out);
        }
        if self.book.orders.get(&order_id).is_some_and(|record| record.is_done()) {
            self.ended(now, &order_id, out);
        }
    }

    /// Settled, reversed or corrected: only of orders we know.
    fn about_fill(
        &mut self,
        now: Now,
        order_id: OrderId,
        event: impl FnOnce(crate::domain::market::Venue) -> Event,
        out: &mut Vec<Effect>,
    ) {
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
        if self.book.markets.get(&market.key) != Some(&market) {
            self.append(now, vec![Event::MarketSeen { market: Box::new(market) }], out);
        }
    }
}

/// Why a fill is not what the order allows, if it isn't.
fn surprise(state: OrderState, filled: Quantity, order: &crate::domain::order::Order, fill: &FillReport) -> Option<String> {
    if matches!(state, OrderState::NotPlaced | OrderState::Rejected) {
        return Some(format!("a fill of order {} after it was {state}", order.order_id));
    }
    if filled + fill.quantity > order.quantity {
        return Some(format!("{} filled of {}", filled + fill.quantity, order.quantity));
    }
    let worse = if order.action == Action::Buy { fill.price > order.limit } else { fill.price < order.limit };
    worse.then(|| format!("filled at {} against a limit of {}", fill.price, order.limit))
}
