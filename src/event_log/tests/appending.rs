use std::sync::{Arc, Mutex};

use super::*;
use crate::domain::answer::AnswerKind;

#[test]
fn what_was_answered_can_be_read_at_once() {
    let folder = Folder::new();
    let (log, report, _) = open(&folder, 1 << 20);
    assert!(report.created && report.repairs.is_empty());
    let mut head = Head::START;
    for batch in batches(300) {
        let last = append(&log, batch.clone()).recv().expect("answered").expect("durable");
        let read = log.read_from(head.seq + 1, usize::MAX, usize::MAX).expect("reads");
        let decoded: Vec<Recorded> = read.iter().map(|record| record.decode().expect("decodes").recorded).collect();
        assert_eq!(decoded, batch);
        assert_eq!(read.first().expect("one").decode().expect("decodes").prev_hash, head.hash);
        assert_eq!((last.seq, last.hash), (batch.last().expect("one").seq, read.last().expect("one").hash()));
        head = last;
    }
    assert_eq!(log.head(), head);
}

#[test]
fn appends_from_many_threads_are_answered_in_their_order() {
    let folder = Folder::new();
    let (log, _, _) = open(&folder, 1 << 20);
    let answered = Arc::new(Mutex::new(Vec::new()));
    let (finished, wait) = channel();
    let next = Mutex::new(batches(3_000).into_iter());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                loop {
                    // The seqs are given under the lock, as the engine does it.
                    let mut queue = next.lock().expect("lock");
                    let Some(batch) = queue.next() else { break };
                    let (answered, finished) = (answered.clone(), finished.clone());
                    log.append(
                        batch,
                        Box::new(move |head| {
                            answered.lock().expect("lock").push(head.expect("durable").seq);
                            finished.send(()).expect("the test listens");
                        }),
                    );
                }
            });
        }
    });
    let expected: Vec<u64> = batches(3_000).iter().map(|batch| batch.last().expect("one").seq).collect();
    for _ in &expected {
        wait.recv().expect("answered");
    }
    assert_eq!(*answered.lock().expect("lock"), expected);
    assert_eq!(log.queue_len(), 0);
}

#[test]
fn an_empty_append_is_a_barrier() {
    let folder = Folder::new();
    let (log, _, _) = open(&folder, 1 << 20);
    for batch in batches(30) {
        log.append(batch, Box::new(drop));
    }
    assert_eq!(append(&log, Vec::new()).recv().expect("answered").expect("durable").seq, 30);
}

#[test]
fn reads_keep_to_their_limits_but_give_at_least_one() {
    let folder = Folder::new();
    let (log, _, _) = open(&folder, 1 << 20);
    append_all(&log, &batches(100));
    for from in [1, 2, 50, 100] {
        assert_eq!(log.read_from(from, 3, usize::MAX).expect("reads").len(), 3.min(101 - from as usize));
        let one = log.read_from(from, 100, 1).expect("reads");
        assert_eq!((one.len(), one[0].seq), (1, from));
    }
    assert_eq!(log.read_from(101, 10, 1_000).expect("reads"), []);
    assert_eq!(log.read_from(1, 0, 1_000).expect("reads"), []);
    let some = log.read_from(1, 100, 2_000).expect("reads");
    assert!(some.len() > 1 && some.iter().map(|record| record.bytes.len()).sum::<usize>() <= 2_000);
}

#[test]
fn each_signal_has_its_first_answer_also_after_reopening() {
    let folder = Folder::new();
    let check = |log: &Log| {
        for n in 0..40 {
            let entry = log.signal(&signal_id(n)).expect("reads").expect("answered");
            let (answer, order) = match n % 7 {
                5 => (AnswerKind::Rejected, None),
                3 => (AnswerKind::Vetoed, Some(order_id(n))),
                _ => (AnswerKind::Requested, Some(order_id(n))),
            };
            assert_eq!((entry.answer, entry.order_id, entry.content_hash), (answer, order, sha256(&[b"content", &n.to_be_bytes()])));
            if let Some(order_id) = order {
                let expected: Vec<u64> = (entry.seq..).take(story(n, 60).len()).collect();
                assert_eq!(log.order_seqs(&order_id).expect("reads"), expected);
            }
        }
        assert_eq!(log.signal(&signal_id(1_000)).expect("reads"), None);
        assert_eq!(log.signal(&SignalId::new("signal-").expect("id")).expect("reads"), None);
    };
    let (log, _, _) = open(&folder, 1 << 20);
    let mut seq = 1;
    for n in 0..40 {
        let batch = recorded(seq, story(n, 60));
        seq += batch.len() as u64;
        append_all(&log, &[batch]);
    }
    check(&log);
    // The remainder of a close asks again under the same signal: the first answer stays.
    let again = Event::OrderRequested {
        order_id: order_id(999),
        signal_id: signal_id(3),
        content_hash: Hash::ZERO,
        request: ByteBuf::new(),
        order: None,
    };
    append_all(&log, &[recorded(seq, vec![again])]);
    check(&log);
    drop(log);
    check(&open(&folder, 1 << 20).0);
}

#[test]
fn an_append_out_of_order_ends_the_log() {
    let folder = Folder::new();
    let (log, _, _) = open(&folder, 1 << 20);
    let all = batches(40);
    append_all(&log, &all[..2]);
    let error = append(&log, all[3].clone()).recv().expect("answered").expect_err("a gap");
    assert!(matches!(error, AppendError::OutOfOrder { .. }), "{error}");
    assert!(log.failed().is_some());
    let error = append(&log, all[2].clone()).recv().expect("answered").expect_err("failed");
    assert!(matches!(error, AppendError::Failed { .. }), "{error}");
}

#[test]
fn a_record_too_large_is_refused_and_the_log_lives_on() {
    let folder = Folder::new();
    let (log, _, _) = open(&folder, 1 << 20);
    let error = append(&log, recorded(1, story(0, 7_000))).recv().expect("answered").expect_err("too large");
    assert!(matches!(error, AppendError::TooLarge(_)), "{error}");
    append_all(&log, &batches(10));
    assert_eq!((log.head().seq, log.failed()), (10, None));
}

#[test]
fn the_largest_records_fill_a_block_each() {
    let folder = Folder::new();
    let (log, _, _) = open(&folder, 1 << 20);
    let events: Vec<Event> = (0..40).map(|n| story(n * 7, 5_800).swap_remove(0)).collect();
    append_all(&log, &[recorded(1, events.clone())]);
    drop(log);
    let (log, report, seen) = open(&folder, 1 << 20);
    assert_eq!((report.repairs, seen.len()), (Vec::new(), 40));
    assert_eq!(log.read_from(1, 100, usize::MAX).expect("reads").len(), 40);
    let blobs = fs::read_dir(folder.path().join("sled/blobs")).map_or(0, Iterator::count);
    assert_eq!(blobs, 0, "sled never syncs its blobs");
}

/// The folder of the journal is gone when the next segment is due: creating it fails.
#[test]
fn s98_a_failed_write_is_final() {
    let folder = Folder::new();
    let (log, _, _) = open(&folder, 4_096);
    let all = batches(200);
    append_one_by_one(&log, &all[..2]);
    fs::remove_dir_all(folder.path().join("journal")).expect("removed");
    let answers: Vec<Answers> = all[2..].iter().map(|batch| append(&log, batch.clone())).collect();
    let results: Vec<_> = answers.iter().map(|answer| answer.recv().expect("answered")).collect();
    let first = results.iter().position(Result::is_err).expect("the roll fails");
    assert!(results[first..].iter().all(|result| matches!(result, Err(AppendError::Failed { .. }))));
    let durable = all[..2 + first].iter().map(Vec::len).sum::<usize>() as u64;
    assert_eq!(log.head().seq, durable);
    assert!(log.failed().expect("failed").contains("writing the journal"));
    fs::create_dir_all(folder.path().join("journal")).expect("made");
    let error = append(&log, all[2 + first].clone()).recv().expect("answered").expect_err("never retried");
    assert!(matches!(error, AppendError::Failed { .. }), "{error}");
    assert_eq!(log.read_from(durable, 10, usize::MAX).expect("reads").len(), 1);
}

fn letter(n: u64, raw_bytes: usize) -> DeadLetter {
    DeadLetter {
        received_at: Time::from_ms(n as i64),
        subject: "signals.kalshi".to_owned(),
        stream_seq: n,
        reason: "not UTF-8 ".repeat(300),
        signal_id: Some(signal_id(n)),
        raw: (0..raw_bytes).map(|at| (at as u64 * 31 + n) as u8).collect(),
    }
}

#[test]
fn dead_letters_are_kept_whole_and_survive() {
    let folder = Folder::new();
    let (log, _, _) = open(&folder, 1 << 20);
    for (n, size) in [0, 1, 4_096, 4_097, 70_000].into_iter().enumerate() {
        assert_eq!(log.dead_letter_add(&letter(n as u64, size)).expect("kept"), n as u64 + 1);
    }
    drop(log);
    let (log, _, _) = open(&folder, 1 << 20);
    let heads = log.dead_letter_list(3).expect("listed");
    assert_eq!(heads.iter().map(|head| head.id).collect::<Vec<_>>(), [5, 4, 3]);
    let (head, raw) = log.dead_letter_get(5).expect("reads").expect("there");
    assert_eq!((raw, head.raw_bytes), (letter(4, 70_000).raw, 70_000));
    assert!(head.reason.len() <= 1_024 && head.reason.starts_with("not UTF-8"));
    assert_eq!(log.dead_letter_get(6).expect("reads"), None);
    assert_eq!((log.dead_letter_len(), log.dead_letter_add(&letter(9, 10)).expect("kept")), (5, 6));
}

#[test]
fn dead_letters_are_bounded_in_count_and_bytes() {
    use crate::event_log::dead_letters::{DEAD_LETTER_BYTES_MAX, DEAD_LETTERS_MAX};
    let folder = Folder::new();
    let (log, _, _) = open(&folder, 1 << 20);
    for n in 0..DEAD_LETTERS_MAX as u64 + 5 {
        log.dead_letter_add(&letter(n, 10)).expect("kept");
    }
    assert_eq!((log.dead_letter_len(), log.dead_letter_get(5).expect("reads")), (DEAD_LETTERS_MAX, None));
    for n in 0..20 {
        log.dead_letter_add(&letter(n, 1_100_000)).expect("kept");
    }
    let heads = log.dead_letter_list(100).expect("listed");
    let kept = DEAD_LETTER_BYTES_MAX / (1 << 20);
    assert_eq!((heads.len() as u64, log.dead_letter_len() as u64), (kept, kept));
    let (head, raw) = log.dead_letter_get(heads[0].id).expect("reads").expect("there");
    assert_eq!((head.raw_bytes, raw.len()), (1_100_000, 1 << 20));
}
