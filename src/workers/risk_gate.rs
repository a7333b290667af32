//! Questions to the risk consumer: one request over the bus each, silence is an answer too.

use std::sync::Arc;
use std::time::Duration;

use super::engine_loop::EngineHandle;
use crate::bus::Bus;
use crate::crash_points::{Point, reach};
use crate::domain::ids::OrderId;
use crate::domain::verdict::SignedVerdict;
use crate::engine::Input;

#[derive(Clone)]
pub struct RiskGate {
    pub bus: Arc<dyn Bus>,
    /// Where the risk consumer listens.
    pub subject: String,
}

impl RiskGate {
    pub fn ask(&self, order_id: OrderId, bytes: Vec<u8>, timeout_ms: i64, engine: &EngineHandle) {
        let (gate, engine) = (self.clone(), engine.clone());
        tokio::spawn(async move {
            reach(Point::VerdictAskBefore);
            let timeout = Duration::from_millis(timeout_ms.max(1) as u64);
            let signed: Option<SignedVerdict> = match gate.bus.request(&gate.subject, bytes.into(), timeout).await {
                Ok(reply) => rmp_serde::from_slice(&reply).ok(),
                Err(error) => {
                    tracing::warn!("no verdict for order {order_id}: {error}");
                    None
                }
            };
            reach(Point::VerdictAskAfter);
            engine.input(Input::Verdict { order_id, signed });
        });
    }
}
