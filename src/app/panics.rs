//! A part of the process has panicked: nobody knows what it left undone. The rest is brought down in order, cancels
//! first, and whoever runs the process starts it anew.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;

use tokio::sync::watch;

static PANICKED: OnceLock<watch::Sender<Option<String>>> = OnceLock::new();

thread_local! {
    static CONTAINED: Cell<bool> = const { Cell::new(false) };
}

/// Where the first panic of any thread or task was, from now on; those in `contained` don't count.
pub fn noticed() -> watch::Receiver<Option<String>> {
    PANICKED
        .get_or_init(|| {
            let earlier = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |panic| {
                earlier(panic);
                if !CONTAINED.get() {
                    note(
                        panic
                            .location()
                            .map_or_else(|| "an unknown place".to_owned(), |place| format!("{}:{}", place.file(), place.line())),
                    );
                }
            }));
            watch::channel(None).0
        })
        .subscribe()
}

fn note(place: String) {
    if let Some(panicked) = PANICKED.get() {
        panicked.send_if_modified(|first| first.is_none() && first.replace(place).is_none());
    }
}

/// Runs what only reads: should it panic, its asker has no answer, and nothing else is wrong.
pub fn contained<T>(run: impl FnOnce() -> T) -> Option<T> {
    let outer = CONTAINED.replace(true);
    let done = catch_unwind(AssertUnwindSafe(run));
    CONTAINED.set(outer);
    done.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_noticed_and_one_of_a_reader_is_contained() {
        let panicked = noticed();
        assert_eq!(contained(|| -> u32 { panic!("while reading") }), None);
        assert_eq!(contained(|| 7), Some(7));
        assert_eq!(*panicked.borrow(), None);
        let died = std::thread::spawn(|| panic!("a worker")).join();
        assert!(died.is_err());
        let place = panicked.borrow().clone().expect("noticed");
        assert!(place.starts_with("src/app/panics.rs:"), "{place}");
    }
}
