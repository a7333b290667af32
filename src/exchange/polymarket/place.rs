//! A new order: what refuses it, what it trades at once, and where its rest goes.

use super::account::Token;
use super::core::{Core, Job, Mode};
use super::markets::Life;
use super::orders::{NewOrder, Source, Status, in_book};
use super::refusal::Refusal;
use crate::domain::money::{ONE, Price, Quantity, Rounding, Usd, mul_div};
use crate::domain::order::Action;
use crate::domain::time::Time;
use crate::exchange::book::{Contact, Entry, Newcomer, SelfTrade};
use crate::exchange::ids::{CROWD, OrderNo};

pub const FOK_KILLED: &str = "order couldn't be fully filled. FOK orders are fully filled or killed.";
pub const FAK_KILLED: &str = "no orders found to match with FAK order. FAK orders are partially filled or killed if no match is found.";
/// Shares that are bought for dollars come in so small parts: four decimals.
const SHARE_LOT: i64 = 100;

/// A marketable order that waits before it matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wait {
    pub ms: i64,
    /// Whether it then matches or fails.
    pub succeeds: bool,
}

/// What an order would get at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Reach {
    quantity: Quantity,
    /// All that it asks for.
    whole: bool,
}

impl Core {
    /// Takes an order, or says why not. A refusal leaves nothing, but for a fill-or-kill that was killed.
    pub fn place(&mut self, new: NewOrder, wait: Option<Wait>) -> Result<OrderNo, Refusal> {
        self.check_door(&new)?;
        self.check_terms(&new)?;
        let crosses = self.crosses(&new);
        if new.post_only && crosses {
            return Err(Refusal::bad("invalid post-only order: order crosses book"));
        }
        self.check_marketable(&new, crosses)?;
        self.check_money(&new, crosses)?;
        let spec = &self.market(new.token.market).spec;
        let game = (spec.delay_s > 0).then(|| Wait { ms: spec.delay_s * 1_000, succeeds: true });
        let hold = (spec.taker_delay_ms > 0).then_some(Wait { ms: spec.taker_delay_ms, succeeds: true });
        let wait = wait.or(game.or(hold).filter(|_| crosses && new.source != Source::Crowd));
        if let Some(wait) = wait {
            let no = self.push_order(new);
            self.change_order(no, |view| view.status = Status::Delayed);
            self.tell_order(no, "PLACEMENT");
            self.schedule(self.now().plus_ms(wait.ms), Job::Release { order: no, succeeds: wait.succeeds });
            return Ok(no);
        }
        let killed = self.kills(&new);
        let no = self.push_order(new);
        match killed {
            Some(text) => {
                self.kill(no, text);
                Err(Refusal::bad(text))
            }
            None => {
                self.run(no);
                Ok(no)
            }
        }
    }

    /// The venue takes orders of some kind.
    pub fn check_open(&self) -> Result<(), Refusal> {
        match self.mode {
            Mode::Restart { until } => Err(Refusal::restarting(self.seconds_to(until))),
            Mode::CancelOnly | Mode::Disabled => Err(Refusal::disabled()),
            _ => Ok(()),
        }
    }

    /// Whole seconds, at least one.
    pub fn seconds_to(&self, until: Option<Time>) -> i64 {
        until.map_or(1, |until| (until.ms_since(self.now()) + 999).div_euclid(1_000).max(1))
    }

    fn check_door(&self, new: &NewOrder) -> Result<(), Refusal> {
        if new.source == Source::Crowd {
            return Ok(());
        }
        self.check_open()?;
        if let Mode::PostOnly { until } = self.mode
            && !new.post_only
        {
            return Err(Refusal::post_only_mode(self.seconds_to(until)));
        }
        let account = self.account(new.account);
        if account.banned {
            return Err(Refusal::bad(&format!("'{}' address banned", account.wallet)));
        }
        // Closing only: what is held may be sold.
        if account.closed_only && new.action == Action::Buy {
            return Err(Refusal::bad(&format!("'{}' address in closed only mode", account.wallet)));
        }
        let market = self.market(new.token.market);
        match market.spec.life {
            Life::Active => Ok(()),
            Life::NotReady | Life::Paused => Err(Refusal::bad("the market is not yet ready to process new orders")),
            // The words for a closed market are not documented; these are those for an unknown book.
            Life::Closed | Life::Resolved => {
                Err(Refusal::bad(&format!("the orderbook {} does not exist", market.token_id(new.token.outcome))))
            }
        }
    }

    fn check_terms(&self, new: &NewOrder) -> Result<(), Refusal> {
        let market = self.market(new.token.market);
        // The price that a FOK or FAK implies lies beside the grid by what its amounts were rounded.
        let limit = if new.kind.rests() { new.price } else { market.grid_near(new.price, new.action) };
        if !market.grid_holds(limit) {
            let tick = market.spec.tick;
            return Err(Refusal::order(&new.id, &format!("Price ({}) breaks minimum tick size rule: {tick}", new.price)));
        }
        if new.size <= Quantity::ZERO || new.kind.rests() && new.size < market.spec.size_min && new.source != Source::Crowd {
            let (size, least) = (new.size, market.spec.size_min);
            return Err(Refusal::order(&new.id, &format!("Size ({size}) lower than the minimum: {least}")));
        }
        if new.expiration != 0 && new.expiration < self.now().ms().div_euclid(1_000) + self.rules.expiry_ahead_s {
            return Err(Refusal::bad("invalid expiration"));
        }
        Ok(())
    }

    /// It would trade at once.
    pub fn crosses(&self, new: &NewOrder) -> bool {
        let (side, price) = in_book(new.token.outcome, new.action, new.price);
        self.market(new.token.market).book.would_cross(side, price)
    }

    fn check_marketable(&self, new: &NewOrder, crosses: bool) -> Result<(), Refusal> {
        let value = new.dollars.unwrap_or_else(|| new.price.times(new.size, Rounding::Down));
        let taking = crosses || !new.kind.rests();
        if new.source == Source::Api && new.action == Action::Buy && taking && value < Usd::whole(1) {
            return Err(Refusal::bad(&format!("invalid amount for a marketable BUY order (${value}), min size: $1")));
        }
        Ok(())
    }

    /// The balance less open orders must hold it, and a taking buy its fee, too.
    fn check_money(&self, new: &NewOrder, crosses: bool) -> Result<(), Refusal> {
        if new.account == CROWD {
            return Ok(());
        }
        let account = self.account(new.account);
        let refused = |balance: i64, held: i64, wanted: i64| {
            Err(Refusal::balance(&format!(
                ": the balance is not enough -> balance: {balance}, sum of active orders: {held}, order amount: {wanted}"
            )))
        };
        match new.action {
            Action::Buy => {
                let value = new.dollars.unwrap_or_else(|| new.price.times(new.size, Rounding::Up));
                let fees = self.market(new.token.market).spec.fees.filter(|_| crosses || !new.kind.rests());
                let needed = value + fees.map_or(Usd::ZERO, |fees| fees.taker(new.price, new.size));
                if account.allowance.is_some_and(|allowance| allowance < needed) {
                    return Err(Refusal::balance(&format!(
                        ": the allowance is not enough -> spender: {}, allowance: {}, order amount: {}",
                        self.market(new.token.market).exchange(),
                        account.allowance.unwrap_or_default().micros(),
                        needed.micros()
                    )));
                }
                let held = account.held.cash + account.leaving.cash;
                if needed > account.free_cash() {
                    return refused(account.settled.cash.micros(), held.micros(), needed.micros());
                }
            }
            Action::Sell => {
                let held = account.held.of(new.token) + account.leaving.of(new.token);
                if new.size > account.free_shares(new.token) {
                    return refused(account.settled.of(new.token).micros(), held.micros(), new.size.micros());
                }
            }
        }
        Ok(())
    }

    /// How much of it would trade now: shares of a sale or a limit order, as many as the dollars buy otherwise.
    fn reach(&self, new: &NewOrder, left: Quantity) -> Reach {
        let (side, limit) = in_book(new.token.outcome, new.action, new.price);
        let levels = self.market(new.token.market).book.levels(side.opposite()).take_while(|(at, _)| side.reaches(limit, *at));
        let (mut quantity, mut dollars) = (Quantity::ZERO, new.dollars.unwrap_or_default());
        for (at, size) in levels {
            let own = new.token.outcome.price_of(at);
            let wanted = if new.dollars.is_some() { affordable(dollars, own) } else { left - quantity };
            let taken = size.min(wanted);
            quantity += taken;
            dollars -= own.times(taken, Rounding::Down);
            if taken == wanted {
                return Reach { quantity, whole: true };
            }
        }
        Reach { quantity, whole: quantity >= left && new.dollars.is_none() }
    }

    /// What is said of an order that gets nothing, or not enough, and may not rest.
    fn kills(&self, new: &NewOrder) -> Option<&'static str> {
        use super::orders::Kind::{Fak, Fok};
        let reach = self.reach(new, new.size);
        match new.kind {
            Fok if !reach.whole => Some(FOK_KILLED),
            Fak if reach.quantity.is_zero() => Some(FAK_KILLED),
            _ => None,
        }
    }

    fn kill(&mut self, no: OrderNo, text: &str) {
        self.end(no, Status::canceled());
        self.tell_killed(no, text);
    }

    /// A held order is looked at again, and matches or fails.
    pub fn release(&mut self, no: OrderNo, succeeds: bool) {
        if self.order(no).view.status != Status::Delayed {
            return;
        }
        if !succeeds {
            return self.end(no, Status::Ended("INVALID".to_owned()));
        }
        match self.kills(&self.order(no).new) {
            Some(text) => self.kill(no, text),
            None => {
                self.change_order(no, |view| view.status = Status::Live);
                self.run(no);
            }
        }
    }

    /// Trades what it can, and rests or ends.
    fn run(&mut self, no: OrderNo) {
        let order = self.order(no);
        let (side, limit) = order.in_book();
        let market = order.new.token.market;
        let quantity = self.reach(&order.new, order.view.left).quantity;
        let newcomer = Newcomer { side, limit, quantity, owner: order.new.account, self_trade: SelfTrade::Allowed };
        let crossed = self.market_mut(market).book.cross(&newcomer);
        // Trades are made level by level, each with several makers.
        let mut levels: Vec<(Price, Vec<(OrderNo, Quantity)>)> = Vec::new();
        for contact in crossed.contacts {
            let Contact::Traded { maker, price, quantity } = contact else { continue };
            self.changed.insert((market, side.opposite(), price));
            match levels.last_mut() {
                Some((at, makers)) if *at == price && makers.len() < self.rules.makers_per_trade => makers.push((maker, quantity)),
                _ => levels.push((price, vec![(maker, quantity)])),
            }
        }
        for (bucket, (price, makers)) in levels.into_iter().enumerate() {
            self.book_trade(no, &makers, price, bucket);
        }
        self.settle_rest(no);
        self.keep_book(market);
    }

    fn settle_rest(&mut self, no: OrderNo) {
        let order = self.order(no);
        let (matched, left) = (order.view.matched, order.view.left);
        let (side, price) = order.in_book();
        let (market, account, expiration) = (order.new.token.market, order.new.account, order.new.expiration);
        if order.new.kind.rests() && !left.is_zero() {
            self.market_mut(market).book.rest(side, price, Entry { order: no, owner: account, left });
            self.changed.insert((market, side, price));
            self.tell_order(no, "PLACEMENT");
            if !matched.is_zero() {
                self.tell_order(no, "UPDATE");
            }
            if expiration != 0 {
                let due = Time::from_ms((expiration - self.rules.expiry_early_s).saturating_mul(1_000));
                self.schedule(due, Job::Expire(no));
            }
            return;
        }
        self.change_order(no, |view| (view.status, view.left) = (Status::Matched, Quantity::ZERO));
        self.tell_order(no, "UPDATE");
    }

    /// What the order answers as its amounts: what it gives and what it gets.
    pub fn amounts(&self, no: OrderNo) -> (i64, i64) {
        let order = self.order(no);
        let (value, shares) = (order.view.value.micros(), order.view.matched.micros());
        if order.new.action == Action::Buy { (value, shares) } else { (shares, value) }
    }

    /// An order of the website or of the crowd: nobody signs it here.
    pub fn unsigned(&mut self, source: Source, account: crate::exchange::ids::AccountNo, token: Token, terms: &Terms) -> NewOrder {
        NewOrder {
            id: self.new_hash(),
            account,
            owner: if source == Source::Crowd { CROWD_KEY.to_owned() } else { WEBSITE_KEY.to_owned() },
            token,
            action: terms.action,
            price: terms.price,
            size: terms.quantity,
            dollars: None,
            kind: terms.kind,
            expiration: 0,
            post_only: false,
            source,
        }
    }
}

/// What somebody wants, in a token's own terms.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    pub action: Action,
    pub price: Price,
    pub quantity: Quantity,
    pub kind: super::orders::Kind,
}

const CROWD_KEY: &str = "c0c0c0c0-0000-4000-8000-000000000000";
/// The website has credentials of its own.
const WEBSITE_KEY: &str = "eb51e000-0000-4000-8000-000000000000";

/// As many shares as the dollars buy.
fn affordable(dollars: Usd, price: Price) -> Quantity {
    if price.is_zero() {
        return Quantity::ZERO;
    }
    Quantity::from_micros(mul_div(dollars.micros(), ONE, price.micros(), Rounding::Down) / SHARE_LOT * SHARE_LOT)
}
