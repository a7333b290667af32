//! What operators and risk ask for: kill, breakers, cancel-all, settlements. The engine appends; nobody else does.

use super::{Deferred, Effect, Engine, Ticket};
use crate::domain::adjustment::Adjustment;
use crate::domain::event::{CancelCause, Event, Scope};
use crate::domain::ids::{MarketId, OrderId};
use crate::domain::market::{Settlement, Venue};
use crate::domain::report::AccountReading;
use crate::domain::time::Now;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    Kill {
        reason: String,
    },
    ClearKill {
        reason: String,
    },
    ResetBreaker {
        scope: Scope,
        reason: String,
    },
    CancelAll,
    /// Take over what the account holds, as read.
    Adopt {
        reading: Box<AccountReading>,
    },
    /// Read the account of this venue (of all) anew.
    Reconcile {
        venue: Option<Venue>,
    },
    Settle {
        venue: Venue,
        market: MarketId,
        settlement: Settlement,
    },
    /// Book a proven difference.
    Adjust(Box<Adjustment>),
}

/// Words of people, cut to what a record holds.
pub(super) fn words(text: &str) -> Box<str> {
    text.chars().take(256).collect::<String>().into()
}

impl Engine {
    pub(super) fn operator(&mut self, now: Now, ticket: Ticket, by: String, command: Command, out: &mut Vec<Effect>) {
        if matches!(command, Command::Kill { .. }) {
            // Effective before it is durable, even when the log can't be written any more.
            self.killed = true;
        }
        if let Some(why) = &self.halted {
            let result = Err(format!("the engine has halted: {why}"));
            out.push(Effect::OperatorAnswer { ticket, result });
            return;
        }
        if let Command::Reconcile { venue } = command {
            return self.ask_reading(now, ticket, venue, out);
        }
        let result = self.carry_out(now, &by, command, out);
        self.tell(now, ticket, result, out);
    }

    /// Once everything decided before is durable.
    pub(super) fn tell(&mut self, now: Now, ticket: Ticket, result: Result<String, String>, out: &mut Vec<Effect>) {
        self.after(self.book.seq, Deferred::Effect(Effect::OperatorAnswer { ticket, result }));
        let (seq, hash) = self.durable;
        self.durable(now, seq, hash, out);
    }

    fn carry_out(&mut self, now: Now, by: &str, command: Command, out: &mut Vec<Effect>) -> Result<String, String> {
        match command {
            Command::Kill { reason } => {
                if self.book.breakers.kill.is_some() {
                    return Ok("the kill was on already".to_owned());
                }
                self.append(now, vec![Event::KillSet { by: words(by), reason: words(&reason) }], out);
                self.cancel_opens(now, CancelCause::Killed, |_| true, out);
                Ok("kill on: no opens; resting opens are being cancelled; closes still flow".to_owned())
            }
            Command::ClearKill { reason } => {
                if self.book.breakers.kill.is_none() {
                    return Ok("the kill was off already".to_owned());
                }
                self.append(now, vec![Event::KillCleared { by: words(by), reason: words(&reason) }], out);
                self.killed = false;
                Ok("kill off".to_owned())
            }
            Command::ResetBreaker { scope, reason } => {
                if !self.book.breakers.is_open(&scope) {
                    return Err(format!("no breaker is open for {scope}"));
                }
                let done = format!("breaker {scope} closed");
                self.append(now, vec![Event::BreakerReset { scope, by: words(by), reason: words(&reason) }], out);
                Ok(done)
            }
            Command::CancelAll => {
                let count = self.cancel_resting(now, CancelCause::Operator, out);
                Ok(format!("{count} resting orders are being cancelled"))
            }
            Command::Adopt { reading } => self.adopt(now, by, &reading, out),
            Command::Reconcile { .. } => unreachable!("Invariant: a reading is asked for apart"),
            Command::Adjust(adjustment) => self.adjust(now, by, *adjustment, out),
            Command::Settle { venue, market, settlement } => self.settle(now, venue, market, settlement, out),
        }
    }

    fn settle(
        &mut self,
        now: Now,
        venue: Venue,
        market: MarketId,
        settlement: Settlement,
        out: &mut Vec<Effect>,
    ) -> Result<String, String> {
        let key = crate::domain::market::BookKey { venue, id: market.clone() };
        let of_market = |instrument: &crate::domain::market::Instrument| {
            instrument.venue == venue && (instrument.market == market || instrument.book_key() == key)
        };
        let held = self.book.positions.iter().any(|(_, position)| of_market(&position.instrument));
        let ordered = self.book.orders.iter().any(|record| of_market(&record.order.instrument));
        if !held && !ordered && self.book.markets.get(&key).is_none() {
            return Err(format!("no order, position or description of {key} in this log"));
        }
        if self.book.markets.settlement(&key).is_some() {
            return Err(format!("{key} is settled already"));
        }
        let live = self.book.orders.live().filter(|record| of_market(&record.order.instrument));
        let ids: Vec<OrderId> = live.map(|record| record.order.order_id).collect();
        for order_id in ids {
            self.request_cancel(now, order_id, CancelCause::Operator, out);
        }
        let before = self.book.cash.cash;
        let seq = self.append(now, vec![Event::MarketSettled { venue, market: market.clone(), settlement }], out);
        self.after(seq, Deferred::Effect(Effect::MarketEnded { venue, market, settlement }));
        Ok(format!("{key} settled; ${} paid out", self.book.cash.cash - before))
    }
}
