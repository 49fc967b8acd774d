//! What counts as an object, and what the messages say when something does not.

use super::*;
use serde_json::json;

fn error(value: Value) -> String {
    Object::from_value(value).unwrap_err().to_string()
}

fn config_map(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}})
}

#[test]
fn errors_name_the_field() {
    for (value, want) in [
        (
            json!("text"),
            "a Kubernetes object is a mapping, found a string",
        ),
        (json!({}), "object: field apiVersion is missing or empty"),
        (
            json!({"apiVersion": "v1"}),
            "object: field kind is missing or empty",
        ),
        (
            json!({"apiVersion": 1, "kind": "Pod"}),
            "Pod: field apiVersion must be a string, found a number",
        ),
        (
            json!({"apiVersion": "v1", "kind": "Pod"}),
            "Pod: field metadata.name is missing or empty",
        ),
        (
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": 5}}),
            "Pod: field metadata.name must be a string, found a number",
        ),
        (
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "namespace": true}}),
            "Pod \"a\": field metadata.namespace must be a string, found a boolean",
        ),
        (
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "labels": {"x": 1}}}),
            "Pod \"a\": field metadata.labels[x] must be a string (put it in quotes), found a number",
        ),
        (
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "annotations": []}}),
            "Pod \"a\": field metadata.annotations must be a mapping, found a list",
        ),
    ] {
        assert_eq!(error(value), want);
    }
}

#[test]
fn a_generated_name_or_null_labels_will_do() {
    let mut value = config_map("x");
    value["metadata"] = json!({"generateName": "x-", "labels": null, "annotations": {"a": null}});
    let object = Object::from_value(value).unwrap();
    assert_eq!(object.generate_name(), Some("x-"));
    assert_eq!(object.name(), "");
    assert_eq!(object.to_string(), "ConfigMap x-*");
    assert_eq!(object.annotations().count(), 0);
}

#[test]
fn lists_are_flattened_at_any_depth() {
    let inner = json!({"apiVersion": "v1", "kind": "List", "items": [config_map("b")]});
    let typed = json!({"apiVersion": "v1", "kind": "ConfigMapList", "items": [{"metadata": {"name": "c"}}]});
    let list =
        json!({"apiVersion": "v1", "kind": "List", "items": [config_map("a"), inner, typed, null]});
    let names: Vec<String> = flatten(list)
        .unwrap()
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(names, ["ConfigMap a", "ConfigMap b", "ConfigMap c"]);
    assert_eq!(flatten(Value::Null), Ok(vec![]));
    assert_eq!(
        flatten(json!({"apiVersion": "v1", "kind": "List", "items": null})),
        Ok(vec![])
    );
}

#[test]
fn a_kind_that_only_ends_in_list_is_an_object() {
    let value =
        json!({"apiVersion": "example.com/v1", "kind": "AllowList", "metadata": {"name": "a"}});
    assert_eq!(flatten(value).unwrap().len(), 1);
}

#[test]
fn a_broken_list_is_an_error_and_not_empty() {
    let list = json!({"apiVersion": "v1", "kind": "List", "items": "none"});
    assert_eq!(
        flatten(list).unwrap_err().to_string(),
        "List: field items must be a list, found a string"
    );
}

#[test]
fn identity_reads_as_the_object_says() {
    let object = Object::from_value(json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "d", "namespace": "n", "uid": "u", "generation": 3,
            "creationTimestamp": "2026-01-02T03:04:05Z", "deletionTimestamp": "2026-01-02T03:04:06Z",
            "ownerReferences": [{"apiVersion": "v1", "kind": "X", "name": "o", "uid": "w", "controller": true}]}
    }))
    .unwrap();
    assert_eq!(
        object.key(),
        ResourceKey::new("apps", "Deployment", "n", "d")
    );
    assert_eq!(object.gvk().to_string(), "apps/v1/Deployment");
    assert_eq!((object.uid(), object.generation()), (Some("u"), 3));
    assert!(object.is_deleting() && object.creation_timestamp() < object.deletion_timestamp());
    let owner = object.owner_references().next().unwrap();
    assert!(owner.controller && owner.uid == "w" && owner.group().is_empty());
    assert_eq!(format!("{object:?}"), "Object(Deployment n/d)");
}

#[test]
fn metadata_edits_leave_no_empty_mappings() {
    let mut object = Object::from_value(config_map("a")).unwrap();
    object.set_annotation("k", "v");
    object.set_label("l", "w");
    object.set_namespace("n");
    object.add_finalizer("f");
    object.add_finalizer("f");
    assert_eq!(object.finalizers().collect::<Vec<_>>(), ["f"]);
    assert_eq!(
        (object.annotation("k"), object.label("l")),
        (Some("v"), Some("w"))
    );
    object.remove_annotation("k");
    object.remove_label("l");
    object.set_namespace("");
    object.remove_finalizer("f");
    assert_eq!(object.into_value(), config_map("a"));
}
