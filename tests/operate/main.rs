//! What an operator has: metrics, alerts, dashboard, notifications, audits, deployment. The program as it is built, over its own doors.

mod alerts;
#[allow(dead_code)] // tests/worker uses the rest
#[path = "../worker/arbees.rs"]
mod arbees;
mod audit;
mod browser;
mod dashboard;
mod deployment;
mod metrics;
mod notifications;
#[allow(dead_code)] // tests/worker uses the rest
#[path = "../worker/strategy.rs"]
mod strategy;
#[allow(dead_code)] // tests/worker uses the rest
#[path = "../worker/support.rs"]
mod support;
