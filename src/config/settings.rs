//! The one table of settings: what parses values, refuses unknown names, writes `.env.example` and explains itself in
//! `config check`.

/// How the text of a setting is read, and what is allowed. Bounds are inclusive and in the setting's unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// 0/1, true/false, yes/no.
    Flag,
    Usd(Bounds),
    /// Dollars per contract that pays $1.
    Price(Bounds),
    Probability(Bounds),
    Contracts(Bounds),
    /// Percentage points.
    Points(Bounds),
    Whole {
        unit: &'static str,
        min: i64,
        max: i64,
    },
    OneOf(&'static [&'static str]),
    /// A name for subjects and folders.
    Instance,
    Path,
    /// IP address and port.
    Address,
    /// `embedded`, or addresses of NATS servers.
    Nats,
    /// From one time of day to another: 22:00-07:00.
    Hours,
    Text,
    /// Never shown.
    Secret,
}

type Bounds = (&'static str, &'static str);

/// What counts when nothing is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenUnset {
    Is(&'static str),
    SameAs(&'static str),
    TwiceThatOf(&'static str),
    /// A file in the mode's data folder.
    InModeFolder(&'static str),
    /// Nothing; the text says what then happens.
    Absent(&'static str),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setting {
    pub name: &'static str,
    pub kind: Kind,
    pub default: WhenUnset,
    pub doc: &'static str,
}

pub struct Section {
    pub title: &'static str,
    pub settings: &'static [Setting],
}

const fn row(name: &'static str, kind: Kind, default: WhenUnset, doc: &'static str) -> Setting {
    Setting { name, kind, default, doc }
}

/// A name of ours that the table doesn't hold is a mistake; other programs' names are left alone.
pub const PREFIXES: &[&str] = &[
    "ARBEES_",
    "KALSHI_",
    "POLY_",
    "PAPER_",
    "RISK_",
    "MAX_",
    "MIN_",
    "LIVE_",
    "TRADING_",
    "KELLY_",
    "COOL_DOWN_",
    "BANKROLL_",
    "ALLOW_",
    "EDGE_",
    "DUPLICATE_",
    "SUBMIT_",
    "STOP_",
    "NOTIFY_",
];

/// Sums stay far inside what `domain::money` holds.
const USD_MAX: &str = "1000000000";
const DAY_MS: i64 = 86_400_000;
const HOUR_MS: i64 = 3_600_000;

use Kind::{Address, Contracts, Flag, Hours, Nats, OneOf, Path, Points, Price, Probability, Secret, Text, Usd, Whole};
use WhenUnset::{Absent, InModeFolder, Is, SameAs, TwiceThatOf};

pub const SECTIONS: &[Section] = &[
    Section {
        title: "What money is at stake",
        settings: &[
            row(
                "TRADING_MODE",
                OneOf(&["paper", "dry-run", "demo", "live"]),
                Absent("paper, unless both live switches are set"),
                "How orders are sent.",
            ),
            row("PAPER_TRADING", Flag, Is("1"), "First live switch: 0 asks for real money and needs the second one."),
            row("LIVE_TRADING_AUTHORIZED", Flag, Is("false"), "Second live switch."),
            row("LIVE_STAGE", OneOf(&["canary", "full"]), Is("canary"), "canary: one open order, $10 each, $25 a day."),
        ],
    },
    Section {
        title: "Where it runs",
        settings: &[
            row("INSTANCE", Kind::Instance, Is("main"), "Name of this engine in subjects and order ids."),
            row(
                "NATS_URL",
                Nats,
                Is("nats://127.0.0.1:4222"),
                "NATS servers, separated by commas, or `embedded` for a bus inside the process.",
            ),
            row(
                "NATS_SEED_PATH",
                Path,
                Absent("log in as NATS_URL says"),
                "File with the nkey seed of this role (SU...), readable by its owner only; `arbees bus keys` makes them.",
            ),
            row(
                "NATS_ROLE",
                Text,
                Absent("engine or risk, as the process is"),
                "With a seed: replies come under _INBOX.<role>, as the server's permissions name it.",
            ),
            row("DATA_DIR", Path, Is("./data"), "Each mode keeps its log in a folder of its own below."),
            row("HTTP_ADDR", Address, Is("127.0.0.1:9464"), "Metrics, health and API."),
            row(
                "STOP_RESTING",
                OneOf(&["cancel", "keep"]),
                Is("cancel"),
                "What becomes of resting orders when the engine is asked to end; those kept end at the venue by their own expiry.",
            ),
            row(
                "STOP_WAIT_MS",
                Whole { unit: "ms", min: 0, max: 300_000 },
                Is("10000"),
                "How long an ending engine waits for the venues' answers; what is still unknown then is listed, and the exit code is 4.",
            ),
            row(
                "HTTP_TOKEN_PATH",
                Path,
                InModeFolder("http_token"),
                "Bearer token of commands over HTTP. Made on the first start on loopback; with another HTTP_ADDR it must be there.",
            ),
            row("LOG_FORMAT", OneOf(&["human", "json"]), Is("human"), "Shape of the log lines."),
            row("LOG_LEVEL", OneOf(&["error", "warn", "info", "debug", "trace"]), Is("info"), "Least important line shown."),
        ],
    },
    Section {
        title: "Bankroll and size of an order",
        settings: &[
            row("BANKROLL_USD", Usd(("0.01", USD_MAX)), Is("1000"), "What Kelly sizing counts on, together with the free cash."),
            row("KELLY_FRACTION", Probability(("0.001", "1")), Is("0.25"), "Share of the Kelly stake that is taken."),
            row("MAX_ORDER_SIZE", Usd(("0.01", "100000000")), Is("100"), "Notional of one order."),
            row("MAX_ORDER_CONTRACTS", Contracts(("0.01", "1000000")), Is("99"), "Contracts of one order."),
            row("MIN_ORDER_CONTRACTS", Contracts(("0.01", "1000000")), Is("1"), "Smaller orders are vetoed."),
        ],
    },
    Section {
        title: "What an opening order must look like",
        settings: &[
            row("MIN_EDGE_PCT", Points(("0", "100")), Is("2.0"), "Least edge, declared and recomputed, after the taker fee."),
            row("EDGE_TOLERANCE_PCT", Points(("0", "100")), Is("3.0"), "How far the declared and the recomputed edge may lie apart."),
            row("MIN_SAFE_PRICE", Price(("0", "1")), Is("0.05"), "Lowest limit price; below MAX_SAFE_PRICE."),
            row("MAX_SAFE_PRICE", Price(("0", "1")), Is("0.95"), "Highest limit price."),
            row(
                "MIN_MODEL_PROB",
                Probability(("0", "1")),
                Is("0.02"),
                "A model less sure than this is taken as broken; below MAX_MODEL_PROB.",
            ),
            row("MAX_MODEL_PROB", Probability(("0", "1")), Is("0.98"), "A model more sure than this is taken as broken."),
            row("MAX_BOOK_AGE_MS", Whole { unit: "ms", min: 1, max: HOUR_MS }, Is("5000"), "Age of the book the strategy saw."),
            row("MAX_BOOK_DISTANCE", Price(("0", "1")), Is("0.10"), "How far the limit may lie beyond the opposite side of the book."),
            row(
                "DUPLICATE_INTENT_MS",
                Whole { unit: "ms", min: 0, max: DAY_MS },
                Is("10000"),
                "The same intent under another id waits this long; 0 = off.",
            ),
            row("COOL_DOWN_AFTER_WIN_MS", Whole { unit: "ms", min: 0, max: DAY_MS }, Is("0"), "Pause on a game after a win; 0 = off."),
            row("COOL_DOWN_AFTER_LOSS_MS", Whole { unit: "ms", min: 0, max: DAY_MS }, Is("0"), "Pause on a game after a loss; 0 = off."),
            row("ALLOW_HEDGING", Flag, Is("false"), "Whether the other side of a game may be opened too."),
        ],
    },
    Section {
        title: "Exposure and losses: filled, resting, unknown and reserved, worst case",
        settings: &[
            row("MAX_GAME_EXPOSURE", Usd(("0", USD_MAX)), Is("100"), "Per game."),
            row("MAX_SPORT_EXPOSURE", Usd(("0", USD_MAX)), SameAs("BANKROLL_USD"), "Per sport or asset."),
            row("MAX_VENUE_EXPOSURE", Usd(("0", USD_MAX)), SameAs("BANKROLL_USD"), "Per venue."),
            row("MAX_TOTAL_EXPOSURE", Usd(("0", USD_MAX)), SameAs("BANKROLL_USD"), "In all."),
            row("MAX_DAILY_LOSS", Usd(("0.01", USD_MAX)), Is("500"), "Realised and marked since the day's opening; reached = breaker."),
            row("MAX_MARK_AGE_MS", Whole { unit: "ms", min: 1, max: DAY_MS }, Is("60000"), "Older prices of held markets veto opens."),
            row(
                "DAY_OFFSET_MINUTES",
                Whole { unit: "minutes", min: -840, max: 840 },
                Is("0"),
                "Minutes east of UTC at which the trading day turns.",
            ),
        ],
    },
    Section {
        title: "Pace and trouble",
        settings: &[
            row("MAX_ORDERS_PER_MINUTE", Whole { unit: "orders", min: 1, max: 100_000 }, Is("60"), "Vetoed ones cost nothing."),
            row("MAX_ORDERS_PER_HOUR", Whole { unit: "orders", min: 1, max: 1_000_000 }, Is("600"), "Not below MAX_ORDERS_PER_MINUTE."),
            row(
                "MAX_CONSECUTIVE_ERRORS",
                Whole { unit: "orders", min: 1, max: 1_000 },
                Is("5"),
                "Rejected or unknown in a row; one more trips the breaker.",
            ),
            row(
                "PROBE_AFTER_MS",
                Whole { unit: "ms", min: 0, max: DAY_MS },
                Is("60000"),
                "After errors tripped it and this much running time, one order of minimum size may try; 0 = only an operator resets.",
            ),
            row(
                "MAX_UNKNOWN_AGE_MS",
                Whole { unit: "ms", min: 1, max: DAY_MS },
                Is("120000"),
                "An order whose fate is unknown for longer stops opens.",
            ),
            row("MAX_UNKNOWN_AMOUNT", Usd(("0", USD_MAX)), TwiceThatOf("MAX_ORDER_SIZE"), "Orders of unknown fate worth more stop opens."),
            row(
                "SUBMIT_STALE_AFTER_MS",
                Whole { unit: "ms", min: 1, max: HOUR_MS },
                Is("60000"),
                "An attempt can still reach the venue for this long; at least 60000 in demo and live.",
            ),
        ],
    },
    Section {
        title: "Risk consumer",
        settings: &[
            row(
                "RISK_TIMEOUT_MS",
                Whole { unit: "ms", min: 1, max: 1_000 },
                Is("300"),
                "The engine waits this long for a verdict, which lives 1000 ms.",
            ),
            row("RISK_KEY_PATH", Path, InModeFolder("risk.key"), "Signing key of the risk consumer; only its process may read it."),
            row("RISK_PUBLIC_KEY_PATH", Path, InModeFolder("risk.pub"), "The key whose verdicts the engine takes."),
        ],
    },
    Section {
        title: "Paper exchange",
        settings: &[
            row("PAPER_CASH_USD", Usd(("0", USD_MAX)), SameAs("BANKROLL_USD"), "Cash of a new paper account."),
            row("PAPER_LATENCY_MS", Whole { unit: "ms", min: 0, max: 60_000 }, Is("0"), "Time an order takes to arrive."),
            row(
                "PAPER_REJECT_PER_MILLE",
                Whole { unit: "of 1000 orders", min: 0, max: 1_000 },
                Is("0"),
                "Orders that are rejected on purpose.",
            ),
        ],
    },
    Section {
        title: "Venue accounts (secrets are never shown); a venue without credentials is off",
        settings: &[
            row("KALSHI_API_KEY_ID", Secret, Absent("none"), "Kalshi key id; on paper with both, fills follow Kalshi's live books."),
            row("KALSHI_PRIVATE_KEY_PATH", Path, Absent("none"), "Kalshi key, Ed25519 or RSA, PEM; nobody else may read the file."),
            row(
                "KALSHI_API_URL",
                Text,
                Absent("production; in demo Kalshi's demo host"),
                "Ends in /trade-api/v2; http:// for loopback only.",
            ),
            row(
                "KALSHI_WS_URL",
                Text,
                Absent("production; in demo Kalshi's demo host; none beside an API on loopback"),
                "The stream; without one the account is polled.",
            ),
            row(
                "KALSHI_FUSE_CONTRACTS",
                Contracts(("0", "1000000")),
                Is("300"),
                "Contracts of opens that may trade within 15 s before Kalshi itself cancels them all; 0 = no such fuse.",
            ),
            row(
                "KALSHI_REQUEST_TIMEOUT_MS",
                Whole { unit: "ms", min: 100, max: 60_000 },
                Is("10000"),
                "A request without an answer by then is unknown and looked up.",
            ),
            row(
                "KALSHI_RECONCILE_EVERY_MS",
                Whole { unit: "ms", min: 500, max: HOUR_MS },
                Is("60000"),
                "The account is read whole this often while the stream is up; every 2000 ms at the latest while it isn't.",
            ),
            row("POLY_PRIVATE_KEY", Secret, Absent("none"), "Polymarket signing key, hex; or the next one, not both."),
            row("POLY_PRIVATE_KEY_PATH", Path, Absent("none"), "File that holds it; nobody else may read it."),
            row(
                "POLY_SIGNATURE_TYPE",
                OneOf(&["0", "1", "2", "3", "3-plain"]),
                Is("0"),
                "Wallet kind: 0 the key's own address, 1 proxy, 2 Safe, 3 deposit wallet (new accounts); 3-plain: signed without the wrap.",
            ),
            row(
                "POLY_FUNDER",
                Text,
                Absent("the key's own address"),
                "Address of the wallet that holds the money; needed for kinds 1 to 3.",
            ),
            row(
                "POLY_API_NONCE",
                Whole { unit: "as nonce", min: 0, max: 1_000_000 },
                Is("0"),
                "Which API key of the wallet; each engine needs one of its own.",
            ),
            row(
                "POLY_CLOB_URL",
                Text,
                Absent("production; demo needs it"),
                "Order book API; http:// for loopback only. On paper, set: orders fill against its live books, without keys.",
            ),
            row(
                "POLY_WS_URL",
                Text,
                Absent("production; none beside a CLOB on loopback"),
                "Base of the streams, /user and /market below it; without one account and books are polled.",
            ),
            row("POLY_GAMMA_URL", Text, Absent("production; none beside a CLOB on loopback"), "Market metadata."),
            row("POLY_GEOBLOCK_URL", Text, Absent("production; none beside a CLOB on loopback"), "Says whether this place may trade."),
            row("POLY_CHAIN_ID", OneOf(&["137", "80002"]), Is("137"), "Polygon, or its test network Amoy."),
            row(
                "POLY_HEARTBEAT",
                Flag,
                Is("1"),
                "Dead-man switch: without our sign of life Polymarket cancels the orders of this API key within 15 s.",
            ),
            row(
                "POLY_REQUEST_TIMEOUT_MS",
                Whole { unit: "ms", min: 100, max: 60_000 },
                Is("10000"),
                "A request without an answer by then is unknown and looked up.",
            ),
            row(
                "POLY_RECONCILE_EVERY_MS",
                Whole { unit: "ms", min: 500, max: HOUR_MS },
                Is("60000"),
                "The account is read whole this often while the stream is up; every 2000 ms at the latest while it isn't.",
            ),
        ],
    },
    Section {
        title: "Notifications: one webhook for fills, exits, large vetoes, breakers, the kill, unknowns, differences and the day",
        settings: &[
            row(
                "NOTIFY_WEBHOOK_URL",
                Secret,
                Absent("nobody is told"),
                "Where messages are posted, https://; Telegram: https://api.telegram.org/bot<token>/sendMessage. Or the next one, not both.",
            ),
            row("NOTIFY_WEBHOOK_URL_PATH", Path, Absent("none"), "File that holds it; nobody else may read it."),
            row(
                "NOTIFY_TEMPLATE",
                OneOf(&["json", "telegram", "discord"]),
                Is("json"),
                "Shape of a message; `arbees notify test` sends one.",
            ),
            row("NOTIFY_TELEGRAM_CHAT_ID", Text, Absent("none; telegram needs it"), "A number, or @channel."),
            row("NOTIFY_VETOES_ABOVE_USD", Usd(("0", USD_MAX)), Is("50"), "Vetoed orders of at least this notional are told of."),
            row(
                "NOTIFY_QUIET_HOURS",
                Hours,
                Absent("none"),
                "Of the day that DAY_OFFSET_MINUTES turns: only what is critical is told, the rest counted until they end.",
            ),
            row(
                "NOTIFY_PER_MINUTE",
                Whole { unit: "messages", min: 1, max: 600 },
                Is("20"),
                "More are summed up in one line; what is critical always goes.",
            ),
        ],
    },
    Section {
        title: "Tools, tests and this file",
        settings: &[
            row("ARBEES_NATS_SERVER", Path, Absent("nats-server from PATH"), "The nats-server program that demo and tests start."),
            row("ARBEES_SHARED", Path, Absent("../shared"), "Folder of tapes and sample signals."),
            row("ARBEES_ENV_FILE", Path, Absent("./.env"), "This file's path; only in the environment. `--env-file` comes first."),
            row("ARBEES_FAULT", Text, Absent("none"), "Fault to inject; for tests only."),
            row(
                "ARBEES_CRASH_AT",
                Text,
                Absent("none"),
                "POINT:PASS[:stop|:panic]: where a program built for tests dies; others refuse it.",
            ),
        ],
    },
];

/// Every setting, in the order of the table.
pub fn all() -> impl Iterator<Item = &'static Setting> {
    SECTIONS.iter().flat_map(|section| section.settings)
}

pub fn find(name: &str) -> Option<&'static Setting> {
    all().find(|setting| setting.name == name)
}

/// The known name that was most likely meant.
pub fn nearest(name: &str) -> Option<&'static str> {
    let name = name.to_ascii_uppercase();
    let (distance, known) = all().map(|s| (strsim::osa_distance(&name, s.name), s.name)).min()?;
    // Further away than a third of the name it is a guess, not a typo.
    (distance * 3 <= known.len()).then_some(known)
}

/// One keystroke away from a known name: a typo even without one of our prefixes.
pub fn is_slip(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    all().any(|setting| strsim::osa_distance(&name, setting.name) <= 1)
}

impl Setting {
    pub fn is_secret(&self) -> bool {
        self.kind == Kind::Secret
    }

    /// What may be given, in words.
    pub fn allowed(&self) -> String {
        let span = |(min, max): Bounds, unit: &str| format!("{min} to {max} {unit}");
        match self.kind {
            Flag => "0 or 1 (false/true, no/yes)".to_owned(),
            Usd(bounds) => span(bounds, "USD"),
            Price(bounds) => span(bounds, "USD per contract"),
            Probability(bounds) => format!("{} to {}", bounds.0, bounds.1),
            Contracts(bounds) => span(bounds, "contracts"),
            Points(bounds) => span(bounds, "percentage points"),
            Whole { unit, min, max } => format!("a whole number, {min} to {max} {unit}"),
            OneOf(words) => words.join(", "),
            Kind::Instance => "1 to 32 of a-z, 0-9, - and _".to_owned(),
            Path => "a path".to_owned(),
            Address => "an IP address and a port, such as 127.0.0.1:9464".to_owned(),
            Nats => "`embedded`, or nats://host:port, several separated by commas".to_owned(),
            Hours => "two times of day, such as 22:00-07:00".to_owned(),
            Text => "text".to_owned(),
            Secret => "a secret".to_owned(),
        }
    }

    /// The default, in words.
    pub fn default_text(&self) -> String {
        match self.default {
            Is(text) => text.to_owned(),
            SameAs(other) => format!("that of {other}"),
            TwiceThatOf(other) => format!("twice {other}"),
            InModeFolder(file) => format!("{file} in DATA_DIR/<mode>"),
            Absent(then) => then.to_owned(),
        }
    }
}

/// The text of `.env.example`.
pub fn env_example() -> String {
    let mut out = String::from(
        "# Settings of arbees: copy to `.env` (read from the working directory) or set them in the environment, which wins.\n\
         # NAME=value, one per line; no substitution; quote values with spaces. A name or value that can't be right refuses the start.\n",
    );
    for section in SECTIONS {
        out.push_str(&format!("\n# == {} ==\n", section.title));
        for setting in section.settings {
            out.push_str(&format!("# {} [{}; default: {}]\n", setting.doc, setting.allowed(), setting.default_text()));
            out.push_str(&match setting.default {
                Is(value) => format!("{}={value}\n", setting.name),
                _ => format!("# {}=\n", setting.name),
            });
        }
    }
    out
}
