//! What is handed over, and when.

use super::*;
use serde_json::json;

fn desired(value: Value) -> DesiredObject {
    let object = Object::from_value(value).unwrap();
    DesiredObject {
        key: object.key(),
        fingerprint: 0,
        object: std::sync::Arc::new(object),
    }
}

fn model(image: &str) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "fraud", "namespace": "ml", "labels": {"tier": "model"}},
        "spec": {"template": {"spec": {"containers": [{"image": image}]}}}})
}

fn rollout(name: &str, target: Value) -> Value {
    let mut spec = json!({"strategy": {"canary": {"steps": [{"setWeight": 10}, {"pause": {}}]}}});
    for (field, value) in target.as_object().unwrap() {
        spec[field] = value.clone();
    }
    json!({"apiVersion": "driftless.dev/v1alpha1", "kind": "ModelRollout",
        "metadata": {"name": name, "namespace": "ml"}, "spec": spec})
}

fn by_name() -> Value {
    json!({"targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "fraud"}})
}

fn governance(objects: &[Value]) -> Governance {
    let objects: Vec<DesiredObject> = objects.iter().cloned().map(desired).collect();
    Governance::of(&objects, &Tracking::default())
}

fn key(kind: &str, name: &str) -> ResourceKey {
    let group = if kind == "Deployment" {
        "apps"
    } else {
        "driftless.dev"
    };
    ResourceKey::new(group, kind, "ml", name)
}

#[test]
fn a_version_is_the_content_without_the_marks() {
    let tracking = Tracking::default();
    let version = |value: Value| version_of(&Object::from_value(value).unwrap(), &tracking);
    let plain = version(model("m:1"));
    assert_eq!(plain.len(), 10);
    let mut marked = Object::from_value(model("m:1")).unwrap();
    tracking.mark(&mut marked, "app", "ml");
    assert_eq!(version_of(&marked, &tracking), plain);
    assert_ne!(version(model("m:2")), plain);
    let mut scaled = model("m:1");
    scaled["spec"]["replicas"] = 7.into();
    scaled["metadata"]["labels"]["tier"] = "other".into();
    assert_eq!(version(scaled.clone()), plain);
    let scaled = Object::from_value(scaled).unwrap();
    let whole = Object::from_value(model("m:1")).unwrap();
    assert_ne!(digest_of(&scaled, &tracking), digest_of(&whole, &tracking));
    // Written down: another value would hand every running model over again.
    assert_eq!(plain, "9430164ca0");
}

#[test]
fn targets_are_found_by_name_and_by_label() {
    let found = governance(&[model("m:1"), rollout("r", by_name())]);
    let governor = found.governor(&key("Deployment", "fraud")).unwrap();
    assert_eq!(governor.rollout, key("ModelRollout", "r"));
    let wanted = ["fraud".to_owned()];
    assert_eq!(found.targets(&key("ModelRollout", "r")), Some(&wanted[..]));

    let labelled = json!({"selector": {"apiVersion": "apps/v1", "kind": "Deployment",
        "matchExpressions": [{"key": "tier", "operator": "In", "values": ["model"]}]}});
    let found = governance(&[model("m:1"), rollout("r", labelled)]);
    assert!(found.governor(&key("Deployment", "fraud")).is_some());

    let mut elsewhere = rollout("r", by_name());
    elsewhere["metadata"]["namespace"] = "other".into();
    let found = governance(&[model("m:1"), elsewhere]);
    assert!(found.governor(&key("Deployment", "fraud")).is_none());
}

#[test]
fn a_mistake_in_the_rollout_does_not_set_its_target_free() {
    let mut wrong = rollout("r", by_name());
    wrong["spec"]["strategy"]["canary"]["steps"] = json!([{"setWeight": 900}]);
    let found = governance(&[model("m:1"), wrong.clone()]);
    let why = found.refusal(&key("Deployment", "fraud")).unwrap();
    assert!(why.contains("spec.strategy.canary.steps[0]"), "{why}");
    assert!(found.refusal(&key("ModelRollout", "r")).is_some());

    wrong["spec"]["strategy"] = json!("canary");
    let found = governance(&[model("m:1"), wrong]);
    assert!(found.refusal(&key("Deployment", "fraud")).is_some());
}

#[test]
fn two_rollouts_of_one_target_are_refused() {
    let found = governance(&[
        model("m:1"),
        rollout("a", by_name()),
        rollout("b", by_name()),
    ]);
    let why = found.refusal(&key("Deployment", "fraud")).unwrap();
    assert!(why.contains("a and b"), "{why}");
}

#[test]
fn routes_and_services_are_the_rollouts_while_traffic_moves() {
    let mut moving = rollout("r", by_name());
    moving["spec"]["strategy"]["canary"]["stableService"] = json!("fraud");
    moving["spec"]["strategy"]["canary"]["trafficRouting"] = json!({"httpRoute": {"name": "web"}});
    let found = governance(&[model("m:1"), moving]);
    let rollout = key("ModelRollout", "r");
    let service = ResourceKey::new("", "Service", "ml", "fraud");
    let route = ResourceKey::new("gateway.networking.k8s.io", "HTTPRoute", "ml", "web");
    assert_eq!(found.mover(&service), Some(&rollout));
    assert_eq!(found.mover(&route), Some(&rollout));
    assert_eq!(
        found.mover(&ResourceKey::new("", "Service", "ml", "")),
        None
    );
    assert_eq!(found.mover(&key("Deployment", "fraud")), None);

    let is_moving = |status: Value| standing("v2", status).is_moving();
    assert!(is_moving(
        json!({"name": "fraud", "stableVersion": "v1", "canaryVersion": "v2"})
    ));
    assert!(is_moving(
        json!({"name": "fraud", "stableVersion": "v1", "phase": "RollingBack"})
    ));
    assert!(!is_moving(
        json!({"name": "fraud", "stableVersion": "v1", "phase": "Waiting"})
    ));
    assert!(!is_moving(
        json!({"name": "fraud", "stableVersion": "v1", "phase": "Degraded"})
    ));
}

#[test]
fn hooks_are_no_targets() {
    let mut hook = model("m:1");
    hook["metadata"]["annotations"] = json!({"argocd.argoproj.io/hook": "PreSync"});
    let found = governance(&[hook, rollout("r", by_name())]);
    assert!(found.governor(&key("Deployment", "fraud")).is_none());
}

fn governor(version: &str, object: &str) -> Governor {
    Governor {
        rollout: key("ModelRollout", "r"),
        version: version.to_owned(),
        object: object.to_owned(),
    }
}

#[test]
fn what_does_not_serve_is_told_while_a_version_moves_and_applied_when_it_serves() {
    let told = |phase: &str, stable: &str, object: &str| {
        let mut standing = standing(
            "v2",
            json!({"name": "fraud", "stableVersion": stable, "phase": phase}),
        );
        standing.wanted.get_mut("fraud").unwrap().object = "a".to_owned();
        standing.course("fraud", &governor("v2", object))
    };
    assert_eq!(told("Progressing", "v1", "a"), Course::Moving);
    assert_eq!(told("Progressing", "v1", "b"), Course::New);
    assert_eq!(told("Healthy", "v2", "b"), Course::Settled);
}

fn standing(wanted: &str, status: Value) -> Standing {
    let mut live = rollout("r", by_name());
    let wanted =
        json!({"fraud": {"version": wanted, "controllerRevision": format!("fraud-{wanted}")}});
    live["metadata"]["annotations"] = json!({(WANTED): wanted.to_string()});
    live["status"] = json!({"targets": [status]});
    Standing::read(&Object::from_value(live).unwrap())
}

#[test]
fn the_status_of_the_rollout_tells_what_became_of_a_version() {
    let desired = governor("v2", "");
    let course = |wanted: &str, status: Value| standing(wanted, status).course("fraud", &desired);
    let quarantined = json!([{"version": "v2", "reason": "errors"}]);
    assert_eq!(
        course("v1", json!({"name": "fraud", "stableVersion": "v1"})),
        Course::New
    );
    assert_eq!(course("v2", json!({"name": "other"})), Course::Moving);
    assert_eq!(
        course("v2", json!({"name": "fraud", "stableVersion": "v1"})),
        Course::Moving
    );
    let settled = json!({"name": "fraud", "stableVersion": "v2", "phase": "Healthy"});
    assert_eq!(course("v2", settled), Course::Settled);
    // Back at what served before, with traffic still on its way.
    let back = json!({"name": "fraud", "stableVersion": "v2", "phase": "RollingBack"});
    assert_eq!(course("v2", back), Course::Moving);
    let bad = json!({"name": "fraud", "stableVersion": "v1", "quarantined": quarantined});
    let Course::Quarantined(verdict) = course("v2", bad) else {
        panic!("it is quarantined");
    };
    assert_eq!((reason(&verdict.entry), &*verdict.stable), ("errors", "v1"));
    // While its traffic goes back, the rollout is at work.
    let back = json!({"name": "fraud", "stableVersion": "v1", "phase": "RollingBack", "quarantined": quarantined});
    assert_eq!(course("v2", back), Course::Moving);
}

#[test]
fn an_annotation_that_is_no_record_is_written_again() {
    let mut live = rollout("r", by_name());
    live["metadata"]["annotations"] = json!({(WANTED): "{oops"});
    let read = Standing::read(&Object::from_value(live).unwrap());
    assert_eq!(read.course("fraud", &governor("v1", "")), Course::New);
}
