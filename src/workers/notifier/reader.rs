//! From the log to the shelf: each durable record once, in order, from the first one of this session on.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::message::{Kind, Message, words};
use super::news::News;
use super::pacing::Pacing;
use super::{Shelf, Watched};
use crate::clock::Clock;
use crate::event_log::{EventStore, StoredBytes};

const BATCH_RECORDS: usize = 256;
const BATCH_BYTES: usize = 1024 * 1024;
/// How often what was held back is looked at.
const LOOK_MS: u64 = 1_000;
const READ_AGAIN_MS: u64 = 200;

pub(super) struct Reader<'a> {
    pub log: Arc<dyn EventStore>,
    pub clock: Clock,
    pub news: News,
    pub pacing: Pacing,
    pub shelf: &'a Shelf,
}

impl Reader<'_> {
    /// Until the end of the session, or until a record can't be taken in.
    pub async fn run(mut self, watched: Watched) {
        let Watched { mut durable, halted, mut stop } = watched;
        let (mut halted, mut lives) = (Some(halted), true);
        loop {
            if let Err(why) = self.read().await {
                tracing::error!("nothing more is told to the webhook: {why}");
                return;
            }
            self.put_due();
            tokio::select! {
                // Once the engine has ended, its last records may still be on their way to the disk.
                changed = durable.changed(), if lives => lives = changed.is_ok(),
                why = halt(&mut halted) => self.tell_halt(&why),
                _ = stop.wait_for(|stop| *stop) => break,
                () = tokio::time::sleep(Duration::from_millis(LOOK_MS)), if self.pacing.holds() => {}
            }
        }
        if let Err(why) = self.read().await {
            tracing::error!("the last records are not told to the webhook: {why}");
        }
        // A log that can't be written halts the engine and ends the session in one.
        let why = halted.as_ref().and_then(|halted| halted.borrow().clone());
        why.iter().for_each(|why| self.tell_halt(why));
        let (now, sum) = (self.clock.now(), self.sum());
        self.pacing.rest(now, sum).into_iter().for_each(|message| self.shelf.push(message));
    }

    /// Takes in what is durable. Errors: the log has a gap, or this program doesn't understand it.
    async fn read(&mut self) -> Result<(), String> {
        loop {
            match self.log.read_from(self.news.seq() + 1, BATCH_RECORDS, BATCH_BYTES) {
                Ok(records) if records.is_empty() => return Ok(()),
                Ok(records) => records.iter().try_for_each(|record| self.take(record))?,
                Err(error) if self.log.failed().is_some() => return Err(error.to_string()),
                Err(error) => {
                    tracing::warn!("records can't be read for notifications: {error}");
                    tokio::time::sleep(Duration::from_millis(READ_AGAIN_MS)).await;
                }
            }
        }
    }

    fn take(&mut self, record: &StoredBytes) -> Result<(), String> {
        let stored = record.decode().map_err(|error| error.to_string())?;
        let told = self.news.take(&stored.recorded).map_err(|error| error.to_string())?;
        if let Some(message) = told.and_then(|message| self.pacing.offer(message, self.clock.now())) {
            self.shelf.push(message);
        }
        Ok(())
    }

    fn put_due(&mut self) {
        if self.pacing.holds() {
            let (now, sum) = (self.clock.now(), self.sum());
            self.pacing.due(now, sum).into_iter().for_each(|message| self.shelf.push(message));
        }
    }

    /// How a sum of what was held back is told.
    fn sum(&self) -> impl Fn(&str) -> Message + use<> {
        let (tag, at) = (self.log.mode().tag(), self.clock.now().wall);
        move |text| Message {
            kind: Kind::Notice,
            critical: false,
            text: format!("{tag} {text}"),
            key: String::new(),
            ends: None,
            seq: 0,
            at,
        }
    }

    /// No record says it: a log that can't be written is the reason, most often.
    fn tell_halt(&mut self, why: &str) {
        let text = format!("{} ENGINE HALTED: {}; nothing is traded until somebody starts it again", self.log.mode().tag(), words(why));
        let (key, now) = ("engine halted".to_owned(), self.clock.now());
        let message = Message { kind: Kind::Halt, critical: true, text, key, ends: None, seq: 0, at: now.wall };
        if let Some(message) = self.pacing.offer(message, now) {
            self.shelf.push(message);
        }
    }
}

/// Why the engine has halted, told once.
async fn halt(halted: &mut Option<watch::Receiver<Option<String>>>) -> String {
    if let Some(receiver) = halted {
        let why = receiver.wait_for(Option::is_some).await.ok().and_then(|why| why.clone());
        *halted = None;
        if let Some(why) = why {
            return why;
        }
    }
    std::future::pending().await
}
