//! Users' own Lua from the settings: which scripts there are, and running them beside everything else.

use std::collections::HashMap;
use std::sync::Arc;

use driftless_engine::action::Actions;
use driftless_engine::health::script::{Answer, Scripts};
use driftless_engine::health::{self, Health};
use driftless_engine::script::{Elapsed, Libraries, Script};
use driftless_manifest::Object;
use driftless_settings::general::Override;

use crate::config::Config;

/// Most objects whose script failed that are remembered.
const FAILURES: usize = 20_000;

/// The objects whose script failed, by uid, with their version: it would fail again, at the same cost.
#[derive(Debug, Default)]
pub(crate) struct Failures(parking_lot::Mutex<HashMap<String, (String, Health)>>);

impl Failures {
    fn of(&self, uid: &str, version: &str) -> Option<Health> {
        let failures = self.0.lock();
        let (known, health) = failures.get(uid)?;
        (known == version).then(|| health.clone())
    }

    fn put(&self, uid: &str, version: &str, health: &Health) {
        let mut failures = self.0.lock();
        if failures.len() >= FAILURES {
            failures.clear();
        }
        failures.insert(uid.to_owned(), (version.to_owned(), health.clone()));
    }
}

impl health::Rules for Config {
    fn assess(&self, object: &Object) -> Option<Option<Health>> {
        if !self.scripts.speaks_of(object.group(), object.kind()) {
            return None;
        }
        let version = object.uid().zip(object.resource_version());
        if let Some((uid, version)) = version
            && let Some(health) = self.failures.of(uid, version)
        {
            return Some(Some(health));
        }
        let answer = aside(|| self.scripts.ask(object))?;
        if let (Answer::Failed(health), Some((uid, version))) = (&answer, version) {
            let (kind, name) = (object.kind(), object.name());
            tracing::warn!(reason = health.message, kind, obj = name, "Script failed");
            self.failures.put(uid, version, health);
        }
        Some(answer.into_health())
    }
}

/// Runs something that may take its time without holding up what else runs on this thread.
pub fn aside<T>(work: impl FnOnce() -> T) -> T {
    use tokio::runtime::{Handle, RuntimeFlavor};
    let flavor = Handle::try_current().map(|handle| handle.runtime_flavor());
    match flavor {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
        _ => work(),
    }
}

fn elapsed() -> Elapsed {
    let began = tokio::time::Instant::now();
    Arc::new(move || began.elapsed())
}

fn libraries(entry: &Override) -> Libraries {
    if entry.use_open_libs {
        Libraries::All
    } else {
        Libraries::Few
    }
}

/// Returns the scripts of `resource.customizations.health`.
pub fn scripts(overrides: &[Override]) -> Scripts {
    let elapsed = elapsed();
    let mut scripts = Scripts::default();
    for entry in overrides {
        if !entry.health_lua.trim().is_empty() {
            let script = Script::new(&entry.health_lua, libraries(entry), elapsed.clone());
            scripts.add(&entry.group, &entry.kind, &entry.key("health"), script);
        }
    }
    scripts
}

/// Returns the actions of `resource.customizations.actions`; what cannot be read is told in the log, and to those
/// who ask for the actions of the kind.
pub(crate) fn actions(overrides: &[Override]) -> Actions {
    let elapsed = elapsed();
    let mut actions = Actions::default();
    for entry in overrides {
        if !entry.actions.trim().is_empty() {
            let (kind, key) = ((&*entry.group, &*entry.kind), entry.key("actions"));
            actions.add(kind, &key, &entry.actions, libraries(entry), &elapsed);
        }
    }
    for (key, error) in actions.problems() {
        tracing::warn!(key, error, "Actions not used");
    }
    actions
}

#[cfg(test)]
mod tests {
    use super::*;
    use driftless_engine::health::Status;
    use driftless_settings::Settings;
    use driftless_settings::general::General;
    use serde_json::json;

    fn config(data: &[(&str, &str)]) -> Config {
        let data = data
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        let (general, diagnostics) = General::read(&data.collect(), None);
        assert_eq!(diagnostics, []);
        Config::new(Arc::new(Settings {
            general: Arc::new(general),
            ..Settings::default()
        }))
    }

    fn widget(version: &str) -> Object {
        Object::from_value(
            json!({"apiVersion": "x.io/v1", "kind": "Widget", "metadata":
            {"name": "w", "uid": "u", "resourceVersion": version}}),
        )
        .unwrap()
    }

    #[test]
    fn a_script_that_failed_is_not_run_again_for_the_same_version() {
        // It says how often it ran: time is all that it has.
        let config = config(&[(
            "resource.customizations.health.x.io_Widget",
            "while true do end",
        )]);
        let health = health::assess(&widget("1"), &config).unwrap();
        assert_eq!(health.status, Status::Unknown);
        assert!(
            health
                .message
                .starts_with("argocd-cm resource.customizations.health.x.io_Widget: "),
            "{}",
            health.message
        );
        let known = Health::new(Status::Unknown, "remembered");
        config.failures.put("u", "1", &known);
        assert_eq!(health::assess(&widget("1"), &config), Some(known));
        assert_eq!(health::assess(&widget("2"), &config), Some(health));
    }

    #[test]
    fn the_old_map_and_its_patterns_count() {
        let config = config(&[(
            "resource.customizations",
            "'*.io/*':\n  health.lua.useOpenLibs: true\n  health.lua: return {status = string.upper('h') .. 'ealthy'}\n\
             'x.io/Broken':\n  health.lua: return x.y\n",
        )]);
        let health = health::assess(&widget("1"), &config).unwrap();
        assert_eq!(health.status, Status::Healthy);
        let broken = Object::from_value(
            json!({"apiVersion": "x.io/v1", "kind": "Broken", "metadata": {"name": "w"}}),
        );
        let health = health::assess(&broken.unwrap(), &config).unwrap();
        assert_eq!(
            health.message,
            "argocd-cm resource.customizations (x.io/Broken): Lua: script:1: attempt to index nil with 'y'"
        );
    }
}
