//! Weights in live objects: written, read back, and refused where they would be a guess.

use driftless_manifest::merge_patch::apply;
use driftless_rollout::route::{Names, Router, promote_standard};
use serde_json::{Value, json};

fn merged(mut value: Value, patch: &Value) -> Value {
    apply(&mut value, patch);
    value
}

fn names() -> Names {
    Names {
        stable: "fraud".into(),
        canary: "fraud-canary".into(),
    }
}

fn http_route() -> Value {
    json!({
        "metadata": {"name": "r", "resourceVersion": "7"},
        "spec": {"parentRefs": [{"name": "gw"}], "rules": [
            {"matches": [{"path": {"value": "/v1"}}], "backendRefs": [{"name": "fraud", "port": 80}]},
            {"filters": [{"type": "RequestRedirect"}]},
            {"backendRefs": [{"name": "fraud", "port": 8080, "weight": 3}]},
            {"backendRefs": [{"name": "docs", "port": 80}]}
        ]}
    })
}

fn virtual_service() -> Value {
    json!({"spec": {"http": [
        {"name": "main", "route": [{"destination": {"host": "fraud.models.svc.cluster.local", "port": {"number": 80}}}]}
    ]}})
}

#[test]
fn every_weight_is_read_back_as_it_was_written() {
    let objects = [
        (Router::HttpRoute, http_route()),
        (Router::VirtualService, virtual_service()),
        (
            Router::NginxCanary,
            json!({"metadata": {"annotations": {"a": "b"}}}),
        ),
        (
            Router::KserveStandard,
            json!({"spec": {"predictor": {}, "canary": [{"predictor": {"name": "fraud-canary"}}]}}),
        ),
        (
            Router::LlmInferenceService,
            json!({"spec": {"router": {"route": {"group": "g"}}}}),
        ),
        (
            Router::SeldonDeployment,
            json!({"spec": {"predictors": [
            {"name": "fraud", "traffic": 100}, {"name": "fraud-canary"}, {"name": "s", "shadow": true, "traffic": 20}]}}),
        ),
        (
            Router::SeldonExperiment,
            json!({"spec": {"default": "fraud", "candidates": [
            {"name": "fraud", "weight": 100}, {"name": "fraud-canary", "weight": 0}]}}),
        ),
    ];
    for (router, live) in objects {
        for weight in [0, 1, 10, 50, 99, 100, 0] {
            let patch = router.patch(&live, &names(), weight).unwrap();
            let live = merged(live.clone(), &patch);
            assert_eq!(
                router.weight(&live, &names()),
                Ok(weight),
                "{router:?} {live}"
            );
            // Writing the same again changes nothing.
            assert_eq!(
                merged(
                    live.clone(),
                    &router.patch(&live, &names(), weight).unwrap()
                ),
                live
            );
        }
    }
}

#[test]
fn the_rest_of_an_object_stays() {
    let live = http_route();
    let patch = Router::HttpRoute.patch(&live, &names(), 10).unwrap();
    assert_eq!(
        patch["metadata"]["resourceVersion"], "7",
        "a lost race is noticed"
    );
    let rules = &patch["spec"]["rules"];
    assert_eq!(
        rules[0]["backendRefs"],
        json!([
        {"name": "fraud", "port": 80, "weight": 90}, {"name": "fraud-canary", "port": 80, "weight": 10}])
    );
    assert_eq!(rules[2]["backendRefs"][1]["port"], 8080);
    assert_eq!(
        (&rules[1], &rules[3]),
        (&live["spec"]["rules"][1], &live["spec"]["rules"][3])
    );
    let patch = Router::VirtualService
        .patch(&virtual_service(), &names(), 10)
        .unwrap();
    let host = &patch["spec"]["http"][0]["route"][1]["destination"];
    assert_eq!(
        host,
        &json!({"host": "fraud-canary.models.svc.cluster.local", "port": {"number": 80}})
    );
}

#[test]
fn a_guess_is_refused() {
    let read =
        |router: Router, live: Value| router.weight(&live, &names()).unwrap_err().to_string();
    assert_eq!(
        read(
            Router::HttpRoute,
            json!({"spec": {"rules": [{"backendRefs": [{"name": "docs"}]}]}})
        ),
        "nothing at spec.rules[].backendRefs names fraud"
    );
    let uneven = json!({"spec": {"rules": [
        {"backendRefs": [{"name": "fraud"}]},
        {"backendRefs": [{"name": "fraud", "weight": 1}, {"name": "fraud-canary", "weight": 1}]}]}});
    assert_eq!(
        read(Router::HttpRoute, uneven),
        "rules at spec.rules[].backendRefs give the new version 0 % and 50 %"
    );
    let others =
        json!({"spec": {"rules": [{"backendRefs": [{"name": "fraud"}, {"name": "other"}]}]}});
    assert!(read(Router::HttpRoute, others.clone()).contains("sends traffic to other, too"));
    assert!(Router::HttpRoute.patch(&others, &names(), 5).is_err());
    assert!(read(Router::HttpRoute, json!({})).contains("is not what it should be"));
    let missing = json!({"spec": {"predictors": [{"name": "fraud"}]}});
    assert!(
        Router::SeldonDeployment
            .patch(&missing, &names(), 5)
            .is_err()
    );
    assert!(
        Router::KserveStandard
            .patch(&json!({"spec": {}}), &names(), 5)
            .is_err()
    );
}

#[test]
fn serverless_is_read_from_what_serves() {
    let live = |traffic: Value| {
        json!({
            "spec": {"predictor": {"canaryTrafficPercent": 10}},
            "status": {"components": {"predictor": {"traffic": traffic}}}
        })
    };
    let split = live(
        json!([{"latestRevision": true, "percent": 10}, {"latestRevision": false, "percent": 90, "tag": "prev"}]),
    );
    assert_eq!(Router::KserveServerless.weight(&split, &names()), Ok(10));
    let alone = live(json!([{"latestRevision": true, "percent": 100}]));
    assert_eq!(Router::KserveServerless.weight(&alone, &names()), Ok(0));
    assert!(
        Router::KserveServerless
            .weight(&json!({"spec": {}}), &names())
            .is_err()
    );
    let patch = Router::KserveServerless
        .patch(&split, &names(), 25)
        .unwrap();
    assert_eq!(
        patch,
        json!({"spec": {"predictor": {"canaryTrafficPercent": 25}}})
    );
}

#[test]
fn promotion_keeps_the_name_of_the_pods() {
    let live = json!({"spec": {
        "predictor": {"name": "fraud", "minReplicas": 2, "model": {"storageUri": "s3://v1", "args": ["--old"]}},
        "canary": [{"trafficPercent": 100, "predictor": {"name": "fraud-canary", "model": {"storageUri": "s3://v2"}}}]
    }});
    let promoted = merged(live.clone(), &promote_standard(&live, &names()).unwrap());
    assert_eq!(
        promoted,
        json!({"spec": {"predictor": {"name": "fraud-canary", "model": {"storageUri": "s3://v2"}}}})
    );
}
