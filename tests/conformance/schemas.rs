//! The documents of the venue as JSON Schema (`vectors/convert.py`).

use serde_json::{Value, json};

use crate::vectors::text;

/// Whatever belongs to a subscription.
const FRAME: &str = "sid";

/// One document, strict: a field that it doesn't name is a fault, too.
pub struct Document {
    whole: Value,
}

/// Fields on the wire that the documents don't name, and where they are known from.
const UNNAMED: &[(&str, &str, &str)] = &[
    (FRAME, "sending_ts_ms", "on every frame (`kalshi.md` §4)"),
    (FRAME, "seq", "also of trades, lives and acknowledgements (`kalshi.md` §4)"),
    ("Market", "response_price_units", "recorded"),
    ("Market", "settlement_bounds_type", "`kalshi.md` §3"),
    ("MarketPosition", "resting_orders_count", "recorded"),
    ("userOrderPayload", "last_update_reason", "`kalshi.md` §2.1, §4"),
    ("userOrderPayload", "exchange_index", "`kalshi.md` §4"),
];

impl Document {
    pub fn openapi() -> Self {
        Self::read("schemas_openapi_3.28.0.json")
    }

    pub fn asyncapi() -> Self {
        Self::read("schemas_asyncapi_2026-08-21.json")
    }

    fn read(name: &str) -> Self {
        let mut whole: Value = serde_json::from_str(&text(name)).expect(name);
        for (schema, definition) in whole["$defs"].as_object_mut().expect("$defs") {
            close(schema, definition);
        }
        Self { whole }
    }

    /// What is wrong with a value, by schema.
    fn faults(&self, schema: &str, value: &Value) -> Vec<String> {
        assert!(self.whole["$defs"][schema].is_object(), "no schema {schema}");
        let root = json!({ "$schema": self.whole["$schema"], "$ref": format!("#/$defs/{schema}"), "$defs": self.whole["$defs"] });
        let validator = jsonschema::options().should_validate_formats(true).build(&root).expect("a schema");
        validator.iter_errors(value).map(|error| format!("{}: {error}", error.instance_path())).collect()
    }

    pub fn check(&self, name: &str, schema: &str, value: &Value) {
        let faults = self.faults(schema, value);
        assert!(faults.is_empty(), "{name} is no {schema}: {faults:#?}\n{value}");
    }

    /// A call of the document: `GET /markets/{ticker}`.
    pub fn operation(&self, method: &str, path: &str) -> (String, &Value) {
        let fits = |pattern: &str| {
            let (theirs, ours): (Vec<&str>, Vec<&str>) = (pattern.split('/').collect(), path.split('/').collect());
            theirs.len() == ours.len() && theirs.iter().zip(&ours).all(|(theirs, ours)| theirs.starts_with('{') || theirs == ours)
        };
        let calls = self.whole["operations"].as_object().expect("operations");
        let mut found: Vec<_> =
            calls.iter().filter(|(call, _)| call.split_once(' ').is_some_and(|(verb, at)| verb == method && fits(at))).collect();
        // A word is nearer than a parameter.
        found.sort_by_key(|(call, _)| call.matches('{').count());
        let (call, operation) = found.first().unwrap_or_else(|| panic!("the document has no {method} {path}"));
        ((*call).clone(), operation)
    }

    pub fn message(&self, name: &str) -> String {
        self.whole["messages"][name].as_str().unwrap_or_else(|| panic!("no message {name}")).to_owned()
    }
}

/// Every object takes only what it names.
fn close(schema: &str, node: &mut Value) {
    match node {
        Value::Object(map) => {
            if map.get("properties").is_some_and(Value::is_object) && !map.contains_key("additionalProperties") {
                let properties = map["properties"].as_object_mut().expect("properties");
                let frame = properties.contains_key(FRAME);
                for (_, field, _) in UNNAMED.iter().filter(|(at, ..)| *at == schema || *at == FRAME && frame) {
                    properties.entry(*field).or_insert(json!({}));
                }
                map.insert("additionalProperties".into(), false.into());
            }
            map.values_mut().for_each(|value| close(schema, value));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| close(schema, item)),
        _ => {}
    }
}
