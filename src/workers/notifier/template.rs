//! A message as the body of a request: plain JSON, a Telegram bot's, a Discord webhook's. Whatever the text holds, it stays text.

use serde_json::{Value, json};

use super::message::Message;

/// Telegram's and Discord's own bounds, in characters.
const TELEGRAM_CHARS_MAX: usize = 4_096;
const DISCORD_CHARS_MAX: usize = 2_000;
/// Discord: no previews of what looks like an address.
const SUPPRESS_EMBEDS: u32 = 4;
/// What Discord's Markdown gives a meaning to.
const MARKDOWN: &str = "\\*_~`|>[]()#<@:-";

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Template {
    Json,
    Telegram { chat_id: String },
    Discord,
}

/// `instance`: which engine speaks.
pub fn body(template: &Template, instance: &str, mode: &str, message: &Message) -> Value {
    match template {
        Template::Json => json!({
            "mode": mode,
            "instance": instance,
            "kind": message.kind.as_str(),
            "critical": message.critical,
            "text": message.text,
            "seq": message.seq,
            "at": message.at,
        }),
        // No parse_mode: Telegram then takes every character as it is.
        Template::Telegram { chat_id } => json!({
            "chat_id": chat_id,
            "text": cut(message.text.chars().map(String::from), TELEGRAM_CHARS_MAX),
            "disable_web_page_preview": true,
            "disable_notification": !message.critical,
        }),
        Template::Discord => json!({
            "content": cut(message.text.chars().map(escaped), DISCORD_CHARS_MAX),
            "allowed_mentions": { "parse": [] },
            "flags": SUPPRESS_EMBEDS,
        }),
    }
}

fn escaped(c: char) -> String {
    if MARKDOWN.contains(c) { format!("\\{c}") } else { c.to_string() }
}

/// As many whole pieces as fit, and a mark where some didn't.
fn cut(pieces: impl Iterator<Item = String>, chars_max: usize) -> String {
    let (mut out, mut length) = (String::new(), 0);
    for piece in pieces {
        length += piece.chars().map(char::len_utf16).sum::<usize>();
        if length > chars_max - 1 {
            out.push('…');
            return out;
        }
        out.push_str(&piece);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::message::Kind;
    use super::*;
    use crate::domain::time::Time;

    fn message(text: &str) -> Message {
        Message { kind: Kind::Fill, critical: false, text: text.to_owned(), key: String::new(), ends: None, seq: 7, at: Time::from_ms(0) }
    }

    #[test]
    fn json_says_everything() {
        let expected = json!({ "mode": "paper", "instance": "main", "kind": "fill", "critical": false, "text": "[PAPER] <b>x</b>",
            "seq": 7, "at": "1970-01-01T00:00:00Z" });
        assert_eq!(body(&Template::Json, "main", "paper", &message("[PAPER] <b>x</b>")), expected);
    }

    #[test]
    fn telegram_gets_plain_text_of_at_most_its_length() {
        let template = Template::Telegram { chat_id: "-1001".to_owned() };
        let told = body(&template, "main", "paper", &message("<b>*x*</b> @all"));
        assert_eq!(
            (told["text"].as_str(), told["chat_id"].as_str(), told.get("parse_mode")),
            (Some("<b>*x*</b> @all"), Some("-1001"), None)
        );
        let long = body(&template, "main", "paper", &message(&"x".repeat(5_000)));
        assert_eq!(long["text"].as_str().map(|text| text.chars().count()), Some(TELEGRAM_CHARS_MAX));
    }

    #[test]
    fn discord_mentions_nobody_and_takes_no_markdown() {
        let told = body(&Template::Discord, "main", "live", &message("[LIVE] **@everyone** KX_1 <@1> [a](b)"));
        assert_eq!(told["content"], r"\[LIVE\] \*\*\@everyone\*\* KX\_1 \<\@1\> \[a\]\(b\)");
        assert_eq!(told["allowed_mentions"], json!({ "parse": [] }));
        for text in ["*".repeat(3_000), "😀".repeat(3_000)] {
            let long = body(&Template::Discord, "main", "live", &message(&text));
            let content = long["content"].as_str().expect("text");
            assert!(content.encode_utf16().count() <= DISCORD_CHARS_MAX && content.ends_with('…'));
            assert!(!content.ends_with("\\…"), "no half of an escape");
        }
    }
}
