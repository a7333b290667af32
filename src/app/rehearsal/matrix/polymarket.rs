use serde_json::{Value, json};

use super::super::polymarket::{Polymarket, filled};
use super::super::{Double, Setup, Wish};
use super::{Fault, Kind, Played, fault};
use crate::domain::money::{Quantity, Usd};
use crate::exchange::polymarket::MEMBER;
use crate::projections::OrderRecord;

impl Played for Polymarket {
    const FAULTS: &[Fault] = &[
        fault("none", ""),
        fault("filled, reply lost", r#"{"kind":"no_reply","call":"create","how":"reset","count":1}"#),
        fault("filled, no reply ever", r#"{"kind":"no_reply","call":"create","how":"hang","count":1}"#),
        fault("lost on the way", r#"{"kind":"no_reply","call":"create","how":"reset","processed":false,"count":1}"#),
        fault("late reply", r#"{"kind":"late_reply","call":"create","ms":300,"count":1}"#),
        fault("late request", r#"{"kind":"late_request","call":"create","ms":300,"count":1}"#),
        fault("503, processed", r#"{"kind":"status","call":"create","status":503,"processed":true,"count":1}"#),
        fault("500, not processed", r#"{"kind":"status","call":"create","status":500,"count":1}"#),
        fault("429", r#"{"kind":"too_many_requests","call":"create","count":1}"#),
        fault("broken JSON", r#"{"kind":"broken_json","call":"create","count":1}"#),
        fault("truncated body", r#"{"kind":"truncated","call":"create","count":1}"#),
        fault("empty body", r#"{"kind":"empty","call":"create","count":1}"#),
        fault("HTML page", r#"{"kind":"html","call":"create","count":1}"#),
        fault("refused", r#"{"kind":"refuse","call":"create","details":"not enough balance / allowance","count":1}"#),
        fault("200, success: false", r#"{"kind":"success_false","call":"create","details":"not enough balance / allowance","count":1}"#),
        fault("200, success, no id", r#"{"kind":"success_but_empty_id","call":"create","details":"invalid expiration","count":1}"#),
        fault("200, not a word", r#"{"kind":"success_false","call":"create","count":1}"#),
        fault("delayed, then matched", r#"{"kind":"delayed","call":"create","ms":300,"count":1}"#),
        fault("fills missing on WS", r#"{"kind":"ws_drop","channel":"trade"}"#),
        fault("fills twice on WS", r#"{"kind":"ws_duplicate","channel":"trade"}"#),
        fault("fills late on WS", r#"{"kind":"ws_delay","channel":"trade","ms":400}"#),
        fault("stale reads", r#"{"kind":"stale_read","call":"order","ms":500}"#),
        fault("cancel unanswered", r#"{"kind":"no_reply","call":"cancel","how":"reset","count":1}"#),
        fault("fill races cancel", r#"{"kind":"cancel_fills","quantity":"1","count":1}"#),
        fault("filled in parts", r#"{"kind":"partial_fills","parts":3,"ms":150}"#),
        fault("settlement retried", r#"{"kind":"trade_retry","count":1}"#),
        fault("settlement failed", r#"{"kind":"trade_fail","count":1}"#),
    ];

    const KINDS: &[(Kind, &str)] = &[
        (Kind::Ioc, "buy YES, IOC"),
        (Kind::FillOrKill, "buy YES, FOK"),
        (Kind::Killed, "FOK, too large"),
        (Kind::BuyNo, "buy NO, IOC"),
        (Kind::Resting, "rest, expire"),
        (Kind::Taken, "rest, be taken"),
        (Kind::Close, "close"),
    ];

    /// The venue takes five shares and a dollar at least.
    fn wish(kind: Kind, market: &str) -> Wish {
        let wish = match kind {
            Kind::Ioc => Wish::open("yes", "0.50", "6", "ioc"),
            Kind::FillOrKill => Wish::open("yes", "0.50", "6", "fok"),
            Kind::Killed => Wish::open("yes", "0.50", "50", "fok"),
            Kind::BuyNo => Wish::open("no", "0.52", "6", "ioc"),
            Kind::Resting => Wish { ttl_ms: 2_500, ..Wish::open("yes", "0.45", "6", "gtd") },
            Kind::Taken => Wish { ttl_ms: 8_000, ..Wish::open("yes", "0.45", "6", "gtd") },
            Kind::Close => Wish::close("yes", "0.40"),
        };
        Wish { ticker: market.to_owned(), ..wish }
    }

    fn market(row: usize, column: usize) -> String {
        format!("fault-{row}-kind-{column}")
    }

    fn give_plenty(setup: &mut Setup<Self>) {
        setup.venue.cash = vec![(MEMBER.to_owned(), Usd::whole(10_000))];
    }

    fn hit(record: &OrderRecord, quantity: &str) -> Value {
        json!({ "order_id": Self::name_of(record), "quantity": quantity })
    }

    fn status(row: &Value) -> Option<(&str, Quantity)> {
        Some((row["status"].as_str()?, filled(row).ok()?))
    }

    fn is_resting(status: &str) -> bool {
        status == "LIVE"
    }

    fn sends_max(fault: &str) -> u64 {
        u64::from(fault == "429") + 1
    }
}
