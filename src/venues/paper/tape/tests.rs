//! Rows as the tapes have them, and rows as they must not be.

use std::io::Write;

use super::*;
use crate::domain::market::Outcome;
use crate::domain::matching::{BookChange, Print, Side};
use crate::domain::money::{Price, Quantity};

fn play(text: &str) -> (Vec<TapeStep>, TapeCounts) {
    play_bytes(text.as_bytes().to_vec())
}

fn play_bytes(bytes: Vec<u8>) -> (Vec<TapeStep>, TapeCounts) {
    let mut player = TapePlayer::read(io::Cursor::new(bytes)).expect("readable");
    let steps = player.by_ref().collect();
    (steps, player.counts().clone())
}

fn p(text: &str) -> Price {
    Price::parse(text).expect(text)
}

fn q(text: &str) -> Quantity {
    Quantity::parse(text).expect(text)
}

const DELTA: &str =
    r#"{"ts_ms":100,"venue":"kalshi","market":"KX-A","kind":"delta","side":"ask","price":"0.4400","delta":"-26","best_bid":"0.41"}"#;

#[test]
fn a_kalshi_delta_is_signed_and_a_polymarket_size_absolute() {
    let poly = r#"{"ts_ms":150,"venue":"polymarket","market":"m","token":"77","outcome":"down","kind":"delta","side":"bid","price":"0.44","size":"1873.49"}"#;
    let (steps, counts) = play(&format!("{DELTA}\n{poly}\n"));
    let stated = BookChange::Stated { bid: Some(p("0.41")), ask: None };
    assert_eq!(steps[0].row.changes, [BookChange::Delta { side: Side::Ask, price: p("0.44"), signed: -q("26") }, stated]);
    assert_eq!(steps[1].row.changes, [BookChange::Level { side: Side::Bid, price: p("0.44"), quantity: q("1873.49") }]);
    assert_eq!((steps[1].row.key.to_string().as_str(), steps[1].row.outcome), ("polymarket:77", Outcome::No));
    assert_eq!((steps[0].delay_ms, steps[1].delay_ms, steps[1].row.mark.row), (0, 50, 2));
    assert_eq!((counts.rows, counts.deltas), (2, 2));
}

#[test]
fn trades_say_who_took_and_at_which_price_of_the_book() {
    let kalshi = r#"{"ts_ms":1,"venue":"kalshi","market":"KX-A","kind":"trade","size":"5","taker_side":"no","taker_price":"0.41","yes_price":"0.59"}"#;
    let poly = r#"{"ts_ms":1,"venue":"polymarket","market":"m","token":"7","outcome":"up","kind":"trade","price":"0.5","size":"5.0","taker_side":"BUY"}"#;
    let nobody = r#"{"ts_ms":1,"venue":"polymarket","market":"m","token":"7","kind":"trade","price":"0.5","size":"5.0"}"#;
    let (steps, counts) = play(&format!("{kalshi}\n{poly}\n{nobody}"));
    assert_eq!(steps[0].row.print, Some(Print { price: p("0.59"), quantity: q("5"), taker: Side::Ask }));
    assert_eq!(steps[1].row.print, Some(Print { price: p("0.5"), quantity: q("5"), taker: Side::Bid }));
    assert_eq!(counts.skipped, BTreeMap::from([(Skip::NoTakerSide, 1)]));
}

#[test]
fn empty_sides_and_other_recorders_are_told_apart() {
    let top = |recorder: &str, bid: &str| {
        format!(
            r#"{{"ts_ms":1,"venue":"kalshi","market":"KXSB","kind":"top","best_bid":{bid},"bid_size":"9.0","best_ask":"0.33","ask_size":"4","recorder":"{recorder}"}}"#
        )
    };
    let (steps, counts) = play(&format!("{}\n{}\n{}", top("1", "\"0.32\""), top("1", "null"), top("2", "\"0.3\"")));
    assert_eq!(steps[0].row.changes[0], BookChange::Window { side: Side::Bid, levels: vec![(p("0.32"), q("9"))] });
    assert_eq!(steps[1].row.changes[0], BookChange::Window { side: Side::Bid, levels: Vec::new() });
    assert_eq!((counts.tops, counts.skipped[&Skip::OtherRecorder]), (2, 1));
}

#[test]
fn rows_that_make_no_sense_are_counted_and_left_out() {
    let with = |from: &str, to: &str| DELTA.replace(from, to);
    let bad = [
        (String::from("{"), Skip::NotJson),
        (String::new(), Skip::NotJson),
        (with("\"-26\"", "-26"), Skip::NotJson),
        (with("kalshi", "nyse"), Skip::UnknownVenue),
        (with("\"kind\":\"delta\"", "\"kind\":\"gossip\""), Skip::UnknownKind),
        (with("\"ask\"", "\"middle\""), Skip::Unclear),
        (with("KX-A", ""), Skip::BadName),
        (with("0.4400", "1.0"), Skip::BadPrice),
        (with("0.4400", "NaN"), Skip::BadPrice),
        (with("0.41\"", "0.4100000000000000000001\""), Skip::BadPrice),
        (with("-26", "--26"), Skip::BadSize),
        (with("-26", "1e300"), Skip::BadSize),
        (with("-26", ""), Skip::BadSize),
    ];
    for (line, reason) in bad {
        let (steps, counts) = play(&format!("{line}\n{DELTA}\n"));
        assert_eq!((steps.len(), counts.rows), (1, 2), "{line}");
        assert_eq!(counts.skipped, BTreeMap::from([(reason, 1)]), "{line}");
    }
}

#[test]
fn an_endless_line_is_one_skipped_row() {
    let long = "x".repeat(LINE_BYTES_MAX as usize + 10);
    let (steps, counts) = play(&format!("{long}\n{DELTA}\n"));
    assert_eq!((steps.len(), counts.skipped), (1, BTreeMap::from([(Skip::LineTooLong, 1)])));
}

#[test]
fn a_gz_tape_reads_like_a_plain_one_and_a_torn_one_up_to_the_tear() {
    let text = format!("{DELTA}\n").repeat(5_000);
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(text.as_bytes()).expect("encode");
    let bytes = encoder.finish().expect("encode");
    let (steps, counts) = play_bytes(bytes.clone());
    assert_eq!((steps.len(), counts.rows), (5_000, 5_000));
    let (steps, counts) = play_bytes(bytes[..bytes.len() - 20].to_vec());
    assert_eq!(counts.skipped.get(&Skip::StreamBroken), Some(&1));
    assert_eq!(steps.len() as u64 + counts.skipped_total(), counts.rows);
}

#[test]
fn time_never_runs_backwards_for_the_player() {
    let at = |ms: i64| DELTA.replace("\"ts_ms\":100", &format!("\"ts_ms\":{ms}"));
    let (steps, counts) = play(&format!("{}\n{}\n{}", at(100), at(40), at(110)));
    let delays: Vec<i64> = steps.iter().map(|step| step.delay_ms).collect();
    assert_eq!((delays, counts.negative_delays), (vec![0, 0, 10], 1));
}
