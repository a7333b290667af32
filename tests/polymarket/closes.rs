//! Closes never flip a position and always have a way (S67, S69).

use arbees::app::rehearsal::Wish;
use arbees::domain::event::{Event, Scope};
use arbees::domain::money::Quantity;
use arbees::domain::order::OrderState;
use arbees::engine::Command;
use serde_json::{Value, json};

use crate::look::{Look, close, open, theirs, whole};
use crate::support::World;

/// Shares sold by us in trades that stand.
async fn sold(world: &World) -> Quantity {
    let truth = world.stage.truth().await.expect("truth");
    let ours = truth["orders"].as_object().into_iter().flatten().map(|(_, order)| order);
    let sales = ours.filter(|order| order["side"] == "SELL" && order["source"] != "website");
    let fills = sales.flat_map(|order| order["fills"].as_array().cloned().unwrap_or_default());
    fills
        .filter(|fill| fill["status"] != "FAILED")
        .map(|fill| Quantity::parse(fill["quantity"].as_str().expect("text")).expect("a quantity"))
        .sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn s67_a_close_that_races_a_sale_on_the_website_ends_flat_and_never_short() {
    let world = World::new().await;
    world.buys("yes", "0.50", "6").await;
    world.agrees().await;
    world.fault(json!({ "kind": "late_request", "call": "create", "ms": 400, "count": 1 })).await;
    world.synced().await;
    let id = world.stage.send(&world.engine, &Wish { ttl_ms: 2_000, ..close("yes", "0.40") }).await.expect("sent");
    let order = world.stage.order(&world.engine, &id).await.expect("an order");
    world.admin("/website/order", theirs("sell", "0.47", "4", "FAK")).await;
    let record = world.done(order).await;
    // Here a sale of more than is held is refused whole.
    assert_eq!((record.order.quantity, record.state), (whole(6), OrderState::Rejected));
    world.agrees().await;
    let left = world.holding("yes").await;
    assert!(left == whole(2) || left.is_zero(), "{left}");
    if !left.is_zero() {
        assert_eq!(world.trades(&close("yes", "0.40")).await.filled, whole(2));
    }
    world.holds("yes", Quantity::ZERO).await;
    world.agrees().await;
    assert_eq!(sold(&world).await, whole(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn s67_two_closes_at_once_sell_what_is_held_once() {
    let world = World::new().await;
    world.buys("yes", "0.50", "6").await;
    let wish = close("yes", "0.40");
    world.synced().await;
    let ids = futures::future::join_all((0..4).map(|_| world.stage.send(&world.engine, &wish))).await;
    for id in ids {
        world.stage.answer(&world.engine, &id.expect("sent")).await.expect("an answer");
    }
    world.holds("yes", Quantity::ZERO).await;
    world.agrees().await;
    assert_eq!(sold(&world).await, whole(6));
    world.nothing_diverged().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s67_nothing_held_is_nothing_to_close_and_the_other_side_is_no_way_around() {
    let world = World::new().await;
    assert!(world.vetoed(&close("yes", "0.40")).await.contains(&"nothing_to_close".to_owned()));
    world.buys("yes", "0.50", "6").await;
    assert!(world.vetoed(&close("no", "0.40")).await.contains(&"nothing_to_close".to_owned()), "NO isn't held");
    assert_eq!(world.vetoed(&open("no", "0.52", "6", "ioc")).await, ["opposite_side"]);
    assert_eq!((world.holding("yes").await, world.holding("no").await), (whole(6), Quantity::ZERO));
    world.agrees().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s69_more_than_is_held_is_cut_to_what_is_held_for_yes_and_for_no() {
    for (side, price, exit) in [("yes", "0.50", "0.40"), ("no", "0.52", "0.40")] {
        let world = World::new().await;
        world.buys(side, price, "6").await;
        let reduce = Wish { action: "reduce", size: "10", ..close(side, exit) };
        let record = world.trades(&reduce).await;
        assert_eq!((record.order.quantity, record.state), (whole(6), OrderState::Filled), "{side}");
        world.holds(side, Quantity::ZERO).await;
        world.agrees().await;
        let last = world.last_create().await;
        assert_eq!(
            (&last["orderType"], &last["order"]["side"], &last["order"]["makerAmount"]),
            (&json!("FAK"), &json!("SELL"), &json!("6000000"))
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s69_what_has_not_settled_is_not_sold_yet() {
    let world = World::new().await;
    world.fault(json!({ "kind": "trade_hold", "count": 1 })).await;
    let record = world.trades(&open("yes", "0.50", "6", "ioc")).await;
    assert_eq!(record.state, OrderState::Filled);
    assert_eq!(world.holding("yes").await, whole(6));
    let (id, signal) = world.stage.signal(&close("yes", "0.40"));
    world.synced().await;
    world.engine.bus.publish_signal("signals.polymarket", signal.to_string().into()).await.expect("published");
    let trades = world.stage.admin("GET", "/trades", Value::Null).await.expect("trades");
    let trade = trades.as_object().expect("trades").keys().next().expect("one").clone();
    assert_eq!(world.calls("create").await, 1, "nothing sold");
    world.admin(&format!("/trades/{trade}/status"), json!({ "status": "confirm" })).await;
    world.settled().await;
    world.stage.answer(&world.engine, &id).await.expect("an answer");
    if !world.holding("yes").await.is_zero() {
        world.trades(&close("yes", "0.40")).await;
    }
    world.holds("yes", Quantity::ZERO).await;
    world.agrees().await;
    assert_eq!(sold(&world).await, whole(6));
}

#[tokio::test(flavor = "multi_thread")]
async fn s67_a_close_finds_its_way_under_kill_and_open_breakers() {
    let world = World::new().await;
    world.buys("yes", "0.50", "6").await;
    world.command(Command::Kill { reason: "test".to_owned() }).await.expect("killed");
    assert!(world.vetoed(&open("yes", "0.51", "6", "ioc")).await.contains(&"killed".to_owned()));
    let record = world.trades(&close("yes", "0.40")).await;
    assert_eq!((record.state, record.filled), (OrderState::Filled, whole(6)));
    world.agrees().await;
    assert!(!world.is_tripped(Scope::Global).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn s67_what_a_close_leaves_is_asked_again_and_clamped_again() {
    let world = World::new().await;
    world.buys("yes", "0.50", "8").await;
    world.market("book", json!({ "bids": [["0.48", "2"]], "asks": [["0.60", "5"]] })).await;
    world.synced().await;
    world.stage.send(&world.engine, &close("yes", "0.45")).await.expect("sent");
    world.holds("yes", whole(6)).await;
    world.admin("/crowd/order", theirs("buy", "0.46", "9", "GTC")).await;
    world.holds("yes", Quantity::ZERO).await;
    world.agrees().await;
    let closes = world.count(|event| matches!(event, Event::SubmitStarted { .. })).await - 1;
    assert!(closes >= 2, "{closes} orders: each a revision of its own");
    assert_eq!(sold(&world).await, whole(8));
}
