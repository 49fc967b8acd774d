//! Kinds that nobody wrote a rule for: what the conventions of the Kubernetes API say about them.
//!
//! The observed generation says whether the status is about what was asked for; the conditions that many
//! controllers share say the rest. A kind without any of them has no health. A condition that is not true is
//! taken for a failure only when it says so itself: on the way to being ready it is not true either.

use driftless_manifest::Object;
use driftless_manifest::schema;
use serde_json::Value;

use super::builtin::{condition, text};
use super::{Health, Status};

/// Conditions that tell of trouble when they are true.
const TROUBLE: [&str; 4] = ["Stalled", "Degraded", "Failed", "Failure"];
/// Conditions that tell of work under way when they are true.
const BUSY: [&str; 2] = ["Reconciling", "Progressing"];
/// Conditions that tell that all is well when they are true, in the order they are asked.
const WELL: [&str; 6] = [
    "Ready",
    "Available",
    "Healthy",
    "Succeeded",
    "Complete",
    "Completed",
];
/// Parts of reasons that tell that something did not work out.
const FAILURES: [&str; 8] = [
    "Fail",
    "Error",
    "Invalid",
    "Denied",
    "Forbidden",
    "Exceeded",
    "Rejected",
    "NotFound",
];

/// Judges an object by its generation and its conditions; `None` when it has neither of the known ones.
pub(super) fn assess(object: &Object) -> Option<Health> {
    // What Kubernetes itself serves has rules where it has a health.
    if schema::builtin().kind(&object.gvk()).is_some() {
        return None;
    }
    let known = TROUBLE.iter().chain(&BUSY).chain(&WELL);
    let conditions: Vec<&Value> = known
        .filter_map(|kind| condition(object, kind))
        .filter(|condition| !text(condition, "status").is_empty())
        .collect();
    if conditions.is_empty() {
        return None;
    }
    let observed = object.at(&["status", "observedGeneration"]);
    if observed
        .and_then(Value::as_i64)
        .is_some_and(|seen| seen < object.generation())
    {
        let message = format!(
            "Waiting for the controller to observe generation {}",
            object.generation()
        );
        return Some(Health::new(Status::Progressing, message));
    }
    let holds = |kinds: &[&str]| {
        let is_one =
            |one: &&&Value| kinds.contains(&text(one, "type")) && text(one, "status") == "True";
        conditions.iter().find(is_one).copied()
    };
    if let Some(trouble) = holds(&TROUBLE) {
        return Some(told(Status::Degraded, trouble));
    }
    let well = WELL.iter().find_map(|kind| condition(object, kind));
    let is_well = well.is_some_and(|well| text(well, "status") == "True");
    // A deployment that is done keeps saying that it progressed.
    if let Some(busy) = holds(&BUSY).filter(|busy| !is_well || text(busy, "type") == "Reconciling")
    {
        return Some(told(Status::Progressing, busy));
    }
    let well = well?;
    let status = match text(well, "status") {
        "True" => Status::Healthy,
        "False" if has_failed(well) => Status::Degraded,
        _ => Status::Progressing,
    };
    Some(told(status, well))
}

fn has_failed(condition: &Value) -> bool {
    let reason = text(condition, "reason");
    FAILURES.iter().any(|part| reason.contains(part))
}

fn told(status: Status, condition: &Value) -> Health {
    let message = match (text(condition, "reason"), text(condition, "message")) {
        (reason, "") => reason.to_owned(),
        (_, message) => message.to_owned(),
    };
    Health::new(status, message)
}
