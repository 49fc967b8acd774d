//! The structural three-way merge of client-side apply.
//!
//! From what was applied last, what is desired now and what is live, it makes what the live object should
//! become: fields that were applied and are desired no more go, desired fields are set, all else stays.
//! Lists whose items have a key are merged item by item, other lists are replaced.

use serde_json::{Map, Value};

use crate::schema::{Form, PatchKind, Schema, Shape};

/// Merges; `shape` is the shape of all three values, `None` where nothing is known.
pub fn three_way(
    schema: &'static Schema,
    shape: Option<&Shape>,
    last: Option<&Value>,
    desired: &Value,
    live: &Value,
) -> Value {
    match (desired, live) {
        (Value::Object(desired), Value::Object(live)) => {
            let replace = shape.is_some_and(|shape| shape.replace);
            if replace {
                return Value::Object(without_nulls(desired));
            }
            let last = last.and_then(Value::as_object);
            Value::Object(merge_maps(schema, shape, last, desired, live))
        }
        (Value::Array(desired), Value::Array(live)) => {
            let last = last.and_then(Value::as_array).map(Vec::as_slice);
            let patch = shape.map(|shape| &shape.form);
            match patch {
                Some(Form::List {
                    patch: PatchKind::MergeBy(key),
                    item,
                    ..
                }) => Value::Array(merge_items(schema, item, key, last, desired, live)),
                Some(Form::List {
                    patch: PatchKind::MergeSet,
                    ..
                }) => Value::Array(merge_sets(last, desired, live)),
                _ => Value::Array(desired.clone()),
            }
        }
        _ => desired.clone(),
    }
}

fn merge_maps(
    schema: &'static Schema,
    shape: Option<&Shape>,
    last: Option<&Map<String, Value>>,
    desired: &Map<String, Value>,
    live: &Map<String, Value>,
) -> Map<String, Value> {
    let retain = shape.is_some_and(|shape| shape.retain_keys);
    let mut merged = Map::new();
    for (field, value) in live {
        let gone = !desired.contains_key(field)
            && (retain || last.is_some_and(|last| last.contains_key(field)));
        if !gone && !desired.get(field).is_some_and(Value::is_null) {
            merged.insert(field.clone(), value.clone());
        }
    }
    for (field, wanted) in desired.iter().filter(|(_, wanted)| !wanted.is_null()) {
        let value = match live.get(field) {
            Some(found) => three_way(
                schema,
                shape.and_then(|shape| shape.field(schema, field)),
                last.and_then(|last| last.get(field)),
                wanted,
                found,
            ),
            None => match wanted {
                Value::Object(wanted) => Value::Object(without_nulls(wanted)),
                other => other.clone(),
            },
        };
        merged.insert(field.clone(), value);
    }
    merged
}

fn without_nulls(map: &Map<String, Value>) -> Map<String, Value> {
    map.iter()
        .filter(|(_, value)| !value.is_null())
        .map(|(field, value)| {
            let value = match value {
                Value::Object(map) => Value::Object(without_nulls(map)),
                other => other.clone(),
            };
            (field.clone(), value)
        })
        .collect()
}

/// Desired items in their order, then live items that were not applied by us.
fn merge_items(
    schema: &'static Schema,
    item: &Shape,
    key: &str,
    last: Option<&[Value]>,
    desired: &[Value],
    live: &[Value],
) -> Vec<Value> {
    let find = |list: &'_ [Value], wanted: Option<&Value>| {
        list.iter()
            .position(|item| wanted.is_some() && item.get(key) == wanted)
    };
    let mut merged = Vec::with_capacity(desired.len().max(live.len()));
    for wanted in desired {
        let name = wanted.get(key);
        let last = last.and_then(|last| last.get(find(last, name)?));
        merged.push(match find(live, name).and_then(|index| live.get(index)) {
            Some(found) => three_way(schema, Some(item), last, wanted, found),
            None => wanted.clone(),
        });
    }
    merged.extend(
        live.iter()
            .filter(|found| {
                let name = found.get(key);
                let applied = last.is_some_and(|last| find(last, name).is_some());
                find(desired, name).is_none() && !applied
            })
            .cloned(),
    );
    merged
}

fn merge_sets(last: Option<&[Value]>, desired: &[Value], live: &[Value]) -> Vec<Value> {
    let kept = live
        .iter()
        .filter(|item| desired.contains(item) || !last.is_some_and(|last| last.contains(item)));
    let mut merged: Vec<Value> = kept.cloned().collect();
    for wanted in desired {
        if !merged.contains(wanted) {
            merged.push(wanted.clone());
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::builtin;
    use serde_json::json;

    fn pod_spec(last: Value, desired: Value, live: Value) -> Value {
        let shape = builtin().named("core.v1.PodSpec").expect("a known type");
        three_way(builtin(), Some(&shape), Some(&last), &desired, &live)
    }

    #[test]
    fn applied_fields_go_and_foreign_fields_stay() {
        let merged = pod_spec(
            json!({"hostname": "a", "subdomain": "b"}),
            json!({"hostname": "c"}),
            json!({"hostname": "a", "subdomain": "b", "dnsPolicy": "ClusterFirst"}),
        );
        assert_eq!(
            merged,
            json!({"hostname": "c", "dnsPolicy": "ClusterFirst"})
        );
    }

    #[test]
    fn items_merge_by_their_key() {
        let merged = pod_spec(
            json!({"containers": [{"name": "a", "tty": true}, {"name": "old"}]}),
            json!({"containers": [{"name": "b"}, {"name": "a", "image": "2"}]}),
            json!({"containers": [
                {"name": "a", "image": "1", "tty": true, "stdin": true}, {"name": "old"}, {"name": "sidecar"}]}),
        );
        assert_eq!(
            merged,
            json!({"containers": [{"name": "b"}, {"name": "a", "image": "2", "stdin": true}, {"name": "sidecar"}]})
        );
    }

    #[test]
    fn plain_lists_are_replaced_and_nulls_remove() {
        let merged = pod_spec(
            json!({}),
            json!({"tolerations": [{"key": "a"}], "hostname": null}),
            json!({"tolerations": [{"key": "b"}, {"key": "c"}], "hostname": "x"}),
        );
        assert_eq!(merged, json!({"tolerations": [{"key": "a"}]}));
    }
}
