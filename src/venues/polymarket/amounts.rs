//! Integer amounts of an order, from its price and size. The venue computes them anew and refuses every other
//! (`polymarket.md` §0 items 7 and 8, §3); whatever has to be rounded is rounded down, never up.

use thiserror::Error;

use crate::domain::money::{ONE, Price, Quantity, Rounding, Usd};
use crate::domain::order::{Action, Order, TimeInForce};
use crate::domain::signed::VenueOrderType;

/// Shares, and the dollars of an order at the market, in whole hundredths.
const HUNDREDTH: i64 = 10_000;
/// An order at the market has at most four decimals on its other side, whatever the tick (`polymarket.md` §0 item 7).
const MARKET_DECIMALS_MAX: u32 = 4;
const DECIMALS: u32 = 6;

/// What the maker gives and takes, in millionths: a buyer gives dollars and takes shares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Amounts {
    pub maker: u64,
    pub taker: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AmountError {
    #[error("a tick of {0} is none of the venue's (0.1, 0.01, 0.005, 0.0025, 0.001, 0.0001)")]
    Tick(Price),
    #[error("the price {price} is no multiple of the tick {tick}")]
    OffGrid { price: Price, tick: Price },
    #[error("the price {price} lies outside of {tick} to 1 - {tick}")]
    Outside { price: Price, tick: Price },
    #[error("the quantity {0} is no whole number of hundredths of a share")]
    Step(Quantity),
    #[error("{0} is not a positive size")]
    NotPositive(Quantity),
    #[error("the order is so small that one of its sides is nothing")]
    Nothing,
    #[error("the order is so small that rounding moves its price by a tick")]
    Blurred,
}

/// The distance between prices, and what the venue's table says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tick {
    price: Price,
    /// Decimals of price times size.
    decimals: u32,
}

impl Tick {
    /// A table, not a rule: the decimals don't follow from the tick (`polymarket.md` §3).
    pub fn of(price: Price) -> Result<Self, AmountError> {
        let decimals = match price.micros() {
            100_000 => 3,
            10_000 => 4,
            5_000 | 1_000 => 5,
            2_500 | 100 => 6,
            _ => return Err(AmountError::Tick(price)),
        };
        Ok(Self { price, decimals })
    }

    pub fn price(self) -> Price {
        self.price
    }

    fn check(self, price: Price) -> Result<(), AmountError> {
        if price < self.price || price > self.price.complement() {
            return Err(AmountError::Outside { price, tick: self.price });
        }
        if price.micros() % self.price.micros() != 0 { Err(AmountError::OffGrid { price, tick: self.price }) } else { Ok(()) }
    }
}

/// An order that may rest: price times size exactly, the size floored to hundredths.
pub fn limit_amounts(action: Action, price: Price, quantity: Quantity, tick: Tick) -> Result<Amounts, AmountError> {
    tick.check(price)?;
    let shares = floored(positive(quantity)?, HUNDREDTH);
    // Four decimals of the price and two of the size: nothing is left to round.
    let dollars = floored(price.times(Quantity::from_micros(shares), Rounding::Down).micros(), unit(tick.decimals));
    amounts(action, dollars, shares)
}

/// An order at the market. `size`: of a buy the dollars to spend, of a sell the shares to give up.
pub fn market_amounts(action: Action, price: Price, size: Quantity, tick: Tick) -> Result<Amounts, AmountError> {
    tick.check(price)?;
    let given = floored(positive(size)?, HUNDREDTH);
    let unit = unit(tick.decimals.min(MARKET_DECIMALS_MAX));
    let taken = match action {
        Action::Buy => i128::from(given) * i128::from(ONE) / i128::from(price.micros()),
        Action::Sell => i128::from(given) * i128::from(price.micros()) / i128::from(ONE),
    };
    let taken = floored(i64::try_from(taken).expect("Invariant: sizes are bounded, and no tick is below 0.0001"), unit);
    match action {
        Action::Buy => amounts(action, given, taken),
        Action::Sell => amounts(action, taken, given),
    }
}

/// What is sent for an order, and as what. A buy that is to take what is there is sent as a limit order for exactly its
/// shares, whose rest is cancelled: at the market a buy names dollars, and a better price brings more shares than wanted
/// (`polymarket.md` §0 item 6). A sell names shares either way.
pub fn for_order(order: &Order, tick: Tick) -> Result<(VenueOrderType, Amounts), AmountError> {
    let (action, limit, quantity) = (order.action, order.limit, order.quantity);
    if quantity.micros() % HUNDREDTH != 0 {
        return Err(AmountError::Step(quantity));
    }
    let (kind, amounts) = match (order.tif, action) {
        (TimeInForce::Gtd | TimeInForce::Gtc, _) | (TimeInForce::Ioc, Action::Buy) => {
            return Ok((VenueOrderType::Gtd, limit_amounts(action, limit, quantity, tick)?));
        }
        (TimeInForce::Ioc, Action::Sell) => (VenueOrderType::Fak, market_amounts(action, limit, quantity, tick)?),
        (TimeInForce::Fok, Action::Sell) => (VenueOrderType::Fok, market_amounts(action, limit, quantity, tick)?),
        (TimeInForce::Fok, Action::Buy) => {
            let spend = dollars_of(limit, quantity);
            if spend.is_zero() {
                return Err(if quantity.micros() > 0 { AmountError::Nothing } else { AmountError::NotPositive(quantity) });
            }
            (VenueOrderType::Fok, market_amounts(action, limit, Quantity::from_micros(spend.micros()), tick)?)
        }
    };
    within_a_tick(action, limit, amounts, tick)?;
    Ok((kind, amounts))
}

/// What a buy at the market spends at most: whole cents, rounded down.
fn dollars_of(limit: Price, quantity: Quantity) -> Usd {
    Usd::from_micros(floored(limit.times(quantity, Rounding::Down).micros(), HUNDREDTH))
}

/// Rounding both sides down moves the price they imply: of a buy up, of a sell down. By a whole tick it would be another
/// price than the one that was approved (the official Python client guards against the same).
fn within_a_tick(action: Action, limit: Price, amounts: Amounts, tick: Tick) -> Result<(), AmountError> {
    let (dollars, shares) = match action {
        Action::Buy => (amounts.maker, amounts.taker),
        Action::Sell => (amounts.taker, amounts.maker),
    };
    let (dollars, shares) = (i128::from(dollars) * i128::from(ONE), i128::from(shares));
    let at = |micros: i64| i128::from(micros) * shares;
    let (low, high) = (at(limit.micros() - tick.price.micros()), at(limit.micros() + tick.price.micros()));
    if low < dollars && dollars < high { Ok(()) } else { Err(AmountError::Blurred) }
}

fn positive(size: Quantity) -> Result<i64, AmountError> {
    if size.micros() > 0 { Ok(size.micros()) } else { Err(AmountError::NotPositive(size)) }
}

fn unit(decimals: u32) -> i64 {
    10_i64.pow(DECIMALS - decimals)
}

fn floored(micros: i64, unit: i64) -> i64 {
    micros - micros.rem_euclid(unit)
}

fn amounts(action: Action, dollars: i64, shares: i64) -> Result<Amounts, AmountError> {
    let side = |micros: i64| u64::try_from(micros).ok().filter(|amount| *amount > 0).ok_or(AmountError::Nothing);
    let (dollars, shares) = (side(dollars)?, side(shares)?);
    Ok(match action {
        Action::Buy => Amounts { maker: dollars, taker: shares },
        Action::Sell => Amounts { maker: shares, taker: dollars },
    })
}

#[cfg(test)]
mod tests {
    use super::super::order::tests::order;
    use super::*;

    fn tick(text: &str) -> Tick {
        Tick::of(price(text)).expect("tick")
    }

    fn price(text: &str) -> Price {
        Price::parse(text).expect("price")
    }

    fn quantity(text: &str) -> Quantity {
        Quantity::parse(text).expect("quantity")
    }

    fn kind_and_amounts(
        action: Action,
        tif: TimeInForce,
        limit: &str,
        size: &str,
        at: &str,
    ) -> Result<(VenueOrderType, u64, u64), AmountError> {
        let order = Order { action, tif, limit: price(limit), quantity: quantity(size), ..order() };
        for_order(&order, tick(at)).map(|(kind, amounts)| (kind, amounts.maker, amounts.taker))
    }

    #[test]
    fn a_limit_order_is_price_times_size_exactly() {
        let exact = |action, at, size, step| limit_amounts(action, price(at), quantity(size), tick(step)).expect("amounts");
        assert_eq!(exact(Action::Buy, "0.22", "19.69", "0.01"), Amounts { maker: 4_331_800, taker: 19_690_000 });
        assert_eq!(exact(Action::Sell, "0.1875", "25.691", "0.0025"), Amounts { maker: 25_690_000, taker: 4_816_875 });
        assert_eq!(exact(Action::Buy, "0.29", "1.15", "0.01"), Amounts { maker: 333_500, taker: 1_150_000 });
    }

    #[test]
    fn an_order_at_the_market_has_two_decimals_on_one_side_and_four_on_the_other() {
        let safe = |action, at, size, step| market_amounts(action, price(at), quantity(size), tick(step)).expect("amounts");
        assert_eq!(safe(Action::Buy, "0.52", "10", "0.01"), Amounts { maker: 10_000_000, taker: 19_230_700 });
        assert_eq!(safe(Action::Buy, "0.0567", "7.339", "0.0001"), Amounts { maker: 7_330_000, taker: 129_276_800 });
        assert_eq!(safe(Action::Sell, "0.8575", "2063.02", "0.0025"), Amounts { maker: 2_063_020_000, taker: 1_769_039_600 });
        assert_eq!(safe(Action::Buy, "0.3", "1", "0.1"), Amounts { maker: 1_000_000, taker: 3_333_000 });
    }

    #[test]
    fn each_kind_of_order_is_sent_as_what_keeps_its_shares_or_its_dollars() {
        use TimeInForce::{Fok, Gtc, Gtd, Ioc};
        for tif in [Gtd, Gtc, Ioc] {
            let sent = kind_and_amounts(Action::Buy, tif, "0.333", "5", "0.001");
            assert_eq!(sent, Ok((VenueOrderType::Gtd, 1_665_000, 5_000_000)), "{tif:?}");
        }
        assert_eq!(kind_and_amounts(Action::Buy, Fok, "0.333", "5", "0.001"), Ok((VenueOrderType::Fok, 1_660_000, 4_984_900)));
        assert_eq!(kind_and_amounts(Action::Sell, Ioc, "0.333", "5.01", "0.001"), Ok((VenueOrderType::Fak, 5_010_000, 1_668_300)));
        assert_eq!(kind_and_amounts(Action::Sell, Fok, "0.333", "5.01", "0.001"), Ok((VenueOrderType::Fok, 5_010_000, 1_668_300)));
        assert_eq!(kind_and_amounts(Action::Sell, Gtd, "0.333", "5.01", "0.001"), Ok((VenueOrderType::Gtd, 5_010_000, 1_668_330)));
    }

    #[test]
    fn an_order_that_would_become_another_is_refused() {
        use TimeInForce::{Fok, Gtd, Ioc};
        let refused = |action, tif, limit: &str, size: &str, at: &str| kind_and_amounts(action, tif, limit, size, at).expect_err(limit);
        assert_eq!(refused(Action::Buy, Gtd, "0.525", "5", "0.01"), AmountError::OffGrid { price: price("0.525"), tick: price("0.01") });
        for outside in ["0.005", "0.995", "1", "0"] {
            assert_eq!(
                refused(Action::Buy, Gtd, outside, "5", "0.01"),
                AmountError::Outside { price: price(outside), tick: price("0.01") }
            );
        }
        assert_eq!(refused(Action::Sell, Ioc, "0.5", "5.001", "0.01"), AmountError::Step(quantity("5.001")));
        assert_eq!(refused(Action::Buy, Gtd, "0.5", "0", "0.01"), AmountError::NotPositive(Quantity::ZERO));
        assert_eq!(refused(Action::Buy, Fok, "0.5", "0", "0.01"), AmountError::NotPositive(Quantity::ZERO));
        assert_eq!(refused(Action::Buy, Fok, "0.01", "0.5", "0.01"), AmountError::Nothing);
        assert_eq!(refused(Action::Sell, Ioc, "0.0001", "0.01", "0.0001"), AmountError::Nothing);
        assert_eq!(refused(Action::Sell, Ioc, "0.0199", "0.01", "0.0001"), AmountError::Blurred);
        assert_eq!(Tick::of(price("0.02")), Err(AmountError::Tick(price("0.02"))));
    }
}
