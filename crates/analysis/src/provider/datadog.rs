//! Datadog: `result` is the last point of the first series (v1), or the number of the formula (v2); nothing when there is
//! none.
//
// Upstream: argo-rollouts metricproviders/datadog/datadog.go (v1.8).

use std::collections::BTreeMap;

use driftless_api::analysis::provider::Datadog;
use driftless_api::duration;
use driftless_core::Secret;
use driftless_rollout::Value;
use jiff::{SignedDuration, Timestamp};
use reqwest::Method;
use serde_json::{Value as Json, json};

use super::{MeasureError, Providers, prometheus};
use crate::http::{self, Request};

/// Where Datadog is when the Secret does not say.
const ADDRESS: &str = "https://api.datadoghq.com";
/// Time span when a metric does not say.
const INTERVAL: SignedDuration = SignedDuration::from_mins(5);
const AGGREGATORS: [&str; 10] = [
    "",
    "avg",
    "min",
    "max",
    "sum",
    "last",
    "percentile",
    "mean",
    "l2norm",
    "area",
];

/// Says what is wrong with a source.
pub(super) fn check(spec: &Datadog) -> Result<(), String> {
    interval(spec)?;
    let is_second = match spec.api_version.as_str() {
        "" | "v1" => false,
        "v2" => true,
        other => {
            return Err(format!(
                "datadog.apiVersion: {other:?} is not known: v1 or v2"
            ));
        }
    };
    if !AGGREGATORS.contains(&spec.aggregator.as_str()) {
        return Err(format!(
            "datadog.aggregator: {:?} is not known",
            spec.aggregator
        ));
    }
    match (spec.query.trim().is_empty(), spec.queries.is_empty()) {
        (true, true) => Err("datadog.query: required".into()),
        (false, false) => Err("datadog: set query or queries, not both".into()),
        (true, false) if !is_second => Err("datadog.queries: they need apiVersion v2".into()),
        (false, true) if !is_second && !spec.formula.is_empty() => {
            Err("datadog.formula: it needs apiVersion v2".into())
        }
        (true, false) if spec.queries.len() > 1 && spec.formula.is_empty() => {
            Err("datadog.formula: several queries need one".into())
        }
        _ => Ok(()),
    }
}

fn interval(spec: &Datadog) -> Result<SignedDuration, String> {
    match spec.interval.as_str() {
        "" => Ok(INTERVAL),
        text => duration::parse(text).map_err(|error| format!("datadog.interval: {error}")),
    }
}

/// Measures.
pub(super) async fn measure(
    providers: &Providers,
    spec: &Datadog,
    keys: &BTreeMap<String, Secret<String>>,
    now: Timestamp,
) -> Result<Value, MeasureError> {
    let refused = MeasureError::Refused;
    let key = |name: &str| {
        let found = keys.get(name).map(|key| key.expose().trim());
        found
            .filter(|key| !key.is_empty())
            .ok_or_else(|| MeasureError::Refused(format!("Datadog's Secret has no key {name}")))
    };
    let address = match keys.get("address").map(|address| address.expose().trim()) {
        Some(address) if !address.is_empty() => address,
        _ => ADDRESS,
    };
    let base = http::parse(address, providers.http.reach()).map_err(refused)?;
    let from = now
        .saturating_sub(interval(spec).map_err(refused)?)
        .unwrap_or(now);
    let is_second = spec.api_version == "v2";
    let mut request = if is_second {
        let url = prometheus::below(&base, "api/v2/query/scalar");
        let mut request = Request::new(Method::POST, url);
        request.json(&formula(spec, from, now));
        request
    } else {
        let mut url = prometheus::below(&base, "api/v1/query");
        url.query_pairs_mut()
            .append_pair("query", &spec.query)
            .append_pair("from", &from.as_second().to_string())
            .append_pair("to", &now.as_second().to_string());
        Request::new(Method::GET, url)
    };
    request.header("dd-api-key", key("api-key")?);
    request.header("dd-application-key", key("app-key")?);
    let answer = providers.http.send(request).await?.good()?;
    let body = answer.json()?;
    if is_second {
        second(&body)
    } else {
        first(&body)
    }
}

fn formula(spec: &Datadog, from: Timestamp, to: Timestamp) -> Json {
    let aggregator = match spec.aggregator.as_str() {
        "" => "last",
        aggregator => aggregator,
    };
    let query = |name: &str, query: &str| json!({"data_source": "metrics", "name": name, "query": query, "aggregator": aggregator});
    let queries: Vec<Json> = if spec.queries.is_empty() {
        vec![query("query", &spec.query)]
    } else {
        let queries = spec.queries.iter();
        queries.map(|(name, text)| query(name, text)).collect()
    };
    let formula = match (spec.formula.as_str(), spec.queries.keys().next()) {
        ("", Some(name)) => name.as_str(),
        ("", None) => "query",
        (formula, _) => formula,
    };
    json!({"data": {"type": "scalar_request", "attributes": {
        "from": from.as_millisecond(), "to": to.as_millisecond(),
        "queries": queries, "formulas": [{"formula": formula}],
    }}})
}

/// Reads the answer of the first API.
fn first(body: &Json) -> Result<Value, MeasureError> {
    let wrong = |what: &str| MeasureError::Answer(format!("Datadog's answer: {what}"));
    if let Some(error) = body
        .get("error")
        .and_then(Json::as_str)
        .filter(|error| !error.is_empty())
    {
        return Err(wrong(&http::words(error.as_bytes())));
    }
    let series = body.get("series").and_then(Json::as_array);
    let Some(series) = series.ok_or_else(|| wrong("it has no series"))?.first() else {
        return Ok(Value::Null);
    };
    let points = series.get("pointlist").and_then(Json::as_array);
    let Some(point) = points
        .ok_or_else(|| wrong("a series has no points"))?
        .last()
    else {
        return Ok(Value::Null);
    };
    match point.get(1) {
        Some(Json::Null) => Ok(Value::Null),
        Some(Json::Number(number)) => Ok(Value::Float(number.as_f64().unwrap_or(f64::NAN))),
        _ => Err(wrong("a point is no number")),
    }
}

/// Reads the answer of the second API.
fn second(body: &Json) -> Result<Value, MeasureError> {
    let wrong = |what: &str| MeasureError::Answer(format!("Datadog's answer: {what}"));
    let errors = body.get("errors");
    if let Some(errors) = errors.filter(|errors| !errors.is_null()) {
        return Err(wrong(&http::words(errors.to_string().as_bytes())));
    }
    let columns = body
        .pointer("/data/attributes/columns")
        .and_then(Json::as_array);
    let columns = columns.ok_or_else(|| wrong("it has no columns"))?;
    // Columns of groups come first, and name what they group by.
    let mut numbers = columns
        .iter()
        .filter(|column| column.get("type").is_none_or(|kind| kind == "number"));
    let values = numbers.find_map(|column| column.get("values"));
    match values.and_then(|values| values.get(0)) {
        None | Some(Json::Null) => Ok(Value::Null),
        Some(Json::Number(number)) => Ok(Value::Float(number.as_f64().unwrap_or(f64::NAN))),
        Some(_) => Err(wrong("a value is no number")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read() {
        let points = json!({"series": [{"pointlist": [[1, 0.5], [2, 0.25]]}]});
        assert_eq!(first(&points), Ok(Value::Float(0.25)));
        assert_eq!(first(&json!({"series": []})), Ok(Value::Null));
        assert_eq!(
            first(&json!({"series": [{"pointlist": [[1, null]]}]})),
            Ok(Value::Null)
        );
        assert!(first(&json!({"error": "bad query"})).is_err());
        assert!(first(&json!({})).is_err());
        let columns =
            |values: Json| json!({"data": {"attributes": {"columns": [{"values": values}]}}});
        assert_eq!(second(&columns(json!([0.006]))), Ok(Value::Float(0.006)));
        assert_eq!(second(&columns(json!([]))), Ok(Value::Null));
        assert_eq!(second(&columns(json!([null]))), Ok(Value::Null));
        assert!(second(&json!({"errors": "bad"})).is_err());
        assert!(second(&json!({})).is_err());
    }
}
