use anyhow::ensure;

use super::super::report::Figure;
use super::super::stage::Stage;
use super::super::timing::against_any_json;
use super::{TICKER, figure};
use crate::venues::kalshi::stream::frame::{Data, Frame, read};

pub fn run(stage: &Stage) -> anyhow::Result<Vec<Figure>> {
    let fill = format!(
        r#"{{"type":"fill","sid":13,"msg":{{"trade_id":"d91bc706-ee49-470d-82d8-11418bda6fed","order_id":"ee587a1c-8b87-4dcf-b721-9f6f790619fa","client_order_id":"7f6c1d0e-33a5-5c1e-9a44-0c5f0d6d0a01","market_ticker":"{TICKER}","exchange_index":0,"is_taker":true,"side":"yes","action":"buy","outcome_side":"yes","book_side":"bid","purchased_side":"yes","yes_price_dollars":"0.5200","count_fp":"2.00","fee_cost":"0.035000","post_position_fp":"2.00","ts":1795385295,"ts_ms":1795385295258,"subaccount":0}},"sending_ts_ms":1795385295258}}"#
    );
    let delta = format!(
        r#"{{"type":"orderbook_delta","sid":2,"seq":3,"msg":{{"market_ticker":"{TICKER}","market_id":"9b0f6b43-5b68-4f9f-9f02-9a2d1b8ac1a1","price_dollars":"0.9600","delta_fp":"-54.00","side":"yes","ts":"2026-11-22T20:35:36.044Z","ts_ms":1795385295258}},"sending_ts_ms":1795385295258}}"#
    );
    let wanted = |text: &str| matches!(read(text), Ok(Frame::Data { data: Data::Fill(_) | Data::Delta { .. }, .. }));
    let mut figures = Vec::new();
    for (what, text) in [("fill frames read", &fill), ("order-book delta frames read", &delta)] {
        ensure!(wanted(text), "{what}: not read as what it is");
        figures.push(against_any_json(stage, figure, what, text, |text| read(text).is_ok()));
    }
    Ok(figures)
}
