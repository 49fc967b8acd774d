//! What a plain scalar means: YAML 1.1's implicit types as Go's `yaml.v2` knows them.

/// The meaning of a plain scalar.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scalar {
    /// Null.
    Null,
    /// A boolean.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// An integer above `i64::MAX`.
    Uint(u64),
    /// A float; infinities and not-a-number included.
    Float(f64),
    /// The merge key.
    Merge,
    /// Anything else is a string.
    Str,
}

/// Returns what the plain scalar `text` means.
pub fn plain(text: &str) -> Scalar {
    let Some(first) = text.as_bytes().first() else {
        return Scalar::Null;
    };
    match first {
        b'0'..=b'9' => number(text),
        b'+' | b'-' => special_float(text).unwrap_or_else(|| number(text)),
        b'.' => special_float(text)
            .or_else(|| go_float(text).map(Scalar::Float))
            .unwrap_or(Scalar::Str),
        b'y' | b'Y' | b'n' | b'N' | b't' | b'T' | b'f' | b'F' | b'o' | b'O' | b'~' => word(text),
        // Go finds the merge key by its text alone, without looking at its type.
        b'<' if text == "<<" => Scalar::Merge,
        _ => Scalar::Str,
    }
}

fn word(text: &str) -> Scalar {
    if text.len() > 5 {
        return Scalar::Str;
    }
    match text {
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            Scalar::Bool(true)
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            Scalar::Bool(false)
        }
        "~" | "null" | "Null" | "NULL" => Scalar::Null,
        _ => Scalar::Str,
    }
}

fn special_float(text: &str) -> Option<Scalar> {
    Some(Scalar::Float(match text {
        ".nan" | ".NaN" | ".NAN" => f64::NAN,
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => f64::INFINITY,
        "-.inf" | "-.Inf" | "-.INF" => f64::NEG_INFINITY,
        _ => return None,
    }))
}

fn number(text: &str) -> Scalar {
    // Most strings that start with a digit are versions, sizes and times: out early.
    if text
        .bytes()
        .any(|byte| !(byte.is_ascii_alphanumeric() || b"_+-.".contains(&byte)))
    {
        return Scalar::Str;
    }
    let owned;
    let plain = if text.contains('_') {
        owned = text.replace('_', "");
        owned.as_str()
    } else {
        text
    };
    if let Some(value) = go_int(plain) {
        return Scalar::Int(value);
    }
    if let Some(value) = go_uint(plain) {
        return Scalar::Uint(value);
    }
    if is_style_float(plain)
        && let Some(value) = go_float(plain)
    {
        return Scalar::Float(value);
    }
    if let Some(digits) = plain.strip_prefix("0b") {
        if let Ok(value) = i64::from_str_radix(digits, 2) {
            return Scalar::Int(value);
        }
    } else if let Some(digits) = plain.strip_prefix("-0b")
        && let Ok(value) = i64::from_str_radix(&format!("-{digits}"), 2)
    {
        return Scalar::Int(value);
    }
    Scalar::Str
}

/// Go's `strconv.ParseInt(text, 0, 64)` for a text without underscores.
pub fn go_int(text: &str) -> Option<i64> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, text.get(1..)?),
        b'+' => (false, text.get(1..)?),
        _ => (false, text),
    };
    let magnitude = go_uint(digits)?;
    if negative {
        0i64.checked_sub_unsigned(magnitude)
    } else {
        i64::try_from(magnitude).ok()
    }
}

/// Go's `strconv.ParseUint(text, 0, 64)` for a text without underscores.
pub fn go_uint(text: &str) -> Option<u64> {
    let (digits, radix) = match text.as_bytes() {
        [b'0', b'x' | b'X', ..] => (text.get(2..)?, 16),
        [b'0', b'o' | b'O', ..] => (text.get(2..)?, 8),
        [b'0', b'b' | b'B', ..] => (text.get(2..)?, 2),
        [b'0', _, ..] => (text.get(1..)?, 8),
        _ => (text, 10),
    };
    // Rust also takes a sign here, Go does not.
    if !digits.as_bytes().first()?.is_ascii_alphanumeric() {
        return None;
    }
    u64::from_str_radix(digits, radix).ok()
}

/// Go's `strconv.ParseFloat(text, 64)` for decimal texts; a value out of range is an error there.
pub fn go_float(text: &str) -> Option<f64> {
    let decimal = |byte: u8| byte.is_ascii_digit() || b"+-.eE".contains(&byte);
    if !text.bytes().all(decimal) {
        return None;
    }
    text.parse::<f64>().ok().filter(|value| value.is_finite())
}

/// `^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$`
fn is_style_float(text: &str) -> bool {
    fn digits(text: &[u8]) -> usize {
        text.iter().take_while(|byte| byte.is_ascii_digit()).count()
    }
    let mut rest = text.as_bytes();
    if let [b'-' | b'+', tail @ ..] = rest {
        rest = tail;
    }
    let whole = digits(rest);
    rest = rest.get(whole..).unwrap_or_default();
    if let [b'.', tail @ ..] = rest {
        let fraction = digits(tail);
        if whole == 0 && fraction == 0 {
            return false;
        }
        rest = tail.get(fraction..).unwrap_or_default();
    } else if whole == 0 {
        return false;
    }
    if let [b'e' | b'E', tail @ ..] = rest {
        let tail = match tail {
            [b'-' | b'+', tail @ ..] => tail,
            _ => tail,
        };
        let exponent = digits(tail);
        return exponent > 0 && exponent == tail.len();
    }
    rest.is_empty()
}

/// `^[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?$`: a float in base 60, which some parsers still read.
pub fn is_base_60(text: &str) -> bool {
    if !text.contains(':') {
        return false;
    }
    let rest = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (rest, fraction) = rest.split_once('.').unwrap_or((rest, ""));
    if !fraction.bytes().all(|b| b.is_ascii_digit() || b == b'_') {
        return false;
    }
    let mut parts = rest.split(':');
    let head = parts.next().unwrap_or_default();
    let head_fits = head.starts_with(|c: char| c.is_ascii_digit())
        && head.bytes().all(|b| b.is_ascii_digit() || b == b'_');
    head_fits
        && parts.all(|part| match part.as_bytes() {
            [digit] => digit.is_ascii_digit(),
            [tens, digit] => (b'0'..=b'5').contains(tens) && digit.is_ascii_digit(),
            _ => false,
        })
}

/// Says whether Go's library takes the text for a timestamp: a date, or a date and a time of day.
pub fn is_timestamp(text: &str) -> bool {
    let bytes = text.as_bytes();
    let year_ends = bytes.get(4) == Some(&b'-');
    if !year_ends || !bytes.iter().take(4).all(u8::is_ascii_digit) {
        return false;
    }
    let mut at = Digits { bytes, at: 0 };
    let Some(year) = at.number(4, 4) else {
        return false;
    };
    let Some((month, day)) = at.after(b'-', 1, 2).zip(at.after(b'-', 1, 2)) else {
        return false;
    };
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => return false,
    };
    if !(1..=days).contains(&day) {
        return false;
    }
    match at.rest() {
        [] => true,
        [b'T' | b't', ..] => at.skip_clock() && at.skip_zone() && at.rest().is_empty(),
        [b' ', ..] => at.skip_clock() && at.rest().is_empty(),
        _ => false,
    }
}

struct Digits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Digits<'_> {
    fn rest(&self) -> &[u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    fn number(&mut self, least: usize, most: usize) -> Option<u32> {
        let length = self
            .rest()
            .iter()
            .take(most)
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        if length < least {
            return None;
        }
        let value = self.rest().iter().take(length).fold(0u32, |value, byte| {
            value.wrapping_mul(10).wrapping_add(u32::from(byte - b'0'))
        });
        self.at += length;
        Some(value)
    }

    fn after(&mut self, mark: u8, least: usize, most: usize) -> Option<u32> {
        if self.rest().first() != Some(&mark) {
            return None;
        }
        self.at += 1;
        self.number(least, most)
    }

    /// `T15:4:5.999999999`, the first byte already known; Go takes hours of one or two digits.
    fn skip_clock(&mut self) -> bool {
        self.at += 1;
        let hour = self.number(1, 2);
        let minute = self.after(b':', 1, 2);
        let second = self.after(b':', 1, 2);
        if matches!(self.rest(), [b'.' | b',', digit, ..] if digit.is_ascii_digit()) {
            self.at += 1;
            self.number(1, usize::MAX);
        }
        matches!(
            (hour, minute, second),
            (Some(0..=23), Some(0..=59), Some(0..=59))
        )
    }

    fn skip_zone(&mut self) -> bool {
        match self.rest() {
            [b'Z', ..] => {
                self.at += 1;
                true
            }
            [b'+' | b'-', ..] => {
                self.at += 1;
                let hours = self.number(2, 2);
                let minutes = self.after(b':', 2, 2);
                matches!((hours, minutes), (Some(0..=24), Some(0..=60)))
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Scalar, plain};

    #[test]
    fn yaml_1_1_words_and_numbers() {
        for (text, want) in [
            ("yes", Scalar::Bool(true)),
            ("Off", Scalar::Bool(false)),
            ("y", Scalar::Bool(true)),
            ("yEs", Scalar::Str),
            ("~", Scalar::Null),
            ("", Scalar::Null),
            ("0777", Scalar::Int(511)),
            ("0o14", Scalar::Int(12)),
            ("0x1F", Scalar::Int(31)),
            ("-0b11", Scalar::Int(-3)),
            ("08", Scalar::Float(8.0)),
            ("1_000", Scalar::Int(1000)),
            ("+12", Scalar::Int(12)),
            ("-9223372036854775808", Scalar::Int(i64::MIN)),
            ("18446744073709551615", Scalar::Uint(u64::MAX)),
            (
                "18446744073709551616",
                Scalar::Float(18_446_744_073_709_551_616.0),
            ),
            ("1e3", Scalar::Float(1000.0)),
            ("1.", Scalar::Float(1.0)),
            (".5", Scalar::Float(0.5)),
            ("1e400", Scalar::Str),
            ("0x1p-2", Scalar::Str),
            ("1.2.3", Scalar::Str),
            ("2001-01-01", Scalar::Str),
            ("12:30", Scalar::Str),
            ("-", Scalar::Str),
            ("+-1", Scalar::Str),
            (".", Scalar::Str),
            ("0x", Scalar::Str),
            ("<<", Scalar::Merge),
        ] {
            assert_eq!(plain(text), want, "{text}");
        }
        assert!(matches!(plain(".NaN"), Scalar::Float(value) if value.is_nan()));
    }
}
