//! The same records as beginnings for the fuzzer (`corpora.rs`).

use std::path::Path;

use arbees::domain::ids::{Hash, LogId, Mode};
use arbees::event_log::record::{ChainContext, encode};
use arbees::event_log::{EventStore, Log, OpenOptions};

use super::records::Plan;

const PLAN: Plan = Plan { seed: 7, segment_bytes: 4_096, block_records_max: 2, in_flight: 1 };

/// One record of each kind, a journal of a few commits, and the same torn in its last one. The first byte is the fuzzer's: `J` for a journal.
pub fn all() -> Vec<(String, Vec<u8>)> {
    let context = ChainContext { log_id: LogId([7; 16]), mode: Mode::Paper };
    let record = |seq| {
        let bytes = encode(&PLAN.record(seq), &context, &Hash::ZERO).expect("encodes");
        (format!("record_{seq}"), [b"R", &bytes[..]].concat())
    };
    let journal = journal();
    let torn = journal[..journal.len() - 100].to_vec();
    (1..=5).map(record).chain([("journal".to_owned(), journal), ("journal_torn".to_owned(), torn)]).collect()
}

fn journal() -> Vec<u8> {
    let folder = std::env::temp_dir().join(format!("arbees-seeds-{}", std::process::id()));
    write(&folder);
    let bytes = std::fs::read(folder.join("journal/0000000001.seg")).expect("a segment");
    let used = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    std::fs::remove_dir_all(&folder).expect("removed");
    [b"J", &bytes[..used]].concat()
}

fn write(folder: &Path) {
    let options = OpenOptions { segment_bytes: PLAN.segment_bytes, ..OpenOptions::new(folder, Mode::Paper) };
    let (log, _) = Log::open(&options, |_, _| {}).expect("opens");
    for _ in 0..3 {
        let (answer, answers) = std::sync::mpsc::channel();
        log.append(PLAN.block(log.head().seq + 1), Box::new(move |result| answer.send(result).expect("heard")));
        answers.recv().expect("answered").expect("durable");
    }
}
