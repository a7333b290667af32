//! A listing is complete or it says why not; half of one proves nothing.

use std::collections::BTreeSet;

use thiserror::Error;

use super::client::{Ask, CallError, Client};
use super::wire::Page;

/// A hundred thousand rows: more than an account of ours gathers in two weeks.
const PAGES_MAX: usize = 100;

#[derive(Debug, Error)]
pub enum Incomplete {
    #[error("{what}: page {page} came again: the venue does not know its own cursor")]
    RepeatedPage { what: &'static str, page: usize },
    #[error("{what}: more than {PAGES_MAX} pages")]
    TooManyPages { what: &'static str },
    #[error("{what}: {error}")]
    Broken { what: &'static str, error: CallError },
    /// A row that has no meaning for us: the list can't be relied on.
    #[error(transparent)]
    Row(#[from] super::translate::Untranslatable),
    #[error("{0}")]
    Unsure(String),
}

impl Client {
    /// Every row of a listing. `ask` without `limit` and `cursor`.
    pub async fn all<P: Page>(&self, ask: Ask, limit: u32) -> Result<Vec<P::Row>, Incomplete> {
        let what = ask.pattern;
        let (mut rows, mut keys, mut cursors) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
        let mut cursor: Option<String> = None;
        for page in 1..=PAGES_MAX {
            let asked = ask.clone().with("limit", limit).maybe("cursor", cursor.take());
            let answer: P = self.json(&asked).await.map_err(|error| Incomplete::Broken { what, error })?;
            let (new, next) = answer.split();
            let fresh = new.into_iter().filter(|row| keys.insert(P::key(row))).collect::<Vec<_>>();
            // A cursor that is not understood gives the first page again, with status 200 (`kalshi.md` §3).
            if page > 1 && fresh.is_empty() && next.is_some() {
                return Err(Incomplete::RepeatedPage { what, page });
            }
            rows.extend(fresh);
            match next {
                None => return Ok(rows),
                Some(next) if !cursors.insert(next.clone()) => return Err(Incomplete::RepeatedPage { what, page }),
                Some(next) => cursor = Some(next),
            }
        }
        Err(Incomplete::TooManyPages { what })
    }
}
