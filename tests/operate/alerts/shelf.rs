//! What lies under `ops`, read as text, and everything that is wrong with it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use arbees::cli::Args;
use arbees::metrics::{ALL, Kind, Metric};
use clap::Parser;

const RULES: &str = "prometheus/rules/";
const CASES: &str = "prometheus/tests/";
const PAGES: &str = "runbooks/";
const SECTIONS: [&str; 4] = ["## What it means", "## Look here", "## Do this", "## When it is over"];
/// Fires whatever is measured.
const ALWAYS: &str = "Watchdog";
/// What Prometheus itself adds to a series.
const ADDED: [&str; 4] = ["instance", "job", "exported_instance", "le"];

pub struct Shelf {
    /// By path below `ops`.
    pub files: BTreeMap<String, String>,
}

impl Shelf {
    pub fn read(ops: &Path) -> Self {
        let mut files = BTreeMap::new();
        read_below(ops, ops, &mut files);
        Self { files }
    }

    pub fn problems(&self) -> Vec<String> {
        let alerts = self.alerts();
        let mut problems: Vec<String> = self.files.iter().flat_map(|(path, text)| metrics_of(path, text)).collect();
        problems.extend(alerts.iter().flat_map(|(name, rule)| self.problems_of(name, rule)));
        for page in self.below(PAGES).filter_map(|(path, _)| path.strip_prefix(PAGES)?.strip_suffix(".md")) {
            if !alerts.contains_key(page) {
                problems.push(format!("{PAGES}{page}.md: a page of no alert"));
            }
        }
        problems.extend(self.below(PAGES).flat_map(|(path, text)| commands_of(path, text)));
        problems
            .extend(self.named_elsewhere().into_iter().filter(|name| !alerts.contains_key(name)).map(|name| format!("{name} is no alert")));
        problems
    }

    fn below<'a>(&'a self, folder: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.files.iter().filter(move |(path, _)| path.starts_with(folder)).map(|(path, text)| (path.as_str(), text.as_str()))
    }

    /// Name and text of each rule.
    fn alerts(&self) -> BTreeMap<String, String> {
        let rules = self.below(RULES).flat_map(|(_, text)| text.split("  - alert: ").skip(1));
        rules.map(|rule| (rule.lines().next().unwrap_or_default().to_owned(), rule.to_owned())).collect()
    }

    fn problems_of(&self, name: &str, rule: &str) -> Vec<String> {
        let mut problems = Vec::new();
        let mut needs = |good: bool, problem: String| {
            if !good {
                problems.push(format!("{name}: {problem}"));
            }
        };
        for line in ["severity: ", "summary: ", "description: ", &format!("runbook_url: ops/runbooks/{name}.md\n")] {
            needs(rule.contains(line), format!("its rule has no `{}`", line.trim_end()));
        }
        let page = format!("{PAGES}{name}.md");
        needs(self.files.contains_key(&page), format!("no page ops/{page}"));
        for section in SECTIONS {
            let there = self.files.get(&page).is_none_or(|text| text.lines().any(|line| line == section));
            needs(there, format!("{page}: no `{section}`"));
        }
        needs(self.has_case(name, false), "no case in which it fires".to_owned());
        needs(name == ALWAYS || self.has_case(name, true), "no case in which it is quiet".to_owned());
        problems
    }

    fn has_case(&self, name: &str, quiet: bool) -> bool {
        let mut cases = self.below(CASES).flat_map(|(_, text)| text.split("alertname: ").skip(1));
        cases.any(|case| case.lines().next() == Some(name) && case.contains("exp_alerts: []") == quiet)
    }

    /// In cases, and in what Alertmanager does with them.
    fn named_elsewhere(&self) -> BTreeSet<String> {
        let cases = self.below(CASES).flat_map(|(_, text)| text.split("alertname: ").skip(1)).filter_map(|case| case.lines().next());
        let matchers = self.below("alertmanager/").flat_map(|(_, text)| text.split("alertname=").skip(1));
        let matched = matchers.filter_map(|after| after.split('"').nth(1)).flat_map(|names| names.split('|'));
        cases.chain(matched).map(str::to_owned).collect()
    }
}

fn read_below(root: &Path, folder: &Path, files: &mut BTreeMap<String, String>) {
    for entry in fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
        if entry.is_dir() {
            read_below(root, &entry, files);
        } else if let Ok(text) = fs::read_to_string(&entry) {
            files.insert(entry.strip_prefix(root).expect("below").display().to_string(), text);
        }
    }
}

fn metric_of(name: &str) -> Option<&'static Metric> {
    ALL.iter().copied().find(|metric| match metric.kind {
        Kind::Histogram => name.strip_prefix(metric.name).is_some_and(|end| ["_bucket", "_sum", "_count"].contains(&end)),
        _ => metric.name == name,
    })
}

/// Metrics that don't exist, and labels that they don't have.
fn metrics_of(path: &str, text: &str) -> Vec<String> {
    if !["prometheus/", "grafana/", "alertmanager/", PAGES].iter().any(|folder| path.starts_with(folder)) {
        return Vec::new();
    }
    let mut problems = Vec::new();
    for (at, _) in text.match_indices("arbees_") {
        let rest = &text[at..];
        let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        let Some(metric) = metric_of(name) else {
            problems.push(format!("{path}: {name} is no metric"));
            continue;
        };
        let labels = after.strip_prefix('{').and_then(|after| after.split('}').next()).unwrap_or_default();
        for label in labels.split(',').filter_map(|pair| pair.split(['=', '!']).next()).filter(|label| !label.is_empty()) {
            if !metric.labels.contains(&label) && !ADDED.contains(&label) {
                problems.push(format!("{path}: {name} has no label {label}"));
            }
        }
    }
    problems
}

/// Commands of a page that the program doesn't take; words in capitals stand for what a person fills in.
fn commands_of(path: &str, text: &str) -> Vec<String> {
    let written =
        text.lines().filter(|line| line.starts_with("arbees ")).map(|line| line.split(['#', ';', '|']).next().unwrap_or_default());
    let inside = text.split('`').skip(1).step_by(2).filter(|words| words.starts_with("arbees "));
    let fill = |word: &str| {
        let filled = [("SCOPE", "global"), ("VENUE", "kalshi"), ("TICKER", "KXA-1-B"), ("NUMBER", "1"), ("Q", "5"), ("USD", "2.50")];
        filled.iter().fold(
            word.to_owned(),
            |word, (name, value)| if word.split(':').any(|part| part == *name) { word.replace(name, value) } else { word },
        )
    };
    let taken = |command: &str| Args::try_parse_from(command.replace('"', "").split_whitespace().map(fill)).is_ok();
    // A reason of several words is one argument.
    let one = |command: &str| {
        let parts: Vec<String> =
            command.split('"').enumerate().map(|(n, part)| if n % 2 == 1 { part.replace(' ', "_") } else { part.to_owned() }).collect();
        parts.join("\"")
    };
    let commands = written.chain(inside).map(str::trim);
    commands.filter(|command| !taken(&one(command))).map(|command| format!("{path}: `{command}` is no command")).collect()
}
