//! Types and published schemas say the same, in both directions: what we write validates, and what the schemas refuse
//! our readers refuse too. After a deliberate change: `UPDATE_EXPECT=1 cargo test --test schemas`.

mod samples;
mod signals;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use arbees::domain::answer::Answer;
use arbees::domain::event::{Event, Recorded};
use arbees::domain::market::Venue;
use arbees::domain::money::Usd;
use arbees::domain::verdict::{Reason, Verdict};
use jsonschema::Validator;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

const KINDS: [&str; 4] = ["signal", "event", "verdict", "answer"];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas/v1")
}

fn schema(name: &str) -> Value {
    let path = folder().join(format!("{name}.json"));
    serde_json::from_slice(&std::fs::read(&path).expect("schema")).expect("JSON")
}

/// The schemas refer to `types.json` beside them.
fn validator(name: &str) -> Validator {
    let registry = jsonschema::Registry::new().add("file:///v1/types.json", schema("types")).expect("types").prepare().expect("registry");
    let options = jsonschema::options().with_registry(&registry).with_base_uri(format!("file:///v1/{name}.json"));
    options.build(&schema(name)).expect("schema")
}

fn to_json(value: &impl Serialize) -> Value {
    serde_json::to_value(value).expect("serialises")
}

/// The example files of a kind, by name.
fn examples(kind: &str, verdict: &str) -> Vec<(String, Vec<u8>)> {
    let folder = folder().join("examples").join(kind).join(verdict);
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<_> = entries.map(|entry| entry.expect("entry").path()).collect();
    files.sort();
    assert!(files.len() >= 3, "{}: too few examples", folder.display());
    files.into_iter().map(|path| (path.display().to_string(), std::fs::read(&path).expect("example"))).collect()
}

fn parse_example(file: &(String, Vec<u8>)) -> Value {
    serde_json::from_slice(&file.1).unwrap_or_else(|error| panic!("{}: {error}", file.0))
}

fn must_hold(validator: &Validator, value: &Value, what: &str) {
    if let Some(error) = validator.iter_errors(value).next() {
        panic!("{what}: {error} at {}\n{value:#}", error.instance_path());
    }
}

/// Everything one closed type has to keep. `may_be_missing`: names written only when there is something to say.
fn closed_type<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(kind: &str, samples: &[T], may_be_missing: &[&str]) {
    let validator = validator(kind);
    for sample in samples {
        let value = to_json(sample);
        must_hold(&validator, &value, kind);
        assert_eq!(&serde_json::from_value::<T>(value.clone()).expect("reads back"), sample);
        for (path, broken) in with_wrong_leaves(&value) {
            assert!(!validator.is_valid(&broken), "{kind}: the schema takes a wrong type at {path}");
            assert!(serde_json::from_value::<T>(broken).is_err(), "{kind}: the reader takes a wrong type at {path}");
        }
        for (path, broken) in with_more_or_less(&value, may_be_missing) {
            assert!(!validator.is_valid(&broken), "{kind}: the schema takes another set of names at {path}");
        }
    }
    for file in examples(kind, "valid") {
        let value = parse_example(&file);
        must_hold(&validator, &value, &file.0);
        serde_json::from_value::<T>(value).unwrap_or_else(|error| panic!("{}: {error}", file.0));
    }
    for file in examples(kind, "invalid") {
        let value = parse_example(&file);
        assert!(!validator.is_valid(&value), "{}: the schema takes it", file.0);
        assert!(serde_json::from_value::<T>(value).is_err(), "{}: the reader takes it", file.0);
    }
}

/// Copies of the value, each with one leaf of a type that is nowhere right.
fn with_wrong_leaves(value: &Value) -> Vec<(String, Value)> {
    pointers(value, &|one| !one.is_object() && !one.is_array())
        .into_iter()
        .map(|path| changed(value, &path, |leaf| *leaf = json!({"wrong": true})))
        .collect()
}

/// Copies of the value, each with one name too many or one too few somewhere. Names that may be missing are left in.
fn with_more_or_less(value: &Value, may_be_missing: &[&str]) -> Vec<(String, Value)> {
    let mut broken = Vec::new();
    for path in pointers(value, &Value::is_object) {
        broken.push(changed(value, &path, |object| drop(object.as_object_mut().expect("object").insert("surprise".to_owned(), json!(1)))));
        let names: Vec<String> = value.pointer(&path).and_then(Value::as_object).expect("object").keys().cloned().collect();
        for name in names.iter().filter(|name| !may_be_missing.contains(&name.as_str())) {
            let (place, less) = changed(value, &path, |object| drop(object.as_object_mut().expect("object").remove(name)));
            broken.push((format!("{place} without {name}"), less));
        }
    }
    broken
}

fn changed(value: &Value, path: &str, change: impl FnOnce(&mut Value)) -> (String, Value) {
    let mut copy = value.clone();
    change(copy.pointer_mut(path).expect("pointer"));
    (path.to_owned(), copy)
}

fn pointers(value: &Value, wanted: &dyn Fn(&Value) -> bool) -> Vec<String> {
    let mut found = if wanted(value) { vec![String::new()] } else { Vec::new() };
    let mut below = |name: String, inner: &Value| found.extend(pointers(inner, wanted).into_iter().map(|rest| format!("/{name}{rest}")));
    match value {
        Value::Object(map) => map.iter().for_each(|(name, inner)| below(name.clone(), inner)),
        Value::Array(list) => list.iter().enumerate().for_each(|(index, inner)| below(index.to_string(), inner)),
        _ => {}
    }
    found
}

#[test]
fn events_are_what_the_schema_says() {
    let recorded: Vec<Recorded> = samples::events().into_iter().map(samples::recorded).collect();
    closed_type(
        "event",
        &recorded,
        &[
            "token",
            "close_time",
            "bid",
            "ask",
            "seen",
            "account",
            "id",
            "canary",
            "probe_after_ms",
            "signed",
            "exponent",
            "created_at",
            "condition",
            "outcome",
            "quantity_min",
            "notional_min",
            "holding",
            "money",
            "counts",
            "proof",
            "found",
        ],
    );
}

#[test]
fn verdicts_are_what_the_schema_says() {
    closed_type("verdict", &samples::verdicts(), &[]);
}

#[test]
fn answers_are_what_the_schema_says() {
    closed_type("answer", &samples::answers(), &["error", "order_id", "first_answer"]);
}

/// The words of an enum as its type writes them.
fn words<T: Serialize>(values: &[T]) -> BTreeSet<String> {
    values.iter().map(|value| to_json(value).as_str().expect("word").to_owned()).collect()
}

fn listed(value: &Value) -> BTreeSet<String> {
    value.as_array().expect("list").iter().map(|word| word.as_str().expect("word").to_owned()).collect()
}

#[test]
fn the_schemas_hold_no_word_that_the_types_lack() {
    let types = schema("types");
    let of = |name: &str| listed(&types["$defs"][name]["enum"]);
    assert_eq!(of("mode"), words(&samples::modes()));
    assert_eq!(of("venue"), words(&samples::venues()));
    assert_eq!(of("outcome"), words(&samples::outcomes()));
    assert_eq!(of("action"), words(&samples::actions()));
    assert_eq!(of("tif"), words(&samples::tifs()));
    assert_eq!(listed(&schema("answer")["$defs"]["kind"]["enum"]), words(&samples::answer_kinds()));
    let reasons: BTreeSet<String> = Reason::ALL.iter().map(|(reason, _)| reason.as_str().to_owned()).collect();
    assert_eq!(of("reason"), reasons);
    let names: BTreeSet<String> = samples::events().iter().map(|event| event.name().to_owned()).collect();
    let published: BTreeSet<String> = schema("event")["$defs"]["event"]["properties"].as_object().expect("map").keys().cloned().collect();
    assert_eq!(published, names);
}

#[test]
fn every_word_inside_an_event_is_in_a_sample() {
    let said: BTreeSet<String> = samples::events().iter().flat_map(|event| strings(&to_json(event))).collect();
    let event = schema("event");
    for path in pointers(&event, &Value::is_array).into_iter().filter(|path| path.ends_with("/enum")) {
        for word in listed(event.pointer(&path).expect("enum")) {
            assert!(said.contains(&word), "{path}: no event says {word:?}");
        }
    }
}

fn strings(value: &Value) -> Vec<String> {
    let leaves = pointers(value, &Value::is_string);
    leaves.iter().filter_map(|path| value.pointer(path)?.as_str().map(str::to_owned)).collect()
}

/// One valid example per event, written from the samples.
#[test]
fn each_event_has_its_published_example() {
    let mut seen = BTreeSet::new();
    for event in samples::events() {
        if !seen.insert(event.name()) {
            continue;
        }
        let path = folder().join(format!("examples/event/valid/{}.json", event.name()));
        let text = format!("{:#}\n", to_json(&samples::recorded(event)));
        if std::env::var_os("UPDATE_EXPECT").is_some() {
            std::fs::create_dir_all(path.parent().expect("folder")).expect("folder");
            std::fs::write(&path, &text).expect("example");
        }
        let published = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert_eq!(published, text, "{}: a published form is never changed incompatibly", path.display());
    }
}

#[test]
fn every_schema_is_a_schema_and_knows_the_types_of_money() {
    for kind in KINDS {
        jsonschema::meta::validate(&schema(kind)).unwrap_or_else(|error| panic!("{kind}: {error}"));
        drop(validator(kind));
    }
    let types = schema("types");
    let check = |name: &str, value: Value, valid: bool| {
        let one = jsonschema::validator_for(&types["$defs"][name]).expect(name);
        assert_eq!(one.is_valid(&value), valid, "{name} {value}");
    };
    check("edge", to_json(&samples::edge()), true);
    check("probability", to_json(&samples::a_probability()), true);
    for (name, good, bad) in [
        ("usd", ["0", "-12.5", "1000000"], ["1.", "01", "1.0000001"]),
        ("price", ["0", "1", "0.000001"], ["1.1", "-0.1", "0.50"]),
        ("quantity", ["0", "99", "2.5"], ["-1", "1e2", ""]),
    ] {
        good.iter().for_each(|text| check(name, json!(text), true));
        bad.iter().for_each(|text| check(name, json!(text), false));
        check(name, json!(1), false);
    }
}

/// Each `$ref` of the bus document leads to a schema, and each of its subjects carries mode and instance but the signals'.
#[test]
fn the_bus_document_refers_to_what_is_there() {
    let path = folder().with_file_name("asyncapi.yaml");
    let text = std::fs::read_to_string(&path).expect("asyncapi.yaml");
    let quoted = |line: &str| line.split('"').nth(1).expect("quoted").to_owned();
    let refs: Vec<String> = text.lines().filter(|line| line.contains("$ref: \"./v1/")).map(quoted).collect();
    assert!(refs.len() >= 5, "{refs:?}");
    for reference in refs {
        let (file, pointer) = reference.trim_start_matches("./v1/").split_once('#').unwrap_or((reference.trim_start_matches("./v1/"), ""));
        let schema = schema(file.trim_end_matches(".json"));
        assert!(schema.pointer(pointer).is_some(), "{reference}");
    }
    let addresses: BTreeSet<String> = text.lines().filter(|line| line.trim().starts_with("address: \"")).map(quoted).collect();
    let wanted = [
        "signals.{venue}",
        "answers.{mode}.{instance}",
        "events.{mode}.{instance}",
        "risk.request.{mode}.{instance}",
        "control.{mode}.{instance}.kill",
        "log.read.{mode}.{instance}",
    ];
    assert_eq!(addresses, wanted.map(str::to_owned).into());
}

/// As logs of before had them: what was added since is absent and means what it meant then.
#[test]
fn events_of_older_logs_read_as_they_were_meant() {
    let adopted = json!({ "OperatorAdjusted": { "by": "cli", "reason": "adopted", "holding": to_json(&samples::holding()) } });
    let opened = json!({ "OpeningBalance": { "account": "kalshi", "cash": "1000" } });
    for (old, new) in [
        (
            adopted,
            Event::OperatorAdjusted {
                by: "cli".into(),
                reason: "adopted".into(),
                holding: Some(Box::new(samples::holding())),
                money: None,
                counts: false,
                proof: None,
            },
        ),
        (opened, Event::OpeningBalance { account: Venue::Kalshi, cash: Usd::whole(1_000), found: None }),
    ] {
        assert_eq!(serde_json::from_value::<Event>(old.clone()).expect("reads"), new);
        assert_eq!(to_json(&new), old, "and is written as it was");
        let stored = rmp_serde::to_vec_named(&new).expect("packs");
        assert_eq!(rmp_serde::from_slice::<Event>(&stored).expect("reads"), new);
    }
}

/// A verdict travels as bytes: the reader of the type sees the same.
#[test]
fn a_verdict_is_the_same_in_messagepack() {
    for verdict in samples::verdicts() {
        let packed = rmp_serde::to_vec_named(&verdict).expect("packs");
        assert_eq!(rmp_serde::from_slice::<Verdict>(&packed).expect("reads"), verdict);
    }
    let answers = samples::answers();
    assert!(answers.iter().all(|answer| serde_json::from_value::<Answer>(to_json(answer)).as_ref().ok() == Some(answer)));
}
