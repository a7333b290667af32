//! What a trade costs: bounds before it, the venue's schedule for the paper exchange after it.

use super::market::{FeeRate, Venue};
use super::money::{ONE, Price, Quantity, Rounding, Usd, mul_div};
use super::report::Liquidity;

/// Kalshi's general schedule: 0.07 for takers; resting orders are free unless the series says otherwise
/// (`protocols/kalshi/kalshi.md` §5).
pub const KALSHI: FeeRate = FeeRate::new(70_000, 0);

/// Polymarket's highest published rate (crypto), taken where the market's own is not known
/// (`protocols/polymarket/polymarket.md` §8).
pub const POLYMARKET_HIGHEST: FeeRate = FeeRate::new(70_000, 0);

/// Polymarket's rate for a kind of market named by a signal.
pub fn polymarket_rate(kind: Option<&str>) -> FeeRate {
    let taker_micros = match kind.unwrap_or("") {
        "sports" => 50_000,
        "politics" | "finance" | "mentions" | "tech" => 40_000,
        "economics" | "culture" | "entertainment" | "weather" | "other" => 50_000,
        "geopolitics" => 0,
        _ => POLYMARKET_HIGHEST.taker_micros,
    };
    FeeRate::new(taker_micros, 0)
}

/// The fee schedule of a market that only a signal has named.
pub fn assumed_rate(venue: Venue, kind: Option<&str>) -> FeeRate {
    match venue {
        Venue::Kalshi | Venue::Paper => KALSHI,
        Venue::Polymarket => polymarket_rate(kind),
    }
}

/// Scale of a variance: a millionth of a millionth.
const VARIANCE_ONE: i128 = 1_000_000_000_000;

/// `(p x (1 - p))^exponent` in `VARIANCE_ONE`ths; exact for the exponent 1 of nearly all markets, else rounded at each step.
fn variance(price: Price, exponent: u8, rounding: Rounding) -> i128 {
    let base = i128::from(price.micros()) * i128::from(ONE - price.micros());
    let up = if rounding == Rounding::Up { VARIANCE_ONE - 1 } else { 0 };
    let Some(more) = exponent.checked_sub(1) else { return VARIANCE_ONE };
    (0..more).fold(base, |power, _| (power * base + up).div_euclid(VARIANCE_ONE))
}

/// The taker's `rate x (p x (1 - p))^exponent` for one contract, rounded up to a millionth of a dollar.
pub fn per_contract(rate: FeeRate, price: Price) -> Usd {
    let spread = variance(price, rate.exponent, Rounding::Up) * i128::from(rate.taker_micros);
    let up = (spread + VARIANCE_ONE - 1).div_euclid(VARIANCE_ONE);
    Usd::from_micros(i64::try_from(up).expect("Invariant: a fee per contract is below a dollar"))
}

/// What Polymarket charges for one fill: takers only, five decimals (`polymarket.md` §8). Its own rounding mode is not
/// documented; half up is taken.
pub fn polymarket_fee(rate: FeeRate, price: Price, quantity: Quantity, liquidity: Liquidity) -> Usd {
    if liquidity == Liquidity::Maker {
        return Usd::ZERO;
    }
    let exact = variance(price, rate.exponent, Rounding::Down) * i128::from(quantity.micros());
    let scale = VARIANCE_ONE * i128::from(ONE) * 10;
    let units = (exact * i128::from(rate.taker_micros) + scale / 2).div_euclid(scale);
    Usd::from_micros(i64::try_from(units * 10).expect("Invariant: fees stay inside i64"))
}

/// The taker fee of a fill of this size at exactly this price, rounded up, plus what rounding over a few fills may add.
/// A fill at a better price can pay a larger fee (the fee is largest at 0.50), but price plus fee grows with the price
/// for every rate below 1, so price and this bound together bound what a buyer pays.
pub fn taker_bound(rate: FeeRate, price: Price, quantity: Quantity) -> Usd {
    let model = mul_div(per_contract(rate, price).micros(), quantity.micros(), ONE, Rounding::Up);
    Usd::from_micros(model) + ROUNDING_ALLOWANCE
}

/// A direct member's rounding ($0.0001 at most outstanding per order) and the millionths that ten-odd fills round up.
const ROUNDING_ALLOWANCE: Usd = Usd::from_micros(1_000);

/// What Kalshi keeps a member's balance in multiples of (`kalshi.md` §5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BalanceUnit {
    /// Direct members: $0.0001.
    Direct,
    /// Through a broker: $0.01.
    Cent,
}

impl BalanceUnit {
    fn micros(self) -> i64 {
        match self {
            Self::Direct => 100,
            Self::Cent => 10_000,
        }
    }
}

/// What one fill was charged at Kalshi.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KalshiCharge {
    /// What brings the balance change down to a whole unit.
    pub rounding: Usd,
    /// Whole units given back from the roundings of this order so far.
    pub rebate: Usd,
    /// Trade fee + rounding - rebate, never below zero.
    pub net: Usd,
}

/// Kalshi's rounding of one order, over all its fills (`kalshi.md` §5, `fee_vectors.json`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KalshiRounding {
    unit: BalanceUnit,
    /// Roundings charged and not given back.
    carried: Usd,
}

impl KalshiRounding {
    pub fn new(unit: BalanceUnit) -> Self {
        Self { unit, carried: Usd::ZERO }
    }

    /// `gross` is the change of cash before any fee: negative for a purchase.
    pub fn charge(&mut self, gross: Usd, trade_fee: Usd) -> KalshiCharge {
        let unit = self.unit.micros();
        let rounding = (gross - trade_fee).micros().rem_euclid(unit);
        let before_rebate = trade_fee.micros() + rounding;
        let held = self.carried.micros() + rounding;
        let rebate = (held.min(before_rebate) / unit) * unit;
        self.carried = Usd::from_micros(held - rebate);
        KalshiCharge {
            rounding: Usd::from_micros(rounding),
            rebate: Usd::from_micros(rebate),
            net: Usd::from_micros(before_rebate - rebate),
        }
    }

    pub fn carried(&self) -> Usd {
        self.carried
    }
}

/// `rate x contracts x price x (1 - price)`, rounded up to a multiple of `unit_micros` of a millionth.
fn model_fee(rate_micros: i64, exponent: u8, price: Price, quantity: Quantity, unit_micros: i64) -> Usd {
    let exact = variance(price, exponent, Rounding::Up) * i128::from(quantity.micros()) * i128::from(rate_micros);
    let scale = i128::from(ONE).pow(3) * i128::from(unit_micros);
    let units = exact.div_euclid(scale) + i128::from(exact.rem_euclid(scale) != 0);
    Usd::from_micros(i64::try_from(units * i128::from(unit_micros)).expect("Invariant: fees stay inside i64"))
}

/// What one order pays, fill by fill, by the schedule of the venue that is played.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrderFees {
    rate: FeeRate,
    /// Absent at Polymarket, which charges in USDC beside the trade.
    rounding: Option<KalshiRounding>,
}

impl OrderFees {
    pub fn new(venue: Venue, rate: FeeRate, unit: BalanceUnit) -> Self {
        let rounding = (venue != Venue::Polymarket).then(|| KalshiRounding::new(unit));
        Self { rate, rounding }
    }

    /// The fee of the next fill; `gross` as in `KalshiRounding::charge`.
    ///
    /// Kalshi: the model fee up to a millionth, then the roundings of the order. Polymarket: takers only, five decimals
    /// (`polymarket.md` §8); whether it rounds half up is not documented, so we round up, which never shows too little.
    pub fn charge(&mut self, gross: Usd, price: Price, quantity: Quantity, liquidity: Liquidity) -> Usd {
        match (&mut self.rounding, liquidity) {
            (Some(rounding), Liquidity::Taker) => {
                rounding.charge(gross, model_fee(self.rate.taker_micros, self.rate.exponent, price, quantity, 1)).net
            }
            (Some(rounding), Liquidity::Maker) => {
                rounding.charge(gross, model_fee(self.rate.maker_micros, self.rate.exponent, price, quantity, 1)).net
            }
            (None, Liquidity::Taker) => model_fee(self.rate.taker_micros, self.rate.exponent, price, quantity, 10),
            (None, Liquidity::Maker) => Usd::ZERO,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fee_model_gives_the_published_examples() {
        let price = |t: &str| Price::parse(t).expect(t);
        assert_eq!(per_contract(FeeRate::new(70_000, 0), price("0.52")), Usd::parse("0.017472").expect("usd"));
        assert_eq!(per_contract(FeeRate::new(70_000, 0), price("0.055")), Usd::parse("0.003639").expect("usd"));
        assert_eq!(per_contract(FeeRate::new(50_000, 0), price("0.5")), Usd::parse("0.0125").expect("usd"));
    }

    fn usd(value: &serde_json::Value) -> Usd {
        Usd::parse(value.as_str().expect("text")).expect("usd")
    }

    fn list(row: &serde_json::Value, name: &str) -> Vec<Usd> {
        row[name].as_array().expect(name).iter().map(usd).collect()
    }

    fn unit(row: &serde_json::Value) -> BalanceUnit {
        assert_eq!(row["precision"], "0.01");
        BalanceUnit::Cent
    }

    fn vectors() -> Option<serde_json::Value> {
        let folder = std::env::var("ARBEES_SHARED").unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/../shared").to_owned());
        let path = format!("{folder}/protocols/kalshi/fee_vectors.json");
        match std::fs::read(&path) {
            Ok(bytes) => Some(serde_json::from_slice(&bytes).expect("fee_vectors.json")),
            Err(error) => {
                eprintln!("SKIPPED: {path}: {error}; set ARBEES_SHARED to the shared folder");
                None
            }
        }
    }

    #[test]
    fn roundings_and_rebates_follow_the_published_set_a() {
        let Some(vectors) = vectors() else { return };
        for row in vectors["set_a_2026_06"].as_array().expect("set a") {
            let price = Price::parse(row["price"].as_str().expect("price")).expect("price");
            let count = Quantity::parse(row["count"].as_str().expect("count")).expect("count");
            let gross = -price.times(count, Rounding::Up);
            let mut rounding = KalshiRounding::new(unit(row));
            for fill in 0..row["fills"].as_u64().expect("fills") as usize {
                let carried = rounding.carried();
                let charge = rounding.charge(gross, usd(&row["trade_fee"]));
                assert_eq!(charge.rounding, list(row, "rounding")[fill], "{row}");
                assert_eq!(carried + charge.rounding, list(row, "accumulator_after_add")[fill], "{row}");
                assert_eq!(charge.rebate, list(row, "rebate")[fill], "{row}");
                assert_eq!(charge.net, list(row, "net_fee")[fill], "{row}");
                assert_eq!(gross - charge.net - charge.rebate, list(row, "balance_change")[fill], "{row}");
            }
        }
    }

    #[test]
    fn model_fee_and_rounding_follow_the_published_set_b() {
        let Some(vectors) = vectors() else { return };
        let row = &vectors["set_b_2026_10"][0];
        let price = Price::parse("0.055").expect("price");
        let one = Quantity::whole(1);
        assert_eq!(model_fee(KALSHI.taker_micros, 1, price, one, 1), usd(&row["trade_fee"]));
        let charge = KalshiRounding::new(unit(row)).charge(usd(&row["revenue"]), usd(&row["trade_fee"]));
        assert_eq!((charge.rounding, charge.net), (usd(&row["rounding_fee"]), usd(&row["total_fee_before_rebate"])));
        let row = &vectors["set_b_2026_10"][1];
        let mut rounding = KalshiRounding::new(unit(row));
        for (fill, added) in list(row, "rounding_added").into_iter().enumerate() {
            let charge = rounding.charge(Usd::ZERO, Usd::from_micros(10_000) - added);
            assert_eq!((charge.rounding, charge.rebate), (added, list(row, "rebate")[fill]));
            assert_eq!(rounding.carried(), list(row, "carried")[fill]);
        }
    }

    #[test]
    fn a_direct_member_pays_what_the_venue_was_seen_to_charge() {
        let mut fees = OrderFees::new(Venue::Kalshi, KALSHI, BalanceUnit::Direct);
        let price = Price::parse("0.52").expect("price");
        let fee = fees.charge(Usd::parse("-0.52").expect("usd"), price, Quantity::whole(1), Liquidity::Taker);
        assert_eq!(fee, Usd::parse("0.0175").expect("usd"));
    }

    #[test]
    fn a_rebate_never_makes_a_fee_negative() {
        let mut rounding = KalshiRounding::new(BalanceUnit::Cent);
        for _ in 0..5 {
            assert!(rounding.charge(Usd::parse("-0.151").expect("usd"), Usd::ZERO).net >= Usd::ZERO);
        }
    }

    #[test]
    fn a_polymarket_fee_follows_the_schedule_of_its_market() {
        let price = |t: &str| Price::parse(t).expect(t);
        let taker = |rate, p, quantity| polymarket_fee(rate, price(p), quantity, Liquidity::Taker);
        let rate = FeeRate::new(50_000, 0);
        assert_eq!(taker(rate, "0.5", Quantity::whole(100)), Usd::parse("1.25").expect("usd"));
        // 0.01 x 0.05 x 0.25 = 0.000125: half up at the fifth decimal.
        assert_eq!(taker(rate, "0.5", Quantity::from_micros(10_000)), Usd::from_micros(130));
        assert_eq!(taker(rate, "0.5", Quantity::from_micros(300)), Usd::ZERO);
        assert_eq!(polymarket_fee(rate, price("0.5"), Quantity::whole(100), Liquidity::Maker), Usd::ZERO);
        let squared = FeeRate { exponent: 2, ..FeeRate::new(250_000, 0) };
        assert_eq!(taker(squared, "0.5", Quantity::whole(100)), Usd::parse("1.5625").expect("usd"));
        assert_eq!(taker(squared, "0.1", Quantity::whole(100)), Usd::parse("0.2025").expect("usd"));
        let flat = FeeRate { exponent: 0, ..FeeRate::new(10_000, 0) };
        assert_eq!(taker(flat, "0.1", Quantity::whole(100)), Usd::whole(1));
    }

    #[test]
    fn the_bound_covers_the_fee_at_every_price_and_exponent() {
        for exponent in 0..=3 {
            let rate = FeeRate { exponent, ..FeeRate::new(70_000, 0) };
            for cents in 1..100 {
                let (price, quantity) = (Price::from_micros(cents * 10_000), Quantity::from_micros(12_340_000));
                assert!(polymarket_fee(rate, price, quantity, Liquidity::Taker) <= taker_bound(rate, price, quantity));
            }
        }
    }

    #[test]
    fn polymarket_charges_takers_only_and_at_least_the_fifth_decimal() {
        let half = Price::parse("0.5").expect("price");
        let taker = |rate, quantity| {
            OrderFees::new(Venue::Polymarket, rate, BalanceUnit::Direct).charge(Usd::ZERO, half, quantity, Liquidity::Taker)
        };
        assert_eq!(taker(polymarket_rate(Some("sports")), Quantity::whole(100)), Usd::parse("1.25").expect("usd"));
        assert_eq!(taker(polymarket_rate(Some("crypto")), Quantity::whole(100)), Usd::parse("1.75").expect("usd"));
        assert_eq!(taker(polymarket_rate(Some("crypto")), Quantity::from_micros(100)), Usd::from_micros(10));
        assert_eq!(taker(polymarket_rate(Some("geopolitics")), Quantity::whole(100)), Usd::ZERO);
        let mut fees = OrderFees::new(Venue::Polymarket, POLYMARKET_HIGHEST, BalanceUnit::Direct);
        assert_eq!(fees.charge(Usd::ZERO, half, Quantity::whole(100), Liquidity::Maker), Usd::ZERO);
    }
}
