//! Reading a log from front to back: one thread reads pages, the caller's works on them.

use std::ops::ControlFlow;
use std::sync::mpsc::{channel, sync_channel};
use std::thread;

use super::error::ReadError;
use super::{EventStore, StoredBytes};

/// Pages that may wait, so that memory stays bounded.
const PAGES_MAX: usize = 4;
const PAGE_RECORDS: usize = 4_096;
const PAGE_BYTES: usize = 2 * 1024 * 1024;

/// Hands every record from `seq` on, up to the head as it is now, to `each`, until that says stop. Returns what it said then.
pub fn read_ahead<B>(
    store: &(impl EventStore + ?Sized),
    seq: u64,
    mut each: impl FnMut(&StoredBytes) -> ControlFlow<B>,
) -> Result<Option<B>, ReadError> {
    let head = store.head().seq;
    let mut next = seq.max(1);
    thread::scope(|scope| {
        let (pages, read) = sync_channel(PAGES_MAX);
        // Pages go back to the thread that made them: an allocator has to lock for what another thread frees.
        let (used, back) = channel::<Vec<StoredBytes>>();
        scope.spawn(move || {
            while next <= head {
                back.try_iter().for_each(drop);
                let records_max = usize::try_from(head + 1 - next).map_or(PAGE_RECORDS, |left| left.min(PAGE_RECORDS));
                let page = store.read_from(next, records_max, PAGE_BYTES).and_then(|page| {
                    next = page.last().ok_or(ReadError::Hole { seq: next })?.seq + 1;
                    Ok(page)
                });
                let failed = page.is_err();
                if pages.send(page).is_err() || failed {
                    return;
                }
            }
        });
        for page in read {
            let page = page?;
            for record in &page {
                if let ControlFlow::Break(said) = each(record) {
                    return Ok(Some(said));
                }
            }
            // A reader that is done needs none back.
            let _ = used.send(page);
        }
        Ok(None)
    })
}
