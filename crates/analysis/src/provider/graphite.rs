//! Graphite's render API: `result` is a list with the last value of the first series; an empty list when there is none.
//
// Upstream: argo-rollouts metricproviders/graphite (v1.8).

use driftless_api::analysis::provider::AddressQuery;
use driftless_rollout::Value;
use reqwest::Method;
use serde_json::Value as Json;

use super::{MeasureError, Providers, prometheus};
use crate::http::{self, Reach, Request};

/// Says what is wrong with a source.
pub(super) fn check(spec: &AddressQuery) -> Result<(), String> {
    http::parse(&spec.address, Reach::ThisMachine)
        .map_err(|why| format!("graphite.address: {why}"))?;
    if !spec.query.contains("target=") {
        return Err("graphite.query: write it as target=…&from=-5min".into());
    }
    Ok(())
}

/// Measures.
pub(super) async fn measure(
    providers: &Providers,
    spec: &AddressQuery,
) -> Result<Value, MeasureError> {
    let base = http::parse(&spec.address, providers.http.reach()).map_err(MeasureError::Refused)?;
    let mut url = prometheus::below(&base, "render");
    // Queries are written over several lines.
    let query: String = spec.query.lines().map(str::trim).collect();
    let pairs = url::form_urlencoded::parse(query.as_bytes());
    let pairs: Vec<_> = pairs.filter(|(name, _)| name != "format").collect();
    url.query_pairs_mut()
        .extend_pairs(pairs)
        .append_pair("format", "json");
    let answer = providers
        .http
        .send(Request::new(Method::GET, url))
        .await?
        .good()?;
    value(&answer.json()?)
}

fn value(body: &Json) -> Result<Value, MeasureError> {
    let wrong = |what: &str| MeasureError::Answer(format!("Graphite's answer: {what}"));
    let series = body
        .as_array()
        .ok_or_else(|| wrong("it is no list of series"))?;
    let Some(first) = series.first() else {
        return Ok(Value::List(Vec::new()));
    };
    let points = first.get("datapoints").and_then(Json::as_array);
    let points = points.ok_or_else(|| wrong("a series has no datapoints"))?;
    let mut values = points.iter().rev().map(|point| point.get(0));
    let last = values.find_map(|value| value.and_then(Json::as_f64));
    Ok(Value::List(last.map(Value::Float).into_iter().collect()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_last_value_counts() {
        let series = json!([{"datapoints": [[1.0, 1], [2.5, 2], [null, 3]]}]);
        assert_eq!(value(&series), Ok(Value::List(vec![Value::Float(2.5)])));
        assert_eq!(value(&json!([])), Ok(Value::List(Vec::new())));
        assert_eq!(
            value(&json!([{"datapoints": [[null, 1]]}])),
            Ok(Value::List(Vec::new()))
        );
        assert!(value(&json!({})).is_err());
    }
}
