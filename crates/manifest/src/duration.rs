//! Durations as Go writes them (`1h30m0s`), the form the API server stores.

/// Reads a Go duration (`90s`, `1.5h`, `-2m3.5s`) as nanoseconds; `None` when the text is not one.
pub fn parse(text: &str) -> Option<i64> {
    let (negative, mut rest) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
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
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, tail) = rest.split_at(end);
        let end = tail
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(end);
        total = total.checked_add(part(number, unit)?)?;
        rest = tail;
    }
    i64::try_from(if negative { -total } else { total }).ok()
}

fn part(number: &str, unit: &str) -> Option<i128> {
    let unit: i128 = match unit {
        "ns" => 1,
        "us" | "µs" | "μs" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return None,
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
        return None;
    }
    let whole: i128 = if whole.is_empty() {
        0
    } else {
        whole.parse().ok()?
    };
    let mut value = whole.checked_mul(unit)?;
    // Beyond 18 digits nothing of a nanosecond is left.
    let kept = &fraction[..fraction.len().min(18)];
    if !kept.is_empty() {
        value += kept.parse::<i128>().ok()? * unit / 10_i128.pow(kept.len() as u32);
    }
    Some(value)
}

/// Writes nanoseconds as Go does.
pub fn format(nanos: i64) -> String {
    if nanos == 0 {
        return "0s".into();
    }
    let sign = if nanos < 0 { "-" } else { "" };
    let nanos = nanos.unsigned_abs();
    if nanos < 1_000_000_000 {
        let (unit, width) = match nanos {
            0..1_000 => ("ns", 0),
            1_000..1_000_000 => ("µs", 3),
            _ => ("ms", 6),
        };
        return format!("{sign}{}{unit}", decimal(nanos, width));
    }
    let (hours, rest) = (nanos / 3_600_000_000_000, nanos % 3_600_000_000_000);
    let (minutes, seconds) = (rest / 60_000_000_000, rest % 60_000_000_000);
    let seconds = decimal(seconds, 9);
    match (hours, minutes) {
        (0, 0) => format!("{sign}{seconds}s"),
        (0, _) => format!("{sign}{minutes}m{seconds}s"),
        _ => format!("{sign}{hours}h{minutes}m{seconds}s"),
    }
}

/// Writes `value × 10^-width` without trailing zeros.
fn decimal(value: u64, width: u32) -> String {
    let one = 10_u64.pow(width);
    let (whole, fraction) = (value / one, value % one);
    if fraction == 0 {
        return whole.to_string();
    }
    let fraction = format!("{fraction:0width$}", width = width as usize);
    format!("{whole}.{}", fraction.trim_end_matches('0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_the_canonical_form() {
        for (text, want) in [
            ("60s", "1m0s"),
            ("1h", "1h0m0s"),
            ("90m", "1h30m0s"),
            ("1.5s", "1.5s"),
            ("1500ms", "1.5s"),
            ("0", "0s"),
            ("0s", "0s"),
            ("-1m", "-1m0s"),
            ("1h0m0s", "1h0m0s"),
            ("2us", "2µs"),
            ("1.5h", "1h30m0s"),
            ("100ns", "100ns"),
        ] {
            assert_eq!(parse(text).map(format).as_deref(), Some(want), "{text}");
        }
    }

    #[test]
    fn refuses_what_is_no_duration() {
        for text in ["", "s", "1", "1d", "1.2.3s", "five", "1s2", "9999999h"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn reads_what_it_writes(nanos in proptest::prelude::any::<i64>()) {
            proptest::prop_assume!(nanos != i64::MIN);
            proptest::prop_assert_eq!(parse(&format(nanos)), Some(nanos));
        }
    }
}
