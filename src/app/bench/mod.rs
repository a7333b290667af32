//! Speed and size, each figure beside its baseline of the same run (issue: "Speed and size").
//!
//! Absent: floats. Times are nanoseconds, ratios per mille. The machine's other work shows in every figure; the ratio
//! to the baseline is what stays comparable.

/// Durable appends against a plain file with the same group commit.
mod append;
/// Folding a million logged events, and opening their log.
mod fold;
/// Memory of an engine that does nothing.
mod idle;
/// Requests and frames of Kalshi.
mod kalshi;
/// From a published signal to the paper order's acknowledgement, and its parts alone.
mod latency;
/// The parts of the way of a signal, each measured alone.
mod parts;
/// Orders of Polymarket.
mod polymarket;
/// One order's records as engine, risk consumer and paper exchange write them, copied for as many orders as wanted.
mod records;
/// Figures as a table and as JSON.
mod report;
/// A venue that takes every order.
mod sink;
/// Folders, programs and clocks of the benchmarks.
mod stage;
/// Texts read, beside the same texts parsed as any JSON.
mod timing;

use crate::cli::Exit;
use crate::cli::Style;
use crate::cli::args::BenchArgs;
use report::Figure;
use stage::Stage;

const NAMES: [&str; 7] = ["append", "fold", "open", "latency", "kalshi", "polymarket", "idle"];

/// Runs the named benchmarks, or all. The exit code says whether they ran, not whether every goal was met.
pub async fn run(args: &BenchArgs) -> anyhow::Result<Exit> {
    let wanted: Vec<&str> =
        NAMES.into_iter().filter(|name| args.names.is_empty() || args.names.iter().any(|asked| asked == name)).collect();
    let stage = Stage::new()?;
    if cfg!(debug_assertions) {
        stage.say("this is not a release build: the figures mean little (./run bench builds one)");
    }
    let mut figures: Vec<Figure> = Vec::new();
    for name in &wanted {
        stage.say(&format!("{name} ..."));
        match *name {
            "append" => figures.extend(stage.on_a_thread(append::run).await?),
            "fold" if wanted.contains(&"open") => figures.extend(stage.on_a_thread(|stage| fold::run(stage, true, true)).await?),
            "fold" => figures.extend(stage.on_a_thread(|stage| fold::run(stage, true, false)).await?),
            // Both read the same log; it was measured with `fold` when that was asked for, too.
            "open" if wanted.contains(&"fold") => {}
            "open" => figures.extend(stage.on_a_thread(|stage| fold::run(stage, false, true)).await?),
            "latency" => figures.extend(latency::run(&stage).await?),
            "kalshi" => figures.extend(kalshi::run(&stage).await?),
            "polymarket" => figures.extend(polymarket::run(&stage).await?),
            _ => figures.extend(idle::run(&stage).await?),
        }
    }
    if args.json.json {
        println!("{}", report::json(&figures));
    } else {
        print!("{}", report::table(&figures, Style::of_stdout()));
    }
    Ok(Exit::Good)
}
