//! The CRDs: structural, and equal to the committed files.

use driftless_api::{analysis_crds, crds};
use serde_json::Value;

#[test]
fn schemas_are_structural() {
    for crd in crds().into_iter().chain(analysis_crds()) {
        let name = crd["metadata"]["name"].as_str().unwrap().to_owned();
        let schema = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
        check(&name, schema);
    }
}

/// What the API server refuses, or would do behind the user's back.
fn check(at: &str, schema: &Value) {
    for word in [
        "default", "$ref", "$defs", "title", "oneOf", "allOf", "const",
    ] {
        assert!(schema.get(word).is_none(), "{at} has {word}");
    }
    let preserves = schema.get("x-kubernetes-preserve-unknown-fields").is_some();
    let int_or_string = schema.get("x-kubernetes-int-or-string").is_some();
    assert!(
        int_or_string || preserves || schema["type"].is_string(),
        "{at} has no type: {schema}"
    );
    if !int_or_string {
        assert!(schema.get("anyOf").is_none(), "{at} has anyOf");
    }
    if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
        assert!(preserves, "{at} drops unknown fields");
        for (name, inner) in properties {
            if name != "metadata" {
                check(&format!("{at}.{name}"), inner);
            }
        }
    }
    for key in ["items", "additionalProperties"] {
        if let Some(inner) = schema.get(key) {
            check(&format!("{at}.{key}"), inner);
        }
    }
}

#[test]
fn names_and_columns() {
    let all = crds();
    let application = &all[0];
    assert_eq!(application["metadata"]["name"], "applications.argoproj.io");
    assert_eq!(
        application["spec"]["names"]["shortNames"],
        serde_json::json!(["app", "apps"])
    );
    let version = &application["spec"]["versions"][0];
    assert!(
        version.get("subresources").is_none(),
        "status is a plain field"
    );
    let columns: Vec<&str> = version["additionalPrinterColumns"]
        .as_array()
        .unwrap()
        .iter()
        .map(|column| column["name"].as_str().unwrap())
        .collect();
    assert_eq!(
        columns,
        ["Sync Status", "Health Status", "Revision", "Project"]
    );
}

#[test]
fn copies_in_the_status_are_not_described() {
    let crds = crds();
    let status = "/spec/versions/0/schema/openAPIV3Schema/properties/status/properties";
    for part in [
        "sync/properties/comparedTo",
        "operationState/properties/operation",
        "operationState/properties/syncResult",
        "history/items",
        "resources/items",
    ] {
        let schema = crds[0].pointer(&format!("{status}/{part}")).unwrap();
        assert_eq!(
            schema["x-kubernetes-preserve-unknown-fields"], true,
            "{part}"
        );
        assert!(schema.get("properties").is_none(), "{part}");
    }
    let phase = crds[0].pointer(&format!("{status}/operationState/properties/phase"));
    assert!(phase.is_some(), "what people look at is described");
}
