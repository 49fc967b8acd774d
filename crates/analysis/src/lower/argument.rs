//! Arguments: where their values come from, and how they are put into texts.

use std::collections::{BTreeMap, BTreeSet};

use driftless_api::analysis::{Argument, ArgumentSource};
use driftless_api::rollout::Problem;
use driftless_core::Secret;
use serde_json::Value as Json;

use super::problem;

/// Where a Secret is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum SecretPlace {
    /// In the rollout's namespace.
    Rollout,
    /// In the namespace of Driftless itself.
    Instance,
}

/// Names a Secret.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct SecretName {
    /// Where it is.
    pub place: SecretPlace,
    /// Its name.
    pub name: String,
}

/// What arguments take their values from.
#[derive(Clone, PartialEq, Default, Debug)]
pub struct Values {
    /// The rollout as JSON, for `fieldRef`.
    pub rollout: Json,
    /// What `podTemplateHashValue: Latest` stands for.
    pub latest: String,
    /// What `podTemplateHashValue: Stable` stands for.
    pub stable: String,
    /// Values of arguments that neither the rollout nor a template gives one, by name.
    pub known: BTreeMap<String, String>,
    /// Secrets with their keys; one that does not exist is left out.
    pub secrets: BTreeMap<SecretName, BTreeMap<String, Secret<String>>>,
    /// A record is replayed: whatever only a cluster knows is its own name in angle brackets.
    pub is_replay: bool,
}

impl Values {
    /// Returns values for replaying a record.
    pub fn replay() -> Self {
        Self {
            is_replay: true,
            ..Self::default()
        }
    }

    /// Returns the keys of a Secret.
    pub(super) fn secret(
        &self,
        name: &SecretName,
    ) -> Result<&BTreeMap<String, Secret<String>>, String> {
        self.secrets.get(name).ok_or_else(|| {
            let place = match name.place {
                SecretPlace::Rollout => "the rollout's namespace",
                SecretPlace::Instance => "the namespace of Driftless",
            };
            format!("the Secret {} is not in {place}", name.name)
        })
    }

    fn resolve(&self, name: &str, source: &ArgumentSource) -> Result<Filled, String> {
        if self.is_replay {
            return Ok(Filled::Open(format!("<{name}>")));
        }
        if let Some(reference) = &source.secret_key_ref {
            let secret = SecretName {
                place: SecretPlace::Rollout,
                name: reference.name.clone(),
            };
            let value = self.secret(&secret)?.get(&reference.key);
            return value.cloned().map(Filled::Secret).ok_or_else(|| {
                format!("the Secret {} has no key {}", reference.name, reference.key)
            });
        }
        if let Some(reference) = &source.field_ref {
            return field(&self.rollout, &reference.field_path).map(Filled::Open);
        }
        match source.pod_template_hash_value.as_str() {
            "Latest" => Ok(Filled::Open(self.latest.clone())),
            "Stable" => Ok(Filled::Open(self.stable.clone())),
            "" => Err(
                "valueFrom says nothing: set secretKeyRef, fieldRef or podTemplateHashValue".into(),
            ),
            other => Err(format!(
                "podTemplateHashValue {other:?} is not known: Latest or Stable"
            )),
        }
    }
}

/// A value of an argument.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Filled {
    Open(String),
    Secret(Secret<String>),
}

/// Returns the arguments' values: the caller's before the templates' own, those before what is known anyway.
pub(super) fn arguments(
    at: &str,
    declared: &[&Argument],
    given: &[Argument],
    values: &Values,
) -> Result<BTreeMap<String, Filled>, Problem> {
    let mut filled = BTreeMap::new();
    for arg in given.iter().chain(declared.iter().copied()) {
        if filled.contains_key(&arg.name) {
            continue;
        }
        let value = match (&arg.value, &arg.value_from) {
            (Some(value), _) => Filled::Open(value.clone()),
            (None, Some(source)) => values
                .resolve(&arg.name, source)
                .map_err(|message| problem(at, format!("the argument {}: {message}", arg.name)))?,
            (None, None) => continue,
        };
        filled.insert(arg.name.clone(), value);
    }
    for arg in declared {
        if let Some(value) = values.known.get(&arg.name) {
            let value = Filled::Open(value.clone());
            filled.entry(arg.name.clone()).or_insert(value);
        }
    }
    match declared.iter().find(|arg| !filled.contains_key(&arg.name)) {
        Some(arg) => Err(problem(
            at,
            format!("the argument {} has no value", arg.name),
        )),
        None => Ok(filled),
    }
}

/// Reads `metadata.labels['team']` of an object.
fn field(object: &Json, path: &str) -> Result<String, String> {
    let mut at = object;
    let mut rest = path.trim();
    while !rest.is_empty() {
        let key;
        if let Some(inner) = rest.strip_prefix('[') {
            let Some((quoted, after)) = inner.split_once(']') else {
                return Err(format!("fieldPath {path:?}: [ without ]"));
            };
            key = quoted.trim_matches(['\'', '"']);
            rest = after;
        } else {
            let plain = rest.strip_prefix('.').unwrap_or(rest);
            let end = plain.find(['.', '[']).unwrap_or(plain.len());
            (key, rest) = plain.split_at(end);
        }
        let next = match at {
            Json::Array(items) => key.parse().ok().and_then(|at: usize| items.get(at)),
            other => other.get(key),
        };
        at = next.ok_or_else(|| format!("the rollout has no field {path}"))?;
    }
    match at {
        Json::String(text) => Ok(text.clone()),
        Json::Bool(_) | Json::Number(_) => Ok(at.to_string()),
        _ => Err(format!("the rollout's field {path} is not a single value")),
    }
}

/// Puts arguments into the texts of a value. What came from Secrets is added to `hidden`; without it such a value is refused.
pub(super) fn fill(
    value: &mut Json,
    values: &BTreeMap<String, Filled>,
    hidden: &mut Option<&mut BTreeSet<String>>,
) -> Result<(), String> {
    match value {
        Json::String(text) if text.contains("{{") => *text = substituted(text, values, hidden)?,
        Json::Array(items) => {
            for item in items {
                fill(item, values, hidden)?;
            }
        }
        Json::Object(map) => {
            for item in map.values_mut() {
                fill(item, values, hidden)?;
            }
        }
        _ => {}
    }
    Ok(())
}

fn substituted(
    text: &str,
    values: &BTreeMap<String, Filled>,
    hidden: &mut Option<&mut BTreeSet<String>>,
) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        out.push_str(before);
        let Some((inner, after)) = after.split_once("}}") else {
            return Err(format!("{{{{ without }}}} in {text:?}"));
        };
        match inner.trim().strip_prefix("args.").map(str::trim) {
            Some(name) => match (values.get(name), hidden.as_deref_mut()) {
                (Some(Filled::Open(value)), _) => out.push_str(value),
                (Some(Filled::Secret(value)), Some(hidden)) => {
                    hidden.insert(value.expose().clone());
                    out.push_str(value.expose());
                }
                (Some(Filled::Secret(_)), None) => {
                    return Err(format!(
                        "the argument {name} comes from a Secret: it may stand in the provider only"
                    ));
                }
                (None, _) => return Err(format!("the argument {name} is not declared")),
            },
            // A Go template of another system, such as Prometheus' own.
            None => {
                out.push_str("{{");
                out.push_str(inner);
                out.push_str("}}");
            }
        }
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn substituted(text: &str, values: &BTreeMap<String, Filled>) -> Result<String, String> {
        super::substituted(text, values, &mut None)
    }

    #[test]
    fn arguments_are_put_in() {
        let values = BTreeMap::from([
            ("a".to_owned(), Filled::Open("1".to_owned())),
            (
                "s".to_owned(),
                Filled::Secret(Secret::new("hush".to_owned())),
            ),
        ]);
        assert_eq!(
            substituted("x {{args.a}} {{ args.a }} {{ $labels.b }}", &values).unwrap(),
            "x 1 1 {{ $labels.b }}"
        );
        let error = substituted("{{args.b}}", &values).unwrap_err();
        assert!(error.contains("b is not declared"));
        let error = substituted("{{args.s}}", &values).unwrap_err();
        assert!(error.contains("comes from a Secret") && !error.contains("hush"));
        let mut hidden = BTreeSet::new();
        let text = super::substituted("Bearer {{args.s}}", &values, &mut Some(&mut hidden));
        assert_eq!(text.unwrap(), "Bearer hush");
        assert!(hidden.contains("hush"));
    }

    #[test]
    fn fields_of_the_rollout() {
        let rollout =
            json!({"metadata": {"name": "fraud", "labels": {"a.b/c": "x"}}, "spec": {"l": [1]}});
        assert_eq!(field(&rollout, "metadata.name").unwrap(), "fraud");
        assert_eq!(field(&rollout, "metadata.labels['a.b/c']").unwrap(), "x");
        assert_eq!(field(&rollout, "spec.l[0]").unwrap(), "1");
        assert!(
            field(&rollout, "spec.nothing")
                .unwrap_err()
                .contains("no field")
        );
        assert!(field(&rollout, "metadata").unwrap_err().contains("single"));
    }
}
