//! Facts about an object that people look for in the tree.

use driftless_manifest::Object;
use serde_json::Value;

use crate::handover::is_rollout;
use crate::view::InfoItem;

/// Returns the facts that people look for: the revision of a ReplicaSet, the state of a Pod, how far a rollout is.
pub(crate) fn of(object: &Object) -> Vec<InfoItem> {
    let mut items = Vec::new();
    if object.is("argoproj.io", "Rollout") {
        rollout(object, &mut items);
    }
    if is_rollout(object) {
        model_rollout(object, &mut items);
    }
    if let Some(revision) = object.annotation("deployment.kubernetes.io/revision")
        && object.is("apps", "ReplicaSet")
    {
        items.push(item("Revision", format!("Rev:{revision}")));
    }
    if object.is("", "Pod") {
        items.push(item("Status Reason", pod_reason(object)));
        if let Some(node) = object.str_at(&["spec", "nodeName"]) {
            items.push(item("Node", node.to_owned()));
        }
        let statuses = list(object, &["status", "containerStatuses"]);
        let ready = statuses
            .iter()
            .filter(|one| one["ready"].as_bool() == Some(true))
            .count();
        let total = list(object, &["spec", "containers"]).len();
        items.push(item("Containers", format!("{ready}/{total}")));
        let restarts: u64 = statuses
            .iter()
            .filter_map(|one| one["restartCount"].as_u64())
            .sum();
        if restarts > 0 {
            items.push(item("Restart Count", restarts.to_string()));
        }
    }
    items
}

fn item(name: &str, value: String) -> InfoItem {
    InfoItem {
        name: name.to_owned(),
        value,
    }
}

/// Tells step and weight of an Argo Rollout's canary: the weight that is set, and the one that traffic has.
fn rollout(object: &Object, items: &mut Vec<InfoItem>) {
    let number = |path: &[&str]| object.at(path).and_then(Value::as_u64);
    if let Some(revision) = object.annotation("rollout.argoproj.io/revision") {
        items.push(item("Revision", format!("Rev:{revision}")));
    }
    let steps = list(object, &["spec", "strategy", "canary", "steps"]);
    if steps.is_empty() {
        return;
    }
    let stable = object.str_at(&["status", "stableRS"]).unwrap_or_default();
    let current = object.str_at(&["status", "currentPodHash"]);
    let is_over = current == Some(stable);
    let step = number(&["status", "currentStepIndex"]).unwrap_or(0) as usize;
    let step = if is_over {
        steps.len()
    } else {
        step.min(steps.len())
    };
    items.push(item("Step", format!("Step: {step}/{}", steps.len())));
    let is_aborted = object.at(&["status", "abort"]) == Some(&Value::Bool(true));
    let set = if is_over || step == steps.len() {
        100
    } else if is_aborted {
        0
    } else {
        let mut reached = steps.iter().take(step + 1).rev();
        reached
            .find_map(|one| one["setWeight"].as_u64())
            .unwrap_or(0)
    };
    let routed = number(&["status", "canary", "weights", "canary", "weight"]);
    let by_count = || {
        let updated = number(&["status", "updatedReplicas"]).unwrap_or(0);
        let all = number(&["status", "replicas"]).filter(|all| *all > 0)?;
        Some((updated * 100 / all).min(100))
    };
    let actual = if is_over {
        Some(100)
    } else {
        routed.or_else(by_count)
    };
    items.push(item(
        "Weight",
        format!("Weight: {}/{set}", actual.unwrap_or(0)),
    ));
}

/// Tells step and weight of each target of a ModelRollout.
fn model_rollout(object: &Object, items: &mut Vec<InfoItem>) {
    let targets = list(object, &["status", "targets"]);
    for target in targets {
        let name = target["name"].as_str().unwrap_or_default();
        let of = if targets.len() > 1 {
            format!("{name} ")
        } else {
            String::new()
        };
        let index = target["currentStepIndex"].as_u64();
        if let (Some(index), Some(steps)) = (index, target["steps"].as_u64()) {
            let step = (index + 1).min(steps);
            items.push(item("Step", format!("{of}Step: {step}/{steps}")));
        }
        if let Some(weight) = target["weight"].as_u64() {
            items.push(item("Weight", format!("{of}Weight: {weight}")));
        }
    }
}

fn list<'a>(object: &'a Object, path: &[&str]) -> &'a [Value] {
    object
        .at(path)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

/// Says in kubectl's words how a Pod is.
fn pod_reason(pod: &Object) -> String {
    if pod.is_deleting() {
        return "Terminating".to_owned();
    }
    for status in list(pod, &["status", "containerStatuses"]) {
        let state = &status["state"];
        for field in ["waiting", "terminated"] {
            if let Some(reason) = state[field]["reason"]
                .as_str()
                .filter(|reason| !reason.is_empty())
            {
                return reason.to_owned();
            }
        }
    }
    let reason = pod
        .str_at(&["status", "reason"])
        .filter(|reason| !reason.is_empty());
    reason
        .or_else(|| pod.str_at(&["status", "phase"]))
        .unwrap_or("Unknown")
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn shown(value: Value) -> Vec<String> {
        let items = of(&Object::from_value(value).unwrap());
        items.into_iter().map(|item| item.value).collect()
    }

    #[test]
    fn a_rollout_shows_step_and_weight() {
        let rollout = |status: Value| {
            let steps = json!([{"setWeight": 20}, {"pause": {}}, {"setWeight": 60}, {"pause": {}}]);
            shown(
                json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout",
                "metadata": {"name": "r", "annotations": {"rollout.argoproj.io/revision": "2"}},
                "spec": {"strategy": {"canary": {"steps": steps}}}, "status": status}),
            )
        };
        let moving = json!({"currentPodHash": "b", "stableRS": "a", "currentStepIndex": 1,
            "replicas": 5, "updatedReplicas": 1});
        assert_eq!(rollout(moving), ["Rev:2", "Step: 1/4", "Weight: 20/20"]);
        let routed = json!({"currentPodHash": "b", "stableRS": "a", "currentStepIndex": 2,
            "canary": {"weights": {"canary": {"weight": 20}}}});
        assert_eq!(rollout(routed), ["Rev:2", "Step: 2/4", "Weight: 20/60"]);
        let aborted = json!({"currentPodHash": "b", "stableRS": "a", "currentStepIndex": 0,
            "abort": true, "replicas": 5, "updatedReplicas": 0});
        assert_eq!(rollout(aborted), ["Rev:2", "Step: 0/4", "Weight: 0/0"]);
        let over = json!({"currentPodHash": "b", "stableRS": "b"});
        assert_eq!(rollout(over), ["Rev:2", "Step: 4/4", "Weight: 100/100"]);
    }

    #[test]
    fn a_model_rollout_shows_its_targets() {
        let target = json!({"name": "fraud", "currentStepIndex": 1, "steps": 4, "weight": 10});
        let mut value = json!({"apiVersion": "driftless.dev/v1alpha1", "kind": "ModelRollout",
            "metadata": {"name": "r"}, "status": {"targets": [target]}});
        assert_eq!(shown(value.clone()), ["Step: 2/4", "Weight: 10"]);
        let another = json!({"name": "spam", "weight": 50});
        value["status"]["targets"]
            .as_array_mut()
            .unwrap()
            .push(another);
        assert_eq!(
            shown(value),
            ["fraud Step: 2/4", "fraud Weight: 10", "spam Weight: 50"]
        );
    }
}
