use super::*;
use crate::event_log::record::{decode, encode, encode_into, record_hash, set_prev_hash};

const CONTEXT: ChainContext = ChainContext { log_id: LogId([7; 16]), mode: Mode::DryRun };

fn all() -> Vec<Recorded> {
    batches(40).concat()
}

#[test]
fn a_record_comes_back_as_it_was() {
    for recorded in all() {
        let prev_hash = sha256(&[b"before"]);
        let stored = decode(&encode(&recorded, &CONTEXT, &prev_hash).expect("fits")).expect("reads");
        assert_eq!(stored, StoredRecord { log_id: CONTEXT.log_id, mode: CONTEXT.mode, prev_hash, recorded });
    }
}

#[test]
fn the_hash_of_the_record_before_can_be_set_later() {
    for recorded in all() {
        let prev_hash = sha256(&[b"before"]);
        let mut bytes = encode(&recorded, &CONTEXT, &Hash::ZERO).expect("fits");
        set_prev_hash(&mut bytes, &prev_hash);
        assert_eq!(bytes, encode(&recorded, &CONTEXT, &prev_hash).expect("fits"));
    }
}

#[test]
fn fields_are_named() {
    let bytes = encode(&all()[0], &CONTEXT, &Hash::ZERO).expect("fits");
    let text = String::from_utf8_lossy(&bytes).into_owned();
    for name in [
        "log_id",
        "seq",
        "epoch",
        "recorded_at_ns",
        "mode",
        "correlation_id",
        "causation_seq",
        "prev_hash",
        "event",
        "OrderRequested",
        "signal_id",
    ] {
        assert!(text.contains(name), "{name}");
    }
}

#[test]
fn refuses_trailing_bytes_other_versions_and_cut_records() {
    let bytes = encode(&all()[0], &CONTEXT, &Hash::ZERO).expect("fits");
    let mut longer = bytes.clone();
    for byte in 0..=u8::MAX {
        longer.push(byte);
        assert_eq!(decode(&longer), Err(RecordError::Trailing), "{byte:#x}");
        longer.truncate(bytes.len());
    }
    let mut newer = bytes.clone();
    newer[0] = 2;
    assert_eq!(decode(&newer), Err(RecordError::Version(2)));
    assert_eq!(decode(&[]), Err(RecordError::Empty));
    for len in 1..bytes.len() {
        assert!(matches!(decode(&bytes[..len]), Err(RecordError::Unreadable(_))), "{len}");
    }
}

#[test]
fn an_unknown_event_stops_the_reader() {
    let bytes = encode(&all()[2], &CONTEXT, &Hash::ZERO).expect("fits");
    let at = bytes.windows(13).position(|w| w == b"SubmitStarted").expect("named");
    let mut unknown = bytes.clone();
    unknown[at..at + 13].copy_from_slice(b"SubmitEscaped");
    let error = decode(&unknown).expect_err("unknown").to_string();
    assert!(error.contains("SubmitEscaped"), "{error}");
}

#[test]
fn a_record_over_the_limit_is_refused_and_leaves_no_trace() {
    let mut event = story(0, 60).swap_remove(0);
    let sized = |event: &mut Event, len: usize| {
        let Event::OrderRequested { request, .. } = event else { panic!("a request") };
        *request = ByteBuf::from(vec![1; len]);
    };
    sized(&mut event, 3_000);
    let rest = encode(&recorded(1, vec![event.clone()])[0], &CONTEXT, &Hash::ZERO).expect("fits").len() - 3_000;
    sized(&mut event, RECORD_BYTES_MAX - rest);
    assert_eq!(encode(&recorded(1, vec![event.clone()])[0], &CONTEXT, &Hash::ZERO).expect("fits").len(), RECORD_BYTES_MAX);
    sized(&mut event, RECORD_BYTES_MAX - rest + 1);
    let mut buffer = vec![9];
    let error = encode_into(&mut buffer, &recorded(1, vec![event])[0], &CONTEXT, &Hash::ZERO).expect_err("too large");
    assert_eq!(error, RecordError::TooLarge { seq: 1, event: "OrderRequested", bytes: RECORD_BYTES_MAX + 1 });
    assert_eq!(buffer, [9]);
}

#[test]
fn every_flipped_byte_changes_the_hash() {
    let bytes = encode(&all()[0], &CONTEXT, &Hash::ZERO).expect("fits");
    for at in 0..bytes.len() {
        let mut other = bytes.clone();
        other[at] ^= 1;
        assert_ne!(record_hash(&other), record_hash(&bytes));
    }
}
