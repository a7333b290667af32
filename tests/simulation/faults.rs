//! What goes wrong: each class of fault is switched by the seed, with an intensity of its own.

use crate::dice::Dice;

macro_rules! classes {
    ($($(#[doc = $doc:literal])+ $name:ident = $text:literal, $most:literal);+ $(;)?) => {
        /// One kind of thing that goes wrong.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Class { $($(#[doc = $doc])+ $name),+ }

        impl Class {
            /// Every class with the word for it and its highest intensity, in thousandths of its occasions.
            pub const ALL: &'static [(Self, &'static str, u64)] = &[$((Self::$name, $text, $most)),+];
        }
    };
}

classes! {
    /// A request never reaches the venue.
    LoseRequest = "lose_request", 140;
    /// The venue's answer is lost: 5xx, reset, unreadable.
    LoseReply = "lose_reply", 300;
    /// A request arrives after its sender has given up.
    LateArrival = "late_arrival", 200;
    /// News comes twice.
    RepeatNews = "repeat_news", 300;
    /// News is lost; a later reading shows it.
    DropNews = "drop_news", 250;
    /// News is late.
    DelayNews = "delay_news", 250;
    /// The stream breaks.
    StreamBreak = "stream_break", 12;
    /// The venue refuses an order.
    Reject = "reject", 120;
    /// 429.
    RateLimit = "rate_limit", 200;
    /// 425 or 503: the venue takes no orders for a while.
    VenuePause = "venue_pause", 10;
    /// A matched trade fails.
    FailTrade = "fail_trade", 400;
    /// The stream names no fee.
    FeeUnknown = "fee_unknown", 400;
    /// Reads show an older state.
    ReadLag = "read_lag", 500;
    /// A reading is incomplete.
    LoseRead = "lose_read", 300;
    /// The engine's process dies between two effects.
    EngineCrash = "engine_crash", 5;
    /// The risk consumer's process dies.
    RiskCrash = "risk_crash", 150;
    /// The risk consumer is slow.
    SlowRisk = "slow_risk", 150;
    /// A question or a verdict is lost.
    DropVerdict = "drop_verdict", 80;
    /// An old verdict comes in the place of another.
    Misroute = "misroute", 100;
    /// A question is put twice.
    RepeatRequest = "repeat_request", 200;
    /// A record does not reach the risk consumer.
    DropRecord = "drop_record", 150;
    /// Records overtake each other.
    DelayRecord = "delay_record", 200;
    /// A signal comes again.
    Redeliver = "redeliver", 200;
    /// A sync takes long.
    SlowSync = "slow_sync", 60;
    /// A sync fails.
    LogFails = "log_fails", 3;
    /// Another engine may own the log.
    LeaseLost = "lease_lost", 1;
    /// The wall clock steps.
    ClockStep = "clock_step", 25;
    /// Somebody trades by hand.
    External = "external", 6;
    /// An operator commands.
    Operator = "operator", 60;
    /// A market closes and is settled.
    MarketEnds = "market_ends", 8;
    /// A market can't be described.
    DescribeFails = "describe_fails", 150;
    /// An order can't be signed.
    PrepareFails = "prepare_fails", 120;
}

/// How often each class strikes, in thousandths of its occasions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Faults(Vec<u64>);

impl Faults {
    /// Each class is on or off; `off` stays off whatever the seed says, so that a failing seed can be made smaller.
    pub fn roll(dice: &mut Dice, off: u64) -> Self {
        let roll = |(class, _, most): &(Class, &str, u64)| {
            let (on, intensity) = (dice.per_mille(500), dice.below(*most) + 1);
            if on && off & bit(*class) == 0 { intensity } else { 0 }
        };
        Self(Class::ALL.iter().map(roll).collect())
    }

    pub fn none() -> Self {
        Self(vec![0; Class::ALL.len()])
    }

    pub fn of(&self, class: Class) -> u64 {
        self.0[class as usize]
    }

    /// The classes that are on.
    pub fn on(&self) -> u64 {
        Class::ALL.iter().filter(|(class, _, _)| self.of(*class) > 0).map(|(class, _, _)| bit(*class)).sum()
    }
}

pub fn bit(class: Class) -> u64 {
    1 << class as u32
}

/// `a,b,c` of a set.
pub fn names(set: u64) -> String {
    let named = Class::ALL.iter().filter(|(class, _, _)| set & bit(*class) != 0).map(|(_, word, _)| *word);
    named.collect::<Vec<_>>().join(",")
}

/// A set of `a,b,c`.
pub fn parse(text: &str) -> u64 {
    let one =
        |word: &str| Class::ALL.iter().find(|(_, known, _)| *known == word).unwrap_or_else(|| panic!("OFF: no fault is called {word:?}")).0;
    text.split(',').filter(|word| !word.is_empty()).map(|word| bit(one(word))).sum()
}
