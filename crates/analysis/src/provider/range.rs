//! Start and end of a range: `now() - duration("1h")`.

use driftless_api::analysis::provider::RangeQuery;
use driftless_api::duration;
use jiff::{SignedDuration, Timestamp};

/// A range.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Span {
    pub(super) start: Timestamp,
    pub(super) end: Timestamp,
    pub(super) step: SignedDuration,
}

/// Reads a range.
pub(super) fn span(range: &RangeQuery, now: Timestamp) -> Result<Span, String> {
    let start = moment(&range.start, now).map_err(|why| format!("start: {why}"))?;
    let end = moment(&range.end, now).map_err(|why| format!("end: {why}"))?;
    let step = duration::parse_or_seconds(&range.step).map_err(|error| format!("step: {error}"))?;
    if !step.is_positive() {
        return Err("step: it must be longer than nothing".into());
    }
    if start > end {
        return Err("start: it is after the end".into());
    }
    Ok(Span { start, end, step })
}

/// Reads `now()`, `date("2026-01-02T03:04:05Z")`, and either with durations added and taken away.
fn moment(text: &str, now: Timestamp) -> Result<Timestamp, String> {
    let wrong = || format!("{text:?} is not understood: write now() - duration(\"1h\")");
    let mut rest = text.trim();
    let mut at = if let Some(after) = rest.strip_prefix("now()") {
        rest = after;
        now
    } else {
        let (inner, after) = call(rest, "date").ok_or_else(wrong)?;
        rest = after;
        inner
            .parse()
            .map_err(|_| format!("date({inner:?}) is not a time such as 2026-01-02T03:04:05Z"))?
    };
    while !rest.trim().is_empty() {
        let sign = rest.trim_start();
        let (is_minus, after) = match (sign.strip_prefix('-'), sign.strip_prefix('+')) {
            (Some(after), _) => (true, after),
            (_, Some(after)) => (false, after),
            _ => return Err(wrong()),
        };
        let (inner, after) = call(after.trim_start(), "duration").ok_or_else(wrong)?;
        let length = duration::parse(inner).map_err(|error| error.to_string())?;
        let moved = if is_minus {
            at.checked_sub(length)
        } else {
            at.checked_add(length)
        };
        at = moved.map_err(|_| format!("{text:?} is outside of all time"))?;
        rest = after;
    }
    Ok(at)
}

/// Reads `name("text")`.
fn call<'a>(text: &'a str, name: &str) -> Option<(&'a str, &'a str)> {
    let inner = text
        .strip_prefix(name)?
        .trim_start()
        .strip_prefix('(')?
        .trim_start();
    let quote = inner
        .chars()
        .next()
        .filter(|c| matches!(c, '"' | '\'' | '`'))?;
    let (value, after) = inner.get(1..)?.split_once(quote)?;
    Some((value, after.trim_start().strip_prefix(')')?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments() {
        let now: Timestamp = "2026-01-02T12:00:00Z".parse().unwrap();
        for (text, wanted) in [
            ("now()", "2026-01-02T12:00:00Z"),
            ("now() - duration(\"1h\")", "2026-01-02T11:00:00Z"),
            (
                " now()-duration('1h30m') + duration(\"30m\") ",
                "2026-01-02T11:00:00Z",
            ),
            ("date(\"2025-12-31T00:00:00Z\")", "2025-12-31T00:00:00Z"),
        ] {
            assert_eq!(moment(text, now).unwrap().to_string(), wanted, "{text}");
        }
        for text in [
            "",
            "now",
            "now() - 1h",
            "now() - duration(\"x\")",
            "later()",
            "now() now()",
        ] {
            assert!(moment(text, now).is_err(), "{text}");
        }
    }
}
