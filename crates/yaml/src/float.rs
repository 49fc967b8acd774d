//! Go's shortest form of a float (`strconv.FormatFloat(value, 'g', -1, …)`).

/// Returns Go's `'g'` form with the fewest digits that read back as `value`: `1e+06`, `0.5`, `100000`.
pub fn format_g(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    shortest_g(value, &format!("{value:e}"))
}

/// Lays out `scientific` (Rust's `{:e}`: the same digits as Go's) as Go's `'g'` does. With the fewest
/// digits Go turns to an exponent below -4 and from 6 on.
pub(crate) fn shortest_g(value: f64, scientific: &str) -> String {
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if (-4..6).contains(&exponent) {
        let negative = mantissa.starts_with('-');
        let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
        if value == 0.0 {
            return if negative { "-0" } else { "0" }.to_owned();
        }
        let mut text = String::with_capacity(24);
        if negative {
            text.push('-');
        }
        if exponent < 0 {
            text.push_str("0.");
            text.extend(std::iter::repeat_n('0', (-exponent - 1) as usize));
            text.push_str(&digits);
        } else {
            let whole = exponent as usize + 1;
            let (head, tail) = digits.split_at(digits.len().min(whole));
            text.push_str(head);
            text.extend(std::iter::repeat_n('0', whole - head.len()));
            if !tail.is_empty() {
                text.push('.');
                text.push_str(tail);
            }
        }
        return text;
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.abs())
}

#[cfg(test)]
mod tests {
    use super::format_g;

    #[test]
    fn go_forms() {
        for (value, want) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (1.0, "1"),
            (1e6, "1e+06"),
            (1e20, "1e+20"),
            (1e21, "1e+21"),
            (123_456_789.0, "1.23456789e+08"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (1.5, "1.5"),
            (-2.5e-7, "-2.5e-07"),
            (100_000.0, "100000"),
            (1e100, "1e+100"),
        ] {
            assert_eq!(format_g(value), want);
        }
    }
}
