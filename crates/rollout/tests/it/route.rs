//! Weights in live objects: written, read back, and refused where they would be a guess.

use driftless_manifest::merge_patch::apply;
use driftless_rollout::managed::behind;
use driftless_rollout::plan::{HeaderRoute, MirrorRoute, RouteMatch, Traffic};
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

fn by_header(rank: u32, name: &str, value: &str) -> HeaderRoute {
    HeaderRoute {
        rank,
        name: name.into(),
        matches: vec![("X-Beta".into(), "exact".into(), value.into())],
    }
}

fn mirror(percentage: u32, path: Option<(&str, &str)>) -> MirrorRoute {
    let path = path.map(|(how, value)| (how.to_owned(), value.to_owned()));
    let matches = path.map(|path| RouteMatch {
        path: Some(path),
        ..RouteMatch::default()
    });
    MirrorRoute {
        rank: 5,
        name: "shadow".into(),
        percentage,
        matches: matches.into_iter().collect(),
    }
}

#[test]
fn routes_by_header_and_mirrors_are_read_back_and_leave_nothing() {
    for (router, live) in [
        (Router::HttpRoute, http_route()),
        (Router::VirtualService, virtual_service()),
    ] {
        let begun = merged(
            live.clone(),
            &router.write(&live, &names(), &Traffic::default()).unwrap(),
        );
        let steps = [
            (0, vec![by_header(1, "beta", "yes")], vec![]),
            (
                20,
                vec![by_header(1, "beta", "yes")],
                vec![mirror(10, None)],
            ),
            (
                20,
                vec![by_header(0, "first", "1"), by_header(1, "beta", "no")],
                vec![mirror(100, Some(("exact", "/v1/predict")))],
            ),
            (100, vec![], vec![]),
            (0, vec![], vec![]),
        ];
        let mut live = begun.clone();
        for (canary, headers, mirrors) in steps {
            let traffic = Traffic {
                canary,
                headers,
                mirrors,
                ..Traffic::default()
            };
            live = merged(
                live.clone(),
                &router.write(&live, &names(), &traffic).unwrap(),
            );
            assert_eq!(
                router.read(&live, &names()),
                Ok(traffic.clone()),
                "{router:?} {live}"
            );
            let again = router.write(&live, &names(), &traffic).unwrap();
            assert_eq!(merged(live.clone(), &again), live);
        }
        // The annotation's map may stay, empty.
        assert_eq!(live["spec"], begun["spec"]);
        assert_eq!(
            live.pointer("/metadata/annotations/driftless.dev~1routes"),
            None
        );
    }
}

#[test]
fn our_rules_come_first_and_keep_paths() {
    let traffic = Traffic {
        canary: 30,
        headers: vec![by_header(0, "beta", "yes")],
        mirrors: vec![mirror(25, Some(("exact", "/v1/predict")))],
        ..Traffic::default()
    };
    let live = http_route();
    let live = merged(
        live.clone(),
        &Router::HttpRoute.write(&live, &names(), &traffic).unwrap(),
    );
    let rules = live["spec"]["rules"].as_array().unwrap();
    // Two for the header, two for the mirror (one under `/v1`, one under `/`), four from before.
    assert_eq!(rules.len(), 8);
    assert_eq!(
        rules[0],
        json!({
            "matches": [{"path": {"value": "/v1"}, "headers": [{"type": "Exact", "name": "X-Beta", "value": "yes"}]}],
            "backendRefs": [{"name": "fraud-canary", "port": 80, "weight": 1}],
        })
    );
    assert_eq!(
        rules[3]["filters"],
        json!([{"type": "RequestMirror", "requestMirror": {
            "backendRef": {"group": "", "kind": "Service", "name": "fraud-canary", "port": 8080}, "percent": 25}}])
    );
    assert_eq!(
        rules[3]["matches"],
        json!([{"path": {"type": "Exact", "value": "/v1/predict"}}])
    );
    let live = virtual_service();
    let live = merged(
        live.clone(),
        &Router::VirtualService
            .write(&live, &names(), &traffic)
            .unwrap(),
    );
    let http = live["spec"]["http"].as_array().unwrap();
    assert_eq!(http.len(), 3);
    assert_eq!(http[0]["name"], "beta");
    assert_eq!(
        http[0]["match"],
        json!([{"headers": {"x-beta": {"exact": "yes"}}}])
    );
    assert_eq!(
        http[0]["route"][0]["destination"]["host"],
        "fraud-canary.models.svc.cluster.local"
    );
    assert_eq!(http[1]["mirrorPercentage"], json!({"value": 25.0}));
    assert_eq!(http[1]["match"], json!([{"uri": {"exact": "/v1/predict"}}]));
    assert_eq!(http[2]["name"], "main");
}

#[test]
fn a_hand_on_our_rules_is_seen() {
    let traffic = Traffic {
        canary: 10,
        headers: vec![by_header(0, "beta", "yes")],
        ..Traffic::default()
    };
    let live = http_route();
    let live = merged(
        live.clone(),
        &Router::HttpRoute.write(&live, &names(), &traffic).unwrap(),
    );
    let mut changed = live.clone();
    changed["spec"]["rules"][0]["matches"][0]["headers"][0]["value"] = json!("no");
    let seen = Router::HttpRoute.read(&changed, &names()).unwrap();
    assert_ne!(seen, traffic);
    assert!(seen.uses_canary());
    let mut gone = live.clone();
    gone["spec"]["rules"].as_array_mut().unwrap().remove(0);
    let seen = Router::HttpRoute.read(&gone, &names()).unwrap();
    assert_ne!(seen, traffic);
    for broken in [changed, gone] {
        let patch = Router::HttpRoute
            .write(&broken, &names(), &traffic)
            .unwrap();
        assert_eq!(merged(broken, &patch)["spec"], live["spec"]);
    }
    // What the API server fills in is no hand.
    let mut filled = live;
    filled["spec"]["rules"][0]["backendRefs"][0]["group"] = json!("");
    assert_eq!(Router::HttpRoute.read(&filled, &names()), Ok(traffic));
}

#[test]
fn nginx_looks_at_one_header_and_copies_nothing() {
    let live = json!({"metadata": {"annotations": {"a": "b"}}});
    for (how, tail, value) in [
        ("exact", "value", "v+"),
        ("prefix", "pattern", "^v\\+"),
        ("regex", "pattern", "v+"),
    ] {
        let mut traffic = Traffic {
            canary: 10,
            headers: vec![by_header(0, "beta", "v+")],
            ..Traffic::default()
        };
        traffic.headers[0].matches[0].1 = how.to_owned();
        let patch = Router::NginxCanary
            .write(&live, &names(), &traffic)
            .unwrap();
        let with = merged(live.clone(), &patch);
        let annotation = |name: &str| {
            &with["metadata"]["annotations"][format!("nginx.ingress.kubernetes.io/{name}")]
        };
        assert_eq!(annotation("canary-by-header"), "X-Beta");
        assert_eq!(annotation(&format!("canary-by-header-{tail}")), value);
        assert_eq!(Router::NginxCanary.read(&with, &names()), Ok(traffic));
        let plain = Traffic {
            canary: 10,
            ..Traffic::default()
        };
        let patch = Router::NginxCanary.write(&with, &names(), &plain).unwrap();
        let without = merged(with.clone(), &patch);
        assert_eq!(Router::NginxCanary.read(&without, &names()), Ok(plain));
        assert_eq!(
            without["metadata"]["annotations"]
                .as_object()
                .unwrap()
                .len(),
            3
        );
    }
    let traffic = Traffic {
        mirrors: vec![mirror(10, None)],
        ..Traffic::default()
    };
    assert!(
        Router::NginxCanary
            .write(&live, &names(), &traffic)
            .is_err()
    );
}

/// A route as KServe makes it for a predictor with REST and gRPC.
fn of_kserve() -> Value {
    let rule = |matches: Value, port: u16| {
        json!({
            "matches": matches,
            "filters": [{"type": "RequestHeaderModifier", "requestHeaderModifier": {"set": [{"name": "KServe-Isvc-Name", "value": "fraud"}]}}],
            "backendRefs": [{"group": "", "kind": "Service", "name": "fraud", "namespace": "models", "port": port, "weight": 1}],
            "timeouts": {"request": "60s"},
        })
    };
    let path = |value: &str| json!({"type": "RegularExpression", "value": value});
    let grpc = json!([{"path": path("^/inference.*$"), "headers": [{"type": "RegularExpression", "name": "content-type", "value": "^application/grpc.*"}]}]);
    json!({
        "metadata": {"name": "fraud", "resourceVersion": "7", "annotations": {"owner": "kserve"}},
        "spec": {"rules": [rule(grpc, 9000), rule(json!([{"path": path("^/.*$")}]), 80)]},
    })
}

/// Says whether a live value keeps what its first writer wrote, in its place, as KServe judges it.
fn keeps(live: &Value, first: &Value) -> bool {
    match (live, first) {
        (Value::Object(live), Value::Object(first)) => first.iter().all(|(key, first)| {
            // The weight is ours: KServe does not write one.
            key == "weight" || live.get(key).is_some_and(|live| keeps(live, first))
        }),
        (Value::Array(live), Value::Array(first)) => {
            live.len() >= first.len()
                && live
                    .iter()
                    .zip(first)
                    .all(|(live, first)| keeps(live, first))
        }
        (live, first) => live == first,
    }
}

#[test]
fn behind_rules_of_another_controller_theirs_stay_as_they_are() {
    let begun = of_kserve();
    let mut by_model = mirror(30, None);
    by_model.matches.push(RouteMatch {
        headers: vec![("X-Model".into(), "exact".into(), "large".into())],
        ..RouteMatch::default()
    });
    by_model.name = "large".into();
    let steps = [
        (0, vec![by_header(1, "beta", "yes")], vec![]),
        (
            20,
            vec![by_header(1, "beta", "yes")],
            vec![mirror(10, None)],
        ),
        (20, vec![], vec![mirror(100, None), by_model.clone()]),
        (
            50,
            vec![],
            vec![mirror(100, Some(("exact", "/v1/predict")))],
        ),
        (
            100,
            vec![by_header(0, "first", "1"), by_header(1, "beta", "no")],
            vec![],
        ),
        (0, vec![], vec![]),
    ];
    let mut live = begun.clone();
    for (canary, headers, mirrors) in steps {
        let traffic = Traffic {
            canary,
            headers,
            mirrors,
            ..Traffic::default()
        };
        live = merged(
            live.clone(),
            &behind::write(&live, &names(), &traffic).unwrap(),
        );
        assert_eq!(behind::read(&live, &names()), Ok(traffic.clone()), "{live}");
        assert!(keeps(&live["spec"], &begun["spec"]), "{live}");
        let again = behind::write(&live, &names(), &traffic).unwrap();
        assert_eq!(merged(live.clone(), &again), live);
    }
    assert_eq!(
        live["metadata"]["annotations"],
        begun["metadata"]["annotations"]
    );
    assert_eq!(live["spec"]["rules"].as_array().unwrap().len(), 2);
    assert_eq!(behind::read(&live, &names()), Ok(Traffic::default()));
}

#[test]
fn behind_rules_of_another_controller_a_hand_on_ours_is_seen_and_put_back() {
    let traffic = Traffic {
        canary: 10,
        headers: vec![by_header(0, "beta", "yes")],
        mirrors: vec![mirror(25, None)],
        ..Traffic::default()
    };
    let begun = of_kserve();
    let live = merged(
        begun.clone(),
        &behind::write(&begun, &names(), &traffic).unwrap(),
    );
    let last = live["spec"]["rules"].as_array().unwrap().len() - 1;
    let mut changed = live.clone();
    changed["spec"]["rules"][last]["matches"][0]["headers"][0]["value"] = json!("no");
    let mut gone = live.clone();
    gone["spec"]["rules"].as_array_mut().unwrap().pop();
    let mut unmirrored = live.clone();
    unmirrored["spec"]["rules"][1]["filters"]
        .as_array_mut()
        .unwrap()
        .pop();
    let mut dropped = live.clone();
    let percent = "/spec/rules/1/filters/1/requestMirror";
    dropped
        .pointer_mut(percent)
        .unwrap()
        .as_object_mut()
        .unwrap()
        .remove("percent");
    let mut added = live.clone();
    let ours = added["spec"]["rules"][last].clone();
    added["spec"]["rules"].as_array_mut().unwrap().push(ours);
    for broken in [changed, gone, unmirrored, dropped, added] {
        let seen = behind::read(&broken, &names()).unwrap();
        assert_ne!(seen, traffic, "{broken}");
        let patch = behind::write(&broken, &names(), &traffic).unwrap();
        assert_eq!(merged(broken, &patch)["spec"], live["spec"]);
    }
    // The other controller takes its route back: nothing of ours is there, and it is written anew.
    assert_eq!(behind::read(&begun, &names()), Ok(Traffic::default()));
}
