//! Constant numbers: Go's syntax, in every form they fit.

use super::ast::Number;
use crate::quote;

/// Reads a number or character constant.
pub(super) fn read(text: &str) -> Result<Number, String> {
    if text.starts_with('\'') {
        let Some(character) = quote::unquote_char(text) else {
            return Err(format!("malformed character constant: {text}"));
        };
        let code = u32::from(character);
        return Ok(Number {
            int: Some(i64::from(code)),
            uint: Some(u64::from(code)),
            float: Some(f64::from(code)),
            is_char: true,
            ..Number::default()
        });
    }
    if text.ends_with('i') {
        return Ok(Number {
            is_complex: true,
            ..Number::default()
        });
    }
    let hex = if text.trim_start_matches(['+', '-']).starts_with(['0']) {
        text.contains(['x', 'X'])
    } else {
        Default::default()
    };
    let looks_float = if hex {
        text.contains(['.', 'p', 'P'])
    } else {
        text.contains(['.', 'e', 'E'])
    };
    let plain = text.replace('_', "");
    let mut number = Number {
        int: driftless_yaml::resolve::go_int(&plain),
        uint: driftless_yaml::resolve::go_uint(&plain),
        looks_float,
        ..Number::default()
    };
    if let Some(int) = number.int {
        number.float = Some(int as f64);
        if int >= 0 {
            number.uint = Some(int as u64);
        }
        return Ok(number);
    }
    if let Some(uint) = number.uint {
        number.float = Some(uint as f64);
        return Ok(number);
    }
    let float = if hex {
        hex_float(&plain)
    } else {
        driftless_yaml::resolve::go_float(&plain)
    };
    if let Some(float) = float {
        if !looks_float {
            return Err(format!("integer overflow: {}", quote::quote(text)));
        }
        number.float = Some(float);
        if float.fract() == 0.0 && float.abs() < 9_223_372_036_854_775_808.0 {
            number.int = Some(float as i64);
            number.uint = u64::try_from(float as i64).ok();
        }
        return Ok(number);
    }
    Err(format!("illegal number syntax: {}", quote::quote(text)))
}

fn hex_float(text: &str) -> Option<f64> {
    let (negative, rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let rest = rest
        .strip_prefix("0x")
        .or_else(|| rest.strip_prefix("0X"))?;
    let (mantissa, exponent) = rest.split_once(['p', 'P'])?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let mut value = 0.0;
    for digit in whole.chars() {
        value = value * 16.0 + f64::from(digit.to_digit(16)?);
    }
    let mut scale = 1.0 / 16.0;
    for digit in fraction.chars() {
        value += f64::from(digit.to_digit(16)?) * scale;
        scale /= 16.0;
    }
    let value = value * 2f64.powi(exponent.parse().ok()?);
    Some(if negative { -value } else { value })
}
