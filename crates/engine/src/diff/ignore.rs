//! Rules for fields that do not count (`ignoreDifferences`, global and per application).

use std::sync::Arc;

use driftless_core::glob::Glob;
use driftless_manifest::Object;
use driftless_manifest::fields::remove_owned;
use driftless_manifest::pointer::Pointer;
use serde_json::Value;

/// Takes away what does not count by other means than a pointer (a jq expression). It must be pure and
/// bounded in time; what it cannot do it leaves.
pub trait Filter: Send + Sync + std::fmt::Debug {
    /// Removes fields from an object.
    fn remove(&self, object: &mut Value);

    /// Says what went wrong so far, for users.
    fn trouble(&self) -> Option<&str> {
        None
    }
}

/// Fields of some objects that do not count.
#[derive(Clone, Debug)]
pub struct IgnoreRule {
    group: Pattern,
    kind: Pattern,
    name: Pattern,
    namespace: Pattern,
    pointers: Vec<Pointer>,
    managers: Vec<String>,
    filters: Vec<Arc<dyn Filter>>,
}

/// Why a rule cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A pointer is not one.
    #[error("rule for {what}")]
    Pointer {
        /// What the rule is for.
        what: String,
        /// What is wrong with the pointer.
        source: driftless_manifest::pointer::Error,
    },
    /// A name pattern is not one.
    #[error("rule for {what}")]
    Glob {
        /// What the rule is for.
        what: String,
        /// What is wrong with the pattern.
        source: driftless_core::glob::Error,
    },
}

impl driftless_core::Classify for Error {
    fn class(&self) -> driftless_core::Class {
        driftless_core::Class::User
    }

    fn reason(&self) -> &'static str {
        "InvalidIgnoreDifferences"
    }
}

/// One name or a glob.
#[derive(Clone, Debug)]
enum Pattern {
    Any,
    Exact(String),
    Glob(Glob),
}

impl Pattern {
    /// Reads a pattern; empty matches anything when `empty_is_any`, else only the empty text.
    fn parse(text: &str, empty_is_any: bool) -> Result<Self, driftless_core::glob::Error> {
        Ok(match text {
            "*" => Self::Any,
            "" if empty_is_any => Self::Any,
            text if text.contains(['*', '?', '[', '{', '\\']) => Self::Glob(Glob::new(text, None)?),
            text => Self::Exact(text.to_owned()),
        })
    }

    fn matches(&self, text: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Exact(exact) => exact == text,
            Self::Glob(glob) => glob.matches(text),
        }
    }
}

impl IgnoreRule {
    /// Builds a rule for objects of a group and kind (globs). An empty name or namespace matches any.
    pub fn new(group: &str, kind: &str, name: &str, namespace: &str) -> Result<Self, Error> {
        let pattern = |text: &str, empty_is_any: bool| {
            Pattern::parse(text, empty_is_any).map_err(|source| Error::Glob {
                what: format!("{group}/{kind}"),
                source,
            })
        };
        Ok(Self {
            group: pattern(group, false)?,
            kind: pattern(kind, false)?,
            name: pattern(name, true)?,
            namespace: pattern(namespace, true)?,
            pointers: Vec::new(),
            managers: Vec::new(),
            filters: Vec::new(),
        })
    }

    /// Adds a JSON pointer.
    pub fn with_pointer(mut self, pointer: &str) -> Result<Self, Error> {
        let pointer = Pointer::parse(pointer).map_err(|source| Error::Pointer {
            what: format!("{:?}/{:?}", self.group, self.kind),
            source,
        })?;
        self.pointers.push(pointer);
        Ok(self)
    }

    /// Adds a field manager whose fields do not count.
    pub fn with_manager(mut self, manager: &str) -> Self {
        self.managers.push(manager.to_owned());
        self
    }

    /// Adds another means.
    pub fn with_filter(mut self, filter: Arc<dyn Filter>) -> Self {
        self.filters.push(filter);
        self
    }

    /// Returns what went wrong while the rule was used.
    pub fn troubles(&self) -> impl Iterator<Item = &str> {
        self.filters.iter().filter_map(|filter| filter.trouble())
    }

    /// Says whether the rule speaks of an object.
    pub fn matches(&self, object: &Object) -> bool {
        self.group.matches(object.group())
            && self.kind.matches(object.kind())
            && self.name.matches(object.name())
            && self.namespace.matches(object.namespace())
    }

    /// Takes away what does not count. Whose fields they are is read from the live object.
    pub(crate) fn remove(&self, value: &mut Value, live: &Object) {
        for pointer in &self.pointers {
            pointer.remove(value);
        }
        for filter in &self.filters {
            filter.remove(value);
        }
        for entry in live.managed_fields() {
            if self.managers.iter().any(|manager| manager == entry.manager) {
                remove_owned(value, entry.fields);
            }
        }
    }
}

/// Copies ignored fields from the live object into the desired one, so that applying it leaves them as they
/// are (`RespectIgnoreDifferences`).
pub fn keep_ignored(desired: &Object, live: &Object, rules: &[IgnoreRule]) -> Object {
    let mut kept = desired.to_value();
    for rule in rules.iter().filter(|rule| rule.matches(desired)) {
        let mut without = live.to_value();
        rule.remove(&mut without, live);
        let live = live.to_value();
        copy_removed(&mut kept, &live, &without, true);
    }
    Object::from_value(kept).unwrap_or_else(|_| desired.clone())
}

/// Copies into `kept` what `live` has and `without` has not, where the parents exist.
fn copy_removed(kept: &mut Value, live: &Value, without: &Value, top: bool) {
    match (kept, live, without) {
        (Value::Object(kept), Value::Object(live), Value::Object(without)) => {
            for (name, found) in live {
                if top && name == "status" {
                    continue;
                }
                match (kept.get_mut(name), without.get(name)) {
                    (_, Some(rest)) if rest == found => {}
                    (Some(kept), Some(rest)) => copy_removed(kept, found, rest, false),
                    (None, Some(_)) => {}
                    (_, None) => {
                        kept.insert(name.clone(), found.clone());
                    }
                }
            }
        }
        (Value::Array(kept), Value::Array(live), Value::Array(without))
            if kept.len() == live.len() && live.len() == without.len() =>
        {
            for ((kept, live), without) in kept.iter_mut().zip(live).zip(without) {
                copy_removed(kept, live, without, false);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn deployment(replicas: i64) -> Object {
        Object::from_value(json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "n"},
            "spec": {"replicas": replicas, "paused": false}, "status": {"replicas": replicas}
        }))
        .unwrap()
    }

    fn rule(group: &str, kind: &str, name: &str, namespace: &str) -> IgnoreRule {
        IgnoreRule::new(group, kind, name, namespace).unwrap()
    }

    #[test]
    fn rules_match_by_name_and_glob() {
        let object = deployment(1);
        for (group, kind, name, namespace, want) in [
            ("apps", "Deployment", "", "", true),
            ("*", "*", "", "", true),
            ("ap*", "Deploy*", "w?b", "n", true),
            ("", "Deployment", "", "", false),
            ("apps", "StatefulSet", "", "", false),
            ("apps", "Deployment", "api", "", false),
            ("apps", "Deployment", "", "other", false),
        ] {
            assert_eq!(
                rule(group, kind, name, namespace).matches(&object),
                want,
                "{group}/{kind} {name}"
            );
        }
    }

    #[test]
    fn a_bad_pointer_is_told() {
        let error = rule("apps", "Deployment", "", "")
            .with_pointer("spec")
            .unwrap_err();
        assert!(
            driftless_core::class::render_chain(&error).contains("must be empty or begin with")
        );
    }

    #[test]
    fn ignored_fields_are_kept_as_they_are_live() {
        let rules = [rule("apps", "Deployment", "", "")
            .with_pointer("/spec/replicas")
            .and_then(|rule| rule.with_pointer("/status"))
            .unwrap()];
        let kept = keep_ignored(&deployment(1), &deployment(5), &rules);
        assert_eq!(kept.at(&["spec", "replicas"]), Some(&json!(5)));
        assert_eq!(kept.at(&["status", "replicas"]), Some(&json!(1)));
    }
}
