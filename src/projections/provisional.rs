//! What a venue may still take back: since the first fill of a book that isn't final, every change of its holding is kept,
//! so that taking one back leaves what there would be without it, whatever came in between.

use serde::{Deserialize, Serialize};

use super::positions::{Paid, Position};
use crate::domain::event::Holding;
use crate::domain::ids::{OrderId, TradeId};
use crate::domain::market::Settlement;
use crate::domain::money::{Quantity, Usd};
use crate::domain::order::{Action, Groups};
use crate::domain::report::FillReport;

/// A holding as it was, and what has changed it since.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Tail {
    base: Position,
    steps: Vec<Step>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Step {
    Fill {
        fill: Box<FillReport>,
        groups: Groups,
    },
    /// `redeemed_later`: the payout waits for its redemption.
    Settled {
        settlement: Settlement,
        redeemed_later: bool,
    },
    /// `counts`: as a result of trading, with this much cash.
    Adopted {
        holding: Box<Holding>,
        counts: Option<Usd>,
    },
}

/// Money that the steps moved, fees aside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Moved {
    pub cash: Usd,
    pub realized: Usd,
    pub redeemable: Usd,
}

/// Cash of fills that aren't final: what is to come, and what is still to go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Pending {
    pub proceeds: Usd,
    pub spent: Usd,
}

impl Tail {
    pub fn from(base: Position) -> Self {
        Self { base, steps: Vec::new() }
    }

    pub fn push(&mut self, step: Step) {
        self.steps.push(step);
    }

    fn fill_mut(&mut self, trade_id: &TradeId, order_id: &OrderId) -> Option<&mut FillReport> {
        self.steps.iter_mut().find_map(|step| match step {
            Step::Fill { fill, .. } if fill.trade_id == *trade_id && fill.order_id == *order_id => Some(&mut **fill),
            _ => None,
        })
    }

    /// The holding after all steps, what they moved, and what of it is pending.
    fn replay(&self) -> (Position, Moved, Pending) {
        let (mut position, mut moved, mut pending) = (self.base.clone(), Moved::default(), Pending::default());
        for step in &self.steps {
            match step {
                Step::Fill { fill, groups } => {
                    let change = position.take(fill, groups);
                    moved.cash += change.cash;
                    moved.realized += change.realized;
                    let net = change.cash - fill.fee;
                    if !fill.settled && net > Usd::ZERO {
                        pending.proceeds += net;
                    } else if !fill.settled {
                        pending.spent -= net;
                    }
                }
                Step::Settled { settlement, redeemed_later } => {
                    let Some(Paid { cash, realized }) = position.pay_out(*settlement, *redeemed_later) else { continue };
                    moved.realized += realized;
                    *(if *redeemed_later { &mut moved.redeemable } else { &mut moved.cash }) += cash;
                }
                // Its cash was booked beside the holding.
                Step::Adopted { holding, counts } => moved.realized += position.adopt(holding, *counts),
            }
        }
        (position, moved, pending)
    }

    /// Contracts bought whose fills aren't final.
    pub fn unsettled(&self) -> Quantity {
        self.replay().0.unsettled
    }

    /// Contracts bought and sold by fills that aren't final.
    pub fn open(&self) -> (Quantity, Quantity) {
        let (mut bought, mut sold) = (Quantity::ZERO, Quantity::ZERO);
        for step in &self.steps {
            if let Step::Fill { fill, .. } = step
                && !fill.settled
            {
                *(if fill.action == Action::Buy { &mut bought } else { &mut sold }) += fill.quantity;
            }
        }
        (bought, sold)
    }

    pub fn pending(&self) -> Pending {
        self.replay().2
    }

    /// A fill has become final.
    pub fn settle(&mut self, trade_id: &TradeId, order_id: &OrderId) {
        if let Some(fill) = self.fill_mut(trade_id, order_id) {
            fill.settled = true;
        }
    }

    /// Takes what nothing can be taken back before into the base. `true`: nothing is left open.
    pub fn trim(&mut self) -> bool {
        while !matches!(self.steps.first(), None | Some(Step::Fill { .. })) || self.begins_settled() {
            let first = Self { base: self.base.clone(), steps: vec![self.steps.remove(0)] };
            self.base = first.replay().0;
        }
        self.steps.is_empty()
    }

    fn begins_settled(&self) -> bool {
        matches!(self.steps.first(), Some(Step::Fill { fill, .. }) if fill.settled)
    }

    /// `false`: the fill is part of the base.
    pub fn add_fee(&mut self, trade_id: &TradeId, order_id: &OrderId, difference: Usd) {
        match self.fill_mut(trade_id, order_id) {
            Some(fill) => fill.fee += difference,
            None => self.base.fees += difference,
        }
    }

    /// The holding without this fill, and how much less was moved with it; `None` when it isn't among these.
    pub fn without(&mut self, trade_id: &TradeId, order_id: &OrderId) -> Option<(Position, Moved)> {
        let is_it = |step: &Step| matches!(step, Step::Fill { fill, .. } if fill.trade_id == *trade_id && fill.order_id == *order_id);
        let index = self.steps.iter().position(is_it)?;
        let (_, with, _) = self.replay();
        self.steps.remove(index);
        let (position, without, _) = self.replay();
        let moved = Moved {
            cash: without.cash - with.cash,
            realized: without.realized - with.realized,
            redeemable: without.redeemable - with.redeemable,
        };
        Some((position, moved))
    }
}
