//! Our orders against one book: taker walk, resting orders with their place in the queue, trade-through.

use super::super::ids::OrderId;
use super::super::market::Quote;
use super::super::money::{Price, Quantity};
use super::super::order::TimeInForce;
use super::super::report::Liquidity;
use super::book::{Book, Oddities};
use super::{BookChange, BookOrder, Execution, Mark, Placed, Print, Side, whole_lots};

/// A feed tells a trade twice: as a print and as a shrinking level, up to this far apart (Kalshi prints carry seconds).
const TRADE_ECHO_MS: i64 = 1_000;

#[derive(Clone, Debug)]
struct Resting {
    order: BookOrder,
    left: Quantity,
    /// Contracts of others that are served before us; `None` while the feed doesn't show our price.
    ahead: Option<Quantity>,
    /// By how much a shrinking level has already moved us up, and when: the print of the same trade must not do it again.
    moved_up: Quantity,
    moved_up_ms: i64,
}

impl Resting {
    /// Takes our part of a print that `external` contracts of reach us or those ahead of us.
    fn meet(&mut self, external: Quantity, print_ms: i64) -> Quantity {
        let Some(ahead) = self.ahead else { return Quantity::ZERO };
        let echo = if print_ms.saturating_sub(self.moved_up_ms) <= TRADE_ECHO_MS { self.moved_up.min(external) } else { Quantity::ZERO };
        self.moved_up -= echo;
        let fresh = external - echo;
        self.ahead = Some((ahead - fresh).or_zero());
        whole_lots((fresh - ahead).or_zero()).min(self.left)
    }

    fn follow(&mut self, book: &Book, ts_ms: i64) {
        if !book.sees(self.order.side, self.order.limit) {
            return;
        }
        let shown = book.shown(self.order.side, self.order.limit);
        let ahead = self.ahead.unwrap_or(shown);
        if ahead > shown {
            let carried = if ts_ms.saturating_sub(self.moved_up_ms) <= TRADE_ECHO_MS { self.moved_up } else { Quantity::ZERO };
            self.moved_up = carried + (ahead - shown);
            self.moved_up_ms = ts_ms;
        }
        self.ahead = Some(ahead.min(shown));
    }
}

/// One book with our orders in it.
#[derive(Clone, Debug, Default)]
pub struct Matcher {
    book: Book,
    /// Best price first, earlier first at the same price.
    bids: Vec<Resting>,
    asks: Vec<Resting>,
}

impl Matcher {
    /// Fills what the book offers at the limit or better, then rests, cancels or kills the rest as the order says.
    pub fn submit(&mut self, order: BookOrder) -> (Vec<Execution>, Placed) {
        let tradable = !self.book.is_crossed();
        if order.tif == TimeInForce::Fok && !(tradable && self.book.available_to(order.side, order.limit) >= order.quantity) {
            return (Vec::new(), Placed::Killed);
        }
        let used = if tradable { self.book.take(order.side, order.limit, order.quantity) } else { Vec::new() };
        let fills: Vec<Execution> = used
            .into_iter()
            .map(|(price, quantity, mark)| Execution { id: order.id, quantity, price, liquidity: Liquidity::Taker, mark })
            .collect();
        let left = order.quantity - fills.iter().map(|fill| fill.quantity).sum();
        let placed = match (left.is_zero(), order.tif.rests()) {
            (true, _) => Placed::Filled,
            (false, false) => Placed::Canceled,
            (false, true) => {
                self.rest(order, left);
                Placed::Resting
            }
        };
        (fills, placed)
    }

    /// Joins the queue at the back with what is left of the order, without a look at the other side.
    pub fn rest(&mut self, order: BookOrder, left: Quantity) {
        let shown = self.book.shown(order.side, order.limit);
        let ahead = self.book.sees(order.side, order.limit).then_some(shown);
        let side = order.side;
        let orders = self.side_mut(side);
        let at = orders.partition_point(|other| !side.before(order.limit, other.order.limit));
        orders.insert(at, Resting { order, left, ahead, moved_up: Quantity::ZERO, moved_up_ms: 0 });
    }

    /// What was left of the order, if it rested here.
    pub fn cancel(&mut self, id: OrderId) -> Option<Quantity> {
        Side::BOTH.into_iter().find_map(|side| {
            let orders = self.side_mut(side);
            let at = orders.iter().position(|resting| resting.order.id == id)?;
            Some(orders.remove(at).left)
        })
    }

    /// All changes of one row, then the resting orders that the other side now reaches.
    pub fn apply(&mut self, changes: &[BookChange], mark: Mark) -> (Vec<Execution>, Oddities) {
        let mut odd = Oddities::default();
        for change in changes {
            let one = self.book.apply(change, mark);
            odd.underflows += one.underflows;
            odd.stale_levels += one.stale_levels;
        }
        for resting in self.bids.iter_mut().chain(&mut self.asks) {
            resting.follow(&self.book, mark.ts_ms);
        }
        (self.fill_crossed(), odd)
    }

    /// A trade of others. At a price beyond ours it would have met us first; at our price it is served to the queue in order.
    /// Its size is shared by all our orders. While the book is crossed it fills nothing.
    pub fn print(&mut self, print: Print, mark: Mark) -> Vec<Execution> {
        if self.book.is_crossed() {
            return Vec::new();
        }
        let side = print.taker.opposite();
        let mut left = print.quantity;
        let mut fills = Vec::new();
        for resting in self.side_mut(side) {
            let part = if side.before(resting.order.limit, print.price) {
                whole_lots(left).min(resting.left)
            } else if resting.order.limit == print.price {
                resting.meet(left, mark.ts_ms)
            } else {
                break;
            };
            left -= part;
            maker_fill(resting, part, mark, &mut fills);
        }
        self.drop_filled();
        fills
    }

    /// Runs `act` with another book in place of this one: our orders are the same, the offers are `book`'s.
    pub fn against<T>(&mut self, book: &mut Book, act: impl FnOnce(&mut Self) -> T) -> T {
        std::mem::swap(&mut self.book, book);
        let out = act(self);
        std::mem::swap(&mut self.book, book);
        out
    }

    /// Resting orders that the other side reaches: filled at their own limit, at most the size shown there.
    pub fn fill_crossed(&mut self) -> Vec<Execution> {
        let mut fills = Vec::new();
        if self.book.is_crossed() {
            return fills;
        }
        for (side, orders) in [(Side::Bid, &mut self.bids), (Side::Ask, &mut self.asks)] {
            for resting in orders {
                let limit = resting.order.limit;
                if !self.book.best(side.opposite()).is_some_and(|best| side.reaches(limit, best)) {
                    break;
                }
                for (_, part, mark) in self.book.take(side, limit, resting.left) {
                    maker_fill(resting, part, mark, &mut fills);
                }
            }
        }
        self.drop_filled();
        fills
    }

    pub fn book(&self) -> &Book {
        &self.book
    }

    pub fn quote(&self) -> Quote {
        self.book.quote()
    }

    /// Contracts of others ahead of a resting order, where the feed shows its price.
    pub fn queue_ahead(&self, id: OrderId) -> Option<Quantity> {
        self.bids.iter().chain(&self.asks).find(|resting| resting.order.id == id)?.ahead
    }

    pub fn has_resting(&self) -> bool {
        !(self.bids.is_empty() && self.asks.is_empty())
    }

    fn drop_filled(&mut self) {
        self.bids.retain(|resting| !resting.left.is_zero());
        self.asks.retain(|resting| !resting.left.is_zero());
    }

    fn side_mut(&mut self, side: Side) -> &mut Vec<Resting> {
        match side {
            Side::Bid => &mut self.bids,
            Side::Ask => &mut self.asks,
        }
    }
}

/// A resting order trades at its own price, however far beyond the other side went.
fn maker_fill(resting: &mut Resting, quantity: Quantity, mark: Mark, fills: &mut Vec<Execution>) {
    if quantity.is_zero() {
        return;
    }
    resting.left -= quantity;
    let price: Price = resting.order.limit;
    fills.push(Execution { id: resting.order.id, quantity, price, liquidity: Liquidity::Maker, mark });
}
