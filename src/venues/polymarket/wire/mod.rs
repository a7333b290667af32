//! What Polymarket sends: money and sizes become integers where they are read, unknown fields and words are let through,
//! missing money is an error (`polymarket.md` §4, §7).

/// Balances, closed-only, version, time, geoblock, heartbeats.
pub mod account;
/// Refusals, in all the shapes they come in.
pub mod error;
/// Markets and books.
pub mod market;
/// Orders, and what is answered to them.
pub mod orders;
/// Points in time, in three ways of writing.
pub mod stamp;
/// Trades and their makers.
pub mod trades;

use serde::{Deserialize, Deserializer};

/// The first page of a listing, and the cursor that says there is none after it (`polymarket.md` §4).
pub const FIRST_PAGE: &str = "MA==";
pub const LAST_PAGE: &str = "LTE=";

/// A page of a listing.
#[derive(Debug, Deserialize)]
pub struct Page<T> {
    #[serde(deserialize_with = "list", bound(deserialize = "T: Deserialize<'de>"))]
    pub data: Vec<T>,
    pub next_cursor: Option<String>,
}

impl<T> Page<T> {
    /// Where the next page starts; `None`: this was the last.
    pub fn next_page(&mut self) -> Option<String> {
        self.next_cursor.take().filter(|cursor| !cursor.is_empty() && cursor != LAST_PAGE)
    }
}

/// A list that must be there; `null` is how the venue's language writes an empty one.
pub(crate) fn list<'de, D: Deserializer<'de>, T: Deserialize<'de>>(d: D) -> Result<Vec<T>, D::Error> {
    Ok(Option::<Vec<T>>::deserialize(d)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_listing_must_say_so() {
        for (text, rows) in
            [(r#"{"data":[],"next_cursor":"LTE="}"#, Some(0)), (r#"{"data":null}"#, Some(0)), ("{}", None), (r#"{"next_cursor":""}"#, None)]
        {
            let page: Option<Page<u8>> = serde_json::from_str(text).ok();
            assert_eq!(page.map(|page| page.data.len()), rows, "{text}");
        }
    }

    #[test]
    fn the_last_page_says_that_it_is_the_last() {
        for (text, next) in [("\"LTE=\"", None), ("\"\"", None), ("null", None), ("\"MTAw\"", Some("MTAw".to_owned()))] {
            let mut page: Page<u8> = serde_json::from_str(&format!(r#"{{"data":[],"next_cursor":{text}}}"#)).expect(text);
            assert_eq!(page.next_page(), next);
        }
    }
}
