//! Facts about the log: appending, opening, damage, records, the memory store.

mod appending;
mod bench;
mod damage;
mod memory;
mod opening;
mod records;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, channel};

use serde_bytes::ByteBuf;

use super::*;
use crate::domain::event::{Event, NotPlaced};
use crate::domain::ids::{MarketId, TradeId, VenueOrderId, sha256};
use crate::domain::market::{Instrument, Outcome, Venue};
use crate::domain::money::{Price, Quantity, Usd};
use crate::domain::order::Action;
use crate::domain::report::{FillReport, FillSource, Liquidity};
use crate::domain::time::Time;
use crate::domain::verdict::{Approver, Reason};

/// A folder of its own, removed at the end. In memory where the machine has that: these tests sync thousands of times.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Self {
        Self::within(if Path::new("/dev/shm").is_dir() { PathBuf::from("/dev/shm") } else { std::env::temp_dir() })
    }

    /// On a disk where a sync costs what it costs.
    pub fn on_disk() -> Self {
        Self::within(std::env::temp_dir())
    }

    fn within(base: PathBuf) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let path = base.join(format!("arbees-log-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed)));
        fs::create_dir_all(&path).expect("folder");
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn copy(&self) -> Self {
        let copy = Self::new();
        copy_dir(&self.0, &copy.0);
        copy
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

pub fn copy_dir(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("folder");
    for item in fs::read_dir(from).expect("listing") {
        let item = item.expect("item");
        let target = to.join(item.file_name());
        if item.file_type().expect("type").is_dir() {
            copy_dir(&item.path(), &target);
        } else {
            fs::copy(item.path(), target).expect("copy");
        }
    }
}

pub fn order_id(n: u64) -> OrderId {
    OrderId(sha256(&[b"order", &n.to_be_bytes()]).0[..16].try_into().expect("16 bytes"))
}

pub fn signal_id(n: u64) -> SignalId {
    SignalId::new(&format!("signal-{n}")).expect("id")
}

fn fill(n: u64) -> FillReport {
    FillReport {
        order_id: order_id(n),
        trade_id: TradeId::new(&format!("trade-{n}")).expect("id"),
        instrument: Instrument {
            venue: Venue::Kalshi,
            market: MarketId::new("KXNBAGAME-26JAN07TORCHA-TOR").expect("id"),
            token: None,
            outcome: Outcome::Yes,
        },
        action: Action::Buy,
        quantity: Quantity::whole(7),
        price: Price::from_micros(520_000),
        fee: Usd::from_micros(120_000),
        fee_provisional: false,
        liquidity: Liquidity::Taker,
        settled: true,
        venue_at: Time::from_ms(1_000),
        source: FillSource::Venue,
    }
}

/// What one signal leads to: a filled order, a veto, or a rejection, by `n`; `request_bytes` is what the request takes.
pub fn story(n: u64, request_bytes: usize) -> Vec<Event> {
    let id = order_id(n);
    let content_hash = sha256(&[b"content", &n.to_be_bytes()]);
    let bytes = |len: usize| ByteBuf::from(vec![n as u8; len]);
    if n % 7 == 5 {
        let (subject, error) = ("signals.kalshi".into(), "limit_price: not a number".into());
        return vec![Event::SignalRejected {
            signal_id: Some(signal_id(n)),
            content_hash,
            reason: Some(Reason::NoPrice),
            error,
            subject,
            stream_seq: n,
        }];
    }
    let requested =
        Event::OrderRequested { order_id: id, signal_id: signal_id(n), content_hash, request: bytes(request_bytes), order: None };
    if n % 7 == 3 {
        return vec![requested, Event::OrderVetoed { order_id: id, failures: Vec::new(), verdict: bytes(40), signature: bytes(64) }];
    }
    vec![
        requested,
        Event::OrderApproved { order_id: id, by: Approver::Risk, verdict: bytes(request_bytes / 2), signature: bytes(64), risk_epoch: 1 },
        Event::SubmitStarted { order_id: id, attempt: 1, signed: None },
        Event::OrderAcked { order_id: id, venue_order_id: VenueOrderId::new("ven-1").expect("id"), venue_at: None },
        Event::Filled(fill(n)),
        Event::OrderNotPlaced { order_id: id, cause: NotPlaced::Withheld("test".into()) },
    ]
}

/// Records from `seq` on, in their places.
pub fn recorded(mut seq: u64, events: Vec<Event>) -> Vec<Recorded> {
    events
        .into_iter()
        .map(|event| {
            let one = Recorded {
                seq,
                epoch: 1,
                recorded_at: Time::from_ms(seq as i64),
                correlation: event.order_id(),
                causation_seq: seq - 1,
                event,
            };
            seq += 1;
            one
        })
        .collect()
}

/// The first `count` records of the stories, one story an append.
pub fn batches(count: usize) -> Vec<Vec<Recorded>> {
    let (mut batches, mut seq) = (Vec::new(), 1);
    for n in 0.. {
        let mut batch = recorded(seq, story(n, 60));
        batch.truncate(count + 1 - seq as usize);
        seq += batch.len() as u64;
        batches.push(batch);
        if seq > count as u64 {
            return batches;
        }
    }
    batches
}

pub fn options(folder: &Folder, segment_bytes: u64) -> OpenOptions {
    OpenOptions { segment_bytes, ..OpenOptions::new(folder.path(), Mode::Paper) }
}

/// The log, its report, and what the fold saw.
pub fn open(folder: &Folder, segment_bytes: u64) -> (Log, OpenReport, Vec<(Recorded, Hash)>) {
    let mut seen = Vec::new();
    let (log, report) = Log::open(&options(folder, segment_bytes), |r, hash| seen.push((r.clone(), *hash))).expect("opens");
    (log, report, seen)
}

pub type Answers = Receiver<Result<Head, AppendError>>;

pub fn append(log: &dyn EventStore, records: Vec<Recorded>) -> Answers {
    let (answer, answers) = channel();
    log.append(records, Box::new(move |result| answer.send(result).expect("the test listens")));
    answers
}

pub fn append_all(log: &dyn EventStore, batches: &[Vec<Recorded>]) -> Head {
    let answers: Vec<Answers> = batches.iter().map(|batch| append(log, batch.clone())).collect();
    let heads: Vec<Head> = answers.iter().map(|answer| answer.recv().expect("answered").expect("durable")).collect();
    *heads.last().expect("one append")
}

/// Each batch durable, and so in a commit of its own, before the next.
pub fn append_one_by_one(log: &dyn EventStore, batches: &[Vec<Recorded>]) {
    for batch in batches {
        append(log, batch.clone()).recv().expect("answered").expect("durable");
    }
}

pub fn first_segment(folder: &Folder) -> PathBuf {
    segment::path(&folder.path().join("journal"), 1)
}
