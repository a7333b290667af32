//! Markets that a signal waits for: with money nobody trades what the venue hasn't described.

use super::{Deferred, Effect, Engine, SignalInput, Timer};
use crate::domain::ids::{MarketId, TokenId};
use crate::domain::market::{BookKey, Venue};
use crate::domain::report::Description;
use crate::domain::signal::{Parsed, Signal};
use crate::domain::time::Now;

/// A signal waits this long for the description of its market, then it is judged without (and vetoed).
const DESCRIBE_WITHIN_MS: i64 = 3_000;
/// A market that could not be described isn't asked for again before this.
const DESCRIBE_AGAIN_MS: i64 = 10_000;
/// A token that somebody else traded is asked about again after this.
const STRANGER_AGAIN_MS: i64 = 1_000;
/// Signals that wait for descriptions; more are judged at once.
const WAITING_MAX: usize = 256;
/// Of more markets than this the first are described again when a signal names them.
const DESCRIBED_MAX: usize = 4_096;

impl Engine {
    /// Holds the signal back while its market is being described. Returns it when there is nothing to wait for.
    pub(super) fn await_market(&mut self, now: Now, input: SignalInput, out: &mut Vec<Effect>) -> Option<SignalInput> {
        let Ok(Parsed::Signal { signal, .. }) = &input.parsed else { return Some(input) };
        let Some(key) = self.undescribed_book(now, signal) else { return Some(input) };
        if self.waiting.values().map(Vec::len).sum::<usize>() >= WAITING_MAX {
            return Some(input);
        }
        let waiting = self.waiting.entry(key.clone()).or_default();
        waiting.push(input);
        if waiting.len() == 1 {
            self.set_timer(now.mono.plus_ms(DESCRIBE_WITHIN_MS), Timer::DescriptionDue(key.clone()));
            out.push(Effect::Describe { key });
        }
        None
    }

    fn undescribed_book(&self, now: Now, signal: &Signal) -> Option<BookKey> {
        let describes = self.describing.contains(&signal.venue);
        let id = match signal.venue {
            Venue::Kalshi => signal.market_id.clone(),
            // The token says more than the condition.
            Venue::Polymarket => {
                let by_token = |token: &TokenId| MarketId::new(token.as_str()).expect("Invariant: a token id is a valid market id");
                signal.token_id.as_ref().map(by_token).or_else(|| signal.market_id.clone())
            }
            Venue::Paper => None,
        };
        let key = BookKey { venue: signal.venue, id: id.filter(|_| describes)? };
        // What an earlier session was told may no longer hold.
        let known = self.described.contains(&key);
        let tried = self.undescribed.get(&key).is_some_and(|at| now.mono < at.plus_ms(DESCRIBE_AGAIN_MS));
        (!known && !tried).then_some(key)
    }

    pub(super) fn described(&mut self, now: Now, key: BookKey, found: Result<Description, String>, out: &mut Vec<Effect>) {
        if self.halted.is_some() || !self.started {
            return;
        }
        match found {
            Ok(description) => {
                for market in description.markets {
                    let named = market.key.clone();
                    self.market(now, market, out);
                    self.note_described(named.clone());
                    out.push(Effect::Watch { key: named.clone() });
                    self.token_described(now, &named, out);
                }
                self.note_described(key.clone());
                // Risk judges by what is durable: the question must not run ahead of the description.
                self.after(self.book.seq, Deferred::Described(key));
                let (seq, hash) = self.durable;
                self.durable(now, seq, hash, out);
            }
            Err(_) if !self.waiting.contains_key(&key) => {
                if self.strangers.contains_key(&key) {
                    self.set_timer(now.mono.plus_ms(STRANGER_AGAIN_MS), Timer::Describe(key));
                }
            }
            Err(_) => {
                self.undescribed.retain(|_, at| now.mono < at.plus_ms(DESCRIBE_AGAIN_MS));
                self.undescribed.insert(key.clone(), now.mono);
                if self.strangers.contains_key(&key) {
                    self.set_timer(now.mono.plus_ms(STRANGER_AGAIN_MS), Timer::Describe(key.clone()));
                }
                self.resume(now, &key, out);
            }
        }
    }

    fn note_described(&mut self, key: BookKey) {
        if self.described.len() >= DESCRIBED_MAX {
            self.described.pop_first();
        }
        self.described.insert(key);
    }

    pub(super) fn resume(&mut self, now: Now, key: &BookKey, out: &mut Vec<Effect>) {
        for input in self.waiting.remove(key).unwrap_or_default() {
            self.signal(now, input, out);
        }
    }
}
