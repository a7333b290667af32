//! The venue's state behind one lock: markets, accounts, orders, trades, heartbeats, and what is due later. Reads no clock:
//! `advance` brings the time in.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::Deserialize;

use super::account::{Account, Token, WalletKind};
use super::dialect::DIALECT;
use super::eip712::{Address, Domain, hex, keccak};
use super::heartbeat::Beat;
use super::markets::{Market, MarketSpec, Names};
use super::notices::Notice;
use super::orders::{NewOrder, Order, View};
use super::trades::{Status as TradeStatus, Trade};
use crate::domain::matching::Side;
use crate::domain::money::{Price, Quantity};
use crate::domain::time::Time;
use crate::exchange::faults::Faults;
use crate::exchange::ids::{AccountNo, CROWD, Id, MarketNo, OrderNo};

/// How the frames of sockets are wrapped: both occur (`polymarket.md` §7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Frames {
    Object,
    Array,
    Alternating,
}

/// How the venue plays where the protocol page leaves a choice, and how long things take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// What `GET /version` says and orders must be signed for.
    pub version: u8,
    pub chain_id: u64,
    pub mined_ms: i64,
    /// After mined.
    pub confirmed_ms: i64,
    /// Balances move when a trade is matched; otherwise when it is confirmed.
    pub settle_at_matched: bool,
    /// REST says `MATCHED_NOT_BROADCASTED` of a trade that isn't mined yet.
    pub not_broadcasted: bool,
    /// A deposit wallet's order may carry its owner's plain signature, which some wallets ask for (`polymarket.md` §2).
    pub plain_1271: bool,
    /// And nothing but that.
    pub wrapped_1271: bool,
    /// A trade has so many makers at most; more make another one in the next bucket.
    pub makers_per_trade: usize,
    /// A 400 of an order is the documented `{success: false, errorMsg}`; otherwise `{error}`, as seen.
    pub fail_body: bool,
    /// `created_at` of order events in milliseconds; both are seen.
    pub created_at_ms: bool,
    /// Times of trades as RFC 3339; both are seen.
    pub iso_times: bool,
    pub frames: Frames,
    pub page_limit: usize,
    /// Without a beat for so long, open orders are cancelled; looked at so often (`polymarket.md` §5).
    pub heartbeat_ms: i64,
    pub heartbeat_sweep_ms: i64,
    /// The least that a stated expiry lies ahead, and what the venue takes off it.
    pub expiry_ahead_s: i64,
    pub expiry_early_s: i64,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            version: 2,
            chain_id: 137,
            mined_ms: 20,
            confirmed_ms: 20,
            settle_at_matched: false,
            not_broadcasted: false,
            plain_1271: false,
            wrapped_1271: true,
            makers_per_trade: 16,
            fail_body: false,
            created_at_ms: false,
            iso_times: false,
            frames: Frames::Object,
            page_limit: 100,
            heartbeat_ms: 10_000,
            heartbeat_sweep_ms: 5_000,
            expiry_ahead_s: 180,
            expiry_early_s: 60,
        }
    }
}

/// What the exchange takes (`polymarket.md` §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Open,
    /// 425 with `Retry-After`.
    Restart {
        until: Option<Time>,
    },
    PostOnly {
        until: Option<Time>,
    },
    CancelOnly,
    Disabled,
}

/// Something due later.
#[derive(Clone, Debug)]
pub enum Job {
    Expire(OrderNo),
    /// The crowd trades against exactly this order.
    Hit {
        order: OrderNo,
        quantity: Quantity,
    },
    /// A held order matches, or fails.
    Release {
        order: OrderNo,
        succeeds: bool,
    },
    Trade {
        trade: usize,
        to: TradeStatus,
        /// Of the trade's plan when this was scheduled; a newer plan makes it void.
        plan: u32,
    },
    Beat(String),
    Mode(Mode),
}

pub struct Core {
    pub rules: Rules,
    pub mode: Mode,
    pub faults: Faults,
    pub notices: Vec<Notice>,
    /// Levels that have changed, in YES's terms, for `price_change`.
    pub changed: BTreeSet<(MarketNo, Side, Price)>,
    /// Nobody listens: then nothing is told.
    pub listening: bool,
    pub trades: Vec<Trade>,
    pub beats: BTreeMap<String, Beat>,
    now: Time,
    orders: Vec<Order>,
    order_ids: HashMap<String, OrderNo>,
    markets: Vec<Market>,
    names: Names,
    accounts: Vec<Account>,
    agenda: BTreeMap<(Time, u64), Job>,
    seed: Id,
    made: u64,
}

impl Core {
    pub fn new(rules: Rules, now: Time) -> Self {
        let mut core = Self {
            rules,
            mode: Mode::Open,
            faults: Faults::new(&DIALECT),
            notices: Vec::new(),
            changed: BTreeSet::new(),
            listening: false,
            trades: Vec::new(),
            beats: BTreeMap::new(),
            now,
            orders: Vec::new(),
            order_ids: HashMap::new(),
            markets: Vec::new(),
            names: Names::default(),
            accounts: Vec::new(),
            agenda: BTreeMap::new(),
            // A restarted venue gives other ids.
            seed: Id::first(&now.nanos().to_be_bytes()),
            made: 0,
        };
        let wallet = Address::named("crowd");
        let crowd = core.add_account(Account::new("crowd", wallet, wallet, WalletKind::Eoa));
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
            Job::Hit { order, quantity } => {
                // An order that has ended meanwhile is no longer hit.
                let _ = self.hit(order, quantity);
            }
            Job::Release { order, succeeds } => self.release(order, succeeds),
            Job::Trade { trade, to, plan } => self.step(trade, to, plan),
            Job::Beat(key) => self.sweep(&key),
            Job::Mode(mode) => self.mode = mode,
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

    /// A hash that nobody has signed: of the crowd's and the website's orders, and of transactions.
    pub fn new_hash(&mut self) -> String {
        hex(&keccak(self.new_id().to_string().as_bytes()))
    }

    pub fn tell(&mut self, notice: Notice) {
        if self.listening {
            self.notices.push(notice);
        }
    }

    pub fn add_account(&mut self, account: Account) -> AccountNo {
        self.accounts.push(account);
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

    /// The wallet with this address.
    pub fn wallet(&self, address: Address) -> Option<AccountNo> {
        self.members().find(|no| self.account(*no).wallet == address)
    }

    /// All wallets of an owner.
    pub fn owned_by(&self, owner: Address) -> Vec<AccountNo> {
        self.members().filter(|no| self.account(*no).owner == owner).collect()
    }

    /// `None` when one of its names is taken, or its ids and tick aren't what they must be.
    pub fn create_market(&mut self, spec: MarketSpec) -> Option<MarketNo> {
        let no = MarketNo(self.markets.len());
        if !spec.is_sound() || !self.names.add(no, &spec) {
            return None;
        }
        self.markets.push(Market::new(no, spec, self.now));
        self.tell_new_market(no);
        Some(no)
    }

    pub fn market(&self, no: MarketNo) -> &Market {
        &self.markets[no.0]
    }

    pub fn market_mut(&mut self, no: MarketNo) -> &mut Market {
        &mut self.markets[no.0]
    }

    pub fn markets(&self) -> &[Market] {
        &self.markets
    }

    /// What orders of a market are signed for.
    pub fn domain(&self, no: MarketNo) -> Domain {
        Domain { version: self.rules.version, chain_id: self.rules.chain_id, exchange: self.market(no).exchange() }
    }

    /// By slug, condition or token.
    pub fn token_called(&self, name: &str) -> Option<Token> {
        self.names.get(name)
    }

    pub fn push_order(&mut self, new: NewOrder) -> OrderNo {
        let no = OrderNo(self.orders.len());
        self.order_ids.insert(new.id.clone(), no);
        self.accounts[new.account.0].orders.push(no);
        self.orders.push(Order::new(no, new, self.now));
        self.rehold(no, super::account::Balances::default());
        no
    }

    pub fn order(&self, no: OrderNo) -> &Order {
        &self.orders[no.0]
    }

    pub fn order_called(&self, id: &str) -> Option<OrderNo> {
        self.order_ids.get(id).copied()
    }

    /// Changes an order, and what it holds of its account with it.
    pub fn change_order(&mut self, no: OrderNo, how: impl FnOnce(&mut View)) {
        let before = self.holding(no);
        self.orders[no.0].change(self.now, how);
        self.rehold(no, before);
    }

    fn holding(&self, no: OrderNo) -> super::account::Balances {
        let order = self.order(no);
        let mut holding = super::account::Balances::default();
        if matches!(order.view.status, super::orders::Status::Live | super::orders::Status::Delayed) {
            let (cash, shares) = order.holds();
            holding.cash = cash;
            holding.tokens.insert(order.new.token, shares);
        }
        holding
    }

    fn rehold(&mut self, no: OrderNo, before: super::account::Balances) {
        let (account, token) = (self.order(no).new.account, self.order(no).new.token);
        if account == CROWD {
            return;
        }
        let after = self.holding(no);
        let held = &mut self.account_mut(account).held;
        held.cash += after.cash - before.cash;
        *held.tokens.entry(token).or_default() += after.of(token) - before.of(token);
    }
}
