//! Hiding what Secrets hold.

use std::collections::HashMap;

use serde_json::{Map, Value};

const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
const SHORTEST: usize = 8;

/// Hides a Secret's values, wherever they are repeated, and who set which field. Equal values get
/// equal runs of `+`, so that a difference still shows.
pub fn hide(object: &mut Value) {
    let is_secret = object["kind"] == "Secret" && object["apiVersion"] == "v1";
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("managedFields");
    }
    if !is_secret {
        return;
    }
    let mut runs = HashMap::new();
    for field in ["data", "stringData"] {
        match object.get_mut(field) {
            Some(Value::Object(values)) => hide_values(values, &mut runs),
            Some(other) if !other.is_null() => *other = Value::String("+".repeat(SHORTEST)),
            _ => {}
        }
    }
    let annotations = object
        .pointer_mut("/metadata/annotations")
        .and_then(Value::as_object_mut);
    if let Some(copy) = annotations.and_then(|annotations| annotations.get_mut(LAST_APPLIED)) {
        *copy = Value::String("+".repeat(SHORTEST));
    }
}

fn hide_values(values: &mut Map<String, Value>, runs: &mut HashMap<String, usize>) {
    for value in values.values_mut() {
        let text = value.to_string();
        // A value that is hidden already stays: its run says what it equals.
        if value
            .as_str()
            .is_some_and(|text| text.len() >= SHORTEST && text.bytes().all(|byte| byte == b'+'))
        {
            continue;
        }
        let next = SHORTEST + runs.len();
        let length = *runs.entry(text).or_insert(next);
        *value = Value::String("+".repeat(length));
    }
}

/// Hides what a Secret's JSON text holds; text that cannot be read is not shown at all.
pub fn hide_text(group: &str, kind: &str, text: &mut String) {
    if !group.is_empty() || kind != "Secret" || text.is_empty() || text == "null" {
        return;
    }
    *text = match serde_json::from_str::<Value>(text) {
        Ok(mut object) => {
            if let Some(map) = object.as_object_mut() {
                // What the key says counts, whatever the text claims to be.
                map.insert("kind".to_owned(), Value::from("Secret"));
                map.insert("apiVersion".to_owned(), Value::from("v1"));
            }
            hide(&mut object);
            object.to_string()
        }
        Err(_) => "null".to_owned(),
    };
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn nothing_of_a_secret_is_left() {
        let mut secret = json!({
            "apiVersion": "v1", "kind": "Secret",
            "metadata": {"name": "s", "managedFields": [{"f": 1}], "annotations": {LAST_APPLIED: "{\"data\":{\"a\":\"Y2FuYXJ5\"}}"}},
            "data": {"a": "Y2FuYXJ5", "b": "Y2FuYXJ5", "c": "b3RoZXI=", "n": 7, "deep": {"x": "Y2FuYXJ5"}},
            "stringData": {"a": "canary"},
        });
        hide(&mut secret);
        let text = secret.to_string();
        assert!(
            !text.contains("Y2FuYXJ5") && !text.contains("canary") && !text.contains('7'),
            "{text}"
        );
        assert_eq!(secret["data"]["a"], secret["data"]["b"]);
        assert_ne!(secret["data"]["a"], secret["data"]["c"]);
        let once = secret.clone();
        hide(&mut secret);
        assert_eq!(secret, once, "hiding twice changes nothing");
    }

    #[test]
    fn texts_are_hidden_by_what_they_are_for() {
        let mut text = r#"{"kind":"ConfigMap","data":{"a":"canary"}}"#.to_owned();
        hide_text("", "Secret", &mut text);
        assert!(!text.contains("canary"));
        let mut broken = "canary".to_owned();
        hide_text("", "Secret", &mut broken);
        assert_eq!(broken, "null");
        let mut other = r#"{"kind":"ConfigMap","data":{"a":"shown"}}"#.to_owned();
        hide_text("", "ConfigMap", &mut other);
        assert!(other.contains("shown"));
    }
}
