//! Reading and writing loses nothing and adds nothing.

use std::collections::BTreeSet;

use driftless_api::application::SyncStatusCode;
use driftless_api::{AppProject, Application, crd, read, validation};
use driftless_yaml::Limits;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

pub(crate) fn object(name: &str) -> Value {
    let path = format!("{}/tests/objects/{name}.yaml", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read(&path).unwrap();
    let mut documents = driftless_yaml::parse_documents(&text, &Limits::default()).unwrap();
    assert_eq!(documents.len(), 1, "{path}");
    documents.remove(0)
}

pub(crate) fn survives<T: Serialize + DeserializeOwned>(name: &str) {
    let before = object(name);
    let typed: T = read::from_value(before.clone()).unwrap();
    let after = serde_json::to_value(&typed).unwrap();
    assert_eq!(differences("", &before, &after), Vec::<String>::new());
    // Through text as well: numbers and times must not change there either.
    let text = serde_json::to_vec(&typed).unwrap();
    let again: T = read::from_slice(&text).unwrap();
    assert_eq!(serde_json::to_value(&again).unwrap(), before);
}

fn differences(at: &str, left: &Value, right: &Value) -> Vec<String> {
    match (left, right) {
        (Value::Object(a), Value::Object(b)) => {
            let mut keys: Vec<&String> = a.keys().chain(b.keys()).collect();
            keys.sort();
            keys.dedup();
            keys.into_iter()
                .flat_map(|key| {
                    let at = format!("{at}.{key}");
                    match (a.get(key), b.get(key)) {
                        (Some(x), Some(y)) => differences(&at, x, y),
                        (Some(x), None) => vec![format!("{at}: lost {x}")],
                        (None, y) => vec![format!("{at}: appeared {y:?}")],
                    }
                })
                .collect()
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => a
            .iter()
            .zip(b)
            .enumerate()
            .flat_map(|(index, (x, y))| differences(&format!("{at}[{index}]"), x, y))
            .collect(),
        _ if left == right => Vec::new(),
        _ => vec![format!("{at}: {left} became {right}")],
    }
}

#[test]
fn applications_survive() {
    survives::<Application>("rich-application");
    survives::<Application>("minimal-application");
    survives::<Application>("hydrated-application");
}

#[test]
fn projects_survive() {
    survives::<AppProject>("rich-project");
}

#[test]
fn every_field_of_the_rich_objects_is_known_except_the_future_ones() {
    let app: Application = read::from_value(object("rich-application")).unwrap();
    let unknown = validation::unknown_fields(&app);
    assert_eq!(
        unknown,
        [
            "spec.destination.futureDestinationField",
            "spec.futureSpecField",
            "spec.sources[0].helm.futureHelmField"
        ]
    );
}

/// The objects name every field of the types, so that a field with a wrong name is noticed.
#[test]
fn the_objects_use_every_field() {
    let mut known = BTreeSet::new();
    properties(&crd::schema_of::<Application>(), &mut known);
    properties(&crd::schema_of::<AppProject>(), &mut known);
    let mut used = BTreeSet::new();
    for name in ["rich-application", "hydrated-application", "rich-project"] {
        keys(&object(name), &mut used);
    }
    let unused: Vec<&String> = known.difference(&used).collect();
    assert_eq!(unused, Vec::<&String>::new());
}

fn properties(schema: &Value, names: &mut BTreeSet<String>) {
    for (name, inner) in schema
        .get("properties")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
    {
        names.insert(name.clone());
        properties(inner, names);
    }
    for inner in ["items", "additionalProperties"]
        .iter()
        .filter_map(|key| schema.get(key))
    {
        properties(inner, names);
    }
}

fn keys(value: &Value, names: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) => {
            for (key, inner) in map {
                names.insert(key.clone());
                keys(inner, names);
            }
        }
        Value::Array(items) => items.iter().for_each(|inner| keys(inner, names)),
        _ => {}
    }
}

#[test]
fn unknown_texts_of_enums_are_kept() {
    let app: Application = read::from_value(object("rich-application")).unwrap();
    let status = app.status.unwrap();
    assert_eq!(
        status.resources[1].status,
        SyncStatusCode::from("AlmostSynced")
    );
    assert!(matches!(
        status.resources[1].status,
        SyncStatusCode::Other(_)
    ));
}

#[test]
fn sources_in_effect() {
    let of = |name: &str| read::from_value::<Application>(object(name)).unwrap().spec;
    let hydrated = of("hydrated-application");
    assert!(!hydrated.is_multi_source());
    let sources = hydrated.effective_sources();
    assert_eq!(sources.len(), 1);
    assert_eq!(sources[0].target_revision, "environments/prod");
    assert_eq!(sources[0].repo_url, "https://git.example.com/x.git");
    let rich = of("rich-application");
    assert!(rich.is_multi_source());
    assert_eq!(rich.effective_sources().len(), 5);
    assert_eq!(rich.history_limit(), 0);
    let minimal = of("minimal-application");
    assert!(!minimal.is_multi_source());
    assert!(minimal.automated().is_some(), "present but empty is on");
    assert_eq!(minimal.history_limit(), 10);
    assert_eq!(minimal.source.unwrap().effective_revision(), "HEAD");
}
