//! Reading a log from front to back: one thread reads pages and decodes them, the caller's works on the records.

use std::ops::ControlFlow;
use std::sync::mpsc::{channel, sync_channel};
use std::thread;

use super::EventStore;
use super::error::ReadError;
use super::record::{self, StoredRecord};

/// Pages that may wait, so that memory stays bounded. Small: what an allocator gets back in large pieces it returns to the system.
const PAGES_MAX: usize = 8;
const PAGE_RECORDS: usize = 256;
const PAGE_BYTES: usize = 256 * 1024;

/// Some records in their order, and why there are no more of them.
type Page = (Vec<StoredRecord>, Option<ReadError>);

/// Hands every record from `seq` on, up to the head as it is now, to `each`, until that says stop. Returns what it said then.
pub fn read_ahead<B>(
    store: &(impl EventStore + ?Sized),
    seq: u64,
    mut each: impl FnMut(&StoredRecord) -> ControlFlow<B>,
) -> Result<Option<B>, ReadError> {
    let head = store.head().seq;
    let mut next = seq.max(1);
    thread::scope(|scope| {
        let (pages, read) = sync_channel(PAGES_MAX);
        // Pages go back to the thread that made them: an allocator has to lock for what another thread frees.
        let (used, back) = channel::<Vec<StoredRecord>>();
        scope.spawn(move || {
            while next <= head {
                back.try_iter().for_each(drop);
                let page = page(store, next, head);
                next += page.0.len() as u64;
                let failed = page.1.is_some();
                if pages.send(page).is_err() || failed {
                    return;
                }
            }
        });
        for (page, failed) in read {
            for record in &page {
                if let ControlFlow::Break(said) = each(record) {
                    return Ok(Some(said));
                }
            }
            if let Some(error) = failed {
                return Err(error);
            }
            // A reader that is done needs none back.
            let _ = used.send(page);
        }
        Ok(None)
    })
}

fn page(store: &(impl EventStore + ?Sized), seq: u64, head: u64) -> Page {
    let records_max = usize::try_from(head + 1 - seq).map_or(PAGE_RECORDS, |left| left.min(PAGE_RECORDS));
    let (mut records, mut failed) = (Vec::with_capacity(records_max), None);
    let read = store.visit_from(seq, records_max, PAGE_BYTES, &mut |seq, bytes| match record::decode(bytes) {
        Ok(record) if failed.is_none() => records.push(record),
        Ok(_) => {}
        Err(why) => failed = failed.take().or(Some(ReadError::Unreadable { seq, why })),
    });
    let nothing = records.is_empty().then_some(ReadError::Hole { seq });
    let failed = failed.or(read.err()).or(nothing);
    (records, failed)
}
