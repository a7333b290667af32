//! What is held of one book: all its fills, counted again from the first whenever one changes.

use arbees::domain::ids::{OrderId, TradeId};
use arbees::domain::market::{Outcome, Settlement, Venue};
use arbees::domain::money::{Price, Quantity, Usd};
use arbees::domain::order::{Action, Groups, Stance};
use arbees::domain::report::FillReport;

enum Step {
    Fill(Box<Fill>),
    Settled(Settlement),
}

struct Fill {
    trade_id: TradeId,
    order_id: OrderId,
    /// In the terms of the book: above zero the book's own outcome was bought.
    signed: Quantity,
    price: Price,
    fee: Usd,
    buys: bool,
    is_final: bool,
    failed: bool,
    groups: Groups,
    outcome: Outcome,
}

#[derive(Default)]
pub struct Holding {
    steps: Vec<Step>,
    venue: Option<Venue>,
    book_outcome: Option<Outcome>,
    pub signed: Quantity,
    pub cost: Usd,
    /// All that moved, fees included.
    pub cash: Usd,
    /// Paid by results, redeemed or not.
    pub payable: Usd,
    pub redeemed: Usd,
    /// Who it belongs to, and when it pays.
    pub groups: Option<Groups>,
    outcome: Option<Outcome>,
}

/// A quotient, rounded up; everything here is above zero.
fn up(a: i64, b: i64, d: i64) -> i64 {
    let product = i128::from(a) * i128::from(b);
    i64::try_from((product + i128::from(d) - 1).div_euclid(i128::from(d))).expect("fits")
}

fn down(a: i64, b: i64, d: i64) -> i64 {
    i64::try_from((i128::from(a) * i128::from(b)).div_euclid(i128::from(d))).expect("fits")
}

const ONE: i64 = 1_000_000;

impl Holding {
    pub fn has(&self, trade_id: &TradeId, order_id: &OrderId) -> bool {
        self.fills().any(|fill| fill.trade_id == *trade_id && fill.order_id == *order_id)
    }

    fn fills(&self) -> impl Iterator<Item = &Fill> {
        self.steps.iter().filter_map(|step| if let Step::Fill(fill) = step { Some(&**fill) } else { None })
    }

    fn fill_mut(&mut self, trade_id: &TradeId, order_id: &OrderId) -> Option<&mut Fill> {
        self.steps.iter_mut().find_map(|step| match step {
            Step::Fill(fill) if fill.trade_id == *trade_id && fill.order_id == *order_id => Some(&mut **fill),
            _ => None,
        })
    }

    pub fn filled(&mut self, fill: &FillReport, groups: &Groups) {
        let instrument = &fill.instrument;
        (self.venue, self.book_outcome) = (Some(instrument.venue), Some(instrument.book_outcome()));
        let buys = fill.action == Action::Buy;
        let counts_up = buys == (instrument.outcome == instrument.book_outcome());
        self.steps.push(Step::Fill(Box::new(Fill {
            trade_id: fill.trade_id.clone(),
            order_id: fill.order_id,
            signed: if counts_up { fill.quantity } else { -fill.quantity },
            price: instrument.in_book_terms(fill.price),
            fee: fill.fee,
            buys,
            is_final: fill.settled,
            failed: false,
            groups: groups.clone(),
            outcome: instrument.outcome,
        })));
        self.recount();
    }

    pub fn confirmed(&mut self, trade_id: &TradeId, order_id: &OrderId) {
        if let Some(fill) = self.fill_mut(trade_id, order_id) {
            fill.is_final = true;
        }
    }

    /// How much has never happened.
    pub fn failed(&mut self, trade_id: &TradeId, order_id: &OrderId) -> Option<Quantity> {
        let fill = self.fill_mut(trade_id, order_id).filter(|fill| !fill.failed)?;
        fill.failed = true;
        let quantity = fill.signed.abs();
        self.recount();
        Some(quantity)
    }

    pub fn fee(&mut self, trade_id: &TradeId, order_id: &OrderId, fee: Usd) {
        if let Some(one) = self.fill_mut(trade_id, order_id).filter(|one| !one.failed) {
            one.fee = fee;
        }
        self.recount();
    }

    pub fn settled(&mut self, settlement: Settlement) {
        self.steps.push(Step::Settled(settlement));
        self.recount();
    }

    fn recount(&mut self) {
        (self.signed, self.cost, self.cash, self.payable) = (Quantity::ZERO, Usd::ZERO, Usd::ZERO, Usd::ZERO);
        let mut settled = None;
        for step in std::mem::take(&mut self.steps) {
            match &step {
                Step::Fill(fill) if fill.failed => {}
                Step::Fill(fill) => {
                    self.cash -= fill.fee;
                    self.move_by(fill);
                    if let Some(settlement) = settled {
                        self.pay(settlement);
                    }
                }
                Step::Settled(settlement) => {
                    settled = Some(*settlement);
                    self.pay(*settlement);
                }
            }
            self.steps.push(step);
        }
    }

    /// What closes is paid for at its price, what opens costs its own.
    fn move_by(&mut self, fill: &Fill) {
        if self.signed.is_zero() {
            (self.groups, self.outcome) = (Some(fill.groups.clone()), Some(fill.outcome));
        }
        let (held, quantity, yes) = (self.signed.micros(), fill.signed.abs().micros(), fill.price.micros());
        let up_side = fill.signed > Quantity::ZERO;
        let closing = if held != 0 && (held > 0) != up_side { quantity.min(held.abs()) } else { 0 };
        let opening = quantity - closing;
        if closing > 0 {
            let each = if held > 0 { yes } else { ONE - yes };
            self.cash += Usd::from_micros(down(each, closing, ONE));
            self.cost -= Usd::from_micros(up(self.cost.micros(), closing, held.abs()));
        }
        if opening > 0 {
            let paid = Usd::from_micros(up(if up_side { yes } else { ONE - yes }, opening, ONE));
            self.cash -= paid;
            self.cost += paid;
        }
        self.signed += fill.signed;
    }

    fn pay(&mut self, settlement: Settlement) {
        if self.signed.is_zero() {
            return;
        }
        let own = self.book_outcome.unwrap_or(Outcome::Yes);
        let of = if self.signed > Quantity::ZERO { own } else { own.other() };
        let each = settlement.payout(of).expect("no voids here");
        let paid = Usd::from_micros(down(each.micros(), self.signed.abs().micros(), ONE));
        if self.venue == Some(Venue::Polymarket) {
            self.payable += paid
        } else {
            self.cash += paid
        }
        (self.signed, self.cost) = (Quantity::ZERO, Usd::ZERO);
    }

    /// Contracts of this outcome that are there for good and may be given up.
    pub fn sellable(&self, outcome: Outcome) -> Quantity {
        let own = self.book_outcome == Some(outcome);
        let held = if own { self.signed } else { -self.signed };
        let open: Quantity = self.fills().filter(|fill| fill.buys && !fill.is_final && !fill.failed).map(|fill| fill.signed.abs()).sum();
        (held - open).or_zero()
    }

    /// When it pays.
    pub fn stance(&self) -> Option<Stance> {
        let groups = self.groups.as_ref().filter(|_| !self.signed.is_zero())?;
        let own = self.book_outcome?;
        let held = if self.signed > Quantity::ZERO { own } else { own.other() };
        let wins = if Some(held) == self.outcome { groups.stance.wins } else { !groups.stance.wins };
        Some(Stance { wins, ..groups.stance.clone() })
    }

    /// Proceeds of sales that may still be taken back.
    pub fn proceeds_in_the_air(&self) -> Usd {
        let open = self.fills().filter(|fill| !fill.buys && !fill.is_final && !fill.failed);
        open.map(|fill| Usd::from_micros(down(fill.price.micros(), fill.signed.abs().micros(), ONE)) - fill.fee).sum()
    }
}
