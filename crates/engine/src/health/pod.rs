//! Pods: what their containers say.

use driftless_manifest::Object;
use serde_json::Value;

use super::builtin::{condition, text};
use super::{Health, Status};
use crate::annotation::{Annotations, IGNORE_RESTART_POLICY};

pub(super) fn assess(object: &Object) -> Health {
    let message = object.str_at(&["status", "message"]).unwrap_or_default();
    // Pods that are not restarted are usually hooks: a container's error is not yet their end.
    let ignore_policy = object.annotation(IGNORE_RESTART_POLICY) == Some("true")
        && !Annotations::of(object).hook.is_hook();
    let restarts = ignore_policy || !matches!(restart_policy(object), Some("Never" | "OnFailure"));
    if restarts && let Some(errors) = waiting_errors(object) {
        return Health::new(Status::Degraded, errors);
    }
    match object.str_at(&["status", "phase"]) {
        Some("Pending") => Health::new(Status::Progressing, message),
        Some("Succeeded") => Health::new(Status::Healthy, message),
        Some("Failed") => Health::new(Status::Degraded, failure(object, message)),
        Some("Running") => Health::new(running(object, restarts), message),
        _ => Health::new(Status::Unknown, message),
    }
}

fn restart_policy(object: &Object) -> Option<&str> {
    object.str_at(&["spec", "restartPolicy"])
}

fn containers<'a>(object: &'a Object, field: &str) -> impl Iterator<Item = &'a Value> {
    let list = object.at(&["status", field]).and_then(Value::as_array);
    list.into_iter().flatten()
}

/// Joins what containers say that wait because of an error; `None` when none does.
fn waiting_errors(object: &Object) -> Option<String> {
    let messages: Vec<&str> = containers(object, "containerStatuses")
        .filter_map(|container| container.get("state")?.get("waiting"))
        .filter(|waiting| {
            let reason = text(waiting, "reason");
            reason.starts_with("Err") || reason.ends_with("Error") || reason.ends_with("BackOff")
        })
        .map(|waiting| text(waiting, "message"))
        .collect();
    (!messages.is_empty()).then(|| messages.join(", "))
}

/// Says why a pod failed: its own words, else those of its first failed container.
fn failure(object: &Object, message: &str) -> String {
    if !message.is_empty() {
        return message.to_owned();
    }
    containers(object, "initContainerStatuses")
        .chain(containers(object, "containerStatuses"))
        .find_map(container_failure)
        .unwrap_or_default()
}

fn container_failure(container: &Value) -> Option<String> {
    let terminated = container.get("state")?.get("terminated")?;
    let message = text(terminated, "message");
    if !message.is_empty() {
        return Some(message.to_owned());
    }
    if text(terminated, "reason") == "OOMKilled" {
        return Some("OOMKilled".into());
    }
    let code = terminated.get("exitCode").and_then(Value::as_i64)?;
    let name = text(container, "name");
    (code != 0).then(|| format!("container {name:?} failed with exit code {code}"))
}

fn running(object: &Object, restarts: bool) -> Status {
    if !restarts {
        // It has an end; until then it is on its way.
        return Status::Progressing;
    }
    let ready = condition(object, "Ready").is_some_and(|ready| text(ready, "status") == "True");
    let crashed = containers(object, "containerStatuses").any(|container| {
        container
            .get("lastState")
            .is_some_and(|last| last.get("terminated").is_some())
    });
    match (ready, crashed) {
        (true, _) => Status::Healthy,
        (false, true) => Status::Degraded,
        (false, false) => Status::Progressing,
    }
}
