use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::event_log::open::DeadLettersKept;
use crate::event_log::verify::verify_dir;

fn state(seen: &[(Recorded, Hash)]) -> Hash {
    seen.iter().fold(Hash::ZERO, |state, (recorded, hash)| sha256(&[&state.0, &hash.0, format!("{recorded:?}").as_bytes()]))
}

fn filled(records: usize, segment_bytes: u64) -> Folder {
    let folder = Folder::new();
    let (log, _, _) = open(&folder, segment_bytes);
    append_one_by_one(&log, &batches(records));
    folder
}

#[test]
fn a_reopened_log_folds_to_the_same_state() {
    let folder = filled(500, 16 * 1024);
    let (log, report, seen) = open(&folder, 16 * 1024);
    assert_eq!((report.created, report.repairs, report.head), (false, Vec::new(), log.head()));
    assert!(report.segments > 3, "{} segments", report.segments);
    let expected: Vec<Recorded> = batches(500).concat();
    assert_eq!(seen.iter().map(|(recorded, _)| recorded.clone()).collect::<Vec<_>>(), expected);
    let hash = state(&seen);
    append_all(&log, &[recorded(501, story(1_000, 60))]);
    drop(log);
    let (_, _, seen) = open(&folder, 16 * 1024);
    assert_eq!(state(&seen[..500]), hash);
    expect_good(&folder);
}

fn expect_good(folder: &Folder) {
    let report = verify_dir(folder.path()).expect("verifies");
    assert!(report.is_good(), "{report}");
}

/// A commit larger than a segment, and segments that were never filled with zeros.
#[test]
fn large_commits_roll_too() {
    let folder = Folder::new();
    let (log, _, _) = open(&folder, 100 * 1024);
    let events = |from: u64| (from..from + 60).map(|n| story(n * 7, 5_000).swap_remove(0)).collect::<Vec<Event>>();
    for n in 0..10 {
        append_all(&log, &[recorded(1 + n * 60, events(n * 60))]);
    }
    drop(log);
    let (log, report, seen) = open(&folder, 100 * 1024);
    assert_eq!((report.repairs, seen.len(), report.segments), (Vec::new(), 600, 10));
    append_one_by_one(&log, &[recorded(601, events(600)), recorded(661, story(9_999, 60))]);
    drop(log);
    expect_good(&folder);
}

#[test]
fn a_folder_has_one_owner() {
    let folder = filled(10, 1 << 20);
    let (_log, _, _) = open(&folder, 1 << 20);
    let error = Log::open(&options(&folder, 1 << 20), |_, _| {}).expect_err("held");
    assert!(matches!(error, OpenError::Held { .. }), "{error}");
    assert!(error.to_string().contains(&folder.path().display().to_string()));
    assert!(matches!(verify_dir(folder.path()), Err(OpenError::Held { .. })));
}

#[test]
fn a_log_of_another_mode_is_refused() {
    let folder = filled(10, 1 << 20);
    let live = OpenOptions::new(folder.path(), Mode::Live);
    let error = Log::open(&live, |_, _| panic!("nothing is folded")).expect_err("another mode");
    assert!(matches!(error, OpenError::WrongMode { found: Mode::Paper, wanted: Mode::Live, .. }), "{error}");
}

#[test]
fn a_folder_that_cannot_be_written_says_so() {
    let folder = Folder::new();
    let dir = folder.path().join("data");
    fs::write(&dir, "a file where the folder should be").expect("written");
    let error = Log::open(&OpenOptions::new(&dir, Mode::Paper), |_, _| {}).expect_err("no folder");
    assert!(error.to_string().contains(&dir.display().to_string()), "{error}");
    fs::remove_file(&dir).expect("removed");
    fs::create_dir(&dir).expect("made");
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o555)).expect("set");
    // Root may write all the same; everyone else must be told.
    if fs::write(dir.join("probe"), "").is_err() {
        let error = Log::open(&OpenOptions::new(&dir, Mode::Paper), |_, _| {}).expect_err("read-only");
        assert!(error.to_string().contains("lock") && error.to_string().contains("writable"), "{error}");
    }
}

/// The journal is complete when the answers are there; sled is caught wherever it is.
#[test]
fn s107_a_copy_taken_while_sled_catches_up_has_everything_answered() {
    let folder = Folder::new();
    let (log, _, _) = open(&folder, 32 * 1024);
    let all = batches(2_000);
    for chunk in all.chunks(40) {
        let durable = append_all(&log, chunk);
        let copy = folder.copy();
        let (copied, _, seen) = open(&copy, 32 * 1024);
        assert_eq!((copied.head(), seen.len() as u64), (durable, durable.seq));
        drop(copied);
        expect_good(&copy);
    }
}

#[test]
fn sled_behind_gets_its_tail_from_the_journal() {
    let folder = filled(100, 1 << 20);
    let old_sled = folder.copy();
    let (log, _, _) = open(&folder, 1 << 20);
    let start = recorded(101, story(500, 60));
    let mut seq = 101 + start.len() as u64;
    let mut later = vec![start];
    for n in 501..1_200 {
        let batch = recorded(seq, story(n, 60));
        seq += batch.len() as u64;
        later.push(batch);
    }
    let head = append_all(&log, &later);
    drop(log);
    fs::remove_dir_all(folder.path().join("sled")).expect("removed");
    copy_dir(&old_sled.path().join("sled"), &folder.path().join("sled"));
    let (log, report, seen) = open(&folder, 1 << 20);
    assert_eq!(report.repairs, [Repair::SledBehind { sled_seq: 100, inserted: head.seq - 100 }]);
    assert_eq!((log.head(), seen.len() as u64), (head, head.seq));
    assert!(log.signal(&signal_id(1_100)).expect("reads").is_some());
    drop(log);
    expect_good(&folder);
}

#[test]
fn a_lost_sled_is_made_anew() {
    let folder = filled(300, 1 << 20);
    fs::remove_dir_all(folder.path().join("sled")).expect("removed");
    let (log, report, seen) = open(&folder, 1 << 20);
    let [Repair::SledRebuilt { quarantine: None, records: 300, .. }] = report.repairs.as_slice() else { panic!("{:?}", report.repairs) };
    assert_eq!((seen.len(), log.read_from(1, 1_000, usize::MAX).expect("reads").len()), (300, 300));
    drop(log);
    expect_good(&folder);
}

#[test]
fn sled_of_another_log_is_set_aside_and_its_dead_letters_are_kept() {
    let (folder, other) = (filled(50, 1 << 20), filled(50, 1 << 20));
    let (log, _, _) = open(&other, 1 << 20);
    let letter = DeadLetter {
        received_at: Time::from_ms(1),
        subject: "s".into(),
        stream_seq: 1,
        reason: "r".into(),
        signal_id: None,
        raw: vec![1; 9_000],
    };
    log.dead_letter_add(&letter).expect("kept");
    drop(log);
    fs::remove_dir_all(folder.path().join("sled")).expect("removed");
    copy_dir(&other.path().join("sled"), &folder.path().join("sled"));
    let report = verify_dir(folder.path()).expect("reads");
    assert!(report.problems[0].contains("record 1:"), "{report}");
    let (log, report, _) = open(&folder, 1 << 20);
    let [Repair::SledRebuilt { quarantine: Some(path), dead_letters, .. }] = report.repairs.as_slice() else {
        panic!("{:?}", report.repairs)
    };
    assert_eq!((path.is_dir(), *dead_letters), (true, DeadLettersKept::All(1)));
    assert_eq!(log.dead_letter_get(1).expect("reads").expect("there").1, letter.raw);
}

#[test]
fn an_index_entry_lost_in_sled_is_found_and_mended() {
    let folder = filled(50, 1 << 20);
    let db = sled_store::open_db(&folder.path().join("sled")).expect("sled");
    let tree = db.open_tree("log").expect("tree");
    let (key, _) = tree.scan_prefix(b"ssignal-4").next().expect("one").expect("reads");
    tree.remove(&key).expect("removed");
    drop((tree, db));
    let report = verify_dir(folder.path()).expect("reads");
    assert!(!report.is_good() && report.problems[0].contains("index"), "{report}");
    let (log, report, _) = open(&folder, 1 << 20);
    assert!(matches!(report.repairs.as_slice(), [Repair::SledRebuilt { .. }]), "{:?}", report.repairs);
    assert!(log.signal(&signal_id(4)).expect("reads").is_some(), "or the signal would be traded twice");
}

/// A block of sled that its own checks call good and ours don't: whoever reads it gets the journal's, and the next start mends it.
#[test]
fn a_block_damaged_in_sled_comes_from_the_journal_and_is_mended_at_the_next_start() {
    let folder = filled(5_000, 256 * 1024);
    let db = sled_store::open_db(&folder.path().join("sled")).expect("sled");
    let tree = db.open_tree("log").expect("tree");
    let (key, block) = tree.range(index::record_key(4_500)..).next().expect("one").expect("reads");
    let mut damaged = block.to_vec();
    damaged[40] ^= 1;
    tree.insert(&key, damaged).expect("inserted");
    let (gone, _) = tree.range(index::record_key(2_000)..).next().expect("one").expect("reads");
    tree.remove(gone).expect("removed");
    drop((tree, db));
    assert!(!verify_dir(folder.path()).expect("reads").is_good());
    let (log, report, seen) = open(&folder, 256 * 1024);
    assert_eq!(report.repairs, []);
    for from in [1, 1_990, 2_001, 4_499, 4_990] {
        let read = log.read_from(from, 5_000, usize::MAX).expect("reads");
        let hashes: Vec<Hash> = read.iter().map(StoredBytes::hash).collect();
        let expected: Vec<Hash> = seen[from as usize - 1..].iter().map(|(_, hash)| *hash).collect();
        assert_eq!(hashes, expected, "from {from}");
    }
    let mut folded = 0;
    let ended = read_ahead(&log, 1, |record| {
        folded += u64::from(record.recorded == seen[folded as usize].0);
        std::ops::ControlFlow::<()>::Continue(())
    });
    assert_eq!((ended, folded), (Ok(None), 5_000));
    drop(log);
    let (log, report, _) = open(&folder, 256 * 1024);
    let [Repair::SledRebuilt { quarantine: Some(_), records: 5_000, .. }] = report.repairs.as_slice() else {
        panic!("{:?}", report.repairs)
    };
    drop(log);
    assert_eq!(open(&folder, 256 * 1024).1.repairs, []);
    expect_good(&folder);
}

#[test]
fn s97_a_journal_short_of_sled_is_refused() {
    let folder = filled(60, 1 << 20);
    let longer = folder.copy();
    let (log, _, _) = open(&longer, 1 << 20);
    append_all(&log, &[recorded(61, story(400, 60))]);
    drop(log);
    fs::copy(first_segment(&folder), first_segment(&longer)).expect("copied");
    let error = Log::open(&options(&longer, 1 << 20), |_, _| {}).expect_err("short");
    assert!(matches!(error, OpenError::JournalShort { journal_seq: 60, sled_seq, .. } if sled_seq > 60), "{error}");
    fs::remove_dir_all(longer.path().join("journal")).expect("removed");
    let error = Log::open(&options(&longer, 1 << 20), |_, _| {}).expect_err("no journal");
    assert!(matches!(error, OpenError::JournalMissing { .. }), "{error}");
}

#[test]
fn s97_a_missing_segment_is_refused() {
    let whole = filled(300, 8 * 1024);
    let segments = segment::numbers(&whole.path().join("journal")).expect("listed").len() as u64;
    assert!(segments > 4);
    for number in 1..=segments {
        let folder = whole.copy();
        fs::remove_file(segment::path(&folder.path().join("journal"), number)).expect("removed");
        // Even without the other witness: a closed segment has a successor.
        if number == segments {
            fs::remove_dir_all(folder.path().join("sled")).expect("removed");
        }
        let error = Log::open(&options(&folder, 8 * 1024), |_, _| {}).expect_err("missing");
        assert!(matches!(error, OpenError::Damaged(_)), "{number}: {error}");
    }
}
