//! Paper, or real money: several switches that have to agree.

use super::problem::Problem;
use super::read::Values;
use crate::domain::ids::Mode;

/// How far live trading may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LiveStage {
    /// One open order, $10 notional, $25 a day.
    Canary,
    Full,
}

pub fn stage(values: &Values) -> LiveStage {
    if values.word("LIVE_STAGE") == Some("full") { LiveStage::Full } else { LiveStage::Canary }
}

/// The mode the switches ask for; what doesn't agree is noted as a problem.
pub fn of(values: &mut Values) -> Mode {
    let live_asked = values.flag("PAPER_TRADING") == Some(false);
    let authorized = values.flag("LIVE_TRADING_AUTHORIZED") == Some(true);
    let named = values.word("TRADING_MODE");
    let problem = match (named, live_asked, authorized) {
        (None | Some("live"), true, false) => Some("PAPER_TRADING = 0 asks for real money; that also needs LIVE_TRADING_AUTHORIZED=true"),
        (Some("live"), false, true) => Some("TRADING_MODE = live also needs PAPER_TRADING=0"),
        (Some("live"), false, false) => Some("TRADING_MODE = live also needs PAPER_TRADING=0 and LIVE_TRADING_AUTHORIZED=true"),
        (Some("paper"), true, _) => Some("TRADING_MODE = paper and PAPER_TRADING = 0 contradict each other: take one of them out"),
        _ => None,
    };
    values.problems.extend(problem.map(|text| Problem::Together(text.to_owned())));
    match named {
        Some("dry-run") => Mode::DryRun,
        Some("demo") => Mode::Demo,
        Some("live") => Mode::Live,
        None if live_asked && authorized => Mode::Live,
        _ => Mode::Paper,
    }
}
