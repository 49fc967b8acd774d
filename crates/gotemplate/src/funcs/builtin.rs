//! Go's own functions.

use std::cmp::Ordering;

use super::{Answer, arg, func, variadic};
use crate::error::Fault;
use crate::exec::Exec;
use crate::fmt;
use crate::registry::{Func, Ty};
use crate::value::{List, Map, Value};

pub(super) const FUNCS: &[Func] = &[
    // The first two are evaluated by the runner, which stops at the first argument that decides.
    variadic("and", &[Ty::Reflect], Ty::Reflect, last),
    variadic("or", &[Ty::Reflect], Ty::Reflect, last),
    func("not", &[Ty::Reflect], |_, args| {
        Ok(Value::Bool(!arg(args, 0).is_true()))
    }),
    variadic(
        "print",
        &[],
        Ty::Any,
        |_, args| Ok(fmt::sprint(args).into()),
    ),
    variadic("printf", &[Ty::Str], Ty::Any, |_, args| {
        let rest = args.get(1..).unwrap_or_default();
        Ok(fmt::sprintf(super::text(args, 0), rest).into())
    }),
    variadic("println", &[], Ty::Any, |_, args| {
        Ok(fmt::sprintln(args).into())
    }),
    variadic("eq", &[Ty::Reflect], Ty::Reflect, eq),
    func("ne", &[Ty::Reflect, Ty::Reflect], |_, args| {
        Ok(Value::Bool(!equal(arg(args, 0), arg(args, 1))?))
    }),
    func("lt", &[Ty::Reflect, Ty::Reflect], |_, args| {
        compare(args, |order| order == Ordering::Less)
    }),
    func("le", &[Ty::Reflect, Ty::Reflect], |_, args| {
        compare(args, |order| order != Ordering::Greater)
    }),
    func("gt", &[Ty::Reflect, Ty::Reflect], |_, args| {
        compare(args, |order| order == Ordering::Greater)
    }),
    func("ge", &[Ty::Reflect, Ty::Reflect], |_, args| {
        compare(args, |order| order != Ordering::Less)
    }),
    variadic("index", &[Ty::Reflect], Ty::Reflect, index),
    func("len", &[Ty::Reflect], len),
    variadic("html", &[], Ty::Any, |_, args| {
        Ok(html(&plain_text(args)).into())
    }),
    variadic("js", &[], Ty::Any, |_, args| {
        Ok(js(&plain_text(args)).into())
    }),
    variadic("urlquery", &[], Ty::Any, |_, args| {
        Ok(super::url::query_escape(&plain_text(args)).into())
    }),
    variadic("call", &[Ty::Reflect], Ty::Reflect, |_, args| {
        Err(match arg(args, 0) {
            Value::Nil => Fault::new("call of nil"),
            other => Fault::new(format!(
                "non-function {} of type {}",
                match other {
                    Value::Str(text) => crate::quote::quote(text),
                    other => fmt::to_text(other),
                },
                other.type_name()
            )),
        })
    }),
];

fn last(_: &mut Exec<'_>, args: &[Value]) -> Answer {
    Ok(args.last().cloned().unwrap_or_default())
}

fn plain_text(args: &[Value]) -> String {
    match args {
        [Value::Str(text)] => text.to_string(),
        _ => fmt::sprint(args),
    }
}

#[derive(PartialEq, Eq, Clone, Copy)]
enum Basic {
    Bool,
    Int,
    Float,
    Str,
    Other,
}

fn basic(value: &Value) -> Basic {
    match value {
        Value::Bool(_) => Basic::Bool,
        Value::Int(_) | Value::Int64(_) => Basic::Int,
        Value::Float(_) => Basic::Float,
        Value::Str(_) => Basic::Str,
        Value::Object(object) if object.kind_name() == "int64" => Basic::Int,
        _ => Basic::Other,
    }
}

fn incompatible(a: &Value, b: &Value) -> Fault {
    Fault::new(format!(
        "incompatible types for comparison: {} and {}",
        a.type_name(),
        b.type_name()
    ))
}

fn non_comparable(value: &Value) -> Fault {
    Fault::new(format!(
        "non-comparable type {}: {}",
        fmt::sprintf("%s", std::slice::from_ref(value)),
        value.type_name()
    ))
}

fn is_comparable(value: &Value) -> bool {
    !matches!(value, Value::List(_) | Value::Map(_) | Value::Bytes(_))
}

fn equal(a: &Value, b: &Value) -> Result<bool, Fault> {
    match (a, b) {
        (Value::Bool(a), Value::Bool(b)) => return Ok(a == b),
        (Value::Int(a) | Value::Int64(a), Value::Int(b) | Value::Int64(b)) => return Ok(a == b),
        (Value::Float(a), Value::Float(b)) => return Ok(a == b),
        (Value::Str(a), Value::Str(b)) => return Ok(a == b),
        (Value::Nil, other) | (other, Value::Nil) => return Ok(other.is_nil()),
        _ => {}
    }
    if basic(a) != basic(b) {
        return Err(incompatible(a, b));
    }
    if !is_comparable(a) {
        return Err(non_comparable(a));
    }
    if !is_comparable(b) {
        return Err(non_comparable(b));
    }
    Ok(a.deep_equal(b))
}

fn eq(_: &mut Exec<'_>, args: &[Value]) -> Answer {
    let first = arg(args, 0);
    if args.len() < 2 {
        return Err(Fault::new("missing argument for comparison"));
    }
    if matches!(first, Value::List(_) | Value::Map(_) | Value::Bytes(_))
        && args
            .iter()
            .skip(1)
            .all(|other| basic(other) == Basic::Other && !other.is_nil())
    {
        return Err(non_comparable(first));
    }
    for other in args.iter().skip(1) {
        if equal(first, other)? {
            return Ok(Value::Bool(true));
        }
    }
    Ok(Value::Bool(false))
}

/// Says whether a value is one that Go compares by its kind.
fn is_basic(value: &Value) -> bool {
    matches!(
        value,
        Value::Bool(_) | Value::Int(_) | Value::Int64(_) | Value::Float(_) | Value::Str(_)
    )
}

fn compare(args: &[Value], fits: fn(Ordering) -> bool) -> Answer {
    let (a, b) = (arg(args, 0), arg(args, 1));
    let order = match (a, b) {
        (Value::Int(a) | Value::Int64(a), Value::Int(b) | Value::Int64(b)) => a.cmp(b),
        (Value::Str(a), Value::Str(b)) => a.as_bytes().cmp(b.as_bytes()),
        (Value::Float(a), Value::Float(b)) => match a.partial_cmp(b) {
            Some(order) => order,
            None => return Ok(Value::Bool(false)),
        },
        _ if !is_basic(a) || !is_basic(b) || basic(a) == basic(b) => {
            return Err(Fault::new("invalid type for comparison"));
        }
        _ => return Err(incompatible(a, b)),
    };
    Ok(Value::Bool(fits(order)))
}

/// A position in something of a length.
fn position(value: &Value, length: usize) -> Result<usize, Fault> {
    let number = match value {
        Value::Int(number) | Value::Int64(number) => *number,
        Value::Nil => return Err(Fault::new("cannot index slice/array with nil")),
        other => {
            return Err(Fault::new(format!(
                "cannot index slice/array with type {}",
                other.type_name()
            )));
        }
    };
    match usize::try_from(number) {
        Ok(at) if at < length => Ok(at),
        // Go's own check lets one past the end through, and stumbles over it later.
        Ok(at) if at == length => Err(Fault::new("reflect: slice index out of range")),
        _ => Err(Fault::new(format!("index out of range: {number}"))),
    }
}

fn index(_: &mut Exec<'_>, args: &[Value]) -> Answer {
    let Some((item, keys)) = args.split_first() else {
        return Ok(Value::Nil);
    };
    let mut item = item.clone();
    if item.is_nil() {
        return Err(Fault::new("index of untyped nil"));
    }
    for key in keys {
        item = match &item {
            Value::List(list) => {
                let at = position(key, list.items().len())?;
                list.items().get(at).cloned().unwrap_or_default()
            }
            Value::Str(text) => {
                let at = position(key, text.len()).map_err(|fault| {
                    if fault.message.starts_with("reflect:") {
                        Fault::new("reflect: string index out of range")
                    } else {
                        fault
                    }
                })?;
                let byte = text.as_bytes().get(at).copied().unwrap_or_default();
                Value::Int(i64::from(byte))
            }
            Value::Bytes(bytes) => {
                let at = position(key, bytes.len())?;
                Value::Int(i64::from(bytes.get(at).copied().unwrap_or_default()))
            }
            Value::Map(map) => match key {
                Value::Str(key) => map.get(key).unwrap_or_else(|| empty_of(map)),
                Value::Nil => return Err(Fault::new("value is nil; should be of type string")),
                other => {
                    return Err(Fault::new(format!(
                        "value has type {}; should be string",
                        other.type_name()
                    )));
                }
            },
            Value::Nil => return Err(Fault::new("index of nil pointer")),
            Value::Object(object) if object.entries().is_some() => {
                let key = super::text(std::slice::from_ref(key), 0);
                object.field(key).unwrap_or_default()
            }
            other => {
                return Err(Fault::new(format!(
                    "can't index item of type {}",
                    other.type_name()
                )));
            }
        };
    }
    Ok(item)
}

fn empty_of(map: &Map) -> Value {
    match map.kind() {
        crate::value::MapKind::Str => Value::str(""),
        _ => Value::Nil,
    }
}

fn len(_: &mut Exec<'_>, args: &[Value]) -> Answer {
    let length = match arg(args, 0) {
        Value::Str(text) => crate::bytes::of_text(text).len(),
        Value::Bytes(bytes) => bytes.len(),
        Value::List(list) => list.items().len(),
        Value::Map(map) => map.len(),
        Value::Nil => return Err(Fault::new("len of nil pointer")),
        Value::Object(object) if object.len().is_some() => object.len().unwrap_or_default(),
        other => return Err(Fault::new(format!("len of type {}", other.type_name()))),
    };
    Ok(Value::Int(length as i64))
}

fn html(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\0' => out.push('\u{FFFD}'),
            '"' => out.push_str("&#34;"),
            '\'' => out.push_str("&#39;"),
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            other => out.push(other),
        }
    }
    out
}

fn js(text: &str) -> String {
    use std::fmt::Write as _;
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\\' => out.push_str("\\\\"),
            '\'' => out.push_str("\\'"),
            '"' => out.push_str("\\\""),
            '<' => out.push_str("\\u003C"),
            '>' => out.push_str("\\u003E"),
            '&' => out.push_str("\\u0026"),
            '=' => out.push_str("\\u003D"),
            '\0'..='\u{1F}' => {
                let _ = write!(out, "\\u{:04X}", u32::from(character));
            }
            other => out.push(other),
        }
    }
    out
}

/// A slice of part of a list: Sprig's `slice` replaces Go's.
pub(super) fn part(list: &List, start: i64, end: i64) -> Option<Value> {
    let (start, end) = (usize::try_from(start).ok()?, usize::try_from(end).ok()?);
    let items = list.items().get(start..end)?;
    Some(Value::List(List::of(list.kind(), items.to_vec())))
}
