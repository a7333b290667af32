//! Closes never flip a position and always have a way (S67, S69).

use arbees::app::rehearsal::{Setup, TICKER, Wish};
use arbees::domain::event::{Event, Scope};
use arbees::domain::money::Quantity;
use arbees::domain::order::OrderState;
use arbees::engine::Command;
use serde_json::json;

use crate::support::World;

fn whole(contracts: i64) -> Quantity {
    Quantity::whole(contracts)
}

#[tokio::test(flavor = "multi_thread")]
async fn s67_a_close_that_races_a_sale_on_the_website_ends_flat_and_never_short() {
    let world = World::new().await;
    world.buys("yes", "0.50", "3").await;
    world.agrees().await;
    world.stage.fault(json!({ "kind": "late_request", "call": "create", "ms": 400, "count": 1 })).await.expect("a fault");
    world.synced().await;
    let id = world.stage.send(&world.engine, &Wish { ttl_ms: 2_000, ..Wish::close("yes", "0.40") }).await.expect("sent");
    let order_id = world.stage.order(&world.engine, &id).await.expect("an order");
    let order = json!({ "ticker": TICKER, "side": "ask", "price": "0.47", "quantity": "2", "time_in_force": "immediate_or_cancel" });
    world.post("/website/order", order).await;
    let record = world.stage.order_when(&world.engine, order_id, |record| record.is_done()).await.expect("done");
    assert_eq!((record.order.quantity, record.filled), (whole(3), whole(1)), "the venue cut it to what was left");
    world.holds(TICKER, Quantity::ZERO).await;
    world.agrees().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s67_two_closes_at_once_sell_what_is_held_once() {
    let world = World::new().await;
    world.buys("yes", "0.50", "3").await;
    let wish = Wish::close("yes", "0.40");
    world.synced().await;
    let ids = futures::future::join_all((0..4).map(|_| world.stage.send(&world.engine, &wish))).await;
    for id in ids {
        world.stage.answer(&world.engine, &id.expect("sent")).await.expect("an answer");
    }
    world.holds(TICKER, Quantity::ZERO).await;
    world.agrees().await;
    let truth = world.stage.truth().await.expect("truth");
    let sold = truth["orders"].as_object().into_iter().flatten().filter(|(_, order)| order["side"] == "no" || order["book_side"] == "ask");
    let sold: Quantity = sold.filter_map(|(_, order)| Quantity::parse(order["fill_count_fp"].as_str()?).ok()).sum();
    assert_eq!(sold, whole(3));
}

#[tokio::test(flavor = "multi_thread")]
async fn s67_nothing_held_is_nothing_to_close_and_the_other_side_is_no_way_around() {
    let world = World::new().await;
    assert!(world.vetoed(&Wish::close("yes", "0.40")).await.contains(&"nothing_to_close".to_owned()));
    world.buys("yes", "0.50", "3").await;
    assert!(world.vetoed(&Wish::close("no", "0.40")).await.contains(&"nothing_to_close".to_owned()), "NO isn't held");
    assert_eq!(world.vetoed(&Wish::open("no", "0.52", "5", "ioc")).await, ["opposite_side"]);
    assert_eq!(world.held(TICKER).await, whole(3));
    world.agrees().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s69_more_than_is_held_is_cut_to_what_is_held_for_yes_and_for_no() {
    for (side, price, exit) in [("yes", "0.50", "0.40"), ("no", "0.52", "0.40")] {
        let world = World::new().await;
        world.buys(side, price, "3").await;
        world.synced().await;
        let reduce = Wish { action: "reduce", size: "10", ..Wish::close(side, exit) };
        let record = world.stage.trade(&world.engine, &reduce).await.expect("reduced");
        assert_eq!((record.order.quantity, record.state), (whole(3), OrderState::Filled), "{side}");
        world.holds(TICKER, Quantity::ZERO).await;
        world.agrees().await;
        let bodies = world.stage.admin("GET", "/requests", serde_json::Value::Null).await.expect("requests");
        let mut closes = bodies.as_array().into_iter().flatten().filter(|one| one["call"] == "create");
        let last: serde_json::Value =
            serde_json::from_str(closes.next_back().expect("a close")["body"].as_str().expect("text")).expect("JSON");
        assert_eq!((&last["reduce_only"], &last["time_in_force"]), (&json!(true), &json!("immediate_or_cancel")), "{last}");
        assert!(last.get("order_group_id").is_none(), "a blown fuse must not stop it");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s67_a_close_finds_its_way_under_kill_and_open_breakers() {
    let world = World::new().await;
    world.buys("yes", "0.50", "3").await;
    world.command(Command::Kill { reason: "test".to_owned() }).await.expect("killed");
    assert!(world.vetoed(&Wish::open("yes", "0.51", "1", "ioc")).await.contains(&"killed".to_owned()));
    let record = world.stage.trade(&world.engine, &Wish::close("yes", "0.40")).await.expect("closed");
    assert_eq!((record.state, record.filled), (OrderState::Filled, whole(3)));
    world.agrees().await;
    assert!(!world.is_tripped(Scope::Global).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn s67_what_a_close_leaves_is_asked_again_and_clamped_again() {
    let world = World::with(Setup::default()).await;
    world.buys("yes", "0.50", "5").await;
    world.market("book", json!({ "bids": [["0.48", "2"]], "asks": [["0.60", "5"]] })).await;
    world.synced().await;
    world.stage.send(&world.engine, &Wish::close("yes", "0.45")).await.expect("sent");
    world.holds(TICKER, whole(3)).await;
    world.post("/crowd/order", json!({ "ticker": TICKER, "side": "bid", "price": "0.46", "quantity": "9" })).await;
    world.holds(TICKER, Quantity::ZERO).await;
    world.agrees().await;
    let closes = world.count(|event| matches!(event, Event::SubmitStarted { .. })).await - 1;
    assert!(closes >= 2, "{closes} orders: each a revision of its own");
}
