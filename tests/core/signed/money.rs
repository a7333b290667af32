use arbees::domain::market::{Settlement, Venue};
use arbees::domain::money::{Quantity, Usd};
use arbees::domain::report::{FillSettlement, VenueNews, VenueSettlement};
use serde_json::json;

use super::bench::{Bench, YES, book, q, usd};

fn bought(bench: &mut Bench, settlement: FillSettlement) -> arbees::domain::order::Order {
    let order = bench.sent("buy", &[]);
    bench.acked(&order);
    let fill = bench.trade(&order, "10", "0.5");
    bench.tell(&fill, settlement);
    order
}

#[test]
fn matched_money_is_not_settled_money() {
    let mut bench = Bench::new();
    bought(&mut bench, FillSettlement::Provisional);
    assert_eq!((bench.held(YES), bench.cash()), (q("10"), usd("994.99")));
    let account = bench.engine.book().cash.account(Venue::Polymarket).expect("opened").clone();
    assert_eq!((account.unsettled(), account.spent_pending), (usd("-5.01"), usd("5.01")));
    bench.vetoed("close", &[("action", json!("close")), ("min_price", json!("0.4"))], "nothing_to_close");
    // The venue may show it before, after, or half-way.
    bench.read("1000", &[]);
    bench.read("994.99", &[(YES, "10")]);
    bench.read("997", &[(YES, "4")]);
    assert_eq!(bench.breakers(), [""; 0]);
    bench.read("994.99", &[(YES, "11")]);
    assert!(bench.breakers().iter().any(|breaker| breaker.ends_with("position_diverged")), "{:?}", bench.breakers());
}

#[test]
fn once_it_is_final_the_venue_has_to_show_it() {
    let mut bench = Bench::new();
    bought(&mut bench, FillSettlement::Settled);
    assert_eq!(bench.engine.book().cash.account(Venue::Polymarket).expect("opened").unsettled(), Usd::ZERO);
    bench.read("994.99", &[(YES, "10")]);
    assert_eq!(bench.breakers(), [""; 0]);
    bench.read("994.99", &[]);
    assert!(bench.breakers()[0].ends_with("position_diverged"), "{:?}", bench.breakers());
}

#[test]
fn proceeds_that_are_not_final_may_be_missing() {
    let mut bench = Bench::new();
    bought(&mut bench, FillSettlement::Settled);
    let close = bench.sent("close", &[("action", json!("close")), ("min_price", json!("0.4"))]);
    bench.acked(&close);
    let fill = bench.trade(&close, "10", "0.6");
    bench.tell(&fill, FillSettlement::Provisional);
    assert_eq!(bench.engine.book().cash.account(Venue::Polymarket).expect("opened").unsettled(), usd("5.99"));
    assert_eq!(bench.engine.book().cash.free(Venue::Polymarket), usd("994.99"), "the venue wouldn't take it for an order");
    bench.read("994.99", &[(YES, "10")]);
    bench.read("1000.98", &[]);
    assert_eq!(bench.breakers(), [""; 0]);
    bench.tell(&fill, FillSettlement::Failed);
    assert_eq!((bench.held(YES), bench.cash()), (q("10"), usd("994.99")));
    assert_eq!(bench.sent("again", &[("action", json!("close")), ("min_price", json!("0.4"))]).quantity, q("10"));
}

fn ends(bench: &mut Bench, settlement: Settlement) {
    let at = bench.now().wall;
    let ended = VenueSettlement { key: book(YES), settlement, revenue: Usd::ZERO, fee: Usd::ZERO, at };
    bench.news(VenueNews::Settled(Box::new(ended)));
}

#[test]
fn s82_a_result_pays_when_it_is_redeemed() {
    let mut bench = Bench::new();
    bought(&mut bench, FillSettlement::Settled);
    ends(&mut bench, Settlement::Yes);
    let cash = &bench.engine.book().cash;
    assert_eq!((cash.cash, cash.redeemable, cash.realized), (usd("994.99"), usd("10"), usd("5")));
    assert_eq!((cash.equity(), cash.free(Venue::Polymarket)), (usd("1004.99"), usd("994.99")));
    let rows = arbees::audit::views::positions(bench.engine.book());
    assert_eq!(rows[0].redeemable, usd("10"));
    assert!(rows[0].redeem.as_deref().is_some_and(|how| how.contains(YES) && how.contains("$10")), "{:?}", rows[0].redeem);
    // Not yet; then gone, but the cash isn't there; then both.
    bench.read("994.99", &[(YES, "10")]);
    bench.read("994.99", &[]);
    assert_eq!((bench.count("Redeemed"), bench.breakers().len()), (0, 0));
    bench.restart();
    bench.read("1004.99", &[]);
    let cash = &bench.engine.book().cash;
    assert_eq!((bench.count("Redeemed"), cash.cash, cash.redeemable), (1, usd("1004.99"), Usd::ZERO));
    assert_eq!((cash.equity(), bench.breakers().len()), (usd("1004.99"), 0));
    assert!(arbees::audit::views::positions(bench.engine.book())[0].redeem.is_none());
    bench.assert_replays();
}

#[test]
fn cash_without_the_tokens_gone_is_no_redemption() {
    let mut bench = Bench::new();
    bought(&mut bench, FillSettlement::Settled);
    ends(&mut bench, Settlement::Yes);
    bench.read("1004.99", &[(YES, "10")]);
    assert_eq!(bench.count("Redeemed"), 0);
    assert!(bench.breakers()[0].ends_with("position_diverged"), "{:?}", bench.breakers());
}

#[test]
fn half_a_dollar_each_and_a_void_and_a_loss() {
    for (settlement, redeemable, realized) in
        [(Settlement::Scalar(super::bench::price("0.5")), "5", "0"), (Settlement::Void, "5", "0"), (Settlement::No, "0", "-5")]
    {
        let mut bench = Bench::new();
        bought(&mut bench, FillSettlement::Settled);
        ends(&mut bench, settlement);
        let cash = &bench.engine.book().cash;
        assert_eq!((cash.redeemable, cash.realized), (usd(redeemable), usd(realized)), "{settlement:?}");
        assert_eq!(bench.held(YES), Quantity::ZERO);
    }
}
