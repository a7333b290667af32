//! What must hold when an order is approved, sent or closed.

use std::collections::{BTreeMap, BTreeSet};

use arbees::domain::event::Scope;
use arbees::domain::ids::{GameId, OrderId};
use arbees::domain::market::{BookKey, Venue};
use arbees::domain::money::{Price, Quantity, Rounding, Usd};
use arbees::domain::order::{Action, Order, Stance};
use arbees::domain::report::VenueMode;
use arbees::domain::signal::{Intent, Size};
use arbees::domain::verdict::{Approver, Reason, RiskRequest, Verdict, request_hash};

use super::holdings::Holding;
use super::{Ledger, Phase, Told, Truth};
use crate::holds;

/// The breakers that can cover an order.
pub fn scopes(order: &Order) -> [Scope; 4] {
    [
        Scope::Global,
        Scope::Venue(order.instrument.venue),
        Scope::Game(order.groups.game.clone()),
        Scope::Market(order.instrument.book_key()),
    ]
}

fn opposes(a: &Stance, b: &Stance) -> bool {
    if a.subject == b.subject { a.wins != b.wins } else { a.contest && b.contest && a.wins == b.wins }
}

/// What can be lost on one side of one question.
struct Stake {
    game: GameId,
    venue: Venue,
    stance: Stance,
    /// Paid for what is held, and what that pays if it wins.
    cost: Usd,
    pays: Usd,
    /// What orders may still take.
    live: Usd,
}

impl Stake {
    fn live(order: &Order, live: Usd) -> Self {
        let (game, stance) = (order.groups.game.clone(), order.groups.stance.clone());
        Self { game, venue: order.instrument.venue, stance, cost: Usd::ZERO, pays: Usd::ZERO, live }
    }

    fn held(key: &BookKey, holding: &Holding) -> Option<Self> {
        let (stance, groups) = (holding.stance()?, holding.groups.as_ref()?);
        let pays = Price::ONE.times(holding.signed.abs(), Rounding::Down);
        Some(Self { game: groups.game.clone(), venue: key.venue, stance, cost: holding.cost, pays, live: Usd::ZERO })
    }

    /// The teams of a game answer one question, each condition its own.
    fn question(&self) -> (&GameId, Option<&str>) {
        (&self.game, (!self.stance.contest).then_some(&*self.stance.subject))
    }
}

/// The most that can be lost, question by question: what loses is gone with all that its orders may take, what wins pays for what
/// is held. With one side only that is its whole cost; a sale that was taken back or an order of unknown fate makes two.
fn worst<'a>(stakes: impl Iterator<Item = &'a Stake>) -> Usd {
    let mut questions: BTreeMap<_, Vec<&Stake>> = BTreeMap::new();
    stakes.for_each(|stake| questions.entry(stake.question()).or_default().push(stake));
    let lost = |stakes: &Vec<&Stake>| {
        let (other, one): (Vec<&Stake>, Vec<&Stake>) = stakes.iter().copied().partition(|stake| opposes(&stake.stance, &stakes[0].stance));
        let cost = |side: &[&Stake]| side.iter().map(|stake| stake.cost + stake.live).sum::<Usd>();
        let gain = |side: &[&Stake]| side.iter().map(|stake| stake.pays - stake.cost).sum::<Usd>();
        (cost(&one) - gain(&other)).max(cost(&other) - gain(&one)).max(Usd::ZERO)
    };
    questions.values().map(lost).sum()
}

impl Ledger {
    pub(super) fn check_approval(&self, order_id: &OrderId, by: Approver, verdict: &[u8], late: &BTreeSet<OrderId>) {
        let told = &self.orders[order_id];
        let order = &told.order;
        holds!(told.phase == Phase::Requested && !told.approved, "§3.2: order {order_id} approved again");
        if by == Approver::ReduceRule {
            return holds!(order.action == Action::Sell, "§2.4: the reduce rule approved an open");
        }
        let verdict: Verdict = rmp_serde::from_slice(verdict).expect("a verdict");
        let bound = verdict.request_hash == request_hash(&told.request) && verdict.order_id == *order_id && verdict.approved;
        holds!(bound, "§2.3: order {order_id} approved by a verdict on another request");
        if order.action == Action::Buy {
            self.check_open(told, verdict.at.seq, late);
        }
    }

    /// The limits, counted from the records. What happened after `asked` without anybody's approval risk could not know.
    fn check_open(&self, told: &Told, asked: u64, late: &BTreeSet<OrderId>) {
        let (order, limits) = (&told.order, self.limits.as_ref().expect("limits are in the log"));
        let id = order.order_id;
        holds!(!self.kill, "§3.11: order {id} approved under a kill");
        for scope in scopes(order) {
            let Some(open) = self.breakers.get(&scope) else { continue };
            holds!(matches!(open.probe, Some(None)), "§3.11: order {id} approved under an open breaker, {scope}: {}", open.reason);
            holds!(order.quantity <= Quantity::whole(5), "§3.11: a probe of {}", order.quantity);
        }
        holds!(order.quantity <= limits.order_contracts_max, "§6: {} contracts", order.quantity);
        let notional = order.limit.times(order.quantity, Rounding::Up);
        holds!(notional <= limits.order_size_max, "§6: an order of ${notional}");
        holds!(limits.safe_price_min <= order.limit && order.limit <= limits.safe_price_max, "§6: a price of {}", order.limit);
        holds!(self.modes.get(&told.venue()) == Some(&VenueMode::Open), "§6: order {id} approved while {} is not open", told.venue());
        holds!(self.loss_since.is_none_or(|since| since > asked), "§6: order {id} approved past the day's loss");
        // Somebody's own trade may stand on the other side of a game: what is at stake is then no sum.
        if asked < self.unforeseen || self.orders.values().any(|told| told.external) {
            return;
        }
        self.check_stakes(order, limits, late);
    }

    /// Nobody takes the other side of a game, and no limit is passed whoever wins. `late`: approved, and never sent any more, since
    /// the log took longer than the approval lives.
    fn check_stakes(&self, order: &Order, limits: &arbees::domain::limits::Limits, late: &BTreeSet<OrderId>) {
        let is_late = |told: &Told| told.phase == Phase::Submitting && late.contains(&told.order.order_id);
        let live = self.orders.values().filter(|told| told.is_live() && told.order.action == Action::Buy && !is_late(told));
        let mut stakes: Vec<Stake> = live.map(|told| Stake::live(&told.order, told.reserved())).collect();
        stakes.extend(self.books.iter().filter_map(|(key, holding)| Stake::held(key, holding)));
        for stake in stakes.iter().filter(|stake| stake.game == order.groups.game) {
            holds!(
                !opposes(&stake.stance, &order.groups.stance),
                "§6: order {} takes the other side of game {}: {:?} against {:?} at {}",
                order.order_id,
                stake.game,
                order.groups.stance,
                stake.stance,
                stake.venue
            );
        }
        stakes.push(Stake::live(order, order.cost_bound(order.quantity)));
        let of = |counts: &dyn Fn(&Stake) -> bool| worst(stakes.iter().filter(|stake| counts(stake)));
        let game = of(&|stake| stake.game == order.groups.game);
        let venue = of(&|stake| stake.venue == order.instrument.venue);
        let total = of(&|_| true);
        holds!(game <= limits.game_exposure_max, "§6: ${game} at stake in game {}", order.groups.game);
        holds!(venue <= limits.venue_exposure_max, "§6: ${venue} at stake at {}", order.instrument.venue);
        holds!(total <= limits.total_exposure_max, "§6: ${total} at stake in all");
        self.check_cash(order);
    }

    fn check_cash(&self, order: &Order) {
        let venue = order.instrument.venue;
        let air: Usd = self.books.iter().filter(|(key, _)| key.venue == venue).map(|(_, holding)| holding.proceeds_in_the_air()).sum();
        let free = self.cash(venue) - self.reserved(venue) - air - order.cost_bound(order.quantity);
        holds!(free >= Usd::ZERO, "§6: order {} takes ${} more than is free at {venue}", order.order_id, -free);
    }

    pub(super) fn check_attempt(&self, order_id: &OrderId, attempt: u32, with_bytes: bool) {
        let Some(told) = self.orders.get(order_id) else { panic!("§3.2: order {order_id} is sent, and no record requested it") };
        let order = &told.order;
        holds!(told.approved, "§3.2: order {order_id} is sent without an approval");
        holds!(attempt == told.attempts + 1, "§3.2: attempt {attempt} of order {order_id} after {}", told.attempts);
        let first = attempt == 1;
        holds!(
            with_bytes == (first && !told.venue().nets_outcomes()),
            "§3.2: the bytes of order {order_id} are on record with its first attempt"
        );
        holds!(
            first || told.phase != Phase::Unknown || order.tif.rests(),
            "§3.4: {:?} order {order_id} of unknown fate sent again",
            order.tif
        );
        holds!(order.action == Action::Buy || !first || self.closes_fit(order), "§3.4: closes of more than is held, with order {order_id}");
    }

    /// All closes of this holding together never take more than is there for good.
    fn closes_fit(&self, order: &Order) -> bool {
        let key = order.instrument.book_key();
        let same = |told: &&Told| told.order.action == Action::Sell && told.order.instrument.book_key() == key;
        let others = self.orders.values().filter(same).filter(|told| told.order.order_id != order.order_id && !told.external);
        let open: Quantity = others.map(Told::outstanding).sum();
        let held = self.books.get(&key).map_or(Quantity::ZERO, |holding| holding.sellable(order.instrument.outcome));
        open + order.quantity <= held && self.within_the_signal(order)
    }

    /// A `reduce` gives up no more than its signal says, over all its orders.
    fn within_the_signal(&self, order: &Order) -> bool {
        let request = RiskRequest::decode(&self.orders[&order.order_id].request).expect("a request");
        let (Intent::Reduce, Some(Size::Contracts(_))) = (request.request.signal.intent, request.request.signal.size) else { return true };
        let of = self.orders.values().filter(|told| told.order.signal_id == order.signal_id && told.order.order_id != order.order_id);
        let first = self.first_size(order);
        of.map(|told| told.filled + told.outstanding()).sum::<Quantity>() + order.quantity <= first
    }

    fn first_size(&self, order: &Order) -> Quantity {
        let first = self.orders.values().filter(|told| told.order.signal_id == order.signal_id).min_by_key(|told| told.order.revision);
        let request = RiskRequest::decode(&first.expect("itself").request).expect("a request");
        match request.request.signal.size {
            Some(Size::Contracts(quantity)) => quantity,
            _ => order.quantity,
        }
    }

    pub(super) fn check_trip(&self, scope: &Scope, reason: Reason, observed: &str, truth: &Truth<'_>) {
        let by_hand = truth.venues.values().any(|venue| venue.touched);
        let expected = match reason {
            Reason::DailyLoss | Reason::ConsecutiveErrors => true,
            Reason::ExternalOrder | Reason::HistoryDiverged => by_hand,
            _ => false,
        };
        holds!(expected, "breaker {scope} tripped without a cause: {reason}, {observed}");
    }

    pub(super) fn check_probing(&self, scope: &Scope) {
        let open = self.breakers.get(scope);
        let may = open.is_some_and(|open| open.reason == Reason::ConsecutiveErrors && open.probe.is_none());
        holds!(may, "§3.11: {scope} probes: {open:?}");
        let unknown = self.orders.values().any(|told| told.phase == Phase::Unknown);
        holds!(!(*scope == Scope::Global && unknown), "§3.11: {scope} probes while an order is of unknown fate");
    }

    pub(super) fn check_reset(&self, scope: &Scope, by: &str) {
        let Some(open) = self.breakers.get(scope) else { panic!("§3.11: {scope} is reset, and isn't open") };
        if by != "probe" {
            return;
        }
        let acknowledged = |id: &OrderId| {
            self.orders
                .get(id)
                .is_some_and(|told| told.phase == Phase::Working || told.phase > Phase::NotPlaced || told.phase == Phase::Filled)
        };
        let closed = matches!(&open.probe, Some(Some(id)) if acknowledged(id)) && open.reason == Reason::ConsecutiveErrors;
        holds!(closed, "§3.11: {scope} closed by a probe: {open:?}");
    }

    /// A buy goes out now: nothing that stops opens is on.
    pub fn check_send(&self, order: &Order) {
        if order.action != Action::Buy {
            return;
        }
        holds!(!self.kill, "§3.11: order {} sent under a kill", order.order_id);
        for scope in scopes(order) {
            let stops = self.breakers.get(&scope).filter(|open| open.probe != Some(Some(order.order_id)));
            holds!(stops.is_none(), "§3.11: order {} sent under an open breaker: {scope}", order.order_id);
        }
    }
}
