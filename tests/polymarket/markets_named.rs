//! How a signal names an outcome: by its token, by condition and side; what contradicts itself is traded by nobody.

use arbees::domain::market::Outcome;
use arbees::domain::order::OrderState;
use serde_json::{Value, json};

use crate::look::{Look, open, whole};
use crate::support::{SLUG, World};

async fn trades_with(world: &World, side: &'static str, change: impl Fn(&mut Value)) -> arbees::projections::OrderRecord {
    let price = if side == "yes" { "0.51" } else { "0.53" };
    let (id, mut signal) = world.stage.signal(&open(side, price, "6", "ioc"));
    change(&mut signal);
    world.synced().await;
    world.engine.bus.publish_signal("signals.polymarket", signal.to_string().into()).await.expect("published");
    let order = world.stage.order(&world.engine, &id).await.unwrap_or_else(|error| panic!("{signal}: {error}"));
    world.done(order).await
}

fn without(name: &'static str) -> impl Fn(&mut Value) {
    move |signal| drop(signal.as_object_mut().and_then(|signal| signal.remove(name)))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_alone_and_a_condition_with_its_side_are_both_enough_for_either_outcome() {
    for name in ["market_id", "token_id"] {
        for (side, outcome) in [("yes", Outcome::Yes), ("no", Outcome::No)] {
            let world = World::new().await;
            let record = trades_with(&world, side, without(name)).await;
            assert_eq!((record.state, record.order.instrument.outcome), (OrderState::Filled, outcome), "without {name}");
            let spec = &world.stage.venue.markets[SLUG];
            let instrument = &record.order.instrument;
            assert_eq!(instrument.market.as_str(), spec.condition, "the condition is what risk groups by");
            assert_eq!(instrument.token.as_ref().map(|token| token.as_str()), Some(spec.tokens[usize::from(side == "no")].as_str()));
            assert_eq!(world.last_create().await["order"]["tokenId"], json!(spec.tokens[usize::from(side == "no")]));
            assert_eq!(world.holding(side).await, whole(6));
            world.agrees().await;
            world.engine.stop().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outcome_that_is_missing_unknown_or_contradicted_is_no_instrument() {
    let world = World::new().await;
    let spec = world.stage.venue.markets[SLUG].clone();
    let wish = open("yes", "0.50", "6", "ioc");
    let other = format!("0x{}", "cd".repeat(32));
    let cases: Vec<(&str, Value)> = vec![
        ("the other outcome's token", json!({ "token_id": spec.tokens[1] })),
        ("another condition's token", json!({ "market_id": other })),
        ("a token nobody knows", json!({ "token_id": "12345", "market_id": null })),
        ("a condition nobody knows", json!({ "token_id": null, "market_id": other })),
        ("nothing", json!({ "token_id": null, "market_id": null })),
    ];
    for (what, change) in cases {
        let reasons = world
            .vetoed_with(&wish, |signal| {
                for (name, value) in change.as_object().into_iter().flatten() {
                    if value.is_null() {
                        without(if name == "token_id" { "token_id" } else { "market_id" })(signal);
                    } else {
                        signal[name] = value.clone();
                    }
                }
            })
            .await;
        assert!(reasons.contains(&"no_instrument".to_owned()), "{what}: {reasons:?}");
    }
    let sideless = world.vetoed_with(&wish, without("side")).await;
    assert!(sideless.contains(&"no_side".to_owned()), "{sideless:?}");
    assert_eq!(world.calls("create").await, 0);
    world.agrees().await;
    world.buys("yes", "0.50", "6").await;
    world.agrees().await;
}
