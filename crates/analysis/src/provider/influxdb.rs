//! InfluxDB 2 (Flux): `result` is the list of the values that a query returns.
//
// Upstream: argo-rollouts metricproviders/influxdb (v1.8).

use std::collections::BTreeMap;

use driftless_api::analysis::provider::ProfileQuery;
use driftless_core::Secret;
use driftless_rollout::Value;
use reqwest::Method;

use super::{MeasureError, Providers, prometheus};
use crate::http::{self, Request};

/// Says what is wrong with a source.
pub(super) fn check(spec: &ProfileQuery) -> Result<(), String> {
    if spec.query.trim().is_empty() {
        return Err("influxdb.query: required".into());
    }
    Ok(())
}

/// Measures.
pub(super) async fn measure(
    providers: &Providers,
    spec: &ProfileQuery,
    keys: &BTreeMap<String, Secret<String>>,
) -> Result<Value, MeasureError> {
    let key = |name: &str| {
        let found = keys.get(name).map(|key| key.expose().trim());
        found
            .filter(|key| !key.is_empty())
            .ok_or_else(|| MeasureError::Refused(format!("InfluxDB's Secret has no key {name}")))
    };
    let base =
        http::parse(key("address")?, providers.http.reach()).map_err(MeasureError::Refused)?;
    let mut url = prometheus::below(&base, "api/v2/query");
    url.query_pairs_mut().append_pair("org", key("org")?);
    let mut request = Request::new(Method::POST, url);
    request.header("authorization", &format!("Token {}", key("authToken")?));
    request.header("content-type", "application/vnd.flux");
    request.header("accept", "application/csv");
    request.body = spec.query.clone().into_bytes();
    let answer = providers.http.send(request).await?.good()?;
    value(&String::from_utf8_lossy(&answer.body))
}

/// Reads the column `_value` of all tables.
fn value(csv: &str) -> Result<Value, MeasureError> {
    let wrong = |what: &str| MeasureError::Answer(format!("InfluxDB's answer: {what}"));
    let mut values = Vec::new();
    let mut column = None;
    let mut is_head = true;
    for line in csv.lines().map(|line| line.trim_end_matches('\r')) {
        if line.is_empty() {
            // The next table has a head of its own.
            is_head = true;
            continue;
        }
        if line.starts_with('#') {
            is_head = true;
            continue;
        }
        let cells = cells(line);
        if is_head {
            is_head = false;
            if let Some(at) = cells.iter().position(|cell| cell == "error") {
                column = Some((at, true));
                continue;
            }
            let at = cells.iter().position(|cell| cell == "_value");
            column = Some((
                at.ok_or_else(|| wrong("a table has no column _value"))?,
                false,
            ));
            continue;
        }
        let Some((at, is_error)) = column else {
            return Err(wrong("it has no head"));
        };
        let cell = cells.get(at).map(String::as_str).unwrap_or_default();
        if is_error {
            return Err(wrong(&http::words(cell.as_bytes())));
        }
        values.push(match (cell, cell.parse::<f64>()) {
            ("", _) => Value::Null,
            (_, Ok(number)) => Value::Float(number),
            ("true" | "false", _) => Value::Bool(cell == "true"),
            (text, Err(_)) => Value::Text(text.to_owned()),
        });
    }
    Ok(Value::List(values))
}

/// Splits a line of CSV; a cell in quotes may hold commas.
fn cells(line: &str) -> Vec<String> {
    let mut cells = vec![String::new()];
    let mut quoted = false;
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        let Some(cell) = cells.last_mut() else {
            return cells;
        };
        match c {
            '"' if quoted && chars.next_if_eq(&'"').is_some() => cell.push('"'),
            '"' => quoted = !quoted,
            ',' if !quoted => cells.push(String::new()),
            c => cell.push(c),
        }
    }
    cells
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_read() {
        let csv = "#datatype,string,long,double\r\n,result,table,_value\r\n,\"a, b\",0,0.5\r\n,x,0,NaN\r\n\r\n,result,table,_value\r\n,x,1,2\r\n\r\n";
        let Value::List(values) = value(csv).unwrap() else {
            panic!("no list");
        };
        assert_eq!(values.len(), 3);
        assert_eq!(values[0], Value::Float(0.5));
        assert!(values[1].is_no_data());
        assert_eq!(value(""), Ok(Value::List(Vec::new())));
        assert!(value(",a,b\n,1,2\n").is_err());
        let error = value(",error,reference\n,\"bad, query\",897\n").unwrap_err();
        assert!(error.to_string().contains("bad, query"));
    }
}
