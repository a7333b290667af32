//! What an operator books, counts and reads on demand (S90, S94).

use arbees::app::rehearsal::{TICKER, Wish};
use arbees::domain::adjustment::{Adjustment, NewHolding};
use arbees::domain::event::{Event, Scope};
use arbees::domain::market::{Outcome, Venue};
use arbees::domain::money::{Quantity, Usd};
use arbees::domain::report::VenueMode;
use arbees::engine::Command;
use serde_json::json;

use crate::seen::key_of;
use crate::support::World;

fn adjustment(reason: &str) -> Adjustment {
    Adjustment { venue: Venue::Kalshi, holding: None, cash: None, counts: false, reason: reason.to_owned() }
}

fn usd(text: &str) -> Usd {
    Usd::parse(text).expect(text)
}

#[tokio::test(flavor = "multi_thread")]
async fn s90_no_contracts_that_the_venue_shows_are_booked_at_their_cost_and_counted_as_no() {
    let world = World::new().await;
    world.agrees().await;
    let row = json!({
        "ticker": TICKER, "exchange_index": 0, "position_fp": "-4.00", "market_exposure_dollars": "2.000000",
        "total_traded_dollars": "2.000000", "realized_pnl_dollars": "0.000000", "fees_paid_dollars": "0.000000",
        "resting_orders_count": 0, "last_updated_ts": world.stage.now().to_string(),
    });
    let body = json!({ "market_positions": [row], "event_positions": [], "cursor": "" }).to_string();
    world.stage.fault(json!({ "kind": "status", "status": 200, "call": "positions", "body": body })).await.expect("a fault");
    let scope = Scope::Market(key_of(TICKER));
    let tripped = async || world.is_tripped(scope.clone()).await.then_some(());
    world.stage.until("the breaker", tripped).await.expect("tripped");
    let market = key_of(TICKER).id;
    let of = |outcome| {
        let holding = NewHolding { market: market.clone(), outcome, quantity: Quantity::whole(4), cost: usd("2") };
        Command::Adjust(Box::new(Adjustment { holding: Some(holding), ..adjustment("bought in the app before a wiped log") }))
    };
    let wrong = world.command(of(None)).await.expect_err("four YES are not four NO");
    assert!(wrong.contains("the venue says -4"), "{wrong}");
    world.command(of(Some(Outcome::No))).await.expect("booked");
    assert_eq!(world.held(TICKER).await, Quantity::ZERO - Quantity::whole(4));
    let read = world.command(Command::Reconcile { venue: Some(Venue::Kalshi) }).await.expect("agrees");
    assert!(read.contains("unexplained $0"), "{read}");
    assert!(world.is_tripped(scope.clone()).await, "a person closes it");
    world.reset(scope).await;
    world.called_again("positions", 3).await;
    assert_eq!(world.count(|event| matches!(event, Event::ReconciliationDiverged { .. })).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn s90_cash_that_nobody_explains_is_counted_to_the_cent_and_booked_with_its_reason() {
    let world = World::new().await;
    world.buys("yes", "0.50", "3").await;
    world.agrees().await;
    let cash = async || world.engine.engine.query(|engine| engine.book().cash.cash).await.expect("an engine");
    let stated = cash().await - usd("0.37");
    let body = json!({ "balance": 1, "balance_dollars": stated.to_string(), "portfolio_value": 0, "updated_ts": 1 }).to_string();
    world.stage.fault(json!({ "kind": "status", "status": 200, "call": "balance", "body": body })).await.expect("a fault");
    let scope = Scope::Venue(Venue::Kalshi);
    let tripped = async || world.is_tripped(scope.clone()).await.then_some(());
    world.stage.until("the breaker", tripped).await.expect("tripped");
    let read = world.command(Command::Reconcile { venue: None }).await.expect_err("differs");
    assert!(read.contains("cash DIFFERS") && read.contains("unexplained $-0.37"), "{read}");
    let fee = Adjustment { cash: Some(usd("-0.37")), counts: true, ..adjustment("a fee that no page lists") };
    world.command(Command::Adjust(Box::new(fee))).await.expect("booked");
    let read = world.command(Command::Reconcile { venue: None }).await.expect("agrees");
    assert!(read.contains("unexplained $0"), "{read}");
    world.reset(scope).await;
    world.stage.heal().await.expect("healed");
}

#[tokio::test(flavor = "multi_thread")]
async fn s94_what_could_not_be_read_whole_is_in_status_and_answers_whoever_asked() {
    let world = World::new().await;
    let World { stage, engine, _folder } = world;
    engine.stop().await;
    stage.fault(json!({ "kind": "status", "status": 500, "call": "fills" })).await.expect("a fault");
    let engine = stage.engine_at_once().await.expect("it starts all the same");
    let world = World { stage, engine, _folder };
    let why = async || Some(world.mode().await).filter(|(mode, why)| *mode == VenueMode::Reconciling && why.contains("can't be read"));
    let (_, why) = world.stage.until("the reason", why).await.expect("told");
    assert!(why.contains("fills"), "{why}");
    let asked = world.command(Command::Reconcile { venue: None }).await.expect_err("not whole");
    assert!(asked.contains("fills"), "{asked}");
    assert_eq!(world.vetoed(&Wish::open("yes", "0.50", "3", "ioc")).await, ["venue_not_ready"]);
    world.stage.heal().await.expect("healed");
    world.becomes(VenueMode::Open).await;
    world.agrees().await;
}
