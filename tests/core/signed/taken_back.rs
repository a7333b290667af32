use arbees::domain::event::{Event, Recorded};
use arbees::domain::ids::{MarketId, TradeId};
use arbees::domain::market::{Instrument, Outcome, Settlement, Venue};
use arbees::domain::money::{Price, Quantity, Usd};
use arbees::domain::order::{Action, Order};
use arbees::domain::report::{FillReport, FillSettlement, FillSource, Liquidity, VenueState};
use arbees::domain::verdict::Approver;
use arbees::projections::Projections;
use serde_json::json;

use super::bench::{Bench, CONDITION, YES, book, q, sign, usd};
use crate::dice::Dice;

#[test]
fn a_failed_trade_leaves_everything_as_if_it_had_not_been() {
    let mut bench = Bench::new();
    let order = bench.sent("a", &[]);
    bench.acked(&order);
    let (cash, equity) = (bench.cash(), bench.engine.book().cash.equity());
    let fill = bench.trade(&order, "10", "0.5");
    bench.tell(&fill, FillSettlement::Provisional);
    assert_eq!(bench.state(&order), "filled");
    bench.tell(&fill, FillSettlement::Failed);
    assert_eq!((bench.held(YES), bench.cash(), bench.engine.book().cash.equity()), (Quantity::ZERO, cash, equity));
    let record = bench.record(&order);
    assert_eq!((record.filled, record.fees, record.notional_filled), (Quantity::ZERO, Usd::ZERO, Usd::ZERO));
    assert!(record.is_done(), "the venue has matched all of it");
    assert_eq!(bench.engine.book().exposure.total, Usd::ZERO);
    // S33: what was said before is said again.
    bench.tell(&fill, FillSettlement::Provisional);
    bench.tell(&fill, FillSettlement::Failed);
    assert_eq!((bench.count("Filled"), bench.count("FillReversed"), bench.breakers().len()), (1, 1, 0));
    bench.assert_replays();
}

#[test]
fn s33_a_match_repeated_after_it_was_confirmed_is_nothing_new() {
    let mut bench = Bench::new();
    let order = bench.sent("a", &[]);
    bench.acked(&order);
    let fill = bench.trade(&order, "10", "0.5");
    for settlement in [FillSettlement::Provisional, FillSettlement::Settled, FillSettlement::Provisional, FillSettlement::Settled] {
        bench.tell(&fill, settlement);
    }
    assert_eq!((bench.count("Filled"), bench.count("FillSettled"), bench.breakers().len()), (1, 1, 0));
    assert_eq!(bench.engine.book().positions.sellable(&order.instrument), q("10"));
}

#[test]
fn s35_a_trade_that_ends_both_ways_stops_its_market() {
    for (first, second) in [(FillSettlement::Settled, FillSettlement::Failed), (FillSettlement::Failed, FillSettlement::Settled)] {
        let mut bench = Bench::new();
        let order = bench.sent("a", &[]);
        bench.acked(&order);
        let fill = bench.trade(&order, "10", "0.5");
        bench.tell(&fill, first);
        let cash = bench.cash();
        bench.tell(&fill, second);
        assert_eq!(bench.cash(), cash, "nothing is booked on a contradiction");
        assert_eq!(bench.breakers(), [format!("market:polymarket:{YES} unexpected_fill")]);
    }
}

#[test]
fn a_trade_that_had_failed_before_anybody_heard_of_it_still_counts_for_the_end_of_its_order() {
    let mut bench = Bench::new();
    let order = bench.sent("a", &[]);
    bench.acked(&order);
    let failed = bench.trade(&order, "6", "0.5");
    bench.tell(&failed, FillSettlement::Failed);
    assert_eq!((bench.count("Filled"), bench.count("FillReversed"), bench.cash()), (1, 1, usd("1000")));
    assert_eq!((bench.state(&order), bench.record(&order).outstanding()), ("working", q("10")));
    let held = bench.trade(&order, "4", "0.5");
    bench.tell(&held, FillSettlement::Settled);
    assert!(bench.record(&order).is_done(), "ten were matched");
    assert_eq!((bench.record(&order).filled, bench.held(YES)), (q("4"), q("4")));
}

#[test]
fn a_marketable_buy_may_bring_more_shares_for_its_dollars_but_not_cost_more() {
    let mut bench = Bench::new();
    let order = bench.sent("a", &[("tif", json!("fok"))]);
    bench.acked(&order);
    let cheaper = bench.trade(&order, "10.4", "0.5");
    bench.tell(&cheaper, FillSettlement::Provisional);
    assert_eq!((bench.state(&order), bench.breakers().len()), ("filled", 0));
    let more = bench.trade(&order, "1", "0.5");
    bench.tell(&more, FillSettlement::Provisional);
    assert!(bench.breakers()[0].ends_with("unexpected_fill"));

    // Floored to what the venue takes, it is done with a few less.
    let mut bench = Bench::new();
    let order = bench.sent("b", &[("tif", json!("fok"))]);
    bench.acked(&order);
    let fewer = bench.trade(&order, "9.99", "0.52");
    bench.tell(&fewer, FillSettlement::Provisional);
    bench.list(&order, VenueState::Executed, "9.99");
    assert!(bench.record(&order).is_done());
}

/// Ways of one book, with and without one fill of it.
struct Ways {
    with: Projections,
    without: Projections,
}

impl Ways {
    fn both(&mut self, event: Event) {
        Self::fold(&mut self.with, event.clone());
        Self::fold(&mut self.without, event);
    }

    fn fold(book: &mut Projections, event: Event) {
        let (seq, recorded_at) = (book.seq + 1, arbees::domain::time::Time::from_ms(1_000_000));
        let correlation = event.order_id();
        let recorded = Recorded { seq, epoch: 1, recorded_at, correlation, causation_seq: 0, event };
        book.fold(&recorded).expect("folds");
    }

    fn order(&mut self, order: &Order) {
        let order_id = order.order_id;
        let request = Default::default();
        let signal_id = order.signal_id.clone();
        let order = Some(Box::new(order.clone()));
        self.both(Event::OrderRequested { order_id, signal_id, content_hash: Default::default(), request, order });
        let by = Approver::Risk;
        self.both(Event::OrderApproved { order_id, by, verdict: Default::default(), signature: Default::default(), risk_epoch: 0 });
        self.both(Event::SubmitStarted { order_id, attempt: 1, signed: None });
    }
}

fn report(order: &Order, number: u64, quantity: i64, price: i64, settled: bool) -> FillReport {
    FillReport {
        order_id: order.order_id,
        trade_id: TradeId::new(&format!("t-{number}")).expect("id"),
        instrument: order.instrument.clone(),
        action: order.action,
        quantity: Quantity::from_micros(quantity),
        price: Price::from_micros(price),
        fee: Usd::from_micros(quantity / 97),
        fee_provisional: false,
        liquidity: Liquidity::Taker,
        settled,
        venue_at: arbees::domain::time::Time::from_ms(1_000_000),
        source: FillSource::Venue,
    }
}

/// An order of the seeded book.
fn seeded(number: u32, action: Action) -> Order {
    let mut bench_order = template();
    let signal_id = arbees::domain::ids::SignalId::new(&format!("s-{number}")).expect("id");
    let account = arbees::domain::ids::Instance::new("main").expect("name");
    bench_order.order_id = arbees::domain::ids::OrderId::of(&account, arbees::domain::ids::Mode::Live, &signal_id, 0, 0);
    (bench_order.signal_id, bench_order.action) = (signal_id, action);
    bench_order
}

fn template() -> Order {
    thread_local! {
        static ORDER: Order = Bench::new().sent("template", &[]);
    }
    let instrument = Instrument {
        venue: Venue::Polymarket,
        market: MarketId::new(CONDITION).expect("id"),
        token: Some(Bench::token(YES)),
        outcome: Outcome::Yes,
    };
    ORDER.with(|order| Order { instrument, quantity: Quantity::whole(1_000), ..order.clone() })
}

fn one_seed(seed: u64) {
    let mut dice = Dice::new(seed);
    let mut ways = Ways { with: Projections::default(), without: Projections::default() };
    if dice.per_mille(700) {
        ways.both(Event::OpeningBalance { account: Venue::Polymarket, cash: Usd::whole(10_000), found: None });
    } else {
        ways.both(Event::OpeningBalance { account: Venue::Paper, cash: Usd::whole(10_000), found: None });
    }
    let (ours, others, sells) = (seeded(1, Action::Buy), seeded(2, Action::Buy), seeded(3, Action::Sell));
    for order in [&ours, &others, &sells] {
        ways.order(order);
    }
    let mut trades = 100;
    let mut open: Vec<FillReport> = Vec::new();
    let mut some = |ways: &mut Ways, dice: &mut Dice, steps: i64| {
        for _ in 0..steps {
            trades += 1;
            let held = ways.without.positions.get(&book(YES)).map_or(0, |position| position.quantity.micros());
            let price = dice.between(1, 99) * 10_000;
            match dice.below(6) {
                0 | 1 => {
                    let order = if dice.per_mille(500) { &ours } else { &others };
                    let fill = report(order, trades, dice.between(1, 3_000) * 10_000, price, dice.per_mille(400));
                    open.extend((!fill.settled).then(|| fill.clone()));
                    ways.both(Event::Filled(fill));
                }
                2 if held > 0 => {
                    // Now and then all of it: the book is flat without the fill, and isn't with it.
                    let most = if dice.per_mille(300) { held } else { held.min(dice.between(1, 2_000) * 10_000) };
                    let fill = report(&sells, trades, most, price, dice.per_mille(500));
                    open.extend((!fill.settled).then(|| fill.clone()));
                    ways.both(Event::Filled(fill));
                }
                3 if !open.is_empty() => {
                    let fill = open.remove(dice.below(open.len() as u64) as usize);
                    let (order_id, venue, trade_id) = (fill.order_id, Venue::Polymarket, fill.trade_id);
                    ways.both(Event::FillSettled { order_id, venue, trade_id });
                }
                4 if !open.is_empty() => {
                    let fill = &open[dice.below(open.len() as u64) as usize];
                    let (order_id, trade_id, fee) = (fill.order_id, fill.trade_id.clone(), Usd::from_micros(dice.between(0, 500_000)));
                    ways.both(Event::FeeCorrected { order_id, venue: Venue::Polymarket, trade_id, fee });
                }
                _ => {
                    let quote = arbees::domain::market::Quote { bid: Some(Price::from_micros(price)), ask: None };
                    let (at, source) = (arbees::domain::time::Time::from_ms(1_000_000), arbees::domain::market::MarketSource::Venue);
                    ways.both(Event::MarkTaken { key: book(YES), quote, at, source });
                }
            }
        }
    };
    let before = dice.between(0, 8);
    some(&mut ways, &mut dice, before);
    let fill = report(&ours, 1, dice.between(1, 3_000) * 10_000, dice.between(1, 99) * 10_000, false);
    Ways::fold(&mut ways.with, Event::Filled(fill.clone()));
    let between = dice.between(0, 12);
    some(&mut ways, &mut dice, between);
    let settlement = [Settlement::Yes, Settlement::No, Settlement::Scalar(Price::from_micros(500_000))][dice.below(3) as usize];
    let market = MarketId::new(CONDITION).expect("id");
    let ends = dice.below(3);
    if ends == 0 {
        ways.both(Event::MarketSettled { venue: Venue::Polymarket, market: market.clone(), settlement });
    }
    let (order_id, venue, trade_id) = (fill.order_id, Venue::Polymarket, fill.trade_id.clone());
    Ways::fold(&mut ways.with, Event::FillReversed { order_id, venue, trade_id, why: "FAILED".into() });
    if ends == 1 {
        ways.both(Event::MarketSettled { venue: Venue::Polymarket, market, settlement });
    }
    let last = dice.between(0, 6);
    if ends == 2 {
        some(&mut ways, &mut dice, last);
    }
    // The venue counts what it matched, failed or not.
    let counted = ways.without.orders.get(&ours.order_id).expect("known").filled;
    let ended = |filled| Event::OrderCanceled { order_id: ours.order_id, filled, cause: "over".into() };
    Ways::fold(&mut ways.with, ended(counted + fill.quantity));
    Ways::fold(&mut ways.without, ended(counted));
    same(&ways, &ours, seed);
}

fn same(ways: &Ways, ours: &Order, seed: u64) {
    let (with, without) = (&ways.with, &ways.without);
    let view = |book: &Projections| {
        let rows = arbees::audit::views::positions(book);
        rows.into_iter().find(|row| row.quantity != Quantity::ZERO || !row.realized_pnl.is_zero() || !row.fees.is_zero())
    };
    assert_eq!(view(with), view(without), "seed {seed}: position");
    let money = |book: &Projections| {
        let cash = &book.cash;
        let account = cash.account(Venue::Polymarket).expect("opened");
        let of_account = (account.cash, account.unsettled(), account.spent_pending, account.redeemable, account.reserved);
        (cash.cash, cash.realized, cash.fees, cash.equity(), of_account)
    };
    assert_eq!(money(with), money(without), "seed {seed}: money");
    let order = |book: &Projections| {
        let record = book.orders.get(&ours.order_id).expect("known");
        (record.filled, record.notional_filled, record.fees, record.outstanding(), record.is_done())
    };
    assert_eq!(order(with), order(without), "seed {seed}: order");
    let exposure = |book: &Projections| (book.exposure.total, book.exposure.of_game(&ours.groups.game));
    assert_eq!(exposure(with), exposure(without), "seed {seed}: exposure");
    assert_eq!(with.positions.sellable(&ours.instrument), without.positions.sellable(&ours.instrument), "seed {seed}: sellable");
}

#[test]
fn a_reversed_fill_is_as_if_it_had_never_been_whatever_came_between() {
    (0..500).for_each(one_seed);
}

#[test]
fn a_signature_is_shown_to_nobody() {
    let mut bench = Bench::new();
    let order = bench.sent("a", &[]);
    let signed = sign(&order);
    assert!(!format!("{signed:?}").contains("170"), "{signed:?}");
    let started = bench.log.iter().find(|(recorded, _)| recorded.event.name() == "SubmitStarted").expect("sent");
    let mode = arbees::domain::ids::Mode::Live;
    let (line, json) = (arbees::audit::tail::line(&started.0, mode), arbees::audit::tail::json(&started.0, mode).to_string());
    assert!(line.contains(signed.venue_order_id.as_str()) && line.contains("sealed"), "{line}");
    assert!(json.contains(signed.venue_order_id.as_str()) && !json.contains("170") && !json.contains("signature\""), "{json}");
}
