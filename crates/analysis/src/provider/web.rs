//! An HTTP request and a path into its JSON answer.
//
// Upstream: argo-rollouts metricproviders/webmetric/webmetric.go (v1.8).

use std::time::Duration;

use driftless_api::analysis::provider::Web;
use driftless_rollout::Value;
use jiff::Timestamp;
use reqwest::Method;
use serde_json::Value as Json;

use super::{MeasureError, Providers, authentication};
use crate::http::{self, Reach, Request, Trust};
use crate::path::Path;

/// Seconds for an answer when a metric does not say.
const TIMEOUT: i64 = 10;

/// Says what is wrong with a source.
pub(super) fn check(spec: &Web) -> Result<(), String> {
    http::parse(&spec.url, Reach::ThisMachine).map_err(|why| format!("web.url: {why}"))?;
    method(spec)?;
    if !spec.body.is_empty() && spec.json_body.is_some() {
        return Err("web: set body or jsonBody, not both".into());
    }
    if !spec.json_path.is_empty() {
        Path::parse(&spec.json_path).map_err(|why| format!("web.jsonPath: {why}"))?;
    }
    authentication::check(spec.authentication.as_deref()).map_err(|why| format!("web.{why}"))
}

fn method(spec: &Web) -> Result<Method, String> {
    match spec.method.as_str() {
        "" | "GET" => Ok(Method::GET),
        "POST" => Ok(Method::POST),
        "PUT" => Ok(Method::PUT),
        other => Err(format!(
            "web.method: {other:?} is not known: GET, POST or PUT"
        )),
    }
}

/// Measures.
pub(super) async fn measure(
    providers: &Providers,
    spec: &Web,
    now: Timestamp,
) -> Result<Value, MeasureError> {
    let refused = MeasureError::Refused;
    let url = http::parse(&spec.url, providers.http.reach()).map_err(refused)?;
    let mut request = Request::new(method(spec).map_err(MeasureError::Refused)?, url);
    let timeout = spec.timeout_seconds.filter(|seconds| *seconds > 0);
    let timeout = timeout.unwrap_or(TIMEOUT).min(3600);
    request.timeout = Duration::from_secs(timeout.unsigned_abs());
    request.trust = Trust::of(spec.insecure);
    for header in &spec.headers {
        request.header(&header.key, &header.value);
    }
    match &spec.json_body {
        Some(body) => request.json(&body.0),
        None => request.body = spec.body.clone().into_bytes(),
    }
    let authentication = spec.authentication.as_deref();
    let answer = providers
        .send(request, authentication, "execute-api", now)
        .await?;
    let answer = answer.good()?;
    if spec.json_path.is_empty() {
        // Without a path a plain text is a value, too.
        return Ok(match serde_json::from_slice::<Json>(&answer.body) {
            Ok(value) => Value::from(value),
            Err(_) => Value::Text(String::from_utf8_lossy(&answer.body).into_owned()),
        });
    }
    let path = Path::parse(&spec.json_path).map_err(MeasureError::Refused)?;
    let body = answer.json()?;
    let found = path
        .first(&body)
        .map_err(|why| MeasureError::Answer(format!("web.jsonPath {}: {why}", spec.json_path)))?;
    Ok(Value::from(found.clone()))
}
