//! What of an object serves: its version is made of that and of nothing else.
//!
//! A change of what serves takes the steps of a rollout; any other change (the number of pods, labels of the object itself,
//! how pods are replaced) is applied at once. The serving part also says which ConfigMaps, Secrets and
//! PersistentVolumeClaims the pods use.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

/// Where a kind keeps what serves.
struct Shape {
    /// Fields that serve.
    parts: &'static [&'static [&'static str]],
    /// Fields of each of them that do not; `*` stands for the items of a list.
    apart: &'static [&'static [&'static str]],
}

/// Scaling and the way of replacing pods, in each component of an InferenceService.
const COMPONENT: &[&[&str]] = &[
    &["minReplicas"],
    &["maxReplicas"],
    &["scaleTarget"],
    &["scaleMetric"],
    &["scaleMetricType"],
    &["autoScaling"],
    &["canaryTrafficPercent"],
    &["deploymentStrategy"],
];

fn shape(object: &Value) -> Option<Shape> {
    let text = |name: &str| object.get(name).and_then(Value::as_str).unwrap_or_default();
    let group = text("apiVersion")
        .split_once('/')
        .map_or("", |(group, _)| group);
    Some(match (group, text("kind")) {
        ("apps", "Deployment" | "StatefulSet") => Shape {
            parts: &[&["spec", "template"]],
            apart: &[],
        },
        ("serving.kserve.io", "InferenceService") => Shape {
            parts: &[
                &["spec", "predictor"],
                &["spec", "transformer"],
                &["spec", "explainer"],
            ],
            apart: COMPONENT,
        },
        ("serving.kserve.io", "LLMInferenceService") => Shape {
            parts: &[&["spec"]],
            apart: &[
                &["replicas"],
                &["scaling"],
                &["router"],
                &["prefill", "replicas"],
                &["prefill", "scaling"],
            ],
        },
        ("machinelearning.seldon.io", "SeldonDeployment") => Shape {
            parts: &[&["spec"]],
            apart: &[
                &["replicas"],
                &["predictors", "*", "replicas"],
                &["predictors", "*", "traffic"],
                &["predictors", "*", "componentSpecs", "*", "replicas"],
                &["predictors", "*", "componentSpecs", "*", "hpaSpec"],
                &["predictors", "*", "componentSpecs", "*", "kedaSpec"],
            ],
        },
        ("mlops.seldon.io", "Model") => Shape {
            parts: &[&["spec"]],
            apart: &[&["replicas"], &["minReplicas"], &["maxReplicas"]],
        },
        _ => return None,
    })
}

/// Returns what of an object serves; the whole object, without its status, when nothing is known of its kind.
pub fn serving(object: &Value) -> Value {
    let Some(shape) = shape(object) else {
        let mut whole = object.clone();
        if let Value::Object(map) = &mut whole {
            map.remove("status");
        }
        return whole;
    };
    let mut serving = Value::Object(Map::new());
    for path in shape.parts {
        let Some(mut part) = at(object, path).cloned() else {
            continue;
        };
        for inner in shape.apart {
            remove(&mut part, inner);
        }
        put(&mut serving, path, part);
    }
    serving
}

/// Returns the object with what served before in the place of what serves in it: everything else is as it says.
pub fn with_serving(object: &Value, before: &Value) -> Value {
    let Some(shape) = shape(object) else {
        return before.clone();
    };
    let mut grafted = object.clone();
    for path in shape.parts {
        let Some(mut part) = at(before, path).cloned() else {
            remove(&mut grafted, path);
            continue;
        };
        for inner in shape.apart.iter().filter(|inner| !inner.contains(&"*")) {
            remove(&mut part, inner);
            if let Some(value) = at(object, path).and_then(|part| at(part, inner)) {
                put(&mut part, inner, value.clone());
            }
        }
        put(&mut grafted, path, part);
    }
    grafted
}

fn at<'a>(value: &'a Value, path: &[&str]) -> Option<&'a Value> {
    path.iter().try_fold(value, |value, key| value.get(key))
}

fn remove(value: &mut Value, path: &[&str]) {
    match (path, value) {
        (["*", rest @ ..], Value::Array(items)) => {
            for item in items {
                remove(item, rest);
            }
        }
        ([last], Value::Object(map)) => {
            map.remove(*last);
        }
        ([first, rest @ ..], Value::Object(map)) => {
            if let Some(inner) = map.get_mut(*first) {
                remove(inner, rest);
            }
        }
        _ => {}
    }
}

fn put(value: &mut Value, path: &[&str], new: Value) {
    match path {
        [] => *value = new,
        [first, rest @ ..] => {
            if !value.is_object() {
                *value = Value::Object(Map::new());
            }
            if let Value::Object(map) = value {
                put(map.entry(*first).or_insert(Value::Null), rest, new);
            }
        }
    }
}

/// What pods use beside their images.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Input {
    /// A ConfigMap.
    ConfigMap,
    /// A Secret.
    Secret,
    /// A PersistentVolumeClaim.
    PersistentVolumeClaim,
}

impl Input {
    /// Returns the kind's name.
    pub fn kind(self) -> &'static str {
        match self {
            Self::ConfigMap => "ConfigMap",
            Self::Secret => "Secret",
            Self::PersistentVolumeClaim => "PersistentVolumeClaim",
        }
    }

    /// Returns the input of a kind of the core group.
    pub fn of(group: &str, kind: &str) -> Option<Self> {
        [Self::ConfigMap, Self::Secret, Self::PersistentVolumeClaim]
            .into_iter()
            .find(|input| group.is_empty() && input.kind() == kind)
    }
}

/// Returns what the pods of an object use, by name. Names that the object does not spell out (of a service account, of a
/// storage configuration) are not known.
pub fn inputs(object: &Value) -> BTreeSet<(Input, String)> {
    let mut found = BTreeSet::new();
    let mut serving = serving(object);
    walk(&mut serving, &mut |input, name| {
        found.insert((input, name.to_owned()));
        None
    });
    found
}

/// Gives what the pods of an object use other names; `None` keeps a name.
pub fn rename_inputs(object: &mut Value, rename: &mut dyn FnMut(Input, &str) -> Option<String>) {
    let Some(shape) = shape(object) else { return };
    for path in shape.parts {
        let found = path
            .iter()
            .try_fold(&mut *object, |value, key| value.get_mut(key));
        if let Some(part) = found {
            walk(part, rename);
        }
    }
}

fn walk(value: &mut Value, rename: &mut dyn FnMut(Input, &str) -> Option<String>) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| walk(item, rename)),
        Value::Object(map) => {
            for (key, inner) in map.iter_mut() {
                let named: Option<(Input, &[&str])> = match key.as_str() {
                    "configMapKeyRef" | "configMapRef" | "configMap" => {
                        Some((Input::ConfigMap, &["name"]))
                    }
                    "secretKeyRef" | "secretRef" => Some((Input::Secret, &["name"])),
                    // A volume says `secretName`, a part of a projected one `name`.
                    "secret" => Some((Input::Secret, &["secretName", "name"])),
                    "persistentVolumeClaim" => Some((Input::PersistentVolumeClaim, &["claimName"])),
                    _ => None,
                };
                if let Some((input, fields)) = named {
                    for field in fields {
                        if let Some(Value::String(name)) = inner.get_mut(field)
                            && let Some(new) = rename(input, name)
                        {
                            *name = new;
                        }
                    }
                }
                if let ("storageUri", Some(claim)) = (key.as_str(), inner.as_str().and_then(claim))
                {
                    let _ = rename(Input::PersistentVolumeClaim, claim);
                }
                walk(inner, rename);
            }
        }
        _ => {}
    }
}

/// Returns the claim of an address such as `pvc://claim/path`.
fn claim(address: &str) -> Option<&str> {
    let claim = address.strip_prefix("pvc://")?.split('/').next()?;
    (!claim.is_empty()).then_some(claim)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn deployment(image: &str, replicas: u32) -> Value {
        json!({"apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "m", "labels": {"team": replicas.to_string()}},
            "spec": {"replicas": replicas, "template": {"spec": {"containers": [{"image": image}]}}}})
    }

    #[test]
    fn only_what_serves_makes_a_version() {
        assert_eq!(
            serving(&deployment("a", 1)),
            serving(&deployment("a", 5)),
            "the number of pods and labels of the object do not count"
        );
        assert_ne!(serving(&deployment("a", 1)), serving(&deployment("b", 1)));
        let model = |uri: &str, least: u32| {
            json!({"apiVersion": "serving.kserve.io/v1beta1", "kind": "InferenceService", "spec": {
                "predictor": {"minReplicas": least, "model": {"storageUri": uri}}}})
        };
        assert_eq!(serving(&model("s3://a", 1)), serving(&model("s3://a", 2)));
        assert_ne!(serving(&model("s3://a", 1)), serving(&model("s3://b", 1)));
        let other = |number: u32| json!({"kind": "Thing", "status": number, "spec": number});
        assert_ne!(serving(&other(1)), serving(&other(2)));
    }

    #[test]
    fn what_served_before_keeps_what_git_says_beside_it() {
        let healed = with_serving(&deployment("b", 5), &deployment("a", 1));
        assert_eq!(healed, {
            let mut wanted = deployment("a", 5);
            wanted["metadata"]["labels"]["team"] = "5".into();
            wanted
        });
        let model = |uri: &str, least: u32| {
            json!({"apiVersion": "serving.kserve.io/v1beta1", "kind": "InferenceService", "spec": {
                "predictor": {"minReplicas": least, "model": {"storageUri": uri}}}})
        };
        let healed = with_serving(&model("s3://b", 3), &model("s3://a", 1));
        assert_eq!(healed, model("s3://a", 3));
    }

    #[test]
    fn inputs_are_found_wherever_pods_name_them() {
        let mut object = json!({"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"template": {"spec": {
            "volumes": [
                {"name": "a", "configMap": {"name": "files"}},
                {"name": "b", "secret": {"secretName": "keys"}},
                {"name": "c", "persistentVolumeClaim": {"claimName": "weights"}},
                {"name": "d", "projected": {"sources": [{"configMap": {"name": "more"}}, {"secret": {"name": "tls"}}]}},
            ],
            "initContainers": [{"envFrom": [{"configMapRef": {"name": "env"}}, {"secretRef": {"name": "env"}}]}],
            "containers": [{"env": [{"name": "X", "valueFrom": {"configMapKeyRef": {"name": "one", "key": "x"}}}]}],
        }}, "strategy": {"configMap": {"name": "elsewhere"}}}});
        let found = inputs(&object);
        let names = |input: Input| -> Vec<&str> {
            let of = found.iter().filter(|(kind, _)| *kind == input);
            of.map(|(_, name)| name.as_str()).collect()
        };
        assert_eq!(names(Input::ConfigMap), ["env", "files", "more", "one"]);
        assert_eq!(names(Input::Secret), ["env", "keys", "tls"]);
        assert_eq!(names(Input::PersistentVolumeClaim), ["weights"]);

        rename_inputs(&mut object, &mut |input, name| {
            (input == Input::ConfigMap && name == "env").then(|| "env-1".to_owned())
        });
        let from = object.pointer("/spec/template/spec/initContainers/0/envFrom");
        assert_eq!(
            from,
            Some(&json!([{"configMapRef": {"name": "env-1"}}, {"secretRef": {"name": "env"}}]))
        );
        let model = json!({"apiVersion": "serving.kserve.io/v1beta1", "kind": "InferenceService",
            "spec": {"predictor": {"model": {"storageUri": "pvc://weights/v1"}}}});
        assert_eq!(
            inputs(&model),
            BTreeSet::from([(Input::PersistentVolumeClaim, "weights".to_owned())])
        );
    }
}
