//! Every byte flipped, every length cut: identical, repaired (and said so), or refused. Never fewer or other records in silence.

use super::*;
use crate::event_log::verify::verify_dir;

/// Room for twelve records in one segment, and little more.
const SEGMENT_BYTES: u64 = 4_096;
const RECORDS: usize = 12;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Identical,
    Repaired,
    Refused,
}

fn commits() -> Vec<Vec<Recorded>> {
    batches(RECORDS).concat().chunks(2).map(<[Recorded]>::to_vec).collect()
}

/// A closed log of six commits, and what it folds to.
fn small_log(segment_bytes: u64) -> (Folder, Vec<(Recorded, Hash)>) {
    let folder = Folder::new();
    let (log, _, _) = open(&folder, segment_bytes);
    append_one_by_one(&log, &commits());
    drop(log);
    let (_, report, seen) = open(&folder, segment_bytes);
    assert_eq!((report.repairs, seen.len()), (Vec::new(), RECORDS));
    (folder, seen)
}

/// Opens a damaged folder. What it gives must be all that was promised.
fn outcome(folder: &Folder, segment_bytes: u64, promised: &[(Recorded, Hash)], what: &str) -> Outcome {
    let mut seen = Vec::new();
    let result = Log::open(&options(folder, segment_bytes), |recorded, hash| seen.push((recorded.clone(), *hash)));
    let (log, report) = match result {
        Ok(opened) => opened,
        Err(error) => {
            assert!(!matches!(error, OpenError::Held { .. } | OpenError::Io { .. }), "{what}: {error}");
            return Outcome::Refused;
        }
    };
    assert_eq!(seen, promised, "{what}: opened with another history");
    let read = log.read_from(1, 100, usize::MAX).expect("reads");
    assert_eq!(
        read.iter().map(StoredBytes::hash).collect::<Vec<_>>(),
        promised.iter().map(|(_, hash)| *hash).collect::<Vec<_>>(),
        "{what}"
    );
    for (recorded, _) in promised {
        if let Event::OrderRequested { signal_id, .. } = &recorded.event {
            assert!(log.signal(signal_id).expect("reads").is_some(), "{what}: {signal_id} would be traded again");
        }
    }
    if report.repairs.is_empty() { Outcome::Identical } else { Outcome::Repaired }
}

/// `verify` may call a log good only when it holds all that was promised.
fn check_verify(folder: &Folder, what: &str) {
    if let Ok(report) = verify_dir(folder.path()) {
        assert!(!report.is_good() || report.head.seq == RECORDS as u64, "{what}: a shorter log that verifies");
    }
}

/// Puts the folder back as it was, but for one file.
struct Restorer {
    pristine: Folder,
    folder: Folder,
}

impl Restorer {
    fn new(pristine: Folder) -> Self {
        let folder = pristine.copy();
        Self { pristine, folder }
    }

    fn restore(&self) {
        fs::remove_dir_all(self.folder.path()).expect("removed");
        copy_dir(self.pristine.path(), self.folder.path());
    }

    fn damage(&self, file: &Path, change: impl FnOnce(&mut Vec<u8>)) {
        self.restore();
        let path = self.folder.path().join(file);
        let mut bytes = fs::read(&path).expect("read");
        change(&mut bytes);
        fs::write(&path, bytes).expect("written");
    }
}

fn journal_file(number: u64) -> PathBuf {
    segment::path(Path::new("journal"), number)
}

/// Bytes of the segment that hold something.
fn used(folder: &Folder, file: &Path) -> usize {
    let bytes = fs::read(folder.path().join(file)).expect("read");
    bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1)
}

#[test]
fn s97_every_flipped_byte_of_a_journal_is_noticed() {
    let (pristine, promised) = small_log(SEGMENT_BYTES);
    let file = journal_file(1);
    let (used, len) = (used(&pristine, &file), fs::metadata(pristine.path().join(&file)).expect("there").len() as usize);
    let restorer = Restorer::new(pristine);
    for at in (0..used).chain((used..len).step_by(13)) {
        let what = format!("byte {at} flipped");
        let mask = if at % 2 == 0 { 0x01 } else { 0xff };
        restorer.damage(&file, |bytes| bytes[at] ^= mask);
        let expected = if at < used { Outcome::Refused } else { Outcome::Repaired };
        assert_eq!(outcome(&restorer.folder, SEGMENT_BYTES, &promised, &what), expected, "{what}");
    }
}

#[test]
fn s97_a_journal_cut_at_any_length_is_refused() {
    let (pristine, promised) = small_log(SEGMENT_BYTES);
    let file = journal_file(1);
    let used = used(&pristine, &file);
    let restorer = Restorer::new(pristine);
    for len in 0..used + 40 {
        let what = format!("cut at {len}");
        restorer.damage(&file, |bytes| bytes.truncate(len));
        check_verify(&restorer.folder, &what);
        let expected = if len < used { Outcome::Refused } else { Outcome::Identical };
        assert_eq!(outcome(&restorer.folder, SEGMENT_BYTES, &promised, &what), expected, "{what}");
    }
}

#[test]
fn s97_bytes_zeroed_from_anywhere_on_are_refused() {
    let (pristine, promised) = small_log(SEGMENT_BYTES);
    let file = journal_file(1);
    let used = used(&pristine, &file);
    let restorer = Restorer::new(pristine);
    for from in (0..used).step_by(5) {
        let what = format!("zeros from {from}");
        restorer.damage(&file, |bytes| bytes[from..].fill(0));
        check_verify(&restorer.folder, &what);
        assert_eq!(outcome(&restorer.folder, SEGMENT_BYTES, &promised, &what), Outcome::Refused, "{what}");
    }
}

#[test]
fn s97_damage_in_a_closed_segment_is_refused_even_without_sled() {
    let (pristine, promised) = small_log(1_024);
    let segments = segment::numbers(&pristine.path().join("journal")).expect("listed");
    assert!(segments.len() > 2);
    fs::remove_dir_all(pristine.path().join("sled")).expect("removed");
    let file = journal_file(segments[0]);
    // Without its closing mark alone the segment is still whole.
    let used = used(&pristine, &file) - frame::FRAME_HEADER_BYTES;
    let restorer = Restorer::new(pristine);
    for at in (0..used).step_by(3) {
        let what = format!("byte {at} flipped");
        restorer.damage(&file, |bytes| bytes[at] ^= 0x10);
        let found = outcome(&restorer.folder, 1_024, &promised, &what);
        assert_eq!(found, Outcome::Refused, "{what}");
        restorer.damage(&file, |bytes| bytes.truncate(at));
        assert_eq!(outcome(&restorer.folder, 1_024, &promised, &what), Outcome::Refused, "cut at {at}");
    }
}

#[test]
fn s97_an_early_commit_is_not_taken_for_a_torn_tail_even_without_sled() {
    let (pristine, promised) = small_log(SEGMENT_BYTES);
    fs::remove_dir_all(pristine.path().join("sled")).expect("removed");
    let file = journal_file(1);
    let bytes = fs::read(pristine.path().join(&file)).expect("read");
    let last_commit = bytes.windows(8).rposition(|window| window == RECORDS.to_le_bytes()).expect("the last frame") - 8;
    let restorer = Restorer::new(pristine);
    for at in (segment::HEADER_BYTES..last_commit).step_by(7) {
        let what = format!("byte {at} flipped");
        restorer.damage(&file, |bytes| bytes[at] ^= 0x10);
        assert_eq!(outcome(&restorer.folder, SEGMENT_BYTES, &promised, &what), Outcome::Refused, "{what}");
    }
}

/// A power cut in the middle of a commit: sled is before it, and any part of its bytes may be on disk.
#[test]
fn s96_a_torn_commit_is_cut_and_reported() {
    let folder = Folder::new();
    let (log, _, _) = open(&folder, SEGMENT_BYTES);
    let all = batches(RECORDS);
    append_one_by_one(&log, &all[..1]);
    drop(log);
    let (_, _, promised) = open(&folder, SEGMENT_BYTES);
    let before = folder.copy();
    let (log, _, _) = open(&folder, SEGMENT_BYTES);
    append_one_by_one(&log, &all[1..2]);
    drop(log);
    let whole = fs::read(first_segment(&folder)).expect("read");
    let start = used(&before, &journal_file(1));
    let end = used(&folder, &journal_file(1));
    let restorer = Restorer::new(before);
    for at in (start + 1..end).step_by(11) {
        let what = format!("torn at {at}");
        restorer.damage(&journal_file(1), |bytes| bytes[..at].copy_from_slice(&whole[..at]));
        assert_eq!(outcome(&restorer.folder, SEGMENT_BYTES, &promised, &what), Outcome::Repaired, "{what}");
        assert_eq!(outcome(&restorer.folder, SEGMENT_BYTES, &promised, &what), Outcome::Identical, "{what}, again");
        // Its first sector missing, the later ones there.
        restorer.damage(&journal_file(1), |bytes| bytes[at..end].copy_from_slice(&whole[at..end]));
        assert_eq!(outcome(&restorer.folder, SEGMENT_BYTES, &promised, &what), Outcome::Repaired, "{what}, its head missing");
    }
    let (log, _, _) = open(&restorer.folder, SEGMENT_BYTES);
    append_one_by_one(&log, &all[1..]);
    assert_eq!(log.head().seq, RECORDS as u64);
}

/// Each byte of sled's small files, and every `stride`th of the large one, flipped and cut.
fn sled_damaged(stride: usize) {
    let (pristine, promised) = small_log(SEGMENT_BYTES);
    let sled = pristine.path().join("sled");
    let names: Vec<_> = fs::read_dir(&sled).expect("listed").map(|item| item.expect("item")).collect();
    let files: Vec<PathBuf> =
        names.iter().filter(|item| item.path().is_file()).map(|item| Path::new("sled").join(item.file_name())).collect();
    let restorer = Restorer::new(pristine);
    let mut outcomes = std::collections::BTreeMap::new();
    for file in &files {
        let used = used(&restorer.pristine, file);
        let step = if used <= 512 { 1 } else { stride };
        for at in (0..used).step_by(step) {
            for cut in [false, true] {
                let what = format!("{} {} at {at}", file.display(), if cut { "cut" } else { "flipped" });
                restorer.damage(file, |bytes| if cut { bytes.truncate(at) } else { bytes[at] ^= 0x21 });
                let found = outcome(&restorer.folder, SEGMENT_BYTES, &promised, &what);
                *outcomes.entry((file.clone(), format!("{found:?}"))).or_insert(0) += 1;
                // The journal is whole: it can always be mended, and then it stays so.
                assert_ne!(found, Outcome::Refused, "{what}");
                if found == Outcome::Repaired {
                    assert_eq!(outcome(&restorer.folder, SEGMENT_BYTES, &promised, &what), Outcome::Identical, "{what}, again");
                }
            }
        }
    }
    assert!(files.len() >= 2, "{files:?}");
    println!("{outcomes:?}");
}

#[test]
fn s97_a_damaged_sled_is_mended_from_the_journal() {
    sled_damaged(211);
}

#[test]
#[ignore = "minutes: every byte"]
fn s97_a_damaged_sled_is_mended_from_the_journal_every_byte() {
    sled_damaged(1);
}
