//! One table per kind: what is seen, and what it means.

use serde_json::{Value, json};

use super::*;

fn object(api_version: &str, kind: &str, rest: Value) -> Object {
    let mut value = json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": "x", "generation": 2}});
    driftless_manifest::merge_patch::apply(&mut value, &rest);
    Object::from_value(value).unwrap()
}

fn told(object: &Object) -> String {
    match assess(object, &NoRules) {
        Some(health) => format!("{}: {}", health.status, health.message),
        None => "none".into(),
    }
}

/// Checks many objects of one kind.
fn check(api_version: &str, kind: &str, table: &[(Value, &str)]) {
    for (rest, want) in table {
        let got = told(&object(api_version, kind, rest.clone()));
        assert_eq!(got, *want, "{kind} {rest}");
    }
}

#[test]
fn deployments() {
    let waiting = "Progressing: Waiting for rollout to finish:";
    check(
        "apps/v1",
        "Deployment",
        &[
            (
                json!({"spec": {"paused": true}}),
                "Suspended: Deployment is paused",
            ),
            (
                json!({"status": {"observedGeneration": 1}}),
                &format!("{waiting} observed deployment generation less than desired generation"),
            ),
            (
                json!({"status": {"observedGeneration": 2, "conditions":
                    [{"type": "Progressing", "reason": "ProgressDeadlineExceeded"}]}}),
                "Degraded: Deployment \"x\" exceeded its progress deadline",
            ),
            (
                json!({"spec": {"replicas": 3}, "status": {"observedGeneration": 2, "updatedReplicas": 1}}),
                &format!("{waiting} 1 out of 3 new replicas have been updated..."),
            ),
            (
                json!({"spec": {"replicas": 1}, "status": {"observedGeneration": 2, "updatedReplicas": 1, "replicas": 2}}),
                &format!("{waiting} 1 old replicas are pending termination..."),
            ),
            (
                json!({"spec": {"replicas": 1}, "status": {"observedGeneration": 2, "updatedReplicas": 1, "replicas": 1}}),
                &format!("{waiting} 0 of 1 updated replicas are available..."),
            ),
            (
                json!({"spec": {"replicas": 1}, "status":
                    {"observedGeneration": 2, "updatedReplicas": 1, "replicas": 1, "availableReplicas": 1}}),
                "Healthy: ",
            ),
        ],
    );
}

#[test]
fn stateful_sets() {
    let status = |rest: Value| {
        let mut status = json!({"observedGeneration": 2, "readyReplicas": 2, "updatedReplicas": 1,
            "currentReplicas": 2, "currentRevision": "a", "updateRevision": "a"});
        driftless_manifest::merge_patch::apply(&mut status, &rest);
        json!({"spec": {"replicas": 2}, "status": status})
    };
    let strategy = |strategy: Value| {
        let mut rest = status(json!({}));
        rest["spec"]["updateStrategy"] = strategy;
        rest
    };
    check(
        "apps/v1",
        "StatefulSet",
        &[
            (
                json!({}),
                "Progressing: Waiting for statefulset spec update to be observed...",
            ),
            (
                status(json!({"readyReplicas": 0})),
                "Progressing: Waiting for 2 pods to be ready...",
            ),
            (
                strategy(json!({"type": "RollingUpdate", "rollingUpdate": {"partition": 0}})),
                "Progressing: Waiting for partitioned roll out to finish: 1 out of 2 new pods have been updated...",
            ),
            (
                strategy(json!({"type": "RollingUpdate", "rollingUpdate": {"partition": 1}})),
                "Healthy: partitioned roll out complete: 1 new pods have been updated...",
            ),
            (
                strategy(json!({"type": "OnDelete"})),
                "Healthy: statefulset has 2 ready pods",
            ),
            (
                status(json!({"updateRevision": "b"})),
                "Progressing: waiting for statefulset rolling update to complete 1 pods at revision b...",
            ),
            (
                status(json!({})),
                "Healthy: statefulset rolling update complete 2 pods at revision a...",
            ),
        ],
    );
}

#[test]
fn jobs_claims_and_services() {
    let job = |kind: &str, status: &str| json!({"status": {"conditions": [{"type": kind, "status": status, "message": "m"}]}});
    check(
        "batch/v1",
        "Job",
        &[
            (json!({}), "Progressing: "),
            (job("Failed", "True"), "Degraded: m"),
            (job("Suspended", "True"), "Suspended: m"),
            (job("Suspended", "False"), "Progressing: "),
            (job("Complete", "True"), "Healthy: m"),
        ],
    );
    let claim = |phase: &str| json!({"status": {"phase": phase}});
    check(
        "v1",
        "PersistentVolumeClaim",
        &[
            (claim("Bound"), "Healthy: "),
            (claim("Pending"), "Progressing: "),
            (claim("Lost"), "Degraded: "),
            (claim(""), "Unknown: "),
        ],
    );
    check(
        "v1",
        "Service",
        &[
            (json!({}), "Healthy: "),
            (json!({"spec": {"type": "LoadBalancer"}}), "Progressing: "),
            (
                json!({"spec": {"type": "LoadBalancer"}, "status": {"loadBalancer": {"ingress": [{"ip": "::1"}]}}}),
                "Healthy: ",
            ),
        ],
    );
}

#[test]
fn pods() {
    let waiting = |reason: &str| {
        json!({"status": {"phase": "Pending", "containerStatuses":
            [{"state": {"waiting": {"reason": reason, "message": "m"}}}]}})
    };
    let ended = |state: Value| json!({"status": {"phase": "Failed", "containerStatuses": [{"name": "c", "state": {"terminated": state}}]}});
    let never = json!({"spec": {"restartPolicy": "Never"}, "status": {"phase": "Running"}});
    check(
        "v1",
        "Pod",
        &[
            (waiting("ImagePullBackOff"), "Degraded: m"),
            (waiting("ErrImagePull"), "Degraded: m"),
            (waiting("ContainerCreating"), "Progressing: "),
            (json!({"status": {"phase": "Succeeded"}}), "Healthy: "),
            (ended(json!({"message": "why"})), "Degraded: why"),
            (ended(json!({"reason": "OOMKilled"})), "Degraded: OOMKilled"),
            (
                ended(json!({"exitCode": 3})),
                "Degraded: container \"c\" failed with exit code 3",
            ),
            (never, "Progressing: "),
            (
                json!({"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}}),
                "Healthy: ",
            ),
            (
                json!({"status": {"phase": "Running", "containerStatuses": [{"lastState": {"terminated": {}}}]}}),
                "Degraded: ",
            ),
            (json!({"status": {"phase": "Running"}}), "Progressing: "),
        ],
    );
}

#[test]
fn what_is_being_deleted_is_on_its_way() {
    let mut pod = object("v1", "Pod", json!({"status": {"phase": "Succeeded"}}));
    pod.metadata_mut()
        .insert("deletionTimestamp".into(), "2026-01-01T00:00:00Z".into());
    assert_eq!(told(&pod), "Progressing: Pending deletion");
    // A hook that only its own operation holds says how it ended.
    pod.add_finalizer(HOOK_FINALIZER);
    assert_eq!(told(&pod), "Healthy: ");
}

#[test]
fn kinds_without_a_rule_go_by_the_conditions_they_share_with_others() {
    let condition = |kind: &str, status: &str, reason: &str| json!({"status": {"conditions": [{"type": kind, "status": status, "reason": reason}]}});
    check(
        "example.com/v1",
        "Gadget",
        &[
            (json!({}), "none"),
            (json!({"status": {"observedGeneration": 2}}), "none"),
            (condition("Polished", "True", "Fine"), "none"),
            (condition("Ready", "True", "Fine"), "Healthy: Fine"),
            (condition("Ready", "Unknown", "Later"), "Progressing: Later"),
            (
                condition("Ready", "False", "Starting"),
                "Progressing: Starting",
            ),
            (
                condition("Ready", "False", "CreateFailed"),
                "Degraded: CreateFailed",
            ),
            (condition("Available", "True", "Up"), "Healthy: Up"),
            (condition("Stalled", "True", "NoQuota"), "Degraded: NoQuota"),
            (
                condition("Reconciling", "True", "Busy"),
                "Progressing: Busy",
            ),
            (
                json!({"status": {"observedGeneration": 1, "conditions": [{"type": "Ready", "status": "True"}]}}),
                "Progressing: Waiting for the controller to observe generation 2",
            ),
            (
                json!({"status": {"conditions": [
                    {"type": "Available", "status": "True", "message": "up"},
                    {"type": "Progressing", "status": "True", "message": "rolled out"}]}}),
                "Healthy: up",
            ),
        ],
    );
    // Kubernetes' own kinds have rules where they have a health.
    let ready = condition("Ready", "False", "KubeletNotReady");
    check("v1", "Node", &[(ready, "none")]);
}

#[test]
fn a_users_rule_comes_first() {
    struct Mine(Option<Health>);
    impl Rules for Mine {
        fn assess(&self, object: &Object) -> Option<Option<Health>> {
            object.is("", "Service").then(|| self.0.clone())
        }
    }
    let service = object("v1", "Service", json!({}));
    let degraded = Health::new(Status::Degraded, "mine");
    assert_eq!(
        assess(&service, &Mine(Some(degraded.clone()))),
        Some(degraded)
    );
    assert_eq!(assess(&service, &Mine(None)), None);
    let claim = object(
        "v1",
        "PersistentVolumeClaim",
        json!({"status": {"phase": "Bound"}}),
    );
    assert!(assess(&claim, &Mine(None)).is_some());
}

fn item(name: &str, health: ItemHealth) -> Item {
    let object = object(
        "v1",
        "Pod",
        json!({"metadata": {"name": name, "namespace": "n"}}),
    );
    Item {
        key: object.key(),
        health,
        ignored: false,
    }
}

#[test]
fn an_application_is_as_its_worst_object() {
    let known = |status| ItemHealth::Known(Health::bare(status));
    let summed = |items: &[Item]| {
        let health = aggregate(items);
        format!("{}: {}", health.status, health.message)
    };
    assert_eq!(summed(&[]), "Healthy: ");
    assert_eq!(summed(&[item("a", ItemHealth::Missing)]), "Missing: ");
    assert_eq!(
        summed(&[item("a", ItemHealth::Missing), item("b", ItemHealth::None)]),
        "Healthy: "
    );
    let many: Vec<Item> = ["d", "c", "b", "a"]
        .iter()
        .map(|name| item(name, known(Status::Progressing)))
        .chain([item("e", known(Status::Suspended))])
        .collect();
    assert_eq!(
        summed(&many),
        "Progressing: Caused by Pod:n/a, Pod:n/b, Pod:n/c and 1 more"
    );
    let mut left_out = item("a", known(Status::Degraded));
    left_out.ignored = true;
    assert_eq!(
        summed(&[left_out, item("b", known(Status::Healthy))]),
        "Healthy: "
    );
}

#[test]
fn a_model_rollout_goes_by_its_phase_and_by_what_it_was_handed_over() {
    let rollout = |wanted: &str, phase: &str, target: Value| {
        json!({
            "metadata": {"annotations": {"driftless.dev/wanted": format!("{{\"fraud\":{{\"version\":\"{wanted}\"}}}}")}},
            "status": {"phase": phase, "message": "m", "targets": [target]},
        })
    };
    let bad = json!({"name": "fraud", "stableVersion": "v1", "quarantined": [{"version": "v2"}]});
    let moving = json!({"name": "fraud", "stableVersion": "v1", "canaryVersion": "v2"});
    let good = json!({"name": "fraud", "stableVersion": "v2"});
    let unseen = "Progressing: Waiting for the rollout to look at its new version";
    check(
        "driftless.dev/v1alpha1",
        "ModelRollout",
        &[
            (
                json!({}),
                "Progressing: Waiting for the rollout to look at its spec",
            ),
            (rollout("v2", "Healthy", good.clone()), "Healthy: m"),
            (rollout("v3", "Healthy", good), unseen),
            (
                rollout("v2", "Progressing", moving.clone()),
                "Progressing: m",
            ),
            (rollout("v2", "Paused", moving.clone()), "Suspended: m"),
            (rollout("v2", "Held", moving), "Suspended: m"),
            (rollout("v2", "Degraded", bad.clone()), "Degraded: m"),
            (rollout("v3", "Degraded", bad.clone()), unseen),
            (rollout("v3", "Invalid", bad), "Degraded: m"),
        ],
    );
}

/// A status of nothing but conditions.
fn conditions(list: Value) -> Value {
    json!({"status": {"conditions": list}})
}

#[test]
fn serving_systems_go_by_their_own_words() {
    check(
        "serving.kserve.io/v1beta1",
        "InferenceService",
        &[
            (
                json!({}),
                "Progressing: Waiting for InferenceService to report status...",
            ),
            (
                json!({"status": {"modelStatus": {"transitionStatus": "BlockedByFailedLoad",
                    "lastFailureInfo": {"message": "no such bucket"}}}}),
                "Degraded: BlockedByFailedLoad: no such bucket",
            ),
            (
                conditions(
                    json!([{"type": "Ready", "status": "True"}, {"type": "Stopped", "status": "False"}]),
                ),
                "Healthy: InferenceService is healthy.",
            ),
            (
                conditions(
                    json!([{"type": "Ready", "status": "False"}, {"type": "Stopped", "status": "True"}]),
                ),
                "Suspended: InferenceService is stopped",
            ),
        ],
    );
    check(
        "serving.kserve.io/v1alpha2",
        "LLMInferenceService",
        &[
            (
                conditions(
                    json!([{"type": "Ready", "status": "False", "reason": "Progressing", "message": "pods start"}]),
                ),
                "Progressing: Ready is False: Progressing pods start",
            ),
            (
                conditions(
                    json!([{"type": "Ready", "status": "False", "reason": "RefsInvalid", "message": "no such Gateway"}]),
                ),
                "Degraded: Ready: no such Gateway",
            ),
            (
                conditions(json!([{"type": "Ready", "status": "True"}])),
                "Healthy: LLMInferenceService is ready",
            ),
        ],
    );
}

#[test]
fn other_kinds_of_the_table_do_so_too() {
    let conditions = |list: Value| json!({"status": {"conditions": list}});
    check(
        "mlops.seldon.io/v1alpha1",
        "Model",
        &[
            (
                conditions(
                    json!([{"type": "Ready", "status": "False", "reason": "ModelProgressing", "message": "loading"}]),
                ),
                "Progressing: loading",
            ),
            (
                conditions(
                    json!([{"type": "ModelReady", "status": "False", "reason": "ModelFailed", "message": "oom"}]),
                ),
                "Degraded: oom",
            ),
        ],
    );
}

#[test]
fn infrastructure_goes_by_its_own_words() {
    check(
        "cert-manager.io/v1",
        "Certificate",
        &[(
            conditions(
                json!([{"type": "Ready", "status": "False", "message": "old"},
                {"type": "Issuing", "status": "True", "message": "renewing"}]),
            ),
            "Progressing: renewing",
        )],
    );
    check(
        "s3.aws.crossplane.io/v1beta1",
        "Bucket",
        &[(
            conditions(json!([{"type": "Synced", "status": "False", "reason": "ReconcilePaused"}])),
            "Suspended: ReconcilePaused",
        )],
    );
}
