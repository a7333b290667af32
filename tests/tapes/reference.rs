//! A second reading of the tapes: plain maps of prices to sizes in millionths, line by line.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use serde_json::Value;

/// The lines of a gz tape with their numbers from 1.
pub fn lines(path: &Path) -> impl Iterator<Item = (u64, Value)> {
    let file = flate2::read::MultiGzDecoder::new(File::open(path).expect("tape"));
    let lines = BufReader::new(file).lines().map(|line| serde_json::from_str(&line.expect("line")).expect("json"));
    (1..).zip(lines)
}

/// `"-12.5"` in millionths; digits beyond the sixth are cut.
pub fn micros(value: &Value) -> Option<i64> {
    let text = value.as_str().filter(|text| !text.is_empty())?;
    let (sign, text) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let fraction: String = fraction.chars().chain("000000".chars()).take(6).collect();
    Some(sign * (whole.parse::<i64>().expect("digits") * 1_000_000 + fraction.parse::<i64>().expect("digits")))
}

#[derive(Clone, Copy, Default)]
pub struct Shown {
    pub size: i64,
    /// Taken by us and not shown anew since.
    pub taken: i64,
}

impl Shown {
    pub fn left(self) -> i64 {
        self.size - self.taken
    }
}

/// One side by price in millionths.
#[derive(Default)]
pub struct Levels {
    pub levels: BTreeMap<i64, Shown>,
    /// What was taken from levels that the tape's window has since left: they were not shown to be gone.
    unseen: BTreeMap<i64, i64>,
    bids: bool,
}

impl Levels {
    fn set(&mut self, price: i64, size: i64) {
        let unseen = self.unseen.remove(&price).unwrap_or(0);
        if size <= 0 {
            self.levels.remove(&price);
            return;
        }
        let shown = self.levels.entry(price).or_default();
        *shown = Shown { size, taken: shown.taken.max(unseen).min(size) };
    }

    fn no_better_than(&mut self, best: i64) {
        let bids = self.bids;
        self.levels.retain(|price, _| if bids { *price <= best } else { *price >= best });
        self.unseen.retain(|price, _| if bids { *price <= best } else { *price >= best });
    }

    /// The window's levels are all that is shown; what lies beyond its worst price is out of sight.
    fn replace(&mut self, window: Vec<(i64, i64)>) {
        let prices = window.iter().map(|(price, _)| *price);
        let worst = if self.bids { prices.min() } else { prices.max() };
        for (price, shown) in std::mem::take(&mut self.levels) {
            self.unseen.insert(price, shown.taken);
        }
        let bids = self.bids;
        self.unseen.retain(|price, _| match worst {
            None => false,
            Some(worst) => (if bids { *price < worst } else { *price > worst }) || window.iter().any(|(listed, _)| listed == price),
        });
        for (price, size) in window {
            self.set(price, size);
        }
    }
}

/// One book as the tape shows it.
pub struct Visible {
    pub bids: Levels,
    pub asks: Levels,
    stated_crossed: bool,
}

impl Default for Visible {
    fn default() -> Self {
        Self { bids: Levels { bids: true, ..Levels::default() }, asks: Levels::default(), stated_crossed: false }
    }
}

impl Visible {
    pub fn follow(&mut self, line: &Value) {
        match (line["kind"].as_str(), line["depth"].as_str()) {
            (Some("book"), Some("top_only")) => self.best_level(line),
            (Some("book"), _) => {
                self.bids.replace(levels(&line["bids"]));
                self.asks.replace(levels(&line["asks"]));
            }
            (Some("top"), _) => {
                let level =
                    |price: &Value, size: &Value| micros(price).map(|price| (price, micros(size).expect("size"))).into_iter().collect();
                self.bids.replace(level(&line["best_bid"], &line["bid_size"]));
                self.asks.replace(level(&line["best_ask"], &line["ask_size"]));
            }
            (Some("delta"), _) => {
                let price = micros(&line["price"]).expect("price");
                let side = self.side(line);
                let before = side.levels.get(&price).map_or(0, |shown| shown.size);
                let size = micros(&line["delta"]).map_or_else(|| micros(&line["size"]).expect("size"), |delta| before + delta);
                side.set(price, size);
            }
            _ => {}
        }
        if line["kind"] != "top" {
            self.believe_best(micros(&line["best_bid"]), micros(&line["best_ask"]));
        }
    }

    fn best_level(&mut self, line: &Value) {
        let side = self.side(line);
        let Some(price) = micros(&line["price"]) else { return side.levels.clear() };
        side.no_better_than(price);
        side.set(price, micros(&line["size"]).expect("size"));
    }

    fn believe_best(&mut self, bid: Option<i64>, ask: Option<i64>) {
        if bid.is_none() && ask.is_none() {
            return;
        }
        self.stated_crossed = matches!((bid, ask), (Some(bid), Some(ask)) if bid >= ask);
        if self.stated_crossed {
            return;
        }
        bid.into_iter().for_each(|best| self.bids.no_better_than(best));
        ask.into_iter().for_each(|best| self.asks.no_better_than(best));
    }

    fn side(&mut self, line: &Value) -> &mut Levels {
        if line["side"] == "bid" { &mut self.bids } else { &mut self.asks }
    }

    pub fn bid(&self) -> Option<i64> {
        self.bids.levels.last_key_value().map(|(price, _)| *price)
    }

    pub fn ask(&self) -> Option<i64> {
        self.asks.levels.first_key_value().map(|(price, _)| *price)
    }

    pub fn crossed(&self) -> bool {
        self.stated_crossed || matches!((self.bid(), self.ask()), (Some(bid), Some(ask)) if bid >= ask)
    }
}

fn levels(list: &Value) -> Vec<(i64, i64)> {
    let pair = |level: &Value| (micros(&level[0]).expect("price"), micros(&level[1]).expect("size"));
    list.as_array().expect("levels").iter().map(pair).collect()
}

/// `rate x q x p x (1 - p)` rounded up to a multiple of `unit`, all in millionths.
pub fn model_fee(rate: i64, price: i64, quantity: i64, unit: i64) -> i64 {
    let exact = i128::from(rate) * i128::from(quantity) * i128::from(price) * i128::from(1_000_000 - price);
    let scale = 1_000_000_000_000_000_000 * i128::from(unit);
    let units = (exact + scale - 1) / scale;
    i64::try_from(units).expect("small") * unit
}
