//! Amazon CloudWatch's GetMetricData: `result` is the list of results, each with `Id`, `Label`, `Timestamps`, `Values`.
//
// Upstream: argo-rollouts metricproviders/cloudwatch/cloudwatch.go (v1.8).

use driftless_api::analysis::provider::{CloudWatch, MetricDataQuery};
use driftless_api::duration;
use driftless_rollout::Value;
use jiff::{SignedDuration, Timestamp};
use reqwest::Method;
use serde_json::{Map, Value as Json, json};

use super::{MeasureError, Providers};
use crate::http::{self, Request};

/// Time span when a metric does not say.
const INTERVAL: SignedDuration = SignedDuration::from_mins(5);
/// The operation in the service's JSON protocol.
const OPERATION: &str = "GraniteServiceVersion20100801.GetMetricData";

/// Says what is wrong with a source.
pub(super) fn check(spec: &CloudWatch) -> Result<(), String> {
    interval(spec)?;
    if spec.metric_data_queries.is_empty() {
        return Err("cloudWatch.metricDataQueries: required".into());
    }
    for query in &spec.metric_data_queries {
        if query.id.is_empty() {
            return Err("cloudWatch.metricDataQueries: a query has no id".into());
        }
        if query.expression.is_empty() == query.metric_stat.is_none() {
            return Err(format!(
                "cloudWatch.metricDataQueries, {}: set expression or metricStat",
                query.id
            ));
        }
    }
    Ok(())
}

fn interval(spec: &CloudWatch) -> Result<SignedDuration, String> {
    match spec.interval.as_str() {
        "" => Ok(INTERVAL),
        text => duration::parse(text).map_err(|error| format!("cloudWatch.interval: {error}")),
    }
}

/// Measures.
pub(super) async fn measure(
    providers: &Providers,
    spec: &CloudWatch,
    now: Timestamp,
) -> Result<Value, MeasureError> {
    let refused = MeasureError::Refused;
    let Some(aws) = &providers.options.aws else {
        return Err(refused(
            "there is no AWS region: set AWS_REGION for driftless".into(),
        ));
    };
    let region = aws.region.clone();
    let address = aws.address("monitoring", &region);
    let url = http::parse(&address, providers.http.reach()).map_err(refused)?;
    let start = now
        .saturating_sub(interval(spec).map_err(refused)?)
        .unwrap_or(now);
    let queries: Vec<Json> = spec.metric_data_queries.iter().map(query).collect();
    let mut request = Request::new(Method::POST, url);
    request.header("content-type", "application/x-amz-json-1.0");
    request.header("x-amz-target", OPERATION);
    request.json(&json!({
        "StartTime": start.as_second(), "EndTime": now.as_second(), "MetricDataQueries": queries,
    }));
    providers
        .sign(&mut request, &region, "", "monitoring", now)
        .await?;
    let answer = providers.http.send(request).await?.good()?;
    value(&answer.json()?)
}

fn query(query: &MetricDataQuery) -> Json {
    let mut map = Map::new();
    map.insert("Id".to_owned(), json!(query.id));
    for (name, text) in [("Expression", &query.expression), ("Label", &query.label)] {
        if !text.is_empty() {
            map.insert(name.to_owned(), json!(text));
        }
    }
    if let Some(stat) = &query.metric_stat {
        map.insert("MetricStat".to_owned(), capital(&stat.0));
    }
    if let Some(period) = query
        .period
        .as_ref()
        .and_then(driftless_api::value::IntOrString::as_int)
    {
        map.insert("Period".to_owned(), json!(period));
    }
    if let Some(returned) = query.return_data {
        map.insert("ReturnData".to_owned(), json!(returned));
    }
    Json::Object(map)
}

/// Writes names as AWS does, and a number that stands in a text as one.
fn capital(value: &Json) -> Json {
    match value {
        Json::Object(map) => {
            let entries = map.iter().map(|(name, value)| {
                let mut signs = name.chars();
                let first = signs.next().map(|c| c.to_ascii_uppercase());
                let name: String = first.into_iter().chain(signs).collect();
                let number = value.as_str().and_then(|text| text.parse::<i64>().ok());
                match number {
                    Some(number) if name == "Period" => (name, json!(number)),
                    _ => (name, capital(value)),
                }
            });
            Json::Object(entries.collect())
        }
        Json::Array(items) => Json::Array(items.iter().map(capital).collect()),
        other => other.clone(),
    }
}

fn value(body: &Json) -> Result<Value, MeasureError> {
    let wrong = |what: &str| MeasureError::Answer(format!("CloudWatch's answer: {what}"));
    let results = body.get("MetricDataResults").and_then(Json::as_array);
    let results = results.ok_or_else(|| wrong("it has no MetricDataResults"))?;
    for result in results {
        let status = result
            .get("StatusCode")
            .and_then(Json::as_str)
            .unwrap_or("Complete");
        if matches!(status, "InternalError" | "Forbidden") {
            return Err(wrong(status));
        }
    }
    Ok(Value::List(
        results.iter().cloned().map(Value::from).collect(),
    ))
}

#[cfg(test)]
mod tests {
    use driftless_api::read;

    use super::*;

    #[test]
    fn queries_are_written_as_aws_names_them() {
        let spec: MetricDataQuery = read::from_value(json!({
            "id": "rate", "period": "300", "returnData": true,
            "metricStat": {"metric": {"namespace": "app", "metricName": "Errors",
                "dimensions": [{"name": "model", "value": "fraud"}]}, "period": "60", "stat": "Sum"},
        }))
        .unwrap();
        let wanted = json!({
            "Id": "rate", "Period": 300, "ReturnData": true,
            "MetricStat": {"Metric": {"Namespace": "app", "MetricName": "Errors",
                "Dimensions": [{"Name": "model", "Value": "fraud"}]}, "Period": 60, "Stat": "Sum"},
        });
        assert_eq!(query(&spec), wanted);
    }

    #[test]
    fn answers_are_read() {
        let result = |status: &str| json!({"MetricDataResults": [{"Id": "rate", "Values": [0.01], "StatusCode": status}]});
        let found = value(&result("Complete")).unwrap();
        assert!(matches!(found, Value::List(items) if items.len() == 1));
        assert!(value(&result("InternalError")).is_err());
        assert!(value(&json!({})).is_err());
    }
}
