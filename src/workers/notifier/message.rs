//! A message to people: what it is about, how urgent, in one line of text.

use std::fmt;

use crate::domain::time::Time;

/// What a message is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Fill,
    Exit,
    Settlement,
    Veto,
    Unknown,
    Breaker,
    Kill,
    /// An order or a difference at the venue that nobody here asked for.
    Difference,
    /// A venue or the engine has stopped.
    Halt,
    Day,
    /// About the messages themselves.
    Notice,
    Test,
}

impl Kind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fill => "fill",
            Self::Exit => "exit",
            Self::Settlement => "settlement",
            Self::Veto => "veto",
            Self::Unknown => "unknown",
            Self::Breaker => "breaker",
            Self::Kill => "kill",
            Self::Difference => "difference",
            Self::Halt => "halt",
            Self::Day => "day",
            Self::Notice => "notice",
            Self::Test => "test",
        }
    }

    /// `3 fills`.
    pub fn counted(self, count: u32) -> String {
        let many = match self {
            Self::Veto => "vetoes",
            Self::Day => "daily summaries",
            _ => return format!("{count} {}{}", self.as_str(), if count == 1 { "" } else { "s" }),
        };
        if count == 1 { format!("1 {}", self.as_str()) } else { format!("{count} {many}") }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    pub kind: Kind,
    /// Goes at once, at any hour, however many there are.
    pub critical: bool,
    /// One line, with the mark of the mode.
    pub text: String,
    /// Two with one key say the same thing: the second is not told.
    pub key: String,
    /// What is over with this message, by its key: when it happens again, it is told again.
    pub ends: Option<String>,
    /// Of the record; 0 where none is told of.
    pub seq: u64,
    pub at: Time,
}

/// Longer words of others are cut: a message is for a glance.
const WORDS_CHARS_MAX: usize = 300;

/// A text of others in one line: nothing in it breaks the line or turns its direction.
pub fn words(text: &str) -> String {
    let turns = |c: char| matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}');
    let mut out: String = text.chars().take(WORDS_CHARS_MAX).map(|c| if c.is_control() || turns(c) { ' ' } else { c }).collect();
    if text.chars().nth(WORDS_CHARS_MAX).is_some() {
        out.push('…');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_others_stay_in_their_line() {
        assert_eq!(words("a\nb\u{202e}c\tgrüße"), "a b c grüße");
        assert_eq!(words(&"x".repeat(301)), "x".repeat(300) + "…");
        assert_eq!((Kind::Fill.counted(1), Kind::Fill.counted(2)), ("1 fill".to_owned(), "2 fills".to_owned()));
        assert_eq!((Kind::Veto.counted(2), Kind::Day.counted(1)), ("2 vetoes".to_owned(), "1 day".to_owned()));
    }
}
