//! Fields of custom kinds whose type is known (`knownTypeFields`): a Pod's spec inside a Rollout, a quantity, a
//! duration. The API server knows no type for them and keeps what it is given, but a controller that reads and writes
//! the object brings it into the form of its type. What means the same is no difference there.

use std::sync::LazyLock;

use driftless_core::Glob;
use driftless_manifest::schema::{Scalar, Shape, builtin};
use driftless_manifest::{Object, duration};
use serde_json::Value;

use super::scalar;
use super::walk::is_hollow;

/// A field and its type.
#[derive(Clone, Debug)]
pub struct KnownType {
    group: Glob,
    kind: Glob,
    path: Vec<String>,
    form: Form,
}

#[derive(Clone, Debug)]
enum Form {
    Shape(Shape),
    Quantity,
    Duration,
}

/// Why a type cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// There is no such type.
    #[error("type {0:?} is not known: name one of core/v1, core/Quantity or meta/v1/Duration")]
    Type(String),
    /// A kind is not one.
    #[error("kind {kind}")]
    Kind {
        /// The kind.
        kind: String,
        /// What is wrong.
        source: driftless_core::glob::Error,
    },
    /// There is no field.
    #[error("no field is named")]
    Field,
}

/// Types that are known without being told.
static BUILT_IN: LazyLock<Vec<KnownType>> = LazyLock::new(|| {
    let known = [
        ("argoproj.io", "Rollout", "spec.template.spec"),
        ("argoproj.io", "Experiment", "spec.templates.template.spec"),
        ("apps.kruise.io", "*", "spec.template.spec"),
        ("batch.volcano.sh", "Job", "spec.tasks.template.spec"),
        (
            "jobset.x-k8s.io",
            "JobSet",
            "spec.replicatedJobs.template.spec.template.spec",
        ),
        ("kubeflow.org", "Notebook", "spec.template.spec"),
    ];
    let known = known.into_iter();
    known
        .filter_map(|(group, kind, field)| {
            KnownType::new(group, kind, field, "core/v1/PodSpec").ok()
        })
        .collect()
});

impl KnownType {
    /// Says that a field of a kind (globs) has a type: `core/v1/PodSpec`, `core/Quantity`, `meta/v1/Duration`.
    pub fn new(group: &str, kind: &str, field: &str, name: &str) -> Result<Self, Error> {
        let glob = |text| {
            Glob::new(text, None).map_err(|source| Error::Kind {
                kind: format!("{group}/{kind}"),
                source,
            })
        };
        let form = match name {
            "core/Quantity" | "core/v1/Quantity" => Form::Quantity,
            "meta/v1/Duration" | "meta/Duration" => Form::Duration,
            other => {
                let named = builtin().named(&other.replace('/', "."));
                Form::Shape(named.ok_or_else(|| Error::Type(other.to_owned()))?)
            }
        };
        let path: Vec<String> = field
            .split('.')
            .filter(|part| !part.is_empty())
            .map(str::to_owned)
            .collect();
        if path.is_empty() {
            return Err(Error::Field);
        }
        Ok(Self {
            group: glob(group)?,
            kind: glob(kind)?,
            path,
            form,
        })
    }

    fn is_about(&self, object: &Object) -> bool {
        self.group.matches(object.group()) && self.kind.matches(object.kind())
    }
}

/// Returns the types that are known of an object's fields.
pub(super) fn of<'a>(
    object: &'a Object,
    told: &'a [KnownType],
) -> impl Iterator<Item = &'a KnownType> {
    let built_in = BUILT_IN.iter();
    built_in.chain(told).filter(|known| known.is_about(object))
}

/// Rewrites the live value where it means the same as the desired one.
pub(super) fn align(known: &KnownType, desired: &Value, live: &mut Value) {
    along(&known.path, &known.form, desired, live);
}

fn along(path: &[String], form: &Form, desired: &Value, live: &mut Value) {
    // A list on the way stands for its items.
    if let (Value::Array(desired), Value::Array(live)) = (desired, &mut *live) {
        for (wanted, found) in desired.iter().zip(live) {
            along(path, form, wanted, found);
        }
        return;
    }
    let Some((first, rest)) = path.split_first() else {
        match form {
            Form::Shape(shape) => typed(Some(shape), desired, live),
            Form::Quantity => scalars(Some(Scalar::Quantity), desired, live),
            Form::Duration => durations(desired, live),
        }
        return;
    };
    if let (Some(wanted), Some(found)) = (desired.get(first), live.get_mut(first)) {
        along(rest, form, wanted, found);
    }
}

fn scalars(known: Option<Scalar>, desired: &Value, live: &mut Value) {
    if scalar::agree(desired, live, known, false) {
        *live = desired.clone();
    }
}

fn durations(desired: &Value, live: &mut Value) {
    let nanos = |value: &Value| value.as_str().and_then(duration::parse);
    if nanos(desired).is_some_and(|wanted| nanos(live) == Some(wanted)) {
        *live = desired.clone();
    }
}

/// Says whether a typed value is left out when it is written.
fn is_zero(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.is_empty(),
        Value::Number(number) => number.as_f64() == Some(0.0),
        other => is_hollow(other),
    }
}

fn typed(shape: Option<&Shape>, desired: &Value, live: &mut Value) {
    let schema = builtin();
    match (desired, &mut *live) {
        (Value::Object(desired), Value::Object(live)) => {
            for (name, wanted) in desired {
                let Some(field) = shape.and_then(|shape| shape.field(schema, name)) else {
                    continue;
                };
                match live.get_mut(name) {
                    Some(found) => typed(Some(field), wanted, found),
                    None if is_zero(wanted) => {
                        live.insert(name.clone(), wanted.clone());
                    }
                    None => {}
                }
            }
            live.retain(|name, found| desired.contains_key(name) || !is_zero(found));
        }
        (Value::Array(desired), Value::Array(live)) => {
            let item = shape.and_then(Shape::item);
            for (wanted, found) in desired.iter().zip(live) {
                typed(item, wanted, found);
            }
        }
        _ => scalars(shape.and_then(Shape::scalar), desired, live),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diff::{Ctx, compare};
    use serde_json::json;

    fn object(kind: &str, spec: Value) -> Object {
        Object::from_value(json!({
            "apiVersion": "argoproj.io/v1alpha1", "kind": kind, "metadata": {"name": "r",
                "managedFields": [{"manager": "argocd-controller", "operation": "Apply",
                    "apiVersion": "argoproj.io/v1alpha1", "fieldsV1": {"f:spec": {}}}]},
            "spec": spec
        }))
        .unwrap()
    }

    #[test]
    fn a_pod_inside_a_rollout_is_compared_as_one() {
        let pod = |cpu: Value, more: Value| {
            let mut container = json!({"name": "c", "resources": {"limits": {"cpu": cpu}}});
            driftless_manifest::merge_patch::apply(&mut container, &more);
            json!({"template": {"spec": {"containers": [container]}}})
        };
        let desired = pod(json!("1000m"), json!({"tty": false, "env": []}));
        let same = pod(json!("1"), json!({"args": []}));
        let differs = |kind: &str, live: &Value| {
            compare(
                &object(kind, desired.clone()),
                &object(kind, live.clone()),
                &Ctx::default(),
            )
            .is_modified()
        };
        assert!(!differs("Rollout", &same));
        assert!(differs("Rollout", &pod(json!("2"), json!({}))));
    }

    #[test]
    fn told_quantities_and_durations_agree_by_value() {
        let known = [
            KnownType::new("argoproj.io", "X", "spec.size", "core/Quantity").unwrap(),
            KnownType::new("argoproj.io", "X", "spec.items.wait", "meta/v1/Duration").unwrap(),
        ];
        let desired = object("X", json!({"size": "1024Mi", "items": [{"wait": "90s"}]}));
        let cx = Ctx {
            known_types: &known,
            ..Ctx::default()
        };
        let live =
            |size: &str, wait: &str| object("X", json!({"size": size, "items": [{"wait": wait}]}));
        assert!(!compare(&desired, &live("1Gi", "1m30s"), &cx).is_modified());
        assert!(compare(&desired, &live("2Gi", "1m30s"), &cx).is_modified());
        assert!(compare(&desired, &live("1Gi", "91s"), &cx).is_modified());
        assert!(compare(&desired, &live("1Gi", "1m30s"), &Ctx::default()).is_modified());
    }

    #[test]
    fn unknown_types_are_told() {
        assert!(KnownType::new("g", "K", "spec.x", "core/v1/Nothing").is_err());
        assert!(KnownType::new("g", "K", "", "core/Quantity").is_err());
    }
}
