//! Ground truth: orders by our id, fills, positions, cash. One engine-independent bookkeeping.

use std::collections::BTreeMap;

use arbees::domain::ids::{OrderId, TradeId, VenueOrderId};
use arbees::domain::market::{BookKey, Outcome};
use arbees::domain::money::{Price, Quantity, Rounding, Usd};
use arbees::domain::order::{Action, Order};
use arbees::domain::report::{CancelOutcome, FillReport, FillSource, Liquidity, LookUp, SubmitOutcome, VenueNews, VenueState};
use arbees::domain::time::Time;

use crate::dice::Dice;

pub struct Resting {
    pub order: Order,
    pub id: VenueOrderId,
    pub filled: Quantity,
    pub state: VenueState,
    pub placed_at: Time,
}

#[derive(Default)]
pub struct ToyVenue {
    pub orders: BTreeMap<OrderId, Resting>,
    pub fills: Vec<(Time, FillReport)>,
    pub cash: Usd,
    /// Signed YES contracts per book.
    pub held: BTreeMap<BookKey, Quantity>,
    pub counter: u64,
}

impl ToyVenue {
    /// What the venue decides, and the news it sends.
    pub fn submit(&mut self, order: &Order, now: Time, dice: &mut Dice, reject_per_mille: u64) -> (SubmitOutcome, Vec<VenueNews>) {
        if let Some(known) = self.orders.get(&order.order_id) {
            assert_eq!(known.order, *order, "one id, two bodies");
            return (SubmitOutcome::Unknown { why: "order_already_exists".into() }, Vec::new());
        }
        if now >= order.venue_expires_at {
            return (SubmitOutcome::Rejected { code: "expired".into(), message: "expiration in the past".into() }, Vec::new());
        }
        if dice.per_mille(reject_per_mille) {
            return (SubmitOutcome::Rejected { code: "no".into(), message: "not today".into() }, Vec::new());
        }
        self.counter += 1;
        let id = VenueOrderId::new(&format!("v{}", self.counter)).expect("id");
        let resting = Resting { order: order.clone(), id: id.clone(), filled: Quantity::ZERO, state: VenueState::Resting, placed_at: now };
        self.orders.insert(order.order_id, resting);
        let mut news = Vec::new();
        if dice.per_mille(700) {
            let most = order.quantity.micros() / 1_000_000;
            let now_filled = if dice.per_mille(500) { most } else { dice.between(0, most) };
            news.extend(self.fill(order.order_id, Quantity::whole(now_filled), now));
        }
        if !order.tif.rests() {
            news.extend(self.end(order.order_id, VenueState::Canceled, now));
        }
        (SubmitOutcome::Acked { venue_order_id: id, venue_at: Some(now) }, news)
    }

    /// A close is capped like `reduce_only`: it never flips the position.
    fn capped(&self, order: &Order, quantity: Quantity) -> Quantity {
        if order.action == Action::Buy {
            return quantity;
        }
        let held = self.held.get(&order.instrument.book_key()).copied().unwrap_or_default();
        let of_outcome = if order.instrument.outcome == Outcome::Yes { held } else { -held };
        assert!(
            order.quantity <= of_outcome.or_zero() || quantity.is_zero() || of_outcome >= quantity,
            "a close of more than is held reached the venue"
        );
        quantity.min(of_outcome.or_zero())
    }

    pub fn fill(&mut self, order_id: OrderId, quantity: Quantity, now: Time) -> Option<VenueNews> {
        let resting = self.orders.get(&order_id)?;
        if resting.state != VenueState::Resting {
            return None;
        }
        let order = resting.order.clone();
        let quantity = self.capped(&order, quantity.min(order.quantity - resting.filled));
        if quantity.is_zero() {
            return None;
        }
        self.counter += 1;
        let (price, instrument) = (order.limit, order.instrument.clone());
        let fee = Usd::from_micros(10_000);
        let yes = instrument.outcome.price_of(price);
        let counts_up = (order.action == Action::Buy) == (instrument.outcome == Outcome::Yes);
        let signed = if counts_up { quantity } else { -quantity };
        self.move_position(&instrument.book_key(), signed, yes);
        self.cash -= fee;
        let fill = FillReport {
            order_id,
            trade_id: TradeId::new(&format!("t{}", self.counter)).expect("id"),
            instrument,
            action: order.action,
            quantity,
            price,
            fee,
            fee_provisional: false,
            liquidity: Liquidity::Taker,
            settled: true,
            venue_at: now,
            source: FillSource::Venue,
        };
        self.fills.push((now, fill.clone()));
        let resting = self.orders.get_mut(&order_id)?;
        resting.filled += quantity;
        if resting.filled == order.quantity {
            resting.state = VenueState::Executed;
        }
        Some(VenueNews::Fill(fill))
    }

    /// YES and NO held together pay a dollar at once: cash moves as if netted.
    fn move_position(&mut self, key: &BookKey, signed: Quantity, yes: Price) {
        let held = self.held.entry(key.clone()).or_default();
        // Buying YES costs its price; selling YES one doesn't hold costs 1 - price and is holding NO.
        let before = (*held, Self::no_collateral(*held));
        *held += signed;
        let cash = if signed >= Quantity::ZERO { -yes.times(signed, Rounding::Up) } else { yes.times(signed.abs(), Rounding::Down) };
        let collateral = Self::no_collateral(*held) - before.1;
        self.cash += cash - collateral;
    }

    /// A dollar is locked for each NO contract.
    fn no_collateral(held: Quantity) -> Usd {
        if held < Quantity::ZERO { Price::ONE.times(held.abs(), Rounding::Up) } else { Usd::ZERO }
    }

    pub fn end(&mut self, order_id: OrderId, state: VenueState, _now: Time) -> Option<VenueNews> {
        let resting = self.orders.get_mut(&order_id)?;
        if resting.state != VenueState::Resting {
            return None;
        }
        resting.state = state;
        Some(VenueNews::Ended { order_id, state, filled: resting.filled, cause: "venue".into() })
    }

    pub fn cancel(&mut self, order_id: OrderId) -> CancelOutcome {
        match self.orders.get_mut(&order_id) {
            Some(resting) if resting.state == VenueState::Resting => {
                resting.state = VenueState::Canceled;
                CancelOutcome::Canceled { filled: resting.filled }
            }
            _ => CancelOutcome::NotWorking,
        }
    }

    /// A complete reading as of `as_of`.
    pub fn look_up(&self, order: &Order, as_of: Time) -> (LookUp, Vec<VenueNews>) {
        let Some(known) = self.orders.get(&order.order_id).filter(|known| known.placed_at <= as_of) else {
            return (LookUp::Absent { read_through: as_of, nothing_in_flight: false }, Vec::new());
        };
        let fills = self.fills.iter().filter(|(_, fill)| fill.order_id == order.order_id).map(|(_, fill)| VenueNews::Fill(fill.clone()));
        let found =
            LookUp::Found { venue_order_id: known.id.clone(), state: known.state, filled: known.filled, matches: known.order == *order };
        (found, fills.collect())
    }
}
