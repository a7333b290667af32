//! What an operator books, counts and reads on demand; what a wallet lacks at the start (S90, S94).

use std::fs;
use std::process::Stdio;

use arbees::domain::event::{Event, Scope};
use arbees::domain::report::VenueMode;
use arbees::http::Queries;
use serde_json::{Value, json};

use crate::look::{Look, close, diverged, key_of, open, whole};
use crate::program::{Process, Said, command, say, stage};
use crate::servers::NatsServer;
use crate::standing::{at, engine};
use crate::support::{Folder, SLUG, World};

#[tokio::test(flavor = "multi_thread")]
async fn s90_what_was_proven_is_booked_from_the_command_line_and_the_breaker_is_reset_by_hand() {
    let (nats, folder) = (NatsServer::start(), Folder::new());
    let stage = stage(&folder).await;
    let config = at(&stage, &nats, "one");
    let (data, url) = (config.data_dir.display().to_string(), nats.url());
    let running = engine(config, &nats).await.expect("an engine");
    stage.until("it trades", async || running.desk.readiness().await.ok()).await.expect("ready");
    let world = World { stage, engine: running, _folder: folder };
    world.buys("yes", "0.50", "6").await;
    world.agrees().await;
    let (key, token) = (key_of(&world, "yes"), world.stage.venue.markets[SLUG].tokens[0].clone());
    let place = [("NATS_URL", url.as_str()), ("DATA_DIR", data.as_str()), ("INSTANCE", "one")];
    let says = async |args: &[&str]| -> Said { say(&world.stage, &place, args).await };
    let booking = ["adjust", "--venue", "polymarket", "--market", &token, "--quantity", "8", "--cost", "4", "--reason", "sent by hand"];
    let agrees = says(&["reconcile", "--venue", "polymarket"]).await;
    assert!(agrees.code == 0 && agrees.out.contains("unexplained $0"), "{}{}", agrees.out, agrees.err);
    let early = says(&booking).await;
    assert!(early.code == 1 && early.err.contains("there is nothing to book"), "{}{}", early.out, early.err);
    let unexplained = says(&booking[..9]).await;
    assert!(unexplained.code == 2 && unexplained.err.contains("--reason"), "{}", unexplained.err);
    world.admin("/tokens", json!({ "token": token, "amount": "2" })).await;
    world.until("the breaker", async || world.is_tripped(Scope::Market(key.clone())).await).await;
    let shown = says(&["reconcile", "--venue", "polymarket"]).await;
    assert!(shown.code == 1 && shown.err.contains("DIFFERS: 6 here, 8 there"), "{}{}", shown.out, shown.err);
    let done = says(&booking).await;
    for fact in ["6 here, 8 there", "DIVERGED", "booked", "unexplained $0"] {
        assert!(done.code == 0 && done.out.contains(fact), "{fact}: {}{}", done.out, done.err);
    }
    assert_eq!((world.holding("yes").await, world.is_tripped(Scope::Market(key.clone())).await), (whole(8), true), "a person resets it");
    let status: Value = serde_json::from_str(&says(&["status", "--json"]).await.out).expect("JSON");
    assert_eq!(status["venues"][0]["venue"], "kalshi");
    assert_eq!((&status["venues"][1]["diverged"], &status["venues"][1]["count"]["unexplained"]), (&json!([]), &json!("0")));
    let reset = says(&["breaker", "reset", &format!("market:polymarket:{token}"), "--reason", "explained"]).await;
    assert_eq!(reset.code, 0, "{}", reset.err);
    world.synced().await;
    assert_eq!(world.trades(&close("yes", "0.40")).await.filled, whole(8), "what was booked is sold");
    world.agrees().await;
    let living: Value = serde_json::from_str(&says(&["cash", "--json"]).await.out).expect("JSON");
    let day = living["date"].as_str().expect("a day").to_owned();
    let row = &living["accounts"][0];
    assert_eq!((&row["venue"], &row["opening"], &row["bought"]), (&json!("polymarket"), &json!("1000"), &json!("-3")));
    assert_eq!(world.count(|event| matches!(event, Event::OperatorAdjusted { proof: Some(_), .. })).await, 1);
    let World { stage, engine, _folder } = world;
    engine.stop().await;
    // The same from the log alone.
    for args in [&["cash", "--json"][..], &["cash", "--json", "--day", &day]] {
        let read: Value = serde_json::from_str(&say(&stage, &place, args).await.out).expect("JSON");
        assert_eq!(read["accounts"], living["accounts"]);
    }
    let table = say(&stage, &place, &["cash"]).await;
    assert!(table.out.contains("EXPECTED") && table.out.contains("unexplained $0"), "{}", table.out);
    for (args, code) in [(["cash", "--day", "2001-01-01"], 1), (["cash", "--day", "soon"], 2)] {
        assert_eq!(say(&stage, &place, &args).await.code, code);
    }
    let offline = say(&stage, &place, &booking).await;
    assert!(offline.code == 1 && offline.err.contains("arbees run"), "{}", offline.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn s94_an_account_that_is_not_read_whole_stays_shut_and_status_says_which_page() {
    let world = World::new().await;
    world.buys("yes", "0.50", "6").await;
    let World { stage, engine, _folder } = world;
    engine.stop().await;
    // Trades are there, but not all of them: a cursor that leads nowhere.
    stage.fault(json!({ "kind": "status", "status": 500, "call": "trades" })).await.expect("a fault");
    let engine = stage.engine_at_once().await.expect("it starts all the same");
    let world = World { stage, engine, _folder };
    let told = async || {
        let (mode, why) = world.mode_and_why().await;
        mode == VenueMode::Reconciling && why.contains("can't be read: /data/trades")
    };
    world.until("the reason", told).await;
    let refused = world.command(arbees::engine::Command::Reconcile { venue: None }).await.expect_err("not whole");
    assert!(refused.contains("/trades"), "{refused}");
    assert!(world.vetoed(&open("yes", "0.50", "6", "ioc")).await.contains(&"venue_not_ready".to_owned()));
    world.stage.heal().await.expect("healed");
    world.becomes(VenueMode::Open).await;
    let read = world.command(arbees::engine::Command::Reconcile { venue: None }).await.expect("whole");
    assert!(read.contains("unexplained $0"), "{read}");
    world.agrees().await;
    assert_eq!(world.count(diverged).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wallet_that_lacks_something_is_told_at_the_start_in_one_line_and_buys_nothing() {
    const FUNDER: &str = "0x1111111111111111111111111111111111111111";
    let funder = [("POLY_SIGNATURE_TYPE", "2"), ("POLY_FUNDER", FUNDER)];
    let cases = [
        (&funder[..], None, "signature_type"),
        (&[], Some(("/allowance", "0")), "no allowance: the exchange"),
        (&[], Some(("/cash", "-1000")), "no balance: "),
    ];
    for (settings, change, problem) in cases {
        let (nats, folder) = (NatsServer::start(), Folder::new());
        let stage = stage(&folder).await;
        if let Some((path, amount)) = change {
            stage.admin("POST", path, json!({ "amount": amount })).await.expect("changed");
        }
        let lines = folder.0.join("lines.log");
        let url = nats.url();
        let more: Vec<(&str, &str)> = settings.iter().copied().chain([("NATS_URL", url.as_str())]).collect();
        let log = fs::File::create(&lines).expect("a file");
        let mut run = command(&stage, &more, &["run"]);
        let mut process = Process(run.stdout(Stdio::null()).stderr(log).spawn().expect("run arbees"));
        let said = async || {
            let text = fs::read_to_string(&lines).ok()?;
            text.lines().any(|line| line.contains("[DEMO] polymarket: ") && line.contains(problem)).then_some(())
        };
        stage.until(problem, said).await.unwrap_or_else(|error| panic!("{error}: {}", fs::read_to_string(&lines).unwrap_or_default()));
        let bus = nats.bus().await;
        let (_, signal) = stage.signal(&open("yes", "0.50", "6", "ioc"));
        arbees::bus::Bus::publish_signal(&bus, "signals.polymarket", signal.to_string().into()).await.expect("published");
        let answered = async || {
            let said = say(&stage, &more, &["status", "--json"]).await.out;
            let status: Value = serde_json::from_str(&said).ok()?;
            (status["counters"]["answers_requested"].as_u64()? + status["counters"]["answers_vetoed"].as_u64()? > 0).then_some(())
        };
        stage.until("an answer", answered).await.unwrap_or_else(|error| panic!("{problem}: {error}"));
        let truth = stage.truth().await.expect("truth");
        let bought = truth["orders"].as_object().into_iter().flatten().filter(|(_, order)| order["size_matched"] != "0").count();
        assert_eq!((bought, process.0.try_wait().expect("asked").is_none()), (0, true), "{problem}");
    }
}
