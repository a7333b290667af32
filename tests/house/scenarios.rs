//! Every acceptance scenario is a test named after its number, or the table says why there is none. `./run scenarios` prints the whole.

use std::collections::BTreeMap;

use super::{Source, root, sources};

/// A row of `scenarios.md`.
struct Scenario {
    number: u32,
    title: String,
    /// Empty where a test is owed.
    why_not: String,
}

#[test]
fn every_scenario_is_a_test_or_says_why_not() {
    let (scenarios, tests) = (table(include_str!("scenarios.md")), tests_by_number());
    println!("{}", printed(&scenarios, &tests));
    let owed: Vec<String> =
        scenarios.iter().filter(|one| is_owed(one, &tests)).map(|one| format!("S{} {}", one.number, one.title)).collect();
    assert!(owed.is_empty(), "neither a test nor a reason in tests/house/scenarios.md:\n{}", owed.join("\n"));
    let unknown: Vec<&u32> = tests.keys().filter(|number| !scenarios.iter().any(|one| one.number == **number)).collect();
    assert!(unknown.is_empty(), "tests of scenarios that tests/house/scenarios.md doesn't know: {unknown:?}");
}

/// The list that everybody works from lies beside the repository; ours must name the same scenarios.
#[test]
fn the_table_names_the_scenarios_of_the_shared_list() {
    let shared = std::env::var_os("ARBEES_SHARED").map_or_else(|| root().join("../shared"), Into::into).join("scenarios.md");
    let Ok(text) = std::fs::read_to_string(&shared) else {
        eprintln!("SKIPPED: no {}; set ARBEES_SHARED to the shared folder", shared.display());
        return;
    };
    let bullets = text.lines().filter_map(|line| line.strip_prefix("- **S")?.split_once("**")?.0.parse().ok());
    let ours: Vec<u32> = table(include_str!("scenarios.md")).iter().map(|one| one.number).collect();
    assert_eq!(ours, bullets.collect::<Vec<u32>>());
}

#[test]
fn tests_are_found_by_their_numbers() {
    let text = "#[test]\nfn s79_s81_pays() {}\n#[tokio::test(flavor = \"x\")]\n#[ignore]\nasync fn s7_waits() {}\nfn s8_no_test() {}\n#[test]\nfn sums() {}";
    assert_eq!(test_names(text).collect::<Vec<_>>(), ["s79_s81_pays", "s7_waits", "sums"]);
    let numbers = |name| numbers(name).collect::<Vec<_>>();
    assert_eq!((numbers("s79_s81_pays"), numbers("s7_waits"), numbers("sums"), numbers("s_1")), (vec![79, 81], vec![7], vec![], vec![]));
    let rows = table("| S1 | a → b | |\n| S2 | c | Not sent. |\n| scenario | x | y |");
    assert_eq!((rows.len(), rows[1].why_not.as_str()), (2, "Not sent."));
    assert!(is_owed(&rows[0], &BTreeMap::new()) && !is_owed(&rows[1], &BTreeMap::new()));
    assert!(!is_owed(&rows[0], &BTreeMap::from([(1, vec!["s1_is_good".to_owned()])])));
}

fn table(text: &str) -> Vec<Scenario> {
    let rows = text.lines().filter_map(|line| line.strip_prefix("| S"));
    rows.filter_map(|row| {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let [number, title, why_not, ..] = cells[..] else { return None };
        Some(Scenario { number: number.parse().ok()?, title: title.to_owned(), why_not: why_not.to_owned() })
    })
    .collect()
}

fn is_owed(scenario: &Scenario, tests: &BTreeMap<u32, Vec<String>>) -> bool {
    scenario.why_not.is_empty() && !tests.contains_key(&scenario.number)
}

fn tests_by_number() -> BTreeMap<u32, Vec<String>> {
    let mut tests: BTreeMap<u32, Vec<String>> = BTreeMap::new();
    for Source { path, text, .. } in ["src", "tests"].into_iter().flat_map(sources) {
        for name in test_names(&text) {
            numbers(name).for_each(|number| tests.entry(number).or_default().push(format!("{path}: {name}")));
        }
    }
    tests
}

/// The functions that follow a test attribute.
fn test_names(text: &str) -> impl Iterator<Item = &str> {
    let mut is_test = false;
    text.lines().map(str::trim).filter_map(move |line| {
        is_test |= line.starts_with("#[test]") || line.starts_with("#[tokio::test");
        let name = line.trim_start_matches("async ").strip_prefix("fn ")?.split('(').next()?;
        std::mem::take(&mut is_test).then_some(name)
    })
}

/// `s79_s81_…` is of two.
fn numbers(name: &str) -> impl Iterator<Item = u32> {
    name.split('_').map_while(|word| word.strip_prefix('s')?.parse().ok())
}

fn printed(scenarios: &[Scenario], tests: &BTreeMap<u32, Vec<String>>) -> String {
    let mut lines = Vec::new();
    for scenario in scenarios {
        lines.push(format!("S{:<4} {}", scenario.number, scenario.title));
        match tests.get(&scenario.number) {
            Some(tests) => lines.extend(tests.iter().map(|test| format!("        {test}"))),
            None if scenario.why_not.is_empty() => lines.push("        NEITHER A TEST NOR A REASON".to_owned()),
            None => lines.push(format!("        no test: {}", scenario.why_not)),
        }
    }
    let count = |what: &dyn Fn(&&Scenario) -> bool| scenarios.iter().filter(what).count();
    let tested = count(&|one| tests.contains_key(&one.number));
    let owed = count(&|one| is_owed(one, tests));
    let named: std::collections::BTreeSet<&String> = tests.values().flatten().collect();
    let excused = scenarios.len() - tested - owed;
    let total = scenarios.len();
    lines.push(format!("{total} scenarios: {tested} tested by {} tests, {excused} with a reason, {owed} with neither", named.len()));
    lines.join("\n")
}
