//! Hosted services and databases. These are doubles: servers on loopback that answer with the shapes which the services
//! document, and look at what they are asked. None of the real services is reached.

use std::collections::BTreeMap;

use axum::Router;
use axum::extract::Query;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse as _;
use axum::routing::{get, post};
use driftless_analysis::provider::{Aws, AwsCredentials};
use driftless_analysis::{
    Measure as _, MeasureError, Options, Providers, Reach, SecretName, SecretPlace, Values,
};
use driftless_core::Secret;
use driftless_rollout::Value;
use serde_json::{Value as Json, json};

use crate::setup::{ctx, providers, source_of, values};
use crate::web::serve;

fn with_secret(name: &str, keys: &[(&str, &str)]) -> Values {
    let mut values = values();
    let name = SecretName {
        place: SecretPlace::Instance,
        name: name.to_owned(),
    };
    let keys = keys.iter();
    let keys = keys.map(|(key, value)| ((*key).to_owned(), Secret::new((*value).to_owned())));
    values.secrets.insert(name, keys.collect());
    values
}

async fn measured(provider: Json, values: &Values) -> Result<Value, MeasureError> {
    let source = source_of(json!({"name": "m", "provider": provider}), values);
    providers().measure(&source, &ctx()).await
}

fn is(headers: &HeaderMap, name: &str, wanted: &str) -> bool {
    headers.get(name).is_some_and(|value| value == wanted)
}

#[tokio::test]
async fn datadog() {
    let first = |headers: HeaderMap, Query(query): Query<BTreeMap<String, String>>| async move {
        let span = query["to"].parse::<i64>().unwrap() - query["from"].parse::<i64>().unwrap();
        if !is(&headers, "dd-api-key", "api-1") || !is(&headers, "dd-application-key", "app-1") {
            return (StatusCode::FORBIDDEN, r#"{"errors": ["Forbidden api-1"]}"#).into_response();
        }
        assert_eq!((query["query"].as_str(), span), ("avg:errors{*}", 600));
        r#"{"status": "ok", "series": [{"pointlist": [[1598867910000.0, 0.5], [1598867925000.0, 0.0006]]}]}"#
            .into_response()
    };
    let second = |body: String| async move {
        let body: Json = serde_json::from_str(&body).unwrap();
        let attributes = &body["data"]["attributes"];
        assert_eq!(attributes["formulas"], json!([{"formula": "a / b"}]));
        assert_eq!(attributes["queries"][1]["aggregator"], json!("sum"));
        r#"{"data": {"attributes": {"columns": [{"type": "number", "values": [0.25]}]}}}"#
    };
    let router = Router::new()
        .route("/api/v1/query", get(first))
        .route("/api/v2/query/scalar", post(second));
    let address = serve(router).await;
    let keys = [
        ("address", address.as_str()),
        ("api-key", "api-1"),
        ("app-key", "app-1"),
    ];
    let values = with_secret("datadog", &keys);
    let provider = json!({"datadog": {"query": "avg:errors{*}", "interval": "10m"}});
    assert_eq!(
        measured(provider.clone(), &values).await,
        Ok(Value::Float(0.0006))
    );
    let both = json!({"datadog": {
        "apiVersion": "v2", "aggregator": "sum", "queries": {"a": "sum:bad{*}", "b": "sum:all{*}"}, "formula": "a / b",
    }});
    assert_eq!(measured(both, &values).await, Ok(Value::Float(0.25)));
    let wrong = [
        ("address", address.as_str()),
        ("api-key", "api-1"),
        ("app-key", "other"),
    ];
    let error = measured(provider, &with_secret("datadog", &wrong))
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("403") && error.contains("Forbidden ****"),
        "{error}"
    );
}

#[tokio::test]
async fn new_relic() {
    let graph = |headers: HeaderMap, body: String| async move {
        let body: Json = serde_json::from_str(&body).unwrap();
        assert!(is(&headers, "api-key", "NRAK-1"));
        assert_eq!(body["variables"]["account"], json!(42));
        match body["variables"]["nrql"].as_str() {
            Some("SELECT 1") => {
                r#"{"data": {"actor": {"account": {"nrql": {"results": [{"successRate": 0.97}]}}}}}"#
            }
            _ => {
                r#"{"data": {"actor": {"account": {"nrql": null}}}, "errors": [{"message": "NRQL Syntax Error: unexpected 'SELEC'"}]}"#
            }
        }
    };
    let address = serve(Router::new().route("/graphql", post(graph))).await;
    let address = format!("{address}/graphql");
    let keys = [
        ("account-id", "42"),
        ("personal-api-key", "NRAK-1"),
        ("base-url-nerdgraph", address.as_str()),
    ];
    let values = with_secret("newrelic", &keys);
    let value = measured(json!({"newRelic": {"query": "SELECT 1"}}), &values)
        .await
        .unwrap();
    assert_eq!(value.field("successRate"), Some(&Value::Float(0.97)));
    let error = measured(json!({"newRelic": {"query": "SELEC"}}), &values)
        .await
        .unwrap_err();
    assert!(error.to_string().contains("Syntax Error"), "{error}");
}

#[tokio::test]
async fn cloud_watch() {
    let metrics = |headers: HeaderMap, body: String| async move {
        let text = |name: &str| {
            headers
                .get(name)
                .and_then(|value| value.to_str().ok())
                .unwrap_or_default()
        };
        assert!(is(
            &headers,
            "x-amz-target",
            "GraniteServiceVersion20100801.GetMetricData"
        ));
        assert!(text("authorization").starts_with("AWS4-HMAC-SHA256 Credential=AKID/"));
        assert!(text("authorization").contains("/eu-west-1/monitoring/aws4_request"));
        assert_eq!(text("x-amz-security-token"), "session-1");
        let body: Json = serde_json::from_str(&body).unwrap();
        assert_eq!(
            body["EndTime"].as_i64().unwrap() - body["StartTime"].as_i64().unwrap(),
            300
        );
        r#"{"Messages": [], "MetricDataResults": [{"Id": "rate", "Label": "rate", "StatusCode": "Complete", "Timestamps": [1], "Values": [0.01]}]}"#
    };
    let address = serve(Router::new().route("/", post(metrics))).await;
    let credentials = AwsCredentials::Keys {
        id: "AKID".to_owned(),
        secret: Secret::new("hush".to_owned()),
        token: Some(Secret::new("session-1".to_owned())),
    };
    let mut aws = Aws::new("eu-west-1", credentials);
    aws.endpoint = Some(address);
    let providers = Providers::new(Options {
        reach: Reach::ThisMachine,
        aws: Some(aws),
        ..Options::default()
    });
    let provider = json!({"cloudWatch": {"metricDataQueries": [{"id": "rate", "expression": "errors / requests"}]}});
    let source = source_of(json!({"name": "m", "provider": provider}), &values());
    let value = providers.measure(&source, &ctx()).await.unwrap();
    let Value::List(results) = value else {
        panic!("no list: {value}");
    };
    assert_eq!(
        results[0].field("Values"),
        Some(&Value::List(vec![Value::Float(0.01)]))
    );
    let error = self::providers()
        .measure(&source, &ctx())
        .await
        .unwrap_err();
    assert!(error.to_string().contains("AWS_REGION"), "{error}");
}

#[tokio::test]
async fn graphite_and_influxdb() {
    let render = |Query(query): Query<BTreeMap<String, String>>| async move {
        assert_eq!(query["target"], "summarize(errors,'5min')");
        assert_eq!(
            (query["format"].as_str(), query["from"].as_str()),
            ("json", "-5min")
        );
        r#"[{"target": "errors", "datapoints": [[0.5, 1], [null, 2]]}]"#
    };
    let flux = |headers: HeaderMap, Query(query): Query<BTreeMap<String, String>>, body: String| async move {
        assert!(is(&headers, "authorization", "Token t-1"));
        assert_eq!(
            (query["org"].as_str(), body.as_str()),
            ("ml", "from(bucket: \"m\")")
        );
        ",result,table,_value\r\n,_result,0,0.97\r\n\r\n"
    };
    let router = Router::new()
        .route("/graphite/render", get(render))
        .route("/api/v2/query", post(flux));
    let address = serve(router).await;
    let query = "target=summarize(\n  errors,'5min')&from=-5min";
    let provider = json!({"graphite": {"address": format!("{address}/graphite"), "query": query}});
    let wanted = Ok(Value::List(vec![Value::Float(0.5)]));
    assert_eq!(measured(provider, &values()).await, wanted);
    let keys = [
        ("address", address.as_str()),
        ("org", "ml"),
        ("authToken", "t-1"),
    ];
    let provider = json!({"influxdb": {"query": "from(bucket: \"m\")"}});
    let value = measured(provider, &with_secret("influxdb", &keys)).await;
    assert_eq!(value, Ok(Value::List(vec![Value::Float(0.97)])));
}
