//! The messages of an operation, as users and tools know them (argocd-contract §3.1).

use crate::sync::option::Guard;
use crate::sync::plan::SHARED;
use crate::sync::task::{Action, Task};

pub(super) const RUNNING: &str = "one or more tasks are running";
pub(super) const DRY_RUN_FAILED: &str = "one or more objects failed to apply (dry run)";
pub(super) const APPLY_FAILED: &str = "one or more objects failed to apply";
pub(super) const UNSUCCESSFUL: &str = "one or more synchronization tasks completed unsuccessfully";
pub(super) const SYNC_FAIL_FAILED: &str = "one or more SyncFail hooks failed";
pub(super) const ALL_RUN: &str = "successfully synced (all tasks run)";
pub(super) const NO_MORE: &str = "successfully synced (no more tasks)";
pub(super) const TERMINATED: &str = "Operation terminated";
pub(super) const TERMINATION_ERRORS: &str = "Operation termination had errors";
pub(super) const TERMINATING: &str = "operation is terminating";
pub(super) const TERMINATING_TIMEOUT: &str = "operation is terminating due to timeout";
pub(super) const NOT_TRIED: &str = "skipped (dry run): its kind or namespace does not exist yet";

/// Adds the distinct reasons to a message.
pub(super) fn with_reasons<'a>(
    message: &str,
    reasons: impl IntoIterator<Item = &'a str>,
) -> String {
    let mut distinct: Vec<&str> = Vec::new();
    for reason in reasons.into_iter().filter(|reason| !reason.is_empty()) {
        if !distinct.contains(&reason) {
            distinct.push(reason);
        }
    }
    if distinct.is_empty() {
        return message.to_owned();
    }
    format!("{message}, reason: {}", distinct.join(","))
}

/// Returns the message of a plan that cannot be done.
pub(super) fn not_valid(mut reasons: Vec<&str>) -> String {
    reasons.dedup();
    // That the application must not share is told by itself.
    if let Some(shared) = reasons.iter().find(|reason| reason.starts_with(SHARED)) {
        return (*shared).to_owned();
    }
    format!(
        "one or more synchronization tasks are not valid: {}",
        reasons.join("; ")
    )
}

/// Returns what is waited for: `waiting for <what> g/k/n and N more <rest>`.
fn waiting(what: &str, tasks: &[&Task], rest: &str) -> String {
    let first = tasks.first().map(|task| task.label()).unwrap_or_default();
    match tasks.len() {
        0 | 1 => format!("waiting for {what} {first}"),
        count => format!("waiting for {what} {first} and {} more {rest}", count - 1),
    }
}

/// Returns the message while hooks run or objects become healthy.
pub(super) fn completion(tasks: &[&Task]) -> String {
    match tasks.first() {
        Some(task) if task.is_hook() => waiting("completion of hook", tasks, "hooks"),
        _ => waiting("healthy state of", tasks, "resources"),
    }
}

/// Returns the message while objects are being deleted.
pub(super) fn deletion(tasks: &[&Task]) -> String {
    match tasks.first() {
        Some(task) if task.is_hook() => waiting("deletion of hook", tasks, "hooks"),
        _ => waiting("deletion of", tasks, "resources"),
    }
}

/// Returns the message while prunes wait for somebody's word.
pub(super) fn confirmation(tasks: &[&Task]) -> String {
    waiting("pruning confirmation of", tasks, "resources")
}

/// Returns why an extra object stays, `None` when it goes.
pub(super) fn prune_skipped(task: &Task) -> Option<&'static str> {
    match task.action {
        Action::Prune { enabled: false, .. } => Some("ignored (requires pruning)"),
        Action::Prune {
            guard: Guard::Never,
            ..
        } => Some("ignored (no prune)"),
        _ => None,
    }
}
