//! The risk consumer beside an engine whose log is still empty.

use arbees::domain::event::{Event, Recorded};
use arbees::domain::ids::{Hash, LogId, Mode};
use arbees::domain::time::{Mono, Now, Time};
use arbees::risk::{Effect, Input, Risk};

#[test]
fn the_first_record_of_an_empty_log_is_not_taken_for_another_log() {
    let mut risk = Risk::new(Mode::Paper, 1);
    let now = Now { wall: Time::from_ms(1_000), mono: Mono(1_000_000_000) };
    // Nobody can say how a log is called that holds nothing.
    assert_eq!(risk.step(now, Input::Fetched { log_id: LogId::default(), head_seq: 0, from_seq: 1 }), []);
    assert!(risk.is_ready(now.mono), "no earlier grant can exist");
    let event = Event::SessionStarted { version: "1".into(), config_hash: Hash::ZERO, instance: "main".into() };
    let recorded = Recorded { seq: 1, epoch: 1, recorded_at: now.wall, correlation: None, causation_seq: 0, event };
    let named = LogId([7; 16]);
    let record =
        Input::Record { log_id: named, mode: Mode::Paper, prev_hash: Hash::ZERO, hash: Hash([1; 32]), recorded: Box::new(recorded) };
    assert_eq!(risk.step(now, record), []);
    assert!(risk.is_ready(now.mono), "and it goes on");
    assert_eq!(risk.book().seq, 1);
}

fn record(seq: u64) -> Input {
    let now = Time::from_ms(1_000);
    let event = Event::SessionStarted { version: "1".into(), config_hash: Hash::ZERO, instance: "main".into() };
    let recorded = Recorded { seq, epoch: seq, recorded_at: now, correlation: None, causation_seq: 0, event };
    let hash = |seq: u64| if seq == 0 { Hash::ZERO } else { Hash([seq as u8; 32]) };
    Input::Record { log_id: LogId([7; 16]), mode: Mode::Paper, prev_hash: hash(seq - 1), hash: hash(seq), recorded: Box::new(recorded) }
}

#[test]
fn records_that_came_live_while_a_range_was_read_are_no_log_that_was_cut() {
    let mut risk = Risk::new(Mode::Paper, 1);
    let now = Now { wall: Time::from_ms(1_000), mono: Mono(1_000_000_000) };
    for seq in 1..=5 {
        risk.step(now, record(seq));
    }
    let log_id = LogId([7; 16]);
    // Asked from record 4 on, when the log ended there; the fifth came on its own before the answer.
    risk.step(now, Input::Fetched { log_id, head_seq: 4, from_seq: 4 });
    assert_eq!((risk.diverged(), risk.book().seq), (None, 5));
    // Asked behind the fifth, and the log ends before it: an old copy.
    risk.step(now, Input::Fetched { log_id, head_seq: 4, from_seq: 6 });
    assert_eq!(risk.diverged().map(|witness| witness.seq), Some(5));
}

#[test]
fn under_load_a_long_log_is_read_once_and_not_anew_for_each_live_record() {
    let mut risk = Risk::new(Mode::Paper, 1);
    let at = |ms: i64| Now { wall: Time::from_ms(ms), mono: Mono(ms * 1_000_000) };
    assert_eq!(risk.begin(at(0)), [Effect::Fetch { from_seq: 1 }]);
    // The range comes slowly, and in between what the engine publishes meanwhile.
    for seq in 1..=200 {
        let (ms, live) = (seq as i64 * 100, 1_000 + seq);
        assert_eq!((risk.step(at(ms), record(seq)), risk.step(at(ms), record(live))), (vec![], vec![]), "record {seq}");
    }
    // A reading that brings nothing any more is begun anew.
    assert_eq!(risk.step(at(60_000), record(2_000)), [Effect::Fetch { from_seq: 201 }]);
}
