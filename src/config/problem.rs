//! What is wrong with the settings: everything at once, one line each.

use std::fmt;
use std::path::PathBuf;

use thiserror::Error;

use crate::domain::ids::Mode;

/// Where a text came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    Default,
    /// The line of the `.env` file.
    File(usize),
    Environment,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(line) => write!(f, ".env line {line}"),
            Self::Environment => f.write_str("environment"),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Problem {
    #[error("{name} ({origin}): {}{problem}; allowed: {allowed}", shown(.given))]
    Value {
        name: &'static str,
        origin: Source,
        /// Absent where it is or may hold a secret.
        given: Option<String>,
        problem: String,
        allowed: String,
    },
    #[error("{name} ({origin}): no such setting{}", meant(*.nearest))]
    Unknown { name: String, origin: Source, nearest: Option<&'static str> },
    #[error("{file} line {line}: {problem}", file = .file.display())]
    Line { file: PathBuf, line: usize, problem: String },
    #[error("{path}: {error}", path = .path.display())]
    File { path: PathBuf, error: String },
    /// Settings that are right one by one and wrong together.
    #[error("{0}")]
    Together(String),
    #[error(
        "TRADING_MODE = {0} needs an account: KALSHI_API_KEY_ID and KALSHI_PRIVATE_KEY_PATH, or POLY_PRIVATE_KEY_PATH (in demo with POLY_CLOB_URL)"
    )]
    NoAccount(Mode),
}

fn shown(given: &Option<String>) -> String {
    given.as_ref().map(|text| format!("{text:?} is ")).unwrap_or_default()
}

fn meant(nearest: Option<&'static str>) -> String {
    match nearest {
        Some(name) => format!("; did you mean {name}?"),
        None => "; `.env.example` lists them all".to_owned(),
    }
}

/// The start is refused (exit code 2).
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{}", .problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct ConfigError {
    /// Never empty.
    pub problems: Vec<Problem>,
}
