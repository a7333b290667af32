//! The main job on real input: a tape plays, signals come over NATS, and every fill is looked up in the tape again.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::arbees::Place;
use crate::reference::{Visible, lines, micros, model_fee};
use crate::strategy::{Strategy, open, with};
use crate::support::{NatsServer, until};

/// How long signals are sent while the tape plays.
const TRADE_FOR: Duration = Duration::from_secs(6);
const CASH: i64 = 100_000_000_000;

fn tape(file: &str) -> Option<PathBuf> {
    let named = std::env::var_os("ARBEES_SHARED").map(PathBuf::from);
    let folder = named.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared")).join("tapes");
    let path = folder.join(file);
    if !path.is_file() {
        eprintln!("SKIPPED: {} is not there (ARBEES_SHARED names the folder above the tapes)", path.display());
        return None;
    }
    Some(path)
}

/// What one signal trades: subject, and the fields that name the market.
struct Target {
    subject: &'static str,
    fields: Value,
}

fn kalshi(ticker: &str) -> Target {
    Target { subject: "signals.kalshi", fields: json!({ "market_id": ticker }) }
}

/// Buys up to 95 c what is shown, without a book of its own: the tape's is known.
fn buy(id: &str, target: &Target, size: u32) -> Value {
    let mut signal = open(id, "");
    for field in ["yes_bid", "yes_ask", "market_id"] {
        signal.as_object_mut().expect("fields").remove(field);
    }
    let signal = with(signal, target.fields.clone());
    with(signal, json!({ "limit_price": "0.95", "model_prob": "0.98", "size": size.to_string() }))
}

async fn trade(file: &str, targets: &[Target]) {
    let Some(path) = tape(file) else { return };
    let server = NatsServer::start();
    let wide = ["BANKROLL_USD", "MAX_GAME_EXPOSURE", "MAX_DAILY_LOSS", "MAX_UNKNOWN_AMOUNT"];
    let place = wide.iter().fold(Place::new(&server.url()), |place, name| place.with(name, "100000"));
    let place = place
        .with("ALLOW_HEDGING", "1")
        .with("DUPLICATE_INTENT_MS", "0")
        .with("MAX_ORDERS_PER_MINUTE", "10000")
        .with("MAX_ORDERS_PER_HOUR", "10000");
    let strategy = Strategy::connect(&server.url()).await;
    let mut engine = place.start(&["run", "--tape", path.to_str().expect("path"), "--speed", "20"]);
    place.ready().await;

    let began = Instant::now();
    let mut requested = 0;
    let mut number = 0_u32;
    while began.elapsed() < TRADE_FOR {
        let target = &targets[number as usize % targets.len()];
        let id = format!("t{number}");
        let signal = buy(&id, target, 1 + number * 17 % 90);
        let closes = number % 5 >= 3;
        let signal = if closes {
            with(signal, json!({ "action": "close", "limit_price": "0.01", "size": (1 + number % 30).to_string() }))
        } else {
            signal
        };
        strategy.send_raw(target.subject, signal.to_string()).await;
        let answer = strategy.answer(&id).await;
        requested += u32::from(answer["answer"] == "requested");
        assert!(closes || answer["answer"] == "requested", "{signal}: {answer}");
        number += 1;
        tokio::time::sleep(Duration::from_millis(60)).await;
    }
    until("every order to have ended", async || {
        let live = place.json(&["orders", "--json", "--state", "live"]);
        live.as_array()?.is_empty().then_some(())
    })
    .await;
    assert_eq!(engine.stop(), 0, "{}", engine.lines());
    let events = place.events();
    let mut checker = Checker::default();
    for event in &events {
        checker.read(event);
    }
    checker.look_up(&path);
    let (pnl, positions) = (place.json(&["pnl", "--json"]), place.json(&["positions", "--json"]));
    checker.compare(&pnl, &positions);
    assert_eq!(place.json(&["verify", "--json"])["good"], true);
    assert!(checker.fills.len() >= 20, "{} fills of {requested} orders are too few to tell", checker.fills.len());
    eprintln!("{file}: {number} signals, {requested} orders, {} fills of {} sizes", checker.fills.len(), checker.shown_rows);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dirty_tape_with_broken_lines_is_played_to_its_end_and_every_row_is_counted() {
    let Some(path) = tape("kalshi_KXNCAAMBGAME-26JAN03BCGT.jsonl.gz") else { return };
    let place = Place::new("embedded");
    let (mut dirty, mut rows, mut broken) = (Vec::new(), 0, 0);
    for (row, line) in lines(&path) {
        dirty.extend(format!("{line}\n").into_bytes());
        rows += 1;
        if row % 500 == 0 {
            let bad: &[u8] = [&b"{\"ts_ms\": NaN}"[..], b"\xff\xfe", b"", b"{\"ts_ms\":1,"][broken % 4];
            dirty.extend(bad.iter().chain(b"\n"));
            broken += 1;
        }
    }
    let file = place.dir.join("dirty.jsonl");
    std::fs::write(&file, dirty).expect("tape");
    let mut engine = place.start(&["run", "--tape", file.to_str().expect("path"), "--speed", "1000"]);
    let words = format!("the tape has ended: {} rows, {broken} of them left out", rows + broken);
    until(&words, async || engine.lines().contains(&words).then_some(())).await;
    place.ready().await;
    assert_eq!(engine.stop(), 0);
    let said = place.say(&["run", "--tape", "/nowhere"]);
    assert_eq!((said.code, said.err.contains("/nowhere")), (1, true), "{said:?}");
}

struct Fill {
    key: String,
    buys: bool,
    price: i64,
    quantity: i64,
    row: u64,
}

#[derive(Default)]
struct Held {
    quantity: i64,
    /// In millionths of dollars, rounded as it goes: a lower and an upper bound of the cost stay a millionth a fill apart.
    realized: i64,
    cost: i64,
    fees: i64,
}

/// A second bookkeeping, by plain integers in millionths.
#[derive(Default)]
struct Checker {
    limits: BTreeMap<String, (i64, i64)>,
    filled: BTreeMap<String, i64>,
    carried: BTreeMap<String, i64>,
    held: BTreeMap<String, Held>,
    spent: i64,
    fills: Vec<Fill>,
    shown_rows: usize,
}

impl Checker {
    fn read(&mut self, event: &Value) {
        let data = &event["data"];
        match event["event"].as_str() {
            Some("OrderRequested") if !data["order"].is_null() => {
                let number = |name: &str| micros(&data["order"][name]).expect(name);
                let id = data["order_id"].as_str().expect("an id").to_owned();
                self.limits.insert(id, (number("limit"), number("quantity")));
            }
            Some("Filled") => self.fill(data),
            _ => {}
        }
    }

    fn fill(&mut self, data: &Value) {
        let id = data["order_id"].as_str().expect("an id").to_owned();
        let (price, quantity, fee) =
            (micros(&data["price"]).expect("price"), micros(&data["quantity"]).expect("quantity"), micros(&data["fee"]).expect("fee"));
        assert_eq!((&data["instrument"]["outcome"], &data["liquidity"]), (&json!("yes"), &json!("taker")), "{data}");
        let buys = data["action"] == "buy";
        let (limit, wanted) = self.limits[&id];
        assert!(if buys { price <= limit } else { price >= limit }, "beyond its limit: {data}");
        let filled = self.filled.entry(id.clone()).or_default();
        *filled += quantity;
        assert!(*filled <= wanted, "more than was ordered: {data}");
        let paid = i64::try_from(i128::from(price) * i128::from(quantity) / 1_000_000).expect("small");
        let gross = if buys { -paid } else { paid };
        let instrument = &data["instrument"];
        let polymarket = instrument["venue"] == "polymarket";
        let expected = if polymarket {
            model_fee(70_000, price, quantity, 10)
        } else {
            // Kalshi rounds the balance to a hundredth of a cent and gives full hundredths back.
            let model = model_fee(70_000, price, quantity, 1);
            let carried = self.carried.entry(id).or_default();
            let rounding = (gross - model).rem_euclid(100);
            let rebate = (*carried + rounding).min(model + rounding) / 100 * 100;
            *carried += rounding - rebate;
            model + rounding - rebate
        };
        assert_eq!(fee, expected, "the fee of {data}");
        let key = instrument["token"].as_str().or(instrument["market"].as_str()).expect("a market").to_owned();
        let held = self.held.entry(key.clone()).or_default();
        held.fees += fee;
        if buys {
            held.cost += paid;
            held.quantity += quantity;
        } else {
            let part = i64::try_from(i128::from(held.cost) * i128::from(quantity) / i128::from(held.quantity)).expect("small");
            held.cost -= part;
            held.quantity -= quantity;
            held.realized += paid - part;
        }
        assert!(held.quantity >= 0, "sold more than was held: {data}");
        self.spent += gross - fee;
        let row = data["source"]["tape"]["row"].as_u64().unwrap_or_else(|| panic!("no evidence in the tape: {data}"));
        self.fills.push(Fill { key, buys, price, quantity, row });
    }

    /// Reads the tape again and looks at the row that each fill names.
    fn look_up(&mut self, path: &Path) {
        let mut of_row: BTreeMap<u64, Vec<&Fill>> = BTreeMap::new();
        for fill in &self.fills {
            of_row.entry(fill.row).or_default().push(fill);
        }
        let last = of_row.last_key_value().map_or(0, |(row, _)| *row);
        self.shown_rows = of_row.len();
        let mut books: BTreeMap<String, Visible> = BTreeMap::new();
        for (row, line) in lines(path).take_while(|(row, _)| *row <= last) {
            if line["recorder"].as_str().is_some_and(|recorder| recorder != "1") {
                assert!(!of_row.contains_key(&row), "row {row} belongs to another recorder");
                continue;
            }
            let key = line["token"].as_str().or(line["market"].as_str()).expect("a market").to_owned();
            let book = books.entry(key.clone()).or_default();
            book.follow(&line);
            let mut taken: BTreeMap<(bool, i64), i64> = BTreeMap::new();
            for fill in of_row.get(&row).into_iter().flatten() {
                assert_eq!(fill.key, key, "row {row} is of another market");
                let levels = if fill.buys { &book.asks.levels } else { &book.bids.levels };
                let shown = levels.get(&fill.price).unwrap_or_else(|| panic!("row {row} shows nothing at {}", fill.price));
                let taken = taken.entry((fill.buys, fill.price)).or_default();
                *taken += fill.quantity;
                assert!(*taken <= shown.size, "row {row}: {taken} taken of {} shown", shown.size);
                // The other side as it was allowed: a buyer never pays less than the best ask then shown.
                let best = if fill.buys { book.ask() } else { book.bid() };
                assert!(
                    best.is_some_and(|best| if fill.buys { fill.price >= best } else { fill.price <= best }),
                    "row {row}: better than the book"
                );
            }
        }
    }

    fn compare(&self, pnl: &Value, positions: &Value) {
        assert_eq!(micros(&pnl["cash"]), Some(CASH + self.spent), "{pnl}");
        let fees: i64 = self.held.values().map(|held| held.fees).sum();
        assert_eq!(micros(&pnl["fees"]), Some(fees), "{pnl}");
        for position in positions.as_array().expect("positions") {
            let key = position["token_id"].as_str().or(position["market"].as_str()).expect("a market");
            let held = &self.held[key];
            assert_eq!(micros(&position["quantity"]), Some(held.quantity), "{position}");
            assert_eq!(micros(&position["fees"]), Some(held.fees), "{position}");
            let realized = micros(&position["realized_pnl"]).expect("realized");
            // To the cent and far below it: each sale may round the average a millionth the other way.
            assert!((realized - held.realized).abs() <= self.fills.len() as i64, "{position}: {} expected", held.realized);
            let cost = micros(&position["cost"]).expect("cost");
            assert_eq!(cost - realized, held.cost - held.realized, "what isn't realised is still in the cost: {position}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_nba_game_plays_and_every_fill_is_in_its_tape() {
    trade("kalshi_KXNBAGAME-26JAN07TORCHA.jsonl.gz", &[kalshi("KXNBAGAME-26JAN07TORCHA-TOR"), kalshi("KXNBAGAME-26JAN07TORCHA-CHA")]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_super_bowl_plays_and_every_fill_is_in_its_tape() {
    trade("kalshi_KXSB-26_top1s_20260208.jsonl.gz", &[kalshi("KXSB-26-SEA"), kalshi("KXSB-26-NE")]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn polymarket_tokens_play_and_every_fill_is_in_their_tape() {
    let token = |id: &str| Target { subject: "signals.polymarket", fields: json!({ "token_id": id }) };
    let up = token("7706999046444801045952866264919936818908900970751067613628171663792809175016");
    trade("polymarket_btc_updown_15m_top5_202602.jsonl.gz", &[up]).await;
}
