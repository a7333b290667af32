use super::*;
use crate::audit::fixture::{Reply, World};
use crate::audit::history::History;
use crate::domain::market::Venue;
use crate::domain::time::Time;
use crate::engine::Command;

const MARKET: &str = "KXNBAGAME-26JAN28BOSNYK-BOS";

/// Everything that is told of a world, from its first record on.
fn told(world: &World, vetoes_above: &str) -> Vec<Message> {
    let mut news = News::new(Mode::Paper, Usd::parse(vetoes_above).expect("dollars"), Projections::default(), Day::default());
    let records = world.history().read_from(1, usize::MAX).expect("records");
    records.iter().filter_map(|record| news.take(record).expect("a record that follows")).collect()
}

fn texts(world: &World) -> Vec<String> {
    told(world, "50").into_iter().map(|message| message.text).collect()
}

#[test]
fn a_fill_an_exit_and_a_settlement_say_market_side_quantity_price_and_result() {
    let mut world = World::begun();
    world.open("s-1", MARKET, "0.52", 10);
    world.close("s-2", MARKET, "yes", "0.60");
    world.open("s-3", MARKET, "0.52", 5);
    let settle = Command::Settle { venue: Venue::Kalshi, market: MarketId::new(MARKET).expect("market"), settlement: Settlement::No };
    world.operator(settle);
    assert_eq!(
        texts(&world),
        [
            format!("[PAPER] filled: buy 10 yes {MARKET} at 52c (kalshi), fee $0.02; signal s-1"),
            format!("[PAPER] exit: sell 10 yes {MARKET} at 60c (kalshi), result +$0.80, fee $0.02; signal s-2"),
            format!("[PAPER] filled: buy 5 yes {MARKET} at 52c (kalshi), fee $0.02; signal s-3"),
            format!("[PAPER] settled no: {MARKET} (kalshi), held 5 yes, result -$2.60"),
        ]
    );
}

#[test]
fn only_large_vetoes_are_told_with_every_reason() {
    let mut world = World::begun();
    world.open("small", MARKET, "0.97", 10);
    world.open("large", MARKET, "0.52", 300);
    let large = told(&world, "50");
    let text = format!("[PAPER] vetoed: buy 300 yes {MARKET} at 52c (kalshi), $156.00: ");
    assert!(large.len() == 1 && large[0].text.starts_with(&text), "{large:?}");
    assert!(large[0].text.contains("order_contracts") && large[0].text.contains("order_size") && !large[0].critical, "{large:?}");
    assert_eq!(told(&world, "0").len(), 2);
}

#[test]
fn the_kill_is_critical_and_its_end_lets_it_be_told_again() {
    let mut world = World::begun();
    world.operator(Command::Kill { reason: "drill\nsecond line".to_owned() });
    world.operator(Command::ClearKill { reason: "over".to_owned() });
    let told = told(&world, "50");
    assert_eq!(told[0].text, "[PAPER] KILL ON by test: drill second line; nothing opens until it is switched off");
    assert_eq!(told[1].text, "[PAPER] kill off by test: over");
    assert_eq!((told[0].critical, told[1].critical, told[1].ends.as_deref()), (true, false, Some(told[0].key.as_str())));
}

#[test]
fn an_unknown_order_is_critical_and_so_is_the_breaker_it_leads_to() {
    let mut world = World::begun();
    for n in 0..6 {
        world.replies.push_back(Reply::Unknown);
        world.open(&format!("u-{n}"), &format!("KXNBAGAME-26JAN28A{n}B{n}-A{n}"), "0.10", 1);
    }
    let told = told(&world, "50");
    let unknown: Vec<&Message> = told.iter().filter(|message| message.kind == Kind::Unknown).collect();
    assert!(unknown.iter().all(|message| message.critical) && unknown.len() >= 5, "{told:?}");
    assert_eq!(unknown[0].text, "[PAPER] UNKNOWN whether this order is there: buy 1 yes KXNBAGAME-26JAN28A0B0-A0 at 10c (kalshi): timeout");
}

#[test]
fn a_day_that_ends_is_summed_up_with_its_result() {
    let mut world = World::begun();
    world.open("s-1", MARKET, "0.52", 10);
    world.close("s-2", MARKET, "yes", "0.60");
    world.open("large", MARKET, "0.52", 300);
    world.raw("signals.kalshi", b"no signal");
    assert!(told(&world, "50").iter().all(|message| message.kind != Kind::Day), "the first day has none before it");
    world.wait_ms(86_400_000);
    let told = told(&world, "50");
    let day = told.iter().find(|message| message.kind == Kind::Day).expect("a summary");
    assert_eq!(
        day.text,
        "[PAPER] day 2026-01-28: result +$0.76 (realised +$0.80, fees $0.04, equity $1000.76); \
         4 signals (1 vetoed, 1 not understood), 2 fills, 0 markets settled, 0 positions held"
    );
    assert!(!day.critical);
}

#[test]
fn what_happened_before_is_not_told() {
    let mut world = World::begun();
    world.open("s-1", MARKET, "0.52", 10);
    let (book, seq) = (world.book().clone(), world.book().seq);
    world.operator(Command::Kill { reason: "now".to_owned() });
    let mut news = News::new(Mode::Live, Usd::ZERO, book, Day::default());
    assert_eq!(news.seq(), seq);
    let records = world.history().read_from(seq + 1, usize::MAX).expect("records");
    let told: Vec<Message> = records.iter().filter_map(|record| news.take(record).expect("follows")).collect();
    assert!(told.len() == 1 && told[0].text.starts_with("[LIVE] KILL ON") && told[0].seq == seq + 1, "{told:?}");
    assert!(told[0].at > Time::default());
}

#[test]
fn differences_and_a_venue_that_refuses_us_are_critical() {
    let mut world = World::begun();
    world.open("s-1", MARKET, "0.52", 10);
    let mut news = News::new(Mode::Live, Usd::ZERO, world.book().clone(), Day::default());
    let (seq, epoch, at) = (world.book().seq, world.book().epoch, world.now());
    let mut take = |number: u64, event: Event| {
        let record = Recorded { seq: seq + number, epoch, recorded_at: at, correlation: None, causation_seq: 0, event };
        news.take(&record).expect("follows")
    };
    let venue = Venue::Kalshi;
    let diverged = Event::ReconciliationDiverged { venue, what: "cash".into(), ours: "10".into(), theirs: "9".into() };
    let difference = take(1, diverged).expect("told");
    assert_eq!((difference.text.as_str(), difference.critical), ("[LIVE] DIFFERENCE at kalshi: cash: 10 here, 9 there", true));
    let mode = |mode: VenueMode, why: &str| Event::VenueModeChanged { venue, mode, why: why.into() };
    assert_eq!(take(2, mode(VenueMode::Reconciling, "start")), None);
    let halted = take(3, mode(VenueMode::Halted, "key revoked")).expect("told");
    assert_eq!((halted.text.as_str(), halted.critical), ("[LIVE] kalshi HALTED: key revoked", true));
    let back = take(4, mode(VenueMode::Reconciling, "again")).expect("told");
    assert_eq!((back.text.as_str(), back.ends), ("[LIVE] kalshi is halted no more: reconciling", Some(halted.key)));
    let tripped = Event::BreakerTripped {
        scope: Scope::Global,
        reason: crate::domain::verdict::Reason::DailyLoss,
        observed: "-512".into(),
        limit: "500".into(),
    };
    assert_eq!(take(5, tripped).expect("told").text, "[LIVE] BREAKER OPEN global: daily_loss: -512 against 500");
    let reset = Event::BreakerReset { scope: Scope::Global, by: "ann".into(), reason: "looked".into() };
    assert_eq!(take(6, reset).expect("told").text, "[LIVE] breaker global closed by ann: looked");
}
