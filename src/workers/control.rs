//! Kill by message and by file. Both can only switch it on: off takes the CLI or HTTP with the token.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::engine_loop::EngineHandle;
use crate::bus::Bus;
use crate::engine::Command;

const LOOK_MS: u64 = 200;
const RETRY_MS: u64 = 500;
/// Bytes of a kill message or file that are kept as its reason.
const REASON_BYTES_MAX: usize = 200;

/// The first word decides; what follows is the reason.
fn kill_reason(payload: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(&payload[..payload.len().min(REASON_BYTES_MAX)]).trim().trim_matches('"').to_owned();
    let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((&text, ""));
    let on = ["on", "enable", "halt", "stop"].iter().any(|known| word.eq_ignore_ascii_case(known));
    on.then(|| if rest.is_empty() { format!("the word {word:?}") } else { rest.trim().to_owned() })
}

/// Listens on the control subject. Runs until the process ends.
pub async fn listen(bus: Arc<dyn Bus>, subject: String, engine: EngineHandle) {
    loop {
        let mut messages = match bus.subscribe(&subject).await {
            Ok(messages) => messages,
            Err(error) => {
                tracing::warn!("{subject} can't be listened to yet: {error}");
                tokio::time::sleep(Duration::from_millis(RETRY_MS)).await;
                continue;
            }
        };
        while let Some(message) = messages.next().await {
            let Some(reason) = kill_reason(&message.payload) else {
                tracing::warn!("a message on {subject} is none of on, enable, halt, stop: the kill is left as it is");
                continue;
            };
            let done = engine.operator("bus", Command::Kill { reason }).await;
            if message.reply.is_some() {
                let text = done.unwrap_or_else(|error| error);
                let _ = bus.reply(&message, text.into_bytes().into()).await;
            }
        }
    }
}

/// Looks for a kill file. Runs until the process ends.
pub async fn watch_files(files: Vec<PathBuf>, engine: EngineHandle) {
    loop {
        for file in &files {
            if tokio::fs::try_exists(file).await.unwrap_or(false) && engine.query(|engine| !engine.is_killed()).await.unwrap_or(false) {
                let text = tokio::fs::read(file).await.unwrap_or_default();
                let words = String::from_utf8_lossy(&text[..text.len().min(REASON_BYTES_MAX)]).trim().to_owned();
                let reason = if words.is_empty() { format!("{} exists", file.display()) } else { words };
                let _ = engine.operator("file", Command::Kill { reason }).await;
            }
        }
        tokio::time::sleep(Duration::from_millis(LOOK_MS)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_words_that_switch_it_on_are_understood() {
        for word in ["on", "ENABLE now", "halt", "\"stop\""] {
            assert!(kill_reason(word.as_bytes()).is_some(), "{word}");
        }
        for word in ["off", "disable", "resume", "", "\u{0}", "onwards"] {
            assert_eq!(kill_reason(word.as_bytes()), None, "{word}");
        }
        assert_eq!(kill_reason(b"halt too much slippage").as_deref(), Some("too much slippage"));
    }
}
