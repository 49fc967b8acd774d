//! What can be expected, and the three answers to it.

use std::future::Future;
use std::time::{Duration, Instant};

use futures::FutureExt as _;
use futures::future::BoxFuture;
use serde_json::Value;

use crate::{DEADLINE, Kind, POLL, World};

/// The answer to an expectation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// It is so.
    Yes,
    /// It is not so yet, because of this; ask again.
    NotYet(String),
    /// It will not become so any more, because of this.
    Never(String),
}

impl Verdict {
    /// Returns yes when the condition holds, else *not yet* with the reason.
    pub fn when(condition: bool, otherwise: impl FnOnce() -> String) -> Self {
        if condition {
            Self::Yes
        } else {
            Self::NotYet(otherwise())
        }
    }
}

type Judge = Box<dyn Fn(World) -> BoxFuture<'static, Verdict> + Send + Sync>;

/// Something that a story waits for.
pub struct Expectation {
    what: String,
    deadline: Duration,
    judge: Judge,
}

impl std::fmt::Debug for Expectation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Expectation")
            .field("what", &self.what)
            .finish_non_exhaustive()
    }
}

impl Expectation {
    /// Makes an expectation from a question about the world.
    pub fn new<F, Fut>(what: impl Into<String>, judge: F) -> Self
    where
        F: Fn(World) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Verdict> + Send + 'static,
    {
        let judge: Judge = Box::new(move |world| judge(world).boxed());
        Self {
            what: what.into(),
            deadline: DEADLINE,
            judge,
        }
    }

    /// Makes an expectation from a question about the Application.
    pub fn of_app<F>(what: impl Into<String>, judge: F) -> Self
    where
        F: Fn(&World, &Value) -> Verdict + Clone + Send + Sync + 'static,
    {
        Self::new(what, move |world| {
            let judge = judge.clone();
            async move {
                let app = world.app().await;
                judge(&world, &app)
            }
        })
    }

    /// Gives the expectation more time, or less.
    pub fn within(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Waits until the answer is yes; fails the test when it is never, or not so in time.
    pub async fn wait(&self, world: &World) {
        let started = Instant::now();
        loop {
            let why = match (self.judge)(world.clone()).await {
                Verdict::Yes => return,
                Verdict::NotYet(why) if started.elapsed() < self.deadline => {
                    drop(why);
                    tokio::time::sleep(POLL).await;
                    continue;
                }
                Verdict::NotYet(why) => format!("not within {:?}: {why}", self.deadline),
                Verdict::Never(why) => format!("never: {why}"),
            };
            panic!("expected {}\n{why}\n{}", self.what, world.report().await);
        }
    }
}

fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

fn items<'a>(object: &'a Value, pointer: &str) -> &'a [Value] {
    object
        .pointer(pointer)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

/// Expects the Application to be Synced at the newest commit of `main`.
pub fn synced() -> Expectation {
    Expectation::of_app("Synced at the newest commit", |world, app| {
        let (status, revision) = (
            text(app, "/status/sync/status"),
            text(app, "/status/sync/revision"),
        );
        let newest = world.repo.id("main").unwrap_or_default();
        Verdict::when(status == "Synced" && revision == newest, || {
            format!("sync status {status:?} at {revision:?}, newest commit {newest}")
        })
    })
}

/// Expects the Application to be Synced at this revision.
pub fn synced_at(wanted: impl Into<String>) -> Expectation {
    let wanted = wanted.into();
    Expectation::of_app(format!("Synced at {wanted}"), move |_, app| {
        let (status, revision) = (
            text(app, "/status/sync/status"),
            text(app, "/status/sync/revision"),
        );
        Verdict::when(status == "Synced" && revision == wanted, || {
            format!("sync status {status:?} at {revision:?}")
        })
    })
}

/// Expects a sync status.
pub fn sync_status(wanted: &'static str) -> Expectation {
    equals("sync status", "/status/sync/status", wanted)
}

/// Expects a health status.
pub fn health(wanted: &'static str) -> Expectation {
    equals("health", "/status/health/status", wanted)
}

/// Expects the revision against which the Application was compared last.
pub fn revision(wanted: impl Into<String>) -> Expectation {
    let wanted = wanted.into();
    Expectation::of_app(format!("compared with revision {wanted}"), move |_, app| {
        let revision = text(app, "/status/sync/revision");
        Verdict::when(revision == wanted, || format!("it is {revision:?}"))
    })
}

/// Expects a field of the Application to have a text.
pub fn equals(what: &str, pointer: &'static str, wanted: &'static str) -> Expectation {
    Expectation::of_app(format!("{what} {wanted}"), move |_, app| {
        let found = text(app, pointer);
        Verdict::when(found == wanted, || format!("it is {found:?}"))
    })
}

/// Expects the operation that the story asked for last (or any, when it asked for none) to end well.
pub fn succeeded() -> Expectation {
    ended("Succeeded", "")
}

/// Expects that operation to end badly (`Failed` or `Error`), with this text in its message.
pub fn failed(message: &str) -> Expectation {
    ended("Failed", message)
}

/// Expects that operation to end, well or badly.
pub fn finished() -> Expectation {
    Expectation::of_app("the operation to end", |world, app| {
        let state = app
            .pointer("/status/operationState")
            .unwrap_or(&Value::Null);
        let phase = text(state, "/phase");
        let ended = matches!(phase, "Succeeded" | "Failed" | "Error");
        Verdict::when(ended && is_mine(world, state), || {
            format!("the operation is {phase:?}: {}", text(state, "/message"))
        })
    })
}

/// Says whether this is the operation that the story asked for last.
fn is_mine(world: &World, state: &Value) -> bool {
    world.operation_mark().is_none_or(|mark| {
        items(state, "/operation/info")
            .iter()
            .any(|info| text(info, "/value") == mark)
    })
}

fn ended(wanted: &'static str, message: &str) -> Expectation {
    let message = message.to_owned();
    Expectation::of_app(
        format!("the operation to end as {wanted} with {message:?}"),
        move |world, app| {
            let state = app
                .pointer("/status/operationState")
                .unwrap_or(&Value::Null);
            if !is_mine(world, state) {
                return Verdict::NotYet("the operation was not begun".into());
            }
            let (phase, said) = (text(state, "/phase"), text(state, "/message"));
            let good = phase == "Succeeded";
            let finished = good || matches!(phase, "Failed" | "Error");
            if !finished {
                return Verdict::NotYet(format!("the operation is {phase:?}: {said}"));
            }
            if good != (wanted == "Succeeded") {
                return Verdict::Never(format!("the operation ended as {phase}: {said}"));
            }
            Verdict::when(said.contains(&message), || {
                format!("the operation's message is {said:?}")
            })
        },
    )
}

/// Expects an operation to run, with this text in its message.
pub fn running(message: &'static str) -> Expectation {
    Expectation::of_app(
        format!("an operation to run with {message:?}"),
        move |_, app| {
            let state = app
                .pointer("/status/operationState")
                .unwrap_or(&Value::Null);
            let (phase, said) = (text(state, "/phase"), text(state, "/message"));
            Verdict::when(phase == "Running" && said.contains(message), || {
                format!("{phase:?}: {said:?}")
            })
        },
    )
}

/// Expects that every refresh that was asked for is done and no operation is asked for or runs.
pub fn settled() -> Expectation {
    Expectation::of_app("refreshed and no operation", |_, app| {
        let refresh = app.pointer("/metadata/annotations/argocd.argoproj.io~1refresh");
        let phase = text(app, "/status/operationState/phase");
        let asked = app
            .get("operation")
            .is_some_and(|operation| !operation.is_null());
        Verdict::when(
            refresh.is_none() && !asked && phase != "Running" && app.get("status").is_some(),
            || {
                format!(
                    "refresh {refresh:?}, operation asked for: {asked}, operation phase {phase:?}"
                )
            },
        )
    })
}

/// Expects a condition of a type, with this text in its message.
pub fn condition(kind: &'static str, message: impl Into<String>) -> Expectation {
    let message = message.into();
    Expectation::of_app(
        format!("condition {kind} with {message:?}"),
        move |_, app| {
            let conditions = items(app, "/status/conditions");
            let found = conditions.iter().any(|condition| {
                text(condition, "/type") == kind && text(condition, "/message").contains(&message)
            });
            Verdict::when(found, || format!("conditions {}", Value::from(conditions)))
        },
    )
}

/// Expects that there is no condition of a type.
pub fn no_condition(kind: &'static str) -> Expectation {
    Expectation::of_app(format!("no condition {kind}"), move |_, app| {
        let conditions = items(app, "/status/conditions");
        Verdict::when(
            !conditions
                .iter()
                .any(|condition| text(condition, "/type") == kind),
            || format!("conditions {}", Value::from(conditions)),
        )
    })
}

/// Expects the history to have this many entries.
pub fn history_of(wanted: usize) -> Expectation {
    Expectation::of_app(format!("{wanted} entries of history"), move |_, app| {
        let found = items(app, "/status/history").len();
        Verdict::when(found == wanted, || format!("it has {found}"))
    })
}

/// Expects the status of one object in `status.resources`.
pub fn resource(kind: Kind, name: &str, wanted: &'static str) -> Expectation {
    let name = name.to_owned();
    Expectation::of_app(
        format!("{} {name} to be {wanted}", kind.kind),
        move |_, app| {
            let resources = items(app, "/status/resources");
            let found = resources
                .iter()
                .find(|resource| {
                    text(resource, "/kind") == kind.kind && text(resource, "/name") == name
                })
                .map(|resource| text(resource, "/status"));
            Verdict::when(found == Some(wanted), || format!("it is {found:?}"))
        },
    )
}

/// Expects the result of one object in the operation's `syncResult`: its status and a text in its message.
pub fn result(kind: Kind, name: &str, status: &'static str, message: &'static str) -> Expectation {
    let name = name.to_owned();
    Expectation::of_app(
        format!("result {status} {message:?} of {} {name}", kind.kind),
        move |_, app| {
            let results = items(app, "/status/operationState/syncResult/resources");
            let found = results.iter().any(|result| {
                text(result, "/kind") == kind.kind
                    && text(result, "/name") == name
                    && text(result, "/status") == status
                    && text(result, "/message").contains(message)
            });
            Verdict::when(found, || format!("results {}", Value::from(results)))
        },
    )
}

/// Expects an object of the destination namespace to exist, not about to be deleted.
pub fn exists(kind: Kind, name: &str) -> Expectation {
    let name = name.to_owned();
    Expectation::new(format!("{} {name} to exist", kind.kind), move |world| {
        let name = name.clone();
        async move {
            match world.live(kind, &name).await {
                None => Verdict::NotYet("it does not".into()),
                Some(object) => Verdict::when(
                    object.pointer("/metadata/deletionTimestamp").is_none(),
                    || "it is being deleted".into(),
                ),
            }
        }
    })
}

/// Expects an object to be there now, without waiting: nothing may have deleted it.
pub fn still_exists(kind: Kind, name: &str) -> Expectation {
    exists(kind, name).within(Duration::ZERO)
}

/// Expects an object of the destination namespace to be gone.
pub fn absent(kind: Kind, name: &str) -> Expectation {
    let name = name.to_owned();
    Expectation::new(format!("{} {name} to be gone", kind.kind), move |world| {
        let name = name.clone();
        async move {
            Verdict::when(world.live(kind, &name).await.is_none(), || {
                "it exists".into()
            })
        }
    })
}

/// Expects a field of a live object to have a value.
pub fn live_field(kind: Kind, name: &str, pointer: &'static str, wanted: Value) -> Expectation {
    let name = name.to_owned();
    Expectation::new(
        format!("{pointer} of {} {name} to be {wanted}", kind.kind),
        move |world| {
            let (name, wanted) = (name.clone(), wanted.clone());
            async move {
                let object = world.live(kind, &name).await.unwrap_or_default();
                let found = object.pointer(pointer).unwrap_or(&Value::Null);
                Verdict::when(*found == wanted, || format!("it is {found}"))
            }
        },
    )
}

/// Expects the `value` of a ConfigMap made by [`manifest::config_map`](crate::manifest::config_map).
pub fn value(name: &str, wanted: &str) -> Expectation {
    live_field(Kind::CONFIG_MAP, name, "/data/value", wanted.into())
}

/// Expects a Kubernetes Event about the Application with this reason and text.
pub fn event(reason: &'static str, message: &'static str) -> Expectation {
    Expectation::new(
        format!("an event {reason} with {message:?}"),
        move |world| async move {
            let events = Kind::EVENT.list(&world.client, world.control()).await;
            let about: Vec<&Value> = events
                .iter()
                .filter(|event| text(event, "/involvedObject/name") == world.name)
                .collect();
            let found = about.iter().any(|event| {
                text(event, "/reason") == reason && text(event, "/message").contains(message)
            });
            Verdict::when(found, || {
                let seen: Vec<String> = about
                    .iter()
                    .map(|event| format!("{}: {}", text(event, "/reason"), text(event, "/message")))
                    .collect();
                format!("events: {seen:?}")
            })
        },
    )
}

/// Expects the Application to be gone.
pub fn app_gone() -> Expectation {
    Expectation::of_app("the Application to be gone", |_, app| {
        Verdict::when(app.is_null(), || "it exists".into())
    })
}
