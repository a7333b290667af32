//! The recorded tapes against the paper exchange. Every fill is checked by code that reads the tape itself and shares
//! nothing with the exchange but the words of `domain`: never better than the other side allowed, never more than was shown
//! or printed, and cash equal to the millionth. Skips loudly where the shared folder is absent.

mod orders;
mod reference;

use std::path::PathBuf;

use arbees::domain::market::Settlement;
use arbees::venues::paper::tape::TapePlayer;

use orders::{Seen, Trader};

fn tapes() -> Option<PathBuf> {
    let shared =
        std::env::var_os("ARBEES_SHARED").map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared"), PathBuf::from);
    let folder = shared.join("tapes");
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("SKIPPED: no tapes at {}; set ARBEES_SHARED to the shared folder", folder.display());
    None
}

/// Plays a tape with an order every few rows and checks each fill; what it saw.
fn trade(file: &str, rows_between_orders: u64) -> Option<Seen> {
    let path = tapes()?.join(file);
    let mut trader = Trader::new(rows_between_orders);
    let mut lines = reference::lines(&path);
    let mut player = TapePlayer::open(&path).expect("tape");
    for step in player.by_ref() {
        let number = step.row.mark.row;
        let line = lines.by_ref().find(|(at, _)| *at == number).expect("the row's own line").1;
        trader.play(&step.row, &line);
    }
    check_counts(file, &player, trader.rows());
    for settlement in [Settlement::Yes, Settlement::No] {
        trader.check_settled(settlement);
    }
    let seen = trader.seen();
    eprintln!("{file}: {seen:?}");
    Some(seen)
}

#[test]
fn fills_on_the_dense_game_are_what_the_tape_allows_to_the_millionth() {
    let Some(seen) = trade("kalshi_KXNBAGAME-26JAN07TORCHA.jsonl.gz", 11) else { return };
    assert!(seen.orders > 5_000 && seen.taker_fills > 1_000 && seen.print_fills > 300 && seen.crossed_fills > 100, "{seen:?}");
    assert!(seen.killed > 20 && seen.no_fills > 300 && seen.sells > 100 && seen.expired > 100, "{seen:?}");
}

#[test]
fn fills_on_the_super_bowl_tops_are_what_the_tape_allows_to_the_millionth() {
    let Some(seen) = trade("kalshi_KXSB-26_top1s_20260208.jsonl.gz", 7) else { return };
    assert!(seen.taker_fills > 500 && seen.crossed_fills > 10 && seen.print_fills == 0, "{seen:?}");
}

#[test]
fn fills_on_polymarket_tokens_are_what_the_tape_allows_to_the_millionth() {
    let Some(seen) = trade("polymarket_btc_updown_15m_top5_202602.jsonl.gz", 19) else { return };
    assert!(seen.taker_fills > 1_000 && seen.print_fills > 100 && seen.crossed_fills > 100 && seen.sells > 100, "{seen:?}");
}

#[test]
fn fills_on_both_venues_thin_books_are_what_the_tape_allows_to_the_millionth() {
    let Some(seen) = trade("both_nba_mvp_20251208_20260109.jsonl.gz", 5) else { return };
    assert!(seen.taker_fills > 1_000 && seen.killed > 0, "{seen:?}");
}

#[test]
fn a_dirty_tape_is_survived_and_nothing_trades_while_it_is_crossed() {
    let Some(seen) = trade("kalshi_KXNCAAMBGAME-26JAN03BCGT.jsonl.gz", 3) else { return };
    assert!(seen.crossed_rows > 2_000 && seen.taker_fills > 100 && seen.print_fills == 0, "{seen:?}");
}

/// Every row was counted exactly once, and as many as the tape is said to hold.
fn check_counts(file: &str, player: &TapePlayer, steps: u64) {
    let counts = player.counts();
    eprintln!("{file}: {counts:?}");
    assert_eq!(steps, counts.books + counts.deltas + counts.trades + counts.tops, "{file}");
    assert_eq!(counts.rows, steps + counts.skipped_total(), "{file}");
    let provenance = std::fs::read(tapes().expect("tapes").join("PROVENANCE.json")).expect("provenance");
    let provenance: serde_json::Value = serde_json::from_slice(&provenance).expect("json");
    let listed = provenance["tapes"].as_array().expect("tapes").iter().find(|tape| tape["file"] == file).expect("listed");
    assert_eq!(Some(counts.rows), listed["messages"].as_u64(), "{file}");
}

#[test]
fn every_row_of_the_tapes_not_traded_above_is_counted_once() {
    let Some(folder) = tapes() else { return };
    for file in [
        "kalshi_KXNBAGAME-26JAN07LACNYK.jsonl.gz",
        "kalshi_KXNBAGAME-26JAN07ORLBKN.jsonl.gz",
        "polymarket_raw_price_change_202501.jsonl.gz",
    ] {
        let mut player = TapePlayer::open(&folder.join(file)).expect("tape");
        let steps = player.by_ref().count() as u64;
        check_counts(file, &player, steps);
    }
}
