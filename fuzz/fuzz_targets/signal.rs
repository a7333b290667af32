#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| arbees_fuzz::checks::signal::check(data));
