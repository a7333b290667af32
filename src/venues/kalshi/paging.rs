//! A listing is complete or it says why not; half of one proves nothing.

use std::collections::BTreeSet;

use super::super::call::PAGES_MAX;
use super::client::{Ask, Client};
use super::wire::Page;
use super::wire::error::Refusal;

pub type Incomplete = super::super::call::Incomplete<Refusal>;

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
