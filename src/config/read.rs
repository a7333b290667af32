//! The texts of two sources to one typed value per setting, with every problem found on the way.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use secrecy::SecretString;

use super::dotenv;
use super::keys;
use super::problem::{Problem, Source};
use super::settings::{self, Kind, PREFIXES, Setting, WhenUnset};
use super::value::{self, Nats, Value};
use crate::domain::ids::{Instance, Mode, excerpt};
use crate::domain::money::{Edge, Price, Probability, Quantity, Usd};

/// Right values of the kinds that are shown are shorter, secrets are longer.
const SHOWN_CHARS_MAX: usize = 15;

/// Names to values: the process environment, or a test's own.
pub type Variables = BTreeMap<String, String>;

/// The content of an `.env` file.
pub struct EnvFile<'a> {
    pub path: &'a Path,
    pub text: &'a str,
}

/// A typed value per setting of the table.
pub struct Values {
    values: BTreeMap<&'static str, (Value, Source)>,
    pub problems: Vec<Problem>,
}

impl Values {
    pub fn read(environment: &Variables, file: Option<&EnvFile<'_>>) -> Self {
        let mut problems = Vec::new();
        let mut given: BTreeMap<String, (String, Source)> = BTreeMap::new();
        if let Some(file) = file {
            lines_of(file, &mut given, &mut problems);
        }
        for (name, value) in environment {
            given.insert(name.clone(), (value.clone(), Source::Environment));
        }
        problems.extend(given.iter().filter_map(|(name, (_, source))| unknown(name, *source)));
        let mut this = Self { values: BTreeMap::new(), problems };
        for setting in settings::all() {
            let value = this.given_or_fixed(setting, given.get(setting.name));
            this.values.insert(setting.name, value);
        }
        this
    }

    fn given_or_fixed(&mut self, setting: &'static Setting, given: Option<&(String, Source)>) -> (Value, Source) {
        let fixed = match setting.default {
            WhenUnset::Is(text) => value::parse(setting, text).expect("Invariant: the table's defaults are allowed"),
            _ => Value::Absent,
        };
        let Some((text, source)) = given else { return (fixed, Source::Default) };
        match checked(setting, text) {
            Ok(Some(value)) => (value, *source),
            Ok(None) => (fixed, Source::Default),
            Err(problem) => {
                let given = may_be_shown(setting, text).then(|| excerpt(text));
                self.problems.push(Problem::Value { name: setting.name, origin: *source, given, problem, allowed: setting.allowed() });
                (fixed, Source::Default)
            }
        }
    }

    /// Fills in the defaults that follow from other settings.
    pub fn derive(&mut self, mode: Mode) {
        let folder = self.path("DATA_DIR").join(mode.as_str());
        for setting in settings::all() {
            if !matches!(self.value(setting.name), Value::Absent) {
                continue;
            }
            let derived = match setting.default {
                WhenUnset::SameAs(other) => self.value(other).clone(),
                WhenUnset::TwiceThatOf(other) => Value::Micros(self.micros(other).saturating_mul(2)),
                WhenUnset::InModeFolder(file) => Value::Path(folder.join(file)),
                WhenUnset::Is(_) | WhenUnset::Absent(_) => continue,
            };
            self.values.insert(setting.name, (derived, Source::Default));
        }
    }

    pub fn value(&self, name: &str) -> &Value {
        &self.values.get(name).expect("Invariant: only names of the table are asked for").0
    }

    pub fn source(&self, name: &str) -> Source {
        self.values.get(name).expect("Invariant: only names of the table are asked for").1
    }

    fn kind(&self, name: &str) -> Kind {
        settings::find(name).expect("Invariant: only names of the table are asked for").kind
    }

    fn micros(&self, name: &str) -> i64 {
        match self.value(name) {
            Value::Micros(micros) => *micros,
            other => wrong_kind(name, other),
        }
    }

    pub fn usd(&self, name: &str) -> Usd {
        assert!(matches!(self.kind(name), Kind::Usd(_)), "Invariant: {name} is in dollars");
        Usd::from_micros(self.micros(name))
    }

    pub fn price(&self, name: &str) -> Price {
        assert!(matches!(self.kind(name), Kind::Price(_)), "Invariant: {name} is a price");
        Price::from_micros(self.micros(name))
    }

    pub fn probability(&self, name: &str) -> Probability {
        assert!(matches!(self.kind(name), Kind::Probability(_)), "Invariant: {name} is a probability");
        Probability::from_micros(self.micros(name))
    }

    pub fn contracts(&self, name: &str) -> Quantity {
        assert!(matches!(self.kind(name), Kind::Contracts(_)), "Invariant: {name} is in contracts");
        Quantity::from_micros(self.micros(name))
    }

    pub fn edge(&self, name: &str) -> Edge {
        assert!(matches!(self.kind(name), Kind::Points(_)), "Invariant: {name} is in points");
        Edge::from_micros(self.micros(name))
    }

    pub fn whole(&self, name: &str) -> i64 {
        match self.value(name) {
            Value::Whole(number) => *number,
            other => wrong_kind(name, other),
        }
    }

    pub fn count(&self, name: &str) -> u32 {
        u32::try_from(self.whole(name)).expect("Invariant: the table bounds counts inside u32")
    }

    pub fn flag(&self, name: &str) -> Option<bool> {
        match self.value(name) {
            Value::Flag(value) => Some(*value),
            Value::Absent => None,
            other => wrong_kind(name, other),
        }
    }

    pub fn word(&self, name: &str) -> Option<&'static str> {
        match self.value(name) {
            Value::Word(word) => Some(word),
            Value::Absent => None,
            other => wrong_kind(name, other),
        }
    }

    pub fn path_if_any(&self, name: &str) -> Option<PathBuf> {
        match self.value(name) {
            Value::Path(path) => Some(path.clone()),
            Value::Absent => None,
            other => wrong_kind(name, other),
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.path_if_any(name).expect("Invariant: this path has a default")
    }

    pub fn secret(&self, name: &str) -> Option<SecretString> {
        match self.value(name) {
            Value::Secret(secret) => Some(secret.clone()),
            Value::Absent => None,
            other => wrong_kind(name, other),
        }
    }

    pub fn text(&self, name: &str) -> Option<String> {
        match self.value(name) {
            Value::Text(text) => Some(text.clone()),
            Value::Absent => None,
            other => wrong_kind(name, other),
        }
    }

    pub fn instance(&self) -> Instance {
        match self.value("INSTANCE") {
            Value::Instance(name) => name.clone(),
            other => wrong_kind("INSTANCE", other),
        }
    }

    pub fn address(&self, name: &str) -> SocketAddr {
        match self.value(name) {
            Value::Address(address) => *address,
            other => wrong_kind(name, other),
        }
    }

    pub fn nats(&self, name: &str) -> Nats {
        match self.value(name) {
            Value::Nats(nats) => nats.clone(),
            other => wrong_kind(name, other),
        }
    }
}

fn wrong_kind(name: &str, value: &Value) -> ! {
    panic!("Invariant: {name} is read by its kind in the table; it is {value:?}")
}

fn lines_of(file: &EnvFile<'_>, given: &mut BTreeMap<String, (String, Source)>, problems: &mut Vec<Problem>) {
    let (lines, bad) = dotenv::parse(file.text);
    let problem = |line, problem: String| Problem::Line { file: file.path.to_owned(), line, problem };
    problems.extend(bad.into_iter().map(|line| problem(line.number, line.problem.to_owned())));
    for line in lines {
        if line.name == "ARBEES_ENV_FILE" {
            problems.push(problem(line.number, "ARBEES_ENV_FILE says where this file is: set it in the environment".to_owned()));
            continue;
        }
        match given.entry(line.name) {
            Entry::Occupied(first) => {
                let text = format!("{} stands there twice: which one counts?", excerpt(first.key()));
                problems.push(problem(line.number, text));
            }
            Entry::Vacant(free) => {
                free.insert((line.value, Source::File(line.number)));
            }
        }
    }
}

/// A name with one of our prefixes, or one keystroke beside a setting, that is none.
fn unknown(name: &str, source: Source) -> Option<Problem> {
    if settings::find(name).is_some() {
        return None;
    }
    let ours = PREFIXES.iter().any(|prefix| name.starts_with(prefix));
    // Outside our file a name without our prefix belongs to somebody else.
    let slip = matches!(source, Source::File(_)) && settings::is_slip(name);
    let other_case = settings::find(&name.to_ascii_uppercase()).is_some();
    (ours || slip || other_case).then(|| Problem::Unknown { name: excerpt(name), origin: source, nearest: settings::nearest(name) })
}

/// `None` for the empty text of a setting that may be absent.
fn checked(setting: &Setting, text: &str) -> Result<Option<Value>, String> {
    let text = text.trim();
    if text.contains(char::REPLACEMENT_CHARACTER) {
        return Err("not UTF-8".to_owned());
    }
    if text.is_empty() {
        return match setting.default {
            WhenUnset::Absent(_) => Ok(None),
            _ => Err(format!("empty; leave the name out for the default ({})", setting.default_text())),
        };
    }
    match setting.kind {
        Kind::Secret => {}
        Kind::Path if keys::is_one(text) => return Err("that looks like the key itself; put it into a file and give the path".to_owned()),
        _ if keys::is_one(text) => return Err("that looks like a key, which doesn't belong here".to_owned()),
        Kind::Nats => {}
        _ if keys::has_login(text) => return Err("an address with a login in it, which would be shown; leave the login out".to_owned()),
        _ => {}
    }
    value::parse(setting, text).map(Some)
}

/// Addresses may hold a password, a path setting is where keys are pasted by mistake, and what is longer than any right value
/// is perhaps a secret that was meant for the next line.
fn may_be_shown(setting: &Setting, text: &str) -> bool {
    !matches!(setting.kind, Kind::Secret | Kind::Nats | Kind::Path) && text.chars().count() <= SHOWN_CHARS_MAX
}
