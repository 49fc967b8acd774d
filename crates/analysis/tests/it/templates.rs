//! The ready templates: each query is asked of a real Prometheus that has series of the names they use. The series are
//! made here; the servers that export them do not run.

use std::fmt::Write as _;
use std::time::Instant;

use driftless_analysis::{Measure as _, Values, lower};
use driftless_api::analysis::AnalysisTemplate;
use driftless_api::{ModelRollout, read};
use driftless_rollout::expression::{Expression, Verdict};
use driftless_testkit::{DEADLINE, MetricSource, POLL, Prometheus};
use serde_json::{Value as Json, json};

use crate::setup::{ctx, providers};

/// Histograms, as `name{labels}`.
const HISTOGRAMS: [&str; 6] = [
    "request_predict_seconds{pod=\"fraud-1\"",
    "vllm:time_to_first_token_seconds{pod=\"fraud-1\"",
    "vllm:inter_token_latency_seconds{pod=\"fraud-1\"",
    "seldon_api_executor_server_requests_seconds{deployment_name=\"fraud\",predictor_name=\"canary\",code=\"200\"",
    "seldon_api_executor_server_requests_seconds{deployment_name=\"fraud\",predictor_name=\"canary\",code=\"500\"",
    "latency_seconds{pod=\"fraud-1\"",
];
const COUNTERS: [&str; 5] = [
    "nv_inference_request_success{pod=\"fraud-1\"}",
    "nv_inference_request_failure{pod=\"fraud-1\"}",
    "nv_inference_request_duration_us{pod=\"fraud-1\"}",
    "istio_requests_total{reporter=\"destination\",destination_workload=\"fraud\",response_code=\"200\"}",
    "istio_requests_total{reporter=\"destination\",destination_workload=\"fraud\",response_code=\"503\"}",
];

/// Returns the exposition after so many looks: everything grows.
fn exposed(tick: u64) -> String {
    let mut text = "model_agreement 0.98\nmodel_drift 0.1\nmodel_business 12\n".to_owned();
    for name in COUNTERS {
        let _ = writeln!(text, "{name} {}", tick * 7);
    }
    for histogram in HISTOGRAMS {
        let (name, labels) = histogram.split_once('{').unwrap();
        for (le, share) in [("0.05", 3), ("0.1", 8), ("0.5", 10), ("+Inf", 10)] {
            let _ = writeln!(
                text,
                "{name}_bucket{{{labels},le=\"{le}\"}} {}",
                tick * share
            );
        }
        let _ = writeln!(text, "{name}_count{{{labels}}} {}", tick * 10);
        let _ = writeln!(text, "{name}_sum{{{labels}}} {tick}");
    }
    text
}

fn templates() -> Vec<AnalysisTemplate> {
    let file = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../examples/rollout/templates.yaml"
    );
    let text = std::fs::read(file).unwrap();
    let documents =
        driftless_yaml::parse_documents(&text, &driftless_yaml::Limits::default()).unwrap();
    let templates = documents.into_iter().filter(|document| !document.is_null());
    templates
        .map(|document| read::from_value(document).unwrap())
        .collect()
}

fn rollout(template: &AnalysisTemplate, prometheus: &str) -> ModelRollout {
    let args: Vec<Json> = template
        .spec
        .args
        .iter()
        .filter_map(|arg| {
            let value = match arg.name.as_str() {
                "prometheus" => prometheus,
                "pods" => "fraud-.*",
                "deployment" | "workload" => "fraud",
                "predictor" => "canary",
                "agreement" => "model_agreement",
                "drift" => "model_drift",
                "business" => "model_business",
                "least-business" => "10",
                "bad" => "istio_requests_total{response_code=~\"5..\"}",
                "all" => "istio_requests_total",
                "duration" => "latency_seconds_bucket{pod=~\"fraud-.*\"}",
                _ => return None,
            };
            Some(json!({"name": arg.name, "value": value}))
        })
        .collect();
    let name = &template.metadata.name;
    read::from_value(json!({
        "metadata": {"name": "fraud", "namespace": "models"},
        "spec": {
            "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "fraud"},
            "strategy": {"canary": {"steps": [{"analysis": {"templates": [{"templateName": name}], "args": args}}]}},
        },
    }))
    .unwrap()
}

#[tokio::test]
async fn every_query_of_the_ready_templates_gives_something_to_judge() {
    let source = MetricSource::serve().await;
    source.set(exposed(1));
    let prometheus = Prometheus::start(&source).await;
    let growing = source.clone();
    tokio::spawn(async move {
        for tick in 2.. {
            tokio::time::sleep(POLL).await;
            growing.set(exposed(tick));
        }
    });
    let templates = templates();
    let providers = providers();
    let mut asked = 0;
    for template in &templates {
        let rollout = rollout(template, &prometheus.address());
        let all = std::slice::from_ref(template);
        let lowered = lower::plan(&rollout.spec, all, &Values::default())
            .unwrap_or_else(|problem| panic!("{}: {problem}", template.metadata.name));
        for ((_, name), metric) in &lowered.metrics {
            let at = format!("{} {name}", template.metadata.name);
            let condition = Expression::parse(&metric.success).unwrap();
            assert!(metric.threshold.is_some(), "{at}: {}", metric.success);
            let begin = Instant::now();
            // A rate needs two scrapes.
            loop {
                let value = providers
                    .measure(metric, &ctx())
                    .await
                    .unwrap_or_else(|error| panic!("{at}: {error}"));
                match condition.judge(&value) {
                    Verdict::True | Verdict::False => break,
                    Verdict::Unknown(why) => {
                        assert!(begin.elapsed() < DEADLINE, "{at}: {value}: {why}");
                    }
                }
                tokio::time::sleep(POLL).await;
            }
            asked += 1;
        }
    }
    assert!(
        templates.len() >= 6 && asked >= 10,
        "{asked} metrics of {} templates",
        templates.len()
    );
}
