//! Client-side apply, as `kubectl apply` does it: what was applied last is in an annotation of the object.
//!
//! The three-way merge is done here with the shapes of the built-in kinds, and sent as a merge patch that is bound to the
//! version that was read: lists that were merged item by item cannot lose somebody else's item.

use driftless_core::GroupVersionKind;
use driftless_manifest::{merge, merge_patch, schema};
use serde_json::{Value, json};

/// Where kubectl keeps what was applied last.
pub(super) const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Returns the object with itself in the annotation.
pub(super) fn annotated(mut object: Value) -> Value {
    if let Some(annotations) = object
        .pointer_mut("/metadata/annotations")
        .and_then(Value::as_object_mut)
    {
        annotations.remove(LAST_APPLIED);
    }
    // kubectl writes the annotations field even when it is empty, and ends with a line break.
    if object["metadata"]["annotations"].is_null() {
        object["metadata"]["annotations"] = json!({});
    }
    let text = format!("{object}\n");
    object["metadata"]["annotations"][LAST_APPLIED] = Value::String(text);
    object
}

/// Returns the merge patch that brings the live object to what is desired; `None` when nothing is to be done.
pub(super) fn patch(gvk: &GroupVersionKind, desired: &Value, live: &Value) -> Option<Value> {
    let last = live
        .pointer("/metadata/annotations")
        .and_then(|annotations| annotations.get(LAST_APPLIED))
        .and_then(Value::as_str)
        .and_then(|text| serde_json::from_str::<Value>(text).ok());
    let known = schema::builtin();
    let mut merged = merge::three_way(
        known,
        Some(known.kind_or_other(gvk)),
        last.as_ref(),
        desired,
        live,
    );
    // The status is its controller's.
    match live.get("status") {
        Some(status) => merged["status"] = status.clone(),
        None => {
            merged.as_object_mut().map(|map| map.remove("status"));
        }
    }
    let mut patch = merge_patch::create(live, &merged);
    if patch.as_object().is_none_or(serde_json::Map::is_empty) {
        return None;
    }
    // Fails with a conflict if the object changed since it was read.
    patch["metadata"]["resourceVersion"] = live.pointer("/metadata/resourceVersion")?.clone();
    Some(patch)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(data: Value) -> Value {
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": "n"}, "data": data})
    }

    fn live(applied: &Value, data: Value) -> Value {
        let mut live = annotated(applied.clone());
        live["metadata"]["resourceVersion"] = json!("7");
        live["data"] = data;
        live
    }

    fn gvk() -> GroupVersionKind {
        GroupVersionKind::new("", "v1", "ConfigMap")
    }

    #[test]
    fn what_is_desired_no_more_goes_and_what_others_set_stays() {
        let live = live(
            &map(json!({"a": "1", "b": "1"})),
            json!({"a": "1", "b": "1", "other": "x"}),
        );
        let patch = patch(&gvk(), &annotated(map(json!({"a": "2"}))), &live).unwrap();
        assert_eq!(patch["data"], json!({"a": "2", "b": null}));
        assert_eq!(patch["metadata"]["resourceVersion"], "7");
        let kept = patch["metadata"]["annotations"][LAST_APPLIED]
            .as_str()
            .unwrap();
        assert!(
            kept.contains("\"a\":\"2\"") && kept.ends_with('\n'),
            "{kept}"
        );
    }

    #[test]
    fn an_equal_object_is_left_alone() {
        let desired = map(json!({"a": "1"}));
        let live = live(&desired, json!({"a": "1", "other": "x"}));
        assert_eq!(patch(&gvk(), &annotated(desired), &live), None);
    }

    #[test]
    fn without_a_record_nothing_is_removed() {
        let mut live = map(json!({"a": "1", "b": "1"}));
        live["metadata"]["resourceVersion"] = json!("7");
        let patch = patch(&gvk(), &annotated(map(json!({"a": "2"}))), &live).unwrap();
        assert_eq!(patch["data"], json!({"a": "2"}));
    }
}
