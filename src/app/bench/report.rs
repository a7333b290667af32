use serde_json::{Value, json};

use crate::cli::Style;

/// A measured value in its unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    PerSecond(i64),
    Nanos(i64),
    Bytes(i64),
    Count(i64),
}

/// What the issue asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Goal {
    /// Of the baseline, in per mille.
    RatioAtLeast(i64),
    RatioAtMost(i64),
    Below(Measure),
    /// A figure that explains others.
    None,
}

#[derive(Clone, Debug)]
pub struct Figure {
    pub bench: &'static str,
    pub what: String,
    pub measured: Measure,
    /// What it is compared with, measured in the same run.
    pub baseline: Option<(&'static str, Measure)>,
    pub goal: Goal,
}

impl Measure {
    fn raw(self) -> i64 {
        match self {
            Self::PerSecond(value) | Self::Nanos(value) | Self::Bytes(value) | Self::Count(value) => value,
        }
    }

    fn unit(self) -> &'static str {
        match self {
            Self::PerSecond(_) => "per_second",
            Self::Nanos(_) => "ns",
            Self::Bytes(_) => "bytes",
            Self::Count(_) => "count",
        }
    }

    fn text(self) -> String {
        match self {
            Self::PerSecond(value) => format!("{}/s", grouped(value)),
            // What takes so little is told from its like by tenths.
            Self::Nanos(value) if value < 100_000 => format!("{}.{} µs", value / 1_000, value % 1_000 / 100),
            Self::Nanos(value) if value < 1_000_000 => format!("{} µs", value / 1_000),
            Self::Nanos(value) if value < 1_000_000_000 => format!("{} ms", thousandths(value / 1_000)),
            Self::Nanos(value) => format!("{} s", thousandths(value / 1_000_000)),
            Self::Count(value) => grouped(value),
            Self::Bytes(value) => format!("{} MB", thousandths(value / 1_000)),
        }
    }
}

fn thousandths(value: i64) -> String {
    format!("{}.{:03}", value / 1_000, value % 1_000)
}

fn grouped(value: i64) -> String {
    let digits = value.to_string();
    let head = digits.len() % 3;
    let mut text = digits[..head].to_owned();
    for at in (head..digits.len()).step_by(3) {
        if !text.is_empty() {
            text.push(',');
        }
        text.push_str(&digits[at..at + 3]);
    }
    text
}

impl Figure {
    /// Measured over baseline, in per mille.
    pub fn ratio(&self) -> Option<i64> {
        self.baseline.map(|(_, baseline)| self.measured.raw().saturating_mul(1_000) / baseline.raw().max(1))
    }

    /// `None` where there is no goal.
    pub fn met(&self) -> Option<bool> {
        match self.goal {
            Goal::RatioAtLeast(least) => self.ratio().map(|ratio| ratio >= least),
            Goal::RatioAtMost(most) => self.ratio().map(|ratio| ratio <= most),
            Goal::Below(bound) => Some(self.measured.raw() < bound.raw()),
            Goal::None => None,
        }
    }

    fn goal_text(&self) -> String {
        match self.goal {
            Goal::RatioAtLeast(least) => format!("≥ {}", thousandths(least)),
            Goal::RatioAtMost(most) => format!("≤ {}", thousandths(most)),
            Goal::Below(bound) => format!("< {}", bound.text()),
            Goal::None => String::new(),
        }
    }
}

pub fn table(figures: &[Figure], style: Style) -> String {
    let head = ["bench", "what", "measured", "baseline", "", "ratio", "goal", ""].map(str::to_owned);
    let mut rows = vec![head];
    for figure in figures {
        let (name, baseline) = figure.baseline.map_or((String::new(), String::new()), |(name, value)| (name.to_owned(), value.text()));
        let met = figure.met().map_or("", |met| if met { "met" } else { "MISSED" });
        rows.push([
            figure.bench.to_owned(),
            figure.what.clone(),
            figure.measured.text(),
            baseline,
            name,
            figure.ratio().map_or(String::new(), thousandths),
            figure.goal_text(),
            met.to_owned(),
        ]);
    }
    let widths: Vec<usize> = (0..8).map(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0)).collect();
    let mut text = String::new();
    for (number, row) in rows.iter().enumerate() {
        let padded = row.iter().zip(&widths).enumerate().map(|(column, (cell, width))| match column {
            2 | 3 | 5 => format!("{cell:>width$}"),
            _ => format!("{cell:<width$}"),
        });
        let line = padded.collect::<Vec<_>>().join("  ").trim_end().to_owned();
        text.push_str(&if number == 0 { style.bold(&line) } else { line });
        text.push('\n');
    }
    text
}

pub fn json(figures: &[Figure]) -> Value {
    let rows = figures.iter().map(|figure| {
        json!({
            "bench": figure.bench,
            "what": figure.what,
            "measured": figure.measured.raw(),
            "unit": figure.measured.unit(),
            "baseline": figure.baseline.map(|(_, value)| value.raw()),
            "baseline_is": figure.baseline.map(|(name, _)| name),
            "ratio_per_mille": figure.ratio(),
            "goal": figure.goal_text(),
            "met": figure.met(),
        })
    });
    Value::Array(rows.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(measured: i64, baseline: i64, goal: Goal) -> Figure {
        let baseline = Some(("plain file", Measure::PerSecond(baseline)));
        Figure { bench: "append", what: "1 appender".to_owned(), measured: Measure::PerSecond(measured), baseline, goal }
    }

    #[test]
    fn a_goal_is_missed_one_per_mille_below_it() {
        assert_eq!(figure(800, 1_000, Goal::RatioAtLeast(800)).met(), Some(true));
        assert_eq!(figure(799, 1_000, Goal::RatioAtLeast(800)).met(), Some(false));
        assert_eq!(figure(2_001, 1_000, Goal::RatioAtMost(2_000)).met(), Some(false));
        assert_eq!(figure(1, 1, Goal::None).met(), None);
        let idle = Figure { baseline: None, goal: Goal::Below(Measure::PerSecond(60)), ..figure(60, 1, Goal::None) };
        assert_eq!((idle.met(), idle.ratio()), (Some(false), None));
    }

    #[test]
    fn values_are_written_in_units_people_read() {
        let text = |measure: Measure| measure.text();
        assert_eq!(text(Measure::PerSecond(1_234_567)), "1,234,567/s");
        assert_eq!(text(Measure::PerSecond(999)), "999/s");
        assert_eq!(text(Measure::Nanos(123_456)), "123 µs");
        assert_eq!(text(Measure::Nanos(2_345)), "2.3 µs");
        assert_eq!(text(Measure::Count(0)), "0");
        assert_eq!(text(Measure::Nanos(1_234_567)), "1.234 ms");
        assert_eq!(text(Measure::Nanos(2_001_000_000)), "2.001 s");
        assert_eq!(text(Measure::Bytes(59_999_999)), "59.999 MB");
        let lines = table(&[figure(900, 1_000, Goal::RatioAtLeast(800))], Style::PLAIN);
        assert!(lines.contains("0.900") && lines.trim_end().ends_with("met"), "{lines}");
    }
}
