//! Names on the bus. Every subject but the signals' carries mode and instance, so that a paper engine can
//! never take a live engine's verdicts, answer its requests or stop it (design §2.1).

use crate::domain::ids::{Instance, Mode};
use crate::domain::market::Venue;

/// The JetStream stream that keeps signals until they are answered.
pub const SIGNALS_STREAM: &str = "SIGNALS";
/// All signals, whatever the venue.
pub const SIGNALS_ALL: &str = "signals.>";
/// Nobody ever answers here: "no responders" proves that the server has read everything sent before.
pub const PING: &str = "arbees.ping";

/// The subjects of one engine and its risk consumer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subjects {
    /// Answers to the senders of signals.
    pub answers: String,
    /// Records as they are appended.
    pub events: String,
    /// Engine asks risk for a verdict.
    pub risk_request: String,
    /// Risk asks the engine: trip a breaker, hello.
    pub risk_tell: String,
    /// Ranges of the log (`envelope::RangeRequest`).
    pub log_read: String,
    /// Operators switch the kill on; never off.
    pub control_kill: String,
    /// The engine's place in the stream of signals.
    pub engine_durable: String,
}

impl Subjects {
    pub fn of(mode: Mode, instance: &Instance) -> Self {
        Self {
            answers: format!("answers.{mode}.{instance}"),
            events: format!("events.{mode}.{instance}"),
            risk_request: format!("risk.request.{mode}.{instance}"),
            risk_tell: format!("risk.tell.{mode}.{instance}"),
            log_read: format!("log.read.{mode}.{instance}"),
            control_kill: format!("control.{mode}.{instance}.kill"),
            engine_durable: format!("engine-{mode}-{instance}"),
        }
    }
}

/// Where strategies send signals for `venue`.
pub fn signals_of(venue: Venue) -> String {
    format!("signals.{venue}")
}

/// What an engine takes by default: each venue's subject and everything under it.
pub fn signal_filters() -> Vec<String> {
    [Venue::Kalshi, Venue::Polymarket, Venue::Paper]
        .into_iter()
        .flat_map(|venue| [signals_of(venue), format!("{}.>", signals_of(venue))])
        .collect()
}

/// Whether a message may be sent to this subject: tokens of visible characters, none empty, none a wildcard.
pub fn is_publishable(subject: &str) -> bool {
    subject.split('.').all(|token| !token.is_empty() && token != "*" && token != ">" && token.bytes().all(|byte| byte.is_ascii_graphic()))
}

/// NATS matching: `*` stands for one token, a final `>` for one or more.
pub fn matches(pattern: &str, subject: &str) -> bool {
    let mut tokens = subject.split('.');
    for part in pattern.split('.') {
        match (part, tokens.next()) {
            (">", Some(_)) => return true,
            ("*", Some(_)) => {}
            (exact, Some(token)) if exact == token => {}
            _ => return false,
        }
    }
    tokens.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_subject_but_the_signals_carries_mode_and_instance() {
        let subjects = Subjects::of(Mode::DryRun, &Instance::new("main").expect("name"));
        assert_eq!(subjects.control_kill, "control.dry-run.main.kill");
        for text in [&subjects.answers, &subjects.events, &subjects.risk_request, &subjects.risk_tell, &subjects.log_read] {
            assert!(text.ends_with(".dry-run.main"), "{text}");
            assert!(is_publishable(text), "{text}");
        }
        assert_eq!(subjects.engine_durable, "engine-dry-run-main");
    }

    #[test]
    fn two_modes_share_no_subject() {
        let main = Instance::new("main").expect("name");
        let (paper, live) = (Subjects::of(Mode::Paper, &main), Subjects::of(Mode::Live, &main));
        assert!(!matches(&paper.risk_request, &live.risk_request));
        assert_ne!(paper.engine_durable, live.engine_durable);
    }

    #[test]
    fn wildcards_match_as_on_the_server() {
        for (pattern, subject, expected) in [
            ("signals.>", "signals.kalshi", true),
            ("signals.>", "signals.kalshi.nba", true),
            ("signals.>", "signals", false),
            ("signals.*", "signals.kalshi", true),
            ("signals.*", "signals.kalshi.nba", false),
            ("*.kalshi", "signals.kalshi", true),
            ("signals.kalshi", "signals.kalshi", true),
            ("signals.kalshi", "signals.kalsh", false),
            ("signals.kalshi.nba", "signals.kalshi", false),
            (">", "a", true),
        ] {
            assert_eq!(matches(pattern, subject), expected, "{pattern} against {subject}");
        }
    }

    #[test]
    fn the_default_filters_overlap_nowhere_and_cover_every_venue() {
        let filters = signal_filters();
        for subject in ["signals.kalshi", "signals.polymarket", "signals.paper", "signals.kalshi.nba"] {
            assert_eq!(filters.iter().filter(|filter| matches(filter, subject)).count(), 1, "{subject}");
        }
    }

    #[test]
    fn wildcards_and_empty_tokens_are_not_published_to() {
        for bad in ["", "a..b", "a.", "a.*", ">", "a b", "a\r\nPUB x"] {
            assert!(!is_publishable(bad), "{bad:?}");
        }
    }
}
