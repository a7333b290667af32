//! What the fuzzer may never find again: every file of its corpora goes through the same functions in the ordinary run. A finding becomes a
//! file there.

#[path = "../../fuzz/src/checks/mod.rs"]
mod checks;

use std::fs;
use std::path::{Path, PathBuf};

fn files(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let paths = fs::read_dir(&folder).expect("a corpus").map(|entry| entry.expect("an entry").path());
    paths.map(|path| (path.clone(), fs::read(path).expect("a file"))).collect()
}

/// A panic names the file: it is printed before.
fn check(target: &str, one: fn(&[u8])) {
    let files = files(target);
    assert!(files.len() > 3, "the corpus of {target} has {} files", files.len());
    for (path, data) in files {
        println!("{}", path.display());
        one(&data);
    }
}

#[test]
fn signals_of_the_corpus_keep_their_properties() {
    check("signal", checks::signal::check);
}

#[test]
fn records_and_journals_of_the_corpus_keep_their_properties() {
    check("record", checks::record::check);
}

#[test]
fn settings_of_the_corpus_keep_their_properties() {
    check("config", checks::config::check);
}

#[test]
fn what_kalshi_says_in_the_corpus_keeps_its_properties() {
    check("kalshi", checks::kalshi::check);
}

#[test]
fn what_polymarket_says_in_the_corpus_keeps_its_properties() {
    check("polymarket", checks::polymarket::check);
}

/// Writes the seeds of `record`: one of each kind of record that a run of the log leaves, and journals whole and torn.
#[test]
#[ignore = "writes into fuzz/corpus"]
fn write_the_seeds_of_records() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/record");
    for (name, bytes) in crate::power_cut::seeds::all() {
        fs::write(folder.join(name), bytes).expect("a seed");
    }
}
