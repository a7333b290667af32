//! Orders that are already there: cancelled, expired, ended.

use super::core::{Core, Mode};
use super::orders::Status;
use super::refusal::Refusal;
use crate::domain::money::Quantity;
use crate::exchange::ids::{AccountNo, OrderNo};

impl Core {
    /// Ends an order, wherever it is; what it has filled stays.
    pub fn end(&mut self, no: OrderNo, status: Status) {
        let order = self.order(no);
        let (side, price) = order.in_book();
        let market = order.new.token.market;
        let told = self.order(no).view.status == Status::Delayed && status.as_str() == "INVALID";
        let rested = self.market_mut(market).book.remove(side, price, no).is_some();
        if rested {
            self.changed.insert((market, side, price));
        }
        self.change_order(no, |view| (view.status, view.left) = (status, Quantity::ZERO));
        if rested || told {
            self.tell_order(no, "CANCELLATION");
        }
    }

    /// Why cancels aren't taken at the moment.
    pub fn check_cancels(&self) -> Result<(), Refusal> {
        match self.mode {
            Mode::Restart { until } => Err(Refusal::restarting(self.seconds_to(until))),
            Mode::Disabled => Err(Refusal::disabled()),
            _ => Ok(()),
        }
    }

    /// Cancels one order of these accounts. Errors: the words of `not_canceled`.
    pub fn cancel(&mut self, accounts: &[AccountNo], id: &str) -> Result<OrderNo, &'static str> {
        let no = self.order_called(id).filter(|no| accounts.contains(&self.order(*no).new.account));
        let no = no.ok_or("order can't be found - already canceled or matched")?;
        match &self.order(no).view.status {
            Status::Live => {
                self.end(no, Status::canceled());
                Ok(no)
            }
            Status::Matched => Err("order already matched"),
            Status::Delayed => Err("order is delayed and can't be canceled"),
            Status::Ended(_) => Err("order already canceled or matched"),
        }
    }

    /// A GTD order ends by its venue's clock, the stated time less a minute.
    pub fn expire(&mut self, no: OrderNo) {
        if self.order(no).is_live() {
            self.end(no, Status::Ended("CANCELED_EXPIRED_ORDER".to_owned()));
        }
    }
}
