//! CustomResourceDefinitions made from the types.
//!
//! The API server wants a structural schema: no `null` types, no defaults of ours (absent stays
//! absent), no references. Unknown fields are preserved at every level, so that a field of a newer
//! version survives an older installation.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use crate::analysis::AnalysisTemplate;
use crate::application::Application;
use crate::project::AppProject;
use crate::rollout::ModelRollout;

/// Returns the CRDs, in the order in which they are applied.
pub fn crds() -> Vec<Value> {
    vec![
        crd(
            &Names {
                group: "argoproj.io",
                kind: Application::KIND,
                plural: Application::PLURAL,
                singular: "application",
                short: &["app", "apps"],
            },
            opaque(schema_of::<Application>(), STATUS_COPIES),
            &[
                ("Sync Status", ".status.sync.status", 0),
                ("Health Status", ".status.health.status", 0),
                ("Revision", ".status.sync.revision", 10),
                ("Project", ".spec.project", 10),
            ],
        ),
        crd(
            &Names {
                group: "argoproj.io",
                kind: AppProject::KIND,
                plural: AppProject::PLURAL,
                singular: "appproject",
                short: &["appproj", "appprojs"],
            },
            schema_of::<AppProject>(),
            &[],
        ),
        model_rollout(),
    ]
}

/// Returns the CRDs of Argo Rollouts' analysis templates, as far as rollouts use them. They are Argo Rollouts' own: where
/// its CRDs are installed those are used, so that these are only installed where there are none.
pub fn analysis_crds() -> Vec<Value> {
    let template = |kind: &'static str, plural: &'static str, singular: &'static str, short| {
        let mut crd = crd(
            &Names {
                group: "argoproj.io",
                kind,
                plural,
                singular,
                short,
            },
            opaque(schema_of::<AnalysisTemplate>(), &["/properties/spec"]),
            &[],
        );
        if kind == AnalysisTemplate::CLUSTER_KIND {
            crd["spec"]["scope"] = "Cluster".into();
        }
        crd
    };
    vec![
        template(
            AnalysisTemplate::KIND,
            "analysistemplates",
            "analysistemplate",
            &["at"],
        ),
        template(
            AnalysisTemplate::CLUSTER_KIND,
            "clusteranalysistemplates",
            "clusteranalysistemplate",
            &["cat"],
        ),
    ]
}

fn model_rollout() -> Value {
    let mut rollout = crd(
        &Names {
            group: ModelRollout::GROUP,
            kind: ModelRollout::KIND,
            plural: ModelRollout::PLURAL,
            singular: "modelrollout",
            short: &["mr"],
        },
        opaque(schema_of::<ModelRollout>(), ROLLOUT_STATUS),
        &[
            ("Phase", ".status.phase", 0),
            ("Message", ".status.message", 0),
        ],
    );
    // Spec and status have different writers here.
    rollout["spec"]["versions"][0]["subresources"] = json!({ "status": {} });
    rollout
}

/// Parts of a ModelRollout's status that the controller alone writes and reads.
const ROLLOUT_STATUS: &[&str] = &["/properties/status/properties/targets/items"];

/// Parts of an Application's status that are copies and lists, written by the controller alone. The API server walks
/// a described field one by one at every write, several times: left undescribed, a status costs it half the time.
const STATUS_COPIES: &[&str] = &[
    "/properties/status/properties/sync/properties/comparedTo",
    "/properties/status/properties/operationState/properties/operation",
    "/properties/status/properties/operationState/properties/syncResult",
    "/properties/status/properties/history/items",
    "/properties/status/properties/resources/items",
];

/// Leaves out what is inside the named parts of a schema; every field stays allowed there.
fn opaque(mut schema: Value, parts: &[&str]) -> Value {
    for part in parts {
        if let Some(Value::Object(inner)) = schema.pointer_mut(part) {
            inner.retain(|key, _| key == "description");
            inner.insert("type".to_owned(), json!("object"));
            inner.insert(
                "x-kubernetes-preserve-unknown-fields".to_owned(),
                json!(true),
            );
        }
    }
    schema
}

struct Names {
    group: &'static str,
    kind: &'static str,
    plural: &'static str,
    singular: &'static str,
    short: &'static [&'static str],
}

fn crd(names: &Names, mut schema: Value, columns: &[(&str, &str, i64)]) -> Value {
    // The API server owns metadata and refuses even a description of it.
    schema["properties"]["metadata"] = json!({ "type": "object" });
    schema["required"] = json!(["metadata", "spec"]);
    let columns: Vec<Value> = columns
        .iter()
        .map(|(name, path, priority)| {
            let mut column = json!({ "name": name, "type": "string", "jsonPath": path });
            if *priority > 0 {
                column["priority"] = json!(priority);
            }
            column
        })
        .collect();
    let mut version = json!({
        "name": "v1alpha1",
        "served": true,
        "storage": true,
        "schema": { "openAPIV3Schema": schema },
    });
    if !columns.is_empty() {
        version["additionalPrinterColumns"] = Value::Array(columns);
    }
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": format!("{}.{}", names.plural, names.group),
            "labels": {
                "app.kubernetes.io/name": format!("{}.{}", names.plural, names.group),
                "app.kubernetes.io/managed-by": "driftless",
                "app.kubernetes.io/part-of": crate::annotation::PART_OF_VALUE,
            },
        },
        "spec": {
            "group": names.group,
            "names": {
                "kind": names.kind,
                "listKind": format!("{}List", names.kind),
                "plural": names.plural,
                "singular": names.singular,
                "shortNames": names.short,
            },
            "scope": "Namespaced",
            "versions": [version],
        },
    })
}

/// Returns the structural schema of a type.
pub fn schema_of<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    let schema = settings.into_generator().into_root_schema_for::<T>();
    structural(schema.to_value())
}

/// How [`crate::object`] marks a field as required: schemars takes every field with a default,
/// which is every field, for optional.
const REQUIRED_MARK: &str = "x-required";

fn structural(schema: Value) -> Value {
    let Value::Object(mut map) = schema else {
        // `true`: anything goes.
        return json!({ "x-kubernetes-preserve-unknown-fields": true });
    };
    for noise in ["title", "default", "$schema"] {
        map.remove(noise);
    }
    drop_null(&mut map);
    if map
        .get("format")
        .and_then(Value::as_str)
        .is_some_and(|format| format.starts_with("uint"))
    {
        map.remove("format");
    }
    if let Some(Value::Object(properties)) = map.get_mut("properties") {
        let mut required = Vec::new();
        let inner = std::mem::take(properties);
        *properties = inner
            .into_iter()
            .map(|(name, schema)| {
                let mut schema = structural(schema);
                let marked = schema
                    .as_object_mut()
                    .and_then(|map| map.remove(REQUIRED_MARK));
                if marked.is_some() {
                    required.push(name.clone());
                }
                (name, schema)
            })
            .collect();
        if !required.is_empty() {
            map.insert("required".to_owned(), required.into());
        }
    }
    for key in ["items", "additionalProperties"] {
        if let Some(inner) = map.remove(key) {
            map.insert(key.to_owned(), structural(inner));
        }
    }
    Value::Object(map)
}

/// Turns "this or null" into "this": the API server drops nulls by itself.
fn drop_null(map: &mut Map<String, Value>) {
    if let Some(Value::Array(types)) = map.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            map.insert("type".to_owned(), only);
        }
    }
    let is_int_or_string = map.contains_key("x-kubernetes-int-or-string");
    if is_int_or_string {
        return;
    }
    if let Some(Value::Array(any)) = map.remove("anyOf") {
        let mut rest = any
            .into_iter()
            .filter(|schema| schema.get("type").is_none_or(|name| name != "null"));
        if let Some(Value::Object(only)) = rest.next() {
            for (key, value) in only {
                map.entry(key).or_insert(value);
            }
        }
    }
}
