//! What is taken away or rewritten before two objects are compared.

use std::borrow::Cow;

use driftless_manifest::Object;
use serde_json::{Map, Value};

use super::walk::is_hollow;
use super::{Ctx, Prepared, known};
use crate::tracking::TRACKING_ID;

/// Rewrites a desired object into what the API server makes of it: a Secret's `stringData` becomes `data`.
/// Apply this form, so that removing a key from Git removes it from the cluster as well.
pub fn desired(object: &Object) -> Cow<'_, Object> {
    if !object.is("", "Secret") || object.at(&["stringData"]).is_none_or(Value::is_null) {
        return Cow::Borrowed(object);
    }
    let mut object = object.clone();
    let map = object.as_map_mut();
    if let Some(Value::Object(texts)) = map.remove("stringData") {
        let data = map
            .entry("data")
            .or_insert_with(|| Value::Object(Map::new()));
        if data.is_null() {
            *data = Value::Object(Map::new());
        }
        if let Value::Object(data) = data {
            for (key, text) in texts {
                let text = text.as_str().unwrap_or_default();
                data.insert(key, Value::String(to_base64(text.as_bytes())));
            }
        }
    }
    Cow::Owned(object)
}

/// Takes away what does not count.
pub(super) fn prepare<'a>(desired: &'a Object, live: &'a Object, cx: &Ctx<'_>) -> Prepared<'a> {
    let rewritten = self::desired(desired);
    let rules: Vec<_> = cx
        .ignore
        .iter()
        .filter(|rule| rule.matches(desired))
        .collect();
    let aggregated = is_aggregated(desired, cx);
    let relabelled = is_marked_by_label(desired, live, cx);
    let tolerated = desired.is("", "Pod");
    let known: Vec<_> = known::of(desired, cx.known_types).collect();
    if rules.is_empty() && known.is_empty() && !aggregated && !relabelled && !tolerated {
        return Prepared {
            desired: rewritten,
            live: Cow::Borrowed(live),
        };
    }
    let mut wanted = rewritten.into_owned();
    let mut found = live.clone();
    if relabelled {
        wanted.remove_annotation(TRACKING_ID);
        found.remove_annotation(TRACKING_ID);
    }
    if tolerated {
        drop_admitted_tolerations(&wanted, &mut found);
    }
    if aggregated {
        wanted.as_map_mut().remove("rules");
        found.as_map_mut().remove("rules");
    }
    let (mut wanted, mut found) = (wanted.into_value(), found.into_value());
    for rule in rules {
        rule.remove(&mut wanted, live);
        rule.remove(&mut found, live);
    }
    for known in known {
        known::align(known, &wanted, &mut found);
    }
    Prepared {
        desired: Cow::Owned(as_object(wanted, desired)),
        live: Cow::Owned(as_object(found, live)),
    }
}

/// Says whether a controller fills in the rules of a ClusterRole. Where Git names rules of its own beside
/// that, the setting decides.
fn is_aggregated(desired: &Object, cx: &Ctx<'_>) -> bool {
    desired.is("rbac.authorization.k8s.io", "ClusterRole")
        && desired
            .at(&["aggregationRule"])
            .is_some_and(|rule| !rule.is_null())
        && (cx.ignore_aggregated_roles || desired.at(&["rules"]).is_none_or(is_hollow))
}

/// Takes away the tolerations that the API server gives every bare Pod, unless Git names them.
fn drop_admitted_tolerations(desired: &Object, live: &mut Object) {
    const KEYS: [&str; 2] = [
        "node.kubernetes.io/not-ready",
        "node.kubernetes.io/unreachable",
    ];
    let key = |toleration: &Value| {
        let key = toleration.get("key").and_then(Value::as_str);
        KEYS.into_iter().find(|known| key == Some(*known))
    };
    let wanted = desired
        .at(&["spec", "tolerations"])
        .and_then(Value::as_array);
    let named: Vec<&str> = wanted.into_iter().flatten().filter_map(key).collect();
    let Some(Value::Object(spec)) = live.as_map_mut().get_mut("spec") else {
        return;
    };
    if let Some(Value::Array(tolerations)) = spec.get_mut("tolerations") {
        tolerations.retain(|found| key(found).is_none_or(|key| named.contains(&key)));
    }
}

/// A rule may take away what makes a value an object; then the object stays as it was.
fn as_object(value: Value, original: &Object) -> Object {
    Object::from_value(value).unwrap_or_else(|_| original.clone())
}

/// Says whether a live object is marked the old way, by label only. That is no difference: it is tracked.
fn is_marked_by_label(desired: &Object, live: &Object, cx: &Ctx<'_>) -> bool {
    cx.tracking.is_some_and(|tracking| {
        live.annotation(TRACKING_ID).is_none()
            && desired.annotation(TRACKING_ID).is_some()
            && live
                .label(&tracking.label_key)
                .is_some_and(|label| !label.is_empty())
    })
}

/// Encodes bytes as base64.
fn to_base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |index: usize| u32::from(chunk.get(index).copied().unwrap_or_default());
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..4 {
            if place <= chunk.len() {
                let index = (bits >> (18 - 6 * place)) & 63;
                text.push(char::from(
                    ALPHABET.get(index as usize).copied().unwrap_or(b'='),
                ));
            } else {
                text.push('=');
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn string_data_becomes_data() {
        let secret = Object::from_value(json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"},
            "data": {"a": "eA==", "b": "eQ=="}, "stringData": {"b": "new", "c": "hello", "d": ""}
        }))
        .unwrap();
        let rewritten = desired(&secret);
        assert_eq!(
            rewritten.at(&["data"]),
            Some(&json!({"a": "eA==", "b": "bmV3", "c": "aGVsbG8=", "d": ""}))
        );
        assert_eq!(rewritten.at(&["stringData"]), None);
    }

    #[test]
    fn base64_pads_as_the_standard_says() {
        for (text, want) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
        ] {
            assert_eq!(to_base64(text.as_bytes()), want);
        }
    }
}
