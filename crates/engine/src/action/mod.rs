//! What people can have done to an object: restart it, promote it, pause it.
//!
//! An action turns an object into another one, or makes new ones; it never does anything itself. The built-in actions
//! are data (`crates/engine/actions`), users' own are Lua (`resource.customizations.actions`: a script that says which
//! actions there are, and one per action).

mod builtin;
mod custom;

use driftless_manifest::Object;
use jiff::Timestamp;
use serde_json::{Map, Value};

pub use custom::Actions;

/// A parameter that an action takes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parameter {
    /// Name.
    pub name: String,
}

/// One thing that can be done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Action {
    /// Name, unique for a kind.
    pub name: String,
    /// It cannot be done now.
    pub disabled: bool,
    /// CSS classes of an icon.
    pub icon_class: String,
    /// What people see instead of the name.
    pub display_name: String,
    /// What it needs to know.
    pub params: Vec<Parameter>,
}

/// What an action makes of an object.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// The object becomes this.
    Become(Value),
    /// The object becomes this unless somebody changes it meanwhile: then the action is asked again.
    BecomeIfUnchanged(Value),
    /// This object is created.
    Create(Value),
}

/// Why an action does nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// There is no such action.
    #[error("built-in script does not exist: no action {action} for {kind}")]
    Unknown {
        /// Its name.
        action: String,
        /// The kind.
        kind: String,
    },
    /// A parameter is missing or is none.
    #[error("parameter {name}: {problem}")]
    Parameter {
        /// Its name.
        name: String,
        /// What is wrong.
        problem: &'static str,
    },
    /// The definitions in the settings cannot be read.
    #[error("{key}: {problem}")]
    Definitions {
        /// Where they are written.
        key: String,
        /// What is wrong.
        problem: String,
    },
    /// A script gave no answer.
    #[error("{key}, {action}")]
    Script {
        /// Where it is written.
        key: String,
        /// Its name.
        action: String,
        /// Why.
        source: crate::script::Error,
    },
    /// A script gave an answer of another form.
    #[error("{key}, {action}: the Lua script returns {problem}")]
    Answer {
        /// Where it is written.
        key: String,
        /// Its name.
        action: String,
        /// What is wrong.
        problem: &'static str,
    },
    /// The object does not have what the action needs.
    #[error("{0}")]
    Object(&'static str),
    /// A rollout has no such target.
    #[error("the rollout has no target {target}; it has: {known}")]
    Target {
        /// The target that was named.
        target: String,
        /// Those it has.
        known: String,
    },
    /// Something else was asked for and is not carried out yet.
    #[error("another command is not carried out yet: {0}; try again in a moment")]
    Pending(String),
}

/// When and for whom an action is carried out.
#[derive(Clone, Copy, Debug)]
pub struct Occasion<'a> {
    /// The time.
    pub now: Timestamp,
    /// An id that no other occasion has.
    pub id: &'a str,
    /// Who asked for it.
    pub user: &'a str,
}

/// Parameters by name.
pub type Parameters = std::collections::BTreeMap<String, String>;

impl Actions {
    /// Returns the actions for an object, sorted by name.
    pub fn list(&self, object: &Object) -> Result<Vec<Action>, Error> {
        let custom = self.of(object);
        let mut found = match custom {
            Some(custom) => custom.discover(object)?,
            None => Vec::new(),
        };
        if custom.is_none_or(|custom| custom.merges) {
            for action in builtin::list(object) {
                if !found.iter().any(|known| known.name == action.name) {
                    found.push(action);
                }
            }
        }
        found.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(found)
    }

    /// Says what an action makes of an object.
    pub fn run(
        &self,
        object: &Object,
        action: &str,
        parameters: &Parameters,
        occasion: &Occasion<'_>,
    ) -> Result<Vec<Change>, Error> {
        let custom = self.of(object);
        if let Some(custom) = custom
            && let Some(answer) = custom.run(object, action, parameters)
        {
            return answer;
        }
        let is_built_in = custom.is_none_or(|custom| custom.merges || !custom.defines());
        let known = is_built_in.then(|| builtin::run(object, action, parameters, occasion));
        known.flatten().unwrap_or_else(|| {
            Err(Error::Unknown {
                action: action.to_owned(),
                kind: object.gvk().group_kind().to_string(),
            })
        })
    }
}

/// Makes an object that another one gives rise to.
fn offspring(parent: &Object, api_version: &str, kind: &str, now: Timestamp, spec: Value) -> Value {
    let stem: String = parent.name().chars().take(47).collect();
    let mut metadata = Map::new();
    // Two in one second are one too many.
    metadata.insert("name".into(), format!("{stem}-{}", now.as_second()).into());
    if !parent.namespace().is_empty() {
        metadata.insert("namespace".into(), parent.namespace().into());
    }
    let owner = serde_json::json!({
        "apiVersion": parent.api_version(), "kind": parent.kind(), "name": parent.name(),
        "uid": parent.at(&["metadata", "uid"]).cloned().unwrap_or_default(),
    });
    metadata.insert("ownerReferences".into(), Value::Array(vec![owner]));
    serde_json::json!({"apiVersion": api_version, "kind": kind, "metadata": metadata, "spec": spec})
}
