//! ConfigMaps and Secrets that the pods of a rollout's target use are versioned with it.
//!
//! Each version refers to copies that bear the digest of their content in their name and cannot be changed. A change of a
//! ConfigMap in Git is thereby a new version of every target that uses it, takes its steps, and never reaches pods of the
//! stable version; an abort leaves the old content in use. Objects that say `immutable: true` are not copied: their content
//! cannot change under their name. Only objects of the same Application are known here.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use driftless_api::rollout::handover::ROLLOUT_LABEL;
use driftless_core::ResourceKey;
use driftless_engine::diff::fingerprint_desired;
use driftless_manifest::Object;
use driftless_rollout::version::{self, Input};
use serde_json::{Map, Value, json};

use crate::desired::{DesiredObject, Prepared};
use crate::handover::{self, name_of};

/// Annotation of a copy: the name of what it is a copy of.
pub const COPY_OF: &str = "driftless.dev/copy-of";
/// A name has 253 characters at most.
const LONGEST: usize = 240;
/// Fields that are copied.
const CONTENT: [&str; 4] = ["data", "binaryData", "stringData", "type"];

/// Copies for each target.
pub type Copies = BTreeMap<ResourceKey, Vec<Arc<Object>>>;

/// Makes targets of rollouts refer to copies of what they use.
pub(crate) fn version_inputs(prepared: &mut Prepared) {
    let targets = handover::versioned(&prepared.objects);
    if targets.is_empty() {
        return;
    }
    let sources: HashMap<ResourceKey, Arc<Object>> = prepared
        .objects
        .iter()
        .filter(|one| Input::of(&one.key.group, &one.key.kind).is_some())
        .map(|one| (one.key.clone(), Arc::clone(&one.object)))
        .collect();
    for (index, rollout) in targets {
        let Some(one) = prepared.objects.get_mut(index) else {
            continue;
        };
        let mut value = one.object.to_value();
        let mut copies: BTreeMap<String, Arc<Object>> = BTreeMap::new();
        version::rename_inputs(&mut value, &mut |input, name| {
            if input == Input::PersistentVolumeClaim {
                return None;
            }
            let key = ResourceKey::new("", input.kind(), &one.key.namespace, name);
            let copy = copy_of(sources.get(&key)?, input, &rollout)?;
            let name = copy.name().to_owned();
            copies.insert(format!("{} {name}", input.kind()), Arc::new(copy));
            Some(name)
        });
        let Some(object) = (!copies.is_empty())
            .then(|| Object::from_value(value).ok())
            .flatten()
        else {
            continue;
        };
        *one = DesiredObject {
            key: one.key.clone(),
            fingerprint: fingerprint_desired(&object),
            object: Arc::new(object),
        };
        let copies = copies.into_values().collect();
        prepared.copies.insert(one.key.clone(), copies);
    }
}

/// Returns the copy of a ConfigMap or Secret; `None` when none is needed.
fn copy_of(source: &Object, input: Input, rollout: &ResourceKey) -> Option<Object> {
    if source.at(&["immutable"]) == Some(&Value::Bool(true)) {
        return None;
    }
    let mut content = Map::new();
    for field in CONTENT {
        if let Some(value) = source.at(&[field]) {
            content.insert(field.to_owned(), value.clone());
        }
    }
    let digest = name_of(&Value::Object(content.clone()));
    let name: String = source.name().chars().take(LONGEST).collect();
    let label: String = rollout.name.chars().take(63).collect();
    let mut copy = json!({
        "apiVersion": "v1",
        "kind": input.kind(),
        "metadata": {
            "name": format!("{name}-{digest}"),
            "namespace": source.namespace(),
            "labels": {ROLLOUT_LABEL: label.trim_end_matches(['-', '.', '_'])},
            "annotations": {COPY_OF: source.name()},
        },
        "immutable": true,
    });
    for (field, value) in content {
        copy[field] = value;
    }
    Object::from_value(copy).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prepared(objects: &[Value]) -> Prepared {
        let objects = objects.iter().map(|value| {
            let object = Object::from_value(value.clone()).unwrap();
            DesiredObject {
                key: object.key(),
                fingerprint: 0,
                object: Arc::new(object),
            }
        });
        let mut prepared = Prepared {
            objects: objects.collect(),
            ..Prepared::default()
        };
        version_inputs(&mut prepared);
        prepared
    }

    fn objects(threshold: &str) -> Vec<Value> {
        vec![
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "limits", "namespace": "ml"},
                "data": {"threshold": threshold}}),
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "fixed", "namespace": "ml"},
                "immutable": true}),
            json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "fraud", "namespace": "ml"},
                "spec": {"template": {"spec": {"containers": [{"envFrom": [
                    {"configMapRef": {"name": "limits"}}, {"configMapRef": {"name": "fixed"}},
                    {"secretRef": {"name": "elsewhere"}}]}]}}}}),
            json!({"apiVersion": "driftless.dev/v1alpha1", "kind": "ModelRollout",
                "metadata": {"name": "fraud", "namespace": "ml"}, "spec": {
                    "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "fraud"},
                    "strategy": {"canary": {"steps": [{"setWeight": 10}, {"pause": {}}]}}}}),
        ]
    }

    fn names(prepared: &Prepared) -> Value {
        let target = &prepared.objects[2].object;
        let path = "/spec/template/spec/containers/0/envFrom";
        target.to_value().pointer(path).cloned().unwrap()
    }

    #[test]
    fn what_a_version_uses_bears_its_content_in_its_name() {
        let first = prepared(&objects("0.5"));
        let copy = &first.copies[&first.objects[2].key][0];
        assert_eq!(first.copies[&first.objects[2].key].len(), 1);
        assert!(copy.name().starts_with("limits-"), "{}", copy.name());
        assert_eq!(copy.at(&["data", "threshold"]), Some(&json!("0.5")));
        assert_eq!(copy.at(&["immutable"]), Some(&json!(true)));
        assert_eq!(
            names(&first),
            json!([{"configMapRef": {"name": copy.name()}}, {"configMapRef": {"name": "fixed"}},
                {"secretRef": {"name": "elsewhere"}}])
        );
        // The object of Git stays as it is, for others that use it.
        assert_eq!(first.objects[0].object.name(), "limits");
        let second = prepared(&objects("0.7"));
        assert_ne!(names(&first), names(&second));
        assert_ne!(first.objects[2].fingerprint, second.objects[2].fingerprint);
        assert_eq!(names(&first), names(&prepared(&objects("0.5"))));
    }

    #[test]
    fn without_a_rollout_or_with_the_field_off_nothing_is_copied() {
        let mut plain = objects("0.5");
        plain.truncate(3);
        assert!(prepared(&plain).copies.is_empty());
        let mut off = objects("0.5");
        off[3]["spec"]["versionedInputs"] = json!(false);
        let off = prepared(&off);
        assert!(off.copies.is_empty());
        assert_eq!(names(&off)[0]["configMapRef"]["name"], "limits");
    }
}
