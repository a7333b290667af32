//! What a trade costs: bounds before it, the venue's schedule for the paper exchange after it.

use super::market::{FeeRate, Venue};
use super::money::{ONE, Price, Quantity, Rounding, Usd, mul_div};

/// Kalshi's general schedule: 0.07 for takers; resting orders are free unless the series says otherwise
/// (`protocols/kalshi/kalshi.md` §5).
pub const KALSHI: FeeRate = FeeRate { taker_micros: 70_000, maker_micros: 0 };

/// Polymarket's highest published rate (crypto), taken where the market's own is not known
/// (`protocols/polymarket/polymarket.md` §8).
pub const POLYMARKET_HIGHEST: FeeRate = FeeRate { taker_micros: 70_000, maker_micros: 0 };

/// Polymarket's rate for a kind of market named by a signal.
pub fn polymarket_rate(kind: Option<&str>) -> FeeRate {
    let taker_micros = match kind.unwrap_or("") {
        "sports" => 50_000,
        "politics" | "finance" | "mentions" | "tech" => 40_000,
        "economics" | "culture" | "entertainment" | "weather" | "other" => 50_000,
        "geopolitics" => 0,
        _ => POLYMARKET_HIGHEST.taker_micros,
    };
    FeeRate { taker_micros, maker_micros: 0 }
}

/// The fee schedule of a market that only a signal has named.
pub fn assumed_rate(venue: Venue, kind: Option<&str>) -> FeeRate {
    match venue {
        Venue::Kalshi | Venue::Paper => KALSHI,
        Venue::Polymarket => polymarket_rate(kind),
    }
}

/// `rate x p x (1 - p)` for one contract, rounded up to a millionth of a dollar.
pub fn per_contract(rate_micros: i64, price: Price) -> Usd {
    let spread = i128::from(price.micros()) * i128::from(ONE - price.micros()) * i128::from(rate_micros);
    let scale = i128::from(ONE) * i128::from(ONE);
    let up = (spread + scale - 1).div_euclid(scale);
    Usd::from_micros(i64::try_from(up).expect("Invariant: a fee per contract is below a dollar"))
}

/// The most an order of this size can pay as a taker at this price or a better one, plus what rounding per fill may add.
pub fn taker_bound(rate: FeeRate, price: Price, quantity: Quantity) -> Usd {
    let model = mul_div(per_contract(rate.taker_micros, price).micros(), quantity.micros(), ONE, Rounding::Up);
    Usd::from_micros(model) + ROUNDING_ALLOWANCE
}

/// One precision unit of a direct member's balance for each of a few fills.
const ROUNDING_ALLOWANCE: Usd = Usd::from_micros(1_000);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fee_model_gives_the_published_examples() {
        let price = |t: &str| Price::parse(t).expect(t);
        assert_eq!(per_contract(70_000, price("0.52")), Usd::parse("0.017472").expect("usd"));
        assert_eq!(per_contract(70_000, price("0.055")), Usd::parse("0.003639").expect("usd"));
        assert_eq!(per_contract(50_000, price("0.5")), Usd::parse("0.0125").expect("usd"));
    }
}
