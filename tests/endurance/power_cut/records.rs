//! What is written: every record follows from the seed and its seq, so that writer and checker need not talk about it.

use arbees::domain::event::{Event, Recorded};
use arbees::domain::ids::{MarketId, OrderId, SignalId, TradeId, VenueOrderId, sha256};
use arbees::domain::market::{Instrument, Outcome, Venue};
use arbees::domain::money::{Price, Quantity, Usd};
use arbees::domain::order::Action;
use arbees::domain::report::{FillReport, FillSource, Liquidity};
use arbees::domain::time::Time;
use arbees::domain::verdict::Approver;
use arbees::event_log::DeadLetter;
use serde_bytes::ByteBuf;

use super::dice::Dice;

/// Records in one append at most: what the log takes.
const BLOCK_RECORDS: [u64; 6] = [1, 4, 16, 128, 512, 1_024];

/// What one run writes, and how. Passed to the writer as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    pub seed: u64,
    pub segment_bytes: u64,
    pub block_records_max: u64,
    /// Appends that wait for their answer at the same time: they share commits.
    pub in_flight: u64,
}

impl Plan {
    pub fn dealt(seed: u64, dice: &mut Dice) -> Self {
        let block_records_max = BLOCK_RECORDS[dice.below(BLOCK_RECORDS.len() as u64) as usize];
        let segment_bytes = [16, 64, 256, 1_024][dice.below(4) as usize] * 1024;
        Self { seed, segment_bytes, block_records_max, in_flight: [1, 2, 8, 64][dice.below(4) as usize] }
    }

    pub fn to_text(self) -> String {
        format!("{} {} {} {}", self.seed, self.segment_bytes, self.block_records_max, self.in_flight)
    }

    pub fn of_text(text: &str) -> Self {
        let numbers: Vec<u64> = text.split(' ').map(|number| number.parse().expect("a number")).collect();
        let [seed, segment_bytes, block_records_max, in_flight] = numbers[..] else { panic!("four numbers, not '{text}'") };
        Self { seed, segment_bytes, block_records_max, in_flight }
    }

    fn dice(self, seq: u64, what: u64) -> Dice {
        Dice::new(self.seed ^ seq.wrapping_mul(0x9e37_79b9) ^ what << 48)
    }

    /// The append that starts at `first_seq`, wherever the one before ended.
    pub fn block(self, first_seq: u64) -> Vec<Recorded> {
        let records = 1 + self.dice(first_seq, 1).below(self.block_records_max);
        (first_seq..first_seq + records).map(|seq| self.record(seq)).collect()
    }

    pub fn record(self, seq: u64) -> Recorded {
        let event = self.event(seq);
        let correlation = event.order_id();
        Recorded { seq, epoch: 1, recorded_at: Time::from_ms(seq as i64), correlation, causation_seq: seq - 1, event }
    }

    fn event(self, seq: u64) -> Event {
        let mut dice = self.dice(seq, 2);
        let order_id = order_id(self.seed, seq);
        let mut bytes = |max: u64| ByteBuf::from((0..dice.below(max)).map(|_| dice.next() as u8).collect::<Vec<_>>());
        match seq % 5 {
            0 => Event::OrderRequested {
                order_id,
                signal_id: signal_id(seq),
                content_hash: sha256(&[&seq.to_be_bytes()]),
                request: bytes(1_500),
                order: None,
            },
            1 => Event::OrderApproved { order_id, by: Approver::Risk, verdict: bytes(300), signature: bytes(65), risk_epoch: 1 },
            2 => Event::SubmitStarted { order_id, attempt: 1, signed: None },
            3 => Event::OrderAcked { order_id, venue_order_id: VenueOrderId::new("ven-1").expect("id"), venue_at: None },
            _ => Event::Filled(fill(order_id, seq)),
        }
    }

    pub fn letter(self, id: u64) -> DeadLetter {
        let mut dice = self.dice(id, 3);
        let raw = (0..dice.below(9_000)).map(|_| dice.next() as u8).collect();
        let (subject, reason) = ("signals.kalshi".to_owned(), format!("letter {id} of {}", self.seed));
        DeadLetter { received_at: Time::from_ms(id as i64), subject, stream_seq: id, reason, signal_id: None, raw }
    }
}

/// Five records belong to one order.
fn order_id(seed: u64, seq: u64) -> OrderId {
    let hash = sha256(&[b"order", &seed.to_be_bytes(), &(seq / 5).to_be_bytes()]);
    OrderId(hash.0[..16].try_into().expect("16 bytes"))
}

fn signal_id(seq: u64) -> SignalId {
    SignalId::new(&format!("signal-{seq}")).expect("id")
}

fn fill(order_id: OrderId, seq: u64) -> FillReport {
    FillReport {
        order_id,
        trade_id: TradeId::new(&format!("trade-{seq}")).expect("id"),
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
