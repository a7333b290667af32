//! The rule for closes (design §2.4, §6): the same for the risk consumer and for the engine when risk is silent.

use super::Projections;
use crate::domain::market::{Instrument, MarketStatus, Venue};
use crate::domain::money::Quantity;
use crate::domain::order::{Action, Order};
use crate::domain::planted::{self, Bug};
use crate::domain::report::VenueMode;
use crate::domain::time::Time;
use crate::domain::verdict::{Check, Reason};

/// A signal from further ahead than this is from a wrong clock.
pub const FUTURE_TOLERANCE_MS: i64 = 2_000;

/// Contracts of this outcome that may still be given up: held and settled, less what open, unknown and
/// reserved closes may take.
pub fn reducible(book: &Projections, instrument: &Instrument, reserved: Quantity) -> Quantity {
    let key = instrument.book_key();
    let open: Quantity =
        book.orders.of_book(&key).filter(|record| record.order.action == Action::Sell).map(|record| record.outstanding()).sum();
    let open = if planted::has(Bug::ClosesOverlap) { Quantity::ZERO } else { open };
    (book.positions.sellable(instrument) - open - reserved).or_zero()
}

/// Every check of a close. `reserved`: closes granted or asked for that the log doesn't hold yet.
pub fn reduce_checks(book: &Projections, order: &Order, created_at: Time, reserved: Quantity, now: Time) -> Vec<Check> {
    let room = reducible(book, &order.instrument, reserved);
    let fits = order.quantity <= room && !order.quantity.is_zero();
    let mut checks =
        vec![Check::new(Reason::NothingToClose, fits, order.quantity.to_string(), format!("at most {room} held and not yet being closed"))];
    checks.extend(shared_checks(book, order, created_at, now));
    checks
}

/// The venue takes such orders and its account is known. On paper no venue is recorded: the exchange is in this process.
pub fn venue_ready(book: &Projections, venue: Venue, action: Action) -> Check {
    let limit = "open, its account reconciled";
    let takes = |mode| mode == VenueMode::Open || mode == VenueMode::CloseOnly && action == Action::Sell;
    match book.venues.get(venue) {
        None if book.venues.iter().next().is_none() => Check::new(Reason::VenueNotReady, true, "paper", limit),
        None => Check::failed(Reason::VenueNotReady, format!("{venue} has no credentials"), limit),
        Some(record) => {
            let observed = format!("{venue} {}: {}", record.mode.as_str(), record.why);
            Check::new(Reason::VenueNotReady, takes(record.mode), observed, limit)
        }
    }
}

/// What holds for opens and closes alike.
pub fn shared_checks(book: &Projections, order: &Order, created_at: Time, now: Time) -> [Check; 5] {
    let market = book.markets.get(&order.instrument.book_key());
    let status = market.map_or(MarketStatus::Open, |market| market.status);
    let closed = market.and_then(|market| market.close_time).is_some_and(|close| close <= now);
    let on_grid = match market {
        Some(market) => market.grid.holds(order.limit),
        None => crate::domain::market::PriceGrid::cents().holds(order.limit),
    };
    [
        venue_ready(book, order.instrument.venue, order.action),
        Check::new(Reason::Expired, now < order.expires_at, format!("now {now}"), format!("before {}", order.expires_at)),
        Check::new(
            Reason::Future,
            created_at.ms_since(now) <= FUTURE_TOLERANCE_MS,
            format!("created {created_at}"),
            format!("at most 2 s after {now}"),
        ),
        Check::new(Reason::MarketClosed, status == MarketStatus::Open && !closed, format!("{status:?}").to_lowercase(), "open"),
        Check::new(Reason::OffGrid, on_grid, order.limit.to_string(), "on the market's price grid, above 0 and below 1"),
    ]
}
