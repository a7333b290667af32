use super::*;
use crate::domain::answer::AnswerKind;

fn log() -> MemoryLog {
    MemoryLog::new(LogId([1; 16]), Mode::Paper)
}

#[test]
fn memory_and_disk_hold_the_same_events_and_answers() {
    let folder = Folder::new();
    let (disk, _, _) = open(&folder, 1 << 20);
    let memory = MemoryLog::new(disk.log_id(), Mode::Paper);
    assert_eq!(append_all(&disk, &batches(80)), append_all(&memory, &batches(80)));
    assert_eq!(disk.read_from(3, 70, 9_000).expect("reads"), memory.read_from(3, 70, 9_000).expect("reads"));
    for n in 0..30 {
        assert_eq!(disk.signal(&signal_id(n)).expect("reads"), memory.signal(&signal_id(n)).expect("reads"));
        assert_eq!(disk.order_seqs(&order_id(n)).expect("reads"), memory.order_seqs(&order_id(n)).expect("reads"));
    }
    assert_eq!(memory.signal(&signal_id(3)).expect("reads").expect("there").answer, AnswerKind::Vetoed);
}

#[test]
fn a_crash_forgets_what_was_not_synced() {
    let log = log();
    let all = batches(40);
    log.sync_by_hand();
    let first = append(&log, all[0].clone());
    assert!(first.try_recv().is_err(), "not durable yet");
    assert_eq!(log.head(), Head::START);
    assert_eq!(log.sync(), 1);
    let head = first.try_recv().expect("answered").expect("durable");
    let second = append(&log, all[1].clone());
    log.crash();
    assert!(second.try_recv().is_err(), "nobody is answered");
    assert_eq!((log.head(), log.sync()), (head, 0));
    append_one_after_sync(&log, &all[1]);
}

fn append_one_after_sync(log: &MemoryLog, batch: &[Recorded]) {
    let answer = append(log, batch.to_vec());
    log.sync();
    answer.try_recv().expect("answered").expect("durable");
}

#[test]
fn s98_a_failing_disk_refuses_everything_until_the_restart() {
    let log = log();
    let all = batches(40);
    log.sync_by_hand();
    let waiting = append(&log, all[0].clone());
    log.fail_appends("no space left");
    for answer in [waiting, append(&log, all[0].clone())] {
        let error = answer.try_recv().expect("answered").expect_err("failed");
        assert!(error.to_string().contains("no space left"));
    }
    assert!(log.failed().is_some());
    log.mend();
    append_one_after_sync(&log, &all[0]);
}
