//! The front door: arguments, reading commands, tables for people.
//!
//! Every reading command is written once, over `Source::query` and a renderer of its JSON: through the API of a running engine, or
//! over its log. `app.rs` starts engines and opens logs.

/// What can be asked for on the command line.
pub mod args;
/// A running engine, over its local API.
mod client;
/// Questions answered from a history and its fold.
mod desk;
/// Arguments of `arbees exchange`.
pub mod exchange;
/// Rows for other programs.
mod export;
/// Files of signals.
pub mod input;
/// What the parser makes of a signal.
pub mod lint;
/// Reading commands and operators' commands, carried out.
mod reading;
/// Columns and colour.
mod render;
/// Each answer's JSON as text for people.
mod show;
/// A running engine, or its log.
mod source;
#[cfg(test)]
mod tests;

pub use args::{Args, Command};
pub use client::{Client, Found};
pub use desk::{Desk, LogDesk};
pub use reading::{Output, carry_out, lint_file};
pub use render::Style;
pub use source::Source;

use thiserror::Error;

use crate::http::ApiError;

/// How a command ends; the number is the process's exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    Good = 0,
    Failed = 1,
    /// Wrong usage or configuration.
    Usage = 2,
    Halted = 3,
    /// Ended as asked, with orders of which the venue's word is still to come.
    Unknown = 4,
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a command has no result, by its exit code.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CliError {
    #[error("{0}")]
    Usage(String),
    #[error("{0}")]
    Failed(String),
    /// Whoever read the output has read enough (`| head`).
    #[error("the reader of the output has gone")]
    Closed,
}

impl CliError {
    pub fn exit(&self) -> Exit {
        match self {
            Self::Usage(_) => Exit::Usage,
            Self::Failed(_) => Exit::Failed,
            Self::Closed => Exit::Good,
        }
    }
}

impl From<ApiError> for CliError {
    fn from(error: ApiError) -> Self {
        match error {
            ApiError::BadRequest(what) => Self::Usage(what),
            other => Self::Failed(other.to_string()),
        }
    }
}
