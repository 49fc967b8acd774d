//! The built-in kinds (argocd-contract §5).
//!
//! Upstream: gitops-engine/pkg/health (v3.6), differs: a Job whose suspension ended is progressing again.

use driftless_manifest::Object;
use serde_json::Value;

use super::{Health, Status, pod};

/// Judges an object of a built-in kind; `None` for any other.
pub(super) fn assess(object: &Object) -> Option<Health> {
    Some(match (object.group(), object.kind()) {
        ("apps", "Deployment") => deployment(object),
        ("apps", "ReplicaSet") => replica_set(object),
        ("apps", "DaemonSet") => daemon_set(object),
        ("apps", "StatefulSet") => stateful_set(object),
        ("batch", "Job") => job(object),
        ("", "Pod") => pod::assess(object),
        ("", "PersistentVolumeClaim") => claim(object),
        ("", "Service") => service(object),
        ("networking.k8s.io" | "extensions", "Ingress") => load_balanced(object),
        ("apiregistration.k8s.io", "APIService") => api_service(object),
        ("autoscaling", "HorizontalPodAutoscaler") => autoscaler(object),
        ("argoproj.io", "Workflow") => workflow(object),
        _ => return None,
    })
}

fn healthy(message: impl Into<String>) -> Health {
    Health::new(Status::Healthy, message)
}

fn progressing(message: impl Into<String>) -> Health {
    Health::new(Status::Progressing, message)
}

fn int(object: &Object, path: &[&str]) -> Option<i64> {
    object.at(path).and_then(Value::as_i64)
}

fn status_int(object: &Object, field: &str) -> i64 {
    int(object, &["status", field]).unwrap_or_default()
}

pub(super) fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value.get(field).and_then(Value::as_str).unwrap_or_default()
}

pub(super) fn conditions(object: &Object) -> impl Iterator<Item = &Value> {
    let list = object
        .at(&["status", "conditions"])
        .and_then(Value::as_array);
    list.into_iter().flatten()
}

pub(super) fn condition<'a>(object: &'a Object, name: &str) -> Option<&'a Value> {
    conditions(object).find(|condition| text(condition, "type") == name)
}

fn is_observed(object: &Object) -> bool {
    object.generation() <= status_int(object, "observedGeneration")
}

fn deployment(object: &Object) -> Health {
    const WAITING: &str = "Waiting for rollout to finish:";
    if object.at(&["spec", "paused"]) == Some(&Value::Bool(true)) {
        return Health::new(Status::Suspended, "Deployment is paused");
    }
    if !is_observed(object) {
        return progressing(format!(
            "{WAITING} observed deployment generation less than desired generation"
        ));
    }
    let late = condition(object, "Progressing")
        .is_some_and(|condition| text(condition, "reason") == "ProgressDeadlineExceeded");
    if late {
        let message = format!(
            "Deployment {:?} exceeded its progress deadline",
            object.name()
        );
        return Health::new(Status::Degraded, message);
    }
    let updated = status_int(object, "updatedReplicas");
    let replicas = status_int(object, "replicas");
    let available = status_int(object, "availableReplicas");
    match int(object, &["spec", "replicas"]) {
        Some(wanted) if updated < wanted => progressing(format!(
            "{WAITING} {updated} out of {wanted} new replicas have been updated..."
        )),
        _ if replicas > updated => progressing(format!(
            "{WAITING} {} old replicas are pending termination...",
            replicas - updated
        )),
        _ if available < updated => progressing(format!(
            "{WAITING} {available} of {updated} updated replicas are available..."
        )),
        _ => healthy(""),
    }
}

fn replica_set(object: &Object) -> Health {
    const WAITING: &str = "Waiting for rollout to finish:";
    if !is_observed(object) {
        return progressing(format!(
            "{WAITING} observed replica set generation less than desired generation"
        ));
    }
    let failure =
        condition(object, "ReplicaFailure").filter(|found| text(found, "status") == "True");
    if let Some(failure) = failure {
        return Health::new(Status::Degraded, text(failure, "message"));
    }
    let available = status_int(object, "availableReplicas");
    match int(object, &["spec", "replicas"]) {
        Some(wanted) if available < wanted => progressing(format!(
            "{WAITING} {available} out of {wanted} new replicas are available..."
        )),
        _ => healthy(""),
    }
}

fn daemon_set(object: &Object) -> Health {
    if !is_observed(object) {
        return progressing(
            "Waiting for rollout to finish: observed daemon set generation less than desired generation",
        );
    }
    let updated = status_int(object, "updatedNumberScheduled");
    let desired = status_int(object, "desiredNumberScheduled");
    let available = status_int(object, "numberAvailable");
    if object.str_at(&["spec", "updateStrategy", "type"]) == Some("OnDelete") {
        return healthy(format!(
            "daemon set {updated} out of {desired} new pods have been updated"
        ));
    }
    let name = object.name();
    if updated < desired {
        return progressing(format!(
            "Waiting for daemon set {name:?} rollout to finish: {updated} out of {desired} new pods have been updated..."
        ));
    }
    if available < desired {
        return progressing(format!(
            "Waiting for daemon set {name:?} rollout to finish: {available} of {desired} updated pods are available..."
        ));
    }
    healthy("")
}

fn stateful_set(object: &Object) -> Health {
    let observed = status_int(object, "observedGeneration");
    if observed == 0 || object.generation() > observed {
        return progressing("Waiting for statefulset spec update to be observed...");
    }
    let ready = status_int(object, "readyReplicas");
    let updated = status_int(object, "updatedReplicas");
    let wanted = int(object, &["spec", "replicas"]);
    if let Some(wanted) = wanted.filter(|wanted| ready < *wanted) {
        return progressing(format!(
            "Waiting for {} pods to be ready...",
            wanted - ready
        ));
    }
    let strategy = object.at(&["spec", "updateStrategy"]);
    let kind = strategy
        .map(|strategy| text(strategy, "type"))
        .unwrap_or_default();
    let rolling = strategy
        .and_then(|strategy| strategy.get("rollingUpdate"))
        .filter(|rolling| !rolling.is_null());
    if let Some(rolling) = rolling.filter(|_| kind == "RollingUpdate") {
        let partition = rolling.get("partition").and_then(Value::as_i64);
        if let (Some(wanted), Some(partition)) = (wanted, partition)
            && updated < wanted - partition
        {
            return progressing(format!(
                "Waiting for partitioned roll out to finish: {updated} out of {} new pods have been updated...",
                wanted - partition
            ));
        }
        return healthy(format!(
            "partitioned roll out complete: {updated} new pods have been updated..."
        ));
    }
    if kind == "OnDelete" {
        return healthy(format!("statefulset has {ready} ready pods"));
    }
    let revision = |field: &str| object.str_at(&["status", field]).unwrap_or_default();
    let (update, current) = (revision("updateRevision"), revision("currentRevision"));
    if update != current {
        return progressing(format!(
            "waiting for statefulset rolling update to complete {updated} pods at revision {update}..."
        ));
    }
    healthy(format!(
        "statefulset rolling update complete {} pods at revision {current}...",
        status_int(object, "currentReplicas")
    ))
}

fn job(object: &Object) -> Health {
    if let Some(failed) = condition(object, "Failed") {
        return Health::new(Status::Degraded, text(failed, "message"));
    }
    let suspended = condition(object, "Suspended").filter(|found| text(found, "status") == "True");
    if let Some(suspended) = suspended {
        return Health::new(Status::Suspended, text(suspended, "message"));
    }
    match condition(object, "Complete") {
        Some(complete) => healthy(text(complete, "message")),
        None => progressing(""),
    }
}

fn claim(object: &Object) -> Health {
    Health::bare(match object.str_at(&["status", "phase"]) {
        Some("Lost") => Status::Degraded,
        Some("Pending") => Status::Progressing,
        Some("Bound") => Status::Healthy,
        _ => Status::Unknown,
    })
}

fn service(object: &Object) -> Health {
    match object.str_at(&["spec", "type"]) {
        Some("LoadBalancer") => load_balanced(object),
        _ => healthy(""),
    }
}

fn load_balanced(object: &Object) -> Health {
    let entries = object
        .at(&["status", "loadBalancer", "ingress"])
        .and_then(Value::as_array);
    if entries.is_some_and(|entries| !entries.is_empty()) {
        healthy("")
    } else {
        progressing("")
    }
}

fn api_service(object: &Object) -> Health {
    let Some(available) = condition(object, "Available") else {
        return progressing("Waiting to be processed");
    };
    let message = format!(
        "{}: {}",
        text(available, "reason"),
        text(available, "message")
    );
    if text(available, "status") == "True" {
        healthy(message)
    } else {
        progressing(message)
    }
}

fn autoscaler(object: &Object) -> Health {
    const ANNOTATION: &str = "autoscaling.alpha.kubernetes.io/conditions";
    let conditions: Vec<Value> = if object.version() == "v1" {
        let text = object.annotation(ANNOTATION).unwrap_or_default();
        serde_json::from_str(text).unwrap_or_default()
    } else {
        conditions(object).cloned().collect()
    };
    if let Some(failed) = conditions.iter().find(|condition| cannot_scale(condition)) {
        return Health::new(Status::Degraded, text(failed, "message"));
    }
    let working = |condition: &&Value| {
        matches!(text(condition, "type"), "AbleToScale" | "ScalingLimited")
            && text(condition, "status") == "True"
    };
    match conditions.iter().find(working) {
        Some(condition) => healthy(text(condition, "message")),
        None => progressing("Waiting to Autoscale"),
    }
}

fn cannot_scale(condition: &Value) -> bool {
    matches!(
        (text(condition, "type"), text(condition, "reason")),
        ("AbleToScale", "FailedGetScale" | "FailedUpdateScale")
            | (
                "ScalingActive",
                "FailedGetResourceMetric"
                    | "FailedGetObjectMetric"
                    | "FailedGetPodsMetric"
                    | "FailedGetExternalMetric"
                    | "FailedComputeMetricsReplicas"
                    | "InvalidSelector"
            )
    )
}

fn workflow(object: &Object) -> Health {
    let message = object.str_at(&["status", "message"]).unwrap_or_default();
    let status = match object.str_at(&["status", "phase"]).unwrap_or_default() {
        "" | "Pending" | "Running" => Status::Progressing,
        "Succeeded" => Status::Healthy,
        "Failed" | "Error" => Status::Degraded,
        _ => Status::Unknown,
    };
    Health::new(status, message)
}
