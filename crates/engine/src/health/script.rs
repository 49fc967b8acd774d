//! Health by users' own Lua (`resource.customizations.health`).

use driftless_core::Glob;
use driftless_manifest::Object;
use serde_json::Value;

use super::{Health, Rules, Status};
use crate::script::{Error, Script};

/// Scripts by kind. An exact kind comes before one with stars.
#[derive(Debug, Default)]
pub struct Scripts {
    exact: Vec<(String, String, Named)>,
    globs: Vec<(Glob, Glob, Named)>,
}

/// A script and where it is written.
#[derive(Debug)]
struct Named {
    key: String,
    script: Script,
}

/// What a script says about an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// How the object is; `None` when it has no health.
    Health(Option<Health>),
    /// The script failed; the health says where it is written and why. It would fail again.
    Failed(Health),
}

impl Answer {
    /// Returns the health, whatever it came from.
    pub fn into_health(self) -> Option<Health> {
        match self {
            Self::Health(health) => health,
            Self::Failed(health) => Some(health),
        }
    }
}

impl Scripts {
    /// Adds the script of a kind, written at `key` of the settings; group and kind may hold stars. Where several
    /// fit, the last one counts.
    pub fn add(&mut self, group: &str, kind: &str, key: &str, script: Script) {
        let key = key.to_owned();
        let script = Named { key, script };
        let has_stars = |text: &str| text.contains(['*', '?', '[', '{']);
        if has_stars(group) || has_stars(kind) {
            if let (Ok(group), Ok(kind)) = (Glob::new(group, None), Glob::new(kind, None)) {
                self.globs.push((group, kind, script));
            }
        } else {
            self.exact.push((group.into(), kind.into(), script));
        }
    }

    fn of(&self, group: &str, kind: &str) -> Option<&Named> {
        let mut exact = self.exact.iter().rev();
        let mut globs = self.globs.iter().rev();
        let exact = exact.find(|(one, other, _)| one == group && other == kind);
        exact.map(|(_, _, script)| script).or_else(|| {
            globs
                .find(|(one, other, _)| one.matches(group) && other.matches(kind))
                .map(|(_, _, script)| script)
        })
    }

    /// Says whether a script speaks of a kind.
    pub fn speaks_of(&self, group: &str, kind: &str) -> bool {
        self.of(group, kind).is_some()
    }

    /// Asks the script of the object's kind; `None` when there is none.
    pub fn ask(&self, object: &Object) -> Option<Answer> {
        let Named { key, script } = self.of(object.group(), object.kind())?;
        let answer = script.run(&[("obj", &object.to_value())]);
        Some(match answer.and_then(|answer| health(&answer)) {
            Ok(health) => Answer::Health(health),
            Err(error) => Answer::Failed(Health::new(Status::Unknown, format!("{key}: {error}"))),
        })
    }
}

impl Rules for Scripts {
    fn assess(&self, object: &Object) -> Option<Option<Health>> {
        self.ask(object).map(Answer::into_health)
    }
}

/// Reads the answer of a script; nothing means that the object has no health.
fn health(answer: &Value) -> Result<Option<Health>, Error> {
    let text = |field: &str| answer.get(field).and_then(Value::as_str);
    match answer {
        Value::Null => Ok(None),
        // A table without entries cannot be told from an empty list.
        Value::Object(_) => Ok(Some(match text("status").and_then(Status::parse) {
            Some(status) => Health::new(status, text("message").unwrap_or_default()),
            None => Health::new(Status::Unknown, "Lua returned an invalid health status"),
        })),
        _ => Err(Error::Answer("something else than a table")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::assess;
    use crate::script::Libraries;
    use serde_json::json;

    fn scripts(all: &[(&str, &str, &str)]) -> Scripts {
        let mut scripts = Scripts::default();
        for (group, kind, source) in all {
            let clock = std::sync::Arc::new(|| std::time::Duration::ZERO);
            let script = Script::new(source, Libraries::Few, clock);
            scripts.add(group, kind, "resource.customizations.health.x", script);
        }
        scripts
    }

    fn application(status: &str) -> Object {
        Object::from_value(json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "Application",
            "metadata": {"name": "child"}, "status": {"health": {"status": status, "message": "m"}}}))
        .unwrap()
    }

    #[test]
    fn a_script_comes_before_every_other_rule() {
        let scripts = scripts(&[(
            "argoproj.io",
            "Application",
            "local hs = {} hs.status = 'Progressing' hs.message = ''
             if obj.status ~= nil and obj.status.health ~= nil then
               hs.status = obj.status.health.status
               hs.message = obj.status.health.message
             end
             return hs",
        )]);
        let health = assess(&application("Degraded"), &scripts);
        assert_eq!(health, Some(Health::new(Status::Degraded, "m")));
        let health = assess(&application("Nonsense"), &scripts).unwrap();
        assert_eq!(health.message, "Lua returned an invalid health status");
    }

    #[test]
    fn exact_kinds_come_before_patterns() {
        let scripts = scripts(&[
            ("argoproj.io", "Application", "return nil"),
            ("*.io", "*", "return {status = 'Suspended'}"),
        ]);
        assert_eq!(assess(&application("Healthy"), &scripts), None);
        let other = Object::from_value(
            json!({"apiVersion": "x.io/v1", "kind": "Y", "metadata": {"name": "y"}}),
        );
        let health = assess(&other.unwrap(), &scripts).unwrap();
        assert_eq!(health, Health::bare(Status::Suspended));
    }

    #[test]
    fn a_broken_script_is_unknown_with_its_reason() {
        let scripts = scripts(&[("argoproj.io", "Application", "while true do end")]);
        let health = assess(&application("Healthy"), &scripts).unwrap();
        assert_eq!(health.status, Status::Unknown);
        assert_eq!(
            health.message,
            "resource.customizations.health.x: the Lua script takes more than 500000 steps: does a loop never end?"
        );
        assert_eq!(
            scripts.ask(&application("Healthy")),
            Some(Answer::Failed(health))
        );
        for other in ["return 1", "return 'Healthy'", "return obj.x.y", "return ("] {
            let scripts = self::scripts(&[("argoproj.io", "Application", other)]);
            let answer = scripts.ask(&application("Healthy"));
            assert!(
                matches!(answer, Some(Answer::Failed(_))),
                "{other}: {answer:?}"
            );
        }
    }
}
