//! The log as lines for people and as JSON for programs. Signatures are never shown; bytes are decoded or measured.

use serde_json::{Map, Value, json};

use super::explain::checks_of;
use super::narrate;
use crate::domain::event::{Event, Recorded};
use crate::domain::ids::{Mode, OrderId, sha256};
use crate::domain::time::Time;
use crate::domain::verdict::{Approver, RiskRequest};

/// The first characters of an order id: enough to tell orders of one screen apart, and to be looked up by.
pub fn short(order_id: &OrderId) -> String {
    order_id.to_string()[..8].to_owned()
}

/// To the millisecond: for people.
pub fn at_ms(at: Time) -> String {
    Time::from_ms(at.ms()).to_string()
}

/// One line: time, seq, mode tag and order where there is one, event, what matters of it.
pub fn line(record: &Recorded, mode: Mode) -> String {
    let order = record.correlation.map_or(String::new(), |id| format!(" {} {}", mode.tag(), short(&id)));
    format!("{} #{}{order} {} {}", at_ms(record.recorded_at), record.seq, record.event.name(), narrate::event(&record.event))
}

/// One event whole: money as text, times as RFC 3339, no raw bytes.
pub fn json(record: &Recorded, mode: Mode) -> Value {
    json!({
        "seq": record.seq,
        "epoch": record.epoch,
        "at": record.recorded_at,
        "mode": mode,
        "order_id": record.correlation,
        "causation_seq": record.causation_seq,
        "event": record.event.name(),
        "data": data(&record.event),
        "text": line(record, mode),
    })
}

fn data(event: &Event) -> Value {
    match event {
        Event::OrderRequested { order_id, signal_id, content_hash, request, order } => json!({
            "order_id": order_id,
            "signal_id": signal_id,
            "content_hash": content_hash,
            "request": RiskRequest::decode(request).map_or_else(|_| measured(request), |request| json!(request)),
            "order": order,
        }),
        Event::OrderApproved { order_id, by, verdict, signature, risk_epoch } => json!({
            "order_id": order_id,
            "by": narrate::approver(*by),
            "risk_epoch": risk_epoch,
            "checks": checks_of(*by, verdict).map_or_else(|| measured(verdict), |checks| json!(checks)),
            "signed": !signature.is_empty(),
        }),
        Event::OrderVetoed { order_id, failures, verdict, signature } => json!({
            "order_id": order_id,
            "failures": failures,
            "checks": checks_of(Approver::Risk, verdict),
            "signed": !signature.is_empty(),
        }),
        Event::SubmitStarted { signed: Some(signed), .. } => {
            let mut shown = fields(event);
            if let Some(inner) = shown["signed"].as_object_mut() {
                inner.remove("sealed_signature");
                inner.insert("sealed".to_owned(), json!(!signed.sealed_signature.is_empty()));
            }
            shown
        }
        other => fields(other),
    }
}

/// The fields of an event that holds no bytes.
fn fields(event: &Event) -> Value {
    match serde_json::to_value(event) {
        Ok(Value::Object(tagged)) => tagged.into_iter().next().map_or(Value::Null, |(_, inner)| inner),
        Ok(_) | Err(_) => Value::Object(Map::new()),
    }
}

fn measured(bytes: &[u8]) -> Value {
    json!({ "bytes": bytes.len(), "sha256": sha256(&[bytes]) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::fixture::World;

    #[test]
    fn each_order_line_carries_mode_order_and_numbers() {
        let mut world = World::begun();
        world.open("s-1", "KXNBAGAME-26JAN27PORWAS-POR", "0.52", 10);
        let lines: Vec<String> = world.history().records.iter().map(|record| line(record, Mode::Paper)).collect();
        let filled = lines.iter().find(|line| line.contains(" Filled ")).expect("a fill");
        assert!(filled.contains("[PAPER]") && filled.contains("buy 10 of kalshi KXNBAGAME-26JAN27PORWAS-POR yes at 0.52"), "{filled}");
        assert!(lines[0].contains("#1 SessionStarted") && !lines[0].contains("[PAPER]"), "{}", lines[0]);
    }

    #[test]
    fn json_holds_no_raw_bytes_and_no_signature() {
        let mut world = World::begun();
        world.open("s-1", "KXNBAGAME-26JAN27PORWAS-POR", "0.52", 10);
        for record in &world.history().records {
            let value = json(record, Mode::Paper);
            let text = value.to_string();
            assert!(!text.contains("signature"), "{text}");
            assert!(!has_numbers_list(&value), "raw bytes in {text}");
            assert_eq!(value["event"], record.event.name());
            assert!(value["at"].as_str().is_some_and(|at| at.starts_with("2026-")), "{text}");
        }
        let approved =
            world.history().records.iter().map(|r| json(r, Mode::Paper)).find(|v| v["event"] == "OrderApproved").expect("approved");
        assert_eq!(approved["data"]["checks"][0]["passed"], true);
    }

    fn has_numbers_list(value: &Value) -> bool {
        match value {
            Value::Array(items) => items.len() > 8 && items.iter().all(Value::is_u64) || items.iter().any(has_numbers_list),
            Value::Object(map) => map.values().any(has_numbers_list),
            _ => false,
        }
    }
}
