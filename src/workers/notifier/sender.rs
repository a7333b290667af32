//! From the shelf to the channel, one at a time: tried again for a while, given up, counted.

use std::convert::Infallible;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::Shelf;
use super::channel::{Channel, Sent};
use super::message::{Kind, Message};
use super::queue::Waiting;
use crate::clock::Clock;
use crate::domain::ids::Mode;

/// Tries of a message that isn't critical.
const TRIES_MAX: u32 = 3;
/// Tries of a critical one: about half an hour.
const CRITICAL_TRIES_MAX: u32 = 64;
const BACK_OFF_MS: u64 = 1_000;
const BACK_OFF_MS_MAX: u64 = 30_000;

pub(super) struct Sender<'a> {
    pub channel: Channel,
    pub clock: Clock,
    pub shelf: &'a Shelf,
    pub mode: Mode,
}

impl Sender<'_> {
    pub async fn run(self) -> Infallible {
        // In a row; the first is told in the log lines, the rest counted.
        let mut failures = 0;
        loop {
            let next = self.shelf.queue().pop();
            let Some(waiting) = next else {
                self.shelf.more.notified().await;
                continue;
            };
            let counts = &self.shelf.counts;
            match self.channel.send(&waiting.message).await {
                Sent::Delivered(_) => {
                    counts.sent.fetch_add(1, Ordering::Relaxed);
                    self.works_again(failures);
                    failures = 0;
                }
                Sent::Refused(why) => {
                    failures += 1;
                    self.give_up(&why, failures);
                }
                Sent::Later { why, after_ms } => {
                    failures += 1;
                    self.later(waiting, &why, failures);
                    let wait = after_ms.and_then(|ms| u64::try_from(ms).ok()).unwrap_or(0).max(back_off_ms(failures));
                    tokio::time::sleep(Duration::from_millis(wait)).await;
                }
            }
        }
    }

    /// The channel has taken one: what was lost meanwhile is told.
    fn works_again(&self, failures: u32) {
        let mut queue = self.shelf.queue();
        queue.done();
        let lost = queue.take_lost();
        drop(queue);
        if failures > 0 {
            tracing::info!("notifications are delivered again; {lost} were lost");
        }
        if lost > 0 {
            let text =
                format!("{} {lost} notifications were lost while this channel did not work; the log has everything", self.mode.tag());
            let at = self.clock.now().wall;
            self.shelf.push(Message { kind: Kind::Notice, critical: false, text, key: String::new(), ends: None, seq: 0, at });
        }
    }

    fn later(&self, waiting: Waiting, why: &str, failures: u32) {
        let tries = waiting.tries + 1;
        let tries_max = if waiting.message.critical { CRITICAL_TRIES_MAX } else { TRIES_MAX };
        if tries >= tries_max {
            return self.give_up(why, failures);
        }
        self.complain(why, failures);
        self.shelf.queue().put_back(Waiting { tries, ..waiting });
    }

    fn give_up(&self, why: &str, failures: u32) {
        self.complain(why, failures);
        self.shelf.counts.failed.fetch_add(1, Ordering::Relaxed);
        let mut queue = self.shelf.queue();
        queue.done();
        queue.lose();
    }

    fn complain(&self, why: &str, failures: u32) {
        if failures == 1 {
            tracing::warn!("a notification could not be delivered ({why}); trading goes on, later ones of the kind are counted");
        } else {
            tracing::debug!("notification failure {failures} in a row: {why}");
        }
    }
}

fn back_off_ms(failures: u32) -> u64 {
    (BACK_OFF_MS << failures.saturating_sub(1).min(10)).min(BACK_OFF_MS_MAX)
}
