//! Resource quantities (`500m`, `1Gi`, `1e3`): their value, and the form the API server stores.

use std::fmt;

/// How a quantity is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Format {
    /// `1500m`, `2k`.
    Decimal,
    /// `1e3`.
    Exponent,
    /// `1Gi`.
    Binary,
}

/// A parsed quantity. Two quantities are equal when their values are, however they are written.
#[derive(Clone, Copy, Debug)]
pub struct Quantity {
    /// Value in units of 10⁻⁹, the finest that Kubernetes keeps.
    nano: i128,
    format: Format,
}

const NANO: i128 = 1_000_000_000;
/// Kubernetes caps values at the largest 64-bit integer.
const MAX: i128 = i64::MAX as i128 * NANO;

impl Quantity {
    /// Reads a quantity; `None` when the text is not one.
    pub fn parse(text: &str) -> Option<Self> {
        let (negative, rest) = match text.as_bytes().first()? {
            b'-' => (true, &text[1..]),
            b'+' => (false, &text[1..]),
            _ => (false, text),
        };
        let end = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(rest.len());
        let (number, suffix) = rest.split_at(end);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
            return None;
        }
        let (base, exponent, format) = suffix_value(suffix)?;
        let nano = scale(whole, fraction, base, exponent);
        Some(Self {
            nano: if negative { -nano } else { nano },
            format,
        })
    }

    /// Returns the value in units of 10⁻⁹.
    pub fn nano(self) -> i128 {
        self.nano
    }

    /// Returns the value in units of 10⁻³, rounded up.
    pub fn milli(self) -> i128 {
        let units = NANO / 1000;
        self.nano.div_euclid(units) + i128::from(self.nano.rem_euclid(units) != 0)
    }
}

impl PartialEq for Quantity {
    fn eq(&self, other: &Self) -> bool {
        self.nano == other.nano
    }
}

impl Eq for Quantity {}

impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Quantity {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.nano.cmp(&other.nano)
    }
}

impl std::ops::Add for Quantity {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            nano: self.nano.saturating_add(other.nano).clamp(-MAX, MAX),
            format: self.format,
        }
    }
}

impl fmt::Display for Quantity {
    /// Writes the canonical form: the largest suffix that leaves a whole number.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.nano == 0 {
            return f.write_str("0");
        }
        let whole = self.nano % NANO == 0;
        if self.format == Format::Binary && whole && self.nano.abs() >= 1024 * NANO {
            let mut value = self.nano / NANO;
            let mut power = 0;
            while value % 1024 == 0 && power + 1 < BINARY.len() {
                value /= 1024;
                power += 1;
            }
            return write!(f, "{value}{}", BINARY[power]);
        }
        let mut value = self.nano;
        let mut power = 0;
        while value % 1000 == 0 && power + 1 < DECIMAL.len() {
            value /= 1000;
            power += 1;
        }
        match (self.format, power * 3) {
            (Format::Exponent, 9) => write!(f, "{value}"),
            (Format::Exponent, exponent) => write!(f, "{value}e{}", exponent as i64 - 9),
            _ => write!(f, "{value}{}", DECIMAL[power]),
        }
    }
}

const DECIMAL: [&str; 10] = ["n", "u", "m", "", "k", "M", "G", "T", "P", "E"];
const BINARY: [&str; 7] = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];

/// Returns base, exponent and format of a suffix.
fn suffix_value(suffix: &str) -> Option<(i128, i32, Format)> {
    if let Some(power) = DECIMAL.iter().position(|known| *known == suffix) {
        return Some((10, power as i32 * 3 - 9, Format::Decimal));
    }
    if let Some(power) = BINARY.iter().position(|known| *known == suffix) {
        return Some((2, power as i32 * 10, Format::Binary));
    }
    let exponent = suffix.strip_prefix(['e', 'E'])?;
    Some((10, exponent.parse().ok()?, Format::Exponent))
}

/// Computes `whole.fraction × base^exponent` in units of 10⁻⁹, rounded up and capped.
fn scale(whole: &str, fraction: &str, base: i128, exponent: i32) -> i128 {
    let digits = format!("{whole}{fraction}");
    let digits = digits.trim_start_matches('0');
    if digits.is_empty() {
        return 0;
    }
    // More digits than this are beyond the cap or below a billionth either way.
    let kept = digits.len().min(30);
    let dropped = (digits.len() - kept) as i64;
    let Ok(mantissa) = digits[..kept].parse::<i128>() else {
        return MAX;
    };
    let mut power = dropped - fraction.len() as i64 + 9;
    let mut value = mantissa;
    if base == 10 {
        power += i64::from(exponent);
    } else {
        match value.checked_mul(1_i128 << exponent) {
            Some(scaled) => value = scaled,
            None => return MAX,
        }
    }
    if power >= 0 {
        for _ in 0..power {
            match value.checked_mul(10) {
                Some(scaled) if scaled <= MAX => value = scaled,
                _ => return MAX,
            }
        }
        return value.min(MAX);
    }
    let mut inexact = false;
    for _ in 0..-power {
        inexact |= value % 10 != 0;
        value /= 10;
        if value == 0 {
            break;
        }
    }
    (value + i128::from(inexact)).min(MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical(text: &str) -> String {
        Quantity::parse(text).expect("a quantity").to_string()
    }

    #[test]
    fn writes_the_form_the_api_server_stores() {
        for (text, want) in [
            ("1000m", "1"),
            ("0.5", "500m"),
            (".5", "500m"),
            ("1500m", "1500m"),
            ("1.5", "1500m"),
            ("0", "0"),
            ("000", "0"),
            ("0Gi", "0"),
            ("1024Mi", "1Gi"),
            ("1.5Gi", "1536Mi"),
            ("0.5Gi", "512Mi"),
            ("1Ki", "1Ki"),
            ("0.5Ki", "512"),
            ("1000Ki", "1000Ki"),
            ("1000", "1k"),
            ("1e3", "1e3"),
            ("1E3", "1e3"),
            ("100000e-3", "100"),
            ("1E", "1E"),
            ("-1000m", "-1"),
            ("0.0000000001", "1n"),
            ("20E", "9223372036854775807"),
            ("1.0", "1"),
            ("2.", "2"),
        ] {
            assert_eq!(canonical(text), want, "{text}");
        }
    }

    #[test]
    fn refuses_what_is_no_quantity() {
        for text in [
            "", "-", "Gi", "1 Gi", "1.2.3", "1Zi", "one", "1e", "0x10", "1K",
        ] {
            assert_eq!(Quantity::parse(text), None, "{text}");
        }
    }

    #[test]
    fn compares_by_value() {
        assert_eq!(Quantity::parse("1Gi"), Quantity::parse("1073741824"));
        assert_ne!(Quantity::parse("1G"), Quantity::parse("1Gi"));
        assert!(Quantity::parse("1G") < Quantity::parse("1Gi"));
        assert_eq!(Quantity::parse("1500u").map(Quantity::milli), Some(2));
    }

    proptest::proptest! {
        #[test]
        fn canonical_form_is_stable_and_keeps_the_value(
            text in "[+-]?[0-9]{0,12}\\.?[0-9]{0,12}(n|u|m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei|e-?[0-9]{1,2})?"
        ) {
            if let Some(quantity) = Quantity::parse(&text) {
                let form = quantity.to_string();
                let again = Quantity::parse(&form);
                proptest::prop_assert_eq!(again, Some(quantity));
                proptest::prop_assert_eq!(again.map(|q| q.to_string()), Some(form));
            }
        }
    }
}
