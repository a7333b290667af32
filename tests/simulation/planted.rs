//! Bugs planted on purpose: an invariant that finds none of them would prove nothing.

use arbees::domain::planted::Bug;

use crate::seeds::first_seed_with;

/// More seeds than any of them needs.
const SEEDS_MAX: u64 = 10_000;

/// A bug, what it is, and the first seed that shows it with what it breaks.
struct Row {
    bug: Bug,
    what: &'static str,
    found: Option<(u64, String)>,
}

#[test]
fn every_planted_bug_is_found() {
    let rows: Vec<Row> = std::thread::scope(|scope| {
        let halves: Vec<_> = (0..2)
            .map(|half| {
                scope.spawn(move || {
                    let mine = Bug::ALL.iter().skip(half).step_by(2);
                    mine.map(|(bug, what)| Row { bug: *bug, what, found: first_seed_with(*bug, SEEDS_MAX) }).collect::<Vec<_>>()
                })
            })
            .collect();
        halves.into_iter().flat_map(|half| half.join().expect("runs")).collect()
    });
    println!("{:<26}{:>8}  what finds it", "planted bug", "seeds");
    for Row { bug, found, .. } in &rows {
        let (seeds, error) = found.as_ref().map_or(("none".to_owned(), ""), |(seed, error)| (seed.to_string(), error.as_str()));
        println!("{:<26}{seeds:>8}  {error:.110}", format!("{bug:?}"));
    }
    let missed: Vec<&str> = rows.iter().filter(|row| row.found.is_none()).map(|row| row.what).collect();
    assert!(missed.is_empty(), "not found within {SEEDS_MAX} seeds: {missed:?}");
    assert!(rows.len() >= 16);
}
