//! What a holding cost: the venue says how many shares there are and nothing of their price, so it is told from the trades.

use crate::domain::market::BookKey;
use crate::domain::matching::Side;
use crate::domain::money::{Price, Quantity, Rounding, Usd, mul_div};
use crate::domain::report::{FillSettlement, VenueFill};

/// Average cost of `held` settled shares of this book, fees aside. Shares that no trade explains (a transfer, a split) count
/// what they can lose at most: a dollar each. `fills`: all of them since the account began, oldest first.
pub(super) fn of_holding(key: &BookKey, held: Quantity, fills: &[VenueFill]) -> Usd {
    let (mut shares, mut cost) = (Quantity::ZERO, Usd::ZERO);
    let settled = fills.iter().filter(|fill| fill.key == *key && fill.settlement == FillSettlement::Settled);
    for fill in settled {
        match fill.side {
            Side::Bid => {
                shares += fill.quantity;
                cost += fill.price.times(fill.quantity, Rounding::Up);
            }
            Side::Ask => {
                let left = (shares - fill.quantity).max(Quantity::ZERO);
                cost = part(cost, left, shares);
                shares = left;
            }
        }
    }
    // Fewer than were bought: some left by another way, at the same average.
    let explained = held.min(shares);
    part(cost, explained, shares) + Price::from_micros(1_000_000).times(held - explained, Rounding::Up)
}

fn part(cost: Usd, of: Quantity, all: Quantity) -> Usd {
    if of == all { cost } else { Usd::from_micros(mul_div(cost.micros(), of.micros(), all.micros(), Rounding::Up)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::{MarketId, TradeId, VenueOrderId};
    use crate::domain::market::Venue;
    use crate::domain::report::Liquidity;
    use crate::domain::time::Time;

    fn key(id: &str) -> BookKey {
        BookKey { venue: Venue::Polymarket, id: MarketId::new(id).expect("id") }
    }

    fn fill(side: Side, price: &str, quantity: &str) -> VenueFill {
        VenueFill {
            trade_id: TradeId::new("t").expect("id"),
            venue_order_id: VenueOrderId::new("o").expect("id"),
            client_order_id: None,
            key: key("1"),
            side,
            price: Price::parse(price).expect("price"),
            quantity: Quantity::parse(quantity).expect("quantity"),
            fee: None,
            liquidity: Liquidity::Taker,
            settlement: FillSettlement::Settled,
            at: Time::default(),
        }
    }

    fn cost(held: &str, fills: &[VenueFill]) -> String {
        of_holding(&key("1"), Quantity::parse(held).expect("quantity"), fills).to_string()
    }

    #[test]
    fn a_holding_costs_the_average_of_what_was_bought() {
        let bought = [fill(Side::Bid, "0.4", "10"), fill(Side::Bid, "0.6", "10")];
        assert_eq!(cost("20", &bought), "10");
        let some_sold = [bought[0].clone(), bought[1].clone(), fill(Side::Ask, "0.9", "15")];
        assert_eq!(cost("5", &some_sold), "2.5", "what it was sold for is no cost");
        let anew = [bought[0].clone(), fill(Side::Ask, "0.9", "10"), fill(Side::Bid, "0.7", "3")];
        assert_eq!(cost("3", &anew), "2.1", "nothing of what is gone remains");
        assert_eq!(cost("5", &bought), "2.5", "the rest was transferred away or merged");
        assert_eq!(cost("1", &[fill(Side::Bid, "0.3333", "0.000007")]), "0.999996", "never less than the shares cost");
    }

    #[test]
    fn what_no_trade_explains_counts_a_dollar_a_share() {
        assert_eq!(cost("7", &[]), "7");
        assert_eq!(cost("7", &[fill(Side::Bid, "0.4", "5")]), "4");
        let oversold = [fill(Side::Ask, "0.4", "5"), fill(Side::Bid, "0.4", "5")];
        assert_eq!(cost("7", &oversold), "4", "a split was sold from");
        let elsewhere = VenueFill { key: key("2"), ..fill(Side::Bid, "0.4", "5") };
        let failed = VenueFill { settlement: FillSettlement::Failed, ..fill(Side::Bid, "0.4", "5") };
        let coming = VenueFill { settlement: FillSettlement::Provisional, ..fill(Side::Bid, "0.4", "5") };
        assert_eq!(cost("5", &[elsewhere, failed, coming]), "5");
        assert_eq!(cost("0", &[fill(Side::Bid, "0.4", "5")]), "0");
    }
}
