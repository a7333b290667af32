//! How many contracts: the signal's size as it is, or a quarter of Kelly cut to every limit.

use crate::domain::fees;
use crate::domain::limits::Limits;
use crate::domain::market::{FeeRate, Outcome};
use crate::domain::money::{ONE, Price, Quantity, Rounding, Usd, mul_div};
use crate::domain::order::{Action, Order};
use crate::domain::signal::{Intent, Signal, Size};
use crate::projections::{Projections, probe_size, reducible};

/// Hundredths of a contract are the finest both venues take.
const LOT_MICROS: i64 = 10_000;

pub(super) struct Sizing<'a> {
    pub book: &'a Projections,
    pub signal: &'a Signal,
    /// Asked about, not yet in the log.
    pub others: &'a [&'a Order],
}

/// The size the signal names, in contracts.
pub(super) fn explicit(signal: &Signal, limit: Price, fee: FeeRate) -> Option<Quantity> {
    match signal.size? {
        Size::Contracts(quantity) => Some(in_lots(quantity)),
        Size::Usd(usd) => Some(affordable(usd, limit, fee)),
    }
}

fn in_lots(quantity: Quantity) -> Quantity {
    Quantity::from_micros(quantity.micros() / LOT_MICROS * LOT_MICROS)
}

/// floor(usd / (price + fee)), whole contracts.
fn affordable(usd: Usd, limit: Price, fee: FeeRate) -> Quantity {
    let each = limit.micros() + fees::per_contract(fee, limit).micros();
    if each == 0 { Quantity::ZERO } else { Quantity::whole(usd.micros() / each) }
}

impl Sizing<'_> {
    pub fn quantity(&self, order: &Order) -> Option<Quantity> {
        match self.signal.intent {
            Intent::Open => {
                let wanted = explicit(self.signal, order.limit, order.fee).or_else(|| self.kelly(order))?;
                // Whatever was asked for: a half-open breaker lets one order of minimum size through.
                Some(if self.book.breakers.wants_probe(order) { wanted.min(probe_size(self.book, order)) } else { wanted })
            }
            Intent::Close => Some(self.held(order)),
            Intent::Reduce => Some(self.held(order).min(explicit(self.signal, order.limit, order.fee).unwrap_or_default())),
        }
    }

    /// What is held beside that, no order can sell: dollars buy parts of shares at Polymarket.
    fn held(&self, order: &Order) -> Quantity {
        let key = order.instrument.book_key();
        let reserved = self.others.iter().filter(|o| o.action == Action::Sell && o.instrument.book_key() == key).map(|o| o.quantity).sum();
        in_lots(reducible(self.book, &order.instrument, reserved))
    }

    fn kelly(&self, order: &Order) -> Option<Quantity> {
        let limits = self.book.limits.as_ref()?;
        let yes = self.signal.model_prob?;
        let win = if order.instrument.outcome == Outcome::Yes { yes } else { yes.complement() };
        let cost = order.limit.micros() + fees::per_contract(order.fee, order.limit).micros();
        let edge = win.micros() - cost;
        if edge <= 0 || cost >= ONE || cost <= 0 {
            return Some(Quantity::ZERO);
        }
        let wealth = limits.bankroll.min(self.free_cash(order)).or_zero();
        let share = mul_div(edge, limits.kelly_fraction.micros(), ONE - cost, Rounding::Down);
        let stake = mul_div(wealth.micros(), share, ONE, Rounding::Down);
        let wanted = stake / cost;
        Some(self.capped(limits, order, wanted))
    }

    fn free_cash(&self, order: &Order) -> Usd {
        let venue = order.instrument.venue;
        let account = |venue| self.book.cash.payer(venue);
        let same = self.others.iter().filter(|other| account(other.instrument.venue) == account(venue));
        self.book.free_cash(venue) - same.map(|other| other.cost_bound(other.quantity)).sum()
    }

    /// Within the caps of the first live days, if they are in force.
    fn in_canary(&self, limits: &Limits, order: &Order) -> bool {
        let Some(canary) = limits.canary else { return true };
        let asked: Usd = self.others.iter().filter(|other| other.action == Action::Buy).map(|other| other.notional()).sum();
        let day = self.book.activity.day_notional + asked + order.notional();
        order.notional() <= canary.order_notional_max && day <= canary.day_notional_max
    }

    /// The most whole contracts, up to `wanted`, that no limit refuses.
    fn capped(&self, limits: &Limits, order: &Order, wanted: i64) -> Quantity {
        let most = limits.order_contracts_max.micros() / ONE;
        let (mut fits, mut too_many) = (0, wanted.min(most) + 1);
        while too_many - fits > 1 {
            let middle = fits + (too_many - fits) / 2;
            if self.fits(limits, order, Quantity::whole(middle)) { fits = middle } else { too_many = middle }
        }
        Quantity::whole(fits)
    }

    fn fits(&self, limits: &Limits, order: &Order, quantity: Quantity) -> bool {
        let order = Order { quantity, ..order.clone() };
        let worst = self.book.exposure.with(&order, self.others, &self.book.orders, &self.book.positions);
        self.signal.liquidity.is_none_or(|shown| quantity <= shown)
            && order.notional() <= limits.order_size_max
            && order.cost_bound(quantity) <= self.free_cash(&order)
            && self.in_canary(limits, &order)
            && worst.game <= limits.game_exposure_max
            && worst.sport <= limits.sport_exposure_max
            && worst.venue <= limits.venue_exposure_max
            && worst.total <= limits.total_exposure_max
    }
}
