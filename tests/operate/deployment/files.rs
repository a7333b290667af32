//! Words of configuration files, read line by line: just as much as the references need.

use std::fs;
use std::path::{Path, PathBuf};

use arbees::cli::Args;
use clap::Parser;

pub const COMPOSE: &str = "docker-compose.yml";
pub const UNITS: [&str; 3] = ["ops/systemd/arbees-engine.service", "ops/systemd/arbees-risk.service", "ops/systemd/arbees-nats.service"];
/// Whose process the program is.
pub const OURS: [&str; 2] = [UNITS[0], UNITS[1]];

pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

pub fn text(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Without comments and empty lines.
pub fn lines(path: &str) -> Vec<String> {
    let bare = |line: &str| line.split(" #").next().unwrap_or_default().trim_end().to_owned();
    text(path).lines().filter(|line| !line.trim_start().starts_with(['#', ';'])).map(bare).filter(|line| !line.is_empty()).collect()
}

/// The values of `Name=` in a unit, in order.
pub fn values(unit: &str, name: &str) -> Vec<String> {
    let value = |line: String| line.strip_prefix(name)?.strip_prefix('=').map(str::to_owned);
    lines(unit).into_iter().filter_map(value).collect()
}

/// A service of the compose file as its lines.
pub fn service(name: &str) -> Vec<String> {
    let all = lines(COMPOSE);
    let begin = all.iter().position(|line| *line == format!("  {name}:")).unwrap_or_else(|| panic!("no service {name}"));
    all[begin + 1..].iter().take_while(|line| line.starts_with("    ")).cloned().collect()
}

/// Every text in quotes, and every word outside of them.
pub fn words(line: &str) -> Vec<String> {
    let mut out = Vec::new();
    for (number, part) in line.split('"').enumerate() {
        match number % 2 {
            1 => out.push(part.to_owned()),
            _ => out.extend(part.split([' ', ',', '[', ']', '{', '}']).filter(|word| !word.is_empty()).map(str::to_owned)),
        }
    }
    out
}

pub fn exists(path: &Path) -> bool {
    root().join(path).exists()
}

/// Errors: the program doesn't take these words.
pub fn is_command(words: &[&str]) -> Result<(), String> {
    Args::try_parse_from(std::iter::once("arbees").chain(words.iter().copied())).map(drop).map_err(|error| error.to_string())
}
