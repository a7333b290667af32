//! The page as a person sees it: in a browser, against a real engine.

use arbees::domain::money::Usd;
use serde_json::{Value, json};

use crate::arbees::{Place, Process};
use crate::browser::{Browser, is_here};
use crate::strategy::{Strategy, open, with};
use crate::support::NatsServer;

struct Begun {
    server: NatsServer,
    place: Place,
    strategy: Strategy,
    engine: Process,
}

/// An engine that would trade.
async fn begun() -> Begun {
    let server = NatsServer::start();
    let place = Place::new(&server.url());
    let strategy = Strategy::connect(&server.url()).await;
    let engine = place.start(&["run"]);
    place.ready().await;
    Begun { server, place, strategy, engine }
}

/// `5.175` as `$5.18`: to the cent, half a cent up.
fn cents(amount: &Value) -> String {
    let micros = Usd::parse(amount.as_str().expect("money")).expect("money").micros();
    let cents = (micros + 5_000) / 10_000;
    format!("${}.{:02}", cents / 100, cents % 100)
}

async fn opened(place: &Place, width: u32, height: u32) -> Browser {
    let browser = Browser::open(width, height).await;
    browser.go(&format!("http://{}/", place.address().expect("an engine"))).await;
    browser.shows("#link", "live").await;
    browser
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_shows_a_signals_way_without_being_loaded_again_and_why_one_was_vetoed() {
    if !is_here() {
        return;
    }
    let Begun { server: _server, place, strategy, mut engine } = begun().await;
    let browser = opened(&place, 1280, 1400).await;
    assert!(browser.text("#mode").await == "PAPER" && browser.text("#means").await.contains("no real money"));
    browser.shows("#ready", "trading").await;
    browser.shows("#empty", "nats pub signals.kalshi").await;
    browser.run("window.sameLoad = true").await;

    assert_eq!(strategy.ask(&open("good", "KXGOOD-1-A")).await["answer"], "requested");
    assert_eq!(strategy.ask(&with(open("thin", "KXTHIN-1-A"), json!({ "model_prob": "0.525" }))).await["answer"], "vetoed");
    browser.shows("#funnel li:nth-child(6)", "1").await;
    browser.shows("#positions", "KXGOOD-1-A").await;
    browser.shows("#vetoes", "edge below minimum").await;
    let (worst, shown) = (place.json(&["exposure", "--json"])["total"]["worst"].clone(), browser.text("#exp-total").await);
    assert_eq!(shown, cents(&worst));
    assert_eq!(browser.run("return window.sameLoad").await, true, "it was not loaded again");

    browser.click("#vetoes .veto").await;
    browser.shows("#story", "thin: vetoed").await;
    browser.shows("#story-failed", "edge below minimum").await;
    assert_eq!(browser.complaints().await, Vec::<String>::new());
    engine.kill();
    browser.shows("#stale", "what you see is old").await;
    assert_eq!(browser.run("return getComputedStyle(document.querySelector('main')).opacity").await, "0.35");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn beyond_this_machine_nothing_starts_without_a_token_that_somebody_has_given() {
    let server = NatsServer::start();
    let place = Place::new(&server.url()).with("HTTP_ADDR", "0.0.0.0:0");
    let said = place.say(&["run"]);
    assert!(said.code != 0 && said.err.contains("can be reached from elsewhere") && said.err.contains("HTTP_TOKEN_PATH"), "{said:?}");
    let token = place.dir.join("given");
    std::fs::write(&token, "0123456789abcdef0123").expect("written");
    std::fs::set_permissions(&token, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("its mode");
    let place = place.with("HTTP_TOKEN_PATH", token.to_str().expect("path"));
    let mut engine = place.start(&["run"]);
    place.ready().await;
    place.good(&["kill", "on", "--reason", "test"]);
    assert_eq!(engine.stop(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_kill_button_is_refused_without_the_token_and_works_with_it() {
    if !is_here() {
        return;
    }
    let Begun { server: _server, place, mut engine, .. } = begun().await;
    let browser = opened(&place, 1280, 900).await;
    browser.click("#kill").await;
    browser.write("#ask-reason", "I want to sleep").await;
    browser.write("#ask-token", "not the token of it").await;
    browser.click("#ask-do").await;
    browser.shows("#ask-error", "not the token").await;
    assert_eq!(place.json(&["kill", "status", "--json"])["on"], false);
    browser.write("#ask-token", &place.token()).await;
    browser.click("#ask-do").await;
    browser.shows("#notices", "I want to sleep").await;
    browser.shows("#ready", "not trading").await;
    let kill = place.json(&["kill", "status", "--json"]);
    assert_eq!((&kill["on"], &kill["reason"]), (&json!(true), &json!("I want to sleep")));

    browser.click("#kill").await;
    browser.write("#ask-reason", "good morning").await;
    browser.click("#ask-do").await;
    browser.shows("#ready", "trading").await;
    assert_eq!(place.json(&["kill", "status", "--json"])["on"], false);
    assert_eq!(engine.stop(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_other_button_cancels_what_rests() {
    if !is_here() {
        return;
    }
    let Begun { server: _server, place, strategy, mut engine } = begun().await;
    let resting = with(open("resting", "KXREST-1-A"), json!({ "tif": "gtc", "limit_price": "0.40", "ttl_ms": 600_000 }));
    assert_eq!(strategy.ask(&resting).await["answer"], "requested");
    let browser = opened(&place, 1280, 900).await;
    browser.shows("#orders", "KXREST-1-A").await;
    browser.click("#cancel-all").await;
    browser.write("#ask-token", &place.token()).await;
    browser.click("#ask-do").await;
    browser.shows("#orders", "No order is working").await;
    assert_eq!(place.json(&["orders", "--json"])[0]["state"], "canceled");
    assert_eq!(engine.stop(), 0);
}

/// What strangers write is text, and a narrow screen is wide enough.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn markup_in_a_signal_stays_text_and_a_phone_needs_no_sideways_scrolling() {
    if !is_here() {
        return;
    }
    let Begun { server: _server, place, strategy, mut engine } = begun().await;
    let id = "<img src=x onerror=window.owned=1>";
    assert_eq!(
        strategy.ask(&with(open(id, "KXEVIL-1-A"), json!({ "model_prob": "0.525", "game_id": "<b>game</b>" }))).await["answer"],
        "vetoed"
    );
    let long = "KXAVERYLONGSERIESOFAMARKET-26NOV22BOSNYK-BOS";
    assert_eq!(strategy.ask(&open("long", long)).await["answer"], "requested");
    let browser = opened(&place, 360, 800).await;
    browser.shows("#events", "<img src=x").await;
    browser.click("#vetoes .veto").await;
    browser.shows("#story", id).await;
    assert_eq!(
        browser.run("return [window.owned ?? null, document.querySelectorAll('main img, dialog img, main b b').length]").await,
        json!([null, 0])
    );
    let widths = browser.run("return [document.documentElement.scrollWidth, window.innerWidth]").await;
    assert_eq!(widths[0], widths[1], "no sideways scrolling");
    assert_eq!(browser.complaints().await, Vec::<String>::new());
    assert_eq!(engine.stop(), 0);
}
