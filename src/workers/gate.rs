//! The last look before a socket: dry runs send nothing, and nobody sends without the lease.

use std::sync::Arc;

use super::lease::Lease;
use crate::clock::Clock;
use crate::domain::ids::Mode;

#[derive(Clone)]
pub struct Gate {
    pub mode: Mode,
    pub clock: Clock,
    pub leases: Vec<Arc<Lease>>,
}

impl Gate {
    /// Why nothing that trades may be sent now, if so.
    pub fn objection(&self) -> Option<String> {
        if self.mode == Mode::DryRun {
            return Some("dry run: signed, not sent".to_owned());
        }
        let now = self.clock.now();
        self.leases.iter().find_map(|lease| lease.objection(now))
    }
}
