//! Whether two scalars mean the same to the API server.

use driftless_manifest::quantity::Quantity;
use driftless_manifest::{duration, schema::Scalar};
use jiff::Timestamp;
use serde_json::{Number, Value};

/// Says whether a desired and a live value agree. `amount` says that the place is a resource amount of a
/// kind whose schema is not known.
pub(super) fn agree(desired: &Value, live: &Value, known: Option<Scalar>, amount: bool) -> bool {
    if same(desired, live) {
        return true;
    }
    match known {
        Some(Scalar::Quantity) => same_quantity(desired, live),
        Some(Scalar::Time) => match (desired.as_str(), live.as_str()) {
            (Some(a), Some(b)) => same_time(a, b),
            _ => false,
        },
        Some(Scalar::Bytes) => match (desired.as_str(), live.as_str()) {
            (Some(a), Some(b)) => bytes(a).eq(bytes(b)),
            _ => false,
        },
        Some(_) => false,
        None if amount => same_quantity(desired, live),
        None => is_canonical_duration(desired, live),
    }
}

/// Says whether two values are equal, numbers by their value.
pub(super) fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => same_number(a, b),
        _ => a == b,
    }
}

fn same_number(a: &Number, b: &Number) -> bool {
    if a == b {
        return true;
    }
    match (a.as_i64(), b.as_i64()) {
        (Some(a), Some(b)) => a == b,
        _ => a.as_f64() == b.as_f64(),
    }
}

fn quantity(value: &Value) -> Option<Quantity> {
    match value {
        Value::String(text) => Quantity::parse(text),
        Value::Number(number) => Quantity::parse(&number.to_string()),
        _ => None,
    }
}

fn same_quantity(desired: &Value, live: &Value) -> bool {
    quantity(desired).is_some_and(|desired| quantity(live) == Some(desired))
}

fn same_time(a: &str, b: &str) -> bool {
    match (a.parse::<Timestamp>(), b.parse::<Timestamp>()) {
        // Times are kept in whole seconds.
        (Ok(a), Ok(b)) => a.as_second() == b.as_second(),
        _ => false,
    }
}

/// Base64 without the line breaks that YAML block text brings.
fn bytes(text: &str) -> impl Iterator<Item = u8> {
    text.bytes().filter(|byte| !byte.is_ascii_whitespace())
}

/// Says whether the live text is how Go writes the desired duration: a webhook or controller read it as one
/// and wrote it back.
fn is_canonical_duration(desired: &Value, live: &Value) -> bool {
    let (Some(desired), Some(live)) = (desired.as_str(), live.as_str()) else {
        return false;
    };
    live.ends_with('s')
        && duration::parse(desired).is_some_and(|nanos| duration::format(nanos) == live)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn agrees(desired: Value, live: Value, known: Option<Scalar>) -> bool {
        agree(&desired, &live, known, false)
    }

    #[test]
    fn numbers_agree_by_value() {
        assert!(agrees(json!(1), json!(1.0), None));
        assert!(agrees(
            json!(9_223_372_036_854_775_807_i64),
            json!(9.223_372_036_854_776e18),
            None
        ));
        assert!(!agrees(json!(1), json!("1"), None));
        assert!(!agrees(json!(80), json!("80"), Some(Scalar::IntOrString)));
    }

    #[test]
    fn quantities_agree_by_value_where_they_are_known() {
        for (desired, live) in [
            (json!("1000m"), json!("1")),
            (json!(1), json!("1")),
            (json!(0.5), json!("500m")),
            (json!("1024Mi"), json!("1Gi")),
        ] {
            assert!(
                agrees(desired.clone(), live.clone(), Some(Scalar::Quantity)),
                "{desired}"
            );
            assert!(agree(&desired, &live, None, true), "{desired}");
            assert!(!agrees(desired, live, Some(Scalar::String)));
        }
    }

    #[test]
    fn durations_agree_when_the_live_one_is_canonical() {
        assert!(agrees(json!("60s"), json!("1m0s"), None));
        assert!(agrees(json!("1h"), json!("1h0m0s"), None));
        assert!(!agrees(json!("1m0s"), json!("60s"), None));
        assert!(!agrees(json!("60s"), json!("1m0s"), Some(Scalar::String)));
    }

    #[test]
    fn times_and_bytes_agree_by_meaning() {
        assert!(agrees(
            json!("2026-01-01T01:00:00+01:00"),
            json!("2026-01-01T00:00:00Z"),
            Some(Scalar::Time)
        ));
        assert!(agrees(
            json!("aGVs\nbG8=\n"),
            json!("aGVsbG8="),
            Some(Scalar::Bytes)
        ));
        assert!(!agrees(
            json!("aGVsbG8="),
            json!("aGVsbG9="),
            Some(Scalar::Bytes)
        ));
    }
}
