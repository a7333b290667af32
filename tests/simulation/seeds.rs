//! Many seeds on all cores; what fails is made smaller and shown.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, Once, PoisonError};
use std::time::Instant;

use arbees::domain::planted::{self, Bug};

use crate::faults;
use crate::matrix::Matrix;
use crate::world::{Counts, World};

/// Seeds that once failed always run.
const FAILED_BEFORE: &str = include_str!("seeds.txt");

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} must be a number, not {text:?}")))
}

thread_local! {
    static HUSHED: Cell<bool> = const { Cell::new(false) };
}

/// What a seed breaks off with is collected, not printed each time; everything else is printed as always.
fn hush() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !HUSHED.get() {
                before(info);
            }
        }));
    });
}

/// One seed; what doesn't hold, if something doesn't.
pub fn run(seed: u64, off: u64, tracing: bool) -> Result<World, String> {
    hush();
    // Every sixteenth world with real signatures.
    planted::seal_quickly(!seed.is_multiple_of(16));
    HUSHED.set(true);
    let done = catch_unwind(AssertUnwindSafe(|| {
        let mut world = World::new(seed, off, tracing);
        world.run();
        world
    }));
    HUSHED.set(false);
    done.map_err(|panic| {
        panic.downcast_ref::<String>().cloned().or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned())).unwrap_or_default()
    })
}

/// The same failure with as few faults as possible: each is switched off, and stays off where it still fails.
pub fn shrink(seed: u64, off: u64, error: &str) -> (u64, String) {
    let (mut off, mut error) = (off, error.to_owned());
    let rule = |text: &str| text.split_once(':').map_or(text.to_owned(), |(rule, _)| rule.to_owned());
    for (class, _, _) in faults::Class::ALL {
        let smaller = off | faults::bit(*class);
        if let Err(same) = run(seed, smaller, false)
            && rule(&same) == rule(&error)
        {
            (off, error) = (smaller, same);
        }
    }
    (off, error)
}

fn commit() -> String {
    let head = std::process::Command::new("git").args(["-C", env!("CARGO_MANIFEST_DIR"), "rev-parse", "--short", "HEAD"]).output();
    head.ok().map(|out| String::from_utf8_lossy(&out.stdout).trim().to_owned()).unwrap_or_default()
}

/// Says everything that is needed to see it again.
fn report(seed: u64, error: &str) -> String {
    let (off, smaller) = shrink(seed, 0, error);
    let on = World::new(seed, off, false).faults_on();
    println!("--- seed {seed} failed; its trace with the faults that it needs:");
    let _ = run(seed, off, true);
    format!(
        "seed {seed} at commit {}: {error}\nsmaller: {smaller}\nfaults it needs: {}\nagain: OFF={} SEED={seed} ./run sim\nadd {seed} to tests/simulation/seeds.txt",
        commit(),
        faults::names(on),
        faults::names(off),
    )
}

/// What was seen of many seeds.
#[derive(Default)]
struct Seen {
    counts: Vec<Counts>,
    matrix: Matrix,
    failed: Vec<(u64, String)>,
}

fn run_all(seeds: &[u64], progress: bool) -> Seen {
    let (next, seen) = (AtomicU64::new(0), Mutex::new(Seen::default()));
    let most = number("FAILURES").unwrap_or(3) as usize;
    let cores = std::thread::available_parallelism().map_or(2, |cores| cores.get());
    let began = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                let mut mine = Seen::default();
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    let Some(seed) = seeds.get(n as usize) else { break };
                    match run(*seed, 0, false) {
                        Ok(world) => {
                            mine.counts.push(world.counts);
                            mine.matrix.add(&world.matrix);
                        }
                        Err(error) => mine.failed.push((*seed, error)),
                    }
                    if progress && (n + 1) % 10_000 == 0 {
                        println!("{} seeds, {} s", n + 1, began.elapsed().as_secs());
                    }
                    if mine.failed.len() >= most {
                        break;
                    }
                }
                let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
                seen.counts.extend(mine.counts);
                seen.matrix.add(&mine.matrix);
                seen.failed.extend(mine.failed);
            });
        }
    });
    seen.into_inner().unwrap_or_else(PoisonError::into_inner)
}

fn median(mut values: Vec<u64>) -> u64 {
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or(0)
}

#[test]
fn invariants_hold_in_every_simulated_world() {
    let off = std::env::var("OFF").map_or(0, |text| faults::parse(&text));
    if let Some(seed) = number("SEED") {
        if let Err(error) = run(seed, off, true) {
            println!("seed {seed}: {error}");
            panic!("seed {seed}: {error}");
        }
        return;
    }
    let start = number("SEED_START").unwrap_or(1);
    let count = number("SEEDS").unwrap_or(10_000);
    let before = FAILED_BEFORE.lines().filter_map(|line| line.split_whitespace().next()?.parse().ok());
    let seeds: Vec<u64> = before.chain(start..start + count).collect();
    let began = Instant::now();
    let seen = run_all(&seeds, count >= 100_000);
    let of = |pick: fn(&Counts) -> u64| seen.counts.iter().map(pick).collect::<Vec<u64>>();
    let (steps, orders, crashes) = (of(|c| c.steps), of(|c| c.orders), of(|c| c.crashes));
    if count >= 10_000 {
        seen.matrix.print();
    }
    println!(
        "{} seeds in {:.1} s, {} violations; steps {} (median {}), orders {} (median {}), engine crashes {} (median {}); unknown orders resolved within {} ms of when that could be proven",
        seen.counts.len() + seen.failed.len(),
        began.elapsed().as_secs_f32(),
        seen.failed.len(),
        steps.iter().sum::<u64>(),
        median(steps.clone()),
        orders.iter().sum::<u64>(),
        median(orders.clone()),
        crashes.iter().sum::<u64>(),
        median(crashes.clone()),
        seen.counts.iter().map(|c| c.resolved_after_ms).max().unwrap_or(0),
    );
    if let Some((seed, error)) = seen.failed.iter().min() {
        let all: Vec<String> = seen.failed.iter().map(|(seed, error)| format!("{seed}: {error}")).collect();
        println!("{}", all.join("\n"));
        let text = report(*seed, error);
        println!("{text}");
        panic!("{text}");
    }
    assert!(median(steps) >= 500 && median(orders) >= 20 && median(crashes) >= 2, "the worlds are too quiet");
    if count >= 10_000 {
        let missing = seen.matrix.unexplained();
        assert!(missing.is_empty(), "never seen together, and not explained:\n{}", missing.join("\n"));
    }
}

#[test]
fn the_same_seed_twice_gives_identical_bytes() {
    for seed in 1..40 {
        let digest = || run(seed, 0, false).unwrap_or_else(|error| panic!("seed {seed}: {error}")).digest();
        assert_eq!(digest(), digest(), "seed {seed}");
    }
}

/// With this bug: the first seed that shows it.
pub fn first_seed_with(bug: Bug, most: u64) -> Option<(u64, String)> {
    (1..=most).find_map(|seed| {
        planted::plant(Some(bug));
        let broken = run(seed, 0, false).err();
        planted::plant(None);
        // Only what holds without the bug is found by it.
        broken.filter(|_| run(seed, 0, false).is_ok()).map(|error| (seed, error))
    })
}
