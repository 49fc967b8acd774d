//! Numbers out of anything: what Sprig calls casting.

use crate::value::Value;

/// Sprig's `int64`: what cannot be read is zero.
pub fn to_int64(value: &Value) -> i64 {
    match value {
        Value::Int(value) | Value::Int64(value) => *value,
        Value::Float(value) => float_to_int(*value),
        Value::Bool(value) => i64::from(*value),
        Value::Str(text) => {
            let text = trim_zero_decimal(text);
            let plain = without_underscores(text);
            plain
                .and_then(|plain| driftless_yaml::resolve::go_int(&plain))
                .unwrap_or(0)
        }
        Value::Object(object) => object
            .as_any()
            .downcast_ref::<super::Duration>()
            .map_or(0, |duration| duration.0),
        _ => 0,
    }
}

/// What the processor does with a float that does not fit.
pub(crate) fn float_to_int(value: f64) -> i64 {
    if value.is_nan() || value.abs() >= 9_223_372_036_854_775_808.0 {
        i64::MIN
    } else {
        value as i64
    }
}

/// Go takes underscores between digits when a base prefix stands before them.
fn without_underscores(text: &str) -> Option<String> {
    if !text.contains('_') {
        return Some(text.to_owned());
    }
    let digits = text.trim_start_matches(['-', '+']);
    let prefixed = digits.starts_with('0') && digits.len() > 1;
    (prefixed && !text.ends_with('_') && !text.contains("__")).then(|| text.replace('_', ""))
}

fn trim_zero_decimal(text: &str) -> &str {
    match text.rsplit_once('.') {
        Some((whole, zeros)) if !zeros.is_empty() && zeros.bytes().all(|b| b == b'0') => whole,
        _ => text,
    }
}

/// Sprig's `float64`.
pub(crate) fn to_float64(value: &Value) -> f64 {
    match value {
        Value::Int(value) | Value::Int64(value) => *value as f64,
        Value::Float(value) => *value,
        Value::Bool(value) => f64::from(u8::from(*value)),
        Value::Str(text) => parse_float(text).unwrap_or(0.0),
        _ => 0.0,
    }
}

/// Go's `strconv.ParseFloat`: Rust's, less what Go does not take.
pub(crate) fn parse_float(text: &str) -> Option<f64> {
    let lower = text.trim_start_matches(['+', '-']).to_ascii_lowercase();
    if matches!(lower.as_str(), "inf" | "infinity" | "nan") {
        return text.parse().ok();
    }
    driftless_yaml::resolve::go_float(text)
}
