//! What an operator has: metrics, alerts, dashboard, notifications, audits, deployment. The program as it is built, over its own doors.
