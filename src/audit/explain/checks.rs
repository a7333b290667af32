//! Verdicts, read back from the bytes that were signed and logged.

use serde::{Serialize, Serializer};
use serde_json::Value;

use super::RequestView;
use crate::audit::narrate;
use crate::domain::event::{Event, Recorded};
use crate::domain::ids::OrderId;
use crate::domain::signal::Signal;
use crate::domain::verdict::{Approver, Check, Failure, Reason, RiskRequest, Verdict};

/// One check as it came out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CheckView {
    /// The reason it gives when it fails.
    pub check: Reason,
    pub passed: bool,
    pub observed: String,
    pub limit: String,
    /// `risk`, `reduce_rule`, or `engine` where something had changed since risk looked.
    pub by: &'static str,
}

impl CheckView {
    fn of(check: &Check, by: &'static str) -> Self {
        Self { check: check.reason, passed: check.passed, observed: check.observed.to_string(), limit: check.limit.to_string(), by }
    }
}

/// All checks of a logged verdict; `None` where there is none or it can't be read.
pub fn checks_of(by: Approver, verdict: &[u8]) -> Option<Vec<Check>> {
    match by {
        Approver::Risk => rmp_serde::from_slice::<Verdict>(verdict).ok().map(|verdict| verdict.checks),
        Approver::ReduceRule => rmp_serde::from_slice(verdict).ok(),
    }
}

/// The request that was put to risk.
pub fn request_of(record: &Recorded) -> Option<RiskRequest> {
    match &record.event {
        Event::OrderRequested { request, .. } => RiskRequest::decode(request).ok(),
        _ => None,
    }
}

pub fn signal_of(record: &Recorded) -> Option<Signal> {
    request_of(record).map(|request| request.request.signal)
}

pub fn request_view(order_id: OrderId, revision: u32, records: &[Recorded]) -> RequestView {
    let asked_at = records.iter().find_map(request_of).map(|request| request.asked_at);
    let open =
        RequestView { order_id, revision, asked_at: asked_at.unwrap_or_default(), verdict: "open", by: "engine", checks: Vec::new() };
    for record in records {
        match &record.event {
            Event::OrderApproved { by, verdict, .. } => {
                let by_name = narrate::approver(*by);
                let checks = checks_of(*by, verdict).unwrap_or_default();
                let checks = checks.iter().map(|check| CheckView::of(check, by_name)).collect();
                return RequestView { verdict: "approved", by: by_name, checks, ..open };
            }
            Event::OrderVetoed { failures, verdict, .. } => return vetoed(open, failures, verdict),
            _ => {}
        }
    }
    open
}

/// Risk's checks where it gave any; what failed besides was the engine's own doing.
fn vetoed(open: RequestView, failures: &[Failure], verdict: &[u8]) -> RequestView {
    let of_risk = checks_of(Approver::Risk, verdict).unwrap_or_default();
    let mut checks: Vec<CheckView> = of_risk.iter().map(|check| CheckView::of(check, "risk")).collect();
    let risk_said_no = checks.iter().any(|check| !check.passed);
    for failure in failures {
        let known = |check: &CheckView| !check.passed && check.check == failure.reason && *check.observed == *failure.observed;
        if !checks.iter().any(known) {
            let check = Check::failed(failure.reason, failure.observed.clone(), failure.limit.clone());
            checks.push(CheckView::of(&check, "engine"));
        }
    }
    RequestView { verdict: "vetoed", by: if risk_said_no { "risk" } else { "engine" }, checks, ..open }
}

/// As the contract of signals writes it: `edge_pct` in percentage points instead of dollars per contract.
pub fn signal_as_sent<S: Serializer>(signal: &Option<Signal>, serializer: S) -> Result<S::Ok, S::Error> {
    let Some(signal) = signal else { return serializer.serialize_none() };
    let mut value = serde_json::to_value(signal).map_err(serde::ser::Error::custom)?;
    if let Value::Object(fields) = &mut value {
        fields.remove("declared_edge");
        fields.insert("edge_pct".to_owned(), signal.declared_edge.map_or(Value::Null, |edge| Value::String(edge.points())));
    }
    value.serialize(serializer)
}
