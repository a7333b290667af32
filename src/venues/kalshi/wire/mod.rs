//! What Kalshi sends: money and counts become integers where they are read, unknown fields and words are let through,
//! missing money is an error (`kalshi.md` §2-3).

/// Balances, positions, settlements, transfers, keys, limits.
pub mod account;
/// Refusals, in all the shapes they come in.
pub mod error;
/// Markets, series, order books, the exchange's own state.
pub mod market;
/// Numbers as text or as JSON numbers, without floats.
pub mod number;
/// Orders and fills.
pub mod orders;

use serde::{Deserialize, Deserializer};

/// A page of a listing.
pub trait Page: serde::de::DeserializeOwned {
    type Row;

    /// The rows and where the next page starts.
    fn split(self) -> (Vec<Self::Row>, Option<String>);

    /// What tells one row from another.
    fn key(row: &Self::Row) -> String;
}

/// A list that must be there; `null` is how the venue's language writes an empty one.
fn list<'de, D: Deserializer<'de>, T: Deserialize<'de>>(d: D) -> Result<Vec<T>, D::Error> {
    Ok(Option::<Vec<T>>::deserialize(d)?.unwrap_or_default())
}

macro_rules! page {
    ($page:ident, $field:ident, $row:ty, $key:expr) => {
        #[derive(Debug, serde::Deserialize)]
        pub struct $page {
            #[serde(deserialize_with = "super::list")]
            $field: Vec<$row>,
            #[serde(default)]
            cursor: Option<String>,
        }

        impl super::Page for $page {
            type Row = $row;

            fn split(self) -> (Vec<$row>, Option<String>) {
                (self.$field, self.cursor.filter(|cursor| !cursor.is_empty()))
            }

            fn key(row: &$row) -> String {
                let key: fn(&$row) -> String = $key;
                key(row)
            }
        }
    };
}
use page;

#[cfg(test)]
mod tests {
    use super::Page;
    use super::orders::Orders;

    #[test]
    fn an_empty_listing_must_say_so() {
        for (text, rows) in
            [(r#"{"orders":[],"cursor":""}"#, Some(0)), (r#"{"orders":null}"#, Some(0)), ("{}", None), (r#"{"cursor":""}"#, None)]
        {
            let page: Option<Orders> = serde_json::from_str(text).ok();
            assert_eq!(page.map(|page| page.split().0.len()), rows, "{text}");
        }
    }

    #[test]
    fn the_last_page_has_no_cursor_or_an_empty_one() {
        for (text, next) in [("\"\"", None), ("null", None), ("\"abc\"", Some("abc".to_owned()))] {
            let page: Orders = serde_json::from_str(&format!(r#"{{"orders":[],"cursor":{text}}}"#)).expect(text);
            assert_eq!(page.split().1, next);
        }
    }
}
