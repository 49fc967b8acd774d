//! Prometheus and whatever speaks its API.
//!
//! `result` is what Argo Rollouts gives conditions: a number for a scalar, a list of numbers for a vector, the values of
//! all series one after the other for a range. With `queries` it is a mapping by name, all asked about the same moment; a
//! dot in a name nests, and an answer of one series is its number. A series of histograms is refused: it is no number.
//
// Upstream: argo-rollouts metricproviders/prometheus/prometheus.go (v1.8), differs: `queries`; see above.

use std::collections::BTreeMap;
use std::time::Duration;

use driftless_api::analysis::provider::Prometheus;
use driftless_rollout::Value;
use jiff::Timestamp;
use reqwest::Method;
use serde_json::Value as Json;
use url::Url;

use super::{Ctx, MeasureError, Providers, authentication, range};
use crate::http::{self, Reach, Request, Trust};
use crate::source::Counts;

/// Seconds for an answer when a metric does not say.
const TIMEOUT: i64 = 30;
/// Queries of one metric, at most.
const MOST_QUERIES: usize = 8;
/// Points of a range, at most: what Prometheus allows.
const MOST_POINTS: i64 = 11_000;

/// Says what is wrong with a source.
pub(super) fn check(spec: &Prometheus, counts: Option<Counts>) -> Result<(), String> {
    if !spec.address.is_empty() {
        http::parse(&spec.address, Reach::ThisMachine)
            .map_err(|why| format!("prometheus.address: {why}"))?;
    }
    if spec.timeout.is_some_and(|timeout| timeout < 0) {
        return Err("prometheus.timeout: it is negative".into());
    }
    match (spec.query.trim().is_empty(), spec.queries.is_empty()) {
        (true, true) => return Err("prometheus.query: required".into()),
        (false, false) => return Err("prometheus: set query or queries, not both".into()),
        _ => {}
    }
    if spec.queries.len() > MOST_QUERIES {
        return Err(format!("prometheus.queries: more than {MOST_QUERIES}"));
    }
    if let Some((name, _)) = spec
        .queries
        .iter()
        .find(|(_, query)| query.trim().is_empty())
    {
        return Err(format!("prometheus.queries: {name} is empty"));
    }
    nested(spec.queries.keys().map(|name| (name.as_str(), Value::Null)))
        .map_err(|why| format!("prometheus.queries: {why}"))?;
    if let Some(counts) = counts {
        let wanted: &[&str] = match counts {
            Counts::Both => &["canary.bad", "canary.total", "stable.bad", "stable.total"],
            Counts::Canary => &["canary.bad", "canary.total"],
        };
        if let Some(missing) = wanted
            .iter()
            .find(|name| !spec.queries.contains_key(**name))
        {
            return Err(format!(
                "prometheus.queries: compare needs {}; {missing} is missing",
                wanted.join(", ")
            ));
        }
    }
    if let Some(range) = &spec.range_query {
        if !spec.queries.is_empty() {
            return Err("prometheus.rangeQuery: it goes with query, not with queries".into());
        }
        range::span(range, Timestamp::UNIX_EPOCH)
            .map_err(|why| format!("prometheus.rangeQuery.{why}"))?;
    }
    authentication::check(spec.authentication.as_deref()).map_err(|why| format!("prometheus.{why}"))
}

/// Measures.
pub(super) async fn measure(
    providers: &Providers,
    spec: &Prometheus,
    ctx: &Ctx,
) -> Result<Value, MeasureError> {
    if spec.queries.is_empty() {
        return query(providers, spec, &spec.query, ctx.now).await;
    }
    let names = spec.queries.iter();
    let asked = names.map(|(name, text)| async move {
        match query(providers, spec, text, ctx.now).await {
            Ok(value) => Ok((name.as_str(), single(value))),
            Err(error) => Err(error),
        }
    });
    let found = futures::future::try_join_all(asked).await?;
    nested(found).map_err(MeasureError::Answer)
}

/// Returns the number of an answer that has just one, nothing for an empty one.
fn single(value: Value) -> Value {
    match value {
        Value::List(mut items) if items.len() < 2 => items.pop().unwrap_or(Value::Null),
        other => other,
    }
}

/// Makes mappings of names with dots.
fn nested<'a>(values: impl IntoIterator<Item = (&'a str, Value)>) -> Result<Value, String> {
    let mut root = BTreeMap::new();
    for (name, value) in values {
        let mut at = &mut root;
        let mut parts = name.split('.').peekable();
        while let Some(part) = parts.next() {
            if part.is_empty() {
                return Err(format!("the name {name:?} has an empty part"));
            }
            if parts.peek().is_none() {
                if at.insert(part.to_owned(), value.clone()).is_some() {
                    return Err(format!(
                        "the name {name} is also the beginning of another one"
                    ));
                }
            } else {
                let inner = at
                    .entry(part.to_owned())
                    .or_insert_with(|| Value::Map(BTreeMap::new()));
                let Value::Map(inner) = inner else {
                    return Err(format!(
                        "a part of the name {name} is the name of another query"
                    ));
                };
                at = inner;
            }
        }
    }
    Ok(Value::Map(root))
}

async fn query(
    providers: &Providers,
    spec: &Prometheus,
    text: &str,
    now: Timestamp,
) -> Result<Value, MeasureError> {
    let address = match spec.address.as_str() {
        "" => providers.options.prometheus.as_str(),
        address => address,
    };
    if address.is_empty() {
        return Err(MeasureError::Refused(
            "prometheus.address is not set, and there is no Prometheus for metrics that name none"
                .into(),
        ));
    }
    let base = http::parse(address, providers.http.reach()).map_err(MeasureError::Refused)?;
    let timeout = match spec.timeout {
        None | Some(0) => TIMEOUT,
        Some(seconds) => seconds.clamp(1, 3600),
    };
    let allowed = format!("{timeout}s");
    let moment = seconds(now);
    let mut fields = vec![("query", text), ("timeout", allowed.as_str())];
    let span;
    let path = match &spec.range_query {
        None => {
            fields.push(("time", &moment));
            "api/v1/query"
        }
        Some(range) => {
            let found = range::span(range, now).map_err(MeasureError::Refused)?;
            let length = found.end.duration_since(found.start).as_secs();
            if length / found.step.as_secs().max(1) > MOST_POINTS {
                let message = format!("the range has more than {MOST_POINTS} points");
                return Err(MeasureError::Refused(message));
            }
            span = (
                seconds(found.start),
                seconds(found.end),
                found.step.as_secs_f64().to_string(),
            );
            fields.push(("start", &span.0));
            fields.push(("end", &span.1));
            fields.push(("step", &span.2));
            "api/v1/query_range"
        }
    };
    let url = below(&base, path);
    let mut request = Request::new(Method::POST, url.clone());
    request.timeout = Duration::from_secs(timeout.unsigned_abs());
    request.trust = Trust::of(spec.insecure);
    for header in &spec.headers {
        request.header(&header.key, &header.value);
    }
    let plain = request.clone();
    request.form(&fields);
    let answer = providers
        .send(request, spec.authentication.as_deref(), "aps", now)
        .await?;
    // Some proxies in front of it know GET alone.
    let answer = if matches!(answer.status, 405 | 501) {
        let mut request = plain;
        request.method = Method::GET;
        request.url.query_pairs_mut().extend_pairs(&fields);
        providers
            .send(request, spec.authentication.as_deref(), "aps", now)
            .await?
    } else {
        answer
    };
    let refused = answer.json().ok().and_then(|body| {
        let text = body.get("error")?.as_str()?;
        Some(http::words(text.as_bytes()))
    });
    match (answer.is_success(), refused) {
        (_, Some(words)) => Err(MeasureError::Status {
            status: answer.status,
            words,
        }),
        (false, None) => answer.good().map(|_| Value::Null),
        (true, None) => value(&answer.json()?),
    }
}

/// Returns an address below another one.
pub(super) fn below(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    let prefix = base.path().trim_end_matches('/');
    url.set_path(&format!("{prefix}/{path}"));
    url
}

fn seconds(at: Timestamp) -> String {
    format!(
        "{}.{:03}",
        at.as_second(),
        at.subsec_millisecond().unsigned_abs()
    )
}

/// Reads the answer.
fn value(body: &Json) -> Result<Value, MeasureError> {
    let wrong = |what: &str| MeasureError::Answer(format!("Prometheus' answer: {what}"));
    if body.get("status").and_then(Json::as_str) != Some("success") {
        return Err(wrong("its status is not success"));
    }
    let result = body.pointer("/data/result");
    let items = result
        .and_then(Json::as_array)
        .ok_or_else(|| wrong("it has no result"))?;
    let kind = body.pointer("/data/resultType").and_then(Json::as_str);
    let number = |pair: &Json| {
        let text = pair.get(1).and_then(Json::as_str);
        text.and_then(|text| text.parse::<f64>().ok())
            .map(Value::Float)
            .ok_or_else(|| wrong("a sample is no number"))
    };
    match kind {
        Some("scalar") => number(&Json::Array(items.clone())),
        Some("vector") => {
            let samples = items.iter().map(|item| match item.get("value") {
                Some(pair) => number(pair),
                None => Err(wrong(
                    "a series has no value but a histogram: use histogram_quantile",
                )),
            });
            Ok(Value::List(samples.collect::<Result<_, _>>()?))
        }
        Some("matrix") => {
            let mut all = Vec::new();
            for series in items {
                let Some(samples) = series.get("values").and_then(Json::as_array) else {
                    return Err(wrong("a series has no values"));
                };
                for sample in samples {
                    all.push(number(sample)?);
                }
            }
            Ok(Value::List(all))
        }
        other => Err(wrong(&format!(
            "{} is nothing to judge",
            other.unwrap_or("an answer without a type")
        ))),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(kind: &str, result: Json) -> Result<Value, MeasureError> {
        value(&json!({"status": "success", "data": {"resultType": kind, "result": result}}))
    }

    #[test]
    fn answers_as_conditions_see_them() {
        assert_eq!(read("scalar", json!([1, "0.5"])), Ok(Value::Float(0.5)));
        let vector =
            json!([{"metric": {}, "value": [1, "3"]}, {"metric": {}, "value": [1, "+Inf"]}]);
        let wanted = Value::List(vec![Value::Float(3.0), Value::Float(f64::INFINITY)]);
        assert_eq!(read("vector", vector), Ok(wanted));
        assert_eq!(read("vector", json!([])), Ok(Value::List(Vec::new())));
        let nan = read("vector", json!([{"metric": {}, "value": [1, "NaN"]}])).unwrap();
        assert!(nan.is_no_data());
        let matrix = json!([{"metric": {}, "values": [[1, "1"], [2, "2"]]}, {"metric": {}, "values": [[1, "3"]]}]);
        let wanted = Value::List(vec![
            Value::Float(1.0),
            Value::Float(2.0),
            Value::Float(3.0),
        ]);
        assert_eq!(read("matrix", matrix), Ok(wanted));
    }

    #[test]
    fn what_is_no_measurement_is_an_error() {
        for (kind, result) in [
            ("string", json!([1, "x"])),
            ("vector", json!([{"metric": {}, "histogram": [1, {}]}])),
            ("vector", json!([{"metric": {}, "value": [1, "x"]}])),
            ("vector", json!({})),
            ("matrix", json!([{"metric": {}}])),
        ] {
            assert!(read(kind, result).is_err(), "{kind}");
        }
        assert!(value(&json!({"status": "error"})).is_err());
        assert!(value(&json!({})).is_err());
    }

    #[test]
    fn names_nest() {
        let one = |name, number| (name, Value::Float(number));
        let value = nested([
            one("canary.bad", 1.0),
            one("canary.total", 9.0),
            one("x", 0.0),
        ])
        .unwrap();
        assert_eq!(
            value.field("canary").and_then(|side| side.field("total")),
            Some(&Value::Float(9.0))
        );
        assert!(nested([one("a", 0.0), one("a.b", 0.0)]).is_err());
        assert!(nested([one("a.", 0.0)]).is_err());
    }

    #[test]
    fn a_comparison_names_what_it_lacks() {
        let queries = ["canary.bad", "canary.total"].map(|name| (name.to_owned(), "1".to_owned()));
        let spec = Prometheus {
            queries: BTreeMap::from(queries),
            ..Prometheus::default()
        };
        assert_eq!(check(&spec, Some(Counts::Canary)), Ok(()));
        let error = check(&spec, Some(Counts::Both)).unwrap_err();
        assert!(error.contains("stable.bad is missing"), "{error}");
    }
}
