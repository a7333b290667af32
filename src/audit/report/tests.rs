//! A small day, counted by hand.

use super::*;
use crate::audit::fixture::{Reply, World};
use crate::domain::money::{Quantity, Usd};
use crate::domain::order::Order;
use crate::domain::report::{FillReport, VenueNews};

fn usd(text: &str) -> Usd {
    Usd::parse(text).expect(text)
}

fn day_of(world: &World) -> i32 {
    world.book().cash.day.expect("a day")
}

fn traded() -> World {
    let mut world = World::begun();
    world.open("win", "KXNBAGAME-26JAN27PORWAS-POR", "0.50", 10);
    world.wait_ms(20_000);
    world.close("out", "KXNBAGAME-26JAN27PORWAS-POR", "yes", "0.40");
    world.open("big", "KXNBAGAME-26JAN27PORWAS-POR", "0.52", 10_000);
    world.replies.push_back(Reply::Reject("no"));
    world.open("refused", "KXNHLGAME-26JAN27TORMTL-TOR", "0.52", 5);
    world.raw("signals.kalshi", b"<script>alert(1)</script>");
    world
}

#[test]
fn a_day_is_counted_to_the_cent_and_its_groups_add_up() {
    let world = traded();
    let report = report(&world.history(), Period::day(day_of(&world))).expect("folds").expect("a day");
    assert_eq!((report.signals, report.approved, report.vetoed, report.rejected), (5, 3, 1, 1), "{report:#?}");
    assert_eq!(report.vetoes.get("order_contracts"), Some(&1));
    assert_eq!(report.realized, world.book().cash.realized);
    assert_eq!(report.opening_equity, Some(usd("1000")));
    assert_eq!(report.closing_equity, world.book().cash.equity());
    for groups in [&report.by_venue, &report.by_sport, &report.by_signal_type, &report.by_edge] {
        let (realized, fees): (Usd, Usd) =
            (groups.values().map(|group| group.realized).sum(), groups.values().map(|group| group.fees).sum());
        assert_eq!((realized, fees), (report.realized, report.fees), "{groups:#?}");
        assert_eq!(groups.values().map(|group| group.orders).sum::<u64>(), 3);
    }
    assert_eq!(report.markets.iter().map(|(_, brought)| *brought).sum::<Usd>(), report.realized - report.fees);
    let execution = &report.execution;
    assert_eq!((execution.sent, execution.filled_whole, execution.unfilled), (3, 2, 1));
}

#[test]
fn a_week_holds_its_day_and_another_day_holds_nothing() {
    let world = traded();
    let (day, history) = (day_of(&world), world.history());
    let of_day = report(&history, Period::day(day)).expect("folds").expect("a day");
    let of_week = report(&history, Period::week(day)).expect("folds").expect("a week");
    assert_eq!((of_week.realized, of_week.signals, &of_week.markets), (of_day.realized, of_day.signals, &of_day.markets));
    assert_eq!(report(&history, Period::day(day + 1)).expect("folds"), None);
    assert_eq!(report(&history, Period::week(day - 1)).expect("folds"), None);
}

#[test]
fn what_strangers_wrote_is_text_in_both_pages() {
    let world = traded();
    let answer = report(&world.history(), Period::day(day_of(&world))).expect("folds").expect("a day").answer();
    let (html, markdown) = (answer["html"].as_str().expect("html"), answer["markdown"].as_str().expect("markdown"));
    assert!(!html.contains("<script>"), "{html}");
    assert!(html.contains("<svg ") && html.contains("<polyline "), "{html}");
    for words in
        ["# Trading on ", "## Totals", "## By venue", "## Vetoes by reason", "order contracts", "## Execution", "## Log and accounts"]
    {
        assert!(markdown.contains(words), "{words}\nis not in\n{markdown}");
    }
}

/// The only order that works.
fn working(world: &World) -> Order {
    world.book().orders.live().next().expect("a working order").order.clone()
}

#[test]
fn what_is_corrected_or_taken_back_leaves_no_trace_in_totals_and_groups() {
    let mut world = World::begun();
    world.replies.extend([Reply::Rest, Reply::Rest]);
    world.open("back", "KXNHLGAME-26JAN27TORMTL-TOR", "0.50", 10);
    let order = working(&world);
    let fill = FillReport { settled: false, ..world.fill_of(&order, order.quantity) };
    world.news(VenueNews::Fill(fill.clone()));
    world.news(VenueNews::FillReversed { order_id: order.order_id, trade_id: fill.trade_id, why: "failed".to_owned() });
    world.open("kept", "KXNBAGAME-26JAN27PORWAS-POR", "0.50", 10);
    let order = working(&world);
    let kept = world.fill_of(&order, order.quantity);
    world.news(VenueNews::Fill(kept.clone()));
    world.news(VenueNews::FeeCorrected { order_id: order.order_id, trade_id: kept.trade_id, fee: usd("0.07") });
    let report = report(&world.history(), Period::day(day_of(&world))).expect("folds").expect("a day");
    assert_eq!((report.fees, report.realized), (usd("0.07"), Usd::ZERO));
    assert_eq!((report.fees, report.realized), (world.book().cash.fees, world.book().cash.realized));
    let venue: &Group = report.by_venue.values().next().expect("a venue");
    assert_eq!((venue.fees, venue.filled_orders, venue.contracts), (usd("0.07"), 1, Quantity::whole(10)));
    assert_eq!(report.execution.contracts_filled, Quantity::whole(10));
}
