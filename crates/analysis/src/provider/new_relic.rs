//! New Relic through NerdGraph: `result` is the one row of a query, or the list of its rows.
//
// Upstream: argo-rollouts metricproviders/newrelic/newrelic.go (v1.8).

use std::collections::BTreeMap;
use std::time::Duration;

use driftless_api::analysis::provider::NewRelic;
use driftless_core::Secret;
use driftless_rollout::Value;
use reqwest::Method;
use serde_json::{Value as Json, json};

use super::{MeasureError, Providers};
use crate::http::{self, Request};

/// Seconds for an answer when a metric does not say.
const TIMEOUT: i64 = 10;
const QUERY: &str = "query($account: Int!, $nrql: Nrql!, $timeout: Seconds) { actor { account(id: $account) { nrql(query: $nrql, timeout: $timeout) { results } } } }";

/// Says what is wrong with a source.
pub(super) fn check(spec: &NewRelic) -> Result<(), String> {
    if spec.query.trim().is_empty() {
        return Err("newRelic.query: required".into());
    }
    if spec.timeout.is_some_and(|timeout| timeout < 0) {
        return Err("newRelic.timeout: it is negative".into());
    }
    Ok(())
}

/// Measures.
pub(super) async fn measure(
    providers: &Providers,
    spec: &NewRelic,
    keys: &BTreeMap<String, Secret<String>>,
) -> Result<Value, MeasureError> {
    let refused = MeasureError::Refused;
    let key = |name: &str| {
        let found = keys.get(name).map(|key| key.expose().trim());
        found.filter(|key| !key.is_empty())
    };
    let needed = |name: &str| {
        let missing = || MeasureError::Refused(format!("New Relic's Secret has no key {name}"));
        key(name).ok_or_else(missing)
    };
    let account = needed("account-id")?;
    let account: i64 = account
        .parse()
        .map_err(|_| MeasureError::Refused("New Relic's account-id is no number".into()))?;
    let address = match (key("base-url-nerdgraph"), key("region")) {
        (Some(address), _) => address,
        (None, Some(region)) if region.eq_ignore_ascii_case("eu") => {
            "https://api.eu.newrelic.com/graphql"
        }
        _ => "https://api.newrelic.com/graphql",
    };
    let timeout = spec
        .timeout
        .filter(|timeout| *timeout > 0)
        .unwrap_or(TIMEOUT)
        .min(120);
    let url = http::parse(address, providers.http.reach()).map_err(refused)?;
    let mut request = Request::new(Method::POST, url);
    request.timeout = Duration::from_secs(timeout.unsigned_abs() + 5);
    request.header("api-key", needed("personal-api-key")?);
    request.json(&json!({"query": QUERY, "variables": {
        "account": account, "nrql": spec.query, "timeout": timeout,
    }}));
    let answer = providers.http.send(request).await?.good()?;
    value(&answer.json()?)
}

fn value(body: &Json) -> Result<Value, MeasureError> {
    let wrong = |what: &str| MeasureError::Answer(format!("New Relic's answer: {what}"));
    let errors = body.get("errors").and_then(Json::as_array);
    if let Some(error) = errors.and_then(|errors| errors.first()) {
        let message = error
            .get("message")
            .and_then(Json::as_str)
            .unwrap_or("an error");
        return Err(wrong(&http::words(message.as_bytes())));
    }
    let rows = body
        .pointer("/data/actor/account/nrql/results")
        .and_then(Json::as_array);
    match rows.ok_or_else(|| wrong("it has no results"))?.as_slice() {
        [] => Ok(Value::Null),
        [row] => Ok(Value::from(row.clone())),
        rows => Ok(Value::List(rows.iter().cloned().map(Value::from).collect())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read() {
        let rows =
            |rows: Json| json!({"data": {"actor": {"account": {"nrql": {"results": rows}}}}});
        let row = json!({"successRate": 0.99});
        assert_eq!(value(&rows(json!([row]))), Ok(Value::from(row.clone())));
        let two = value(&rows(json!([row, row]))).unwrap();
        assert!(matches!(two, Value::List(items) if items.len() == 2));
        assert_eq!(value(&rows(json!([]))), Ok(Value::Null));
        let error = value(&json!({"data": null, "errors": [{"message": "NRQL Syntax Error"}]}));
        assert!(error.unwrap_err().to_string().contains("NRQL Syntax Error"));
        assert!(value(&json!({"data": {"actor": {"account": {"nrql": null}}}})).is_err());
    }
}
