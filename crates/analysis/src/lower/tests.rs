//! A rollout and its templates to a plan.

use driftless_api::{ModelRollout, read};
use driftless_core::Secret;
use driftless_rollout::judge::{Criterion, Metric};
use jiff::SignedDuration;
use serde_json::{Value as Json, json};

use super::*;

fn rollout(strategy: Json) -> ModelRollout {
    read::from_value(json!({
        "apiVersion": "driftless.dev/v1alpha1", "kind": "ModelRollout",
        "metadata": {"name": "fraud", "namespace": "models", "labels": {"team": "risk"}},
        "spec": {
            "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "fraud"},
            "strategy": strategy,
        },
    }))
    .unwrap()
}

fn template(spec: Json) -> AnalysisTemplate {
    read::from_value(json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "AnalysisTemplate",
        "metadata": {"name": "errors"}, "spec": spec,
    }))
    .unwrap()
}

fn values() -> Values {
    let secret = SecretName {
        place: SecretPlace::Rollout,
        name: "token".to_owned(),
    };
    Values {
        rollout: json!({"metadata": {"labels": {"team": "risk"}}}),
        latest: "v2".to_owned(),
        stable: "v1".to_owned(),
        secrets: BTreeMap::from([(
            secret,
            BTreeMap::from([("token".to_owned(), Secret::new("hunter2".to_owned()))]),
        )]),
        ..Values::default()
    }
}

fn steps(steps: Json) -> Json {
    json!({"canary": {"steps": steps}})
}

fn errors() -> AnalysisTemplate {
    template(json!({
        "args": [
            {"name": "limit", "value": "0.05"},
            {"name": "hash", "valueFrom": {"podTemplateHashValue": "Latest"}},
            {"name": "team", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['team']"}}},
            {"name": "token", "valueFrom": {"secretKeyRef": {"name": "token", "key": "token"}}},
        ],
        "measurementRetention": [{"metricName": "err.*", "limit": 25}],
        "metrics": [{
            "name": "errors",
            "successCondition": "result[0] <= {{args.limit}}",
            "provider": {"prometheus": {
                "address": "http://prometheus:9090",
                "query": "errors{hash=\"{{args.hash}}\",team=\"{{args.team}}\"}",
                "timeout": 300,
                "headers": [{"key": "Authorization", "value": "Bearer {{args.token}}"}],
            }},
        }],
    }))
}

#[test]
fn a_metric_has_its_source_and_what_is_shown() {
    let rollout = rollout(steps(json!([
        {"setWeight": 10},
        {"analysis": {"templates": [{"templateName": "errors"}], "args": [{"name": "limit", "value": "0.1"}]}},
    ])));
    let lowered = plan(&rollout.spec, &[errors()], &values()).unwrap();
    let source = &lowered.metrics[&(Which::Step(1), "errors".to_owned())];
    assert_eq!(source.success, "result[0] <= 0.1");
    assert_eq!(source.threshold, Some(0.1));
    assert_eq!(source.retention, Some(25));
    let prometheus = source.spec.expose().prometheus.as_ref().unwrap();
    assert_eq!(prometheus.query, "errors{hash=\"v2\",team=\"risk\"}");
    assert_eq!(prometheus.headers[0].value, "Bearer hunter2");
    assert!(!format!("{lowered:?}").contains("hunter2"));
    assert_eq!(source.masked("sent Bearer hunter2"), "sent Bearer ****");
    let Step::Analysis(analysis) = &lowered.plan.steps[1] else {
        panic!("no analysis");
    };
    let waits = analysis.metrics[0].answer_within;
    assert_eq!(waits, SignedDuration::from_secs(330));
}

#[test]
fn what_a_rollout_needs() {
    let mut datadog =
        template(json!({"metrics": [{"name": "d", "provider": {"datadog": {"query": "q"}}}]}));
    datadog.metadata.name = "other".into();
    let mut errors = errors();
    errors.spec.templates = vec![TemplateRef {
        template_name: "other".to_owned(),
        ..TemplateRef::default()
    }];
    let rollout = rollout(
        json!({"blueGreen": {"prePromotionAnalysis": {"templates": [{"templateName": "errors"}]}}}),
    );
    let first = needs(&rollout.spec, &[]);
    assert_eq!(first.templates.len(), 1);
    assert!(first.secrets.is_empty());
    let all = needs(&rollout.spec, &[errors, datadog]);
    let names: Vec<&str> = all
        .templates
        .iter()
        .map(|template| template.name.as_str())
        .collect();
    assert_eq!(names, ["errors", "other"]);
    let secrets: Vec<_> = all
        .secrets
        .iter()
        .map(|secret| (secret.place, secret.name.as_str()))
        .collect();
    assert_eq!(
        secrets,
        [
            (SecretPlace::Rollout, "token"),
            (SecretPlace::Instance, "datadog")
        ]
    );
}

#[test]
fn blue_green_names_the_steps_of_its_analyses() {
    let metric = |name: &str| json!({"metrics": [{"name": name, "provider": {"job": {"spec": {"activeDeadlineSeconds": 600, "template": {}}}}}]});
    let rollout = rollout(json!({"blueGreen": {
        "autoPromotionEnabled": false,
        "prePromotionAnalysis": metric("before"), "postPromotionAnalysis": metric("after"),
    }}));
    let lowered = plan(&rollout.spec, &[], &values()).unwrap();
    for (which, name) in lowered.metrics.keys() {
        let Which::Step(index) = which else {
            panic!("{which:?}")
        };
        let Step::Analysis(analysis) = &lowered.plan.steps[*index] else {
            panic!("{name} is not at {index}");
        };
        let [
            Metric {
                name: found,
                criterion,
                answer_within,
                ..
            },
        ] = analysis.metrics.as_slice()
        else {
            panic!("one metric");
        };
        assert_eq!(found, name);
        assert_eq!(*answer_within, SignedDuration::from_secs(630));
        // A Job that failed must not pass for want of a condition.
        assert!(
            matches!(criterion, Criterion::Conditions { success: Some(success), .. } if success.text() == "result")
        );
    }
    assert_eq!(lowered.metrics.len(), 2);
}

#[test]
fn what_cannot_be_used_is_said_at_once() {
    let analysis = |metric: Json| {
        let rollout = rollout(steps(json!([{"analysis": {"metrics": [metric]}}])));
        plan(&rollout.spec, &[], &values()).unwrap_err().to_string()
    };
    let error = analysis(json!({"name": "k", "provider": {"kayenta": {}}}));
    assert!(
        error.contains("metric k: the provider kayenta is not supported"),
        "{error}"
    );
    let error = analysis(json!({"name": "p", "provider": {"plugin": {"a/b": {}}}}));
    assert!(error.contains("plugin a/b is not supported"), "{error}");
    let error = analysis(json!({"name": "d", "provider": {"datadog": {"query": "q"}}}));
    assert!(
        error.contains("the Secret datadog is not in the namespace of Driftless"),
        "{error}"
    );
    let error = analysis(json!({"name": "n", "provider": {}}));
    assert!(error.contains("no provider"), "{error}");

    let run = |spec: Json, template: AnalysisTemplate, values: &Values| {
        let rollout = rollout(steps(json!([{"analysis": spec}])));
        plan(&rollout.spec, &[template], values)
            .unwrap_err()
            .to_string()
    };
    let named = json!({"templates": [{"templateName": "errors"}]});
    let mut secret = errors();
    secret.spec.metrics[0].failure_condition = "result > {{args.token}}".to_owned();
    let error = run(named.clone(), secret, &values());
    assert!(error.contains("may stand in the provider only"), "{error}");
    let mut dry = named.clone();
    dry["dryRun"] = json!([{"metricName": "erors"}]);
    let error = run(dry, errors(), &values());
    assert!(error.contains("no metric is called \"erors\""), "{error}");
    let error = run(
        named,
        errors(),
        &Values {
            rollout: values().rollout,
            ..Values::default()
        },
    );
    assert!(
        error.contains("the Secret token is not in the rollout's namespace"),
        "{error}"
    );
}

#[test]
fn a_replay_needs_no_cluster() {
    let rollout = rollout(steps(
        json!([{"analysis": {"templates": [{"templateName": "errors"}]}}]),
    ));
    let lowered = plan(&rollout.spec, &[errors()], &Values::replay()).unwrap();
    let source = &lowered.metrics[&(Which::Step(0), "errors".to_owned())];
    let query = &source.spec.expose().prometheus.as_ref().unwrap().query;
    assert_eq!(query, "errors{hash=\"<hash>\",team=\"<team>\"}");
}
