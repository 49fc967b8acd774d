//! Users' own actions, in Lua.

use driftless_core::Glob;
use driftless_core::class::render_chain;
use driftless_manifest::Object;
use serde::Deserialize;
use serde_json::Value;

use super::{Action, Change, Error, Parameter, Parameters};
use crate::script::{self, Elapsed, Libraries, Script};

/// The form of `resource.customizations.actions.<group_kind>`.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Form {
    #[serde(rename = "discovery.lua")]
    discovery: String,
    definitions: Vec<DefinitionForm>,
    #[serde(rename = "mergeBuiltinActions")]
    merges: bool,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct DefinitionForm {
    name: String,
    #[serde(rename = "action.lua")]
    action: String,
}

/// The actions of a kind.
#[derive(Debug)]
pub(super) struct Custom {
    group: Glob,
    kind: Glob,
    key: String,
    /// Why the definitions cannot be read.
    problem: Option<String>,
    discovery: Option<Script>,
    definitions: Vec<Definition>,
    pub(super) merges: bool,
}

/// One action.
#[derive(Debug)]
pub(super) struct Definition {
    name: String,
    script: Script,
}

/// Actions of users' own; the last one that fits a kind counts.
#[derive(Debug, Default)]
pub struct Actions {
    custom: Vec<Custom>,
}

impl Actions {
    /// Adds the actions of a kind, YAML that is written at `key` of the settings; group and kind may hold stars.
    /// Definitions that cannot be read are told to whoever asks for the actions of the kind.
    pub fn add(
        &mut self,
        (group, kind): (&str, &str),
        key: &str,
        yaml: &str,
        libraries: Libraries,
        elapsed: &Elapsed,
    ) {
        let (Ok(group), Ok(kind)) = (Glob::new(group, None), Glob::new(kind, None)) else {
            return;
        };
        let (form, problem) = match read(yaml) {
            Ok(form) => (form, None),
            Err(problem) => (Form::default(), Some(problem)),
        };
        let script = |source: &str| Script::new(source, libraries, elapsed.clone());
        let definitions = form.definitions.iter().map(|one| Definition {
            name: one.name.clone(),
            script: script(&one.action),
        });
        self.custom.push(Custom {
            group,
            kind,
            key: key.to_owned(),
            problem,
            discovery: (!form.discovery.trim().is_empty()).then(|| script(&form.discovery)),
            definitions: definitions.collect(),
            merges: form.merges,
        });
    }

    /// Returns what is wrong with the definitions, each with its key.
    pub fn problems(&self) -> impl Iterator<Item = (&str, &str)> {
        let all = self.custom.iter();
        all.filter_map(|one| Some((&*one.key, one.problem.as_deref()?)))
    }

    pub(super) fn of(&self, object: &Object) -> Option<&Custom> {
        let mut fitting = self.custom.iter().rev();
        fitting.find(|one| one.group.matches(object.group()) && one.kind.matches(object.kind()))
    }
}

fn read(yaml: &str) -> Result<Form, String> {
    let limits = driftless_yaml::Limits::default();
    let documents = driftless_yaml::parse_documents(yaml.as_bytes(), &limits)
        .map_err(|error| render_chain(&error))?;
    let value = documents.into_iter().next().unwrap_or_default();
    if !value.is_object() {
        return Err(
            "write a YAML map of discovery.lua, definitions, mergeBuiltinActions".to_owned(),
        );
    }
    serde_json::from_value(value).map_err(|error| error.to_string())
}

impl Custom {
    /// Says whether there are definitions at all.
    pub(super) fn defines(&self) -> bool {
        !self.definitions.is_empty()
    }

    fn usable(&self) -> Result<(), Error> {
        match &self.problem {
            None => Ok(()),
            Some(problem) => Err(Error::Definitions {
                key: self.key.clone(),
                problem: problem.clone(),
            }),
        }
    }

    fn failed(&self, action: &str, source: script::Error) -> Error {
        Error::Script {
            key: self.key.clone(),
            action: action.to_owned(),
            source,
        }
    }

    fn refused(&self, action: &str, problem: &'static str) -> Error {
        Error::Answer {
            key: self.key.clone(),
            action: action.to_owned(),
            problem,
        }
    }

    /// Asks the script which actions there are.
    pub(super) fn discover(&self, object: &Object) -> Result<Vec<Action>, Error> {
        self.usable()?;
        let Some(discovery) = &self.discovery else {
            return Ok(Vec::new());
        };
        let empty = Value::Object(serde_json::Map::new());
        let globals = [("obj", &object.to_value()), ("actions", &empty)];
        let answer = discovery.run(&globals);
        match answer.map_err(|source| self.failed("discovery", source))? {
            Value::Object(found) => Ok(found.iter().map(|(name, one)| action(name, one)).collect()),
            Value::Null => Ok(Vec::new()),
            _ => Err(self.refused("discovery", "something else than a table")),
        }
    }

    /// Runs an action: its script returns the object as it is to become, or a list of operations. `None` when the
    /// action is not defined here.
    pub(super) fn run(
        &self,
        object: &Object,
        action: &str,
        parameters: &Parameters,
    ) -> Option<Result<Vec<Change>, Error>> {
        if let Err(error) = self.usable() {
            return Some(Err(error));
        }
        let definition = self.definitions.iter().find(|one| one.name == action)?;
        let before = object.to_value();
        let given = serde_json::to_value(parameters).unwrap_or_default();
        let answer = definition
            .script
            .run(&[("obj", &before), ("actionParams", &given)]);
        Some(match answer {
            Ok(Value::Array(operations)) => operations
                .into_iter()
                .map(|one| operation(&one, &before).map_err(|why| self.refused(action, why)))
                .collect(),
            Ok(changed @ Value::Object(_)) => Ok(vec![become_of(changed, &before)]),
            Ok(_) => Err(self.refused(action, "neither an object nor a list of operations")),
            Err(source) => Err(self.failed(action, source)),
        })
    }
}

fn operation(value: &Value, before: &Value) -> Result<Change, &'static str> {
    let resource = value.get("resource").cloned().unwrap_or_default();
    if !resource.is_object() {
        return Err("an operation without a resource");
    }
    match value["operation"].as_str() {
        Some("create") => Ok(Change::Create(resource)),
        Some("patch") => Ok(become_of(resource, before)),
        _ => Err("an operation that is neither create nor patch"),
    }
}

fn action(name: &str, value: &Value) -> Action {
    let text = |field: &str| value[field].as_str().unwrap_or_default().to_owned();
    let params = value["params"].as_array().into_iter().flatten();
    Action {
        name: name.to_owned(),
        disabled: value["disabled"].as_bool().unwrap_or_default(),
        icon_class: text("iconClass"),
        display_name: text("displayName"),
        params: params
            .map(|one| Parameter {
                name: one["name"].as_str().unwrap_or_default().to_owned(),
            })
            .collect(),
    }
}

fn become_of(mut value: Value, before: &Value) -> Change {
    script::restore(&mut value, before);
    Change::Become(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::action::Occasion;
    use jiff::Timestamp;
    use serde_json::json;

    const YAML: &str = r#"
mergeBuiltinActions: true
discovery.lua: |
  actions["grow"] = {["disabled"] = obj.spec.replicas > 5, ["iconClass"] = "fa", ["params"] = {{["name"] = "by"}}}
  return actions
definitions:
- name: grow
  action.lua: |
    obj.spec.replicas = obj.spec.replicas + tonumber(actionParams["by"])
    return obj
- name: clone
  action.lua: |
    local copy = {}
    copy.operation = "create"
    copy.resource = {apiVersion = "v1", kind = "ConfigMap", metadata = {name = obj.metadata.name .. "-copy"}}
    return {copy}
- name: loop
  action.lua: while true do end
"#;

    fn actions(yaml: &str) -> Actions {
        let mut actions = Actions::default();
        let clock: Elapsed = std::sync::Arc::new(|| std::time::Duration::ZERO);
        let kind = ("apps", "Deployment");
        actions.add(kind, "the.key", yaml, Libraries::Few, &clock);
        actions
    }

    fn web() -> Object {
        Object::from_value(json!({"apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "web"}, "spec": {"replicas": 2, "list": [], "map": {}}}))
        .unwrap()
    }

    fn run(actions: &Actions, name: &str) -> Result<Vec<Change>, Error> {
        let parameters = [("by".to_owned(), "2".to_owned())].into();
        let occasion = Occasion {
            now: Timestamp::UNIX_EPOCH,
            id: "",
            user: "",
        };
        actions.run(&web(), name, &parameters, &occasion)
    }

    #[test]
    fn own_actions_are_found_beside_the_built_in_ones() {
        let found = actions(YAML).list(&web()).unwrap();
        let names: Vec<&str> = found.iter().map(|one| one.name.as_str()).collect();
        assert_eq!(names, ["grow", "pause", "restart", "resume", "scale"]);
        assert_eq!(found[0].params[0].name, "by");
        assert!(!found[0].disabled);
        let alone = actions(&YAML.replace("mergeBuiltinActions: true", ""));
        assert_eq!(alone.list(&web()).unwrap().len(), 1);
        assert!(run(&alone, "restart").is_err());
    }

    #[test]
    fn an_action_changes_the_object_or_creates_others() {
        let wanted = json!({"apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "web"}, "spec": {"replicas": 4, "list": [], "map": {}}});
        assert_eq!(
            run(&actions(YAML), "grow"),
            Ok(vec![Change::Become(wanted)])
        );
        let made = run(&actions(YAML), "clone").unwrap();
        assert!(
            matches!(&made[..], [Change::Create(one)] if one["metadata"]["name"] == "web-copy")
        );
    }

    #[test]
    fn endless_actions_end() {
        let error = run(&actions(YAML), "loop").unwrap_err();
        assert!(matches!(
            &error,
            Error::Script { key, source: script::Error::Steps, .. } if key == "the.key"
        ));
    }

    #[test]
    fn definitions_that_cannot_be_read_are_told() {
        for yaml in ["definitions: {", "definitions: 3", "- a"] {
            let actions = actions(yaml);
            let told =
                |error: &Error| matches!(error, Error::Definitions { key, .. } if key == "the.key");
            assert!(told(&actions.list(&web()).unwrap_err()), "{yaml}");
            assert!(told(&run(&actions, "restart").unwrap_err()), "{yaml}");
            assert_eq!(actions.problems().count(), 1);
        }
    }

    #[test]
    fn answers_of_another_form_are_told() {
        for answer in [
            "return 1",
            "return nil",
            "return {{operation = 'delete', resource = obj}}",
            "return {{operation = 'create'}}",
        ] {
            let yaml = format!("definitions:\n- name: x\n  action.lua: \"{answer}\"\n");
            let error = run(&actions(&yaml), "x").unwrap_err();
            assert!(matches!(error, Error::Answer { .. }), "{answer}: {error:?}");
        }
    }
}
