//! Short hashes, so that a pair that did not change is not compared again.

use std::hash::{DefaultHasher, Hash, Hasher};

use driftless_manifest::Object;
use serde_json::Value;

/// Hashes a desired object.
pub fn fingerprint_desired(object: &Object) -> u64 {
    let mut hasher = DefaultHasher::new();
    hash_map(object.as_map(), &mut hasher, |_, _| true);
    hasher.finish()
}

/// Hashes the part of a live object that a comparison can depend on: all but its status and what changes
/// with every write. Use it to see that an update changed nothing that matters.
pub fn fingerprint_live(object: &Object) -> u64 {
    let mut hasher = DefaultHasher::new();
    hash_map(object.as_map(), &mut hasher, |depth, field| match depth {
        0 => field != "status",
        1 => !matches!(field, "resourceVersion" | "generation" | "managedFields"),
        _ => true,
    });
    // Who owns which field counts, when it was written does not.
    for entry in object.managed_fields() {
        (entry.manager, entry.subresource, entry.api_version).hash(&mut hasher);
        entry.fields.hash_into(&mut hasher);
    }
    hasher.finish()
}

fn hash_map(
    map: &serde_json::Map<String, Value>,
    hasher: &mut DefaultHasher,
    counts: impl Fn(usize, &str) -> bool + Copy,
) {
    hash_level(map, hasher, 0, counts);
}

fn hash_level(
    map: &serde_json::Map<String, Value>,
    hasher: &mut DefaultHasher,
    depth: usize,
    counts: impl Fn(usize, &str) -> bool + Copy,
) {
    for (field, value) in map.iter().filter(|(field, _)| counts(depth, field)) {
        field.hash(hasher);
        match value {
            Value::Object(inner) if depth == 0 && field == "metadata" => {
                hash_level(inner, hasher, 1, counts);
            }
            other => other.hash(hasher),
        }
    }
    depth.hash(hasher);
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn object(version: &str, replicas: i64, ready: i64, time: &str) -> Object {
        Object::from_value(json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "d", "resourceVersion": version, "managedFields": [{
                "manager": "m", "operation": "Apply", "apiVersion": "apps/v1", "time": time,
                "fieldsV1": {"f:spec": {"f:replicas": {}}}}]},
            "spec": {"replicas": replicas}, "status": {"readyReplicas": ready}
        }))
        .unwrap()
    }

    #[test]
    fn status_and_bookkeeping_do_not_count() {
        let one = fingerprint_live(&object("1", 1, 0, "t1"));
        assert_eq!(one, fingerprint_live(&object("2", 1, 5, "t2")));
        assert_ne!(one, fingerprint_live(&object("2", 2, 5, "t2")));
    }

    #[test]
    fn ownership_counts() {
        let mut other = object("1", 1, 0, "t1");
        other.as_map_mut()["metadata"]["managedFields"][0]["fieldsV1"] = json!({"f:spec": {}});
        assert_ne!(
            fingerprint_live(&object("1", 1, 0, "t1")),
            fingerprint_live(&other)
        );
    }

    #[test]
    fn every_field_of_a_desired_object_counts() {
        assert_ne!(
            fingerprint_desired(&object("1", 1, 0, "t")),
            fingerprint_desired(&object("1", 1, 1, "t"))
        );
    }
}
