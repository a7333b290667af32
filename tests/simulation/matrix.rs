//! Which records were seen in which phase of an order while which fault acted: what never came together was never tried.

use std::collections::BTreeMap;

use crate::faults::{Class, bit};
use crate::ledger::Phase;

/// Fewer than so many to be expected prove nothing by staying away.
const EXPECTED_MIN: u64 = 25;

#[derive(Clone, Debug, Default)]
pub struct Matrix {
    /// By record and phase: how often at all, and how often under each fault.
    cells: BTreeMap<(&'static str, Phase), (u64, Vec<u64>)>,
    /// Seeds in which each fault was on.
    on: Vec<u64>,
}

impl Matrix {
    pub fn seed(&mut self, on: u64) {
        self.on = Class::ALL.iter().map(|(class, _, _)| u64::from(on & bit(*class) != 0)).collect();
    }

    pub fn saw(&mut self, event: &'static str, phase: Phase, acting: u64) {
        let (all, under) = self.cells.entry((event, phase)).or_insert_with(|| (0, vec![0; Class::ALL.len()]));
        *all += 1;
        let mut rest = acting;
        while rest != 0 {
            under[rest.trailing_zeros() as usize] += 1;
            rest &= rest - 1;
        }
    }

    pub fn add(&mut self, other: &Self) {
        for (cell, (all, under)) in &other.cells {
            let sum = self.cells.entry(*cell).or_insert_with(|| (0, vec![0; Class::ALL.len()]));
            sum.0 += all;
            sum.1.iter_mut().zip(under).for_each(|(sum, one)| *sum += one);
        }
        self.on.resize(Class::ALL.len(), 0);
        self.on.iter_mut().zip(&other.on).for_each(|(sum, one)| *sum += one);
    }

    /// Cells that stayed empty though so many were to be expected, by how often the fault acts at all, and no reason is known.
    pub fn unexplained(&self) -> Vec<String> {
        let all: u64 = self.cells.values().map(|(all, _)| all).sum();
        let mut missing = Vec::new();
        for ((event, phase), (seen, under)) in &self.cells {
            for (class, word, _) in Class::ALL {
                let acts: u64 = self.cells.values().map(|(_, under)| under[*class as usize]).sum();
                let expected = seen * acts / all.max(1);
                if under[*class as usize] == 0 && expected >= EXPECTED_MIN && explained(event, *phase, *class).is_none() {
                    missing.push(format!("{event} while {phase:?} under {word}: never, of {seen}"));
                }
            }
        }
        missing
    }

    /// For people: a row per record and phase, a column per fault.
    pub fn print(&self) {
        println!("records by phase of their order (rows) and fault acting within 1.5 s before (columns):");
        for (class, word, _) in Class::ALL {
            println!("  {:>2} {word} (on in {} seeds)", *class as usize, self.on.get(*class as usize).copied().unwrap_or(0));
        }
        let head: String = (0..Class::ALL.len()).map(|n| format!("{n:>6}")).collect();
        println!("{:<36}{:>8}{head}", "", "all");
        for ((event, phase), (all, under)) in &self.cells {
            let row: String =
                Class::ALL.iter().map(|(class, _, _)| cell(under[*class as usize], explained(event, *phase, *class).is_some())).collect();
            println!("{:<36}{all:>8}{row}", format!("{event} {phase:?}"));
        }
        println!("  . : can't come together, explained in matrix.rs; 0: too few to be expected");
    }
}

fn cell(count: u64, explained: bool) -> String {
    match count {
        0 if explained => format!("{:>6}", "."),
        10_000.. => format!("{:>5}k", count / 1_000),
        _ => format!("{count:>6}"),
    }
}

/// Why these never come together.
fn explained(event: &str, phase: Phase, class: Class) -> Option<&'static str> {
    match event {
        "LimitsLoaded" | "OpeningBalance" => Some("said once, when the log begins: hardly anything has struck by then"),
        "OrderExpired" if phase == Phase::Working && class == Class::LateArrival => {
            Some("a working order expires at its venue only where the engine was down past its end: nothing was sent lately")
        }
        _ => None,
    }
}
