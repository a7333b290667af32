//! What must hold for whatever bytes come from outside. The fuzzer runs these functions (`fuzz_targets`), and so does an ordinary test over
//! every file of the corpora (`tests/endurance/corpora.rs`).

pub mod checks;
