//! What goes wrong on demand: set through the admin port, each for a count of times or until cleared.

use serde::{Deserialize, Serialize};

/// The words of the admin port; its table is in `mod.rs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    NoReply,
    LateReply,
    LateRequest,
    Status,
    TooManyRequests,
    Refuse,
    BrokenJson,
    Html,
    Truncated,
    Empty,
    WrongEcho,
    StaleRead,
    DropRows,
    SkewedDate,
    SkewedClock,
    PartialFills,
    CancelFills,
    /// A create is held before it matches, or fails after that time.
    Delayed,
    SuccessFalse,
    SuccessButEmptyId,
    TradeHold,
    TradeRetry,
    TradeFail,
    WsDrop,
    WsDuplicate,
    WsDelay,
    WsGap,
    WsSilence,
    WsDisconnect,
    WsRefuse,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// The connection stays open, and nothing comes.
    Hang,
    /// The connection is torn down.
    Reset,
}

/// One fault as it is asked for; what a kind doesn't use is ignored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// Given by the venue.
    #[serde(default)]
    pub id: u64,
    pub kind: Kind,
    /// A call's name; absent: every call.
    #[serde(default)]
    pub call: Option<String>,
    /// Only calls that name this market.
    #[serde(default, alias = "market", alias = "token")]
    pub ticker: Option<String>,
    /// A WebSocket channel; absent: every channel.
    #[serde(default)]
    pub channel: Option<String>,
    /// How many times; absent: until cleared.
    #[serde(default)]
    pub count: Option<u32>,
    /// So many matching ones pass first.
    #[serde(default)]
    pub skip: u32,
    #[serde(default)]
    pub ms: i64,
    /// Whether the venue carries out the call; each kind has its own default.
    #[serde(default)]
    pub processed: Option<bool>,
    #[serde(default)]
    pub how: Option<How>,
    #[serde(default)]
    pub status: Option<u16>,
    #[serde(default)]
    pub code: Option<String>,
    #[serde(default)]
    pub details: Option<String>,
    #[serde(default)]
    pub body: Option<String>,
    /// Contracts, as text.
    #[serde(default)]
    pub quantity: Option<String>,
    /// Rows to drop, or parts to fill in.
    #[serde(default)]
    pub parts: Option<u32>,
    /// How often it has struck.
    #[serde(default)]
    pub struck: u32,
}

/// What leaves instead of the reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deliver {
    Hang,
    Reset,
    Truncated,
    Empty,
    /// Another body or another content type under this status; `None` keeps the reply's.
    Text {
        status: Option<u16>,
        content_type: &'static str,
        body: Option<String>,
    },
}

/// Everything that shall go wrong with one call.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    pub before_ms: i64,
    pub unprocessed: bool,
    pub after_ms: i64,
    pub deliver: Option<Deliver>,
    pub read_lag_ms: i64,
    pub drop_rows: u32,
    pub date_skew_ms: i64,
    pub wrong_echo: bool,
    /// Before the cancel the crowd takes this much; empty text: everything.
    pub hit_first: Option<String>,
    /// A new resting order is filled in parts, one each so many milliseconds.
    pub drip: Option<(u32, i64)>,
    /// Kinds that only some venue knows, for it to understand.
    pub more: Vec<Fault>,
}

/// How a venue says what goes wrong, and what it calls things.
#[derive(Debug)]
pub struct Dialect {
    /// The known calls; a fault for another one is a mistake of whoever asks.
    pub calls: &'static [&'static str],
    pub channels: &'static [&'static str],
    /// Kinds that it plays beside those that every venue does.
    pub more: &'static [Kind],
    /// Kinds that it doesn't play.
    pub without: &'static [Kind],
    pub server_error: &'static str,
    /// The beginning of a reply to a create.
    pub broken: &'static str,
    pub too_many_requests: &'static str,
    /// Status and body of a `refuse`.
    pub refused: fn(&Fault) -> (u16, String),
}

/// Kinds that change an order or its trades after a venue's own manner.
const BY_VENUE: [Kind; 6] =
    [Kind::Delayed, Kind::SuccessFalse, Kind::SuccessButEmptyId, Kind::TradeHold, Kind::TradeRetry, Kind::TradeFail];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnFrame {
    Drop,
    Duplicate,
    Delay(i64),
    /// Skips a number and goes on.
    Gap,
}

#[derive(Debug)]
pub struct Faults {
    dialect: &'static Dialect,
    faults: Vec<Fault>,
    made: u64,
}

impl Faults {
    pub fn new(dialect: &'static Dialect) -> Self {
        Self { dialect, faults: Vec::new(), made: 0 }
    }

    /// Errors: a call, a channel or a kind that this venue doesn't have.
    pub fn add(&mut self, mut fault: Fault) -> Result<u64, String> {
        let dialect = self.dialect;
        if let Some(call) = fault.call.as_deref().filter(|call| !dialect.calls.contains(call)) {
            return Err(format!("no such call: {call}; known: {}", dialect.calls.join(", ")));
        }
        if let Some(channel) = fault.channel.as_deref().filter(|channel| !dialect.channels.contains(channel)) {
            return Err(format!("no such channel: {channel}; known: {}", dialect.channels.join(", ")));
        }
        let played = !BY_VENUE.contains(&fault.kind) || dialect.more.contains(&fault.kind);
        if !played || dialect.without.contains(&fault.kind) {
            return Err(format!("{:?} is not played here", fault.kind));
        }
        self.made += 1;
        fault.id = self.made;
        self.faults.push(fault);
        Ok(self.made)
    }

    pub fn list(&self) -> &[Fault] {
        &self.faults
    }

    pub fn clear(&mut self, id: Option<u64>) {
        self.faults.retain(|fault| id.is_some_and(|id| fault.id != id));
    }

    /// Lets a matching fault strike; spent ones stay listed with what they did.
    fn strike(&mut self, matches: impl Fn(&Fault) -> bool) -> Vec<Fault> {
        let mut striking = Vec::new();
        for fault in self.faults.iter_mut().filter(|fault| fault.count != Some(0) && matches(fault)) {
            if fault.skip > 0 {
                fault.skip -= 1;
                continue;
            }
            fault.count = fault.count.map(|count| count - 1);
            fault.struck += 1;
            striking.push(fault.clone());
        }
        striking
    }

    /// What shall go wrong with this call; `names` says whether it names a market.
    pub fn plan(&mut self, call: &str, write: bool, names: &dyn Fn(&str) -> bool) -> Plan {
        let mut plan = Plan::default();
        let class = if write { "writes" } else { "reads" };
        let hits = |fault: &Fault| {
            let named = fault.call.as_deref().is_none_or(|name| name == call || name == class);
            let market = fault.ticker.as_deref().is_none_or(names);
            named && market && fault.kind.is_of_rest()
        };
        for fault in self.strike(hits) {
            fault.into_plan(self.dialect, &mut plan);
        }
        plan
    }

    /// The markets that faults name.
    pub fn markets(&self) -> impl Iterator<Item = String> + '_ {
        self.faults.iter().filter_map(|fault| fault.ticker.clone())
    }

    /// What shall become of a trade of this market.
    pub fn of_trade(&mut self, names: &dyn Fn(&str) -> bool) -> Option<Fault> {
        let hits = |fault: &Fault| fault.kind.is_of_trades() && fault.ticker.as_deref().is_none_or(names);
        self.strike_first(hits)
    }

    /// Only the first that matches strikes.
    fn strike_first(&mut self, matches: impl Fn(&Fault) -> bool) -> Option<Fault> {
        let found = self.faults.iter().find(|fault| fault.count != Some(0) && matches(fault)).map(|fault| fault.id)?;
        self.strike(|fault| fault.id == found).pop()
    }

    pub fn on_frame(&mut self, channel: &str) -> Vec<OnFrame> {
        let hits = |fault: &Fault| fault.kind.is_of_frames() && fault.channel.as_deref().is_none_or(|name| name == channel);
        let effect = |fault: Fault| match fault.kind {
            Kind::WsDuplicate => OnFrame::Duplicate,
            Kind::WsDelay => OnFrame::Delay(fault.ms),
            Kind::WsGap => OnFrame::Gap,
            _ => OnFrame::Drop,
        };
        self.strike(hits).into_iter().map(effect).collect()
    }

    /// Open sockets say nothing at all, not even pings.
    pub fn silent(&self) -> bool {
        self.faults.iter().any(|fault| fault.kind == Kind::WsSilence && fault.count != Some(0))
    }

    /// The handshake is refused with this status.
    pub fn refuses_socket(&mut self) -> Option<u16> {
        let struck = self.strike(|fault| fault.kind == Kind::WsRefuse);
        struck.first().map(|fault| fault.status.unwrap_or(503))
    }

    /// How far the venue's own clock is off.
    pub fn clock_skew_ms(&self) -> i64 {
        self.faults.iter().filter(|fault| fault.kind == Kind::SkewedClock && fault.count != Some(0)).map(|fault| fault.ms).sum()
    }
}

impl Kind {
    fn is_of_frames(self) -> bool {
        matches!(self, Self::WsDrop | Self::WsDuplicate | Self::WsDelay | Self::WsGap)
    }

    fn is_of_trades(self) -> bool {
        matches!(self, Self::TradeHold | Self::TradeRetry | Self::TradeFail)
    }

    fn is_of_rest(self) -> bool {
        !self.is_of_frames()
            && !self.is_of_trades()
            && !matches!(self, Self::WsSilence | Self::WsDisconnect | Self::WsRefuse | Self::SkewedClock)
    }
}

impl Fault {
    fn into_plan(self, dialect: &Dialect, plan: &mut Plan) {
        let unprocessed = |default: bool| !self.processed.unwrap_or(default);
        let text = |status, content_type, body| Some(Deliver::Text { status, content_type, body });
        match self.kind {
            Kind::NoReply => {
                plan.unprocessed |= unprocessed(true);
                plan.deliver = Some(if self.how == Some(How::Reset) { Deliver::Reset } else { Deliver::Hang });
            }
            Kind::LateReply => plan.after_ms += self.ms,
            Kind::LateRequest => plan.before_ms += self.ms,
            Kind::Status => {
                plan.unprocessed |= unprocessed(false);
                let body = self.body.clone().unwrap_or_else(|| dialect.server_error.to_owned());
                plan.deliver = text(Some(self.status.unwrap_or(500)), "application/json", Some(body));
            }
            Kind::TooManyRequests => {
                plan.unprocessed |= unprocessed(false);
                plan.deliver = text(Some(429), "application/json", Some(dialect.too_many_requests.to_owned()));
            }
            Kind::Refuse => {
                plan.unprocessed |= unprocessed(false);
                let (status, body) = (dialect.refused)(&self);
                plan.deliver = text(Some(status), "application/json", Some(body));
            }
            Kind::BrokenJson => {
                plan.unprocessed |= unprocessed(true);
                let body = self.body.clone().unwrap_or_else(|| dialect.broken.to_owned());
                plan.deliver = text(self.status, "application/json", Some(body));
            }
            Kind::Html => {
                plan.unprocessed |= unprocessed(false);
                let page = "<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>";
                let body = self.body.clone().unwrap_or_else(|| page.to_owned());
                plan.deliver = text(Some(self.status.unwrap_or(502)), "text/html", Some(body));
            }
            Kind::Truncated => {
                plan.unprocessed |= unprocessed(true);
                plan.deliver = Some(Deliver::Truncated);
            }
            Kind::Empty => {
                plan.unprocessed |= unprocessed(true);
                plan.deliver = Some(Deliver::Empty);
            }
            Kind::WrongEcho => plan.wrong_echo = true,
            Kind::StaleRead => plan.read_lag_ms += self.ms,
            Kind::DropRows => plan.drop_rows += self.parts.unwrap_or(1),
            Kind::SkewedDate => plan.date_skew_ms += self.ms,
            Kind::PartialFills => plan.drip = Some((self.parts.unwrap_or(2).max(1), self.ms)),
            Kind::CancelFills => plan.hit_first = Some(self.quantity.unwrap_or_default()),
            kind if BY_VENUE.contains(&kind) => plan.more.push(self),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIALECT: Dialect = Dialect {
        calls: &["create", "cancel"],
        channels: &["fill"],
        more: &[],
        without: &[Kind::WsGap],
        server_error: "{}",
        broken: "{",
        too_many_requests: "{}",
        refused: |_| (409, "{}".to_owned()),
    };

    fn fault(text: &str) -> Fault {
        serde_json::from_str(text).expect(text)
    }

    #[test]
    fn a_fault_strikes_its_calls_as_often_as_it_is_told() {
        let mut faults = Faults::new(&DIALECT);
        faults.add(fault(r#"{"kind":"no_reply","call":"create","count":2,"skip":1}"#)).expect("a known call");
        let strikes = |faults: &mut Faults, call, write| faults.plan(call, write, &|_| true).deliver.is_some();
        assert!(!strikes(&mut faults, "create", true));
        assert!(!strikes(&mut faults, "cancel", true));
        assert!(strikes(&mut faults, "create", true) && strikes(&mut faults, "create", true));
        assert!(!strikes(&mut faults, "create", true));
        assert_eq!(faults.list()[0].struck, 2);
    }

    #[test]
    fn kinds_say_whether_the_venue_carries_the_call_out() {
        let unprocessed = |text| {
            let mut faults = Faults::new(&DIALECT);
            faults.add(fault(text)).expect("a known call");
            faults.plan("create", true, &|_| true).unprocessed
        };
        assert!(!unprocessed(r#"{"kind":"no_reply"}"#));
        assert!(unprocessed(r#"{"kind":"no_reply","processed":false}"#));
        assert!(unprocessed(r#"{"kind":"status","status":503}"#));
        assert!(!unprocessed(r#"{"kind":"status","status":503,"processed":true}"#));
    }

    #[test]
    fn unknown_calls_and_words_are_refused() {
        assert!(Faults::new(&DIALECT).add(fault(r#"{"kind":"no_reply","call":"creat"}"#)).is_err());
        assert!(Faults::new(&DIALECT).add(fault(r#"{"kind":"delayed"}"#)).is_err());
        assert!(Faults::new(&DIALECT).add(fault(r#"{"kind":"ws_gap"}"#)).is_err());
        assert!(serde_json::from_str::<Fault>(r#"{"kind":"no_replay"}"#).is_err());
        assert!(serde_json::from_str::<Fault>(r#"{"kind":"no_reply","cuont":1}"#).is_err());
    }
}
