//! How often what goes wrong.

use crate::dice::Dice;

/// How often each fault strikes, in thousandths.
#[derive(Clone, Debug)]
pub struct Faults {
    pub lose_request: u64,
    pub lose_reply: u64,
    pub late_arrival: u64,
    pub repeat_news: u64,
    pub drop_news: u64,
    pub reject: u64,
    pub engine_crash: u64,
    pub risk_crash: u64,
    pub drop_verdict: u64,
    pub drop_record: u64,
    pub redeliver: u64,
    pub operator: u64,
}

impl Faults {
    pub fn roll(dice: &mut Dice) -> Self {
        // Each seed switches each class on or off, with an intensity of its own.
        let mut chance = |most: u64| if dice.per_mille(500) { dice.below(most) } else { 0 };
        Self {
            lose_request: chance(200),
            lose_reply: chance(300),
            late_arrival: chance(200),
            repeat_news: chance(300),
            drop_news: chance(200),
            reject: chance(150),
            engine_crash: chance(12),
            risk_crash: chance(8),
            drop_verdict: chance(150),
            drop_record: chance(150),
            redeliver: chance(200),
            operator: chance(8),
        }
    }

    pub fn none() -> Self {
        let zero = 0;
        Self {
            lose_request: zero,
            lose_reply: zero,
            late_arrival: zero,
            repeat_news: zero,
            drop_news: zero,
            reject: zero,
            engine_crash: zero,
            risk_crash: zero,
            drop_verdict: zero,
            drop_record: zero,
            redeliver: zero,
            operator: zero,
        }
    }
}
