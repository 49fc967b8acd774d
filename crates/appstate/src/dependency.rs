//! What must be ready before an Application is synced: `driftless.dev/depends-on`.
//!
//! A comma-separated list. `name` or `namespace/name` is an Application, ready when it is Synced and Healthy and nothing
//! works on it. `[group/]Kind:[namespace/]name` is an object of the destination cluster, ready when it is healthy.
//! ` when EXPRESSION` after either replaces the rule by an expression in CEL over `object`.

use std::collections::HashSet;
use std::time::Duration;

use driftless_api::Application;
use driftless_api::annotation;
use driftless_api::application::{HealthStatusCode, SyncStatusCode};
use driftless_core::{AppKey, GroupKind, ResourceKey};
use driftless_engine::cel::Expression;
use driftless_engine::health::{self, Status};
use driftless_kube::live::Lookup;
use driftless_kube::{Cluster, Resolved, Wanted};

use crate::AppState;

/// Most dependencies of one Application.
const MAX_DEPENDENCIES: usize = 64;
/// How long a pass waits for an object to be loaded.
const LOAD_LIMIT: Duration = Duration::from_secs(5);

/// What is depended on.
#[derive(Clone, Debug, PartialEq, Eq)]
enum On {
    App(AppKey),
    Object {
        kind: GroupKind,
        /// `None` where the text names none.
        namespace: Option<String>,
        name: String,
    },
}

/// One dependency.
#[derive(Clone, Debug, PartialEq)]
pub struct Dependency {
    on: On,
    expression: Option<Test>,
}

/// An expression as it was written, and as it is evaluated.
#[derive(Clone, Debug, PartialEq)]
struct Test {
    text: String,
    expression: Expression,
}

/// The annotation cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "annotation {}: {entry:?}: {problem}; write applications or [group/]Kind:[namespace/]name, each with an optional \
     \" when EXPRESSION\" in CEL",
    annotation::DEPENDS_ON
)]
pub struct Error {
    /// The entry.
    pub entry: String,
    /// What is wrong.
    pub problem: String,
}

/// Reads the annotation.
pub fn parse(text: &str, namespace: &str) -> Result<Vec<Dependency>, Error> {
    let entries: Vec<&str> = split(text);
    if entries.len() > MAX_DEPENDENCIES {
        return Err(Error {
            entry: String::new(),
            problem: format!("more than {MAX_DEPENDENCIES} dependencies"),
        });
    }
    entries
        .into_iter()
        .map(|one| entry(one, namespace))
        .collect()
}

/// Splits at commas outside quotes and brackets.
fn split(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut depth, mut quote, mut start, mut escaped) = (0_u32, None, 0, false);
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (Some(_), _) if escaped => escaped = false,
            (Some(_), '\\') => escaped = true,
            (Some(open), _) if c == open => quote = None,
            (None, '"' | '\'') => quote = Some(c),
            (None, '(' | '[' | '{') => depth += 1,
            (None, ')' | ']' | '}') => depth = depth.saturating_sub(1),
            (None, ',') if depth == 0 => {
                parts.push(text.get(start..at).unwrap_or_default());
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(text.get(start..).unwrap_or_default());
    parts.retain(|part| !part.trim().is_empty());
    parts
}

fn entry(text: &str, namespace: &str) -> Result<Dependency, Error> {
    let text = text.trim();
    let fail = |problem: String| Error {
        entry: text.to_owned(),
        problem,
    };
    let (reference, expression) = match text.split_once(" when ") {
        Some((reference, expression)) => (reference.trim(), Some(expression.trim().to_owned())),
        None => (text, None),
    };
    let expression = match expression {
        None => None,
        Some(text) => match Expression::parse(&text) {
            Ok(expression) => Some(Test { text, expression }),
            Err(error) => return Err(fail(format!("the expression cannot be read: {error}"))),
        },
    };
    let is_name = |part: &str| {
        !part.is_empty()
            && part
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | ':'))
    };
    let on = match reference.split_once(':') {
        None => {
            let (ns, name) = reference.split_once('/').unwrap_or((namespace, reference));
            if !is_name(ns) || !is_name(name) {
                return Err(fail("it names no application".to_owned()));
            }
            On::App(AppKey::new(ns, name))
        }
        Some((kind, place)) => {
            let (group, kind) = kind.split_once('/').unwrap_or(("", kind));
            let (ns, name) = match place.split_once('/') {
                Some((ns, name)) => (Some(ns), name),
                None => (None, place),
            };
            if !is_name(kind) || !is_name(name) || ns.is_some_and(|ns| !is_name(ns)) {
                return Err(fail("it names no object".to_owned()));
            }
            On::Object {
                kind: GroupKind::new(group, kind),
                namespace: ns.map(str::to_owned),
                name: name.to_owned(),
            }
        }
    };
    Ok(Dependency { on, expression })
}

/// Returns the Applications that one depends on; nothing where the annotation cannot be read.
fn apps_of(app: &Application) -> Vec<AppKey> {
    let Some(text) = app.metadata.annotation(annotation::DEPENDS_ON) else {
        return Vec::new();
    };
    let list = parse(text, &app.metadata.namespace).unwrap_or_default();
    list.into_iter()
        .filter_map(|one| match one.on {
            On::App(key) => Some(key),
            On::Object { .. } => None,
        })
        .collect()
}

/// Finds a way from `start` back to itself; `next` tells what a node depends on.
fn cycle(start: &AppKey, next: impl Fn(&AppKey) -> Vec<AppKey>) -> Option<Vec<AppKey>> {
    let mut path: Vec<(AppKey, Vec<AppKey>)> = vec![(start.clone(), next(start))];
    let mut seen: HashSet<AppKey> = HashSet::from([start.clone()]);
    while let Some((_, left)) = path.last_mut() {
        let Some(one) = left.pop() else {
            path.pop();
            continue;
        };
        if one == *start {
            let mut way: Vec<AppKey> = path.into_iter().map(|(key, _)| key).collect();
            way.push(one);
            return Some(way);
        }
        if seen.insert(one.clone()) {
            let after = next(&one);
            path.push((one, after));
        }
    }
    None
}

/// What the dependencies of an Application say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Dependencies {
    /// All are ready, or there are none.
    Ready,
    /// These are not, each with its reason.
    Waiting(Vec<String>),
    /// They can never be: the annotation is wrong, or Applications depend on each other.
    Impossible(String),
}

impl AppState {
    fn depends_on(&self, key: &AppKey) -> Vec<AppKey> {
        self.app(key)
            .map(|stored| apps_of(&stored.object))
            .unwrap_or_default()
    }

    /// Looks at what an Application depends on.
    pub async fn dependencies(&self, app: &Application, cluster: &Cluster) -> Dependencies {
        let Some(text) = app.metadata.annotation(annotation::DEPENDS_ON) else {
            return Dependencies::Ready;
        };
        let list = match parse(text, &app.metadata.namespace) {
            Ok(list) => list,
            Err(error) => return Dependencies::Impossible(error.to_string()),
        };
        let key = app.key();
        if let Some(way) = cycle(&key, |key| self.depends_on(key)) {
            let names: Vec<String> = way.iter().map(|key| key.name.to_string()).collect();
            return Dependencies::Impossible(format!(
                "applications depend on each other: {}",
                names.join(" -> ")
            ));
        }
        let mut waiting = Vec::new();
        for one in &list {
            let ready = match &one.on {
                On::App(key) => self.is_app_ready(key, one.expression.as_ref()),
                On::Object { .. } => self.is_object_ready(app, one, cluster).await,
            };
            waiting.extend(ready.err());
        }
        if waiting.is_empty() {
            Dependencies::Ready
        } else {
            Dependencies::Waiting(waiting)
        }
    }

    fn is_app_ready(&self, key: &AppKey, test: Option<&Test>) -> Result<(), String> {
        let name = &key.name;
        let Some(stored) = self.app(key) else {
            return Err(format!("application {name} does not exist"));
        };
        let app = &stored.object;
        if let Some(test) = test {
            let value = serde_json::to_value(app).unwrap_or_default();
            return judge(&format!("application {name}"), test, &value);
        }
        let status = app.status.as_deref();
        let sync = status.and_then(|status| status.sync.as_deref());
        if sync.is_none_or(|sync| sync.status != SyncStatusCode::Synced) {
            return Err(format!("application {name} is not Synced"));
        }
        let health = status.and_then(|status| status.health.as_ref());
        if health.is_none_or(|health| health.status != HealthStatusCode::Healthy) {
            return Err(format!("application {name} is not Healthy"));
        }
        let works = app.operation.is_some()
            || app
                .operation_state()
                .is_some_and(|state| !state.phase.is_completed());
        if works {
            return Err(format!("application {name} is being synced"));
        }
        Ok(())
    }

    async fn is_object_ready(
        &self,
        app: &Application,
        one: &Dependency,
        cluster: &Cluster,
    ) -> Result<(), String> {
        let On::Object {
            kind,
            namespace,
            name,
        } = &one.on
        else {
            return Ok(());
        };
        let resource = match cluster.discovery().preferred(kind) {
            Resolved::Known(resource) => resource,
            Resolved::Unknown => return Err(format!("kind {kind} is not known to the cluster")),
            Resolved::Unreadable(why) => return Err(format!("kind {kind} cannot be read: {why}")),
        };
        let namespace = match namespace {
            _ if !resource.namespaced => "",
            Some(namespace) => namespace,
            None => &app.spec.destination.namespace,
        };
        let key = ResourceKey::new(&kind.group, &kind.kind, namespace, name);
        let live = cluster.live();
        // A wish of its own: the objects of the Application are asked for apart from it.
        let wish = format!("depends-on:{}", self.instance(&app.key()));
        let objects = vec![(resource.gvk.clone(), key.clone())];
        live.want(
            &wish,
            Wanted {
                objects,
                ..Wanted::default()
            },
        );
        live.settled(&wish, LOAD_LIMIT).await;
        let found = live.lookup(&key);
        live.forget(&wish);
        let object = match found {
            Lookup::Found(object) => object.parse(),
            Lookup::Missing | Lookup::UnknownKind => return Err(format!("{key} does not exist")),
            Lookup::NotLoaded => None,
            Lookup::Unreadable(why) => {
                return Err(format!("{key} cannot be read: {}", why.reason));
            }
        };
        let Some(object) = object else {
            return Err(format!("{key} is not loaded yet"));
        };
        if let Some(test) = &one.expression {
            return judge(&key.to_string(), test, &object.to_value());
        }
        match health::assess(&object, &*self.config()) {
            None => Ok(()),
            Some(health) if health.status == Status::Healthy => Ok(()),
            Some(health) => Err(format!("{key} is {}", health.status.as_str())),
        }
    }

    /// Returns Applications that are being deleted and must go before this one, which they depend on. Those that
    /// depend on each other do not wait.
    pub fn deleted_before(&self, key: &AppKey) -> Vec<AppKey> {
        let mut found: Vec<AppKey> = self
            .apps
            .list()
            .iter()
            .filter(|stored| stored.object.metadata.is_deleting())
            .filter(|stored| apps_of(&stored.object).contains(key))
            .map(|stored| stored.object.key())
            .collect();
        if !found.is_empty() && cycle(key, |key| self.depends_on(key)).is_some() {
            found.clear();
        }
        found.sort();
        found
    }
}

fn judge(what: &str, test: &Test, object: &serde_json::Value) -> Result<(), String> {
    match test.expression.holds(object) {
        Ok(true) => Ok(()),
        Ok(false) => Err(format!("{what} is not ready: {}", test.text)),
        Err(error) => Err(format!("{what} is not ready: {}: {error}", test.text)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(kind: &str, namespace: Option<&str>, name: &str) -> On {
        let (group, kind) = kind.split_once('/').unwrap_or(("", kind));
        On::Object {
            kind: GroupKind::new(group, kind),
            namespace: namespace.map(str::to_owned),
            name: name.to_owned(),
        }
    }

    #[test]
    fn applications_and_objects_are_named() {
        let list = parse(
            "db, platform/infra, apps/Deployment:db/postgres, Namespace:ml,\
             serving.kserve.io/InferenceService:ml/llm when object.status.states in [\"a\", \"b\"]",
            "argocd",
        )
        .unwrap();
        let on: Vec<On> = list.iter().map(|one| one.on.clone()).collect();
        assert_eq!(
            on,
            [
                On::App(AppKey::new("argocd", "db")),
                On::App(AppKey::new("platform", "infra")),
                object("apps/Deployment", Some("db"), "postgres"),
                object("Namespace", None, "ml"),
                object("serving.kserve.io/InferenceService", Some("ml"), "llm"),
            ]
        );
        assert_eq!(
            list.last()
                .unwrap()
                .expression
                .as_ref()
                .map(|test| test.text.as_str()),
            Some("object.status.states in [\"a\", \"b\"]")
        );
    }

    #[test]
    fn what_cannot_be_read_is_told() {
        let told = |text: &str| parse(text, "argocd").unwrap_err().to_string();
        assert!(told("a b").contains("\"a b\": it names no application"));
        assert!(told("Job:").contains("it names no object"));
        assert!(told("a when object.(").contains("cannot be read"));
    }

    #[test]
    fn cycles_are_found_and_named() {
        let graph = |key: &AppKey| -> Vec<AppKey> {
            let names: &[&str] = match key.name.as_str() {
                "a" => &["x", "b"],
                "b" => &["c"],
                "c" => &["x", "a"],
                "d" => &["a"],
                _ => &[],
            };
            names.iter().map(|name| AppKey::new("n", *name)).collect()
        };
        let way = |name: &str| {
            let way = cycle(&AppKey::new("n", name), graph)?;
            let names: Vec<String> = way.iter().map(|key| key.name.to_string()).collect();
            Some(names.join(" "))
        };
        assert_eq!(way("a").as_deref(), Some("a b c a"));
        assert_eq!(way("c").as_deref(), Some("c a b c"));
        assert_eq!(way("d"), None, "it leads to a cycle and is not part of it");
        assert_eq!(way("x"), None);
    }
}
