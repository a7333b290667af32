//! The exchange as its caller sees it, one fact per test.

use super::*;
use crate::domain::fees::KALSHI;
use crate::domain::ids::{GameId, Instance, MarketId, Mode, OrderId, SignalId, TokenId};
use crate::domain::market::{BookKey, MarketStatus, Outcome, Quote, Settlement, Venue};
use crate::domain::matching::{BookChange, Mark, Print, Side};
use crate::domain::order::{Action, Groups, Order, Stance, TimeInForce};
use crate::domain::report::{CancelOutcome, FillReport, FillSource, Liquidity, LookUp, SubmitOutcome, VenueNews, VenueState};
use crate::domain::time::Time;
use crate::domain::verdict::ApprovedOrder;

fn p(text: &str) -> Price {
    Price::parse(text).expect(text)
}

fn q(text: &str) -> Quantity {
    Quantity::parse(text).expect(text)
}

fn usd(text: &str) -> Usd {
    Usd::parse(text).expect(text)
}

fn at(ms: i64) -> Time {
    Time::from_ms(ms)
}

fn id(text: &str) -> MarketId {
    MarketId::new(text).expect(text)
}

fn kalshi(outcome: Outcome) -> Instrument {
    Instrument { venue: Venue::Kalshi, market: id("KX-A"), token: None, outcome }
}

fn token(outcome: Outcome) -> Instrument {
    let digits = if outcome == Outcome::Yes { "71" } else { "72" };
    Instrument { venue: Venue::Polymarket, market: id("0xc0"), token: Some(TokenId::new(digits).expect("token")), outcome }
}

/// A purchase of 10 YES at 0.52 on Kalshi, to be changed as the test needs.
fn order(n: u32) -> Order {
    let signal_id = SignalId::new(&format!("s-{n}")).expect("id");
    Order {
        order_id: OrderId::of(&Instance::new("test").expect("name"), Mode::Paper, &signal_id, 0, 0),
        signal_id,
        revision: 0,
        instrument: kalshi(Outcome::Yes),
        action: Action::Buy,
        quantity: q("10"),
        limit: p("0.52"),
        tif: TimeInForce::Ioc,
        expires_at: at(60_000),
        venue_expires_at: at(90_000),
        created_at: None,
        fee: KALSHI,
        groups: Groups {
            game: GameId::new("g").expect("id"),
            sport: "NBA".into(),
            stance: Stance { subject: "A".into(), wins: true, contest: true },
        },
    }
}

fn row(key: &Instrument, changes: Vec<BookChange>, print: Option<Print>) -> MarketRow {
    MarketRow {
        key: key.book_key(),
        market: key.market.clone(),
        outcome: key.book_outcome(),
        feed: Feed::Tape,
        fee: KALSHI,
        mark: Mark { row: 7, ts_ms: 70 },
        changes,
        print,
    }
}

fn both(bid: (&str, &str), ask: (&str, &str)) -> Vec<BookChange> {
    let window = |side, (price, size): (&str, &str)| BookChange::Window { side, levels: vec![(p(price), q(size))] };
    vec![window(Side::Bid, bid), window(Side::Ask, ask)]
}

fn empty_exchange() -> PaperExchange {
    PaperExchange::new(PaperSettings::default(), PaperStart { session: 3, cash: usd("100"), holdings: Vec::new() })
}

/// 0.50 x 30 bid, 0.52 x 6 offered on Kalshi.
fn exchange() -> PaperExchange {
    let mut exchange = empty_exchange();
    exchange.apply(&row(&kalshi(Outcome::Yes), both(("0.5", "30"), ("0.52", "6")), None), at(0));
    exchange
}

fn send(exchange: &mut PaperExchange, order: &Order) -> (SubmitOutcome, Vec<VenueNews>) {
    exchange.submit(&ApprovedOrder::after_durable_approval(order.clone()), None, at(1_000))
}

fn send_quoted(exchange: &mut PaperExchange, order: &Order, quote: SignalQuote) -> Vec<VenueNews> {
    let (outcome, news) = exchange.submit(&ApprovedOrder::after_durable_approval(order.clone()), Some(quote), at(1_000));
    assert!(matches!(outcome, SubmitOutcome::Acked { .. }), "{outcome:?}");
    news
}

fn fills(news: &[VenueNews]) -> Vec<FillReport> {
    news.iter().filter_map(|one| if let VenueNews::Fill(fill) = one { Some(fill.clone()) } else { None }).collect()
}

fn ended(news: &[VenueNews]) -> Vec<(VenueState, Quantity)> {
    let end = |one: &VenueNews| if let VenueNews::Ended { state, filled, .. } = one { Some((*state, *filled)) } else { None };
    news.iter().filter_map(end).collect()
}

fn code(outcome: &SubmitOutcome) -> &str {
    if let SubmitOutcome::Rejected { code, .. } = outcome { code } else { "not rejected" }
}

#[test]
fn a_partial_fill_is_told_with_its_row_fee_and_end() {
    let mut exchange = exchange();
    let (outcome, news) = send(&mut exchange, &order(1));
    assert!(matches!(outcome, SubmitOutcome::Acked { .. }));
    let fill = &fills(&news)[0];
    // 0.07 x 6 x 0.52 x 0.48 = 0.104832, up to the next 0.0001 of the balance.
    assert_eq!((fill.price, fill.quantity, fill.fee), (p("0.52"), q("6"), usd("0.1049")));
    assert_eq!((fill.source.clone(), fill.liquidity), (FillSource::Tape { row: 7, ts_ms: 70 }, Liquidity::Taker));
    assert_eq!(ended(&news), [(VenueState::Canceled, q("6"))]);
    assert_eq!(exchange.account().cash(), usd("96.7751"));
    assert_eq!(exchange.account().free(), exchange.account().cash());
}

#[test]
fn no_orders_trade_on_the_yes_book() {
    let mut exchange = exchange();
    let buy_no = Order { instrument: kalshi(Outcome::No), limit: p("0.5"), ..order(1) };
    let news = send(&mut exchange, &buy_no).1;
    let fill = &fills(&news)[0];
    assert_eq!((fill.price, fill.quantity), (p("0.5"), q("10")));
    let sell_no = Order { instrument: kalshi(Outcome::No), action: Action::Sell, limit: p("0.48"), quantity: q("4"), ..order(2) };
    let news = send(&mut exchange, &sell_no).1;
    assert_eq!(fills(&news)[0].price, p("0.48"));
    assert_eq!(exchange.account().held(&kalshi(Outcome::No)), q("6"));
}

#[test]
fn the_same_order_twice_is_one_order() {
    let mut exchange = exchange();
    let first = send(&mut exchange, &order(1));
    let again = send(&mut exchange, &order(1));
    assert_eq!(first.0, again.0);
    assert!(again.1.is_empty());
    let other = Order { quantity: q("3"), ..order(1) };
    assert_eq!(code(&send(&mut exchange, &other).0), "order_already_exists");
    let found = exchange.look_up(&order(1), at(2_000));
    assert!(matches!(found, LookUp::Found { state: VenueState::Canceled, matches: true, filled, .. } if filled == q("6")), "{found:?}");
    assert!(matches!(exchange.look_up(&other, at(2_000)), LookUp::Found { matches: false, .. }));
    assert_eq!(exchange.look_up(&order(2), at(2_000)), LookUp::Absent { read_through: at(2_000), nothing_in_flight: true });
}

#[test]
fn a_killed_order_is_refused_whenever_it_comes() {
    let mut exchange = exchange();
    let fok = Order { tif: TimeInForce::Fok, ..order(1) };
    for _ in 0..2 {
        let (outcome, news) = send(&mut exchange, &fok);
        assert_eq!((code(&outcome), news.len()), ("fill_or_kill_insufficient_resting_volume", 0));
        exchange.apply(&row(&kalshi(Outcome::Yes), both(("0.5", "30"), ("0.52", "600")), None), at(1_500));
    }
    assert_eq!(exchange.account().free(), usd("100"));
}

#[test]
fn what_a_venue_refuses_is_refused_with_its_code() {
    let base = order(1);
    let cases = [
        (Order { limit: p("0.525"), ..base.clone() }, "invalid_price"),
        (Order { quantity: Quantity::ZERO, ..base.clone() }, "invalid_order_size"),
        (Order { quantity: q("1.005"), ..base.clone() }, "invalid_order_size"),
        (Order { quantity: q("200"), ..base.clone() }, "insufficient_balance"),
        (Order { tif: TimeInForce::Gtc, venue_expires_at: at(1_000), ..base.clone() }, "invalid_expiration"),
        (Order { instrument: token(Outcome::Yes), action: Action::Sell, ..base.clone() }, "insufficient_balance"),
    ];
    for (order, expected) in cases {
        let mut exchange = exchange();
        let (outcome, news) = send(&mut exchange, &order);
        assert_eq!(code(&outcome), expected);
        assert!(news.is_empty() && exchange.working_orders() == 0);
    }
}

#[test]
fn working_purchases_hold_their_cash() {
    let mut exchange = exchange();
    let rest = |n| Order { tif: TimeInForce::Gtc, limit: p("0.5"), quantity: q("110"), ..order(n) };
    assert!(matches!(send(&mut exchange, &rest(1)).0, SubmitOutcome::Acked { .. }));
    assert_eq!(code(&send(&mut exchange, &rest(2)).0), "insufficient_balance");
    assert_eq!(exchange.cancel(&rest(1).order_id, at(1_001)).0, CancelOutcome::Canceled { filled: Quantity::ZERO });
    assert_eq!(exchange.cancel(&rest(1).order_id, at(1_001)).0, CancelOutcome::NotWorking);
    assert!(matches!(send(&mut exchange, &rest(3)).0, SubmitOutcome::Acked { .. }));
}

#[test]
fn a_resting_order_is_filled_by_prints_as_a_maker_and_ends_at_its_venue_expiry() {
    let mut exchange = exchange();
    let resting = Order { tif: TimeInForce::Gtd, limit: p("0.51"), ..order(1) };
    send(&mut exchange, &resting);
    let print = Print { price: p("0.5"), quantity: q("4"), taker: Side::Ask };
    let news = exchange.apply(&row(&kalshi(Outcome::Yes), Vec::new(), Some(print)), at(2_000));
    let fill = &fills(&news)[0];
    assert_eq!((fill.price, fill.quantity, fill.liquidity, fill.fee), (p("0.51"), q("4"), Liquidity::Maker, Usd::ZERO));
    assert!(exchange.tick(at(89_999)).is_empty());
    assert_eq!(ended(&exchange.tick(at(90_000))), [(VenueState::Expired, q("4"))]);
    assert_eq!(exchange.account().free(), usd("97.96"));
}

#[test]
fn quotes_are_told_on_change_and_markets_once_or_when_their_grid_gets_finer() {
    let mut exchange = empty_exchange();
    let news = exchange.apply(&row(&kalshi(Outcome::Yes), both(("0.5", "30"), ("0.52", "6")), None), at(1));
    assert!(matches!(&news[..], [VenueNews::Market(_), VenueNews::Quote { .. }]), "{news:?}");
    assert!(exchange.apply(&row(&kalshi(Outcome::Yes), both(("0.5", "31"), ("0.52", "6")), None), at(2)).is_empty());
    let news = exchange.apply(&row(&kalshi(Outcome::Yes), both(("0.505", "31"), ("0.52", "6")), None), at(3));
    let VenueNews::Market(market) = &news[0] else { panic!("{news:?}") };
    assert!(market.grid.holds(p("0.505")));
    let quote = Quote { bid: Some(p("0.505")), ask: Some(p("0.52")) };
    assert_eq!(news[1], VenueNews::Quote { key: market.key.clone(), quote, at: at(3) });
    let news = exchange.apply(&row(&kalshi(Outcome::Yes), both(("0.53", "31"), ("0.52", "6")), None), at(4));
    assert!(news.is_empty() && exchange.counts().crossed == 1);
}

#[test]
fn a_close_is_cut_to_what_is_held_on_kalshi() {
    let mut exchange = exchange();
    send(&mut exchange, &Order { quantity: q("5"), ..order(1) });
    let close = Order { action: Action::Sell, limit: p("0.5"), quantity: q("8"), ..order(2) };
    let news = send(&mut exchange, &close).1;
    assert_eq!((fills(&news)[0].quantity, ended(&news)), (q("5"), vec![(VenueState::Canceled, q("5"))]));
    let nothing = Order { action: Action::Sell, limit: p("0.5"), ..order(3) };
    assert_eq!(ended(&send(&mut exchange, &nothing).1), [(VenueState::Canceled, Quantity::ZERO)]);
}

#[test]
fn tokens_have_books_and_holdings_of_their_own() {
    let mut exchange = empty_exchange();
    exchange.apply(&row(&token(Outcome::Yes), both(("0.5", "30"), ("0.52", "50")), None), at(0));
    exchange.apply(&row(&token(Outcome::No), both(("0.47", "30"), ("0.49", "50")), None), at(0));
    for (n, outcome) in [(1, Outcome::Yes), (2, Outcome::No)] {
        let news = send(&mut exchange, &Order { instrument: token(outcome), ..order(n) }).1;
        assert_eq!(fills(&news)[0].price, if outcome == Outcome::Yes { p("0.52") } else { p("0.49") });
    }
    assert_eq!(exchange.account().holdings().count(), 2);
    exchange.settle_market(Venue::Polymarket, &id("0xc0"), Settlement::No, at(5));
    // 0.07 x 10 x 0.52 x 0.48 = 0.17472 and 0.07 x 10 x 0.49 x 0.51 = 0.17493.
    assert_eq!(exchange.account().cash(), usd("99.55035"));
}

#[test]
fn a_signals_quote_is_a_book_for_its_order_and_what_is_taken_stays_taken() {
    let quote = SignalQuote { bid: Some(p("0.5")), ask: Some(p("0.52")), liquidity: Some(q("12")) };
    let mut exchange = empty_exchange();
    let news = send_quoted(&mut exchange, &order(1), quote);
    assert_eq!((fills(&news)[0].quantity, fills(&news)[0].source.clone()), (q("10"), FillSource::SignalQuote));
    let news = send_quoted(&mut exchange, &order(2), quote);
    assert_eq!((fills(&news)[0].quantity, ended(&news)), (q("2"), vec![(VenueState::Canceled, q("2"))]));
    let unknown = SignalQuote { liquidity: None, ..quote };
    assert_eq!(fills(&send_quoted(&mut exchange, &order(3), unknown))[0].quantity, q("10"));
}

#[test]
fn a_no_order_on_a_token_reads_the_yes_quote_from_the_other_side() {
    let quote = SignalQuote { bid: Some(p("0.5")), ask: Some(p("0.52")), liquidity: None };
    let mut exchange = empty_exchange();
    let order = Order { instrument: token(Outcome::No), ..order(1) };
    assert_eq!(fills(&send_quoted(&mut exchange, &order, quote))[0].price, p("0.5"));
}

#[test]
fn without_a_book_an_order_rests_until_a_later_quote_reaches_it() {
    let mut exchange = empty_exchange();
    let resting = Order { tif: TimeInForce::Gtd, limit: p("0.5"), ..order(1) };
    assert!(send(&mut exchange, &resting).1.is_empty());
    assert!(matches!(exchange.look_up(&resting, at(1)), LookUp::Found { state: VenueState::Resting, .. }));
    let later = Order { limit: p("0.6"), quantity: q("3"), ..order(2) };
    let quote = SignalQuote { bid: Some(p("0.45")), ask: Some(p("0.48")), liquidity: Some(q("11")) };
    let told = fills(&send_quoted(&mut exchange, &later, quote));
    let seen: Vec<_> = told.iter().map(|fill| (fill.order_id, fill.price, fill.quantity)).collect();
    assert_eq!(seen, [(resting.order_id, p("0.5"), q("10")), (later.order_id, p("0.48"), q("1"))]);
    assert_eq!(exchange.working_orders(), 0);
}

#[test]
fn a_restart_restores_orders_at_the_back_and_never_repeats_a_trade_id() {
    let resting = Order { tif: TimeInForce::Gtc, limit: p("0.5"), ..order(1) };
    let mut before = exchange();
    send(&mut before, &resting);
    let through = Print { price: p("0.49"), quantity: q("4"), taker: Side::Ask };
    let first = fills(&before.apply(&row(&kalshi(Outcome::Yes), Vec::new(), Some(through)), at(2_000)));
    let held = StartHolding { instrument: kalshi(Outcome::Yes), quantity: q("4"), cost: usd("2") };
    let start = PaperStart { session: 4, cash: before.account().cash(), holdings: vec![held] };
    let mut after = PaperExchange::new(PaperSettings::default(), start);
    after.apply(&row(&kalshi(Outcome::Yes), both(("0.5", "30"), ("0.52", "6")), None), at(3_000));
    after.restore(&resting, q("4"), at(3_000));
    assert_eq!(after.account().free(), before.account().free());
    let touch = Print { price: p("0.5"), quantity: q("30"), taker: Side::Ask };
    assert!(after.apply(&row(&kalshi(Outcome::Yes), Vec::new(), Some(touch)), at(4_000)).is_empty());
    let second = fills(&after.apply(&row(&kalshi(Outcome::Yes), Vec::new(), Some(through)), at(4_001)));
    assert_eq!((first[0].quantity, second[0].quantity), (q("4"), q("4")));
    assert_ne!(first[0].trade_id, second[0].trade_id);
    let found = after.look_up(&resting, at(5_000));
    assert!(matches!(found, LookUp::Found { state: VenueState::Resting, filled, matches: true, .. } if filled == q("8")), "{found:?}");
}

#[test]
fn a_closed_market_ends_its_orders_and_takes_no_more() {
    let mut exchange = exchange();
    send(&mut exchange, &Order { tif: TimeInForce::Gtc, limit: p("0.5"), ..order(1) });
    let news = exchange.close_market(Venue::Kalshi, &id("KX-A"), at(2_000));
    assert_eq!(ended(&news), [(VenueState::Canceled, Quantity::ZERO)]);
    assert!(news.iter().any(|one| matches!(one, VenueNews::Market(market) if market.status == MarketStatus::Closed)));
    assert_eq!(code(&send(&mut exchange, &order(2)).0), "market_inactive");
    assert!(exchange.apply(&row(&kalshi(Outcome::Yes), both(("0.5", "30"), ("0.52", "6")), None), at(3_000)).is_empty());
}

#[test]
fn rejects_on_purpose_hit_the_same_orders_every_time_and_about_as_many_as_asked_for() {
    let settings = PaperSettings { reject_per_mille: 250, reject_seed: 9, ..PaperSettings::default() };
    let run = || -> Vec<bool> {
        let mut exchange = PaperExchange::new(settings, PaperStart { cash: usd("100000"), ..PaperStart::default() });
        (0..1_000).map(|n| code(&send(&mut exchange, &order(n)).0) == "paper_reject").collect()
    };
    let first = run();
    assert_eq!(first, run());
    let hit = first.iter().filter(|hit| **hit).count();
    assert!((200..300).contains(&hit), "{hit}");
}

#[test]
fn ended_orders_beyond_the_memory_make_a_look_up_say_nothing_rather_than_absent() {
    let mut exchange = PaperExchange::new(PaperSettings::default(), PaperStart { cash: usd("100"), ..PaperStart::default() });
    for n in 0..=ledger::ENDED_KEPT_MAX as u32 {
        send(&mut exchange, &order(n));
    }
    assert!(matches!(exchange.look_up(&order(0), at(9)), LookUp::Incomplete { .. }));
    assert!(matches!(exchange.look_up(&order(1), at(9)), LookUp::Found { .. }));
}

#[test]
fn a_book_key_without_orders_or_feed_is_forgotten() {
    let mut exchange = empty_exchange();
    send(&mut exchange, &order(1));
    assert_eq!(exchange.markets().count(), 0);
    assert!(!exchange.books.contains_key(&BookKey { venue: Venue::Kalshi, id: id("KX-A") }));
}

fn described(status: MarketStatus) -> crate::domain::market::Market {
    let row = row(&kalshi(Outcome::Yes), Vec::new(), None);
    crate::domain::market::Market { status, ..row.describe() }
}

#[test]
fn a_market_that_its_venue_closes_ends_what_rests_and_takes_nothing() {
    let mut exchange = exchange();
    assert!(exchange.list(described(MarketStatus::Open), at(900)).is_empty());
    let resting = Order { limit: p("0.49"), tif: TimeInForce::Gtd, ..order(1) };
    assert!(matches!(send(&mut exchange, &resting).0, SubmitOutcome::Acked { .. }));
    let news = exchange.list(described(MarketStatus::Closed), at(1_100));
    assert!(matches!(&news[..], [VenueNews::Ended { state: VenueState::Canceled, .. }]), "{news:?}");
    let refused = send(&mut exchange, &order(2)).0;
    assert!(matches!(&refused, SubmitOutcome::Rejected { code, .. } if code == "market_inactive"), "{refused:?}");
    exchange.list(described(MarketStatus::Open), at(1_200));
    let fills = fills(&send(&mut exchange, &order(3)).1).len();
    assert_eq!(fills, 1, "its book is still there");
}

#[test]
fn a_book_that_nobody_is_sure_of_trades_nothing_until_it_is_stated() {
    let mut exchange = exchange();
    exchange.apply(&row(&kalshi(Outcome::Yes), BookChange::unsure(), None), at(900));
    assert!(fills(&send(&mut exchange, &order(1)).1).is_empty());
    let whole = BookChange::whole(vec![(p("0.5"), q("30"))], vec![(p("0.52"), q("6"))]);
    exchange.apply(&row(&kalshi(Outcome::Yes), whole, None), at(950));
    assert_eq!(fills(&send(&mut exchange, &order(2)).1)[0].quantity, q("6"));
}
