//! Small readings of JSON objects.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use driftless_manifest::quantity::Quantity;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// Returns a number that is not negative.
pub(crate) fn number(object: &Value, pointer: &str) -> Option<u32> {
    let number = object.pointer(pointer)?.as_i64()?;
    u32::try_from(number).ok()
}

/// Returns a text.
pub(crate) fn text<'a>(object: &'a Value, pointer: &str) -> Option<&'a str> {
    object.pointer(pointer)?.as_str()
}

/// Says whether an object is being deleted.
pub(crate) fn is_going(object: &Value) -> bool {
    text(object, "/metadata/deletionTimestamp").is_some()
}

/// Returns an annotation.
pub(crate) fn annotation<'a>(object: &'a Value, name: &str) -> Option<&'a str> {
    object.pointer("/metadata/annotations")?.get(name)?.as_str()
}

/// Returns an object's labels.
pub(crate) fn labels(object: &Value) -> BTreeMap<String, String> {
    let labels = object
        .pointer("/metadata/labels")
        .and_then(Value::as_object);
    labels
        .into_iter()
        .flatten()
        .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
        .collect()
}

/// Gives the containers of a pod's spec the resources that `of` has for their names.
pub(crate) fn give_resources<'v>(spec: &mut Value, of: impl Fn(&str) -> Option<&'v Value>) {
    let containers = spec.get_mut("containers").and_then(Value::as_array_mut);
    for container in containers.into_iter().flatten() {
        if let Some(resources) = of(text(container, "/name").unwrap_or_default()) {
            container["resources"] = resources.clone();
        }
    }
}

/// Returns a label selector of the API (`matchLabels`, `matchExpressions`) as a query has it.
pub(crate) fn selector(selector: &Value) -> Option<String> {
    let mut parts = Vec::new();
    for (key, value) in selector
        .get("matchLabels")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
    {
        parts.push(format!("{key}={}", value.as_str()?));
    }
    for term in selector
        .get("matchExpressions")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        let key = term.get("key")?.as_str()?;
        let values: Vec<&str> = term
            .get("values")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let values = values.join(",");
        parts.push(match term.get("operator")?.as_str()? {
            "In" => format!("{key} in ({values})"),
            "NotIn" => format!("{key} notin ({values})"),
            "Exists" => key.to_owned(),
            "DoesNotExist" => format!("!{key}"),
            _ => return None,
        });
    }
    (!parts.is_empty()).then(|| parts.join(","))
}

/// Says whether a live value has all that a wanted one asks for: what only the live one has was filled in.
pub(crate) fn covers(live: &Value, wanted: &Value) -> bool {
    match (live, wanted) {
        (_, Value::Null) => true,
        (Value::Object(live), Value::Object(wanted)) => wanted.iter().all(|(key, wanted)| {
            match live.get(key) {
                Some(live) => covers(live, wanted),
                // The API server leaves empty values out.
                None => is_empty(wanted),
            }
        }),
        (Value::Array(live), Value::Array(wanted)) => {
            live.len() == wanted.len()
                && live
                    .iter()
                    .zip(wanted)
                    .all(|(live, wanted)| covers(live, wanted))
        }
        (live, wanted) if live == wanted => true,
        // `1000m` comes back as `1`.
        (Value::String(_) | Value::Number(_), Value::String(_) | Value::Number(_)) => {
            let quantity = |value: &Value| match value {
                Value::String(text) => Quantity::parse(text),
                other => Quantity::parse(&other.to_string()),
            };
            matches!((quantity(live), quantity(wanted)), (Some(live), Some(wanted)) if live == wanted)
        }
        _ => false,
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(map) => map.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::String(text) => text.is_empty(),
        Value::Bool(is) => !is,
        Value::Number(_) => false,
    }
}

/// Says whether a workload's controller has done all that its spec asks for.
pub(crate) fn is_complete(workload: &Value) -> bool {
    let wanted = number(workload, "/spec/replicas").unwrap_or(1);
    let is = |pointer: &str| number(workload, pointer).unwrap_or(0) == wanted;
    is_observed(workload)
        && is("/status/updatedReplicas")
        && is("/status/readyReplicas")
        && is("/status/replicas")
}

/// Says whether a workload's controller has seen its spec.
pub(crate) fn is_observed(workload: &Value) -> bool {
    let generation = |pointer: &str| workload.pointer(pointer).and_then(Value::as_i64);
    generation("/status/observedGeneration") >= generation("/metadata/generation")
}

/// Returns a short digest of a value.
pub(crate) fn digest(value: &Value) -> String {
    let hash = Sha256::digest(value.to_string().as_bytes());
    hash.iter().take(5).fold(String::new(), |mut text, byte| {
        // Writing to a text does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_the_api_server_fills_in_is_no_difference() {
        let wanted = json!({"containers": [{"name": "a", "resources": {"limits": {"cpu": "1000m"}}, "env": []}]});
        let live = json!({"containers": [{"name": "a", "imagePullPolicy": "Always",
            "resources": {"limits": {"cpu": "1"}}}], "dnsPolicy": "ClusterFirst"});
        assert!(covers(&live, &wanted));
        let other = json!({"containers": [{"name": "a", "image": "b"}]});
        assert!(!covers(&live, &other));
        assert!(!covers(&live, &json!({"containers": []})));
    }

    #[test]
    fn selectors_as_queries() {
        let given = json!({"matchLabels": {"a": "b"}, "matchExpressions": [
            {"key": "c", "operator": "In", "values": ["d", "e"]}, {"key": "f", "operator": "DoesNotExist"}]});
        assert_eq!(selector(&given).unwrap(), "a=b,c in (d,e),!f");
        assert_eq!(selector(&json!({})), None);
    }
}
