//! The venue's state behind one lock: markets, accounts, orders, groups, and what is due later. Reads no clock: `advance`
//! brings the time in.

use std::collections::{BTreeMap, HashMap};

use serde::Deserialize;

use super::account::{Account, held};
use super::groups::Groups;
use super::markets::Market;
use super::notices::Notice;
use super::orders::Order;
use crate::domain::fees::BalanceUnit;
use crate::domain::money::{Quantity, Usd};
use crate::domain::time::Time;
use crate::exchange::ids::{AccountNo, CROWD, Id, MarketNo, OrderNo};

/// How the venue plays where the protocol pages leave a choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    pub post_only_cross: PostOnlyCross,
    pub fill_or_kill: FillOrKill,
    pub balance_unit: BalanceUnit,
    /// After a cancel-all, what is newly placed is cancelled, too, for so long (`kalshi.md` §2.5: a minute).
    pub cancel_all_shadow_ms: i64,
    /// Resting orders outlive the close of their market by so much.
    pub close_cancel_ms: i64,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            post_only_cross: PostOnlyCross::Refuse,
            fill_or_kill: FillOrKill::Refuse,
            balance_unit: BalanceUnit::Direct,
            cancel_all_shadow_ms: 60_000,
            close_cancel_ms: 100,
        }
    }
}

/// `kalshi.md` §2.2 has both: recorded as a refusal, announced as an accepted order that is cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PostOnlyCross {
    Refuse,
    AcceptAndCancel,
}

/// What becomes of a fill-or-kill that can't be filled: seen as a 409, never recorded under V2, so that it may also be an
/// order without fills (`kalshi.md` §13.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FillOrKill {
    Refuse,
    AcceptAndCancel,
}

/// The exchange as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hours {
    pub exchange_active: bool,
    pub trading_active: bool,
    pub resumes: Option<Time>,
}

/// Something due later.
#[derive(Clone, Debug)]
pub enum Job {
    Expire(OrderNo),
    Close(MarketNo),
    CancelAtClose(MarketNo),
    /// The crowd trades against exactly this order.
    Hit {
        order: OrderNo,
        quantity: Quantity,
    },
}

pub struct Core {
    pub rules: Rules,
    pub hours: Hours,
    pub groups: Groups,
    pub notices: Vec<Notice>,
    /// Nobody listens: then nothing is told.
    pub listening: bool,
    pub trades: Vec<super::trading::Trade>,
    now: Time,
    orders: Vec<Order>,
    order_ids: HashMap<Id, OrderNo>,
    markets: Vec<Market>,
    tickers: HashMap<String, MarketNo>,
    accounts: Vec<Account>,
    agenda: BTreeMap<(Time, u64), Job>,
    seed: Id,
    made: u64,
}

impl Core {
    pub fn new(rules: Rules, now: Time) -> Self {
        let mut core = Self {
            rules,
            hours: Hours { exchange_active: true, trading_active: true, resumes: None },
            groups: Groups::new(),
            notices: Vec::new(),
            listening: false,
            trades: Vec::new(),
            now,
            orders: Vec::new(),
            order_ids: HashMap::new(),
            markets: Vec::new(),
            tickers: HashMap::new(),
            accounts: Vec::new(),
            agenda: BTreeMap::new(),
            // A restarted venue gives other ids.
            seed: Id::first(&now.nanos().to_be_bytes()),
            made: 0,
        };
        let crowd = core.add_account("crowd", BTreeMap::new());
        assert!(crowd == CROWD, "Invariant: the crowd is the first account");
        core
    }

    pub fn now(&self) -> Time {
        self.now
    }

    /// Lets time pass: what has become due happens, in its order. The venue's time never goes back.
    pub fn advance(&mut self, now: Time) {
        while let Some((&(due, number), _)) = self.agenda.first_key_value() {
            if due > now {
                break;
            }
            let job = self.agenda.remove(&(due, number)).expect("Invariant: the first job is there");
            self.now = self.now.max(due);
            self.carry_out(job);
        }
        self.now = self.now.max(now);
    }

    fn carry_out(&mut self, job: Job) {
        match job {
            Job::Expire(order) => self.expire(order),
            Job::Close(market) => self.close_when_due(market),
            Job::CancelAtClose(market) => self.cancel_at_close(market),
            Job::Hit { order, quantity } => {
                // An order that has ended meanwhile is no longer hit.
                let _ = self.hit(order, quantity);
            }
        }
    }

    pub fn schedule(&mut self, due: Time, job: Job) {
        self.made += 1;
        self.agenda.insert((due, self.made), job);
    }

    pub fn new_id(&mut self) -> Id {
        self.made += 1;
        self.seed.derive(&self.made.to_be_bytes())
    }

    pub fn tell(&mut self, notice: Notice) {
        if self.listening {
            self.notices.push(notice);
        }
    }

    pub fn add_account(&mut self, name: &str, cash: BTreeMap<u32, Usd>) -> AccountNo {
        let user_id = Id::first(name.as_bytes());
        self.accounts.push(Account::new(name.to_owned(), user_id, cash, self.now));
        AccountNo(self.accounts.len() - 1)
    }

    pub fn account(&self, no: AccountNo) -> &Account {
        &self.accounts[no.0]
    }

    pub fn account_mut(&mut self, no: AccountNo) -> &mut Account {
        &mut self.accounts[no.0]
    }

    pub fn account_named(&self, name: &str) -> Option<AccountNo> {
        self.accounts.iter().position(|account| account.name == name).map(AccountNo)
    }

    /// Everybody but the crowd.
    pub fn members(&self) -> impl Iterator<Item = AccountNo> + use<> {
        (1..self.accounts.len()).map(AccountNo)
    }

    pub fn push_market(&mut self, market: Market) -> MarketNo {
        let no = MarketNo(self.markets.len());
        self.tickers.insert(market.ticker.clone(), no);
        self.markets.push(market);
        no
    }

    pub fn market(&self, no: MarketNo) -> &Market {
        &self.markets[no.0]
    }

    pub fn market_mut(&mut self, no: MarketNo) -> &mut Market {
        &mut self.markets[no.0]
    }

    pub fn market_called(&self, ticker: &str) -> Option<MarketNo> {
        self.tickers.get(ticker).copied()
    }

    pub fn market_numbers(&self) -> impl DoubleEndedIterator<Item = MarketNo> + use<> {
        (0..self.markets.len()).map(MarketNo)
    }

    pub fn push_order(&mut self, order: Order) {
        self.order_ids.insert(order.id, order.no);
        self.accounts[order.account.0].orders.push(order.no);
        self.orders.push(order);
    }

    pub fn next_order(&self) -> OrderNo {
        OrderNo(self.orders.len())
    }

    pub fn order(&self, no: OrderNo) -> &Order {
        &self.orders[no.0]
    }

    pub fn order_mut(&mut self, no: OrderNo) -> &mut Order {
        &mut self.orders[no.0]
    }

    pub fn order_called(&self, id: Id) -> Option<OrderNo> {
        self.order_ids.get(&id).copied()
    }

    /// Shards that hold a market or money; 0 always.
    pub fn shards(&self) -> Vec<u32> {
        let money = self.accounts.iter().flat_map(|account| account.cash.keys().copied());
        let mut shards: Vec<u32> = self.markets.iter().map(|market| market.shard).chain(money).chain([0]).collect();
        shards.sort_unstable();
        shards.dedup();
        shards
    }

    /// Cash less collateral on a shard.
    pub fn available(&self, account: AccountNo, shard: u32) -> Usd {
        let owner = self.account(account);
        let on_shard = |(market, _): &(&MarketNo, &Usd)| self.market(**market).shard == shard;
        owner.cash_on(shard) - owner.held.iter().filter(on_shard).map(|(_, usd)| *usd).sum()
    }

    /// Collateral of an account's resting orders in a market, with one more order at the end or without.
    pub fn collateral(
        &self,
        account: AccountNo,
        market: MarketNo,
        more: Option<(crate::domain::matching::Side, crate::domain::money::Price, Quantity)>,
    ) -> Usd {
        let owner = self.account(account);
        let resting = owner.resting.get(&market).into_iter().flatten().map(|no| {
            let order = self.order(*no);
            (order.side, order.view.price, order.view.left)
        });
        held(&owner.position(market), resting.chain(more))
    }

    /// Brings collateral and the history of balances up to date after a change in this market.
    pub fn square(&mut self, account: AccountNo, market: MarketNo) {
        if account == CROWD {
            return;
        }
        let held = self.collateral(account, market, None);
        self.account_mut(account).held.insert(market, held);
        self.remember_balance(account);
    }

    pub fn remember_balance(&mut self, account: AccountNo) {
        let shards: Vec<u32> = self.account(account).cash.keys().copied().collect();
        let available = shards.into_iter().map(|shard| (shard, self.available(account, shard))).collect();
        let now = self.now;
        self.account_mut(account).remember(now, available);
    }
}
