//! ModelRollouts and templates: nothing is lost, and what is wrong is said.

use driftless_api::analysis::AnalysisTemplate;
use driftless_api::read;
use driftless_api::rollout::{ModelRollout, ModelRolloutSpec, same_target, validate, validation};
use serde_json::{Value, json};

use crate::round_trip::{object, survives};

#[test]
fn objects_survive() {
    survives::<ModelRollout>("canary-modelrollout");
    survives::<AnalysisTemplate>("rich-analysistemplate");
}

#[test]
fn good_objects_have_no_problems() {
    let rollout: ModelRollout = read::from_value(object("canary-modelrollout")).unwrap();
    assert_eq!(validate(&rollout.spec), []);
    let template: AnalysisTemplate = read::from_value(object("rich-analysistemplate")).unwrap();
    assert_eq!(validation::validate_templates("spec", &template.spec), []);
}

#[test]
fn other_names_of_a_step_are_read() {
    let step = json!({"setScale": {"replicas": 2}});
    let step: driftless_api::rollout::Step = read::from_value(step).unwrap();
    assert_eq!(step.named(), ["setCanaryScale"]);
    let step: driftless_api::rollout::Step =
        read::from_value(json!({"mirror": {"name": "m", "percentage": 1}})).unwrap();
    assert_eq!(step.named(), ["setMirrorRoute"]);
}

fn problems(change: impl FnOnce(&mut Value)) -> Vec<String> {
    let mut spec = object("canary-modelrollout")["spec"].clone();
    change(&mut spec);
    let spec: ModelRolloutSpec = read::from_value(spec).unwrap();
    validate(&spec).iter().map(ToString::to_string).collect()
}

fn steps(steps: Value) -> Vec<String> {
    problems(|spec| spec["strategy"]["canary"]["steps"] = steps)
}

#[test]
fn steps_that_cannot_work_are_named() {
    let prefix = "spec.strategy.canary.steps";
    assert_eq!(
        steps(json!([{"setWeight": 120}])),
        [format!(
            "{prefix}[0].setWeight: 120 is not between 0 and 100"
        )]
    );
    assert_eq!(
        steps(json!([{"setWeight": 10, "pause": {}}])),
        [format!(
            "{prefix}[0]: a step does one thing, not setWeight and pause"
        )]
    );
    assert_eq!(
        steps(json!([{"setWeight": 10}, {"setWeight": 10}])),
        [format!(
            "{prefix}[1].setWeight: the weight is 10 already: this step changes nothing"
        )]
    );
    let found = steps(json!([{"setWeigth": 10}]));
    assert_eq!(
        found[0],
        format!("{prefix}[0].setWeigth: this field is not known: is it misspelt?")
    );
    let found = steps(json!([{"setCanaryScale": {"replicas": 0}}, {"setWeight": 5}]));
    assert!(
        found[0].contains("the weight cannot be reached"),
        "{found:?}"
    );
    let found = steps(json!([{"analysis": {"metrics": [
        {"name": "m", "interval": "1m", "provider": {"web": {"url": "http://x"}}}]}}]));
    assert!(
        found[0].contains("no later step can be reached"),
        "{found:?}"
    );
    let found = steps(json!([{"pause": {"duration": "10 minutes"}}]));
    assert!(
        found[0].contains("unable to parse 10 minutes as a duration"),
        "{found:?}"
    );
    let found = steps(json!([{"setHeaderRoute": {"name": "x"}}]));
    assert!(
        found[0].contains("no step before this one begins the route"),
        "{found:?}"
    );
    let found = steps(json!([]));
    assert!(
        found[0].contains("at least one step is required"),
        "{found:?}"
    );
}

#[test]
fn the_rest_of_a_spec_is_checked() {
    let found = problems(|spec| spec["targetRef"]["kind"] = "Pod".into());
    assert!(
        found[0].starts_with("spec.targetRef: serving.kserve.io/v1beta1 Pod cannot"),
        "{found:?}"
    );
    let found = problems(|spec| spec["strategy"]["blueGreen"] = json!({}));
    assert_eq!(found, ["spec.strategy: set canary or blueGreen, not both"]);
    let found = problems(|spec| spec["onFailure"] = "ignore".into());
    assert_eq!(
        found,
        ["spec.onFailure: \"ignore\" is not known: rollback or hold"]
    );
    let found = problems(|spec| {
        spec["selector"] = json!({"apiVersion": "apps/v1", "kind": "Deployment"});
        spec.as_object_mut().unwrap().remove("targetRef");
    });
    assert!(
        found[0].contains("an empty selector would take every object"),
        "{found:?}"
    );
    let found = problems(|spec| spec["strategy"]["canary"]["analysis"]["startingStep"] = 99.into());
    assert!(found[0].contains("99 is not between 0 and 8"), "{found:?}");
}

#[test]
fn of_two_rollouts_on_one_target_the_older_counts() {
    let rollout = |name: &str, created: &str| {
        let mut value = object("canary-modelrollout");
        value["metadata"] = json!({"name": name, "namespace": "m", "creationTimestamp": created});
        read::from_value::<ModelRollout>(value).unwrap()
    };
    let young = rollout("a", "2026-02-01T00:00:00Z");
    let old = rollout("b", "2026-01-01T00:00:00Z");
    let pairs = same_target(&[&young, &old]);
    assert_eq!(pairs.len(), 1);
    assert_eq!(
        (&*pairs[0].0.metadata.name, &*pairs[0].1.metadata.name),
        ("b", "a")
    );
}

#[test]
fn an_installed_schema_knows_the_fields() {
    let crd = &driftless_api::crds()[2];
    assert_eq!(crd["metadata"]["name"], "modelrollouts.driftless.dev");
    let step = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/strategy/properties/canary/properties/steps/items/properties";
    let step = crd.pointer(step).unwrap();
    for field in [
        "setWeight",
        "pause",
        "analysis",
        "setCanaryScale",
        "warmup",
        "setHeaderRoute",
        "setMirrorRoute",
    ] {
        assert!(step.get(field).is_some(), "{field}");
    }
}
