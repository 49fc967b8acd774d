//! The functions: Go's own and Sprig's, a module per family.

mod builtin;
mod cast;
mod crypto;
mod date;
mod dict;
mod encode;
mod list;
mod number;
mod random;
mod reflect;
mod regex;
mod semver;
mod string;
mod url;
mod words;

pub use cast::to_int64;
pub(crate) use crypto::DerivedKeys;
pub use date::{Duration, Time, round};
pub use encode::{base, clean};
pub use random::Random;
pub(crate) use regex::Regexes;
pub use semver::{Constraint, Version};
pub use string::strval;

use crate::error::Fault;
use crate::registry::{Call, Func, Registry, Ty};
use crate::value::{Map, Str, Value};

pub(crate) type Answer = Result<Value, Fault>;

/// A function with fixed parameters.
pub const fn func(name: &'static str, params: &'static [Ty], call: Call) -> Func {
    Func {
        name,
        params,
        variadic: None,
        call,
    }
}

/// A function that takes any number of further parameters of one type.
pub const fn variadic(name: &'static str, params: &'static [Ty], rest: Ty, call: Call) -> Func {
    Func {
        name,
        params,
        variadic: Some(rest),
        call,
    }
}

pub(crate) fn register(registry: &mut Registry) {
    for family in [
        builtin::FUNCS,
        crypto::FUNCS,
        date::FUNCS,
        dict::FUNCS,
        encode::FUNCS,
        list::FUNCS,
        number::FUNCS,
        random::FUNCS,
        regex::FUNCS,
        reflect::FUNCS,
        semver::FUNCS,
        string::FUNCS,
        url::FUNCS,
    ] {
        registry.add_all(family);
    }
}

/// Returns an argument; one that is not there is nil.
pub fn arg(args: &[Value], index: usize) -> &Value {
    args.get(index).unwrap_or(nil())
}

fn nil<'a>() -> &'a Value {
    const NIL: &Value = &Value::Nil;
    NIL
}

/// Returns a string argument.
pub fn text(args: &[Value], index: usize) -> &str {
    arg(args, index).as_str().unwrap_or_default()
}

pub(crate) fn shared(args: &[Value], index: usize) -> Str {
    match arg(args, index) {
        Value::Str(text) => text.clone(),
        _ => Str::from(""),
    }
}

/// Returns an `int` argument.
pub fn int(args: &[Value], index: usize) -> i64 {
    match arg(args, index) {
        Value::Int(value) | Value::Int64(value) => *value,
        _ => 0,
    }
}

/// Returns a map argument; a nil map reads as an empty one.
pub fn map(args: &[Value], index: usize) -> Map {
    arg(args, index).as_map().cloned().unwrap_or_default()
}

/// Methods of Helm's named map of values; `None` when `name` is none of them.
pub(crate) fn values_method(map: &Map, name: &str) -> Option<Answer> {
    match name {
        "AsMap" => Some(Ok(Value::Map(map.seen_as(crate::value::MapKind::Any)))),
        "YAML" => Some(
            crate::data::to_yaml(
                &Value::Map(map.clone()),
                driftless_yaml::Dialect::Kubernetes,
            )
            .map(Value::from)
            .map_err(Fault::new),
        ),
        _ => None,
    }
}
