//! Arithmetic.

use super::cast::{to_float64, to_int64};
use super::{Answer, arg, func, int, reflect, text, variadic};
use crate::error::Fault;
use crate::fmt;
use crate::registry::{Func, Ty};
use crate::value::Value;

pub(super) const FUNCS: &[Func] = &[
    func("int", &[Ty::Any], |_, args| {
        Ok(Value::Int(to_int64(arg(args, 0))))
    }),
    func("int64", &[Ty::Any], |_, args| {
        Ok(Value::Int64(to_int64(arg(args, 0))))
    }),
    func("float64", &[Ty::Any], |_, args| {
        Ok(Value::Float(to_float64(arg(args, 0))))
    }),
    func("atoi", &[Ty::Str], |_, args| {
        Ok(Value::Int(atoi(text(args, 0))))
    }),
    func("toDecimal", &[Ty::Any], |_, args| {
        let text = fmt::to_text(arg(args, 0));
        Ok(Value::Int64(i64::from_str_radix(&text, 8).unwrap_or(0)))
    }),
    func("add1", &[Ty::Any], |_, args| {
        Ok(Value::Int64(to_int64(arg(args, 0)).wrapping_add(1)))
    }),
    variadic("add", &[], Ty::Any, |_, args| {
        let sum = args
            .iter()
            .fold(0i64, |sum, value| sum.wrapping_add(to_int64(value)));
        Ok(Value::Int64(sum))
    }),
    func("sub", &[Ty::Any, Ty::Any], |_, args| {
        let (a, b) = (to_int64(arg(args, 0)), to_int64(arg(args, 1)));
        Ok(Value::Int64(a.wrapping_sub(b)))
    }),
    func("div", &[Ty::Any, Ty::Any], |_, args| {
        divide(args, i64::wrapping_div)
    }),
    func("mod", &[Ty::Any, Ty::Any], |_, args| {
        divide(args, i64::wrapping_rem)
    }),
    variadic("mul", &[Ty::Any], Ty::Any, |_, args| {
        let product = args
            .iter()
            .fold(1i64, |product, value| product.wrapping_mul(to_int64(value)));
        Ok(Value::Int64(product))
    }),
    variadic("max", &[Ty::Any], Ty::Any, |_, args| {
        Ok(Value::Int64(args.iter().map(to_int64).max().unwrap_or(0)))
    }),
    variadic("biggest", &[Ty::Any], Ty::Any, |_, args| {
        Ok(Value::Int64(args.iter().map(to_int64).max().unwrap_or(0)))
    }),
    variadic("min", &[Ty::Any], Ty::Any, |_, args| {
        Ok(Value::Int64(args.iter().map(to_int64).min().unwrap_or(0)))
    }),
    variadic("maxf", &[Ty::Any], Ty::Any, |_, args| {
        Ok(Value::Float(
            args.iter()
                .map(to_float64)
                .fold(f64::NEG_INFINITY, f64::max),
        ))
    }),
    variadic("minf", &[Ty::Any], Ty::Any, |_, args| {
        Ok(Value::Float(
            args.iter().map(to_float64).fold(f64::INFINITY, f64::min),
        ))
    }),
    func("ceil", &[Ty::Any], |_, args| {
        Ok(Value::Float(to_float64(arg(args, 0)).ceil()))
    }),
    func("floor", &[Ty::Any], |_, args| {
        Ok(Value::Float(to_float64(arg(args, 0)).floor()))
    }),
    variadic("round", &[Ty::Any, Ty::Int], Ty::Float, |_, args| {
        let on = match args.get(2) {
            Some(Value::Float(on)) => *on,
            _ => 0.5,
        };
        let power = 10f64.powf(int(args, 1) as f64);
        let digit = power * to_float64(arg(args, 0));
        let rounded = if digit.fract() >= on {
            digit.ceil()
        } else {
            digit.floor()
        };
        Ok(Value::Float(rounded / power))
    }),
    func("add1f", &[Ty::Any], |_, args| {
        Ok(decimal(arg(args, 0), &[Value::Int(1)], Op::Add))
    }),
    variadic("addf", &[], Ty::Any, |_, args| {
        Ok(decimal(&Value::Int(0), args, Op::Add))
    }),
    variadic("subf", &[Ty::Any], Ty::Any, |_, args| {
        Ok(decimal(
            arg(args, 0),
            args.get(1..).unwrap_or_default(),
            Op::Sub,
        ))
    }),
    variadic("mulf", &[Ty::Any], Ty::Any, |_, args| {
        Ok(decimal(
            arg(args, 0),
            args.get(1..).unwrap_or_default(),
            Op::Mul,
        ))
    }),
    variadic("divf", &[Ty::Any], Ty::Any, |_, args| {
        let rest = args.get(1..).unwrap_or_default();
        if rest.iter().any(|value| to_float64(value) == 0.0) {
            return Err(Fault::new("decimal division by 0"));
        }
        Ok(decimal(arg(args, 0), rest, Op::Div))
    }),
    variadic("seq", &[], Ty::Int, seq),
];

fn atoi(text: &str) -> i64 {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return 0;
    }
    // Out of range, Go gives the nearest number along with the error that Sprig drops.
    text.parse().unwrap_or(if text.starts_with('-') {
        i64::MIN
    } else {
        i64::MAX
    })
}

fn divide(args: &[Value], operation: fn(i64, i64) -> i64) -> Answer {
    let (a, b) = (to_int64(arg(args, 0)), to_int64(arg(args, 1)));
    if b == 0 {
        return Err(Fault::new("runtime error: integer divide by zero"));
    }
    Ok(Value::Int64(operation(a, b)))
}

fn seq(_: &mut crate::exec::Exec<'_>, args: &[Value]) -> Answer {
    let (start, step, end) = match args.len() {
        1 => {
            let end = int(args, 0);
            (1, if end < 1 { -1 } else { 1 }, end)
        }
        2 => {
            let (start, end) = (int(args, 0), int(args, 1));
            (start, if end < start { -1 } else { 1 }, end)
        }
        3 => {
            let (start, step, end) = (int(args, 0), int(args, 1), int(args, 2));
            if end < start && step > 0 {
                return Ok(Value::str(""));
            }
            (start, step, end)
        }
        _ => return Ok(Value::str("")),
    };
    let past = if end < start { end - 1 } else { end + 1 };
    let numbers: Vec<String> = reflect::numbers(start, past, step)?
        .iter()
        .map(ToString::to_string)
        .collect();
    Ok(numbers.join(" ").into())
}

#[derive(Clone, Copy)]
enum Op {
    Add,
    Sub,
    Mul,
    Div,
}

/// A decimal number: digits × 10^-scale. Floats come in by their shortest text, so that 0.1 + 0.2 is
/// 0.3 as it is in Go's decimal library.
#[derive(Clone, Copy)]
struct Decimal {
    digits: i128,
    scale: u32,
}

impl Decimal {
    fn of(value: f64) -> Option<Self> {
        let text = format!("{value}");
        let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
        let digits = format!("{whole}{fraction}").parse().ok()?;
        Some(Self {
            digits,
            scale: u32::try_from(fraction.len()).ok()?,
        })
    }

    fn to_scale(self, scale: u32) -> Option<i128> {
        let factor = 10i128.checked_pow(scale.checked_sub(self.scale)?)?;
        self.digits.checked_mul(factor)
    }

    fn apply(self, other: Self, op: Op) -> Option<Self> {
        let scale = self.scale.max(other.scale);
        match op {
            Op::Add => Some(Self {
                digits: self.to_scale(scale)?.checked_add(other.to_scale(scale)?)?,
                scale,
            }),
            Op::Sub => Some(Self {
                digits: self.to_scale(scale)?.checked_sub(other.to_scale(scale)?)?,
                scale,
            }),
            Op::Mul => Some(Self {
                digits: self.digits.checked_mul(other.digits)?,
                scale: self.scale.checked_add(other.scale)?,
            }),
            // Sixteen decimal places, rounded half away from zero.
            Op::Div => {
                let (a, b) = (self.to_scale(scale)?, other.to_scale(scale)?);
                let a = a.checked_mul(10i128.pow(16))?;
                let (quotient, rest) = (a.checked_div(b)?, a.checked_rem(b)?);
                let up = rest.checked_mul(2)?.unsigned_abs() >= b.unsigned_abs();
                let sign = if (a < 0) == (b < 0) { 1 } else { -1 };
                Some(Self {
                    digits: quotient + if up { sign } else { 0 },
                    scale: 16,
                })
            }
        }
    }

    fn to_float(self) -> f64 {
        format!("{}e-{}", self.digits, self.scale)
            .parse()
            .unwrap_or(f64::NAN)
    }
}

fn decimal(first: &Value, rest: &[Value], op: Op) -> Value {
    let mut exact = Decimal::of(to_float64(first));
    let mut rough = to_float64(first);
    for value in rest {
        let value = to_float64(value);
        exact = exact.and_then(|exact| exact.apply(Decimal::of(value)?, op));
        rough = match op {
            Op::Add => rough + value,
            Op::Sub => rough - value,
            Op::Mul => rough * value,
            Op::Div => rough / value,
        };
    }
    Value::Float(exact.map_or(rough, Decimal::to_float))
}
