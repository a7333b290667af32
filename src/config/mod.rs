//! Settings from the environment and `.env`; the environment wins. Whatever can't be right refuses the start: nothing
//! falls back to a default silently.

mod accounts;
mod dotenv;
mod keys;
mod mode;
mod notify;
mod problem;
mod read;
/// The table of settings.
pub mod settings;
#[cfg(test)]
mod tests;
mod value;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

pub use accounts::{KalshiSettings, PolymarketSettings, WalletKey, WalletSettings};
pub use mode::LiveStage;
pub use notify::{NotifySettings, Webhook};
pub use problem::{ConfigError, Problem, Source};
pub use read::{EnvFile, Variables};
pub use value::Nats;

use crate::domain::ids::{Hash, Instance, Mode, sha256};
use crate::domain::limits::{Canary, Limits};
use crate::domain::money::Usd;
use read::Values;

/// A settings file is a page of text; more is the wrong file.
const ENV_FILE_BYTES_MAX: u64 = 64 * 1024;

/// All settings, checked.
#[derive(Clone, Debug)]
pub struct Config {
    pub mode: Mode,
    pub live_stage: LiveStage,
    pub instance: Instance,
    pub limits: Limits,
    pub nats: Nats,
    /// The nkey seed of this process's role.
    pub nats_seed_path: Option<PathBuf>,
    pub nats_role: Option<String>,
    /// The folder of all modes; see `mode_dir`.
    pub data_dir: PathBuf,
    pub http_addr: SocketAddr,
    pub http_token_path: PathBuf,
    pub risk: RiskSettings,
    pub paper: PaperSettings,
    /// An attempt can still reach the venue for this long.
    pub submit_stale_after_ms: i64,
    pub stop: StopSettings,
    pub log_lines: LogLines,
    /// Absent without credentials: the venue is off.
    pub kalshi: Option<KalshiSettings>,
    pub polymarket: Option<PolymarketSettings>,
    /// Absent: nobody is told.
    pub notify: Option<NotifySettings>,
    pub tools: Tools,
    /// Each setting as it is in force, in the order of the table.
    pub effective: Vec<Effective>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RiskSettings {
    pub timeout_ms: u32,
    pub key_path: PathBuf,
    pub public_key_path: PathBuf,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaperSettings {
    pub cash: Usd,
    pub latency_ms: u32,
    /// Of 1000 orders.
    pub reject_per_mille: u32,
}

/// How an engine ends that is asked to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StopSettings {
    pub cancels_resting: bool,
    /// For the venues' answers.
    pub wait_ms: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogLines {
    /// One JSON object per line instead of text for people.
    pub json: bool,
    /// error, warn, info, debug or trace.
    pub level: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tools {
    pub nats_server: Option<PathBuf>,
    pub shared: Option<PathBuf>,
    pub fault: Option<String>,
    /// A crash point as text, which the program itself reads.
    pub crash_at: Option<String>,
}

/// One line of `config check`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effective {
    pub name: &'static str,
    /// `None` for what isn't set; a secret only says that it is.
    pub value: Option<String>,
    pub source: Source,
    pub secret: bool,
    pub allowed: String,
    pub doc: &'static str,
}

/// Reads the process environment and the `.env` file (`env_file`, else `ARBEES_ENV_FILE`, else `.env` in the working
/// directory if there is one). Errors: all problems found; the caller exits with 2.
pub fn load(env_file: Option<&Path>) -> Result<Config, ConfigError> {
    load_with(&process_environment(), env_file, Path::new("."))
}

/// The only place that reads the process environment. What is not UTF-8 keeps a mark that no setting accepts.
fn process_environment() -> Variables {
    std::env::vars_os().map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned())).collect()
}

/// As `load`, for a given environment; relative paths of the env file start at `working_dir`.
pub fn load_with(environment: &Variables, env_file: Option<&Path>, working_dir: &Path) -> Result<Config, ConfigError> {
    let named =
        env_file.map(Path::to_owned).or_else(|| environment.get("ARBEES_ENV_FILE").filter(|path| !path.is_empty()).map(PathBuf::from));
    let path = working_dir.join(named.as_deref().unwrap_or(Path::new(".env")));
    match read_env_file(&path, named.is_some()) {
        Ok(None) => from_sources(environment, None),
        Ok(Some(text)) => from_sources(environment, Some(&EnvFile { path: &path, text: &text })),
        Err(error) => {
            let is_key = named.is_some_and(|name| keys::is_one(&name.to_string_lossy()) || keys::has_login(&name.to_string_lossy()));
            let path = if is_key { PathBuf::from("what looks like a key") } else { path };
            let mut problems = vec![Problem::File { path, error }];
            problems.extend(from_sources(environment, None).err().map(|error| error.problems).unwrap_or_default());
            Err(ConfigError { problems })
        }
    }
}

fn read_env_file(path: &Path, must_exist: bool) -> Result<Option<String>, String> {
    let about = |error: std::io::Error| format!("the settings file can't be read: {error}");
    match std::fs::metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && !must_exist => return Ok(None),
        Err(error) => return Err(about(error)),
        Ok(file) if !file.is_file() => return Err("the settings file is not a plain file".to_owned()),
        Ok(file) if file.len() > ENV_FILE_BYTES_MAX => {
            return Err(format!("{} bytes; a settings file has at most {ENV_FILE_BYTES_MAX}", file.len()));
        }
        Ok(_) => {}
    }
    let bytes = std::fs::read(path).map_err(about)?;
    String::from_utf8(bytes).map(Some).map_err(|_| "the settings file is not UTF-8 text".to_owned())
}

/// The settings of an environment and the content of an env file. Errors: all problems found.
pub fn from_sources(environment: &Variables, file: Option<&EnvFile<'_>>) -> Result<Config, ConfigError> {
    let mut values = Values::read(environment, file);
    let mode = mode::of(&mut values);
    values.derive(mode);
    let mut together = contradictions(&values, mode);
    values.problems.append(&mut together);
    if mode != Mode::Paper && !accounts::any(&values, mode) {
        values.problems.push(Problem::NoAccount(mode));
    }
    if values.problems.is_empty() { Ok(config(&values, mode)) } else { Err(ConfigError { problems: values.problems }) }
}

/// Settings that are right one by one and wrong together.
fn contradictions(values: &Values, mode: Mode) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut must = |holds: bool, text: String| {
        if !holds {
            problems.push(Problem::Together(text));
        }
    };
    let shown = |name: &str| values.shown(name);
    let pair = |low: &str, word: &str, high: &str| format!("{low} = {} must be {word} {high} = {}", shown(low), shown(high));
    must(values.price("MIN_SAFE_PRICE") < values.price("MAX_SAFE_PRICE"), pair("MIN_SAFE_PRICE", "below", "MAX_SAFE_PRICE"));
    must(values.probability("MIN_MODEL_PROB") < values.probability("MAX_MODEL_PROB"), pair("MIN_MODEL_PROB", "below", "MAX_MODEL_PROB"));
    must(
        values.contracts("MIN_ORDER_CONTRACTS") <= values.contracts("MAX_ORDER_CONTRACTS"),
        pair("MIN_ORDER_CONTRACTS", "at most", "MAX_ORDER_CONTRACTS"),
    );
    must(
        values.whole("MAX_ORDERS_PER_MINUTE") <= values.whole("MAX_ORDERS_PER_HOUR"),
        pair("MAX_ORDERS_PER_MINUTE", "at most", "MAX_ORDERS_PER_HOUR"),
    );
    for text in accounts::contradictions(values).into_iter().chain(notify::contradictions(values)) {
        must(false, text);
    }
    must(
        !matches!(mode, Mode::Demo | Mode::Live) || values.nats("NATS_URL") != Nats::Embedded,
        format!("NATS_URL = embedded in {mode}: one owner is proven by a lease that others can see; name a NATS server"),
    );
    must(
        values.path("RISK_KEY_PATH") != values.path("RISK_PUBLIC_KEY_PATH"),
        format!("RISK_KEY_PATH and RISK_PUBLIC_KEY_PATH are both {}: they are two files", shown("RISK_KEY_PATH")),
    );
    must(
        !matches!(mode, Mode::Demo | Mode::Live) || values.whole("SUBMIT_STALE_AFTER_MS") >= SIGNATURE_LIFE_MS,
        format!("SUBMIT_STALE_AFTER_MS = {} must be at least {SIGNATURE_LIFE_MS} in {mode}", shown("SUBMIT_STALE_AFTER_MS")),
    );
    problems
}

/// Kalshi accepts a signed timestamp for 60 s (design §3.4).
const SIGNATURE_LIFE_MS: i64 = 60_000;

fn config(values: &Values, mode: Mode) -> Config {
    Config {
        mode,
        live_stage: mode::stage(values),
        instance: values.instance(),
        limits: limits(values, mode),
        nats: values.nats("NATS_URL"),
        nats_seed_path: values.path_if_any("NATS_SEED_PATH"),
        nats_role: values.text("NATS_ROLE"),
        data_dir: values.path("DATA_DIR"),
        http_addr: values.address("HTTP_ADDR"),
        http_token_path: values.path("HTTP_TOKEN_PATH"),
        risk: RiskSettings {
            timeout_ms: values.count("RISK_TIMEOUT_MS"),
            key_path: values.path("RISK_KEY_PATH"),
            public_key_path: values.path("RISK_PUBLIC_KEY_PATH"),
        },
        paper: PaperSettings {
            cash: values.usd("PAPER_CASH_USD"),
            latency_ms: values.count("PAPER_LATENCY_MS"),
            reject_per_mille: values.count("PAPER_REJECT_PER_MILLE"),
        },
        submit_stale_after_ms: values.whole("SUBMIT_STALE_AFTER_MS"),
        stop: StopSettings { cancels_resting: values.word("STOP_RESTING") == Some("cancel"), wait_ms: values.count("STOP_WAIT_MS") },
        log_lines: LogLines {
            json: values.word("LOG_FORMAT") == Some("json"),
            level: values.word("LOG_LEVEL").expect("Invariant: LOG_LEVEL has a default"),
        },
        kalshi: accounts::kalshi(values),
        polymarket: accounts::polymarket(values, mode),
        notify: notify::settings(values),
        tools: Tools {
            nats_server: values.path_if_any("ARBEES_NATS_SERVER"),
            shared: values.path_if_any("ARBEES_SHARED"),
            fault: values.text("ARBEES_FAULT"),
            crash_at: values.text("ARBEES_CRASH_AT"),
        },
        effective: settings::all().map(|setting| values.effective(setting)).collect(),
    }
}

fn limits(values: &Values, mode: Mode) -> Limits {
    let off_or_on = |name: &str| values.flag(name).expect("Invariant: this flag has a default");
    Limits {
        bankroll: values.usd("BANKROLL_USD"),
        kelly_fraction: values.probability("KELLY_FRACTION"),
        order_size_max: values.usd("MAX_ORDER_SIZE"),
        order_contracts_max: values.contracts("MAX_ORDER_CONTRACTS"),
        order_contracts_min: values.contracts("MIN_ORDER_CONTRACTS"),
        safe_price_min: values.price("MIN_SAFE_PRICE"),
        safe_price_max: values.price("MAX_SAFE_PRICE"),
        edge_min: values.edge("MIN_EDGE_PCT"),
        edge_tolerance: values.edge("EDGE_TOLERANCE_PCT"),
        probability_min: values.probability("MIN_MODEL_PROB"),
        probability_max: values.probability("MAX_MODEL_PROB"),
        book_age_max_ms: values.whole("MAX_BOOK_AGE_MS"),
        book_distance_max: values.price("MAX_BOOK_DISTANCE"),
        mark_age_max_ms: values.whole("MAX_MARK_AGE_MS"),
        game_exposure_max: values.usd("MAX_GAME_EXPOSURE"),
        sport_exposure_max: values.usd("MAX_SPORT_EXPOSURE"),
        venue_exposure_max: values.usd("MAX_VENUE_EXPOSURE"),
        total_exposure_max: values.usd("MAX_TOTAL_EXPOSURE"),
        allow_hedging: off_or_on("ALLOW_HEDGING"),
        duplicate_intent_ms: values.whole("DUPLICATE_INTENT_MS"),
        cool_down_win_ms: values.whole("COOL_DOWN_AFTER_WIN_MS"),
        cool_down_loss_ms: values.whole("COOL_DOWN_AFTER_LOSS_MS"),
        daily_loss_max: values.usd("MAX_DAILY_LOSS"),
        orders_per_minute_max: values.count("MAX_ORDERS_PER_MINUTE"),
        orders_per_hour_max: values.count("MAX_ORDERS_PER_HOUR"),
        consecutive_errors_max: values.count("MAX_CONSECUTIVE_ERRORS"),
        probe_after_ms: values.whole("PROBE_AFTER_MS"),
        unknown_age_max_ms: values.whole("MAX_UNKNOWN_AGE_MS"),
        unknown_amount_max: values.usd("MAX_UNKNOWN_AMOUNT"),
        day_offset_minutes: i32::try_from(values.whole("DAY_OFFSET_MINUTES")).expect("Invariant: the table bounds the offset"),
        canary: (mode == Mode::Live && mode::stage(values) == LiveStage::Canary).then(Canary::default),
    }
}

impl Config {
    /// Where this mode keeps its log and keys.
    pub fn mode_dir(&self) -> PathBuf {
        self.data_dir.join(self.mode.as_str())
    }

    /// The same for the same settings, however they were spelled and wherever they came from; secrets don't enter.
    pub fn config_hash(&self) -> Hash {
        let open = self.effective.iter().filter(|line| !line.secret);
        let lines: Vec<String> = open.map(|line| format!("{}={}", line.name, line.value.as_deref().unwrap_or(""))).collect();
        let mut parts: Vec<&[u8]> = vec![b"arbees config", self.mode.as_str().as_bytes()];
        parts.extend(lines.iter().map(|line| line.as_bytes()));
        sha256(&parts)
    }
}

impl Values {
    fn shown(&self, name: &str) -> String {
        let kind = settings::find(name).expect("Invariant: only names of the table are asked for").kind;
        self.value(name).canonical(kind).unwrap_or_else(|| "(set)".to_owned())
    }

    fn effective(&self, setting: &'static settings::Setting) -> Effective {
        let absent = matches!(self.value(setting.name), value::Value::Absent);
        Effective {
            name: setting.name,
            value: (!absent).then(|| self.shown(setting.name)),
            source: self.source(setting.name),
            secret: setting.is_secret(),
            allowed: setting.allowed(),
            doc: setting.doc,
        }
    }
}
