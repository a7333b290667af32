//! One short function per rule: the case in, a check out; `None` where the case lacks what the rule is about
//! (the missing piece has failed a check of its own).

/// Rates, errors in a row, unknown orders, cash.
pub mod activity;
/// The book the strategy saw.
pub mod book;
/// The caps of the first live days.
pub mod canary;
/// Edge and probability.
pub mod edge;
/// Worst cases and conflicting intents.
pub mod exposure;
/// The day's loss.
pub mod loss;
/// Contracts, dollars, prices.
pub mod size;
/// Kill and breakers.
pub mod stops;
/// What the signal says of instrument and time.
pub mod terms;

use crate::domain::ids::Mode;
use crate::domain::limits::Limits;
use crate::domain::order::Order;
use crate::domain::time::Time;
use crate::domain::verdict::OrderRequest;
use crate::projections::{Projections, Worst};

/// Everything a rule may look at.
pub struct Case<'a> {
    pub projections: &'a Projections,
    pub limits: &'a Limits,
    pub request: &'a OrderRequest,
    pub order: Option<&'a Order>,
    /// Granted, not yet in the log.
    pub others: &'a [&'a Order],
    /// With this order and the others.
    pub worst: Option<Worst>,
    pub mode: Mode,
    pub now: Time,
}
