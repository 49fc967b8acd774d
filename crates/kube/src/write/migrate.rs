//! Takes over fields that were written by client-side apply.
//!
//! Fields an earlier `kubectl apply` (or our own update) wrote belong to that manager. A server-side
//! apply that leaves them out would not remove them, because another manager still owns them. So
//! their ownership is moved to our apply entry first.

use serde_json::{Map, Value, json};

use crate::live::compact::CLIENT_SIDE;

/// Returns the patch that moves ownership from client-side managers to `manager`'s apply entry;
/// `None` where there is nothing to move. `object` is the whole live object.
pub(super) fn patch(object: &Value, manager: &str, others: &[String]) -> Option<Value> {
    let metadata = object.get("metadata")?;
    let version = metadata.get("resourceVersion")?.as_str()?;
    let entries = metadata.get("managedFields")?.as_array()?;
    let text = |entry: &Value, field: &str| {
        entry
            .get(field)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let is_old = |entry: &Value| {
        let name = text(entry, "manager");
        text(entry, "operation") == "Update"
            && text(entry, "subresource").is_empty()
            && (name == CLIENT_SIDE || name == manager || others.contains(&name))
    };
    let is_ours = |entry: &Value| {
        text(entry, "operation") == "Apply"
            && text(entry, "subresource").is_empty()
            && text(entry, "manager") == manager
    };
    let old: Vec<&Value> = entries.iter().filter(|entry| is_old(entry)).collect();
    let first = old.first()?;
    let mut ours = entries
        .iter()
        .find(|entry| is_ours(entry))
        .unwrap_or(first)
        .clone();
    let mut fields = Map::new();
    for entry in entries
        .iter()
        .filter(|entry| is_ours(entry) || is_old(entry))
    {
        if let Some(more) = entry.get("fieldsV1").and_then(Value::as_object) {
            unite(&mut fields, more);
        }
    }
    let entry = ours.as_object_mut()?;
    entry.insert("manager".to_owned(), json!(manager));
    entry.insert("operation".to_owned(), json!("Apply"));
    entry.insert("fieldsType".to_owned(), json!("FieldsV1"));
    entry.insert("fieldsV1".to_owned(), Value::Object(fields));
    let mut rest: Vec<Value> = entries
        .iter()
        .filter(|entry| !is_old(entry) && !is_ours(entry))
        .cloned()
        .collect();
    rest.push(ours);
    Some(json!([
        {"op": "replace", "path": "/metadata/managedFields", "value": rest},
        // Fails with a conflict if the object changed since it was read.
        {"op": "replace", "path": "/metadata/resourceVersion", "value": version},
    ]))
}

/// Adds the paths of one field set to another.
fn unite(into: &mut Map<String, Value>, more: &Map<String, Value>) {
    for (path, below) in more {
        let slot = into.entry(path.clone()).or_insert_with(|| json!({}));
        if let (Some(slot), Some(below)) = (slot.as_object_mut(), below.as_object()) {
            unite(slot, below);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ownership_moves_to_one_apply_entry() {
        let object = json!({"metadata": {"resourceVersion": "7", "managedFields": [
            {"manager": "kubectl-client-side-apply", "operation": "Update", "apiVersion": "v1", "time": "t",
             "fieldsV1": {"f:data": {".": {}, "f:a": {}}, "f:metadata": {"f:labels": {"f:x": {}}}}},
            {"manager": "argocd-controller", "operation": "Apply", "apiVersion": "v1",
             "fieldsV1": {"f:data": {"f:b": {}}}},
            {"manager": "kube-controller-manager", "operation": "Update", "fieldsV1": {"f:data": {"f:c": {}}}},
            {"manager": "argocd-controller", "operation": "Update", "subresource": "status", "fieldsV1": {"f:status": {}}},
        ]}});
        let patch = patch(&object, "argocd-controller", &[]).unwrap();
        let managed = patch[0]["value"].as_array().unwrap();
        assert_eq!(managed.len(), 3);
        let ours = managed.last().unwrap();
        assert_eq!(ours["operation"], "Apply");
        assert_eq!(
            ours["fieldsV1"],
            json!({"f:data": {".": {}, "f:a": {}, "f:b": {}}, "f:metadata": {"f:labels": {"f:x": {}}}})
        );
        assert_eq!(patch[1]["value"], "7");
    }

    #[test]
    fn without_client_side_entries_there_is_nothing_to_do() {
        let object = json!({"metadata": {"resourceVersion": "7", "managedFields": [
            {"manager": "argocd-controller", "operation": "Apply", "fieldsV1": {}},
            {"manager": "edit", "operation": "Update", "fieldsV1": {}},
        ]}});
        assert_eq!(patch(&object, "argocd-controller", &[]), None);
        assert!(patch(&object, "argocd-controller", &["edit".to_owned()]).is_some());
        assert_eq!(
            patch(&json!({"metadata": {}}), "argocd-controller", &[]),
            None
        );
    }
}
