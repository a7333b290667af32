//! Facts about settings. No test here touches the process environment.

use secrecy::ExposeSecret;

use super::settings::{self, Kind, WhenUnset};
use super::*;
use crate::domain::limits::Canary;
use crate::domain::money::{Edge, Price, Quantity};

fn variables(pairs: &[(&str, &str)]) -> Variables {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn load_of(pairs: &[(&str, &str)]) -> Result<Config, ConfigError> {
    from_sources(&variables(pairs), None)
}

fn refusal(pairs: &[(&str, &str)]) -> String {
    load_of(pairs).expect_err("refused").to_string()
}

fn of_file(text: &str) -> Result<Config, ConfigError> {
    from_sources(&Variables::new(), Some(&EnvFile { path: Path::new("x/.env"), text }))
}

fn usd(text: &str) -> Usd {
    Usd::parse(text).expect(text)
}

#[test]
fn an_empty_environment_is_a_paper_engine_with_the_documented_limits() {
    let config = load_of(&[]).expect("defaults");
    assert_eq!((config.mode, config.instance.as_str()), (Mode::Paper, "main"));
    assert_eq!(config.nats, Nats::Servers(vec!["nats://127.0.0.1:4222".to_owned()]));
    assert_eq!((config.data_dir.as_path(), config.http_addr.to_string().as_str()), (Path::new("./data"), "127.0.0.1:9464"));
    let limits = &config.limits;
    assert_eq!((limits.daily_loss_max, limits.game_exposure_max, limits.order_size_max), (usd("500"), usd("100"), usd("100")));
    assert_eq!((limits.order_contracts_min, limits.order_contracts_max), (Quantity::whole(1), Quantity::whole(99)));
    assert_eq!((limits.edge_min, limits.edge_tolerance), (Edge::from_micros(20_000), Edge::from_micros(30_000)));
    assert_eq!((limits.safe_price_min, limits.safe_price_max), (Price::from_micros(50_000), Price::from_micros(950_000)));
    assert_eq!((limits.orders_per_minute_max, limits.orders_per_hour_max), (60, 600));
    assert_eq!((limits.unknown_amount_max, limits.unknown_age_max_ms), (usd("200"), 120_000));
    assert_eq!((limits.kelly_fraction.micros(), limits.allow_hedging), (250_000, false));
    assert_eq!((config.risk.timeout_ms, config.submit_stale_after_ms, config.paper.cash), (300, 60_000, usd("1000")));
    assert_eq!(config.risk.key_path, Path::new("./data/paper/risk.key"));
    assert_eq!(config.mode_dir(), Path::new("./data/paper"));
}

#[test]
fn what_is_not_set_follows_what_is() {
    let config = load_of(&[("BANKROLL_USD", "250"), ("MAX_ORDER_SIZE", "30.5"), ("DATA_DIR", "/d")]).expect("config");
    assert_eq!(
        (config.paper.cash, config.limits.total_exposure_max, config.limits.sport_exposure_max),
        (usd("250"), usd("250"), usd("250"))
    );
    assert_eq!(config.limits.unknown_amount_max, usd("61"));
    assert_eq!(config.risk.public_key_path, Path::new("/d/paper/risk.pub"));
    let own = load_of(&[("BANKROLL_USD", "250"), ("PAPER_CASH_USD", "40")]).expect("config");
    assert_eq!(own.paper.cash, usd("40"));
}

#[test]
fn the_environment_wins_over_the_file() {
    let file = EnvFile { path: Path::new(".env"), text: "MAX_DAILY_LOSS=50\nMIN_EDGE_PCT=15\n" };
    let config = from_sources(&variables(&[("MAX_DAILY_LOSS", "60")]), Some(&file)).expect("config");
    assert_eq!((config.limits.daily_loss_max, config.limits.edge_min), (usd("60"), Edge::from_micros(150_000)));
    let source = |name| config.effective.iter().find(|line| line.name == name).expect(name).source;
    assert_eq!(
        (source("MAX_DAILY_LOSS"), source("MIN_EDGE_PCT"), source("INSTANCE")),
        (Source::Environment, Source::File(2), Source::Default)
    );
}

#[test]
fn s75_every_bad_value_is_refused_with_its_name_what_was_given_and_what_is_allowed() {
    for (name, bad) in [
        ("MAX_DAILY_LOSS", "abc"),
        ("MAX_DAILY_LOSS", "-1"),
        ("MAX_DAILY_LOSS", "1e99"),
        ("MAX_DAILY_LOSS", "0.0000001"),
        ("MAX_DAILY_LOSS", "NaN"),
        ("MIN_EDGE_PCT", "-0.1"),
        ("MIN_EDGE_PCT", "101"),
        ("KELLY_FRACTION", "1.5"),
        ("MAX_SAFE_PRICE", "95"),
        ("MAX_ORDERS_PER_MINUTE", "60.0"),
        ("MAX_ORDERS_PER_MINUTE", "0"),
        ("ALLOW_HEDGING", "maybe"),
        ("TRADING_MODE", "papr"),
        ("HTTP_ADDR", "localhost"),
        ("INSTANCE", "My Engine"),
        ("RISK_TIMEOUT_MS", "1001"),
        ("DAY_OFFSET_MINUTES", "900"),
        ("MAX_GAME_EXPOSURE", ""),
        ("MAX_GAME_EXPOSURE", "1\u{fffd}"),
    ] {
        let text = refusal(&[(name, bad)]);
        let allowed = settings::find(name).expect(name).allowed();
        assert!(text.starts_with(name) && text.contains(&format!("{bad:?}")) && text.contains(&allowed), "{name}={bad}: {text}");
        assert_eq!(text.lines().count(), 1, "{text}");
    }
}

#[test]
fn all_problems_come_at_once_one_line_each() {
    let file = EnvFile { path: Path::new(".env"), text: "MAX_DALY_LOSS=1\noops\nKELLY_FRACTION=2\nA=1\nA=2\n" };
    let error = from_sources(&variables(&[("MAX_GAME_EXPOSURE", "x"), ("POLY_SECRET", "s3cr3t")]), Some(&file)).expect_err("refused");
    let text = error.to_string();
    assert_eq!(text.lines().count(), 6, "{text}");
    assert!(text.contains("MAX_DALY_LOSS (.env line 1): no such setting; did you mean MAX_DAILY_LOSS?"), "{text}");
    assert!(text.contains(".env line 2: not NAME=value") && text.contains("line 5: A stands there twice"), "{text}");
    assert!(!text.contains("s3cr3t"), "{text}");
}

#[test]
fn s75_unknown_names_with_our_prefixes_are_refused_and_other_programs_names_are_not() {
    for prefix in settings::PREFIXES {
        let name = format!("{prefix}XYZZY_QUUX");
        assert!(refusal(&[(&name, "1")]).contains(&name), "{name}");
    }
    assert!(load_of(&[("PATH", "/bin"), ("NATS_CREDS", "x"), ("HTTP_PROXY", "y"), ("INSTANCES", "2")]).is_ok());
    assert!(refusal(&[("max_daily_loss", "5")]).contains("did you mean MAX_DAILY_LOSS?"));
    assert!(of_file("NATS_ENGINE_NKEY=UABC\nNATS_SYS_NKEY=UABD\n").is_ok(), "the server's, beside ours for compose");
    assert!(of_file("NATS_ULR=nats://x:1\n").expect_err("slip").to_string().contains("did you mean NATS_URL?"));
    assert!(of_file("COMPOSE_PROJECT_NAME=x\nFOO=bar\n").is_ok());
}

#[test]
fn settings_that_contradict_each_other_are_refused() {
    for pairs in [
        &[("MIN_SAFE_PRICE", "0.95")][..],
        &[("MIN_MODEL_PROB", "0.5"), ("MAX_MODEL_PROB", "0.5")],
        &[("MAX_ORDER_CONTRACTS", "0.5")],
        &[("MAX_ORDERS_PER_HOUR", "59")],
        &[("POLY_PRIVATE_KEY", "k"), ("POLY_PRIVATE_KEY_PATH", "p")],
        &[("POLY_SIGNATURE_TYPE", "3"), ("POLY_PRIVATE_KEY", "k")],
        &[("RISK_KEY_PATH", "same"), ("RISK_PUBLIC_KEY_PATH", "same")],
    ] {
        let text = refusal(pairs);
        assert!(text.contains(pairs[0].0) && text.lines().count() == 1, "{text}");
    }
}

#[test]
fn real_money_needs_both_switches_and_paper_is_what_else_is_left() {
    let mode = |pairs: &[(&str, &str)]| load_of(pairs).map(|config| config.mode);
    assert_eq!(mode(&[("LIVE_TRADING_AUTHORIZED", "true")]), Ok(Mode::Paper));
    assert_eq!(mode(&[("PAPER_TRADING", "1")]), Ok(Mode::Paper));
    assert_eq!(mode(&[("TRADING_MODE", "PAPER"), ("PAPER_TRADING", "yes")]), Ok(Mode::Paper));
    assert!(refusal(&[("PAPER_TRADING", "0")]).contains("LIVE_TRADING_AUTHORIZED"));
    assert!(refusal(&[("PAPER_TRADING", "0"), ("TRADING_MODE", "paper"), ("LIVE_TRADING_AUTHORIZED", "1")]).contains("contradict"));
    assert!(refusal(&[("TRADING_MODE", "live")]).contains("PAPER_TRADING=0 and LIVE_TRADING_AUTHORIZED=true"));
    assert!(refusal(&[("TRADING_MODE", "live"), ("PAPER_TRADING", "no")]).contains("LIVE_TRADING_AUTHORIZED=true"));
}

/// Both halves of an account.
const ACCOUNT: [(&str, &str); 2] = [("KALSHI_API_KEY_ID", "key-4711"), ("KALSHI_PRIVATE_KEY_PATH", "/keys/kalshi.pem")];

#[test]
fn real_modes_need_an_account_and_a_bus_that_others_see() {
    let live = [("PAPER_TRADING", "0"), ("LIVE_TRADING_AUTHORIZED", "true")];
    for (pairs, mode) in
        [(&live[..], Mode::Live), (&[("TRADING_MODE", "demo")][..], Mode::Demo), (&[("TRADING_MODE", "dry-run")][..], Mode::DryRun)]
    {
        assert_eq!(load_of(pairs).expect_err("no account").problems, [Problem::NoAccount(mode)]);
        let with_account = [pairs, &ACCOUNT].concat();
        assert_eq!(load_of(&with_account).expect("config").mode, mode);
        let alone = [&with_account[..], &[("NATS_URL", "embedded")]].concat();
        assert_eq!(load_of(&alone).is_ok(), mode == Mode::DryRun, "{mode}");
    }
    assert!(refusal(&[("TRADING_MODE", "demo"), ("SUBMIT_STALE_AFTER_MS", "1000")]).contains("at least 60000"));
    assert!(refusal(&ACCOUNT[..1]).contains("belong together"));
}

#[test]
fn an_account_is_spoken_to_in_plain_text_on_this_machine_only() {
    for (name, url) in [
        ("KALSHI_API_URL", "http://10.0.0.1/trade-api/v2"),
        ("KALSHI_API_URL", "https://external-api.kalshi.com"),
        ("KALSHI_WS_URL", "ws://10.0.0.1/trade-api/ws/v2"),
    ] {
        let text = refusal(&[(name, url)]);
        assert!(text.contains(name) && text.contains(url) && text.lines().count() == 1, "{text}");
    }
    let loopback = [("KALSHI_API_URL", "http://127.0.0.1:8600/trade-api/v2"), ("KALSHI_WS_URL", "ws://[::1]:8600/trade-api/ws/v2")];
    assert!(load_of(&loopback).is_ok());
}

#[test]
fn live_starts_with_the_caps_of_the_first_days_until_full_is_said() {
    let live = [("PAPER_TRADING", "0"), ("LIVE_TRADING_AUTHORIZED", "true"), ACCOUNT[0], ACCOUNT[1]];
    assert_eq!(load_of(&live).expect("config").limits.canary, Some(Canary::default()));
    let full = [&live[..], &[("LIVE_STAGE", "full")]].concat();
    assert_eq!(load_of(&full).expect("config").limits.canary, None);
    assert_eq!(load_of(&[]).expect("config").limits.canary, None);
}

#[test]
fn secrets_are_read_and_never_shown() {
    let nats = ("NATS_URL", "nats://me:pa55@h:4222,tls://tok@i");
    let pairs = [("POLY_PRIVATE_KEY", "0xdeadbeef"), ACCOUNT[0], nats, ACCOUNT[1], ("TRADING_MODE", "dry-run")];
    let config = load_of(&pairs).expect("config");
    let wallet = config.polymarket.as_ref().and_then(|polymarket| polymarket.wallet.clone()).expect("a wallet");
    assert!(matches!(&wallet.key, WalletKey::Text(key) if key.expose_secret() == "0xdeadbeef"));
    assert_eq!(config.kalshi.as_ref().expect("account").key_id.expose_secret(), "key-4711");
    let shown = format!("{config:?}");
    for secret in ["deadbeef", "4711", "pa55", "tok@"] {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
    assert_eq!(config.nats.to_string(), "nats://***@h:4222,tls://***@i");
    assert_eq!(config.config_hash(), load_of(&pairs[1..]).expect("config").config_hash());
}

#[test]
fn keys_pasted_in_the_wrong_place_are_refused_unseen() {
    let hex = "ab".repeat(32);
    for (name, value) in
        [("KALSHI_PRIVATE_KEY_PATH", "-----BEGIN PRIVATE KEY-----"), ("POLY_PRIVATE_KEY_PATH", hex.as_str()), ("NATS_URL", "me:pa55@:x:y")]
    {
        let text = refusal(&[(name, value)]);
        assert!(text.starts_with(name) && !text.contains(value), "{text}");
    }
}

#[test]
fn the_hash_follows_the_meaning_not_the_spelling() {
    let hash = |pairs: &[(&str, &str)]| load_of(pairs).expect("config").config_hash();
    assert_eq!(hash(&[("MAX_DAILY_LOSS", "500.00"), ("ALLOW_HEDGING", "no")]), hash(&[]));
    assert_eq!(hash(&[]), of_file("MAX_DAILY_LOSS=5e2\n").expect("config").config_hash());
    assert_ne!(hash(&[("MAX_DAILY_LOSS", "500.01")]), hash(&[]));
}

const WEBHOOK: (&str, &str) = ("NOTIFY_WEBHOOK_URL", "https://api.telegram.org/bot123456:AAHfiqksKZ8/sendMessage");

#[test]
fn a_webhook_that_cannot_be_used_is_refused_and_never_shown() {
    let chat = ("NOTIFY_TELEGRAM_CHAT_ID", "-1001");
    for (pairs, told) in [
        (&[("NOTIFY_WEBHOOK_URL", "http://example.org/bot123456:AAHfiqksKZ8")][..], "NOTIFY_WEBHOOK_URL is not encrypted"),
        (&[("NOTIFY_WEBHOOK_URL", "bot123456:AAHfiqksKZ8")], "NOTIFY_WEBHOOK_URL"),
        (&[("NOTIFY_WEBHOOK_URL_PATH", WEBHOOK.1)], "NOTIFY_WEBHOOK_URL_PATH (environment): that looks like the key itself"),
        (&[WEBHOOK, ("NOTIFY_WEBHOOK_URL_PATH", "x")], "are both set"),
        (&[WEBHOOK, ("NOTIFY_TEMPLATE", "telegram")], "needs NOTIFY_TELEGRAM_CHAT_ID"),
        (&[WEBHOOK, ("NOTIFY_TELEGRAM_CHAT_ID", "my chat")], "NOTIFY_TELEGRAM_CHAT_ID is neither"),
        (&[WEBHOOK, ("NOTIFY_QUIET_HOURS", "10pm-7am")], "NOTIFY_QUIET_HOURS (environment): \"10pm-7am\" is not a span of the day"),
        (&[("NATS_URL", WEBHOOK.1)], "NATS_URL"),
    ] {
        let text = refusal(pairs);
        assert!(text.contains(told) && !text.contains("AAHfiqksKZ8"), "{text}");
    }
    let config = load_of(&[WEBHOOK, ("NOTIFY_TEMPLATE", "telegram"), chat]).expect("config");
    assert!(config.notify.is_some() && !format!("{config:?}").contains("AAHfiqksKZ8"));
    assert_eq!(config.config_hash(), load_of(&[("NOTIFY_TEMPLATE", "telegram"), chat]).expect("config").config_hash());
}

/// Another allowed text than the default's.
fn another(setting: &settings::Setting) -> String {
    match setting.kind {
        Kind::Flag => if setting.default == WhenUnset::Is("false") { "true" } else { "0" }.to_owned(),
        Kind::Usd(_) => "17.25".to_owned(),
        Kind::Price(_) | Kind::Probability(_) => if setting.name.starts_with("MIN") { "0.06" } else { "0.93" }.to_owned(),
        Kind::Contracts(_) => "7".to_owned(),
        Kind::Points(_) => "7.5".to_owned(),
        Kind::Whole { min, .. } => (min.max(60) + 1).to_string(),
        Kind::OneOf(words) => (*words.last().expect("words")).to_owned(),
        Kind::Instance => "other".to_owned(),
        Kind::Path => "other/path".to_owned(),
        Kind::Address => "0.0.0.0:1".to_owned(),
        Kind::Nats => "embedded".to_owned(),
        Kind::Text if setting.name == "KALSHI_API_URL" => "http://127.0.0.1:1/trade-api/v2".to_owned(),
        Kind::Text if setting.name == "KALSHI_WS_URL" => "ws://127.0.0.1:1/trade-api/ws/v2".to_owned(),
        Kind::Text if setting.name == "POLY_WS_URL" => "ws://127.0.0.1:1/ws".to_owned(),
        Kind::Hours => "22:00-07:00".to_owned(),
        Kind::Text if setting.name == "NOTIFY_TELEGRAM_CHAT_ID" => "@other".to_owned(),
        Kind::Text if setting.name.ends_with("_URL") => "http://127.0.0.1:1".to_owned(),
        Kind::Text | Kind::Secret => "x".to_owned(),
    }
}

/// All but the table's echo of what was given.
fn what_is_used(config: &Config) -> String {
    format!("{:?}", Config { effective: Vec::new(), ..config.clone() })
}

#[test]
fn every_setting_reaches_the_config() {
    // Half an account is refused, so each setting is changed beside a whole one.
    let wallet = [
        ("TRADING_MODE", "dry-run"),
        ("POLY_PRIVATE_KEY", "k"),
        ("POLY_SIGNATURE_TYPE", "2"),
        ("POLY_FUNDER", "0x1"),
        ACCOUNT[0],
        ACCOUNT[1],
    ];
    let webhook = [WEBHOOK, ("NOTIFY_TEMPLATE", "telegram"), ("NOTIFY_TELEGRAM_CHAT_ID", "-1001")];
    for setting in settings::all() {
        // Read before the config is there (or never shown), and tested above.
        if ["TRADING_MODE", "PAPER_TRADING", "LIVE_TRADING_AUTHORIZED", "ARBEES_ENV_FILE"].contains(&setting.name) {
            continue;
        }
        let given = another(setting);
        if [ACCOUNT[0].0, "POLY_PRIVATE_KEY", WEBHOOK.0].contains(&setting.name) {
            continue;
        }
        let beside = match setting.name.split('_').next() {
            Some("POLY") => &wallet[..],
            Some("NOTIFY") => &webhook[..],
            _ => &ACCOUNT[..],
        };
        let plain = what_is_used(&load_of(beside).expect("defaults"));
        let rivals = |name: &str| name == setting.name || setting.name.strip_suffix("_PATH") == Some(name);
        let account = beside.iter().copied().filter(|(name, _)| !rivals(name));
        let pairs: Vec<(&str, &str)> = account.chain([(setting.name, given.as_str())]).collect();
        let config = load_of(&pairs).expect(setting.name);
        assert_ne!(what_is_used(&config), plain, "{}", setting.name);
    }
}

#[test]
fn names_are_unique_and_ours_are_under_our_prefixes_or_well_known() {
    let names: Vec<_> = settings::all().map(|setting| setting.name).collect();
    let unique: std::collections::BTreeSet<_> = names.iter().collect();
    assert_eq!(unique.len(), names.len());
    let bare: Vec<_> = names.iter().filter(|name| !settings::PREFIXES.iter().any(|prefix| name.starts_with(prefix))).collect();
    assert_eq!(
        bare,
        [
            &"INSTANCE",
            &"NATS_URL",
            &"NATS_SEED_PATH",
            &"NATS_ROLE",
            &"DATA_DIR",
            &"HTTP_ADDR",
            &"HTTP_TOKEN_PATH",
            &"LOG_FORMAT",
            &"LOG_LEVEL",
            &"DAY_OFFSET_MINUTES",
            &"PROBE_AFTER_MS",
        ]
    );
}

#[test]
fn the_example_file_is_the_table() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(".env.example");
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(&path, settings::env_example()).expect("write .env.example");
    }
    let text = std::fs::read_to_string(&path).expect(".env.example");
    assert_eq!(text, settings::env_example(), "run `UPDATE_EXPECT=1 cargo test --lib the_example_file` after changing the table");
    let named: Vec<&str> = text.lines().filter_map(|line| line.trim_start_matches("# ").split_once('=')).map(|(name, _)| name).collect();
    let known: Vec<&str> = settings::all().map(|setting| setting.name).collect();
    assert_eq!(named.iter().filter(|name| known.contains(name)).count(), known.len());
    assert_eq!(of_file(&text).expect("loads").config_hash(), load_of(&[]).expect("defaults").config_hash());
}

#[test]
fn a_named_file_must_be_there_and_the_usual_one_may_be_missing() {
    let dir = std::env::temp_dir().join(format!("arbees-config-{}", std::process::id()));
    std::fs::create_dir_all(&dir).expect("folder");
    let none = Variables::new();
    assert!(load_with(&none, None, &dir).is_ok());
    let text = load_with(&none, Some(Path::new("gone.env")), &dir).expect_err("named").to_string();
    assert!(text.contains("gone.env") && text.contains("can't be read"), "{text}");
    std::fs::write(dir.join(".env"), "INSTANCE=from-env\n").expect("write");
    std::fs::write(dir.join("b.env"), "INSTANCE=from-b\n").expect("write");
    let instance = |config: Result<Config, ConfigError>| config.expect("config").instance.to_string();
    assert_eq!(instance(load_with(&none, None, &dir)), "from-env");
    assert_eq!(instance(load_with(&variables(&[("ARBEES_ENV_FILE", "b.env")]), None, &dir)), "from-b");
    assert_eq!(instance(load_with(&variables(&[("ARBEES_ENV_FILE", "gone.env")]), Some(Path::new("b.env")), &dir)), "from-b");
    assert!(of_file("ARBEES_ENV_FILE=x\n").is_err());
    std::fs::write(dir.join("big.env"), vec![b'#'; ENV_FILE_BYTES_MAX as usize + 1]).expect("write");
    assert!(load_with(&none, Some(Path::new("big.env")), &dir).is_err());
    std::fs::remove_dir_all(&dir).expect("remove");
}

#[test]
fn polymarket_needs_a_wallet_for_money_an_address_in_demo_and_nothing_for_its_books_on_paper() {
    let polymarket = |pairs: &[(&str, &str)]| load_of(pairs).expect("config").polymarket;
    let key = ("POLY_PRIVATE_KEY", "k");
    let double = ("POLY_CLOB_URL", "http://127.0.0.1:8700");
    assert!(polymarket(&[]).is_none());
    assert!(polymarket(&[double]).expect("books").wallet.is_none());
    assert!(polymarket(&[key]).expect("books").wallet.is_none());
    assert!(polymarket(&[("TRADING_MODE", "dry-run"), key]).expect("an account").wallet.is_some());
    assert!(polymarket(&[("TRADING_MODE", "demo"), key, double]).expect("an account").wallet.is_some());
    assert!(polymarket(&[("TRADING_MODE", "demo"), key, ACCOUNT[0], ACCOUNT[1]]).is_none());
    assert!(refusal(&[("TRADING_MODE", "demo"), key]).contains("POLY_CLOB_URL"));
}
