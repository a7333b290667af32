//! What whoever counts is told of a venue's client: each request with how it ended and how long it took. Nothing depends on it.

use std::fmt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI64, Ordering};

use reqwest::Method;

use super::call::{CallError, Refuses};
use crate::domain::time::Mono;

/// One request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exchanged {
    pub method: &'static str,
    /// The path with `{}` for what varies.
    pub pattern: &'static str,
    /// It places an order.
    pub places: bool,
    /// How it ended: one of `CLASSES`.
    pub class: &'static str,
    /// Nanoseconds from the caller's wish to the socket: the wait for tokens, signing.
    pub waited: i64,
    /// Nanoseconds from the socket to the whole answer, or to the end of the patience.
    pub took: i64,
}

impl Exchanged {
    /// A request that was wished for and sent at these moments, and is over now.
    pub fn new<T, R: Refuses>(
        (method, pattern): (&Method, &'static str),
        places: bool,
        done: &Result<T, CallError<R>>,
        [wished, sent, now]: [Mono; 3],
    ) -> Self {
        let method = match *method {
            Method::GET => "GET",
            Method::DELETE => "DELETE",
            _ => "POST",
        };
        Self { method, pattern, places, class: class_of(done), waited: sent.0 - wished.0, took: now.0 - sent.0 }
    }
}

pub const CLASSES: [&str; 7] = ["ok", "refused", "rate_limited", "server_error", "timeout", "unreadable", "not_sent"];

/// Words for what a call came to.
fn class_of<T, R: Refuses>(done: &Result<T, CallError<R>>) -> &'static str {
    match done {
        Ok(_) => "ok",
        Err(CallError::Refused { refusal, .. }) => match refusal.status() {
            429 => "rate_limited",
            500.. => "server_error",
            _ => "refused",
        },
        Err(CallError::Unclear { why }) if why.contains("timeout") => "timeout",
        Err(CallError::Unclear { .. }) => "unreadable",
        Err(CallError::NotSent { .. } | CallError::Budget { .. } | CallError::Unbuildable(_)) => "not_sent",
    }
}

type Told = Box<dyn Fn(&Exchanged) + Send + Sync>;

#[derive(Default)]
pub struct Onlooker {
    told: OnceLock<Told>,
    /// Monotonic nanoseconds of the stream's last word; zero before the first.
    heard_at: AtomicI64,
}

impl fmt::Debug for Onlooker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Onlooker")
    }
}

impl Onlooker {
    /// The first one counts.
    pub fn tell(&self, told: impl Fn(&Exchanged) + Send + Sync + 'static) {
        let _ = self.told.set(Box::new(told));
    }

    pub fn saw(&self, exchanged: &Exchanged) {
        if let Some(told) = self.told.get() {
            told(exchanged);
        }
    }

    /// The stream said something.
    pub fn heard(&self, now: Mono) {
        self.heard_at.store(now.0, Ordering::Relaxed);
    }

    pub fn heard_at(&self) -> Option<Mono> {
        Some(Mono(self.heard_at.load(Ordering::Relaxed))).filter(|at| at.0 != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Status(u16);

    impl fmt::Display for Status {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "HTTP {}", self.0)
        }
    }

    impl Refuses for Status {
        fn status(&self) -> u16 {
            self.0
        }
    }

    #[test]
    fn every_end_of_a_call_has_one_of_the_words() {
        let refused = |status| Err::<(), _>(CallError::Refused { refusal: Status(status), retry_after_ms: None });
        let unclear = |why: &str| Err::<(), CallError<Status>>(CallError::Unclear { why: why.to_owned() });
        let ends = [
            (Ok(()), "ok"),
            (refused(400), "refused"),
            (refused(429), "rate_limited"),
            (refused(503), "server_error"),
            (unclear("GET /x: timeout: operation timed out"), "timeout"),
            (unclear("the answer broke off"), "unreadable"),
            (Err(CallError::NotSent { why: "no route".to_owned() }), "not_sent"),
        ];
        for (end, word) in ends {
            assert_eq!(class_of(&end), word);
            assert!(CLASSES.contains(&word));
        }
    }
}
