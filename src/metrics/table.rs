//! What is measured. `ops/metrics.md` is written from this table.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Counter,
    Gauge,
    Histogram,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metric {
    pub name: &'static str,
    pub kind: Kind,
    pub labels: &'static [&'static str],
    /// With the unit, where the name doesn't end in it.
    pub help: &'static str,
}

macro_rules! metrics {
    ($($word:ident $kind:ident $name:literal [$($label:literal),*] $help:literal;)+) => {
        pub mod names {
            use super::{Kind, Metric};
            $(pub const $word: &Metric = &Metric { name: concat!("arbees_", $name), kind: Kind::$kind, labels: &[$($label),*], help: $help };)+
        }
        /// In the order of the flow.
        pub const ALL: &[&Metric] = &[$(names::$word,)+];
    };
}

metrics! {
    BUILD_INFO Gauge "build_info" ["version", "mode", "instance", "config_hash", "log_id"] "Always 1: which program with which settings on which log.";
    START_TIME Gauge "start_time_seconds" [] "When this process began, in Unix time.";
    READY Gauge "ready" [] "1 while a signal would be traded; /readyz says why not.";
    HALTED Gauge "halted" [] "1 once the engine has halted: it decides nothing any more.";
    SIGNALS_RECEIVED Counter "signals_received_total" ["venue"] "Signals that were answered, by the venue of their subject.";
    SIGNALS_REJECTED Counter "signals_rejected_total" ["reason"] "Signals that could not be understood.";
    SIGNALS_REQUESTED Counter "signals_requested_total" [] "Signals that became an order.";
    SIGNALS_VETOED Counter "signals_vetoed_total" [] "Signals that were vetoed.";
    SIGNALS_DUPLICATE Counter "signals_duplicate_total" [] "Signals that came again.";
    SIGNALS_IGNORED Counter "signals_ignored_total" [] "Signals that said hold.";
    SIGNAL_WARNINGS Counter "signal_warnings_total" [] "What signals left unclear and the parser assumed: naive times, unknown fields.";
    SIGNAL_AGE Gauge "signal_last_age_seconds" [] "Since the last signal; since the start while there was none.";
    DEAD_LETTERS Gauge "dead_letters" [] "Messages kept raw because nobody understood them.";
    DEAD_LETTERS_ADDED Counter "dead_letters_total" [] "Messages that joined them since the start.";
    APPROVALS Counter "approvals_total" ["by"] "Approvals: by risk, or by the reduce rule while risk is silent.";
    VETOES Counter "vetoes_total" ["reason"] "Failed checks of vetoed signals, each counted.";
    VERDICTS_WAITING Gauge "verdicts_waiting" [] "Questions to risk that are open.";
    RISK_AGE Gauge "risk_last_heard_age_seconds" [] "Since the risk consumer last said hello.";
    ORDERS Gauge "orders" ["venue", "state"] "Orders in the fold.";
    ORDERS_SENT Counter "orders_sent_total" ["venue"] "Attempts to send an order.";
    FILLS Counter "fills_total" ["venue"] "Fills.";
    UNKNOWN Gauge "orders_unknown" [] "Orders whose fate is unknown.";
    UNKNOWN_AGE Gauge "orders_unknown_oldest_age_seconds" [] "Age of the oldest of them; 0 without any.";
    BREAKERS Gauge "breakers" ["kind", "state"] "Breakers that are not closed.";
    KILL_ON Gauge "kill_on" [] "1 while the kill is on.";
    EXPOSURE Gauge "exposure_dollars" ["scope"] "Worst case, with what is in flight: in all, per venue, of the largest game and sport.";
    EXPOSURE_LIMIT Gauge "exposure_limit_dollars" ["scope"] "The most that it may be.";
    DAILY_PNL Gauge "daily_pnl_dollars" [] "Realised and marked since the day began.";
    DAILY_LOSS_LIMIT Gauge "daily_loss_limit_dollars" [] "The loss at which nothing opens any more.";
    CASH Gauge "cash_dollars" ["venue"] "Cash as folded from the log.";
    CASH_STATED Gauge "cash_stated_dollars" ["venue"] "Cash as the venue last stated it.";
    CASH_UNEXPLAINED Gauge "cash_unexplained_dollars" ["venue"] "What the last count left between log and venue, without its sign.";
    LOG_APPEND Histogram "log_append_seconds" [] "From a decision to its being on disk.";
    LOG_SYNC Histogram "log_sync_seconds" [] "One commit of the journal: write and sync.";
    LOG_BYTES Gauge "log_bytes" [] "Bytes of journal and index on disk.";
    LOG_RECORDS Gauge "log_records" [] "Records of the log.";
    LOG_WRITABLE Gauge "log_writable" [] "0 once the log takes no more records.";
    LOG_WAITING Gauge "log_appends_waiting" [] "Appends that wait for the disk.";
    REPLAY Gauge "replay_seconds" [] "How long the fold of the log took at the start.";
    REPLAY_DIFFERS Gauge "replay_differs" [] "1 when the last replay gave another state than the living engine's.";
    DISK_FREE Gauge "disk_free_bytes" [] "Free on the file system of DATA_DIR.";
    DISK_SIZE Gauge "disk_size_bytes" [] "Size of that file system.";
    BUS_CONNECTED Gauge "bus_connected" [] "1 while NATS is there.";
    BUS_CONNECTS Counter "bus_connects_total" [] "Connections made to it.";
    BUS_DROPPED Counter "bus_messages_dropped_total" [] "Messages that a full queue lost; they are read again.";
    BUS_VIOLATIONS Counter "bus_violations_total" [] "What the server refused this role.";
    BUS_LAG Gauge "bus_lag_messages" [] "Signals in the stream that this engine has not taken yet.";
    REQUESTS Histogram "venue_request_seconds" ["venue", "call", "class"] "Requests to venues: ok, refused, rate_limited, server_error, timeout, unreadable, not_sent.";
    BUDGET Gauge "rate_budget_remaining" ["venue", "bucket"] "Requests that may go out now.";
    STREAM_AGE Gauge "stream_last_message_age_seconds" ["venue"] "Since the venue's stream last said anything.";
    CLOCK_SKEW Gauge "clock_skew_seconds" ["venue"] "How far our clock is at least from the venue's.";
    VENUE_MODE Gauge "venue_mode" ["venue", "mode"] "1 for the mode the venue is in, 0 for the others.";
    RECONCILED_AGE Gauge "reconciliation_age_seconds" ["venue"] "Since the account was last read whole and agreed.";
    DIVERGENCES Gauge "reconciliation_divergences" ["venue"] "Differences between log and account that nobody has explained.";
    LEASE_EPOCH Gauge "lease_epoch" ["lease"] "Revision of the lease.";
    LEASE_HELD Gauge "lease_held" ["lease"] "1 while it is ours.";
    NOTIFICATIONS Counter "notifications_total" ["outcome"] "Messages for the webhook: sent, failed, dropped.";
    STAGES Histogram "stage_seconds" ["stage"] "delivery: made to asked about; verdict: asked to answered; durable_write: decided to on disk; send: on disk to the socket; reply: sent to answered; fill: answered to filled.";
}

/// The table for people.
pub fn markdown() -> String {
    let mut text = String::from(
        "# Metrics\n\nServed on `HTTP_ADDR/metrics`. Written from `src/metrics/table.rs` by its test.\n\n| metric | kind | labels | meaning |\n|---|---|---|---|\n",
    );
    for metric in ALL {
        let kind = match metric.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        text += &format!("| `{}` | {kind} | {} | {} |\n", metric.name, metric.labels.join(", "), metric.help);
    }
    text
}
