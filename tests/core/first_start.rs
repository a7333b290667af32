//! The risk consumer beside an engine whose log is still empty.

use arbees::domain::event::{Event, Recorded};
use arbees::domain::ids::{Hash, LogId, Mode};
use arbees::domain::time::{Mono, Now, Time};
use arbees::risk::{Input, Risk};

#[test]
fn the_first_record_of_an_empty_log_is_not_taken_for_another_log() {
    let mut risk = Risk::new(Mode::Paper, 1);
    let now = Now { wall: Time::from_ms(1_000), mono: Mono(1_000_000_000) };
    // Nobody can say how a log is called that holds nothing.
    assert_eq!(risk.step(now, Input::Fetched { log_id: LogId::default(), head_seq: 0 }), []);
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
