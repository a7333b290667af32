use anyhow::{Context as _, ensure};

use super::super::report::Figure;
use super::super::stage::Stage;
use super::super::timing::against_any_json;
use super::figure;
use super::sign::{OWNER, TOKEN, key, signer};
use crate::venues::polymarket::stream::frame;
use crate::venues::polymarket::translate::Ours;

const LEVELS: usize = 50;
const TRADE: &str = include_str!("trade.json");

/// What a market's and an account's stream tell most: a book, a change of it, a trade of ours.
pub fn run(stage: &Stage) -> anyhow::Result<Vec<Figure>> {
    let side = |from: usize| {
        let level = |n: usize| format!(r#"{{"price":"0.{:02}","size":"{}.25"}}"#, from + n, 10 + n);
        (0..LEVELS / 2).map(level).collect::<Vec<_>>().join(",")
    };
    let book = format!(
        r#"{{"event_type":"book","market":"0xbench","asset_id":"{TOKEN}","timestamp":"1782753357257","hash":"0xabc","bids":[{}],"asks":[{}]}}"#,
        side(20),
        side(60)
    );
    let change = format!(
        r#"{{"event_type":"price_change","market":"0xbench","price_changes":[{{"asset_id":"{TOKEN}","price":"0.08","size":"33343.4","side":"BUY","hash":"56621a121a47ed9333273e21c83b660cff37ae50","best_bid":"0.08","best_ask":"0.09"}}],"timestamp":"1782753357257"}}"#
    );
    let wallet = signer(&key()?)?;
    let ours = Ours { key: OWNER.to_owned(), wallet: wallet.wallet().maker().lower() };
    let trade = TRADE.replace("TOKEN", TOKEN).replace("OWNER", OWNER);
    ensure!(!frame::trade(&trade, &ours, &|_| None).context("a trade")?.is_empty(), "a trade of ours isn't read as one");
    frame::book(&book).context("a book")?;
    frame::price_change(&change).context("a change")?;
    Ok(vec![
        against_any_json(stage, figure, "books of 50 levels read", &book, |text| frame::book(text).is_ok()),
        against_any_json(stage, figure, "price changes read", &change, |text| frame::price_change(text).is_ok()),
        against_any_json(stage, figure, "trades read", &trade, |text| frame::trade(text, &ours, &|_| None).is_ok()),
    ])
}
