//! The two threads behind a log: one makes commits durable and answers, one carries them into sled.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::error::AppendError;
use super::index::Seen;
use super::intake::{Commit, Intake, Work};
use super::journal::Journal;
use super::tail::Shared;
use crate::crash_points::{Point, reach};

/// The one who writes.
pub struct Writer {
    journal: Journal,
    shared: Arc<Shared>,
    intake: Arc<Intake>,
    _leaving: Leaving,
}

impl Writer {
    pub fn new(journal: Journal, shared: Arc<Shared>, intake: Arc<Intake>) -> Self {
        let leaving = Leaving(shared.clone(), intake.clone());
        Self { journal, shared, intake, _leaving: leaving }
    }

    /// Until the intake is closed and empty.
    pub fn run(mut self) {
        while let Some(work) = self.intake.next() {
            match work {
                Work::Commit(commit) => self.commit(commit),
                Work::Refuse { done, expected, got } => {
                    let refused = self.shared.failure().unwrap_or_else(|| {
                        self.shared.fail(format!("an append came for seq {got} where {expected} was next"));
                        AppendError::OutOfOrder { expected, got }
                    });
                    self.shared.queued.fetch_sub(1, Ordering::Relaxed);
                    done(Err(refused));
                }
            }
        }
    }

    fn commit(&mut self, commit: Commit) {
        let Commit { before, head, group, waiting } = commit;
        let mut failure = self.shared.failure();
        if failure.is_none() && !group.frames.is_empty() {
            self.shared.syncing.is(true);
            let committed = self.journal.commit(&group.frames, group.first_seq, &before.hash);
            self.shared.syncing.is(false);
            match committed {
                Ok(place) => {
                    if let Some(buffer) = self.shared.push(group, place, head) {
                        self.intake.give_back(buffer);
                    }
                }
                Err(error) => {
                    tracing::error!(%error, seq = group.first_seq, "the journal can't be written: the log takes no more records");
                    failure = Some(self.shared.fail(format!("writing the journal at seq {} failed: {error}", group.first_seq)));
                }
            }
        }
        self.shared.queued.fetch_sub(waiting.len(), Ordering::Relaxed);
        reach(Point::DurableTellBefore);
        for (done, head) in waiting {
            done(failure.clone().map_or(Ok(head), Err));
        }
        reach(Point::DurableTellAfter);
    }
}

/// However the writer ends: nobody waits for it any more, and the inserter ends too.
struct Leaving(Arc<Shared>, Arc<Intake>);

impl Drop for Leaving {
    fn drop(&mut self) {
        self.1.leave();
        self.0.close();
    }
}

/// Carries commits into sled until the writer is done, or sled fails: then the log takes no more records.
pub fn insert_all(shared: &Shared) {
    if let Err(why) = insert_until_closed(shared) {
        tracing::error!(%why, "sled can't be written: the log takes no more records");
        shared.fail(why);
    }
}

fn insert_until_closed(shared: &Shared) -> Result<(), String> {
    // Handed to the operating system, so that kill -9 finds sled complete.
    let flush = || {
        if let Err(why) = shared.sled.flush() {
            tracing::warn!(%why, "sled can't be flushed; the journal is complete");
        }
    };
    let mut seen = Seen::default();
    let mut dirty = false;
    while let Some(load) = shared.next_load(dirty, flush)? {
        let entries = load.entries().filter(|entry| seen.is_new(entry));
        reach(Point::SledInsertBefore);
        let inserted = shared.sled.insert(&load.frames, entries);
        inserted.map_err(|why| format!("writing sled from seq {} on failed: {why}", load.first_seq()))?;
        reach(Point::SledInsertAfter);
        shared.inserted(&load);
        dirty = true;
    }
    Ok(())
}
