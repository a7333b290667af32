//! Accounts against the log: what is proven, counted, booked by an operator, and what a restart remembers (S84, S90, S91, S93,
//! S94).

use arbees::domain::adjustment::{Adjustment, NewHolding};
use arbees::domain::event::{Event, Scope};
use arbees::domain::ids::{MarketId, TradeId, VenueOrderId};
use arbees::domain::market::Venue;
use arbees::domain::matching::Side;
use arbees::domain::money::Usd;
use arbees::domain::report::{AccountReading, FillSettlement, Liquidity, VenueFill, VenueMode, VenueNews};
use arbees::domain::time::Time;
use arbees::engine::{Command, Effect, Input};
use serde_json::json;

use super::bench::{Bench, NO, YES, book, price, q, usd};

const DAY_MS: i64 = 86_400_000;

fn operator(bench: &mut Bench, command: Command) -> Result<String, String> {
    let before = bench.told.len();
    bench.step(Input::Operator { ticket: 1, by: "ops".into(), command });
    bench.told.get(before).cloned().unwrap_or_else(|| Err("no answer yet".into()))
}

fn nothing(reason: &str) -> Adjustment {
    Adjustment { venue: Venue::Polymarket, holding: None, cash: None, counts: false, reason: reason.into() }
}

fn held(quantity: &str, cost: &str) -> Option<NewHolding> {
    Some(NewHolding { market: MarketId::new(YES).expect("id"), outcome: None, quantity: q(quantity), cost: usd(cost) })
}

fn adjust(bench: &mut Bench, adjustment: Adjustment) -> Result<String, String> {
    operator(bench, Command::Adjust(Box::new(adjustment)))
}

fn reset(bench: &mut Bench, scope: Scope) -> Result<String, String> {
    operator(bench, Command::ResetBreaker { scope, reason: "looked at".into() })
}

fn diverged(bench: &Bench) -> usize {
    bench.engine.book().venues.get(Venue::Polymarket).expect("known").diverged.len()
}

fn mode(bench: &Bench) -> VenueMode {
    bench.engine.book().venues.mode(Venue::Polymarket)
}

fn told(bench: &mut Bench, reading: AccountReading) {
    bench.news(VenueNews::Account(Box::new(reading)));
}

/// Ten YES for five dollars and a cent of fee, settled, marked at 50 cents.
fn bought() -> Bench {
    let mut bench = Bench::new();
    let order = bench.sent("buy", &[]);
    bench.acked(&order);
    let fill = bench.trade(&order, "10", "0.5");
    bench.tell(&fill, FillSettlement::Settled);
    bench.read("994.99", &[(YES, "10")]);
    bench
}

fn pnl(bench: &Bench) -> (Usd, Usd) {
    let cash = &bench.engine.book().cash;
    (cash.realized, cash.day_pnl())
}

#[test]
fn s90_a_position_is_booked_as_the_venue_says_and_neither_cash_nor_pnl_move() {
    let mut bench = bought();
    let (before, cash) = (pnl(&bench), bench.cash());
    assert!(adjust(&mut bench, Adjustment { holding: held("10", "5"), ..nothing("why not") }).is_err(), "nothing differs");
    let reading = bench.reading("994.99", &[(YES, "12")]);
    told(&mut bench, reading);
    let early = adjust(&mut bench, Adjustment { holding: held("12", "6"), ..nothing("a gift") });
    assert!(early.is_err_and(|why| why.contains("agree")), "one reading proves nothing");
    bench.read("994.99", &[(YES, "12")]);
    assert_eq!((diverged(&bench), bench.held(YES)), (1, q("10")), "nothing is invented");
    for (wrong, why) in [
        (Adjustment { holding: held("11", "6"), ..nothing("a guess") }, "the venue says 12"),
        (Adjustment { holding: held("12", "12.01"), ..nothing("dear") }, "between $0 and $12"),
        (Adjustment { holding: held("12", "6"), ..nothing("  ") }, "a reason is needed"),
        (Adjustment { cash: Some(usd("1")), ..nothing("cash") }, "agree"),
        (nothing("nothing at all"), "nothing to book"),
    ] {
        let refused = adjust(&mut bench, wrong).expect_err(why);
        assert!(refused.contains(why), "{refused}");
    }
    assert_eq!(bench.count("OperatorAdjusted"), 0);
    let done = adjust(&mut bench, Adjustment { holding: held("12", "6.2"), ..nothing("two came from the other wallet") });
    assert!(done.is_ok_and(|words| words.contains("10 here, 12 there")));
    assert!(bench.calls.iter().any(|call| matches!(call, Effect::Reconcile { .. })), "and it is read again");
    assert_eq!((bench.held(YES), bench.cash(), pnl(&bench)), (q("12"), cash, before), "no gain of the day");
    let scope = Scope::Market(book(YES));
    assert!(bench.engine.book().breakers.is_open(&scope), "never by itself");
    bench.read("994.99", &[(YES, "12")]);
    assert_eq!(diverged(&bench), 0);
    assert!(bench.engine.book().breakers.is_open(&scope));
    reset(&mut bench, scope.clone()).expect("by a person");
    bench.read("994.99", &[(YES, "12")]);
    assert!(!bench.engine.book().breakers.is_open(&scope), "and it stays shut: nothing differs any more");
    let close = bench.sent("close", &[("action", json!("close")), ("min_price", json!("0.4"))]);
    assert_eq!(close.quantity, q("12"), "what was booked can be sold");
    bench.assert_replays();
}

#[test]
fn s90_a_breaker_that_is_closed_before_its_difference_is_explained_opens_again() {
    let mut bench = bought();
    bench.read("994.99", &[(YES, "12")]);
    reset(&mut bench, Scope::Market(book(YES))).expect("closed");
    bench.read("994.99", &[(YES, "12")]);
    assert!(bench.engine.book().breakers.is_open(&Scope::Market(book(YES))));
    assert_eq!(bench.count("ReconciliationDiverged"), 1, "told once");
}

#[test]
fn s90_cash_is_booked_in_parts_towards_the_venue_and_a_result_of_trading_is_a_loss_of_the_day() {
    let mut bench = bought();
    let (realized, day) = pnl(&bench);
    bench.read("894.96", &[(YES, "10")]);
    assert_eq!(diverged(&bench), 1);
    for wrong in ["0.01", "-100.04", "0"] {
        let cash = Some(usd(wrong));
        assert!(adjust(&mut bench, Adjustment { cash, ..nothing("wrong") }).is_err_and(|why| why.contains("$894.96")), "{wrong}");
    }
    adjust(&mut bench, Adjustment { cash: Some(usd("-100")), ..nothing("withdrawn on chain") }).expect("a part of it");
    assert_eq!(pnl(&bench), (realized, day), "a withdrawal is no loss");
    let fee = Adjustment { cash: Some(usd("-0.03")), counts: true, ..nothing("a fee that no page lists") };
    adjust(&mut bench, fee.clone()).expect("the rest");
    assert_eq!((bench.cash(), pnl(&bench)), (usd("894.96"), (realized - usd("0.03"), day - usd("0.03"))));
    assert!(adjust(&mut bench, fee).is_err_and(|why| why.contains("agree")), "once");
    bench.read("894.96", &[(YES, "10")]);
    assert_eq!(diverged(&bench), 0);
    reset(&mut bench, Scope::Venue(Venue::Polymarket)).expect("by a person");
    bench.restart();
    bench.read("894.96", &[(YES, "10")]);
    assert_eq!((bench.breakers(), mode(&bench)), (Vec::new(), VenueMode::Open));
    let account = bench.engine.book().cash.account(Venue::Polymarket).expect("opened");
    assert_eq!((account.today.adjusted, account.today.expected()), (usd("-100.03"), account.cash));
    bench.assert_replays();
}

#[test]
fn s90_a_sale_that_was_missed_is_booked_with_its_cash_and_realises_what_it_gained() {
    let mut bench = bought();
    let (realized, day) = pnl(&bench);
    // Four of ten, which cost two dollars, for 2.40; marked at 0.5 they were worth two.
    bench.read("997.39", &[(YES, "6")]);
    let sold = Adjustment { holding: held("6", "3"), cash: Some(usd("2.4")), counts: true, ..nothing("sold in the app") };
    adjust(&mut bench, sold).expect("booked");
    assert_eq!((bench.held(YES), bench.cash()), (q("6"), usd("997.39")));
    assert_eq!(pnl(&bench), (realized + usd("0.4"), day + usd("0.4")));
    bench.read("997.39", &[(YES, "6")]);
    assert_eq!(diverged(&bench), 0);
    bench.assert_replays();
}

#[test]
fn s90_what_is_taken_over_without_a_mark_is_no_gain_when_its_mark_comes() {
    let mut bench = bought();
    let (_, day) = pnl(&bench);
    bench.read("994.99", &[(YES, "10"), (NO, "8")]);
    let market = MarketId::new(NO).expect("id");
    let holding = Some(NewHolding { market, outcome: None, quantity: q("8"), cost: usd("4") });
    adjust(&mut bench, Adjustment { holding, ..nothing("bought before the log began") }).expect("booked");
    let quote = arbees::domain::market::Quote { bid: Some(price("0.49")), ask: Some(price("0.5")) };
    let at = bench.now().wall;
    bench.news(VenueNews::Quote { key: book(NO), quote, at });
    assert_eq!(pnl(&bench).1, day - usd("0.08"), "eight at 0.49 that cost 0.50");
}

#[test]
fn s90_nothing_is_booked_while_trades_of_the_book_are_on_their_way() {
    let mut bench = bought();
    let order = bench.sent("more", &[("limit_price", json!("0.51"))]);
    bench.acked(&order);
    let fill = bench.trade(&order, "10", "0.5");
    bench.tell(&fill, FillSettlement::Provisional);
    bench.read("989.98", &[(YES, "25")]);
    assert_eq!(diverged(&bench), 1);
    let refused = adjust(&mut bench, Adjustment { holding: held("25", "12"), ..nothing("a guess") });
    assert!(refused.is_err_and(|why| why.contains("not settled yet")));
}

#[test]
fn the_day_that_ended_is_counted_against_the_venue_with_every_line_of_it() {
    let mut bench = bought();
    let close = bench.sent("close", &[("action", json!("reduce")), ("min_price", json!("0.4")), ("size", json!(4))]);
    bench.acked(&close);
    let fill = bench.trade(&close, "4", "0.6");
    bench.tell(&fill, FillSettlement::Settled);
    assert_eq!(bench.count("CashCounted"), 0);
    bench.calls.clear();
    bench.wait(DAY_MS);
    let asked = bench.calls.iter().filter(|call| matches!(call, Effect::Reconcile { .. })).count();
    assert!(asked >= 1, "the turn of the day reads the account");
    bench.read("997.384", &[(YES, "6")]);
    let counts: Vec<&Event> = bench.log.iter().map(|(one, _)| &one.event).filter(|event| event.name() == "CashCounted").collect();
    let [Event::CashCounted { day, ours, theirs, .. }] = counts[..] else { panic!("{counts:?}") };
    assert_eq!((*day + 1, *ours, *theirs), (bench.engine.book().cash.day.expect("a day"), usd("997.38"), usd("997.384")));
    let records = arbees::audit::MemoryHistory::new(bench.log.iter().map(|(one, _)| one.clone()).collect());
    let view = arbees::audit::views::DayFold::of(&records, *day).expect("readable").expect("that day");
    let row = &view.accounts[0];
    let line = |name: &str| row.lines[name];
    assert_eq!((row.opening, line("bought"), line("sold"), line("fees")), (usd("1000"), usd("-5"), usd("2.4"), usd("-0.02")));
    assert_eq!((row.expected, row.count.as_ref().expect("counted").unexplained), (usd("997.38"), usd("0.004")), "cents are shown");
    let today = arbees::audit::views::cash(bench.engine.book());
    assert_eq!((today.accounts[0].opening, today.accounts[0].expected), (usd("997.38"), usd("997.38")));
    bench.assert_replays();
}

#[test]
fn a_day_that_ended_while_nobody_ran_is_counted_after_the_next_start() {
    let mut bench = bought();
    bench.wait(1_000);
    bench.skip(2 * DAY_MS);
    bench.restart();
    bench.read("994.99", &[(YES, "10")]);
    assert_eq!(bench.count("CashCounted"), 1);
    bench.read("994.99", &[(YES, "10")]);
    assert_eq!(bench.count("CashCounted"), 1, "once");
}

#[test]
fn s90_a_reading_on_demand_is_answered_with_what_it_showed() {
    let mut bench = bought();
    let ask = || Command::Reconcile { venue: Some(Venue::Polymarket) };
    assert!(operator(&mut bench, ask()).is_err_and(|why| why == "no answer yet"));
    bench.read("994.99", &[(YES, "10")]);
    let words = bench.told.last().cloned().expect("answered").expect("agrees");
    assert!(words.contains("polymarket open") && words.contains("unexplained $0"), "{words}");
    bench.step(Input::Operator { ticket: 1, by: "ops".into(), command: ask() });
    bench.read("900", &[(YES, "10")]);
    let words = bench.told.last().cloned().expect("answered").expect_err("differs");
    assert!(words.contains("cash DIFFERS: $994.99 here, $900 there") && words.contains("unexplained $-94.99"), "{words}");
    bench.step(Input::Operator { ticket: 1, by: "ops".into(), command: ask() });
    bench.news(VenueNews::Unread { venue: Venue::Polymarket, why: "page 2 of /trades is missing".into() });
    let words = bench.told.last().cloned().expect("answered").expect_err("not whole");
    assert!(words.contains("page 2 of /trades"), "{words}");
    let before = bench.told.len();
    bench.step(Input::Operator { ticket: 1, by: "ops".into(), command: ask() });
    bench.wait(20_001);
    assert!(bench.told[before..].iter().any(|told| told.as_ref().is_err_and(|why| why.contains("within 20 s"))), "{:?}", bench.told);
    let off = operator(&mut bench, Command::Reconcile { venue: Some(Venue::Kalshi) });
    assert_eq!(off, Err("no such venue has credentials here".to_owned()));
}

#[test]
fn whoever_waits_for_a_reading_is_answered_when_the_engine_ends() {
    let mut bench = bought();
    assert!(operator(&mut bench, Command::Reconcile { venue: None }).is_err());
    bench.step(Input::Stop);
    assert_eq!(bench.told.last(), Some(&Err("the engine has ended".to_owned())));
}

#[test]
fn s94_an_incomplete_reading_says_why_the_venue_stays_shut() {
    let mut bench = bought();
    bench.restart();
    for _ in 0..5 {
        bench.news(VenueNews::Unread { venue: Venue::Polymarket, why: "/trades: 500".into() });
    }
    let record = bench.engine.book().venues.get(Venue::Polymarket).expect("known");
    assert_eq!((record.mode, &*record.why), (VenueMode::Reconciling, "the account can't be read: /trades: 500"));
    let status = bench.log.iter().filter(|(one, _)| matches!(&one.event, Event::VenueModeChanged { why, .. } if why.contains("500")));
    assert_eq!(status.count(), 1, "once");
    bench.vetoed("early", &[], "venue_not_ready");
    bench.read("994.99", &[(YES, "10")]);
    assert_eq!(mode(&bench), VenueMode::Open);
}

#[test]
fn s93_a_reading_that_lags_right_after_a_restart_is_no_divergence() {
    let mut bench = bought();
    bench.restart();
    // Begun before the last session's fill could show.
    for _ in 0..3 {
        let mut old = bench.reading("1000", &[]);
        old.read_through = bench.now().wall.plus_ms(-5_000);
        told(&mut bench, old);
        bench.wait(100);
    }
    assert_eq!((bench.count("ReconciliationDiverged"), bench.breakers().len()), (0, 0));
    assert_eq!(mode(&bench), VenueMode::Reconciling, "nor is anything proven");
    bench.read("994.99", &[(YES, "10")]);
    assert_eq!(mode(&bench), VenueMode::Open);
    bench.wait(10_000);
    bench.read("1000", &[]);
    assert!(bench.count("ReconciliationDiverged") > 0, "what the venue goes on to say counts");
}

fn foreign(trade: &str, at: Time) -> VenueFill {
    VenueFill {
        trade_id: TradeId::new(trade).expect("id"),
        venue_order_id: VenueOrderId::new(&format!("0x{trade}")).expect("id"),
        client_order_id: None,
        key: book(YES),
        side: Side::Bid,
        price: price("0.5"),
        quantity: q("5"),
        fee: Some(Usd::ZERO),
        liquidity: Liquidity::Taker,
        settlement: FillSettlement::Settled,
        at,
    }
}

#[test]
fn s91_a_trade_of_the_openings_own_second_is_known_by_its_name_after_a_restart_too() {
    let mut bench = Bench::unopened();
    let second = Time::from_ms(bench.now().wall.ms() / 1_000 * 1_000);
    let mut opening = bench.reading("1000", &[]);
    // Bought and sold before anybody looked: part of what was found.
    opening.fills = vec![foreign("before", second)];
    told(&mut bench, opening);
    assert_eq!(bench.count("OpeningBalance"), 1);
    bench.restart();
    for trade in ["before", "after"] {
        bench.news(VenueNews::Traded(Box::new(foreign(trade, second))));
    }
    let asked: Vec<&VenueOrderId> = bench
        .calls
        .iter()
        .filter_map(|call| match call {
            Effect::Identify { venue_order_id, .. } => Some(venue_order_id),
            _ => None,
        })
        .collect();
    assert_eq!(asked.iter().map(|id| id.as_str()).collect::<Vec<_>>(), ["0xafter"]);
    bench.assert_replays();
}

#[test]
fn s91_a_log_from_before_those_names_were_kept_goes_by_the_time_as_it_did() {
    let mut bench = Bench::unopened();
    let second = Time::from_ms(bench.now().wall.ms() / 1_000 * 1_000);
    let opening = bench.reading("1000", &[]);
    told(&mut bench, opening);
    for (one, _) in &mut bench.log {
        if let Event::OpeningBalance { found, .. } = &mut one.event {
            *found = None;
        }
    }
    bench.restart();
    let later = bench.now().wall.plus_ms(1_000);
    for (trade, at) in [("same-second", second), ("later", later)] {
        bench.news(VenueNews::Traded(Box::new(foreign(trade, at))));
    }
    let asked = bench.calls.iter().filter(|call| matches!(call, Effect::Identify { .. })).count();
    assert_eq!(asked, 1, "only the later one");
}

#[test]
fn s84_an_account_that_may_only_close_closes_and_opens_nothing_until_it_is_read_again() {
    let mut bench = bought();
    let news = |mode, why: &str| VenueNews::Mode { venue: Venue::Polymarket, mode, why: why.into() };
    bench.news(news(VenueMode::CloseOnly, "the account may only close positions"));
    assert_eq!(mode(&bench), VenueMode::CloseOnly);
    let observed = bench.vetoed("open", &[], "venue_not_ready");
    assert!(observed.contains("may only close"), "{observed}");
    let close = bench.sent("reduce", &[("action", json!("reduce")), ("min_price", json!("0.4")), ("size", json!(4))]);
    bench.acked(&close);
    let fill = bench.trade(&close, "4", "0.6");
    bench.tell(&fill, FillSettlement::Settled);
    // A reading that agrees opens it no further; nor does a new session, once it is told.
    bench.read("997.38", &[(YES, "6")]);
    assert_eq!(mode(&bench), VenueMode::CloseOnly);
    bench.restart();
    bench.news(news(VenueMode::CloseOnly, "the account may only close positions"));
    bench.vetoed("unread", &[("action", json!("close")), ("min_price", json!("0.4"))], "venue_not_ready");
    bench.read("997.38", &[(YES, "6")]);
    assert_eq!(mode(&bench), VenueMode::CloseOnly);
    bench.news(news(VenueMode::Open, ""));
    assert_eq!(mode(&bench), VenueMode::Reconciling, "read before it opens");
    bench.read("997.38", &[(YES, "6")]);
    assert_eq!(mode(&bench), VenueMode::Open);
    bench.sent("open again", &[]);
    bench.assert_replays();
}
