//! Questions and commands, as both sides of the wire write them: the path here is the path in `routes`.

use serde::{Deserialize, Serialize};

use crate::domain::adjustment::{Adjustment, NewHolding};
use crate::domain::event::Scope;
use crate::domain::ids::MarketId;
use crate::domain::market::{Outcome, Settlement, Venue};
use crate::domain::money::{Quantity, Usd};

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Query {
    Status,
    Positions,
    /// The newest `limit` in this state (`all`, `live`, or a state's name).
    Orders {
        state: Option<String>,
        limit: Option<usize>,
    },
    Pnl,
    /// The cash of a day against what venues say; without a day, of the present one.
    Cash {
        day: Option<String>,
    },
    Exposure,
    /// The trading day (the last one without a name), or the seven days that end with it.
    Report {
        week: bool,
        day: Option<String>,
    },
    /// A signal id, an order id or the start of one, or `dl:<number>`.
    Explain {
        id: String,
    },
    /// Events from a seq on; without one the last ones.
    Tail {
        from: Option<u64>,
        limit: Option<usize>,
    },
    Breaker,
    Kill,
    /// The fold from zero, up to a seq or a time.
    Replay {
        until: Option<String>,
    },
    /// Chain, laws, signatures, replay.
    Verify,
    DeadLetters {
        id: Option<u64>,
        limit: Option<usize>,
    },
    /// Records as stored.
    Records {
        from: u64,
        limit: Option<usize>,
    },
}

impl Query {
    /// Path and parameters.
    pub fn parts(&self) -> (&'static str, Vec<(&'static str, String)>) {
        let mut parameters = Vec::new();
        let mut add = |name: &'static str, value: Option<String>| parameters.extend(value.map(|value| (name, value)));
        let text = |number: &Option<usize>| number.map(|number| number.to_string());
        let path = match self {
            Self::Status => "/api/status",
            Self::Positions => "/api/positions",
            Self::Orders { state, limit } => {
                add("state", state.clone());
                add("limit", text(limit));
                "/api/orders"
            }
            Self::Pnl => "/api/pnl",
            Self::Cash { day } => {
                add("day", day.clone());
                "/api/cash"
            }
            Self::Exposure => "/api/exposure",
            Self::Report { week, day } => {
                add("week", week.then(|| "true".to_owned()));
                add("day", day.clone());
                "/api/report"
            }
            Self::Explain { id } => {
                add("id", Some(id.clone()));
                "/api/explain"
            }
            Self::Tail { from, limit } => {
                add("from", from.map(|from| from.to_string()));
                add("limit", text(limit));
                "/api/tail"
            }
            Self::Breaker => "/api/breaker",
            Self::Kill => "/api/kill",
            Self::Replay { until } => {
                add("until", until.clone());
                "/api/replay"
            }
            Self::Verify => "/api/verify",
            Self::DeadLetters { id, limit } => {
                add("id", id.map(|id| id.to_string()));
                add("limit", text(limit));
                "/api/dead-letters"
            }
            Self::Records { from, limit } => {
                add("from", Some(from.to_string()));
                add("limit", text(limit));
                "/api/records"
            }
        };
        (path, parameters)
    }

    /// Raw records hold what is kept out of every other answer.
    pub fn needs_token(&self) -> bool {
        matches!(self, Self::Records { .. })
    }
}

/// What an operator wants changed. `by` says who, in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    Kill {
        on: bool,
        reason: String,
        by: String,
    },
    ResetBreaker {
        scope: Scope,
        reason: String,
        by: String,
    },
    CancelAll {
        by: String,
    },
    /// Read the account of this venue, or of all, and compare.
    Reconcile {
        venue: Option<Venue>,
        by: String,
    },
    Settle {
        venue: Venue,
        market: MarketId,
        settlement: Settlement,
        by: String,
    },
    /// Book a proven difference.
    Adjust {
        body: Box<AdjustBody>,
        by: String,
    },
}

/// `POST /api/kill`
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KillBody {
    pub on: bool,
    #[serde(default)]
    pub reason: String,
    #[serde(default)]
    pub by: String,
}

/// `POST /api/breaker/reset`
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResetBody {
    /// `global`, `venue:<venue>`, `game:<game>`, `market:<venue>:<id>`.
    #[serde(default = "global")]
    pub scope: String,
    #[serde(default)]
    pub reason: String,
    #[serde(default)]
    pub by: String,
}

fn global() -> String {
    "global".to_owned()
}

/// `POST /api/cancel-all`
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CancelBody {
    #[serde(default)]
    pub by: String,
}

/// `POST /api/reconcile`
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReconcileBody {
    #[serde(default)]
    pub venue: Option<Venue>,
    #[serde(default)]
    pub by: String,
}

/// `POST /api/settle`
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SettleBody {
    pub venue: Venue,
    pub market: MarketId,
    /// `yes`, `no`, `void`, or what YES pays.
    pub result: String,
    #[serde(default)]
    pub by: String,
}

/// `POST /api/adjust`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdjustBody {
    pub venue: Venue,
    /// Ticker or token; with quantity and cost.
    #[serde(default)]
    pub market: Option<MarketId>,
    #[serde(default)]
    pub outcome: Option<Outcome>,
    /// Contracts held from now on, and what they cost.
    #[serde(default)]
    pub quantity: Option<Quantity>,
    #[serde(default)]
    pub cost: Option<Usd>,
    /// Cash that came; below zero, went.
    #[serde(default)]
    pub cash: Option<Usd>,
    /// It is a gain or a loss of trading.
    #[serde(default)]
    pub counts: bool,
    pub reason: String,
    #[serde(default)]
    pub by: String,
}

impl AdjustBody {
    /// Errors: a holding without quantity or cost, or these without a market.
    pub fn adjustment(&self) -> Result<Adjustment, String> {
        let holding = match (&self.market, self.quantity, self.cost) {
            (None, None, None) => None,
            (Some(market), Some(quantity), Some(cost)) => {
                Some(NewHolding { market: market.clone(), outcome: self.outcome, quantity, cost })
            }
            _ => return Err("a holding is market, quantity and cost together".to_owned()),
        };
        Ok(Adjustment { venue: self.venue, holding, cash: self.cash, counts: self.counts, reason: self.reason.clone() })
    }
}

impl Command {
    /// Path and body.
    pub fn parts(&self) -> (&'static str, serde_json::Value) {
        match self {
            Self::Kill { on, reason, by } => ("/api/kill", serde_json::json!({ "on": on, "reason": reason, "by": by })),
            Self::ResetBreaker { scope, reason, by } => {
                ("/api/breaker/reset", serde_json::json!({ "scope": scope.to_string(), "reason": reason, "by": by }))
            }
            Self::CancelAll { by } => ("/api/cancel-all", serde_json::json!({ "by": by })),
            Self::Reconcile { venue, by } => ("/api/reconcile", serde_json::json!({ "venue": venue, "by": by })),
            Self::Adjust { body, by } => {
                let body = AdjustBody { by: by.clone(), ..(**body).clone() };
                ("/api/adjust", serde_json::json!(body))
            }
            Self::Settle { venue, market, settlement, by } => {
                ("/api/settle", serde_json::json!({ "venue": venue, "market": market, "result": settled_as(*settlement), "by": by }))
            }
        }
    }
}

/// What `Settlement::parse` reads.
fn settled_as(settlement: Settlement) -> String {
    match settlement {
        Settlement::Yes => "yes".to_owned(),
        Settlement::No => "no".to_owned(),
        Settlement::Void => "void".to_owned(),
        Settlement::Scalar(value) => value.to_string(),
    }
}
