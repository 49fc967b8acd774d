//! Lengths of time as Go writes them: `1h30m`, `500ms`, `-2s`.

use std::fmt::Write as _;

use jiff::SignedDuration;

/// A text is not a length of time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unable to parse {0} as a duration")]
pub struct Error(pub String);

const NANOSECONDS: [(&str, i128); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

/// Reads a Go duration.
pub fn parse(text: &str) -> Result<SignedDuration, Error> {
    parse_nanoseconds(text)
        .map(SignedDuration::from_nanos)
        .ok_or_else(|| Error(text.to_owned()))
}

/// Reads a Go duration, or a bare whole number of seconds.
pub fn parse_or_seconds(text: &str) -> Result<SignedDuration, Error> {
    match text.parse::<i64>() {
        Ok(seconds) => Ok(SignedDuration::from_secs(seconds)),
        Err(_) => parse(text),
    }
}

fn parse_nanoseconds(text: &str) -> Option<i64> {
    let (negative, mut rest) = match text.as_bytes().first()? {
        b'-' => (true, text.get(1..)?),
        b'+' => (false, text.get(1..)?),
        _ => (false, text),
    };
    if rest == "0" {
        return Some(0);
    }
    if rest.is_empty() {
        return None;
    }
    let mut total: i128 = 0;
    while !rest.is_empty() {
        let end = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(rest.len());
        let (number, tail) = rest.split_at(end);
        let unit_end = tail
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit_end);
        let scale = NANOSECONDS.iter().find(|(name, _)| *name == unit)?.1;
        total = total.checked_add(scaled(number, scale)?)?;
        rest = tail;
    }
    i64::try_from(if negative { -total } else { total }).ok()
}

/// Multiplies a decimal number; digits below a nanosecond are dropped.
fn scaled(number: &str, scale: i128) -> Option<i128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let whole: i128 = if whole.is_empty() {
        0
    } else {
        whole.parse().ok()?
    };
    let mut total = whole.checked_mul(scale)?;
    let mut place = scale;
    for digit in fraction.chars() {
        place /= 10;
        total = total.checked_add(i128::from(digit.to_digit(10)?) * place)?;
    }
    Some(total)
}

/// Writes a length of time as Go does, to the second: `1h30m0s`, `2m0s`, `5s`.
pub fn render(duration: SignedDuration) -> String {
    let seconds = duration.as_secs();
    let mut out = String::new();
    if seconds < 0 {
        out.push('-');
    }
    let seconds = seconds.unsigned_abs();
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 {
        let _ = write!(out, "{hours}h");
    }
    if hours > 0 || minutes > 0 {
        let _ = write!(out, "{minutes}m");
    }
    let _ = write!(out, "{seconds}s");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_go_reads() {
        let seconds = |text: &str| parse(text).unwrap().as_secs_f64();
        assert!((seconds("1h30m") - 5400.0).abs() < 1e-9);
        assert!((seconds("1.5h") - 5400.0).abs() < 1e-9);
        assert!((seconds("-2s") + 2.0).abs() < 1e-9);
        assert!((seconds(".5s") - 0.5).abs() < 1e-9);
        assert!((seconds("100ms1us") - 0.100_001).abs() < 1e-9);
        assert!((seconds("0")).abs() < 1e-9);
        for bad in ["", "5", "s", "1d", ".s", "1h-2m", "9999999999h", "1.2.3s"] {
            assert_eq!(parse(bad), Err(Error(bad.to_owned())), "{bad}");
        }
        assert_eq!(parse_or_seconds("30"), Ok(SignedDuration::from_secs(30)));
        assert_eq!(parse_or_seconds("2m"), Ok(SignedDuration::from_secs(120)));
    }

    #[test]
    fn writes_what_go_writes() {
        let shown = |seconds| render(SignedDuration::from_secs(seconds));
        assert_eq!(shown(0), "0s");
        assert_eq!(shown(90), "1m30s");
        assert_eq!(shown(3600), "1h0m0s");
        assert_eq!(shown(-5), "-5s");
    }
}
