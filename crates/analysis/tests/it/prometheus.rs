//! A real Prometheus that scrapes what the test serves.

use driftless_analysis::{Measure as _, MeasureError};
use driftless_rollout::Value;
use driftless_rollout::expression::{Expression, Verdict};
use driftless_testkit::{DEADLINE, MetricSource, POLL, Prometheus};
use serde_json::{Value as Json, json};

use crate::setup::{ctx, lowered, providers, source, source_of, values};

const EXPOSED: &str = "\
requests_total{track=\"canary\",code=\"200\"} 90
requests_total{track=\"canary\",code=\"500\"} 10
requests_total{track=\"stable\",code=\"200\"} 995
requests_total{track=\"stable\",code=\"500\"} 5
idle NaN
endless +Inf
";

async fn started() -> (Prometheus, MetricSource) {
    let exposed = MetricSource::serve().await;
    exposed.set(EXPOSED);
    let prometheus = Prometheus::start(&exposed).await;
    // Until the first scrape is in.
    let begin = std::time::Instant::now();
    let up = asks(&prometheus, "sum(requests_total)");
    while !ask(&up).await.is_ok_and(|value| !value.is_no_data()) {
        assert!(begin.elapsed() < DEADLINE, "prometheus scrapes nothing");
        tokio::time::sleep(POLL).await;
    }
    (prometheus, exposed)
}

fn asks(prometheus: &Prometheus, query: &str) -> Json {
    json!({"prometheus": {"address": prometheus.address(), "query": query}})
}

async fn ask(provider: &Json) -> Result<Value, MeasureError> {
    providers().measure(&source(provider.clone()), &ctx()).await
}

fn judged(condition: &str, value: &Value) -> Option<bool> {
    match Expression::parse(condition).unwrap().judge(value) {
        Verdict::True => Some(true),
        Verdict::False => Some(false),
        Verdict::Unknown(_) => None,
    }
}

#[tokio::test]
async fn answers_are_judged_as_in_argo_rollouts() {
    let (prometheus, _exposed) = started().await;
    for (query, condition, wanted) in [
        (
            "sum(requests_total{track=\"canary\"})",
            "result[0] == 100",
            Some(true),
        ),
        (
            "sum(requests_total{code=\"500\"}) / sum(requests_total)",
            "result[0] < 0.01",
            Some(false),
        ),
        (
            "scalar(sum(requests_total{code=\"500\"}))",
            "result == 15",
            Some(true),
        ),
        ("1.5", "result > 1", Some(true)),
        (
            "requests_total{track=\"stable\"}",
            "len(result) == 2 && all(result, # > 1)",
            Some(true),
        ),
        ("endless", "isInf(result[0])", Some(true)),
        // Nothing to judge is neither good nor bad.
        ("idle", "result[0] < 1", None),
        ("idle", "result[0] >= 1", None),
        ("no_such_series", "result[0] < 1", None),
        ("no_such_series", "result[0] >= 1", None),
        ("no_such_series or vector(0)", "result[0] == 0", Some(true)),
        ("0 / 0", "result < 1", None),
    ] {
        // A scrape that a busy machine missed leaves a gap until the next one.
        let begin = std::time::Instant::now();
        loop {
            let value = ask(&asks(&prometheus, query)).await.unwrap();
            let is_late = begin.elapsed() > DEADLINE;
            match judged(condition, &value) {
                found if found == wanted => break,
                None if !is_late => tokio::time::sleep(POLL).await,
                found => panic!("{query}: {condition}: {value} is {found:?}, not {wanted:?}"),
            }
        }
    }
}

#[tokio::test]
async fn a_range_is_a_list() {
    let (prometheus, _exposed) = started().await;
    let mut provider = asks(&prometheus, "sum(requests_total)");
    provider["prometheus"]["rangeQuery"] =
        json!({"start": "now() - duration(\"2s\")", "end": "now()", "step": "1s"});
    let value = ask(&provider).await.unwrap();
    assert_eq!(
        judged("len(result) > 0 && all(result, # == 1100)", &value),
        Some(true),
        "{value}"
    );
    provider["prometheus"]["rangeQuery"]["step"] = json!("1ms");
    provider["prometheus"]["rangeQuery"]["start"] = json!("now() - duration(\"24h\")");
    assert!(ask(&provider).await.is_err());
}

#[tokio::test]
async fn counts_of_both_versions_make_a_comparison() {
    let (prometheus, _exposed) = started().await;
    let queries = json!({
        "canary.bad": "sum(requests_total{track=\"canary\",code=\"500\"})",
        "canary.total": "sum(requests_total{track=\"canary\"})",
        "stable.bad": "sum(requests_total{track=\"stable\",code=\"500\"})",
        "stable.total": "sum(requests_total{track=\"stable\"})",
    });
    let metric = json!({
        "name": "m", "interval": "1m", "count": 3, "compare": {},
        "provider": {"prometheus": {"address": prometheus.address(), "queries": queries}},
    });
    let value = providers()
        .measure(&source_of(metric.clone(), &values()), &ctx())
        .await
        .unwrap();
    assert_eq!(
        value,
        Value::from(
            json!({"canary": {"bad": 10.0, "total": 100.0}, "stable": {"bad": 5.0, "total": 1000.0}})
        )
    );
    assert_eq!(
        driftless_analysis::numbers(&value),
        (Some(0.1), Some(0.005))
    );

    let mut metric = metric;
    metric["provider"]["prometheus"]["queries"] = json!({"canary.bad": "1"});
    let error = lowered(metric, &values()).unwrap_err();
    assert!(error.contains("canary.total is missing"), "{error}");
}

#[tokio::test]
async fn what_goes_wrong_is_an_error_and_never_a_value() {
    let (mut prometheus, _exposed) = started().await;
    let error = ask(&asks(&prometheus, "sum(")).await.unwrap_err();
    assert!(
        matches!(error, MeasureError::Status { status: 400, .. }),
        "{error}"
    );
    assert!(error.to_string().contains("parse error"), "{error}");
    let error = ask(&asks(&prometheus, "\"text\"")).await.unwrap_err();
    assert!(
        error.to_string().contains("string is nothing to judge"),
        "{error}"
    );
    // A hand that reaches for this machine is stopped unless the instance allows it.
    let careful = driftless_analysis::Providers::new(driftless_analysis::Options::default());
    let error = careful
        .measure(&source(asks(&prometheus, "1")), &ctx())
        .await
        .unwrap_err();
    assert!(error.to_string().contains("it is this machine"), "{error}");

    let mut slow = asks(&prometheus, "1");
    slow["prometheus"]["timeout"] = json!(1);
    prometheus.freeze();
    let error = ask(&slow).await.unwrap_err();
    assert!(
        error.to_string().contains("no answer within 1 s"),
        "{error}"
    );
    prometheus.thaw();
    assert_eq!(ask(&slow).await.unwrap(), Value::Float(1.0));
    prometheus.kill();
    let error = ask(&slow).await.unwrap_err();
    assert!(matches!(error, MeasureError::Unreachable(_)), "{error}");
}
