//! Query parameters, pages and cursors.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::super::refusal::Refusal;
use crate::domain::time::Time;
use crate::exchange::query::Query;

const LIMIT_DEFAULT: usize = 100;
const LIMIT_MAX: usize = 1_000;

impl Query {
    /// Errors: the bare message of a failed validation.
    pub fn integer(&self, call: &str, name: &str, field: &str) -> Result<Option<i64>, Refusal> {
        self.get(name).map(|text| text.parse().map_err(|_| Refusal::parameter(call, field, "number"))).transpose()
    }

    /// A time in whole seconds.
    pub fn time(&self, call: &str, name: &str, field: &str) -> Result<Option<Time>, Refusal> {
        Ok(self.integer(call, name, field)?.map(|seconds| Time::from_ms(seconds.saturating_mul(1_000))))
    }

    /// The shard that is asked for; omitted and -1 are all of them.
    pub fn shard(&self, call: &str) -> Result<Option<u32>, Refusal> {
        let index = self.integer(call, "exchange_index", "ExchangeIndex")?.filter(|index| *index != -1);
        index.map(|index| u32::try_from(index).map_err(|_| Refusal::parameter(call, "ExchangeIndex", "gte"))).transpose()
    }

    fn limit(&self, call: &str) -> Result<usize, Refusal> {
        match self.integer(call, "limit", "Limit")? {
            None | Some(0) => Ok(LIMIT_DEFAULT),
            Some(limit) if limit < 0 => Err(Refusal::parameter(call, "Limit", "gte")),
            Some(limit) => {
                let limit = usize::try_from(limit).unwrap_or(usize::MAX);
                if limit > LIMIT_MAX { Err(Refusal::parameter(call, "Limit", "lte")) } else { Ok(limit) }
            }
        }
    }

    /// One page of rows, each with a key that only grows or only falls, and the next cursor: empty on the last page. A
    /// cursor that nobody gave is the first page.
    pub fn page<T>(&self, call: &str, rows: Vec<(usize, T)>) -> Result<(Vec<T>, String), Refusal> {
        let limit = self.limit(call)?;
        let ascending = rows.first().map(|(row, _)| *row) < rows.last().map(|(row, _)| *row);
        // The row of the cursor may have gone meanwhile: what comes after its key goes on.
        let start = self.get("cursor").and_then(place_of).map_or(0, |(up, key)| {
            let beyond = |(row, _): &(usize, T)| if up { *row > key } else { *row < key };
            rows.iter().position(beyond).unwrap_or(rows.len())
        });
        let last = rows.len().min(start + limit);
        let cursor = if last < rows.len() { cursor(ascending, rows[last - 1].0) } else { String::new() };
        Ok((rows.into_iter().take(last).skip(start).map(|(_, row)| row).collect(), cursor))
    }
}

fn cursor(ascending: bool, key: usize) -> String {
    URL_SAFE_NO_PAD.encode(format!("{}:{key}", if ascending { "above" } else { "below" }))
}

fn place_of(cursor: &str) -> Option<(bool, usize)> {
    let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
    let (direction, key) = std::str::from_utf8(&bytes).ok()?.split_once(':')?;
    let ascending = match direction {
        "above" => true,
        "below" => false,
        _ => return None,
    };
    Some((ascending, key.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn keys(query: &str) -> (Vec<i64>, String) {
        let rows = (0..5).map(|key| (key, Value::from(key))).collect();
        let (rows, cursor) = Query::parse(query).page("GetOrders", rows).expect("page");
        (rows.iter().map(|row| row.as_i64().expect("number")).collect(), cursor)
    }

    #[test]
    fn pages_follow_their_cursor_and_the_last_is_empty() {
        let (first, cursor) = keys("limit=2");
        assert_eq!(first, [0, 1]);
        let (second, cursor) = keys(&format!("limit=2&cursor={cursor}"));
        assert_eq!(second, [2, 3]);
        assert_eq!(keys(&format!("limit=2&cursor={cursor}")), (vec![4], String::new()));
    }

    #[test]
    fn a_page_goes_on_though_the_last_row_of_the_one_before_has_gone() {
        let page = |keys: &[usize], query: &str| {
            let rows = keys.iter().map(|key| (*key, *key)).collect();
            Query::parse(query).page("GetOrders", rows).expect("page")
        };
        let (first, cursor) = page(&[9, 7, 5, 3], "limit=2");
        assert_eq!(first, [9, 7]);
        assert_eq!(page(&[9, 5, 3], &format!("limit=2&cursor={cursor}")).0, [5, 3]);
        assert_eq!(page(&[9], &format!("limit=2&cursor={cursor}")), (vec![], String::new()));
    }

    #[test]
    fn a_garbage_cursor_is_the_first_page() {
        assert_eq!(keys("limit=1&cursor=not-a-cursor").0, [0]);
    }

    #[test]
    fn limits_are_checked_in_the_venues_words() {
        let refused = Query::parse("limit=1001").page::<Value>("GetMarkets", vec![]).expect_err("over the limit");
        assert_eq!(
            refused.body,
            r#"{"msg":"Parameter validation failed for GetMarkets: Key: 'GetMarketsParams.Limit' Error:Field validation for 'Limit' failed on the 'lte' tag"}"#
        );
    }

    #[test]
    fn percents_and_pluses_are_decoded() {
        let query = Query::parse("tickers=A%2CB&x=a+b&y=%zz");
        assert_eq!(query.list("tickers"), Some(vec!["A", "B"]));
        assert_eq!((query.get("x"), query.get("y")), (Some("a b"), Some("%zz")));
    }
}
