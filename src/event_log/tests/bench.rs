//! Figures, by hand: `cargo test --release --lib event_log::tests::bench -- --ignored --nocapture --test-threads 1`.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};

use super::*;

/// Records of about the size of a real log's mean: 540 bytes.
fn sample(seq: u64) -> Recorded {
    let event = if seq % 5 == 1 {
        let content_hash = sha256(&[&seq.to_be_bytes()]);
        Event::OrderRequested {
            order_id: order_id(seq / 5),
            signal_id: signal_id(seq),
            content_hash,
            request: ByteBuf::from(vec![7; 150]),
            order: None,
        }
    } else {
        let verdict = ByteBuf::from(vec![7; 220]);
        Event::OrderApproved {
            order_id: order_id(seq / 5),
            by: Approver::Risk,
            verdict,
            signature: ByteBuf::from(vec![1; 64]),
            risk_epoch: 1,
        }
    };
    Recorded { seq, epoch: 1, recorded_at: Time::from_ms(seq as i64), correlation: event.order_id(), causation_seq: seq - 1, event }
}

/// `in_flight` appenders, each with one record on its way. Records a second, and the median wait.
fn measure<T>(in_flight: usize, inputs: Vec<T>, mut submit: impl FnMut(T, Done)) -> (u64, Duration) {
    let (answer, answers) = channel();
    let count = inputs.len();
    let started = Instant::now();
    let mut waits = Vec::with_capacity(count);
    for (n, input) in inputs.into_iter().enumerate() {
        if n >= in_flight {
            waits.push(answers.recv().expect("answered"));
        }
        let (answer, asked) = (answer.clone(), Instant::now());
        submit(
            input,
            Box::new(move |result| {
                result.expect("durable");
                answer.send(asked.elapsed()).expect("the bench listens");
            }),
        );
    }
    while waits.len() < count {
        waits.push(answers.recv().expect("answered"));
    }
    let rate = count as u128 * 1_000_000 / started.elapsed().as_micros().max(1);
    waits.sort_unstable();
    (rate as u64, waits[count / 2])
}

/// A preallocated file with the same group commit and nothing else.
fn plain(folder: &Folder, in_flight: usize, count: usize, bytes: usize) -> (u64, Duration) {
    let file = File::create(folder.path().join("plain")).expect("file");
    let zeros = vec![0; 1 << 20];
    let len = (count * bytes) as u64 + (1 << 20);
    for at in (0..len).step_by(1 << 20) {
        file.write_all_at(&zeros, at).expect("zeros");
    }
    file.sync_all().expect("synced");
    let (queue, waiting) = sync_channel::<(Vec<u8>, Done)>(8_192);
    let writer = std::thread::spawn(move || {
        let (mut at, mut buffer, mut dones) = (0, Vec::new(), Vec::new());
        while let Ok(first) = waiting.recv() {
            let mut next = Some(first);
            while let Some((record, done)) = next.take() {
                buffer.extend_from_slice(&record);
                dones.push(done);
                if dones.len() < 1_024 && buffer.len() < 256 * 1024 {
                    next = waiting.try_recv().ok();
                }
            }
            file.write_all_at(&buffer, at).expect("written");
            file.sync_data().expect("synced");
            at += buffer.len() as u64;
            buffer.clear();
            dones.drain(..).for_each(|done| done(Ok(Head::START)));
        }
    });
    let records: Vec<Vec<u8>> = (0..count).map(|_| vec![7; bytes]).collect();
    let result = measure(in_flight, records, |record, done| drop(queue.send((record, done))));
    drop(queue);
    writer.join().expect("joined");
    result
}

#[test]
#[ignore = "a measurement"]
fn appends_against_a_plain_file() {
    let context = ChainContext { log_id: LogId::default(), mode: Mode::Paper };
    let bytes = (1..=100).map(|seq| record::encode(&sample(seq), &context, &Hash::ZERO).expect("fits").len()).sum::<usize>() / 100;
    println!("mean record {bytes} bytes");
    for (in_flight, count) in [(1, 8_000), (64, 200_000), (1_024, 300_000), (1_024, 1_500_000)] {
        for _ in 0..if count > 1_000_000 { 1 } else { 3 } {
            let folder = Folder::on_disk();
            let (baseline, baseline_wait) = plain(&folder, in_flight, count, bytes + 16);
            let folder = Folder::on_disk();
            let (log, _) = Log::open(&OpenOptions::new(folder.path(), Mode::Paper), |_, _| {}).expect("opens");
            let records: Vec<Recorded> = (1..=count as u64).map(sample).collect();
            let (rate, wait) = measure(in_flight, records, |record, done| log.append(vec![record], done));
            let closing = Instant::now();
            drop(log);
            println!(
                "{in_flight:5} appenders, {count} records: log {rate}/s p50 {wait:?}, plain {baseline}/s p50 {baseline_wait:?}, {} % (closing {:?})",
                rate * 100 / baseline,
                closing.elapsed()
            );
        }
    }
}

#[test]
#[ignore = "a measurement"]
fn opening_a_million_records() {
    let folder = Folder::on_disk();
    let (log, _) = Log::open(&OpenOptions::new(folder.path(), Mode::Paper), |_, _| {}).expect("opens");
    let records: Vec<Recorded> = (1..=1_000_000).map(sample).collect();
    measure(1_024, records.chunks(3).map(<[Recorded]>::to_vec).collect(), |batch, done| log.append(batch, done));
    drop((log, records));
    let started = Instant::now();
    let scan = scan::scan(&folder.path().join("journal"), None, &mut |_| scan::Flow::GoOn).expect("whole");
    println!("reading the journal alone {:?} ({} records)", started.elapsed(), scan.head.seq);
    let started = Instant::now();
    let store = sled_store::SledStore::open(&folder.path().join("sled")).expect("opens");
    println!("opening sled {:?}", started.elapsed());
    let started = Instant::now();
    let contents = store.check().expect("reads");
    println!("reading sled {:?} ({} records)", started.elapsed(), contents.head.seq);
    drop(store);
    for _ in 0..3 {
        let started = Instant::now();
        let mut bytes = 0;
        let (log, report) =
            Log::open(&OpenOptions::new(folder.path(), Mode::Paper), |recorded, hash| bytes += recorded.seq ^ u64::from(hash.0[0]))
                .expect("opens");
        println!("open {:?}, {} records, repairs {:?}, fold {bytes}", started.elapsed(), report.head.seq, report.repairs);
        let status = fs::read_to_string("/proc/self/status").expect("status");
        println!("{}", status.lines().filter(|line| line.starts_with("VmRSS") || line.starts_with("VmHWM")).collect::<Vec<_>>().join(" "));
        drop(log);
    }
    fs::remove_dir_all(folder.path().join("sled")).expect("removed");
    let started = Instant::now();
    let (log, _) = Log::open(&OpenOptions::new(folder.path(), Mode::Paper), |_, _| {}).expect("opens");
    println!("open with sled made anew {:?}", started.elapsed());
    drop(log);
}
