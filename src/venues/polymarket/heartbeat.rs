//! The dead man's switch (`polymarket.md` §5): a beat every 5 s, each with the id that the one before gave. Without a beat
//! for 10 s the venue cancels every open order of this API key, so nothing opens while we can't be sure of it.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;

use super::client::{CallError, Client};
use crate::domain::time::Mono;

/// Beyond this without an accepted beat, orders may be cancelled at any moment.
const UNHELD_AFTER_MS: i64 = 8_000;

#[derive(Clone, Copy, Debug)]
pub struct HeartbeatSettings {
    pub every_ms: u64,
    /// A beat that takes longer is sent anew.
    pub timeout_ms: u64,
    /// After a beat that failed.
    pub again_ms: u64,
}

impl Default for HeartbeatSettings {
    fn default() -> Self {
        Self { every_ms: 5_000, timeout_ms: 2_500, again_ms: 500 }
    }
}

/// Ends the beats when it is dropped; the venue then cancels what rests.
#[derive(Debug)]
pub struct Heartbeat(JoinHandle<()>);

impl Drop for Heartbeat {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The first beat arms the switch; there is no way to disarm it.
pub fn start(client: Arc<Client>, settings: HeartbeatSettings) -> Heartbeat {
    Heartbeat(tokio::spawn(async move {
        let begun = client.clock().now().mono;
        let mut beats = Beats { client, settings, id: String::new(), held_at: begun };
        loop {
            let pause_ms = if beats.beat().await { settings.every_ms } else { settings.again_ms };
            tokio::time::sleep(Duration::from_millis(pause_ms)).await;
        }
    }))
}

struct Beats {
    client: Arc<Client>,
    settings: HeartbeatSettings,
    /// Of the next beat; empty for the first.
    id: String,
    held_at: Mono,
}

impl Beats {
    /// One beat, and at once another when the venue expected another id.
    async fn beat(&mut self) -> bool {
        let why = match self.once().await {
            Ok(()) => return true,
            Err(CallError::Refused { refusal, .. }) if refusal.heartbeat_id.is_some() => {
                self.id = refusal.heartbeat_id.unwrap_or_default();
                match self.once().await {
                    Ok(()) => return true,
                    Err(error) => error.to_string(),
                }
            }
            Err(error) => error.to_string(),
        };
        if self.client.clock().now().mono > self.held_at.plus_ms(UNHELD_AFTER_MS) {
            let why = format!("no heartbeat was accepted for {UNHELD_AFTER_MS} ms: the venue cancels what rests ({why})");
            self.client.standing().unheld(Some(why));
        }
        false
    }

    async fn once(&mut self) -> Result<(), CallError> {
        let sent_at = self.client.clock().now().mono;
        let limit = Duration::from_millis(self.settings.timeout_ms);
        let late = || CallError::Unclear { why: format!("no answer within {} ms", self.settings.timeout_ms) };
        self.id = tokio::time::timeout(limit, self.client.beat(&self.id)).await.map_err(|_| late())??;
        // Counted from when it was sent: when the venue took it, nobody knows.
        self.held_at = sent_at;
        self.client.standing().unheld(None);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
